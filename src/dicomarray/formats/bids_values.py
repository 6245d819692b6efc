"""Values of DICOM attributes as the JSON of BIDS has them, and names of what has no attribute."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Attributes = Mapping[str, Any]
_SIX_DIGITS = 6
# What scanners write in private elements, under names of our own: whether the phase encoding runs along
# growing indices (1) or not (0); Hz a pixel; ns; microseconds; the component of complex values;
# further words of Image Type;
POSITIVE, BANDWIDTH, DWELL_TIME, GE_ECHO_SPACING, COMPONENT, IMAGE_TYPE_TEXT = (
    "(phase encoding positive)", "(bandwidth)", "(dwell time)", "(echo spacing of GE)", "(component)",
    "(image type)",
)  # fmt: skip
# how many slices are excited together; what part of the lines was acquired, or that not all were; seconds
# without acquisition at the end of a repetition; ms of acquisition in a repetition, between excitations,
# between inversions; pixels between water and fat; UIH's word for the direction of phase encoding; the
# protocol of GE, and what its EPI is.
TOGETHER, PART, PARTIAL, DELAY, ACQUISITION_MS, EXCITATION_MS, INVERSION_MS = (
    "(slices together)", "(part of lines)", "(not all lines)", "(delay)", "(acquisition)", "(excitation)",
    "(inversion)",
)  # fmt: skip
WATER_FAT_SHIFT, DISPLAYED, GE_PROTOCOL = (
    "(water-fat shift)", "(displayed phase encoding)", "(protocol of GE)",
)  # fmt: skip
# Of Siemens' protocol, in BIDS' words: the names of the sequence's program and of the coils that receive;
# how coils are combined, and how lines between are made up; microseconds to each of two echoes.
PROGRAM, COILS, COMBINED, MADE_UP = ("(program)", "(coils)", "(combination of coils)", "(lines between)")
TWO_ECHOES = "(two echoes)"
# Of PET: iterations of a reconstruction, and subsets of each.
ITERATIONS, SUBSETS = ("(iterations)", "(subsets)")
# Manufacturer, by the word with which it begins, as dcm2niix has it.
_MANUFACTURERS = {
    "SIEMENS": "Siemens", "GE": "GE", "PHILIPS": "Philips", "TOSHIBA": "Toshiba", "CANON": "Canon",
    "UIH": "UIH", "UNITED IMAGING": "UIH", "BRUKER": "Bruker", "HITACHI": "Hitachi", "MEDISO": "Mediso",
    "MR SOLUTIONS": "MRSolutions", "HYPERFINE": "Hyperfine",
}  # fmt: skip


def number(known: Attributes, keyword: str) -> float | None:
    """One finite number, or None."""
    value = known.get(keyword)
    if isinstance(value, tuple):
        value = value[0] if value else None
    try:
        found = float(value) if value is not None and not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def seconds_of_day(value: Any) -> float | None:
    """A time of day (TM), or that of a date and time (DT), in seconds; None for what is none."""
    text = str(value or "").strip()
    if len(text.partition(".")[0].partition("+")[0]) > 6:
        text = text[8:].partition("+")[0].partition("-")[0]
    text = text.replace(":", "")
    try:
        return int(text[:2]) * 3600.0 + int(text[2:4] or 0) * 60 + float(text[4:] or 0)
    except ValueError:
        return None


def clock(seconds: float, digits: int = 6) -> str:
    """``12:01:02.500000``."""
    whole = int(seconds)
    fraction = f"{seconds - whole:.{digits}f}"[1:] if digits else ""
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}{fraction}"


def rounded(value: float) -> float:
    """Six digits, as dcm2niix writes them; a whole number as one."""
    shown = float(f"{value:.{_SIX_DIGITS}g}")
    return int(shown) if shown.is_integer() and abs(shown) < 1e9 else shown


def text_of(value: Any) -> Any:
    """A value as JSON has it: several joined as DICOM joins them; None for items, and for NaN."""
    if isinstance(value, tuple):
        if any(isinstance(part, Mapping) for part in value):
            return None
        return "\\".join("" if part is None else str(part) for part in value)
    if isinstance(value, str) or (isinstance(value, int | float) and math.isfinite(value)):
        return value
    return None


def maker_of(known: Attributes) -> str | None:
    """The manufacturer by one of the names that are known, or as it stands."""
    maker = str(known.get("Manufacturer") or "").upper()
    short = next((name for word, name in _MANUFACTURERS.items() if maker.startswith(word)), None)
    return short or text_of(known.get("Manufacturer")) or None


def words_of(known: Attributes, keyword: str) -> Sequence[Any]:
    """The values of an attribute, one or several."""
    value = known.get(keyword)
    return value if isinstance(value, tuple) else (value,)


def first_item(known: Attributes, keyword: str) -> Attributes:
    """The first item of a sequence, empty where there is none."""
    items = known.get(keyword)
    return items[0] if isinstance(items, tuple) and items and isinstance(items[0], Mapping) else {}


def positive(known: Attributes, keyword: str) -> float | None:
    """A number above 0, or None."""
    value = number(known, keyword)
    return rounded(value) if value and value > 0 else None


def at_least_one(known: Attributes, keyword: str) -> float | None:
    """A number of at least 1, or None."""
    value = number(known, keyword)
    return rounded(value) if value and value >= 1 else None
