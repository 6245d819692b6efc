"""What the adapters share: the axes of other libraries, and where their voxels lie.

Medical libraries count a voxel as (column, row, slice), the index that grows fastest in memory first; NumPy
and DICOM's own order of pixels say the same memory as (slice, row, column).  So arrays are transposed, which
copies nothing, and a 4x4 has its first three columns in reverse order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dicomarray.core.axis_order import AxisOrder, order_like, snapped
from dicomarray.core.geometry import Matrix, StackGeometry
from dicomarray.core.pixel_values import Array
from dicomarray.core.volume_info import PLACED
from dicomarray.errors import GeometryError, UsageError
from dicomarray.formats.nifti import RAS_TO_LPS
from dicomarray.volume import Volume

# (column, row, slice) <-> (slice, row, column), of the columns of a 4x4.
REVERSED = [2, 1, 0, 3]
# Types that PyTorch lacks, or cannot calculate with, and the next one that holds all their values; and those
# that images of other libraries do not have.
FOR_TORCH = {"uint16": np.int32, "uint32": np.int64, "uint64": np.float64}
FOR_IMAGES = {"bool": np.uint8, "float16": np.float32}
_AGAINST_NORMAL = AxisOrder((0, 1, 2), (True, False, False))
_ALONG_NORMAL = AxisOrder((0, 1, 2), (False, False, False))


def even_geometry(volume: Volume, name: str) -> StackGeometry:
    """The geometry of a volume that one affine places."""
    geometry = volume.geometry
    if geometry is None:
        raise GeometryError(
            f"the volume has no place in the patient, and every image of {name} has one: use volume.array"
        )
    if not geometry.uniform:
        raise GeometryError(
            "the slices are not evenly spaced (volume.geometry.slice_positions), and an image of "
            f'{name} has one affine: read the series with uneven="resample" (with missing="resample" or '
            '"fill" where slices are missing)'
        )
    return geometry


def ras_affine(geometry: StackGeometry) -> Matrix:
    """4x4 from (column, row, slice) to RAS mm: NIfTI's, MONAI's and TorchIO's directions."""
    return np.asarray(RAS_TO_LPS @ geometry.affine[:, REVERSED])


def with_one_channel_axis(volume: Volume, name: str) -> tuple[Array, Matrix]:
    """(column, row, slice), repetitions or colour samples last, and the affine to RAS mm of that."""
    affine, array = ras_affine(even_geometry(volume, name)), transposed(volume)
    if array.ndim > 4:
        raise UsageError(f"colour that is repeated in time has no form in {name}: use dicomarray.load")
    return array, affine


def transposed(volume: Volume) -> Array:
    """A view with axes (column, row, slice), then a repetition axis, then colour samples."""
    colour = volume.axes[-1] == "sample"
    places = range(volume.array.ndim - colour)
    return volume.array.transpose(*reversed(places), *((volume.array.ndim - 1,) if colour else ()))


def volume_of(array: Array, affine: Matrix, axes: tuple[str, ...], like: Volume | None) -> Volume:
    """A volume of an array with axes (slice, row, column) and an affine to LPS mm of them.

    Slices that run against row x column direction are turned, so that they ascend along the normal.  With
    ``like`` all three axes are turned to run as those of that volume, and what is known of it is kept.
    """
    colour = axes[-1] == "sample"
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) == 0:
        raise UsageError(f"the image's affine places no voxels: {affine.tolist()}")
    if like is not None and like.geometry is not None:
        order = order_like(affine, like.geometry)
    else:
        against = np.cross(affine[:3, 2], affine[:3, 1]) @ affine[:3, 0] < 0
        order = _AGAINST_NORMAL if against else _ALONG_NORMAL
    first = axes.index("slice")
    shape = array.shape[first : first + 3]
    turned = np.moveaxis(order.turn(np.moveaxis(array, -1, 0)), 0, -1) if colour else order.turn(array)
    turned = np.ascontiguousarray(turned)
    made = Volume.from_array(turned, order.turn_affine(affine, shape), axes=axes)
    return made if like is None else _known_as(made, like)


def _known_as(made: Volume, like: Volume) -> Volume:
    """With what is known of another volume: all of it on the same grid, else what does not go by slice."""
    if made.geometry is None or like.geometry is None or len(made.axes) != len(like.axes):
        raise UsageError(f"the image has axes {made.axes}, the volume that it is to be like {like.axes}")
    first = made.info.slice_axis
    geometry = snapped(made.geometry, made.array.shape[first : first + 3], like.geometry)
    if made.array.shape == like.array.shape and np.array_equal(
        geometry.slice_positions, like.geometry.slice_positions
    ):
        return like.with_array(made.array)
    return like.on_grid(made.array, made.geometry.affine)


def placed_axes(dimensions: int, colour: bool, name: str) -> tuple[str, ...]:
    """Names of the axes of an array of another library, once it is turned: time first, samples last."""
    if dimensions not in (3, 4):
        raise UsageError(f"the {name} has {dimensions} axes; a volume has three, or four with time")
    return ("time",) * (dimensions - 3) + PLACED + ("sample",) * colour


def widened(array: Array, types: Mapping[str, type[Any]]) -> Array:
    """The same values in a type that a library has."""
    return array.astype(types.get(array.dtype.name, array.dtype), copy=False)
