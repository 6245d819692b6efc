"""Stored, modality and normalized values: exact arithmetic, and types that neither wrap nor round away."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomarray.core.pixel_values import (
    Normalization,
    Rescale,
    StoredType,
    modality_dtype,
    to_modality,
)
from dicomarray.errors import UsageError

U8, U12, U16, S12, S16, U32 = (
    StoredType(8, 8, signed=False),
    StoredType(16, 12, signed=False),
    StoredType(16, 16, signed=False),
    StoredType(16, 12, signed=True),
    StoredType(16, 16, signed=True),
    StoredType(32, 32, signed=False),
)
HU = Rescale(1, -1024)


@pytest.mark.parametrize(
    ("stored", "dtype", "minimum", "maximum"),
    [
        (U8, "uint8", 0, 255),
        (U12, "uint16", 0, 4095),
        (U16, "uint16", 0, 65535),
        (S12, "int16", -2048, 2047),
        (S16, "int16", -32768, 32767),
        (U32, "uint32", 0, 2**32 - 1),
        (StoredType(1, 1, signed=False), "uint8", 0, 1),
        (StoredType(32, 32, signed=True, floating=True), "float32", -(2**31), 2**31 - 1),
        (StoredType(64, 64, signed=True, floating=True), "float64", -(2**63), 2**63 - 1),
    ],
)
def test_stored_type_says_what_a_stored_value_can_be(
    stored: StoredType, dtype: str, minimum: int, maximum: int
) -> None:
    """dtype comes from BitsAllocated, the range from BitsStored and PixelRepresentation."""
    assert stored.dtype == np.dtype(dtype)
    assert stored.dtype.isnative
    assert (stored.minimum, stored.maximum) == (minimum, maximum)


@pytest.mark.parametrize(
    ("slices", "dtype"),
    [
        ([(U16, Rescale())], "uint16"),  # nothing is rescaled: the stored type itself
        ([(U16, Rescale()), (S16, Rescale())], "int32"),
        ([(U12, HU)], "int16"),
        ([(S16, HU)], "int32"),  # -32768 - 1024 does not fit an int16
        ([(U16, HU)], "int32"),  # nor does 65535 - 1024
        ([(U16, Rescale(1, -32768))], "int16"),  # exactly fits
        ([(U16, Rescale(1, -32769))], "int32"),
        ([(S16, Rescale(-1, 0))], "int32"),  # 32768 does not fit
        ([(U32, Rescale(1, -1))], "int64"),
        ([(U12, Rescale(2.0, -1024.0))], "int16"),
        ([(U12, HU), (U12, Rescale(1.5, -1024))], "float32"),
        ([(U12, Rescale()), (U12, Rescale(1, -0.5))], "float32"),
        ([(U16, Rescale(1.0, 1e7 + 0.5))], "float64"),  # float32 steps by 1 up there: neighbours would merge
        ([(U32, Rescale(0.1, 0))], "float64"),
        ([(StoredType(32, 32, signed=True, floating=True), Rescale(2, 1))], "float32"),
        ([(StoredType(64, 64, signed=True, floating=True), Rescale(2, 1))], "float64"),
    ],
)
def test_modality_type_holds_every_slice(slices: list[tuple[StoredType, Rescale]], dtype: str) -> None:
    """The smallest type that no value of any slice wraps or rounds away in, told by headers alone."""
    assert modality_dtype(slices) == np.dtype(dtype)
    assert modality_dtype(iter(slices[::-1])) == np.dtype(dtype)


STORED_TYPES = st.builds(
    lambda bits, signed: StoredType(8 if bits <= 8 else 16 if bits <= 16 else 32, bits, signed),
    st.integers(2, 32),
    st.booleans(),
)
# What a DS of 16 characters says: at most four decimals here, so that the exact arithmetic is easy to read.
DECIMALS = st.integers(-(10**8), 10**8).map(lambda n: n / 10_000)
RESCALES = st.builds(Rescale, DECIMALS.filter(bool), DECIMALS)


@given(st.lists(st.tuples(STORED_TYPES, RESCALES), min_size=1, max_size=4))
def test_modality_values_are_the_exact_ones_to_a_quarter_step(
    slices: list[tuple[StoredType, Rescale]],
) -> None:
    """stored * slope + intercept in exact fractions, for both ends of every slice, within a quarter step."""
    dtype = modality_dtype(slices)
    for stored, rescale in slices:
        ends = [stored.minimum, 0, 1, stored.maximum]
        got = to_modality(np.array(ends, stored.dtype), rescale, dtype)
        assert got.dtype == dtype
        for end, value in zip(ends, got.tolist(), strict=True):
            exact = Fraction(end) * Fraction(rescale.slope) + Fraction(rescale.intercept)
            assert abs(Fraction(value) - exact) <= abs(Fraction(rescale.slope)) * Fraction(26, 100)
            if dtype.kind in "iu":
                assert value == exact


@given(STORED_TYPES, RESCALES, st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=20))
def test_different_stored_values_stay_different(
    stored: StoredType, rescale: Rescale, numbers: list[int]
) -> None:
    """No two stored values become one modality value: stored values can be found again."""
    span = stored.maximum - stored.minimum + 1
    array = np.array([stored.minimum + n % span for n in numbers], stored.dtype)
    modality = to_modality(array, rescale, modality_dtype([(stored, rescale)]))
    back = np.round((modality.astype(np.float64) - rescale.intercept) / rescale.slope)
    assert back.tolist() == array.tolist()


def test_sixteen_bits_with_an_intercept_do_not_wrap() -> None:
    """65535 - 1024 is 64511, and 0 - 1024 is -1024: neither an int16 nor a uint16 holds both."""
    array = np.array([0, 65535], np.uint16)
    assert to_modality(array, HU, modality_dtype([(U16, HU)])).tolist() == [-1024, 64511]


def test_slopes_are_applied_slice_by_slice() -> None:
    """A first slice with slope 1 does not make the others integers."""
    rescales = [Rescale(1, 0), Rescale(0.37, 0)]
    dtype = modality_dtype([(U16, rescale) for rescale in rescales])
    values = [to_modality(np.array([3], np.uint16), rescale, dtype).item() for rescale in rescales]
    assert values == pytest.approx([3, 1.11], rel=1e-6)


def test_identity_copies_no_values() -> None:
    """Without rescaling the stored array itself is given on."""
    array = np.arange(4, dtype=np.uint16)
    assert to_modality(array, Rescale(), np.dtype(np.uint16)) is array


def test_stored_array_is_left_alone() -> None:
    """The stored values are not changed in place."""
    array = np.arange(4, dtype=np.int16)
    to_modality(array, Rescale(2, 5), np.dtype(np.int16))
    assert array.tolist() == [0, 1, 2, 3]


# --- normalization --------------------------------------------------------------------------------------


def test_normalization_is_clipped_float32() -> None:
    """(x - lower) / (upper - lower) in [0, 1]."""
    array = np.array([-2000, -1000, 0, 1000, 3000], np.int16)
    scaled = Normalization(-1000, 1000).apply(array)
    assert scaled.dtype == np.float32
    assert scaled.tolist() == [0, 0, 0.5, 1, 1]


def test_normalization_of_small_integers_does_not_wrap() -> None:
    """x - lower is not computed in the array's own type: uint8 0 - 100 is -100."""
    assert Normalization(100, 200).apply(np.array([0, 150, 255], np.uint8)).tolist() == [0, 0.5, 1]
    assert Normalization(-30000, 30000).apply(np.array([30000], np.int16)).tolist() == [1]


