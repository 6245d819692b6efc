"""Each real series lies where its NIfTI does, through every framework: one place, one value."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dicomarray import DataError, scan, to_nifti
from real_series import REAL_DATA

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-frameworks")

NEAR_MM = 1e-3
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
# Slices of uneven spacing, which no affine places; masks, which are no images.
NOT_READ = ("ct-ge-tilted-uneven", "seg-dcmqi")
FOLDERS = sorted(
    path.name for path in (REAL_DATA / "series").glob("*") if path.is_dir() and path.name not in NOT_READ
)


@dataclass(frozen=True)
class Case:
    """One volume of a series, and its NIfTI."""

    folder: Path
    uid: str
    volume: int
    colour: bool
    nifti: Path

    @property
    def choice(self) -> dict[str, Any]:
        """The options of reading that mean it."""
        return {"series": self.uid, "volume": self.volume}


@cache
def volumes_of(name: str) -> tuple[tuple[str, int, bool], ...]:
    """The volumes below a folder that have a place, by series and number; and whether they are coloured."""
    found = []
    for series in scan(REAL_DATA / "series" / name):
        try:
            volumes = series.volumes()
        except DataError:
            continue
        for number, volume in enumerate(volumes):
            if volume.geometry is not None and volume.geometry.uniform:
                found.append((series.uid, number, volume.axes[-1] == "sample"))
    return tuple(found)


class Image:
    """A framework's image: samples (channel, i, j, k) and the affine from (i, j, k) to RAS mm."""

    def __init__(self, samples: Any, affine: Any) -> None:
        self.samples, self.affine = np.asarray(samples), np.asarray(affine, float)

    def places(self) -> NDArray[np.int64]:
        """Indices of the corners, and of some voxels between them."""
        size = np.array(self.samples.shape[1:])
        corners = np.array([np.unravel_index(n, (2, 2, 2)) for n in range(8)]) * (size - 1)
        return np.concatenate([corners, np.random.default_rng(1).integers(size, size=(20, 3))])

    def values(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """The channels of each voxel."""
        return self.samples[(slice(None), *index.T)]


def check_same(ours: Image, theirs: Image) -> None:
    """Each voxel of ours is one of theirs: its place within a micrometre, and its values."""
    index = ours.places()
    places = np.c_[index, np.ones(len(index))] @ ours.affine.T
    there = np.rint(np.linalg.solve(theirs.affine, places.T).T[:, :3]).astype(np.int64)
    apart = np.c_[there, np.ones(len(there))] @ theirs.affine.T - places
    assert np.abs(apart).max() < NEAR_MM
    np.testing.assert_allclose(ours.values(index), theirs.values(there), rtol=1e-6)


@pytest.fixture(params=FOLDERS or [pytest.param("", marks=pytest.mark.skip("no real series"))])
def cases(request: pytest.FixtureRequest, tmp_path: Path) -> list[Case]:
    """The volumes of a folder, each with its NIfTI."""
    folder = REAL_DATA / "series" / request.param
    found = []
    for number, (uid, volume, colour) in enumerate(volumes_of(request.param)):
        found.append(Case(folder, uid, volume, colour, tmp_path / f"{number}.nii"))
        to_nifti(folder, found[-1].nifti, bids=False, **found[-1].choice)
    assert found
    return found


def as_channels_first(image: Any) -> Image:
    """MONAI's image, whose channels stand last where there are some."""
    samples = np.asarray(image)
    return Image(samples[None] if samples.ndim == 3 else np.moveaxis(samples, -1, 0), image.affine)


def test_monai(cases: list[Case]) -> None:
    """LoadImage with our reader of DICOM, and with MONAI's of NIfTI."""
    pytest.importorskip("monai", reason="MONAI is not installed: make test-frameworks")
    from monai.transforms import LoadImage

    from dicomarray.adapters.monai import DicomArrayReader

    for case in cases:
        if case.colour:  # MONAI reads no NIfTI in colour
            continue
        ours = LoadImage(reader=DicomArrayReader(**case.choice), image_only=True)(case.folder)
        theirs = LoadImage(reader="NibabelReader", image_only=True)(case.nifti)
        check_same(as_channels_first(ours), as_channels_first(theirs))


def test_torchio(cases: list[Case]) -> None:
    """ScalarImage with our reader of DICOM, and with TorchIO's of NIfTI."""
    torchio = pytest.importorskip("torchio", reason="TorchIO is not installed: make test-frameworks")
    from functools import partial

    from dicomarray.adapters.torchio import read

    for case in cases:
        ours = torchio.ScalarImage(case.folder, reader=partial(read, **case.choice))
        theirs = torchio.ScalarImage(case.nifti)
        check_same(Image(ours.data, ours.affine), Image(theirs.data, theirs.affine))


def test_data_sets(cases: list[Case]) -> None:
    """Whole volumes and patches of them, and nibabel's image of the NIfTI."""
    import nibabel

    from dicomarray.adapters.torch import PatchDataset, VolumeDataset

    nifti = {(case.uid, case.volume): stored(nibabel.load(case.nifti)) for case in cases}
    wanted = {"SeriesInstanceUID": sorted({case.uid for case in cases})}
    folder, options = cases[0].folder, {"errors": "count", "geometry": "ignore"}
    volumes = [one for one in VolumeDataset(folder, wanted, **options) if one["affine"].isfinite().all()]
    assert {(one["series_uid"], one["volume"]) for one in volumes} == set(nifti)
    for whole in volumes:
        size = [-(-extent // 2) for extent in whole["image"].shape[1:]]
        chosen = {"SeriesInstanceUID": whole["series_uid"]}
        patches = PatchDataset(folder, size, chosen, patches_per_volume=2, seed=4, errors="count")
        same = [patches[whole["volume"] * 2 + n] for n in range(2)] if len(patches) > 2 else list(patches)
        for sample in (whole, *same):
            # (slice, row, column) -> (column, row, slice), LPS -> RAS
            affine = LPS_TO_RAS @ sample["affine"].numpy()[:, [2, 1, 0, 3]]
            ours = Image(sample["image"].numpy().transpose(0, 3, 2, 1), affine)
            check_same(ours, nifti[sample["series_uid"], sample["volume"]])


def stored(image: Any) -> Image:
    """nibabel's image, with time points or colours as channels."""
    samples = np.asarray(image.dataobj)
    if samples.dtype.names:
        samples = np.stack([samples[name] for name in samples.dtype.names], axis=-1)
    return Image(samples[None] if samples.ndim == 3 else np.moveaxis(samples, -1, 0), image.affine)
