"""How long a series took, by the times that its images have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dicomarray.dicom.dates import MINUTE, SECOND, Interval, parse_recorded
from dicomarray.dicom.headers.header import GREATEST_NUMBER

# The cells of an attribute, one an image; None where it is absent.
Cells = Callable[[str], Sequence[Any]]

# Milliseconds in a second; Trigger Time is in the former.
MILLISECONDS = 1000.0

_DATE_TIMES = ("FrameAcquisitionDateTime", "AcquisitionDateTime")
_OFFSETS = {
    "TemporalPositionTimeOffset": 1.0,
    "TriggerTime": MILLISECONDS,
    "NominalCardiacTriggerDelayTime": MILLISECONDS,
}
TIMES = frozenset((*_DATE_TIMES, "AcquisitionDate", "AcquisitionTime", *_OFFSETS))


def duration(cells: Cells) -> float | None:
    """Seconds from the first to the last acquisition, trigger or temporal position, the longest of them.

    Each kind of time counts where all images have it.
    """
    spans = [_clock_span(_moments(cells(name), "DT")) for name in _DATE_TIMES]
    spans.append(_clock_span(_acquired(cells)))
    for name, unit in _OFFSETS.items():
        found = cells(name)
        # not so for nan either
        numbers = [c / unit for c in found if isinstance(c, int | float) and abs(c) <= GREATEST_NUMBER]
        spans.append(max(numbers) - min(numbers) if numbers and len(numbers) == len(found) else None)
    return max((span for span in spans if span is not None), default=None)


def _moments(cells: Sequence[Any], vr: str) -> list[Interval | None]:
    return [parse_recorded(vr, cell.strip()) if isinstance(cell, str) else None for cell in cells]


def _acquired(cells: Cells) -> list[Interval | None]:
    """Acquisition Date and Time; the time alone where no image has a date."""
    dates, times = _moments(cells("AcquisitionDate"), "DA"), _moments(cells("AcquisitionTime"), "TM")
    if not any(dates):
        return times
    return [
        Interval(date.start + time.start, date.start + time.end) if date and time else None
        for date, time in zip(dates, times, strict=True)
    ]


def _clock_span(moments: Sequence[Interval | None]) -> float | None:
    """Seconds, last minus first; None where any is unknown or no moment, or only some tell their offset."""
    known = [moment for moment in moments if moment is not None and moment.end - moment.start <= MINUTE]
    if not known or len(known) < len(moments) or len({moment.offset is None for moment in known}) > 1:
        return None
    starts = [moment.start - (moment.offset or 0) for moment in known]
    return (max(starts) - min(starts)) / SECOND
