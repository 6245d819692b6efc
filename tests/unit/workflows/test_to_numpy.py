"""load and to_numpy: the right files, whole or not at all, never over anything, never into the input."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

import synthetic
from dicomarray import load, scan, to_numpy
from dicomarray.errors import ChoiceError, DataError, GeometryError, InputError, OutputError, UsageError
from dicomarray.workflows.to_numpy import names_folder

Contents = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A CT with a localizer (two volumes), an MR, and a series that cannot be converted (a gap)."""
    folder = tmp_path / "archive"
    synthetic.appended_localizer(folder / "ct")
    array = synthetic.stored_values()
    synthetic.write_series(folder / "mr", array, modality="MR", common={"SeriesInstanceUID": "1.2.3"})
    synthetic.gap(folder / "gap")
    return folder


# --- load -----------------------------------------------------------------------------------------------


def test_load_gives_the_one_volume(ct: Path) -> None:
    """It is in modality values by default."""
    volume = load(ct)
    assert np.array_equal(volume.array, synthetic.stored_values().astype(int) - 1024)
    assert volume.units == "HU"


def test_load_takes_what_series_takes(archive: Path) -> None:
    """It takes units, missing, series, volume and config."""
    assert np.array_equal(load(archive, series="1.2.3", units="stored").array, synthetic.stored_values())
    assert load(archive / "gap", missing="keep").array.shape == synthetic.SHAPE
    assert load(archive / "ct", volume=1).array.shape == (1, 12, 16)
    assert load(archive, config={"Modality": "MR"}).series["Modality"] == "MR"


def test_load_asks_where_there_are_several(archive: Path) -> None:
    """It asks which of several series, and of several volumes of one."""
    with pytest.raises(ChoiceError, match="3 series"):
        load(archive)
    with pytest.raises(ChoiceError, match="2 volumes"):
        load(archive / "ct")


@pytest.mark.parametrize("option", [{"units": "HU"}, {"missing": "no"}])
def test_unknown_option_is_refused_before_the_path_is_looked_at(option: dict[str, Any]) -> None:
    """It is refused whatever the data is."""
    with pytest.raises(UsageError):
        load("nowhere", **option)
    with pytest.raises(UsageError):
        to_numpy("nowhere", "x.npy", **option)


def test_load_of_a_single_file_and_of_a_list(ct: Path) -> None:
    """One slice is read, and so are some."""
    files = sorted(ct.glob("*.dcm"))
    assert load(files[2]).array.shape == (1, 12, 16)
    assert load(files[:3]).array.shape == (3, 12, 16)
    assert load(iter(files[:3])).array.shape == (3, 12, 16)


# --- one volume -----------------------------------------------------------------------------------------


def test_one_volume_makes_two_files(ct: Path, tmp_path: Path) -> None:
    """The array and its sidecar, as load gives them; the report names them."""
    npy, sidecar = tmp_path / "out" / "a.npy", tmp_path / "out" / "a.json"
    report = to_numpy(ct, npy, sidecar)
    expected = load(ct)
    assert report.files == ((npy, sidecar),)
    assert report.failures == ()
    array = np.load(npy, allow_pickle=False)
    assert array.dtype == expected.array.dtype
    assert np.array_equal(array, expected.array)
    assert json.loads(sidecar.read_text("utf-8")) == expected.metadata
    assert sorted(path.name for path in npy.parent.iterdir()) == ["a.json", "a.npy"]


def test_sidecar_lies_beside_by_default(ct: Path, tmp_path: Path) -> None:
    """The sidecar gets the array's name, and a text may be the path."""
    report = to_numpy(str(ct), str(tmp_path / "a.npy"))
    assert report.files == ((tmp_path / "a.npy", tmp_path / "a.json"),)


def test_normalized_values_and_their_bounds(ct: Path, tmp_path: Path) -> None:
    """float32 in [0, 1]; the bounds are in the sidecar."""
    to_numpy(ct, tmp_path / "a.npy", normalize=(-1000, 1000))
    array = np.load(tmp_path / "a.npy")
    modality = load(ct).array.astype(float)
    assert array.dtype == np.float32
    assert array == pytest.approx(np.clip((modality + 1000) / 2000, 0, 1), abs=1e-7)
    content = json.loads((tmp_path / "a.json").read_text("utf-8"))
    assert content["values"]["normalization"] == {"lower": -1000, "upper": 1000, "clip": True}
    assert content["array"]["units"] == "normalized"


