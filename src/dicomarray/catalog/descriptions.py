"""What is told of a series beside its attributes, in tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dicomarray.dicom.headers.columns import column_of
from dicomarray.dicom.vr import Value

if TYPE_CHECKING:
    from dicomarray.assembly.series import Series


def described(series: Series) -> dict[str, str | None]:
    """What the table tells of a series beside its attributes: its study, its size and its plane."""
    study = series.attributes.get("StudyDescription") or _last_part(series.attributes.get("StudyInstanceUID"))
    return {"study": str(study or ""), "size": _size(series), "plane": _plane(series)}


def _last_part(uid: object) -> str:
    return f"...{str(uid)[-8:]}" if uid else ""


def _size(series: Series) -> str:
    """``120 x 512 x 512``: images, rows, columns; of masks that they are such."""
    if series.is_segments:
        contours = series.attributes.get("Modality") == "RTSTRUCT"
        return f"{len(series.instances)}, {'contours' if contours else 'masks'}"
    said = zip(*(_cells(series, name) for name in ("Rows", "Columns", "NumberOfFrames")), strict=True)
    images = [image for image in said if image[0] and image[1]]
    if not images:
        return f"{len(series.instances)}, no images"
    count = sum(number if isinstance(number, int) and number > 0 else 1 for _, _, number in images)
    sizes = {(rows, columns) for rows, columns, _ in images}
    rows, columns = sizes.pop()
    return f"{count} x {'several sizes' if sizes else f'{rows} x {columns}'}"


def _cells(series: Series, name: str) -> Sequence[Value]:
    """What each instance says."""
    cells = column_of(series.instances, name)
    return cells if len(cells) > 1 else [*cells] * len(series.instances)


def _plane(series: Series) -> str:
    orientations = column_of(series.instances, "ImageOrientationPatient")
    planes = {plane for orientation in orientations if (plane := _plane_of(orientation)) is not None}
    return planes.pop() if len(planes) == 1 else "several" if planes else ""


def _plane_of(orientation: object) -> str | None:
    """By the axis nearest to the normal."""
    if not isinstance(orientation, tuple) or len(orientation) != 6:
        return None
    if not all(isinstance(number, int | float) for number in orientation):
        return None
    a, b, c, d, e, f = orientation
    normal = [abs(b * f - c * e), abs(c * d - a * f), abs(a * e - b * d)]
    return ("sagittal", "coronal", "axial")[normal.index(max(normal))] if any(normal) else None
