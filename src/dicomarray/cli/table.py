"""Series as a table for people: what it is, then how it is called, on the width of the terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dicomarray.catalog.descriptions import described
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


def _cut(cell: str, width: int, name: str) -> str:
    if len(cell) <= width:
        return cell
    return f"...{cell[3 - width :]}" if name in _END_COUNTS else f"{cell[: width - 3]}..."


def _cells(series: Series, row: Mapping[str, Any]) -> list[str]:
    more = len(series.folders) - 1
    values = (
        row["Modality"],
        row["SeriesNumber"],
        row["SeriesDescription"],
        *described(series).values(),
        row["Manufacturer"],
        row["SeriesInstanceUID"],
        f"{row['folder']} and {more} more" if more else row["folder"],
    )
    return ["" if value is None else str(value) for value in values]
