"""Masks written as DICOM Segmentations and read back, on every kind of grid; and by what others wrote and "
"read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import highdicom
import imagecodecs
import numpy as np
import pydicom
import pydicom.encaps
import pydicom.sr.codedict
import pydicom.uid
import pytest
import SimpleITK
from numpy.typing import NDArray

import dicomarray
from dciodvfy import new_issues
from dicomarray import Segment, SegmentationError
from dicomarray.cli.main import main
from enhanced_files import at, write_cine, write_enhanced
from synthetic import SHAPE, stored_values, write_repetitions, write_series

NAMES = {1: "liver", 2: "spleen", 3: "left kidney", 4: "right kidney", 5: "aorta"}
KINDS = ("binary", "labelmap", "fractional")
SAGITTAL, OBLIQUE = (0, 1, 0, 0, 0, -1), (0.8, 0.6, 0, -0.36, 0.48, 0.8)


def labels_of(shape: tuple[int, ...], segments: int = 5) -> NDArray[np.uint8]:
    """Random labels that touch every face; no slice, row or column looks like another."""
    return np.random.default_rng(11).integers(0, segments + 1, shape).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), SAGITTAL, OBLIQUE, (-1, 0, 0, 0, 1, 0)])
def test_masks_come_back_on_the_images_and_on_their_own_grid(
    tmp_path: Path, kind: str, orientation: tuple[float, ...]
) -> None:
    """In any orientation a mask is where its image is, voxel for voxel."""
    files = write_series(
        tmp_path / "ct", stored_values(), common={"ImageOrientationPatient": list(orientation)}
    )
    labels, volume = labels_of(SHAPE), dicomarray.load(tmp_path / "ct")
    dicomarray.to_seg(labels, tmp_path / "ct", tmp_path / "seg", NAMES, kind)
    for read in (
        dicomarray.load_segmentation(tmp_path / "seg"),
        dicomarray.load_segmentation(tmp_path / "seg", on=tmp_path / "ct"),
        dicomarray.load_segmentation(tmp_path / "seg", on=volume),
        dicomarray.load_segmentation([tmp_path / "seg", *files]),
    ):
        np.testing.assert_array_equal(read.labels, labels)
        np.testing.assert_allclose(read.affine, volume.affine, atol=1e-9)
        assert [segment.label for segment in read.segments] == list(NAMES.values())


@pytest.mark.parametrize("compress", ["none", "rle", "jpeg-ls", "deflated"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(3, 5, 7), (2, 16, 16)])
def test_every_transfer_syntax(tmp_path: Path, kind: str, compress: Any, shape: tuple[int, ...]) -> None:
    """Frames of odd sizes begin within a byte, and come back; bits are not what RLE and JPEG-LS hold."""
    write_series(tmp_path / "ct", stored_values(shape))
    labels = labels_of(shape)
    if kind == "binary" and compress in ("rle", "jpeg-ls"):
        with pytest.raises(dicomarray.UsageError, match="single bits"):
            dicomarray.to_seg(labels, tmp_path / "ct", tmp_path / "seg", NAMES, kind, compress=compress)
        return
    report = dicomarray.to_seg(labels, tmp_path / "ct", tmp_path / "seg", NAMES, kind, compress=compress)
    np.testing.assert_array_equal(dicomarray.load_segmentation(tmp_path / "seg").labels, labels)
    if compress != "deflated":  # which pydicom cannot decode yet
        pixels = pydicom.dcmread(report.files[0]).pixel_array
        assert pixels.shape[-2:] == shape[-2:] and pixels.any()


def test_empty_frames_are_left_out_or_written(tmp_path: Path) -> None:
    """A structure in one slice has one frame, or one for each slice; the images restore the empty ones."""
    write_series(tmp_path / "ct", stored_values())
    mask = np.zeros(SHAPE, bool)
    mask[2, 3, 4] = True
    for empty, frames in ((False, 1), (True, SHAPE[0])):
        report = dicomarray.to_seg(
            {"liver": mask}, tmp_path / "ct", tmp_path / f"seg{empty}", empty_frames=empty
        )
        assert pydicom.dcmread(report.files[0]).NumberOfFrames == frames
        read = dicomarray.load_segmentation(report.files[0], on=tmp_path / "ct")
        np.testing.assert_array_equal(read.mask("liver"), mask)
        assert not read.warnings
        away = dicomarray.load_segmentation(tmp_path / f"seg{empty}")
        assert away.shape == (frames, *SHAPE[1:])  # short, which is told
        assert [told.code for told in away.warnings] == ["masks-own-grid"]


def test_overlaps_are_written_as_bits_and_refused_in_a_label_map(tmp_path: Path) -> None:
    """Three masks that share voxels come back whole; one label array of them is an error that names them."""
    write_series(tmp_path / "ct", stored_values())
    rng = np.random.default_rng(3)
    masks = {name: rng.random(SHAPE) < 0.4 for name in ("liver", "spleen", "aorta")}
    dicomarray.to_seg(masks, tmp_path / "ct", tmp_path / "seg")
    read = dicomarray.load_segmentation(tmp_path / "seg", on=tmp_path / "ct")
    for name, mask in masks.items():
        np.testing.assert_array_equal(read.mask(name), mask)
    with pytest.raises(SegmentationError, match="overlap"):
        read.labels  # noqa: B018
    with pytest.raises(SegmentationError, match="label map"):
        dicomarray.to_seg(masks, tmp_path / "ct", tmp_path / "map", kind="labelmap")
    assert not (tmp_path / "map").exists()


def test_fractions_come_back_within_the_error_that_is_reported(tmp_path: Path) -> None:
    """Probabilities are rounded to 255 steps, and the report says by how much at most."""
    write_series(tmp_path / "ct", stored_values())
    fraction = np.random.default_rng(5).random(SHAPE).astype(np.float32)
    report = dicomarray.to_seg({"liver": fraction}, tmp_path / "ct", tmp_path / "seg", kind="fractional")
    read = dicomarray.load_segmentation(tmp_path / "seg").fraction("liver")
    off = np.abs(read - fraction).max()
    assert 0 < off <= report.max_error + 1e-6 <= 0.5 / 255 + 1e-6
    with pytest.raises(SegmentationError, match="fractional"):
        dicomarray.to_seg({"liver": fraction}, tmp_path / "ct", tmp_path / "binary")


def test_labels_with_gaps_keep_their_numbers(tmp_path: Path) -> None:
    """Segment Numbers have no gaps in a binary object; labels have them, and come back; a map keeps them."""
    write_series(tmp_path / "ct", stored_values())
    labels = np.where(labels_of(SHAPE, 2) == 2, 40, labels_of(SHAPE, 2)).astype(np.uint16) * 10
    names = {10: "liver", 400: "spleen"}
    for kind, numbers in (("binary", [1, 2]), ("labelmap", [0, 10, 400])):
        report = dicomarray.to_seg(labels, tmp_path / "ct", tmp_path / kind, names, kind)
        assert [item.SegmentNumber for item in pydicom.dcmread(report.files[0]).SegmentSequence] == numbers
        read = dicomarray.load_segmentation(report.files[0])
        np.testing.assert_array_equal(read.labels, labels)
        assert bool(report.warnings) == (kind == "binary")


def test_terms_colours_and_algorithms_come_back(tmp_path: Path) -> None:
    """What a segment says of itself is the same after the file."""
    write_series(tmp_path / "ct", stored_values())
    said = Segment(
        1,
        "Foie droit é",
        category=("91723000", "SCT", "Anatomical Structure"),
        type=("10200004", "SCT", "Liver"),
        laterality=("24028007", "SCT", "Right"),
        colour=(221, 130, 101),
        algorithm="net",
        algorithm_version="1.2",
        tracking_id="lesion 1",
        tracking_uid="1.2.3",
    )
    dicomarray.to_seg(labels_of(SHAPE, 1), tmp_path / "ct", tmp_path / "seg", [said])
    assert dicomarray.load_segmentation(tmp_path / "seg").segments == (said,)


def test_each_frame_names_its_source(tmp_path: Path) -> None:
    """Derivation Image and Common Instance Reference name the images that were segmented, and no other."""
    files = write_series(tmp_path / "ct", stored_values())
    uids = [pydicom.dcmread(file).SOPInstanceUID for file in files]
    report = dicomarray.to_seg(labels_of(SHAPE, 1), tmp_path / "ct", tmp_path / "seg", {1: "liver"})
    written = pydicom.dcmread(report.files[0])
    named = [
        [item.ReferencedSOPInstanceUID for item in group.DerivationImageSequence[0].SourceImageSequence]
        for group in written.PerFrameFunctionalGroupsSequence
    ]
    assert named == [[uid] for uid in uids]
    told = [
        i.ReferencedSOPInstanceUID for i in written.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    ]
    assert told == uids


def test_a_key_makes_the_same_file_again(tmp_path: Path) -> None:
    """The same call writes the same bytes; other masks get other UIDs."""
    write_series(tmp_path / "ct", stored_values())
    labels = labels_of(SHAPE)
    one, two, other = (
        dicomarray.to_seg(array, tmp_path / "ct", tmp_path / name, NAMES, uid_key="study").files[0]
        for name, array in (("one", labels), ("two", labels), ("other", labels[::-1].copy()))
    )
    assert one.read_bytes() == two.read_bytes()
    assert pydicom.dcmread(one).SOPInstanceUID != pydicom.dcmread(other).SOPInstanceUID


# --- templates that are no plain stacks -------------------------------------------------------------------


def test_enhanced_templates_are_referred_to_by_frame(tmp_path: Path) -> None:
    """A frame of an enhanced object is named by its number, counted from 1, whatever order frames have."""
    shape = (4, 6, 8)
    write_enhanced(
        tmp_path / "mr" / "e.dcm", stored_values(shape), frames=[at(z) for z in (6.0, 0.0, 4.0, 2.0)]
    )
    labels = labels_of(shape)
    report = dicomarray.to_seg(labels, tmp_path / "mr", tmp_path / "seg", NAMES, "labelmap")
    numbers = [
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        for group in pydicom.dcmread(report.files[0]).PerFrameFunctionalGroupsSequence
    ]
    assert numbers == [2, 4, 3, 1]
    read = dicomarray.load_segmentation(tmp_path / "seg", on=tmp_path / "mr")
    np.testing.assert_array_equal(read.labels, labels)


@pytest.mark.parametrize(("time", "count"), [(None, 3), (1, 1)])
def test_masks_of_a_series_with_time_points(tmp_path: Path, time: int | None, count: int) -> None:
    """A mask is of all images at its place, or of those of one step."""
    array = stored_values((3, *SHAPE))
    steps = [{"TemporalPositionIdentifier": step + 1, "NumberOfTemporalPositions": 3} for step in range(3)]
    write_repetitions(tmp_path / "mr", array, steps)
    labels = labels_of(SHAPE)
    report = dicomarray.to_seg(labels, tmp_path / "mr", tmp_path / "seg", NAMES, time=time)
    for group in pydicom.dcmread(report.files[0]).PerFrameFunctionalGroupsSequence:
        assert len(group.DerivationImageSequence[0].SourceImageSequence) == count
    read = dicomarray.load_segmentation(tmp_path / "seg", on=tmp_path / "mr")
    np.testing.assert_array_equal(read.labels, labels)
    with pytest.raises(dicomarray.DicomArrayError, match="time=N"):
        dicomarray.to_seg(np.stack([labels] * 3), tmp_path / "mr", tmp_path / "four", NAMES)


def joined(files: list[Path], path: Path, said: str) -> None:
    """Segmentations of steps as one file, whose frames say their step by index, time or their images."""
    parts = [pydicom.dcmread(file) for file in files]
    frames = []
    for step, part in enumerate(parts):
        for group in part.PerFrameFunctionalGroupsSequence:
            if said == "index":
                group.FrameContentSequence[0].TemporalPositionIndex = step + 1
            if said == "time":
                group.FrameContentSequence[0].FrameReferenceDateTime = f"2026010112{step:02d}00"
            if said != "images":
                del group.DerivationImageSequence
            frames.append(group)
    whole = parts[0]
    pixels = np.concatenate([part.pixel_array for part in parts])
    whole.PerFrameFunctionalGroupsSequence, whole.NumberOfFrames = frames, len(frames)
    whole.PixelData = np.packbits(pixels, bitorder="little").tobytes()
    if whole.SegmentationType == "LABELMAP":
        whole.PixelData = pixels.tobytes()
    whole.save_as(path)


@pytest.mark.parametrize("kind", ["binary", "labelmap"])
@pytest.mark.parametrize("said", ["images", "index", "time"])
def test_masks_of_several_steps_are_read_one_by_one(tmp_path: Path, said: str, kind: str) -> None:
    """Each in place, where its frames say their step; together only where no two are at one place."""
    steps = [{"TemporalPositionIdentifier": step + 1} for step in range(2)]
    write_repetitions(tmp_path / "mr", stored_values((2, *SHAPE)), steps)
    first = labels_of(SHAPE)
    later = np.where(first == 0, 0, 6 - first).astype(np.uint8)
    for step, labels in enumerate((first, later)):
        dicomarray.to_seg(labels, tmp_path / "mr", tmp_path / str(step), NAMES, kind, time=step)  # type: ignore[arg-type]
    file = tmp_path / "all.dcm"
    joined([tmp_path / str(step) / "0001.dcm" for step in range(2)], file, said)
    for step, labels in enumerate((first, later)):
        read = dicomarray.load_segmentation(file, on=tmp_path / "mr", time=step)
        np.testing.assert_array_equal(read.labels, labels)
        assert not read.warnings
    dicomarray.to_numpy(file, tmp_path / "l.npy", on=tmp_path / "mr", time=1)
    np.testing.assert_array_equal(np.load(tmp_path / "l.npy"), later)
    with pytest.raises(SegmentationError, match=r"frame \d+: .*time=N"):
        dicomarray.load_segmentation(file, on=tmp_path / "mr")
    with pytest.raises(dicomarray.UsageError, match=r"steps \[0, 1\]"):
        dicomarray.load_segmentation(file, on=tmp_path / "mr", time=2)
    if said == "images":
        with pytest.raises(SegmentationError, match=r"nothing says of which step"):
            dicomarray.load_segmentation(file, time=0)


def test_masks_of_several_steps_at_other_places_are_told(tmp_path: Path) -> None:
    """They are read as one, which may be what was meant: each slice of the step in which it is sharp."""
    write_repetitions(
        tmp_path / "mr", stored_values((2, *SHAPE)), [{"TemporalPositionIdentifier": n} for n in (1, 2)]
    )
    labels = labels_of(SHAPE)
    for step in range(2):
        part = labels.copy()
        part[step::2] = 0
        dicomarray.to_seg(part, tmp_path / "mr", tmp_path / str(step), NAMES, time=step)
    joined([tmp_path / str(step) / "0001.dcm" for step in range(2)], tmp_path / "all.dcm", "images")
    read = dicomarray.load_segmentation(tmp_path / "all.dcm", on=tmp_path / "mr")
    np.testing.assert_array_equal(read.labels, labels)
    assert [warning.code for warning in read.warnings] == ["masks-of-steps"]


def test_a_loop_without_a_place_has_no_made_up_one(tmp_path: Path) -> None:
    """Frames of a cine loop are referred to; nothing says where in the patient they are."""
    write_cine(tmp_path / "us" / "c.dcm", stored_values((4, 6, 8), bits_stored=8))
    labels = labels_of((4, 6, 8))
    labels[1] = 0
    report = dicomarray.to_seg(labels, tmp_path / "us", tmp_path / "seg", NAMES)
    written = pydicom.dcmread(report.files[0])
    assert "FrameOfReferenceUID" not in written
    assert all("PlanePositionSequence" not in group for group in written.PerFrameFunctionalGroupsSequence)
    read = dicomarray.load_segmentation(tmp_path / "seg", on=tmp_path / "us")
    np.testing.assert_array_equal(read.labels, labels)
    assert read.affine is None and read.info.axes[0] == "frame"


# --- other grids ------------------------------------------------------------------------------------------


def test_another_grid_only_by_nearest_neighbour(tmp_path: Path) -> None:
    """Masks come on images with other voxels only where that is asked for; then each voxel is the nearest."""
    write_series(tmp_path / "ct", stored_values())
    shape = (SHAPE[0], SHAPE[1] * 2, SHAPE[2] * 2)
    frame_of_reference = pydicom.dcmread(next((tmp_path / "ct").iterdir())).FrameOfReferenceUID
    same = {"PixelSpacing": [0.25, 0.375], "FrameOfReferenceUID": frame_of_reference}
    position = [
        float(value) for value in pydicom.dcmread(next((tmp_path / "ct").iterdir())).ImagePositionPatient
    ]
    each = [
        {"ImagePositionPatient": [position[0] - 0.1875, position[1] - 0.125, 100 + 2.5 * i]} for i in range(6)
    ]
    write_series(tmp_path / "fine", stored_values(shape), common=same, each=each)
    labels = labels_of(SHAPE)
    dicomarray.to_seg(labels, tmp_path / "ct", tmp_path / "seg", NAMES)
    with pytest.raises(SegmentationError, match="resample"):
        dicomarray.load_segmentation(tmp_path / "seg", on=tmp_path / "fine")
    read = dicomarray.load_segmentation(tmp_path / "seg", on=tmp_path / "fine", resample="nearest")
    np.testing.assert_array_equal(read.labels, labels.repeat(2, 1).repeat(2, 2))
    assert [warning.code for warning in read.warnings] == ["resampled"]
    view = [
        "view",
        "-i",
        str(tmp_path / "fine"),
        "--overlay",
        str(tmp_path / "seg"),
        "-o",
        str(tmp_path / "a.png"),
    ]
    assert main(view) == 1 and main([*view, "--resample", "nearest"]) == 0


def test_another_frame_of_reference_is_refused(tmp_path: Path) -> None:
    """The same numbers in other coordinates are another place, also where voxels would be resampled."""
    write_series(tmp_path / "ct", stored_values())
    write_series(tmp_path / "other", stored_values(), common={"FrameOfReferenceUID": "1.2.3.4"})
    dicomarray.to_seg(labels_of(SHAPE), tmp_path / "ct", tmp_path / "seg", NAMES)
    for resample in (None, "nearest"):
        with pytest.raises(SegmentationError, match="FrameOfReferenceUID"):
            dicomarray.load_segmentation(tmp_path / "seg", on=tmp_path / "other", resample=resample)


def test_labels_on_part_of_the_slices(tmp_path: Path) -> None:
    """A cropped volume's labels lie where its affine says, and come back on all slices."""
    write_series(tmp_path / "ct", stored_values())
    volume = dicomarray.load(tmp_path / "ct")
    affine = volume.affine.copy()
    affine[:3, 3] = (volume.affine @ [2, 3, 4, 1])[:3]
    inner = labels_of((3, 5, 6))
    dicomarray.to_seg(inner, tmp_path / "ct", tmp_path / "seg", NAMES, affine=affine)
    read = dicomarray.load_segmentation(tmp_path / "seg", on=tmp_path / "ct")
    expected = np.zeros(SHAPE, np.uint8)
    expected[2:5, 3:8, 4:10] = inner
    np.testing.assert_array_equal(read.labels, expected)


