"""Modality LUT, SUV of files, Philips' precise values and padding, against pydicom, dcm2niix and by hand."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dcm2niix
import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut as pydicom_lut
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomarray.assembly.frames.frame import Frame, frames_of
from dicomarray.assembly.values.scaling import (
    PHILIPS_SCALE_INTERCEPT,
    PHILIPS_SCALE_SLOPE,
    ModalityLut,
    apply_modality_lut,
    modality_lut,
    padding_mask,
    philips_rescale,
    philips_rescales,
    read_modality_lut,
    suv_rescale,
    suv_scales,
)
from dicomarray.core.pixel_values import Rescale, finite_statistics
from dicomarray.core.suv import SuvScale
from dicomarray.dicom.headers.header import read_header
from dicomarray.errors import HeaderError, InputError, ValuesError

SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


def frames(files: list[Path]) -> list[Frame]:
    """The frames of the files, in this order."""
    return [frame for file in files for frame in frames_of(read_header(file))]


# --- Modality LUT -----------------------------------------------------------------------------------------


def lut_file(path: Path, item: Dataset, signed: bool, syntax: str, **common: Any) -> Dataset:
    """A data set without pixels that has a Modality LUT, as pydicom reads it back."""
    data_set = Dataset()
    data_set.SOPClassUID, data_set.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    data_set.PixelRepresentation = int(signed)
    data_set.ModalityLUTSequence = [item]
    for keyword, value in common.items():
        setattr(data_set, keyword, value)
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(path, data_set, enforce_file_format=True)
    return pydicom.dcmread(path)


def lut_item(
    descriptor: tuple[int, int, int], data: Any, vr: str = "OW", descriptor_vr: str = "SS"
) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", descriptor_vr, list(descriptor))
    item.add_new("LUTData", vr, data)
    item.ModalityLUTType = "OD"
    return item


def test_real_lut_like_pydicom(pydicom_more_data: Path) -> None:
    """mlut_18.dcm, signed with 4096 entries from -2048, gives pydicom's values, type and all."""
    path = pydicom_more_data / "mlut_18.dcm"
    data_set = pydicom.dcmread(path)
    stored, lut = data_set.pixel_array, read_modality_lut(path)
    assert lut is not None
    assert (lut.first, len(lut.entries), lut.type) == (-2048, 4096, None)
    ours, theirs = apply_modality_lut(stored, lut), pydicom_lut(stored, data_set)
    assert ours.dtype == theirs.dtype == np.uint16
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(("signed", "first"), [(True, -3), (False, 5), (False, 40000)])
def test_lut_of_every_syntax_like_pydicom(tmp_path: Path, syntax: str, signed: bool, first: int) -> None:
    """16-bit words in OW, little and big endian, signed and not: as pydicom maps them, clamps included."""
    words = np.array([7, 300, 4, 65535, 9], "<u2" if syntax != ExplicitVRBigEndian else ">u2")
    item = lut_item((5, first, 16), words.tobytes(), descriptor_vr="SS" if signed else "US")
    data_set = lut_file(tmp_path / "lut.dcm", item, signed, syntax)
    lut = read_modality_lut(tmp_path / "lut.dcm")
    assert lut is not None and lut.type == "OD"
    stored = np.arange(first - 4 if first >= 4 or signed else 0, first + 9).astype("i4")
    np.testing.assert_array_equal(apply_modality_lut(stored, lut), pydicom_lut(stored, data_set))
    np.testing.assert_array_equal(apply_modality_lut(stored[4:9], lut), words)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_packed_bytes(tmp_path: Path, syntax: str) -> None:
    """Entries of 8 bits, two a word, the first in the low byte; an odd number of them ends in a pad byte."""
    packed = bytes([10, 20, 30, 40, 50, 0])
    if syntax == ExplicitVRBigEndian:
        packed = bytes([20, 10, 40, 30, 0, 50])
    lut_file(tmp_path / "lut.dcm", lut_item((5, 0, 8), packed, descriptor_vr="US"), False, syntax)
    lut = read_modality_lut(tmp_path / "lut.dcm")
    assert lut is not None and lut.entries.dtype == np.uint8
    assert apply_modality_lut(np.arange(7, dtype="u1"), lut).tolist() == [10, 20, 30, 40, 50, 50, 50]


