"""Array values to the integers of Pixel Data, with the slope and intercept that lead back; pure NumPy.

A viewer shows ``stored * slope + intercept`` (PS3.3 C.11.1.1.2), with slope and intercept as the 16
characters of a Decimal String say them.  So they are rounded to a Decimal String first, and the values are
quantised with the rounded ones: no voxel is then off by more than half a step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

import numpy as np

from dicomarray.errors import UsageError, ValuesError
from dicomarray.values import Array, Rescale, StoredType
from dicomarray.writing import decimals

Mode = Literal["auto", "stored", "full-range"]
MODES: tuple[Mode, ...] = ("auto", "stored", "full-range")

# Float64 tells every integer from its neighbours up to here; larger ones would be changed without a word.
GREATEST_INTEGER = 2**53
# Slope and intercept are rounded to 16 characters in turn until the range fits.  Two rounds do, unless the
# range is so narrow beside its distance from zero that 16 characters cannot tell its ends apart.
ROUNDING_ROUNDS = 8


class RescaleLimit(Enum):
    """Which Rescale Slope and Intercept the class of the image may carry."""

    FREE = "any slope and intercept"
    NO_INTERCEPT = "any slope, intercept 0"  # PET, PS3.3 C.8.9.4
    IDENTITY = "slope 1, intercept 0"  # DX, MG, IO, PS3.3 C.8.11.3.1.2


@dataclass(frozen=True, eq=False)
class Encoding:
    """What is written, and how far it is from what was asked for.

    Attributes
    ----------
    stored
        (slices, rows, columns), integers in native byte order that hold the stored values of every slice.
    rescales
        Slope and intercept that lead back, one a slice.
    slope, intercept
        The same as Decimal Strings, one for the whole series; None where the template's are `kept`.
    max_error, mean_error
        Of ``|decoded - array|`` over all voxels, in the units of the array.
    clipped
        How many voxels were moved to the end of the range that can be stored (never without ``clip``).
    filled
        How many were NaN or infinite and have got the fill value.
    kept
        Whether the template's own slope and intercept hold every value.
    """

    stored: Array
    rescales: tuple[Rescale, ...]
    slope: str | None
    intercept: str | None
    max_error: float
    mean_error: float
    clipped: int = 0
    filled: int = 0

    @property
    def kept(self) -> bool:
        return self.slope is None


def encode(
    array: Array,
    mode: Mode,
    stored: StoredType | Sequence[StoredType],
    template_rescales: Sequence[Rescale],
    fill: float | None = None,
    *,
    limit: RescaleLimit = RescaleLimit.FREE,
    clip: bool = False,
) -> Encoding:
    """Turn an array into stored values.

    ``auto``: where the template's slope and intercept of each slice and its stored type hold every value of
    the array exactly, as the array's own dtype tells values apart, they are kept: an untouched array comes
    back bit for bit.  Else whole numbers get slope 1 and a whole intercept if their range fits: a mask stays
    0 and 1, and nothing is lost.  Else minimum..maximum is stretched over the stored range, with one slope
    for the whole series.  ``full-range``: always stretched.  ``stored``: the array holds stored values.

    Parameters
    ----------
    array
        (slices, rows, columns); boolean (0 and 1), integer, float16, float32 or float64.  Modality values,
        but stored values with ``stored``.
    stored
        The template's stored type, one for all slices or one a slice; where they differ, rescaled values
        fit all of them.
    template_rescales
        Slope and intercept of the template, one a slice.
    fill
        What NaN and infinity become, in the units of the array; without it they are an error.
    clip
        Move values that cannot be stored to the nearest that can, and count them, instead of an error.

    Raises
    ------
    ValuesError
        NaN or infinity without fill; values that the stored type or the class cannot hold; integers beyond
        2**53; dtypes that are no numbers.
    UsageError
        An unknown mode or a fill that is not finite.
    """
    if mode not in MODES:
        raise UsageError(f"values={mode!r} is unknown; choose one of {', '.join(MODES)}")
    numbers, filled = _numbers(array, fill)
    kept = tuple(template_rescales)
    types = (stored,) * len(numbers) if isinstance(stored, StoredType) else tuple(stored)
    if mode == "stored":
        return _written(_Task(numbers, types, filled, clip, "BitsStored sets the range"), None, None, kept)
    if mode == "auto":
        exact = _inverted(numbers, kept, types)
        if exact is not None:
            return Encoding(exact, kept, None, None, 0.0, 0.0, 0, filled)
    common = narrowest(types)
    slope, intercept = _chosen(numbers, mode, common, limit)
    once = Rescale(float(slope), float(intercept))
    why = f"this class of image allows {limit.value}"
    task = _Task(numbers, (common,) * len(numbers), filled, clip, why)
    return _written(task, slope, intercept, (once,) * len(numbers))


def narrowest(types: Sequence[StoredType]) -> StoredType:
    """The stored type whose whole range every one of the types holds; it has the bits of the narrowest."""
    distinct = set(types)
    if len(distinct) == 1:
        return types[0]
    signed = all(stored.signed for stored in distinct)
    bits = min(stored.bits_stored - int(stored.signed and not signed) for stored in distinct)
    return StoredType(max(stored.bits_allocated for stored in distinct), bits, signed)


def _numbers(array: Array, fill: float | None) -> tuple[Array, int]:
    """The array as real, finite numbers that float64 holds, and how many were filled in."""
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        raise ValuesError(
            f"an array of dtype {array.dtype} cannot be written; convert it to integers or float64 first"
        )
    if array.size == 0:
        raise ValuesError(f"the array of shape {array.shape} is empty")
    if array.dtype.kind == "f":
        return _filled(array, fill)
    if int(array.max()) > GREATEST_INTEGER or int(array.min()) < -GREATEST_INTEGER:
        raise ValuesError(
            f"the values reach from {array.min()} to {array.max()}; integers beyond 2**53 would be changed "
            "by rounding, so they are not written"
        )
    return array, 0


def _filled(array: Array, fill: float | None) -> tuple[Array, int]:
    if fill is not None and not abs(fill) <= np.finfo(array.dtype).max:
        raise UsageError(f"fill={fill}: the fill value must be a finite number that {array.dtype} can hold")
    finite = np.isfinite(array)
    count = int(array.size - np.count_nonzero(finite))
    if not count:
        return array, 0
    if fill is None:
        raise ValuesError(
            f"{count} of {array.size} values are NaN or infinite, which no stored integer can say; give the "
            "value that stands for them (fill=), or replace them first (numpy.nan_to_num)"
        )
    return np.where(finite, array, array.dtype.type(fill)), count


def _inverted(array: Array, rescales: Sequence[Rescale], types: Sequence[StoredType]) -> Array | None:
    """The stored values that give exactly this array, or None where there are none."""
    result = np.empty(array.shape, _dtype(types))
    for index, (values, rescale, stored) in enumerate(zip(array, rescales, types, strict=True)):
        if not (math.isfinite(rescale.slope) and rescale.slope and math.isfinite(rescale.intercept)):
            return None
        whole = np.rint((values.astype(np.float64) - rescale.intercept) / rescale.slope)
        if whole.min() < stored.minimum or whole.max() > stored.maximum:
            return None
        decoded = whole * rescale.slope + rescale.intercept
        if array.dtype.kind == "f":
            decoded = decoded.astype(array.dtype)
        if not np.array_equal(decoded, values):
            return None
        result[index] = whole
    return result


def _dtype(types: Sequence[StoredType]) -> np.dtype[Any]:
    return np.result_type(*{stored.dtype for stored in types})


def _chosen(array: Array, mode: Mode, stored: StoredType, limit: RescaleLimit) -> tuple[str, str]:
    """One slope and intercept for the whole series, as Decimal Strings."""
    low, high = float(array.min()), float(array.max())
    whole = array.dtype.kind in "iu" or all(np.array_equal(part, np.rint(part)) for part in array)
    if limit is RescaleLimit.IDENTITY:
        if mode == "auto" and whole:
            return "1", "0"
        raise ValuesError(
            f"values from {low:g} to {high:g} need a slope, but the class of this template allows "
            f"{limit.value} only; scale and round them to whole stored values yourself"
        )
    if whole and mode == "auto":
        offset = _whole_intercept(int(low), int(high), stored, limit)
        if offset is not None:
            return "1", offset
    if limit is RescaleLimit.NO_INTERCEPT:
        ends = [high / stored.maximum, low / stored.minimum if stored.minimum else 0.0]
        return (decimals.at_least(max(ends)) if max(ends) > 0 else "1"), "0"
    if low == high:
        fits = whole and stored.minimum <= low <= stored.maximum
        return "1", "0" if fits else decimals.nearest(low)
    return _stretched(low, high, stored)


def _whole_intercept(low: int, high: int, stored: StoredType, limit: RescaleLimit) -> str | None:
    """The intercept with which slope 1 is exact: 0 where it fits, else the least value is stored first."""
    if stored.minimum <= low and high <= stored.maximum:
        return "0"
    text = str(low - stored.minimum)
    narrow = high - low <= stored.maximum - stored.minimum and len(text) <= decimals.LONGEST
    return text if narrow and limit is RescaleLimit.FREE else None


def _stretched(low: float, high: float, stored: StoredType) -> tuple[str, str]:
    """Slope and intercept that put low..high over the whole stored range; rounded so that both ends fit."""
    span = stored.maximum - stored.minimum
    step = high / span - low / span
    for _ in range(ROUNDING_ROUNDS):
        if not (math.isfinite(step) and step > 0):
            break
        slope = decimals.at_least(step)
        intercept = decimals.at_most(low - stored.minimum * float(slope))
        top = (high - float(intercept)) / float(slope)
        if top < stored.maximum + 0.5:
            return slope, intercept
        step = float(slope) * (top - stored.minimum) / span
    raise ValuesError(
        f"the range from {low!r} to {high!r} cannot be told by a slope and an intercept of 16 characters "
        "each; bring the values nearer to zero, or to a larger scale"
    )


@dataclass(frozen=True, eq=False)
class _Task:
    """What is quantised, and the words for an error."""

    numbers: Array
    types: tuple[StoredType, ...]
    filled: int
    clip: bool
    why: str


def _written(
    task: _Task, slope: str | None, intercept: str | None, rescales: tuple[Rescale, ...]
) -> Encoding:
    """Quantise slice by slice, and measure the error of what is written by decoding it.

    Without a slope the numbers are stored values already: they must be whole.
    """
    result = np.empty(task.numbers.shape, _dtype(task.types))
    rescale = Rescale() if slope is None else rescales[0]
    clipped, greatest, total = 0, 0.0, 0.0
    for index, (part, stored) in enumerate(zip(task.numbers, task.types, strict=True)):
        values = part.astype(np.float64)
        whole = np.rint((values - rescale.intercept) / rescale.slope)
        if slope is None and not np.array_equal(whole, values):
            raise _refused(task, int(np.count_nonzero(whole != values)), "are not whole", rescale)
        fitting = np.clip(whole, stored.minimum, stored.maximum)
        clipped += int(np.count_nonzero(fitting != whole))
        result[index] = fitting
        error = np.abs(fitting * rescale.slope + rescale.intercept - values)
        greatest = max(greatest, float(error.max()))
        total += float(error.sum())
    if clipped and not task.clip:
        raise _refused(task, clipped, "are outside of it", rescale)
    mean = total / task.numbers.size
    return Encoding(result, rescales, slope, intercept, greatest, mean, clipped, task.filled)


def _refused(task: _Task, count: int, fault: str, rescale: Rescale) -> ValuesError:
    stored = narrowest(task.types)
    ends = sorted(value * rescale.slope + rescale.intercept for value in (stored.minimum, stored.maximum))
    kind = "signed" if stored.signed else "unsigned"
    return ValuesError(
        f"the template stores {stored.bits_stored} bits, {kind}, which hold {ends[0]:.10g} to {ends[1]:.10g} "
        f"({task.why}); the array reaches from {task.numbers.min()} to {task.numbers.max()}, and at least "
        f"{count} of {task.numbers.size} values {fault}; change them first, or have values outside clipped "
        "(clip=True, --clip)"
    )
