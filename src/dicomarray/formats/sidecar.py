"""The JSON sidecar: what an array's numbers mean, and where its voxels lie.

`describe` makes it, `read` takes it in again and checks it.  The keys are fixed: scripts rely on them.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dicomarray.core.coded_warnings import CodedWarning, Warnings
from dicomarray.core.geometry import FARTHEST_MM, StackGeometry
from dicomarray.core.pixel_values import Array, Normalization, Rescale
from dicomarray.errors import GeometryError, InputError, UsageError

FORMAT = "dicomarray/1"
# A sidecar of a series with 100,000 slices is about 50 MB; more than this is some other file.
LARGEST_BYTES = 1 << 30
# Of an array: an index has 63 bits.
_MOST_VOXELS = 1 << 62
# What content leads to that `describe` did not make.
_DAMAGE = (
    KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, UsageError,
    GeometryError, np.linalg.LinAlgError,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Sidecar:
    """What `read` takes from a sidecar: enough to write the array back."""

    shape: tuple[int, ...]
    axes: tuple[str, ...]
    units: str
    geometry: StackGeometry | None
    rescales: tuple[Rescale, ...]
    normalization: Normalization | None
    coordinates: Mapping[str, Sequence[Any]]
    series: Mapping[str, Any]
    slices: tuple[Mapping[str, Any], ...]
    warnings: Warnings

    @property
    def value_units(self) -> str:
        """The units of the values once a normalization is undone."""
        return self.units if self.normalization is None else self.normalization.units


def describe(  # noqa: PLR0913 - one keyword for each key of the sidecar
    *,
    array: Array,
    axes: Sequence[str],
    units: str,
    geometry: StackGeometry | None,
    rescales: Sequence[Rescale],
    normalization: Normalization | None,
    coordinates: Mapping[str, Sequence[Any]],
    series: Mapping[str, Any],
    slices: Sequence[Mapping[str, Any]],
    warnings: Sequence[str],
) -> dict[str, Any]:
    """The sidecar as a dict of plain JSON values."""
    once = rescales[:1] if len(set(rescales)) == 1 else rescales
    return {
        "format": FORMAT,
        "array": {
            "shape": list(array.shape),
            "dtype": array.dtype.name,
            "axes": list(axes),
            "units": units,
            "coordinates": {key: _plain(values) for key, values in coordinates.items()},
        },
        "geometry": None if geometry is None else geometry.as_json(),
        "values": {
            "modality": [{"slope": r.slope, "intercept": r.intercept} for r in once],
            "normalization": None
            if normalization is None
            else {"lower": normalization.lower, "upper": normalization.upper, "clip": normalization.clip},
            "units": units if normalization is None else normalization.units,
        },
        "series": {key: _plain(value) for key, value in series.items()},
        "slices": [{key: _plain(value) for key, value in record.items()} for record in slices],
        "warnings": list(warnings),
    }


def write(path: Path, content: Mapping[str, Any]) -> None:
    """UTF-8 JSON; numbers that JSON does not know (NaN) are an error, not invalid JSON."""
    text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def read(path: Path) -> Sidecar:
    """Read a sidecar and check what writing relies on.

    Raises
    ------
    InputError
        Where the file is no sidecar of this format; the message names the key.
    """
    content = _content(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f'{path} is no dicomarray sidecar: its "format" is not "{FORMAT}"')
    try:
        return parse(content)
    except InputError as error:
        raise InputError(f"{path} is {error}") from error


def _content(path: Path) -> Any:
    """What the file says, as JSON."""
    try:
        with open(path, "rb", opener=_opened_at_once) as stream:
            about = os.fstat(stream.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise InputError(f"{path} is no file, but a folder, FIFO or device; name a sidecar")
            if about.st_size > LARGEST_BYTES:
                raise InputError(f"{path} is larger than any sidecar ({LARGEST_BYTES} bytes)")
            text = stream.read(about.st_size)
        return json.loads(text.decode(), parse_constant=_refuse_constant)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{path} is not JSON in UTF-8: {error}") from error


def _opened_at_once(name: str, flags: int) -> int:
    """A FIFO would be waited for."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def _refuse_constant(word: str) -> None:
    raise ValueError(f"it holds {word}, which JSON does not know")