def test_descriptor_of_the_wrong_sign() -> None:
    """US 63488 of signed pixels is -2048, SS -25536 of unsigned ones 40000, and SS -1 entries are 65535."""
    words = (1, 2)
    assert modality_lut((2, 63488, 16), words, signed=True).first == -2048
    assert modality_lut((2, -25536, 16), words, signed=False).first == 40000
    assert len(modality_lut((-1, 0, 16), bytes(2 * 65535), signed=False).entries) == 65535


def test_zero_entries_mean_65536() -> None:
    """The number of entries 0 stands for 65536, which US cannot hold; all 16-bit values are mapped."""
    table = np.arange(65536, dtype="<u2")[::-1]
    lut = modality_lut((0, 0, 16), table.tobytes(), signed=False)
    assert apply_modality_lut(np.array([0, 1, 65535], "u2"), lut).tolist() == [65535, 65534, 0]


def test_entries_cannot_be_changed() -> None:
    """The table is shared by all frames: it is read-only, and so is not what comes out of it."""
    lut = modality_lut((2, 0, 8), (1, 2), signed=False)
    with pytest.raises(ValueError, match="read-only"):
        lut.entries[0] = 3
    apply_modality_lut(np.array([0, 1], "u1"), lut)[0] = 3


@given(
    st.lists(st.integers(0, 65535), min_size=1, max_size=40),
    st.integers(-32768, 32767),
    st.lists(st.integers(-32768, 32767), min_size=1, max_size=40),
)
def test_lut_by_its_definition(entries: list[int], first: int, stored: list[int]) -> None:
    """Every value is looked up at its distance from the first, held within the table."""
    lut = modality_lut((len(entries), first, 16), tuple(entries), signed=True)
    expected = [entries[min(max(value - first, 0), len(entries) - 1)] for value in stored]
    assert apply_modality_lut(np.array(stored, "i2"), lut).tolist() == expected


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4"])
def test_extremes_do_not_wrap(dtype: str) -> None:
    """The least and greatest stored values clamp to the ends, whatever integer holds them."""
    limits = np.iinfo(dtype)
    lut = ModalityLut(-100, np.array([1, 2, 3], "u1"))
    expected = [1 if limits.min < -98 else 3, 3]
    assert apply_modality_lut(np.array([limits.min, limits.max], dtype), lut).tolist() == expected


@pytest.mark.parametrize(
    ("descriptor", "data", "message"),
    [
        (None, b"ab", "LUTDescriptor is None"),
        ((1, 2), b"ab", "three integers"),
        ((2, 0, 17), (1, 2), "17 bits"),
        ((2, 0, 0), (1, 2), "0 bits"),
        ((3, 0, 16), (1, 2), "4 bytes"),
        ((2, 0, 16), None, "0 bytes"),
        ((2, 0, 8), (1, 256), "entry of 256"),
    ],
)
def test_broken_luts(descriptor: Any, data: Any, message: str) -> None:
    """A descriptor that is none or does not fit its data is refused, naming the attribute."""
    with pytest.raises(HeaderError, match=message):
        modality_lut(descriptor, data, signed=False)


def test_lut_beside_rescale(tmp_path: Path) -> None:
    """A Modality LUT beside a real Rescale is refused, naming the file; beside 1 and 0 it is not."""
    item = lut_item((2, 0, 16), b"\1\0\2\0")
    lut_file(tmp_path / "both.dcm", item, False, ExplicitVRLittleEndian, RescaleSlope=2, RescaleIntercept=0)
    with pytest.raises(HeaderError, match=r"both\.dcm.*RescaleSlope 2"):
        read_modality_lut(tmp_path / "both.dcm")
    lut_file(tmp_path / "one.dcm", item, False, ExplicitVRLittleEndian, RescaleSlope=1, RescaleIntercept=0)
    assert read_modality_lut(tmp_path / "one.dcm") is not None


