"""No output tells who a patient is: attributes of PS3.15 Table E.1-1 hold a marker, and none comes out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword

import dicomarray
from dicomarray.assembly.volumes.assemble import SERIES_KEYWORDS, SLICE_KEYWORDS
from dicomarray.cli.main import main
from dicomarray.dicom.identities import hidden_attributes, may_identify
from synthetic import stored_values, write_series

# One for each VR; no other text or number of these tests looks like one.
MARKERS: dict[str, Any] = {
    "DA": "18880808",
    "TM": "080808.888",
    "DT": "18880808080808",
    "AS": "888Y",
    "DS": "888.25",
    "IS": "88817",
    "US": 58817,
    "OB": b"MARKED",
    "UN": b"MARKED",
    "PN": "MARKED^NAME",
    "UI": "1.2.88817",
    "LT": "MARKED\nlines",
}
# Numbers stand by themselves: random UIDs and hashes may hold five digits of any kind.
MARKED = re.compile(
    r"MARKED|18880808|080808\.888|888Y|888\.25|(?<![0-9A-Za-z.])(?:88817|58817)(?![0-9A-Za-z])"
)


def marked(keyword: str) -> Any:
    """A value for an attribute, by its VR; a sequence has the marker in a name and in a code."""
    vr = dictionary_VR(keyword)
    if vr != "SQ":
        return MARKERS.get(vr, "MARKED")
    item = Dataset()
    item.PatientName, item.CodeMeaning, item.TextValue = "MARKED^ITEM", "MARKED", "MARKED"
    return [item]


def keywords() -> list[str]:
    """What pydicom's dictionary knows of them, but for overlays, whose marker would be no overlay."""
    return sorted(k for k in hidden_attributes() if k.isalpha() and tag_for_keyword(k) is not None)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A CT and a PET with markers."""
    common = {keyword: marked(keyword) for keyword in keywords()}
    write_series(tmp_path / "in" / "ct", stored_values(), common=common)
    weight = common | {"PatientWeight": "-888.25", "SeriesNumber": 2}
    write_series(tmp_path / "in" / "pt", stored_values(), modality="PT", common=weight)
    return tmp_path / "in"


# A user's functions, of which the ledger has the text: one fails and tells all that it sees.
FUNCTIONS = """
def failing(volume):
    raise ValueError(f"cannot use {volume!r}, {volume.metadata}")

def negated(volume):
    return -volume.array
"""


def texts_of(folder: Path) -> dict[str, str]:
    """The text of each file that is no image, and of the chunks of a picture."""
    files = [p for p in folder.rglob("*") if p.suffix in (".json", ".jsonl", ".html", ".png")]
    return {str(path): path.read_bytes().decode("latin-1") for path in files}


def test_the_table_has_all_that_it_should() -> None:
    """Hidden and shown ones, by keyword and by tag; private attributes and curves; paths are made of them."""
    for key in (
        "PatientName",
        "OperatorsName",
        "ImageComments",
        "AdmissionID",
        "PatientWeight",
        "(0010,0012)",
    ):
        assert may_identify(key)
    for key in ("(0019,SIEMENS MR HEADER,0C)", "(5002,3000)", "OverlayComments", "InstitutionName"):
        assert may_identify(key)
    for key in ("SeriesInstanceUID", "SeriesDescription", "StudyDate", "StationName", "ContrastBolusAgent"):
        assert not may_identify(key)
    for key in ("Modality", "SliceThickness", "(0018,0050)"):
        assert not may_identify(key)
    assert len(hidden_attributes()) > 400


def test_what_the_sidecar_takes_from_headers_names_nobody() -> None:
    """No attribute that may tell who the patient is stands in it."""
    assert not [k for k in (*SERIES_KEYWORDS, *SLICE_KEYWORDS) if may_identify(k)]


def test_no_command_tells_who_the_patient_is(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a command prints or writes beside images has none of the markers; --show-patient has them."""
    out, ct, pt = tmp_path / "out", archive / "ct", archive / "pt"
    config, index = tmp_path / "every.json", tmp_path / "index.sqlite"
    functions = tmp_path / "functions.py"
    functions.write_text(FUNCTIONS)
    config.write_text(json.dumps({"all": [{keyword: {"exists": False}} for keyword in keywords()]}))
    (archive / "pt" / "MARKED").write_bytes(next(pt.glob("*.dcm")).read_bytes()[:2000])
    (archive / "pt" / "MARKED").rename(pt / "cut.dcm")
    why = ["filter", "--why", "-c", config, "-i", archive]
    calls: list[tuple[int, list[Any]]] = [
        (0, ["to-numpy", "-i", ct, "-n", out / "a.npy"]),
        (1, ["to-numpy", "-i", archive, "-n", out / "b.npy"]),
        (1, ["to-numpy", "-i", pt, "-n", out / "b.npy", "--units", "suv"]),
        (0, ["to-numpy", "-i", archive, "-n", f"{out}/all/"]),
        *((0, ["filter", "-i", archive, "--format", style]) for style in ("table", "csv", "json", "files")),
        (0, why),
        (0, ["filter", "-i", archive, "--why", "-w", "PatientAge>100", "-w", "(0010,0010)=nobody"]),
        (2, ["filter", "-i", archive, "-w", "PatientWeight>MARKED"]),
        (0, ["index", "-i", archive, "--index", index]),
        (0, [*why, "--index", index]),
        (0, ["view", "-i", ct, "-o", out / "v.html"]),
        (0, ["view", "-i", ct, "-o", out / "v.png"]),
        (0, ["to-dicom", "-n", out / "a.npy", "-d", ct, "-o", tmp_path / "written"]),
        (1, ["to-dicom", "-n", out / "a.npy", "-d", pt, "-o", tmp_path / "written"]),
        (3, ["run", "-i", archive, "-o", out / "failed", "-f", f"{functions}:failing"]),
        (0, ["run", "-i", ct, "-o", out / "run", "-f", f"{functions}:negated"]),
        (0, ["verify", out / "run", "-i", ct]),
        (1, ["check", archive]),
    ]
    for code, call in calls:
        assert main([str(word) for word in call]) == code, call
        said = capsys.readouterr()
        assert MARKED.findall(said.out + said.err) == [], call
    for name, text in texts_of(out).items():
        assert MARKED.findall(text) == [], name
    assert len(texts_of(out)) > 6
    main([*map(str, why), "--show-patient"])
    assert len(set(MARKED.findall(capsys.readouterr().out))) > 5


def test_nothing_in_python_tells_it_unasked(archive: Path) -> None:
    """Text and metadata of what is scanned and loaded; a table has the columns that are asked for."""
    catalog = dicomarray.scan(archive)
    volume = catalog[0].volume()
    shown = [repr(catalog), *map(repr, catalog), repr(volume), repr(volume.metadata), *volume.warnings]
    shown += [repr(catalog[0].attributes), str(catalog.to_pandas()), str(catalog.to_pandas("instances"))]
    assert MARKED.findall("\n".join(shown)) == []
    assert "MARKED^NAME" in str(catalog.to_pandas(attributes=["PatientName"]))
    assert catalog[0].attributes["PatientName"] == "MARKED^NAME"
    assert np.isfinite(volume.array).all()
