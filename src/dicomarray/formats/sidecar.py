"""The JSON sidecar: what an array's numbers mean, and where its voxels lie.

`to_json` makes it of a `VolumeInfo`, `from_json` takes it in again and checks it; one undoes the other.  The
keys are fixed: scripts rely on them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dicomarray.core.coded_warnings import CodedWarning
from dicomarray.core.geometry import ROUNDING_MM, StackGeometry
from dicomarray.core.pixel_values import Normalization, Rescale
from dicomarray.core.segments import Segment
from dicomarray.core.volume_info import VolumeInfo
from dicomarray.errors import InputError, UsageError
from dicomarray.formats import dcmqi_metadata
from dicomarray.storage.json_files import read_json
from dicomarray.storage.plain_files import open_plain

Kind = TypeVar("Kind")
FORMAT = "dicomarray/1"
# A sidecar of a series with 100,000 slices is about 50 MB; more than this is some other file.
LARGEST_BYTES = 1 << 30
# What stands before the records of slices, and before no other value: no text in JSON has a line's end.
_SLICES = '\n "slices": ['
_SLICES_AT_ONCE = 256
# Of an array: an index has 63 bits.
_MAX_VOXELS = 1 << 62
# The types of arrays of numbers, by name.
_TYPES = {np.dtype(code).name: np.dtype(code) for code in np.typecodes["All"] if code not in "OSUVMm"}
# What content leads to that `to_json` did not make.
_DAMAGE = (
    KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, UsageError,
)  # fmt: skip


def to_json(info: VolumeInfo) -> dict[str, Any]:
    """The sidecar as a dict of plain JSON values."""
    normalization = info.normalization
    once = info.rescales[:1] if len(set(info.rescales)) == 1 else info.rescales
    segments = {"segments": [segment.to_json() for segment in info.segments]} if info.segments else {}
    return {
        "format": FORMAT,
        "array": {
            "shape": list(info.shape),
            "dtype": info.dtype.name,
            "axes": list(info.axes),
            "units": info.units,
            "coordinates": _plain(info.coordinates),
        },
        "geometry": None if info.geometry is None else _geometry_to_json(info.geometry),
        "values": {
            "modality": [{"slope": r.slope, "intercept": r.intercept} for r in once],
            "normalization": None
            if normalization is None
            else {"lower": normalization.lower, "upper": normalization.upper, "clip": normalization.clip},
            "units": info.value_units,
        },
        "series": _plain(info.series),
        "slices": _plain(list(info.slices)),
        "warnings": list(info.warnings),
        **segments,
    }


def _geometry_to_json(geometry: StackGeometry) -> dict[str, Any]:
    return {
        "affine": geometry.affine.tolist(),
        "spacing_mm": list(geometry.spacing),
        "origin_mm": geometry.slice_positions[0].tolist(),
        "direction": geometry.direction.tolist(),
        "slice_positions_mm": geometry.slice_positions.tolist(),
        "uniform": geometry.uniform,
        "gantry_tilt_deg": geometry.tilt_degrees,
        "frame_of_reference_uid": geometry.frame_of_reference_uid,
    }


def write(path: Path, info: VolumeInfo) -> None:
    """UTF-8 JSON; numbers that JSON does not know (NaN) are an error, not invalid JSON.

    The slices, which may be many thousands, are made and written some at a time.
    """
    encoder = json.JSONEncoder(ensure_ascii=False, indent=1, allow_nan=False)
    before, key, after = encoder.encode(to_json(replace(info, slices=()))).partition(_SLICES)
    with path.open("w", encoding="utf-8") as stream:
        stream.write(before + key)
        for start in range(0, len(info.slices), _SLICES_AT_ONCE):
            records = info.slices[start : start + _SLICES_AT_ONCE]
            lines = encoder.encode(_plain(records)).removeprefix("[").removesuffix("\n]")
            stream.write(("," if start else "") + lines.replace("\n", "\n "))
        stream.write(("\n " if info.slices else "") + after + "\n")


def read(path: Path) -> VolumeInfo:
    """Read a sidecar and check it.

    Raises InputError where the file is no sidecar of this format; the message names the key.
    """
    content = read_json(path, LARGEST_BYTES, "sidecar")
    if isinstance(content, Mapping) and content.get("node_type") == "array":
        content = content.get("attributes")  # of a Zarr array
    try:
        return from_json(content)
    except InputError as error:
        raise InputError(f"{path} is {error}") from error


def is_sidecar(path: Path) -> bool:
    """Whether a file that is there is a sidecar of ours, sound or damaged."""
    start = f'"format": "{FORMAT}"'.encode()
    if not path.is_file():
        return False
    with open_plain(path) as stream:
        return start in stream.read(1024)


def from_json(content: Any) -> VolumeInfo:
    """What `to_json` was given; InputError, which names the key, where ``content`` is something else."""
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        others = isinstance(content, Mapping) and dcmqi_metadata.KEY in content
        hint = (
            "; it is dcmqi's list of segments: give it as segments (segments=, --segments)" if others else ""
        )
        raise InputError(f'no dicomarray sidecar: its "format" is not "{FORMAT}"{hint}')
    try:
        return _checked(content)
    except _DAMAGE as error:
        raise InputError(f"damaged: {type(error).__name__} {error!s:.300}") from error


def _checked(content: Mapping[str, Any]) -> VolumeInfo:
    array, values, geometry = content["array"], content["values"], content["geometry"]
    return VolumeInfo(
        shape=_shape(array["shape"]),
        dtype=_TYPES[array["dtype"]],
        axes=tuple(_as(str, axis, "an axis") for axis in _as(list, array["axes"], "axes")),
        units=_as(str, array["units"], "units"),
        geometry=None if geometry is None else _geometry(_as(dict, geometry, "geometry")),
        rescales=tuple(_rescale(item) for item in _as(list, values["modality"], "modality")),
        normalization=_normalization(_as(dict, values, "values")),
        coordinates={
            key: _frozen(_as(list, steps, key))
            for key, steps in _as(dict, array.get("coordinates", {}), "coordinates").items()
        },
        series=_frozen(_as(dict, content["series"], "series")),
        slices=tuple(_frozen(_as(dict, one, "a slice")) for one in _as(list, content["slices"], "slices")),
        warnings=tuple(
            CodedWarning(_as(str, one, "a warning")) for one in _as(list, content["warnings"], "warnings")
        ),
        segments=tuple(
            Segment.from_json(_as(dict, one, "a segment"))
            for one in _as(list, content.get("segments", []), "segments")
        ),
    )


def _shape(content: Any) -> tuple[int, ...]:
    shape = tuple(_as(list, content, "shape"))
    if not shape or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in shape):
        raise ValueError(f"the shape {shape!r:.80} is none")
    if math.prod(shape) >= _MAX_VOXELS:
        raise ValueError(f"the shape {shape!r:.80} has more voxels than there can be")
    return shape


def _rescale(item: Mapping[str, Any]) -> Rescale:
    return Rescale(_finite(item["slope"], "slope"), _finite(item["intercept"], "intercept"))


def _normalization(values: Mapping[str, Any]) -> Normalization | None:
    content = values["normalization"]
    if content is None:
        return None
    lower, upper = _finite(content["lower"], "lower"), _finite(content["upper"], "upper")
    return Normalization(lower, upper, bool(content["clip"]), _as(str, values["units"], "units"))


def _finite(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r:.80}, and no finite number")
    return float(value)


def _as(kind: type[Kind], value: Any, name: str) -> Kind:
    if not isinstance(value, kind):
        raise TypeError(f"{name} is {type(value).__name__}, and no {kind.__name__}")
    return value


def _geometry(content: Mapping[str, Any]) -> StackGeometry:
    """Of the affine and the positions of slices; the other keys say the same in other words."""
    uid = content.get("frame_of_reference_uid")
    geometry = StackGeometry.from_affine(
        content["affine"],
        np.array(content["slice_positions_mm"], float).reshape(-1, 3),
        None if uid is None else _as(str, uid, "frame_of_reference_uid"),
    )
    tilt = content.get("gantry_tilt_deg")
    if isinstance(tilt, float) and abs(tilt - geometry.tilt_degrees) <= ROUNDING_MM:
        vars(geometry)["tilt_degrees"] = tilt  # the same, to the last digit
    return geometry


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
