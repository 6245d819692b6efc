"""How values of each kind are read and compared: one class for each row of the coercion table.

A kind turns a file's raw value into something comparable (`value`), and a config's value into the same
or into what is looked for (`literal`); tests are made of literals and answer for values.
"""

from __future__ import annotations

import math
import numbers
import re
import unicodedata
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

from dicomarray.dicom import dates
from dicomarray.query.grammar import (
    MATCHING,
    ORDER,
    PRESENCE,
    TEXT,
    PartError,
    did_you_mean,
    suggest,
)
from dicomarray.query.instance import PADDING, Value
from dicomarray.query.patterns import Wildcard, has_wildcard

Test = Callable[[Any], bool]

# Relative; a DS has up to 16 characters and an FL 24 bits, so equal numbers differ by less than this.
NUMBER_TOLERANCE = 1e-6
# Relative; what adding and multiplying in float64 can be off by.
ROUNDING = 1e-9
# Days, for ages only: the mean lengths in the Gregorian calendar, so that 018Y equals 216M.
AGE_DAYS = {"D": 1.0, "W": 7.0, "M": 365.25 / 12, "Y": 365.25}
MAX_PATTERN_LENGTH = 512  # characters of a wildcard or a regular expression
MAX_UID_LENGTH = 64  # characters, PS3.5 6.2

# Of a whole number that is meant: Python refuses to write one of some thousand digits.
_MAX_BITS = 64

