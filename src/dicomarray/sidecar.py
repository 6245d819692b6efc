"""The JSON sidecar: what an array's numbers mean, and where its voxels lie.

`describe` makes it, `read` takes it in again and checks it.  The keys are fixed: scripts rely on them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dicomarray.errors import InputError, UsageError
from dicomarray.geometry import StackGeometry
from dicomarray.values import Array, Normalization, Rescale

FORMAT = "dicomarray/1"
# A sidecar of a series with 100,000 slices is about 50 MB; more than this is some other file.
LARGEST_BYTES = 1 << 30


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
    warnings: tuple[str, ...]

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
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise InputError(f"{path} is larger than any sidecar ({LARGEST_BYTES} bytes)")
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON in UTF-8: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f'{path} is no dicomarray sidecar: its "format" is not "{FORMAT}"')
    try:
        return parse(content)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, UsageError) as error:
        raise InputError(f"{path} is damaged: {type(error).__name__} {error}") from error


def parse(content: Mapping[str, Any]) -> Sidecar:
    """Take in a sidecar's content, as `describe` made it."""
    array, geometry = content["array"], content["geometry"]
    normalization = content["values"]["normalization"]
    return Sidecar(
        shape=tuple(int(n) for n in array["shape"]),
        axes=tuple(str(axis) for axis in array["axes"]),
        units=str(array["units"]),
        geometry=None if geometry is None else _geometry(geometry, array),
        rescales=tuple(
            Rescale(float(item["slope"]), float(item["intercept"])) for item in content["values"]["modality"]
        ),
        normalization=None
        if normalization is None
        else Normalization(
            float(normalization["lower"]),
            float(normalization["upper"]),
            bool(normalization["clip"]),
            str(content["values"]["units"]),
        ),
        coordinates={key: _frozen(values) for key, values in array.get("coordinates", {}).items()},
        series={key: _frozen(value) for key, value in content["series"].items()},
        slices=tuple({key: _frozen(value) for key, value in record.items()} for record in content["slices"]),
        warnings=tuple(str(warning) for warning in content["warnings"]),
    )


def _geometry(content: Mapping[str, Any], array: Mapping[str, Any]) -> StackGeometry:
    affine = np.array(content["affine"], float).reshape(4, 4)
    positions = np.array(content["slice_positions_mm"], float).reshape(-1, 3)
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    regular = np.linalg.matrix_rank(affine) == len(affine) if np.isfinite(affine).all() else False
    if not (regular and np.isfinite(positions).all()):
        raise ValueError("the affine or the slice positions are no geometry")
    slices = array["shape"][array["axes"].index("slice")]
    if len(positions) != slices:
        raise ValueError(f"{len(positions)} slice positions for {slices} slices")
    return StackGeometry(
        row_direction=affine[:3, 2] / lengths[2],
        column_direction=affine[:3, 1] / lengths[1],
        pixel_spacing=(float(lengths[1]), float(lengths[2])),
        slice_positions=positions,
        thickness=float(lengths[0]),
        frame_of_reference_uid=content.get("frame_of_reference_uid"),
    )


def _frozen(value: Any) -> Any:
    """JSON's value as a header has it: several values are a tuple."""
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    return {key: _frozen(item) for key, item in value.items()} if isinstance(value, dict) else value


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
