"""The index on the command line, and the queries of its page."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from dicomarray.catalog.index.opening import open_index
from dicomarray.catalog.index.scanning import index
from dicomarray.cli.main import main

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "index-file.md"
QUERIES = re.findall(r"^```sql\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_index_and_filter(ct: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`index` tells what it did, and `filter --index` prints what `filter` prints."""
    (ct / "notes.txt").write_text("no image")
    file = tmp_path / "index"
    assert main(["index", "-i", str(ct), "--index", str(file)]) == 0
    told = capsys.readouterr()
    assert "6 instances in 1 series; of 7 files 7 read, 0 unchanged; 0 vanished" in told.out
    assert "skipped 1: not DICOM (notes.txt)" in told.err
    for arguments in (
        ["-w", "num_slices=6"],
        ["--format", "json"],
        ["--format", "files"],
        ["-w", "Modality=MR", "--why"],
    ):
        assert main(["filter", "-i", str(ct), *arguments]) == 0
        expected = capsys.readouterr()
        assert main(["filter", "--index", str(file), *arguments]) == 0
        assert capsys.readouterr() == expected
        assert main(["filter", "--index", str(file), "-i", str(ct), *arguments]) == 0
        assert capsys.readouterr() == expected


def test_run(
    ct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`run --index` works on the series of the index, in other processes too."""
    (tmp_path / "functions.py").write_text("def same(volume):\n    return volume.array\n")
    monkeypatch.chdir(tmp_path)
    assert main(["index", "-i", str(ct), "--index", "index"]) == 0
    for workers in ("1", "2"):
        arguments = [
            "run",
            "--index",
            "index",
            "-o",
            f"out{workers}",
            "-f",
            "functions:same",
            "--workers",
            workers,
        ]
        assert main(arguments) == 0, capsys.readouterr().err
        assert len([p for p in (tmp_path / f"out{workers}").rglob("*") if p.suffix == ".dcm"]) == 6
    assert main(["run", "--index", "index", "-o", str(ct / "out"), "-f", "functions:same"]) == 1


def test_wrong_use(ct: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to read, an index that is none, and one inside the input."""
    assert main(["filter"]) == 2
    assert "nothing to read" in capsys.readouterr().err
    assert main(["filter", "--index", str(tmp_path / "index")]) == 1
    assert "there is no index" in capsys.readouterr().err
    assert main(["index", "-i", str(ct), "--index", str(ct / "index")]) == 1
    assert not (ct / "index").exists()


def test_nothing_about_the_patient_is_told(ct: Path, tmp_path: Path) -> None:
    """No name, id or birth date in what the commands say."""
    for arguments in (["index", "-i", str(ct)], ["filter", "-w", "PatientID=X", "--why"]):
        command = [sys.executable, "-m", "dicomarray", *arguments, "--index", str(tmp_path / "index")]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        assert not re.search("SYNTHETIC\\^SERIES|SYNTHETIC-1|19700101", done.stdout + done.stderr)


@pytest.fixture(scope="module")
def database(pydicom_data: Path, tmp_path_factory: pytest.TempPathFactory) -> sqlite3.Connection:
    """An index of pydicom's files, as any SQLite tool opens it."""
    file = tmp_path_factory.mktemp("queries") / "index"
    index(pydicom_data / "test_files", file)
    return sqlite3.connect(file)


def test_the_page_has_queries() -> None:
    """An empty list would make the test below pass for nothing."""
    assert len(QUERIES) >= 5


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: " ".join(query.split())[:40])
def test_query(database: sqlite3.Connection, query: str) -> None:
    """Every query of the page finds something in pydicom's files."""
    uid = "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322"
    rows = database.execute(query, {"uid": uid} if ":uid" in query else {}).fetchall()
    if "KVP" not in query:  # instances that do not agree
        assert rows
    if ":uid" in query:
        assert [Path(path).name for (path,) in rows] == ["CT_small.dcm"]


def test_views_agree_with_the_catalog(database: sqlite3.Connection) -> None:
    """What SQL tells is what the catalog tells."""
    (file,) = (row[2] for row in database.execute("PRAGMA database_list"))
    catalog = open_index(file)
    rows = database.execute("SELECT SeriesInstanceUID, num_instances, Modality FROM series_view").fetchall()
    told = [(s.uid, len(s.instances), s.attributes.get("Modality")) for s in catalog]
    assert sorted(rows, key=repr) == sorted(told, key=repr)
    paths = {
        Path(path)
        for path, member in database.execute("SELECT path, member FROM file_view")
        if member is None
    }
    assert paths >= {
        h.reference
        for s in catalog
        for h in s.instances
        if isinstance(h.reference, Path) and "test_files" in h.reference.parts
    }
    query = "SELECT count(*) FROM instance_attributes WHERE keyword = 'InstanceNumber' AND value IS NOT NULL"
    numbers = [h.attributes.get("InstanceNumber") for s in catalog for h in s.instances]
    assert database.execute(query).fetchone() == (sum(number is not None for number in numbers),)
