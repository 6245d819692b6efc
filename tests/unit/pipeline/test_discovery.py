"""What there is to do, found in this process or in one of its own: the same jobs, errors and progress."""

import tempfile
import zipfile
from collections import ChainMap
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import dicomarray
import synthetic
from dicomarray.catalog.series_selection import ScanRequest
from dicomarray.errors import InputError
from dicomarray.pipeline import discovery
from dicomarray.pipeline.compressed_sequence import CompressedSequence
from dicomarray.pipeline.discovery import Search, find_jobs
from dicomarray.pipeline.jobs import Job
from dicomarray.runtime.processes import Child
from dicomarray.volume import Volume

Processes = list[Child]


def doubled(volume: Volume) -> Any:
    return volume.array * 2


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Three series of two studies, one of them in a zip, and a file that is no image."""
    folder = tmp_path / "archive"
    for number in (1, 2, 3):
        common = {
            "SeriesInstanceUID": f"1.2.3.{number}",
            "SeriesNumber": number,
            "StudyInstanceUID": f"1.2.{number // 2}",
        }
        values = np.clip(synthetic.stored_values(), 0, 4000)
        files = synthetic.write_series(folder / f"series{number}", values, common=common)
    with zipfile.ZipFile(folder / "third.zip", "w") as zipped:
        for file in files:
            zipped.write(file, file.name)
            file.unlink()
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Processes:
    """Every search is large; the processes that were started for them."""
    started: Processes = []

    def start(function: str) -> Child:
        started.append(Child(function))
        return started[-1]

    monkeypatch.setattr(discovery, "FILES_WITHOUT_PROCESS", 0)
    monkeypatch.setattr(discovery, "Child", start)
    return started


def search(*roots: Path, **others: Any) -> Search:
    per = others.pop("per", "series")
    return Search(ScanRequest(roots, **others), per, Path("/results"))


def here(asked: Search) -> list[Job]:
    return list(discovery.jobs_here(asked, None))


def without_places(jobs: list[Job] | CompressedSequence[Job]) -> list[Any]:
    """The jobs; of files from an archive only their names, since each process unpacks into its own folder."""
    return [
        (
            job.title,
            job.output,
            job.inputs,
            files.uid,
            str(reference),
        )
        for job in jobs
        for files in job.series
        for reference in files.files
    ]


@pytest.mark.parametrize(
    "others",
    [{}, {"per": "study", "config": {"SeriesNumber": {"gte": 2}}}, {"config": {"Modality": "XX"}}],
    ids=["all", "studies", "none"],
)
def test_the_same_jobs(archive: Path, tmp_path: Path, processes: Processes, others: dict[str, Any]) -> None:
    """Names, files, digests and order do not depend on who looked for them."""
    asked = search(archive, **others)
    found = find_jobs(asked, None, tmp_path)
    assert without_places(found) == without_places(here(asked))
    assert len(processes) == 1


def test_the_same_jobs_of_an_index(archive: Path, tmp_path: Path, processes: Processes) -> None:
    """A large index is asked by a process of its own too."""
    dicomarray.index(archive, tmp_path / "index")
    asked = search(archive, index=tmp_path / "index")
    found = find_jobs(asked, None, tmp_path)
    assert len(found) == 3
    assert without_places(found) == without_places(here(asked))
    assert len(processes) == 1


def test_only_a_large_archive_takes_a_process(
    archive: Path, tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files and folders are counted, below a root or given by name; up to the limit nothing is started."""
    everything = len(list(archive.rglob("*"))) + 1
    monkeypatch.setattr(discovery, "FILES_WITHOUT_PROCESS", everything)
    assert len(find_jobs(search(archive), None, tmp_path)) == 3
    assert not processes
    monkeypatch.setattr(discovery, "FILES_WITHOUT_PROCESS", everything - 1)
    assert len(find_jobs(search(archive), None, tmp_path)) == 3
    assert len(processes) == 1
    monkeypatch.setattr(discovery, "FILES_WITHOUT_PROCESS", 5)
    assert len(find_jobs(search(*sorted((archive / "series1").iterdir())), None, tmp_path)) == 1
    assert len(processes) == 2


def test_progress_comes_through(archive: Path, tmp_path: Path, processes: Processes) -> None:
    """What is told at last is what a scan here tells at last; before it, never more."""
    told: list[tuple[Any, ...]] = []
    expected: list[tuple[Any, ...]] = []
    find_jobs(search(archive), lambda *numbers: told.append(numbers), tmp_path)
    list(discovery.jobs_here(search(archive), lambda *numbers: expected.append(numbers)))
    assert told[-1] == expected[-1]
    assert set(told) <= set(expected)


def test_errors_come_through(tmp_path: Path, processes: Processes, capfd: pytest.CaptureFixture[str]) -> None:
    """They have the same class and message, and nothing goes to standard error."""
    asked = search(tmp_path / "nowhere")
    with pytest.raises(InputError) as expected:
        here(asked)
    with pytest.raises(InputError) as raised:
        find_jobs(asked, None, tmp_path)
    assert str(raised.value) == str(expected.value) == f"{tmp_path / 'nowhere'} does not exist"
    assert not processes[0].is_alive
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupt_ends_the_process(
    archive: Path, tmp_path: Path, processes: Processes, error: type[BaseException]
) -> None:
    """Ctrl-C, or a progress that fails, goes to the caller; the process is gone then."""

    def fail(*_: object) -> None:
        raise error

    with pytest.raises(error):
        find_jobs(search(archive), fail, tmp_path)
    assert not processes[0].is_alive


def test_a_killed_process_is_an_error(
    archive: Path, tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says how the process died and what to do; no run over half of the archive follows."""

    def start_and_kill(function: str) -> Child:
        process = Child(function)
        process.kill()
        return process

    monkeypatch.setattr(discovery, "Child", start_and_kill)
    with pytest.raises(InputError, match=r"died: signal 9 \(SIGKILL\).*dicomarray index"):
        dicomarray.run(archive, tmp_path / "out", doubled)
    assert not (tmp_path / "out").exists()


def test_a_crash_is_an_error_with_its_traceback(
    tmp_path: Path, processes: Processes, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is no error of ours is told on standard error, as Python tells it."""
    broken: ChainMap[str, int] = ChainMap(7)  # type: ignore[arg-type]  # a mapping that raises when it is read
    with pytest.raises(InputError, match="exited with code 1"):
        find_jobs(search(tmp_path, per="series", config=broken), None, tmp_path)
    assert "Traceback" in capfd.readouterr().err


def test_a_config_that_cannot_be_sent(archive: Path, tmp_path: Path, processes: Processes) -> None:
    """A mapping that cannot be pickled is a config all the same: this process looks."""
    config = MappingProxyType({"SeriesNumber": 2})
    assert [job.title for job in find_jobs(search(archive, config=config), None, tmp_path)] == [
        "CT 2 1.2.3.2 SYNTHETIC SERIES"
    ]
    assert not processes


def test_a_run_leaves_nothing_behind(
    archive: Path, tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the process unpacked is there for the run, and gone after it."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    report = dicomarray.run(archive, tmp_path / "out", doubled)
    assert [entry.error for entry in report] == [None, None, None]
    assert [entry.series_uid for entry in report] == ["1.2.3.1", "1.2.3.2", "1.2.3.3"]
    source = dicomarray.load(archive, series="1.2.3.3").array
    assert report.entries[2].output is not None
    np.testing.assert_array_equal(dicomarray.load(report.entries[2].output).array, source * 2)
    assert not processes[0].is_alive
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert [path for path in temporary.iterdir() if not list(path.rglob("third.zip"))] == []
