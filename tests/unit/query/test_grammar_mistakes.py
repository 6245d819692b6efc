"""Filter grammar, groups: mistakes and suggestions, config files and YAML's traps, limits, warnings."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from dicomarray.errors import ConfigError
from dicomarray.query.config import load_config, selection_of
from dicomarray.query.grammar import MAX_DEPTH, MAX_NODES
from dicomarray.query.selection import parse
from grammar import accepts, refusal, table

SUGGESTIONS = [
    ({"Modalty": "MR"}, "$.Modalty", '"Modality"'),
    ({"modality": "MR"}, "$.modality", '"Modality"'),
    ({"Patient ID": "1"}, "$.Patient ID", '"PatientID"'),
    ({"KVP": {"$gt": 1}}, "$.KVP.$gt", '"gt"'),
    ({"KVP": {"ne": 1}}, "$.KVP.ne", '"not"'),
    ({"KVP": {">=": 1}}, "$.KVP.>=", '"gte"'),
    ({"KVP": {"$nin": [1]}}, "$.KVP.$nin", '"not"'),
    ({"KVP": {"range": [1, 2]}}, "$.KVP.range", '"between"'),
    ({"KVP": {"betwen": [1, 2]}}, "$.KVP.betwen", '"between"'),
    ({"Modality": {"contains": "x"}}, "$.Modality.contains", '"like"'),
    ({"Modality": {"matches": "x"}}, "$.Modality.matches", '"regex"'),
    ({"Modality": {"missing": True}}, "$.Modality.missing", '"exists"'),
    ({"$and": [{"Modality": "MR"}]}, "$.$and", '"all"'),
    ({"or": [{"Modality": "MR"}]}, "$.or", '"any"'),
    ({"must_not": [{"Modality": "MR"}]}, "$.must_not", '"not"'),
    ({"like": "x"}, "$.like", "inside the condition"),
    ({"SOPClassUID": "CTImageStorge"}, "$.SOPClassUID", '"CTImageStorage"'),
]


@pytest.mark.parametrize(("config", "place", "part"), SUGGESTIONS, ids=str)
def test_suggestion(config: dict[str, Any], place: str, part: str) -> None:
    """The place of the mistake, and what was probably meant."""
    message = refusal(config)
    assert f"\n  {place}: " in message
    assert part in message


def test_all_mistakes_in_one_error() -> None:
    """Every mistake of the filter and of the ranking is in one message."""
    message = refusal({"Modalty": 1, "KVP": {"$gt": 3}, "limit": 0, "sort": "x", "any": [{"Rows": []}]})
    assert "5 mistakes" in message
    assert all(f"\n  {place}: " in message for place in ("$.Modalty", "$.KVP.$gt", "$.limit", "$.sort"))
    assert "$.any[0].Rows: " in message


@pytest.mark.parametrize("value", [None, "", " ", [], {}, [""], [None], [["CT"]], [{}], True, 3, 1.5])
def test_what_asks_nothing_or_has_the_wrong_type(value: Any) -> None:
    """null, empty texts, lists and mappings, and other types are no conditions on a text."""
    assert "$.Modality" in refusal({"Modality": value})


@pytest.mark.parametrize("config", [[], "Modality", 3, None, True])
def test_config_is_a_mapping(config: Any) -> None:
    """Anything else is refused."""
    assert "a mapping" in refusal(config)


def test_retired_keyword_warns() -> None:
    """In a condition and inside a sequence; the answer is given all the same."""
    selection = parse({"any": [{"AcquisitionComments": "x"}, {"ImageGeometryType": {"exists": True}}]})
    assert len(selection.warnings) == 2
    assert all("retired" in warning for warning in selection.warnings)
    assert selection.decide(table([{"AcquisitionComments": "X"}])).accepted


# Files ---------------------------------------------------------------------------------------------------

YAML = [
    ("PatientSex: NO", {"PatientSex": "NO"}),
    ("AccessionNumber: 0012", {"AccessionNumber": "0012"}),
    ("AccessionNumber: 1_000", {"AccessionNumber": "1_000"}),
    ("StudyTime: 12:30:00", {"StudyTime": "12:30:00"}),
    ("StudyDate: 2024-01-31", {"StudyDate": "2024-01-31"}),
    ("Modality: on", {"Modality": "on"}),
    ("Modality: y", {"Modality": "y"}),
    ("KVP: 1e3", {"KVP": 1000.0}),
    ("KVP: 0x10", {"KVP": "0x10"}),
    ("KVP: .inf", {"KVP": ".inf"}),
    ("KVP: 120", {"KVP": 120}),
    ("KVP: -0.5", {"KVP": -0.5}),
    ("is_regular: true", {"is_regular": True}),
    ("SeriesDescription: '*AX*'", {"SeriesDescription": "*AX*"}),
    ("sort: [-num_slices, {ImageType: ORIGINAL}]", {"sort": ["-num_slices", {"ImageType": "ORIGINAL"}]}),
    ('"(0018,0050)": 3', {"(0018,0050)": 3}),
    ("'': x", {"": "x"}),
    ("NO: x", {"NO": "x"}),
]


@pytest.mark.parametrize(("text", "content"), YAML, ids=[text for text, _ in YAML])
def test_yaml_means_what_it_says(tmp_path: Path, text: str, content: dict[str, Any]) -> None:
    """Words stay words and digits keep their zeros."""
    path = tmp_path / "c.yaml"
    path.write_text(text)
    assert load_config(path) == content


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("c.yaml", "SeriesDescription: *AX*", 'needs quotes, as in "*AX*"'),
        ("c.yaml", "Modality: CT\nModality: MR", "line 2"),
        ("c.yaml", "a: &x 1\nb: *x", "anchor"),
        ("c.yaml", "KVP: !!int 3", "tag"),
        ("c.yaml", "- Modality", "a mapping"),
        ("c.yaml", "", "empty"),
        ("c.yaml", "a: 1\n---\nb: 2", "second document"),
        ("c.yaml", "? [a]\n: 1", "write a name"),
        ("c.yaml", "a: [1", "line"),
        ("c.json", '{"Modality": "CT",\n "Modality": "MR"}', "line 2"),
        ("c.json", '{"any": [{"KVP": 1, "KVP": 2}]}', '"KVP"'),
        ("c.json", '{"KVP": NaN}', "NaN"),
        ("c.json", '{"KVP": 1,}', "line 1"),
        ("c.toml", 'Modality = "CT"\nModality = "MR"', "not TOML"),
        ("c.ini", "x", ".json"),
        ("c.json", "[" * 5000, "nested too deeply"),
        ("c.yaml", "[" * 300, "nested too deeply"),
    ],
)
def test_ambiguous_file_is_refused(tmp_path: Path, name: str, text: str, part: str) -> None:
    """What a file says twice or cannot say is an error with its path."""
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    assert part in str(caught.value)


def test_three_formats_say_the_same(tmp_path: Path) -> None:
    """One config as JSON, YAML and TOML is one selection."""
    config = {
        "Modality": "CT",
        "num_slices": {"gte": 20},
        "sort": ["-num_slices"],
        "limit": 1,
        "per": "study",
    }
    texts = {
        "json": json.dumps(config),
        "yaml": "Modality: CT\nnum_slices: {gte: 20}\nsort: [-num_slices]\nlimit: 1\nper: study\n",
        "toml": 'Modality = "CT"\nnum_slices.gte = 20\nsort = ["-num_slices"]\nlimit = 1\nper = "study"\n',
    }
    for suffix, text in texts.items():
        path = tmp_path / f"c.{suffix}"
        path.write_text(text)
        assert load_config(path) == config
        assert selection_of(path).ranking.limit == 1


# Limits --------------------------------------------------------------------------------------------------


def test_depth() -> None:
    """32 mappings in each other are read, 33 are not."""
    config: dict[str, Any] = {"Modality": "MR"}
    for _ in range(MAX_DEPTH - 1):
        config = {"not": config}
    assert not accepts(config, {"Modality": "MR"})
    assert f"{MAX_DEPTH} mappings deep" in refusal({"not": config})


def test_nodes() -> None:
    """10,000 conditions are read, more are not; a list of plain values is one."""
    entries = MAX_NODES // 2 - 1
    parse({"any": [{"KVP": 1}] * entries})
    assert str(MAX_NODES) in refusal({"any": [{"KVP": 1}] * (entries + 1)})
    parse({"KVP": list(range(MAX_NODES * 2))})
    assert str(MAX_NODES) in refusal({"sort": ["KVP"] * (MAX_NODES + 1)})


def test_patterns() -> None:
    """512 characters are read, more are not."""
    for condition in ("*" + "a" * 511, {"regex": "a" * 512}, {"like": "?" * 512}):
        parse({"SeriesDescription": condition})
    for condition in ("*" + "a" * 512, {"regex": "a" * 513}, {"like": "?" * 513}):
        assert "512" in refusal({"SeriesDescription": condition})


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_runaway_pattern(pattern: str) -> None:
    """It is answered at once, or ends within a second in an error that names it."""
    selection = parse({"SeriesDescription": {"regex": pattern}})
    start = time.perf_counter()
    try:
        selection.decide(table([{"SeriesDescription": "a" * 5000 + "!"}]))
    except ConfigError as error:
        assert pattern in str(error)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    "pattern",
    ["a{1000000000}", "(?:ab){1000000000,}", "a{,9999999}", "(?:(?:a{100}){100}){100}", "[ab]{1000000}",
     "a{" + "9" * 400 + "}", "(?x)(?:a{1000}) # hidden\n{1000}", "(a{1,1000}){1,1000}",
     "(?x)(?:ab) {1000000}", "(?:a{9})(?#b){100000}", "((((a?){30}){30}){30}){30}", "(?<=(?:a{999}){999})b"],
)  # fmt: skip
def test_pattern_that_grows(pattern: str) -> None:
    """One that takes all memory or time while it is compiled is a mistake of the config, at once."""
    start = time.perf_counter()
    assert "repeats too much" in refusal({"SeriesDescription": {"regex": pattern}})
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(r"^\d{8}_\d{6}_[A-Z]{2,4}$", "20240101_120000_ABC"), ("(ab){2,3}c", "ababc"), ("a{500}", "a" * 500),
     (r"a{2}[{}]b", "aa{b"), (r"^(\d{1,3}\.){3}\d{1,3}$", "10.0.0.255"), ("(?:a?){50}" * 50 + "b", "b"),
     ("(?i)([({]a{2}){3}", "(aa{aa(aa"), (r"\(x{200}\){200}", "(" + "x" * 200 + ")" * 200)],
)  # fmt: skip
def test_pattern_with_repetitions(pattern: str, text: str) -> None:
    """Usual repetitions stay."""
    assert accepts({"SeriesDescription": {"regex": pattern}}, {"SeriesDescription": text})


def test_runaway_wildcard() -> None:
    """Wildcards are linear."""
    start = time.perf_counter()
    assert not accepts({"SeriesDescription": "*a" * 200 + "*b"}, {"SeriesDescription": "a" * 20_000})
    assert time.perf_counter() - start < 1


def test_two_hundred_thousand_uids() -> None:
    """A list of 200,000 UIDs is read and asked in about a second."""
    uids = [f"1.2.840.99999.{number}" for number in range(200_000)]
    start = time.perf_counter()
    selection = parse({"SeriesInstanceUID": uids})
    assert selection.decide(table([{"SeriesInstanceUID": uids[-1]}])).accepted
    assert not selection.decide(table([{"SeriesInstanceUID": "1.2"}])).accepted
    assert time.perf_counter() - start < 3  # 0.4 s on an idle machine


def test_a_series_of_different_values_takes_linear_time() -> None:
    """30,000 instances, each with a UID of its own, judged and explained."""
    instances = table({"SOPInstanceUID": f"1.2.{number}"} for number in range(30_000))
    start = time.perf_counter()
    assert parse({"SOPInstanceUID": {"regex": r"^1\.2\."}}).decide(instances).accepted
    (failure,) = parse({"SOPInstanceUID": {"not": "1.2.7"}}).decide(instances).failures
    assert (failure.passed, failure.distinct) == (29_999, 30_000)
    assert time.perf_counter() - start < 5
