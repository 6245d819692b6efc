"""Which SEG and structure sets are of which series: what is drawn in its images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dicomarray.assembly.series import Series
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.plain_text import one_line
from dicomarray.errors import DataError

# So many are named in a note.
MAX_NAMED = 10
READ = "dicomarray.load_segmentation reads them"


def sources_of(masks: Series, series: Iterable[Series]) -> list[Series]:
    """The series that a SEG or structure set is of, of those at hand."""
    wanted = set(masks.refers_to)
    return [one for one in series if one.uid in wanted and not one.is_segments]


def pairing_notes(
    series: Sequence[Series], chosen: Series | None = None, among: Iterable[Series] | None = None
) -> Warnings:
    """What each SEG and structure set is of, a note each; with ``chosen`` only those that are of it.

    ``among`` are the series that they may be of, where these are more than ``series``.
    """
    sources = series if among is None else among
    notes: Warnings = ()
    masks = [one for one in series if one.is_segments and one is not chosen]
    for number, one in enumerate(masks):
        if len(notes) == MAX_NAMED:  # each asks a file
            return notes + warning(f"{len(masks) - number} more objects may hold masks [segments]")
        try:
            line = _line(one, sources, chosen)
        except DataError as error:  # whatever is asked for beside it can be read nevertheless
            line = f"{one.title} cannot be read again: {error}"
        if line:
            notes += warning(f"{one_line(line)} [segments]")
    return notes


def _line(masks: Series, series: Iterable[Series], chosen: Series | None) -> str:
    if chosen is not None:
        return f"{masks.title} has masks of this series: {READ}" if chosen.uid in masks.refers_to else ""
    sources = sources_of(masks, series)
    if sources:
        return f"{masks.title} has masks of {', '.join(source.title for source in sources)}"
    if masks.refers_to:
        unread = ", ".join(masks.refers_to)
        return f"{masks.title} has masks of a series that is not among what was read: {unread}"
    return ""
