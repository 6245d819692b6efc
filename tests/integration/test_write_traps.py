"""The ten traps of writing derived images, numbered; each test fails where its trap is stepped into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.datadict import keyword_dict
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut

import dciodvfy
import dicomarray
import enhanced_files
import oracles
import synthetic
from dicomarray.errors import ValuesError

SHAPE = (6, 12, 16)


def smooth() -> NDArray[np.float64]:
    """Values that no slope and intercept of a template hold."""
    z, y, x = np.indices(SHAPE)
    return np.asarray(z * 31.7 + y * 7.3 + x * 3.1 - 100.123)


def test_trap_1_private_scaling_is_not_left_in(tmp_path: Path) -> None:
    """Philips' own slope and intercept, (2005,100D) and (2005,100E): GDCM and dcm2niix would take them."""
    files = synthetic.write_series(tmp_path / "in", synthetic.stored_values(), modality="MR")
    for file in files:
        data_set = pydicom.dcmread(file)
        data_set.Manufacturer = "Philips Medical Systems"
        block = data_set.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        block.add_new(0x0D, "FL", 100.0)
        block.add_new(0x0E, "FL", 0.004)
        data_set.RescaleSlope, data_set.RescaleIntercept, data_set.RescaleType = "2.5", "0", "normalized"
        data_set.save_as(file)
    array = smooth()
    report = dicomarray.to_dicom(array, tmp_path / "in", tmp_path / "out", equipment="keep")
    for read in (oracles.simpleitk(report.files), oracles.dcm2niix(report.files)):
        np.testing.assert_allclose(read.array, array, atol=report.max_error + 1e-4)


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_trap_2_the_slope_is_rounded_first(tmp_path: Path, modality: str) -> None:
    """A Decimal String has 16 characters; no voxel is off by more than half a step of what stands there."""
    stored = synthetic.stored_values(signed=True, bits_stored=16)
    synthetic.write_series(tmp_path / "in", stored, modality=modality, bits_stored=16)
    array = smooth() / 3e5
    report = dicomarray.to_dicom(array, tmp_path / "in", tmp_path / "out")
    for file, image in zip(report.files, array, strict=True):
        header = pydicom.dcmread(file)
        for keyword in ("RescaleSlope", "RescaleIntercept"):
            assert len(header[keyword].value.original_string) <= 16
        read = header.pixel_array * float(header.RescaleSlope) + float(header.RescaleIntercept)
        assert np.abs(read - image).max() <= float(header.RescaleSlope) / 2 * (1 + 1e-9)


@pytest.mark.parametrize("value", [4096, -1])
def test_trap_3_nothing_overflows(tmp_path: Path, value: int) -> None:
    """Bits Stored 12, unsigned: 0 to 4095, whatever 16 bits allocated would hold."""
    synthetic.write_series(tmp_path / "in", synthetic.stored_values(), bits_stored=12)
    array = np.zeros(SHAPE, np.int16)
    array[2, 3, 4] = value
    with pytest.raises(ValuesError):
        dicomarray.to_dicom(array, tmp_path / "in", tmp_path / "out", values="stored")
    assert not (tmp_path / "out").exists()


def test_trap_4_one_slope_for_the_series(tmp_path: Path) -> None:
    """Also where every slice of the template had its own, and where one slice has all the large values."""
    synthetic.varying_slope(tmp_path / "in")
    array = np.abs(smooth()) * np.array([1, 1, 1, 1, 1, 1000])[:, None, None]
    report = dicomarray.to_dicom(array, tmp_path / "in", tmp_path / "out")
    headers = [pydicom.dcmread(file) for file in report.files]
    told = {(str(header.RescaleSlope), str(header.RescaleIntercept)) for header in headers}
    assert told == {(str(headers[0].RescaleSlope), "0")}


