"""Functions to try `dicomarray run` with: each takes a `Volume` and returns an array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dicomarray.core.pixel_values import Array
from dicomarray.errors import UsageError
from dicomarray.volume import Volume

# Standard deviation of the Gaussian in mm: enough to calm the noise of a CT, little enough to keep vessels.
SMOOTHING_MM = 2.0
# The kernel ends at this many standard deviations, where less than 0.3 % of its weight is cut off.
KERNEL_REACH = 3.0


def smooth(volume: Volume) -> NDArray[np.float32]:
    """Smooth with a Gaussian of `SMOOTHING_MM`, the same in every direction of the patient.

    Parameters
    ----------
    volume
        With geometry; repetitions and colour samples are smoothed one by one.

    Returns
    -------
    numpy.ndarray
        The shape and units of ``volume.array``, float32; beyond the edges the image is mirrored.

    Raises
    ------
    UsageError
        Without geometry: there are no millimetres to smooth by.
    """
    if volume.spacing is None:
        raise UsageError("smooth: the volume has no geometry, so its voxels have no size in mm")
    array = volume.array.astype(np.float32)
    for axis, spacing in enumerate(volume.spacing, start=volume.info.slice_axis):
        array = convolve(array, _gaussian(SMOOTHING_MM / spacing), axis)
    return array


def _gaussian(sigma: float) -> NDArray[np.float32]:
    """Weights of an odd number of voxels, sum 1; ``sigma`` in voxels."""
    reach = int(np.ceil(KERNEL_REACH * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum(), np.float32)


def convolve(array: Array, weights: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Weighted sum of shifted copies along one axis, the ends mirrored."""
    reach = len(weights) // 2
    margins = [(0, 0)] * array.ndim
    margins[axis] = (reach, reach)
    padded = np.moveaxis(np.pad(array, margins, mode="symmetric"), axis, 0)
    count = array.shape[axis]
    total = np.zeros_like(np.moveaxis(array, axis, 0))
    for shift, weight in enumerate(weights):
        total += weight * padded[shift : shift + count]
    return np.ascontiguousarray(np.moveaxis(total, 0, axis))