def test_no_lut(ct: Path, tmp_path: Path) -> None:
    """A file without the sequence gives None; one that is not there, an InputError."""
    assert read_modality_lut(ct / "0001.dcm") is None
    with pytest.raises(InputError, match=r"none\.dcm"):
        read_modality_lut(tmp_path / "none.dcm")


def test_lut_of_floats() -> None:
    """Float Pixel Data has no entries to look up."""
    with pytest.raises(ValuesError, match="float32"):
        apply_modality_lut(np.zeros(2, "f4"), ModalityLut(0, np.array([1], "u1")))


# --- SUV --------------------------------------------------------------------------------------------------


def isotope(**changes: Any) -> Dataset:
    item = Dataset()
    for keyword, value in ({"RadionuclideTotalDose": "350000000", "RadionuclideHalfLife": "6586.2",
                            "RadiopharmaceuticalStartTime": "101113.8"} | changes).items():  # fmt: skip
        setattr(item, keyword, value)
    return item


def test_suv_of_a_series(make_series: Callable[..., Path]) -> None:
    """70 kg and 350 MBq, injected one half life before the series time, give 0.0004 for every slice."""
    folder = make_series(
        modality="PT",
        common={"PatientWeight": 70, "RadiopharmaceuticalInformationSequence": [isotope()]},
    )
    scales = suv_scales(frames(sorted(folder.iterdir())))
    assert len(scales) == 6
    assert [scale.factor for scale in scales] == [pytest.approx(0.0004, rel=1e-12)] * 6


def test_private_attributes_reach_the_factor(make_series: Callable[..., Path]) -> None:
    """Philips' and GE's private elements are found by their creators, wherever the block lies."""
    folder = make_series(
        modality="PT",
        common={"PatientWeight": 70, "RadiopharmaceuticalInformationSequence": [isotope()]},
    )
    files = sorted(folder.iterdir())
    for file in files[:3]:
        data_set = pydicom.dcmread(file)
        data_set.Units = "CNTS"
        block = data_set.private_block(0x7053, "Philips PET Private Group", create=True)
        block.add_new(0x00, "DS", "0.000728")
        data_set.save_as(file)
    for file in files[3:]:
        data_set = pydicom.dcmread(file)
        data_set.SeriesTime = "180000"
        data_set.private_block(0x0009, "SOMEBODY ELSE", create=True).add_new(0x0D, "LO", "no")
        data_set.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20240101120100.00")
        data_set.save_as(file)
    assert [scale.factor for scale in suv_scales(frames(files[:3]))] == [0.000728] * 3
    by_ge = suv_scales(frames(files[3:]))
    assert [scale.factor for scale in by_ge] == [pytest.approx(0.0004, rel=1e-12)] * 3
    assert "GE" in by_ge[0].basis


def test_suv_error_names_the_file(make_series: Callable[..., Path]) -> None:
    """The slice without a weight is named; so is a series that is no PET."""
    each: list[dict[str, Any]] = [{} for _ in range(6)]
    each[4] = {"PatientWeight": None}
    folder = make_series(
        modality="PT",
        common={"PatientWeight": 70, "RadiopharmaceuticalInformationSequence": [isotope()]},
        each=each,
    )
    with pytest.raises(ValuesError, match=r"0005\.dcm: PatientWeight is missing"):
        suv_scales(frames(sorted(folder.iterdir())))
    with pytest.raises(ValuesError, match=r"0001\.dcm: SOPClassUID"):
        suv_scales(frames(sorted(make_series(name="ct").iterdir())))


