"""Every form in which a user may say what labels stand for leads to the same segments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dicomarray import InputError, Segment, Segmentation, SegmentationError, UsageError, Volume
from dicomarray.core.coded_terms import coded
from dicomarray.formats.segment_list import relabelled, segments_of

BOTH = [(1, "liver"), (2, "spleen")]


def numbered(segments: tuple[Segment, ...]) -> list[tuple[int, str]]:
    return [(segment.number, segment.label) for segment in segments]


@pytest.mark.parametrize(
    "given",
    [
        {1: "liver", 2: "spleen"},
        {"2": "spleen", "1": "liver"},
        {"background": 0, "liver": 1, "spleen": 2},
        {0: "background", 1: "liver", 2: "spleen"},
        ["liver", "spleen"],
        {"labels": {"background": 0, "liver": 1, "spleen": 2}, "channel_names": {"0": "CT"}},
        [{"label": "liver"}, {"label": "spleen"}],
        {1: {"label": "liver"}, 2: {"label": "spleen"}},
        {"segments": [{"number": 1, "label": "liver"}, {"number": 2, "label": "spleen"}]},
    ],
)
def test_forms_are_equal(given: Any, tmp_path: Path) -> None:
    """In Python and as a JSON; the dataset.json of nnU-Net and a sidecar are such too."""
    path = tmp_path / "segments.json"
    path.write_text(json.dumps(given))
    for form in (given, path, str(path)):
        assert numbered(segments_of(form)) == BOTH
    assert all(segment.type is not None for segment in segments_of(given))


def test_names_of_masks_are_enough() -> None:
    """Masks by name need no segments, and get numbers in their order."""
    assert numbered(segments_of(None, ["spleen", "liver"])) == [(1, "spleen"), (2, "liver")]


def test_a_mask_can_be_called_what_it_stands_for() -> None:
    """By the name of a mask, the name of a term: the label stays the mask's."""
    (segment,) = segments_of({"structure 7": "liver"}, ["structure 7"])
    assert segment.label == "structure 7"
    assert segment.type == ("10200004", "SCT", "Liver")


def test_full_segments_are_kept() -> None:
    """Nothing is looked up for a segment in hand until DICOM needs its codes."""
    mine = Segment(4, "my structure")
    assert segments_of([mine]) == (mine,)
    with pytest.raises(SegmentationError, match="my structure"):
        coded(mine)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (None, SegmentationError, "nothing says what the labels stand for"),
        ({}, SegmentationError, "nothing says"),
        ({1: "livver"}, SegmentationError, "similar: liver"),
        ({"one": "liver"}, UsageError, "'one', and no whole number"),
        ({1: 2.5}, UsageError, "is a float"),
        ('{"1": "liver"}', UsageError, "put it into a file"),
        ({1: [1, 2]}, UsageError, "as masks, each by its name"),
        (7, UsageError, "is a int"),
        ({1: {"label": "liver", "color": "red"}}, UsageError, "has no 'color'"),
        ("nothing.json", InputError, "nothing.json cannot be read"),
    ],
)
def test_what_is_no_list_of_segments_is_refused(given: Any, error: type[Exception], message: str) -> None:
    """The message says what is wrong and what to give."""
    with pytest.raises(error, match=message):
        segments_of(given)


def test_a_file_is_named_where_it_is_wrong(tmp_path: Path) -> None:
    """The path of a JSON stands in the error about what it says."""
    path = tmp_path / "segments.json"
    path.write_text('{"1": "livver"}')
    with pytest.raises(SegmentationError, match=r"segments\.json.*livver"):
        segments_of(path)
    path.write_text("{1: liver}")
    with pytest.raises(InputError, match="is not JSON"):
        segments_of(path)


def test_what_is_said_anew_replaces() -> None:
    """Segments of a file keep their numbers; what a user says of some of them holds."""
    known = (Segment(1, "a"), Segment(2, "b"))
    assert relabelled(known, None) == known
    assert numbered(relabelled(known, {2: "spleen"})) == [(1, "a"), (2, "spleen")]


def test_a_segmentation_takes_names() -> None:
    """The constructor looks names up, and masks by name need nothing more."""
    grid = Volume.from_array(np.zeros((2, 3, 4), np.int16), np.eye(4))
    labels = np.zeros((2, 3, 4), np.uint8)
    labels[0, 0, 0], labels[1, 1, 1] = 1, 2
    made = Segmentation(labels, {1: "liver", 2: "spleen"}, geometry_of=grid)
    assert [segment.type.meaning for segment in made.segments if segment.type] == ["Liver", "Spleen"]
    masks = Segmentation({"kidney_left": labels == 1, "kidney_right": labels == 2}, geometry_of=grid)
    assert masks.labels.tolist() == labels.tolist()
    with pytest.raises(SegmentationError, match="nothing says"):
        Segmentation(labels, geometry_of=grid)
    with pytest.raises(SegmentationError, match="the mask 'spleen' has no segment"):
        Segmentation({"liver": labels == 1, "spleen": labels == 2}, {1: "liver"}, geometry_of=grid)
