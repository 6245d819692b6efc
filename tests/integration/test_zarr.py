"""Arrays in Zarr: whole, with their sidecar, read chunk by chunk; or nothing at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import zarr

import dicomarray
from dicomarray.cli.main import main
from synthetic import stored_values, two_time_points, write_series


def same(one: dicomarray.Volume, other: dicomarray.Volume) -> None:
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert np.asarray(one).dtype == np.asarray(other).dtype
    assert one.metadata == other.metadata


@pytest.mark.parametrize("kind", ["plain", "time", "colour", "normalized", "unplaced"])
def test_what_is_saved_is_loaded(tmp_path: Path, kind: str) -> None:
    """Volumes of every kind come back whole, by `save` and by `to_numpy` alike."""
    folder = tmp_path / "ct"
    if kind == "time":
        two_time_points(folder)
    elif kind == "colour":
        colours = np.arange(6 * 12 * 16 * 3, dtype=np.uint8).reshape(6, 12, 16, 3)
        write_series(folder, colours)
    else:
        write_series(folder, stored_values())
    volume = dicomarray.load(folder, geometry="ignore" if kind == "unplaced" else "strict")
    if kind == "normalized":
        volume = volume.normalize(-1000, 400)
    volume.save(tmp_path / "a.zarr")
    same(dicomarray.Volume.load(tmp_path / "a.zarr"), volume)
    if kind in ("plain", "time", "colour"):
        report = dicomarray.to_numpy(folder, tmp_path / "b.zarr")
        same(dicomarray.Volume.load(tmp_path / "b.zarr"), volume)
        assert report.files == ((tmp_path / "b.zarr", tmp_path / "b.zarr" / "zarr.json"),)


def test_an_image_is_a_chunk_and_the_array_is_lazy(ct: Path, tmp_path: Path) -> None:
    """Other programs read it with its axes; a slice is read without the others."""
    dicomarray.to_numpy(ct, tmp_path / "a.zarr")
    array = zarr.open_array(tmp_path / "a.zarr", mode="r")
    assert array.metadata.zarr_format == 3
    assert array.chunks == (1, *array.shape[1:])
    assert array.attrs["array"]["axes"] == ["slice", "row", "column"]
    volume = dicomarray.Volume.load(tmp_path / "a.zarr")
    assert isinstance(volume.array, zarr.Array)
    for path in (tmp_path / "a.zarr" / "c" / "0").rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")
    np.testing.assert_array_equal(volume.array[2], np.asarray(dicomarray.load(ct))[2])


def test_it_goes_back_into_dicom(ct: Path, tmp_path: Path) -> None:
    """By its path, and as a volume in hand; as labels too."""
    volume = dicomarray.load(ct)
    volume.save(tmp_path / "a.zarr")
    loaded = dicomarray.Volume.load(tmp_path / "a.zarr")
    for number, given in enumerate((tmp_path / "a.zarr", loaded)):
        report = dicomarray.to_dicom(given, ct, tmp_path / f"out{number}")
        assert report.max_error == 0
    assert loaded.normalize(0, 100).array.max() <= 1
    assert loaded.statistics() == volume.statistics()


def test_nothing_is_overwritten_or_left_half(ct: Path, tmp_path: Path) -> None:
    """An existing array is replaced when that is asked for, another folder never."""
    target = tmp_path / "a.zarr"
    assert main(["to-numpy", "-i", str(ct), "-n", str(target)]) == 0
    assert main(["to-numpy", "-i", str(ct), "-n", str(target)]) == 2
    assert main(["to-numpy", "-i", str(ct), "-n", str(target), "--overwrite"]) == 0
    (target / "notes.txt").write_text("mine")
    with pytest.raises(dicomarray.OutputError, match=r"notes\.txt"):
        dicomarray.to_numpy(ct, target, overwrite=True)
    assert (target / "notes.txt").read_text() == "mine"
    cut = sorted(ct.iterdir())[3]
    cut.write_bytes(cut.read_bytes()[:-20])
    with pytest.raises(dicomarray.DataError):
        dicomarray.to_numpy(ct, tmp_path / "cut.zarr")
    assert [path.name for path in tmp_path.iterdir() if "cut" in path.name] == []


def test_other_arrays_are_refused(tmp_path: Path) -> None:
    """No array, an array without our attributes, one of another shape: the message names the file."""
    with pytest.raises(dicomarray.InputError, match="no Zarr array"):
        dicomarray.Volume.load(tmp_path / "none.zarr")
    zarr.create_array(store=str(tmp_path / "other.zarr"), shape=(2, 3), dtype="f4")
    with pytest.raises(dicomarray.InputError, match=r"other\.zarr"):
        dicomarray.Volume.load(tmp_path / "other.zarr")
    volume = dicomarray.Volume.from_array(np.zeros((2, 3, 4)))
    volume.save(tmp_path / "a.zarr")
    content = json.loads((tmp_path / "a.zarr" / "zarr.json").read_text())
    content["attributes"]["array"]["shape"] = [2, 3, 5]
    (tmp_path / "a.zarr" / "zarr.json").write_text(json.dumps(content))
    with pytest.raises(dicomarray.InputError, match="shape"):
        dicomarray.Volume.load(tmp_path / "a.zarr")
    with pytest.raises(dicomarray.OutputError, match="attributes"):
        volume.save(tmp_path / "b.zarr", tmp_path / "b.json")


def test_ome_zarr_is_refused_by_name(ct: Path, tmp_path: Path) -> None:
    """A file of that name would be taken for one, and an oblique volume would lie elsewhere."""
    for use in (dicomarray.load(ct).save, lambda path: dicomarray.to_numpy(ct, path)):
        with pytest.raises(dicomarray.OutputError, match="OME-Zarr is not written"):
            use(tmp_path / "ct.ome.zarr")
    assert not (tmp_path / "ct.ome.zarr").exists()


@pytest.mark.parametrize("made", ["array", "group", "version 2"])
def test_labels_of_another_program_are_refused_with_the_way_out(
    ct: Path, tmp_path: Path, made: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing says where they lie; as an array of NumPy they are taken on the grid of the images."""
    labels = np.ones(dicomarray.load(ct).array.shape, np.uint8)
    store, member = tmp_path / "labels.zarr", "0" if made == "group" else None
    version = 2 if made == "version 2" else 3
    zarr.create_array(store=str(store), name=member, data=labels, zarr_format=version)
    common = ["-d", str(ct), "--segments", str(tmp_path / "names.json"), "-o", str(tmp_path / "seg")]
    (tmp_path / "names.json").write_text('["liver"]')
    for command in (
        ["to-seg", "-n", str(store), *common],
        ["view", "-i", str(ct), "--overlay", str(store), "-o", str(tmp_path / "seen.png")],
    ):
        assert main(command) == 1
        assert 'save its values with numpy.save("values.npy", zarr.open(' in capsys.readouterr().err
    whole = zarr.open(str(store), mode="r")
    np.save(tmp_path / "values.npy", (whole if member is None else whole[member])[...])
    assert main(["to-seg", "-n", str(tmp_path / "values.npy"), *common]) == 0
