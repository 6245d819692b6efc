"""b-values and gradients, held against the .bval and .bvec that dcm2niix writes of the same files."""

from __future__ import annotations

import itertools
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
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from test_gradients import B_VALUES, canon, directions, ge, philips, siemens, unknown_vr

import dicomarray
import synthetic
from mosaic_files import encode_csa

# Orientations, nearly and not at all along the axes, of each plane.
PLANES = {
    "axial": [0.98, 0.199, 0.0, -0.18, 0.886, 0.427],
    "coronal": [1.0, 0.05, 0.0, 0.0, 0.1, -1.0],
    "sagittal": [0.05, 1.0, 0.0, 0.1, 0.0, -1.0],
}
Vendor = Callable[[Dataset, float, NDArray[np.float64]], None]


def uih(header: Dataset, b: float, vector: NDArray[np.float64]) -> None:
    header.Manufacturer = "UIH"
    block = header.private_block(0x0065, "Image Private Header", create=True)
    block.add_new(0x09, "FD", float(b))
    block.add_new(0x37, "FD", vector.tolist())


def ge_shells(header: Dataset, b: float, vector: NDArray[np.float64]) -> None:
    """Of a shell within a larger one: a gradient that is shorter than 1, at the larger b-value."""
    ge(header, b, vector * 0.7)


def csa_only(header: Dataset, b: float, vector: NDArray[np.float64]) -> None:
    """As Siemens' older scanners have it."""
    header.Manufacturer = "SIEMENS"
    elements: dict[str, list[str]] = {"B_value": [str(int(b))]}
    if b:
        elements["DiffusionGradientDirection"] = [f"{value:.8f}" for value in vector]
    block = header.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    block.add_new(0x08, "CS", "IMAGE NUM 4")
    block.add_new(0x10, "OB", encode_csa(elements))


def frame(plane: str) -> NDArray[np.float64]:
    """Row direction, column direction and normal as rows of an orthonormal matrix."""
    row, column = (np.array(part) for part in (PLANES[plane][:3], PLANES[plane][3:]))
    row /= np.linalg.norm(row)
    column -= row * (row @ column)
    column /= np.linalg.norm(column)
    return np.array([row, column, np.cross(row, column)])


