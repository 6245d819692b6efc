"""Volumes as xarray's labelled arrays, and back."""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Any

import numpy as np

from dicomarray.core.optional_packages import package
from dicomarray.errors import UsageError
from dicomarray.formats import sidecar
from dicomarray.volume import Volume

# The attribute with the sidecar, as text: netCDF and Zarr keep no nested attributes.
METADATA = "dicomarray"


def to_dataarray(volume: Volume) -> Any:
    """An `xarray.DataArray` of the same array: no axis is turned, its dims are `Volume.axes`.

    ``slice``, ``row`` and ``column`` are coordinates in mm from the first voxel, along the normal of the
    slices, along columns and along rows: evenly spaced or not; without a place in the patient there are
    none.  A repetition axis has its step's values by DICOM keyword (``DiffusionBValue``).  Attributes:
    ``units``, ``affine`` (the 16 numbers of `Volume.affine`, row by row) and ``dicomarray``, the sidecar.

    Raises
    ------
    UsageError
        Where xarray is not installed.
    """
    xarray = package("xarray", "xarray")
    attributes: dict[str, Any] = {"units": volume.units, METADATA: json.dumps(volume.metadata)}
    if volume.affine is not None:
        attributes["affine"] = volume.affine.ravel().tolist()
    return xarray.DataArray(volume.array, coords=_coordinates(volume), dims=volume.axes, attrs=attributes)


def from_dataarray(array: Any) -> Volume:
    """The `Volume` that `to_dataarray` was given, with the values that the array has now.

    Raises
    ------
    UsageError
        Where it is not from `to_dataarray`, or lies elsewhere by now: cropped, turned or resampled.
    """
    text = array.attrs.get(METADATA)
    if text is None:
        raise UsageError(
            f"the DataArray has no attribute {METADATA!r}: use Volume.from_array(array.values, affine)"
        )
    info = sidecar.from_json(json.loads(text))
    values = array.transpose(*info.axes).values if set(array.dims) == set(info.axes) else array.values
    if values.shape != info.shape:
        raise _moved(f"it has shape {values.shape}, and its metadata is of {info.shape}")
    volume = Volume(np.asarray(values), info)
    for name, (_, wanted) in _coordinates(volume).items():
        if name in info.axes and name in array.coords and not np.allclose(array[name].values, wanted):
            raise _moved(f"its coordinate {name} is another one")
    return volume


def _moved(what: str) -> UsageError:
    return UsageError(
        f"the DataArray does not lie where it was: {what}; use volume.on_grid(array.values, affine)"
    )


def _coordinates(volume: Volume) -> dict[Hashable, tuple[str, Any]]:
    """By name, the axis and the values along it."""
    found: dict[Hashable, tuple[str, Any]] = {}
    geometry, first = volume.geometry, volume.info.slice_axis
    if geometry is not None:
        rows, columns = volume.array.shape[first + 1 : first + 3]
        found["slice"] = "slice", geometry.distances - geometry.distances[0]
        found["row"] = "row", np.arange(rows) * geometry.pixel_spacing[0]
        found["column"] = "column", np.arange(columns) * geometry.pixel_spacing[1]
    if first:
        for keyword, steps in volume.coordinates.items():
            if all(isinstance(step, str | int | float) for step in steps):
                found[keyword] = volume.axes[0], np.array(steps)
    return found
