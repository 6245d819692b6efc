"""Images that are there twice: what is a copy and left out, and what only looks like one and stays."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless, generate_uid

import mosaic_files
import synthetic
from dicomarray import Volume, load, scan, to_numpy
from dicomarray.assembly.frames.frame import frames_of
from dicomarray.assembly.grouping.duplicates import possible_copies
from dicomarray.errors import ChoiceError, PixelError
from enhanced_files import at, content, rescaled, write_cine, write_enhanced
from synthetic import SPACING_MM, stored_values, write_repetitions, write_series

SLICES = 4
SHAPE = (SLICES, 6, 7)


def volumes(*folders: Path, **options: Any) -> list[Volume]:
    (series,) = scan(folders)
    return series.volumes(**options)


def copy_of(file: Path, to: Path, *, new_uid: bool = True, **changes: Any) -> Path:
    """Another file of the same image, with changes; ``...`` removes an attribute."""
    data_set = pydicom.dcmread(file)
    if new_uid:
        data_set.SOPInstanceUID = generate_uid(prefix=None)
        data_set.file_meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    for keyword, value in changes.items():
        if value is ...:
            delattr(data_set, keyword)
        else:
            setattr(data_set, keyword, value)
    to.parent.mkdir(parents=True, exist_ok=True)
    data_set.save_as(to)
    return to


def warned(volume: Volume, words: str) -> bool:
    return any(words in warning for warning in volume.warnings)


@pytest.fixture
def mr(tmp_path: Path) -> Path:
    """Four slices, with the attributes that tell when they were acquired."""
    write_series(tmp_path / "s", stored_values(SHAPE), modality="MR", common={
        "AcquisitionDate": "20240101", "AcquisitionTime": "120100.25", "ContentTime": "120200.5",
        "TriggerTime": 12.5, "DiffusionBValue": 500.0, "DiffusionGradientOrientation": [0.0, 1.0, 0.0],
        "FrameReferenceTime": 20.0, "TemporalPositionIdentifier": 1,
    })  # fmt: skip
    return tmp_path / "s"


def second_slice(folder: Path) -> Path:
    return sorted(folder.glob("*.dcm"))[1]


# --- what is a copy -------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("new_uid", [False, True])
def test_an_image_sent_again_is_read_once(mr: Path, new_uid: bool, times: int) -> None:
    """Under its own UID or another, once or twice more: one of them is in the volume, and it is told."""
    expected = load(mr).array
    for time in range(times):
        copy_of(second_slice(mr), mr.parent / f"again {time}" / "0002.dcm", new_uid=new_uid)
    (volume,) = volumes(mr.parent)
    assert np.array_equal(volume.array, expected)
    assert warned(volume, f"{times} identical copies left out: 0002.dcm")


def test_everything_sent_twice_is_one_volume(mr: Path) -> None:
    """A series sent twice with new UIDs is no time series."""
    expected = load(mr).array
    for file in sorted(mr.glob("*.dcm")):
        copy_of(file, mr / f"1{file.name}")
    (volume,) = volumes(mr)
    assert volume.axes == ("slice", "row", "column")
    assert np.array_equal(volume.array, expected)
    assert warned(volume, f"{SLICES} identical copies left out")


def test_the_same_file_in_two_folders_is_one(mr: Path, tmp_path: Path) -> None:
    """A whole folder that was copied adds nothing."""
    expected = load(mr).array
    shutil.copytree(mr, tmp_path / "again")
    (volume,) = volumes(mr, tmp_path / "again")
    assert np.array_equal(volume.array, expected)


def test_a_copy_in_another_transfer_syntax_is_one(mr: Path) -> None:
    """What counts is decoded pixels, not the bytes of the file."""
    expected = load(mr).array
    data_set = pydicom.dcmread(second_slice(mr))
    data_set.compress(RLELossless)
    data_set.save_as(mr / "packed.dcm")
    (volume,) = volumes(mr)
    assert np.array_equal(volume.array, expected)
    assert warned(volume, "left out")


def test_times_written_with_other_digits_are_the_same(mr: Path) -> None:
    """120100.25 and 120100.250000 are one moment; -0.0 and 0.0 are one place."""
    expected = load(mr).array
    copy_of(second_slice(mr), mr / "again.dcm", AcquisitionTime="120100.250000", ContentTime="120200.500")
    assert np.array_equal(load(mr).array, expected)


def test_a_copy_among_repetitions_is_left_out(tmp_path: Path) -> None:
    """One image of one time point was sent twice: the time series is whole, without a volume of one image."""
    array = stored_values((3, *SHAPE))
    files = write_repetitions(
        tmp_path / "s", array, [{"TemporalPositionIdentifier": step} for step in (1, 2, 3)]
    )
    copy_of(files[5], tmp_path / "s" / "again.dcm")
    (volume,) = volumes(tmp_path / "s")
    assert np.array_equal(volume.array, array)
    assert warned(volume, "1 identical copies left out")


def test_a_mosaic_sent_twice_is_one(tmp_path: Path) -> None:
    """The slices of a mosaic are copies of those of the same mosaic."""
    array = np.random.default_rng(3).integers(0, 4000, (5, 8, 8)).astype(np.uint16)
    for name in ("a", "b"):
        dataset = mosaic_files.mosaic(array)
        dataset.SeriesInstanceUID = dataset.StudyInstanceUID = "1.2.3"
        dataset.SOPInstanceUID = "1.2.3.4"
        normal = np.cross(mosaic_files.IDENTITY[:3], mosaic_files.IDENTITY[3:])
        mosaic_files.add_csa(dataset, mosaic_files.image_csa(5, normal))
        mosaic_files.write(dataset, tmp_path / f"{name}.dcm")
    (volume,) = volumes(tmp_path)
    assert volume.array.shape == (5, 8, 8)
    assert warned(volume, "5 identical copies left out")


def test_an_enhanced_object_sent_twice_is_one(tmp_path: Path) -> None:
    """It is one, frame by frame, under its own UID and under another one."""
    array = stored_values(SHAPE)
    first = write_enhanced(tmp_path / "a.dcm", array)
    copy_of(first, tmp_path / "b.dcm", new_uid=False)
    copy_of(first, tmp_path / "c.dcm")
    (volume,) = volumes(tmp_path)
    assert np.array_equal(volume.array, array)
    assert warned(volume, f"{2 * SLICES} identical copies left out")


@pytest.mark.parametrize("placed", [True, False])
def test_an_image_without_a_place_is_known_by_its_uid_alone(tmp_path: Path, placed: bool) -> None:
    """The same object twice is one; with another UID nothing tells that it is no second picture."""
    array = stored_values((1, 6, 7))
    (file,) = write_series(tmp_path / "s", array, modality="SC")
    copy_of(file, tmp_path / "s" / "again.dcm", new_uid=placed)
    (volume,) = volumes(tmp_path / "s")
    assert volume.array.shape == (2 if placed else 1, 6, 7)


def test_loops_sent_twice_are_one(tmp_path: Path) -> None:
    """Frames of an ultrasound loop under one UID, in two folders, are read once."""
    file = write_cine(tmp_path / "a" / "loop.dcm", stored_values(SHAPE))
    copy_of(file, tmp_path / "b" / "loop.dcm", new_uid=False)
    (volume,) = volumes(tmp_path)
    assert volume.array.shape == SHAPE


# --- which of them stays --------------------------------------------------------------------------------


def test_which_copy_stays_does_not_depend_on_names(mr: Path, tmp_path: Path) -> None:
    """Three UIDs, found under every order of names: the same one is read."""
    found = set()
    uids = [generate_uid(prefix=None) for _ in range(3)]
    for index, names in enumerate(itertools.permutations("abc")):
        folder = tmp_path / str(index)
        shutil.copytree(mr, folder)
        original = second_slice(folder)
        for name, uid in zip(names, uids, strict=True):
            copy_of(original, folder / f"{name}.dcm", SOPInstanceUID=uid)
        original.unlink()
        (volume,) = volumes(folder)
        found.add(volume.slices[1]["SOPInstanceUID"])
    assert len(found) == 1


# --- what stays -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("InstanceNumber", 99),
        ("InstanceNumber", ...),
        ("AcquisitionNumber", 2),
        ("AcquisitionNumber", ...),
        ("AcquisitionTime", "120100.5"),
        ("AcquisitionTime", ...),
        ("AcquisitionDate", "20240102"),
        ("AcquisitionDateTime", "20240101120100"),
        ("ContentTime", "120200.75"),
        ("ContentTime", ...),
        ("ContentDate", "20240102"),
        ("TriggerTime", 13.5),
        ("TriggerTime", ...),
        ("FrameReferenceTime", 21.0),
        ("TemporalPositionIdentifier", 2),
        ("DiffusionBValue", 1000.0),
        ("DiffusionBValue", ...),
        ("DiffusionGradientOrientation", [1.0, 0.0, 0.0]),
        ("ImageType", ["ORIGINAL", "PRIMARY", "P", "NONE"]),
        ("EchoTime", 20),
        ("NominalPercentageOfCardiacPhase", 40.0),
        ("KVP", 80),
        ("ConvolutionKernel", "SHARP"),
    ],
)
def test_an_image_that_says_otherwise_is_no_copy(mr: Path, keyword: str, value: Any) -> None:
    """With a UID of its own, and the same pixels: all images are kept."""
    copy_of(second_slice(mr), mr / "other.dcm", **{keyword: value})
    found = volumes(mr, duplicates="split")
    assert sum(len(volume.slices) for volume in found) == SLICES + 1
    assert not any(warned(volume, "copies left out") for volume in found)


@pytest.mark.parametrize(
    ("creator", "tag", "vr", "value"),
    [
        ("SIEMENS MR HEADER", 0x0019000C, "IS", 1000),
        ("SIEMENS MR HEADER", 0x0019000E, "FD", [1.0, 0.0, 0.0]),
        ("GEMS_PARM_01", 0x00430039, "IS", [1000, 8, 0, 0]),
        ("GEMS_ACQU_01", 0x001900BB, "DS", "1.0"),
        ("Philips Imaging DD 001", 0x20010003, "FL", 1000.0),
        ("Philips MR Imaging DD 001", 0x200500B0, "FL", 1.0),
        ("Image Private Header", 0x00650009, "FD", 1000.0),
        ("Image Private Header", 0x00650037, "FD", [1.0, 0.0, 0.0]),
    ],
)
def test_a_vendors_b_value_or_gradient_tells_images_apart(
    tmp_path: Path, creator: str, tag: int, vr: str, value: Any
) -> None:
    """Where the standard's attributes are missing, and the pixels are the same."""
    files = write_series(tmp_path / "s", stored_values(SHAPE), modality="MR")
    other = copy_of(files[1], tmp_path / "s" / "other.dcm")
    data_set = pydicom.dcmread(other)
    data_set.private_block(tag >> 16, creator, create=True).add_new(tag & 0xFF, vr, value)
    data_set.save_as(other)
    found = volumes(tmp_path / "s")
    assert sum(len(volume.slices) for volume in found) == SLICES + 1


