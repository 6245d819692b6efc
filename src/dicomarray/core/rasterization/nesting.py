"""Which loops lie inside which: what adds to a structure, what is a hole in it, what is drawn carelessly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicomarray.core.rasterization.filling import count_crossings, covered, crossings_of
from dicomarray.core.rasterization.loops import Counts, Loops, distinct
from dicomarray.errors import SegmentationError

# A loop is a hole where at least this part of it lies within another: people draw holes that stick out of
# their organ by a voxel.
NESTED_PART = 0.9
# Loops with equal areas, boxes and centres are one loop that is drawn twice; in voxels.
SAME_LOOP = 1e-3
# Where loops near each other cross more lines than this, they are not compared: it would take GBs.
MAX_CROSSINGS = 1 << 25
# Points of two loops nearer to each other than this touch, and say nothing of what lies inside what; voxels.
TOUCHING = 1e-3


class Nesting(NamedTuple):
    """How loops of one structure lie to each other, plane by plane.

    ``signs`` is 1 for a loop that adds what it encloses, -1 for a hole, 0 for one that is drawn twice;
    ``twice`` and ``partial`` are the planes in which loops are drawn twice, and overlap in part.
    """

    signs: NDArray[np.int64]
    twice: NDArray[np.int64]
    partial: NDArray[np.int64]


def nesting(loops: Loops, rows: int, finer: int = 1) -> Nesting:
    """How loops lie to each other; their labels are planes, in each of which they are compared.

    Parameters
    ----------
    rows
        Of an image; what lies beyond it is not compared.
    finer
        So many lines a row are looked at: loops that lie between two lines are not seen.

    Raises
    ------
    SegmentationError
        Where there are too many edges to compare.
    """
    signs = np.ones(len(loops), np.int64)
    none = np.zeros(0, np.int64)
    several = _near_others(loops)
    if not len(several):
        return Nesting(signs, none, none)
    near = loops.chosen(several)
    again = _drawn_before(near)
    signs[several[again]] = 0
    twice = distinct(near.labels[again])
    several, near = several[~again], near.chosen(~again)
    if count_crossings(near, rows, finer) > MAX_CROSSINGS:
        raise SegmentationError(
            "contours cross more lines than any drawing does: nothing can be said of which lies in which"
        )
    depth, mixed = _depths(near, rows, finer)
    signs[several] = np.where(depth % 2 == 1, -1, 1)
    return Nesting(signs, twice, distinct(near.labels[mixed]))


def _near_others(loops: Loops) -> Counts:
    """The loops whose box meets that of another one in their plane."""
    if len(loops) < 2:
        return np.zeros(0, np.intp)
    boxes = loops.boxes()
    order = np.lexsort((boxes[:, 0], loops.labels))
    plane, top, bottom = loops.labels[order], boxes[order, 0], boxes[order, 2]
    # in the order of their tops: a loop meets the rows of an earlier one where that reaches down to its top
    new = np.concatenate([[True], plane[1:] != plane[:-1]])
    group = np.cumsum(new)
    span = max(float(bottom.max() - top.min()), 1.0) + 1
    reach = np.maximum.accumulate(bottom - top.min() + group * span)
    meets = np.zeros(len(order), bool)
    meets[1:] = ~new[1:] & (top[1:] - top.min() + group[1:] * span <= reach[:-1])
    chain = np.cumsum(~meets)
    counts = np.bincount(chain)
    return np.sort(order[counts[chain] > 1])


def _drawn_before(loops: Loops) -> NDArray[np.bool_]:
    """Which loops equal an earlier one of their plane, but for where they start and which way they go."""
    lengths = np.diff(loops.starts)
    centres = np.add.reduceat(loops.points, loops.starts[:-1]) / lengths[:, None]
    facts = np.column_stack([np.abs(loops.areas()), loops.boxes(), centres])
    key = np.column_stack([loops.labels, lengths, np.round(facts / SAME_LOOP)]).astype(np.int64)
    _, first = np.unique(key, axis=0, return_index=True)
    again = np.ones(len(loops), bool)
    again[first] = False
    return again


def _depths(loops: Loops, rows: int, finer: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """In how many others each loop lies, and whether it lies there in part only."""
    row, column, plane, loop = crossings_of(loops, rows, finer)
    # on each line, where each loop is entered and left by turns
    order = np.lexsort((column, loop, row, plane))
    number = _number_in_group(plane[order], row[order], loop[order])
    entering = np.empty(len(order), bool)
    entering[order] = number % 2 == 0
    # along each line, how many loops are open; where two meet, one is left before the other is entered
    order = np.lexsort((entering, column, row, plane))
    step = np.where(entering[order], 1, -1)
    open_after = np.cumsum(step)  # each loop is left on the line that it is entered on
    around = open_after - (step > 0)
    place = column[order]
    same_line = (np.diff(plane[order]) == 0) & (np.diff(row[order]) == 0)
    touch = same_line & (np.diff(place) < TOUCHING)
    clear = ~(np.concatenate([touch, [False]]) | np.concatenate([[False], touch]))
    index, around = loop[order][clear], around[clear]
    count = np.bincount(index, minlength=len(loops))
    mean = np.bincount(index, around, minlength=len(loops)) / np.maximum(count, 1)
    low, high = np.full(len(loops), np.iinfo(np.int64).max), np.zeros(len(loops), np.int64)
    np.minimum.at(low, index, around)
    np.maximum.at(high, index, around)
    return np.floor(mean + 1 - NESTED_PART).astype(np.int64), (count > 0) & (low < high)


def _number_in_group(*keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of each entry among those before it with the same keys, which stand together."""
    if not len(keys[0]):
        return np.zeros(0, np.int64)
    new = np.concatenate([[True], np.logical_or.reduce([np.diff(key) != 0 for key in keys])])
    first = np.flatnonzero(new)
    return np.arange(len(new)) - np.repeat(first, np.diff(np.append(first, len(new))))


def summed(loops: Loops, signs: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The voxels of one plane that more loops add than take away, (rows, columns); see `Nesting`."""
    total = np.zeros(shape, np.int32)
    for index in np.flatnonzero(signs):
        one = loops.chosen(np.array([index]))
        for part in covered(Loops(one.points, one.starts, np.zeros(1, np.int64)), shape):
            total[part.box[1:]] += signs[index] * part.values[0]
    return total > 0
