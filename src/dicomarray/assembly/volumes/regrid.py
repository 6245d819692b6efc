"""Volumes brought to an even or upright grid, where the options of reading ask for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dicomarray.assembly.options import ReadOptions
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.geometry import StackGeometry, missing_slices
from dicomarray.core.pixel_values import Array, Rescale
from dicomarray.core.volume_info import VolumeInfo
from dicomarray.errors import GeometryError

# Outside of the scan there is air, in HU.
AIR_HU = -1024.0


def regrid(array: Array, info: VolumeInfo, options: ReadOptions) -> tuple[Array, VolumeInfo]:
    """A volume as ``missing``, ``uneven`` and ``tilt`` want it, with what was done to it in its warnings.

    Even spacing comes before the upright grid: the other way round, filled voxels would be mixed into
    their neighbours.

    Raises
    ------
    GeometryError
        Where the slices cannot be resampled; names the series.
    """
    if info.geometry is None:
        return array, info
    try:
        array, info = _even(array, info, info.geometry, options)
        if options.tilt == "upright" and info.geometry is not None and info.geometry.tilt_degrees:
            array, info = _upright(array, info, info.geometry, options)
    except GeometryError as error:
        raise GeometryError(f"series {info.series.get('SeriesInstanceUID')}: {error}") from error
    return array, info


def changes_grid(geometry: StackGeometry | None, options: ReadOptions) -> bool:
    """Whether `regrid` makes other voxels for a volume of this geometry, and needs all of it for that."""
    if geometry is None:
        return False
    is_turned = bool(options.tilt == "upright" and geometry.tilt_degrees)
    return is_turned or _way_to_even(geometry, options) is not None


def _way_to_even(geometry: StackGeometry, options: ReadOptions) -> str | None:
    """``"fill"`` or ``"resample"``, where the slices have gaps or are uneven and the options ask for it."""
    if options.missing not in ("fill", "resample") and options.uneven != "resample":
        return None
    if missing_slices(geometry.distances):
        return options.missing if options.missing in ("fill", "resample") else None
    return "resample" if options.uneven == "resample" and not geometry.uniform else None


def _even(
    array: Array, info: VolumeInfo, geometry: StackGeometry, options: ReadOptions
) -> tuple[Array, VolumeInfo]:
    way = _way_to_even(geometry, options)
    if way == "fill":
        return _filled(array, info, geometry, options)
    if way == "resample":
        from dicomarray.core.resampling import resample_even

        array, even = resample_even(array, geometry, slice_axis=info.slice_axis)
        note = warning(
            f"resampled from {len(geometry.slice_positions)} slices to {len(even.slice_positions)}, "
            f"{even.spacing[0]:.4g} mm apart [resampled]"
        )
        return array, _resampled(info, array.shape, even, note)
    return array, info


def _filled(
    array: Array, info: VolumeInfo, geometry: StackGeometry, options: ReadOptions
) -> tuple[Array, VolumeInfo]:
    from dicomarray.core.resampling import fill_missing

    value = _fill_value(info, options, array.dtype)
    array, whole, filled = fill_missing(array, geometry, value, info.slice_axis)
    count = len(whole.slice_positions)
    made: Mapping[str, Any] = {"SOPInstanceUID": None, "filled": True}
    note = warning(
        f"{len(filled)} missing slices filled with {value:g}: {', '.join(map(str, filled))} [filled-slices]"
    )
    rescales = info.rescales
    return array, replace(
        info.warned(note),
        shape=array.shape,
        geometry=whole,
        slices=tuple(_spread(info.slices, count, filled, made)),
        rescales=rescales if len(rescales) == 1 else tuple(_spread(rescales, count, filled, Rescale())),
    )


def _spread(items: Sequence[Any], count: int, filled: Sequence[int], made: Any) -> list[Any]:
    """Items of each repetition's slices, with ``made`` at the filled ones; ``count`` slices a repetition."""
    at_hand = iter(items)
    repetitions = len(items) // (count - len(filled))
    return [made if index in filled else next(at_hand) for _ in range(repetitions) for index in range(count)]


def _upright(
    array: Array, info: VolumeInfo, geometry: StackGeometry, options: ReadOptions
) -> tuple[Array, VolumeInfo]:
    from dicomarray.core.resampling import upright

    array, grid = upright(array, geometry, _fill_value(info, options, array.dtype), info.slice_axis)
    note = warning(
        f"resampled from a tilt of {geometry.tilt_degrees:.2f} degrees to an upright grid [resampled]"
    )
    return array, _resampled(info, array.shape, grid, note)


def _resampled(
    info: VolumeInfo, shape: tuple[int, ...], geometry: StackGeometry, note: Warnings
) -> VolumeInfo:
    """With values of its own making, a volume has no slices in the files any more."""
    once = info.rescales[:1] if len(set(info.rescales)) == 1 else (Rescale(),)
    return replace(info.warned(note), shape=shape, geometry=geometry, slices=(), rescales=once)


def _fill_value(info: VolumeInfo, options: ReadOptions, dtype: np.dtype[Any]) -> float:
    """What was asked for; else air, or the least HU that the images themselves can have."""
    if options.background is not None:
        return options.background
    if info.units != "HU":
        return 0.0
    return max(AIR_HU, float(np.iinfo(dtype).min)) if dtype.kind in "iu" else AIR_HU
