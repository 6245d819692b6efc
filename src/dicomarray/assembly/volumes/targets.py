"""Where the images of a volume go: an array in memory, or a file of which nothing is kept in memory.

Either is made when the first image has shown that its file really holds what its header claims.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from threading import local
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dicomarray.core.pixel_values import Array

Mask = NDArray[np.bool_]


class ScratchMemory(local):
    """Memory that a thread uses again for one block of images after the other."""

    content: Array = np.empty(0, np.uint8)

    def take(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """An array in it, that ends the use of the one before."""
        needed = math.prod(shape) * dtype.itemsize
        if len(self.content) < needed:
            self.content = np.empty(needed, np.uint8)
        return self.content[:needed].view(dtype).reshape(shape)


class ArrayTarget:
    """An array of all images, and where asked for a mask of their padding.

    Images are counted along the leading axes, the first axis slowest.
    """

    def __init__(self, leading: tuple[int, ...], with_padding: bool) -> None:
        self._leading, self._with_padding = leading, with_padding
        self._padding: Mask | None = None

    def make(self, shape: tuple[int, ...], stored_shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Make room for all images, each of that shape and made of stored values of ``stored_shape``.

        MemoryError where there is no memory for it.
        """
        count = math.prod(self._leading)
        self._array = np.empty((count, *shape), dtype)
        if self._with_padding:
            self._padding = np.zeros((count, *stored_shape), np.bool_)

    def room(self, index: int, count: int) -> Array:
        """Memory to make ``count`` images in, those from ``index`` on; the thread's own until `put`."""
        return self._array[index : index + count]

    def put(self, index: int, images: Array, padding: Mask | None) -> None:
        """Take images, which may be in their `room`, and the mask of their padding."""
        if images.base is not self._array:
            self._array[index : index + len(images)] = images
        if self._padding is not None and padding is not None:
            self._padding[index : index + len(images)] = padding

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole array, once it is made."""
        return self.array.shape

    @property
    def array(self) -> Array:
        """All images, (*leading, *image shape)."""
        return self._array.reshape(*self._leading, *self._array.shape[1:])

    @property
    def padding(self) -> Mask | None:
        """The mask, of the same leading axes."""
        mask = self._padding
        return None if mask is None else mask.reshape(*self._leading, *mask.shape[1:])


class ImageWriter(Protocol):
    """A file that takes images, C-contiguous: the ``index``-th and those that follow it."""

    def write(self, index: int, images: Array) -> None:
        """Write them; OutputError where the disk is full."""

    def close(self) -> None:
        """Close the file."""


# Makes the file of leading axes, shape of an image, and type.
OpenFile = Callable[[tuple[int, ...], tuple[int, ...], np.dtype[Any]], ImageWriter]


class FileTarget:
    """A file of all images; it keeps no mask of their padding."""

    def __init__(self, open_file: OpenFile, leading: tuple[int, ...]) -> None:
        self._open_file, self._leading = open_file, leading
        self._file: ImageWriter | None = None
        self._memory = ScratchMemory()

    def make(self, shape: tuple[int, ...], stored_shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:  # noqa: ARG002
        """As of an `ArrayTarget`; OutputError where it cannot be made."""
        self._shape, self._dtype = shape, dtype
        self._file = self._open_file(self._leading, shape, dtype)

    def room(self, index: int, count: int) -> Array:  # noqa: ARG002 - the same for all
        """As of an `ArrayTarget`."""
        return self._memory.take((count, *self._shape), self._dtype)

    def put(self, index: int, images: Array, padding: Mask | None) -> None:  # noqa: ARG002
        """As of an `ArrayTarget`; OutputError where the disk is full."""
        assert self._file is not None  # made before
        self._file.write(index, np.ascontiguousarray(images))

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an `ArrayTarget`."""
        return (*self._leading, *self._shape)

    def close(self) -> None:
        """Close the file, if it was made."""
        if self._file is not None:
            self._file.close()


Target = ArrayTarget | FileTarget
