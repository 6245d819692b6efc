"""Config files: what each format means, and what is refused with file and line."""

from __future__ import annotations

import json
import time
from datetime import date

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dicomarray.errors import ConfigError
from dicomarray.query.config import load_config
from dicomarray.query.selection import parse
from grammar import table


@pytest.fixture
def load(tmp_path):
    def load(suffix, text):
        path = tmp_path / f"config{suffix}"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_config(path)

    return load


def test_three_formats_say_the_same(load):
    """One config reads alike from JSON, YAML and TOML."""
    expected = {
        "Modality": ["CT", "PT"],
        "EchoTime": {"gt": 1.5, "lt": 30},
        "not": {"PatientSex": {"exists": True}},
    }
    toml = 'Modality = ["CT", "PT"]\nEchoTime = {gt = 1.5, lt = 30}\n[not.PatientSex]\nexists = true\n'
    assert load(".json", json.dumps(expected)) == expected
    assert load(".yaml", yaml.safe_dump(expected)) == expected
    assert load(".YML", yaml.safe_dump(expected, default_flow_style=True)) == expected
    assert load(".toml", toml) == expected
    assert parse(expected).attributes == {"Modality", "EchoTime", "PatientSex"}


def test_byte_order_mark(load):
    """A byte order mark is no part of the config."""
    assert load(".json", b'\xef\xbb\xbf{"Modality": "MR"}') == {"Modality": "MR"}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("0012", "0012"),
        ("0x1F", "0x1F"),
        ("12:30:00", "12:30:00"),
        ("2023-01-15", "2023-01-15"),
        ("1_000", "1_000"),
        ("1.2.840", "1.2.840"),
        ("=", "="),
        ("'3'", "3"),
        ('"true"', "true"),
        ("!!str 3", "3"),
        ("! 3", "3"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        (".inf", ".inf"),
        (".", "."),
        ("-", [None]),
    ],
)
def test_yaml_reads_little_into_plain_text(load, written, value):
    """Only true, false, null and plain decimal numbers are anything but text."""
    separator = "\n  " if written == "-" else " "
    read = load(".yaml", f"Modality:{separator}{written}\n")["Modality"]
    assert read == value
    assert type(read) is type(value)


def test_yaml_keys_are_names(load):
    """A key is text, whatever it looks like."""
    assert load(".yaml", "12: a\nno: b\n'(0018,0050)': c\n") == {"12": "a", "no": "b", "(0018,0050)": "c"}