@pytest.mark.parametrize("syntax", ["implicit", "explicit"])
@pytest.mark.parametrize("signed", [False, True])
def test_trap_5_smallest_and_largest_have_the_new_sign_and_values(
    tmp_path: Path, syntax: str, signed: bool
) -> None:
    """(0028,0106) and (0028,0107) of every file, read by the VR that the file itself says or implies."""
    stored = synthetic.stored_values(signed=signed, bits_stored=16)
    ends = {"SmallestImagePixelValue": -7 if signed else 7, "LargestImagePixelValue": 9}
    files = synthetic.write_series(tmp_path / "in", stored, modality="MR", bits_stored=16, syntax=syntax)
    for file in files:
        data_set = pydicom.dcmread(file)
        for keyword, value in ends.items():
            data_set.add_new(keyword, "SS" if signed else "US", value)
        data_set.save_as(file)
    report = dicomarray.to_dicom(smooth(), tmp_path / "in", tmp_path / "out")
    for file in report.files:
        header = pydicom.dcmread(file)
        pixels = header.pixel_array
        assert (header.SmallestImagePixelValue, header.LargestImagePixelValue) == (pixels.min(), pixels.max())
        assert {header[keyword].VR for keyword in ends} == {"SS" if signed else "US"}


@pytest.mark.parametrize("component", ["MAGNITUDE", "PHASE"])
def test_trap_6_enhanced_images_are_derived_and_primary(tmp_path: Path, component: str) -> None:
    """The object and every frame say so, and dciodvfy with -allpffgitems finds nothing new."""
    template = enhanced(tmp_path, component)
    array = dicomarray.load(template).array * 0.371
    report = dicomarray.to_dicom(array, template, tmp_path / "out")
    header = pydicom.dcmread(report.files[0])
    assert list(header.ImageType)[:2] == ["DERIVED", "PRIMARY"]
    groups = [*header.SharedFunctionalGroupsSequence, *header.PerFrameFunctionalGroupsSequence]
    kinds = [item.FrameType for group in groups for item in group.get("MRImageFrameTypeSequence", ())]
    assert kinds
    assert all(list(kind)[:2] == ["DERIVED", "PRIMARY"] for kind in kinds)
    errors, _ = dciodvfy.new_issues(template, report.files[0])
    assert not [line for line in errors if "may not be present otherwise" not in line]


def enhanced(folder: Path, component: str) -> Path:
    """Two dimensions: stack and position in it."""
    stored = synthetic.stored_values((4, 8, 10), bits_stored=12)
    frames = [
        enhanced_files.at(z * 2.5)
        | enhanced_files.typed(component)
        | enhanced_files.content(StackID="1", InStackPositionNumber=z + 1, DimensionIndexValues=[1, z + 1])
        for z in range(4)
    ]
    pointers = [("StackID", "FrameContentSequence"), ("InStackPositionNumber", "FrameContentSequence")]
    indices = [
        {
            "DimensionOrganizationUID": "1.2.3.4",
            "DimensionIndexPointer": keyword_dict[word],
            "FunctionalGroupPointer": keyword_dict[group],
        }
        for word, group in pointers
    ]
    common = {
        "DimensionOrganizationSequence": {"DimensionOrganizationUID": "1.2.3.4"},
        "DimensionIndexSequence": indices,
    }
    (folder / "enhanced").mkdir()
    return enhanced_files.write_enhanced(folder / "enhanced" / "a.dcm", stored, frames, common=common)


def test_trap_7_big_endian_words_are_turned_round(tmp_path: Path, pydicom_more_data: Path) -> None:
    """Grey values, and a palette's tables: each is a 16-bit word, and each comes back as it was."""
    files = synthetic.write_series(
        tmp_path / "grey", synthetic.stored_values(), syntax="big-endian", bits_stored=12
    )
    array = dicomarray.load(tmp_path / "grey").array
    report = dicomarray.to_dicom(array, tmp_path / "grey", tmp_path / "out")
    np.testing.assert_array_equal(oracles.stored_values(report.files), oracles.stored_values(files))
    np.testing.assert_array_equal(oracles.simpleitk(report.files).array, array)

    source = pydicom.dcmread(pydicom_more_data / "OBXXXX1A_expb.dcm")
    indices = dicomarray.load(source.filename, units="stored").array
    made = dicomarray.to_dicom(indices, source.filename, tmp_path / "palette", values="stored").files[0]
    derived = pydicom.dcmread(made)
    np.testing.assert_array_equal(derived.pixel_array, source.pixel_array)
    # pydicom reads big-endian tables as little-endian ones, so the same image in little endian is the oracle
    little = pydicom.dcmread(pydicom_more_data / "OBXXXX1A.dcm")
    np.testing.assert_array_equal(little.pixel_array, source.pixel_array)
    np.testing.assert_array_equal(
        apply_color_lut(derived.pixel_array, derived), apply_color_lut(little.pixel_array, little)
    )


