"""Values that stand in a Real World Value Mapping only, by the formula of PS3.3 C.7.6.16.2.11.1.2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import ParametricMapStorage

from dicomarray import Volume, load
from enhanced_files import at, rescaled, write_enhanced

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
    """In the shared functional groups."""
    volume = read(tmp_path, shared=mapped())
    assert np.array_equal(volume.array, ARRAY * 0.5 + 5.0)
    assert volume.units == "um2/s"


def test_signed_values(tmp_path: Path) -> None:
    """All that signed pixels can store."""
    whole = {"RealWorldValueFirstValueMapped": -0x8000, "RealWorldValueLastValueMapped": 0x7FFF}
    array = (ARRAY - 30000).astype(np.int16)
    assert np.array_equal(read(tmp_path, mapped(**whole), array=array).array, array * 0.5 + 5.0)


@pytest.mark.parametrize(
    ("units", "shown"), [(code("1"), "1"), (code("126", "DCM", "ratio"), "ratio"), (None, "modality")]
)
def test_units(tmp_path: Path, units: Any, shown: str) -> None:
    """UCUM's code, the meaning of another scheme's, or none."""
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
        ([mapped(RealWorldValueLastValueMapped=4095)], "0 to 4095 only"),
        ([mapped(RealWorldValueFirstValueMapped=None)], "None to 65535 only"),
        ([[mapped(), mapped(0.1)]], "2 items"),
        ([mapped(RealWorldValueIntercept=None)], "no slope and intercept"),
        (
            [{"LUTLabel": "A", "RealWorldValueLUTData": [0.0, 1.0], "RealWorldValueFirstValueMapped": 0}],
            "is a table",
        ),
    ],
)
def test_not_applied_but_told(tmp_path: Path, items: Any, told: str) -> None:
    """What is no single slope for all values leaves the stored ones, with a warning."""
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
