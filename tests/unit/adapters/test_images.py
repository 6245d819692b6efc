"""SimpleITK, nibabel and xarray get every voxel where it is, and give it back."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from dicomarray import GeometryError, UsageError, Volume, load
from dicomarray.adapters import nibabel as with_nibabel
from dicomarray.adapters import simpleitk as with_simpleitk
from dicomarray.adapters import xarray as with_xarray
from synthetic import stored_values, write_series

OBLIQUE = (0.8, 0.6, 0.0, -0.48, 0.64, 0.6)
SHEAR = np.array([[0.3, 0, 0.75, -20], [0.5, 0.5, 0, -30], [2.5, 0, 0, 100], [0, 0, 0, 1.0]])
INDEX = np.array([4.0, 7.0, 11.0])  # slice, row, column


@pytest.fixture
def oblique(tmp_path: Path) -> Volume:
    write_series(tmp_path, stored_values(), common={"ImageOrientationPatient": list(OBLIQUE)})
    return load(tmp_path)


def world(volume: Volume) -> np.ndarray:
    assert volume.affine is not None
    return volume.affine @ [*INDEX, 1]


def test_simpleitk_places_a_voxel_where_dicom_does(oblique: Volume) -> None:
    """SimpleITK's own arithmetic gives the same LPS place and the same value."""
    image = with_simpleitk.to_image(oblique)
    index = INDEX[::-1].astype(int).tolist()
    np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(index), world(oblique)[:3], atol=1e-9)
    assert image[index] == oblique.array[4, 7, 11]


def test_nibabel_places_a_voxel_where_dicom_does(oblique: Volume) -> None:
    """nibabel's affine gives the same place, in RAS, and the same value."""
    image = with_nibabel.to_image(oblique)
    ras = image.affine @ [*INDEX[::-1], 1]
    np.testing.assert_allclose(ras * [-1, -1, 1, 1], world(oblique), atol=1e-9)
    assert np.asanyarray(image.dataobj)[11, 7, 4] == oblique.array[4, 7, 11]


@pytest.mark.parametrize("adapter", [with_simpleitk, with_nibabel])
def test_a_volume_comes_back_from_an_image(oblique: Volume, adapter) -> None:
    """Array, type and place are those that were given; with ``like`` the metadata are too."""
    back = adapter.from_image(adapter.to_image(oblique))
    assert back.array.dtype == oblique.array.dtype
    np.testing.assert_array_equal(back.array, oblique.array)
    np.testing.assert_allclose(back.affine, oblique.affine, atol=1e-9)
    again = adapter.from_image(adapter.to_image(oblique), like=oblique)
    assert again.metadata == oblique.metadata


@pytest.mark.parametrize("adapter", [with_simpleitk, with_nibabel])
def test_time_and_colour_come_back(adapter) -> None:
    """A time axis stays first and colour samples last, whatever the library stores in what order."""
    affine = np.array([[0, 0, 0.75, 0], [0, 0.5, 0, 0], [2.5, 0, 0, 0], [0, 0, 0, 1.0]])
    time = Volume.from_array(
        np.arange(2 * 3 * 4 * 5, dtype=np.int16).reshape(2, 3, 4, 5),
        affine,
        axes=("time", "slice", "row", "column"),
    )
    colour = Volume.from_array(
        np.arange(3 * 4 * 5 * 3, dtype=np.uint8).reshape(3, 4, 5, 3),
        affine,
        axes=("slice", "row", "column", "sample"),
    )
    for volume in (time, colour):
        back = adapter.from_image(adapter.to_image(volume))
        assert back.axes == volume.axes
        np.testing.assert_array_equal(back.array, volume.array)
        np.testing.assert_allclose(back.affine, affine, atol=1e-9)


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
@pytest.mark.parametrize("flips", [*itertools.product((1, -1), repeat=3)])
def test_an_image_with_axes_in_any_order_comes_back_like_its_volume(oblique: Volume, order, flips) -> None:
    """All 48 orders and directions of nibabel's axes are the same volume."""
    from nibabel.orientations import apply_orientation, inv_ornt_aff

    image = with_nibabel.to_image(oblique)
    turn = np.array([[axis, flip] for axis, flip in zip(order, flips, strict=True)])
    array = np.asanyarray(image.dataobj)
    turned = type(image)(apply_orientation(array, turn), image.affine @ inv_ornt_aff(turn, array.shape))
    back = with_nibabel.from_image(turned, like=oblique)
    np.testing.assert_array_equal(back.array, oblique.array)
    assert back.metadata == oblique.metadata
    alone = with_nibabel.from_image(turned)
    assert np.linalg.det(alone.affine[:3, [2, 1, 0]]) > 0


def test_a_shear_is_kept_by_nibabel_and_refused_for_simpleitk() -> None:
    """Directions of SimpleITK are at right angles; the error names the ways out."""
    volume = Volume.from_array(np.arange(60, dtype=np.int16).reshape(3, 4, 5), SHEAR)
    image = with_nibabel.to_image(volume)
    assert int(image.header["qform_code"]) == 0
    np.testing.assert_allclose(with_nibabel.from_image(image).affine, SHEAR, atol=1e-9)
    with pytest.raises(GeometryError, match="upright"):
        with_simpleitk.to_image(volume)


@pytest.mark.parametrize("adapter", [with_simpleitk, with_nibabel])
def test_what_has_no_affine_is_refused(tmp_path: Path, adapter) -> None:
    """Uneven slices and images without a place get no made-up geometry."""
    with pytest.raises(GeometryError, match="no place"):
        adapter.to_image(Volume.from_array(np.zeros((2, 3, 4), np.int16)))
    each = [{"ImagePositionPatient": [0, 0, z]} for z in (0, 1, 2, 4.4, 5, 6)]
    write_series(tmp_path, stored_values(), each=each)
    with pytest.raises(GeometryError, match="evenly"):
        adapter.to_image(load(tmp_path, missing="keep"))


def test_a_mask_becomes_uint8() -> None:
    """Neither library has bool."""
    mask = Volume.from_array(np.eye(3, dtype=bool)[None], np.eye(4)[:, [2, 1, 0, 3]])
    for adapter in (with_simpleitk, with_nibabel):
        assert adapter.from_image(adapter.to_image(mask)).array.dtype == np.uint8


def test_xarray_labels_axes_in_mm_and_gives_the_volume_back(oblique: Volume) -> None:
    """Coordinates are mm from the first voxel; the sidecar is in the attributes."""
    array = with_xarray.to_dataarray(oblique)
    assert array.dims == ("slice", "row", "column")
    np.testing.assert_allclose(array["slice"], np.arange(6) * 2.5, atol=1e-6)
    np.testing.assert_allclose(array["row"], np.arange(12) * 0.5)
    np.testing.assert_allclose(np.reshape(array.attrs["affine"], (4, 4)), oblique.affine)
    back = with_xarray.from_dataarray(array)
    assert back.metadata == oblique.metadata
    np.testing.assert_array_equal(back.array, oblique.array)


def test_a_cropped_dataarray_is_no_volume_any_more(oblique: Volume) -> None:
    """Its metadata would place it elsewhere."""
    array = with_xarray.to_dataarray(oblique)
    with pytest.raises(UsageError, match="on_grid"):
        with_xarray.from_dataarray(array[1:])
    with pytest.raises(UsageError, match="on_grid"):
        with_xarray.from_dataarray(array[::-1])