@pytest.mark.parametrize("kind", ["binary", "fractional"])
def test_labels_with_axes_in_another_order_are_turned_onto_the_images(tmp_path: Path, kind: str) -> None:
    """Sagittal labels of axial images become axial frames, each of its image; no voxel is moved."""
    files = write_series(tmp_path / "ct", stored_values())
    volume, labels = dicomarray.load(tmp_path / "ct"), labels_of(SHAPE)
    affine = volume.affine[:, [2, 0, 1, 3]]  # slices along the columns, then slices and rows of the images
    sagittal = labels.transpose(2, 0, 1)
    report = dicomarray.to_seg(sagittal, tmp_path / "ct", tmp_path / "seg", NAMES, kind, affine=affine)
    assert not report.warnings
    written = pydicom.dcmread(report.files[0])
    sources = {
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        for group in written.PerFrameFunctionalGroupsSequence
    }
    assert len(sources) == len(files)
    read = dicomarray.load_segmentation(tmp_path / "seg")
    np.testing.assert_array_equal(read.labels, labels)
    np.testing.assert_allclose(read.affine, volume.affine, atol=1e-9)


# --- files that break a rule ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda seg: seg.__setattr__("SegmentationType", "SOLID"), "SegmentationType"),
        (lambda seg: seg.__setattr__("NumberOfFrames", 5), "NumberOfFrames"),
        (lambda seg: seg.__setattr__("SegmentSequence", []), "describes no segment"),
        (lambda seg: seg.SegmentSequence.pop(), "does not describe"),
        (lambda seg: seg.SegmentSequence[1].__setattr__("SegmentNumber", 1), "two segments"),
        (
            lambda seg: seg.PerFrameFunctionalGroupsSequence[0].__delattr__("SegmentIdentificationSequence"),
            "of which segment",
        ),
        (lambda seg: seg.__setattr__("PixelData", seg.PixelData[: len(seg.PixelData) // 2]), "truncated"),
    ],
)
def test_broken_files_are_refused_with_the_reason(tmp_path: Path, change: Any, message: str) -> None:
    """A file that contradicts itself gives no masks, and the error says what is wrong."""
    write_series(tmp_path / "ct", stored_values())
    report = dicomarray.to_seg(
        labels_of(SHAPE, 2), tmp_path / "ct", tmp_path / "seg", {1: "liver", 2: "spleen"}
    )
    seg = pydicom.dcmread(report.files[0])
    change(seg)
    (tmp_path / "broken").mkdir()
    seg.save_as(tmp_path / "broken" / "0001.dcm")
    with pytest.raises(dicomarray.DataError, match=message):
        dicomarray.load_segmentation(tmp_path / "broken")


def test_frames_in_any_order(tmp_path: Path) -> None:
    """Where a frame lies is what it says, not its turn."""
    write_series(tmp_path / "ct", stored_values((4, 8, 8)))
    labels = labels_of((4, 8, 8), 3)
    report = dicomarray.to_seg(
        labels, tmp_path / "ct", tmp_path / "seg", {1: "liver", 2: "spleen", 3: "aorta"}
    )
    seg = pydicom.dcmread(report.files[0])
    order = np.random.default_rng(1).permutation(int(seg.NumberOfFrames))
    size = 8
    seg.PixelData = b"".join(seg.PixelData[i * size : (i + 1) * size] for i in order)
    groups = list(seg.PerFrameFunctionalGroupsSequence)
    seg.PerFrameFunctionalGroupsSequence = [groups[i] for i in order]
    (tmp_path / "shuffled").mkdir()
    seg.save_as(tmp_path / "shuffled" / "0001.dcm")
    for on in (None, tmp_path / "ct"):
        read = dicomarray.load_segmentation(tmp_path / "shuffled", on=on)
        np.testing.assert_array_equal(read.labels, labels)


def test_frames_known_by_their_sources_alone(tmp_path: Path) -> None:
    """Without a place a frame is at the image that it refers to."""
    write_series(tmp_path / "ct", stored_values())
    labels = labels_of(SHAPE)
    report = dicomarray.to_seg(labels, tmp_path / "ct", tmp_path / "seg", NAMES, "labelmap")
    seg = pydicom.dcmread(report.files[0])
    for group in seg.PerFrameFunctionalGroupsSequence:
        del group.PlanePositionSequence
    seg.PerFrameFunctionalGroupsSequence = list(seg.PerFrameFunctionalGroupsSequence)
    (tmp_path / "placeless").mkdir()
    seg.save_as(tmp_path / "placeless" / "0001.dcm")
    read = dicomarray.load_segmentation(tmp_path / "placeless", on=tmp_path / "ct")
    np.testing.assert_array_equal(read.labels, labels)
    assert dicomarray.load_segmentation(tmp_path / "placeless").affine is None


# --- the command line -------------------------------------------------------------------------------------


def test_there_and_back_on_the_command_line(tmp_path: Path) -> None:
    """to-seg writes what to-numpy reads, and the sidecar says what the labels are."""
    write_series(tmp_path / "ct", stored_values())
    labels = labels_of(SHAPE, 2)
    np.save(tmp_path / "labels.npy", labels)
    (tmp_path / "names.json").write_text('{"1": "liver", "2": "spleen"}')

    def command(*words: object) -> subprocess.CompletedProcess[str]:
        call = [sys.executable, "-m", "dicomarray", *map(str, words)]
        return subprocess.run(call, capture_output=True, text=True, check=False)

    done = command(
        "to-seg", "-n", tmp_path / "labels.npy", "-d", tmp_path / "ct", "-o", tmp_path / "seg",
        "--segments", tmp_path / "names.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for more in ((), ("--on", tmp_path / "ct")):
        name = f"back{len(more)}.npy"
        done = command("to-numpy", "-i", tmp_path / "seg", *more, "-n", tmp_path / name)
        assert done.returncode == 0, done.stderr
        np.testing.assert_array_equal(np.load(tmp_path / name), labels)
    read = dicomarray.Segmentation.load(tmp_path / "back2.npy")
    assert [segment.label for segment in read.segments] == ["liver", "spleen"]


# --- what others write and read ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_validator_finds_nothing_new(tmp_path: Path, kind: str) -> None:
    """dciodvfy has no error of a segmentation that it has not of its template."""
    files = write_series(tmp_path / "ct", stored_values())
    report = dicomarray.to_seg(labels_of(SHAPE), tmp_path / "ct", tmp_path / "seg", NAMES, kind)
    errors, _ = new_issues(files[0], report.files[0])
    assert not errors


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), OBLIQUE])
def test_highdicom_reads_the_same_masks(tmp_path: Path, kind: str, orientation: tuple[float, ...]) -> None:
    """Another reader finds every label at the same place in the patient."""
    write_series(tmp_path / "ct", stored_values(), common={"ImageOrientationPatient": list(orientation)})
    labels = labels_of(SHAPE)
    report = dicomarray.to_seg(labels, tmp_path / "ct", tmp_path / "seg", NAMES, kind)
    volume = highdicom.seg.segread(report.files[0]).get_volume(combine_segments=True)
    ours = dicomarray.load_segmentation(tmp_path / "seg")
    step = np.linalg.inv(ours.affine) @ volume.affine
    index = np.rint(step @ np.array([*np.unravel_index(0, SHAPE), 1.0]))[:3].astype(int)
    flips = tuple(axis for axis in range(3) if index[axis])
    np.testing.assert_array_equal(np.flip(volume.array, flips), labels)
    np.testing.assert_allclose(np.abs(step[:3, :3]), np.eye(3), atol=1e-5)