_AGE = re.compile(r"(\d{1,3})\s*([DWMYdwmy]?)", re.ASCII)
_UID = re.compile(r"[0-9.]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Kind(ABC):
    """How the values of one VR are compared."""

    vr: str
    case: bool = False
    noun: ClassVar[str]
    operators: ClassVar[frozenset[str]]

    def value(self, raw: Value) -> Any | None:
        """A file's value, made comparable; None where it is not what its VR says."""
        return raw

    @abstractmethod
    def literal(self, scalar: Any) -> Any:
        """A config's value taken literally; PartError where it is of the wrong type or form."""

    def wanted(self, scalar: Any) -> Any:
        """A config's plain value or member of a list, in which a text may hold wildcards."""
        return self.literal(scalar)

    def any_of(self, literals: Sequence[Any]) -> Test:
        """A test whether a value equals one of the literals."""
        wanted = frozenset(literals)
        return lambda value: value in wanted

    def ordered(self, operator: str, literal: Any) -> Test:
        """A test for gt, gte, lt or lte."""
        raise NotImplementedError(f"{self.noun} has no order")  # the parser asks `operators` first

    def text(self, value: Any) -> str:
        """What a regular expression is matched with."""
        return str(value)


class Number(Kind):
    """Finite numbers; whole numbers are equal exactly, others within `NUMBER_TOLERANCE`."""

    __slots__ = ()
    noun = "a number"
    operators = MATCHING | ORDER | {"near"}

    @property
    def tolerance(self) -> float:
        return NUMBER_TOLERANCE if self.vr in ("DS", "FD", "FL") else 0.0

    def value(self, raw: Value) -> float | None:
        return _finite(raw)

    def literal(self, scalar: Any) -> float:
        number = _finite(plain_number(scalar))
        if number is None:
            raise _wrong(self, scalar)
        return number

    def any_of(self, literals: Sequence[float]) -> Test:
        wanted = sorted(literals)

        def test(value: float) -> bool:
            place = bisect_left(wanted, value)
            return any(self._equal(value, near) for near in wanted[max(0, place - 1) : place + 1])

        return test

    def ordered(self, operator: str, literal: float) -> Test:
        return {
            "gt": lambda value: value > literal and not self._equal(value, literal),
            "gte": lambda value: value > literal or self._equal(value, literal),
            "lt": lambda value: value < literal and not self._equal(value, literal),
            "lte": lambda value: value < literal or self._equal(value, literal),
        }[operator]

    def near(self, literal: float, distance: float) -> Test:
        """A test whether a value differs by at most a distance."""
        return lambda value: abs(value - literal) <= distance + ROUNDING * max(abs(value), abs(literal))

    def _equal(self, value: float, other: float) -> bool:
        return math.isclose(value, other, rel_tol=self.tolerance)


class Age(Number):
    """Ages in days (PS3.5 6.2 AS); a bare number means years."""

    __slots__ = ()
    noun = "an age (18 or 018Y, 006M, 002W, 010D)"
    operators = MATCHING | ORDER

    @property
    def tolerance(self) -> float:
        return ROUNDING

    def value(self, raw: Value) -> float | None:
        match = _AGE.fullmatch(raw.strip(PADDING)) if isinstance(raw, str) else None
        return int(match[1]) * AGE_DAYS[match[2].upper()] if match and match[2] else None

    def literal(self, scalar: Any) -> float:
        years = _finite(plain_number(scalar))
        if years is not None and years >= 0:
            return years * AGE_DAYS["Y"]
        days = self.value(scalar)
        if days is None:
            raise _wrong(self, scalar)
        return days


class Moment(Kind):
    """Dates and times as intervals; a value matches where it lies wholly inside the wanted one."""

    __slots__ = ()
    operators = MATCHING | ORDER
    _NATIVE: ClassVar[dict[str, tuple[type[date | time], ...]]] = {
        "DA": (date,),
        "TM": (time,),
        "DT": (datetime, date),
    }
    _EXAMPLES: ClassVar[dict[str, str]] = {
        "DA": "a date (20240131, 2024-01-31, 2024, 20240101-20240630)",
        "TM": "a time (123000, 12:30, 0800-1200)",
        "DT": "a date and time (20240131123000, 2024-01-31T12:30+01:00, 2024)",
    }

    @property
    def noun(self) -> str:  # type: ignore[override]  # differs by VR
        return self._EXAMPLES[self.vr]

    def value(self, raw: Value) -> dates.Interval | None:
        return dates.parse_recorded(self.vr, raw.strip(PADDING)) if isinstance(raw, str) else None

    def literal(self, scalar: Any) -> dates.Interval:
        interval = dates.parse_wanted(self.vr, self._as_text(scalar))
        if interval is None:
            raise _wrong(self, scalar)
        return interval

    def _as_text(self, scalar: Any) -> str:
        if isinstance(scalar, str):
            return scalar.strip()
        # A date in digits loses nothing as a number, for no year begins with 0; a time would.
        number = plain_number(scalar)
        if isinstance(number, int) and not isinstance(number, bool) and self.vr != "TM":
            return str(number) if number.bit_length() <= _MAX_BITS else ""
        too_precise = isinstance(scalar, datetime) and self.vr == "DA"
        if isinstance(scalar, self._NATIVE[self.vr]) and not too_precise:
            return scalar.isoformat()
        raise _wrong(self, scalar)

    def any_of(self, literals: Sequence[dates.Interval]) -> Test:
        wanted = tuple(set(literals))
        return lambda value: any(interval.contains(value) for interval in wanted)

    def ordered(self, operator: str, literal: dates.Interval) -> Test:
        return {
            "gt": literal.ends_before,
            "gte": lambda value: value.starts_with_or_after(literal),
            "lt": lambda value: value.ends_before(literal),
            "lte": lambda value: value.ends_with_or_before(literal),
        }[operator]


class Words(NamedTuple):
    """A text as it stands and as it is compared."""

    clean: str
    folded: str


class Text(Kind):
    """Text: stripped, in Unicode's composed form, without regard to case unless asked for."""

    __slots__ = ()
    noun = "text"
    operators = MATCHING | TEXT

    def value(self, raw: Value) -> Words:
        clean = unicodedata.normalize("NFC", str(raw).strip(PADDING))
        return Words(clean, clean if self.case else unicodedata.normalize("NFC", clean.casefold()))

    def literal(self, scalar: Any) -> str:
        text = _need_text(self, scalar)
        if "\\" in text and self.vr not in ("LT", "ST", "UT", "UR"):
            raise PartError(
                "a backslash separates values, and each is compared by itself; write has_all or an index"
            )
        return self.value(text).folded

    def wanted(self, scalar: Any) -> str | Wildcard:
        folded = self.literal(scalar)
        if not has_wildcard(folded):
            return folded
        if len(folded) > MAX_PATTERN_LENGTH:
            raise PartError(f"a pattern has at most {MAX_PATTERN_LENGTH} characters, not {len(folded)}")
        return Wildcard(folded)

    def any_of(self, literals: Sequence[str | Wildcard]) -> Test:
        plain = frozenset(literal for literal in literals if isinstance(literal, str))
        patterns = tuple(literal for literal in literals if isinstance(literal, Wildcard))
        if not patterns:
            return lambda value: value.folded in plain
        return lambda value: value.folded in plain or any(p.matches(value.folded) for p in patterns)

    def text(self, value: Words) -> str:
        return value.clean


class Uid(Kind):
    """UIDs, exactly; well-known ones also by name."""

    __slots__ = ()
    noun = "a UID"
    operators = MATCHING | {"regex"}

    def value(self, raw: Value) -> str:
        return str(raw).strip(PADDING)

    def literal(self, scalar: Any) -> str:
        text = _need_text(self, scalar).strip(PADDING)
        if _UID.fullmatch(text) and len(text) <= MAX_UID_LENGTH:
            return text
        if has_wildcard(text):
            raise PartError("UIDs are compared exactly, without wildcards; write a regex if a part is meant")
        known = uid_names()
        if text not in known:
            raise PartError(
                f"{text!r} is neither a UID nor the name of one{did_you_mean(suggest(text, known))}"
            )
        return known[text]


class NoText(Kind):
    """Sequences, whose items are asked instead, and binary values, which are only there or not."""

    __slots__ = ()
    noun = "a sequence or binary value"

    @property
    def operators(self) -> frozenset[str]:  # type: ignore[override]  # differs by VR
        return PRESENCE | {"each", "count"} if self.vr == "SQ" else PRESENCE

    def literal(self, scalar: Any) -> Any:
        rule = (
            "a sequence is asked by a mapping of the attributes of its items"
            if self.vr == "SQ"
            else f"{self.vr} is binary: only exists and empty can be asked"
        )
        raise PartError(f"{rule}, not by {describe(scalar)}")


@lru_cache(maxsize=1)
def uid_names() -> dict[str, str]:
    """UIDs by the name that pydicom's dictionary gives them, such as CTImageStorage."""
    from pydicom.uid import UID_dictionary  # type: ignore[attr-defined]  # there, but not declared

    return {entry[4]: uid for uid, entry in UID_dictionary.items() if entry[4]}


def plain_number(scalar: Any) -> Any:
    """Python's own number for one of another library, such as ``numpy.int64``; anything else as it is."""
    if isinstance(scalar, int | float | str) or not isinstance(scalar, numbers.Real):
        return scalar
    return int(scalar) if isinstance(scalar, numbers.Integral) else float(scalar)


def _finite(raw: Any) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        return None
    if isinstance(raw, str) and "_" in raw:  # Python's own digit grouping
        return None
    try:
        number = float(raw.strip(PADDING) if isinstance(raw, str) else raw)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _need_text(kind: Kind, scalar: Any) -> str:
    if not isinstance(scalar, str):
        raise PartError(f"{kind.noun} was expected, not {describe(scalar)}; put it in quotes")
    if not scalar.strip(PADDING):
        raise PartError("an empty text matches nothing; write empty: true or exists: false")
    return scalar


def _wrong(kind: Kind, scalar: Any) -> PartError:
    if isinstance(scalar, str) and not scalar.strip(PADDING):
        return PartError("an empty text matches nothing; write empty: true or exists: false")
    return PartError(f"{describe(scalar)} is not {kind.noun}")


def describe(scalar: Any) -> str:
    """A config's value for a message."""
    if scalar is None:
        return "null"
    if isinstance(scalar, bool):
        return str(scalar).lower()
    if isinstance(scalar, Mapping | list | tuple):
        return "a mapping" if isinstance(scalar, Mapping) else "a list"
    if isinstance(scalar, int) and scalar.bit_length() > _MAX_BITS:
        return "a number of very many digits"  # Python would not write it
    text = repr(scalar) if isinstance(scalar, str | int | float) else str(scalar)
    return text if len(text) <= 60 else text[:57] + "..."
