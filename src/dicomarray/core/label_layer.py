"""Arrays of labels: which of them each slice has, and masks laid into as few as their overlaps allow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, eq=False)
class LabelLayer:
    """``labels``, (slices, rows, columns), 0 for background, which nobody changes any more."""

    labels: Labels

    @cached_property
    def numbers(self) -> tuple[int, ...]:
        """The labels that voxels have, without background, ascending."""
        return tuple(int(number) for number in np.flatnonzero(self._table.any(axis=0)) if number)

    def slices_of(self, number: int) -> NDArray[np.intp]:
        """The indices of the slices in which a label is, ascending."""
        inside = self._table[:, number] if number < self._table.shape[1] else np.zeros(len(self.labels), bool)
        return np.flatnonzero(inside)

    @cached_property
    def _table(self) -> NDArray[np.bool_]:
        """(slices, labels): whether a label is in a slice; of the background it says nothing.

        It costs a pass over all voxels, and is asked for when labels are checked, planned and written.
        """
        table = np.zeros((len(self.labels), int(self.labels.max(initial=0)) + 1), bool)
        for image, row in zip(self.labels, table, strict=True):
            flat = image.reshape(-1)
            row[flat[:1]] = True
            # each label stands behind another one somewhere, which few voxels do
            row[flat[1:][flat[1:] != flat[:-1]]] = True
        return table


class Layers:
    """Label arrays, as few as overlaps allow: each mask goes into the first in which it meets no other."""

    def __init__(self, shape: tuple[int, ...], greatest: int) -> None:
        self._shape, self._dtype = shape, np.min_scalar_type(greatest)
        self.arrays: list[Labels] = [np.zeros(shape, self._dtype)]

    def put(self, parts: Iterable[tuple[tuple[slice, ...], NDArray[np.bool_]]], number: int) -> int:
        """Add the mask of a number, by boxes and what of them is inside; which array it is in."""
        parts = list(parts)
        free = (not any(array[box][mask].any() for box, mask in parts) for array in self.arrays)
        index = next((at for at, is_free in enumerate(free) if is_free), len(self.arrays))
        if index == len(self.arrays):
            self.arrays.append(np.zeros(self._shape, self._dtype))
        for box, mask in parts:
            self.arrays[index][box][mask] = number
        return index
