"""Values that stand in a Real World Value Mapping only, by the formula of PS3.3 C.7.6.16.2.11.1.2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import ParametricMapStorage, UltrasoundImageStorage

from dicomarray import Volume, load, scan, to_dicom
from dicomarray.errors import ValuesError
from enhanced_files import at, rescaled, write_enhanced
from synthetic import stored_values

ARRAY = np.arange(3 * 4 * 5, dtype=np.uint16).reshape(3, 4, 5) * 1000


def mapped(slope: float = 0.5, intercept: float = 5.0, units: str = "um2/s", **more: Any) -> dict[str, Any]:
    """An item of Real World Value Mapping Sequence, for all values of 16 bits."""
    return {
        "RealWorldValueSlope": slope,
        "RealWorldValueIntercept": intercept,
        "RealWorldValueFirstValueMapped": 0,
        "RealWorldValueLastValueMapped": 65535,
        "LUTLabel": "A",
        "MeasurementUnitsCodeSequence": code(units),
    } | more


def code(value: str, scheme: str = "UCUM", meaning: str = "meant") -> dict[str, str]:
    return {"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning}


def read(folder: Path, *items: Any, array: Any = ARRAY, shared: Any = None, **options: Any) -> Volume:
    """A parametric map with these mappings, one a frame, or one that all share."""
    frames: list[Mapping[str, Any]] = [at(index * 2.5) for index in range(len(array))]
    if items:
        each = items if len(items) > 1 else items * len(array)
        frames = [
            {**frame, "RealWorldValueMappingSequence": item} for frame, item in zip(frames, each, strict=True)
        ]
    common = {"SOPClassUID": ParametricMapStorage}
    groups = None if shared is None else {"RealWorldValueMappingSequence": shared}
    return load(write_enhanced(folder / "a.dcm", array, frames, shared=groups, common=common), **options)


def test_each_frame_by_its_own_mapping(tmp_path: Path) -> None:
    """Slopes that differ from frame to frame, as pydicom reads them; units are the code."""
    volume = read(tmp_path, mapped(0.1), mapped(0.2, -3.0), mapped(0.3))
    data_set = pydicom.dcmread(tmp_path / "a.dcm")
    for group, image, stored in zip(
        data_set.PerFrameFunctionalGroupsSequence, volume.array, data_set.pixel_array, strict=True
    ):
        (item,) = group.RealWorldValueMappingSequence
        expected = stored * item.RealWorldValueSlope + item.RealWorldValueIntercept
        assert image == pytest.approx(expected, rel=1e-6)
    assert volume.units == "um2/s"
    assert [rescale.slope for rescale in volume.rescales] == [0.1, 0.2, 0.3]
    assert not volume.warnings


def test_mapping_that_all_frames_share(tmp_path: Path) -> None:
    """It is found in the shared functional groups."""
    volume = read(tmp_path, shared=mapped())
    assert np.array_equal(volume.array, ARRAY * 0.5 + 5.0)
    assert volume.units == "um2/s"


def test_signed_values(tmp_path: Path) -> None:
    """All values that signed pixels can store are mapped."""
    whole = {"RealWorldValueFirstValueMapped": -0x8000, "RealWorldValueLastValueMapped": 0x7FFF}
    array = (ARRAY - 30000).astype(np.int16)
    assert np.array_equal(read(tmp_path, mapped(**whole), array=array).array, array * 0.5 + 5.0)


@pytest.mark.parametrize(
    ("units", "shown"), [(code("1"), "1"), (code("126", "DCM", "ratio"), "ratio"), (None, "modality")]
)
def test_units(tmp_path: Path, units: Any, shown: str) -> None:
    """They are UCUM's code, the meaning of another scheme's, or none."""
    assert read(tmp_path, mapped(MeasurementUnitsCodeSequence=units)).units == shown


def test_float_pixels_that_are_the_values(tmp_path: Path) -> None:
    """The identity needs no range: units, and the stored values as they are."""
    volume = read(tmp_path, mapped(1.0, 0.0, RealWorldValueLastValueMapped=9))
    assert np.array_equal(volume.array, ARRAY) and volume.array.dtype == np.uint16
    assert volume.units == "um2/s"


def test_rescale_is_the_modality_value(tmp_path: Path) -> None:
    """Beside Pixel Value Transformation the mapping says something else, and is left alone."""
    frames = [
        {**at(index * 2.5), **rescaled(2.0, 1.0), "RealWorldValueMappingSequence": mapped()}
        for index in range(3)
    ]
    volume = load(write_enhanced(tmp_path / "a.dcm", ARRAY, frames))
    assert np.array_equal(volume.array, ARRAY * 2.0 + 1.0)


def test_stored_values_stay(tmp_path: Path) -> None:
    """units="stored" asks for what is in the file."""
    volume = read(tmp_path, mapped(), units="stored")
    assert np.array_equal(volume.array, ARRAY) and volume.units == "stored" and not volume.warnings


@pytest.mark.parametrize(
    ("items", "told"),
    [
        ([mapped(RealWorldValueIntercept=None)], "no slope and intercept"),
        (
            [{"LUTLabel": "A", "RealWorldValueLUTData": [0.0, 1.0], "RealWorldValueFirstValueMapped": 0}],
            "is a table",
        ),
    ],
)
def test_not_applied_but_told(tmp_path: Path, items: Any, told: str) -> None:
    """What is no slope at all leaves the stored values, with a warning."""
    volume = read(tmp_path, *items)
    assert np.array_equal(volume.array, ARRAY)
    assert volume.units == "modality"
    assert any(told in warning for warning in volume.warnings)


def test_some_frames_without_a_mapping(tmp_path: Path) -> None:
    """Values of two kinds are not mixed in silence."""
    frames = [at(0), {**at(2.5), "RealWorldValueMappingSequence": mapped()}, at(5)]
    write_enhanced(tmp_path / "a.dcm", ARRAY, frames)
    volume = load(tmp_path / "a.dcm")
    assert np.array_equal(volume.array, ARRAY)
    assert any("some frames only" in warning for warning in volume.warnings)


def test_the_first_of_several_items(tmp_path: Path) -> None:
    """It is applied where it holds for all values; a warning says that there are others, and their units."""
    volume = read(tmp_path, [mapped(), mapped(0.1, units="1")])
    assert np.array_equal(volume.array, ARRAY * 0.5 + 5.0) and volume.units == "um2/s"
    assert any("2 items" in warning and "um2/s, 1" in warning for warning in volume.warnings)


def test_an_item_that_holds_for_some_values_is_passed_over(tmp_path: Path) -> None:
    """So is a table: the first slope for all values counts."""
    table = {"LUTLabel": "T", "RealWorldValueLUTData": [0.0, 1.0], "RealWorldValueFirstValueMapped": 0}
    volume = read(tmp_path, [table, mapped(9.0, RealWorldValueLastValueMapped=999), mapped(0.25)])
    assert np.array_equal(volume.array, ARRAY * 0.25 + 5.0)
    assert any("3 items" in warning for warning in volume.warnings)


def test_a_range_that_holds_for_the_values_that_are_there(tmp_path: Path) -> None:
    """Less than 16 bits can store, and enough."""
    volume = read(tmp_path, mapped(RealWorldValueLastValueMapped=59000))
    assert np.array_equal(volume.array, ARRAY * 0.5 + 5.0) and not volume.warnings


@pytest.mark.parametrize(
    "ends",
    [{"RealWorldValueLastValueMapped": 58999}, {"RealWorldValueFirstValueMapped": 1}],
)
def test_values_outside_the_range_are_refused(tmp_path: Path, ends: dict[str, int]) -> None:
    """What they stand for is not told; stored values can still be had."""
    with pytest.raises(ValuesError, match=r"a\.dcm.*outside.*Real World.*units=\"stored\""):
        read(tmp_path, mapped(**ends))
    assert np.array_equal(load(tmp_path / "a.dcm", units="stored").array, ARRAY)


def test_a_range_that_is_not_told(tmp_path: Path) -> None:
    """It is assumed to be all values, and a warning says so."""
    volume = read(tmp_path, mapped(RealWorldValueFirstValueMapped=None))
    assert np.array_equal(volume.array, ARRAY * 0.5 + 5.0)
    assert any("assumed to hold for all values" in warning for warning in volume.warnings)


@pytest.mark.parametrize(("last", "fits"), [(59000.0, True), (58999.0, False)])
def test_a_range_of_floating_point_numbers(tmp_path: Path, last: float, fits: bool) -> None:
    """Double Float Real World Value First and Last Value Mapped."""
    item = mapped(
        RealWorldValueFirstValueMapped=None,
        RealWorldValueLastValueMapped=None,
        DoubleFloatRealWorldValueFirstValueMapped=0.0,
        DoubleFloatRealWorldValueLastValueMapped=last,
    )
    if fits:
        assert np.array_equal(read(tmp_path, item).array, ARRAY * 0.5 + 5.0)
        return
    with pytest.raises(ValuesError, match="outside"):
        read(tmp_path, item)


def test_frames_in_other_units(tmp_path: Path) -> None:
    """They are volumes of their own, or stay as stored with a warning; never mixed."""
    frames = [
        {**at(index * 2.5), "RealWorldValueMappingSequence": mapped(units=units)}
        for index, units in enumerate(("um2/s", "um2/s", "1"))
    ]
    write_enhanced(tmp_path / "a.dcm", ARRAY, frames, common={"SOPClassUID": ParametricMapStorage})
    found = scan(tmp_path)[0].volumes(missing="keep")
    assert [volume.units for volume in found] == ["um2/s", "1"] or any(
        "several units" in warning for volume in found for warning in volume.warnings
    )


# --- at the top level of classic objects ------------------------------------------------------------------


def item(
    slope: float = 0.25, intercept: float = 0.0, units: str = "{counts}", **more: Any
) -> pydicom.Dataset:
    """An item of a classic file, for all values of 16 bits."""
    data_set, signed = pydicom.Dataset(), more.pop("signed", False)
    vr, ends = ("SS", (-0x8000, 0x7FFF)) if signed else ("US", (0, 0xFFFF))
    first, last = more.pop("ends", ends)
    data_set.add_new("RealWorldValueFirstValueMapped", vr, first)
    data_set.add_new("RealWorldValueLastValueMapped", vr, last)
    data_set.RealWorldValueSlope, data_set.RealWorldValueIntercept = slope, intercept
    unit = pydicom.Dataset()
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = units, "UCUM", "meant"
    data_set.MeasurementUnitsCodeSequence = [unit]
    return data_set


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big-endian"])
@pytest.mark.parametrize("signed", [False, True])
def test_mapping_at_the_top_level(make_series: Any, syntax: str, signed: bool) -> None:
    """Of a secondary capture without rescale, signed or not."""
    stored = stored_values(signed=signed, bits_stored=16)
    common = {"RealWorldValueMappingSequence": [item(signed=signed)]}
    volume = load(make_series(stored, modality="SC", syntax=syntax, common=common))
    assert np.allclose(volume.array, stored * 0.25) and volume.units == "{counts}"


def test_each_file_by_its_own_mapping(make_series: Any) -> None:
    """As with slopes, every slice has one."""
    slopes = [0.5, 1.5, 2.5, 3.0, 4.0, 5.0]
    each = [{"RealWorldValueMappingSequence": [item(slope)]} for slope in slopes]
    common = {"AcquisitionNumber": 1}
    volume = load(make_series(modality="MR", each=each, common=common))
    assert np.allclose(volume.array, stored_values() * np.array(slopes)[:, None, None])


@pytest.mark.parametrize("modality", ["CT", "PT", "MR"])
def test_a_mapping_to_one_value_is_told(make_series: Any, modality: str) -> None:
    """A slope of 0 is one of 0, whichever attribute says it."""
    common = {"RealWorldValueMappingSequence": [item(0.0)], "RescaleSlope": ..., "RescaleIntercept": ...}
    volume = load(make_series(modality=modality, common=common))
    assert not volume.array.any() and any("RealWorldValueSlope is 0" in note for note in volume.warnings)


@pytest.mark.parametrize("modality", ["CT", "PT", "MR"])
def test_a_rescale_goes_before_a_mapping(make_series: Any, modality: str) -> None:
    """Modality values are those of Rescale; the mapping beside it says something else."""
    common = {"RealWorldValueMappingSequence": [item(9.0)], "RescaleSlope": 2, "RescaleIntercept": 1}
    volume = load(make_series(modality=modality, common=common))
    assert np.array_equal(volume.array, stored_values() * 2.0 + 1)


def test_an_empty_rescale_is_none(make_series: Any) -> None:
    """The mapping then is all there is."""
    common = {
        "RealWorldValueMappingSequence": [item(0.5)],
        "RescaleSlope": None,
        "RescaleIntercept": None,
        "RescaleType": ...,
    }
    volume = load(make_series(modality="CT", common=common))
    assert np.array_equal(volume.array, stored_values() * 0.5) and volume.units == "{counts}"


def test_top_level_values_outside_the_range(make_series: Any) -> None:
    """An error names the file and both ranges."""
    folder = make_series(modality="SC", common={"RealWorldValueMappingSequence": [item(ends=(0, 99))]})
    with pytest.raises(ValuesError, match=r"0001\.dcm.*0 to \d+ lie outside.*0 to 99"):
        load(folder)


def test_top_level_mapping_in_some_files_only(make_series: Any) -> None:
    """Values of two kinds are not mixed in silence."""
    each = [{"RealWorldValueMappingSequence": [item()]} if index else {} for index in range(6)]
    volume = load(make_series(modality="SC", each=each))
    assert np.array_equal(volume.array, stored_values())
    assert any("some frames only" in warning for warning in volume.warnings)


def test_a_mapping_at_the_top_of_an_enhanced_object(tmp_path: Path) -> None:
    """Where no functional group has one, that of the data set holds for all frames."""
    common = {"SOPClassUID": ParametricMapStorage, "RealWorldValueMappingSequence": [item(0.5)]}
    frames = [at(index * 2.5) for index in range(3)]
    volume = load(write_enhanced(tmp_path / "a.dcm", ARRAY, frames, common=common))
    assert np.array_equal(volume.array, ARRAY * 0.5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_mapped_template_gives_back_its_stored_values(make_series: Any, tmp_path: Path, dtype: Any) -> None:
    """Values that nobody touched come back bit for bit, under the template's own mapping."""
    stored = stored_values(bits_stored=8 * np.dtype(dtype).itemsize)
    ends = (0, int(np.iinfo(dtype).max))
    ultrasound = {"SOPClassUID": UltrasoundImageStorage, "Modality": "US"}
    common = {**ultrasound, "RealWorldValueMappingSequence": [item(0.25, 3.0, ends=ends)]}
    folder = make_series(stored, modality="SC", common=common)
    volume = load(folder)
    report = to_dicom(volume, folder, tmp_path / "out")
    again = load(tmp_path / "out")
    assert report.max_error == 0 and np.array_equal(again.array, volume.array)
    assert np.array_equal(load(tmp_path / "out", units="stored").array, stored)
    assert again.units == volume.units == "{counts}"


def test_what_is_written_is_read_back_in_no_units(make_series: Any, tmp_path: Path) -> None:
    """An ultrasound says slope and intercept in a mapping; its result can be written again."""
    ultrasound = {"SOPClassUID": UltrasoundImageStorage, "Modality": "US"}
    folder = make_series(stored_values(bits_stored=8), modality="SC", common=ultrasound)
    wanted = load(folder).array * 0.37 + 3.3
    report = to_dicom(wanted, folder, tmp_path / "out")
    again = load(tmp_path / "out")
    assert np.abs(again.array - wanted).max() <= report.max_error
    uid = scan(folder)[0].uid
    assert to_dicom(again, folder, tmp_path / "once more", series=uid).max_error < 1e-4
