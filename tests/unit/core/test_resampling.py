"""Other grids, against SimpleITK's linear interpolation and functions that it keeps exactly."""

from __future__ import annotations

import dataclasses
import itertools
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the name everybody uses
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import dicomarray
from dicomarray.core.geometry import Plane, StackGeometry, missing_slices
from dicomarray.core.resampling import LARGEST_GROWTH, fill_missing, resample_even, upright
from dicomarray.errors import GeometryError, UsageError, ValuesError

Array = NDArray[Any]

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SPACING = (0.7, 1.3)
FILL = -1024
# float32 values of up to about 1000: six digits, after a few operations.
CLOSE = 2e-3
SAME_COORDINATES = sitk.Transform()  # type: ignore[no-untyped-call]


def geometry_of(
    heights: list[float],
    orientation: tuple[float, ...] = AXIAL,
    spacing: tuple[float, float] = SPACING,
    shear: tuple[float, float] = (0.0, 0.0),
) -> StackGeometry:
    """Slices at heights along the normal; ``shear``: mm along (column, row direction) a mm of height."""
    first = Plane.from_attributes((-30.0, 12.0, 55.0), orientation, spacing)
    way = (
        first.normal + shear[0] * np.array(first.column_direction) + shear[1] * np.array(first.row_direction)
    )
    planes = [Plane(tuple(np.array(first.position) + height * way), *first[1:]) for height in heights]
    return StackGeometry.from_planes(planes, 3.0, "1.2.3")


def centres(geometry: StackGeometry, rows: int, columns: int) -> Array:
    """Where each voxel lies: (slices, rows, columns, 3), LPS mm; by PS3.3 equation C.7.6.2.1-1."""
    down = np.arange(rows)[:, None, None] * geometry.column_direction * geometry.pixel_spacing[0]
    across = np.arange(columns)[:, None] * geometry.row_direction * geometry.pixel_spacing[1]
    return np.asarray(geometry.slice_positions[:, None, None, :] + down + across)


def noise(*shape: int, dtype: str = "int16") -> Array:
    """Values that nothing but the right interpolation of the right voxels comes near to; read-only."""
    values = np.random.default_rng(7).integers(-1000, 1000, shape).astype(dtype)
    values.flags.writeable = False
    return values


def itk_image(array: Array, affine: Array) -> sitk.Image:
    """An image for SimpleITK, shear and all; ``affine`` as `StackGeometry.affine` has it."""
    image = sitk.GetImageFromArray(array.astype(np.float64))
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(lengths[::-1].tolist())  # type: ignore[no-untyped-call]
    image.SetDirection((affine[:3, :3] / lengths)[:, ::-1].ravel().tolist())  # type: ignore[no-untyped-call]
    image.SetOrigin(affine[:3, 3].tolist())  # type: ignore[no-untyped-call]
    return image


def itk_resampled(array: Array, affine: Array, new_affine: Array, new_shape: tuple[int, ...]) -> Array:
    """What SimpleITK makes of a volume on another grid: linear, `FILL` outside."""
    grid = itk_image(np.zeros(new_shape), new_affine)
    filled = sitk.Resample(
        itk_image(array, affine), grid, SAME_COORDINATES, sitk.sitkLinear, float(FILL), sitk.sitkFloat64
    )
    return np.asarray(sitk.GetArrayFromImage(filled))


def index_in(affine: Array, points: Array) -> Array:
    """The fractional (slice, row, column) index of points (..., 3)."""
    return np.asarray((points - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T)


@st.composite
def orientations(draw: st.DrawFn) -> tuple[float, ...]:
    """Six cosines of a random rotation (from a quaternion), at any angle."""
    # whole numbers: SimpleITK does not invert a matrix with a cosine of 1e-200
    parts = draw(st.tuples(*[st.integers(-100, 100)] * 4).filter(any))
    w, x, y, z = np.array(parts) / np.linalg.norm(parts)
    row = (1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y))
    column = (2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x))
    return tuple(map(float, (*row, *column)))


SPACINGS = st.tuples(st.floats(0.5, 3), st.floats(0.5, 3))
SHEARS = st.tuples(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4))
UNEVEN = st.lists(st.floats(0.5, 6), min_size=2, max_size=6).map(lambda gaps: [0.0, *np.cumsum(gaps)])
# Weights of 1, x, y, z of a function of patient coordinates.
PLANES = st.tuples(*[st.floats(-3, 3)] * 4)


