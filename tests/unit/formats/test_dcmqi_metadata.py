"""dcmqi's JSON of segments, as a list of segments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dicomarray
from dicomarray.formats.segment_list import segments_of


def code(value: str, meaning: str) -> dict[str, str]:
    return {"CodeValue": value, "CodingSchemeDesignator": "SCT", "CodeMeaning": meaning}


def item(number: Any, **more: Any) -> dict[str, Any]:
    return {
        "labelID": number,
        "SegmentDescription": "My liver",
        "SegmentAlgorithmType": "SEMIAUTOMATIC",
        "SegmentAlgorithmName": "thumb",
        "SegmentedPropertyCategoryCodeSequence": code("123037004", "Anatomical Structure"),
        "SegmentedPropertyTypeCodeSequence": code("10200004", "Liver"),
        "recommendedDisplayRGBValue": [221, 130, 101],
        **more,
    }


def written(path: Path, *files: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps({"ContentCreatorName": "X^Y", "segmentAttributes": files}))
    return path


def test_codes_colours_and_labels_are_taken_from_it(tmp_path: Path) -> None:
    """What it says is kept; a label that is not there is the description, or the type's meaning."""
    kidney = code("64033007", "Kidney")
    right = code("24028007", "Right")
    path = written(
        tmp_path / "meta.json",
        [
            item(7),
            item(
                2,
                SegmentDescription="",
                SegmentedPropertyTypeCodeSequence=kidney,
                SegmentedPropertyTypeModifierCodeSequence=right,
                TrackingIdentifier="k1",
            ),
        ],
    )
    second, first = segments_of(path)
    assert (first.number, first.label, first.colour) == (7, "My liver", (221, 130, 101))
    assert (first.algorithm, first.algorithm_type) == ("thumb", "SEMIAUTOMATIC")
    assert first.type == ("10200004", "SCT", "Liver")
    assert (second.number, second.label, second.tracking_id) == (2, "Kidney", "k1")
    assert second.laterality == ("24028007", "SCT", "Right")


def test_what_it_cannot_mean_is_refused(tmp_path: Path) -> None:
    """Equal labels of two files, no label, and such a file where a sidecar is asked for."""
    with pytest.raises(dicomarray.SegmentationError, match="2 files"):
        segments_of(written(tmp_path / "two.json", [item(1)], [item(1)]))
    with pytest.raises(dicomarray.UsageError, match="labelID"):
        segments_of(written(tmp_path / "none.json", [item(None)]))
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4), np.uint8))
    with pytest.raises(dicomarray.InputError, match="--segments"):
        dicomarray.Volume.load(tmp_path / "a.npy", written(tmp_path / "a.json", [item(1)]))
