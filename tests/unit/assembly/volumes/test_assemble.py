"""Pixels and values of a stack as one array: against SimpleITK, and by hand where types overflow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813 - the name that its own documentation uses
from numpy.typing import NDArray

import synthetic
from dicomarray import load, scan
from dicomarray.assembly.values.modality import stored_type
from dicomarray.assembly.volumes.assemble import common_attributes
from dicomarray.core.geometry import StackGeometry
from dicomarray.dicom.headers.header import Header
from dicomarray.errors import DicomArrayError, HeaderError, PixelError, UsageError

MakeSeries = Callable[..., Path]


# --- the oracle -----------------------------------------------------------------------------------------


def simple_itk(folder: Path, uid: str) -> tuple[NDArray[Any], NDArray[np.float64], int]:
    """Values (slice, row, column), the affine from (slice, row, column) to LPS mm, the number of files."""
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid)
    image = sitk.ReadImage(names)
    affine = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, :3] = direction[:, ::-1]  # ITK's index is (column, row, slice)
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image), affine, len(names)


@pytest.mark.parametrize("name", ["ct-philips-5mm", "mr-siemens-sagittal"])
def test_real_series_are_simple_itks(real_data: Path, name: str) -> None:
    """Values, voxel for voxel, and the place of the corners, of an axial CT and two sagittal MR series."""
    folder = real_data / name
    for series in scan(folder):
        volume = series.volume()
        values, affine, count = simple_itk(series.files[0].parent, series.uid)
        assert count == len(series.files)
        assert volume.affine is not None
        if affine[:3, 0] @ volume.affine[:3, 0] < 0:  # GDCM may count the slices from the other end
            values = values[::-1]
            affine[:3, 3] += affine[:3, 0] * (len(values) - 1)
            affine[:3, 0] *= -1
        assert np.array_equal(volume.array, values)
        for corner in ((0, 0, 0), *np.diag(np.array(volume.array.shape) - 1)):
            index = (*corner, 1)
            assert volume.affine @ index == pytest.approx(affine @ index, abs=1e-3)


def test_synthetic_series_are_simple_itks(make_series: MakeSeries) -> None:
    """An oblique series with unequal spacings has SimpleITK's values and affine."""
    orientation = [0.8, 0.6, 0.0, -0.36, 0.48, 0.8]
    folder = make_series(bits_stored=12, common={"ImageOrientationPatient": orientation})
    (series,) = scan(folder)
    volume = series.volume()
    values, affine, _ = simple_itk(folder, series.uid)
    assert np.array_equal(volume.array, values)
    assert volume.affine == pytest.approx(affine, abs=1e-6)


# --- values and types -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signed", "bits", "slope", "intercept", "dtype"),
    [
        (False, 12, 1, -1024, "int16"),
        (False, 16, 1, -1024, "int32"),
        (True, 16, 1, -1024, "int32"),
        (True, 12, 1, 0, "int16"),
        (False, 16, 1, 0, "uint16"),
        (False, 8, 1, -1024, "int16"),
        (False, 8, 1, 0, "uint8"),
        (False, 12, 0.5, 0, "float32"),
        (True, 16, 2, 100000, "int32"),
    ],
)
def test_modality_values_are_exact(
    make_series: MakeSeries, signed: bool, bits: int, slope: float, intercept: float, dtype: str
) -> None:
    """stored * slope + intercept over the whole range of the stored bits: nothing wraps, nothing is cut."""
    stored = synthetic.stored_values(signed=signed, bits_stored=bits)
    folder = make_series(
        stored, bits_stored=bits, common={"RescaleSlope": slope, "RescaleIntercept": intercept}
    )
    volume = load(folder)
    assert volume.array.dtype == np.dtype(dtype)
    assert volume.array.shape == synthetic.SHAPE
    assert np.array_equal(volume.array.astype(np.float64), stored.astype(np.float64) * slope + intercept)


