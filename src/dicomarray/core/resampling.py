"""Other grids for a stack: missing slices filled in, uneven slices made even, a tilted gantry set upright.

Pure functions, array and geometry in, array and geometry out; nothing is changed in place, and what needs
no work comes back as it is, not copied.  The three spatial axes of an array follow each other:
``slice_axis``, then rows, then columns.  What stands before (repetitions) and after (colour samples) is
carried along.

`fill_missing` and `resample_even` work along the stack, from slice to slice, tilted or not; `upright` works
inside each slice and leaves it where it is along the normal.  Where a stack is both uneven and tilted, call
`resample_even` first and `upright` last: the other way round, fill values from beyond the edge of one slice
would be mixed with the patient in its neighbour.

All interpolation is linear, so no value leaves the range of its neighbours.  Values that stand for "nothing
here" (Pixel Padding Value, PS3.3 C.7.5.1.1.2) are mixed like any other where they border on the patient.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicomarray.core.geometry import TILT_DRIFT_MM, Gap, Matrix, StackGeometry, even_tolerance, missing_slices
from dicomarray.core.pixel_values import Array
from dicomarray.errors import GeometryError, UsageError, ValuesError

Indices = NDArray[np.intp]

# A sample this close to a voxel's centre, in parts of the spacing, is that voxel: less is rounding of the
# positions (nanometres), and copying keeps the value exact, and NaN out of its neighbours.
SAME_PLACE = 1e-6
# Even spacing is by default the finest one that is usual: this part of the gaps may be finer.  A planned scan
# has whole regions of its finest spacing, two slices that overlap by accident have one gap.
UNUSUAL_PART = 0.1
# A grid with more than this many times the voxels comes from a broken position rather than from a patient.
LARGEST_GROWTH = 50
# A voxel reaches this far beyond its centre, in parts of the spacing: there its value holds, no fill value.
VOXEL_REACH = 0.5


def fill_missing(
    array: Array, geometry: StackGeometry, fill_value: float, slice_axis: int = 0
) -> tuple[Array, StackGeometry, tuple[int, ...]]:
    """Put slices of one value where slices are missing, so that one even grid holds all.

    Slices missing before the first or after the last one leave no trace and are not filled in.

    Parameters
    ----------
    array
        ``(..., slices, rows, columns, ...)``, any type.
    geometry
        Of its slices, LPS mm.  Slices are missing where `missing_slices` says so.
    fill_value
        What the new slices hold, in the units of the array.
    slice_axis
        Which axis of the array counts the slices.

    Returns
    -------
    array, geometry, filled
        The type of ``array`` and the values of the slices at hand are kept; ``geometry.uniform`` is true;
        ``filled`` are the indices of the new slices.  Where no slice is missing: what was given, and ``()``.

    Raises
    ------
    GeometryError
        Where the slices at hand do not lie on one even grid, or nearly all of it is missing.
    ValuesError
        Where the type of the array cannot hold ``fill_value``.
    UsageError
        Where array and geometry do not belong together.
    """
    _check(array, geometry, slice_axis)
    gaps = missing_slices(geometry.distances)
    if not gaps:
        return array, geometry, ()
    fill = _fitting(fill_value, array.dtype)
    present, whole = _without_gaps(geometry, gaps)
    filled = np.setdiff1d(np.arange(len(whole.slice_positions)), present)
    if not whole.uniform:
        raise GeometryError(
            f"{len(filled)} slices are missing, but the {len(present)} at hand lie on no even grid that they "
            'could be filled into; interpolate one with missing="resample", or take the slices at their real '
            'positions with missing="keep"'
        )
    slices = len(whole.slice_positions)
    result, target = _new_array(array, (slices, *_grid(array, slice_axis)[1:]), array.dtype, slice_axis)
    target[present] = _spatial_first(array, slice_axis)
    target[filled] = fill
    return result, whole, tuple(int(index) for index in filled)


def resample_even(array: Array, geometry: StackGeometry, slice_axis: int = 0) -> tuple[Array, StackGeometry]:
    """Interpolate linearly from slice to slice, so that slices lie evenly from the first to the last.

    The new slices lie on the straight line from the first slice to the last; both stay where they are and
    as they are.  Where slices are missing on an even grid the new grid is that one, and all slices at hand
    keep their values.  Where spacing simply varies, the finest usual spacing is taken: a tenth of the gaps
    may be finer.  The median would drop slices of a region that was scanned finely on purpose, the smallest
    gap would multiply the volume for two slices that overlap by accident.

    Parameters
    ----------
    array
        ``(..., slices, rows, columns, ...)``, any type.
    geometry
        Of its slices, LPS mm; a tilted gantry stays tilted.
    slice_axis
        Which axis of the array counts the slices.

    Returns
    -------
    array, geometry
        float32, or float64 if ``array`` is; the type of ``array`` where every new slice is one of the old.
        ``geometry.uniform`` is true.  What is even already comes back as it was given.

    Raises
    ------
    GeometryError
        Where slices lie beside the straight line, by more than `even_tolerance`, or the new grid is
        out of all proportion.
    UsageError
        Where array and geometry do not belong together.
    """
    _check(array, geometry, slice_axis)
    if geometry.uniform:
        return array, geometry
    places, intervals = _even_steps(geometry)
    lower, weights = _neighbours(places, np.linspace(places[0], places[-1], intervals + 1))
    dtype = _result_dtype(array, interpolated=bool(weights.any()))
    result, target = _new_array(array, (intervals + 1, *_grid(array, slice_axis)[1:]), dtype, slice_axis)
    source = _spatial_first(array, slice_axis)
    for image, index, weight in zip(target, lower, weights, strict=True):
        image[...] = _between(source[index], source[index + 1], weight, dtype) if weight else source[index]
    first, last = geometry.slice_positions[0], geometry.slice_positions[-1]
    positions = np.linspace(first, last, intervals + 1)
    return result, dataclasses.replace(geometry, slice_positions=positions)


def upright(
    array: Array, geometry: StackGeometry, fill_value: float, slice_axis: int = 0
) -> tuple[Array, StackGeometry]:
    """Shift each slice inside its own plane, so that the slices lie on top of each other along the normal.

    A tilted gantry (Gantry/Detector Tilt, PS3.3 C.8.2.1) leaves each slice shifted against its neighbour:
    the affine has a shear.  The new grid has none; it is enlarged so that no voxel is lost, and keeps the
    first slice voxel for voxel.  Slices stay where they are along the normal, evenly spaced or not.

    Parameters
    ----------
    array
        ``(..., slices, rows, columns, ...)``, any type.
    geometry
        Of its slices, LPS mm.
    fill_value
        What voxels outside of the old grid hold, in the units of the array: -1024 or the like for CT in HU.
        It is not mixed with values of the array.
    slice_axis
        Which axis of the array counts the slices.

    Returns
    -------
    array, geometry
        float32, or float64 if ``array`` is; the type of ``array`` where all shifts are whole voxels.
        ``geometry.tilt_degrees`` is 0.  Where no slice is shifted by more than `TILT_DRIFT_MM` both come back
        as they were given.

    Raises
    ------
    GeometryError
        Where the new grid is out of all proportion.
    ValuesError
        Where the type of the result cannot hold ``fill_value``.
    UsageError
        Where array and geometry do not belong together.
    """
    _check(array, geometry, slice_axis)
    heights = geometry.distances - geometry.distances[0]
    drift = geometry.slice_positions - geometry.slice_positions[0] - heights[:, None] * geometry.normal
    if np.linalg.norm(drift, axis=1).max() <= TILT_DRIFT_MM:
        return array, geometry
    in_plane = geometry.affine[:3, 1:3]
    shifts = _snapped(np.linalg.lstsq(in_plane, drift.T, rcond=None)[0].T)
    lowest, highest = np.floor(shifts.min(axis=0)), np.ceil(shifts.max(axis=0))
    slices, *plane = _grid(array, slice_axis)
    grown = highest - lowest + plane
    _refuse_growth(float(np.prod(grown / plane)))
    dtype = _result_dtype(array, interpolated=bool(np.any(shifts % 1)))
    fill = _fitting(fill_value, dtype)
    result, target = _new_array(array, (slices, int(grown[0]), int(grown[1])), dtype, slice_axis)
    target[...] = fill
    for image, old, shift in zip(target, _spatial_first(array, slice_axis), shifts, strict=True):
        rows, values = _sampled(old.astype(dtype, copy=False), float(lowest[0] - shift[0]), len(image))
        columns, turned = _sampled(values.swapaxes(0, 1), float(lowest[1] - shift[1]), image.shape[1])
        image[rows, columns] = turned.swapaxes(0, 1)
    corner = geometry.slice_positions[0] + in_plane @ lowest
    positions = corner + heights[:, None] * geometry.normal
    return result, dataclasses.replace(geometry, slice_positions=positions)


def _check(array: Array, geometry: StackGeometry, slice_axis: int) -> None:
    """Refuse an array that is not the geometry's, and slices that do not ascend."""
    slices = len(geometry.slice_positions)
    if not 0 <= slice_axis <= array.ndim - 3:
        raise UsageError(f"an array of shape {array.shape} has no rows and columns after axis {slice_axis}")
    if array.shape[slice_axis] != slices or array.size == 0:
        raise UsageError(
            f"an array of shape {array.shape} does not hold {slices} slices on axis {slice_axis}"
        )
    if not np.all(np.diff(geometry.distances) > 0):
        raise GeometryError(
            "the slices do not ascend along their normal: two lie at one place, or in disorder"
        )


