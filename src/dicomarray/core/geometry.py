"""Slice and stack geometry in DICOM patient coordinates (LPS, millimetres, float64); pure NumPy.

The standard gives every image the centre of its first voxel (Image Position), the direction in which
the column index grows and the one in which the row index grows (Image Orientation) and the distances
between rows and between columns (Pixel Spacing): PS3.3 C.7.6.2.1.1, equation C.7.6.2.1-1.  Everything
here follows from those numbers.  Index order is always ``(slice, row, column)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dicomarray.errors import GeometryError, UsageError

Vector = tuple[float, float, float]
Matrix = NDArray[np.float64]

# Cosines are written with six digits or fewer; anything further from unit length or a right angle than
# this is no rounding but a broken header.
COSINE_TOLERANCE = 1e-2
# Scanners repeat one orientation with differences in the sixth digit; scouts differ by whole degrees.
# Greatest difference of a cosine inside one stack: 1e-4 moves the far corner of a 500 mm image by 0.05 mm.
ORIENTATION_TOLERANCE = 1e-4
# Two images less than this far apart along the normal, in mm, lie at the same place,
SAME_POSITION_MM = 0.01
# ... and less than this part of the pixel spacing: slices of a micro-CT lie 0.005 mm apart.
SAME_POSITION_RELATIVE = 0.1
# No scanner is a kilometre long; a larger number is damage, and would swallow the digits of the others.
FARTHEST_MM = 1e6
# ... and no microscope sees a nanometre: what is smaller, in mm, is no distance between voxels but damage.
NEAREST_MM = 1e-6
# How far, in mm, a slice may lie from its place on an even grid: positions are often rounded to 0.01 mm.
EVEN_FLOOR_MM = 0.01
# ... as long as that is no more than this part of the spacing: in a micro-CT it would hide a whole slice.
EVEN_FLOOR_RELATIVE = 0.1
# ... or this part of the spacing, but never more than EVEN_CEILING_MM, where an overlay starts to be off.
EVEN_RELATIVE = 0.02
EVEN_CEILING_MM = 0.05
# What binary numbers leave of a difference of decimal ones, in mm: 3.31 less 3.27 is a little more than 0.04.
ROUNDING_MM = 1e-9
# Greatest cosine of the angle between rows and columns: Image Orientation (Patient) has right angles only
# (PS3.3 C.7.6.2.1.1), and 1e-6 moves the far corner of a 500 mm image by half a micron.
RIGHT_ANGLE = 1e-6
# A shear that moves no slice of the stack by more than this, in mm, is rounding and not a tilted gantry.
TILT_DRIFT_MM = 0.1


class Plane(NamedTuple):
    """Where one 2-D image lies in the patient.

    ``position`` is the centre of voxel (row 0, column 0); ``row_direction`` points along a row (the
    column index grows), ``column_direction`` along a column (the row index grows); both have unit
    length.  ``pixel_spacing`` is (between rows, between columns).  LPS, mm.  PS3.3 C.7.6.2.1.1.
    """

    position: Vector
    row_direction: Vector
    column_direction: Vector
    pixel_spacing: tuple[float, float]

    @classmethod
    def from_attributes(
        cls, position: Sequence[float], orientation: Sequence[float], pixel_spacing: Sequence[float]
    ) -> Plane:
        """Make a plane of Image Position (3), Image Orientation (6) and Pixel Spacing (2).

        Raises
        ------
        GeometryError
            When the numbers are no geometry: the message says which and why, the caller adds the file.
        """
        if not all(np.isfinite(v) for v in (*position, *orientation, *pixel_spacing)):
            raise GeometryError("the image's position, orientation or spacing is not a finite number")
        if max(map(abs, (*position, *pixel_spacing))) > FARTHEST_MM:
            raise GeometryError(
                f"ImagePositionPatient {list(position)} and PixelSpacing {list(pixel_spacing)} reach beyond "
                f"{FARTHEST_MM:g} mm, where no patient is"
            )
        if min(pixel_spacing) <= 0:
            raise GeometryError(f"PixelSpacing {list(pixel_spacing)} is not positive")
        if min(pixel_spacing) < NEAREST_MM:
            raise GeometryError(
                f"PixelSpacing {list(pixel_spacing)} is less than {NEAREST_MM:g} mm, which no image has"
            )
        row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
        lengths = np.array([np.linalg.norm(row), np.linalg.norm(column)])
        if np.any(np.abs(lengths - 1) > COSINE_TOLERANCE):
            raise GeometryError(
                f"ImageOrientationPatient {list(orientation)}: the directions have lengths "
                f"{lengths[0]:.4g} and {lengths[1]:.4g} instead of 1"
            )
        row, column = row / lengths[0], column / lengths[1]
        if abs(row @ column) > COSINE_TOLERANCE:
            raise GeometryError(
                f"ImageOrientationPatient {list(orientation)}: the directions are not at a right angle"
            )
        return cls(vector(position), vector(row), vector(column), (pixel_spacing[0], pixel_spacing[1]))

    @property
    def orientation(self) -> tuple[float, ...]:
        """The six cosines, as Image Orientation has them."""
        return (*self.row_direction, *self.column_direction)

    @property
    def normal(self) -> Matrix:
        """Unit vector, shape (3,): row direction x column direction; slices are counted along it."""
        return _normal(self.row_direction, self.column_direction)

    def parallel_to(self, other: Plane) -> bool:
        """Whether both have the same orientation, but for rounding."""
        if self.row_direction == other.row_direction and self.column_direction == other.column_direction:
            return True
        return _all_equal(self.row_direction, other.row_direction) and _all_equal(
            self.column_direction, other.column_direction
        )


def _all_equal(direction: Vector, other: Vector) -> bool:
    """Whether two directions are one but for rounding; written out, since this is asked very often."""
    return (
        abs(direction[0] - other[0]) <= ORIENTATION_TOLERANCE
        and abs(direction[1] - other[1]) <= ORIENTATION_TOLERANCE
        and abs(direction[2] - other[2]) <= ORIENTATION_TOLERANCE
    )


@dataclass(frozen=True, eq=False)
class StackGeometry:
    """Where every voxel of a volume lies.

    Parameters
    ----------
    row_direction, column_direction
        Unit vectors, shape (3,): along which the column index and the row index grow.
    pixel_spacing
        mm between (rows, columns).
    slice_positions
        Shape (slices, 3): the centre of voxel (0, 0) of each slice, ascending along the normal.
    thickness
        The step in mm along the normal of a stack of one slice, which has no neighbour.
    frame_of_reference_uid
        Volumes with the same UID share one coordinate system (PS3.3 C.7.4.1).
    """

    row_direction: Matrix
    column_direction: Matrix
    pixel_spacing: tuple[float, float]
    slice_positions: Matrix
    thickness: float = 1.0
    frame_of_reference_uid: str | None = None

    @classmethod
    def from_planes(
        cls, planes: Sequence[Plane], thickness: float, frame_of_reference_uid: str | None = None
    ) -> StackGeometry:
        """The geometry of parallel planes that are already in ascending order."""
        first = planes[0]
        return cls(
            np.array(first.row_direction),
            np.array(first.column_direction),
            first.pixel_spacing,
            np.array([plane.position for plane in planes], float),
            thickness,
            frame_of_reference_uid,
        )

    @classmethod
    def from_affine(
        cls, affine: ArrayLike, slices: int | Matrix, frame_of_reference_uid: str | None = None
    ) -> StackGeometry:
        """Slices of a 4x4 from index (slice, row, column) to LPS mm, in its order.

        The order may be against the normal; whoever relies on ascending slices has to turn them.

        Parameters
        ----------
        slices
            How many; or, where they need not be even, the position of each, shape (slices, 3).

        Raises
        ------
        UsageError
            Where the affine or a position is none.
        """
        affine, positions = checked_affine(affine), slices
        if isinstance(positions, int):
            positions = affine[:3, 3] + np.arange(positions)[:, None] * affine[:3, 0]
        elif not (np.abs(positions) <= FARTHEST_MM).all():
            raise UsageError(f"a slice position is no place within {FARTHEST_MM:g} mm")
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        made = cls(
            row_direction=affine[:3, 2] / lengths[2],
            column_direction=affine[:3, 1] / lengths[1],
            pixel_spacing=(float(lengths[1]), float(lengths[2])),
            slice_positions=positions,
            thickness=float(lengths[0]),
            frame_of_reference_uid=frame_of_reference_uid,
        )
        if np.allclose(made.affine, affine, rtol=0, atol=ROUNDING_MM):
            vars(made)["affine"] = affine  # the same, without the rounding of unit vectors
        return made

    @cached_property
    def normal(self) -> Matrix:
        """Unit vector, shape (3,): row direction x column direction."""
        return _normal(self.row_direction, self.column_direction)

    @cached_property
    def distances(self) -> Matrix:
        """Where each slice lies along the normal, in mm, shape (slices,)."""
        return np.asarray(self.slice_positions @ self.normal)

    @cached_property
    def step(self) -> Matrix:
        """From one slice to the next, in mm, shape (3,); with the median spacing where it varies."""
        if len(self.slice_positions) == 1:
            return np.asarray(self.normal * self.thickness)
        span = self.slice_positions[-1] - self.slice_positions[0]
        if self.uniform:
            return np.asarray(span / (len(self.slice_positions) - 1))
        return np.asarray(span / (span @ self.normal) * median(np.diff(self.distances)))

    @cached_property
    def uniform(self) -> bool:
        """Whether one affine places every slice to within the tolerances of this module."""
        return is_even(self.slice_positions)

    @cached_property
    def affine(self) -> Matrix:
        """4x4, from the index (slice, row, column) of a voxel's centre to LPS mm.

        Exact, shear included, where `uniform`; else that of the first slice with the median spacing.
        """
        affine = np.eye(4)
        affine[:3, 0] = self.step
        affine[:3, 1:3] = self.pixel_steps
        affine[:3, 3] = self.slice_positions[0]
        return affine

    @cached_property
    def pixel_steps(self) -> Matrix:
        """From one row to the next, and from one column to the next, in mm, shape (3, 2)."""
        steps = (self.column_direction * self.pixel_spacing[0], self.row_direction * self.pixel_spacing[1])
        return np.stack(steps, axis=1)

    @property
    def spacing(self) -> Vector:
        """mm between neighbours along (slice, row, column): the lengths of the affine's columns."""
        return vector(np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def direction(self) -> Matrix:
        """3x3, unit vectors of (slice, row, column) as columns: affine = direction @ diag(spacing)."""
        return np.asarray(self.affine[:3, :3] / np.array(self.spacing))

    @cached_property
    def tilt_degrees(self) -> float:
        """Angle between the way from slice to slice and the normal; 0 where it moves no slice visibly."""
        along = float(self.step @ self.normal)
        drift = self.step - along * self.normal
        if np.linalg.norm(drift) * (len(self.slice_positions) - 1) <= TILT_DRIFT_MM:
            return 0.0
        return float(np.degrees(np.arctan2(np.linalg.norm(drift), along)))


def checked_affine(affine: ArrayLike) -> Matrix:
    """A 4x4 from the index (slice, row, column) of a voxel's centre to LPS mm.

    Raises
    ------
    UsageError
        Where it is none.
    """
    try:
        matrix = np.array(affine, float)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"affine: no 4x4 matrix of numbers: {error}") from error
    if matrix.shape != (4, 4) or not (np.abs(matrix) <= FARTHEST_MM).all():  # not where it is NaN
        raise UsageError(
            f"affine: a 4x4 matrix of numbers up to {FARTHEST_MM:g} (mm) is needed: {matrix.tolist()!r:.200}"
        )
    if not np.array_equal(matrix[3], (0, 0, 0, 1)):
        raise UsageError(f"affine: the last row must be 0 0 0 1, not {matrix[3].tolist()}")
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if not lengths.all() or abs(np.linalg.det(matrix[:3, :3] / lengths)) < RIGHT_ANGLE:
        raise UsageError("affine: its axes (columns 0 to 2: slice, row, column) do not span a volume")
    if lengths.min() < NEAREST_MM:
        raise UsageError(
            f"affine: voxels are {lengths.min():g} mm apart; below {NEAREST_MM:g} mm there are no voxels"
        )
    return matrix


