"""Why series do not match: the scan, the funnel, the nearest misses, the hints, no patient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import synthetic
from dicomarray import scan
from dicomarray.catalog.index.scanning import index
from dicomarray.catalog.series_selection import ScanRequest, select
from dicomarray.cli.why import explanation_lines
from dicomarray.errors import ConfigError
from dicomarray.query import selection
from dicomarray.query.explanation import HIDDEN, Explanation, Scanned
from dicomarray.query.selection import parse
from grammar import table


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A CT with a localizer inside, a CT, an MR without description; a note, and a damaged file."""
    folder = tmp_path / "in"
    types = [["ORIGINAL", "PRIMARY", "AXIAL"]] * 3 + [["ORIGINAL", "PRIMARY", "LOCALIZER"]]
    series: dict[int, tuple[str, dict[str, Any], list[dict[str, Any]] | None]] = {
        1: ("CT", {"StationName": "ct01"}, [{"ImageType": t} for t in types]),
        2: ("CT", {"StationName": "CT02", "ImageType": types[0]}, None),
        3: ("MR", {"SeriesDescription": None, "PatientID": "MRN-77", "ImageType": types[0]}, None),
    }
    for number, (modality, further, each) in series.items():
        common = {"SeriesNumber": number, "SeriesInstanceUID": f"1.2.{number}"} | further
        array = synthetic.stored_values((4, 3, 4))
        synthetic.write_series(folder / str(number), array, modality=modality, common=common, each=each)
    (folder / "notes.txt").write_text("notes")
    return folder


def why(archive: Path, config: dict[str, Any], **options: Any) -> Explanation:
    """The same from a scan that knew the config and from one that did not."""
    explanation = scan(archive).explain(config, **options)
    assert select(ScanRequest(archive, config=config)).explanation(**options) == explanation
    return explanation


def test_scan_is_summed_up(archive: Path) -> None:
    """Files seen, those that are no DICOM or damaged, series found and taken."""
    (archive / "damaged").write_bytes(b"\0" * 128 + b"DICM" + b"\x02\0\0\0UL\4\0" + b"\xff" * 3)
    explanation = why(archive, {"Modality": "CT"})
    assert explanation.scanned == Scanned(14, 1, 1, 0, 3)
    assert explanation.matching == 2


def test_series_without_uid_are_counted(tmp_path: Path) -> None:
    """A file without Series Instance UID is a series of its own."""
    synthetic.write_series(tmp_path, synthetic.stored_values((2, 3, 4)), common={"SeriesInstanceUID": ...})
    assert why(tmp_path, {"Modality": "MR"}).scanned == Scanned(2, 0, 0, 2, 2)


def test_funnel(archive: Path) -> None:
    """For each condition of the top level: who passes, who fails it alone, the values by series."""
    modality, image_type = why(archive, {"Modality": "CT", "ImageType[2]": "AXIAL"}).conditions
    assert (modality.path, modality.passed, modality.only_blocker) == ("$.Modality", 2, 1)
    assert [(v.value, v.count) for v in modality.values[0].common] == [("CT", 2), ("MR", 1)]
    assert (image_type.path, image_type.passed, image_type.only_blocker) == ("$.ImageType[2]", 2, 1)
    assert [(v.value, v.count) for v in image_type.values[0].common] == [("AXIAL", 3), ("LOCALIZER", 1)]


def test_funnel_shows_five_values(archive: Path) -> None:
    """The most common five, and how many there are."""
    (condition,) = why(archive, {"SOPInstanceUID": "1.2"}).conditions
    assert len(condition.values[0].common) == 5
    assert condition.values[0].distinct == 12


def test_nearest_miss_first_in_the_grammars_style(archive: Path) -> None:
    """One condition that some instances pass, before one that none passes, before two."""
    explanation = why(archive, {"Modality": "CT", "ImageType[2]": "AXIAL", "StationName": "ct01"})
    assert [missed.title for missed in explanation.missed] == ["CT 1 1.2.1", "CT 2 1.2.2", "MR 3 1.2.3"]
    lines = explanation_lines(explanation)
    assert (
        '  $.ImageType[2]: 3 of 4 images pass: AXIAL in 3, LOCALIZER in 1 (instances disagree; use "some")'
        in lines
    )
    assert "  $.StationName: CT02 in all 4 images" in lines


def test_disagreement_under_not(archive: Path) -> None:
    """The advice for a negation is another one."""
    (missed,) = why(archive, {"not": {"ImageType": "LOCALIZER"}}).missed
    assert missed.reasons[0].path == "$.not.ImageType"
    assert "not: {every: ...}" in missed.reasons[0].hints[0]


def test_empty_and_absent_are_told_apart(archive: Path) -> None:
    """An attribute is present without a value, or it is not there at all."""
    lines = explanation_lines(why(archive, {"SeriesDescription": "*", "KVP": 90}))
    assert any(
        "$.SeriesDescription: (empty) in all 4 images (empty: present without a value" in line
        for line in lines
    )
    assert "  $.KVP: (absent) in all 4 images" in lines


