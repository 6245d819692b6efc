"""Filter configs: what matches, what is refused, and what a rejection tells."""

from __future__ import annotations

import re
import time
from datetime import date, datetime
from datetime import time as clock

import pydicom
import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR, keyword_dict

from dicomarray.dicom.dates import parse_single
from dicomarray.errors import ConfigError, UsageError
from dicomarray.query.grammar import MODIFIERS, NODE_WORDS, OPERATORS
from dicomarray.query.operators import kind_of
from dicomarray.query.patterns import Wildcard
from dicomarray.query.selection import Seen, parse
from grammar import table

CODES = (
    {"CodeValue": "T-D1100", "CodeMeaning": "Head", "CodingSchemeDesignator": "SRT"},
    {"CodeValue": "T-D3000", "CodeMeaning": "Chest", "CodingSchemeDesignator": "DCM"},
)
INSTANCE = {
    "Modality": "MR",
    "ImageType": ("ORIGINAL", "PRIMARY", "M", "ND"),
    "SeriesDescription": " Ax T1 [post] ",
    "StationName": None,
    "ProtocolName": "  ",
    "EchoTime": 3.5,
    "SliceThickness": "1.0",
    "SpacingBetweenSlices": "thick",
    "PixelSpacing": (0.5, 0.75),
    "SeriesNumber": 1000001,
    "PatientAge": "018Y",
    "PatientName": "Doe^John^Q=山田^太郎",
    "PatientID": "  ab01 ",
    "StudyDate": "20231231",
    "SeriesDate": "2023.12.31",
    "SeriesTime": "083000.123000",
    "AcquisitionDateTime": "20230115120000+0100",
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4\0",
    "AnatomicRegionSequence": CODES,
    "ReferencedImageSequence": (),
    "InstitutionName": "Universita\u0308tsklinik GROSS",
    "(0019,SIEMENS MR HEADER,0c)": "1000",
    "(0029,ACME,10)": ({"CodeValue": "X"},),
    "(0029,ACME,11)": "7.5",
    "ScanOptions": ("", "FS"),
    "ContentTime": "083000",
}


def accepts(config, instance=INSTANCE) -> bool:
    return parse(config).decide(table([instance])).accepted


def refusal(config) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(config)
    return str(caught.value)


