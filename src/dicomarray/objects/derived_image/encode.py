"""Array values to the integers of Pixel Data, with the slope and intercept that lead back; pure NumPy.

A viewer shows ``stored * slope + intercept`` (PS3.3 C.11.1.1.2), with slope and intercept as the 16
characters of a Decimal String say them.  So they are rounded to a Decimal String first, and the values are
quantised with the rounded ones: no voxel is then off by more than half a step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np

from dicomarray.core.pixel_values import Array, Rescale, StoredType
from dicomarray.dicom import decimal_strings
from dicomarray.errors import UsageError, ValuesError
from dicomarray.objects.common.options import Mode
from dicomarray.objects.derived_image.offset_array import OffsetArray
from dicomarray.objects.derived_image.quantise import PIECE, invert, is_whole, quantise

# Float64 tells every integer from its neighbours up to here; larger ones would be changed without a word.
GREATEST_INTEGER = 2**53
# Slope and intercept are rounded to 16 characters in turn until the range fits.  Two rounds do, unless the
# range is so narrow beside its distance from zero that 16 characters cannot tell its ends apart.
ROUNDING_ROUNDS = 8
# Numbers nearer to a stored value than this part of a step are rounded to it.
HALF_STEP = 0.5


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
        As the array, integers in native byte order that hold the stored values of every slice.
    ends
        The least and the greatest stored value, one pair a slice.
    rescales
        Slope and intercept that lead back, one a slice.
    slope, intercept
        The same as Decimal Strings, one for the whole series; None where the template's own hold every value.
    max_error, mean_error
        Of ``|decoded - array|`` over all voxels, in the units of the array.
    clipped
        How many voxels were moved to the end of the range that can be stored (never without ``clip``).
    filled
        How many were NaN or infinite and have got the fill value.
    outside
        For how many integers, beyond what the template can say, all values got a slope that is not exact.
    """

    stored: Array | OffsetArray
    ends: tuple[tuple[int, int], ...]
    rescales: tuple[Rescale, ...]
    slope: str | None
    intercept: str | None
    max_error: float
    mean_error: float
    clipped: int = 0
    filled: int = 0
    outside: int = 0

    @property
    def image_bytes(self) -> int:
        """What the stored values of one slice take."""
        return math.prod(self.stored.shape[1:]) * self.stored.dtype.itemsize


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
    the array exactly, as float32 or float64 tells values apart, they are kept: an untouched array comes
    back bit for bit.  Else whole numbers get slope 1 and a whole intercept if their range fits: a mask stays
    0 and 1, and nothing is lost.  Else minimum..maximum is stretched over the stored range, with one slope
    for the whole series.  ``full-range``: always stretched.  ``stored``: the array holds stored values.

    Parameters
    ----------
    array
        (slices, rows, columns), also (slices, frames, rows, columns) of loops, colour samples last; boolean
        (0 and 1), integer, float16, float32 or float64.  Modality values, but stored values with ``stored``.
    stored
        The template's stored type, one for all slices or one a slice; where they differ, rescaled values
        fit all of them.
    template_rescales
        Slope and intercept of the template, one a slice.
    fill
        What NaN and infinity become, in the units of the array; without it they are an error.
    clip
        Move values that cannot be stored to the nearest that can, and count them, instead of an error.

    Raises ValuesError for NaN or infinity without fill, values that the stored type or the class cannot hold,
    integers beyond 2**53, and dtypes that are no numbers; UsageError for a fill that is not
    finite.
    """
    numbers = _numbers(array, fill)
    kept = tuple(template_rescales)
    types = (stored,) * len(array) if isinstance(stored, StoredType) else tuple(stored)
    if mode == "stored":
        return _written(_Task(numbers, types, clip, "BitsStored sets the range"), None, None, kept)
    if mode == "auto":
        exact = _inverted(numbers, kept, types)
        if exact is not None:
            return Encoding(*exact, kept, None, None, 0.0, 0.0, 0, numbers.filled)
    common = narrowest(types)
    slope, intercept = _chosen(numbers, mode, common, limit)
    once = Rescale(float(slope), float(intercept))
    why = f"this class of image allows {limit.value}"
    task = _Task(numbers, (common,) * len(types), clip, why)
    written = _written(task, slope, intercept, (once,) * len(types))
    if mode == "auto" and numbers.integers and written.max_error:
        return replace(written, outside=_outside(numbers, kept, types))
    return written


def _outside(numbers: _Numbers, rescales: Sequence[Rescale], types: Sequence[StoredType]) -> int:
    """How many values lie beyond what slope, intercept and stored type of the template can say."""
    count = 0
    for image, (low, high), rescale, stored in zip(numbers.array, numbers.ends, rescales, types, strict=True):
        ends = (stored.minimum, stored.maximum)
        least, most = sorted(value * rescale.slope + rescale.intercept for value in ends)
        if low < least or high > most:
            count += int(np.count_nonzero((image < least) | (image > most)))
    return count


def narrowest(types: Sequence[StoredType]) -> StoredType:
    """The stored type whose whole range every one of the types holds; it has the bits of the narrowest."""
    distinct = set(types)
    if len(distinct) == 1:
        return types[0]
    signed = all(stored.signed for stored in distinct)
    bits = min(stored.bits_stored - int(stored.signed and not signed) for stored in distinct)
    return StoredType(max(stored.bits_allocated for stored in distinct), bits, signed)


@dataclass(frozen=True, eq=False)
class _Numbers:
    """Finite numbers that float64 holds; the least and the greatest of each image; how many were filled."""

    array: Array
    ends: tuple[tuple[float, float], ...]
    filled: int = 0

    @property
    def low(self) -> float:
        return min(low for low, _ in self.ends)

    @property
    def high(self) -> float:
        return max(high for _, high in self.ends)

    @property
    def integers(self) -> bool:
        return self.array.dtype.kind in "iu"


def _numbers(array: Array, fill: float | None) -> _Numbers:
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
    ends = _ends(array)
    found = _Numbers(array, ends)
    if found.high > GREATEST_INTEGER or found.low < -GREATEST_INTEGER:
        raise ValuesError(
            f"the values reach from {found.low} to {found.high}; integers beyond 2**53 would be changed "
            "by rounding, so they are not written"
        )
    return found


def _ends(array: Array) -> tuple[tuple[float, float], ...]:
    """Of each image; a NaN is the least and the greatest of all."""
    axes = tuple(range(1, array.ndim))
    step = max(1, PIECE * len(array) // array.size)  # small images together: a call takes longer than they
    ends: list[tuple[float, float]] = []
    for start in range(0, len(array), step):
        images = array[start : start + step]
        ends += zip(images.min(axis=axes).tolist(), images.max(axis=axes).tolist(), strict=True)
    return tuple(ends)


def _filled(array: Array, fill: float | None) -> _Numbers:
    if fill is not None and not abs(fill) <= np.finfo(array.dtype).max:
        raise UsageError(f"fill={fill}: the fill value must be a finite number that {array.dtype} can hold")
    ends = _ends(array)
    if np.isfinite(ends).all():
        return _Numbers(array, ends)
    finite = np.isfinite(array)
    count = int(array.size - np.count_nonzero(finite))
    if fill is None:
        raise ValuesError(
            f"{count} of {array.size} values are NaN or infinite, which no stored integer can say; give the "
            "value that stands for them (fill=), or replace them first (numpy.nan_to_num)"
        )
    array = np.where(finite, array, array.dtype.type(fill))
    return _Numbers(array, _ends(array), count)


# Stored values, and the least and the greatest of each image.
_Stored = tuple[Array | OffsetArray, tuple[tuple[int, int], ...]]


def _inverted(numbers: _Numbers, rescales: Sequence[Rescale], types: Sequence[StoredType]) -> _Stored | None:
    """The stored values that give exactly this array, or None where there are none."""
    if numbers.integers and all(rescale.slope == 1 and rescale.integral for rescale in rescales):
        return _with_offset(numbers, [int(rescale.intercept) for rescale in rescales], types)
    result = np.empty(numbers.array.shape, _dtype(types))
    ends = []
    for image in zip(numbers.array, rescales, types, result, strict=True):
        found = invert(*image)
        if found is None:
            return None
        ends.append(found)
    return result, tuple(ends)


def _with_offset(numbers: _Numbers, offsets: Sequence[int], types: Sequence[StoredType]) -> _Stored | None:
    """Integers less an intercept; None where they do not all fit."""
    ends = tuple(
        (int(low) - offset, int(high) - offset)
        for (low, high), offset in zip(numbers.ends, offsets, strict=True)
    )
    fit = all(
        stored.minimum <= low and high <= stored.maximum
        for (low, high), stored in zip(ends, types, strict=True)
    )
    return (OffsetArray(numbers.array, tuple(offsets), _dtype(types)), ends) if fit else None


def _dtype(types: Sequence[StoredType]) -> np.dtype[Any]:
    return np.result_type(*{stored.dtype for stored in types})


def _chosen(numbers: _Numbers, mode: Mode, stored: StoredType, limit: RescaleLimit) -> tuple[str, str]:
    """One slope and intercept for the whole series, as Decimal Strings."""
    low, high = float(numbers.low), float(numbers.high)
    whole = all(map(is_whole, numbers.array))
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
        return (decimal_strings.at_least(max(ends)) if max(ends) > 0 else "1"), "0"
    if low == high:
        fits = whole and stored.minimum <= low <= stored.maximum
        return ("1", "0") if fits else _constant(low)
    return _stretched(low, high, stored)


def _whole_intercept(low: int, high: int, stored: StoredType, limit: RescaleLimit) -> str | None:
    """The intercept with which slope 1 is exact: 0 where it fits, else the least value is stored first."""
    if stored.minimum <= low and high <= stored.maximum:
        return "0"
    text = str(low - stored.minimum)
    narrow = high - low <= stored.maximum - stored.minimum and len(text) <= decimal_strings.MAX_LENGTH
    return text if narrow and limit is RescaleLimit.FREE else None


def _constant(value: float) -> tuple[str, str]:
    """Slope and intercept for one value: the intercept tells it, the slope what 16 characters leave over."""
    intercept = decimal_strings.nearest(value)
    if abs(value - float(intercept)) <= HALF_STEP:  # with slope 1
        return "1", intercept
    intercept = decimal_strings.at_most(value)
    return decimal_strings.nearest(value - float(intercept)), intercept


def _stretched(low: float, high: float, stored: StoredType) -> tuple[str, str]:
    """Slope and intercept that put low..high over the whole stored range; rounded so that both ends fit."""
    span = stored.maximum - stored.minimum
    step = high / span - low / span
    for _ in range(ROUNDING_ROUNDS):
        if not (math.isfinite(step) and step > 0):
            break
        slope = decimal_strings.at_least(step)
        intercept = decimal_strings.at_most(low - stored.minimum * float(slope))
        top = (high - float(intercept)) / float(slope)
        if top < stored.maximum + HALF_STEP:
            return slope, intercept
        step = float(slope) * (top - stored.minimum) / span
    raise ValuesError(
        f"the range from {low!r} to {high!r} cannot be written by a slope and an intercept of 16 characters "
        "each; bring the values nearer to zero, or to a larger scale"
    )


@dataclass(frozen=True, eq=False)
class _Task:
    """What is quantised, and the words for an error."""

    numbers: _Numbers
    types: tuple[StoredType, ...]
    clip: bool
    why: str


def _written(
    task: _Task, slope: str | None, intercept: str | None, rescales: tuple[Rescale, ...]
) -> Encoding:
    """Quantise image by image, and measure the error of what is written by decoding it.

    Without a slope the numbers are stored values already: they must be whole.
    """
    numbers, rescale = task.numbers, Rescale() if slope is None else rescales[0]
    if numbers.integers and rescale.slope == 1 and rescale.integral:
        exact = _with_offset(numbers, [int(rescale.intercept)] * len(task.types), task.types)
        if exact is not None:
            return Encoding(*exact, rescales, slope, intercept, 0.0, 0.0, 0, numbers.filled)
    result = np.empty(numbers.array.shape, _dtype(task.types))
    found = [
        quantise(image, rescale, stored, target, whole_only=slope is None)
        for image, stored, target in zip(numbers.array, task.types, result, strict=True)
    ]
    broken, clipped = sum(one.broken for one in found), sum(one.clipped for one in found)
    if broken:
        raise _refused(task, broken, "are not whole; round them first (numpy.rint)", rescale)
    if clipped and not task.clip:
        raise _refused(
            task,
            clipped,
            "are outside of it; change them first, or have values outside clipped (clip=True, --clip)",
            rescale,
        )
    ends = tuple((one.least, one.most) for one in found)
    greatest, mean = max(one.greatest for one in found), sum(one.total for one in found) / result.size
    return Encoding(result, ends, rescales, slope, intercept, greatest, mean, clipped, numbers.filled)


def _refused(task: _Task, count: int, fault: str, rescale: Rescale) -> ValuesError:
    stored = narrowest(task.types)
    ends = sorted(value * rescale.slope + rescale.intercept for value in (stored.minimum, stored.maximum))
    kind = "signed" if stored.signed else "unsigned"
    return ValuesError(
        f"the template stores {stored.bits_stored} bits, {kind}, which hold {ends[0]:.10g} to {ends[1]:.10g} "
        f"({task.why}); the array reaches from {task.numbers.low} to {task.numbers.high}, and at least "
        f"{count} of {task.numbers.array.size} values {fault}"
    )
