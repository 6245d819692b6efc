"""Warnings have codes that programs can rely on, wherever the text goes."""

from __future__ import annotations

import ast
import copy
import json
import pickle
import re
from pathlib import Path

import pytest

import dicomarray
from dicomarray.core.coded_warnings import CODES, CodedWarning, warning

SOURCE = Path(dicomarray.__file__).parent
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "sidecar.md"


def test_codes_are_documented() -> None:
    """The table of the page has each code once, and no other."""
    table = PAGE.read_text(encoding="utf-8").partition("## Warnings")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE)) == sorted(CODES)


def test_every_code_is_given_and_every_text_has_one() -> None:
    """Text of the source that ends in brackets names a code of the list, and none is there for nothing."""
    ending = re.compile(r" \[([a-z0-9-]+)\]\Z")
    texts = [
        node.value
        for file in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert {found[1] for text in texts if (found := ending.search(text))} == CODES


def test_a_text_without_a_code_is_no_warning() -> None:
    """Whoever adds a warning gives it a code, and adds that to the list."""
    with pytest.raises(ValueError, match="without a code"):
        warning("something may be wrong")
    with pytest.raises(ValueError, match="without a code"):
        warning("something may be wrong [no-such-code]")


def test_the_code_travels() -> None:
    """Pickled, copied, and as text through JSON."""
    (made,) = warning("2 images have the same pixels [equal-images]")
    for other in (
        pickle.loads(pickle.dumps(made)),
        copy.deepcopy(made),
        CodedWarning(json.loads(json.dumps(made))),
    ):
        assert (other, other.code) == (made, "equal-images")
    assert made.with_detail("(2 of 4)") == "2 images have the same pixels (2 of 4) [equal-images]"
    assert CodedWarning("a warning of another tool").code == ""


def test_the_code_is_in_volumes_and_sidecars(tmp_path: Path, make_series) -> None:
    """A volume that was saved and loaded has the codes of the one that was read."""
    volume = dicomarray.load(make_series(common={"LossyImageCompression": "01"}))
    volume.save(tmp_path / "a.npy")
    assert json.loads((tmp_path / "a.json").read_text())["warnings"] == list(volume.warnings)
    for other in (volume, pickle.loads(pickle.dumps(volume)), dicomarray.Volume.load(tmp_path / "a.npy")):
        assert [found.code for found in other.warnings] == ["lossy"]
