"""Array values to stored values and back, a piece of an image at a time; pure NumPy.

Whole images would make temporary arrays that fit no cache: the time went into fetching memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dicomarray.core.pixel_values import Array, Rescale, StoredType

# Values that are worked on at once: three arrays of float64 with so many fit a second-level cache.
PIECE = 1 << 14
_SINGLE = np.dtype(np.float32)


@dataclass(frozen=True, slots=True)
class Quantised:
    """What became of one image.

    ``broken`` values were not whole though they had to be, ``clipped`` ones lay outside of the stored range;
    ``greatest`` and ``total`` are of the errors ``|decoded - value|``; ``least`` and ``most`` are stored.
    """

    broken: int
    clipped: int
    greatest: float
    total: float
    least: int
    most: int


def quantise(
    values: Array, rescale: Rescale, stored: StoredType, target: Array, whole_only: bool
) -> Quantised:
    """Fill ``target`` with the nearest stored values, and measure the error by decoding them."""
    broken = clipped = 0
    greatest, total = 0.0, 0.0
    least, most = math.inf, -math.inf
    for _, exact, whole, result in _pieces(values, rescale, target):
        if whole_only:
            broken += int(np.count_nonzero(whole != exact))
        low, high = float(whole.min()), float(whole.max())
        if low < stored.minimum or high > stored.maximum:
            clipped += int(np.count_nonzero((whole < stored.minimum) | (whole > stored.maximum)))
            np.clip(whole, stored.minimum, stored.maximum, out=whole)
            low, high = float(whole.min()), float(whole.max())
        np.copyto(result, whole, casting="unsafe")
        least, most = min(least, low), max(most, high)
        _decode(whole, rescale)
        error = np.subtract(whole, exact, out=exact)
        np.abs(error, out=error)
        greatest, total = max(greatest, float(error.max())), total + float(error.sum())
    return Quantised(broken, clipped, greatest, total, int(least), int(most))


def invert(values: Array, rescale: Rescale, stored: StoredType, target: Array) -> tuple[int, int] | None:
    """Fill ``target`` with the stored values that give exactly these, as float32 or float64 tells them apart.

    Float16 is coarser than what is read back: values that only look alike in it differ by what nobody would
    be told.  Returns the least and the greatest stored value; None, and a target half filled, where there
    are none.
    """
    if not (math.isfinite(rescale.slope) and rescale.slope and math.isfinite(rescale.intercept)):
        return None
    least, most = math.inf, -math.inf
    for piece, exact, whole, result in _pieces(values, rescale, target):
        low, high = float(whole.min()), float(whole.max())
        if low < stored.minimum or high > stored.maximum:
            return None
        np.copyto(result, whole, casting="unsafe")
        least, most = min(least, low), max(most, high)
        _decode(whole, rescale)
        single = piece.dtype.kind == "f" and piece.dtype.itemsize <= _SINGLE.itemsize
        if not np.array_equal(whole.astype(_SINGLE) if single else whole, piece if single else exact):
            return None
    return int(least), int(most)


def is_whole(image: Array) -> bool:
    """Whether all values are whole numbers."""
    step = _rows(image)
    parts = (image[start : start + step] for start in range(0, len(image), step))
    return image.dtype.kind in "iu" or all(np.array_equal(part, np.rint(part)) for part in parts)


def _pieces(values: Array, rescale: Rescale, target: Array) -> Iterator[tuple[Array, Array, Array, Array]]:
    """Some rows of the values; in float64 these, and the nearest stored ones; the rows of the target."""
    values, target = (image.reshape(-1, image.shape[-1]) for image in (values, target))
    step = _rows(values)
    one, other = (np.empty((min(step, len(values)), *values.shape[1:])) for _ in range(2))
    for start in range(0, len(values), step):
        piece = values[start : start + step]
        exact, whole = one[: len(piece)], other[: len(piece)]  # which are used again
        np.copyto(exact, piece)
        np.subtract(exact, rescale.intercept, out=whole)
        if rescale.slope != 1:
            whole /= rescale.slope
        np.rint(whole, out=whole)
        yield piece, exact, whole, target[start : start + step]


def _rows(image: Array) -> int:
    return max(1, PIECE * len(image) // max(1, image.size))


def _decode(whole: Array, rescale: Rescale) -> None:
    if rescale.slope != 1:
        whole *= rescale.slope
    whole += rescale.intercept