def _refuse_growth(factor: float) -> None:
    if not factor <= LARGEST_GROWTH:
        raise GeometryError(
            f"the new grid would have {factor:.4g} times the voxels, more than {LARGEST_GROWTH}: a slice "
            "position is wrong; leave out the files that lie far from the others"
        )


def _fitting(fill_value: float, dtype: np.dtype[Any]) -> Any:
    """The fill value in the array's type."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        fits = float(fill_value).is_integer() and limits.min <= fill_value <= limits.max
    else:
        with np.errstate(over="ignore"):
            fits = bool(np.isfinite(dtype.type(fill_value)) == np.isfinite(fill_value))
    if not fits:
        raise ValuesError(
            f"the fill value {fill_value} does not fit into {dtype}; choose one that does (background=, "
            "--background)"
        )
    return dtype.type(fill_value)


def _result_dtype(array: Array, interpolated: bool) -> np.dtype[Any]:
    """float32 where values are interpolated; a float64 array is one that float32 is too coarse for."""
    if not interpolated or array.dtype == np.float64:
        return array.dtype
    return np.dtype(np.float32)


def _grid(array: Array, slice_axis: int) -> tuple[int, ...]:
    """(slices, rows, columns)."""
    return array.shape[slice_axis : slice_axis + 3]


def _spatial_first(array: Array, slice_axis: int) -> Array:
    """A view of the array with its axes as (slice, row, column, ...)."""
    return np.moveaxis(array, range(slice_axis, slice_axis + 3), range(3))


def _new_array(
    like: Array, grid: tuple[int, ...], dtype: np.dtype[Any], slice_axis: int
) -> tuple[Array, Array]:
    """An array with another grid between the other axes of ``like``, and its view as `_spatial_first`."""
    result = np.empty((*like.shape[:slice_axis], *grid, *like.shape[slice_axis + 3 :]), dtype)
    return result, _spatial_first(result, slice_axis)


def _without_gaps(geometry: StackGeometry, gaps: Sequence[Gap]) -> tuple[Indices, StackGeometry]:
    """The index of each slice once missing ones stand between them, and the geometry with those."""
    slices = len(geometry.slice_positions)
    total = slices + sum(gap.missing for gap in gaps)
    _refuse_growth(total / slices)
    steps = np.ones(slices - 1, int)
    for gap in gaps:
        steps[gap.after] += gap.missing
    present = np.concatenate([[0], np.cumsum(steps)])
    every = np.arange(total)
    positions = np.stack([np.interp(every, present, axis) for axis in geometry.slice_positions.T], axis=1)
    return present, dataclasses.replace(geometry, slice_positions=positions)


def _places_on_line(geometry: StackGeometry) -> Matrix:
    """How far, in mm, from the first slice on the straight line to the last each lies, shape (slices,)."""
    way = geometry.slice_positions - geometry.slice_positions[0]
    heights = geometry.distances - geometry.distances[0]
    parts = heights / heights[-1]
    beside = np.linalg.norm(way - parts[:, None] * way[-1], axis=1)
    tolerance = even_tolerance(float(np.linalg.norm(way[-1])) / (len(way) - 1))
    if beside.max() > tolerance:
        raise GeometryError(
            f"slice {int(np.argmax(beside))} (counted from 0) lies {beside.max():.4g} mm beside the straight "
            f"line from the first slice to the last, more than {tolerance:.4g} mm: such slices cannot be "
            'interpolated from one to the next. Take them at their real positions with missing="keep"'
        )
    return np.asarray(parts * np.linalg.norm(way[-1]))


def _even_steps(geometry: StackGeometry) -> tuple[Matrix, int]:
    """Where the slices lie on their line, in mm, shape (slices,), and into how many even steps to part it."""
    places = _places_on_line(geometry)
    slices, length = len(places), float(places[-1])
    if gaps := missing_slices(geometry.distances):
        present, whole = _without_gaps(geometry, gaps)
        steps: float = int(present[-1])
        if whole.uniform:  # a slice that is on the grid but for rounding is taken over, not interpolated
            places = np.asarray(present * (length / steps), np.float64)
    else:
        steps = length / float(np.quantile(np.diff(places), UNUSUAL_PART, method="lower"))
    _refuse_growth((steps + 1) / slices)
    return places, max(1, round(steps))


def _neighbours(places: Matrix, wanted: Matrix) -> tuple[Indices, Matrix]:
    """For each wanted place the index of the slice at or below it, and the weight of the next one."""
    along = _snapped(np.interp(wanted, places, np.arange(len(places))))
    lower = np.floor(along).astype(int)
    return lower, along - lower


def _snapped(indices: Matrix) -> Matrix:
    """Fractional indices, those of voxels made whole."""
    whole = np.round(indices)
    return np.asarray(np.where(np.abs(indices - whole) <= SAME_PLACE, whole, indices))


def _sampled(image: Array, start: float, count: int) -> tuple[slice, Array]:
    """Values of the first axis at start, start + 1, ...: which of ``count`` samples lie inside, and those."""
    where = start + np.arange(count)
    last = len(image) - 1
    inside = np.flatnonzero((where >= -VOXEL_REACH) & (where <= last + VOXEL_REACH))
    lower = inside + math.floor(start)
    values = image[np.clip(lower, 0, last)]
    if weight := start % 1:
        values = _between(values, image[np.clip(lower + 1, 0, last)], weight, image.dtype)
    return slice(int(inside[0]), int(inside[-1]) + 1), values


def _between(below: Array, above: Array, weight: float, dtype: np.dtype[Any]) -> Array:
    """A new array that lies ``weight`` of the way from one image to the other; exact where they are equal."""
    values = below.astype(dtype)
    values += (above - values) * dtype.type(weight)
    return values
