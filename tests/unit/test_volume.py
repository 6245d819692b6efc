"""A volume: what it tells of itself, new ones made of it, and its two files."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dicomarray
from dicomarray import Volume
from dicomarray.core.geometry import Plane, StackGeometry
from dicomarray.core.pixel_values import Normalization, Rescale
from dicomarray.core.volume_info import VolumeInfo
from dicomarray.errors import OutputError, UsageError
from dicomarray.formats import sidecar


@pytest.fixture
def volume() -> Volume:
    """3 slices of 4 x 5, HU from -1000 up, spacing all different."""
    planes = [Plane.from_attributes((0, 0, 3.0 * z), (1, 0, 0, 0, 1, 0), (0.5, 0.75)) for z in range(3)]
    array = (np.arange(60, dtype=np.int16) * 40 - 1000).reshape(3, 4, 5)
    info = VolumeInfo(
        shape=array.shape,
        dtype=array.dtype,
        axes=("slice", "row", "column"),
        units="HU",
        geometry=StackGeometry.from_planes(planes, 3.0, "1.2.3"),
        rescales=(Rescale(1, -1024),) * 3,
        series={"Modality": "CT", "SeriesInstanceUID": "1.2.3.4"},
        slices=tuple({"SOPInstanceUID": f"1.2.{n}", "frame": 0} for n in range(3)),
        warnings=("a warning",),
    )
    return Volume(array, info)


def test_it_is_shown_by_shape_type_and_units(volume: Volume) -> None:
    """It shows no values and no names."""
    assert repr(volume) == "<Volume 3x4x5 int16 HU>"


def test_it_cannot_be_changed(volume: Volume) -> None:
    """Volumes are frozen: a new array makes a new volume."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        volume.array = volume.array * 2  # type: ignore[misc]
    for name in ("units", "geometry", "series"):
        with pytest.raises(AttributeError):
            setattr(volume, name, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        volume.info.units = "stored"  # type: ignore[misc]


def test_affine_and_spacing_are_the_geometrys(volume: Volume) -> None:
    """(slice, row, column); None where there is no geometry."""
    assert volume.spacing == (3.0, 0.5, 0.75)
    assert volume.geometry is not None
    assert volume.affine is volume.geometry.affine
    placeless = Volume.from_array(volume.array)
    assert placeless.affine is None
    assert placeless.spacing is None
    assert placeless.metadata["geometry"] is None


def test_metadata_is_what_the_sidecar_holds(volume: Volume, tmp_path: Path) -> None:
    """The dict is the JSON file's content, number for number."""
    volume.save(tmp_path / "v.npy")
    assert json.loads((tmp_path / "v.json").read_text("utf-8")) == volume.metadata
    assert volume.metadata["values"]["modality"] == [{"slope": 1, "intercept": -1024}]
    assert volume.metadata["warnings"] == ["a warning"]


# --- normalized -----------------------------------------------------------------------------------------


def test_normalize_makes_a_new_volume(volume: Volume) -> None:
    """float32 in [0, 1], the bounds recorded, the rest as it was, the old one untouched."""
    before = volume.array.copy()
    made = volume.normalize(-1000, 1000)
    assert made.array.dtype == np.float32
    assert made.array.min() == 0
    assert made.array.max() == 1
    assert made.array[0, 0, 1] == np.float32(0.02)
    assert made.units == "normalized"
    assert made.normalization == Normalization(-1000.0, 1000.0, units="HU")
    assert made.metadata["values"]["normalization"] == {"lower": -1000, "upper": 1000, "clip": True}
    assert made.geometry is volume.geometry
    assert made.slices == volume.slices
    assert volume.units == "HU"
    assert volume.array.tolist() == before.tolist()


def test_normalize_twice_is_refused(volume: Volume) -> None:
    """The second could not be undone."""
    with pytest.raises(UsageError, match="already"):
        volume.normalize(0, 1).normalize(0, 1)


@pytest.mark.parametrize(("lower", "upper"), [(5, 5), (5, 4), (float("nan"), 5)])
def test_normalize_needs_bounds(volume: Volume, lower: float, upper: float) -> None:
    """They must be finite, and the lower one below the upper one."""
    with pytest.raises(UsageError):
        volume.normalize(lower, upper)


def test_with_array_keeps_place_and_units(volume: Volume) -> None:
    """Other values are on the same grid."""
    made = volume.with_array(volume.array * 2)
    assert made.array[0, 0, 0] == -2000
    assert made.geometry is volume.geometry
    assert made.units == "HU"


def test_with_array_of_another_shape_is_refused(volume: Volume) -> None:
    """A transposed or cropped array is not on the same grid."""
    with pytest.raises(UsageError, match=r"\(5, 4, 3\)"):
        volume.with_array(volume.array.T)


# --- of any array -----------------------------------------------------------------------------------------


def test_an_array_with_an_affine_is_a_volume(tmp_path: Path) -> None:
    """Another library's image: the affine is kept to the last digit, through the files too."""
    affine = np.array([[0.1, 0, 0.7, -3.3], [0.2, 0.9, 0, 17.1], [2.3, 0, 0.1, 5.7], [0, 0, 0, 1]])
    made = Volume.from_array(
        np.zeros((3, 4, 5), np.float32), affine, units="HU", frame_of_reference_uid="1.2"
    )
    assert (made.axes, made.units, made.slices) == (("slice", "row", "column"), "HU", ())
    made.save(tmp_path / "v.npy")
    for volume in (made, Volume.load(tmp_path / "v.npy")):
        assert volume.affine is not None
        assert volume.affine.tolist() == affine.tolist()
        assert volume.metadata["geometry"]["frame_of_reference_uid"] == "1.2"


def test_an_array_without_an_affine_has_frames() -> None:
    """No place is made up; axes beyond three are named by who knows them."""
    assert Volume.from_array(np.zeros((3, 4, 5))).axes == ("frame", "row", "column")
    axes = ("time", "frame", "row", "column", "sample")
    made = Volume.from_array(np.zeros((2, 3, 4, 5, 3)), axes=axes)
    assert (made.geometry, made.axes, made.info.slice_axis) == (None, axes, 1)


@pytest.mark.parametrize(
    ("shape", "affine", "axes"),
    [
        ((2, 3, 4, 5), np.eye(4), None),
        ((4, 5), np.eye(4), None),
        ((3, 4, 5), np.eye(4), ("frame", "row", "column")),
        ((3, 4, 5), None, ("plane", "row", "column")),
        ((3, 4, 5), np.eye(4), ("row", "column", "slice")),
        ((2, 2, 3, 4, 5), np.eye(4), ("time", "time", "slice", "row", "column")),
        ((3, 4, 5), np.zeros((4, 4)), None),
        ((3, 4, 5), np.full((4, 4), 1e300), None),
    ],
)
def test_what_is_no_volume_is_refused(shape: tuple[int, ...], affine: Any, axes: Any) -> None:
    """Axes that are not named, or not in the order of images; affines that are none."""
    with pytest.raises(UsageError):
        Volume.from_array(np.zeros(shape), affine, axes=axes)


def test_geometry_has_as_many_slices_as_the_array(volume: Volume) -> None:
    """Else positions would belong to no slice."""
    with pytest.raises(UsageError, match="3 slice positions"):
        dataclasses.replace(volume.info, shape=(2, 4, 5))


def test_another_type_of_array_is_what_the_sidecar_says(volume: Volume) -> None:
    """Shape and type in the sidecar are always those of the array beside it."""
    made = Volume(volume.array.astype(np.float64), volume.info)
    assert made.metadata["array"]["dtype"] == "float64"
    assert volume.metadata["array"]["dtype"] == "int16"


# --- saved ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32", "float64", ">i2"])
def test_saved_array_is_the_same(volume: Volume, tmp_path: Path, dtype: str) -> None:
    """Values, shape and type come back from the file."""
    made = volume.with_array(volume.array.astype(dtype))
    made.save(tmp_path / "v.npy", tmp_path / "v.json")
    read = np.load(tmp_path / "v.npy", allow_pickle=False)
    assert read.dtype == made.array.dtype
    assert np.array_equal(read, made.array)


def test_transposed_view_is_saved_in_its_order(volume: Volume, tmp_path: Path) -> None:
    """An array that is not contiguous in memory keeps its axis order in the file."""
    view = np.asfortranarray(volume.array)
    volume.with_array(view).save(tmp_path / "v.npy")
    assert np.array_equal(np.load(tmp_path / "v.npy"), volume.array)


def test_sidecar_lies_beside_the_array_by_default(volume: Volume, tmp_path: Path) -> None:
    """ct.npy, ct.json; a name given is taken; nothing else is left in the folder."""
    volume.save(str(tmp_path / "a.npy"))
    volume.save(tmp_path / "b.npy", tmp_path / "notes" / "c.json")
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "a.json", "a.npy", "b.npy", "c.json", "notes",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("v.nii.gz", '".nii.gz"'),
        ("v.nii", '".nii"'),
        ("v.dcm", '".dcm"'),
        ("v.npz", '".npz"'),
        ("v", "no suffix"),
    ],
)
def test_an_array_goes_into_a_file_named_npy_only(
    volume: Volume, tmp_path: Path, name: str, shown: str
) -> None:
    """A program that opens v.nii.gz would fail; the error says the suffix and the name that will do."""
    with pytest.raises(OutputError, match=shown) as error:
        volume.save(tmp_path / name, tmp_path / "notes.txt")
    assert "v.npy" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_sidecar_is_not_named_as_an_image(volume: Volume, tmp_path: Path) -> None:
    """Capital letters name an array as well, and a sidecar may have any name but that of another format."""
    volume.save(tmp_path / "V.NPY", tmp_path / "notes.txt")
    with pytest.raises(OutputError, match="sidecar"):
        volume.save(tmp_path / "a.npy", tmp_path / "a.nii")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["V.NPY", "notes.txt"]


