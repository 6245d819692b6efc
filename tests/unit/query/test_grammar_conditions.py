"""Filter grammar, groups: plain values, lists, operators, presence, several values, sequences."""

from __future__ import annotations

from typing import Any

import pytest

from grammar import accepts

INSTANCE = {
    "Modality": "MR",
    "SeriesDescription": "AX T1* [POST]",
    "ProtocolName": "t1_mprage_sag",
    "StationName": None,
    "InstitutionName": "  ",
    "EchoTime": 30.0,
    "FlipAngle": 0.1 + 0.2,
    "Rows": 512,
    "PixelSpacing": (0.5, 0.8),
    "ImageType": ("ORIGINAL", "PRIMARY", "M"),
    "ScanOptions": ("", "FS"),
    "ProcedureCodeSequence": (
        {"CodeValue": "1", "CodingSchemeDesignator": "DCM"},
        {"CodeValue": "2", "CodingSchemeDesignator": "SRT"},
    ),
    "ReferencedImageSequence": (),
    "PixelData": "<10 bytes>",
}
GROUPS: dict[str, list[tuple[dict[str, Any], bool]]] = {
    "scalar": [
        ({"Modality": "MR"}, True),
        ({"Modality": "mr "}, True),
        ({"Modality": "M"}, False),
        ({"Rows": "512"}, True),
        ({"SeriesDescription": "*T1*"}, True),
        ({"SeriesDescription": "ax ????[post]"}, True),
        ({"SeriesDescription": "ax ??[post]"}, False),
        ({"SeriesDescription": "[ab]*"}, False),
    ],
    "list": [
        ({"Modality": ["CT", "MR"]}, True),
        ({"Modality": ["CT", "PT"]}, False),
        ({"SeriesDescription": ["*T2*", "*T1*"]}, True),
        ({"Rows": [256, 512]}, True),
        ({"Modality": {"in": ["CT", "M?"]}}, True),
    ],
    "eq": [
        ({"SeriesDescription": {"eq": "*T1*"}}, False),
        ({"SeriesDescription": {"eq": "ax t1* [post]"}}, True),
        ({"SeriesDescription": {"eq": "ax t1* [post]", "case": True}}, False),
        ({"SeriesDescription": {"eq": "AX T1* [POST]", "case": True}}, True),
    ],
    "like": [
        ({"ProtocolName": {"like": "*MPRAGE*"}}, True),
        ({"ProtocolName": {"like": "*MPRAGE*", "case": True}}, False),
        ({"ProtocolName": {"like": "mprage"}}, False),
    ],
    "regex": [
        ({"ProtocolName": {"regex": "MPR"}}, True),
        ({"ProtocolName": {"regex": "MPR", "case": True}}, False),
        ({"ProtocolName": {"regex": "^mpr"}}, False),
        ({"ProtocolName": {"regex": r"_sag$"}}, True),
    ],
    "order": [
        ({"EchoTime": {"gt": 30}}, False),
        ({"EchoTime": {"gte": 30}}, True),
        ({"EchoTime": {"lt": 30}}, False),
        ({"EchoTime": {"lte": 30}}, True),
        ({"EchoTime": {"gt": 20, "lt": 40}}, True),
        ({"FlipAngle": {"lte": 0.3}}, True),
        ({"FlipAngle": {"gt": 0.3}}, False),
    ],
    "between and near": [
        ({"EchoTime": {"between": [30, 40]}}, True),
        ({"EchoTime": {"between": [20, 30]}}, True),
        ({"EchoTime": {"between": [31, 40]}}, False),
        ({"EchoTime": {"near": [29, 1]}}, True),
        ({"EchoTime": {"near": [29, 0.9]}}, False),
        ({"FlipAngle": {"near": [0.2, 0.1]}}, True),
    ],
    "presence": [
        ({"Modality": {"exists": True}}, True),
        ({"StationName": {"exists": True}}, False),
        ({"StationName": {"exists": False}}, True),
        ({"StationName": {"empty": True}}, True),
        ({"InstitutionName": {"empty": True}}, True),
        ({"InstitutionName": "*"}, False),
        ({"KVP": {"empty": True}}, False),
        ({"KVP": {"empty": False}}, True),
        ({"KVP": {"exists": False}}, True),
        ({"PixelData": {"exists": True}}, True),
        ({"PixelData": {"empty": False}}, True),
    ],
    "not": [
        ({"Modality": {"not": "CT"}}, True),
        ({"Modality": {"not": ["MR", "CT"]}}, False),
        ({"KVP": {"not": 120}}, True),
        ({"KVP": {"not": 120, "exists": True}}, False),
        ({"StationName": {"not": "X"}}, True),
        ({"EchoTime": {"not": {"between": [20, 40]}}}, False),
        ({"ProtocolName": {"like": "*mprage*", "not": "*cor*"}}, True),
    ],
    "several values": [
        ({"ImageType": "PRIMARY"}, True),
        ({"ImageType": {"not": "PRIMARY"}}, False),
        ({"PixelSpacing": {"gt": 0.6}}, True),
        ({"PixelSpacing": {"gt": 0.5, "lt": 0.8}}, False),
        ({"PixelSpacing": {"each": {"gt": 0.4}}}, True),
        ({"PixelSpacing": {"each": {"gt": 0.5}}}, False),
        ({"KVP": {"each": {"gt": 0}}}, False),
        ({"ImageType": {"has_all": ["m", "original"]}}, True),
        ({"ImageType": {"has_all": ["m", "derived"]}}, False),
        ({"ImageType": {"count": 3}}, True),
        ({"ImageType": {"count": {"gte": 4}}}, False),
        ({"ScanOptions": {"count": 1}}, True),
        ({"KVP": {"count": {"lt": 5}}}, False),
    ],
    "sequence": [
        ({"ProcedureCodeSequence": {"CodeValue": "1", "CodingSchemeDesignator": "DCM"}}, True),
        ({"ProcedureCodeSequence": {"CodeValue": "1", "CodingSchemeDesignator": "SRT"}}, False),
        ({"ProcedureCodeSequence": {"any": [{"CodeValue": "9"}, {"CodeValue": "2"}]}}, True),
        ({"ProcedureCodeSequence": {"not": {"CodeValue": "1"}}}, False),
        ({"ProcedureCodeSequence": {"each": {"CodeValue": {"exists": True}}}}, True),
        ({"ProcedureCodeSequence": {"each": {"CodeValue": "1"}}}, False),
        ({"ProcedureCodeSequence": {"count": 2}}, True),
        ({"ProcedureCodeSequence": {"exists": True}}, True),
        ({"ReferencedImageSequence": {"empty": True}}, True),
        ({"ReferencedImageSequence": {"exists": True}}, False),
    ],
    "combination": [
        ({}, True),
        ({"Modality": "MR", "Rows": 256}, False),
        ({"all": [{"Modality": "MR"}, {"Rows": 512}]}, True),
        ({"any": [{"Modality": "CT"}, {"Rows": 512}]}, True),
        ({"any": [{"Modality": "CT"}, {"Rows": 256}]}, False),
        ({"not": {"Modality": "MR", "Rows": 256}}, True),
        ({"not": [{"Modality": "MR"}, {"Rows": 256}]}, False),
        ({"not": {"not": {"Modality": "MR"}}}, True),
        ({"any": [{"all": [{"Modality": "CT"}]}, {"not": {"any": [{"Rows": 256}]}}]}, True),
    ],
}
CASES = [(group, config, truth) for group, cases in GROUPS.items() for config, truth in cases]