@pytest.mark.parametrize("kind", ["binary", "labelmap"])
def test_dcmqi_reads_the_same_masks(tmp_path: Path, kind: str) -> None:
    """dcmqi makes of it the NRRDs of the same labels at the same place."""
    write_series(tmp_path / "ct", stored_values())
    labels = labels_of(SHAPE)
    report = dicomarray.to_seg(labels, tmp_path / "ct", tmp_path / "seg", NAMES, kind)
    program = Path(sys.executable).parent / "segimage2itkimage"
    if not program.exists():
        pytest.skip("dcmqi is not installed")
    (tmp_path / "nrrd").mkdir()
    call = [program, "--inputDICOM", report.files[0], "--outputDirectory", tmp_path / "nrrd", "--prefix", "x"]
    subprocess.run(call, capture_output=True, check=True)
    images = [SimpleITK.ReadImage(str(file)) for file in (tmp_path / "nrrd").glob("*.nrrd")]
    found = np.max([SimpleITK.GetArrayFromImage(image) for image in images], axis=0)
    np.testing.assert_array_equal(found, labels)
    ours = dicomarray.load_segmentation(tmp_path / "seg")
    np.testing.assert_allclose(images[0].GetOrigin(), ours.affine[:3, 3], atol=1e-6)


NRRDS = {
    "liver.dcm": ["liver_seg"],
    "partial_overlaps.dcm": ["partial_overlaps-1", "partial_overlaps-2", "partial_overlaps-3"],
    "sparse-labelmap-noppv.dcm": ["sparse_labelmap_noppv_seg"],
    "sparse-labelmap-ppv5.dcm": ["sparse_labelmap_ppv5_seg"],
    "23x38x3/seg/label.seg": ["23x38x3/nrrd/label"],
    "24x38x3/seg/label.seg": ["24x38x3/nrrd/label"],
}
PADDING = 5  # what dcmqi puts into slices that the file leaves out, as its Pixel Padding Value


