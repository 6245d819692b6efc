"""Writing NIfTI: the order in which axes are stored, the header, and a file that images are put into.

Voxels are stored as dcm2niix stores them: columns fastest, rows from below, slices along their normal; an
image of a 3-D acquisition along the axes of the patient instead, to the right, to the front, to the head.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from dicomarray.core.axis_order import AxisOrder
from dicomarray.core.geometry import Matrix, StackGeometry, affines_apart
from dicomarray.core.pixel_values import Array
from dicomarray.formats.nifti import (
    FORMS_AGREE_MM,
    FORMS_AGREE_RELATIVE,
    RAS_TO_LPS,
    RGB,
    nibabel,
)
from dicomarray.formats.npy import ImagesFile, written
from dicomarray.version import __version__

# (column, row, slice) as (i, j, k), rows from below.
USUAL = AxisOrder((2, 1, 0), (False, True, False))
# Where an axis is longer, NIfTI-1 has no number for it.
_MAX_NIFTI1_AXIS = 32767
_SCANNER = 1  # the code of coordinates of the scanner
_SECONDS_A_UNIT = "sec"
NARROW = np.dtype(np.int16)
# Of zlib, 1 to 9: beyond the first images are little smaller, and take several times as long.
GZIP_LEVEL = 1


@dataclass(frozen=True, eq=False)
class Layout:
    """How a volume lies in a file.

    Attributes
    ----------
    order
        How (slice, row, column) become the file's (i, j, k).
    affine
        4x4 from (i, j, k) to LPS mm; None without a place in the patient.
    spacing
        mm between neighbours along (i, j, k).
    quaternion
        Whether a quaternion can say the affine: it has no shear.
    """

    order: AxisOrder
    affine: Matrix | None
    spacing: tuple[float, ...]
    quaternion: bool


def layout_of(
    geometry: StackGeometry | None,
    shape: Sequence[int],
    along_patient: bool = False,
    pixel_spacing: Sequence[float] = (1.0, 1.0),
) -> Layout:
    """The layout of a volume with ``shape`` (slices, rows, columns).

    Parameters
    ----------
    along_patient
        The axes are stored nearest to right, front and head, as those of a 3-D acquisition are.
    pixel_spacing
        mm between (rows, columns), where there is no geometry.
    """
    if geometry is None:
        return Layout(USUAL, None, (pixel_spacing[1], pixel_spacing[0], 1.0), False)
    order = order_along_patient(geometry.affine, shape) if along_patient else USUAL
    affine = order.turn_affine(geometry.affine, shape)
    spacing = tuple(float(size) for size in np.linalg.norm(affine[:3, :3], axis=0))
    turned = [shape[axis] for axis in order.source]
    header = _empty_header(turned, np.dtype(np.uint8))
    header.set_qform(RAS_TO_LPS @ affine, _SCANNER)
    apart = affines_apart(affine, RAS_TO_LPS @ np.asarray(header.get_qform(), float), turned)
    quaternion = apart <= min(FORMS_AGREE_MM, FORMS_AGREE_RELATIVE * min(spacing))
    return Layout(order, affine, spacing, quaternion)


def order_along_patient(affine: Matrix, shape: Sequence[int]) -> AxisOrder:
    """The axes nearest to right, front and head, each in its direction.

    The first voxel is the corner that lies nearest to the lowest coordinates of all corners; then the axes
    are matched to those of the patient so that their steps along them sum up to the most.
    """
    steps = (RAS_TO_LPS @ affine)[:3]
    far = np.array(shape[-3:]) - 1
    flips = list(product((False, True), repeat=3))
    corners = np.array([steps @ (*(far * flip), 1) for flip in flips])
    flipped = flips[int(np.argmin(np.linalg.norm(corners - corners.min(axis=0), axis=1)))]
    signed = steps[:, :3] * np.where(flipped, -1, 1)
    # which of (slice, row, column) becomes i, j, k
    source = max(
        permutations((2, 1, 0)), key=lambda order: sum(signed[i, axis] for i, axis in enumerate(order))
    )
    against = [flipped[axis] for axis in source]
    return AxisOrder((source[0], source[1], source[2]), (against[0], against[1], against[2]))


def header_of(
    layout: Layout, shape: Sequence[int], dtype: np.dtype[Any], colour: bool, step_seconds: float = 0.0
) -> bytes:
    """A header with all that stands before the voxels.

    Parameters
    ----------
    shape
        ([repetitions,] slices, rows, columns).
    step_seconds
        From one repetition to the next; 0 where nobody knows.
    """
    turned = [shape[axis - 3] for axis in layout.order.source]
    repetitions = shape[:-3]
    header = _empty_header([*turned, *repetitions], RGB if colour else dtype)
    if layout.affine is not None:
        ras = RAS_TO_LPS @ layout.affine
        if layout.quaternion:
            header.set_qform(ras, _SCANNER)
        header.set_sform(ras, _SCANNER)
    header.set_zooms((*layout.spacing, *(step_seconds for _ in repetitions)))
    if not repetitions:
        header["pixdim"][4] = step_seconds
    header.set_xyzt_units("mm", _SECONDS_A_UNIT)
    header.set_dim_info(slice=layout.order.source.index(0))
    header["descrip"] = f"dicomarray {__version__}".encode()[:79]
    header["vox_offset"] = int(header["sizeof_hdr"]) + 4
    header["magic"] = header.single_magic
    content: bytes = header.binaryblock
    return content + bytes(4)  # no extensions


def _empty_header(shape: Sequence[int], dtype: np.dtype[Any]) -> Any:
    """Of nibabel, with shape and type; little endian."""
    if max(shape) > _MAX_NIFTI1_AXIS:
        header = nibabel("nifti2", "an axis of this length").Nifti2Header(endianness="<")
    else:
        header = nibabel("nifti1", "writing .nii").Nifti1Header(endianness="<")
    header.set_data_dtype(dtype)
    header.set_data_shape(tuple(shape))
    return header


class TooWideError(Exception):
    """Values that do not fit into int16; the file has to be made anew in their own type."""


class NiftiFile(ImagesFile):
    """A ``.nii`` file that takes images (rows, columns), in any order, and holds them as ``dtype``."""

    def __init__(self, path: Path, header: bytes, image_bytes: int, dtype: np.dtype[Any]) -> None:
        super().__init__(path, header, image_bytes)
        self._dtype = dtype

    def write(self, index: int, images: Array) -> None:
        """Write the ``index``-th image and those that follow it; OutputError where the disk is full."""
        super().write(index, np.ascontiguousarray(_stored(images, self._dtype)))


class PackedNiftiFile:
    """A ``.nii.gz`` file that takes images (rows, columns); those that come too early wait for the others."""

    def __init__(self, path: Path, header: bytes, dtype: np.dtype[Any]) -> None:
        self._path, self._dtype = path, dtype
        self._lock, self._waiting, self._next = Lock(), dict[int, Array](), 0
        with written(path):
            self._plain = path.open("wb")
            # without name and time, so that the same voxels make the same file
            self._stream = gzip.GzipFile("", "wb", GZIP_LEVEL, self._plain, mtime=0)
            self._stream.write(header)

    def write(self, index: int, images: Array) -> None:
        """Write the ``index``-th image and those that follow it; OutputError where the disk is full."""
        stored = _stored(images, self._dtype).copy()
        with self._lock, written(self._path):
            self._waiting[index] = stored
            while (following := self._waiting.pop(self._next, None)) is not None:
                self._stream.write(following.data.cast("B"))
                self._next += len(following)

    def close(self) -> None:
        """Close the file."""
        with written(self._path):
            try:
                self._stream.close()
            finally:
                self._plain.close()


def _stored(images: Array, dtype: np.dtype[Any]) -> Array:
    """Little endian, rows from below; TooWideError where a value is none of int16 that is to be one."""
    if dtype == NARROW and images.dtype != NARROW and not fits(images):
        raise TooWideError
    return images[:, ::-1].astype(dtype.newbyteorder("<"), copy=False)


def may_be_narrow(dtype: np.dtype[Any]) -> bool:
    """Whether values of a type are stored as int16, which every program reads, where they all fit into it."""
    return dtype.kind in "iu" and dtype.itemsize > 1 and dtype != NARROW


def fits(array: Array) -> bool:
    """Whether all values are such of int16."""
    limits = np.iinfo(NARROW)
    return array.size == 0 or bool(array.min() >= limits.min and array.max() <= limits.max)


def open_nifti(
    path: Path, header: bytes, image_bytes: int, dtype: np.dtype[Any], packed: bool
) -> NiftiFile | PackedNiftiFile:
    """A file for images of so many bytes."""
    return PackedNiftiFile(path, header, dtype) if packed else NiftiFile(path, header, image_bytes, dtype)


def write_array(path: Path, array: Array, layout: Layout, colour: bool, packed: bool, seconds: float) -> None:
    """A whole array, ([repetitions,] slices, rows, columns[, samples]).

    Raises OutputError where the file cannot be written: the disk is full.
    """
    if may_be_narrow(array.dtype) and fits(array):
        array = array.astype(NARROW)
    shape = array.shape[:-1] if colour else array.shape
    header = header_of(layout, shape, array.dtype, colour, seconds)
    turned = layout.order.turn(np.moveaxis(array, -1, 0) if colour else array)  # (..., i, j, k)
    in_file = turned.swapaxes(-1, -3)  # ([samples,] [repetitions,] k, j, i)
    in_file = np.moveaxis(in_file, 0, -1) if colour else in_file
    images = in_file.shape[: len(shape) - 2]
    file = open_nifti(path, header, array.nbytes // math.prod(images), array.dtype, packed)
    try:
        for index, place in enumerate(np.ndindex(*images)):
            file.write(index, in_file[place][None, ::-1])  # which stores rows from below
    finally:
        file.close()
