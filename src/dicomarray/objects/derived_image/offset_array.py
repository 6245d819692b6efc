"""Stored values that are the integers of an array less a whole intercept.

They are made image by image when they are written: most series are such, and a second copy of all pixels
would cost more time than all else that is done with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dicomarray.core.pixel_values import Array, wrapped


@dataclass(frozen=True, eq=False)
class OffsetArray:
    """Of image ``n`` of integer ``array``, (images, ...), ``array[n] - offsets[n]`` is stored, which fits."""

    array: Array
    offsets: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> Array:
        """The stored values of one image; the array's own memory where they are the same."""
        image, offset = self.array[index], self.offsets[index]
        if not offset:
            return np.asarray(image, self.dtype)
        # both wrap around, and end where they should, since the difference fits
        word = wrapped(offset, self.dtype)
        if image.dtype.isnative and image.itemsize == self.dtype.itemsize:
            return np.asarray(image.view(self.dtype) - word)
        return np.asarray(image.astype(self.dtype) - word)

    def __array__(self, dtype: np.dtype[Any] | None = None, copy: bool | None = None) -> Array:
        """All images."""
        made = np.empty(self.shape, self.dtype)
        for index, image in enumerate(made):
            image[...] = self[index]
        return made if dtype is None else made.astype(dtype, copy=False)