@pytest.mark.parametrize("name", NRRDS)
def test_segmentations_of_dcmqi_equal_their_masks(real_data: Path, name: str) -> None:
    """Every segmentation that dcmqi wrote is the NRRD that dcmqi makes of it, at its place."""
    folder = real_data / "seg-dcmqi"
    read = dicomarray.load_segmentation(folder / name)
    for nrrd in NRRDS[name]:
        image = SimpleITK.ReadImage(str(folder / f"{nrrd}.nrrd"))
        array = SimpleITK.GetArrayFromImage(image)
        array[array == PADDING if "ppv" in name else array < 0] = 0
        for number in set(np.unique(array).tolist()) - {0}:
            np.testing.assert_array_equal(read.mask(number), array == number)
        np.testing.assert_allclose(image.GetOrigin(), read.affine[:3, 3], atol=1e-5)


# --- grids of the same voxels in other orders -------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ((-1, 0, 0), (0, -1, 0)),
        ((1, 0, 0), (0, -1, 0)),
        ((-1, 0, 0), (0, 1, 0)),
        ((0, 1, 0), (1, 0, 0)),
        ((0, 1, 0), (-1, 0, 0)),
        ((0, -1, 0), (1, 0, 0)),
    ],
)
def test_the_same_voxels_in_another_order(
    tmp_path: Path, row: tuple[int, int, int], column: tuple[int, int, int]
) -> None:
    """A mask comes back on mirrored or turned images, each voxel where it was in the patient."""
    write_series(tmp_path / "ct", stored_values())
    volume = dicomarray.load(tmp_path / "ct")
    labels = labels_of(SHAPE)
    other = write_turned(tmp_path / "other", volume, row, column)
    dicomarray.to_seg(labels, tmp_path / "ct", tmp_path / "seg", NAMES)
    read = dicomarray.load_segmentation(tmp_path / "seg", on=other)
    back = np.linalg.inv(volume.affine) @ other.affine
    index = np.indices(other.array.shape).reshape(3, -1)
    slices, rows, columns = np.rint(back[:3, :3] @ index + back[:3, 3:]).astype(int)
    np.testing.assert_array_equal(read.labels.reshape(-1), labels[slices, rows, columns])


