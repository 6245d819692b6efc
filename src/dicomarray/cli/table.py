"""Series as a table for people: what it is, then how it is called, on the width of the terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dicomarray.core.plain_text import one_line

if TYPE_CHECKING:
    from dicomarray.assembly.series import Series

# Columns of the table, and how narrow each may become where the terminal is; those that tell least go first.
COLUMNS = ("Modality", "Number", "Description", "Study", "Size", "Plane", "Manufacturer", "UID", "Folder")
_SHRINK = {"Manufacturer": 6, "Folder": 12, "Study": 8, "Description": 12, "UID": 16, "Size": 10}
# Of these the end tells them apart.
_END_COUNTS = ("UID", "Folder")
_GAP = 2


def series_table(found: Sequence[Series], rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a series; ``rows`` has what `rendering.record` tells of each."""
    cells = [_cells(series, row) for series, row in zip(found, rows, strict=True)]
    lines = [COLUMNS, *([one_line(cell) for cell in line] for line in cells)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    if sys.stdout.isatty():
        widths = fitted(widths, shutil.get_terminal_size().columns)
    return "\n".join(
        (" " * _GAP)
        .join(
            _cut(cell, width, name).ljust(width)
            for cell, width, name in zip(line, widths, COLUMNS, strict=True)
        )
        .rstrip()
        for line in lines
    )


def fitted(widths: Sequence[int], total: int) -> list[int]:
    """Column widths that fit, as far as the least ones let them."""
    narrow = list(widths)
    for name, least in _SHRINK.items():
        excess = sum(narrow) + _GAP * (len(narrow) - 1) - total
        column = COLUMNS.index(name)
        if excess > 0:
            narrow[column] = min(narrow[column], max(least, narrow[column] - excess))
    return narrow


def described(series: Series) -> dict[str, str | None]:
    """What the table tells of a series beside its attributes: its study, its size and its plane."""
    study = series.attributes.get("StudyDescription") or _last_part(series.attributes.get("StudyInstanceUID"))
    return {"study": str(study or ""), "size": _size(series), "plane": _plane(series)}


def _cut(cell: str, width: int, name: str) -> str:
    if len(cell) <= width:
        return cell
    return f"...{cell[3 - width :]}" if name in _END_COUNTS else f"{cell[: width - 3]}..."


def _cells(series: Series, row: Mapping[str, Any]) -> list[str]:
    values = (
        row["Modality"],
        row["SeriesNumber"],
        row["SeriesDescription"],
        *described(series).values(),
        row["Manufacturer"],
        row["SeriesInstanceUID"],
        _folder(series, row["folder"]),
    )
    return ["" if value is None else str(value) for value in values]


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


def _folder(series: Series, first: str) -> str:
    more = len({header.path.parent for header in series.instances}) - 1
    return f"{first} and {more} more" if more else first
