"""Reports and lists of series as text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from dicomarray.pipeline import RunEntry
from dicomarray.reading.files import Skipped
from dicomarray.reading.series import Series
from dicomarray.writing.dicom import WriteReport

COLUMNS = ("Modality", "SeriesNumber", "SeriesDescription", "Manufacturer")
# Reasons for skipped files are grouped; of each, so many files are named.
EXAMPLES = 3


def record(series: Series) -> dict[str, Any]:
    """A series as one row; nothing that names the patient."""
    row: dict[str, Any] = {name: series.attributes.get(name) for name in COLUMNS}
    return row | {
        "num_instances": len(series.instances),
        "SeriesInstanceUID": series.uid,
        "folder": str(series.instances[0].path.parent),
    }


def series_list(found: Sequence[Series], style: str) -> str:
    """The series as a table, JSON, CSV or the names of their files."""
    if style == "files":
        return "\n".join(str(path) for series in found for path in series.files)
    rows = [record(series) for series in found]
    if style == "json":
        for row, series in zip(rows, found, strict=True):
            row["files"] = [str(path) for path in series.files]
        return json.dumps(rows, indent=1, ensure_ascii=False)
    names = list(rows[0]) if rows else [*COLUMNS, "num_instances", "SeriesInstanceUID", "folder"]
    cells = [["" if row[name] is None else str(row[name]) for name in names] for row in rows]
    return _csv([names, *cells]) if style == "csv" else _table([names, *cells])


def _csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().rstrip("\n")


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def skipped_lines(skipped: Iterable[Skipped]) -> list[str]:
    """Why files were skipped, a line a reason."""
    reasons: dict[str, list[str]] = {}
    for item in skipped:
        reasons.setdefault(item.reason, []).append(item.path.name)
    lines = []
    for reason, names in sorted(reasons.items(), key=lambda pair: -len(pair[1])):
        more = f" and {len(names) - EXAMPLES} more" if len(names) > EXAMPLES else ""
        lines.append(f"skipped {len(names)}: {reason} ({', '.join(names[:EXAMPLES])}{more})")
    return lines


def write_lines(report: WriteReport) -> list[str]:
    """What was written and how exactly."""
    return [
        f"{len(report.files)} files in {report.files[0].parent}",
        f"SeriesInstanceUID {report.series_uid}",
        f"slope {report.slope}, intercept {report.intercept}, greatest error {report.max_error:.6g}, "
        f"clipped {report.clipped}",
    ]


def run_line(entry: RunEntry) -> str:
    """One series of a run."""
    if entry.status == "written" and entry.report is not None:
        return f"written  {entry.title} -> {entry.output} (greatest error {entry.report.max_error:.3g})"
    return f"failed   {entry.title}: {entry.error}"
