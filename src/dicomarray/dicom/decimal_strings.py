"""Numbers as DICOM Decimal Strings: at most 16 characters (PS3.5 6.2, VR DS)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

# Longest value of a Decimal String, in characters (PS3.5 table 6.2-1).
MAX_LENGTH = 16


def nearest(value: float) -> str:
    """The Decimal String closest to a finite number; exact where 16 characters can be."""
    return _rounded(value, ROUND_HALF_EVEN)


def each(values: Iterable[float]) -> list[str]:
    """`nearest` of some numbers."""
    return [nearest(value) for value in values]


def at_least(value: float) -> str:
    """The smallest Decimal String that is not below a finite number."""
    return _rounded(value, ROUND_CEILING)


def at_most(value: float) -> str:
    """The greatest Decimal String that is not above a finite number."""
    return _rounded(value, ROUND_FLOOR)


def _rounded(value: float, rounding: str) -> str:
    shortest = Decimal(repr(float(value)))
    text = _text(shortest)
    digits = len(shortest.as_tuple().digits)
    while len(text) > MAX_LENGTH:
        digits -= 1
        text = _text(Context(prec=digits, rounding=rounding).create_decimal(Decimal(float(value))))
    return text


def _text(number: Decimal) -> str:
    """Plain digits where they fit, else the exponential form, without trailing zeros."""
    if not number:
        return "0"
    plain = f"{number.normalize():f}"
    return plain if len(plain) <= MAX_LENGTH else f"{number.normalize():E}"
