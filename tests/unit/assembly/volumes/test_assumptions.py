"""What images do not say, or say wrongly: read where that is safe, and always told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_VR

from dicomarray import Volume, dicom_filter, index, load, open_index, scan, to_dicom
from dicomarray.errors import HeaderError, TemplateError, ValuesError
from enhanced_files import at, rescaled, write_enhanced
from synthetic import stored_values

COLOURS = np.random.default_rng(3).integers(0, 256, (2, 8, 10, 3)).astype(np.uint8)


def mentions(volume: Volume, *words: str) -> bool:
    """Whether one warning has all of the words."""
    return any(all(word in warning for word in words) for warning in volume.warnings)


# --- half a rescale ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
@pytest.mark.parametrize("nothing", [None, ...])
@pytest.mark.parametrize(("keyword", "assumed"), [("RescaleSlope", 1), ("RescaleIntercept", 0)])
def test_half_a_rescale(make_series: Any, modality: str, nothing: Any, keyword: str, assumed: int) -> None:
    """A slope without an intercept, or the reverse, empty or missing: what is assumed for it is told."""
    common = {"RescaleSlope": 2, "RescaleIntercept": -7} | {keyword: nothing}
    volume = load(make_series(modality=modality, common=common))
    slope, intercept = (1, -7) if assumed else (2, 0)
    assert np.array_equal(volume.array, stored_values().astype(float) * slope + intercept)
    assert mentions(volume, keyword, f"{assumed} is assumed")


@pytest.mark.parametrize("common", [{}, {"RescaleSlope": 1, "RescaleIntercept": 0}])
def test_a_whole_rescale_needs_no_word(make_series: Any, common: dict[str, Any]) -> None:
    """Both are there, also where they change nothing."""
    assert not load(make_series(common=common)).warnings


def test_an_mr_without_rescale_needs_no_word(make_series: Any) -> None:
    """It has none, as most have."""
    assert not load(make_series(modality="MR")).warnings


def test_half_a_rescale_in_some_images(make_series: Any) -> None:
    """An intercept of 0 that some do not say is told, with their number."""
    each = [{"RescaleIntercept": None if index < 2 else 0, "RescaleSlope": 2} for index in range(6)]
    volume = load(make_series(each=each))
    assert np.array_equal(volume.array, stored_values() * 2) and mentions(volume, "2 of 6", "0 is assumed")


@pytest.mark.parametrize("kind", ["HU", ...])
def test_a_ct_without_any_is_told(make_series: Any, kind: Any) -> None:
    """Also where a Rescale Type says HU: nothing leads to them."""
    common = {"RescaleSlope": None, "RescaleIntercept": None, "RescaleType": kind}
    assert mentions(load(make_series(common=common)), "RescaleSlope", "may be no HU")


# --- an unreadable rescale --------------------------------------------------------------------------------


def unreadable(folder: Path) -> Path:
    """The same series with an intercept that is no number."""
    for file in folder.iterdir():
        raw = file.read_bytes()
        assert b"-1024" in raw
        file.write_bytes(raw.replace(b"-1024", b"-1o24"))
    return folder


def test_stored_values_need_no_intercept(make_series: Any) -> None:
    """They are read, with a warning; the sidecar tells no NaN."""
    volume = load(unreadable(make_series()), units="stored")
    assert np.array_equal(volume.array, stored_values())
    assert mentions(volume, "RescaleIntercept", "6 of 6")
    assert volume.metadata["values"]["modality"] == [{"slope": 1.0, "intercept": 0.0}]


@pytest.mark.parametrize("units", ["modality", "suv"])
def test_other_values_need_it(make_series: Any, units: str) -> None:
    """The error names file, attribute and value, and the way out."""
    with pytest.raises(HeaderError, match=r'0001\.dcm: RescaleIntercept is .-1o24.*units="stored"'):
        load(unreadable(make_series()), units=units)


def test_units_that_differ_are_told(make_series: Any) -> None:
    """Some slices in HU and one unspecified are never HU without a word."""
    each = [{"RescaleType": "US" if number == 2 else "HU"} for number in range(6)]
    assert mentions(load(make_series(each=each)), "RescaleType differs", "HU, US")


def test_a_pet_without_any_is_told(make_series: Any) -> None:
    """A slope is required beside its units (PS3.3 C.8.9.4)."""
    silent = {"RescaleSlope": ..., "RescaleIntercept": ...}
    assert mentions(load(make_series(modality="PT", common=silent)), "RescaleSlope", "may be no BQML")
    assert not mentions(load(make_series(name="whole", modality="PT")), "may be no")


@pytest.mark.parametrize("intercept", ["NaN", "inf"])
def test_a_template_without_a_finite_intercept_is_refused(make_series: Any, intercept: str) -> None:
    """As one whose intercept is no number at all."""
    folder = make_series(common={"RescaleIntercept": intercept})
    with pytest.raises(TemplateError, match="RescaleIntercept"):
        to_dicom(stored_values(), folder, folder.parent / "out", values="stored")


# --- colour -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_colours_have_no_slope(make_series: Any, photometric: str) -> None:
    """Samples are what they are without a rescale; a warning tells of it."""
    plain = load(
        make_series(COLOURS, "plain", modality="SC", common={"PhotometricInterpretation": photometric})
    )
    common = {
        "PhotometricInterpretation": photometric,
        "Modality": "CT",
        "RescaleSlope": 2,
        "RescaleIntercept": -1024,
        "RescaleType": "HU",
    }
    volume = load(make_series(COLOURS, modality="SC", common=common))
    assert np.array_equal(volume.array, plain.array) and volume.array.dtype == np.uint8
    assert volume.units == plain.units == "RGB"
    assert mentions(volume, "RescaleSlope 2", "RescaleIntercept -1024", "not applied")
    assert not mentions(plain, "Rescale")


def test_colours_have_no_mapping(make_series: Any) -> None:
    """A Real World Value Mapping of colours is told, and left aside."""
    mapping = Dataset()
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 2.0, 0.0
    volume = load(make_series(COLOURS, modality="SC", common={"RealWorldValueMappingSequence": [mapping]}))
    assert np.array_equal(volume.array, COLOURS) and mentions(volume, "RealWorldValueMapping", "not applied")


def test_colours_without_effect_of_a_rescale(make_series: Any) -> None:
    """1 and 0 change nothing, and need no warning."""
    common = {"RescaleSlope": 1, "RescaleIntercept": 0}
    assert not mentions(load(make_series(COLOURS, modality="SC", common=common)), "Rescale")


def test_colours_have_no_suv(make_series: Any) -> None:
    """They are no activity."""
    with pytest.raises(ValuesError, match="colours are no activity"):
        load(make_series(COLOURS, modality="SC"), units="suv")


def test_colours_with_a_sidecar_are_written_back(make_series: Any, tmp_path: Path) -> None:
    """The units RGB are those of the template too."""
    folder = make_series(COLOURS, modality="SC")
    volume = load(folder)
    to_dicom(volume, folder, tmp_path / "out")
    assert np.array_equal(load(tmp_path / "out").array, COLOURS)


def test_indices_into_a_palette_have_no_slope(make_series: Any) -> None:
    """They are indices, and stay so."""
    stored = stored_values(bits_stored=8)
    table = {"PhotometricInterpretation": "PALETTE COLOR", "RescaleSlope": 2, "RescaleIntercept": -5}
    folder = make_series(stored, modality="SC", common=table)
    volume = load(folder)
    assert np.array_equal(volume.array, stored) and volume.units == "modality"
    assert mentions(volume, "RescaleSlope", "not applied to indices")
    with pytest.raises(TemplateError, match="no measurements"):
        to_dicom(volume, folder, folder.parent / "out")


# --- Modality LUT -----------------------------------------------------------------------------------------


def lut(**elements: Any) -> Dataset:
    """An item of Modality LUT Sequence."""
    item = Dataset()
    for keyword, (vr, value) in elements.items():
        item.add_new(keyword, vr, value)
    return item


def test_empty_modality_luts_say_nothing(make_series: Any) -> None:
    """Two items without a table are as none; one with a table beside them is refused."""
    volume = load(make_series(common={"ModalityLUTSequence": [lut(), lut()]}))
    assert np.array_equal(volume.array, stored_values() - 1024.0) and mentions(volume, "ModalityLUTSequence")
    table = lut(LUTDescriptor=("US", [4096, 0, 16]), LUTData=("OW", b"\0\0" * 4096))
    with pytest.raises(HeaderError, match="2 items"):
        load(make_series(name="two", modality="SC", common={"ModalityLUTSequence": [lut(), table]}))


@pytest.mark.parametrize(
    "item",
    [
        lut(),
        lut(ModalityLUTType=("LO", "HU")),
        lut(LUTDescriptor=("US", None), LUTData=("OW", b"")),
    ],
)
def test_an_empty_modality_lut_says_nothing(make_series: Any, item: Dataset) -> None:
    """The rescale holds, or the stored values do; a warning tells of the item."""
    hounsfield = load(make_series(common={"ModalityLUTSequence": [item]}))
    assert np.array_equal(hounsfield.array, stored_values() - 1024.0) and hounsfield.units == "HU"
    plain = load(make_series(name="plain", modality="SC", common={"ModalityLUTSequence": [item]}))
    assert np.array_equal(plain.array, stored_values())
    assert mentions(hounsfield, "ModalityLUTSequence") and mentions(plain, "ModalityLUTSequence")


@pytest.mark.parametrize(
    "item",
    [
        lut(LUTDescriptor=("US", [4096, 0, 16])),
        lut(LUTDescriptor=("US", [4096, 0, 16]), LUTData=("OW", b"\0\0" * 4000)),
        lut(LUTData=("OW", b"\0\0" * 4096)),
    ],
)
def test_half_a_modality_lut_is_refused(make_series: Any, item: Dataset) -> None:
    """A table was meant, and is not there."""
    with pytest.raises(HeaderError, match=r"LUTD"):
        load(make_series(modality="SC", common={"ModalityLUTSequence": [item]}))


def test_an_empty_modality_lut_among_tables_is_refused(make_series: Any) -> None:
    """What the values of the image without one are is not said."""
    table = lut(LUTDescriptor=("US", [4096, 0, 16]), LUTData=("OW", b"\0\0" * 4096))
    each = [{"ModalityLUTSequence": [table if index else lut()]} for index in range(6)]
    with pytest.raises(HeaderError, match=r"ModalityLUTSequence|LUTDescriptor"):
        load(make_series(modality="SC", each=each))


# --- SUV --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"RadiopharmaceuticalStartTime": "100000"}, ("no date", "the same day as the scan is assumed")),
        ({"RadiopharmaceuticalStartTime": "230000"}, ("no date", "the day before the scan is assumed")),
        ({"RadiopharmaceuticalStartDateTime": "20240101100000"}, ()),
    ],
)
def test_suv_says_which_day_it_assumed(
    make_series: Any, told: dict[str, str], words: tuple[str, ...]
) -> None:
    """Yttrium-90, half life 64 h: injected another day it is another SUV."""
    isotope = Dataset()
    isotope.RadionuclideTotalDose, isotope.RadionuclideHalfLife = "370000000", "230760"
    for keyword, value in told.items():
        setattr(isotope, keyword, value)
    common = {"RadiopharmaceuticalInformationSequence": [isotope], "PatientWeight": "70"}
    volume = load(make_series(modality="PT", common=common), units="suv")
    assert mentions(volume, "assumed") == bool(words)
    assert mentions(volume, *words)


@pytest.mark.parametrize(
    "keyword", ["PatientWeight", "RadionuclideTotalDose", "RadiopharmaceuticalStartTime"]
)
def test_images_that_contradict_each_other_make_no_suv(make_series: Any, keyword: str) -> None:
    """One patient, weighed once and injected once: the slices of a volume cannot differ in it."""
    each: list[dict[str, Any]] = []
    for number in range(6):
        isotope, image = Dataset(), {"PatientWeight": "70"}
        isotope.RadionuclideTotalDose, isotope.RadionuclideHalfLife = "370000000", "6586.2"
        isotope.RadiopharmaceuticalStartTime = "113000"
        if number == 3 and keyword == "PatientWeight":
            image["PatientWeight"] = "71"
        elif number == 3:
            setattr(isotope, keyword, {"RadionuclideTotalDose": "380000000"}.get(keyword, "114500"))
        each.append({**image, "RadiopharmaceuticalInformationSequence": [isotope]})
    folder = make_series(modality="PT", each=each)
    with pytest.raises(ValuesError, match=f"{keyword} differs"):
        load(folder, units="suv")
    assert load(folder).units == "BQML"


def test_a_date_without_a_time_makes_no_suv(make_series: Any) -> None:
    """The decay of a day is too much to assume."""
    isotope = Dataset()
    isotope.RadionuclideTotalDose, isotope.RadionuclideHalfLife = "370000000", "6586.2"
    isotope.RadiopharmaceuticalStartDateTime = "20240101"
    common = {"RadiopharmaceuticalInformationSequence": [isotope], "PatientWeight": "70"}
    with pytest.raises(ValuesError, match="RadiopharmaceuticalStartDateTime"):
        load(make_series(modality="PT", common=common), units="suv")


# --- numbers under a wrong VR -----------------------------------------------------------------------------


def mislabel(folder: Path, keyword: str, vr: str) -> Path:
    """The same series with another VR for an attribute, whose text stays."""
    for file in folder.iterdir():
        data_set = dcmread(file)
        value = data_set[keyword].value
        several = [value] if isinstance(value, int | float | str) else list(value)
        text = "\\".join(str(one) for one in several)
        del data_set[keyword]
        data_set.save_as(file)
        raw, tag = file.read_bytes(), Dataset()
        tag.add_new(keyword, "LO", "")
        number = next(iter(tag)).tag
        little = data_set.original_encoding[1]
        order = "little" if little else "big"
        body = text.encode() + b" " * (len(text) % 2)
        head = number.group.to_bytes(2, order) + number.elem.to_bytes(2, order) + vr.encode()
        long = vr in ("UT", "UC", "UN", "UR")
        head += b"\0\0" + len(body).to_bytes(4, order) if long else len(body).to_bytes(2, order)
        at = _place_of(raw, number, order)
        file.write_bytes(raw[:at] + head + body + raw[at:])
    return folder


def _place_of(raw: bytes, tag: int, order: str) -> int:
    """Where in an explicit file an element belongs, by walking it."""
    meta = int.from_bytes(raw[140:144], "little")
    at = 144 + meta
    while at < len(raw):
        found = int.from_bytes(raw[at : at + 2], order) << 16 | int.from_bytes(raw[at + 2 : at + 4], order)
        if found > tag:
            return at
        long = raw[at + 4 : at + 6] in (b"OB", b"OW", b"SQ", b"UT", b"UN", b"UC", b"UR", b"OF", b"OD")
        length = raw[at + 8 : at + 12] if long else raw[at + 6 : at + 8]
        at += (12 if long else 8) + int.from_bytes(length, order)
    return at


ELSEWHERE = ("ImagePositionPatient", "ImageOrientationPatient", "RescaleIntercept", "Rows")


@pytest.mark.parametrize(
    ("keyword", "vr", "syntax"),
    [
        *(("PixelSpacing", vr, "explicit") for vr in ("UT", "LT", "LO", "ST", "UC", "SH", "PN", "TM")),
        ("PixelSpacing", "UT", "big-endian"),
        *((keyword, vr, "explicit") for keyword in ELSEWHERE for vr in ("UT", "LO")),
    ],
)
def test_numbers_in_elements_of_text(make_series: Any, keyword: str, vr: str, syntax: str) -> None:
    """They are read as the numbers that they are; a warning names the attribute."""
    plain = load(make_series(name="plain", syntax=syntax))
    volume = load(mislabel(make_series(syntax=syntax), keyword, vr))
    assert np.array_equal(volume.array, plain.array) and volume.units == "HU"
    assert np.allclose(volume.affine, plain.affine)
    assert mentions(volume, keyword, "VR of text")
    assert not plain.warnings


def test_whole_numbers_in_decimal_strings(make_series: Any) -> None:
    """Integer String as DS: the same numbers, whole ones, by which frames are counted and images sorted."""
    plain = load(make_series(name="plain"))
    folder = mislabel(make_series(), "InstanceNumber", "DS")
    numbers = [image["InstanceNumber"] for image in load(folder).slices]
    assert numbers == [image["InstanceNumber"] for image in plain.slices]
    assert all(isinstance(number, int) for number in numbers)


def test_number_of_frames_in_a_decimal_string(make_series: Any) -> None:
    """A loop of one file is read whole."""
    loop = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.2", "NumberOfFrames": 4, "Rows": 5, "Columns": 3}
    grey = {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PlanarConfiguration": ...}
    stored = stored_values((1, 4, 5, 3))
    folder = mislabel(make_series(stored, modality="SC", common={**loop, **grey}), "NumberOfFrames", "DS")
    assert np.array_equal(load(folder).array, stored[0])


def test_a_wrong_vr_in_functional_groups(tmp_path: Path) -> None:
    """Pixel Measures and Pixel Value Transformation of an enhanced object."""
    array = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
    frames = [{**at(index * 2.5), **rescaled(2.0, 1.0)} for index in range(3)]
    file = write_enhanced(tmp_path / "a.dcm", array, frames)
    raw = file.read_bytes()
    for head in (b"\x28\x00\x30\x00", b"\x28\x00\x52\x10"):
        assert head + b"DS" in raw
        raw = raw.replace(head + b"DS", head + b"LO")
    plain = load(file)
    file.write_bytes(raw)
    volume = load(file)
    assert np.array_equal(volume.array, array * 2.0 + 1) and np.allclose(volume.affine, plain.affine)
    assert mentions(volume, "PixelSpacing", "RescaleIntercept", "VR of text")


@pytest.mark.parametrize("name", ["0001.dcm", "0003.dcm", "0006.dcm"])
def test_a_wrong_vr_in_one_file_is_told(make_series: Any, tmp_path: Path, name: str) -> None:
    """It is told where the other files are right, whichever was read before it."""
    folder = make_series()
    odd = tmp_path / "odd"
    odd.mkdir()
    (folder / name).rename(odd / name)
    (mislabel(odd, "PixelSpacing", "UT") / name).rename(folder / name)
    assert mentions(load(folder), "PixelSpacing", "VR of text")


@pytest.mark.parametrize("keyword", ["PixelSpacing", "EchoTime", "InstanceNumber"])
def test_an_index_keeps_numbers_as_a_scan_has_them(make_series: Any, tmp_path: Path, keyword: str) -> None:
    """The values, the choice and the warning are the same."""
    folder = mislabel(make_series(modality="MR"), keyword, "UT")
    index(folder, tmp_path / "index.sqlite")
    (kept,), (scanned,) = open_index(tmp_path / "index.sqlite"), scan(folder)
    assert kept.attributes.get(keyword) == scanned.attributes.get(keyword)
    assert kept.volume().warnings == scanned.volume().warnings
    assert mentions(kept.volume(), keyword)
    config = {"PixelSpacing": {"gte": 0.5}, "EchoTime": 10, "InstanceNumber": {"gte": 1}}
    assert dicom_filter(folder, config)
    assert dicom_filter(folder, config, index=tmp_path / "index.sqlite")


@pytest.mark.parametrize("keyword", ["PixelSpacing", "RescaleIntercept", "Rows", "ImagePositionPatient"])
def test_a_wrong_vr_is_not_written_on(make_series: Any, tmp_path: Path, keyword: str) -> None:
    """A derived series has the standard's VR."""
    folder = mislabel(make_series(), keyword, "UT")
    report = to_dicom(load(folder), folder, tmp_path / "out")
    again = load(tmp_path / "out")
    assert not mentions(again, "VR of text") and np.array_equal(again.array, load(folder).array)
    assert dictionary_VR(keyword) == dcmread(report.files[0])[keyword].VR


def test_text_that_is_no_number_is_refused(make_series: Any) -> None:
    """It is refused under a wrong VR as under the right one."""
    folder = mislabel(make_series(), "PixelSpacing", "LO")
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes().replace(b"0.5\\0.75", b"0.5\\wide"))
    with pytest.raises(HeaderError, match=r"PixelSpacing is .*wide"):
        load(folder)