@pytest.mark.parametrize(("group", "config", "truth"), CASES, ids=str)
def test_condition(group: str, config: dict[str, Any], truth: bool) -> None:
    """The condition holds or not, and its negation says the opposite."""
    assert accepts(config, INSTANCE) is truth
    if config:
        assert accepts({"not": config}, INSTANCE) is not truth
        assert accepts({"some": config}, INSTANCE) is truth
        assert accepts({"every": config}, INSTANCE, INSTANCE) is truth


AXIAL = {"ImageType": ("ORIGINAL", "AXIAL"), "KVP": 120}
LOCALIZER = {"ImageType": ("ORIGINAL", "LOCALIZER")}


@pytest.mark.parametrize(
    ("config", "truth"),
    [
        ({"ImageType": "AXIAL"}, False),
        ({"not": {"ImageType": "LOCALIZER"}}, False),
        ({"not": {"every": {"ImageType": "LOCALIZER"}}}, True),
        ({"some": {"ImageType": "LOCALIZER"}}, True),
        ({"some": {"ImageType": "LOCALIZER", "KVP": 120}}, False),
        ({"every": {"ImageType": "ORIGINAL"}}, True),
        ({"not": {"some": {"KVP": {"exists": False}}}}, False),
        ({"KVP": 120}, False),
        ({"KVP": {"not": 80}}, True),
        ({"every": {"some": {"KVP": 120}}}, True),
        ({"any": [{"some": {"KVP": 80}}, {"every": {"ImageType": "ORIGINAL"}}]}, True),
    ],
    ids=str,
)
def test_instances_that_disagree(config: dict[str, Any], truth: bool) -> None:
    """112 axial images and one localizer, whichever comes first."""
    series = [*[AXIAL] * 112, LOCALIZER]
    assert accepts(config, *series) is truth
    assert accepts(config, *series[::-1]) is truth
