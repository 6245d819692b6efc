"""Images that contradict themselves: what holds is told, and so is what does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dicomarray import GeometryError, load
from enhanced_files import at, rescaled, write_enhanced
from synthetic import ORIGIN_MM, SPACING_MM, stored_values, write_repetitions, write_series

SHAPE = (4, 4, 5)


def _codes(path: Path) -> set[str]:
    return {one.code for one in load(path).warnings}


@pytest.mark.parametrize("varying", [False, True])
def test_shared_groups_that_frames_contradict_are_told(tmp_path: Path, varying: bool) -> None:
    """The frames' own slope holds; where both say the same, there is nothing to tell."""
    array = stored_values(SHAPE)
    slopes = [2.0 + varying * index for index in range(len(array))]
    frames = [at(index * SPACING_MM) | rescaled(slope, 0) for index, slope in enumerate(slopes)]
    file = write_enhanced(tmp_path / "a.dcm", array, frames, shared=rescaled(7, 0))
    volume = load(file)
    assert np.allclose(volume.array, array * np.array(slopes)[:, None, None])
    (told,) = (one for one in volume.warnings if one.code == "functional-groups")
    assert "RescaleSlope" in told
    assert "RescaleIntercept" not in told
    same = [at(index * SPACING_MM) | rescaled(2, 0) for index in range(len(array))]
    assert not _codes(write_enhanced(tmp_path / "b.dcm", array, same, shared=rescaled(2, 0)))


def test_a_data_set_that_all_frames_contradict_is_told(tmp_path: Path) -> None:
    """The frames' slope and spacing hold; what the data set has of one of them is no contradiction."""
    array = stored_values(SHAPE)
    frames = [at(index * SPACING_MM) | rescaled(index + 1, 0) for index in range(4)]
    other = {"RescaleSlope": 7, "RescaleIntercept": 0, "PixelSpacing": [9, 9]}
    volume = load(write_enhanced(tmp_path / "a.dcm", array, frames, common=other))
    assert np.allclose(volume.array, array * np.arange(1, 5)[:, None, None])
    (told,) = (one for one in volume.warnings if one.code == "functional-groups")
    assert told.startswith("PixelSpacing, RescaleSlope: ")
    file = write_enhanced(tmp_path / "b.dcm", array, frames, common={"RescaleSlope": 1})
    assert not _codes(file)


def test_values_that_are_no_numbers_are_counted(tmp_path: Path) -> None:
    """NaN and infinity in Float Pixel Data; whole numbers there need no word."""
    array = stored_values(SHAPE).astype(np.float32)
    write_series(tmp_path / "whole", array, modality="MR")
    array[1, 2, :3], array[3, 0, 0] = np.nan, -np.inf
    write_series(tmp_path / "odd", array, modality="MR")
    volume = load(tmp_path / "odd")
    assert np.array_equal(volume.array, array, equal_nan=True)
    assert [one for one in volume.warnings if one.code == "not-finite"] == [
        "4 values are NaN or infinite [not-finite]"
    ]
    assert not _codes(tmp_path / "whole")


def test_slices_that_all_claim_one_place_are_told(tmp_path: Path) -> None:
    """Slice Location counts on where the place does not; that of repetitions is the same."""
    each = [
        {"ImagePositionPatient": list(ORIGIN_MM), "SliceLocation": number * SPACING_MM} for number in range(4)
    ]
    write_series(tmp_path / "one", stored_values(SHAPE), each=each)
    assert "slice-location" in _codes(tmp_path / "one")
    array = np.stack([stored_values(SHAPE)] * 2)
    array[1] //= 2
    steps = [{"TemporalPositionIdentifier": step + 1} for step in range(2)]
    files = write_repetitions(tmp_path / "two", array, steps, common={"SliceLocation": 3})
    assert files
    assert "slice-location" not in _codes(tmp_path / "two")


def test_a_patient_who_lies_two_ways_is_told(tmp_path: Path) -> None:
    """Head first in some slices and feet first in others."""
    each = [{"PatientPosition": "HFS" if number < 2 else "FFS"} for number in range(4)]
    write_series(tmp_path / "s", stored_values(SHAPE), each=each)
    assert "mixed-scans" in _codes(tmp_path / "s")


def test_the_error_for_a_missing_slice_names_images_without_a_place(tmp_path: Path) -> None:
    """The slice is there, and only its place is not."""
    each = [{} if number != 1 else {"ImagePositionPatient": None} for number in range(6)]
    write_series(tmp_path / "s", stored_values((6, 4, 5)), each=each)
    with pytest.raises(GeometryError, match=r"1 slice is missing.*no ImagePositionPatient: 0002\.dcm"):
        load(tmp_path / "s")


@pytest.mark.parametrize("signed", [False, True])
def test_set_bits_below_those_stored_are_told(tmp_path: Path, signed: bool) -> None:
    """High Bit 15 of 12 bits, with values that stand in the low bits; left-justified ones are whole."""
    array = stored_values(SHAPE).astype(np.int16 if signed else np.uint16)
    common = {"BitsStored": 12, "HighBit": 15}
    write_series(tmp_path / "wrong", array, common=common)
    write_series(tmp_path / "right", array << 4, common=common)
    assert "bits-cut" in _codes(tmp_path / "wrong")
    assert "bits-cut" not in _codes(tmp_path / "right")