@pytest.mark.parametrize("existing", ["v.npy", "v.json"])
def test_nothing_is_overwritten_unasked(volume: Volume, tmp_path: Path, existing: str) -> None:
    """Where one of the two exists neither is written."""
    (tmp_path / existing).write_text("mine")
    with pytest.raises(OutputError, match=existing):
        volume.save(tmp_path / "v.npy")
    assert [path.name for path in tmp_path.iterdir()] == [existing]
    assert (tmp_path / existing).read_text() == "mine"
    volume.save(tmp_path / "v.npy", overwrite=True)
    assert sidecar.read(tmp_path / "v.json").shape == (3, 4, 5)


def test_array_and_sidecar_need_two_names(volume: Volume, tmp_path: Path) -> None:
    """One would replace the other."""
    with pytest.raises(OutputError, match="two names"):
        volume.save(tmp_path / "v.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", ["objects", "sidecar"])
def test_failed_save_leaves_nothing(volume: Volume, tmp_path: Path, fault: str) -> None:
    """When the array, or the sidecar after it, cannot be written, neither file is there."""
    if fault == "objects":
        broken = Volume.from_array(np.array([[[object()]]]))
    else:
        broken = Volume(volume.array, dataclasses.replace(volume.info, rescales=(Rescale(math.nan, 0.0),)))
    with pytest.raises(ValueError):
        broken.save(tmp_path / "v.npy")
    assert list(tmp_path.iterdir()) == []


