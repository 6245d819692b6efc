"""Arrays written to templates whose values a Real World Value Mapping alone tells, and read back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from dicomarray import load, to_dicom
from enhanced_files import at, write_enhanced

STORED = np.random.default_rng(8).integers(5, 1990, (3, 6, 7)).astype(np.uint16)
ALL = (0, 0xFFFF)
SOME = (0, 2000)  # all that the template stores, and not all that it could


def item(slope: float = 0.25, ends: tuple[int, int] = ALL, units: str = "{counts}") -> pydicom.Dataset:
    """A mapping for a range of stored values."""
    data_set, unit = pydicom.Dataset(), pydicom.Dataset()
    data_set.add_new("RealWorldValueFirstValueMapped", "US", ends[0])
    data_set.add_new("RealWorldValueLastValueMapped", "US", ends[1])
    data_set.RealWorldValueSlope, data_set.RealWorldValueIntercept = slope, 1.0
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = units, "UCUM", "meant"
    data_set.MeasurementUnitsCodeSequence = [unit]
    return data_set


Make = Callable[..., Path]


def classic(folder: Path, *items: pydicom.Dataset) -> Path:
    from synthetic import write_series

    common = {"RealWorldValueMappingSequence": list(items)}
    write_series(folder, STORED, modality="MR", bits_stored=16, common=common)
    return folder


def enhanced(folder: Path, *items: pydicom.Dataset) -> Path:
    folder.mkdir()
    path = write_enhanced(folder / "a.dcm", STORED, [at(index * 2.5) for index in range(len(STORED))])
    data_set = pydicom.dcmread(path)
    for group in data_set.PerFrameFunctionalGroupsSequence:
        group.pop("PixelValueTransformationSequence", None)
    (shared,) = data_set.SharedFunctionalGroupsSequence
    shared.pop("PixelValueTransformationSequence", None)
    shared.RealWorldValueMappingSequence = list(items)
    data_set.save_as(path)
    return folder


MAPPINGS = {
    "of all values": [item()],
    "of the values that are there": [item(ends=SOME)],
    "the second of two": [item(9.0, (0, 100)), item(ends=SOME)],
}
ARRAYS: dict[str, Any] = {
    "untouched": lambda array: array,
    "few stored values": lambda array: np.where(array > 20, 1 + 0.25 * 7, array),
    "far out of the range": lambda array: array + 10000,
    "whole numbers": lambda array: np.rint(array * 0.37).astype(np.int32),
    "other numbers": lambda array: array.astype(np.float64) * 0.37 + 3.3,
}


@pytest.mark.parametrize("make", [classic, enhanced])
@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("change", ARRAYS)
def test_what_is_written_is_read_back(tmp_path: Path, make: Make, mapping: str, change: str) -> None:
    """Off by no more than the report says; an untouched array comes back bit for bit."""
    folder = make(tmp_path / "in", *MAPPINGS[mapping])
    read = load(folder)
    assert np.allclose(read.array, STORED * 0.25 + 1)
    wanted = ARRAYS[change](read.array)
    report = to_dicom(wanted, folder, tmp_path / "out")
    back = load(tmp_path / "out")
    off = np.abs(back.array.astype(np.float64) - wanted).max()
    assert off <= report.max_error * 1.01
    if change == "untouched":
        assert np.array_equal(back.array, read.array) and back.units == read.units


@pytest.mark.parametrize("change", [lambda array: array * 0.37, np.rint, lambda array: array * 4])
def test_units_of_the_mapping_stay(make_series: Any, tmp_path: Path, change: Any) -> None:
    """The array is in the template's units, whatever slope they get: counts in, counts out."""
    nuclear = {
        "RealWorldValueMappingSequence": [item()],
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.20",
        "Modality": "NM",
    }
    folder = make_series(STORED, modality="SC", bits_stored=16, common=nuclear)
    to_dicom(change(load(folder).array), folder, tmp_path / "out")
    assert load(tmp_path / "out").units == "{counts}"


def test_a_mapping_of_some_images_stays_unused(make_series: Any, tmp_path: Path) -> None:
    """What is read as stored is written as stored, though the mapping of some images could hold it."""
    each = [{"RealWorldValueMappingSequence": [item()]}, {}, {}]
    folder = make_series(STORED, modality="MR", bits_stored=16, each=each)
    assert np.array_equal(load(folder).array, STORED)
    to_dicom(STORED, folder, tmp_path / "out")
    assert np.array_equal(load(tmp_path / "out").array, STORED)


def test_a_ct_without_any_scale_gets_no_hounsfield_units(make_series: Any, tmp_path: Path) -> None:
    """Its class needs a slope, beside which a missing type would mean HU: unspecified, as the template is."""
    silent = {"RescaleSlope": ..., "RescaleIntercept": ..., "RescaleType": ...}
    folder = make_series(STORED, bits_stored=16, common=silent)
    for wanted in (STORED, STORED * 0.37):
        to_dicom(wanted, folder, tmp_path / "out", overwrite=True)
        assert load(folder).units == load(tmp_path / "out").units == "modality"


def test_a_ct_without_a_rescale_type_stays_in_hounsfield_units(make_series: Any, tmp_path: Path) -> None:
    """With a slope and no type it is in HU (PS3.3 C.11.1.1.2)."""
    folder = make_series(STORED, bits_stored=16, common={"RescaleType": ...})
    to_dicom(load(folder).array * 0.37, folder, tmp_path / "out")
    assert load(folder).units == load(tmp_path / "out").units == "HU"
