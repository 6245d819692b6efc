"""Closed loops in the plane of one image.

Their coordinates are the image's own: (row, column), float64, with the centre of the first voxel at (0, 0),
so that its edges are at -0.5 and 0.5.  The last point of a loop is joined to the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Counts = NDArray[np.intp]


def distinct(numbers: NDArray[np.int64]) -> Counts:
    """Which small numbers from 0 there are, ascending; NumPy's ``unique`` would import what nobody needs."""
    return np.flatnonzero(np.bincount(numbers))


@dataclass(frozen=True, eq=False)
class Loops:
    """Closed loops.

    Attributes
    ----------
    points
        (row, column) of all loops, one after the other, shape (n, 2).
    starts
        Where each loop starts in ``points``, and last where the last one ends: shape (loops + 1,).
    labels
        What each loop goes around, shape (loops,); in `covered` and `occupancy` the plane that it lies in.
    """

    points: Points
    starts: Counts
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Points]:
        return (self.points[a:b] for a, b in zip(self.starts[:-1], self.starts[1:], strict=True))

    @classmethod
    def of(cls, loops: Sequence[Points], labels: Sequence[int]) -> Loops:
        """Several loops, each of shape (n, 2), with a label each."""
        starts = np.concatenate([[0], np.cumsum([len(loop) for loop in loops], dtype=np.intp)])
        points = np.concatenate(loops) if loops else np.zeros((0, 2))
        return cls(points, starts.astype(np.intp), np.asarray(labels, np.int64))

    def chosen(self, which: NDArray[Any]) -> Loops:
        """Some of them, by a mask or by their indices, in that order."""
        indices = np.flatnonzero(which) if which.dtype.kind == "b" else which
        if len(indices) == len(self) and (np.diff(indices) == 1).all():
            return self  # all of them, as is usual
        lengths = np.diff(self.starts)[indices]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.intp)
        at = np.repeat(self.starts[:-1][indices] - starts[:-1], lengths) + np.arange(starts[-1])
        return Loops(self.points[at], starts, self.labels[indices])

    def areas(self) -> NDArray[np.float64]:
        """What each loop encloses, in voxels; negative where it runs the other way."""
        here, there = self.points, self._following()
        cross = here[:, 1] * there[:, 0] - there[:, 1] * here[:, 0]
        return np.diff(np.concatenate([[0.0], np.cumsum(cross)])[self.starts]) / 2

    def boxes(self) -> NDArray[np.float64]:
        """(least row, least column, greatest row, greatest column) of each loop, none of which is empty."""
        first = self.starts[:-1]
        return np.hstack([np.minimum.reduceat(self.points, first), np.maximum.reduceat(self.points, first)])

    def _following(self) -> Points:
        """Of each point the next one of its loop."""
        following = np.empty_like(self.points)
        following[:-1] = self.points[1:]
        following[self.starts[1:] - 1] = self.points[self.starts[:-1]]
        return following

    def edges(self) -> tuple[Points, Points, Counts]:
        """Both ends of every edge, and the index of its loop."""
        index = np.repeat(np.arange(len(self)), np.diff(self.starts))
        return self.points, self._following(), index