@pytest.mark.parametrize("bounds", [(1, 1), (2, 1), (float("nan"), 1)])
def test_bounds_that_are_none_are_refused_first(bounds: tuple[float, float]) -> None:
    """They are refused before anything is read."""
    with pytest.raises(UsageError):
        to_numpy("nowhere", "x.npy", normalize=bounds)


def test_warnings_are_in_the_report(tmp_path: Path) -> None:
    """The report has what load would tell."""
    faulty = synthetic.tilted_20_degrees(tmp_path / "tilted")
    assert any("tilt" in warning for warning in to_numpy(faulty.folder, tmp_path / "a.npy").warnings)


@pytest.mark.parametrize("existing", ["a.npy", "a.json"])
def test_nothing_is_overwritten_unasked(ct: Path, tmp_path: Path, existing: str) -> None:
    """Where one file is there neither is written; with overwrite both are."""
    out = tmp_path / "out"
    out.mkdir()
    (out / existing).write_text("mine")
    with pytest.raises(OutputError, match=existing):
        to_numpy(ct, out / "a.npy")
    assert [path.name for path in out.iterdir()] == [existing]
    assert (out / existing).read_text() == "mine"
    to_numpy(ct, out / "a.npy", overwrite=True)
    assert np.load(out / "a.npy").shape == synthetic.SHAPE


@pytest.mark.parametrize("output", ["a.npy", "deep/a.npy", "deep/", "."])
@pytest.mark.parametrize("as_text", [True, False])
def test_nothing_is_written_into_the_input(ct: Path, contents: Contents, output: str, as_text: bool) -> None:
    """The input folder stays byte for byte as it was, with overwrite too."""
    before = contents(ct)
    target = f"{ct}/{output}" if as_text or output.endswith("/") else ct / output
    with pytest.raises(OutputError, match="inside the input"):
        to_numpy(ct, target, overwrite=True)
    assert contents(ct) == before


def test_sidecar_is_not_written_into_the_input_either(ct: Path, tmp_path: Path, contents: Contents) -> None:
    """Each of the two outputs is looked at, and each of several inputs."""
    before = contents(ct)
    with pytest.raises(OutputError, match="inside the input"):
        to_numpy(ct, tmp_path / "a.npy", ct / "a.json")
    (tmp_path / "other").mkdir()
    with pytest.raises(OutputError, match="inside the input"):
        to_numpy([tmp_path / "other", ct], ct / "a.npy")
    assert contents(ct) == before
    assert not (tmp_path / "a.npy").exists()


def test_input_file_is_never_the_output(ct: Path) -> None:
    """to_numpy(file, file, overwrite=True) must not destroy the image."""
    file = ct / "0001.dcm"
    before = file.read_bytes()
    with pytest.raises(OutputError):
        to_numpy(file, file, ct.parent / "a.json", overwrite=True)
    assert file.read_bytes() == before


def test_paths_from_a_generator_are_all_used(ct: Path, tmp_path: Path) -> None:
    """The check of the outputs does not use up what the scan needs."""
    to_numpy((path for path in [ct]), tmp_path / "a.npy")
    assert np.load(tmp_path / "a.npy").shape == synthetic.SHAPE


@pytest.mark.parametrize("fault", ["gap", "cut"])
def test_failure_leaves_nothing(ct: Path, tmp_path: Path, fault: str) -> None:
    """There is no file, and no folder of half a result."""
    out = tmp_path / "out"
    out.mkdir()
    file = ct / "0003.dcm"
    if fault == "gap":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DataError):
        to_numpy(ct, out / "a.npy")
    assert list(out.iterdir()) == []


def test_kept_gap_is_told_in_the_sidecar(archive: Path, tmp_path: Path) -> None:
    """missing="keep" writes the real positions."""
    with pytest.raises(GeometryError):
        to_numpy(archive / "gap", tmp_path / "a.npy")
    to_numpy(archive / "gap", tmp_path / "a.npy", missing="keep")
    geometry = json.loads((tmp_path / "a.json").read_text("utf-8"))["geometry"]
    assert geometry["uniform"] is False
    assert [position[2] for position in geometry["slice_positions_mm"]] == [100, 102.5, 105, 110, 112.5, 115]


# --- all volumes ----------------------------------------------------------------------------------------


