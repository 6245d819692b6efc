"""The demonstration's function: a Gaussian in mm, the same in every direction."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK

from dicomarray.core.geometry import StackGeometry
from dicomarray.core.volume_info import VolumeInfo
from dicomarray.demo.functions import SMOOTHING_MM, smooth
from dicomarray.errors import UsageError
from dicomarray.volume import Volume

SPACING = (2.5, 0.8, 1.25)


def _volume(array: np.ndarray, axes: tuple[str, ...] = ("slice", "row", "column")) -> Volume:
    slices = array.shape[axes.index("slice")]
    positions = np.arange(slices)[:, None] * np.array([0.0, 0.0, SPACING[0]])
    geometry = StackGeometry(np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), SPACING[1:], positions)
    return Volume(array, VolumeInfo(array.shape, array.dtype, axes, "HU", geometry))


def test_agrees_with_simpleitk() -> None:
    """Away from the edges the result is that of SimpleITK's Gaussian of the same width in mm."""
    array = np.random.default_rng(1).normal(0, 100, (20, 60, 50)).astype(np.float32)
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(SPACING[::-1])
    oracle = SimpleITK.GetArrayFromImage(SimpleITK.SmoothingRecursiveGaussian(image, SMOOTHING_MM))
    inside = (slice(5, -5), slice(12, -12), slice(10, -10))
    np.testing.assert_allclose(smooth(_volume(array))[inside], oracle[inside], atol=2.0)


def test_mean_and_constants_are_kept() -> None:
    """Mirrored edges lose nothing: the mean stays, and a constant stays constant, also in thin stacks."""
    array = np.random.default_rng(2).integers(-1000, 1000, (2, 9, 9)).astype(np.int16)
    result = smooth(_volume(array))
    assert result.dtype == np.float32 and result.shape == array.shape
    assert result.mean() == pytest.approx(array.mean(), abs=0.1)
    np.testing.assert_allclose(smooth(_volume(np.full((1, 5, 5), -1024, np.int16))), -1024, rtol=1e-5)


def test_repetitions_are_smoothed_one_by_one() -> None:
    """Each time point comes out as if it were alone."""
    array = np.random.default_rng(3).normal(0, 1, (2, 4, 8, 8)).astype(np.float32)
    result = smooth(_volume(array, ("time", "slice", "row", "column")))
    np.testing.assert_array_equal(result[1], smooth(_volume(array[1])))


def test_without_geometry_is_refused() -> None:
    """Without a voxel size there are no millimetres to smooth by."""
    with pytest.raises(UsageError, match="no geometry"):
        smooth(Volume.from_array(np.zeros((2, 3, 4))))
