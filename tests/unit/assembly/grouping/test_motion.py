"""Mosaics whose slices the scanner moved between time points, after the patient's head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dicomarray
import mosaic_files

SHAPE = (6, 8, 10)
RANDOM = np.random.default_rng(7)


def write_series(folder: Path, shifts: list[float]) -> list[np.ndarray]:
    """A mosaic a time point, each moved along z by so many mm; the volumes that were tiled."""
    volumes = []
    for number, shift in enumerate(shifts, 1):
        volume = RANDOM.integers(0, 4000, SHAPE)
        dataset = mosaic_files.mosaic(volume, instance=number)
        x, y, z = map(float, dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [x, y, z + shift]
        mosaic_files.add_csa(dataset, mosaic_files.image_csa(SHAPE[0], (0, 0, 1)))
        mosaic_files.write(dataset, folder / f"{number}.dcm")
        volumes.append(volume)
    return volumes


def test_moved_time_points_are_volumes_of_their_own(tmp_path: Path) -> None:
    """Each time point at its own place, none mixed with another, and a warning."""
    shifts = [0.0, 0.4, 0.0, 1.1]
    written = write_series(tmp_path, shifts)
    volumes = dicomarray.scan(tmp_path)[0].volumes()
    first, *others = volumes
    assert first.axes == ("time", "slice", "row", "column")
    assert np.array_equal(first.array, [written[0], written[2]])
    assert [np.array_equal(v.array, written[i]) for v, i in zip(others, (1, 3), strict=True)] == [True, True]
    for volume, shift in zip(volumes, (0.0, 0.4, 1.1), strict=True):
        expected = mosaic_files.affine(SHAPE, mosaic_files.IDENTITY, 1)
        expected[2, 3] += shift
        np.testing.assert_allclose(volume.affine, expected, atol=1e-6)
        assert any("moved the slices" in warning for warning in volume.warnings)


def test_time_points_at_one_place_stay_together(tmp_path: Path) -> None:
    """Without motion nothing is split."""
    written = write_series(tmp_path, [0.0, 0.0, 0.0])
    assert np.array_equal(dicomarray.load(tmp_path).array, written)


@pytest.mark.parametrize("slabs", [2, 3])
def test_slabs_beside_each_other_are_no_motion(tmp_path: Path, slabs: int) -> None:
    """Files that hold the parts of one stack are that stack."""
    written = write_series(tmp_path, [index * SHAPE[0] * mosaic_files.GAP for index in range(slabs)])
    assert np.array_equal(dicomarray.load(tmp_path).array, np.concatenate(written))
