"""Holes joined to the loop around them by a channel without width, for readers that know no holes."""

from __future__ import annotations

import numpy as np

from dicomarray.core.rasterization.loops import Loops, Points


def with_keyholes(loops: Loops) -> Loops:
    """Loops without holes; each channel goes along a row, to the left.

    Parameters
    ----------
    loops
        Of one image, as `edge_loops` or `smooth_loops` make them: those of holes have a negative area.
    """
    areas = loops.areas()
    if not (areas < 0).any():
        return loops
    made: list[Points] = []
    labels: list[int] = []
    for label in np.unique(loops.labels):
        own = loops.labels == label
        outer = list(loops.chosen(own & (areas > 0)))
        holes = sorted(loops.chosen(own & (areas < 0)), key=_leftmost)
        for hole in holes:
            _join(outer, hole)
        made += outer
        labels += [int(label)] * len(outer)
    return Loops.of(made, labels)


def _leftmost(loop: Points) -> tuple[float, float]:
    """(column, row) of its first point from the left."""
    at = np.lexsort((loop[:, 0], loop[:, 1]))[0]
    return float(loop[at, 1]), float(loop[at, 0])


def _join(outer: list[Points], hole: Points) -> None:
    """Join a hole to what lies at its left in the row of its leftmost point, in place."""
    column, row = _leftmost(hole)
    best, where = -np.inf, (0, 0)
    for index, loop in enumerate(outer):
        there = np.roll(loop, -1, axis=0)
        low, high = np.minimum(loop[:, 0], there[:, 0]), np.maximum(loop[:, 0], there[:, 0])
        crosses = np.flatnonzero((low <= row) & (row <= high) & (low < high))
        share = (row - loop[crosses, 0]) / (there[crosses, 0] - loop[crosses, 0])
        at = loop[crosses, 1] + share * (there[crosses, 1] - loop[crosses, 1])
        left = at < column
        if left.any() and at[left].max() > best:
            best = float(at[left].max())
            where = index, int(crosses[left][np.argmax(at[left])])
    index, edge = where
    start = int(np.flatnonzero((hole[:, 1] == column) & (hole[:, 0] == row))[0])
    around = np.roll(hole, -start, axis=0)
    bridge = np.array([[row, best]])
    parts = [outer[index][: edge + 1], bridge, around, around[:1], bridge, outer[index][edge + 1 :]]
    joined = np.concatenate(parts)
    new = (joined != np.roll(joined, 1, axis=0)).any(axis=1)
    outer[index] = joined[new]
