"""Arrays in Zarr (version 3 of its format): one chunk an image, and the sidecar in the array's attributes.

What is loaded stays in its file: only the chunks that an index touches are read.  OME-Zarr is not written:
its transforms (version 0.5) scale and move, and cannot turn, so that an oblique stack would lie elsewhere.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from dicomarray.core.optional_packages import package
from dicomarray.core.pixel_values import Array
from dicomarray.core.volume_info import VolumeInfo
from dicomarray.errors import InputError, OutputError
from dicomarray.formats import sidecar
from dicomarray.storage.atomic import new_folder

SUFFIX, _OME = ".zarr", ".ome.zarr"
# The metadata of an array, which has its attributes; its chunks lie in folders beside it.
METADATA = "zarr.json"


def is_zarr(path: object) -> bool:
    """Whether a name says that it is a Zarr array."""
    return isinstance(path, str | os.PathLike) and os.fspath(path).rstrip("/").lower().endswith(SUFFIX)


def metadata_of(path: Path) -> Path:
    """Where the sidecar of an array is: the file whose attributes hold it."""
    return path / METADATA


@contextmanager
def new_store(path: Path, overwrite: bool) -> Iterator[Path]:
    """A folder to write an array in, which becomes ``path`` at the end, or vanishes; see `new_folder`.

    Raises OutputError where it is named as OME-Zarr, which this is not.
    """
    if path.name.lower().endswith(_OME):
        raise OutputError(
            f"{path}: OME-Zarr is not written, since its transforms cannot turn and oblique slices would lie "
            "elsewhere: name it .zarr, which readers of Zarr open"
        )
    with new_folder(path, overwrite, _is_part) as folder:
        yield folder


def _is_part(entry: Path) -> bool:
    """Whether something in a folder may be replaced: it is of a Zarr array."""
    return entry.name == METADATA or (entry.name == "c" and entry.is_dir())


class ZarrFile:
    """An array in a folder, written images after images, in any order and by several threads."""

    def __init__(
        self, folder: Path, leading: tuple[int, ...], image_shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self._leading = leading
        self._folder = folder
        chunks = (1,) * len(leading) + image_shape
        with _as_output_error(folder):
            self._array = _zarr("write it").create_array(
                store=str(folder), shape=(*leading, *image_shape), dtype=dtype, chunks=chunks
            )

    def write(self, index: int, images: Array) -> None:
        """Write the ``index``-th image and those that follow it; OutputError where the disk is full."""
        with _as_output_error(self._folder):
            for number, image in enumerate(images):
                self._array[np.unravel_index(index + number, self._leading)] = image

    def close(self) -> None:
        """Nothing is open."""


def save(folder: Path, array: Array, info: VolumeInfo) -> None:
    """Write a whole array with its sidecar into an empty folder."""
    first = len(info.shape) - 2 - (info.axes[-1] == "sample")
    file = ZarrFile(folder, info.shape[:first], info.shape[first:], array.dtype)
    leading = math.prod(info.shape[:first])
    file.write(0, np.asarray(array).reshape(leading, *info.shape[first:]))
    describe(folder, info)


def describe(folder: Path, info: VolumeInfo) -> None:
    """Put the sidecar into the attributes of an array that was written."""
    with _as_output_error(folder):
        _zarr("write it").open_array(str(folder), mode="r+").update_attributes(sidecar.to_json(info))


def load(path: Path) -> tuple[Array, VolumeInfo]:
    """An array that stays in its file, and what its attributes say of it.

    Raises InputError where it is no such array, or its attributes are no sidecar; UsageError where Zarr is
    not installed.
    """
    try:
        array = _zarr("read it").open(str(path), mode="r")
        attributes = dict(array.attrs)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no Zarr array: {type(error).__name__}: {error!s:.200}") from error
    if not hasattr(array, "shape"):
        raise InputError(
            f"{path} is no Zarr array but a group of them, as OME-Zarr is. {_way_out(path, '[NAME]')}"
        )
    try:
        info = sidecar.from_json(attributes)
    except InputError as error:
        raise InputError(f"{path}: its attributes are {error}. {_way_out(path)}") from error
    if tuple(array.shape) != info.shape:
        raise InputError(f"{path} has shape {tuple(array.shape)}, its attributes say {info.shape}")
    return cast("Array", array), info


def _way_out(path: Path, member: str = "") -> str:
    """What to do with an array of another program, of which nothing says where its voxels lie."""
    return (
        "Of an array of another program nothing says where its voxels lie: save its values with "
        f'numpy.save("values.npy", zarr.open("{path}"){member}[...]), and give that file, with an affine '
        "(affine=, --affine) unless it lies on the grid of the images"
    )


def is_lazy(array: Array) -> bool:
    """Whether an array stays in its file; NumPy's have flags."""
    return not hasattr(array, "flags")


def _zarr(purpose: str) -> Any:
    return package("zarr", "zarr", f"Zarr: to {purpose}, install zarr")


@contextmanager
def _as_output_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
