"""Resampling to cubic voxels with SimpleITK; the result lies on its own grid.

dicomarray run -i archive -o isotropic -f examples/resample.py:isotropic --param spacing_mm=1
"""

import numpy as np
import SimpleITK as sitk  # noqa: N813 - its own documentation calls it so

import dicomarray


def isotropic(volume: dicomarray.Volume, spacing_mm: float = 1.0) -> dicomarray.Volume:
    """The volume resampled linearly; it covers the same box, corner voxel centre to corner voxel centre."""
    if volume.array.ndim != 3 or volume.geometry.tilt_degrees or not volume.geometry.uniform:
        raise ValueError("only evenly spaced 3D volumes without tilt; see the options uneven= and tilt=")
    image = sitk.GetImageFromArray(volume.array.astype(np.float32))
    # SimpleITK counts (column, row, slice), the volume (slice, row, column)
    image.SetSpacing([float(length) for length in volume.spacing[::-1]])
    image.SetDirection(volume.geometry.direction[:, ::-1].ravel())
    image.SetOrigin(volume.affine[:3, 3])
    size = [
        int(np.floor((count - 1) * length / spacing_mm + 1e-6)) + 1
        for count, length in zip(image.GetSize(), image.GetSpacing(), strict=True)
    ]
    resampled = sitk.Resample(
        image, size, sitk.Transform(), sitk.sitkLinear, image.GetOrigin(), [spacing_mm] * 3,
        image.GetDirection(), float(volume.array.min()),
    )  # fmt: skip
    affine = volume.affine.copy()
    affine[:3, :3] = volume.geometry.direction * spacing_mm
    return volume.on_grid(sitk.GetArrayFromImage(resampled), affine)
