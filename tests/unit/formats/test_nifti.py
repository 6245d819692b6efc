"""NIfTI files are placed by their affine alone; hostile ones are refused before they take memory."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

import synthetic
from dicomarray import DicomArrayError, GeometryError, InputError, Volume, load, to_numpy
from nifti_files import ORDERS, write_nifti

SHAPE = (5, 6, 7)
OBLIQUE = [0.96, 0.28, 0.0, -0.224, 0.768, -0.6]


@pytest.fixture
def values() -> np.ndarray:
    """(slice, row, column), all different."""
    return np.arange(5 * 6 * 7, dtype=np.int16).reshape(SHAPE) - 100


def affine_of(sizes: tuple[float, float, float]) -> np.ndarray:
    """Of an axial image: columns to the left, rows to the back."""
    affine = np.zeros((4, 4))
    affine[[2, 1, 0], range(3)] = sizes
    affine[:, 3] = (-20.5, 13.25, 400.0, 1)
    return affine


def world(volume: Volume) -> dict[tuple[float, ...], float]:
    """Each value by its place."""
    index = np.indices(volume.array.shape).reshape(3, -1)
    assert volume.affine is not None
    places = (volume.affine[:3, :3] @ index).T + volume.affine[:3, 3]
    return {tuple(np.round(place, 2)): v for place, v in zip(places, volume.array.ravel(), strict=True)}


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_all_orders_load_as_one_volume(tmp_path: Path, values: np.ndarray, suffix: str) -> None:
    """Whatever the order and direction of axes: the same array at the same place, slices along the normal."""
    affine = affine_of((2.5, 0.7, 0.7))
    for order, flips in ORDERS:
        volume = Volume.load(write_nifti(tmp_path / f"a{suffix}", values, affine, order, flips))
        assert volume.axes == ("slice", "row", "column") and volume.units == "modality"
        assert volume.array.dtype == np.int16
        assert np.array_equal(volume.array, values)
        np.testing.assert_allclose(volume.affine, affine, atol=1e-4)


@pytest.mark.parametrize("sizes", [(1.0, 1.0, 1.0), (0.5, 0.7, 0.9), (0.7, 0.7, 3.0), (0.7, 3.0, 0.7)])
def test_slices_ascend_along_the_normal(
    tmp_path: Path, values: np.ndarray, sizes: tuple[float, float, float]
) -> None:
    """Every voxel keeps its place, and slices are counted along row x column, whatever the voxel sizes."""
    volume = Volume.load(write_nifti(tmp_path / "a.nii", values, affine_of(sizes), (1, 2, 0), (-1, 1, -1)))
    assert volume.geometry is not None
    assert np.all(np.diff(volume.geometry.distances) > 0)
    assert world(volume) == world(Volume.from_array(values, affine_of(sizes)))


def test_header_says_which_axis_slices_are_along(tmp_path: Path, values: np.ndarray) -> None:
    """dim_info decides where voxels are cubes; without it the slices are those along head and feet."""
    image = nibabel.Nifti1Image(values, np.eye(4))
    image.to_filename(tmp_path / "plain.nii")
    assert Volume.load(tmp_path / "plain.nii").array.shape == (7, 6, 5)
    image.header.set_dim_info(slice=0)
    image.to_filename(tmp_path / "named.nii")
    volume = Volume.load(tmp_path / "named.nii")
    assert volume.array.shape[0] == 5
    assert volume.geometry is not None
    # sagittal: columns to the back, rows to the feet
    assert np.allclose(volume.geometry.row_direction, (0, 1, 0))
    assert np.allclose(volume.geometry.column_direction, (0, 0, -1))


def test_time_comes_first(tmp_path: Path, values: np.ndarray) -> None:
    """The fourth axis of the file is the first one here."""
    steps = np.stack([values, values + 1])
    volume = Volume.load(
        write_nifti(tmp_path / "a.nii.gz", steps, affine_of((3, 1, 1)), (1, 0, 2), (1, -1, 1))
    )
    assert volume.axes == ("time", "slice", "row", "column")
    assert np.array_equal(volume.array, steps)


@pytest.mark.parametrize(
    ("slope", "inter", "dtype", "expected"),
    [
        (2.0, -1024.0, np.uint8, np.int16),
        (1.0, 40000.0, np.int16, np.int32),
        (0.5, 0.0, np.int16, np.float32),
        (0.5, 0.0, np.int32, np.float64),
        (1.0, -5.0, np.float32, np.float32),
        (float("nan"), 0.0, np.uint8, np.uint8),
        (0.0, 3.0, ">i2", np.int16),
    ],
)
def test_values_are_scaled(
    tmp_path: Path, slope: float, inter: float, dtype: Any, expected: Any, values: np.ndarray
) -> None:
    """As nibabel scales them, and whole numbers stay such where they can."""
    stored = np.abs(values).astype(dtype)
    image = nibabel.Nifti1Image(stored, np.diag([1.0, 1.0, 2.0, 1.0]), dtype=np.dtype(dtype))
    image.header.set_slope_inter(1, 0)
    content = bytearray(image.to_bytes())
    order = ">" if image.header.endianness == ">" else "<"
    content[112:120] = np.array([slope, inter], f"{order}f4").tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    volume = Volume.load(tmp_path / "a.nii")
    assert volume.array.dtype == expected
    assert sorted(volume.array.ravel()) == sorted(nibabel.load(tmp_path / "a.nii").get_fdata().ravel())


def test_own_sidecar_says_more(tmp_path: Path) -> None:
    """Units, axes and series come from our sidecar beside the file, or named; another's JSON does not."""
    common = {"ImageOrientationPatient": OBLIQUE, "PixelSpacing": [2.5, 2.5]}
    synthetic.write_series(tmp_path / "in", synthetic.stored_values((4, 5, 6)), common=common, spacing=2.5)
    to_numpy(tmp_path / "in", tmp_path / "ct.npy")
    volume = load(tmp_path / "in")
    assert volume.affine is not None
    write_nifti(tmp_path / "ct.nii.gz", volume.array, volume.affine, (0, 2, 1), (1, -1, -1))
    loaded = Volume.load(tmp_path / "ct.nii.gz")
    assert loaded.units == "HU"
    assert loaded.metadata == volume.metadata
    assert np.array_equal(loaded.array, volume.array)
    (tmp_path / "bids.json").write_text(json.dumps({"Modality": "CT"}))
    write_nifti(tmp_path / "bids.nii", volume.array, volume.affine)
    assert Volume.load(tmp_path / "bids.nii").units == "modality"
    assert Volume.load(tmp_path / "bids.nii", tmp_path / "ct.json").units == "HU"
    write_nifti(tmp_path / "ct.nii", volume.array, volume.affine + np.eye(4)[:, [3, 3, 3, 0]] * 5)
    with pytest.raises(InputError, match="do not belong together"):
        Volume.load(tmp_path / "ct.nii")