def affines_apart(one: Matrix, other: Matrix, shape: Sequence[int]) -> float:
    """How far, in mm, two affines of so many voxels along their axes place the same one apart at most."""
    corners = np.array([(*np.unravel_index(n, (2, 2, 2)), 1) for n in range(8)], float)
    corners[:, :3] *= np.array(shape) - 1
    return float(np.linalg.norm((corners @ (one - other).T)[:, :3], axis=1).max())


def stacks_apart(one: StackGeometry, other: StackGeometry, shape: Sequence[int]) -> float:
    """How far, in mm, two stacks place a voxel apart at most; infinite for other numbers of slices.

    ``shape`` ends with (rows, columns).
    """
    if one.slice_positions.shape != other.slice_positions.shape:
        return math.inf
    shift = np.abs(one.slice_positions - other.slice_positions).max()
    turn = np.abs((one.pixel_steps - other.pixel_steps) @ np.array(shape[-2:], float)).max()
    return float(shift + turn)


def is_even(positions: Matrix, steps: NDArray[np.intp] | None = None) -> bool:
    """Whether positions lie evenly on a straight line, in order: each near its place on a grid.

    The one answer to whether slices are evenly spaced.  Each may lie `even_tolerance` from its place on the
    grid from the first to the last.

    Parameters
    ----------
    positions
        Shape (n, 3), LPS mm; or (n,), mm along a normal.
    steps
        Which place of the grid each has, ascending from 0; None where all places are taken.
    """
    if len(positions) < 3:
        return True
    places = positions if positions.ndim > 1 else positions[:, None]
    along = np.arange(len(places)) if steps is None else steps
    span = places[-1] - places[0]
    ideal = places[0] + (along / along[-1])[:, None] * span
    spacing = float(np.linalg.norm(span)) / int(along[-1])
    return bool(np.linalg.norm(places - ideal, axis=1).max() <= even_tolerance(spacing) + ROUNDING_MM)


