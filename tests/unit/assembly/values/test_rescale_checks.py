"""Slope, intercept and units that some images have and others have not: never made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synthetic
from dicomarray import load
from dicomarray.errors import HeaderError
from enhanced_files import write_dose

EMPTY = {"RescaleSlope": None, "RescaleIntercept": None}
ABSENT = {"RescaleSlope": ..., "RescaleIntercept": ...}


@pytest.mark.parametrize("without", [EMPTY, ABSENT])
@pytest.mark.parametrize(("modality", "told"), [("CT", {}), ("PT", {"RescaleSlope": 2.5})])
def test_a_slice_without_scale_is_refused(
    tmp_path: Path, modality: str, told: dict[str, Any], without: dict[str, Any]
) -> None:
    """Its values cannot be told; the error names it and another file, and stored values can be had."""
    stored = synthetic.stored_values((5, 5, 6))
    each = [told] * 3 + [without] + [told]
    files = synthetic.write_series(tmp_path / "s", stored, modality=modality, each=each)
    with pytest.raises(HeaderError, match=r"Rescale\w+ is missing") as caught:
        load(tmp_path / "s")
    assert str(files[3]) in str(caught.value)
    assert str(files[0]) in str(caught.value)
    assert np.array_equal(load(tmp_path / "s", units="stored").array, stored)


def test_an_identity_that_some_leave_out_is_one(tmp_path: Path) -> None:
    """Slope 1 and intercept 0 in some images and neither in others give the same values."""
    stored = synthetic.stored_values((4, 5, 6))
    told = {"RescaleSlope": 1, "RescaleIntercept": 0}
    synthetic.write_series(tmp_path / "s", stored, modality="MR", each=[told, {}, told, {}])
    assert np.array_equal(load(tmp_path / "s").array, stored)


def test_a_ct_without_any_scale_claims_no_hu(tmp_path: Path) -> None:
    """Stored values as they are, and a warning."""
    stored = synthetic.stored_values((4, 5, 6))
    each = [{**ABSENT, "RescaleType": ...}] * 4
    synthetic.write_series(tmp_path / "s", stored, each=each)
    volume = load(tmp_path / "s")
    assert np.array_equal(volume.array, stored)
    assert volume.units == "modality"
    assert any("values are as stored" in warning for warning in volume.warnings)


@pytest.mark.parametrize("silent", [0, 2])
def test_units_that_one_image_leaves_out_are_those_of_the_others(tmp_path: Path, silent: int) -> None:
    """One volume, whichever file it is, and a warning."""
    stored = synthetic.stored_values((4, 5, 6))
    each: list[dict[str, Any]] = [{"RescaleType": "OD"} for _ in range(4)]
    each[silent] = {"RescaleType": ...}
    scaled = {"RescaleSlope": 1, "RescaleIntercept": 0}
    synthetic.write_series(tmp_path / "s", stored, modality="MR", common=scaled, each=each)
    volume = load(tmp_path / "s")
    assert volume.units == "OD"
    assert any("RescaleType is missing in 1 of 4 images" in warning for warning in volume.warnings)


@pytest.mark.parametrize("planes", [1, 3])
def test_dose_without_scaling_is_refused(tmp_path: Path, planes: int) -> None:
    """Stored values are no dose."""
    stored, offsets = synthetic.stored_values((planes, 5, 6)), [2.5 * plane for plane in range(planes)]
    file = write_dose(tmp_path / "dose.dcm", stored, offsets, {"DoseGridScaling": ...})
    with pytest.raises(HeaderError, match=r"dose\.dcm: DoseGridScaling is missing"):
        load(file)
    assert np.array_equal(load(file, units="stored").array, stored)


def test_dose_of_one_plane_is_scaled(tmp_path: Path) -> None:
    """Also where it says neither how many frames it has nor their offsets."""
    stored = synthetic.stored_values((1, 5, 6))
    common = {"NumberOfFrames": ..., "GridFrameOffsetVector": ..., "FrameIncrementPointer": ...}
    volume = load(write_dose(tmp_path / "dose.dcm", stored, (0.0,), common))
    assert volume.array == pytest.approx(stored * 0.00025)
    assert volume.units == "GY"