def test_suv_rescale() -> None:
    """Slope and intercept both carry the factor: (3 x + 2) * 0.5."""
    assert suv_rescale(Rescale(3, 2), SuvScale(0.5, "")) == Rescale(1.5, 1.0)


# --- Philips ----------------------------------------------------------------------------------------------


def precise_by_dcm2niix(folder: Path, out: Path) -> list[np.ndarray[Any, Any]]:
    """All values of each volume that dcm2niix makes of a folder with Philips' precise scaling, sorted."""
    command = [dcm2niix.bin, "-p", "y", "-z", "n", "-b", "n", "-f", "%s_%e_%p", "-o", str(out), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    volumes = [nibabel.load(path) for path in sorted(out.glob("*.nii"))]  # type: ignore[attr-defined]
    return [np.sort(np.asarray(volume.get_fdata()), axis=None) for volume in volumes]


def precise(files: list[Path]) -> list[tuple[np.ndarray[Any, Any], float]]:
    """The same by `philips_rescales`, and for each volume how far dcm2niix may be off.

    It takes the slope as a difference of two float32 of the intercept's size, so it is off by a rounding of
    that size for each stored step (dcm2niix v1.0.20260724).
    """
    scanned = frames(files)
    pixels = {file: pydicom.dcmread(file).pixel_array for file in files}
    values: dict[Any, list[np.ndarray[Any, Any]]] = {}
    allowed: dict[Any, float] = {}
    for frame, rescale in zip(scanned, philips_rescales(scanned), strict=True):
        image = pixels[frame.header.reference]
        stored = (image[frame.index] if image.ndim == 3 else image).astype(np.float64)
        key = (rescale, frame.attributes.get("EchoTime"))
        values.setdefault(key, []).append(stored * rescale.slope + rescale.intercept)
        relative = 1e-7 * float(np.abs(values[key][-1]).max())
        step = 2.0**-23 * abs(rescale.intercept) * float(stored.max())
        allowed[key] = max(allowed.get(key, 0.0), relative + step)
    return [(np.sort(np.array(images), axis=None), allowed[key]) for key, images in values.items()]


@pytest.mark.parametrize(
    ("folder", "volumes"), [("mr-philips-dual-echo", 4), ("mr-enhanced-philips-siemens/Philips", 2)]
)
def test_precise_values_like_dcm2niix(real_data: Path, tmp_path: Path, folder: str, volumes: int) -> None:
    """Magnitude, phase and field map, classic and enhanced, have the values of dcm2niix -p y."""
    ours = precise(sorted((real_data / folder).glob("*.dcm")))
    theirs = precise_by_dcm2niix(real_data / folder, tmp_path)
    assert len(ours) == len(theirs) == volumes
    for values, allowed in ours:
        errors = [float(np.abs(values - other).max()) for other in theirs if other.shape == values.shape]
        assert min(errors) <= allowed < 1e-3 * float(np.abs(values).max())


def test_precise_by_the_formula() -> None:
    """FP = (PV * RS + RI) / (RS * SS) by hand: (100 * 2 - 50) / (2 * 0.25) = 300."""
    rescale = philips_rescale({PHILIPS_SCALE_SLOPE: 0.25, PHILIPS_SCALE_INTERCEPT: 25.0}, Rescale(2, -50))
    assert 100 * rescale.slope + rescale.intercept == 300


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, "0E.* is None"),
        ({PHILIPS_SCALE_SLOPE: 0.0}, "0E.* is 0.0"),
        ({PHILIPS_SCALE_SLOPE: "x"}, "'x'"),
        ({PHILIPS_SCALE_SLOPE: 0.25, PHILIPS_SCALE_INTERCEPT: 0.0}, "0D.* is 0, but"),
    ],
)
def test_no_precise_values(attributes: dict[str, Any], message: str) -> None:
    """Without a scale slope, or with an intercept that contradicts Rescale, there are no precise values."""
    with pytest.raises(HeaderError, match=message):
        philips_rescale(attributes, Rescale(2, -50))


