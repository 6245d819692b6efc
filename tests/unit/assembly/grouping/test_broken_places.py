"""Places that are broken or contradict each other: an error that names the way out, and what that gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

import dicomarray
import mosaic_files
import synthetic
from dicomarray import Volume, load, scan, to_dicom, to_numpy
from dicomarray.errors import DataError
from enhanced_files import at, turned, write_dose, write_enhanced
from synthetic import AXIAL, SPACING_MM, stored_values, write_series

SKEWED = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
SLICES = synthetic.SHAPE[0]
OFFSETS = [0.0, 2.0, 4.0, 6.0]
WAY_OUT = r'geometry="ignore" \(--geometry ignore\)'


def volumes(folder: Path, **options: Any) -> list[Volume]:
    (series,) = scan(folder)
    return series.volumes(**options)


def one_image(**attributes: Any) -> list[dict[str, Any]]:
    """What the third image says otherwise."""
    return [attributes if index == 2 else {} for index in range(SLICES)]


def collision(folder: Path) -> None:
    """Four images at one position, two at another, and nothing tells why."""
    places = [[0.0, 0.0, 0.0 if index < 4 else SPACING_MM] for index in range(SLICES)]
    each = [{"ImagePositionPatient": place} for place in places]
    write_series(folder, stored_values(), each=each)


def drifting_side_by_side(folder: Path) -> None:
    """Two images a height, of which each pair lies elsewhere in the plane."""
    places = [
        [100.0 * (index % 2) + 37.0 * (index // 2), 0.0, SPACING_MM * (index // 2)] for index in range(SLICES)
    ]
    write_series(folder, stored_values(), each=[{"ImagePositionPatient": place} for place in places])


FAULTS: dict[str, Callable[[Path], Any]] = {
    **{
        name: lambda folder, broken=broken: write_series(folder, stored_values(), each=one_image(**broken))
        for name, broken in {
            "skewed": {"ImageOrientationPatient": SKEWED},
            "five cosines": {"ImageOrientationPatient": SKEWED[:5]},
            "two coordinates": {"ImagePositionPatient": [1.0, 2.0]},
            "beyond any patient": {"ImagePositionPatient": [0.0, 0.0, 1e9]},
            "no spacing": {"PixelSpacing": [0.0, 0.5]},
            "next to no spacing": {"PixelSpacing": ["1e-30", "1e-30"]},
            "three spacings": {"PixelSpacing": [1.0, 1.0, 1.0]},
        }.items()
    },
    "gap": synthetic.gap,
    "collision": collision,
    "side by side": drifting_side_by_side,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_broken_places_are_an_error_or_left_aside(tmp_path: Path, fault: str) -> None:
    """The error names the way out, which gives all images as frames, in the order of acquisition."""
    FAULTS[fault](tmp_path / "s")
    with pytest.raises(DataError, match=WAY_OUT):
        volumes(tmp_path / "s")
    (volume,) = volumes(tmp_path / "s", geometry="ignore")
    assert volume.affine is None
    assert volume.axes == ("frame", "row", "column")
    assert np.array_equal(volume.array, stored_values().astype(int) - 1024)
    assert any("places are left aside" in warning for warning in volume.warnings)


@pytest.mark.parametrize("number", [None, 1], ids=["without numbers", "with one number"])
@pytest.mark.parametrize("keyword", ["AcquisitionTime", "ContentTime", None])
def test_times_order_frames_that_numbers_do_not(
    tmp_path: Path, number: int | None, keyword: str | None
) -> None:
    """Neither file names nor UIDs do: where times do not tell either, the warning claims no order."""
    array = stored_values()
    seconds = [index * 5 % SLICES for index in range(SLICES)]
    for second, file in zip(seconds, write_series(tmp_path / "s", array), strict=True):
        data_set = pydicom.dcmread(file)
        data_set.ImageOrientationPatient = SKEWED
        data_set.InstanceNumber = number
        if keyword:
            setattr(data_set, keyword, f"1200{second:02}")
        data_set.save_as(file)
    (volume,) = volumes(tmp_path / "s", geometry="ignore", units="stored")
    claimed = any(note.code == "no-place" for note in volume.warnings)
    assert claimed == bool(keyword)
    assert claimed or any("neither numbers nor times" in note for note in volume.warnings)
    if keyword:
        assert np.array_equal(volume.array, array[np.argsort(seconds)])


@pytest.mark.parametrize("options", [{}, {"geometry": "strict"}, {"geometry": "ignore"}])
def test_sound_places_stay(tmp_path: Path, options: dict[str, Any]) -> None:
    """What is not broken is read as ever, whatever the option."""
    write_series(tmp_path / "s", stored_values())
    (volume,) = volumes(tmp_path / "s", **options)
    assert volume.axes == ("slice", "row", "column")
    assert volume.warnings == ()


def test_other_volumes_stay(tmp_path: Path) -> None:
    """Of two echoes and a coronal scout one echo has a broken image: the others keep their places."""
    keywords = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
    same = {keyword: f"1.2.3.{number}" for number, keyword in enumerate(keywords)}
    array = stored_values()
    for echo, each in ((10, None), (20, one_image(ImageOrientationPatient=SKEWED))):
        write_series(tmp_path / "s", array, modality="MR", common={**same, "EchoTime": echo}, each=each)
    scout = {**same, "EchoTime": 5, "ImageOrientationPatient": [1.0, 0.0, 0.0, 0.0, 0.0, -1.0]}
    write_series(tmp_path / "s", array[:1], modality="MR", common=scout)
    found = volumes(tmp_path / "s", geometry="ignore")
    told = [any("left aside" in warning for warning in volume.warnings) for volume in found]
    assert [(volume.affine is None, len(volume.array)) for volume in found] == [
        (False, 6),
        (True, 6),
        (False, 1),
    ]
    assert told == [False, True, False]


def test_a_broken_image_that_may_be_of_two_stacks_takes_none_with_it(tmp_path: Path) -> None:
    """Two orientations of one kind, and an image without one: nothing tells whose it is."""
    keywords = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
    same = {keyword: f"1.2.3.{number}" for number, keyword in enumerate(keywords)}
    array = stored_values()
    for orientation in (list(AXIAL), [1.0, 0.0, 0.0, 0.0, 0.0, -1.0]):
        common = {**same, "ImageOrientationPatient": orientation}
        write_series(tmp_path / "s", array, modality="MR", common=common)
    write_series(tmp_path / "s", array[:1], modality="MR", common=same, each=[{"PixelSpacing": [0.0, 0.0]}])
    found = volumes(tmp_path / "s", geometry="ignore")
    assert sorted((volume.affine is None, len(volume.array)) for volume in found) == [
        (False, 6),
        (False, 6),
        (True, 1),
    ]


def test_frames_of_an_enhanced_object(tmp_path: Path) -> None:
    """One frame with a broken orientation: all frames of the object lose their place."""
    array = stored_values((4, 6, 7))
    frames = [at(index * SPACING_MM) | turned(SKEWED if index == 1 else AXIAL) for index in range(4)]
    write_enhanced(tmp_path / "x.dcm", array, frames, shared={"PlaneOrientationSequence": None})
    with pytest.raises(DataError, match=WAY_OUT):
        volumes(tmp_path)
    (volume,) = volumes(tmp_path, geometry="ignore")
    assert volume.affine is None
    assert np.array_equal(volume.array, array)


def test_a_mosaic_that_cannot_be_placed_is_one_picture(tmp_path: Path) -> None:
    """Without its private header nothing tells its slices: it is read as it is stored."""
    dataset = mosaic_files.mosaic(np.arange(5 * 8 * 8, dtype=np.uint16).reshape(5, 8, 8))
    dataset.SeriesInstanceUID = dataset.StudyInstanceUID = dataset.SOPInstanceUID = "1.2.3"
    mosaic_files.write(dataset, tmp_path / "x.dcm")
    with pytest.raises(DataError, match=WAY_OUT):
        volumes(tmp_path)
    (volume,) = volumes(tmp_path, geometry="ignore")
    assert volume.affine is None
    assert np.array_equal(volume.array[0], dataset.pixel_array)


def test_a_dose_keeps_its_scaling(tmp_path: Path) -> None:
    """Offsets that are too few: planes without a place, and their dose as ever."""
    array = stored_values((len(OFFSETS), 6, 7))
    write_dose(tmp_path / "good" / "x.dcm", array, OFFSETS)
    write_dose(tmp_path / "bad" / "x.dcm", array, OFFSETS[:2])
    with pytest.raises(DataError, match=f"GridFrameOffsetVector.*{WAY_OUT}"):
        volumes(tmp_path / "bad")
    (volume,) = volumes(tmp_path / "bad", geometry="ignore")
    assert volume.affine is None
    assert np.allclose(volume.array, load(tmp_path / "good").array)


def test_what_is_no_place_stays_an_error(tmp_path: Path) -> None:
    """Sizes and slopes are no places: the option does not help, and the error does not name it."""
    write_series(tmp_path / "s", stored_values(), each=one_image(RescaleSlope=[1.0, 2.0]))
    for geometry in ("strict", "ignore"):
        with pytest.raises(DataError, match="RescaleSlope") as caught:
            volumes(tmp_path / "s", geometry=geometry)
        assert "geometry" not in str(caught.value)


def test_the_sidecar_says_that_nothing_is_placed(tmp_path: Path) -> None:
    """`to_numpy` has the option too; the sidecar is JSON without a geometry."""
    FAULTS["skewed"](tmp_path / "s")
    to_numpy(tmp_path / "s", tmp_path / "v.npy", tmp_path / "v.json", geometry="ignore")
    described = json.loads((tmp_path / "v.json").read_text("utf-8"))
    assert described["geometry"] is None or described["geometry"]["affine"] is None
    assert described["array"]["axes"] == ["frame", "row", "column"]


@pytest.mark.parametrize("fault", ["skewed", "gap", "collision"])
def test_results_are_written_after_images_without_a_place(tmp_path: Path, fault: str) -> None:
    """`to_dicom` takes the volume, and reads back what it wrote in the same way."""
    FAULTS[fault](tmp_path / "s")
    volume = load(tmp_path / "s", geometry="ignore")
    to_dicom(volume.with_array(volume.array + 1), tmp_path / "s", tmp_path / "out")
    again = load(tmp_path / "out", geometry="ignore")
    assert again.affine is None
    assert np.array_equal(again.array, volume.array + 1)


def plus_one(volume: Volume) -> Any:
    """Adds one."""
    return volume.array + 1


def test_run_reads_without_places(tmp_path: Path) -> None:
    """The option goes to the workers of `run`."""
    FAULTS["skewed"](tmp_path / "s")
    assert dicomarray.run(tmp_path / "s", tmp_path / "strict", plus_one).failed
    report = dicomarray.run(tmp_path / "s", tmp_path / "ignored", plus_one, geometry="ignore")
    assert not report.failed
