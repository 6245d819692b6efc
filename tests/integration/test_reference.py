"""Every real series is read right: against its frames by pydicom, and against dcm2niix's volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

import dicomarray
from comparison import cases
from comparison.judging import RIGHT, Floats, Loaded, corners_of, judge
from comparison.truth import LPS_TO_RAS, know, niftis_of
from dicomarray import Volume
from real_series import FOLDERS, KNOWN

# dcm2niix computes what we compute; its affine is float32.
CORNER_TOLERANCE_MM = 1e-3
# float32 of dcm2niix's slope and product, of the greatest value.
VALUE_TOLERANCE = 1e-6

# Of Philips images, as Rescale Slope gives them: not what its private scaling gives, which is its default.
DISPLAY_VALUES = ("-p", "n")

# Folders of which dcm2niix's volumes are not the truth, and why: the frames decide alone.
NOT_DCM2NIIX = {
    "ct-ge-tilted-uneven": "one affine cannot tell its places",
    "ct-philips-tilted": "one affine cannot tell its places",
    "ct-oblique-simpleitk": "a volume for each Study Instance UID",
    "rtstruct-sts-002": "one slope for all slices of a PET; positions rounded to 0.01 mm",
    "rtstruct-sts-003": "one slope for all slices of a PET; positions rounded to 0.01 mm",
    "seg-dcmqi": "it reads no segmentations",
}


@dataclass(frozen=True, eq=False)
class Grid:
    """A volume as (repetition, slice, row, column[, sample]), and the affine of (slice, row, column)."""

    array: NDArray[Any]
    affine: Floats

    @property
    def corners(self) -> Floats:
        return corners_of(self.affine, self.array.shape[1:4])


@cache
def every_series(real_data: Path) -> list[cases.Case]:
    return cases.real(real_data)


def series_in(real_data: Path, folder: str) -> list[cases.Case]:
    return [case for case in every_series(real_data) if real_data / folder in case.files[0].parents]


def volumes_of(case: cases.Case) -> list[Volume]:
    """All volumes of one series, from its files in an order that says nothing."""
    (series,) = dicomarray.scan(case.files)
    return series.volumes(missing="keep")


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_frame_is_in_its_place(real_data: Path, folder: str) -> None:
    """Every frame of every series is there once, within 0.05 mm of its place, with its values."""
    verdicts = {
        case.name: judge([as_loaded(volume) for volume in volumes_of(case)], know(case.files).truth)
        for case in series_in(real_data, folder)
    }
    assert len(verdicts) == KNOWN.get(folder, len(verdicts)) > 0
    assert {name: v for name, v in verdicts.items() if v.outcome != RIGHT} == {}


def as_loaded(volume: Volume) -> Loaded:
    """Where its sidecar says that every voxel lies: slice by slice where they are not evenly spaced."""
    shape = volume.array.shape[volume.axes.index("slice") :][:3]
    affine, geometry = volume.affine, volume.metadata["geometry"]
    assert affine is not None  # every series here has a place in the patient
    corners = corners_of(affine, shape)
    positions = np.array(geometry["slice_positions_mm"])
    moved = corners + (positions - corners[:, 0, 0])[:, None, None]
    if geometry["uniform"]:
        np.testing.assert_allclose(corners, moved, atol=CORNER_TOLERANCE_MM)
        moved = corners
    return Loaded(volume.array, moved)


@pytest.mark.parametrize("folder", [name for name in FOLDERS if name not in NOT_DCM2NIIX])
def test_volumes_are_those_of_dcm2niix(real_data: Path, folder: str) -> None:
    """As many volumes as dcm2niix makes, with the same shapes, repetitions, values and corner voxels."""
    for case in series_in(real_data, folder):
        ours = [as_grid(volume) for volume in volumes_of(case)]
        theirs = dcm2niix(case.files)
        assert sorted(g.array.shape for g in ours) == sorted(g.array.shape for g in theirs), case.name
        left = list(theirs)
        for grid in ours:
            same = [other for other in left if are_same(grid, other)]
            assert same, f"{case.name}: no volume of dcm2niix equals ours of {grid.array.shape}"
            left.remove(same[0])


def as_grid(volume: Volume) -> Grid:
    assert volume.affine is not None
    first = volume.axes.index("slice")
    array = volume.array.reshape(-1, *volume.array.shape[first:])
    return Grid(array, volume.affine)


def are_same(ours: Grid, theirs: Grid) -> bool:
    if ours.array.shape != theirs.array.shape:
        return False
    off_mm = np.abs(ours.corners - theirs.corners).max()
    a, b = ours.array.astype(np.float64), theirs.array.astype(np.float64)
    return bool(off_mm <= CORNER_TOLERANCE_MM and np.abs(a - b).max() <= VALUE_TOLERANCE * np.abs(b).max())


def dcm2niix(files: Sequence[Path]) -> list[Grid]:
    """All volumes that dcm2niix makes of exactly these files, turned to our order of axes."""
    with niftis_of(files, *DISPLAY_VALUES) as niftis:
        return [as_read(path) for path in niftis]


def as_read(path: Path) -> Grid:
    """NIfTI is (column, row, slice[, time]) in RAS mm; rows and slices are turned to ascend as ours do."""
    image = nibabel.Nifti1Image.from_filename(path)
    stored = np.asanyarray(image.dataobj)
    if stored.dtype.names:  # colour
        stored = np.stack([stored[name] for name in stored.dtype.names], axis=-1)[..., None, :]
    else:
        stored = stored.reshape(*stored.shape[:3], -1)
    array = np.moveaxis(stored, 3, 0)
    array = np.swapaxes(array, 1, 3)[:, :, ::-1]
    affine = (LPS_TO_RAS @ image.affine)[:, [2, 1, 0, 3]]
    affine[:3, 3] += affine[:3, 1] * (array.shape[2] - 1)
    affine[:3, 1] *= -1
    if np.cross(affine[:3, 2], affine[:3, 1]) @ affine[:3, 0] < 0:
        affine[:3, 3] += affine[:3, 0] * (array.shape[1] - 1)
        affine[:3, 0] *= -1
        array = array[:, ::-1]
    return Grid(array, affine)
