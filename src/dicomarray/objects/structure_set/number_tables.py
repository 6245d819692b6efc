"""Tables of numbers as DICOM has them in text, with a backslash between them: many at a time.

Python takes half a microsecond for each number, and a structure set of 104 regions has millions.  What is
read here is equal to what ``float`` makes of it, to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Texts = NDArray[np.uint8]
# So many numbers are taken at a time: what is computed with them stays in the processor's cache.
NUMBERS_AT_ONCE = 1 << 15
# Whole numbers and powers of ten up to these are exact in float64, so that their quotient is rounded once.
EXACT_DIGITS = 15
_POWERS = 10.0 ** np.arange(EXACT_DIGITS + 1)
_CHARACTERS_OF_NUMBERS = b"0123456789+-.eE "
_BACKSLASH, _POINT, _MINUS, _PLUS, _ZERO = b"\\.-+0"


def padded_texts(numbers: NDArray[np.float64], digits: int) -> Texts:
    """Numbers with at most so many decimals, a backslash behind each: a row of characters for each number.

    Where a number has none, the row has zero bytes: `joined` leaves them out.
    """
    if not len(numbers):
        return np.zeros((0, 1), np.uint8)
    whole = np.rint(numbers * 10.0**digits).astype(np.int64)
    wide = max(len(str(int(np.abs(whole).max()))), digits + 1)
    out = np.empty((len(whole), wide + 3), np.uint8)  # sign, digits with a point among them, separator
    for at in range(0, len(whole), NUMBERS_AT_ONCE):
        out[at : at + NUMBERS_AT_ONCE] = _columns(whole[at : at + NUMBERS_AT_ONCE], digits, wide).T
    return out


def joined(parts: Sequence[Texts]) -> tuple[bytes, NDArray[np.intp]]:
    """Rows of characters one behind the other, those of all parts with each other; where each number ends."""
    text = np.concatenate(parts, axis=1).tobytes().translate(None, b"\0")
    return text, np.flatnonzero(np.frombuffer(text, np.uint8) == _BACKSLASH)


def _columns(whole: NDArray[np.int64], digits: int, wide: int) -> Texts:
    """The characters of whole numbers with a point before the last digits, column by column."""
    negative, rest = whole < 0, np.abs(whole)
    if int(rest.max()) < 1 << 32:
        rest = rest.astype(np.uint32)  # which is divided in a third of the time
    text = np.empty((wide + 3, len(rest)), np.uint8)
    kept = np.ones(text.shape, bool)
    text[0], kept[0] = _MINUS, negative
    point = wide + 1 - digits
    text[point], text[-1] = _POINT, _BACKSLASH
    significant = np.zeros(len(rest), bool)  # a decimal is no zero, or one stands behind it that is none
    for place in range(wide):
        if place == digits:
            kept[point] = significant
        above = rest // 10
        digit = (rest - above * 10).astype(np.uint8)
        column = wide + 1 - place if place < digits else wide - place
        text[column] = digit + _ZERO
        if place < digits:
            significant |= digit != 0
            kept[column] = significant
        elif place > digits:
            kept[column] = rest > 0
        rest = above
    text *= kept
    return text


def numbers_of(text: bytes) -> NDArray[np.float64] | None:
    """The numbers in a table; None where something in it is no number."""
    table = np.frombuffer(text + b"\\", np.uint8)
    ends = np.flatnonzero(table == _BACKSLASH)
    lengths = ends.copy()
    lengths[1:] -= ends[:-1] + 1
    out = np.empty(len(ends))
    for at in range(0, len(ends), NUMBERS_AT_ONCE):
        part = slice(at, at + NUMBERS_AT_ONCE)
        out[part], others = _plain_numbers(table, ends[part], lengths[part])
        for index in (at + np.flatnonzero(others)).tolist():
            one = text[ends[index] - lengths[index] : ends[index]]
            if one.translate(None, _CHARACTERS_OF_NUMBERS):
                return None
            try:
                out[index] = float(one)
            except ValueError:
                return None
    return out


def _plain_numbers(
    table: NDArray[np.uint8], ends: NDArray[np.intp], lengths: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The numbers that end before some places; and which are of more than a sign, 15 digits and a point."""
    first = table[ends - lengths]
    negative = first == _MINUS
    too_long = lengths > EXACT_DIGITS + 2
    short = np.minimum(lengths, EXACT_DIGITS + 3).astype(np.int8)
    width = int(lengths[~too_long].max(initial=0))
    value: NDArray[np.signedinteger[Any]] = np.zeros(len(ends), np.int32 if width < 10 else np.int64)
    decimals, digits, points = (np.zeros(len(ends), np.int8) for _ in range(3))
    place = ends - width
    for column in range(width, 0, -1):  # from the left, counted from the end
        inside = short >= column
        character = table.take(place, mode="wrap")  # of what is shorter it is something else
        digit = character - np.uint8(_ZERO)  # more than 9 where it is none
        is_digit = (digit < 10) & inside
        np.copyto(value, value * 10 + digit, where=is_digit)
        digits += is_digit
        point = (character == _POINT) & inside
        points += point
        decimals += point * np.int8(column - 1)
        place += 1
    signs = negative | (first == _PLUS)
    others = too_long | (digits == 0) | (points > 1) | (digits + points + signs != lengths)
    others |= value >= 10**EXACT_DIGITS
    exact = value / _POWERS[np.where(others, 0, decimals)]
    return np.where(negative, -exact, exact), others