def write_turned(
    folder: Path, volume: dicomarray.Volume, row: tuple[int, ...], column: tuple[int, ...]
) -> dicomarray.Volume:
    """A series at the same voxels as an axial one, with rows and columns in other directions."""
    spacing = {0: volume.spacing[2], 1: volume.spacing[1]}  # mm along x and y
    counts = {0: volume.array.shape[2], 1: volume.array.shape[1]}
    along, down = int(np.argmax(np.abs(row))), int(np.argmax(np.abs(column)))
    start = np.zeros(3)
    for direction in (row, column):
        axis = int(np.argmax(np.abs(direction)))
        start[axis] = (counts[axis] - 1) * spacing[axis] if min(direction) < 0 else 0
    each = [
        {"ImagePositionPatient": [float(f"{v:.10g}") for v in position + start]}
        for position in volume.geometry.slice_positions
    ]
    shape = (volume.array.shape[0], counts[down], counts[along])
    common = {
        "ImageOrientationPatient": [*row, *column],
        "PixelSpacing": [spacing[down], spacing[along]],
        "FrameOfReferenceUID": volume.geometry.frame_of_reference_uid,
    }
    write_series(folder, stored_values(shape), common=common, each=each)
    return dicomarray.load(folder)


# --- what highdicom writes --------------------------------------------------------------------------------


