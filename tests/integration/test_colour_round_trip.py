"""Real colour images, loops and mosaics through an array and back."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import data_store
import nibabel
import numpy as np
import pydicom
import pydicom.data
import pytest

import dicomarray
from dciodvfy import new_issues

FOLDERS = (Path(pydicom.data.__file__).parent / "test_files", Path(data_store.__file__).parent / "data")
# Its transfer syntax says Explicit VR, and its elements are implicit.
UNWRITABLE = {"SC_rgb_jpeg.dcm"}
# The template names its images by UIDs of an illegal root, and so does what names its source.
ILLEGAL_UIDS = {"color-pl.dcm", "color-px.dcm"}


def is_colour(path: Path) -> bool:
    """Whether a file holds an image in colour, by samples or by palette, that one header describes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path, stop_before_pixels=True)
            colour = header.SamplesPerPixel == 3 or header.PhotometricInterpretation == "PALETTE COLOR"
            return colour and "SharedFunctionalGroupsSequence" not in header
    except (pydicom.errors.InvalidDicomError, AttributeError, OSError, ValueError):
        return False


def colour_files() -> list[Path]:
    """All of pydicom's and of the package pydicom-data, but for one that is large."""
    found = [path for folder in FOLDERS for path in sorted(folder.glob("*.dcm")) if is_colour(path)]
    return [path for path in found if path.name != "color3d_jpeg_baseline.dcm"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", colour_files(), ids=lambda path: path.name)
def test_colour_comes_back_bit_for_bit(path: Path, tmp_path: Path) -> None:
    """The array of what was written is that of the template, for pydicom too; dciodvfy finds nothing new."""
    if path.name in UNWRITABLE:
        with pytest.raises(dicomarray.DicomArrayError, match="cannot be written back"):
            dicomarray.to_dicom(dicomarray.load(path), path, tmp_path / "out")
        return
    volume = dicomarray.load(path)
    report = dicomarray.to_dicom(volume, path, tmp_path / "out")
    assert len(report.files) == 1
    again = dicomarray.load(tmp_path / "out")
    assert again.array.dtype == volume.array.dtype
    np.testing.assert_array_equal(again.array, volume.array)
    pixels = pydicom.dcmread(report.files[0]).pixel_array
    np.testing.assert_array_equal(pixels.reshape(volume.array.shape), volume.array)
    errors = new_issues(path, report.files[0])[0]
    if path.name in ILLEGAL_UIDS:
        errors = {error for error in errors if "Illegal root for UID" not in error}
    assert errors == set()


def nifti(files: list[Path], scratch: Path) -> nibabel.Nifti1Image:
    """What dcm2niix makes of them: one image."""
    source, output = scratch / "in", scratch / "out"
    source.mkdir(parents=True)
    output.mkdir()
    for index, file in enumerate(files):
        (source / f"{index:04d}.dcm").symlink_to(file.resolve())
    command = [
        Path(sys.executable).parent / "dcm2niix",
        "-b",
        "n",
        "-z",
        "n",
        "-f",
        "v",
        "-o",
        output,
        source,
    ]
    subprocess.run(command, check=True, capture_output=True)
    (image,) = output.glob("*.nii")
    return nibabel.load(image)


@pytest.mark.parametrize("name", ["mr_0003", "mr_0004"])
def test_real_mosaics_come_back(name: str, real_data: Path, tmp_path: Path) -> None:
    """dicomarray reads the same volume, dcm2niix makes the same NIfTI; dciodvfy finds nothing new."""
    files = sorted((real_data / "mr-siemens-mosaic" / name).glob("*.dcm"))
    volume = dicomarray.load(files)
    report = dicomarray.to_dicom(volume, files, tmp_path / "out")
    again = dicomarray.load(tmp_path / "out")
    np.testing.assert_array_equal(again.array, volume.array)
    np.testing.assert_array_equal(again.affine, volume.affine)
    one, other = nifti(files, tmp_path / "a"), nifti(list(report.files), tmp_path / "b")
    np.testing.assert_array_equal(np.asarray(one.dataobj), np.asarray(other.dataobj))
    np.testing.assert_allclose(other.affine, one.affine)
    assert new_issues(files[0], report.files[0]) == (set(), set())