# --- missing slices filled in ---------------------------------------------------------------------------


def test_missing_slices_are_inserted_at_their_places() -> None:
    """Two gaps are filled: the even grid is whole, old slices keep their values and places."""
    geometry = geometry_of([0, 2, 4, 10, 12, 16], shear=(0.3, 0.1))
    array = noise(6, 4, 5)
    result, filled_geometry, filled = fill_missing(array, geometry, FILL)
    assert filled == (3, 4, 7)
    assert filled_geometry.uniform
    whole = geometry_of([0, 2, 4, 6, 8, 10, 12, 14, 16], shear=(0.3, 0.1))
    assert filled_geometry.slice_positions == pytest.approx(whole.slice_positions, abs=1e-9)
    assert result.dtype == array.dtype
    assert (result[[3, 4, 7]] == FILL).all()
    present = [0, 1, 2, 5, 6, 8]
    assert (result[present] == array).all()
    assert (filled_geometry.slice_positions[present] == geometry.slice_positions).all()


def test_a_marked_place_in_the_patient_stays_where_it_was() -> None:
    """The affine of the filled volume leads from a marked voxel to the coordinate that was marked."""
    geometry = geometry_of([0, 2, 4, 8, 10], (0.6, 0.8, 0, 0, 0, -1), shear=(0.0, 0.2))
    array = np.zeros((5, 4, 6), np.int16)
    array[3, 2, 5] = 1
    marked = centres(geometry, 4, 6)[3, 2, 5]
    result, filled_geometry, _ = fill_missing(array, geometry, FILL)
    (index,) = np.argwhere(result == 1)
    assert filled_geometry.affine @ [*index, 1] == pytest.approx([*marked, 1])


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("int16", 40000),
        ("uint8", -1),
        ("int16", 0.5),
        ("int16", np.nan),
        ("int32", np.inf),
        ("float32", 1e39),
    ],
)
def test_a_fill_value_must_fit(dtype: str, value: float) -> None:
    """A fill value that the type of the array cannot hold is refused by name, not wrapped."""
    with pytest.raises(ValuesError, match=dtype):
        fill_missing(noise(4, 3, 3, dtype=dtype), geometry_of([0, 1, 2, 4]), value)


def test_nan_fills_a_float_array() -> None:
    """NaN is a fill value where the type knows it."""
    result, _, (index,) = fill_missing(noise(4, 3, 3, dtype="float32"), geometry_of([0, 1, 2, 4]), np.nan)
    assert np.isnan(result[index]).all()
    assert np.isfinite(np.delete(result, index, axis=0)).all()


@pytest.mark.parametrize("heights", [[0], [0, 3], [0, 1, 2, 3], [0, 1, 2.5, 4.5]])
def test_nothing_missing_nothing_copied(heights: list[float]) -> None:
    """Even slices, and slices that are uneven without being a grid with gaps, come back as they are."""
    array, geometry = noise(len(heights), 3, 3), geometry_of(heights)
    result, same, filled = fill_missing(array, geometry, FILL)
    assert result is array
    assert same is geometry
    assert filled == ()


def test_a_position_far_away_is_no_gap() -> None:
    """One slice a kilometre away is refused before memory is taken."""
    with pytest.raises(GeometryError, match=f"more than {LARGEST_GROWTH}"):
        fill_missing(noise(4, 3, 3), geometry_of([0, 1, 2, 1e6]), FILL)


def test_a_gap_in_a_bent_stack_is_not_filled() -> None:
    """Slices that drift sideways form no even grid, even if their heights do."""
    geometry = geometry_of([0, 1, 2, 4])
    positions = geometry.slice_positions + np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]])
    with pytest.raises(GeometryError, match="no even grid"):
        fill_missing(noise(4, 3, 3), dataclasses.replace(geometry, slice_positions=positions), FILL)


# --- resampled to even spacing --------------------------------------------------------------------------


@given(orientations(), SPACINGS, SHEARS, UNEVEN, PLANES)
@settings(deadline=None, max_examples=60)
def test_a_linear_function_of_the_patient_survives_even_spacing(
    orientation: tuple[float, ...],
    spacing: tuple[float, float],
    shear: tuple[float, float],
    heights: list[float],
    weights: tuple[float, ...],
) -> None:
    """f(x, y, z) sampled at uneven slices is f at the new places: any orientation, spacing and tilt."""
    geometry = geometry_of(heights, orientation, spacing, shear)
    assume(not missing_slices(geometry.distances))  # those are taken over from places that are rounded
    array = (centres(geometry, 3, 4) @ weights[1:] + weights[0]).astype(np.float32)
    result, even = resample_even(array, geometry)
    assert even.uniform
    assert even.slice_positions[0] == pytest.approx(geometry.slice_positions[0])
    assert even.slice_positions[-1] == pytest.approx(geometry.slice_positions[-1])
    assert result.dtype == np.float32
    assert result == pytest.approx(centres(even, 3, 4) @ weights[1:] + weights[0], abs=CLOSE)


