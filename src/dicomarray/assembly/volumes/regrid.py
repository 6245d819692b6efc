"""Volumes brought to an even or upright grid, where the options of reading ask for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dicomarray.assembly.grouping.stacking import spacing_warnings
from dicomarray.assembly.options import ReadOptions
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.geometry import StackGeometry, missing_slices
from dicomarray.core.pixel_values import Rescale
from dicomarray.errors import GeometryError
from dicomarray.volume import Volume

# Outside of the scan there is air, in HU.
AIR_HU = -1024.0


def regrid(volume: Volume, options: ReadOptions) -> Volume:
    """The volume as ``missing``, ``uneven`` and ``tilt`` want it, with what was done to it in its warnings.

    Even spacing comes before the upright grid: the other way round, filled voxels would be mixed into
    their neighbours.

    Raises
    ------
    GeometryError
        Where the slices cannot be resampled; names the series.
    """
    geometry = volume.geometry
    if geometry is None:
        return volume
    try:
        volume = _even(volume, geometry, options)
        if options.tilt == "upright" and volume.geometry is not None and volume.geometry.tilt_degrees:
            volume = _upright(volume, volume.geometry, options)
    except GeometryError as error:
        raise GeometryError(f"series {volume.series.get('SeriesInstanceUID')}: {error}") from error
    assert volume.geometry is not None  # it was not taken away
    return dataclasses.replace(volume, warnings=volume.warnings + spacing_warnings(volume.geometry))


def changes_grid(geometry: StackGeometry | None, options: ReadOptions) -> bool:
    """Whether `regrid` makes other voxels for a volume of this geometry, and needs all of it for that."""
    if geometry is None:
        return False
    gaps = missing_slices(geometry.distances)
    return (
        bool(gaps and options.missing in ("fill", "resample"))
        or (not gaps and not geometry.uniform and options.uneven == "resample")
        or bool(options.tilt == "upright" and geometry.tilt_degrees)
    )


def _even(volume: Volume, geometry: StackGeometry, options: ReadOptions) -> Volume:
    gaps = missing_slices(geometry.distances)
    if gaps and options.missing == "fill":
        return _filled(volume, geometry, options)
    if (gaps and options.missing == "resample") or (
        not gaps and not geometry.uniform and options.uneven == "resample"
    ):
        from dicomarray.core.resampling import resample_even

        array, even = resample_even(volume.array, geometry, slice_axis=_slice_axis(volume))
        note = warning(
            f"resampled from {len(geometry.slice_positions)} slices to {len(even.slice_positions)}, "
            f"{even.spacing[0]:.4g} mm apart [resampled]"
        )
        return _resampled(volume, array, even, note)
    return volume


def _filled(volume: Volume, geometry: StackGeometry, options: ReadOptions) -> Volume:
    from dicomarray.core.resampling import fill_missing

    value = _fill_value(volume, options)
    array, whole, filled = fill_missing(volume.array, geometry, value, _slice_axis(volume))
    count = len(whole.slice_positions)
    made: Mapping[str, Any] = {"SOPInstanceUID": None, "filled": True}
    note = warning(
        f"{len(filled)} missing slices filled with {value:g}: {', '.join(map(str, filled))} [filled-slices]"
    )
    return dataclasses.replace(
        volume,
        array=array,
        geometry=whole,
        slices=tuple(_spread(volume.slices, count, filled, made)),
        rescales=volume.rescales
        if len(volume.rescales) == 1
        else tuple(_spread(volume.rescales, count, filled, Rescale())),
        warnings=volume.warnings + note,
    )


def _spread(items: Sequence[Any], count: int, filled: Sequence[int], made: Any) -> list[Any]:
    """Items of each repetition's slices, with ``made`` at the filled ones; ``count`` slices a repetition."""
    at_hand = iter(items)
    repetitions = len(items) // (count - len(filled))
    return [made if index in filled else next(at_hand) for _ in range(repetitions) for index in range(count)]


def _upright(volume: Volume, geometry: StackGeometry, options: ReadOptions) -> Volume:
    from dicomarray.core.resampling import upright

    array, grid = upright(volume.array, geometry, _fill_value(volume, options), _slice_axis(volume))
    note = warning(
        f"resampled from a tilt of {geometry.tilt_degrees:.2f} degrees to an upright grid [resampled]"
    )
    return _resampled(volume, array, grid, note)


def _resampled(
    volume: Volume, array: np.ndarray[Any, Any], geometry: StackGeometry, note: Warnings
) -> Volume:
    """With values of its own making, a volume has no slices in the files any more."""
    once = volume.rescales[:1] if len(set(volume.rescales)) == 1 else (Rescale(),)
    return dataclasses.replace(
        volume, array=array, geometry=geometry, slices=(), rescales=once, warnings=volume.warnings + note
    )


def _fill_value(volume: Volume, options: ReadOptions) -> float:
    if options.background is not None:
        return options.background
    return AIR_HU if volume.units == "HU" else 0.0


def _slice_axis(volume: Volume) -> int:
    return volume.axes.index("slice")
