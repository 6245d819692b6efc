"""The header of a NIfTI file that is written: version 1, or 2 where an axis is too long for it.

nibabel makes the same bytes; to import it takes longer than to read and write a CT.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dicomarray.core.geometry import Matrix
from dicomarray.core.pixel_values import Array
from dicomarray.errors import UsageError
from dicomarray.formats.nifti import RGB

# Where an axis is longer, NIfTI-1 has no number for it.
_MAX_NIFTI1_AXIS = 32767
_SCANNER = 1  # the code of coordinates of the scanner
_MM, _SECONDS = 2, 8  # codes of units
_DESCRIPTION_BYTES = 79
# Codes of types (nifti1.h).
_TYPES = {
    "u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768, "i8": 1024, "u8": 1280
}  # fmt: skip
_TYPE_OF_RGB = 128
_FORMS = ("srow_x", "srow_y", "srow_z")
# So many roundings of the other parts of a quaternion, and the one that is not stored is 0.
_ROUNDINGS = 3


def _fields(whole: str, number: str) -> list[tuple[str, str, int]]:
    """The fields from quaternion to affine, which both versions have in this order."""
    places = [(f"{word}_code", whole, 1) for word in ("qform", "sform")]
    places += [(f"quatern_{axis}", number, 1) for axis in "bcd"]
    places += [(f"qoffset_{axis}", number, 1) for axis in "xyz"]
    return places + [(row, number, 4) for row in _FORMS]


_NIFTI1 = [
    ("sizeof_hdr", "<i4", 1), ("unused", "S35", 1), ("dim_info", "u1", 1), ("dim", "<i2", 8),
    ("intent_p", "<f4", 3), ("intent_code", "<i2", 1), ("datatype", "<i2", 1), ("bitpix", "<i2", 1),
    ("slice_start", "<i2", 1), ("pixdim", "<f4", 8), ("vox_offset", "<f4", 1), ("scl_slope", "<f4", 1),
    ("scl_inter", "<f4", 1), ("slice_end", "<i2", 1), ("slice_code", "u1", 1), ("xyzt_units", "u1", 1),
    ("cal", "<f4", 2), ("slice_duration", "<f4", 1), ("toffset", "<f4", 1), ("unused2", "<i4", 2),
    ("descrip", "S80", 1), ("aux_file", "S24", 1), *_fields("<i2", "<f4"),
    ("intent_name", "S16", 1), ("magic", "S4", 1),
]  # fmt: skip
_NIFTI2 = [
    ("sizeof_hdr", "<i4", 1), ("magic", "S8", 1), ("datatype", "<i2", 1), ("bitpix", "<i2", 1),
    ("dim", "<i8", 8), ("intent_p", "<f8", 3), ("pixdim", "<f8", 8), ("vox_offset", "<i8", 1),
    ("scl_slope", "<f8", 1), ("scl_inter", "<f8", 1), ("cal", "<f8", 2), ("slice_duration", "<f8", 1),
    ("toffset", "<f8", 1), ("slice_start", "<i8", 1), ("slice_end", "<i8", 1), ("descrip", "S80", 1),
    ("aux_file", "S24", 1), *_fields("<i4", "<f8"), ("slice_code", "<i4", 1), ("xyzt_units", "<i4", 1),
    ("intent_code", "<i4", 1), ("intent_name", "S16", 1), ("dim_info", "u1", 1), ("unused", "S15", 1),
]  # fmt: skip


def _layout(fields: Sequence[tuple[str, str, int]]) -> np.dtype[Any]:
    return np.dtype([(name, kind) if count == 1 else (name, kind, (count,)) for name, kind, count in fields])


_VERSIONS = {
    1: (_layout(_NIFTI1), b"n+1\0"),
    2: (_layout(_NIFTI2), b"n+2\0\r\n\032\n"),
}


@dataclass(frozen=True, eq=False)
class Quaternion:
    """A rotation as a header stores it: (b, c, d), whether the third axis is turned, and steps in mm."""

    parts: Array
    factor: int
    steps: Array
    offset: Array

    @classmethod
    def of(cls, affine: Matrix) -> Quaternion:
        """The nearest one to an affine to RAS mm."""
        columns = np.asarray(affine, float)[:3, :3]
        steps = np.sqrt(np.sum(columns * columns, axis=0))
        rotation = columns / steps
        factor = 1 if np.linalg.det(rotation) > 0 else -1
        rotation[:, -1] *= factor
        left, _, right = np.linalg.svd(rotation)
        return cls(_parts_of(left @ right), factor, steps, np.asarray(affine, float)[:3, 3])

    def affine(self, number: np.dtype[Any]) -> Matrix:
        """What a reader makes of it where its numbers are of a type."""
        b, c, d = (float(part) for part in self.parts.astype(number))
        square = 1.0 - (b * b + c * c + d * d)
        a = 0.0 if square < _ROUNDINGS * float(np.finfo(number).eps) else math.sqrt(square)
        scale = 2.0 / (a * a + b * b + c * c + d * d)
        rotation = np.array([
            [1 - scale * (c * c + d * d), scale * (b * c - a * d), scale * (b * d + a * c)],
            [scale * (b * c + a * d), 1 - scale * (b * b + d * d), scale * (c * d - a * b)],
            [scale * (b * d - a * c), scale * (c * d + a * b), 1 - scale * (b * b + c * c)],
        ])  # fmt: skip
        steps = self.steps.astype(number).astype(float)
        steps[-1] *= self.factor
        found = np.eye(4)
        found[:3, :3], found[:3, 3] = rotation * steps, self.offset.astype(number)
        return found


def _parts_of(rotation: Array) -> Array:
    """(b, c, d) of the quaternion of a rotation: an eigenvector of a matrix of its elements (Bar-Itzhack)."""
    (xx, yx, zx), (xy, yy, zy), (xz, yz, zz) = rotation
    lower = [
        [xx - yy - zz, 0, 0, 0],
        [yx + xy, yy - xx - zz, 0, 0],
        [zx + xz, zy + yz, zz - xx - yy, 0],
        [yz - zy, zx - xz, xy - yx, xx + yy + zz],
    ]
    values, vectors = np.linalg.eigh(np.array(lower) / 3.0)
    found = vectors[:, np.argmax(values)]
    return np.asarray(-found[:3] if found[3] < 0 else found[:3])


def version_for(shape: Sequence[int]) -> int:
    """1, or 2 for axes that are too long for it."""
    return 2 if max(shape) > _MAX_NIFTI1_AXIS else 1


def number_type(shape: Sequence[int]) -> np.dtype[Any]:
    """In which a header for this shape has its numbers."""
    return np.dtype("<f8" if version_for(shape) == 2 else "<f4")


def header_bytes(
    shape: Sequence[int],
    dtype: np.dtype[Any],
    affine: Matrix | None,
    quaternion: bool,
    steps: Sequence[float],
    slice_axis: int,
    description: str,
) -> bytes:
    """All that stands before the voxels, little endian.

    Parameters
    ----------
    affine
        From (i, j, k) to RAS mm; None without a place.
    quaternion
        Whether it is said as one too.
    steps
        mm along (i, j, k), and seconds along what follows.

    Raises
    ------
    UsageError
        For values of a type that NIfTI does not have.
    """
    kind, magic = _VERSIONS[version_for(shape)]
    header = np.zeros((), kind)
    header["sizeof_hdr"], header["magic"], header["vox_offset"] = kind.itemsize, magic, kind.itemsize + 4
    header["datatype"], header["bitpix"] = _type_code(dtype), dtype.itemsize * 8
    header["dim"], header["pixdim"] = 1, 1
    header["dim"][: len(shape) + 1] = (len(shape), *shape)
    header["scl_slope"], header["xyzt_units"] = 1, _MM + _SECONDS
    header["dim_info"] = (slice_axis + 1) << 4
    header["descrip"] = description.encode()[:_DESCRIPTION_BYTES]
    if affine is not None:
        _place(header, affine, quaternion)
    header["pixdim"][1 : len(steps) + 1] = steps
    return header.tobytes() + bytes(4)  # no extensions


def _type_code(dtype: np.dtype[Any]) -> int:
    if dtype == RGB:
        return _TYPE_OF_RGB
    code = _TYPES.get(f"{dtype.kind}{dtype.itemsize}")
    if code is None:
        raise UsageError(f"NIfTI has no values of {dtype}; write integers, float32 or float64")
    return code


def _place(header: Array, affine: Matrix, quaternion: bool) -> None:
    if quaternion:
        said = Quaternion.of(affine)
        header["qform_code"], header["pixdim"][0] = _SCANNER, said.factor
        for axis, part in zip("bcd", said.parts, strict=True):
            header[f"quatern_{axis}"] = part
        for axis, value in zip("xyz", said.offset, strict=True):
            header[f"qoffset_{axis}"] = value
    header["sform_code"] = _SCANNER
    for row, values in zip(_FORMS, affine, strict=False):
        header[row] = values
