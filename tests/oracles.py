"""What other people's tools read in a folder of DICOM files, in the terms of this project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from comparison.truth import LPS_TO_RAS, niftis_of


@dataclass(frozen=True, eq=False)
class Read:
    """``array`` ([repetitions,] slices, rows, columns) in modality values.

    ``affine`` takes (slice, row, column) to LPS mm.
    """

    array: NDArray[np.float64]
    affine: NDArray[np.float64]


def simpleitk(files: Sequence[Path]) -> Read:
    """The series as SimpleITK reads the files in this order."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(file) for file in files])
    image = reader.Execute()
    affine = np.eye(4)
    affine[:3, :3] = (np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing())[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return Read(sitk.GetArrayFromImage(image).astype(np.float64), affine)


def dcm2niix(files: Sequence[Path]) -> Read:
    """The one volume that dcm2niix makes of exactly these files."""
    with niftis_of(files, "-m", "2") as made:
        names = [path for path in made if "_Tilt" not in path.name and "_Eq" not in path.name]
        assert len(names) == 1, names
        image = nibabel.load(names[0])
        stored = np.asarray(image.dataobj, np.float64)
    # NIfTI is (column, row upwards, slice[, repetition]), RAS
    array = stored.T[..., ::-1, :]
    affine = (LPS_TO_RAS @ image.affine)[:, [2, 1, 0, 3]]
    affine[:3, 3] += affine[:3, 1] * (array.shape[-2] - 1)
    affine[:3, 1] *= -1
    along = np.cross(affine[:3, 2], affine[:3, 1]) @ affine[:3, 0]
    if along < 0:
        affine[:3, 3] += affine[:3, 0] * (array.shape[-3] - 1)
        affine[:3, 0] *= -1
        array = array[..., ::-1, :, :]
    return Read(array, affine)


def stored_values(files: Sequence[Path]) -> NDArray[np.int64]:
    """(slices, rows, columns) as pydicom reads them, in the order of the files."""
    return np.stack([pydicom.dcmread(file).pixel_array for file in files]).astype(np.int64)
