"""Reports and lists of series as text."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dicomarray.core.plain_text import in_json, one_line
from dicomarray.errors import InputError

if TYPE_CHECKING:  # a command loads what it does, not what others report
    from dicomarray.assembly.series import Series
    from dicomarray.catalog.index.scanning import IndexReport
    from dicomarray.objects.common.files import WriteReport
    from dicomarray.pipeline.entries import RunEntry, RunReport
    from dicomarray.pipeline.verifying import Checked
    from dicomarray.sources.base import SkippedGroup
    from dicomarray.workflows.check import Remark

COLUMNS = ("Modality", "SeriesNumber", "SeriesDescription", "Manufacturer")
# So many failures are listed at the end of a run; the ledger and the page have all of them.
MAX_FAILED = 20


def record(series: Series) -> dict[str, Any]:
    """A series as one row; nothing that names the patient."""
    row: dict[str, Any] = {name: series.attributes.get(name) for name in COLUMNS}
    return row | {
        "num_instances": len(series.instances),
        "SeriesInstanceUID": series.uid,
        "folder": str(series.folders[0]),
    }


def series_list(found: Sequence[Series], style: str) -> str:
    """The series as a table, JSON or CSV; files inside an archive by the archive's path and their name."""
    rows = [record(series) for series in found]
    if style == "json":
        for row, series in zip(rows, found, strict=True):
            row["files"] = [str(reference) for reference in series.references]
        return in_json(json.dumps(rows, indent=1, ensure_ascii=False))
    if style == "table":
        from dicomarray.cli.table import series_table

        return series_table(found, rows)
    names = list(rows[0]) if rows else [*COLUMNS, "num_instances", "SeriesInstanceUID", "folder"]
    cells = [["" if row[name] is None else one_line(str(row[name])) for name in names] for row in rows]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([names, *cells])
    return text.getvalue().rstrip("\n")


def file_list(found: Sequence[Series], end: bytes) -> bytes:
    """The names of all files, each with an end, as the system writes them.

    Raises InputError where one is inside an archive: whoever reads the list could not open it.
    """
    from dicomarray.sources.archives import Member

    references = [reference for series in found for reference in series.references]
    for reference in references:
        if isinstance(reference, Member):
            raise InputError(
                f"{reference} is inside an archive, so it has no name that another program could "
                "open; unpack the archive, or list its members with --format json"
            )
    return b"".join(os.fsencode(str(reference)) + end for reference in references)


def skipped_lines(skipped: Iterable[SkippedGroup]) -> list[str]:
    """Why files were skipped, a line a reason."""
    lines = []
    for group in skipped:
        rest = group.count - len(group.examples)
        more = f" and {rest} more" if rest else ""
        lines.append(
            f"skipped {group.count}: {group.reason} ({', '.join(map(one_line, group.examples))}{more})"
        )
    return lines


def index_line(report: IndexReport) -> str:
    """What is in an index now, and what was done for it."""
    return (
        f"{report.path}: {report.num_instances} instances in {report.num_series} series; of {report.files} "
        f"files {report.read} read, {report.unchanged} unchanged; {report.vanished} vanished"
    )


def write_lines(report: WriteReport, of_images: bool) -> list[str]:
    """What was written, and images how exactly."""
    lines = [report.place, f"SeriesInstanceUID {report.series_uid}"]
    if not of_images:
        return lines
    rescale = "slope and intercept are the template's, slice by slice"
    if report.slope is not None and report.intercept is not None:
        rescale = f"slope {report.slope:.10g}, intercept {report.intercept:.10g}"
    errors = f"greatest error {report.max_error:.6g}, mean error {report.mean_error:.6g}"
    return [*lines, f"{rescale}, {errors}, clipped {report.clipped}"]


def run_line(entry: RunEntry) -> str:
    """One series of a run."""
    if entry.status == "written":
        error = max(output.max_error for output in entry.outputs)
        several = f"{len(entry.outputs)} results, " if len(entry.outputs) > 1 else ""
        stored = "" if entry.stored is None else f"; {entry.stored}"
        return f"written  {entry.title} -> {entry.output} ({several}greatest error {error:.3g}){stored}"
    return f"failed   {entry.title}: {entry.error}"


def run_summary(report: RunReport) -> list[str]:
    """What failed and why, how many were written, and where the page is that shows them."""
    before = sum(entry.resumed for entry in report.entries)
    what = "studies" if report.entries[0].name.startswith("STUDY_") else "series"
    earlier = f" ({before} of them before)" if before else ""
    shown = [(entry.title, (entry.error or "").partition("\n")[0]) for entry in report.failed[:MAX_FAILED]]
    shown = [("failed", "because"), *shown] if shown else []
    width = max((len(title) for title, _ in shown), default=0)
    more = len(report.failed) - MAX_FAILED
    return [
        *(f"{title.ljust(width)}  {reason}".rstrip() for title, reason in shown),
        *([f"and {more} more"] if more > 0 else ()),
        *(f"{count} {what} done again: {reason}" for reason, count in sorted(report.again.items())),
        f"{len(report.written)} of {len(report.entries)} {what} written{earlier}, "
        f"{len(report.failed)} failed",
        *([f"see {report.page}"] if report.page is not None else ()),
    ]


def remark_lines(remarks: Sequence[Remark]) -> list[str]:
    """What is wrong, under the series that it is wrong with."""
    lines, before = [], object()
    for remark in remarks:
        if remark.series_uid != before:
            lines.append(f"series {remark.series_uid}" if remark.series_uid else "no part of a series")
            before = remark.series_uid
        files = f"{remark.count} files, such as {remark.example}" if remark.count > 1 else remark.example
        lines.append(f"  {remark.severity}, {remark.by}: {one_line(remark.text)} ({one_line(files)})")
    errors = sum(remark.severity == "error" for remark in remarks)
    return [*lines, f"{errors} errors, {len(remarks) - errors} warnings"]


def checked_lines(checked: Sequence[Checked]) -> list[str]:
    """What changed since a run, and how many did not."""
    lines = [f"{one.finding}: {one.what} {one_line(one.subject)}" for one in checked if one.finding != "same"]
    same = len(checked) - len(lines)
    what = "results and inputs" if any(one.what == "input" for one in checked) else "results"
    return [*lines, f"{same} of {len(checked)} {what} are the same as then"]


def remedy_lines(checked: Sequence[Checked]) -> list[str]:
    """How results are made again that are no longer what a run wrote."""
    lost = {one.finding for one in checked if one.what == "result"} & {"changed", "missing"}
    if not lost:
        return []
    check = " --check" if "changed" in lost else ""
    return [
        "to make them again: give the command of the run again with "
        f"--resume{check} (and the --uid-key it had)"
    ]
