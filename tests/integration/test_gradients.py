"""Directions of diffusion gradients survive, as dcm2niix reads them of template and result; or it is told."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dcm2niix
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

import dicomarray
import synthetic

B_VALUES = (0, 1000, 1000, 1000, 1000, 1000, 1000)
ORIENTATION = [0.8, 0.6, 0.0, -0.48, 0.64, 0.6]  # oblique: a mix-up of frames shows
COMMON = {
    "ImageOrientationPatient": ORIENTATION,
    "PatientPosition": "HFS",
    "InPlanePhaseEncodingDirection": "COL",
}


def directions() -> NDArray[np.float64]:
    """One a repetition, that of b=0 is none."""
    found = np.random.default_rng(3).normal(size=(len(B_VALUES), 3))
    found /= np.linalg.norm(found, axis=1)[:, None]
    found[0] = 0
    return found


def philips(header: Dataset, b: float, vector: NDArray[np.float64]) -> None:
    header.Manufacturer = "Philips Medical Systems"
    header.private_block(0x2001, "Philips Imaging DD 001", create=True).add_new(0x03, "FL", float(b))
    block = header.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
    for element, value in zip((0xB0, 0xB1, 0xB2), vector, strict=True):
        block.add_new(element, "FL", float(value))


def siemens(header: Dataset, b: float, vector: NDArray[np.float64]) -> None:
    header.Manufacturer = "SIEMENS"
    block = header.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", b)
    if b:
        block.add_new(0x0E, "FD", vector.tolist())


def private_direction_only(header: Dataset, b: float, vector: NDArray[np.float64]) -> None:
    """As `siemens`, with the b-value in the standard's words: headers differ in nothing else that is kept."""
    siemens(header, b, vector)
    header.DiffusionBValue = float(b)


def unknown_vr(header: Dataset, b: float, vector: NDArray[np.float64]) -> None:
    """As `siemens` from an archive that knows no private elements."""
    siemens(header, b, vector)
    if b:
        block = header.private_block(0x0019, "SIEMENS MR HEADER")
        del block[0x0E]
        block.add_new(0x0E, "UN", np.asarray(vector, "<f8").tobytes())


def ge(header: Dataset, b: float, vector: NDArray[np.float64]) -> None:
    header.Manufacturer = "GE MEDICAL SYSTEMS"
    header.SoftwareVersions = "27"
    header.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(
        0x39, "IS", [1_000_000_000 + b, 8, 0, 0]
    )
    block = header.private_block(0x0019, "GEMS_ACQU_01", create=True)
    for element, value in zip((0xBB, 0xBC, 0xBD), vector, strict=True):
        block.add_new(element, "DS", f"{value:.6f}")


def canon(header: Dataset, b: float, vector: NDArray[np.float64]) -> None:
    header.Manufacturer = "CANON_MEC"
    header.DiffusionBValue = float(b)
    if b:
        header.ImageComments = "b={}({:.3f},{:.3f},{:.3f})".format(b, *vector)