def even_tolerance(spacing: float) -> float:
    """How far a slice may lie from its place on an even grid of that spacing, in mm."""
    floor = min(EVEN_FLOOR_MM, EVEN_FLOOR_RELATIVE * abs(spacing))
    return min(max(floor, EVEN_RELATIVE * abs(spacing)), EVEN_CEILING_MM)


def same_position_tolerance(pixel_spacing: Sequence[float]) -> float:
    """How far apart, in mm, images with these pixels (mm between rows, columns) may lie at one place."""
    return min(SAME_POSITION_MM, SAME_POSITION_RELATIVE * min(pixel_spacing))


class Gap(NamedTuple):
    """Slices missing between two neighbours: ``after`` is the index of the slice below the gap."""

    after: int
    missing: int
    width_mm: float = 0.0


def median(values: NDArray[np.float64]) -> float:
    """As `numpy.median` of finite numbers, which would import `numpy.ma` for it."""
    ordered = np.sort(values, axis=None)
    middle = len(ordered) // 2
    return float(ordered[middle - 1 + len(ordered) % 2 : middle + 1].mean())


def missing_slices(distances: Matrix) -> list[Gap]:
    """The gaps in otherwise evenly spaced slices; empty where spacing is even, or simply uneven.

    ``distances``, shape (slices,), ascending, mm along the normal.  Slices are missing where those at hand
    lie on an even grid with holes, or every gap is a whole multiple of the median one but for twice the
    tolerance, a slice at either end; other variation is a scan that was planned that way.
    """
    gaps = np.diff(distances)
    if len(gaps) < 2:
        return []
    usual = median(gaps)
    multiples = np.round(gaps / usual)
    if np.any(multiples < 1):
        return []
    off = np.abs(gaps - multiples * usual)
    on_grid = is_even(distances, np.concatenate([[0], np.cumsum(multiples)]).astype(np.intp))
    if not on_grid and np.any(off > 2 * even_tolerance(usual) * multiples):
        return []
    return [Gap(int(i), int(multiples[i]) - 1, float(gaps[i])) for i in np.flatnonzero(multiples > 1)]


def letters(direction: Sequence[float] | Matrix) -> tuple[str, str]:
    """The patient's side (towards, away from) that a direction in LPS points to, by its greatest part.

    ``letters((1, 0, 0)) == ("L", "R")``: left/right, posterior/anterior, head (superior)/feet (inferior);
    PS3.3 C.7.6.1.1.1.
    """
    axis = int(np.argmax(np.abs(np.asarray(direction, float))))
    pair = (("L", "R"), ("P", "A"), ("S", "I"))[axis]
    return pair if direction[axis] > 0 else (pair[1], pair[0])


def _normal(row: Vector | Matrix, column: Vector | Matrix) -> Matrix:
    """Unit vector, shape (3,): row x column; `numpy.cross` takes ten times as long."""
    (a, b, c), (d, e, f) = row, column
    normal = np.array([b * f - c * e, c * d - a * f, a * e - b * d])
    return np.asarray(normal / np.linalg.norm(normal))


def vector(values: Sequence[float] | Matrix) -> Vector:
    return (float(values[0]), float(values[1]), float(values[2]))
