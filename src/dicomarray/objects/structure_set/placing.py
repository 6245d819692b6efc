"""The contours of a region -> loops in the slices of a grid, and what is wrong with them.

A contour belongs to the slice at its place along the normal.  Which image it names does not count: that is
often another one, or none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.geometry import StackGeometry, median
from dicomarray.core.nearest import nearest_slices
from dicomarray.core.plain_text import one_line
from dicomarray.core.rasterization.loops import Loops, distinct
from dicomarray.objects.structure_set.contents import Roi

# A contour is planar, and lies in a slice, where it is no further off than this part of the way to the next
# slice; and in any case than the rounding of what planning systems write, in mm.
IN_PLANE_PART = 0.1
IN_PLANE_MM = 0.02
# A contour that reaches beyond the image by more than this is cut, which is told; in voxels.
BEYOND_EDGE = 0.05
# Names are shown up to this length, in characters.
MAX_NAME_LENGTH = 64


@dataclass(frozen=True, eq=False)
class PlacedLoops:
    """Loops by the slice that they lie in (their labels), in (row, column).

    ``exclusive`` says which are combined by exclusive or.  ``rank`` is 0 for the loops of a slice that are
    combined with each other, 1 for those that were drawn beside it in another plane, and so on.
    """

    loops: Loops
    exclusive: NDArray[np.bool_]
    rank: NDArray[np.int64]
    warnings: Warnings


def shown_name(roi: Roi) -> str:
    """How a warning names a region."""
    return f'"{one_line(roi.name)[:MAX_NAME_LENGTH]}"' if roi.name.strip() else f"ROI {roi.number}"


def place(roi: Roi, geometry: StackGeometry, shape: tuple[int, int]) -> PlacedLoops:
    """The loops of a region in the slices of a grid; ``shape`` is (rows, columns)."""
    name, notes = shown_name(roi), _left_out(roi)
    if len(roi.starts) == 1:
        return PlacedLoops(Loops.of([], []), np.zeros(0, bool), np.zeros(0, np.int64), notes)
    along = roi.points @ geometry.normal
    first = roi.starts[:-1]
    low, high = np.minimum.reduceat(along, first), np.maximum.reduceat(along, first)
    middle = (low + high) / 2
    step = _usual_step(geometry)
    tolerance = max(IN_PLANE_PART * step, IN_PLANE_MM)
    planar = high - low <= tolerance
    nearest, off = nearest_slices(geometry, middle)
    inside = off <= step / 2 + min(tolerance, IN_PLANE_MM)
    notes += _counted(
        ~planar, f"{name}: {{}} do not lie in the plane of a slice, and are left out [contours-not-planar]"
    )
    notes += _counted(
        planar & ~inside,
        f"{name}: {{}} lie where the grid has no slice, and are left out [contours-outside]",
    )
    notes += _counted(
        planar & inside & (off > tolerance),
        f"{name}: {{}} lie between slices, and count for the nearest one [contours-between-slices]",
    )
    kept = np.flatnonzero(planar & inside)
    chosen = Loops(roi.points, roi.starts, nearest).chosen(kept)
    loops = Loops(_in_image(chosen, geometry), chosen.starts, chosen.labels)
    if len(loops):
        notes += _edge_notes(loops, shape, name) + _missing(distinct(loops.labels), name)
    beside = np.round((middle - geometry.distances[nearest])[kept] / tolerance).astype(np.int64)
    return PlacedLoops(loops, roi.exclusive[kept], _ranks(loops.labels, beside), notes)


def _left_out(roi: Roi) -> Warnings:
    name = shown_name(roi)
    notes: Warnings = ()
    if not len(roi.exclusive) and not roi.left_out and not roi.damaged:
        return warning(f"{name} has no contours: its mask is empty [contours-none]")
    for kind, count in sorted(roi.left_out.items()):
        what = f"of type {one_line(kind)[:MAX_NAME_LENGTH]} enclose nothing"
        notes += _counted(count, f"{name}: {{}} {what}, and are left out [contours-not-closed]")
    what = "have fewer than three points, or damaged numbers"
    return notes + _counted(roi.damaged, f"{name}: {{}} {what}, and are left out [contours-damaged]")


def _counted(which: Any, text: str) -> Warnings:
    """A warning of so many contours, by their number or a mask, where there are any."""
    count = int(np.sum(which))
    return warning(text.format("1 contour" if count == 1 else f"{count} contours")) if count else ()


def _usual_step(geometry: StackGeometry) -> float:
    """How far slices lie apart along their normal, in mm."""
    if len(geometry.distances) == 1:
        return geometry.thickness
    return median(np.abs(np.diff(geometry.distances)))


def _in_image(loops: Loops, geometry: StackGeometry) -> NDArray[np.float64]:
    """(row, column) of points that are given in LPS mm, each in the slice that its loop is in."""
    slices = np.repeat(loops.labels, np.diff(loops.starts))
    to_pixels = np.linalg.pinv(geometry.pixel_steps).T
    found: NDArray[np.float64] = loops.points @ to_pixels
    found -= (geometry.slice_positions @ to_pixels)[slices]
    return found


def _edge_notes(loops: Loops, shape: tuple[int, int], name: str) -> Warnings:
    boxes = loops.boxes()
    least, most = -0.5 - BEYOND_EDGE, np.array(shape) - 0.5 + BEYOND_EDGE
    beyond = np.any(np.hstack([boxes[:, :2] < least, boxes[:, 2:] > most]), axis=1)
    return _counted(
        beyond, f"{name}: {{}} reach beyond the edge of the image, and are cut there [contours-outside]"
    )


def _missing(slices: NDArray[np.int64], name: str) -> Warnings:
    count = int(slices[-1] - slices[0]) + 1 - len(slices)
    if not count:
        return ()
    are = "slice has" if count == 1 else "slices have"
    return warning(
        f"{name}: {count} {are} no contour between others that have, from slice {slices[0]} to {slices[-1]}; "
        "they stay empty [contours-missing]"
    )


def _ranks(slices: NDArray[np.int64], beside: NDArray[np.int64]) -> NDArray[np.int64]:
    """In each slice 0 for the loops of one plane, 1 for those of the next one, and so on."""
    if not len(slices):
        return np.zeros(0, np.int64)
    pairs, inverse = np.unique(np.column_stack([slices, beside]), axis=0, return_inverse=True)
    new = np.concatenate([[True], np.diff(pairs[:, 0]) != 0])
    rank = np.arange(len(pairs)) - np.flatnonzero(new)[np.cumsum(new) - 1]
    found: NDArray[np.int64] = rank[inverse.reshape(-1)]
    return found