def test_another_grid(ct: Path) -> None:
    """Another array with its affine: the geometry is that affine's, what belonged to slices is gone."""
    volume = dicomarray.load(ct)
    affine = volume.affine @ np.diag([2.0, 1.0, 0.5, 1.0])
    other = volume.on_grid(np.zeros((3, 12, 32), np.float32), affine)
    np.testing.assert_allclose(other.affine, affine)
    assert other.metadata["array"]["shape"] == [3, 12, 32]
    assert other.geometry.frame_of_reference_uid == volume.geometry.frame_of_reference_uid
    assert (other.slices, other.units) == ((), "HU")


@pytest.mark.parametrize(
    ("shape", "affine", "words"),
    [
        ((6, 12), np.eye(4), "has not the axes"),
        ((6, 12, 16), np.zeros((4, 4)), "last row"),
        ((6, 12, 16), np.full((4, 4), np.nan), "4x4 matrix"),
        ((6, 12, 16), np.eye(3), "4x4 matrix"),
        ((6, 12, 16), np.diag([0.0, 1, 1, 1]), "span a volume"),
    ],
)
def test_no_grid(ct: Path, shape: tuple[int, ...], affine: Any, words: str) -> None:
    """What places no volume is refused."""
    with pytest.raises(UsageError, match=words):
        dicomarray.load(ct).on_grid(np.zeros(shape), affine)
