"""Volumes as nibabel images, and back.

nibabel indexes a voxel as (column, row, slice[, time]) and counts in RAS: so arrays are transposed, which
copies nothing, and the affine has its first two rows negated.  No voxel is moved or flipped.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dicomarray.adapters.conversion import (
    FOR_IMAGES,
    REVERSED,
    even_geometry,
    placed_axes,
    ras_affine,
    transposed,
    volume_of,
    widened,
)
from dicomarray.errors import UsageError
from dicomarray.formats.nifti import RAS_TO_LPS, RGB, nibabel
from dicomarray.volume import Volume

_NAME = "nibabel"


def to_image(volume: Volume) -> Any:
    """A `nibabel.Nifti1Image` of the same voxels at the same places; the affine holds a shear too.

    Repetitions become the fourth axis; colour (uint8) nibabel's RGB.  Masks (bool) become uint8, float16
    becomes float32.  The affine of the image in memory is exact; a *file* keeps it as float32, and a shear
    in its sform alone.

    Raises
    ------
    GeometryError
        Where the slices are not evenly spaced, or the volume has no place.
    UsageError
        For colour of another type, or where nibabel is not installed.
    """
    nifti1 = nibabel("nifti1", "to_image")
    geometry = even_geometry(volume, _NAME)
    array = transposed(volume)
    if volume.axes[-1] == "sample":
        if array.dtype != np.uint8 or array.shape[-1] != len(RGB.names or ()):
            raise UsageError(f"colour of {array.dtype}: nibabel has uint8 RGB only")
        array = np.ascontiguousarray(array).view(RGB)[..., 0]
    array = widened(array, FOR_IMAGES)
    affine = ras_affine(geometry)
    image = nifti1.Nifti1Image(array, affine, dtype=array.dtype)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1, update_affine=False)
    if geometry.tilt_degrees:
        image.set_qform(None, code=0, update_affine=False)
    else:
        image.set_qform(affine, code=1, strip_shears=True, update_affine=False)
    return image


def from_image(image: Any, like: Volume | None = None) -> Volume:
    """A `Volume` of a nibabel image of three axes, or four with time; LPS.

    Its axes become (slice, row, column) in reverse order; slices ascend along row x column direction: they
    are turned where the image has them the other way.

    Parameters
    ----------
    like
        The volume that the image was made from: rows, columns and slices run as its own, and units,
        metadata and, on the same grid, the source of every slice are kept.

    Raises
    ------
    UsageError
        Where the image has other axes, or no affine.
    """
    stored = np.asanyarray(image.dataobj)
    colour = stored.dtype == RGB
    axes = placed_axes(stored.ndim, colour, "nibabel image")
    if image.affine is None:
        raise UsageError("the nibabel image has no affine: its voxels have no place")
    array = stored.T
    if colour:
        array = np.ascontiguousarray(array).view(np.uint8).reshape(*array.shape, 3)
    affine = RAS_TO_LPS @ np.asarray(image.affine, float)[:, REVERSED]
    return volume_of(array, affine, axes, like)