@given(
    st.integers(-40_000, 40_000),
    st.integers(1, 70_000),
    st.lists(st.floats(0, 1), min_size=1, max_size=30),
)
def test_undo_gives_back_what_lies_within_the_bounds(lower: int, width: int, parts: list[float]) -> None:
    """normalize then undo: the same to the rounding of a float32 of the width."""
    normalization = Normalization(lower, lower + width)
    array = np.round(lower + np.array(parts) * width)
    back = normalization.undo(normalization.apply(array))
    assert back.dtype == np.float64
    assert np.abs(back - array).max() <= width * 2.0**-24
    assert np.round(back).tolist() == array.tolist()


def test_undo_leaves_what_was_clipped_at_the_bounds() -> None:
    """Clipped values cannot come back."""
    normalization = Normalization(-100, 100)
    assert normalization.undo(normalization.apply(np.array([-500.0, 500.0]))).tolist() == [-100, 100]


@pytest.mark.parametrize(
    ("lower", "upper"), [(1, 1), (2, 1), (np.nan, 1), (0, np.nan), (-np.inf, 0), (0, np.inf)]
)
def test_bounds_that_are_none_are_refused(lower: float, upper: float) -> None:
    """Both finite, lower < upper: else nothing could be undone."""
    with pytest.raises(UsageError, match="normalize"):
        Normalization(lower, upper)
