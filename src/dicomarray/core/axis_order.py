"""Arrays that their affine alone places: which axes become slices, rows and columns, and which way round.

Other formats store the axes of a volume in any of six orders, each in either direction: 48 ways to say the
same.  Here they become ``(slice, row, column)`` as DICOM counts them, by looking at the affine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from dicomarray.core.geometry import Matrix, StackGeometry, affines_apart
from dicomarray.core.pixel_values import Array

# Voxels this near to those of a template, in mm at every corner, are the template's: other formats keep
# places as float32, or as a quaternion, and round as they like.
SAME_LATTICE_MM = 0.01
# ... as long as that is no more than this part of a voxel.
SAME_LATTICE_RELATIVE = 0.05
# Voxel sizes that differ by less than this part are equal: pixels are square, slices are the third size.
_EQUAL_SIZES = 1e-3
_LEFT, _POSTERIOR, _HEAD = range(3)


@dataclass(frozen=True, slots=True)
class AxisOrder:
    """How three axes become (slice, row, column).

    Attributes
    ----------
    source
        Which of the three axes becomes that of slices, rows, columns.
    flipped
        Which of (slice, row, column) run against the axis that they come from.
    """

    source: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    def turn(self, array: Array) -> Array:
        """A view of an array with its last three axes turned."""
        leading = array.ndim - 3
        turned = array.transpose(*range(leading), *(leading + axis for axis in self.source))
        return np.flip(turned, tuple(leading + axis for axis in range(3) if self.flipped[axis]))

    def turn_affine(self, affine: Matrix, shape: Sequence[int]) -> Matrix:
        """The 4x4 of the turned array, of that of the array with ``shape`` (its last three axes)."""
        turned: Matrix = affine[:, [*self.source, 3]].copy()
        for axis in range(3):
            if self.flipped[axis]:
                turned[:3, 3] += turned[:3, axis] * (shape[self.source[axis]] - 1)
                turned[:3, axis] *= -1
        return turned


def order_like(affine: Matrix, geometry: StackGeometry) -> AxisOrder:
    """The axes that come nearest to those of a template, whatever their order and direction.

    Parameters
    ----------
    affine
        4x4, from the index of a voxel along the array's own three axes to LPS mm.
    """
    own, wanted = _directions(affine), geometry.direction
    cosines = wanted.T @ own  # [slice, row or column of the template; axis of the array]

    def similarity(order: tuple[int, ...]) -> tuple[float, ...]:
        """How well an order fits; of those that fit equally well the same one, however they are stored."""
        fit = sum(abs(cosines[axis, source]) for axis, source in enumerate(order))
        return (round(float(fit), 4), *(round(float(one), 4) for one in np.abs(own[:, order]).ravel("F")))

    best = max(permutations(range(3)), key=similarity)
    against = [bool(cosines[axis, source] < 0) for axis, source in enumerate(best)]
    return AxisOrder((best[0], best[1], best[2]), (against[0], against[1], against[2]))


def order_alone(affine: Matrix, slice_axis: int | None = None) -> AxisOrder:
    """The axes as a scanner would have made them, where there is no template.

    The slices are along ``slice_axis`` where the file says so; else along the axis whose voxel size differs
    from the two others, which are equal, as pixels are square; else along the one nearest to head and feet.
    Rows and columns run as images are shown: columns to the patient's left (back, in sagittal images), rows
    to the back (down, in sagittal and coronal images); slices along row x column direction.
    """
    own = _directions(affine)
    sides = _patient_axes(own)
    slices = _slice_axis(affine, sides) if slice_axis is None else slice_axis
    across = [axis for axis in range(3) if axis != slices]
    row, column = sorted(across, key=lambda axis: sides[axis], reverse=True)  # of (left, back, head)
    column_flipped = bool(own[sides[column], column] < 0)
    row_flipped = bool(own[sides[row], row] < 0) != (sides[row] == _HEAD)
    along_columns = own[:, column] * (-1 if column_flipped else 1)
    along_rows = own[:, row] * (-1 if row_flipped else 1)
    against = bool(np.cross(along_columns, along_rows) @ own[:, slices] < 0)
    return AxisOrder((slices, row, column), (against, row_flipped, column_flipped))


def snapped(geometry: StackGeometry, shape: Sequence[int], template: StackGeometry) -> StackGeometry:
    """The geometry with a template's own numbers, where its voxels are among the template's, or beside them.

    Parameters
    ----------
    geometry
        With axes as those of the template (`order_like`).
    shape
        Ends with (slices, rows, columns).

    Returns
    -------
    StackGeometry
        The same one where voxels lie between those of the template.
    """
    if not (geometry.uniform and template.uniform):
        return geometry
    relative = np.linalg.solve(template.affine, geometry.affine)
    offset = np.rint(relative[:3, 3])
    on_lattice = template.affine.copy()
    on_lattice[:3, 3] += template.affine[:3, :3] @ offset
    off = affines_apart(on_lattice, geometry.affine, shape[-3:])
    if off > min(SAME_LATTICE_MM, SAME_LATTICE_RELATIVE * min(template.spacing)):
        return geometry
    slices = np.arange(shape[-3]) + int(offset[0])
    inside = (slices >= 0) & (slices < len(template.slice_positions))
    positions = template.slice_positions[0] + slices[:, None] * template.step
    positions[inside] = template.slice_positions[slices[inside]]
    positions = positions + template.affine[:3, 1:3] @ offset[1:]
    return replace(
        template,
        slice_positions=positions,
        frame_of_reference_uid=geometry.frame_of_reference_uid or template.frame_of_reference_uid,
    )


def _directions(affine: Matrix) -> Matrix:
    """3x3, unit vectors of the axes as columns."""
    return np.asarray(affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0))


def _patient_axes(directions: Matrix) -> tuple[int, ...]:
    """For each axis of an array the one of (left, posterior, head) that it is nearest to; each once."""
    return max(
        permutations(range(3)),
        key=lambda sides: round(
            float(sum(abs(directions[side, axis]) for axis, side in enumerate(sides))), 4
        ),
    )


def _slice_axis(affine: Matrix, sides: Sequence[int]) -> int:
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    for axis in range(3):
        size, (one, other) = sizes[axis], np.delete(sizes, axis)
        if abs(one - other) <= _EQUAL_SIZES * one and abs(size - one) > _EQUAL_SIZES * one:
            return axis
    return list(sides).index(_HEAD)
