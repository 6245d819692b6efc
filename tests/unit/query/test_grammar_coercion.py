"""Filter grammar, groups: coercion by VR - numbers, ages, dates, times, texts, names, UIDs, binary."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from dicomarray.query.selection import parse
from grammar import accepts, refusal, table

# group: (keyword, value in the file, condition, answer; None where the config is refused)
GROUPS: dict[str, list[tuple[str, Any, Any, bool | None]]] = {
    "numbers": [
        ("SliceThickness", 1.0, "1.0", True),
        ("SliceThickness", 1.0, "1e0", True),
        ("SliceThickness", "1.0 ", 1, True),
        ("SliceThickness", 1.0000005, 1, True),
        ("SliceThickness", 1.00001, 1, False),
        ("SliceThickness", "abc", {"gt": 0}, False),
        ("SliceThickness", "nan", {"not": {"gt": 0}}, True),
        ("SliceThickness", float("inf"), {"gt": 0}, False),
        ("InstanceNumber", 1000001, 1000000, False),
        ("InstanceNumber", 7, "7", True),
        ("SliceThickness", 1, "one", None),
        ("SliceThickness", 1, "nan", None),
        ("SliceThickness", 1, "inf", None),
        ("SliceThickness", 1, "1_0", None),
        ("SliceThickness", 1, True, None),
    ],
    "ages": [
        ("PatientAge", "018Y", 18, True),
        ("PatientAge", "018Y", {"gte": 18}, True),
        ("PatientAge", "017Y", {"gte": 18}, False),
        ("PatientAge", "216M", {"gte": 18}, True),
        ("PatientAge", "018M", {"lt": 2}, True),
        ("PatientAge", "003W", {"lt": "1M"}, True),
        ("PatientAge", "010D", {"between": ["1W", "2W"]}, True),
        ("PatientAge", "018y", "18Y", True),
        ("PatientAge", "18", 18, False),
        ("PatientAge", "018Y", "old", None),
        ("PatientAge", "018Y", -1, None),
    ],
    "dates": [
        ("StudyDate", "20231231", "2023", True),
        ("StudyDate", "20231231", 2023, True),
        ("StudyDate", "20231231", "2023-12-31", True),
        ("StudyDate", "20231231", date(2023, 12, 31), True),
        ("StudyDate", "20231231", {"lte": "2023"}, True),
        ("StudyDate", "20231231", {"lt": "2023"}, False),
        ("StudyDate", "20231231", {"gt": "2023"}, False),
        ("StudyDate", "20240101", {"gt": "2023"}, True),
        ("StudyDate", "20240630", "20240101-20240630", True),
        ("StudyDate", "20240701", "20240101-20240630", False),
        ("StudyDate", "20240701", "20240101-", True),
        ("StudyDate", "20231231", "-20231231", True),
        ("StudyDate", "20240229", "2024-02", True),
        ("StudyDate", "2023.12.31", "20231231", True),
        ("StudyDate", "20231231", ["2022", "2023"], True),
        ("StudyDate", "20231231", {"between": ["202311", "2023"]}, True),
        ("StudyDate", "unknown", {"gt": "1900"}, False),
        ("StudyDate", "20231231", "20230230", None),
        ("StudyDate", "20231231", "yesterday", None),
        ("StudyDate", "20231231", "20240630-20240101", None),
    ],
    "times": [
        ("StudyTime", "083000.123000", "08:30", True),
        ("StudyTime", "083000.123000", "0830", True),
        ("StudyTime", "083000.123000", time(8, 30, 0, 123000), True),
        ("StudyTime", "083059", {"lte": "0830"}, True),
        ("StudyTime", "083100", {"lte": "0830"}, False),
        ("StudyTime", "120000", "0800-1200", True),
        ("StudyTime", "120100", "0800-1200", False),
        ("StudyTime", "083000", 83000, None),
        ("StudyTime", "083000", "24", None),
    ],
    "dates with times": [
        ("AcquisitionDateTime", "20240101120000+0100", "2024-01-01T11:00Z", True),
        ("AcquisitionDateTime", "20240101120000+0100", "2024-01-01T12:00Z", False),
        ("AcquisitionDateTime", "20240101120000+0100", "2024-01-01T12:00", True),
        ("AcquisitionDateTime", "20240101120000", "2024-01-01T12:00Z", True),
        ("AcquisitionDateTime", "20240101003000+0100", {"lt": "2024-01-01T00:00Z"}, True),
        ("AcquisitionDateTime", "20240101003000-0100", {"gt": "2024-01-01T01:00Z"}, True),
        ("AcquisitionDateTime", "20240101003000-0100", {"gte": "2024-01-01T01:30:00+0000"}, True),
        ("AcquisitionDateTime", "20240101003000-0100", {"lte": "2024-01-01T01:30:00+0000"}, True),
        ("AcquisitionDateTime", "20240101120000+0100", datetime(2024, 1, 1, 11, tzinfo=UTC), True),
        ("AcquisitionDateTime", "20240101120000+0100", "20240101", True),
        ("AcquisitionDateTime", "202401", "2024", True),
        ("AcquisitionDateTime", "2024", "202401", False),
        ("AcquisitionDateTime", "20240101120000.5", {"between": ["2024", "2024"]}, True),
        ("AcquisitionDateTime", "20240101120000+9900", {"gt": "2000"}, False),
        ("AcquisitionDateTime", "20240101", "noon", None),
    ],
    "texts": [
        ("Modality", " CT ", "ct", True),
        ("Modality", "CT\0", "CT", True),
        ("SeriesDescription", "Scha\u0308del", "SCH\u00c4DEL", True),
        ("SeriesDescription", "STRASSE", "stra\u00dfe", True),
        ("SeriesDescription", "a  b", "a b", False),
        ("StationName", "CT01", {"case": True, "eq": "ct01"}, False),
        ("InstitutionName", "Clinic", "cl*", True),
        ("AccessionNumber", "0012", "12", False),
        ("AccessionNumber", "0012", 12, None),
        ("ImageComments", "a\\b", "a\\b", True),
        ("SeriesDescription", "x", "a\\b", None),
        ("Modality", "CT", "  ", None),
    ],
    "names": [
        ("PatientName", "Doe^Jane^^^", "doe", True),
        ("PatientName", "Doe^Jane", "DOE^JANE", True),
        ("PatientName", "Doe^Jane", "Doe^John", False),
        ("PatientName", "Doe^Jane", "^Jane", True),
        ("PatientName", "Doe^Jane", "Jane", False),
        ("PatientName", "Doe^Jane^M", "Doe^Jane", True),
        ("PatientName", "Doe^Jane", "D*^?ane", True),
        ("PatientName", " Doe ^ Jane ", "doe^jane", True),
        ("PatientName", "Yamada^Tarou=山田^太郎=やまだ^たろう", "山田", True),
        ("PatientName", "Yamada^Tarou=山田^太郎", "=山田", True),
        ("PatientName", "Yamada^Tarou=山田^太郎", "=yamada", False),
        ("PatientName", "Doe^Jane", {"eq": "doe^jane", "case": True}, False),
        ("PatientName", "Doe^Jane", {"regex": r"^doe\^"}, True),
        ("PatientName", "Doe^Jane", "^", None),
        ("PatientName", "Doe^Jane", "a=b=c=d", None),
    ],
    "UIDs": [
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2", "CTImageStorage", True),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2\0", "1.2.840.10008.5.1.4.1.1.2", True),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2", ["MRImageStorage", "CTImageStorage"], True),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2.1", "CTImageStorage", False),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2.1", {"regex": r"^1\.2\.840"}, True),
        ("SOPClassUID", "1.2", "1.2.*", None),
        ("SOPClassUID", "1.2", "CTImageStorge", None),
        ("SOPClassUID", "1.2", {"like": "1.2"}, None),
    ],
    "binary and sequences": [
        ("PixelData", "<4 bytes>", {"exists": True}, True),
        ("PixelData", None, {"empty": True}, True),
        ("PixelData", "<4 bytes>", "<4 bytes>", None),
        ("PixelData", "<4 bytes>", {"count": 1}, None),
        ("ProcedureCodeSequence", (), {"empty": True}, True),
        ("ProcedureCodeSequence", ({},), "x", None),
        ("ProcedureCodeSequence", ({},), {"eq": "x"}, None),
    ],
}
CASES = [(group, *case) for group, cases in GROUPS.items() for case in cases]


@pytest.mark.parametrize(("group", "keyword", "value", "condition", "truth"), CASES, ids=str)
def test_coercion(group: str, keyword: str, value: Any, condition: Any, truth: bool | None) -> None:
    """A value in a file is compared with one in a config by the VR of the attribute."""
    if truth is None:
        assert f"$.{keyword}" in refusal({keyword: condition})
    else:
        assert accepts({keyword: condition}, {keyword: value}) is truth


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("SliceThickness", "abc"), ("StudyDate", "n/a"), ("StudyTime", "99"), ("PatientAge", "old")],
)
def test_broken_value_warns_and_does_not_match(keyword: str, value: str) -> None:
    """A value that is not what its VR says: no match, and a warning that names attribute and value.

    The patient's age is nobody's affair.
    """
    wanted = {"SliceThickness": 1, "StudyDate": "2023", "StudyTime": "12", "PatientAge": 3}[keyword]
    decision = parse({keyword: wanted}).decide(table([{keyword: value}]))
    assert not decision.accepted
    (warning,) = decision.warnings
    assert keyword in warning
    assert (value in warning) is (keyword != "PatientAge")