def write(folder: Path, vendor: Vendor, plane: str = "axial", phase: str = "COL", step: float = 3.0) -> Path:
    """Seven volumes of four slices."""
    axes = frame(plane)
    array = synthetic.stored_values((len(B_VALUES), 4, 8, 8)).astype(np.uint16)
    places = [[f"{v:.8f}" for v in slice_ * step * axes[2]] for _ in B_VALUES for slice_ in range(4)]
    common = {
        "ImageOrientationPatient": [f"{v:.8f}" for v in axes[:2].ravel()],
        "PatientPosition": "HFS",
        "InPlanePhaseEncodingDirection": phase,
    }
    each = [{"ImagePositionPatient": place} for place in places]
    files = synthetic.write_series(folder, array.reshape(-1, 8, 8), modality="MR", common=common, each=each)
    for number, path in enumerate(files):
        header = pydicom.dcmread(path)
        vendor(header, B_VALUES[number // 4], directions()[number // 4])
        header.save_as(path, enforce_file_format=True)
    return folder


def by_dcm2niix(folder: Path, made: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """b-values, and directions (volumes, 3) along columns, rows upwards and the normal."""
    made.mkdir()
    command = [dcm2niix.bin, "-b", "n", "-z", "n", "-f", "v", "-o", str(made), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    (b_values,), (vectors,) = made.glob("*.bval"), made.glob("*.bvec")
    return np.loadtxt(b_values), np.loadtxt(vectors).T


def told(volume: dicomarray.Volume) -> tuple[NDArray[Any], NDArray[Any]]:
    """The same of a volume; without a direction zeros, as dcm2niix has it."""
    assert not [name for name in volume.coordinates if name.startswith("(")]
    direction = np.array([g or (0, 0, 0) for g in volume.coordinates["DiffusionGradientOrientation"]])
    affine = np.asarray(volume.affine)[:3, :3]
    slice_, column, row = (affine / np.linalg.norm(affine, axis=0)).T
    return np.array(volume.coordinates["DiffusionBValue"]), direction @ np.array([row, -column, slice_]).T


def assert_alike(folder: Path, made: Path) -> None:
    (volume,) = (v for s in dicomarray.scan(folder) for v in s.volumes(missing="keep"))
    b_values, vectors = by_dcm2niix(folder, made)
    found_b, found = told(volume)
    np.testing.assert_allclose(found_b, b_values)
    np.testing.assert_allclose(found, vectors, atol=2e-3)
    assert np.count_nonzero(np.abs(found).sum(axis=1)) == np.count_nonzero(b_values)


@pytest.mark.parametrize("vendor", [siemens, unknown_vr, csa_only, philips, uih, ge, ge_shells, canon])
def test_each_vendor(tmp_path: Path, vendor: Vendor) -> None:
    """The standard's words, along the patient's axes, whoever wrote them and wherever."""
    assert_alike(write(tmp_path / "in", vendor), tmp_path / "nii")


@pytest.mark.parametrize("vendor", [siemens, philips, uih, ge])
def test_files_that_do_not_say_their_types(tmp_path: Path, vendor: Vendor) -> None:
    """In Implicit VR, and as elements of unknown VR, a vendor's element says what it does elsewhere."""
    folder = write(tmp_path / "in", vendor)
    explicit = dicomarray.load(folder).coordinates
    for unknown in (False, True):
        for path in folder.iterdir():
            header = pydicom.dcmread(path)
            header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
            header.save_as(path, implicit_vr=True, little_endian=True, enforce_file_format=True)
            if unknown:
                header = pydicom.dcmread(path)
                for tag in [tag for tag in header.keys() if tag.is_private and not tag.is_private_creator]:  # noqa: SIM118
                    raw = header.get_item(tag)
                    header[tag] = DataElement(tag, "UN", raw.value)
                header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
                header.save_as(path, implicit_vr=False, little_endian=True, enforce_file_format=True)
        assert dicomarray.load(folder).coordinates == explicit


@pytest.mark.parametrize("vendor", [siemens, unknown_vr, csa_only, philips, uih, ge, ge_shells, canon])
def test_the_filter_knows_each_vendor(tmp_path: Path, vendor: Vendor) -> None:
    """b_value has what the volume says, in a scan, and in an index that outlives its files."""
    volume = dicomarray.load(write(tmp_path / "in", vendor))
    told_values = sorted(set(volume.coordinates["DiffusionBValue"]))
    all_of_them = {"b_value": {"has_all": told_values}, "num_volumes": 1}
    more = {"b_value": {"gt": told_values[-1]}}
    dicomarray.index(tmp_path / "in", tmp_path / "i.sqlite")
    assert len(dicomarray.dicom_filter(tmp_path / "in", all_of_them)) == 1
    assert dicomarray.dicom_filter(tmp_path / "in", more) == []
    shutil.rmtree(tmp_path / "in")
    assert len(dicomarray.dicom_filter(None, all_of_them, index=tmp_path / "i.sqlite")) == 1
    assert dicomarray.dicom_filter(None, more, index=tmp_path / "i.sqlite") == []


@pytest.mark.parametrize(("plane", "phase"), [*itertools.product(PLANES, ("COL", "ROW"))])
@pytest.mark.parametrize("vendor", [ge, canon])
def test_directions_along_frequency_and_phase(tmp_path: Path, vendor: Vendor, plane: str, phase: str) -> None:
    """Turned as dcm2niix turns them, in each plane and for either phase encoding."""
    assert_alike(write(tmp_path / "in", vendor, plane, phase), tmp_path / "nii")


@pytest.mark.parametrize("vendor", [ge, uih, siemens])
def test_slices_that_descend(tmp_path: Path, vendor: Vendor) -> None:
    """The order in which slices were acquired turns no direction."""
    assert_alike(write(tmp_path / "in", vendor, step=-3.0), tmp_path / "nii")


@pytest.mark.parametrize("name", ["mr-canon-dti", "mr-ge-dwi-equal-pixels"])
def test_real_series(real_data: Path, tmp_path: Path, name: str) -> None:
    """Every diffusion series at hand whose vectors dcm2niix tells."""
    assert_alike(real_data / name, tmp_path / "nii")


@pytest.mark.parametrize("vendor", [ge, canon])
def test_without_phase_encoding_nothing_is_made_up(tmp_path: Path, vendor: Vendor) -> None:
    """Directions along frequency and phase cannot be turned then; the b-value is told."""
    folder = write(tmp_path / "in", vendor)
    for path in folder.iterdir():
        header = pydicom.dcmread(path)
        del header.InPlanePhaseEncodingDirection
        header.save_as(path)
    volume = dicomarray.load(folder)
    assert volume.coordinates["DiffusionBValue"] == tuple(map(float, B_VALUES))
    assert "DiffusionGradientOrientation" not in volume.coordinates


def test_the_standards_own_words_go_first(tmp_path: Path) -> None:
    """Private elements that say something else are not asked."""

    def both(header: Dataset, b: float, vector: NDArray[np.float64]) -> None:
        siemens(header, b + 7, -vector)
        header.DiffusionBValue = float(b)
        header.DiffusionGradientOrientation = vector.tolist()

    volume = dicomarray.load(write(tmp_path / "in", both))
    assert volume.coordinates["DiffusionBValue"] == tuple(map(float, B_VALUES))
    np.testing.assert_allclose(
        np.array(volume.coordinates["DiffusionGradientOrientation"]), directions(), atol=1e-9
    )
