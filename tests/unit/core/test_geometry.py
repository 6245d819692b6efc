"""Planes, stacks, gaps and letters against the equations of PS3.3 C.7.6.2.1.1, written out here again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dicomarray.core.geometry import (
    Gap,
    Plane,
    StackGeometry,
    even_tolerance,
    is_even,
    letters,
    missing_slices,
    same_position_tolerance,
)
from dicomarray.errors import GeometryError

AXIAL = (1, 0, 0, 0, 1, 0)
CORONAL = (1, 0, 0, 0, 0, -1)
SAGITTAL = (0, 1, 0, 0, 0, -1)

Positions = NDArray[np.float64]


def standard_point(
    position: tuple[float, ...], orientation: tuple[float, ...], spacing: tuple[float, float], i: int, j: int
) -> list[float]:
    """Equation C.7.6.2.1-1, term by term: i is the column index, j the row index.

    spacing[0] is the distance between rows (the step of j), spacing[1] that between columns (of i).
    """
    x, y = orientation[:3], orientation[3:]
    return [x[n] * spacing[1] * i + y[n] * spacing[0] * j + position[n] for n in range(3)]


def stack(
    positions: Positions | list[list[float]],
    orientation: tuple[float, ...] = AXIAL,
    spacing: tuple[float, float] = (0.5, 0.75),
    thickness: float = 3.0,
) -> StackGeometry:
    planes = [Plane.from_attributes(list(p), orientation, spacing) for p in np.asarray(positions, float)]
    return StackGeometry.from_planes(planes, thickness, "1.2.3")


def along_z(*heights: float) -> Positions:
    return np.array([[10.0, 20.0, z] for z in heights])


@st.composite
def orientations(draw: st.DrawFn) -> tuple[float, ...]:
    """Six cosines of a random rotation (from a quaternion), at any angle."""
    parts = draw(st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: sum(v * v for v in q) > 0.01))
    w, x, y, z = np.array(parts) / np.linalg.norm(parts)
    row = (1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y))
    column = (2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x))
    return tuple(map(float, (*row, *column)))


COORDINATES = st.tuples(*[st.floats(-500, 500)] * 3)
SPACINGS = st.tuples(st.floats(0.05, 5), st.floats(0.05, 5))


# --- planes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("orientation", "normal"), [(AXIAL, (0, 0, 1)), (CORONAL, (0, 1, 0)), (SAGITTAL, (-1, 0, 0))]
)
def test_normal_is_row_cross_column(
    orientation: tuple[float, ...], normal: tuple[float, float, float]
) -> None:
    """The normal is row x column, not column x row: that would count the slices backwards."""
    plane = Plane.from_attributes((0, 0, 0), orientation, (1, 1))
    assert plane.normal == pytest.approx(normal)


def test_rounded_cosines_are_made_unit_vectors() -> None:
    """Cosines with four digits are taken, and normalised."""
    plane = Plane.from_attributes((0, 0, 0), (0.7071, 0.7071, 0, -0.7071, 0.7071, 0), (1, 1))
    assert np.linalg.norm(plane.row_direction) == pytest.approx(1, abs=1e-15)
    assert np.linalg.norm(plane.column_direction) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(
    ("position", "orientation", "spacing", "told"),
    [
        ((0, 0, np.nan), AXIAL, (1, 1), "finite"),
        ((0, 0, 0), (1, 0, 0, 0, np.inf, 0), (1, 1), "finite"),
        ((0, 0, 0), AXIAL, (1, np.nan), "finite"),
        ((0, 0, 0), AXIAL, (0, 1), "PixelSpacing"),
        ((0, 0, 0), AXIAL, (1, -1), "PixelSpacing"),
        ((0, 0, 0), AXIAL, (1e-30, 1e-30), "PixelSpacing"),
        ((0, 0, 0), (2, 0, 0, 0, 1, 0), (1, 1), "lengths"),
        ((0, 0, 0), (0, 0, 0, 0, 1, 0), (1, 1), "lengths"),
        ((0, 0, 0), (1, 0, 0, 1, 0, 0), (1, 1), "right angle"),
        ((0, 0, 0), (1, 0, 0, 0.6, 0.8, 0), (1, 1), "right angle"),
    ],
)
def test_numbers_that_are_no_plane_are_refused(
    position: tuple[float, ...], orientation: tuple[float, ...], spacing: tuple[float, ...], told: str
) -> None:
    """NaN, zero and negative spacing, wrong lengths and angles raise, and the message says which."""
    with pytest.raises(GeometryError, match=told):
        Plane.from_attributes(position, orientation, spacing)


def test_parallel_is_told_from_turned() -> None:
    """Differences in the sixth digit are one orientation; a degree, or the opposite direction, is not."""
    plane = Plane.from_attributes((0, 0, 0), AXIAL, (1, 1))
    jitter = Plane.from_attributes((0, 0, 9), (1, 2e-6, 0, -2e-6, 1, 0), (1, 1))
    degree = np.radians(1)
    turned = Plane.from_attributes(
        (0, 0, 9), (np.cos(degree), np.sin(degree), 0, -np.sin(degree), np.cos(degree), 0), (1, 1)
    )
    flipped = Plane.from_attributes((0, 0, 9), (-1, 0, 0, 0, -1, 0), (1, 1))
    assert plane.parallel_to(jitter)
    assert not plane.parallel_to(turned)
    assert not plane.parallel_to(flipped)


# --- affine ---------------------------------------------------------------------------------------------


@given(COORDINATES, orientations(), SPACINGS, st.floats(0.1, 10), st.integers(1, 40))
@example((1.0, 2.0, 3.0), tuple(map(float, SAGITTAL)), (2.0, 0.5), 4.0, 3)
def test_affine_is_the_equation_of_the_standard(
    position: tuple[float, ...],
    orientation: tuple[float, ...],
    spacing: tuple[float, float],
    gap: float,
    slices: int,
) -> None:
    """affine @ (slice, row, column, 1) is C.7.6.2.1-1 with i = column and j = row, for any plane."""
    normal = np.cross(orientation[:3], orientation[3:])
    positions = [tuple(np.array(position) + k * gap * normal) for k in range(slices)]
    geometry = stack(np.array(positions), orientation, spacing, thickness=gap)
    for k, row, column in itertools.product({0, slices - 1}, (0, 7), (0, 11)):
        expected = standard_point(positions[k], orientation, spacing, i=column, j=row)
        assert geometry.affine @ (k, row, column, 1) == pytest.approx([*expected, 1], abs=1e-6)
    assert geometry.uniform
    assert geometry.spacing == pytest.approx((gap, *spacing))
    assert geometry.tilt_degrees == 0


@given(COORDINATES, orientations(), SPACINGS, st.floats(0.1, 10), st.integers(1, 9))
def test_affine_is_never_mirrored(
    position: tuple[float, ...],
    orientation: tuple[float, ...],
    spacing: tuple[float, float],
    gap: float,
    slices: int,
) -> None:
    """In (column, row, slice) order the direction part has a positive determinant."""
    normal = np.cross(orientation[:3], orientation[3:])
    positions = np.array([np.array(position) + k * gap * normal for k in range(slices)])
    affine = stack(positions, orientation, spacing).affine
    assert np.linalg.det(affine[:3, [2, 1, 0]]) > 0
    assert affine[3].tolist() == [0, 0, 0, 1]


@given(orientations(), SPACINGS)
def test_direction_times_spacing_is_the_affine(
    orientation: tuple[float, ...], spacing: tuple[float, float]
) -> None:
    """direction has unit columns in the order (slice, row, column), and spacing scales them back."""
    normal = np.cross(orientation[:3], orientation[3:])
    geometry = stack(np.outer(np.arange(4) * 2.5, normal), orientation, spacing)
    assert np.linalg.norm(geometry.direction, axis=0) == pytest.approx([1, 1, 1])
    assert geometry.direction @ np.diag(geometry.spacing) == pytest.approx(geometry.affine[:3, :3])
    assert geometry.direction[:, 1] == pytest.approx(orientation[3:], abs=1e-9)
    assert geometry.direction[:, 2] == pytest.approx(orientation[:3], abs=1e-9)


def test_anisotropic_pixels_are_not_swapped() -> None:
    """PixelSpacing is (between rows, between columns): the first belongs to the row index."""
    geometry = stack(along_z(0, 3, 6), spacing=(2.0, 0.5))
    assert geometry.spacing == (3.0, 2.0, 0.5)
    assert geometry.affine @ (0, 1, 0, 1) == pytest.approx([10, 22, 0, 1])
    assert geometry.affine @ (0, 0, 1, 1) == pytest.approx([10.5, 20, 0, 1])


def test_lone_slice_steps_by_its_thickness_along_the_normal() -> None:
    """One slice has no neighbour: the affine takes the thickness, in the direction of the normal."""
    geometry = stack([[1, 2, 3]], CORONAL, thickness=4.0)
    assert geometry.affine[:3, 0] == pytest.approx([0, 4, 0])
    assert geometry.uniform
    assert geometry.tilt_degrees == 0


def test_two_slices_step_by_their_distance_not_by_thickness() -> None:
    """SliceThickness says nothing about spacing where positions do."""
    assert stack(along_z(0, 7), thickness=3.0).spacing[0] == 7


# --- tilt -----------------------------------------------------------------------------------------------


def tilted(degrees: float, slices: int = 6, step: float = 2.5) -> StackGeometry:
    """The table moves along z while the images are turned about the row direction."""
    angle = np.radians(degrees)
    orientation = (1, 0, 0, 0, float(np.cos(angle)), float(np.sin(angle)))
    return stack(along_z(*(k * step for k in range(slices))), orientation)


@pytest.mark.parametrize("degrees", [-25, -3, 3, 20])
def test_tilt_is_kept_as_a_shear_of_the_right_sign(degrees: float) -> None:
    """The affine of a tilted gantry steps along the table, not along the normal, in either direction."""
    geometry = tilted(degrees)
    assert geometry.tilt_degrees == pytest.approx(abs(degrees))
    assert geometry.uniform
    assert geometry.affine[:3, 0] == pytest.approx([0, 0, 2.5])
    for k in range(6):
        assert geometry.affine @ (k, 0, 0, 1) == pytest.approx([10, 20, k * 2.5, 1])
    assert np.sign(geometry.affine[:3, 0] @ geometry.affine[:3, 1]) == np.sign(degrees)


def test_drift_of_rounding_is_no_tilt() -> None:
    """A shear of 0.05 mm over the whole stack is the rounding of positions."""
    positions = along_z(0, 10, 20)
    positions[:, 0] += [0, 0.025, 0.05]
    assert stack(positions).tilt_degrees == 0


def test_distances_of_a_tilted_stack_are_along_the_normal() -> None:
    """Distances are projections on the normal: smaller by the cosine of the tilt."""
    geometry = tilted(20)
    assert np.diff(geometry.distances) == pytest.approx(np.full(5, 2.5 * np.cos(np.radians(20))))


# --- even and uneven ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heights", "even"),
    [
        ([0.0], True),
        ([0.0, 9.0], True),
        ([0.0, 2.5, 5.0], True),
        ([0.0, 2.5, 5.02], True),  # positions rounded to 0.01 mm
        ([0.0, 3.27, 6.58, 9.81], True),  # 0.04 mm off, as real PET has it
        ([0.0, 5.05, 10.0], True),  # 0.05 mm off: the ceiling
        ([0.0, 5.06, 10.0], False),
        ([0.0, 0.12, 0.25, 0.38, 0.5], True),  # 0.125 mm, written with two digits
        ([0.0, 0.14, 0.25, 0.38, 0.5], False),
        ([0.0, 1.02, 2.0], True),  # 2 % of the spacing
        ([0.0, 1.021, 2.0], False),
        ([0.0, 2.5, 7.5], False),
        ([0.0, 1.0, 2.0, 3.2], False),
        ([0.0, 5.0, 10.2, 15.0], False),
    ],
)
def test_even_spacing(heights: list[float], even: bool) -> None:
    """Rounding is even, a missing or shifted slice is not."""
    assert is_even(along_z(*heights)) is even


def test_slices_off_the_line_are_not_even() -> None:
    """Equal heights are not enough: a slice shifted sideways has no place in one affine."""
    positions = along_z(0, 2, 4, 6)
    positions[1, 0] += 0.5
    assert not is_even(positions)


def test_even_tolerance_has_a_floor_and_a_ceiling() -> None:
    """2 % of the spacing, between 0.01 and 0.05 mm."""
    assert even_tolerance(0.1) == pytest.approx(0.01)
    assert even_tolerance(2) == pytest.approx(0.04)
    assert even_tolerance(100) == pytest.approx(0.05)


@pytest.mark.parametrize("spacing", [0.001, 0.009, 0.05])
def test_a_missing_slice_is_seen_at_any_scale(spacing: float) -> None:
    """Micro-CT: the floor of 0.01 mm would hide whole slices."""
    assert is_even(along_z(*(np.arange(6) * spacing)))
    assert not is_even(along_z(*(np.array([0, 1, 2, 4, 5]) * spacing)))


def test_same_position_tolerance_is_small_against_the_pixels() -> None:
    """0.01 mm, or a tenth of the smaller pixel spacing."""
    assert same_position_tolerance((0.5, 0.75)) == pytest.approx(0.01)
    assert same_position_tolerance((0.009, 0.5)) == pytest.approx(0.0009)


def test_uneven_stack_has_the_first_slice_and_the_median_spacing() -> None:
    """No affine fits an uneven stack: its own starts at the first slice, with the median gap."""
    geometry = stack(along_z(0, 2, 4, 9, 11))
    assert not geometry.uniform
    assert geometry.affine[:3, 0] == pytest.approx([0, 0, 2])
    assert geometry.affine[:3, 3] == pytest.approx([10, 20, 0])
    assert geometry.slice_positions[:, 2].tolist() == [0, 2, 4, 9, 11]


def test_uneven_tilted_stack_has_the_median_spacing_along_the_normal() -> None:
    """With a shear too, one step of the affine moves by the median distance along the normal."""
    angle = np.radians(20)
    orientation = (1, 0, 0, 0, float(np.cos(angle)), float(np.sin(angle)))
    geometry = stack(along_z(0, 2, 4, 9, 11), orientation)
    assert geometry.affine[:3, 0] @ geometry.normal == pytest.approx(2 * np.cos(angle))
    assert geometry.affine[:3, 0] == pytest.approx([0, 0, 2])


# --- gaps -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("distances", "gaps"),
    [
        ([0, 1, 2, 3], []),
        ([0, 1, 2, 4, 5], [Gap(2, 1, 2.0)]),
        ([0, 2, 3, 4, 5], [Gap(0, 1, 2.0)]),
        ([0, 1, 2, 3, 5], [Gap(3, 1, 2.0)]),
        ([0, 1, 2, 6, 7, 8], [Gap(2, 3, 4.0)]),
        ([0, 1, 3, 4, 5, 8, 9], [Gap(1, 1, 2.0), Gap(4, 2, 3.0)]),
        ([0, 1, 2, 3.5, 4.5], []),  # not a multiple: a scan planned that way
        ([0, 5, 10, 12.5, 15], []),  # finer at one end: nothing is missing
        ([0, 3.31, 6.54, 13.08, 16.39, 19.62], [Gap(2, 1, 6.54)]),  # each within 0.04 mm of its place
        ([0, 3.31, 6.54, 9.9, 13.08], []),
        ([0, 7], []),
        ([0], []),
    ],
)
def test_gaps_are_counted_and_placed(distances: list[float], gaps: list[Gap]) -> None:
    """`after` is the slice below the gap, `missing` how many would fill it: one less than the multiple."""
    assert missing_slices(np.array(distances, float)) == gaps


@given(st.floats(0.2, 10), st.integers(3, 20), st.data())
def test_every_slice_left_out_is_missed(spacing: float, usual: int, data: st.DataObject) -> None:
    """Slices taken out of an even grid are all counted, wherever they were, while most are there."""
    wide = data.draw(st.lists(st.integers(2, 4), max_size=usual - 1))
    multiples = data.draw(st.permutations([1] * usual + wide))
    distances = np.concatenate([[0], np.cumsum(multiples)]) * spacing
    gaps = missing_slices(distances)
    assert [(gap.after, gap.missing) for gap in gaps] == [
        (index, multiple - 1) for index, multiple in enumerate(multiples) if multiple > 1
    ]


# --- letters --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ((1, 0, 0), ("L", "R")),
        ((-1, 0, 0), ("R", "L")),
        ((0, 1, 0), ("P", "A")),
        ((0, -1, 0), ("A", "P")),
        ((0, 0, 1), ("S", "I")),
        ((0, 0, -1), ("I", "S")),
        ((0.1, -0.9, 0.3), ("A", "P")),
    ],
)
def test_letters_name_the_patients_side(direction: tuple[float, ...], expected: tuple[str, str]) -> None:
    """x grows to the Left, y to Posterior, z to the head (Superior): PS3.3 C.7.6.2.1.1."""
    assert letters(direction) == expected