@pytest.mark.parametrize("signed", [False, True])
def test_stored_values_are_the_files_own(make_series: MakeSeries, signed: bool) -> None:
    """units="stored": no slope, no intercept, the stored type, and the units say so."""
    stored = synthetic.stored_values(signed=signed, bits_stored=16)
    volume = load(make_series(stored), units="stored")
    assert volume.units == "stored"
    assert volume.array.dtype == stored.dtype
    assert np.array_equal(volume.array, stored)
    assert volume.metadata["values"]["modality"] == [{"slope": 1, "intercept": -1024}]


def test_each_slice_has_its_own_slope(tmp_path: Path) -> None:
    """The first slope is 1: integers typed by it would cut the others (SimpleITK#1636)."""
    faulty = synthetic.varying_slope(tmp_path / "pet")
    volume = load(faulty.folder)
    assert volume.array.dtype == np.float32
    assert volume.array == pytest.approx(faulty.expected, rel=1e-6)
    assert [rescale.slope for rescale in volume.rescales] == [1.0, 1.25, 0.37, 2.013, 0.5, 3.1415]
    assert [r["slope"] for r in volume.metadata["values"]["modality"]] == [
        1.0,
        1.25,
        0.37,
        2.013,
        0.5,
        3.1415,
    ]
    assert volume.units == "BQML"


def test_intercept_beyond_float32_keeps_neighbours_apart(make_series: MakeSeries) -> None:
    """1e8 + 0.5 steps by 8 in a float32: a float64 it is."""
    stored = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    volume = load(make_series(stored, common={"RescaleSlope": 0.25, "RescaleIntercept": 1e8}))
    assert volume.array.dtype == np.float64
    assert np.array_equal(volume.array, stored * 0.25 + 1e8)


def test_slices_of_different_sign_make_one_type(tmp_path: Path) -> None:
    """PixelRepresentation may vary by slice: a uint16 above 32767 and an int16 below zero both survive."""
    same = {"SeriesInstanceUID": "1.2.3", "StudyInstanceUID": "1.2", "FrameOfReferenceUID": "1.2.4"}
    unsigned = np.full((1, 3, 4), 60000, np.uint16)
    signed = np.full((1, 3, 4), -5, np.int16)
    upper = {"ImagePositionPatient": [-20, -30, 102.5]}
    synthetic.write_series(tmp_path / "s", unsigned, modality="MR", common=same)
    synthetic.write_series(tmp_path / "s", signed, modality="MR", common=same, each=[upper])
    for units in ("modality", "stored"):
        volume = load(tmp_path / "s", units=units)
        assert volume.array.dtype == np.int32
        assert volume.array[:, 0, 0].tolist() == [60000, -5]


def test_values_beyond_the_stored_bits_never_wrap(make_series: MakeSeries) -> None:
    """16-bit pixels under BitsStored 12: the values as they are, masked, or an error; no HU that wraps."""
    stored = np.array([0, 4095, 4096, 33000, 65535, 40000], np.uint16).reshape(1, 2, 3)
    try:
        volume = load(make_series(stored, bits_stored=12))
    except DicomArrayError:
        return
    as_they_are, masked = stored.astype(int) - 1024, (stored.astype(int) & 4095) - 1024
    assert volume.array.tolist() in (as_they_are.tolist(), masked.tolist())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_float_pixels_are_kept(make_series: MakeSeries, dtype: str) -> None:
    """Float and Double Float Pixel Data are read as they are (PS3.3 C.7.6.24, C.7.6.25)."""
    stored = np.random.default_rng(1).normal(size=synthetic.SHAPE).astype(dtype)
    rescale = {"RescaleSlope": ..., "RescaleIntercept": ..., "RescaleType": ...}
    volume = load(make_series(stored, common=rescale))
    assert volume.array.dtype == np.dtype(dtype)
    assert np.array_equal(volume.array, stored)


@pytest.mark.parametrize("syntax", sorted(synthetic.NATIVE_SYNTAXES))
def test_transfer_syntax_makes_no_difference(make_series: MakeSeries, syntax: str) -> None:
    """Values and type, native byte order, in every native transfer syntax."""
    stored = synthetic.stored_values(signed=True, bits_stored=16)
    volume = load(make_series(stored, syntax=syntax))
    assert volume.array.dtype.isnative
    assert np.array_equal(volume.array, stored.astype(np.int32) - 1024)


