"""--where: conditions on the command line become entries of a config."""

from __future__ import annotations

from typing import Any

import pytest

from dicomarray.cli.where import condition, hints_of, with_conditions
from dicomarray.errors import ConfigError
from dicomarray.query.selection import parse


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("Modality=MR", {"Modality": "MR"}),
        (" SliceThickness <= 3 ", {"SliceThickness": {"lte": "3"}}),
        ("num_slices>=20", {"num_slices": {"gte": "20"}}),
        ("is_regular=true", {"is_regular": "true"}),
        ("plane!=mixed", {"plane": {"not": "mixed"}}),
        ("SeriesDescription~^AX", {"SeriesDescription": {"regex": "^AX"}}),
        ("SeriesDescription=a=b", {"SeriesDescription": "a=b"}),
        ("(0018,0050)<3", {"(0018,0050)": {"lt": "3"}}),
        ("some DiffusionBValue>500", {"some": {"DiffusionBValue": {"gt": "500"}}}),
        (" every  ImageType != LOCALIZER", {"every": {"ImageType": {"not": "LOCALIZER"}}}),
        (
            "some (0019,SIEMENS MR HEADER,0c)>=50",
            {"some": {"(0019,SIEMENS MR HEADER,0c)": {"gte": "50"}}},
        ),
    ],
)
def test_condition(text: str, entry: dict[str, Any]) -> None:
    """A sign is an operator, and the config can be read."""
    assert condition(text) == entry
    parse(entry)


@pytest.mark.parametrize("text", ["", "Modality", "=MR", "Modality=", "<3", "some", "some Modality"])
def test_no_condition(text: str) -> None:
    """What is no condition is told with an example."""
    with pytest.raises(ConfigError, match="Modality=MR"):
        condition(text)


def test_a_doubled_sign_is_refused() -> None:
    """Whoever writes Python means one; no series would match the value "=MR"."""
    with pytest.raises(ConfigError, match="one ="):
        condition("Modality==MR")


def test_commas_are_explained() -> None:
    """A comma makes no list, and the hint writes the list out."""
    (hint,) = hints_of(["Modality=CT, MR", "SeriesDescription~a,b", "KVP=120"])
    assert '{"Modality": ["CT", "MR"]}' in hint


@pytest.mark.parametrize(
    ("config", "texts", "whole"),
    [
        ({}, [], {}),
        ({"Modality": "CT"}, ["KVP=120"], {"Modality": "CT", "KVP": "120"}),
        ({"KVP": 80}, ["KVP=120"], {"KVP": 80, "all": [{"KVP": "120"}]}),
        ({"all": [{"KVP": 80}], "Rows": 1}, ["Rows=2"], {"all": [{"KVP": 80}, {"Rows": "2"}], "Rows": 1}),
        ({}, ["KVP>1", "KVP<3"], {"KVP": {"gt": "1"}, "all": [{"KVP": {"lt": "3"}}]}),
        ({"sort": "Rows"}, ["sort=-num_slices", "sort=Rows"], {"sort": ["-num_slices", "Rows"]}),
        ({"limit": 5}, ["limit=1", "per=study"], {"limit": 1, "per": "study"}),
        ({"limit": 5}, ["limit=x"], {"limit": "x"}),
        (
            {},
            ["some KVP>1", "some KVP<3", "KVP=2"],
            {"some": {"KVP": {"gt": "1"}}, "all": [{"some": {"KVP": {"lt": "3"}}}], "KVP": "2"},
        ),
        ({"all": 3, "KVP": 1}, ["KVP=2"], {"all": 3, "KVP": 1}),
    ],
    ids=str,
)
def test_conditions_join_a_config(config: dict[str, Any], texts: list[str], whole: dict[str, Any]) -> None:
    """They hold beside what the config says; ranking words take the place of the config's."""
    before = repr(config)
    assert with_conditions(config, texts) == whole
    assert repr(config) == before