@pytest.mark.parametrize("new_uid", [False, True])
def test_other_pixels_are_no_copy(mr: Path, new_uid: bool) -> None:
    """Same number, times and place, even the same UID: it is kept, and a shared UID is told."""
    pixels = pydicom.dcmread(second_slice(mr)).PixelData
    copy_of(
        second_slice(mr), mr / "other.dcm", new_uid=new_uid, PixelData=bytes([pixels[0] ^ 1]) + pixels[1:]
    )
    with pytest.raises(ChoiceError, match="holds 2 volumes"):
        load(mr)
    found = volumes(mr)
    assert sum(len(volume.slices) for volume in found) == SLICES + 1
    assert all(warned(volume, "SOPInstanceUID is not unique") is not new_uid for volume in found)


def test_a_place_apart_is_no_copy(tmp_path: Path) -> None:
    """The same pixels and number on another slice's place are another image, even under one UID."""
    array = np.repeat(stored_values((1, 6, 7)), 3, axis=0)
    write_series(tmp_path / "s", array, each=[{"InstanceNumber": 1, "SOPInstanceUID": "1.2.3"}] * 3)
    (volume,) = volumes(tmp_path / "s")
    assert volume.array.shape == (3, 6, 7)


def test_frames_of_one_object_are_no_copies(tmp_path: Path) -> None:
    """They share UID and Instance Number; two blank ones at one place are two."""
    frames = [
        at(place * SPACING_MM) | content(DimensionIndexValues=[place + 1, time + 1])
        for time in range(2)
        for place in range(2)
    ]
    write_enhanced(tmp_path / "x.dcm", np.zeros((4, 6, 7), np.uint16), frames)
    (volume,) = volumes(tmp_path)
    assert volume.array.shape == (2, 2, 6, 7)