def by_highdicom(folder: Path, files: list[Path], pixels: NDArray[Any], kind: str, **more: Any) -> Path:
    """Masks of three segments, written by another library."""
    codes = pydicom.sr.codedict.codes
    algorithm = highdicom.AlgorithmIdentificationSequence("x", codes.DCM.ArtificialIntelligence, "1")
    described = [
        highdicom.seg.SegmentDescription(
            number,
            f"segment {number}",
            codes.SCT.AnatomicalStructure,
            codes.SCT.Liver,
            highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm,
        )
        for number in (1, 2, 3)
    ]
    uids = highdicom.UID(), highdicom.UID()
    made = highdicom.seg.Segmentation(
        [pydicom.dcmread(file) for file in files], pixels, kind, described,
        uids[0], 1, uids[1], 1, "maker", "model", "1", "1", **more,
    )  # fmt: skip
    folder.mkdir()
    made.save_as(folder / "seg.dcm")
    return folder


@pytest.mark.parametrize("modality", ["CT", "SC"])
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP", "FRACTIONAL"])
def test_masks_of_highdicom(tmp_path: Path, kind: str, modality: str) -> None:
    """Of images with a place and without, with a slice that is left out."""
    shape = SHAPE if modality == "CT" else (1, *SHAPE[1:])
    files = write_series(tmp_path / "images", stored_values(shape), modality=modality)
    labels = labels_of(shape, 3)
    labels[2:3] = 0
    folder = by_highdicom(tmp_path / "seg", files, labels, kind)
    read = dicomarray.load_segmentation(folder, on=tmp_path / "images")
    np.testing.assert_array_equal(read.labels, labels)
    assert read.segments[1].type == ("10200004", "SCT", "Liver")