@given(UNEVEN, SHEARS, orientations())
@settings(deadline=None, max_examples=40)
def test_even_slices_are_those_of_simpleitk(
    heights: list[float], shear: tuple[float, float], orientation: tuple[float, ...]
) -> None:
    """Every new slice is what SimpleITK interpolates between its two neighbours, a sheared volume of two."""
    geometry = geometry_of(heights, orientation, shear=shear)
    assume(not missing_slices(geometry.distances) and not geometry.uniform)
    array = noise(len(heights), 3, 4)
    result, even = resample_even(array, geometry)
    for index, height in enumerate(even.distances - geometry.distances[0]):
        below = min(max(int(np.searchsorted(heights, height)) - 1, 0), len(heights) - 2)
        pair = dataclasses.replace(geometry, slice_positions=geometry.slice_positions[below : below + 2])
        there = even.affine.copy()
        there[:3, 3] = even.slice_positions[index]
        expected = itk_resampled(array[below : below + 2], pair.affine, there, (1, 3, 4))
        assert result[index] == pytest.approx(expected[0], abs=CLOSE)


def test_the_slices_around_a_gap_stay_as_they_are() -> None:
    """Where slices are missing on an even grid only those are interpolated, a third of the way and two."""
    geometry = geometry_of([0, 2, 4, 10, 12], shear=(0.4, 0.0))
    array = noise(5, 3, 3)
    result, even = resample_even(array, geometry)
    assert even.slice_positions == pytest.approx(
        geometry_of([0, 2, 4, 6, 8, 10, 12], shear=(0.4, 0.0)).slice_positions
    )
    assert (result[[0, 1, 2, 5, 6]] == array).all()
    assert result[3] == pytest.approx((2 * array[2] + array[3].astype(float)) / 3, abs=CLOSE)
    assert result[4] == pytest.approx((array[2] + 2 * array[3].astype(float)) / 3, abs=CLOSE)


def test_rounded_positions_around_a_gap_are_on_the_grid() -> None:
    """Positions with two decimals: the slices at hand are taken over bit for bit, not mixed."""
    heights = [round(2.3708 * step, 2) for step in (0, 1, 2, 3, 5, 6, 7)]
    array = noise(7, 3, 3)
    result, even = resample_even(array, geometry_of(heights))
    assert (result[[0, 1, 2, 3, 5, 6, 7]] == array).all()
    assert even.uniform


@pytest.mark.parametrize(
    ("gaps", "slices"),
    [
        ([2.5] * 12 + [10.0] * 14, 69),  # a region that was scanned finely keeps its detail
        ([4.0] * 14 + [0.3] + [4.0] * 15, 30),  # two slices that overlap do not multiply the volume
        ([1.0, 1.7, 2.9], 7),  # few slices: the smallest gap, 5.6 / 1 -> 6 steps
    ],
)
def test_the_default_spacing_is_the_finest_usual_one(gaps: list[float], slices: int) -> None:
    """Detail is kept where a tenth or more of the gaps have it."""
    geometry = geometry_of([0, *np.cumsum(gaps)])
    result, even = resample_even(noise(len(gaps) + 1, 2, 2), geometry)
    assert len(result) == len(even.slice_positions) == slices


def test_a_marked_place_between_slices_is_found_again() -> None:
    """A bump at a known height of an uneven stack is centred there in the even one."""
    geometry = geometry_of([0, 1, 2, 3, 5, 7, 9, 11], (0, 1, 0, 0, 0, -1))
    array = np.zeros((8, 3, 3), np.int16)
    array[5, 1, 2] = 900
    marked = centres(geometry, 3, 3)[5, 1, 2]
    result, even = resample_even(array, geometry)
    weights = result / result.sum()
    assert np.einsum("ijk,ijkd->d", weights, centres(even, 3, 3)) == pytest.approx(marked, abs=1e-4)


