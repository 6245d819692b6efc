"""The ``.npy`` file: a whole array, or one that is written image by image and never is in memory."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, FileIO
from pathlib import Path
from threading import Lock
from tokenize import TokenError
from typing import Any

import numpy as np

from dicomarray.core.pixel_values import Array
from dicomarray.errors import InputError, OutputError
from dicomarray.storage.plain_files import open_plain

# What damage leads to in NumPy, which lets Python parse the header.
_DAMAGE = (
    ValueError, TypeError, EOFError, OverflowError, RecursionError, MemoryError, SyntaxError, TokenError,
)  # fmt: skip
# How a .npy begins, and a .npz, which is a zip; in a DICOM file a preamble of 128 bytes comes first.
MAGIC, ZIP, FIRST_BYTES = b"\x93NUMPY", b"PK", 132


def load_array(path: Path) -> Array:
    """The array of a ``.npy`` file; never unpickles.

    Raises InputError where the file is no such array of numbers.
    """
    _refuse_other_format(path)
    try:
        # mapped, the file's size is compared with what it claims to hold before memory is taken
        with np.errstate(over="ignore"):  # numbers of voxels that no file has
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except _damage() as error:
        raise InputError(f"{path} is no .npy file with numbers: {error!s:.300}") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} holds several arrays (.npz); save the one that is meant as .npy")
    if array.dtype.kind not in "biufc":
        raise InputError(f"{path} holds {array.dtype} and no numbers")
    try:
        return np.array(array)
    except MemoryError as error:
        raise InputError(f"{path} holds an array of {array.shape}, for which there is no memory") from error


def _damage() -> tuple[type[Exception], ...]:
    """What an array may raise; asked only where something does, as ``zipfile`` takes long to import."""
    from zipfile import BadZipFile

    return (*_DAMAGE, BadZipFile)


def _refuse_other_format(path: Path) -> None:
    """What begins otherwise: NumPy would speak of pickles, and wait for a FIFO or device."""
    try:
        with open_plain(path) as stream:
            start = stream.read(FIRST_BYTES)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", error)
        raise InputError(f"{path} cannot be read: {why}; name an array (.npy, .nii)") from error
    if start.startswith((MAGIC, ZIP)):
        return
    is_dicom = start[128:132] == b"DICM"
    hint = ", but a DICOM file, of which to-numpy (to_numpy) makes an array" if is_dicom else ""
    raise InputError(f"{path} is no .npy file with numbers{hint}; name an array (.npy)")


def save(path: Path, array: Array) -> None:
    """Write a whole array.

    Raises OutputError where the file cannot be written: the disk is full.
    """
    with written(path), _opened_empty(path) as stream:
        np.save(stream, array, allow_pickle=False)


class ImagesFile:
    """An array on disk behind a header, image after image; the images may come in any order.

    It is written with plain writes and not mapped: where the disk is full a mapped file ends the process.
    Several threads may write at a time.
    """

    def __init__(self, path: Path, header: bytes, image_bytes: int) -> None:
        self._path = path
        self._lock = Lock()
        self._start, self._image_bytes = len(header), image_bytes
        with written(path):
            self._stream = _opened_empty(path)
            self._stream.write(header)

    def write(self, index: int, images: Array) -> None:
        """Write images, C-contiguous: the ``index``-th and those that follow it, first axis slowest.

        Raises OutputError where the file cannot be written: the disk is full.
        """
        rest = images.data.cast("B")
        place = self._start + index * self._image_bytes
        with written(self._path):
            while rest:  # a write may take less than it is given
                count = self._write_at(rest, place)
                rest, place = rest[count:], place + count

    def _write_at(self, content: memoryview, place: int) -> int:
        """Write what can be written at once; how many bytes that is."""
        if sys.platform != "win32":
            return os.pwrite(self._stream.fileno(), content, place)
        else:  # noqa: RET505 - a type checker looks at the one or the other
            with self._lock:
                self._stream.seek(place)
                return self._stream.write(content) or 0

    def close(self) -> None:
        """Close the file."""
        with written(self._path):
            self._stream.close()


class NpyFile(ImagesFile):
    """A ``.npy`` file, the same bytes that `numpy.save` writes.

    Parameters
    ----------
    leading, image_shape
        The shape of the array, of which ``image_shape`` is that of one image.
    """

    def __init__(
        self, path: Path, leading: tuple[int, ...], image_shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        header = BytesIO()
        fields = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": (*leading, *image_shape),
        }
        np.lib.format.write_array_header_1_0(header, fields)
        super().__init__(path, header.getvalue(), dtype.itemsize * math.prod(image_shape))


def _opened_empty(path: Path) -> FileIO:
    """The file, empty, to write to.

    It is truncated only if it is not empty already: what was truncated, ext4 writes to the disk before it is
    closed (ext4(5), auto_da_alloc), which takes as long as all the rest.
    """
    stream = FileIO(path, "w", opener=lambda name, flags: os.open(name, flags & ~os.O_TRUNC, 0o666))
    if os.fstat(stream.fileno()).st_size:
        stream.truncate(0)
    return stream


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Turn what the system says to writing into an OutputError."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{path.parent}: the array cannot be written there: {error.strerror or error}"
        ) from error