def test_another_slope_is_no_copy(tmp_path: Path) -> None:
    """The same stored pixels stand for other values."""
    files = write_series(tmp_path / "s", stored_values(SHAPE), modality="PT")
    copy_of(files[1], tmp_path / "s" / "other.dcm", new_uid=False, RescaleSlope=2)
    found = volumes(tmp_path / "s")
    assert sum(len(volume.slices) for volume in found) == SLICES + 1


def test_enhanced_objects_with_other_slopes_are_no_copies(tmp_path: Path) -> None:
    """The same stored pixels stand for other values."""
    array = stored_values(SHAPE)
    first = write_enhanced(tmp_path / "a.dcm", array, shared=rescaled(1, 0))
    same = {k: pydicom.dcmread(first)[k].value for k in ("SeriesInstanceUID", "StudyInstanceUID")}
    write_enhanced(tmp_path / "b.dcm", array, shared=rescaled(2, 0), common=same)
    found = volumes(tmp_path)
    assert sum(volume.array.size for volume in found) == 2 * array.size


def test_an_enhanced_object_and_its_classic_images_are_two_volumes(mr: Path) -> None:
    """They differ in kind: neither is a copy of the other."""
    first = pydicom.dcmread(second_slice(mr))
    same = {k: first[k].value for k in ("SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")}
    write_enhanced(mr / "x.dcm", stored_values(SHAPE), common=same)
    found = volumes(mr)
    assert [volume.array.shape for volume in found] == [SHAPE, SHAPE]


