"""The comparison with other readers: known volumes get the verdict they deserve, whoever loaded them."""

import dataclasses
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest

import mosaic_files
import synthetic
from comparison import cases, masks, readers, running
from comparison.judging import Loaded, Truth, Verdict, corners_of, judge
from comparison.page import Part, Row, page
from comparison.truth import NoTruthError, know

AFFINE = np.array(
    [
        [0, 0, synthetic.PIXEL_SPACING_MM[1], synthetic.ORIGIN_MM[0]],
        [0, synthetic.PIXEL_SPACING_MM[0], 0, synthetic.ORIGIN_MM[1]],
        [synthetic.SPACING_MM, 0, 0, synthetic.ORIGIN_MM[2]],
        [0, 0, 0, 1],
    ]
)


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.dcm"))


def loaded(array: np.ndarray, affine: np.ndarray = AFFINE) -> Loaded:
    return Loaded(array, corners_of(affine, array.shape[-3:]))


@pytest.fixture
def ct_truth(ct: Path) -> Truth:
    """Of the plain CT series, whose volume is `hu` at `AFFINE`."""
    return know(files_of(ct)).truth


@pytest.fixture
def hu() -> np.ndarray:
    return synthetic.stored_values().astype(np.float64) - 1024


def flipped(axis: int) -> np.ndarray:
    """The affine of an array reversed along an axis: first and last change places."""
    affine = AFFINE.copy()
    affine[:3, 3] += affine[:3, axis] * (synthetic.SHAPE[axis] - 1)
    affine[:3, axis] *= -1
    return affine


def test_right(ct_truth: Truth, hu: np.ndarray) -> None:
    """The volume as it is, in any type that holds it."""
    for dtype in (np.int16, np.float32, np.float64):
        assert judge([loaded(hu.astype(dtype))], ct_truth) == Verdict("right")


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_turned_with_its_affine(ct_truth: Truth, hu: np.ndarray, axis: int) -> None:
    """An array reversed, or transposed, is right when its affine says so."""
    assert judge([loaded(np.flip(hu, axis), flipped(axis))], ct_truth).outcome == "right"
    transposed = loaded(hu.transpose(0, 2, 1), AFFINE[:, [0, 2, 1, 3]])
    assert judge([transposed], ct_truth).outcome == "right"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_mirrored(ct_truth: Truth, hu: np.ndarray, axis: int) -> None:
    """An array reversed without its affine, or an affine without its array, has a wrong geometry."""
    length = synthetic.SHAPE[axis] - 1
    step = np.linalg.norm(AFFINE[:3, axis])
    for volume in (loaded(np.flip(hu, axis)), loaded(hu, flipped(axis))):
        verdict = judge([volume], ct_truth)
        assert (verdict.outcome, verdict.ways) == ("wrong", ("geometry",))
        assert verdict.farthest_mm == pytest.approx(length * step)


def test_shuffled(ct_truth: Truth, hu: np.ndarray) -> None:
    """Slices in another order lie in the wrong place; how far off is told."""
    verdict = judge([loaded(hu[[0, 2, 1, 3, 4, 5]])], ct_truth)
    assert (verdict.ways, verdict.farthest_mm) == (("geometry",), pytest.approx(synthetic.SPACING_MM))


def test_spacing_swapped(make_series: Callable[..., Path]) -> None:
    """Pixel Spacing the wrong way round is seen."""
    truth = know(files_of(make_series())).truth
    affine = AFFINE.copy()
    affine[1, 1], affine[0, 2] = AFFINE[0, 2], AFFINE[1, 1]
    assert judge([loaded(synthetic.stored_values() - 1024.0, affine)], truth).ways == ("geometry",)


@pytest.mark.parametrize(("off_mm", "ways"), [(0.04, ()), (0.06, ("geometry",))])
def test_place_tolerance(ct_truth: Truth, hu: np.ndarray, off_mm: float, ways: Sequence[str]) -> None:
    """A place is right to 0.05 mm, and not beyond."""
    affine = AFFINE.copy()
    affine[0, 3] += off_mm
    assert judge([loaded(hu, affine)], ct_truth).ways == ways