def test_folders_take_every_volume_of_every_series(archive: Path, tmp_path: Path) -> None:
    """Arrays in one folder, sidecars in the other, one pair a volume; a series that fails stops nothing."""
    report = to_numpy(archive, f"{tmp_path}/npy/", f"{tmp_path}/json/")
    assert len(report.files) == 3
    assert sorted(np.load(npy).shape for npy, _ in report.files) == [(1, 12, 16), (6, 12, 16), (6, 12, 16)]
    for npy, sidecar in report.files:
        assert npy.parent == tmp_path / "npy"
        assert sidecar == tmp_path / "json" / f"{npy.stem}.json"
        assert json.loads(sidecar.read_text("utf-8"))["array"]["shape"] == list(np.load(npy).shape)
    assert len(list((tmp_path / "npy").iterdir())) == len(list((tmp_path / "json").iterdir())) == 3
    (failure,) = report.failures
    assert "missing" in failure.reason
    assert scan(archive / "gap")[0].uid in failure.series


def test_existing_folder_takes_arrays_and_sidecars(archive: Path, tmp_path: Path) -> None:
    """Without a second name both lie in the folder, under names that are the same every time."""
    (tmp_path / "out").mkdir()
    first = to_numpy(archive / "mr", tmp_path / "out")
    with pytest.raises(OutputError):
        to_numpy(archive / "mr", tmp_path / "out")
    second = to_numpy(archive / "mr", tmp_path / "out", overwrite=True)
    assert first.files == second.files
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".npy", ".json"}


def test_batch_may_be_narrowed(archive: Path, tmp_path: Path) -> None:
    """By UID or config; nothing that matches is an error."""
    assert len(to_numpy(archive, f"{tmp_path}/a/", series="1.2.3").files) == 1
    assert len(to_numpy(archive, f"{tmp_path}/b/", config={"Modality": "MR"}).files) == 1
    with pytest.raises(InputError):
        to_numpy(archive, f"{tmp_path}/c/", config={"Modality": "PT"})
    assert not (tmp_path / "c").exists()


def test_file_and_folder_do_not_mix(ct: Path, tmp_path: Path) -> None:
    """One volume or all: the two outputs must agree."""
    with pytest.raises(UsageError, match="two"):
        to_numpy(ct, tmp_path / "a.npy", f"{tmp_path}/json/")


def test_index_of_a_volume_in_a_batch_is_not_passed_over(archive: Path, tmp_path: Path) -> None:
    """volume=1 with folders: that volume of the series, or an error; never all of them without a word."""
    try:
        report = to_numpy(archive / "ct", f"{tmp_path}/out/", volume=1)
    except UsageError:
        return
    assert [np.load(npy).shape for npy, _ in report.files] == [(1, 12, 16)]


@pytest.mark.parametrize(("path", "folder"), [("a/", True), ("a", False), ("a.npy", False)])
def test_folders_are_told_from_files(path: str, folder: bool, tmp_path: Path) -> None:
    """By the slash, or because they are there."""
    assert names_folder(f"{tmp_path}/{path}") is folder
    assert names_folder(tmp_path)


def test_input_stays_as_it_was(archive: Path, tmp_path: Path, contents: Contents) -> None:
    """Converting changes no byte of the archive, and adds none."""
    before = contents(archive)
    to_numpy(archive, f"{tmp_path}/out/")
    assert contents(archive) == before


def test_half_damaged_archive_is_converted_by_half(archive: Path, tmp_path: Path) -> None:
    """A series with one truncated file fails with the file's name; the rest is written."""
    file = archive / "mr" / "0002.dcm"
    file.write_bytes(file.read_bytes()[:-50])
    shutil.rmtree(archive / "gap")
    report = to_numpy(archive, f"{tmp_path}/out/")
    assert len(report.files) == 2
    assert [str(file) in failure.reason for failure in report.failures] == [True]


def test_real_study_goes_through(real_data: Path, tmp_path: Path) -> None:
    """Two sagittal series in one folder: two arrays, each equal to its files' own pixels."""
    report = to_numpy(real_data / "mr-siemens-sagittal", f"{tmp_path}/out/")
    assert report.failures == ()
    for npy, sidecar in report.files:
        array, content = np.load(npy), json.loads(sidecar.read_text("utf-8"))
        by_uid: dict[str, Any] = {
            record["SOPInstanceUID"]: index for index, record in enumerate(content["slices"])
        }
        assert len(by_uid) == 35
        for path in (real_data / "mr-siemens-sagittal").rglob("*.dcm"):
            data_set = pydicom.dcmread(path, stop_before_pixels=True)
            if data_set.SOPInstanceUID in by_uid and by_uid[data_set.SOPInstanceUID] in (0, 17, 34):
                pixels = pydicom.dcmread(path).pixel_array
                assert np.array_equal(array[by_uid[data_set.SOPInstanceUID]], pixels)