def test_no_philips_file_is_named(ct: Path) -> None:
    """A CT has no such scaling; the error says which file."""
    with pytest.raises(HeaderError, match=r"0001\.dcm.*2005"):
        philips_rescales(frames(sorted(ct.iterdir())))


# --- padding ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-2000, 63536])
def test_padding_of_signed_pixels(value: int) -> None:
    """-2000 and 63536, its bits read as unsigned, are the same padding of signed pixels."""
    assert padding_mask(np.array([-2000, 0, 2000], "i2"), value).tolist() == [True, False, False]


@pytest.mark.parametrize("value", [-2000, 63536])
def test_padding_of_unsigned_pixels(value: int) -> None:
    """It is found for unsigned pixels, too, where the file gave SS."""
    assert padding_mask(np.array([63536, 0, 2000], "u2"), value).tolist() == [True, False, False]


def test_padding_of_pixels_held_in_a_wider_type() -> None:
    """Pixel Representation decides, not the array: unsigned values may come as int32."""
    assert padding_mask(np.array([63536, -2000], "i4"), -2000, signed=False).tolist() == [True, False]


@pytest.mark.parametrize(("value", "limit"), [(0, 20), (20, 0), (-20, 0), (65516, 0)])
def test_padding_range_includes_both_ends(value: int, limit: int) -> None:
    """The range holds both ends in either order (MONOCHROME1 counts down), each in the right sign."""
    low, high = sorted((value if value < 32768 else value - 65536, limit))
    stored = np.arange(-30, 31, dtype="i2")
    assert padding_mask(stored, value, limit).tolist() == [low <= x <= high for x in stored.tolist()]


def test_no_padding() -> None:
    """No value, no padding, whatever the shape; a limit alone is refused."""
    assert not padding_mask(np.zeros((2, 3), "i2"), None).any()
    with pytest.raises(HeaderError, match="PixelPaddingRangeLimit is 5 without"):
        padding_mask(np.zeros((2, 3), "i2"), None, 5)


def test_padding_out_of_reach() -> None:
    """A value that the pixels cannot hold matches none of them; a float one is taken as it is."""
    assert not padding_mask(np.arange(256).astype("u1"), 4096).any()
    assert padding_mask(np.array([-1.5, 0.0], "f4"), -1.5).tolist() == [True, False]


def test_real_padding(real_data: Path) -> None:
    """The corners outside a GE scanner's circle are padding, -1500, and leave the statistics."""
    data_set = pydicom.dcmread(real_data / "ct-ge-tilted-uneven" / "01.dcm")
    stored = data_set.pixel_array
    mask = padding_mask(stored, data_set.PixelPaddingValue, signed=data_set.PixelRepresentation == 1)
    assert mask[0, 0] and not mask[stored.shape[0] // 2, stored.shape[1] // 2]
    assert finite_statistics(stored).minimum == -1500 < finite_statistics(stored, mask).minimum


def test_statistics_by_numpy() -> None:
    """Padding, NaN and infinity do not count; the rest is NumPy's mean and deviation."""
    values = np.array([1.0, 2.0, 4.0, -2000.0, np.nan, np.inf], "f4")
    found = finite_statistics(values, padding_mask(values, -2000.0))
    assert (found.count, found.minimum, found.maximum) == (3, 1.0, 4.0)
    assert found.mean == pytest.approx(np.mean([1, 2, 4]))
    assert found.standard_deviation == pytest.approx(np.std([1, 2, 4]))
    assert finite_statistics(np.array([5], "u1")).standard_deviation == 0


def test_nothing_left() -> None:
    """Where all is padding there is nothing to measure, and that is said."""
    with pytest.raises(ValuesError, match="all 4 values"):
        finite_statistics(np.zeros(4), np.ones(4, np.bool_))