def test_trap_8_not_too_much_is_dropped(tmp_path: Path) -> None:
    """dcm2niix finds the shape and place that it found before; dimension pointers lead somewhere."""
    files = synthetic.write_series(tmp_path / "in", synthetic.stored_values(), modality="MR")
    report = dicomarray.to_dicom(smooth(), tmp_path / "in", tmp_path / "out")
    before, after = (oracles.dcm2niix(each) for each in (files, report.files))
    assert before.array.shape == after.array.shape
    np.testing.assert_allclose(after.affine, before.affine, atol=1e-5)
    template = enhanced(tmp_path, "MAGNITUDE")
    derived = dicomarray.to_dicom(dicomarray.load(template).array, template, tmp_path / "derived")
    header = pydicom.dcmread(derived.files[0])
    assert len(header.DimensionIndexSequence) == 2
    for index in header.DimensionIndexSequence:
        for group in header.PerFrameFunctionalGroupsSequence:
            assert all(pointed(item, index) for item in group[index.FunctionalGroupPointer].value)


def pointed(item: Dataset, index: Dataset) -> Any:
    return index.DimensionIndexPointer in item


def test_trap_9_new_slices_have_places_of_their_own(tmp_path: Path) -> None:
    """Twice as many slices as headers: unique positions, even spacing, the extent that was asked for."""
    synthetic.write_series(tmp_path / "in", synthetic.stored_values(), bits_stored=16)
    affine = dicomarray.load(tmp_path / "in").affine
    asked = affine @ np.diag([0.5, 1, 1, 1])
    report = dicomarray.to_dicom(
        np.repeat(smooth(), 2, axis=0)[:11], tmp_path / "in", tmp_path / "out", affine=asked
    )
    headers = [pydicom.dcmread(file) for file in report.files]
    heights = np.array([float(header.ImagePositionPatient[2]) for header in headers])
    np.testing.assert_allclose(heights, 100 + 1.25 * np.arange(11), atol=1e-9)
    assert len({header.SOPInstanceUID for header in headers}) == 11
    assert len({header.InstanceNumber for header in headers}) == 11


def test_trap_10_identity(tmp_path: Path) -> None:
    """File meta matches; with a key two runs are equal byte for byte, other values differ; no old UID."""
    sources = synthetic.write_series(tmp_path / "in", synthetic.stored_values(), bits_stored=16)
    old = [pydicom.dcmread(file) for file in sources]
    known = {uid for header in old for uid in (header.SOPInstanceUID, header.SeriesInstanceUID)}
    runs = []
    for name, change, key in (("a", 0, "k"), ("b", 0, "k"), ("c", 1, "k"), ("d", 0, None), ("e", 0, None)):
        report = dicomarray.to_dicom(smooth() + change, tmp_path / "in", tmp_path / name, uid_key=key)
        runs.append([file.read_bytes() for file in report.files])
        for file in report.files:
            header = pydicom.dcmread(file)
            assert header.file_meta.MediaStorageSOPInstanceUID == header.SOPInstanceUID
            assert header.file_meta.MediaStorageSOPClassUID == header.SOPClassUID
            assert header.StudyInstanceUID == old[0].StudyInstanceUID
            assert not known & {header.SOPInstanceUID, header.SeriesInstanceUID}
            known_now = header.SeriesInstanceUID
        assert known_now == report.series_uid
    assert runs[0] == runs[1]
    assert len({run[0] for run in runs}) == 4
