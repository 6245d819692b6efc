"""Folders in which images and several masks of them lie together, and what each command makes of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

import dicomarray
from synthetic import SHAPE, stored_values, write_series

NAMES = {1: "liver", 2: "spleen"}


@pytest.fixture(scope="module")
def labels() -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 3, SHAPE).astype(np.uint8)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, labels: NDArray[np.uint8]) -> Path:
    """A CT, a SEG, a series of two SEG, and two structure sets of it, each in a folder."""
    folder = tmp_path_factory.mktemp("study")
    write_series(folder / "ct", stored_values())
    first = dicomarray.to_seg(labels, folder / "ct", folder / "seg", NAMES)
    dicomarray.to_rtstruct(labels, folder / "ct", folder / "rt", NAMES)
    dicomarray.to_rtstruct(labels == 1, folder / "ct", folder / "rt-liver", {1: "liver"})
    (folder / "two").mkdir()
    for number in (1, 2):
        one = pydicom.dcmread(first.files[0])
        one.SeriesInstanceUID += ".1"
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"{one.SOPInstanceUID}.{number}"
        one.save_as(folder / "two" / f"{number}.dcm")
    return folder


def command(*words: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "dicomarray", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_the_images_are_meant_where_masks_lie_beside_them(
    study: Path, labels: NDArray[np.uint8], tmp_path: Path
) -> None:
    """Masks are neither the volume nor the template; that they are there is told."""
    volume = dicomarray.load(study)
    assert volume.metadata["series"]["Modality"] == "CT"
    assert sum(warning.code == "segments" for warning in volume.warnings) == 4
    dicomarray.to_seg(labels, study, tmp_path / "seg", NAMES)
    np.testing.assert_array_equal(dicomarray.load_segmentation(tmp_path / "seg", on=study).labels, labels)


def test_pairs_and_the_table_tell_masks_apart(study: Path) -> None:
    """Each is of the CT, and named by kind."""
    [ct] = (one for one in dicomarray.scan(study) if not one.is_segments)
    masks = [one for one in dicomarray.scan(study) if one.is_segments]
    assert [one.refers_to for one in masks] == [(ct.uid,)] * 4
    assert {one.segments for one in masks} == {("liver", "spleen"), ("liver",)}
    shown = command("filter", "-i", study).stdout
    assert shown.count("1, contours") == 2
    assert "1, masks" in shown
    assert "2, masks" in shown


def test_one_of_several_masks_is_chosen_by_its_file(study: Path, labels: NDArray[np.uint8]) -> None:
    """Several are an error that lists them, in one series their files; the one that is named is read."""
    with pytest.raises(dicomarray.ChoiceError, match="4 series of segmentations"):
        dicomarray.load_segmentation(study)
    listed = r"2 segmentations(.|\n)*1\.dcm: SOP Instance .*\.1, liver, spleen\n.*2\.dcm: SOP Instance .*\.2"
    with pytest.raises(dicomarray.ChoiceError, match=listed):
        dicomarray.load_segmentation(study / "two")
    for file in (study / "two" / "2.dcm", study / "seg", study / "rt"):
        np.testing.assert_array_equal(dicomarray.load_segmentation(file, on=study).labels, labels)


def test_every_mask_gets_a_file_of_its_own_in_a_folder(
    study: Path, labels: NDArray[np.uint8], tmp_path: Path
) -> None:
    """Two SEG of one series too, and structure sets alone; one that fails is named by its instance."""
    nifti = dicomarray.to_nifti(study, f"{tmp_path}/nii/")
    numpy = dicomarray.to_numpy(study, f"{tmp_path}/npy/")
    for report in (nifti, numpy):
        assert not report.failures
        assert len({one[0].name for one in report.files}) == 4
    assert numpy.notes[0].code == "objects-not-read"
    masks = dicomarray.to_numpy(study, f"{tmp_path}/masks/", config={"Modality": ["SEG", "RTSTRUCT"]})
    assert (len(masks.files), masks.failures, masks.notes) == (5, (), ())
    [two] = {one.uid for one in dicomarray.scan(study / "two")}
    read = dicomarray.to_numpy(study, f"{tmp_path}/two/", series=two)
    for npy, _ in read.files:
        np.testing.assert_array_equal(dicomarray.Segmentation.load(npy).labels, labels)
    alone = dicomarray.to_numpy(study / "rt-liver", f"{tmp_path}/alone/", on=study / "ct")
    np.testing.assert_array_equal(dicomarray.Segmentation.load(alone.files[0][0]).mask("liver"), labels == 1)
    (tmp_path / "lost").mkdir()
    for file in (study / "rt").iterdir():
        (tmp_path / "lost" / file.name).write_bytes(file.read_bytes())
    [failure] = dicomarray.to_nifti(tmp_path / "lost", f"{tmp_path}/none/").failures
    assert "SOP Instance 2.25." in failure.series
    assert "does not lie beside it" in failure.reason


@pytest.mark.parametrize("kind", ["seg", "rt"])
def test_masks_become_a_label_map_in_nifti_and_come_back_by_name(
    study: Path, labels: NDArray[np.uint8], tmp_path: Path, kind: str
) -> None:
    """The sidecar beside the NIfTI file names the segments, so that it can be written as DICOM again."""
    done = command("to-nifti", "-i", study / kind, "--on", study / "ct", "-o", tmp_path / "labels.nii.gz")
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    dicomarray.to_seg(tmp_path / "labels.nii.gz", study / "ct", tmp_path / "again")
    read = dicomarray.load_segmentation(tmp_path / "again", on=study / "ct")
    np.testing.assert_array_equal(read.labels, labels)
    assert [one.label for one in read.segments] == ["liver", "spleen"]


def test_masks_are_no_images(study: Path) -> None:
    """Frames of a SEG that are read as images say so; of contours there is none, and the error says more."""
    with pytest.raises(dicomarray.ChoiceError):
        dicomarray.load(study / "two")
    assert "masks-as-images" in [
        warning.code for warning in dicomarray.load(study / "seg", volume=0).warnings
    ]
    with pytest.raises(dicomarray.InputError, match=r"it holds masks \(RTSTRUCT.*to-nifti.*--overlay"):
        dicomarray.load(study / "rt")


def test_a_structure_set_of_another_series_names_the_one_that_may_be_meant(
    study: Path, labels: NDArray[np.uint8], tmp_path: Path
) -> None:
    """The series that it refers to is not there; one of its Frame of Reference is, and is taken if given."""
    [file] = (study / "rt").iterdir()
    one = pydicom.dcmread(file)
    [referenced] = one.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
    [series] = referenced.RTReferencedSeriesSequence
    series.SeriesInstanceUID += ".9"
    for image in series.ContourImageSequence:
        image.ReferencedSOPInstanceUID += ".9"
    other = tmp_path / "rt" / "other.dcm"
    other.parent.mkdir()
    one.save_as(other)
    with pytest.raises(dicomarray.SegmentationError, match=r"beside it, has this Frame of Reference"):
        dicomarray.load_segmentation([other, study / "ct"])
    read = dicomarray.load_segmentation(other, on=study / "ct")
    np.testing.assert_array_equal(read.labels, labels)


def test_a_file_that_goes_while_images_are_looked_for_is_no_error(
    study: Path, labels: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs of others make and remove files beside a structure set; nobody asked for these."""
    copied = tmp_path / "study"
    shutil.copytree(study, copied)
    passing = copied / "ct" / "passing.tmp"
    passing.touch()
    is_file = Path.is_file

    def is_file_until_now(path: Path) -> bool:
        found = is_file(path)
        if path.name == passing.name:
            passing.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(Path, "is_file", is_file_until_now)
    read = dicomarray.load_segmentation(copied / "rt")
    assert not passing.exists()
    np.testing.assert_array_equal(read.labels, labels)


