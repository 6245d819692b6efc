"""Which slice of a grid is nearest to a place, and which voxel to each one of another grid; pure NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dicomarray.core.geometry import Matrix, StackGeometry

Voxels = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]
# Two slices are equally near where their distances differ by less, in mm: by rounding.
HALFWAY_MM = 1e-3


def nearest_slices(grid: StackGeometry, along: ArrayLike) -> tuple[NDArray[np.intp], Matrix]:
    """The index of the slice nearest to each place along the normal, and how far off it is, in mm.

    Halfway between two slices, but for rounding, it is the lower one: wherever the images lie in the patient.
    """
    places = np.asarray(along, float)
    order = np.argsort(grid.distances, kind="stable")
    distances = grid.distances[order]
    above = np.clip(np.searchsorted(distances, places), 0, len(distances) - 1)
    below = np.maximum(above - 1, 0)
    closer = np.abs(distances[above] - places) + HALFWAY_MM < np.abs(distances[below] - places)
    nearest = np.where(closer, above, below)
    return order[nearest], np.abs(distances[nearest] - places)


def nearest_voxels(
    source: StackGeometry, source_shape: Sequence[int], target: StackGeometry, shape: Sequence[int]
) -> Iterator[tuple[Voxels, NDArray[np.bool_]]]:
    """For each slice of the target the indices (slice, row, column) of the nearest voxels of the source.

    Slices lie where `StackGeometry.slice_positions` says, also where they are tilted or uneven: the nearest
    is that along the normal.

    Yields
    ------
    voxels, inside
        ``inside``, (rows, columns), is where the source has a voxel within half a voxel; ``voxels`` are its
        indices there.
    """
    rows, columns = np.meshgrid(np.arange(shape[1]), np.arange(shape[2]), indexing="ij")
    plane = target.pixel_steps @ np.stack([rows.ravel(), columns.ravel()]).astype(float)
    to_pixels = np.linalg.pinv(source.pixel_steps)
    order = np.argsort(source.distances, kind="stable")
    distances = source.distances[order]
    middles = (distances[1:] + distances[:-1]) / 2
    half = _half_steps(source, distances)
    for position in target.slice_positions:
        points = position[:, None] + plane
        along = source.normal @ points
        place = np.searchsorted(middles, along)
        index = order[place]
        pixels = np.rint(to_pixels @ (points - source.slice_positions[index].T)).astype(np.intp)
        inside = np.abs(along - distances[place]) <= half[place]
        for axis in range(2):
            inside &= (pixels[axis] >= 0) & (pixels[axis] < source_shape[axis + 1])
        kept: Any = (index[inside], pixels[0][inside], pixels[1][inside])
        yield kept, inside.reshape(shape[1], shape[2])


def _half_steps(source: StackGeometry, distances: Matrix) -> Matrix:
    """How far from a slice its voxels reach, in mm: half way to the neighbour that is further."""
    if len(distances) == 1:
        return np.array([source.thickness / 2])
    gaps = np.diff(distances)
    return np.asarray(np.maximum([*gaps, gaps[-1]], [gaps[0], *gaps]) / 2)