@pytest.mark.parametrize(
    ("kind", "syntax"),
    [
        ("LABELMAP", pydicom.uid.RLELossless),
        ("FRACTIONAL", pydicom.uid.JPEGLSLossless),
    ],
)
def test_compressed_masks_of_highdicom(tmp_path: Path, kind: str, syntax: str) -> None:
    """Compressed frames of others are read."""
    shape = (3, 40, 48)
    files = write_series(tmp_path / "images", stored_values(shape))
    labels = labels_of(shape, 3)
    folder = by_highdicom(tmp_path / "seg", files, labels, kind, transfer_syntax_uid=syntax)
    np.testing.assert_array_equal(dicomarray.load_segmentation(folder).labels, labels)


def test_bits_in_jpeg_2000(tmp_path: Path) -> None:
    """Frames of one bit a pixel may be JPEG 2000 streams of that precision."""
    shape = (3, 40, 48)
    write_series(tmp_path / "ct", stored_values(shape))
    labels = labels_of(shape, 1)
    report = dicomarray.to_seg(labels, tmp_path / "ct", tmp_path / "seg", {1: "liver"})
    seg = pydicom.dcmread(report.files[0])
    frames = [
        bytes(imagecodecs.jpeg2k_encode(image, codecformat="j2k", bitspersample=1, reversible=True))
        for image in labels
    ]
    seg.PixelData = pydicom.encaps.encapsulate(frames)
    seg["PixelData"].is_undefined_length = True
    seg.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
    (tmp_path / "j2k").mkdir()
    seg.save_as(tmp_path / "j2k" / "0001.dcm")
    np.testing.assert_array_equal(dicomarray.load_segmentation(tmp_path / "j2k").labels, labels)


def test_colour_images_carry_masks(tmp_path: Path) -> None:
    """Samples of colour are no axis of a mask."""
    shape = (2, 12, 16)
    write_series(tmp_path / "rgb", stored_values((*shape, 3), bits_stored=8), modality="SC")
    labels = labels_of(shape)
    dicomarray.to_seg(labels, tmp_path / "rgb", tmp_path / "seg", NAMES)
    for on in (tmp_path / "rgb", dicomarray.load(tmp_path / "rgb")):
        read = dicomarray.load_segmentation(tmp_path / "seg", on=on)
        np.testing.assert_array_equal(read.labels, labels)


def test_images_are_named_where_masks_are_asked_for(tmp_path: Path) -> None:
    """Images given as masks are told by their series, and beside them the file that cannot be read."""
    write_series(tmp_path / "ct", stored_values(SHAPE))
    (tmp_path / "ct" / "notes.txt").write_text("no DICOM")
    with pytest.raises(dicomarray.errors.InputError, match="what it holds are images: CT ") as told:
        dicomarray.load_segmentation(tmp_path / "ct")
    assert "notes.txt" in str(told.value)