MATCHES = [
    {},
    {"Modality": "MR"},
    {"Modality": "mr"},
    {"Modality": ["CT", "MR"]},
    {"Modality": {"in": ["CT", "MR"]}},
    {"Modality": {"not": "CT"}},
    {"Modality": {"case": True, "eq": "MR"}},
    {"SeriesDescription": "ax t1 [post]"},
    {"SeriesDescription": "*T1*"},
    {"SeriesDescription": "?x*[post]"},
    {"SeriesDescription": {"like": "ax*"}},
    {"SeriesDescription": {"regex": r"t[12]\b"}},
    {"SeriesDescription": {"regex": r"^Ax .*\]$", "case": True}},
    {"InstitutionName": "*UNIVERSIT\u00c4TSKLINIK*"},
    {"InstitutionName": "*gro\u00df"},
    {"InstitutionName": {"regex": "t\u00e4t"}},
    {"ImageType": "PRIMARY"},
    {"ImageType[1]": "PRIMARY"},
    {"ImageType": {"has_all": ["m", "ORIG*"]}},
    {"ImageType": {"count": 4}},
    {"ImageType": {"count": {"gt": 3, "lte": 4}}},
    {"ImageType": {"each": {"not": "LOCALIZER"}}},
    {"ImageType[7]": {"exists": False}},
    {"ImageType[7]": {"empty": False}},
    {"ScanOptions[0]": {"empty": True}},
    {"ScanOptions[1]": "FS"},
    {"ScanOptions": {"count": 1}},
    {"PixelSpacing": {"each": {"between": [0.5, 0.75]}}},
    {"PixelSpacing": {"gt": 0.5}},
    {"PixelSpacing[1]": {"gt": 0.5}},
    {"EchoTime": "3.50"},
    {"EchoTime": 3.5000001},
    {"EchoTime": [3.4999999, 9]},
    {"EchoTime": {"gte": 3.5, "lte": 3.5}},
    {"EchoTime": {"near": [3.4, 0.1]}},
    {"SliceThickness": 1},
    {"(0018,0050)": 1},
    {"( 0018,0050 )": {"lt": 2}},
    {"(0019,SIEMENS MR HEADER,0C)": {"gte": 1000}},
    {"(0029,ACME,11)": {"vr": "DS", "gt": 7}},
    {"(0029,ACME,10)": {"exists": True}},
    {"(0029,ACME,10)": {"vr": "SQ", "CodeValue": "X"}},
    {"(0029,ACME,10).CodeValue": "X"},
    {"StationName": {"empty": True}},
    {"StationName": {"exists": False}},
    {"ProtocolName": {"empty": True}},
    {"Manufacturer": {"exists": False}},
    {"Manufacturer": {"empty": False}},
    {"Manufacturer": {"not": "ACME"}},
    {"PatientAge": 18},
    {"PatientAge": "18y"},
    {"PatientAge": "216M"},
    {"PatientAge": {"between": [17, "019Y"]}},
    {"StudyDate": "2023"},
    {"StudyDate": 20231231},
    {"StudyDate": "2023-12"},
    {"StudyDate": date(2023, 12, 31)},
    {"StudyDate": {"lte": "2023"}},
    {"StudyDate": {"gte": "2023", "lt": "2024"}},
    {"StudyDate": "20231201-20240630"},
    {"StudyDate": "20231201-"},
    {"StudyDate": "2022-2023"},
    {"SeriesDate": "20231231"},
    {"SeriesTime": "08:30"},
    {"SeriesTime": clock(8, 30, 0, 123000)},
    {"SeriesTime": "0800-0900"},
    {"ContentTime": "08:30:00.000000"},
    {"ContentTime": {"lte": "083000.0"}},
    {"AcquisitionDateTime": "2022-2023"},
    {"SeriesTime": {"gt": "0829", "lte": "0830"}},
    {"AcquisitionDateTime": "2023-01-15T11:00Z"},
    {"AcquisitionDateTime": "20230115"},
    {"AcquisitionDateTime": datetime(2023, 1, 15, 12)},
    {"AcquisitionDateTime": {"between": ["2022", "2023-01"]}},
    {"PatientName": "doe"},
    {"PatientName": "Doe^John"},
    {"PatientName": "^JOHN^^^"},
    {"PatientName": "D*^J?hn"},
    {"PatientName": "山田"},
    {"PatientName": "Doe=山田^太郎"},
    {"PatientName": {"regex": "^doe"}},
    {"PatientID": "AB01"},
    {"SOPClassUID": "MRImageStorage"},
    {"SOPClassUID": ["1.2.3", "1.2.840.10008.5.1.4.1.1.4"]},
    {"SOPClassUID": {"regex": r"\.4$"}},
    {"AnatomicRegionSequence": {"CodeValue": "T-D1100", "CodeMeaning": "Head"}},
    {"AnatomicRegionSequence": {"CodeValue": "T-D1100", "not": {"CodeMeaning": "Chest"}}},
    {"AnatomicRegionSequence": {"any": [{"CodeMeaning": "Foot"}, {"CodeMeaning": "Chest"}]}},
    {"AnatomicRegionSequence": {"each": {"CodeValue": "T-*"}}},
    {"AnatomicRegionSequence": {"count": 2}},
    {"AnatomicRegionSequence": {"not": {"CodeMeaning": "Foot"}}},
    {"AnatomicRegionSequence.CodeMeaning": "chest"},
    {"AnatomicRegionSequence[1].CodeMeaning": "chest"},
    {"ReferencedImageSequence": {"empty": True}},
    {"all": [{"Modality": "MR"}, {"EchoTime": {"gt": 1}}]},
    {"any": [{"Modality": "CT"}, {"EchoTime": {"gt": 1}}]},
    {"not": {"Modality": "CT"}},
    {"not": [{"Modality": "CT"}, {"Modality": "PT"}]},
]
MISSES = [
    {"Modality": {"case": True, "eq": "mr"}},
    {"Modality": "M"},
    {"SeriesDescription": "T1"},
    {"SeriesDescription": {"eq": "*T1*"}},
    {"SeriesDescription": {"regex": "ax", "case": True}},
    {"SeriesDescription": {"like": "[AB]x*"}},
    {"SeriesDescription": {"like": "ax*", "not": "*post*"}},
    {"ImageType": {"not": "PRIMARY"}},
    {"ImageType[0]": "PRIMARY"},
    {"ImageType[7]": "PRIMARY"},
    {"ImageType": {"each": ["ORIGINAL", "PRIMARY"]}},
    {"ImageType": {"has_all": ["M", "AXIAL"]}},
    {"ImageType": {"count": {"not": 4}}},
    {"PixelSpacing": {"gt": 0.5, "lt": 0.75}},
    {"EchoTime": 3.51},
    {"EchoTime": {"gt": 3.5}},
    {"EchoTime": {"lt": 3.5000000001}},
    {"EchoTime": {"gt": 3.4999999}},
    {"EchoTime": {"near": [3.3, 0.1]}},
    {"SeriesNumber": 1000002},
    {"SpacingBetweenSlices": {"gt": 0}},
    {"StationName": "*"},
    {"ProtocolName": "*"},
    {"Manufacturer": "*"},
    {"Manufacturer": {"empty": True}},
    {"Manufacturer": {"count": {"gte": 0}}},
    {"Manufacturer": {"each": {"not": "ACME"}}},
    {"Manufacturer": {"not": "ACME", "exists": True}},
    {"Modality": {"empty": True}},
    {"PatientAge": {"lt": 18}},
    {"StudyDate": {"lt": "2023"}},
    {"StudyDate": {"gt": "2023"}},
    {"StudyDate": "-20231230"},
    {"SeriesTime": "083000.124"},
    {"AcquisitionDateTime": "2023-01-15T12:00Z"},
    {"PatientName": "John"},
    {"PatientName": "Doe^Jane"},
    {"PatientName": "=Doe"},
    {"PatientName": {"eq": "D*"}},
    {"SOPClassUID": "CTImageStorage"},
    {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4.1"},
    {"AnatomicRegionSequence": {"CodeValue": "T-D1100", "CodeMeaning": "Chest"}},
    {"AnatomicRegionSequence": {"not": {"CodeMeaning": "Head"}}},
    {"AnatomicRegionSequence[0].CodeMeaning": "chest"},
    {"AnatomicRegionSequence.CodeMeaning": {"not": "chest"}},
    {"ReferencedImageSequence": {"exists": True}},
    {"all": [{"Modality": "MR"}, {"EchoTime": {"gt": 9}}]},
    {"any": [{"Modality": "CT"}, {"EchoTime": {"gt": 9}}]},
    {"not": [{"Modality": "CT"}, {"Modality": "MR"}]},
]


@pytest.mark.parametrize("config", MATCHES, ids=str)
def test_matches(config):
    """The instance above matches."""
    assert accepts(config)


@pytest.mark.parametrize("config", MISSES, ids=str)
def test_misses(config):
    """The instance above does not match."""
    assert not accepts(config)


@pytest.mark.parametrize("config", [c for c in MATCHES + MISSES if c], ids=str)
def test_negation_turns_every_answer(config):
    """A node and its negation disagree, and two negations cancel out."""
    assert accepts({"not": config}) is not accepts(config)
    assert accepts({"not": {"not": config}}) is accepts(config)


MISTAKES = [
    ({"Modalty": "MR"}, "$.Modalty:", '"Modality"'),
    ({"seriesdescription": "x"}, "$.seriesdescription:", '"SeriesDescription"'),
    ({"EchoTime": {"$gt": 5}}, "$.EchoTime.$gt:", '"gt"'),
    ({"EchoTime": {"ne": 5}}, "$.EchoTime.ne:", '"not"'),
    ({"$or": [{"Modality": "MR"}]}, "$.$or:", '"any"'),
    ({"gt": 3}, "$.gt:", "inside the condition"),
    ({"Modality": None}, "$.Modality:", "null"),
    ({"Modality": ""}, "$.Modality:", "empty text"),
    ({"Modality": []}, "$.Modality:", "empty list"),
    ({"Modality": {}}, "$.Modality:", "empty mapping"),
    ({"Modality": ["MR", 3]}, "$.Modality[1]:", "quotes"),
    ({"Modality": ["MR", ["CT"]]}, "$.Modality[1]:", "plain values"),
    ({"Modality": {"gt": "A"}}, "$.Modality.gt:", "does not apply"),
    ({"Modality": {"exists": "yes"}}, "$.Modality.exists:", "true or false"),
    ({"Modality": {"case": "yes", "eq": "MR"}}, "$.Modality.case:", "true or false"),
    ({"Modality": {"case": True}}, "$.Modality:", "name an operator"),
    ({"Modality": {"eq": ["MR"]}}, "$.Modality.eq:", "write in"),
    ({"Modality": {"in": "MR"}}, "$.Modality.in:", "a list"),
    ({"Modality": {"vr": "DS", "gt": 3}}, "$.Modality.vr:", "has the VR CS"),
    ({"Modality": {"EchoTime": 3}}, "$.Modality.EchoTime:", "no sequence"),
    ({"Modality.EchoTime": 3}, "$.Modality.EchoTime:", "no sequence"),
    ({"ImageType": "ORIGINAL\\PRIMARY"}, "$.ImageType:", "backslash"),
    ({"ImageType[-1]": "M"}, "$.ImageType[-1]:", "no field"),
    ({"ImageType[1]x": "M"}, "$.ImageType[1]x:", "no field"),
    ({"": "M"}, "$.:", "empty name"),
    ({"EchoTime": True}, "$.EchoTime:", "not a number"),
    ({"EchoTime": float("nan")}, "$.EchoTime:", "not a number"),
    ({"EchoTime": "1_0"}, "$.EchoTime:", "not a number"),
    ({"EchoTime": 10**400}, "$.EchoTime:", "not a number"),
    ({"EchoTime": "3*"}, "$.EchoTime:", "not a number"),
    ({"EchoTime": {"between": [3]}}, "$.EchoTime.between:", "[lower, upper]"),
    ({"EchoTime": {"between": [3, 1]}}, "$.EchoTime.between:", "lower end first"),
    ({"EchoTime": {"near": [3, -1]}}, "$.EchoTime.near:", "not negative"),
    ({"EchoTime": {"case": True, "eq": 3}}, "$.EchoTime:", "case has no meaning"),
    ({"StudyDate": "20231301"}, "$.StudyDate:", "not a date"),
    ({"StudyDate": "20240201-20240101"}, "$.StudyDate:", "not a date"),
    ({"StudyDate": datetime(2023, 1, 1)}, "$.StudyDate:", "not a date"),
    ({"SeriesTime": 83000}, "$.SeriesTime:", "not a time"),
    ({"SeriesTime": "25"}, "$.SeriesTime:", "not a time"),
    ({"PatientAge": -3}, "$.PatientAge:", "not an age"),
    ({"PatientName": "^^"}, "$.PatientName:", "exists: true"),
    ({"PatientName": "a^b^c^d^e^f"}, "$.PatientName:", "5 components"),
    ({"SOPClassUID": "1.2.*"}, "$.SOPClassUID:", "exactly"),
    ({"SOPClassUID": "CTImageStorag"}, "$.SOPClassUID:", '"CTImageStorage"'),
    ({"SOPClassUID": 1.2}, "$.SOPClassUID:", "quotes"),
    ({"PixelData": "x"}, "$.PixelData:", "binary"),
    ({"AnatomicRegionSequence": "x"}, "$.AnatomicRegionSequence:", "mapping"),
    ({"AnatomicRegionSequence": {"CodeValu": "x"}}, "$.AnatomicRegionSequence.CodeValu:", '"CodeValue"'),
    ({"AnatomicRegionSequence": {"some": {"CodeValue": "x"}}}, "$.AnatomicRegionSequence.some:", "series"),
    ({"(0019,FOO,0c)": 3}, "$.(0019,FOO,0c):", "VR"),
    ({"(0019,FOO,0c)": {"vr": "XX", "eq": 3}}, "$.(0019,FOO,0c).vr:", "no VR"),
    ({"(0018,FOO,0c)": 3}, "$.(0018,FOO,0c):", "odd"),
    ({"(0019,100c)": 3}, "$.(0019,100c):", "(0019,CREATOR,0c)"),
    ({"00180050": 3}, "$.00180050:", '"(0018,0050)"'),
    ({"ProtocolName": {"regex": "("}}, "$.ProtocolName.regex:", "no regular expression"),
    ({"ProtocolName": {"regex": 3}}, "$.ProtocolName.regex:", "as text"),
    ({"ProtocolName": {"regex": "a" * 513}}, "$.ProtocolName.regex:", "512"),
    ({"ProtocolName": "*" + "a" * 512}, "$.ProtocolName:", "512"),
    ({"SeriesNumber": {"count": 0}}, "$.SeriesNumber.count:", "exists: false"),
    ({"any": {"Modality": "MR"}}, "$.any:", "a list"),
    ({"any": []}, "$.any:", "empty list"),
    ({"not": {}}, "$.not:", "empty mapping"),
    ({"all": ["MR"]}, "$.all[0]:", "a mapping"),
    ({5: "MR"}, "$.5:", "quotes"),
    ({"not": {"limit": 1}}, "$.not.limit:", "at the top"),
    ({"num_slices": {"gt": "many"}}, "$.num_slices.gt:", "not a number"),
    ([], "$:", "a mapping"),
]


@pytest.mark.parametrize(("config", "path", "advice"), MISTAKES, ids=str)
def test_mistake_has_its_place_and_advice(config, path, advice):
    """A wrong config is refused with the place of the mistake and what to do."""
    message = refusal(config)
    assert f"\n  {path} " in message
    assert advice in message


def test_all_mistakes_come_at_once():
    """One error lists every mistake of the config."""
    configs = [config for config, _, _ in MISTAKES if config != []]
    batch = refusal({"all": configs[:50]})
    assert all(f"$.all[{i}]" in batch for i in range(50))


def test_mistakes_do_not_show_patients():
    """A value that would name a patient is not repeated."""
    message = refusal({"PatientBirthDate": ["19801399"], "PatientID": 778899, "OtherPatientIDs": [5544]})
    assert not re.search("19801399|778899|5544", message)


def test_limits():
    """Too many conditions, too deep a config and too many mistakes are refused quickly."""
    deep: dict = {"Modality": "MR"}
    for _ in range(3000):
        deep = {"not": deep}
    assert "32 mappings deep" in refusal(deep)
    shallow: dict = {"Modality": "MR"}
    for _ in range(31):
        shallow = {"not": shallow}
    assert not accepts(shallow)
    assert "10000" in refusal({"any": [{"Modality": "MR"}] * 6000})
    assert "10000" in refusal({"ProtocolName": ["a*"] * 10_001})
    start = time.perf_counter()
    assert "stopped after 100" in refusal({f"Modalty{i}": "MR" for i in range(9000)})
    assert time.perf_counter() - start < 5


def test_retired_keyword_warns():
    """A retired keyword is legal and warned of."""
    assert "AcquisitionComments" in parse({"AcquisitionComments": "x"}).warnings[0]
    assert parse({"Modality": "MR"}).warnings == ()


def test_attributes():
    """The attributes to be read are named once, sequences by their outermost name, known tags by keyword."""
    selection = parse(
        {
            "(0018,0050)": 1,
            "ImageType[2]": "M",
            "not": {"some": {"RequestAttributesSequence.ScheduledProcedureStepID": "1"}},
            "any": [{"AnatomicRegionSequence": {"CodeValue": "x"}}, {"(0019, SIEMENS MR HEADER, 0C)": 1}],
            "(6000,0010)": {"exists": True},
        }
    )
    assert selection.attributes == {
        "SliceThickness",
        "ImageType",
        "RequestAttributesSequence",
        "AnatomicRegionSequence",
        "(0019,SIEMENS MR HEADER,0c)",
        "(6000,0010)",
    }


def test_every_keyword_can_be_asked():
    """Each attribute of pydicom's dictionary is a field whose VR has a kind of comparison."""
    for keyword, tag in keyword_dict.items():
        if not keyword:  # pydicom's entry for the tags that have none
            continue
        assert accepts({keyword: {"exists": False}}, {}), keyword
        if dictionary_VR(tag) != "NONE":
            assert kind_of(dictionary_VR(tag).partition(" or ")[0])


AXIAL = {"ImageType": ("ORIGINAL", "AXIAL"), "Modality": "CT"}
LOCALIZER = {"ImageType": ("ORIGINAL", "LOCALIZER"), "Modality": "CT"}
MIXED = [*[AXIAL] * 112, LOCALIZER]


@pytest.mark.parametrize(
    ("config", "accepted"),
    [
        ({"ImageType": "AXIAL"}, False),
        ({"not": {"ImageType": "LOCALIZER"}}, False),
        ({"not": {"every": {"ImageType": "LOCALIZER"}}}, True),
        ({"not": {"some": {"ImageType": "LOCALIZER"}}}, False),
        ({"some": {"ImageType": "AXIAL"}}, True),
        ({"some": {"ImageType": "AXIAL", "Modality": "MR"}}, False),
        ({"every": {"ImageType": "ORIGINAL"}}, True),
        ({"ImageType": ["AXIAL", "LOCALIZER"]}, True),
        ({"any": [{"ImageType": "AXIAL"}, {"ImageType": "LOCALIZER"}]}, True),
        ({"any": [{"every": {"ImageType": "AXIAL"}}, {"every": {"ImageType": "LOCALIZER"}}]}, False),
    ],
    ids=str,
)
def test_every_instance_counts(config, accepted):
    """112 axial images and a localizer are judged alike whichever comes first."""
    assert parse(config).decide(table(MIXED)).accepted is accepted
    assert parse(config).decide(table(MIXED[::-1])).accepted is accepted


def test_rejection_tells_why():
    """A rejection names the failing path, how many instances pass and the values seen."""
    decision = parse({"Modality": "CT", "ImageType[1]": "AXIAL"}).decide(table(MIXED))
    (failure,) = decision.failures
    assert (failure.path, failure.condition, failure.passed, failure.total) == (
        "$.ImageType[1]",
        "$.ImageType[1]",
        112,
        113,
    )
    assert failure.seen == (Seen("AXIAL", True, 112), Seen("LOCALIZER", True, 1))
    assert failure.disagree
    assert not failure.identifying


def test_rejection_tells_empty_from_absent():
    """Values seen tell an absent attribute, an empty one and one with several values apart."""
    series = [{}, {"ImageType": None}, {"ImageType": ("A", None, "B")}, {"ImageType": ("", None)}]
    (failure,) = parse({"ImageType": "C"}).decide(table(series)).failures
    assert set(failure.seen) == {Seen(None, False, 1), Seen(None, True, 2), Seen("A\\\\B", True, 1)}
    assert (failure.passed, failure.distinct, failure.disagree) == (0, 3, False)


@pytest.mark.parametrize(
    ("config", "paths"),
    [
        ({"all": [{"Modality": "CT"}, {"ImageType": "AXIAL"}]}, ["$.all[1].ImageType"]),
        ({"any": [{"Modality": "MR"}, {"ImageType": "X"}]}, ["$.any[0].Modality", "$.any[1].ImageType"]),
        ({"not": {"Modality": "CT"}}, ["$.not.Modality"]),
        ({"some": {"Modality": "CT", "ImageType": "X"}}, ["$.some.ImageType"]),
        ({"every": {"ImageType": "AXIAL"}}, ["$.every.ImageType"]),
    ],
    ids=str,
)
def test_rejection_finds_the_innermost_failure(config, paths):
    """The failing paths lead to the fields, and each belongs to its condition of the top level."""
    selection = parse(config)
    failures = selection.decide(table(MIXED)).failures
    assert [failure.path for failure in failures] == paths
    assert {failure.condition for failure in failures} == {entry.path for entry in selection.root.parts}


@pytest.mark.parametrize("config", MISSES, ids=str)
def test_no_rejection_without_reason(config):
    """Whatever the config, a rejection has at least one failure, and counts none that pass."""
    failures = parse(config).decide(table([INSTANCE])).failures
    assert failures
    assert all(failure.passed == 0 for failure in failures)


def test_broken_number_warns():
    """A value that is no number matches nothing and is warned of once."""
    decision = parse({"EchoTime": {"gt": 1}}).decide(table([{"EchoTime": "abc"}] * 3))
    assert not decision.accepted
    assert decision.warnings == ("EchoTime: 'abc' is not a number; it matches nothing [query-value]",)
    (warning,) = parse({"PatientBirthDate": "1980"}).decide(table([{"PatientBirthDate": "1980-xx"}])).warnings
    assert "xx" not in warning


@pytest.mark.parametrize("value", [({"CodeValue": "x"},), {"CodeValue": "x"}], ids=["items", "an item"])
@pytest.mark.parametrize("condition", ["x", {"exists": True}, {"not": "x"}], ids=str)
def test_items_where_text_belongs(value, condition):
    """A broken file with a sequence in the place of text is answered, not an exception."""
    decision = parse({"Modality": condition}).decide(table([{"Modality": value}]))
    assert decision.accepted is (condition != "x")


def test_no_instances():
    """A series without instances cannot be judged."""
    with pytest.raises(UsageError, match="without instances"):
        parse({}).decide(table([]))


def test_runaway_pattern_ends():
    """A pattern that backtracks for ever ends in an error that names it, within a second."""
    selection = parse({"SeriesDescription": {"regex": "(a|aa)+$"}})
    start = time.perf_counter()
    with pytest.raises(ConfigError, match=re.escape("(a|aa)+$")):
        selection.decide(table([{"SeriesDescription": "a" * 60 + "b"}]))
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("keyword", ["SeriesInstanceUID", "AccessionNumber", "SeriesNumber"])
def test_long_lists_are_fast(keyword):
    """200,000 values are read and asked of 1,000 different instances in about a second, not in minutes."""
    values = [i if keyword == "SeriesNumber" else f"1.2.840.{i}" for i in range(200_000)]
    start = time.perf_counter()
    selection = parse({keyword: values})
    assert selection.decide(table([{keyword: value} for value in values[-1000:]])).accepted
    assert not selection.decide(table([{keyword: values[0]}, {keyword: "1.3"}])).accepted
    assert time.perf_counter() - start < 3  # 0.5 s on an idle machine


def test_accepting_many_instances_is_fast():
    """100,000 instances are accepted in well under a second."""
    rows = [{"Modality": "MR", "ImageType": ("A", "B"), "SOPInstanceUID": str(i)} for i in range(100_000)]
    series = table(rows)
    start = time.perf_counter()
    assert parse({"Modality": ["MR", "C*"], "ImageType": {"not": "X"}}).decide(series).accepted
    assert time.perf_counter() - start < 2  # 0.1 s on an idle machine


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "US1_J2KR.dcm", "examples_palette.dcm"])
def test_real_attributes_equal_themselves(name):
    """Every text, number, date, name and UID of a real file equals itself, and only while it is there."""
    asked = 0
    for element in pydicom.dcmread(pydicom.data.get_testdata_file(name, download=False)):
        if element.VR in ("SQ", "OB", "OW", "OB or OW", "UN", "AT") or element.is_empty:
            continue
        key = element.keyword
        if element.tag.is_private:
            key = f"({element.tag.group:04x},{element.private_creator},{element.tag.element & 255:02x})"
            if not element.private_creator or element.tag.is_private_creator:
                continue
        values = tuple(map(_plain, element.value if element.VM > 1 else [element.value]))
        try:
            selection = parse({key: {"has_all": [*values]}})
        except ConfigError as error:
            assert "VR" in str(error) or "backslash" in str(error)
            continue
        assert selection.attributes == {key}
        assert selection.decide(table([{key: values if len(values) > 1 else values[0]}])).accepted, key
        assert not selection.decide(table([{}])).accepted
        asked += 1
    assert asked > 30