def parse(content: Mapping[str, Any]) -> Sidecar:
    """Take in a sidecar's content, as `describe` made it.

    Raises
    ------
    InputError
        Where it is something else; the message names the key.
    """
    try:
        return _parsed(content)
    except _DAMAGE as error:
        raise InputError(f"damaged: {type(error).__name__} {error!s:.300}") from error


def _parsed(content: Mapping[str, Any]) -> Sidecar:
    array, geometry = content["array"], content["geometry"]
    shape, axes = _shape(array), tuple(_text(axis, "an axis") for axis in _list(array["axes"], "axes"))
    if len(set(axes)) != len(axes) or len(axes) not in (len(shape), len(shape) - 1):  # colour has no axis
        raise ValueError(f"{len(axes)} axes for {len(shape)} dimensions")
    coordinates = _mapping(array.get("coordinates", {}), "coordinates")
    return Sidecar(
        shape=shape,
        axes=axes,
        units=_text(array["units"], "units"),
        geometry=None if geometry is None else _geometry(_mapping(geometry, "geometry"), shape, axes),
        rescales=tuple(_rescale(item) for item in _list(content["values"]["modality"], "modality")),
        normalization=_normalization(_mapping(content["values"], "values")),
        coordinates={key: _frozen(_list(values, key)) for key, values in coordinates.items()},
        series=_frozen(_mapping(content["series"], "series")),
        slices=tuple(_frozen(_mapping(record, "a slice")) for record in _list(content["slices"], "slices")),
        warnings=tuple(
            CodedWarning(_text(warning, "a warning")) for warning in _list(content["warnings"], "warnings")
        ),
    )


def _shape(array: Mapping[str, Any]) -> tuple[int, ...]:
    shape = tuple(_list(array["shape"], "shape"))
    if not shape or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in shape):
        raise ValueError(f"the shape {shape!r:.80} is none")
    if math.prod(shape) >= _MOST_VOXELS:
        raise ValueError(f"the shape {shape!r:.80} has more voxels than there can be")
    return shape


def _rescale(item: Mapping[str, Any]) -> Rescale:
    return Rescale(_finite(item["slope"], "slope"), _finite(item["intercept"], "intercept"))


def _normalization(values: Mapping[str, Any]) -> Normalization | None:
    content = values["normalization"]
    if content is None:
        return None
    lower, upper = _finite(content["lower"], "lower"), _finite(content["upper"], "upper")
    return Normalization(lower, upper, bool(content["clip"]), _text(values["units"], "units"))


def _finite(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r:.80}, and no finite number")
    return float(value)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is {type(value).__name__}, and no text")
    return value


def _list(value: Any, name: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"{name} is {type(value).__name__}, and no list")
    return value


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} is {type(value).__name__}, and no object")
    return value


def _geometry(content: Mapping[str, Any], shape: Sequence[int], axes: Sequence[str]) -> StackGeometry:
    affine = np.array(content["affine"], float).reshape(4, 4)
    positions = np.array(content["slice_positions_mm"], float).reshape(-1, 3)
    sane = all((np.abs(numbers) <= FARTHEST_MM).all() for numbers in (affine, positions))  # not NaN
    if not (sane and np.linalg.matrix_rank(affine) == len(affine)):
        raise ValueError("the affine or the slice positions are no geometry")
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    slices = shape[axes.index("slice")]
    if len(positions) != slices:
        raise ValueError(f"{len(positions)} slice positions for {slices} slices")
    frame_of_reference = content.get("frame_of_reference_uid")
    if frame_of_reference is not None:
        _text(frame_of_reference, "frame_of_reference_uid")
    return StackGeometry(
        row_direction=affine[:3, 2] / lengths[2],
        column_direction=affine[:3, 1] / lengths[1],
        pixel_spacing=(float(lengths[1]), float(lengths[2])),
        slice_positions=positions,
        thickness=float(lengths[0]),
        frame_of_reference_uid=frame_of_reference,
    )


def _frozen(value: Any) -> Any:
    """JSON's value as a header has it: several values are a tuple."""
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    return {key: _frozen(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def _plain(value: Any) -> Any:
    """A header's value as JSON has it: tuples as lists, what JSON has no word for as text."""
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