def test_blocked_by_case_only(archive: Path) -> None:
    """Where the config without case: true would match."""
    missed = why(archive, {"Modality": "CT", "StationName": {"like": "CT*", "case": True}}).missed
    hints = {one.title: [hint for reason in one.reasons for hint in reason.hints] for one in missed}
    assert hints["CT 1 1.2.1"] == ["only case: true is in the way"]
    assert not any("case" in hint for hint in hints["MR 3 1.2.3"])


def test_absent_everywhere_and_inside_a_sequence(tmp_path: Path) -> None:
    """An attribute that no series has; one that is inside a sequence, with the path to write."""
    from pydicom import Dataset

    dose = Dataset()
    dose.RadionuclideTotalDose = 370e6
    common = {"RadiopharmaceuticalInformationSequence": [dose]}
    array = synthetic.stored_values((2, 3, 4), signed=True, bits_stored=16)
    synthetic.write_series(tmp_path, array, modality="PT", common=common)
    hints = why(tmp_path, {"RadionuclideTotalDose": {"gt": 1}, "StationName": "x"}).hints
    assert hints == (
        "RadionuclideTotalDose is absent from all 1 series; there is "
        "RadiopharmaceuticalInformationSequence.RadionuclideTotalDose, inside a sequence",
        "StationName is absent from all 1 series",
    )


def test_dropped_by_the_limit(archive: Path) -> None:
    """A series that matches but for the limit, and who took its place."""
    explanation = why(archive, {"sort": "-SeriesNumber", "limit": 1})
    assert [(one.title, one.dropped_for) for one in explanation.missed] == [
        ("CT 1 1.2.1", ("MR 3 1.2.3",)),
        ("CT 2 1.2.2", ("MR 3 1.2.3",)),
    ]
    assert "CT 1 1.2.1 matches, but the limit took MR 3 1.2.3" in explanation_lines(explanation)


@pytest.mark.parametrize("field", ["PatientID", "PatientName", "PatientBirthDate"])
def test_patients_are_hidden(archive: Path, field: str) -> None:
    """Names, ids and birth dates only where they are asked for; counts always."""
    config = {field: {"not": {"exists": True}}}
    hidden, shown = why(archive, config), why(archive, config, show_patient=True)
    assert {seen.value for one in hidden.missed for reason in one.reasons for seen in reason.common} == {
        HIDDEN
    }
    assert {seen.value for one in hidden.conditions for v in one.values for seen in v.common} == {HIDDEN}
    text = "\n".join(explanation_lines(shown))
    for one in shown.missed:
        for seen in one.reasons[0].common:
            assert str(seen.value) in text
            assert str(seen.value) not in "\n".join(explanation_lines(hidden))
            assert str(seen.value) not in repr(hidden)


def test_facts_are_explained(archive: Path) -> None:
    """They are explained by name and value."""
    lines = explanation_lines(why(archive, {"num_slices": {"gte": 9}}))
    assert "  $.num_slices: 4" in lines
    assert "  num_slices is 4 in 2 series, 3 in 1 series" in lines  # a localizer is a volume of its own


def test_everything_matches(archive: Path) -> None:
    """There is nothing to explain but the scan."""
    explanation = why(archive, {})
    assert (explanation.matching, explanation.conditions, explanation.missed) == (3, (), ())


def test_mistakes_come_first(archive: Path) -> None:
    """A wrong config is refused."""
    with pytest.raises(ConfigError, match="Modality"):
        scan(archive).explain({"Modalty": "CT"})


def test_values_cannot_forge_lines(tmp_path: Path) -> None:
    """Line breaks and control characters of a file do not reach the terminal."""
    common = {"ImageComments": "a\n$.Modality 9/9\x1b[2J" + "x" * 200}
    synthetic.write_series(tmp_path, synthetic.stored_values((1, 3, 4)), common=common)
    lines = explanation_lines(why(tmp_path, {"ImageComments": "y"}))
    assert not any(line.startswith("$.Modality") or "\x1b" in line or "\n" in line for line in lines)
    assert max(map(len, lines)) < 120


def test_memory_of_an_index_is_let_go_and_verdicts_stay(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter over very many instances holds those of the last series; the rest is asked for again."""
    file = tmp_path / "index.sqlite"
    index(archive, file)
    config = {"all": [{"num_slices": 4}, {"InstanceNumber": {"lte": 9}}], "StationName[0]": "CT02"}
    usual = select(ScanRequest(None, file, config))
    monkeypatch.setattr(selection, "MAX_HELD", 1)
    small = select(ScanRequest(None, file, config))
    assert small.explanation() == usual.explanation()
    (found,), (expected,) = small.series, usual.series
    assert [(h.reference, dict(h.attributes)) for h in found.instances] == [
        (h.reference, dict(h.attributes)) for h in expected.instances
    ]
    assert found.files == expected.files


def test_an_odd_value_is_told_of_each_series() -> None:
    """Also where an earlier series had the same; an answer that was remembered says no less."""
    selection = parse({"KVP": {"gt": 110}, "StudyDate": {"gt": "20200101"}})
    rows = [{"KVP": 120.0, "StudyDate": date} for date in ("never", "20210101", "never", "20210101")]
    decisions = [selection.decide(table([row])) for row in rows]
    assert [decision.accepted for decision in decisions] == [False, True, False, True]
    assert [len(decision.warnings) for decision in decisions] == [1, 0, 1, 0]
