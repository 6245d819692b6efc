"""Filter grammar, groups: sort, limit, per, version."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

import synthetic
from dicomarray import dicom_filter
from dicomarray.query.selection import parse
from grammar import refusal, table


def taken(config: dict[str, Any], *series: list[dict[str, Any]]) -> list[str]:
    """The UIDs of the series that match, in order."""
    selection = parse(config)
    decisions = [selection.decide(table(instances)) for instances in series]
    kept, _ = selection.ranking.rank({n: d.evaluation for n, d in enumerate(decisions) if d.accepted})
    return [series[number][0]["SeriesInstanceUID"] for number in kept]


def one(uid: str, number: int | None = 1, count: int = 1, **further: Any) -> list[dict[str, Any]]:
    return [{"SeriesInstanceUID": uid, "SeriesNumber": number, "StudyInstanceUID": "9"} | further] * count


A = one("a", 3, count=2, SliceThickness=5.0, ImageType=("DERIVED",), StudyDate="20240102")
B = one("b", 1, count=4, SliceThickness=1.0, ImageType=("ORIGINAL",), StudyDate="20240101")
C = one("c", 2, count=4, SliceThickness=None, ImageType=("ORIGINAL",), StudyDate="2024")
D = [*one("d", 4, SliceThickness=1.0), *one("d", 4, SliceThickness=2.0)]


@pytest.mark.parametrize(
    ("config", "order"),
    [
        ({}, "given"),
        ({"sort": "num_instances"}, "adbc"),
        ({"sort": "-num_instances"}, "bcad"),
        ({"sort": ["-num_instances", "-SeriesNumber"]}, "cbda"),
        ({"sort": "SliceThickness"}, "bacd"),
        ({"sort": "-SliceThickness"}, "abcd"),
        ({"sort": "-(0018,0050)"}, "abcd"),
        ({"sort": ["SeriesNumber"]}, "bcad"),
        ({"sort": [{"ImageType": "ORIGINAL"}]}, "bcad"),
        ({"sort": [{"ImageType": "DERIVED"}, "-num_instances"]}, "abcd"),
        ({"sort": {"ImageType": "DERIVED"}}, "abcd"),
        ({"sort": [{"not": {"num_instances": 4}}, "SeriesInstanceUID"]}, "adbc"),
        ({"sort": "-StudyDate"}, "abcd"),
        ({"sort": "ImageType[0]"}, "abcd"),
        ({"sort": "-SeriesInstanceUID"}, "dcba"),
        ({"limit": 2}, "bc"),
        ({"sort": "-num_instances", "limit": 1}, "b"),
        ({"sort": "-num_instances", "limit": 9}, "bcad"),
        ({"sort": "-SliceThickness", "limit": 3}, "abc"),
    ],
    ids=str,
)
def test_order(config: dict[str, Any], order: str) -> None:
    """As the keys say; unknown and disagreeing ones last; ties by number, then UID; however they come."""
    for series in permutations([A, B, C, D]):
        expected = order if order != "given" else "".join(s[0]["SeriesInstanceUID"] for s in series)
        assert "".join(taken(config, *series)) == expected


def test_ties_go_by_number_then_uid() -> None:
    """A series without a number comes last."""
    series = [one("z", 2), one("y", None), one("x", 2), one("w", 10)]
    assert taken({"sort": "num_instances"}, *series) == ["x", "z", "w", "y"]


def test_texts_sort_without_case_and_names_by_component() -> None:
    """They are sorted as they are compared."""
    series = [one(u, SeriesDescription=t, PatientName=n) for u, t, n in
              [("1", "b", "Roe^A"), ("2", "A", "doe^Z"), ("3", "C", "Doe^B")]]  # fmt: skip
    assert taken({"sort": "SeriesDescription"}, *series) == ["2", "1", "3"]
    assert taken({"sort": "PatientName"}, *series) == ["3", "2", "1"]


def test_moments_sort_by_when_they_were() -> None:
    """Offsets from UTC count where they are known."""
    series = [
        one("1", AcquisitionDateTime="20240101120000+0000"),
        one("2", AcquisitionDateTime="20240101123000+0100"),
    ]
    assert taken({"sort": "AcquisitionDateTime"}, *series) == ["2", "1"]


def test_limit_counts_per_study_or_patient() -> None:
    """The largest of each; a series of unknown study is its own group, a patient without ID the study."""
    series = [
        one("a1", 1, 5, StudyInstanceUID="A", PatientID="P"),
        one("a2", 2, 9, StudyInstanceUID="A", PatientID="P"),
        one("b1", 1, 7, StudyInstanceUID="B", PatientID="P"),
        one("c1", 1, 3, StudyInstanceUID="C", PatientID=None),
        one("c2", 2, 4, StudyInstanceUID="C", PatientID=None),
        one("n1", 1, 1, StudyInstanceUID=None, PatientID=None),
        one("n2", 1, 2, StudyInstanceUID=None, PatientID=None),
    ]
    best = {"sort": "-num_instances", "limit": 1}
    assert taken(best | {"per": "study"}, *series) == ["a2", "b1", "c2", "n2", "n1"]
    assert taken(best | {"per": "patient"}, *series) == ["a2", "c2", "n2", "n1"]
    assert taken(best, *series) == ["a2"]


def test_same_id_from_two_issuers_is_two_patients() -> None:
    """Patient IDs are unique for their issuer only (PS3.3 C.7.1.1)."""
    series = [one("a", PatientID="1", IssuerOfPatientID="X"), one("b", PatientID="1", IssuerOfPatientID="Y")]
    assert taken({"limit": 1, "per": "patient"}, *series) == ["a", "b"]


def test_limit_counts_matches_only() -> None:
    """What does not match takes no place."""
    assert taken({"ImageType": "ORIGINAL", "sort": "-SliceThickness", "limit": 2}, A, B, C) == ["b", "c"]


def test_dropped_series_know_who_took_their_place() -> None:
    """By number, in the group that the limit counts."""
    selection = parse({"sort": "-num_instances", "limit": 1})
    evaluations = {n: selection.decide(table(series)).evaluation for n, series in enumerate((A, B, C))}
    assert selection.ranking.rank(evaluations) == ([1], {0: [1], 2: [1]})


@pytest.mark.parametrize(
    ("config", "place", "part"),
    [
        ({"sort": []}, "$.sort", "empty list"),
        ({"sort": 3}, "$.sort", "was expected"),
        ({"sort": None}, "$.sort", "null"),
        ({"sort": ["-num_slice"]}, "$.sort[0]", '"num_slices"'),
        ({"sort": ["Modality", "SliceThicknes"]}, "$.sort[1]", '"SliceThickness"'),
        ({"sort": "PixelData"}, "$.sort", "no order"),
        ({"sort": "ProcedureCodeSequence"}, "$.sort", "no order"),
        ({"sort": "(0019,ACME,01)"}, "$.sort", "VR"),
        ({"sort": [{"Modalty": "CT"}]}, "$.sort[0].Modalty", '"Modality"'),
        ({"sort": [{}]}, "$.sort[0]", "empty mapping"),
        ({"sort": "+num_slices"}, "$.sort", '"num_slices"'),
        ({"limit": 0}, "$.limit", "above 0"),
        ({"limit": True}, "$.limit", "above 0"),
        ({"limit": 1.5}, "$.limit", "above 0"),
        ({"limit": None}, "$.limit", "null"),
        ({"per": "study"}, "$.per", "limit: 1"),
        ({"limit": 1, "per": "series"}, "$.per", '"patient"'),
        ({"limit": 1, "per": ["study"]}, "$.per", "a list"),
        ({"version": 2}, "$.version", "version 1"),
        ({"version": True}, "$.version", "version 1"),
        ({"version": "1"}, "$.version", "version 1"),
        ({"any": [{"limit": 1}]}, "$.any[0].limit", "at the top"),
        ({"some": {"sort": "Rows"}}, "$.some.sort", "at the top"),
        ({"sort": [{"limit": 1}]}, "$.sort[0].limit", "at the top"),
        ({"order_by": "Rows"}, "$.order_by", '"sort"'),
        ({"limits": 1}, "$.limits", '"limit"'),
    ],
    ids=str,
)
def test_mistake_in_the_ranking(config: dict[str, Any], place: str, part: str) -> None:
    """Refused with its place and what to write."""
    message = refusal(config)
    assert f"\n  {place}: " in message
    assert part in message


def test_version_1_is_this_grammar() -> None:
    """It changes nothing."""
    assert taken({"version": 1, "sort": "SeriesNumber"}, A, B) == ["b", "a"]


def test_filter_gives_the_ranked_list(tmp_path: Path, make_series: Callable[..., Path]) -> None:
    """dicom_filter's order is the ranking's, and the scan reads what it needs."""
    for number, (slices, study) in enumerate([(2, "1.2.9"), (5, "1.2.9"), (3, "1.2.8")], 1):
        common = {"SeriesNumber": number, "SeriesInstanceUID": f"1.2.{number}", "StudyInstanceUID": study}
        synthetic.write_series(tmp_path / str(number), synthetic.stored_values((slices, 3, 4)), common=common)
    config: dict[str, Any] = {"sort": "-num_slices"}
    assert [s.uid for s in dicom_filter(tmp_path, config)] == ["1.2.2", "1.2.3", "1.2.1"]
    config |= {"limit": 1, "per": "study"}
    assert [s.uid for s in dicom_filter(tmp_path, config)] == ["1.2.2", "1.2.3"]
    assert [s.uid for s in dicom_filter(tmp_path, config | {"per": "patient"})] == ["1.2.2"]
