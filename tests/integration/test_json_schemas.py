"""The published JSON Schemas take what the package takes and writes, and refuse what it refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import dicomarray
import synthetic
from dicomarray.cli.main import main
from dicomarray.demo.functions import smooth
from dicomarray.query.facts import FACTS
from dicomarray.query.grammar import OPERATORS
from dicomarray.query.selection import parse

ROOT = Path(__file__).parents[2]
GOOD = [
    {},
    {"Modality": ["CT", "PT"], "SeriesDescription": "*AX*T1*"},
    {"(0019,SIEMENS MR HEADER,0c)": {"vr": "IS", "gt": 0}, "ImageType[2]": "AXIAL"},
    {"ReferencedStudySequence": {"ReferencedSOPClassUID": {"exists": True}}},
    {"any": [{"num_slices": {"between": [10, 20]}}, {"plane": ["axial", "coronal"]}]},
    {"not": [{"is_regular": False}], "sort": ["-num_slices", {"ImageType": "ORIGINAL"}], "limit": 1},
    {"EchoTime": {"near": [80, 5]}, "limit": 2, "per": "patient", "version": 1},
]
BAD = [
    {"Modalty": "MR"},
    {"Modality": None},
    {"Modality": []},
    {"SliceThickness": {"$gt": 3}},
    {"plane": "diagonal"},
    {"limit": 0},
    {"per": "study"},
    {"all": {"Modality": "MR"}},
]


def schema(name: str, capsys: pytest.CaptureFixture[str]) -> jsonschema.Draft202012Validator:
    assert main(["schema", name]) == 0
    content = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(content)
    return jsonschema.Draft202012Validator(content)


def configs_of_the_docs() -> list[Any]:
    """The configs in JSON that the reference of the filter shows."""
    text = (ROOT / "docs" / "reference" / "filter.md").read_text(encoding="utf-8")
    return [
        json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


def test_configs(capsys: pytest.CaptureFixture[str]) -> None:
    """The schema and the parser take the same configs, and those of the docs; both refuse the same."""
    validator = schema("filter", capsys)
    for config in [*GOOD, *configs_of_the_docs()]:
        parse(config)
        validator.validate(config)
    for config in BAD:
        assert not validator.is_valid(config), config
        with pytest.raises(dicomarray.ConfigError):
            parse(config)


@pytest.mark.parametrize("name", ["filter", "sidecar", "ledger"])
def test_the_same_in_every_process(name: str) -> None:
    """A schema has the same bytes whenever it is written, so that it can be kept and compared."""
    command = [sys.executable, "-m", "dicomarray", "schema", name]
    first, second = (
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True)
        for seed in ("1", "2")
    )
    assert first.stdout == second.stdout


def test_every_word_of_the_grammar_is_in_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """Facts and operators that the parser knows are known to editors too."""
    content = schema("filter", capsys).schema
    assert set(FACTS) <= set(content["properties"])
    assert set(OPERATORS) | {"case", "vr"} == set(content["$defs"]["operators"]["properties"])


def test_a_config_may_name_its_schema(ct: Path, tmp_path: Path) -> None:
    """A key "$schema" in a file is for editors, and no condition."""
    path = tmp_path / "config.json"
    path.write_text('{"$schema": "filter.schema.json", "Modality": "CT"}')
    assert len(dicomarray.dicom_filter(ct, path)) == 1


def test_sidecars(ct: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sidecars of volumes, time series, labels and images without a place are as published."""
    validator = schema("sidecar", capsys)
    volume = dicomarray.load(ct)
    synthetic.two_time_points(tmp_path / "perfusion")
    labels = dicomarray.Segmentation(volume.array > 0, {1: "liver"}, geometry_of=volume)
    labels.save(tmp_path / "labels.npy", tmp_path / "labels.json")
    frames = dicomarray.Volume.from_array(volume.array, units="stored")
    for one in (volume, volume.normalize(0, 1), dicomarray.load(tmp_path / "perfusion"), frames):
        validator.validate(one.metadata)
    validator.validate(json.loads((tmp_path / "labels.json").read_text()))
    assert not validator.is_valid(volume.metadata | {"format": "dicomarray/0"})


def test_ledgers(ct: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every line that a run writes is as published, those of failures too."""
    validator = schema("ledger", capsys)
    dicomarray.run(ct, tmp_path / "out", smooth)
    dicomarray.run(ct, tmp_path / "failed", lambda volume: volume.array[:1])
    for folder in ("out", "failed"):
        lines = [json.loads(line) for line in (tmp_path / folder / "ledger.jsonl").read_text().splitlines()]
        assert [line["record"] for line in lines] == ["run", "entry"]
        for line in lines:
            validator.validate(line)
