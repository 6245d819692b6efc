"""Nuclear medicine reconstructions lie where their detector's item says, as SimpleITK reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the name that its own documentation uses
from numpy.typing import NDArray
from pydicom.uid import NuclearMedicineImageStorage

import oracles
from dicomarray import Volume, load, to_dicom
from enhanced_files import write_cine

ARRAY = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)
AXIAL, CORONAL, AGAINST_Z = (1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1), (1, 0, 0, 0, -1, 0)
FIRST = (-20.0, 30.0, -50.0)


def place(orientation: Any = AXIAL, position: Any = FIRST) -> dict[str, Any]:
    """An item of Detector Information Sequence."""
    return {"ImagePositionPatient": list(position), "ImageOrientationPatient": list(orientation)}


def write(folder: Path, detectors: Any = None, **attributes: Any) -> Path:
    """A reconstruction of four slices, 3 mm apart."""
    common = {
        "SOPClassUID": NuclearMedicineImageStorage,
        "Modality": "NM",
        "ImageType": ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"],
        "FrameTime": ...,
        "FrameIncrementPointer": 0x00540080,
        "SliceVector": [1, 2, 3, 4],
        "NumberOfSlices": 4,
        "SpacingBetweenSlices": "3",
        "SliceThickness": "5",
        "PixelSpacing": [2, 1.5],
        "DetectorInformationSequence": place() if detectors is None else detectors,
    }
    return write_cine(folder / "nm.dcm", ARRAY, "US", common | attributes)


def as_itk_reads_it(file: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Array and affine; (slice, row, column) to LPS mm."""
    image = sitk.ReadImage(str(file))
    affine = np.eye(4)
    affine[:3, :3] = (np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing())[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image), affine


def unplaced(volume: Volume) -> bool:
    return volume.affine is None and volume.axes == ("frame", "row", "column") and bool(volume.warnings)


@pytest.mark.parametrize("spacing", ["3", "-3"])
@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, AGAINST_Z])
def test_slices_lie_as_itk_reads_them(tmp_path: Path, orientation: Any, spacing: str) -> None:
    """Behind the first slice along the normal, or in front where the spacing is negative (C.8.4.15)."""
    file = write(tmp_path, place(orientation), SpacingBetweenSlices=spacing)
    volume = load(file)
    array, affine = as_itk_reads_it(file)
    if spacing == "-3":  # ours ascend along the normal
        array = array[::-1]
        affine[:3, 3] += 3 * affine[:3, 0]
        affine[:3, 0] *= -1
    assert np.array_equal(volume.array, array)
    assert volume.affine == pytest.approx(affine)
    assert not volume.warnings


def test_slices_lie_as_dcm2niix_reads_them(tmp_path: Path) -> None:
    """A plain one; of a negative spacing dcm2niix does not take the sign."""
    file = write(tmp_path)
    read = oracles.dcm2niix([file])
    volume = load(file)
    assert np.array_equal(volume.array, read.array)
    assert volume.affine == pytest.approx(read.affine, abs=1e-4)


def test_slice_vector_places_the_frames(tmp_path: Path) -> None:
    """Frames are where their number says, in whatever order they are."""
    volume = load(write(tmp_path, SliceVector=[1, 3, 2, 4]))
    assert np.array_equal(volume.array, ARRAY[[0, 2, 1, 3]])


def test_gated(tmp_path: Path) -> None:
    """Time slots are time points."""
    gates = {
        "ImageType": ["ORIGINAL", "PRIMARY", "RECON GATED TOMO", "EMISSION"],
        "FrameIncrementPointer": [0x00540060, 0x00540070, 0x00540080],
        "RRIntervalVector": [1, 1, 1, 1],
        "TimeSlotVector": [1, 1, 2, 2],
        "SliceVector": [1, 2, 1, 2],
    }
    volume = load(write(tmp_path, **gates))
    assert volume.axes == ("time", "slice", "row", "column")
    assert np.array_equal(volume.array, ARRAY.reshape(2, 2, 5, 6))
    assert unplaced(load(write(tmp_path / "beats", **(gates | {"RRIntervalVector": [1, 1, 2, 2]}))))


def test_detectors_that_agree(tmp_path: Path) -> None:
    """Two heads at one place are one place."""
    assert load(write(tmp_path, [place(), place()])).affine == pytest.approx(load(write(tmp_path)).affine)


@pytest.mark.parametrize(
    ("attributes", "detectors"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]}, None),
        ({"Modality": "OT"}, None),
        ({"SliceVector": ...}, None),
        ({"SliceVector": [1, 2, 3]}, None),
        ({"SliceVector": [1, 2, 2, 3]}, None),
        ({"SliceVector": [2, 3, 4, 5]}, None),
        ({"SliceVector": [4, 3, 2, 1]}, None),
        ({"SpacingBetweenSlices": None}, None),
        ({"SpacingBetweenSlices": "0"}, None),
        ({"PixelSpacing": ...}, None),
        ({}, [place(), place(position=(0, 0, 0))]),
        ({}, {"ImagePositionPatient": list(FIRST)}),
        ({}, {"ImageOrientationPatient": list(AXIAL)}),
        ({}, place((0, 0, 0, 0, 0, 0))),
        ({}, place((1, 0, 0))),
        ({"DetectorInformationSequence": ...}, None),
    ],
)
def test_no_place_where_it_is_not_clear(tmp_path: Path, attributes: Any, detectors: Any) -> None:
    """Projections and what is ambiguous become frames without an affine, with a warning."""
    assert unplaced(load(write(tmp_path, detectors, **attributes)))


def test_a_derived_one_lies_at_the_same_place(tmp_path: Path) -> None:
    """Frames go back where they came from, also where slices were turned round."""
    file = write(tmp_path / "in", SpacingBetweenSlices="-3")
    volume = load(file)
    to_dicom(volume.array + 7, file.parent, tmp_path / "out")
    again = load(tmp_path / "out")
    assert np.array_equal(again.array, volume.array + 7)
    assert again.affine == pytest.approx(volume.affine)
