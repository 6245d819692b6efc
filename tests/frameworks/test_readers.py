"""MONAI and TorchIO place a series where their own readers place its NIfTI."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dicomarray import DicomArrayError, load, to_nifti
from dicomarray.adapters import nibabel as with_nibabel
from real_series import REAL_DATA
from synthetic import stored_values, two_time_points, write_series

OBLIQUE = [0.8, 0.6, 0.0, -0.48, 0.64, 0.6]
INDEX = (11, 7, 4)  # column, row, slice


@pytest.fixture
def series(tmp_path: Path) -> Path:
    write_series(tmp_path / "ct", stored_values(), common={"ImageOrientationPatient": OBLIQUE})
    return tmp_path / "ct"


@pytest.fixture
def nifti(series: Path, tmp_path: Path) -> Path:
    import nibabel

    path = tmp_path / "ct.nii.gz"
    nibabel.save(with_nibabel.to_image(load(series)), path)
    return path


def test_monai_places_a_series_as_its_nifti(series: Path, nifti: Path) -> None:
    """LoadImaged gives the same values, shape and world positions with either reader."""
    pytest.importorskip("monai", reason="MONAI is not installed: make test-frameworks")
    from monai.transforms import LoadImaged

    from dicomarray.adapters.monai import DicomArrayReader

    ours = LoadImaged("image", reader=DicomArrayReader)({"image": series})["image"]
    theirs = LoadImaged("image", reader="NibabelReader")({"image": nifti})["image"]
    assert ours.shape == theirs.shape
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    position = [np.asarray(image.affine) @ [*INDEX, 1] for image in (ours, theirs)]
    np.testing.assert_allclose(*position, atol=1e-3)
    assert ours.meta["space"] == "RAS"


def test_monai_is_told_where_the_channels_are(tmp_path: Path) -> None:
    """Time points are channels, which MONAI moves to the front."""
    pytest.importorskip("monai", reason="MONAI is not installed: make test-frameworks")
    from monai.transforms import LoadImage

    from dicomarray.adapters.monai import DicomArrayReader

    two_time_points(tmp_path / "mr")
    image = LoadImage(reader=DicomArrayReader(), ensure_channel_first=True)(tmp_path / "mr")
    volume = load(tmp_path / "mr")
    assert image.shape == (2, *volume.array.shape[:0:-1])
    np.testing.assert_array_equal(image.numpy(), volume.array.transpose(0, 3, 2, 1).astype(np.float32))


def test_a_reader_that_refuses_is_not_replaced_by_another(series: Path) -> None:
    """A missing slice reaches the user, though other readers of MONAI would not notice it."""
    pytest.importorskip("monai", reason="MONAI is not installed: make test-frameworks")
    from monai.transforms import LoadImage

    from dicomarray.adapters.monai import DicomArrayReader

    sorted(series.iterdir())[2].unlink()
    with pytest.raises(DicomArrayError, match="missing"):
        LoadImage(reader=DicomArrayReader)(series)


def test_torchio_places_a_series_as_its_nifti(series: Path, nifti: Path) -> None:
    """ScalarImage gives the same values, shape and world positions with either reader."""
    torchio = pytest.importorskip("torchio", reason="TorchIO is not installed: make test-frameworks")

    from dicomarray.adapters.torchio import read

    ours, theirs = torchio.ScalarImage(series, reader=read), torchio.ScalarImage(nifti)
    assert ours.shape == theirs.shape
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    position = [np.asarray(image.affine) @ [*INDEX, 1] for image in (ours, theirs)]
    np.testing.assert_allclose(*position, atol=1e-3)


@pytest.mark.parametrize("name", ["ct-oblique-simpleitk", "ct-philips-5mm", "mr-ge-fmri"])
def test_real_series_lie_where_their_nifti_does(name: str, tmp_path: Path) -> None:
    """A voxel has the same value and world position through TorchIO, whatever order the file's axes have."""
    torchio = pytest.importorskip("torchio", reason="TorchIO is not installed: make test-frameworks")
    if not (folder := REAL_DATA / "series" / name).is_dir():
        pytest.skip("the real series are not at hand")

    from dicomarray.adapters.torchio import read

    to_nifti(folder, tmp_path / "image.nii", bids=False)
    ours, theirs = torchio.ScalarImage(folder, reader=read), torchio.ScalarImage(tmp_path / "image.nii")
    index = [size // 3 for size in ours.spatial_shape]
    position = np.asarray(ours.affine) @ [*index, 1]
    there = np.linalg.solve(np.asarray(theirs.affine), position)[:3]
    np.testing.assert_allclose(there, np.rint(there), atol=1e-3)
    values = [
        image.data[(slice(None), *place)]
        for image, place in ((ours, index), (theirs, np.rint(there).astype(int)))
    ]
    np.testing.assert_allclose(*(value.numpy() for value in values))
