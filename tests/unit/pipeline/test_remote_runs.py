"""Runs from and to stores: what arrives, what is done again, and what is left behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dicomarray
import synthetic
from dicomarray.errors import OutputError, StorageError, UsageError
from dicomarray.pipeline import ledger
from dicomarray.pipeline.ledger import read_entries
from dicomarray.volume import Volume

memory = pytest.importorskip("fsspec.implementations.memory")
ARCHIVE, RESULTS = "memory://archive", "memory://results"
KEY: dict[str, Any] = {"uid_key": "test"}


def plus_one(volume: Volume) -> Any:
    return volume.array + 1


def two_results(volume: Volume) -> Any:
    return {"more": volume.array + 1, "mask": volume.array > 0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two CT series."""
    for number in (1, 2):
        values = np.clip(synthetic.stored_values((3, 20, 30)), 0, 4000)
        common = {"SeriesInstanceUID": f"1.2.3.{number}", "SeriesNumber": number}
        synthetic.write_series(tmp_path / "archive" / f"series{number}", values, common=common)
    return tmp_path / "archive"


@pytest.fixture
def store(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A store that has them, and a folder of its own for temporary files, which is empty at the end."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    made = memory.MemoryFileSystem()
    made.store.clear()
    for path in folder.rglob("*.dcm"):
        made.pipe_file(f"/archive/{path.relative_to(folder).as_posix()}", path.read_bytes())
    yield made
    assert not list(temporary.glob("dicomarray-run-*"))
    made.store.clear()


def names(store: Any) -> list[str]:
    return [name.removeprefix("/results/") for name in store.find("/results")]


def test_from_store_to_store(store: Any, folder: Path) -> None:
    """Every series is sent with the ledger, nothing else; it reads back as it was made."""
    report = dicomarray.run(ARCHIVE, RESULTS, plus_one, **KEY)
    assert [entry.error for entry in report] == [None, None]
    expected = [f"{e.name}/{n:04d}.dcm" for e in report for n in (1, 2, 3)]
    assert names(store) == sorted([*expected, "ledger.jsonl", "report.html"])
    for entry, source in zip(report, ("series1", "series2"), strict=True):
        assert str(entry.output) == f"{RESULTS}/{entry.name}"
        assert [str(file) for file in entry.outputs[0].files] == [
            f"{entry.output}/{n:04d}.dcm" for n in (1, 2, 3)
        ]
        array = dicomarray.load(str(entry.output)).array
        np.testing.assert_array_equal(array, dicomarray.load(folder / source).array + 1)
    assert str(report.ledger) == f"{RESULTS}/ledger.jsonl"
    assert [entry.output for entry in read_entries(str(report.ledger))] == [entry.output for entry in report]


def test_same_result_as_here(store: Any, folder: Path, tmp_path: Path) -> None:
    """From and to a store the bytes are those of a run on this computer."""
    report = dicomarray.run(folder, tmp_path / "here", two_results, **KEY)
    dicomarray.run(ARCHIVE, RESULTS, two_results, **KEY)
    dicomarray.run(ARCHIVE, tmp_path / "mixed", two_results, **KEY)
    dicomarray.run(folder, "memory://mixed", two_results, **KEY)
    files = [file for entry in report for output in entry.outputs for file in output.files]
    assert len(files) == 12
    for file in files:
        assert isinstance(file, Path)
        name = file.relative_to(tmp_path / "here").as_posix()
        assert store.cat_file(f"/results/{name}") == file.read_bytes()
        assert store.cat_file(f"/mixed/{name}") == file.read_bytes()
        assert (tmp_path / "mixed" / name).read_bytes() == file.read_bytes()
    assert {path.name for path in (tmp_path / "mixed").iterdir()} == {
        *(entry.name for entry in report),
        "ledger.jsonl",
        "report.html",
        ".thumbnails.jsonl",
    }


def test_resume(store: Any) -> None:
    """What is whole is left alone; what lacks a file, was half sent or changed is done again."""
    first = dicomarray.run(ARCHIVE, RESULTS, plus_one, **KEY)
    with pytest.raises(OutputError, match="earlier run"):
        dicomarray.run(ARCHIVE, RESULTS, plus_one, **KEY)
    assert [e.resumed for e in dicomarray.run(ARCHIVE, RESULTS, plus_one, resume=True, **KEY)] == [True, True]
    store.rm_file(f"/results/{first.entries[1].name}/0002.dcm")
    store.pipe_file(f"/results/{first.entries[1].name}/left-behind.dcm", b"half")
    store.pipe_file(f"/results/.{first.entries[1].name}.uploading", b"1 somewhere")
    again = dicomarray.run(ARCHIVE, RESULTS, plus_one, resume=True, **KEY)
    assert [(e.status, e.resumed) for e in again] == [("written", True), ("written", False)]
    assert len(names(store)) == 8
    store.pipe_file("/archive/series1/0001.dcm", store.cat_file("/archive/series1/0001.dcm"))
    again = dicomarray.run(ARCHIVE, RESULTS, plus_one, resume=True, **KEY)
    assert [e.resumed for e in again] == [False, True]


def test_nothing_is_overwritten_without_being_asked(store: Any) -> None:
    """An existing result fails its series; with overwrite it is replaced, but nothing that is no result."""
    first = dicomarray.run(ARCHIVE, RESULTS, plus_one)
    before = {name: store.cat_file(f"/results/{name}") for name in names(store) if name.endswith(".dcm")}
    store.rm_file("/results/ledger.jsonl")
    report = dicomarray.run(ARCHIVE, RESULTS, plus_one)
    assert ["exists and is not empty" in str(entry.error) for entry in report] == [True, True]
    assert {name: store.cat_file(f"/results/{name}") for name in before} == before
    store.pipe_file(f"/results/{first.entries[0].name}/thesis.txt", b"mine")
    report = dicomarray.run(ARCHIVE, RESULTS, plus_one, overwrite=True)
    assert "thesis.txt" in str(report.entries[0].error)
    assert report.entries[1].status == "written"
    assert store.cat_file(f"/results/{first.entries[0].name}/thesis.txt") == b"mine"
    assert store.cat_file(f"/results/{first.entries[0].name}/0001.dcm") in before.values()
    assert store.cat_file(f"/results/{first.entries[1].name}/0001.dcm") not in before.values()


def test_upload_that_fails(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent of it is removed, the entry names the URL and the reason; the others are written."""
    usual = memory.MemoryFileSystem.put_file

    def put_file(self: Any, source: str, path: str, *arguments: Any, **keywords: Any) -> None:
        if "CT_0001" in path and path.endswith("0002.dcm"):
            raise OSError("the quota is used up")
        usual(self, source, path, *arguments, **keywords)

    monkeypatch.setattr(memory.MemoryFileSystem, "put_file", put_file)
    failed, written = dicomarray.run(ARCHIVE, RESULTS, plus_one, **KEY)
    assert "memory://results/CT_0001" in str(failed.error)
    assert "quota" in str(failed.error)
    assert written.status == "written"
    assert {name.partition("/")[0] for name in names(store)} == {written.name, "ledger.jsonl", "report.html"}


def test_upload_that_arrives_torn(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that says it has a file, and has less of it, is found out."""
    usual = memory.MemoryFileSystem.put_file

    def put_file(self: Any, source: str, path: str, *arguments: Any, **keywords: Any) -> None:
        usual(self, source, path, *arguments, **keywords)
        if path.endswith("0002.dcm"):
            self.pipe_file(path, self.cat_file(path)[:-2])

    monkeypatch.setattr(memory.MemoryFileSystem, "put_file", put_file)
    report = dicomarray.run(ARCHIVE, RESULTS, plus_one, **KEY)
    assert ["not what was sent" in str(entry.error) for entry in report] == [True, True]
    assert names(store) == ["ledger.jsonl", "report.html"]


def test_ledger_that_cannot_be_sent(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends with an error that tells where the ledger is."""
    usual = memory.MemoryFileSystem.put_file
    sent: list[str] = []

    def put_file(self: Any, source: str, path: str, *arguments: Any, **keywords: Any) -> None:
        if path.endswith("ledger.jsonl"):
            sent.append(path)
            if len(sent) > 1:
                raise OSError("gone")
        usual(self, source, path, *arguments, **keywords)

    monkeypatch.setattr(memory.MemoryFileSystem, "put_file", put_file)
    monkeypatch.setattr(ledger, "LEDGER_SECONDS", 0.0)
    with pytest.raises(StorageError, match="could not be sent") as caught:
        dicomarray.run(ARCHIVE, RESULTS, plus_one, **KEY)
    saved = Path(str(caught.value).partition("it is ")[2].partition("jsonl")[0] + "jsonl")
    assert [entry.status for entry in read_entries(saved)] == ["written", "written"]
    assert len(sent) == 4  # each line was tried, and the end


def test_lock(store: Any) -> None:
    """One run at a time; what a dead process of this machine left is no hindrance."""
    store.pipe_file("/results/.dicomarray-run.lock", b"1 another-machine 2026-01-01T00:00:00Z x")
    with pytest.raises(OutputError, match="process 1 on another-machine, since 2026"):
        dicomarray.run(ARCHIVE, RESULTS, plus_one)
    assert names(store) == [".dicomarray-run.lock"]
    host = os.uname().nodename
    store.pipe_file("/results/.dicomarray-run.lock", f"999999999 {host} 2026-01-01T00:00:00Z x".encode())
    assert len(dicomarray.run(ARCHIVE, RESULTS, plus_one).written) == 2
    assert ".dicomarray-run.lock" not in names(store)


def test_wrong_use(store: Any, folder: Path, tmp_path: Path) -> None:
    """What cannot work is refused before anything is read."""
    with pytest.raises(UsageError, match=r"memory:// store is seen by its own process only"):
        dicomarray.run(ARCHIVE, tmp_path / "out", "builtins:abs", workers=2)
    with pytest.raises(OutputError, match="inside the input"):
        dicomarray.run(ARCHIVE, f"{ARCHIVE}/results", plus_one)
    with pytest.raises(OutputError, match="inside the input"):
        dicomarray.run(folder, f"file://{folder}/results", plus_one)
    with pytest.raises(UsageError, match="none of the characters"):
        dicomarray.run(ARCHIVE, "memory://results[1]", plus_one)


def test_a_message_names_the_url(store: Any) -> None:
    """What is wrong with a file is told by its URL, not by the name of its copy."""
    data = store.cat_file("/archive/series1/0002.dcm")
    store.pipe_file("/archive/series1/0002.dcm", data[:-100])
    failed, _ = dicomarray.run(ARCHIVE, RESULTS, plus_one)
    assert str(failed.error).startswith("memory://archive/series1/0002.dcm: truncated")


def test_worker_processes(folder: Path, tmp_path: Path) -> None:
    """Several processes read from and write to a store; one that is ended leaves nothing there."""
    (tmp_path / "steps.py").write_text(
        "import time\n"
        "def function(volume):\n"
        "    if volume.metadata['series']['SeriesNumber'] == 2:\n"
        "        time.sleep(100)\n"
        "    return volume.array + 1\n"
    )
    function = f"{tmp_path / 'steps.py'}:function"
    places = f"file://{folder}", f"file://{tmp_path}/results"
    written, failed = dicomarray.run(*places, function, workers=2, timeout=4, **KEY)
    assert (written.error, failed.status) == (None, "failed")
    assert "time limit" in str(failed.error)
    array = dicomarray.load(str(written.output)).array
    np.testing.assert_array_equal(array, dicomarray.load(folder / "series1").array + 1)
    assert {path.name for path in (tmp_path / "results").iterdir()} == {
        written.name,
        "ledger.jsonl",
        "report.html",
    }