@pytest.mark.parametrize("heights", [[0], [0, 9], [0, 2, 4]])
def test_what_is_even_already_comes_back_as_it_is(heights: list[float]) -> None:
    """No copy and no other type where nothing has to be done."""
    array, geometry = noise(len(heights), 3, 3), geometry_of(heights)
    result, even = resample_even(array, geometry)
    assert result is array
    assert even is geometry


def test_nan_stays_in_its_slice() -> None:
    """A slice that is taken over is not mixed with a NaN in its neighbour, weight 0 or not."""
    array = np.ones((4, 2, 2), np.float32)
    array[2] = np.nan
    result, _ = resample_even(array, geometry_of([0, 2, 4, 8]))
    assert np.isnan(result).all(axis=(1, 2)).tolist() == [False, False, True, True, False]


@pytest.mark.parametrize(
    ("dtype", "expected"), [("uint8", "float32"), ("int32", "float32"), ("float64", "float64")]
)
def test_interpolated_values_are_floats(dtype: str, expected: str) -> None:
    """float32, but a float64 array is not made coarser."""
    result, _ = resample_even(noise(3, 2, 2, dtype=dtype), geometry_of([0, 1, 2.5]))
    assert result.dtype == expected


def test_slices_beside_the_line_are_refused() -> None:
    """A slice 0.2 mm beside the line from the first to the last is named with its distance."""
    geometry = geometry_of([0, 1, 2.5, 4])
    positions = geometry.slice_positions.copy()
    positions[2] += 0.2 * geometry.row_direction
    with pytest.raises(GeometryError, match=r"slice 2 .* 0\.2 mm beside"):
        resample_even(noise(4, 3, 3), dataclasses.replace(geometry, slice_positions=positions))


def test_a_grid_out_of_proportion_is_refused() -> None:
    """A grid as fine as two slices that nearly overlap is refused before memory is taken."""
    with pytest.raises(GeometryError, match=f"more than {LARGEST_GROWTH}"):
        resample_even(noise(4, 2, 2), geometry_of([0, 0.01, 5, 11]))


# --- set upright ----------------------------------------------------------------------------------------


@given(orientations(), SPACINGS, SHEARS, st.floats(0.5, 6))
@example(AXIAL, (1.0, 1.0), (0.5, 0.0), 3.0)  # shifts of exactly half a voxel
@example(AXIAL, (1.0, 1.0), (0.0, -1.0), 2.0)  # ... and of whole ones
@settings(deadline=None, max_examples=60)
def test_upright_is_what_simpleitk_makes_of_the_sheared_volume(
    orientation: tuple[float, ...], spacing: tuple[float, float], shear: tuple[float, float], step: float
) -> None:
    """Noise in a sheared volume: the same values as SimpleITK's, inside and outside, but on the very edge."""
    geometry = geometry_of([0, step, 2 * step, 3 * step], orientation, spacing, shear)
    array = noise(4, 6, 5)
    result, straight = upright(array, geometry, FILL)
    assume(straight is not geometry)  # a drift of less than 0.1 mm stays
    assert straight.tilt_degrees == 0
    expected = itk_resampled(array, geometry.affine, straight.affine, result.shape)
    index = index_in(geometry.affine, centres(straight, *result.shape[1:]))
    edge = np.isclose(index, -0.5, atol=1e-5) | np.isclose(index, np.array(array.shape) - 0.5, atol=1e-5)
    assert result[~edge.any(axis=-1)] == pytest.approx(expected[~edge.any(axis=-1)], abs=CLOSE)


@given(orientations(), SPACINGS, SHEARS, UNEVEN, PLANES)
@settings(deadline=None, max_examples=60)
def test_a_linear_function_survives_being_set_upright(
    orientation: tuple[float, ...],
    spacing: tuple[float, float],
    shear: tuple[float, float],
    heights: list[float],
    weights: tuple[float, ...],
) -> None:
    """f(x, y, z) is f at the new places between old voxels; slices keep their heights, even or not."""
    geometry = geometry_of(heights, orientation, spacing, shear)
    array = (centres(geometry, 4, 5) @ weights[1:] + weights[0]).astype(np.float32)
    result, straight = upright(array, geometry, np.nan)
    assert straight.distances == pytest.approx(geometry.distances, abs=1e-6)
    new_places = centres(straight, *result.shape[1:])
    for old, image, places in zip(geometry.slice_positions, result, new_places, strict=True):
        affine = geometry.affine.copy()
        affine[:3, 3] = old
        index = index_in(affine, places)[..., 1:]
        inside = (index >= 0).all(axis=-1) & (index <= np.array([3, 4])).all(axis=-1)
        outside = (index < -0.51).any(axis=-1) | (index > np.array([3.51, 4.51])).any(axis=-1)
        expected = places @ weights[1:] + weights[0]
        assert image[inside] == pytest.approx(expected[inside], abs=CLOSE)
        assert np.isnan(image[outside]).all()