def write(folder: Path, vendor: Callable[[Dataset, float, NDArray[np.float64]], None]) -> Path:
    """Seven volumes of four slices; their values tell them apart."""
    array = synthetic.stored_values((len(B_VALUES), 4, 8, 8)).astype(np.uint16)
    normal = np.cross(ORIENTATION[:3], ORIENTATION[3:])
    each = [
        {"ImagePositionPatient": [f"{value:.8f}" for value in slice_ * 3.0 * normal], "AcquisitionNumber": 1}
        for _ in B_VALUES
        for slice_ in range(4)
    ]
    files = synthetic.write_series(folder, array.reshape(-1, 8, 8), modality="MR", common=COMMON, each=each)
    for number, path in enumerate(files):
        header = pydicom.dcmread(path)
        vendor(header, B_VALUES[number // 4], directions()[number // 4])
        header.save_as(path, enforce_file_format=True)
    return folder


def gradients(folder: Path, made: Path) -> NDArray[Any]:
    """The .bvec that dcm2niix writes of a folder, (3, volumes)."""
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    command = [dcm2niix.bin, "-b", "n", "-z", "n", "-f", "v", "-o", str(made), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    (found,) = made.glob("*.bvec")
    return np.loadtxt(found)


@pytest.mark.parametrize("vendor", [philips, siemens, private_direction_only, unknown_vr, ge, canon])
def test_directions_are_told_in_the_standards_words(tmp_path: Path, vendor: Callable[..., None]) -> None:
    """Without the scanner's name and elements; the vectors are those of the template, to every reader."""
    volume = dicomarray.load(write(tmp_path / "in", vendor))
    assert volume.array.shape[0] == len(B_VALUES)
    report = dicomarray.to_dicom(volume, tmp_path / "in", tmp_path / "out")
    assert report.warnings == ()
    before, after = (gradients(tmp_path / name, tmp_path / "nii") for name in ("in", "out"))
    assert np.count_nonzero(np.abs(before).sum(axis=0)) == len(B_VALUES) - 1
    # dcm2niix does not make unit vectors of Canon's, which have three digits
    np.testing.assert_allclose(after, before, atol=1e-3 if vendor is canon else 1e-5)
    for index, path in enumerate(report.files):
        header = pydicom.dcmread(path)
        wanted = directions()[index // 4]
        assert header.DiffusionBValue == B_VALUES[index // 4]
        told = header.get("DiffusionGradientOrientation", [0, 0, 0])
        if vendor not in KEPT:  # others count along the patient's axes
            np.testing.assert_allclose(told, wanted, atol=1e-6)
        assert any(told) == ("DiffusionDirectionality" in header) == bool(B_VALUES[index // 4])
        assert not [element for element in header if element.tag.is_private]


def test_directions_of_one_b_value(tmp_path: Path) -> None:
    """No b-value tells the volumes apart; it is written with the directions nevertheless."""

    def all_weighted(header: Dataset, _: float, vector: NDArray[np.float64]) -> None:
        philips(header, 700.0, vector if vector.any() else np.array([0.0, 0.6, 0.8]))

    volume = dicomarray.load(write(tmp_path / "in", all_weighted))
    report = dicomarray.to_dicom(volume, tmp_path / "in", tmp_path / "out")
    assert {pydicom.dcmread(path).DiffusionBValue for path in report.files} == {700.0}
    np.testing.assert_array_equal(dicomarray.load(tmp_path / "out").array, volume.array)


def test_the_standards_own_words_stay(tmp_path: Path) -> None:
    """A direction that is told already is kept to the letter, whatever the private elements say."""
    stored = synthetic.stored_values((2, 8, 8))
    files = synthetic.write_series(tmp_path / "in", stored, modality="MR")
    for path in files:
        header = pydicom.dcmread(path)
        philips(header, 1000, np.array([1.0, 0.0, 0.0]))
        header.DiffusionGradientOrientation = [0.0, 0.6, 0.8]
        header.DiffusionBValue = 990.0
        header.save_as(path)
    report = dicomarray.to_dicom(stored, tmp_path / "in", tmp_path / "out")
    header = pydicom.dcmread(report.files[-1])
    assert list(header.DiffusionGradientOrientation) == [0.0, 0.6, 0.8]
    assert header.DiffusionBValue == 990.0


@pytest.mark.parametrize("vector", [(0, 0, 0), (float("nan"), 0, 1)])
def test_what_is_no_direction_is_not_told(tmp_path: Path, vector: tuple[float, ...]) -> None:
    """No gradient, or no number: nothing is made of it."""
    stored = synthetic.stored_values((2, 8, 8))
    for path in synthetic.write_series(tmp_path / "in", stored, modality="MR"):
        header = pydicom.dcmread(path)
        philips(header, 1000, np.array(vector))
        header.save_as(path)
    report = dicomarray.to_dicom(stored, tmp_path / "in", tmp_path / "out")
    assert "DiffusionGradientOrientation" not in pydicom.dcmread(report.files[0])


KEPT = {
    ge: {"equipment": "keep", "keep_private": ["(0019,GEMS_ACQU_01)", "(0043,GEMS_PARM_01,39)"]},
    canon: {"equipment": "keep"},
}


@pytest.mark.parametrize("vendor", KEPT)
def test_directions_that_cannot_be_turned_are_lost_with_a_warning_that_says_how_to_keep_them(
    tmp_path: Path, vendor: Callable[..., None]
) -> None:
    """GE and Canon count in the image's frame: the options that the warning names keep what readers need."""

    def without_phase_encoding(header: Dataset, b: float, vector: NDArray[np.float64]) -> None:
        vendor(header, b, vector)
        del header.InPlanePhaseEncodingDirection

    volume = dicomarray.load(write(tmp_path / "in", without_phase_encoding))
    lost = dicomarray.to_dicom(volume, tmp_path / "in", tmp_path / "out")
    (warning,) = lost.warnings
    assert all(name in warning for name in KEPT[vendor])
    assert "DiffusionGradientOrientation" not in pydicom.dcmread(lost.files[-1])
    kept = dicomarray.to_dicom(volume, tmp_path / "in", tmp_path / "kept", **KEPT[vendor])
    assert kept.warnings == ()
    before, after = (gradients(tmp_path / name, tmp_path / "nii") for name in ("in", "kept"))
    np.testing.assert_allclose(after, before, atol=1e-5)


@pytest.mark.parametrize("equipment", ["own", "keep"])
def test_directions_of_a_real_canon_series(real_data: Path, tmp_path: Path, equipment: str) -> None:
    """Twelve directions in Image Comments become Diffusion Gradient Orientation, whoever made the images."""
    folder = real_data / "mr-canon-dti"
    volume = dicomarray.load(folder)
    assert not dicomarray.to_dicom(volume, folder, tmp_path / "out", equipment=equipment).warnings
    before, after = (gradients(path, tmp_path / "nii") for path in (folder, tmp_path / "out"))
    np.testing.assert_allclose(after, before, atol=1e-3)
