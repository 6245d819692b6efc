"""Labels, masks and fractions of structures on a grid: what goes in comes out, overlaps are never hidden."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dicomarray import Segment, Segmentation, SegmentationError, UsageError, Volume

SHAPE = (4, 5, 6)
AFFINE = np.array([[0, 0, 0.5, -10], [0, 0.5, 0, -20], [2.0, 0, 0, 30], [0, 0, 0, 1]])
LIVER, SPLEEN = Segment(1, "liver"), Segment(2, "spleen")


@pytest.fixture
def grid() -> Volume:
    """An empty volume with a place."""
    return Volume.from_array(np.zeros(SHAPE, np.int16), AFFINE)


def random_labels(highest: int, dtype: Any = np.int64) -> np.ndarray[Any, Any]:
    """Labels that use all numbers up to one, and touch every face."""
    return (
        np.random.default_rng(highest)
        .permutation(np.arange(np.prod(SHAPE)) % (highest + 1))
        .reshape(SHAPE)
        .astype(dtype)
    )


@pytest.mark.parametrize(("highest", "dtype"), [(1, np.uint8), (104, np.uint8), (119, np.uint8)])
def test_labels_come_back(grid: Volume, highest: int, dtype: Any) -> None:
    """A label array of any integer type comes back in the narrowest one, each mask where its number is."""
    labels = random_labels(highest)
    segments = [Segment(number, f"s{number}") for number in range(highest, 0, -1)]
    made = Segmentation(labels, segments, geometry_of=grid)
    assert made.labels.dtype == dtype
    np.testing.assert_array_equal(made.labels, labels)
    np.testing.assert_array_equal(made.mask("s1"), labels == 1)
    np.testing.assert_array_equal(made.mask(highest), labels == highest)
    assert [segment.number for segment in made.segments] == list(range(1, highest + 1))
    np.testing.assert_array_equal(made.affine, AFFINE)


def test_numbers_above_255_are_uint16(grid: Volume) -> None:
    """The narrowest type that holds the numbers of all segments, used or not."""
    labels = np.zeros(SHAPE, np.int32)
    labels[0, 0, 0] = 300
    made = Segmentation(labels, [Segment(300, "lesion")], geometry_of=grid)
    assert made.labels.dtype == np.uint16
    assert made.labels.max() == 300


def test_overlaps_are_kept_and_named(grid: Volume) -> None:
    """Each mask is whole; one label array of both is an error that names the two."""
    liver, spleen = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    liver[1:3], spleen[2:4] = True, True
    made = Segmentation({"liver": liver, "spleen": spleen}, [LIVER, SPLEEN], geometry_of=grid)
    np.testing.assert_array_equal(made.mask("liver"), liver)
    np.testing.assert_array_equal(made.mask("spleen"), spleen)
    np.testing.assert_array_equal(made.presence()[SPLEEN.number], [2, 3])
    with pytest.raises(SegmentationError, match='"liver" and "spleen" overlap in 30 voxels'):
        _ = made.labels


def test_masks_that_do_not_overlap_are_one_label_array(grid: Volume) -> None:
    """Also where one of them is empty."""
    liver = np.zeros(SHAPE, bool)
    liver[0] = True
    made = Segmentation(
        {"liver": liver, "spleen": np.zeros(SHAPE, np.uint8)}, [LIVER, SPLEEN], geometry_of=grid
    )
    np.testing.assert_array_equal(made.labels, liver.astype(np.uint8))
    assert not made.mask("spleen").any()


def test_fractions_are_masks_from_one_half(grid: Volume) -> None:
    """A fraction comes back as it is, float32; its mask is where it is at least a half."""
    fraction = np.linspace(0, 1, 120, dtype=np.float32).reshape(SHAPE)
    made = Segmentation({"liver": fraction}, [LIVER], geometry_of=grid)
    assert made.fractional
    np.testing.assert_array_equal(made.fraction("liver"), fraction)
    np.testing.assert_array_equal(made.mask(1), fraction >= 0.5)
    np.testing.assert_array_equal(made.labels, fraction >= 0.5)


@pytest.mark.parametrize(
    ("array", "segments", "error", "match"),
    [
        (np.full(SHAPE, 3), [LIVER, SPLEEN], SegmentationError, r"labels \[3\] have no segment"),
        (np.full(SHAPE, -1), [LIVER], SegmentationError, "from -1 to -1"),
        (np.full(SHAPE, 70000), [LIVER], SegmentationError, "from 70000 to 70000"),
        (np.ones((3, 5, 6), int), [LIVER], SegmentationError, r"shape \(3, 5, 6\), the grid \(4, 5, 6\)"),
        (np.ones((2, *SHAPE), int), [LIVER], UsageError, "three axes"),
        (np.ones(SHAPE), [LIVER, SPLEEN], UsageError, "float64"),
        ({"kidney": np.ones(SHAPE, bool)}, [LIVER], SegmentationError, "'kidney' has no segment"),
        ({"liver": np.full(SHAPE, 2)}, [LIVER], UsageError, "not of 0 and 1"),
        ({"liver": np.full(SHAPE, np.nan)}, [LIVER], UsageError, "between 0 and 1"),
        (np.ones(SHAPE, int), [LIVER, Segment(1, "b")], SegmentationError, "two segments have one number"),
    ],
)  # fmt: skip
def test_what_is_no_segmentation_is_refused(
    grid: Volume, array: Any, segments: list[Segment], error: type[Exception], match: str
) -> None:
    """The message says what was found and what is wanted."""
    with pytest.raises(error, match=match):
        Segmentation(array, segments, geometry_of=grid)


def test_an_unknown_segment_names_those_there_are(grid: Volume) -> None:
    """By label or by number."""
    made = Segmentation(np.ones(SHAPE, int), [LIVER], geometry_of=grid)
    for which in ("spleen", 7):
        with pytest.raises(SegmentationError, match='there are 1 "liver"'):
            made.mask(which)


def test_it_is_saved_and_loaded_whole(grid: Volume, tmp_path: Path) -> None:
    """Labels, place, and all that is known of the segments."""
    segments = [
        Segment(1, "liver", ("123037004", "SCT", "Part"), ("10200004", "SCT", "Liver"), colour=(9, 1, 0)),
        Segment(2, "spleen", algorithm="net", algorithm_version="1.0", tracking_id="a"),
    ]  # fmt: skip
    made = Segmentation(random_labels(2), segments, geometry_of=grid)
    made.save(tmp_path / "l.npy", tmp_path / "l.json")
    back = Segmentation.load(tmp_path / "l.npy", tmp_path / "l.json")
    np.testing.assert_array_equal(back.labels, made.labels)
    np.testing.assert_array_equal(back.affine, AFFINE)
    assert back.segments == made.segments
    for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        np.testing.assert_array_equal(other.labels, made.labels)
        assert other.segments == made.segments


def test_a_four_dimensional_grid_gives_its_place(grid: Volume) -> None:
    """Labels lie on the slices, rows and columns of a 4-D volume."""
    four = Volume.from_array(np.zeros((3, *SHAPE), np.int16), AFFINE, axes=("time", "slice", "row", "column"))
    made = Segmentation(random_labels(1), [LIVER], geometry_of=four)
    assert made.info.axes == ("slice", "row", "column")
    np.testing.assert_array_equal(made.affine, AFFINE)