@pytest.mark.parametrize(
    ("suffix", "text", "parts"),
    [
        (
            ".json",
            '{"Modality": "CT",\n "x": {"Modality": 1},\n "Modality": "MR"}',
            ["line 3", '"Modality"', "twice"],
        ),
        (".json", '[{"a": {}},\n {"a": "}",\n "\\u0061": 1}]', ["line 3", '"a"']),
        (".json", '{"Modality":\n "CT",}', ["line 2", "not JSON"]),
        (".json", '{"EchoTime": NaN}', ["NaN"]),
        (".json", "[]", ["line 1", "a list"]),
        (".json", "[" * 100_000, ["nested too deeply"]),
        (".json", '{"a": ' + "9" * 5000 + "}", ["not JSON"]),
        (".yaml", "Modality: CT\nx:\n  Modality: 1\nModality: MR\n", ["line 4", '"Modality"', "twice"]),
        (".yaml", "a: b\nSeriesDescription: *AX*\n", ["line 2", 'needs quotes, as in "*AX*"']),
        (".yaml", "a: b\nSeriesDescription: *AX\n", ["line 2", "alias", "quotes"]),
        (".yaml", "a: &x [1]\nb: *x\n", ["line 1", "anchor"]),
        (".yaml", "a: b\nc: !!python/name:os.system x\n", ["line 2", "tag"]),
        (".yaml", "a: b\nc: !T1 x\n", ["line 2", 'quote a "!"']),
        (".yaml", "a: 1\n---\nb: 2\n", ["line 2", "second document"]),
        (".yaml", "? [a]\n: b\n", ["line 1", "write a name"]),
        (".yaml", "a: [1\nb: 2\n", ["line 2", "not YAML"]),
        (".yaml", "a: \x01\n", ["not YAML"]),
        (".yaml", "- a\n", ["line 1", "a list"]),
        (".yaml", "", ["empty"]),
        (".yaml", "[" * 300, ["nested too deeply"]),
        (".yaml", "[" * 100_000, ["line 1"]),  # PyYAML may refuse it first, in words of its own
        (".toml", 'Modality = "CT"\nModality = "MR"\n', ["line 2"]),
        (".toml", "Modality = CT\n", ["line 1", "not TOML"]),
        (".toml", "a = " + "[" * 100_000, ["nested too deeply"]),
        (".json", b"\xff\xfe{}", ["UTF-8"]),
        (".ini", "", [".json", "'.ini'"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refused(load, suffix, text, parts):
    """What is wrong, ambiguous or said twice is refused, with the file and, where there is one, the line."""
    with pytest.raises(ConfigError) as caught:
        load(suffix, text)
    assert all(part in str(caught.value) for part in [f"config{suffix}", *parts]), str(caught.value)


def test_missing_file(tmp_path):
    """A file that is not there is a ConfigError that names it."""
    with pytest.raises(ConfigError, match="nowhere"):
        load_config(tmp_path / "nowhere.json")


def test_same_key_in_different_mappings_is_fine(load):
    """A key may stand in several mappings, and as a value."""
    text = '{"any": [{"Modality": "Modality"}, {"Modality": "MR"}], "Modality": ["Modality", "Modality"]}'
    assert load(".json", text) == json.loads(text)
    assert load(".yaml", text) == json.loads(text)


def test_native_dates_of_toml(load):
    """TOML's own dates reach the filter."""
    config = load(".toml", "StudyDate = {gte = 2023-01-15}\nSeriesTime = {lt = 12:30:00}\n")
    assert config["StudyDate"]["gte"] == date(2023, 1, 15)
    assert parse(config).decide(table([{"StudyDate": "20230115", "SeriesTime": "122959"}])).accepted


@pytest.mark.parametrize("slow", [False, True], ids=["parser in C, if there", "parser in Python"])
def test_yaml_parsers_agree(load, monkeypatch, slow):
    """Both of PyYAML's parsers give the same values and the same hint."""
    if slow:
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert load(".yaml", "a: NO\nb: [1, '2', 'x y']\nc: {d: 1.5}\n") == {
        "a": "NO",
        "b": [1, "2", "x y"],
        "c": {"d": 1.5},
    }
    with pytest.raises(ConfigError, match=r"line 1.*needs quotes"):
        load(".yaml", "a: *AX*\n")


def test_long_lists_load_fast(load):
    """200,000 UIDs load from JSON in seconds."""
    text = json.dumps({"SeriesInstanceUID": [f"1.2.840.{i}" for i in range(200_000)]}, indent=1)
    start = time.perf_counter()
    assert len(load(".json", text)["SeriesInstanceUID"]) == 200_000
    assert time.perf_counter() - start < 5


PLAIN = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**15), 10**15),
        st.text(st.characters(codec="ascii", exclude_categories=["Cc"])),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text("abc.$", max_size=3), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(st.dictionaries(st.text("abc.$", max_size=3), PLAIN, max_size=4))
def test_json_is_yaml_and_comes_back(tmp_path_factory, content):
    """What json writes reads back equal, as JSON and as YAML."""
    folder = tmp_path_factory.mktemp("config")
    for suffix in (".json", ".yaml"):
        path = folder / f"config{suffix}"
        path.write_text(json.dumps(content), encoding="utf-8")
        assert load_config(path) == content
