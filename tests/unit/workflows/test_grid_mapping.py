"""Slices that stay where the template has them: headers have few digits, and the affine many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

import synthetic
from dicomarray import load, to_dicom

SLICES = 9
# Oblique, as a scanner writes it: six digits of directions, and six decimals of positions.
ORIENTATION = np.array([0.87910807, -0.47662252, 0.0, 0.44789, 0.82611, -0.34202])


def oblique(folder: Path, modality: str = "MR", repetitions: int = 1) -> Path:
    """Positions are rounded to six decimals: some 1e-6 mm beside a straight line."""
    normal = np.cross(ORIENTATION[:3], ORIENTATION[3:])
    places = [np.round([-20, -30, 100] + index * 2.3456789 * normal, 6) for index in range(SLICES)]
    places = [place + np.array([0, 0, (-1) ** index * 3e-6]) for index, place in enumerate(places)]
    each = [
        {"ImagePositionPatient": [f"{value:.6f}" for value in place], "TemporalPositionIdentifier": time + 1}
        for time in range(repetitions)
        for place in places
    ]
    common = {"ImageOrientationPatient": [f"{value:.8f}" for value in ORIENTATION]}
    stored = synthetic.stored_values((SLICES * repetitions, 8, 10))
    synthetic.write_series(folder, stored, modality=modality, common=common, each=each)
    return folder


@pytest.mark.parametrize("repetitions", [1, 3])
@pytest.mark.parametrize("kept", [slice(1, -1), slice(None, None, 2), slice(3, None)])
def test_slices_left_out_of_a_real_series(tmp_path: Path, kept: slice, repetitions: int) -> None:
    """Written, and every slice that stays has the very characters of its source."""
    volume = load(oblique(tmp_path / "in", repetitions=repetitions))
    affine = volume.affine @ np.diag([kept.step or 1, 1, 1, 1])
    affine[:3, 3] = (volume.affine @ [kept.start or 0, 0, 0, 1])[:3]
    array = volume.array[..., kept, :, :]
    report = to_dicom(array, tmp_path / "in", tmp_path / "out", affine=affine)
    after = load(tmp_path / "out")
    np.testing.assert_array_equal(after.array, array)
    positions = {str(pydicom.dcmread(path).ImagePositionPatient) for path in (tmp_path / "in").iterdir()}
    assert all(str(pydicom.dcmread(path).ImagePositionPatient) in positions for path in report.files)


def test_an_affine_with_the_digits_of_float32(tmp_path: Path) -> None:
    """As NIfTI keeps it: directions and places are the template's but for rounding; a row crop is written."""
    volume = load(oblique(tmp_path / "in"))
    affine = volume.affine.copy()
    affine[:3, 3] = (volume.affine @ [2, 3, 0, 1])[:3]
    affine = affine.astype(np.float32).astype(np.float64)
    to_dicom(volume.array[2:, 3:], tmp_path / "in", tmp_path / "out", affine=affine)
    after = load(tmp_path / "out")
    np.testing.assert_array_equal(after.array, volume.array[2:, 3:])
    np.testing.assert_allclose(after.affine, affine, atol=2e-5)


def test_new_slices_between_those_that_stay(tmp_path: Path) -> None:
    """Twice as fine: every second slice stays to the letter, the others lie where they are asked for."""
    volume = load(oblique(tmp_path / "in"))
    affine = volume.affine @ np.diag([0.5, 1, 1, 1])
    array = np.repeat(volume.array, 2, axis=0)[:-1]
    report = to_dicom(array, tmp_path / "in", tmp_path / "out", affine=affine)
    placed = [pydicom.dcmread(path).ImagePositionPatient for path in report.files]
    asked = affine[:3, 3] + np.arange(len(array))[:, None] * affine[:3, 0]
    np.testing.assert_allclose(np.array(placed, float), asked, atol=2e-5)
    np.testing.assert_allclose(np.array(placed, float)[1::2], asked[1::2], atol=1e-9)
