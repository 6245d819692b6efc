"""Loops -> the voxels that they cover, whole or in part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicomarray.core.rasterization.loops import Counts, Loops, Points

# What binary numbers leave of a place, in voxels: points are rounded to this, so that the two sides of a
# channel without width cross each row at one place.
ROUNDING_DIGITS = 5
# An edge that is nearer to a voxel's centre than this, in voxels, goes through it: numbers of contours have
# few digits, and which voxels a loop covers must not depend on how they were rounded.
TIE = 0.01
# So many cells are filled, and so many crossings of rows and loops taken, at a time: some ten MB.
CELLS_AT_ONCE = 1 << 21
CROSSINGS_AT_ONCE = 1 << 20


class Covered(NamedTuple):
    """Voxels in a box: ``values[i, j, k]`` is that of plane, row, column ``origin + (i, j, k)``."""

    origin: tuple[int, int, int]
    values: NDArray[Any]

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """Where the values lie in an array of all planes."""
        sides = (slice(a, a + n) for a, n in zip(self.origin, self.values.shape, strict=True))
        first, second, third = sides
        return first, second, third


def covered(loops: Loops, shape: tuple[int, int]) -> Iterator[Covered]:
    """The voxels whose centres lie inside an odd number of loops of their plane, bool, some planes at a time.

    Where a loop goes through a centre (nearer than `TIE`), the voxel is inside if the loop lies at its right
    or below it: all centres are taken a little further right and down.

    Parameters
    ----------
    loops
        Their labels are the indices of planes.
    shape
        (rows, columns) of a plane; what lies beyond it is cut off.
    """
    moved = Loops(loops.points - TIE, loops.starts, loops.labels)
    for planes, part, box in _batches(moved, shape):
        top, side, height, width = box
        words = width // 8 + 1  # so many cells that there is one behind the last column
        cells = np.zeros((planes.stop - planes.start) * height * 8 * words, np.uint8)
        for row, column, plane, _ in _crossings(part, top, height):
            place = np.clip(np.ceil(column).astype(np.intp) - side, 0, width)
            flat = ((plane - planes.start) * height + row - top) * (8 * words) + place
            np.add.at(cells, flat, np.uint8(1))
        inside = _odd_so_far(cells.reshape(-1, 8 * words))
        yield Covered((planes.start, top, side), inside.reshape(-1, height, 8 * words)[..., :width])


def _odd_so_far(counts: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """For each cell of a row whether the sum of it and all before is odd; rows of 8 cells, or 16, and so on.

    Eight cells are taken as one number, whose lowest byte is the first of them.
    """
    words = counts.view("<u8")
    for shift in (8, 16, 32):
        words ^= words << np.uint64(shift)
    last = np.bitwise_xor.accumulate(words >> np.uint64(56), axis=1)
    words[:, 1:] ^= last[:, :-1] * np.uint64(0x0101010101010101)
    counts &= 1
    return counts.view(bool)


def count_crossings(loops: Loops, rows: int, finer: int = 1) -> int:
    """How many crossings `crossings_of` finds at most."""
    here, there, _ = loops.edges()
    ends = np.clip([here[:, 0], there[:, 0]], -1, rows)
    return int(np.sum(np.abs(ends[1] - ends[0]) * finer + 1))


def crossings_of(
    loops: Loops, rows: int, finer: int = 1
) -> tuple[NDArray[np.int64], Points, NDArray[np.int64], Counts]:
    """Where loops cross the lines through the centres of rows: line, column, plane, loop.

    With ``finer`` lines a row these lie evenly, and none goes through the edges of voxels.
    """
    moved = loops.points.copy()
    moved[:, 0] = (moved[:, 0] + 0.5) * finer - 0.5
    edges, index = _downward(Loops(moved, loops.starts, loops.labels))
    found = list(_crossings(edges, 0, rows * finer))
    if not found:
        nothing = np.zeros(0, np.int64)
        return nothing, np.zeros(0), nothing, np.zeros(0, np.intp)
    row, column, plane, edge = (np.concatenate(part) for part in zip(*found, strict=True))
    return row, column, plane, index[edge]


def occupancy(loops: Loops, signs: NDArray[Any], shape: tuple[int, int]) -> Iterator[Covered]:
    """The part of each voxel that loops cover, float32 in [0, 1], by exact areas; some planes at a time.

    Parameters
    ----------
    loops, shape
        As in `covered`.
    signs
        1 for a loop that adds what it encloses, -1 for one that takes it away (see `nesting`), 0 for none.
    """
    turned = np.sign(loops.areas()) * signs
    moved = Loops(loops.points + 0.5, loops.starts, loops.labels)
    for planes, part, box in _batches(moved, shape, turned):
        top, side, height, width = box
        cells = np.zeros((planes.stop - planes.start) * height * (width + 2))
        for place, amount in _areas(part, planes.start, box):
            cells += np.bincount(place, amount, minlength=len(cells))
        sums = np.cumsum(cells.reshape(-1, height, width + 2)[..., :-2], axis=2)
        yield Covered((planes.start, top, side), np.clip(sums, 0, 1).astype(np.float32))


class _Edges(NamedTuple):
    """Edges that go down: (row, column) of their upper and lower ends, their planes, and their weights."""

    upper: Points
    lower: Points
    plane: NDArray[np.int64]
    weight: NDArray[np.float64]

    def some(self, which: Any) -> _Edges:
        return _Edges(self.upper[which], self.lower[which], self.plane[which], self.weight[which])


_Box = tuple[int, int, int, int]  # least row and column, height and width


def _batches(
    loops: Loops, shape: tuple[int, int], signed: NDArray[np.float64] | None = None
) -> Iterator[tuple[slice, _Edges, _Box]]:
    """Edges in the order of planes, so many planes at a time as may be filled; and the box around them."""
    if not len(loops.points):
        return
    edges, index = _downward(loops)
    if signed is not None:
        edges = edges._replace(weight=edges.weight * signed[index])
    if (np.diff(edges.plane) < 0).any():
        edges = edges.some(np.argsort(edges.plane, kind="stable"))
    if not len(edges.plane):
        return
    box = _box_of(edges, shape)
    if box is None:
        return
    planes, first = np.unique(edges.plane, return_index=True)
    most = max(1, CELLS_AT_ONCE // (box[2] * (box[3] + 2)))
    ends = np.append(first[1:], len(edges.plane))
    at = 0
    while at < len(planes):
        # planes that lie close to each other: what is between them is filled too
        last = int(np.searchsorted(planes, planes[at] + most)) - 1
        part = edges.some(slice(int(first[at]), int(ends[last])))
        if (inner := _box_of(part, shape)) is not None:
            yield slice(int(planes[at]), int(planes[last]) + 1), part, inner
        at = last + 1


def _downward(loops: Loops) -> tuple[_Edges, Counts]:
    """All edges but level ones, which cross no row and enclose nothing with it; and the loop of each."""
    rounded = np.round(loops.points, ROUNDING_DIGITS)
    here, there, index = Loops(rounded, loops.starts, loops.labels).edges()
    kept = np.flatnonzero(here[:, 0] != there[:, 0])
    here, there, index = here.take(kept, axis=0), there.take(kept, axis=0), index[kept]
    rising = there[:, 0] < here[:, 0]
    upper, lower = np.where(rising[:, None], there, here), np.where(rising[:, None], here, there)
    return _Edges(upper, lower, loops.labels[index], np.where(rising, 1.0, -1.0)), index


def _box_of(edges: _Edges, shape: tuple[int, int]) -> _Box | None:
    """What of an image edges can cover; None where they lie beyond it."""
    # by columns, as NumPy is slow where rows are short
    columns = edges.upper[:, 1], edges.lower[:, 1]
    least = edges.upper[:, 0].min(), min(column.min() for column in columns)
    most = edges.lower[:, 0].max(), max(column.max() for column in columns)
    low = np.clip(np.floor(least) - 1, 0, shape).astype(int)
    high = np.clip(np.ceil(most) + 1, 0, shape).astype(int)
    if (high <= low).any():
        return None
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def _in_parts(counts: NDArray[np.int64]) -> Iterator[tuple[slice, NDArray[np.intp], NDArray[np.int64]]]:
    """Edges by as many as there may be crossings: which, the edge of each crossing, and its number there."""
    ends = np.cumsum(counts)
    at = 0
    while at < len(counts):
        before = int(ends[at - 1]) if at else 0
        last = max(at + 1, int(np.searchsorted(ends, before + CROSSINGS_AT_ONCE, side="right")))
        some = counts[at:last]
        own = np.arange(int(ends[last - 1]) - before) - np.repeat(ends[at:last] - some - before, some)
        yield slice(at, last), np.repeat(np.arange(at, last), some), own
        at = last


def _crossings(
    edges: _Edges, top: int, height: int
) -> Iterator[tuple[NDArray[np.intp], Points, NDArray[np.int64], Counts]]:
    """Where edges cross the rows of centres: row, column, plane, and which edge."""
    first = np.clip(np.ceil(edges.upper[:, 0]), top, top + height).astype(np.intp)
    last = np.clip(np.ceil(edges.lower[:, 0]), top, top + height).astype(np.intp)
    slope = (edges.lower[:, 1] - edges.upper[:, 1]) / (edges.lower[:, 0] - edges.upper[:, 0])
    for _, edge, number in _in_parts(last - first):
        row = first[edge] + number
        column = edges.upper[edge, 1] + (row - edges.upper[edge, 0]) * slope[edge]
        yield row, np.round(column, ROUNDING_DIGITS), edges.plane[edge], edge


def _areas(edges: _Edges, plane: int, box: _Box) -> Iterator[tuple[Counts, NDArray[np.float64]]]:
    """Cells and what is added to them, so that their sums along a row are the covered parts of voxels.

    Here a voxel reaches from its index to the next.  A piece of an edge in one voxel covers all voxels to
    the right of it in the height of the piece, and the voxel itself in part.
    """
    top, side, height, width = box
    first = np.clip(np.floor(edges.upper[:, 0]), top, top + height).astype(np.intp)
    last = np.clip(np.ceil(edges.lower[:, 0]), top, top + height).astype(np.intp)
    slope = (edges.lower[:, 1] - edges.upper[:, 1]) / (edges.lower[:, 0] - edges.upper[:, 0])
    for _, edge, number in _in_parts(last - first):
        row = first[edge] + number
        upper = np.maximum(edges.upper[edge, 0], row)
        lower = np.minimum(edges.lower[edge, 0], row + 1)
        ends = [edges.upper[edge, 1] + (at - edges.upper[edge, 0]) * slope[edge] for at in (upper, lower)]
        left, right = np.minimum(*ends), np.maximum(*ends)
        tall = (lower - upper) * edges.weight[edge]
        begin = np.clip(np.floor(left), side - 1, side + width).astype(np.intp)
        stop = np.clip(np.ceil(right), side, side + width + 1).astype(np.intp)
        stop = np.maximum(stop, begin + 1)
        line = ((edges.plane[edge] - plane) * height + row - top) * (width + 2)
        for _, piece, index in _in_parts(stop - begin):
            cell = begin[piece] + index
            low = np.where(cell < side, left[piece], np.maximum(left[piece], cell))
            high = np.where(cell >= side + width, right[piece], np.minimum(right[piece], cell + 1))
            wide = right[piece] - left[piece]
            share = np.divide(high - low, wide, out=np.ones_like(wide), where=wide > 0)
            amount = tall[piece] * np.clip(share, 0, 1)
            # before the box a piece covers all of its row, behind it nothing
            middle = np.where(cell < side, 0.0, np.clip((low + high) / 2 - cell, 0, 1))
            place = line[piece] + np.clip(cell - side, 0, width)
            yield place, amount * (1 - middle)
            yield place + 1, amount * middle