def _plain(value):
    """A value as the reader gives it: raw text, or a plain number."""
    return value if isinstance(value, int | float) and not hasattr(value, "original_string") else str(value)


SHORT = st.text("ab*?.[]\\", max_size=8)


@given(SHORT, st.text("ab.[]*\\\n", max_size=10))
@settings(max_examples=500)
def test_wildcards_match_as_their_definition_says(pattern, text):
    """The matcher agrees with one that tries every way; brackets stand for themselves."""

    def fits(pattern, text):
        if pattern[:1] == "*":
            return fits(pattern[1:], text) or bool(text and fits(pattern, text[1:]))
        return pattern == text or bool(text and pattern[:1] in ("?", text[0]) and fits(pattern[1:], text[1:]))

    assert Wildcard(pattern).matches(text) is fits(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"), [("*ab*b*", "ab"), ("*b*ab", "ab"), ("ab*ba", "aba"), ("*?*?*", "a"), ("a?", "a")]
)
def test_wildcard_pieces_do_not_overlap(pattern, text):
    """Each character of the text serves one piece of the pattern."""
    assert not Wildcard(pattern).matches(text)
    assert Wildcard(pattern).matches(pattern.replace("*", "").replace("?", "x"))


def test_wildcards_do_not_backtrack():
    """A pattern that takes a backtracking matcher years is answered at once."""
    start = time.perf_counter()
    assert not Wildcard("*a?" * 150 + "*b").matches("a" * 10_000)
    assert time.perf_counter() - start < 1


