"""A series is ruled out before it is fetched only where the whole of it would not match either."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from dicomarray.query.partial import asked_attributes, may_match
from dicomarray.query.selection import parse
from grammar import table

CT = {"Modality": "CT", "Rows": "512", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}
SERIES = (
    [CT],
    [{**CT, "Modality": "MR"}],
    [{**CT, "InstanceNumber": "1"}, {**CT, "InstanceNumber": "2", "Rows": "256"}],
    [{**CT, "InstanceNumber": "7"}] * 3,
)
CONFIGS: tuple[dict[str, Any], ...] = (
    {},
    {"Modality": "CT"},
    {"Modality": {"not": "CT"}},
    {"Rows": {"gte": 512}, "num_instances": {"lt": 3}},
    {"any": [{"Modality": "MR"}, {"Rows": 256}]},
    {"not": {"any": [{"Modality": "MR"}, {"Rows": 256}]}},
    {"not": [{"Modality": "MR"}, {"not": {"Rows": 512}}]},
    {"some": {"Rows": 256, "Modality": "CT"}},
    {"not": {"some": {"Rows": 256}}},
    {"every": {"any": [{"Rows": 512}, {"InstanceNumber": 2}]}},
    {"not": {"every": {"Rows": 512}}},
    {"all": [{"num_instances": 2}, {"not": {"all": [{"Modality": "CT"}, {"Rows": 512}]}}]},
    {"SOPClassUID": "CTImageStorage", "InstanceNumber": {"exists": True}},
)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_what_matches_is_never_ruled_out(config: dict[str, Any]) -> None:
    """Whatever is hidden of a series that matches, it may match; told all, only those that do."""
    selection = parse(config)
    names = sorted({name for rows in SERIES for row in rows for name in row})
    for rows in SERIES:
        matches = selection.decide(table(rows)).accepted
        for count in range(len(names) + 1):
            for hidden in combinations(names, count):
                listed = [{**row, **dict.fromkeys(hidden, "")} for row in rows]
                assert may_match(selection, listed, every_instance=True) or not matches
                assert may_match(selection, listed, every_instance=False) or not matches
        if asked_attributes(selection) <= rows[0].keys() | {"num_instances"}:
            assert may_match(selection, rows, every_instance=True) == matches