@given(orientations(), SPACINGS, SHEARS, UNEVEN)
@settings(deadline=None, max_examples=40)
def test_the_upright_grid_holds_every_voxel(
    orientation: tuple[float, ...],
    spacing: tuple[float, float],
    shear: tuple[float, float],
    heights: list[float],
) -> None:
    """The centre of each old voxel lies inside the new grid, which has no more than one line to spare."""
    geometry = geometry_of(heights, orientation, spacing, shear)
    result, straight = upright(noise(len(heights), 4, 5), geometry, FILL)
    index = index_in(straight.affine, centres(geometry, 4, 5))[..., 1:]
    room = np.array(result.shape[1:]) - 1
    slack = 1e-5 if straight is not geometry else 1.0
    assert index.min() >= -slack
    assert (room - index).min() >= -slack
    assert index.min(axis=(0, 1, 2)).max() < 1
    assert (room - index).min(axis=(0, 1, 2)).max() < 1


def test_whole_shifts_keep_every_value_and_its_place() -> None:
    """Shifts of whole voxels interpolate nothing: int16, and each value is at the coordinate it had."""
    geometry = geometry_of([0, 2, 4], spacing=(1.0, 0.5), shear=(-0.5, 0.5))  # -1 row, +2 columns a slice
    array = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)
    result, straight = upright(array, geometry, FILL)
    assert result.dtype == np.int16
    assert result.shape == (3, 6, 9)
    places, new_places = centres(geometry, 4, 5), centres(straight, 6, 9)
    for value in range(array.size):
        assert new_places[result == value] == pytest.approx(places[array == value])
    assert (result == FILL).sum() == result.size - array.size


def test_the_first_slice_is_kept_voxel_for_voxel() -> None:
    """The new grid is that of the first slice, enlarged."""
    array = noise(3, 4, 5)
    result, straight = upright(array, geometry_of([0, 2, 4], shear=(-0.31, 0.17)), FILL)
    row, column = np.argwhere(result[0] != FILL).min(axis=0)
    assert (result[0, row : row + 4, column : column + 5] == array[0]).all()
    assert result.dtype == np.float32
    assert straight.uniform


def test_the_fill_value_is_not_mixed_with_the_patient() -> None:
    """A constant image stays constant up to its edge: nothing between it and the fill value is made up."""
    result, _ = upright(
        np.full((4, 6, 6), 40, np.int16), geometry_of([0, 3, 6, 9], shear=(0.37, -0.21)), FILL
    )
    assert set(np.unique(result)) == {FILL, 40}


def test_uneven_and_tilted_first_even_then_upright() -> None:
    """The documented order gives f(x, y, z) at every place inside, on one even, orthogonal grid."""
    geometry = geometry_of([0, 1, 2, 3.5, 5, 8], shear=(0.4, 0.0))
    weights = np.array([1.5, -2.0, 0.75])
    array = (centres(geometry, 8, 6) @ weights).astype(np.float32)
    result, straight = upright(*resample_even(array, geometry), fill_value=np.nan)
    assert straight.uniform
    assert straight.tilt_degrees == 0
    assert straight.spacing[0] == pytest.approx(1)
    expected = centres(straight, *result.shape[1:]) @ weights
    # half a voxel beyond the outermost centres their value holds: off by half a row's difference
    assert np.nanmax(np.abs(result - expected)) <= 0.5 * abs(weights[1]) * SPACING[0] + CLOSE
    assert np.nanmedian(np.abs(result - expected)) < 1e-4


def test_no_tilt_no_copy() -> None:
    """Slices above each other, and a drift of less than 0.1 mm, come back as they are."""
    array = noise(4, 3, 3)
    for shear in ((0.0, 0.0), (0.01, 0.0)):
        geometry = geometry_of([0, 2, 5, 7], shear=shear)
        result, same = upright(array, geometry, FILL)
        assert result is array
        assert same is geometry


