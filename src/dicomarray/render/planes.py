"""What a picture consists of before it is drawn: planes of a volume, turned, in strips; NumPy only.

The planes are named and turned by anatomy, whatever the orientation of the stack: axial with the front of
the patient up and the right side at the picture's left (as radiologists look at it), coronal with the
head up, sagittal with the head up and the front at the left.  An oblique stack is not resampled: its own
planes are shown under the name of the nearest anatomical one.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicomarray.core.geometry import Matrix, StackGeometry, letters
from dicomarray.core.pixel_values import Array
from dicomarray.core.segments import Colour
from dicomarray.errors import ValuesError
from dicomarray.volume import Volume

Place = tuple[int, int, int]  # of a voxel: slice, row, column
Legend = tuple[tuple[Colour, str], ...]


@dataclass(frozen=True, slots=True)
class _View:
    """A plane by anatomy: LPS axes; ``across`` grows to the right, ``down`` downwards or not."""

    name: str
    through: int
    across: int
    down: int
    grows_down: bool


# L, P, S are the axes 0, 1, 2 and grow towards the patient's left, back and head.
VIEWS = (
    _View("Axial", through=2, across=0, down=1, grows_down=True),
    _View("Coronal", through=1, across=0, down=2, grows_down=False),
    _View("Sagittal", through=0, across=1, down=2, grows_down=False),
)


@dataclass(frozen=True, eq=False)
class DrawnPlane:
    """One plane of the array, turned as it is shown.

    ``values`` are (rows, columns[, samples]), row 0 at the top, and uint8 where it is ready to be drawn;
    ``size`` is (height, width) in mm, or in voxels where there is no geometry; ``edges`` are the letters at
    the left, right, top and bottom edge.
    """

    title: str
    values: Array
    size: tuple[float, float]
    edges: tuple[str, str, str, str] | None


@dataclass(frozen=True, eq=False)
class Bar:
    """What colours mean: ``colours`` (n, 3), uint8, from the lower to the upper end."""

    colours: NDArray[np.uint8]
    lower: str
    upper: str


@dataclass(frozen=True, eq=False)
class Strip:
    """A row of panels with a heading; the bar says which values the greys stand for."""

    heading: str
    panels: tuple[DrawnPlane, ...]
    bar: Bar | None = None


@dataclass(frozen=True, eq=False)
class Sheet:
    """Strips from top to bottom, then what colours stand for, caption lines, notes that must be seen."""

    strips: tuple[Strip, ...]
    caption: tuple[str, ...]
    notes: tuple[str, ...] = ()
    legend: Legend = ()


def planes_of(volume: Volume, at: Place | None = None) -> list[DrawnPlane]:
    """The planes worth showing, through a voxel or the middle.

    Those one voxel wide say nothing, unless there is no other.
    """
    array = first_repetition(volume)
    if at is None:
        at = array.shape[0] // 2, array.shape[1] // 2, array.shape[2] // 2
    if volume.geometry is None:
        planes = _index_planes(array, volume.axes[volume.info.slice_axis :], at)
    else:
        planes = _anatomical_planes(array, volume.geometry, at)
    return [plane for plane in planes if min(plane.values.shape[:2]) > 1] or planes[:1]


def first_repetition(volume: Volume) -> Array:
    """(slice, row, column[, samples]), a view."""
    if volume.array.size == 0:
        raise ValuesError(f"an array of shape {volume.array.shape} holds nothing to draw")
    array = volume.array[(0,) * volume.info.slice_axis]
    if array.ndim == 4 and array.shape[-1] != 3:
        raise ValuesError(f"colour of {array.shape[-1]} samples cannot be drawn; convert it to RGB first")
    return np.asarray(array)


def _anatomical_planes(array: Array, geometry: StackGeometry, at: Place) -> list[DrawnPlane]:
    axes = np.array([geometry.normal, geometry.column_direction, geometry.row_direction])
    nearest = nearest_axes(axes)
    # Along the normal, not along the step: a tilted stack is drawn with its slices straight above each other.
    spacing = (float(geometry.step @ geometry.normal), *geometry.pixel_spacing)
    return [_anatomical_plane(array, at, view, axes, nearest, spacing) for view in VIEWS]


def nearest_axes(axes: Matrix) -> tuple[int, int, int]:
    """For L, P and S the array axis nearest to it, each array axis once.

    ``axes``, shape (3, 3): a row for each array axis, its direction in LPS.  The greatest product of
    cosines decides, as none of its factors can be 0 for axes that span a space.
    """
    cosines = np.abs(axes)
    best = max(
        itertools.permutations(range(3)), key=lambda order: float(np.prod(cosines[list(order), range(3)]))
    )
    return (best[0], best[1], best[2])


def _anatomical_plane(
    array: Array,
    at: Place,
    view: _View,
    axes: Matrix,
    nearest: tuple[int, int, int],
    spacing: tuple[float, float, float],
) -> DrawnPlane:
    through, down, across = nearest[view.through], nearest[view.down], nearest[view.across]
    values = _cut(array, at, through, down, across)
    flip_down = bool(axes[down][view.down] > 0) != view.grows_down
    flip_across = bool(axes[across][view.across] <= 0)
    values = values[:: -1 if flip_down else 1, :: -1 if flip_across else 1]
    right, left = letters(np.eye(3)[view.across])
    bottom, top = letters(np.eye(3)[view.down] * (1 if view.grows_down else -1))
    rows, columns = values.shape[:2]
    return DrawnPlane(
        _title(view.name, ("slice", "row", "column")[through], at[through], array.shape[through]),
        values,
        (rows * spacing[down], columns * spacing[across]),
        (left, right, top, bottom),
    )


def _index_planes(array: Array, axes: tuple[str, ...], at: Place) -> list[DrawnPlane]:
    """The planes of the array as they lie in memory, a voxel drawn as a square."""
    planes = []
    for through, down, across in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
        values = _cut(array, at, through, down, across)
        name = f"{axes[down].capitalize()}s by {axes[across]}s"
        title = _title(name, axes[through], at[through], array.shape[through])
        planes.append(DrawnPlane(title, values, (float(values.shape[0]), float(values.shape[1])), None))
    return planes


def _cut(array: Array, at: Place, through: int, down: int, across: int) -> Array:
    """The plane through a voxel, (down, across[, samples]), a view."""
    samples = tuple(range(3, array.ndim))
    turned = array.transpose((through, down, across, *samples))
    return np.asarray(turned[at[through]])


def _title(name: str, axis: str, index: int, count: int) -> str:
    return f"{name} · {axis} {index + 1} of {count}"