def test_wrong_slope(tmp_path: Path) -> None:
    """The first slice's slope for all of them gives wrong values; so does a type that cuts off fractions."""
    case = synthetic.varying_slope(tmp_path)
    truth = know(case.files).truth
    assert judge([loaded(case.expected.astype(np.float32))], truth).outcome == "right"
    stored = synthetic.stored_values(signed=True, bits_stored=16)
    for wrong in (stored, case.expected.astype(np.int32)):
        verdict = judge([loaded(wrong)], truth)
        assert (verdict.outcome, verdict.ways) == ("wrong", ("values",))


def test_one_voxel(ct_truth: Truth, hu: np.ndarray) -> None:
    """One voxel off by one is a wrong volume."""
    hu[3, 4, 5] += 1
    assert judge([loaded(hu)], ct_truth).ways == ("values",)


def test_lost_and_twice(ct_truth: Truth, hu: np.ndarray) -> None:
    """A volume without its last slice, and one that comes twice."""
    assert judge([loaded(hu[:5])], ct_truth).ways == ("frames missing",)
    assert judge([loaded(hu), loaded(hu)], ct_truth).ways == ("frames twice",)
    assert judge([loaded(hu[:3]), loaded(hu[3:], _moved(3))], ct_truth).outcome == "right"


def _moved(slices: int) -> np.ndarray:
    affine = AFFINE.copy()
    affine[:3, 3] += slices * affine[:3, 0]
    return affine


def test_no_geometry(ct_truth: Truth, hu: np.ndarray) -> None:
    """A reader that says nothing about the place has not read it."""
    assert judge([Loaded(hu, None)], ct_truth).ways == ("geometry",)


def test_another_shape(ct_truth: Truth, hu: np.ndarray) -> None:
    """Images of a size that no frame has."""
    assert judge([loaded(hu[:, :, :10])], ct_truth).ways == ("shape",)


def test_nothing(ct_truth: Truth) -> None:
    """No volume is a refusal, not a right answer."""
    assert judge([], ct_truth).outcome == "refused"


def test_identical_images_count_once(tmp_path: Path) -> None:
    """Of two images exactly alike one may be left out; of two that differ, none."""
    alike = synthetic.identical_duplicate(tmp_path / "alike")
    assert judge([loaded(alike.expected)], know(alike.files).truth).outcome == "right"
    different = synthetic.duplicate_position(tmp_path / "different")
    truth = know(different.files).truth
    assert judge([loaded(different.expected[[0, 1, 2, 4, 5]])], truth).ways == ("frames missing",)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (cases.two_echoes, "EchoTime"),
        (cases.magnitude_and_phase, "ImageType"),
        (cases.b_values, "DiffusionBValue"),
        (cases.repetitions_without_a_label, "order of acquisition"),
    ],
)
def test_mixed(make: Callable[[Path], None], kind: str, tmp_path: Path) -> None:
    """Two stacks that swap a slice are mixed, though every slice is in its place."""
    make(tmp_path)
    truth = know(files_of(tmp_path)).truth
    assert kind in truth.kinds
    both = np.array([frame.values for frame in truth.frames]).reshape(2, *synthetic.SHAPE)
    assert judge([loaded(both)], truth).outcome == "right"
    both[:, 2] = both[::-1, 2]
    assert judge([loaded(both)], truth).ways == ("frames mixed",)


def test_enhanced_frames(tmp_path: Path) -> None:
    """Place and slope of each frame come from its functional groups."""
    cases.enhanced_ct_with_slopes(tmp_path)
    known = know(files_of(tmp_path))
    order, slopes = [3, 0, 5, 1, 4, 2], np.array([1.0, 1.25, 0.37, 2.013, 0.5, 3.1415])
    array = np.empty(synthetic.SHAPE)
    array[order] = synthetic.stored_values()[order] * slopes[:, None, None] - 1024
    assert judge([loaded(array)], known.truth).outcome == "right"
    assert judge([loaded(array[order])], known.truth).ways == ("geometry",)


def test_mosaic(tmp_path: Path) -> None:
    """dcm2niix's account of a mosaic is that of its maker; one not cut has no frame's shape."""
    cases.siemens_mosaic(tmp_path)
    known = know(files_of(tmp_path))
    array = synthetic.stored_values()
    affine = mosaic_files.affine(array.shape, cases.OBLIQUE, 1)
    assert known.source == "dcm2niix"
    assert judge([loaded(array, affine)], known.truth).outcome == "right"
    assert judge([loaded(array[::-1], affine)], known.truth).ways == ("geometry",)
    assert judge([loaded(mosaic_files.tile(array, (3, 3))[None])], known.truth).ways == ("shape",)