def test_a_fill_value_outside_of_the_result_is_refused() -> None:
    """Whole shifts keep uint8, which has no -1024."""
    with pytest.raises(ValuesError, match="uint8"):
        upright(noise(2, 3, 3, dtype="uint8"), geometry_of([0, 1], spacing=(1, 1), shear=(1, 0)), FILL)


def test_a_shift_out_of_proportion_is_refused() -> None:
    """A slice a kilometre to the side is refused before memory is taken."""
    with pytest.raises(GeometryError, match=f"more than {LARGEST_GROWTH}"):
        upright(noise(2, 3, 3), geometry_of([0, 1], shear=(1e6, 0)), FILL)


# --- all three ------------------------------------------------------------------------------------------

Operation = Callable[[Array, StackGeometry, int], Array]
OPERATIONS: dict[str, Operation] = {
    "fill_missing": lambda array, geometry, axis: fill_missing(array, geometry, 7, axis)[0],
    "resample_even": lambda array, geometry, axis: resample_even(array, geometry, slice_axis=axis)[0],
    "upright": lambda array, geometry, axis: upright(array, geometry, 7, axis)[0],
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_repetitions_and_colours_are_carried_along(operation: Operation) -> None:
    """(time, slice, row, column, sample): each time and sample comes out as it does alone."""
    geometry = geometry_of([0, 2, 4, 8], shear=(0.3, 0.2))
    array = noise(2, 4, 5, 6, 3)
    result = operation(array, geometry, 1)
    assert result.flags.c_contiguous
    for time, sample in itertools.product(range(2), range(3)):
        alone = operation(np.ascontiguousarray(array[time, ..., sample]), geometry, 0)
        assert result[time, ..., sample] == pytest.approx(alone)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.parametrize(("shape", "axis"), [((3, 5, 6), 0), ((4, 5), 0), ((4, 5, 6), 1), ((4, 0, 6), 0)])
def test_an_array_that_is_not_the_geometrys_is_refused(
    operation: Operation, shape: tuple[int, ...], axis: int
) -> None:
    """Another number of slices, no columns, no voxels: a mistake of the call, told with the shape."""
    with pytest.raises(UsageError, match="shape"):
        operation(np.zeros(shape), geometry_of([0, 2, 4, 8]), axis)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.parametrize("heights", [[0, 2, 2, 4], [0, 4, 2, 6], [6, 4, 2, 0]])
def test_slices_ascend(operation: Operation, heights: list[float]) -> None:
    """Two slices at one place, or in disorder, are refused."""
    with pytest.raises(GeometryError, match="ascend"):
        operation(noise(4, 3, 3), geometry_of(heights), 0)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_memory_is_the_result_and_a_few_slices(operation: Operation) -> None:
    """No second copy of the volume is made on the way."""
    array, geometry = noise(60, 64, 64), geometry_of([*range(30), *range(31, 61)], shear=(0.2, 0.0))
    tracemalloc.start()
    result = operation(array, geometry, 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - result.nbytes < 10 * result[0].nbytes


# --- real series ----------------------------------------------------------------------------------------


def test_a_real_tilted_head_is_what_simpleitk_makes_of_it(real_data: Path) -> None:
    """A CT with 18.5 degrees of tilt, set upright: SimpleITK's values, and 88 rows more."""
    volume = dicomarray.load(real_data / "ct-philips-tilted")
    assert volume.geometry is not None
    assert volume.geometry.tilt_degrees == pytest.approx(18.5)
    result, straight = upright(volume.array, volume.geometry, FILL)
    assert result.shape == (54, 600, 512)
    assert straight.tilt_degrees == 0
    expected = itk_resampled(volume.array, volume.geometry.affine, straight.affine, result.shape)
    assert np.abs(result - expected).max() < CLOSE


def test_a_real_tilted_uneven_head_becomes_one_grid(real_data: Path) -> None:
    """4 mm at the base of the skull and 7 mm above become 4 mm and no tilt, each slice's values in range."""
    volume = dicomarray.load(real_data / "ct-ge-tilted-uneven", missing="keep")
    assert volume.geometry is not None
    assert not volume.geometry.uniform
    even_array, even = resample_even(volume.array, volume.geometry)
    assert even_array.shape == (37, 512, 512)
    assert even.uniform
    assert even.distances[[0, -1]] == pytest.approx(volume.geometry.distances[[0, -1]])
    result, straight = upright(even_array, even, -1500)
    assert straight.uniform
    assert straight.tilt_degrees == 0
    assert volume.array.min() <= result.min()
    assert result.max() <= volume.array.max()