def test_labels_in_zarr_are_taken_as_any_other(
    study: Path, labels: NDArray[np.uint8], tmp_path: Path
) -> None:
    """With the segments that its attributes name, which are its sidecar."""
    store = tmp_path / "labels.zarr"
    dicomarray.load_segmentation(study / "seg", on=study / "ct").save(store)
    assert [one.label for one in dicomarray.Segmentation.load(store).segments] == ["liver", "spleen"]
    dicomarray.to_seg(store, study / "ct", tmp_path / "seg")
    dicomarray.to_rtstruct(store, study / "ct", tmp_path / "rt", input_json=store / "zarr.json")
    for written in ("seg", "rt"):
        read = dicomarray.load_segmentation(tmp_path / written, on=study / "ct")
        np.testing.assert_array_equal(read.labels, labels)
    done = command("view", "-i", study / "ct", "--overlay", store, "-o", tmp_path / "shown.png")
    assert done.returncode == 0, done.stderr


def voxels_above(volume: dicomarray.Volume) -> dicomarray.Segmentation:
    """A function of a user's, for a run."""
    bright = (volume.array > volume.array.mean()).astype(np.uint8)
    return dicomarray.Segmentation(bright, {1: "bone"}, geometry_of=volume)


def test_a_run_gives_a_function_images_and_not_their_masks(study: Path, tmp_path: Path) -> None:
    """Masks of masks are what nobody asks for; what is left out is told; alone they are what is meant."""
    report = dicomarray.run(study, tmp_path / "out", voxels_above, workers=1)
    assert [entry.status for entry in report.entries] == ["written"]
    [skipped] = report.skipped
    assert (skipped.count, "masks" in skipped.reason) == (3, True)
    alone = dicomarray.run(study, tmp_path / "alone", voxels_above, {"Modality": "SEG"}, workers=1)
    assert len(alone.entries) == 2
