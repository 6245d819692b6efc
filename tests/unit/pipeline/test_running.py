"""`run` in this process: what functions may return, the ledger, and what is done again."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

import dicomarray
import synthetic
from dicomarray.errors import InputError, OutputError, UsageError
from dicomarray.pipeline.ledger import read_entries
from dicomarray.pipeline.work import remove_leftovers
from dicomarray.volume import Volume

KEY: dict[str, Any] = {"uid_key": "test"}


def plus_one(volume: Volume, step: int = 1) -> Any:
    return volume.array + step


def two_results(volume: Volume) -> Any:
    return {"more": volume.array + 1, "mask": volume.array > 0}


class Counting:
    """Adds how many volumes it has seen."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, volume: Volume) -> Any:
        self.seen += 1
        return volume.array + self.seen


def sum_of_study(volumes: dict[str, Volume]) -> Any:
    total = sum(volume.array for volume in volumes.values())
    return {uid: {"sum": total} for uid in sorted(volumes)[:1]}


def ledger(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two CT series of one study."""
    for number in (1, 2):
        common = {
            "SeriesInstanceUID": f"1.2.3.{number}",
            "SeriesNumber": number,
            "StudyInstanceUID": "1.2.3",
        }
        values = np.clip(synthetic.stored_values(), 0, 4000)
        synthetic.write_series(tmp_path / "archive" / f"series{number}", values, common=common)
    return tmp_path / "archive"


def test_named_results_are_series_of_their_own(archive: Path, tmp_path: Path) -> None:
    """Two results: a folder each below that of the series; names, numbers and UIDs tell them apart."""
    report = dicomarray.run(archive / "series1", tmp_path / "out", two_results, **KEY)
    (entry,) = report
    assert entry.status == "written", entry.error
    assert [output.name for output in entry.outputs] == ["more", "mask"]
    headers = [pydicom.dcmread(output.files[0]) for output in entry.outputs]
    assert [h.SeriesDescription for h in headers] == ["SYNTHETIC SERIES more", "SYNTHETIC SERIES mask"]
    assert [h.SeriesNumber for h in headers] == [1001, 2001]
    assert len({h.SeriesInstanceUID for h in headers}) == 2
    source = dicomarray.load(archive / "series1").array
    np.testing.assert_array_equal(dicomarray.load(tmp_path / "out" / entry.name / "more").array, source + 1)
    np.testing.assert_array_equal(dicomarray.load(tmp_path / "out" / entry.name / "mask").array, source > 0)
    assert entry.outputs[0].shape == source.shape
    assert entry.outputs[0].affine is not None


def test_every_volume_of_a_series(tmp_path: Path) -> None:
    """A series with two volumes gives two results; with volume=1 only that one."""
    echoes = np.stack([np.full(synthetic.SHAPE, value, np.uint16) for value in (100, 200)])
    for index, echo in enumerate(echoes):
        common = {"SeriesInstanceUID": "1.2.3", "EchoTime": 10 + index, "EchoNumbers": index + 1}
        synthetic.write_series(tmp_path / "mr", echo, modality="MR", common=common)
    assert len(dicomarray.scan(tmp_path / "mr")[0].volumes()) == 2
    (entry,) = dicomarray.run(tmp_path / "mr", tmp_path / "out", plus_one)
    assert [output.name for output in entry.outputs] == ["volume0", "volume1"], entry.error
    assert [output.volume for output in entry.outputs] == [0, 1]
    assert [dicomarray.load(o.folder).array.max() for o in entry.outputs] == [101, 201]
    (entry,) = dicomarray.run(tmp_path / "mr", tmp_path / "one", plus_one, volume=1)
    assert [(output.name, output.volume) for output in entry.outputs] == [("", 1)]
    assert dicomarray.load(tmp_path / "one").array.max() == 201


def test_a_failure_writes_nothing(archive: Path, tmp_path: Path) -> None:
    """Where the second result cannot be written, the first one is not there either."""

    def second_is_nan(volume: Volume) -> Any:
        return {"good": volume.array, "bad": volume.array * np.nan}

    report = dicomarray.run(archive, tmp_path / "out", second_is_nan)
    assert len(report.failed) == 2
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"ledger.jsonl", "report.html"}


def test_another_grid(archive: Path, tmp_path: Path) -> None:
    """A Volume with every second slice is written where its slices lie."""

    def every_second(volume: Volume) -> Any:
        assert volume.affine is not None
        return volume.on_grid(volume.array[::2], volume.affine @ np.diag([2, 1, 1, 1]))

    (entry,) = dicomarray.run(archive / "series1", tmp_path / "out", every_second)
    assert entry.status == "written", entry.error
    source, result = dicomarray.load(archive / "series1"), dicomarray.load(tmp_path / "out")
    np.testing.assert_array_equal(result.array, source.array[::2])
    assert source.spacing is not None and result.spacing is not None
    assert result.spacing[0] == pytest.approx(2 * source.spacing[0])


def test_per_study(archive: Path, tmp_path: Path) -> None:
    """The function gets all volumes of a study by UID; results lie in the study's folder."""
    (entry,) = dicomarray.run(archive, tmp_path / "out", sum_of_study, per="study")
    assert entry.status == "written", entry.error
    assert entry.series_uids == ("1.2.3.1", "1.2.3.2")
    (output,) = entry.outputs
    assert output.source_uid == "1.2.3.1"
    both = sum(dicomarray.load(archive / f"series{n}").array for n in (1, 2))
    np.testing.assert_array_equal(dicomarray.load(tmp_path / "out").array, both)


@pytest.mark.parametrize("wrong", [1, {}, {"1.2": 1}])
def test_per_study_wrong_result(archive: Path, tmp_path: Path, wrong: Any) -> None:
    """A result that belongs to no series of the study fails the study."""
    (entry,) = dicomarray.run(archive, tmp_path / "out", lambda _: wrong, per="study")
    assert "study" in str(entry.error)


def test_class_is_one_object(archive: Path, tmp_path: Path) -> None:
    """A class is set up once, and its object sees every volume."""
    report = dicomarray.run(archive, tmp_path / "out", Counting)
    source = dicomarray.load(archive / "series1").array
    greatest = [dicomarray.load(entry.output).array.max() - source.max() for entry in report if entry.output]
    assert greatest == [1, 2]


def test_ledger_tells_everything_but_names(archive: Path, tmp_path: Path) -> None:
    """Function, parameters, options, versions and results stand in it; no patient, no absolute path."""
    parameters = {"step": 2}
    report = dicomarray.run(archive, tmp_path / "out", plus_one, parameters=parameters, **KEY)
    first, *entries = ledger(tmp_path / "out")
    assert first["function"]["name"].endswith(":plus_one")
    assert len(first["function"]["digest"]) == 64
    assert first["parameters"] == parameters
    assert first["writing"]["uid_key"].startswith("sha256:")
    assert first["versions"]["dicomarray"] == dicomarray.__version__
    assert [entry["status"] for entry in entries] == ["written", "written"]
    assert first.pop("source") == Path(__file__).read_text(encoding="utf-8")
    text = json.dumps([first, *entries])
    assert not [word for word in ("SYNTHETIC^", "SYNTHETIC-1", str(tmp_path)) if word in text]
    assert read_entries(tmp_path / "out" / "ledger.jsonl") == list(report)


def test_resume_does_only_what_is_needed(archive: Path, tmp_path: Path) -> None:
    """What is done stays; changed input, lost output and other parameters are done again."""
    output = tmp_path / "out"

    def done_again(**options: Any) -> list[str]:
        report = dicomarray.run(archive, output, plus_one, resume=True, **(KEY | options))
        assert not report.failed
        return [entry.series_uid for entry in report if not entry.resumed]

    assert done_again() == ["1.2.3.1", "1.2.3.2"]
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.dcm")}
    assert done_again() == []
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.dcm")} == before
    os.utime(archive / "series2" / "0001.dcm", (1, 1))
    assert done_again() == ["1.2.3.2"]
    next(output.rglob("CT_0001*/0001.dcm")).unlink()
    assert done_again() == ["1.2.3.1"]
    assert done_again(parameters={"step": 2}) == ["1.2.3.1", "1.2.3.2"]
    assert done_again(parameters={"step": 2}) == []


def test_resume_does_failed_ones_again(archive: Path, tmp_path: Path) -> None:
    """A failure is tried again; the report has the last word of each series only."""
    wanted = tmp_path / "wanted"

    def works_later(volume: Volume) -> Any:
        if not wanted.exists() and volume.series["SeriesNumber"] == 2:
            raise ValueError("not yet")
        return volume.array

    report = dicomarray.run(archive, tmp_path / "out", works_later)
    assert [entry.series_uid for entry in report.failed] == ["1.2.3.2"]
    assert "not yet" in str(report.failed[0].traceback)
    wanted.touch()
    report = dicomarray.run(archive, tmp_path / "out", works_later, resume=True)
    assert [(entry.status, entry.resumed) for entry in report] == [("written", True), ("written", False)]


def test_resume_does_new_ones_first(archive: Path, tmp_path: Path) -> None:
    """What failed comes after what was never tried: a series that hangs must not hold up the others."""

    def fails(volume: Volume) -> Any:
        raise ValueError(str(volume))

    dicomarray.run(archive / "series1", tmp_path / "out", fails)
    order: list[str] = []
    report = dicomarray.run(
        archive,
        tmp_path / "out",
        fails,
        resume=True,
        finished=lambda entry, _: order.append(entry.series_uid),
    )
    assert order == ["1.2.3.2", "1.2.3.1"]
    assert [entry.series_uid for entry in report] == ["1.2.3.1", "1.2.3.2"]


def test_resume_after_a_kill(archive: Path, tmp_path: Path) -> None:
    """A torn line, a folder without an entry and a half-done one: all is put right, byte for byte."""
    dicomarray.run(archive, tmp_path / "whole", plus_one, **KEY)
    output = tmp_path / "out"
    dicomarray.run(archive, output, plus_one, **KEY)
    book = output / "ledger.jsonl"
    book.write_bytes(book.read_bytes()[:-20])
    name = ledger(tmp_path / "whole")[-1]["name"]
    half = output / f".{name}.abcdefgh.part"
    half.mkdir()
    (half / "0001.dcm").write_bytes(b"half")
    report = dicomarray.run(archive, output, plus_one, resume=True, **KEY)
    assert [entry.resumed for entry in report] == [True, False]
    assert not half.exists()
    ledger(output)  # every line is one again

    def contents(folder: Path) -> dict[Path, bytes]:
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.dcm")}

    assert contents(output) == contents(tmp_path / "whole")


def test_a_replaced_result_comes_back(archive: Path, tmp_path: Path) -> None:
    """Killed between taking the old result away and putting the new one in place: the old one is kept."""
    output = tmp_path / "out"
    report = dicomarray.run(archive, output, plus_one, **KEY)
    name = report.entries[0].name
    old = output / f".{name}.abcdefgh.old"
    old.mkdir()
    (output / name).rename(old / name)
    remove_leftovers(output / name)
    assert (output / name / "0001.dcm").is_file()
    assert not old.exists()


def test_earlier_run_is_refused(archive: Path, tmp_path: Path) -> None:
    """An output folder with a ledger needs resume or overwrite, and not both."""
    dicomarray.run(archive, tmp_path / "out", plus_one)
    with pytest.raises(OutputError, match="--resume"):
        dicomarray.run(archive, tmp_path / "out", plus_one)
    with pytest.raises(UsageError, match="choose one"):
        dicomarray.run(archive, tmp_path / "out", plus_one, resume=True, overwrite=True)
    report = dicomarray.run(archive, tmp_path / "out", plus_one, overwrite=True)
    assert [entry.resumed for entry in report] == [False, False]
    assert [record["record"] for record in ledger(tmp_path / "out")].count("run") == 2


def test_foreign_ledger(archive: Path, tmp_path: Path) -> None:
    """A ledger.jsonl that is none is not appended to."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "ledger.jsonl").write_text("a diary\n")
    with pytest.raises(InputError, match="line 1 is not JSON"):
        dicomarray.run(archive, tmp_path / "out", plus_one, resume=True)
    assert (tmp_path / "out" / "ledger.jsonl").read_text() == "a diary\n"


def test_observe(archive: Path, tmp_path: Path) -> None:
    """What the observe function returns stands in the entry and in the ledger; an error fails the series."""

    def seen(volume: Volume, result: Volume) -> Any:
        return {"change": float((result.array - volume.array).max())}

    report = dicomarray.run(archive, tmp_path / "out", plus_one, observe=seen)
    assert [entry.outputs[0].observed for entry in report] == [{"change": 1.0}] * 2
    report = dicomarray.run(archive, tmp_path / "other", plus_one, observe=lambda *_: object())
    assert "observe" in str(report.failed[0].error)


def test_files_that_change_after_the_scan(archive: Path, tmp_path: Path) -> None:
    """A series whose files are others than those that were scanned fails, and is not mixed up."""

    def changes_the_next(volume: Volume) -> Any:
        os.utime(archive / "series2" / "0001.dcm", (1, 1))
        return volume.array

    report = dicomarray.run(archive, tmp_path / "out", changes_the_next)
    assert [entry.status for entry in report] == ["written", "failed"]
    assert "changed since they were scanned" in str(report.failed[0].error)


def test_a_missing_package_for_a_scheduler_begins_no_ledger(
    ct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is installed the same command runs, as if nothing had been."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match="needs the package distributed"):
        dicomarray.run(
            ct, tmp_path / "out", "dicomarray.demo.functions:smooth", scheduler="tcp://127.0.0.1:1"
        )
    assert not (tmp_path / "out").exists()