def test_a_copy_that_cannot_be_decoded_is_an_error(mr: Path) -> None:
    """Whether it is a copy cannot be told: it is not left out in silence."""
    other = mr / "other.dcm"
    other.write_bytes(second_slice(mr).read_bytes()[:-20])
    with pytest.raises(PixelError, match=r"other\.dcm"):
        load(mr)


# --- equal pixels that stay -----------------------------------------------------------------------------


@pytest.mark.parametrize("to_file", [False, True])
def test_equal_time_points_stay_and_are_told(tmp_path: Path, to_file: bool) -> None:
    """Images with UIDs and numbers of their own stay, in memory and written straight to a file."""
    one = stored_values(SHAPE)
    other = one.copy()
    other[0] += 1
    write_repetitions(tmp_path / "s", np.stack([one, other, one]), [{}] * 3)
    if to_file:
        report = to_numpy(tmp_path / "s", tmp_path / "v.npy", tmp_path / "v.json")
        assert any("11 images have the same pixels" in warning for warning in report.warnings)
        return
    (volume,) = volumes(tmp_path / "s")
    assert volume.array.shape == (3, *SHAPE)
    assert warned(volume, "11 images have the same pixels")  # three at three places, two at the first


def test_a_real_diffusion_series_with_equal_pixels_is_whole(real_data: Path) -> None:
    """Seven images of GE at each of two places have UIDs and numbers of their own, and stay."""
    (volume,) = volumes(real_data / "mr-ge-dwi-equal-pixels")
    assert volume.array.shape == (7, 2, 256, 256)
    assert warned(volume, "14 images have the same pixels")


def test_different_time_points_are_not_told(tmp_path: Path) -> None:
    """Also where some pixels of theirs agree: images are compared whole."""
    array = np.repeat(stored_values((1, *SHAPE)), 3, axis=0)
    array[:, :, -1, -1] = np.arange(3)[:, None]
    write_repetitions(tmp_path / "s", array, [{}] * 3)
    (volume,) = volumes(tmp_path / "s")
    assert np.array_equal(volume.array, array)
    assert not warned(volume, "same pixels")


def test_a_renumbered_copy_stays_and_is_told(mr: Path) -> None:
    """With a number of its own it may be a second image: a volume of its own, and a warning."""
    copy_of(second_slice(mr), mr / "renumbered.dcm", InstanceNumber=99)
    whole, rest = volumes(mr)
    assert (len(whole.slices), len(rest.slices)) == (SLICES, 1)
    assert all(warned(volume, "2 images have the same pixels") for volume in (whole, rest))


# --- what it costs --------------------------------------------------------------------------------------


def test_pixels_are_read_only_where_a_copy_is_possible(mr: Path, opened: list[Path]) -> None:
    """No file of a usual series is opened; where headers agree, those of the images at one place are."""
    (series,) = scan(mr)
    opened.clear()
    assert len(series.stacks()) == 1
    assert not opened
    later = copy_of(second_slice(mr), mr / "later.dcm", ContentTime="120300")
    again = copy_of(second_slice(mr), mr / "again.dcm")
    (series,) = scan(mr)
    opened.clear()
    series.stacks()
    assert {second_slice(mr), later, again} <= set(opened)


def test_possible_copies_are_told_by_headers_alone(mr: Path, opened: list[Path]) -> None:
    """Those that agree in all that a scan reads: of these only pixels can tell."""
    again = copy_of(second_slice(mr), mr / "again.dcm")
    copy_of(second_slice(mr), mr / "later.dcm", AcquisitionTime="130000")
    (series,) = scan(mr)
    opened.clear()
    frames = [frame for header in series.instances for frame in frames_of(header)]
    assert {frame.header.reference for frame in possible_copies(frames)} == {second_slice(mr), again}
    assert not opened


def test_one_number_for_all_images_costs_no_pixels(tmp_path: Path, opened: list[Path]) -> None:
    """Some writers number every image 1, and give all one UID: their places tell them apart."""
    each = [{"InstanceNumber": 1, "SOPInstanceUID": "1.2.3"}] * synthetic.SHAPE[0]
    write_series(tmp_path / "s", stored_values(), each=each)
    (series,) = scan(tmp_path / "s")
    opened.clear()
    assert len(series.stacks()) == 1
    assert not opened