def test_forms_that_disagree_are_refused(tmp_path: Path, values: np.ndarray) -> None:
    """Where sform and qform differ nothing says which is meant; the error says by how many mm."""
    image = nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 2.0, 1.0]))
    image.set_qform(np.diag([-1.0, 1.0, 2.0, 1.0]), 1)
    image.to_filename(tmp_path / "a.nii")
    with pytest.raises(GeometryError, match=r"8\.00 mm apart"):
        Volume.load(tmp_path / "a.nii")
    image.set_qform(image.affine, 1)
    image.to_filename(tmp_path / "a.nii")
    assert Volume.load(tmp_path / "a.nii").affine is not None


@pytest.mark.parametrize("sizes", [(0, 1, 1, 2), (7, 1, 1, 2), (1, -1, 1, -2), (-1, 1, -1, 2)])
def test_odd_sizes_are_those_of_nibabel(tmp_path: Path, values: np.ndarray, sizes: tuple[float, ...]) -> None:
    """A qfac that is none counts as 1, and no voxel is smaller than nothing."""
    image = nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 2.0, 1.0]))
    image.set_sform(None, 0)
    image.set_qform(image.affine, 1)
    content = bytearray(image.to_bytes())
    content[76:92] = np.array(sizes, "<f4").tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    truth = nibabel.load(tmp_path / "a.nii")
    same = Volume.from_array(np.asarray(truth.dataobj), np.diag([-1, -1, 1, 1]) @ truth.affine)
    assert world(Volume.load(tmp_path / "a.nii")) == world(same)


def test_no_place_is_refused(tmp_path: Path, values: np.ndarray) -> None:
    """No affine is made up."""
    nibabel.Nifti1Image(values, None).to_filename(tmp_path / "a.nii")
    with pytest.raises(GeometryError, match="where its voxels lie"):
        Volume.load(tmp_path / "a.nii")