@given(st.dates(date(1000, 1, 1)))
def test_dates_agree_with_the_calendar(day):
    """A day, however written, equals itself and lies in its month and year, also in a file."""
    text = day.strftime("%Y%m%d").zfill(8)
    single = parse_single("DA", text)
    assert single is not None
    assert single == parse_single("DA", day.isoformat())
    for coarser in (text[:6], text[:4], day.isoformat()[:7]):
        month = parse_single("DA", coarser)
        assert month is not None and month.contains(single)
        assert accepts({"StudyDate": coarser}, {"StudyDate": text})
        assert not accepts({"StudyDate": {"gt": coarser}}, {"StudyDate": text})


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_number_order_is_total(value, other):
    """Of less, equal and greater exactly one is true, and gte, lte are their unions."""
    less, equal, greater = (
        accepts({"EchoTime": {operator: other}}, {"EchoTime": value}) for operator in ("lt", "eq", "gt")
    )
    assert less + equal + greater == 1
    assert accepts({"EchoTime": {"gte": other}}, {"EchoTime": value}) is (greater or equal)
    assert accepts({"EchoTime": {"lte": other}}, {"EchoTime": value}) is (less or equal)


# Configs whose answer is known from the tables above, combined at random.
KNOWN = st.recursive(
    st.sampled_from([*((c, True) for c in MATCHES if c), *((c, False) for c in MISSES)]),
    lambda inner: st.tuples(
        st.sampled_from(["all", "any", "not"]), st.lists(inner, min_size=1, max_size=3)
    ).map(lambda drawn: _combine(*drawn)),
    max_leaves=10,
)


def _combine(word, parts):
    answer = {"all": all, "any": any, "not": lambda answers: not any(answers)}[word]
    return {word: [config for config, _ in parts]}, answer([truth for _, truth in parts])


@given(KNOWN)
def test_combinations_follow_logic(known):
    """all, any and not of known answers are what logic says, and a rejection gives its reasons."""
    config, truth = known
    decision = parse(config).decide(table([INSTANCE]))
    assert decision.accepted is truth
    assert bool(decision.failures) is not truth


GRAMMAR = [*NODE_WORDS, *sorted(OPERATORS), *MODIFIERS, "limit", "x", "Modality", "EchoTime", "StudyDate"]
GRAMMAR += ["PatientName", "SOPClassUID", "AnatomicRegionSequence", "(0019,X,0c)", "ImageType[1]"]


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(GRAMMAR),
                inner,
                max_size=3,
            ),
        ),
        max_leaves=12,
    )
)
@settings(max_examples=300)
def test_any_config_is_read_or_refused(config):
    """Whatever the config, it is answered or refused with a ConfigError, and nothing else happens."""
    try:
        selection = parse(config)
    except ConfigError:
        return
    decision = selection.decide(table([INSTANCE, {}]))
    assert decision.accepted is not bool(decision.failures)
