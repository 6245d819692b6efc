"""Array values to stored values: exact where it can be, within half a step elsewhere, an error otherwise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dicomarray.core.pixel_values import Rescale, StoredType, modality_dtype, to_modality
from dicomarray.errors import UsageError, ValuesError
from dicomarray.objects.derived_image.encode import RescaleLimit, encode, narrowest
from dicomarray.objects.derived_image.offset_array import OffsetArray
from dicomarray.objects.derived_image.quantise import PIECE

TYPES = [
    StoredType(8, 8, False),
    StoredType(8, 8, True),
    StoredType(16, 12, False),
    StoredType(16, 12, True),
    StoredType(16, 16, False),
    StoredType(16, 16, True),
]
U12 = StoredType(16, 12, False)
S16 = StoredType(16, 16, True)
ONE = (Rescale(),)


def decoded(encoding):
    """What a reader gets back, float64."""
    return np.stack(
        [
            part.astype(np.float64) * rescale.slope + rescale.intercept
            for part, rescale in zip(encoding.stored, encoding.rescales, strict=True)
        ]
    )


slopes = st.floats(1e-4, 1e4).map(lambda value: float(f"{value:.10g}"))
intercepts = st.floats(-1e5, 1e5).map(lambda value: float(f"{value:.10g}"))


@given(st.sampled_from(TYPES), st.lists(st.tuples(slopes, intercepts), min_size=1, max_size=3), st.data())
def test_an_untouched_array_comes_back_bit_for_bit(stored, pairs, data):
    """Modality values made by `to_modality` with any slope a slice find their stored values again."""
    rescales = [Rescale(*pair) for pair in pairs]
    elements = st.integers(stored.minimum, stored.maximum)
    original = data.draw(hnp.arrays(stored.dtype, (len(rescales), 2, 3), elements=elements))
    dtype = modality_dtype([(stored, rescale) for rescale in rescales])
    array = np.stack([to_modality(part, r, dtype) for part, r in zip(original, rescales, strict=True)])
    encoding = encode(array, "auto", stored, rescales)
    assert encoding.slope is None
    assert encoding.rescales == tuple(rescales)
    assert encoding.stored.dtype == original.dtype
    np.testing.assert_array_equal(encoding.stored, original)


@given(
    st.sampled_from(TYPES),
    hnp.arrays(np.float64, (2, 2, 3), elements=st.floats(-1e9, 1e9, allow_subnormal=False)),
    st.sampled_from(["auto", "full-range"]),
)
def test_floats_come_back_within_half_a_step_of_the_written_slope(stored, array, mode):
    """The error stays under half of the slope as the file says it, and the report tells the true one."""
    try:
        encoding = encode(array, mode, stored, [Rescale(1.0, -1024.0)] * 2)
    except ValuesError as error:
        assert "16 characters" in str(error)
        return
    error = np.abs(decoded(encoding) - array)
    rounding = np.abs(array).max() * 1e-14
    assert error.max() <= abs(encoding.rescales[0].slope) / 2 + rounding
    if encoding.slope is not None:
        assert float(encoding.slope) == encoding.rescales[0].slope
        assert max(len(encoding.slope), len(encoding.intercept)) <= 16
        assert encoding.max_error == pytest.approx(error.max())
        assert encoding.mean_error == pytest.approx(error.mean())
    assert encoding.stored.min() >= stored.minimum
    assert encoding.stored.max() <= stored.maximum


@pytest.mark.parametrize("stored", TYPES)
def test_full_range_uses_the_whole_stored_range(stored):
    """Minimum and maximum of the array are stored as the ends of BitsStored, or next to them."""
    array = np.linspace(-3.7, 11.1, 24).reshape(2, 3, 4)
    encoding = encode(array, "full-range", stored, [Rescale()] * 2)
    assert encoding.stored.min() == stored.minimum
    assert encoding.stored.max() >= stored.maximum - 1
    assert len(set(encoding.rescales)) == 1


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int32, np.float32])
def test_a_mask_stays_whole_numbers(dtype):
    """A mask on a template with an odd slope is stored with slope 1 and no error."""
    mask = np.array([[[0, 1], [1, 0]]]).astype(dtype)
    encoding = encode(mask, "auto", U12, [Rescale(0.3, 5.1)])
    assert (encoding.slope, encoding.intercept) == ("1", "0")
    assert encoding.max_error == 0
    np.testing.assert_array_equal(encoding.stored, mask.astype(np.uint16))


def test_whole_numbers_beside_the_stored_range_get_a_whole_intercept():
    """-2000..2000 fits 12 unsigned bits with slope 1 when the intercept moves it."""
    encoding = encode(np.array([[[-2000, 2000]]]), "auto", U12, ONE)
    assert (encoding.slope, encoding.intercept) == ("1", "-2000")
    assert encoding.max_error == 0


def test_integers_beyond_the_template_are_counted_where_all_values_pay():
    """Two of three values do not fit 12 bits, so that all are rounded; nobody asks how many floats do."""
    array = np.array([[[-5, 10, 70001]]])
    assert encode(array, "auto", U12, ONE).outside == 2
    assert encode(array, "full-range", U12, ONE).outside == 0
    assert encode(array / 3, "auto", U12, ONE).outside == 0
    assert encode(np.array([[[-2000, 2000]]]), "auto", U12, ONE).outside == 0


@pytest.mark.parametrize("value", [1 / 3, -7.25, 0.0, 1e-12, 4.0])
def test_a_constant_image_has_slope_one(value):
    """The intercept carries a constant that is not whole."""
    encoding = encode(np.full((1, 2, 2), value), "full-range", U12, ONE)
    assert encoding.slope == "1"
    assert decoded(encoding) == pytest.approx(np.full((1, 2, 2), value), rel=1e-13)


@pytest.mark.parametrize("value", [-1000000054099968.0, 1.2345678901234567e20, -98765432109876543210.0])
@pytest.mark.parametrize("stored", [StoredType(16, 2, False), StoredType(16, 2, True), U12])
def test_a_constant_too_long_for_an_intercept_needs_a_slope(value, stored):
    """16 characters tell it only roughly; the rest is one step."""
    encoding = encode(np.full((1, 2, 2), value), "auto", stored, ONE)
    assert len(encoding.intercept) <= 16
    assert decoded(encoding) == pytest.approx(np.full((1, 2, 2), value), rel=1e-15)


def test_float32_is_compared_as_float32():
    """0.1 as float32 is not 0.1, but a float32 array cannot tell them apart."""
    array = np.array([[[1, 2, 3]]], np.float32) * np.float32(0.1)
    assert encode(array, "auto", U12, [Rescale(0.1, 0.0)]).slope is None
    assert encode(array.astype(np.float64), "auto", U12, [Rescale(0.1, 0.0)]).slope is not None


@pytest.mark.parametrize("value", [4096, -1])
def test_stored_values_beyond_bits_stored_are_an_error(value):
    """12 bits hold 0 to 4095, even though 16 are allocated."""
    with pytest.raises(ValuesError, match=r"12 bits, unsigned.*0 to 4095.*1 of 3 values"):
        encode(np.array([[[0, 4095, value]]]), "stored", U12, ONE)


def test_stored_values_must_be_whole():
    """Half a stored value cannot be written, and is not rounded in silence."""
    with pytest.raises(ValuesError, match="1 of 2 values are not whole"):
        encode(np.array([[[0.5, 1.0]]]), "stored", U12, ONE)


def test_stored_values_keep_the_template_rescale():
    """`stored` leaves slope and intercept of each slice alone, and takes whole floats."""
    rescales = [Rescale(0.5, 1.0), Rescale(0.25, -3.0)]
    encoding = encode(np.array([[[0.0, 7.0]], [[1.0, 4095.0]]]), "stored", U12, rescales)
    assert encoding.slope is None
    assert encoding.rescales == tuple(rescales)
    assert encoding.stored.tolist() == [[[0, 7]], [[1, 4095]]]


def test_clipping_is_asked_for_and_counted():
    """With clip the two values outside go to the ends, and the report says how far they moved."""
    encoding = encode(np.array([[[-5, 17, 5000]]]), "stored", U12, ONE, clip=True)
    assert encoding.stored.tolist() == [[[0, 17, 4095]]]
    assert encoding.clipped == 2
    assert encoding.max_error == 905


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_need_a_fill(bad):
    """NaN and infinity are refused, or become the fill value and are counted."""
    array = np.array([[[1.0, bad, 2.0]]])
    with pytest.raises(ValuesError, match="1 of 3 values are NaN or infinite"):
        encode(array, "auto", U12, ONE)
    encoding = encode(array, "auto", U12, ONE, fill=0)
    assert encoding.filled == 1
    assert encoding.stored.tolist() == [[[1, 0, 2]]]


@pytest.mark.parametrize("array", [np.zeros((1, 2, 2), complex), np.array([[["a"]]]), np.array([[[None]]])])
def test_what_is_no_real_number_is_refused(array):
    """Complex, text and objects cannot be pixels."""
    with pytest.raises(ValuesError, match="dtype"):
        encode(array, "auto", U12, ONE)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_integers_beyond_float64_are_refused(dtype):
    """2**53 + 1 would become 2**53 on the way."""
    with pytest.raises(ValuesError, match=r"2\*\*53"):
        encode(np.array([[[0, 2**53 + 1]]], dtype), "auto", S16, ONE)


def test_pet_has_no_intercept():
    """PET values are spread from zero by the slope alone."""
    array = np.array([[[0.0, 1.7, 40000.3]]])
    encoding = encode(array, "auto", StoredType(16, 16, False), ONE, limit=RescaleLimit.NO_INTERCEPT)
    assert encoding.intercept == "0"
    assert encoding.stored.max() == 65535
    assert encoding.max_error <= float(encoding.slope) / 2


def test_negative_pet_needs_a_signed_type():
    """Without an intercept an unsigned type holds no negative value; a signed one does."""
    array = np.array([[[-1.5, 2.5]]])
    with pytest.raises(ValuesError, match=r"1 of 2 values are outside.*clip"):
        encode(array, "auto", StoredType(16, 16, False), ONE, limit=RescaleLimit.NO_INTERCEPT)
    encoding = encode(array, "auto", S16, ONE, limit=RescaleLimit.NO_INTERCEPT)
    assert encoding.intercept == "0"
    assert decoded(encoding) == pytest.approx(array, abs=float(encoding.slope) / 2)


def test_a_projection_allows_no_slope():
    """Mammograms and digital X-ray hold whole numbers within BitsStored, or nothing."""
    assert encode(np.array([[[0.0, 9.0]]]), "auto", U12, ONE, limit=RescaleLimit.IDENTITY).slope is None
    for array, mode in ((np.array([[[0.5]]]), "auto"), (np.array([[[1.0, 2.0]]]), "full-range")):
        with pytest.raises(ValuesError, match="slope 1, intercept 0"):
            encode(array, mode, U12, ONE, limit=RescaleLimit.IDENTITY)
    with pytest.raises(ValuesError, match="outside"):
        encode(np.array([[[4096]]]), "auto", U12, ONE, limit=RescaleLimit.IDENTITY)


def test_an_infinite_fill_is_wrong_use():
    """It is no fill: it would be what it stands for."""
    with pytest.raises(UsageError, match="fill"):
        encode(np.full((1, 1, 1), np.nan), "auto", U12, ONE, fill=np.inf)


def test_an_impossible_range_is_an_error():
    """float64 reaches further than a slope can say."""
    with pytest.raises(ValuesError, match="16 characters"):
        encode(np.array([[[-1.7e308, 1.7e308, 0.5]]]), "full-range", StoredType(8, 1, False), ONE)


@pytest.mark.parametrize("first", TYPES)
@pytest.mark.parametrize("second", TYPES)
def test_slices_of_two_types_share_the_range_of_both(first, second):
    """Rescaled values fit the stored type of every slice, and use all that both have."""
    both = narrowest([first, second])
    assert both.minimum == max(first.minimum, second.minimum)
    assert both.maximum == min(first.maximum, second.maximum)
    array = np.linspace(-3.7, 11.1, 24).reshape(2, 3, 4)
    encoding = encode(array, "auto", [first, second], [Rescale()] * 2)
    assert encoding.stored.min() == both.minimum
    assert encoding.max_error <= float(encoding.slope) / 2 * (1 + 1e-9)


def test_slices_of_two_types_keep_their_own_values():
    """An untouched series of signed and unsigned slices is exact, each within its own type."""
    types = [StoredType(16, 16, True), StoredType(16, 16, False)]
    array = np.array([[[-32768, 5]], [[0, 65535]]], np.int32)
    assert np.asarray(encode(array, "auto", types, [Rescale()] * 2).stored).tolist() == array.tolist()
    assert np.asarray(encode(array, "stored", types, [Rescale()] * 2).stored).tolist() == array.tolist()
    with pytest.raises(ValuesError, match="outside"):
        encode(array[::-1], "stored", types, [Rescale()] * 2)


@pytest.mark.parametrize("offset", [0, -1024, 40000])
@pytest.mark.parametrize("dtype", ["i2", ">i2", "i4", "u2", "i8"])
@pytest.mark.parametrize("stored", [U12, S16, StoredType(32, 32, True)], ids=str)
def test_integers_are_shifted_without_a_copy_of_all(stored, dtype, offset):
    """Image by image and all at once, of any memory layout, they are the array less the intercept."""
    values = np.arange(24).reshape(2, 3, 4) + offset
    if values.min() < np.iinfo(dtype).min or values.max() > np.iinfo(dtype).max:
        pytest.skip("the array cannot hold them")
    array = values.astype(dtype)[:, ::-1]
    encoding = encode(array, "auto", stored, [Rescale(1.0, float(offset))] * 2)
    assert isinstance(encoding.stored, OffsetArray)
    expected = values[:, ::-1] - offset
    assert np.asarray(encoding.stored).dtype == encoding.stored[1].dtype == stored.dtype
    np.testing.assert_array_equal(np.asarray(encoding.stored), expected)
    np.testing.assert_array_equal(encoding.stored[1], expected[1])
    assert encoding.ends == ((0, 11), (12, 23))


@pytest.mark.parametrize("shape", [(1, 3, 2 * PIECE), (1, 3, PIECE // 2 - 1), (2, 700, 50)])
def test_pieces_make_a_whole(shape):
    """Images of several pieces are encoded as small ones are, in every row."""
    array = np.random.default_rng(5).normal(0, 50, shape)
    encoding = encode(array, "auto", U12, [Rescale()] * shape[0])
    error = np.abs(decoded(encoding) - array)
    assert encoding.max_error == error.max() <= encoding.rescales[0].slope / 2 * (1 + 1e-9)
    assert encoding.mean_error == pytest.approx(error.mean())
    assert encoding.ends == tuple((part.min(), part.max()) for part in encoding.stored)


def test_float16_does_not_hide_an_error():
    """753 * 2.7182818 is 2047 in float16 only: the error of what is read back is told."""
    encoding = encode(np.full((1, 1, 1), 2047, np.float16), "auto", U12, [Rescale(2.7182818, 0.0)])
    assert np.abs(decoded(encoding) - 2047).max() <= encoding.max_error
    assert encode(np.full((1, 1, 1), 2047, np.float16), "auto", U12, [Rescale(0.5, 0.0)]).slope is None
