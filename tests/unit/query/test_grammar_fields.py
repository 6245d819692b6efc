"""Filter grammar, groups: keywords, tags, indexes, paths into sequences, private attributes."""

from __future__ import annotations

from typing import Any

import pytest

from dicomarray.query.selection import parse
from grammar import accepts, refusal

INSTANCE = {
    "SliceThickness": 2.5,
    "ImageType": ("ORIGINAL", "PRIMARY", "AXIAL"),
    "RequestAttributesSequence": (
        {"RequestedProcedureDescription": "HEAD", "ScheduledProtocolCodeSequence": ({"CodeValue": "A1"},)},
        {"RequestedProcedureDescription": "NECK", "ScheduledProtocolCodeSequence": ({"CodeValue": "B2"},)},
    ),
    "(0019,SIEMENS MR HEADER,0c)": "1000",
    "(0009,ACME 1,02)": "1.50",
    "(6000,0010)": 512,
}
GROUPS: dict[str, list[tuple[dict[str, Any], bool]]] = {
    "keyword": [({"SliceThickness": 2.5}, True), ({"SliceThickness": 2}, False), ({"KVP": 120}, False)],
    "tag": [
        ({"(0018,0050)": 2.5}, True),
        ({"(0018, 0050)": 2.5}, True),
        ({"(0008,0008)[2]": "AXIAL"}, True),
        ({"(6000,0010)": {"gt": 500}}, True),
        ({"(0018,0051)": {"exists": False}}, True),
    ],
    "index": [
        ({"ImageType[0]": "ORIGINAL"}, True),
        ({"ImageType[2]": "AXIAL"}, True),
        ({"ImageType[1]": "AXIAL"}, False),
        ({"ImageType[3]": {"exists": False}}, True),
        ({"SliceThickness[0]": 2.5}, True),
        ({"not": {"ImageType[3]": "X"}}, True),
    ],
    "path": [
        ({"RequestAttributesSequence.RequestedProcedureDescription": "neck"}, True),
        ({"RequestAttributesSequence[0].RequestedProcedureDescription": "neck"}, False),
        ({"RequestAttributesSequence.ScheduledProtocolCodeSequence.CodeValue": "B2"}, True),
        ({"RequestAttributesSequence[0].ScheduledProtocolCodeSequence.CodeValue": "B2"}, False),
        ({"RequestAttributesSequence.ScheduledProtocolCodeSequence": {"CodeValue": "A1"}}, True),
        ({"RequestAttributesSequence": {"ScheduledProtocolCodeSequence.CodeValue": "A1"}}, True),
        ({"(0040,0275).(0040,1060)": {"exists": False}}, True),
        ({"RequestAttributesSequence.AccessionNumber": {"exists": True}}, False),
    ],
    "private": [
        ({"(0019,SIEMENS MR HEADER,0c)": 1000}, True),
        ({"(0019,SIEMENS MR HEADER,0C)": {"gte": 500}}, True),
        ({"(0019, SIEMENS MR HEADER ,0c)": {"lt": 500}}, False),
        ({"(0019,SIEMENS MR HEADER,0c)": {"exists": True}}, True),
        ({"(0009,ACME 1,02)": {"vr": "DS", "eq": 1.5}}, True),
        ({"(0009,ACME 1,02)": {"vr": "LO", "eq": 1.5}}, None),
        ({"(0009,ACME 1,02)": {"vr": "LO", "eq": "1.50"}}, True),
        ({"(0009,ACME 1,02)": {"exists": True}}, True),
        ({"(0009,ACME 2,02)": {"exists": False}}, True),
    ],
}
CASES = [(group, config, truth) for group, cases in GROUPS.items() for config, truth in cases]


@pytest.mark.parametrize(("group", "config", "truth"), CASES, ids=str)
def test_field(group: str, config: dict[str, Any], truth: bool | None) -> None:
    """A field leads to its values; where its VR makes the config wrong (None) it is refused."""
    if truth is None:
        assert "$." in refusal(config)
    else:
        assert accepts(config, INSTANCE) is truth


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("ImageType[-1]", "no field"),
        ("ImageType[a]", "no field"),
        ("ImageType.", "no field"),
        (".ImageType", "no field"),
        ("ImageType[0].CodeValue", "no sequence"),
        ("SliceThickness.CodeValue", "no sequence"),
        ("(0018,005)", "no tag"),
        ("(0019,1008)", "(0019,CREATOR,08)"),
        ("(0018,ACME,08)", "even"),
        ("0018,0050", '"(0018,0050)"'),
        ("0x00180050", '"(0018,0050)"'),
        ("slicethickness", '"SliceThickness"'),
        ("Slice Thickness", '"SliceThickness"'),
        ("slice_thickness", '"SliceThickness"'),
        ("RequestAttributesSequence.CodeValu", '"CodeValue"'),
        ("n_slices", '"num_slices"'),
        ("num_slice", '"num_slices"'),
    ],
)
def test_no_field(name: str, part: str) -> None:
    """What is no field is refused with what was meant."""
    message = refusal({name: "x"})
    assert f"$.{name}: " in message
    assert part in message


def test_private_creators_are_read_with_their_attributes() -> None:
    """The name of a private attribute holds its creator, so that the reader can find its block."""
    assert parse({"(0009,ACME 1,02)": {"exists": True}}).attributes == {"(0009,ACME 1,02)"}


@pytest.mark.parametrize(
    "name",
    ["PatientName", "MedicalRecordLocator", "ClinicalTrialSubjectID", "ClinicalTrialSubjectReadingID"],
)
def test_attributes_that_name_the_patient(name: str) -> None:
    """An explanation hides what is in them (PS3.3 C.7.1.1, C.7.1.3)."""
    assert [leaf.identifying for leaf in parse({name: "x"}).root.leaves()] == [True]
