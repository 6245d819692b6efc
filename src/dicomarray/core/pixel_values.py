"""Stored, modality and normalized values, and the types that hold them; pure NumPy.

Stored values are the numbers in Pixel Data; ``modality = stored * slope + intercept`` per slice
(PS3.3 C.11.1.1.2).  HU for CT.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicomarray.errors import UsageError, ValuesError

Array = NDArray[Any]

# A float32 has 24 bits of mantissa.  It carries modality values only where its rounding stays under this
# part of a stored step, so that every stored value can be found again.
FLOAT32_STEP_FRACTION = 0.25
FLOAT32_EPSILON = 2.0**-24
# Values that are worked on at a time in float64, so that they stay in the cache and a volume needs no second
# one of eight bytes a voxel.
PIECE = 1 << 16


class StoredType(NamedTuple):
    """The pixel description of PS3.3 C.7.6.3.1: what a stored value can be."""

    bits_allocated: int
    bits_stored: int
    signed: bool
    floating: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy type of a stored value, native byte order."""
        if self.floating:
            return np.dtype(f"f{self.bits_allocated // 8}")
        bytes_ = max(1, self.bits_allocated // 8)
        return np.dtype(f"{'i' if self.signed else 'u'}{bytes_}")

    @property
    def minimum(self) -> int:
        """Least integer that the stored bits can hold."""
        return -(1 << (self.bits_stored - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        """Greatest integer that the stored bits can hold."""
        return (1 << (self.bits_stored - int(self.signed))) - 1


@dataclass(frozen=True, slots=True)
class Rescale:
    """Rescale Slope and Intercept of one slice."""

    slope: float = 1.0
    intercept: float = 0.0

    @property
    def identity(self) -> bool:
        return self.slope == 1 and self.intercept == 0

    @property
    def integral(self) -> bool:
        return float(self.slope).is_integer() and float(self.intercept).is_integer()


# Stands for a slope or intercept that is no number: whoever needs values has to ask for it first.
UNREADABLE = Rescale(math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Normalization:
    """``(x - lower) / (upper - lower)``, clipped to [0, 1]; ``units`` are those of x."""

    lower: float
    upper: float
    clip: bool = True
    units: str = "modality"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.lower) and np.isfinite(self.upper) and self.lower < self.upper):
            raise UsageError(
                f"normalize: the bounds must be finite and lower < upper, not {self.lower} and {self.upper}"
            )

    @property
    def span(self) -> float:
        """How much of x one unit of the normalized values is."""
        return self.upper - self.lower

    def apply(self, array: Array, out: Array | None = None) -> NDArray[np.float32]:
        """Values in [0, 1], float32, any shape; ``out``, C-contiguous, takes them where it is given."""
        result = np.empty(array.shape, np.float32) if out is None else out
        for values, place, wide in _pieces(array, result):
            np.subtract(values, self.lower, out=wide, dtype=np.float64)
            np.divide(wide, self.upper - self.lower, out=wide)
            place[...] = np.clip(wide, 0.0, 1.0, out=wide)
        return result

    def undo(self, array: Array) -> NDArray[np.float64]:
        """The values before, float64; what was clipped stays at the bound."""
        return np.asarray(array.astype(np.float64) * (self.upper - self.lower) + self.lower)


def modality_dtype(slices: Iterable[tuple[StoredType, Rescale]]) -> np.dtype[Any]:
    """The type that holds the modality values of all slices.

    Integer where every slope and intercept is a whole number: the stored type itself where nothing is
    rescaled, else the smallest of int16, int32, int64 that the whole range of the stored bits fits.
    Otherwise float32, or float64 where float32 would round away differences between stored values.
    It depends on headers alone, never on the pixels: the same scanner gives the same type.
    """
    by_identity = {(id(stored), id(rescale)): (stored, rescale) for stored, rescale in slices}
    distinct = list(dict.fromkeys(by_identity.values()))
    if all(rescale.identity for _, rescale in distinct):
        return np.result_type(*(stored.dtype for stored, _ in distinct))
    if any(stored.floating for stored, _ in distinct):
        return np.result_type(np.float32, *(stored.dtype for stored, _ in distinct if stored.floating))
    ends = [
        value * rescale.slope + rescale.intercept
        for stored, rescale in distinct
        for value in (stored.minimum, stored.maximum)
    ]
    if all(rescale.integral for _, rescale in distinct):
        for candidate in (np.int16, np.int32, np.int64):
            limits = np.iinfo(candidate)
            if limits.min <= min(ends) and max(ends) <= limits.max:
                return np.dtype(candidate)
    smallest_step = min((abs(rescale.slope) for _, rescale in distinct if rescale.slope), default=0.0)
    rounding = max(abs(end) for end in ends) * FLOAT32_EPSILON
    single = np.finfo(np.float32)
    exact = rounding <= FLOAT32_STEP_FRACTION * smallest_step
    # as Python's numbers: NumPy would make both float32, and warn that this overflows
    in_range = max(map(abs, ends)) <= float(single.max) and smallest_step >= float(single.tiny)
    return np.dtype(np.float32 if exact and in_range else np.float64)


def to_modality(stored: Array, rescale: Rescale, dtype: np.dtype[Any], out: Array | None = None) -> Array:
    """``stored * slope + intercept`` as ``dtype`` (from `modality_dtype`), any shape.

    ``out``, C-contiguous and of that shape and type, takes the values where it is given; it may be the memory
    of ``stored`` itself, voxel for voxel.
    """
    if rescale.identity:
        return _copied(stored, dtype, out)
    result = np.empty(stored.shape, dtype) if out is None else out
    if dtype.kind in "iu":
        return _integer_values(stored, rescale, result)
    for values, place, wide in _pieces(stored, result):
        np.multiply(values, rescale.slope, out=wide, dtype=np.float64)
        np.add(wide, rescale.intercept, out=wide)
        place[...] = wide
    return result


def _copied(stored: Array, dtype: np.dtype[Any], out: Array | None) -> Array:
    if out is None:
        return stored.astype(dtype, copy=False)
    if stored is not out:
        out[...] = stored
    return out


def _integer_values(stored: Array, rescale: Rescale, result: Array) -> Array:
    """In the type of the result, whose range the values fit: what wraps on the way comes back."""
    slope, intercept = wrapped(rescale.slope, result.dtype), wrapped(rescale.intercept, result.dtype)
    if stored.dtype.itemsize == result.dtype.itemsize:
        stored = stored.view(result.dtype)
    if rescale.slope != 1:
        stored = np.multiply(stored, slope, out=result, dtype=result.dtype, casting="unsafe")
    if rescale.intercept or stored is not result:
        np.add(stored, intercept, out=result, dtype=result.dtype, casting="unsafe")
    return result


@lru_cache(maxsize=1024)
def wrapped(number: float, dtype: np.dtype[Any]) -> Any:
    """A whole number as an integer type has it, which wraps around where it does not fit."""
    return np.uint64(int(number) % (1 << 8 * dtype.itemsize)).astype(dtype)


def _pieces(values: Array, result: Array) -> Iterator[tuple[Array, Array, NDArray[np.float64]]]:
    """Parts of the values, where their results go, and room for as many in float64; all 1-D."""
    flat, places = values.reshape(-1), result.reshape(-1)
    wide = np.empty(min(PIECE, flat.size), np.float64)
    for start in range(0, flat.size, PIECE):
        place = places[start : start + PIECE]
        yield flat[start : start + PIECE], place, wide[: place.size]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of the values that count: how many, and in float64 what they are like."""

    count: int
    minimum: float
    maximum: float
    mean: float
    standard_deviation: float


def finite_statistics(values: Array, padding: NDArray[np.bool_] | None = None) -> Statistics:
    """Statistics of the finite values that are no padding; ``padding`` is True where a value is, same shape.

    Raises
    ------
    ValuesError
        Where nothing is left.
    """
    counted = np.isfinite(values) if padding is None else np.isfinite(values) & ~padding
    chosen = values[counted].astype(np.float64)
    if not chosen.size:
        raise ValuesError(
            f"all {values.size} values are padding, NaN or infinite; there is nothing to measure"
        )
    return Statistics(
        count=int(chosen.size),
        minimum=float(chosen.min()),
        maximum=float(chosen.max()),
        mean=float(chosen.mean()),
        standard_deviation=float(chosen.std()),
    )