HOSTILE = {
    "dims_huge": (40, np.array([3, 32000, 32000, 32000], "<i2")),
    "dims_negative": (40, np.array([3, 5, -6, 7], "<i2")),
    "dims_none": (40, np.array([0, 5, 6, 7], "<i2")),
    "five_axes": (40, np.array([5, 5, 6, 7, 1, 1 + 1], "<i2")),
    "offset_huge": (108, np.array([1e30], "<f4")),
    "offset_negative": (108, np.array([-352], "<f4")),
    "offset_in_header": (108, np.array([100], "<f4")),
    "offset_nan": (108, np.array([np.nan], "<f4")),
    "type_unknown": (70, np.array([7], "<i2")),
    "type_complex": (70, np.array([32, 64], "<i2")),
    "affine_nan": (280, np.array([np.nan], "<f4")),
    "affine_far": (292, np.array([1e20], "<f4")),
    "affine_flat": (280, np.zeros(4, "<f4")),
    "slope_infinite": (112, np.array([np.inf], "<f4")),
    "magic": (344, np.array([0], "<i4")),
    "size": (0, np.array([349], "<i4")),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers_are_refused(tmp_path: Path, values: np.ndarray, name: str, packed: bool) -> None:
    """By an error that names the file, without memory for what the header claims."""
    content = bytearray(nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 2.0, 1.0])).to_bytes())
    at, wrong = HOSTILE[name]
    content[at : at + wrong.nbytes] = wrong.tobytes()
    path = tmp_path / ("a.nii.gz" if packed else "a.nii")
    path.write_bytes(gzip.compress(bytes(content)) if packed else content)
    tracemalloc.start()
    try:
        with pytest.raises((InputError, GeometryError), match=r"a\.nii"):
            Volume.load(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("seed", range(8))
def test_damaged_headers_are_read_or_refused(tmp_path: Path, values: np.ndarray, seed: int) -> None:
    """Whatever stands in a header: an error of ours that names the file, or slices that ascend."""
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    good = [nibabel.Nifti1Image(values, affine).to_bytes(), nibabel.Nifti2Image(values, affine).to_bytes()]
    odd = np.random.default_rng(seed)
    for number in range(60):
        content = bytearray(good[number % 2])
        for _ in range(odd.integers(1, 4)):
            at, width = odd.integers(0, (352, 544)[number % 2]), odd.choice([1, 2, 4, 8])
            wrong = [bytes(8), b"\xff" * 8, odd.bytes(8), b"\0\0\xc0\x7f" * 2, b"\0\0\x80\x7f" * 2]
            content[at : at + width] = wrong[odd.integers(5)][:width]
        (tmp_path / "a.nii").write_bytes(content)
        try:
            volume = Volume.load(tmp_path / "a.nii")
        except DicomArrayError as error:
            assert "a.nii" in str(error)
        else:
            assert volume.geometry is not None
            assert np.all(np.diff(volume.geometry.distances) > 0)


@pytest.mark.parametrize("kept", [0, 3, 200, 360, 500])
@pytest.mark.parametrize("packed", [False, True])
def test_cut_files_are_refused(tmp_path: Path, values: np.ndarray, kept: int, packed: bool) -> None:
    """A file that ends early is no shorter array."""
    content = nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 2.0, 1.0])).to_bytes()
    path = tmp_path / ("a.nii.gz" if packed else "a.nii")
    path.write_bytes(gzip.compress(content)[: kept // 3] if packed else content[:kept])
    with pytest.raises(InputError, match=r"a\.nii"):
        Volume.load(path)


def test_a_packed_file_that_changed_on_its_way_is_refused(tmp_path: Path, values: np.ndarray) -> None:
    """Its checksum says so, however readable it is; further members and padding behind it are no damage."""
    content = gzip.compress(nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 2.0, 1.0])).to_bytes())
    path = tmp_path / "a.nii.gz"
    path.write_bytes(content[:-8] + bytes([content[-8] ^ 1]) + content[-7:])
    with pytest.raises(InputError, match=r"a\.nii.*CRC"):
        Volume.load(path)
    for behind in (gzip.compress(b"more"), bytes(16)):
        path.write_bytes(content + behind)
        assert Volume.load(path).array.size == values.size


@pytest.mark.parametrize("end", ["hdr", "img"])
def test_a_file_in_two_parts_is_refused(tmp_path: Path, values: np.ndarray, end: str) -> None:
    """The error says what it is, and what to do."""
    nibabel.Nifti1Pair(values, np.diag([1.0, 1.0, 2.0, 1.0])).to_filename(tmp_path / "a.img")
    with pytest.raises(InputError, match="in one piece; write its image as one"):
        Volume.load(tmp_path / f"a.{end}")


def test_folder_or_nothing_is_refused(tmp_path: Path) -> None:
    """As of any input that cannot be read."""
    (tmp_path / "folder.nii").mkdir()
    for name in ("folder.nii", "none.nii.gz"):
        with pytest.raises(InputError, match="cannot be read"):
            Volume.load(tmp_path / name)


def test_colour(tmp_path: Path) -> None:
    """RGB becomes three samples a voxel."""
    colours = np.random.default_rng(1).integers(0, 256, (*SHAPE, 3), np.uint8)
    stored = np.ascontiguousarray(colours.transpose(2, 1, 0, 3)).view([("R", "u1"), ("G", "u1"), ("B", "u1")])
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    nibabel.Nifti1Image(stored[..., 0], affine).to_filename(tmp_path / "a.nii")
    volume = Volume.load(tmp_path / "a.nii")
    assert volume.axes == ("slice", "row", "column", "sample")
    assert np.array_equal(volume.array, colours)
