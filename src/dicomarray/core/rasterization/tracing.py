"""Labels of one image -> loops around them."""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicomarray.core.rasterization.loops import Counts, Loops


class Scratch:
    """What `edge_loops` computes in, for many images of one shape: new memory for each costs its time."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        rows, columns = shape
        self.padded = np.zeros((rows + 2, columns + 2), dtype)  # by background on all sides
        self.changes = np.empty(self.padded.size - 1, bool)
        self.places = np.empty(len(self.changes) - columns - 2, bool)


def edge_loops(image: NDArray[Any], scratch: Scratch | None = None) -> Loops:
    """Loops along the edges of voxels, around all labels of one image.

    Each has corners only, no point that lies on a line between its neighbours, and passes no point twice:
    voxels of one label that touch in a corner alone are in loops of their own.  Where loops of a label lie
    inside each other, they are borders by turns: of the label, of a hole in it, of an island in the hole.

    Parameters
    ----------
    image
        (rows, columns), unsigned; 0 is background.
    scratch
        Of that shape and type, where there are several images; what it held is lost.
    """
    found = _corners(image, scratch or Scratch(image.shape, image.dtype))
    if not len(found.row):
        return Loops(np.zeros((0, 2)), np.zeros(1, np.intp), np.zeros(0, np.int64))
    across = np.argsort(found.label, kind="stable")
    down = np.argsort(found.column.astype(np.min_scalar_type(image.shape[1])), kind="stable")
    down = down[np.argsort(found.label[down], kind="stable")]
    turned = np.flatnonzero(found.turned[down])
    down[turned], down[turned + 1] = down[turned + 1], down[turned]
    # corners that follow each other in a row are joined by an edge, two by two; so they are in a column
    left, right = across[0::2], across[1::2]
    edge_at = np.empty(len(across), np.intp)
    edge_at[left] = edge_at[right] = np.arange(len(left))
    below = np.empty(len(down), np.intp)
    below[down[0::2]], below[down[1::2]] = down[1::2], down[0::2]
    # an edge with its label below goes to the right, so that the label is always on the same side
    rightward = found.inside_right_below[left]
    start, end = np.where(rightward, left, right), np.where(rightward, right, left)
    order, starts = _walk(edge_at[below[end]])
    one, other = _passed_twice(edge_at, order, starts, found.twice)
    if len(one):
        # the corners of a loop at one place exchange their edges to the sides, which makes two loops of it
        exchanged = np.arange(len(across))
        exchanged[one], exchanged[other] = other, one
        start, end, edge_at = exchanged[start], exchanged[end], edge_at[exchanged]
        order, starts = _walk(edge_at[below[end]])
    corners = np.stack([start[order], end[order]], axis=1).reshape(-1)
    points = np.stack([found.row[corners], found.column[corners]], axis=1) - 0.5
    return Loops(points, 2 * starts, found.label[start[order[starts[:-1]]]].astype(np.int64))


class _Corners(NamedTuple):
    """Corners of labels: where two edges meet at a right angle; row by row, in each from the left.

    Where a label touches itself it has two corners at one place, of which the first has its edge to the left:
    ``twice`` are the indices of these.  They are ``turned`` where the second one has its edge upwards.
    """

    label: NDArray[Any]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    inside_right_below: NDArray[np.bool_]
    twice: Counts
    turned: NDArray[np.bool_]


# Bits of the four voxels around a corner that have its label.
_ABOVE_LEFT, _ABOVE_RIGHT, _BELOW_LEFT, _BELOW_RIGHT = 1, 2, 4, 8
_FALLING, _RISING = _ABOVE_LEFT | _BELOW_RIGHT, _ABOVE_RIGHT | _BELOW_LEFT
# By which of the four a voxel is, and these bits: whether its label turns here, and is no earlier one's too.
_IS_CORNER = np.array(
    [
        [
            (bits.bit_count() % 2 == 1 or bits in (_FALLING, _RISING)) and not bits & ((1 << voxel) - 1)
            for bits in range(16)
        ]
        for voxel in range(4)
    ]
)


def _corners(image: NDArray[Any], scratch: Scratch) -> _Corners:
    padded, across = scratch.padded, scratch.changes
    padded[1:-1, 1:-1] = image
    flat, width = padded.reshape(-1), padded.shape[1]
    # a corner is where labels change along a row above or below, and down a column at its left or right
    np.not_equal(flat[:-1], flat[1:], out=across)
    first = np.flatnonzero(np.logical_or(across[:-width], across[width:], out=scratch.places))
    values = flat[np.stack([first, first + 1, first + width, first + width + 1])]
    down = np.flatnonzero((values[0] != values[2]) | (values[1] != values[3]))
    first, values = first[down], values.take(down, axis=1)
    around = np.repeat(np.array([[1], [2], [4], [8]], np.uint8), len(first), axis=1)
    for one, other in combinations(range(4), 2):
        same = (values[one] == values[other]).view(np.uint8)
        around[one] |= same << other
        around[other] |= same << one
    is_corner = (values != 0) & np.stack(
        [table[bits] for table, bits in zip(_IS_CORNER, around, strict=True)]
    )
    found = np.flatnonzero(is_corner.T)  # by indices, which is faster than by masks
    voxel, place = found & 3, found >> 2
    label, bits = values[voxel, place], around[voxel, place]
    row, column = np.divmod(first[place], width)
    # the first of two corners at one place has its edge to the left; it is that of the voxel on the left
    twice = np.flatnonzero((bits == _RISING) | (bits == _FALLING))
    if len(twice):
        each = np.insert(np.arange(len(found)), twice + 1, twice)
        label, row, column, bits = label[each], row[each], column[each], bits[each]
        twice = twice + np.arange(len(twice))
    turned = np.zeros(len(label), bool)
    turned[twice] = bits[twice] == _RISING
    return _Corners(label, row, column, bits & _BELOW_RIGHT != 0, twice, turned)


def _walk(following: Counts) -> tuple[Counts, Counts]:
    """Indices in the order in which they follow each other, loop by loop, and where each loop starts."""
    successors = following.tolist()
    seen = bytearray(len(successors))
    order: list[int] = []
    starts = [0]
    take = order.append
    for first in range(len(successors)):
        if seen[first]:
            continue
        at = first
        while not seen[at]:
            seen[at] = 1
            take(at)
            at = successors[at]
        starts.append(len(order))
    return np.array(order, np.intp), np.array(starts, np.intp)


def _passed_twice(edge_at: Counts, order: Counts, starts: Counts, twice: Counts) -> tuple[Counts, Counts]:
    """The two corners at each place that a single loop passes twice."""
    loop_of = np.empty(len(order), np.intp)
    loop_of[order] = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    one = twice[loop_of[edge_at[twice]] == loop_of[edge_at[twice + 1]]]
    return one, one + 1


def smooth_loops(loops: Loops) -> Loops:
    """Loops through the middles of the voxels' edges that `edge_loops` go along, without points on a line.

    Corners are cut: a single voxel becomes a diamond.  The same voxels' centres lie inside.
    """
    here, there, index = loops.edges()
    steps = np.abs(there - here).max(axis=1).round().astype(np.intp)
    ends = np.cumsum(steps)
    along = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - steps, steps) + 0.5
    way = (there - here) / np.maximum(steps, 1)[:, None]
    points = np.repeat(here, steps, axis=0) + along[:, None] * np.repeat(way, steps, axis=0)
    counts = np.bincount(np.repeat(index, steps), minlength=len(loops))
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
    return _without_points_on_lines(Loops(points, starts, loops.labels))


def _without_points_on_lines(loops: Loops) -> Loops:
    here, there, index = loops.edges()
    step = there - here
    before = np.empty_like(step)
    before[1:] = step[:-1]
    if len(step):
        before[loops.starts[:-1]] = step[loops.starts[1:] - 1]
    turns = np.abs(before[:, 0] * step[:, 1] - before[:, 1] * step[:, 0]) > 1e-9
    counts = np.bincount(index[turns], minlength=len(loops))
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
    return Loops(here[turns], starts, loops.labels)
