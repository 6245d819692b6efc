"""Volumes as SimpleITK images, and back.

Both are LPS in mm.  SimpleITK indexes a voxel as (column, row, slice), `GetArrayFromImage` as
(slice, row, column): the memory is the same, so no axis is turned and nothing is flipped.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dicomarray.adapters.conversion import (
    FOR_IMAGES,
    REVERSED,
    even_geometry,
    placed_axes,
    volume_of,
    widened,
)
from dicomarray.core.geometry import TILT_DRIFT_MM, StackGeometry
from dicomarray.core.optional_packages import package
from dicomarray.errors import GeometryError
from dicomarray.volume import Volume

_NAME = "SimpleITK"


def to_image(volume: Volume) -> Any:
    """A `SimpleITK.Image` of the same voxels at the same places.

    Repetitions become a fourth dimension, with spacing 1; colour samples the components of a vector.  Masks
    (bool) become uint8, float16 becomes float32.

    Raises
    ------
    GeometryError
        Where SimpleITK cannot say where the voxels lie: its directions are at right angles (a tilted gantry
        is a shear), and its slices even; or where the volume has no place.
    UsageError
        Where SimpleITK is not installed.
    """
    sitk = package("SimpleITK", "simpleitk")
    geometry = even_geometry(volume, _NAME)
    affine = geometry.affine[:, REVERSED]
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    direction = affine[:3, :3] / spacing
    first = volume.info.slice_axis
    if (
        geometry.tilt_degrees
        or _skew_mm(geometry, *volume.array.shape[first + 1 : first + 3]) > TILT_DRIFT_MM
    ):
        raise GeometryError(
            f"the axes are not at right angles (a tilt of {geometry.tilt_degrees:.3g} degrees), and those "
            'of SimpleITK have to be: read the series with tilt="upright", or take '
            "dicomarray.adapters.nibabel, whose affine holds the shear"
        )
    array = np.ascontiguousarray(widened(volume.array, FOR_IMAGES))
    image = sitk.GetImageFromArray(array, isVector=volume.axes[-1] == "sample")
    extra = image.GetDimension() - 3
    whole = np.eye(3 + extra)
    whole[:3, :3] = direction
    image.SetSpacing([*spacing.tolist(), *(1.0,) * extra])
    image.SetOrigin([*affine[:3, 3].tolist(), *(0.0,) * extra])
    image.SetDirection(whole.ravel().tolist())
    return image


def from_image(image: Any, like: Volume | None = None) -> Volume:
    """A `Volume` of a `SimpleITK.Image` of three dimensions, or four with time; in LPS, as the image is.

    Slices ascend along row x column direction: they are turned where the image has them the other way.

    Parameters
    ----------
    like
        The volume that the image was made from: rows, columns and slices run as its own, and units,
        metadata and, on the same grid, the source of every slice are kept.

    Raises
    ------
    UsageError
        Where the image has other dimensions, or SimpleITK is not installed.
    """
    sitk = package("SimpleITK", "simpleitk")
    colour = image.GetNumberOfComponentsPerPixel() > 1
    axes = placed_axes(image.GetDimension(), colour, "SimpleITK image")
    dimensions = image.GetDimension()
    direction = np.array(image.GetDirection()).reshape(dimensions, dimensions)[:3, :3]
    affine = np.eye(4)
    affine[:3, :3] = (direction * image.GetSpacing()[:3])[:, ::-1]
    affine[:3, 3] = image.GetOrigin()[:3]
    return volume_of(sitk.GetArrayFromImage(image), affine, axes, like)


def _skew_mm(geometry: StackGeometry, rows: int, columns: int) -> float:
    """How far the far corner of a slice lies from where it were if rows and columns were at right angles."""
    cosine = abs(float(geometry.row_direction @ geometry.column_direction))
    return cosine * min(rows * geometry.pixel_spacing[0], columns * geometry.pixel_spacing[1])
