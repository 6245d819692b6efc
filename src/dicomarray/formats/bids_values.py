"""Values of DICOM attributes as the JSON of BIDS has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Attributes = Mapping[str, Any]
_SIX_DIGITS = 6


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