def test_array_is_contiguous_and_writable(ct: Path) -> None:
    """C order (slice slowest), and the user's own to change."""
    array = load(ct).array
    assert array.flags.c_contiguous
    assert array.flags.writeable
    assert array.flags.owndata or array.base is not None


# --- units ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modality", "common", "units"),
    [
        ("CT", {}, "HU"),
        ("CT", {"RescaleType": ...}, "HU"),
        ("CT", {"RescaleType": "US"}, "modality"),
        ("CT", {"RescaleType": ..., "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "modality"),
        ("CT", {"RescaleType": "MGML"}, "MGML"),
        ("MR", {}, "modality"),
        ("MR", {"RescaleType": "US"}, "modality"),
        ("PT", {}, "BQML"),
        ("PT", {"Units": "CNTS"}, "CNTS"),
        ("SC", {}, "modality"),
    ],
)
def test_units_are_what_the_file_says(
    make_series: MakeSeries, modality: str, common: dict[str, Any], units: str
) -> None:
    """HU is claimed for CT only, and not against the file's own word."""
    folder = make_series(synthetic.stored_values((1, 3, 4)), modality=modality, common=common)
    assert load(folder).units == units


def test_units_that_do_not_exist_are_refused(ct: Path) -> None:
    """Those that do are in the message."""
    with pytest.raises(UsageError, match="modality, stored, suv"):
        load(ct, units="HU")


# --- axes -----------------------------------------------------------------------------------------------


def test_axes_are_slice_row_column(ct: Path) -> None:
    """In that order, never transposed: the shape is 6 x 12 x 16."""
    volume = load(ct)
    assert volume.axes == ("slice", "row", "column")
    assert volume.array.shape == (6, 12, 16)
    assert volume.metadata["array"]["shape"] == [6, 12, 16]
    assert isinstance(volume.geometry, StackGeometry)


def test_no_place_in_the_patient_makes_frames_without_affine(make_series: MakeSeries) -> None:
    """A geometry is never made up: axis "frame", no affine, null in the sidecar, in order of acquisition."""
    stored = synthetic.stored_values((4, 5, 6), bits_stored=8)
    each = [{"InstanceNumber": number} for number in (3, 1, 4, 2)]
    volume = load(make_series(stored, modality="SC", each=each))
    assert volume.axes == ("frame", "row", "column")
    assert volume.affine is None
    assert volume.spacing is None
    assert volume.metadata["geometry"] is None
    assert np.array_equal(volume.array, stored[[1, 3, 0, 2]])
    assert volume.warnings


def test_colour_samples_come_last(make_series: MakeSeries) -> None:
    """Red is sample 0."""
    stored = np.random.default_rng(2).integers(0, 256, (2, 3, 4, 3)).astype(np.uint8)
    volume = load(make_series(stored, modality="SC"))
    assert volume.axes == ("frame", "row", "column", "sample")
    assert np.array_equal(volume.array, stored)


# --- where it came from ---------------------------------------------------------------------------------


def test_every_slice_is_recorded(ct: Path) -> None:
    """One record a slice, in the order of the array, with the instance it came from."""
    volume = load(ct)
    headers = [pydicom.dcmread(file) for file in sorted(ct.glob("*.dcm"))]
    assert [record["SOPInstanceUID"] for record in volume.slices] == [h.SOPInstanceUID for h in headers]
    assert [record["InstanceNumber"] for record in volume.slices] == [1, 2, 3, 4, 5, 6]
    assert [record["frame"] for record in volume.slices] == [0] * 6
    assert volume.slices[2]["ImagePositionPatient"] == tuple(headers[2].ImagePositionPatient)
    assert volume.series["SeriesInstanceUID"] == headers[0].SeriesInstanceUID
    assert volume.series["StudyInstanceUID"] == headers[0].StudyInstanceUID
    assert volume.series["PixelSpacing"] == synthetic.PIXEL_SPACING_MM


PERSONAL = {
    "PatientName": "Tellingname^Wilhelmine",
    "PatientID": "TELLINGID-4711",
    "PatientBirthDate": "19330517",
    "OtherPatientNames": "Tellingmaiden^W",
    "PatientAddress": "Tellingstreet 5",
    "PatientComments": "Tellingcomment",
    "ReferringPhysicianName": "Tellingdoctor^X",
    "AccessionNumber": "TELLINGACC",
}


def test_sidecar_names_nobody(make_series: MakeSeries, tmp_path: Path) -> None:
    """No name, id, birth date or other telling attribute is anywhere in the array's two files."""
    folder = make_series(common=PERSONAL)
    volume = load(folder)
    volume.save(tmp_path / "v.npy")
    for content in (
        (tmp_path / "v.json").read_bytes(),
        (tmp_path / "v.npy").read_bytes(),
        repr(volume).encode(),
    ):
        assert b"telling" not in content.lower()
        assert b"19330517" not in content
    keys = json.loads((tmp_path / "v.json").read_text("utf-8"))["series"].keys()
    assert not any(key.startswith("Patient") and key != "PatientPosition" for key in keys)


@pytest.mark.parametrize(
    "attribute",
    ["ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "ImagePositionPatient", "BitsAllocated"],
)
def test_errors_name_nobody(make_series: MakeSeries, attribute: str) -> None:
    """A broken header's message tells the file or the choices, and no patient."""
    folder = make_series(common=PERSONAL)
    broken = pydicom.dcmread(folder / "0002.dcm")
    setattr(broken, attribute, 13 if attribute == "BitsAllocated" else [7, 7])
    broken.save_as(folder / "0002.dcm")
    with pytest.raises(DicomArrayError) as caught:
        load(folder)
    assert "telling" not in str(caught.value).lower()
    assert "19330517" not in str(caught.value)


def test_lossy_compression_is_a_warning(make_series: MakeSeries) -> None:
    """Once lossy, always told: also where only one slice says so."""
    each = [{"LossyImageCompression": "01" if index == 3 else "00"} for index in range(6)]
    assert any("loss" in warning for warning in load(make_series(each=each)).warnings)
    assert load(make_series(name="lossless", common={"LossyImageCompression": "00"})).warnings == ()


def test_text_in_pixels_is_a_warning(make_series: MakeSeries) -> None:
    """Burned-in annotation is told where one image says so, secondary captures always."""
    each = [{"BurnedInAnnotation": "YES" if index == 3 else "NO"} for index in range(6)]
    assert [w.code for w in load(make_series(each=each)).warnings] == ["burned-in"]
    assert load(make_series(name="clean", common={"BurnedInAnnotation": "NO"})).warnings == ()
    captured = load(make_series(name="captured", common={"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}))
    assert "secondary-capture" in [w.code for w in captured.warnings]


def test_common_attributes_are_those_that_equal() -> None:
    """They are present in all slices, with one value."""
    common = {"Modality": "MR", "PixelSpacing": (1, 2)}
    records = [{**common, "Rows": 3, "Units": None, "SOPInstanceUID": "1.2"}, {**common, "Rows": 4}]
    assert common_attributes(records) == common


# --- faults ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({}, "BitsAllocated"),
        ({"BitsAllocated": 16, "BitsStored": 17}, "BitsStored"),
        ({"BitsAllocated": 16, "BitsStored": 0}, "BitsStored"),
        ({"BitsAllocated": 12, "BitsStored": 12}, "BitsAllocated"),
        ({"BitsAllocated": "x", "BitsStored": 12}, "BitsAllocated"),
    ],
)
def test_pixel_description_that_makes_no_sense_is_refused(attributes: dict[str, Any], told: str) -> None:
    """PS3.3 C.7.6.3.1.1: the message names file and attribute."""
    with pytest.raises(HeaderError, match=rf"x\.dcm.*{told}"):
        stored_type(Header(Path("x.dcm"), None, attributes))


def test_pixel_description_of_a_header() -> None:
    """Bits and sign; float where there is no BitsStored."""
    integer = stored_type(
        Header(Path("x"), None, {"BitsAllocated": 16, "BitsStored": 12, "PixelRepresentation": 1})
    )
    assert (integer.bits_allocated, integer.bits_stored, integer.signed) == (16, 12, True)
    assert not integer.floating
    assert stored_type(Header(Path("x"), None, {"BitsAllocated": 32})).dtype == np.float32


@pytest.mark.parametrize("fault", ["cut", "without pixels"])
def test_slice_without_its_pixels_is_told(ct: Path, fault: str) -> None:
    """Truncated pixel data is not filled with zeros: the error names the file."""
    file = ct / "0004.dcm"
    if fault == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    else:
        data_set = pydicom.dcmread(file)
        del data_set.PixelData
        data_set.save_as(file)
    with pytest.raises(PixelError, match=r"0004\.dcm"):
        load(ct)


def test_header_that_claims_a_huge_image_takes_no_memory(ct: Path) -> None:
    """65535 x 65535 in a file of some kilobytes is refused, not allocated."""
    for file in ct.glob("*.dcm"):
        data_set = pydicom.dcmread(file)
        data_set.Rows = data_set.Columns = 65535
        data_set.save_as(file)
    with pytest.raises(PixelError):
        load(ct)


@pytest.mark.parametrize(
    ("rescale_type", "units"),
    [("HU", "HU"), ("US", "modality"), ("normalized", "modality"), ("mrad", "mrad")],
)
def test_units_are_the_rescale_type(
    make_series: MakeSeries, tmp_path: Path, rescale_type: str, units: str
) -> None:
    """As the file says; Philips' "normalized" is not our word for values from 0 to 1."""
    volume = load(make_series(common={"RescaleType": rescale_type}))
    assert volume.units == units
    assert volume.normalize(0, 100).units == "normalized"
    volume.normalize(0, 100).save(tmp_path / "v.npy")
    assert json.loads((tmp_path / "v.json").read_text())["values"]["units"] == units


def test_images_that_are_shown_the_other_way_round_are_told(tmp_path: Path) -> None:
    """Also where the first image of the volume is none of them: how many there are is said."""
    each = [{"PhotometricInterpretation": f"MONOCHROME{1 + (n != 2)}"} for n in range(synthetic.SHAPE[0])]
    synthetic.write_series(tmp_path / "s", synthetic.stored_values(), each=each)
    (series,) = scan(tmp_path / "s")
    (told,) = [w for w in series.volume().warnings if "[monochrome1]" in w]
    assert "1 of 6" in told


@pytest.mark.parametrize("packed", [False, True], ids=["native", "rle"])
@pytest.mark.parametrize(
    ("signed", "words", "cut"),
    [
        (False, [0, 1023], 0),
        (False, [0, 1024], 1),
        (True, [-512, 511], 0),
        (True, [512, 1023], 0),  # negative values whose bits above High Bit are not set
        (True, [-513, 0], 1),
        (True, [0, 1024], 1),
    ],
)
def test_bits_that_are_cut_off_are_told(
    tmp_path: Path, packed: bool, signed: bool, words: list[int], cut: int
) -> None:
    """A Bits Stored that is too small makes other values of them: in how many images is said."""
    array = np.zeros((4, 5, 6), "i2" if signed else "u2")
    array[2, 0, :2] = words
    for file in synthetic.write_series(tmp_path / "s", array, modality="MR", bits_stored=10):
        if packed:
            data_set = pydicom.dcmread(file)
            data_set.BitsStored, data_set.HighBit = 16, 15
            data_set.compress(pydicom.uid.RLELossless)
            data_set.BitsStored, data_set.HighBit = 10, 9
            data_set.save_as(file)
    (series,) = scan(tmp_path / "s")
    told = [w for w in series.volume().warnings if "[bits-cut]" in w]
    assert len(told) == cut
    assert all("(1 of 4 images)" in w for w in told)
