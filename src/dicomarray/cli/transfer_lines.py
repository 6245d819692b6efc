"""What became of series that were pulled and pushed, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dicomarray.cli.progress import bytes_text
from dicomarray.core.plain_text import one_line

if TYPE_CHECKING:
    from dicomarray.workflows.pull import PulledSeries, PullReport
    from dicomarray.workflows.push import PushedInstance

# So many instances of a series are named that were not stored.
MAX_FAILED = 5


def pulled_line(entry: PulledSeries) -> str:
    """One series of a pull."""
    if entry.status == "failed":
        return f"failed     {entry.uid}: {one_line(entry.error or '')}"
    if entry.status == "unchanged":
        return f"unchanged  {entry.uid}: {entry.kept} instances in {entry.folder}"
    before = f", {entry.kept} there before" if entry.kept else ""
    return f"pulled     {entry.uid}: {entry.fetched} instances{before} -> {entry.folder}"


def pull_summary(report: PullReport) -> str:
    """What it came to."""
    fetched, size = sum(e.fetched for e in report.entries), sum(e.size for e in report.entries)
    return (
        f"{len(report.entries)} of {report.looked_at} series match; {fetched} instances ({bytes_text(size)}) "
        f"fetched, {len(report.failed)} series failed"
    )


def pushed_line(uid: str, pushed: Sequence[PushedInstance]) -> str:
    """One series of a push."""
    counts = [
        f"{count} {text}"
        for status, text in (("stored", "stored"), ("present", "there before"), ("failed", "failed"))
        if (count := sum(entry.status == status for entry in pushed))
    ]
    return f"{uid}: {', '.join(counts)}"


def push_failures(pushed: Sequence[PushedInstance]) -> list[str]:
    """Why instances were not stored, and what the server said of others; some of each series."""
    failed = [entry for entry in pushed if entry.status == "failed"]
    lines = [f"  {entry.file}: {one_line(entry.error or '')}" for entry in failed[:MAX_FAILED]]
    if len(failed) > MAX_FAILED:
        lines.append(f"  and {len(failed) - MAX_FAILED} more")
    warned = [entry for entry in pushed if entry.warning]
    lines += [f"  {entry.file}: {one_line(entry.warning or '')}" for entry in warned[:MAX_FAILED]]
    return lines
