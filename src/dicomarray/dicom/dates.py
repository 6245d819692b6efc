"""Dates and times as intervals (PS3.5 6.2 DA, TM, DT): a partial date is all the days that it can mean."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date
from typing import NamedTuple

SECOND = 1_000_000  # microseconds, the resolution of the standard
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
# The open end of a range; 10 million years are beyond any date of four digits.
FOR_EVER = 10**20
# Offsets from UTC that exist, in minutes (PS3.5 6.2 DT); others are the second half of a range.
MIN_OFFSET, GREATEST_OFFSET = -12 * 60, 14 * 60

# Separators are those of ISO 8601 or of the ACR-NEMA files before DICOM, or none.
_TIME = (
    r"(?P<hour>\d\d)(?:(?P<colon>:?)(?P<minute>\d\d)"
    r"(?:(?P=colon)(?P<second>\d\d)(?:\.(?P<fraction>\d{1,6}))?)?)?"
)
_DATE = r"(?P<year>\d{4})(?:(?P<dash>[-.]?)(?P<month>\d\d)(?:(?P=dash)(?P<day>\d\d)%s)?)?"
_OFFSET = r"(?:(?P<sign>[+-])(?P<offset_hour>\d\d):?(?P<offset_minute>\d\d)|(?P<utc>Z))?"
_FORMS = {
    "DA": re.compile(_DATE % "", re.ASCII),
    "TM": re.compile(_TIME, re.ASCII),
    "DT": re.compile(_DATE % f"(?:[T ]?{_TIME})?" + _OFFSET, re.ASCII),
}


class Interval(NamedTuple):
    """From ``start`` up to, but without, ``end``: microseconds, local time; ``offset`` from UTC if known."""

    start: int
    end: int
    offset: int | None = None

    def contains(self, other: Interval) -> bool:
        """Whether the other one lies wholly inside."""
        shift = self._shift(other)
        return self.start <= other.start + shift and other.end + shift <= self.end

    def ends_before(self, other: Interval) -> bool:
        """Whether it is over when the other one starts."""
        return self.end <= other.start + self._shift(other)

    def ends_with_or_before(self, other: Interval) -> bool:
        """Whether it is over when the other one is over."""
        return self.end <= other.end + self._shift(other)

    def starts_with_or_after(self, other: Interval) -> bool:
        """Whether it starts when the other one starts, or later."""
        return self.start >= other.start + self._shift(other)

    def _shift(self, other: Interval) -> int:
        """What brings the other one to this one's clock; local times are compared as they stand."""
        if self.offset is None or other.offset is None:
            return 0
        return self.offset - other.offset


def parse_single(vr: str, text: str) -> Interval | None:
    """A date or time in DICOM's or ISO's form, complete or partial; None where it is neither."""
    match = _FORMS[vr].fullmatch(text)
    if match is None:
        return None
    parts = match.groupdict()
    offset = _offset(parts) if vr == "DT" else None
    if vr == "DT" and offset is None and (parts["sign"] or parts["utc"]):
        return None
    days = (0, DAY) if vr == "TM" else _days(parts)
    if days is None or not parts.get("hour"):
        return days and Interval(*days, offset)
    times = _times(parts)
    return times and Interval(days[0] + times[0], days[0] + times[1], offset)


def parse_recorded(vr: str, text: str) -> Interval | None:
    """A value of a file: as `parse_single`, but a time with seconds is a moment, not a second long."""
    interval = parse_single(vr, text)
    if interval is None or interval.end - interval.start > SECOND:
        return interval
    return interval._replace(end=interval.start + 1)


def parse_wanted(vr: str, text: str) -> Interval | None:
    """A date, a time or a range ``from-to``, open at either end (PS3.4 C.2.2.2.5); None where it is none.

    Where a hyphen can begin an offset from UTC as well as the end of a range, it is the offset.
    """
    single = parse_single(vr, text)
    if single is not None:
        return single
    for hyphen in (place for place, character in enumerate(text) if character == "-"):
        joined = _range(vr, text[:hyphen].strip(), text[hyphen + 1 :].strip())
        if joined is not None:
            return joined
    return None


def _range(vr: str, low: str, high: str) -> Interval | None:
    first = parse_single(vr, low) if low else Interval(-FOR_EVER, -FOR_EVER)
    last = parse_single(vr, high) if high else Interval(FOR_EVER, FOR_EVER)
    if first is None or last is None or not (low or high):
        return None
    if first.offset is not None and last.offset is not None:
        last = last._replace(end=last.end + first.offset - last.offset)
    offset = first.offset if low else last.offset
    return Interval(first.start, last.end, offset) if first.start < last.end else None


def _days(parts: dict[str, str | None]) -> tuple[int, int] | None:
    """The days of a year, a month or a day, in microseconds since 0001-01-01."""
    year, month, day = (int(parts[name] or "1") for name in ("year", "month", "day"))
    try:
        first = date(year, month, day).toordinal()
    except ValueError:
        return None
    if parts["day"] is not None:
        last = first + 1
    elif parts["month"] is not None:
        last = first + monthrange(year, month)[1]
    else:
        last = date(year, 12, 31).toordinal() + 1
    return first * DAY, last * DAY


def _times(parts: dict[str, str | None]) -> tuple[int, int] | None:
    """The part of a day that an hour, a minute, a second or a fraction of it is; a leap second is one."""
    hour, minute, second = (int(parts[name] or 0) for name in ("hour", "minute", "second"))
    if hour > 23 or minute > 59 or second > 60:
        return None
    start = hour * HOUR + minute * MINUTE + second * SECOND
    fraction = parts["fraction"]
    if fraction is not None:
        step = 10 ** (6 - len(fraction))
        start += int(fraction) * step
        return start, start + step
    if parts["second"] is not None:
        return start, start + SECOND
    return start, start + (MINUTE if parts["minute"] is not None else HOUR)


def _offset(parts: dict[str, str | None]) -> int | None:
    """Microseconds east of UTC; None where none is written, or none that exists."""
    if parts["utc"]:
        return 0
    if not parts["sign"]:
        return None
    minutes = int(parts["offset_hour"] or 0) * 60 + int(parts["offset_minute"] or 0)
    signed = -minutes if parts["sign"] == "-" else minutes
    return signed * MINUTE if MIN_OFFSET <= signed <= GREATEST_OFFSET else None