def test_no_truth(tmp_path: Path) -> None:
    """Files without images cannot be judged, and it says so."""
    (file,) = synthetic.write_series(tmp_path, synthetic.stored_values()[:1])
    ds = pydicom.dcmread(file)
    del ds.Rows
    ds.save_as(file)
    with pytest.raises(NoTruthError, match="no images"):
        know([file])


OWN, BY_NUMBER, BY_Z = readers.READERS[0], readers.READERS[-2], readers.READERS[-1]


@pytest.mark.parametrize(
    ("make", "outcomes"),
    [
        (cases.plain_ct, ("right", "right", "right")),
        (cases.sagittal, ("right", "right", "wrong")),
        (synthetic.shuffled_instance_numbers, ("right", "wrong", "right")),
        (synthetic.gap, ("refused", "wrong", "wrong")),
        (cases.no_instance_numbers, ("right", "refused", "right")),
    ],
)
def test_readers(make: Callable[[Path], object], outcomes: Sequence[str], tmp_path: Path) -> None:
    """Readers whose answers are known get the verdicts that follow from them."""
    make(tmp_path)
    files = files_of(tmp_path)
    random.Random(1).shuffle(files)
    truth = know(files).truth
    verdicts = [running.read_and_judge(reader, files, truth) for reader in (OWN, BY_NUMBER, BY_Z)]
    assert tuple(verdict.outcome for verdict in verdicts) == tuple(outcomes)


def crash(files: Sequence[Path]) -> readers.Reading:
    os._exit(1)


def test_a_crash_is_an_answer(ct: Path, ct_truth: Truth) -> None:
    """A reader that takes its process with it has refused."""
    reader = dataclasses.replace(OWN, read=crash)
    assert running.answer(reader, files_of(ct), ct_truth) == Verdict("refused", message="the process crashed")


def test_messages_name_no_place() -> None:
    """Paths, UIDs and addresses in memory are cut out of what a reader raised."""
    text = "RuntimeError: Exception thrown in SimpleITK ReadImage: /tmp/x/y.cxx:9:\nitk::ERROR: A(0x55aa10): "
    assert readers.shortened(text + "cannot read /home/me/1.dcm of 1.2.840.10008.1") == (
        "A: cannot read 1.dcm of ..."
    )


def test_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page counts the outcomes, numbers what was said, and is the same each time."""
    monkeypatch.setattr("comparison.page.READERS", (OWN, BY_NUMBER, BY_Z))
    verdicts = (
        Verdict("right"),
        Verdict("wrong", ("geometry", "frames mixed"), 2.5),
        Verdict("refused", message="no | way"),
    )
    parts = [Part("hand-made series", "About.", (Row("plain CT", 6, "frames", verdicts),), ("x: no images",))]
    text = page(parts)
    assert (
        "| plain CT | 6 | frames | right | **wrong**: geometry 2.5 mm, frames mixed | refused (1) |" in text
    )
    assert "| dicomarray | 1 / 0 / 0 |" in text
    assert "| pydicom, by z | 0 / 0 / 1 |" in text
    assert "1. no \\| way" in text
    assert "- x: no images" in text
    assert text == page(parts)


def test_masks_are_judged_by_where_their_voxels_lie(ct: Path, tmp_path: Path) -> None:
    """What was drawn is right as SEG and as structure set; a slice further, or a voxel less, is wrong."""
    drawn = masks.drawn_on(cases.Case("ct", tuple(files_of(ct))))
    assert drawn is not None
    for write in ("to_seg", "to_rtstruct"):
        paths = masks.by_dicomarray(drawn, tmp_path / write, write)
        assert masks.verdict_of(drawn, paths) == Verdict("right")
        less = dataclasses.replace(
            drawn, masks=tuple(mask & (np.cumsum(mask) > 1).reshape(mask.shape) for mask in drawn.masks)
        )
        assert "elsewhere" in masks.verdict_of(less, paths).ways[0]
        made = pydicom.dcmread(paths[0])
        if write == "to_seg":
            for frame in made.PerFrameFunctionalGroupsSequence:
                frame.PlanePositionSequence[0].ImagePositionPatient[2] += 2.5
        else:
            for contour in made.ROIContourSequence[0].ContourSequence:
                contour.ContourData[0] += 0.5
        made.save_as(tmp_path / "moved.dcm")
        assert masks.verdict_of(drawn, [tmp_path / "moved.dcm"]).outcome == "wrong"
