"""What is told of a series beside its attributes, in tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dicomarray.assembly.series import Series


def described(series: Series) -> dict[str, str | None]:
    """What the table tells of a series beside its attributes: its study, its size and its plane."""
    study = series.attributes.get("StudyDescription") or _last_part(series.attributes.get("StudyInstanceUID"))
    return {"study": str(study or ""), "size": _size(series), "plane": _plane(series)}


def _last_part(uid: object) -> str:
    return f"...{str(uid)[-8:]}" if uid else ""


def _size(series: Series) -> str:
    """``120 x 512 x 512``: images, rows, columns."""
    images = [header.attributes for header in series.instances if header.is_image]
    if not images:
        return f"{len(series.instances)}, no images"
    frames = (attributes.get("NumberOfFrames") for attributes in images)
    count = sum(number if isinstance(number, int) and number > 0 else 1 for number in frames)
    sizes = {f"{attributes.get('Rows')} x {attributes.get('Columns')}" for attributes in images}
    return f"{count} x {sizes.pop() if len(sizes) == 1 else 'several sizes'}"


def _plane(series: Series) -> str:
    planes = {
        plane
        for header in series.instances
        if (plane := _plane_of(header.attributes.get("ImageOrientationPatient"))) is not None
    }
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
