"""NIfTI files (``.nii``, ``.nii.gz``): an array that its affine places, in any order and direction of axes.

NIfTI counts in RAS (right to left, back to front, feet to head); here everything is LPS and
``(slice, row, column)``.  nibabel understands the headers; the numbers are read here, after the header was
held against the size of the file.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from dicomarray.core.axis_order import AxisOrder, order_alone, order_like, snapped
from dicomarray.core.geometry import FARTHEST_MM, Matrix, StackGeometry, affines_apart, checked_affine
from dicomarray.core.optional_packages import package
from dicomarray.core.pixel_values import Array
from dicomarray.core.volume_info import PLACED, VolumeInfo
from dicomarray.errors import GeometryError, InputError, UsageError
from dicomarray.formats import sidecar
from dicomarray.storage.plain_files import open_plain

SUFFIXES = (".nii", ".nii.gz")
# Of a file in two parts, which is known by name so that the error can say what it is.
_IN_TWO_PARTS = (".hdr", ".hdr.gz", ".img", ".img.gz")
TIME = "time"
# RAS to LPS, and back.
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# Greatest distance, in mm, of a voxel by sform and by qform: a quaternion of float32 leaves less, ...
FORMS_AGREE_MM = 0.1
# ... and voxels may be small: part of one.
FORMS_AGREE_RELATIVE = 0.25
# zlib makes one byte of at most 1032; a header that claims more of its .gz is none.
_MAX_DEFLATE_RATIO = 1032
_CHUNK_BYTES, _REST_BYTES = 1 << 24, 1 << 16
_GZIP = b"\x1f\x8b"
# The first bytes of the two versions: how long the header is, and its class in nibabel.
_HEADERS = {348: "Nifti1Header", 540: "Nifti2Header"}
_MAGIC = {348: (344, b"n+1\0"), 540: (4, b"n+2\0\r\n\032\n")}
# What a unit of length is in mm, by its code; 0 is unknown, which everybody takes for mm.
_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
# Three samples a voxel.
RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


def is_nifti(path: str | os.PathLike[str]) -> bool:
    """Whether a path is named as a NIfTI file, in two parts too, which are not read."""
    return os.fspath(path).lower().endswith((*SUFFIXES, *_IN_TWO_PARTS))


def path_beside(path: Path, suffix: str) -> Path:
    """The path of a file beside an image: ``ct.json`` of ``ct.nii.gz``."""
    end = next(end for end in reversed(SUFFIXES) if path.name.lower().endswith(end))
    return path.with_name(path.name[: -len(end)] + suffix)


def nibabel(module: str, purpose: object) -> Any:
    """A module of nibabel, imported when it is needed; UsageError where it is not installed."""
    return package(f"nibabel.{module}", "nifti", f"{purpose}: NIfTI needs the package nibabel")


def load(path: Path, sidecar_json: Path | None = None, *, beside: bool = True) -> tuple[Array, VolumeInfo]:
    """An array with axes (slice, row, column), a time axis first, and what is known of it.

    Parameters
    ----------
    sidecar_json
        A sidecar of ours, which says more, and which axis is which; by default the one ``beside`` the file,
        if that is one (other programs write JSON of their own there).

    Raises InputError where the file is none, damaged, cut short, or claims more than it can hold, and where
    array and sidecar do not belong together; GeometryError where it says no place for its voxels, or two of
    them that differ; UsageError where nibabel is not installed.
    """
    stored, affine, slice_axis = _read(path)
    info = sidecar.read(sidecar_json) if sidecar_json is not None else _beside(path) if beside else None
    if info is None or info.geometry is None:
        order = order_alone(affine, slice_axis)
    else:
        order = order_like(affine, info.geometry)
    array, known = _on_axes(stored, affine, order)
    if info is None:
        return array, known
    if array.shape != info.shape:
        raise InputError(
            f"{path} has shape {array.shape} as (slice, row, column), its sidecar says {info.shape}"
        )
    assert known.geometry is not None  # of a file always
    if info.geometry is not None:
        near = snapped(known.geometry, array.shape[known.slice_axis :], info.geometry)
        if not np.array_equal(near.slice_positions, info.geometry.slice_positions):
            raise InputError(
                f"{path} and its sidecar place the voxels elsewhere: they do not belong together"
            )
    return array, replace(info, dtype=array.dtype)


def _beside(path: Path) -> VolumeInfo | None:
    """The sidecar beside a file; None where there is none, or another program's."""
    found = path_beside(path, ".json")
    if not found.is_file():
        return None
    try:
        with open_plain(found) as stream:
            content = json.loads(stream.read(sidecar.LARGEST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    ours = isinstance(content, Mapping) and str(content.get("format", "")).startswith("dicomarray/")
    return sidecar.read(found) if ours else None


def _read(path: Path) -> tuple[Array, Matrix, int | None]:
    """What a file holds, with its axes as stored.

    That is the array, (i, j, k), before them a time axis where there is one, scaled; 4x4 from (i, j, k) to
    LPS mm; and which of these axes the header says to be that of slices, None where it does not.
    """
    with _opened(path) as stream:
        header = _header(path, stream)
        shape, dtype = _shape(path, header), _dtype(path, header)
        affine = _affine(path, header, shape)
        stored = _stored(path, stream, header, shape, dtype)
    slices = header.get_dim_info()[2]
    return _scaled(path, stored, header), affine, slices if slices in (0, 1, 2) else None


def _on_axes(array: Array, affine: Matrix, order: AxisOrder) -> tuple[Array, VolumeInfo]:
    """The array as (slice, row, column), with a time axis first where there is one, and its place."""
    colour, affine = array.dtype == RGB, order.turn_affine(affine, array.shape[-3:])
    array = np.ascontiguousarray(order.turn(array))
    axes = (TIME,) * (array.ndim - 3) + PLACED
    if colour:
        array, axes = array.view(np.uint8).reshape(*array.shape, 3), (*axes, "sample")
    placed = StackGeometry.from_affine(affine, array.shape[axes.index("slice")])
    return array, VolumeInfo(array.shape, array.dtype, axes, geometry=placed)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The content of a file, unpacked where it is a .gz; damage of it becomes an InputError."""
    try:
        with open_plain(path) as plain:
            packed = plain.read(2) == _GZIP
            plain.seek(0)
            with gzip.GzipFile(fileobj=plain) if packed else nullcontext(plain) as stream:
                yield cast(BinaryIO, stream)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error!s:.200}") from error
    except (EOFError, zlib.error) as error:
        raise InputError(f"{path} is damaged or cut short: {error!s:.200}") from error


def _header(path: Path, stream: BinaryIO) -> Any:
    start = stream.read(4)
    size = next((n for n in _HEADERS for order in ("little", "big") if start == n.to_bytes(4, order)), 0)
    block = start + stream.read(size - 4) if size else b""
    at, magic = _MAGIC.get(size, (0, b"?"))
    if len(block) != size or block[at : at + len(magic)] != magic:
        raise InputError(f"{path} is no NIfTI file in one piece; write its image as one (.nii, .nii.gz)")
    made = getattr(nibabel("nifti1" if size == 348 else "nifti2", path), _HEADERS[size])
    return _asked(path, lambda: made(block, check=False))


def _asked(path: Path, question: Callable[[], Any]) -> Any:
    """What nibabel says of a header, or what it objects to."""
    from nibabel.spatialimages import HeaderDataError

    try:
        with np.errstate(all="ignore"):
            return question()
    except (HeaderDataError, ValueError, KeyError, OverflowError, np.linalg.LinAlgError) as error:
        raise InputError(f"{path}: its NIfTI header is damaged: {error!s:.200}") from error


def _shape(path: Path, header: Any) -> tuple[int, ...]:
    """(i, j, k) or (i, j, k, time); axes of length 1 beyond are left out."""
    sizes = [int(n) for n in header["dim"]]
    axes = sizes[0]
    shape = sizes[1 : axes + 1]
    if not 1 <= axes <= 7 or any(n < 1 for n in shape):
        raise InputError(f"{path}: dim {sizes} says no shape")
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    if len(shape) > 4:
        raise InputError(
            f"{path} has the shape {tuple(shape)}; three axes, and a fourth of time, are read: write its "
            "parts into files of their own"
        )
    return (*shape, *(1,) * (3 - len(shape)))


def _dtype(path: Path, header: Any) -> np.dtype[Any]:
    dtype = _asked(path, header.get_data_dtype)
    if dtype == RGB or (dtype.kind in "iuf" and dtype.itemsize <= 8):
        return cast("np.dtype[Any]", dtype)
    raise InputError(f"{path} holds {dtype}; whole numbers, float32, float64 and RGB are read")


def _affine(path: Path, header: Any, shape: tuple[int, ...]) -> Matrix:
    """4x4 from (i, j, k) to LPS mm, of the sform, else of the qform."""
    forms = {}
    if int(header["sform_code"]) > 0:
        forms["sform"] = _asked(path, header.get_sform)
    if int(header["qform_code"]) > 0:
        forms["qform"] = _asked(path, lambda: _qform(header))
    if not forms:
        raise GeometryError(
            f"{path}: sform_code and qform_code are 0: nothing says where its voxels lie. Set the affine of "
            "the image that it was made of"
        )
    unit = _MM.get(int(header["xyzt_units"]) & 7, 1.0)
    scale = RAS_TO_LPS @ np.diag([unit, unit, unit, 1.0])
    affines = {}
    for name, form in forms.items():
        if not (np.abs(form) <= FARTHEST_MM).all():
            raise InputError(
                f"{path}: its {name} is no place within {FARTHEST_MM:g} mm: {form.tolist()!r:.200}"
            )
        try:
            affines[name] = checked_affine(scale @ np.asarray(form, float))
        except UsageError as error:
            raise InputError(f"{path}: its {name} is no {error}") from error
    if len(affines) == 2:
        _check_forms(path, affines["sform"], affines["qform"], shape)
    return next(iter(affines.values()))


def _qform(header: Any) -> Matrix:
    """The affine of the quaternion; sizes that are negative, and a qfac that is none, are read as usual.

    The standard takes a qfac (pixdim[0]) of 0 for 1, and so does nibabel with any other but -1.
    """
    usual = header.copy()
    usual["pixdim"][1:4] = np.abs(usual["pixdim"][1:4])
    if float(usual["pixdim"][0]) != -1:
        usual["pixdim"][0] = 1
    affine: Matrix = usual.get_qform()
    return affine


def _check_forms(path: Path, sform: Matrix, qform: Matrix, shape: tuple[int, ...]) -> None:
    apart = affines_apart(sform, qform, shape[:3])
    smallest = float(np.linalg.norm(sform[:3, :3], axis=0).min())
    if apart > min(FORMS_AGREE_MM, FORMS_AGREE_RELATIVE * smallest):
        raise GeometryError(
            f"{path}: sform and qform place voxels up to {apart:.2f} mm apart, and nothing says which "
            "is meant: set both to the affine of the image it was made of, or the code of the wrong one to 0"
        )


def _stored(path: Path, stream: BinaryIO, header: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """The numbers as stored, (time, i, j, k) or (i, j, k); no more memory is taken than the file can fill."""
    offset = float(header["vox_offset"])
    start = int(header["sizeof_hdr"]) + 4
    needed = math.prod(shape) * dtype.itemsize
    size = os.fstat(stream.fileno()).st_size  # of the .gz itself, where it is one
    packed = isinstance(cast(object, stream), gzip.GzipFile)
    possible = size * (_MAX_DEFLATE_RATIO if packed else 1)
    if not (start <= offset <= possible) or offset != int(offset):
        raise InputError(f"{path}: vox_offset {offset:g} is no place in the file")
    if offset + needed > possible:
        raise InputError(
            f"{path} is cut short or damaged: its header claims {needed} bytes of {shape} {dtype}, and the "
            f"file has {size}"
        )
    stream.seek(int(offset))
    try:
        content = np.empty(needed, np.uint8)
    except MemoryError as error:
        raise InputError(f"{path} holds an array of {shape}, for which there is no memory") from error
    filled = 0
    while filled < needed:
        piece = stream.read(min(_CHUNK_BYTES, needed - filled))
        if not piece:
            raise InputError(f"{path} is cut short: {filled} of {needed} bytes of the array are there")
        content[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
        filled += len(piece)
    rest = _CHUNK_BYTES if packed else 0  # at its end a .gz says whether what came is what was packed
    while rest > 0 and (piece := stream.read(min(_REST_BYTES, rest))):
        rest -= len(piece)
    images = content.view(dtype).reshape(shape, order="F")
    return images if len(shape) == 3 else np.moveaxis(images, 3, 0)


def _scaled(path: Path, stored: Array, header: Any) -> Array:
    """Values, by scl_slope and scl_inter; whole numbers stay what they are where both are whole."""
    stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if stored.dtype == RGB or slope == 0 or math.isnan(slope) or (slope, inter) == (1.0, 0.0):
        return stored
    if not (math.isfinite(slope) and math.isfinite(inter)):
        raise InputError(f"{path}: scl_slope {slope} and scl_inter {inter} are no scale")
    if stored.dtype.kind in "iu" and slope.is_integer() and inter.is_integer():
        limits = [int(stored.min()) * int(slope) + int(inter), int(stored.max()) * int(slope) + int(inter)]
        if min(limits) >= -(2**31) and max(limits) < 2**31:
            dtype = np.int16 if min(limits) >= -(2**15) and max(limits) < 2**15 else np.int32
            return (stored.astype(np.int64) * int(slope) + int(inter)).astype(dtype)
    enough = stored.dtype.itemsize <= 2 or stored.dtype == np.float32
    with np.errstate(over="ignore", invalid="ignore"):
        scaled: Array = stored.astype(np.float64) * slope + inter
        narrow = scaled.astype(np.float32)
    same = enough and np.array_equal(np.isfinite(narrow), np.isfinite(scaled))
    return narrow if same else scaled
