"""Two writers of one place at once: whenever the second comes, one is told that it wrote, and that is there.

The second writer begins while the first one stands still just before one of its steps on the place, once for
each of the steps.  No thread has to be lucky, so that a race shows in every round, or is none.
"""

from __future__ import annotations

import errno
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dicomarray
import synthetic
from dicomarray.errors import OutputError
from watching import at_step

SHAPE = (3, 4, 5)
# Called with the number of the writer, the place, and for the second writer what lets the first go on.
Write = Callable[[int, str, threading.Event | None], object]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two series of different values."""
    folder = tmp_path_factory.mktemp("inputs")
    for value in (1, 2):
        synthetic.write_series(folder / str(value), np.full(SHAPE, value, np.int16))
    return [folder / "1", folder / "2"]


@pytest.fixture(scope="module")
def arrays(inputs: list[Path]) -> list[Any]:
    return [dicomarray.load(folder).array for folder in inputs]


def winners(places: Callable[[int], str], write: Write) -> list[tuple[str, int]]:
    """For each step of the first writer the place, and who was told that it wrote there: exactly one.

    The last rounds, in which the first one has the place and the second is refused, are not all gone through.
    """
    turns: list[tuple[str, int]] = []
    while [winner for _, winner in turns[-4:]] != [0] * 4:
        number = len(turns)
        place = places(number)
        both = at_step(number, place, lambda: write(0, place, None), lambda go_on: write(1, place, go_on))  # noqa: B023
        if both is None:
            break
        wrote = [not isinstance(outcome, OutputError) for outcome in both]
        assert sum(wrote) == 1, f"step {number}: {both}"
        turns.append((place, wrote.index(True)))
    assert {winner for _, winner in turns} == {0, 1}
    return turns


def folders(folder: Path) -> Callable[[int], str]:
    def new(number: int) -> str:
        (folder / f"{number:03}").mkdir()
        return str(folder / f"{number:03}")

    return new


# --- two calls of to_dicom and to_numpy -------------------------------------------------------------------


def test_two_of_to_dicom(inputs: list[Path], arrays: list[Any], tmp_path: Path) -> None:
    """The folder holds the series of the one that was told so, and nothing lies beside it.

    Before, both were told so where the second came after the first had looked whether the place was free: it
    took the second's folder away.
    """

    def write(number: int, place: str, go_on: threading.Event | None) -> object:
        return dicomarray.to_dicom(arrays[number], inputs[number], Path(place, "out"))

    for place, winner in winners(folders(tmp_path), write):
        np.testing.assert_array_equal(dicomarray.load(Path(place, "out")).array, arrays[winner])
        assert [path.name for path in Path(place).iterdir()] == ["out"]


def test_two_of_to_numpy(inputs: list[Path], arrays: list[Any], tmp_path: Path) -> None:
    """The array and the sidecar are those of one writer, the one that was told so.

    Before, both were told so, and the array could be of one and the sidecar of the other.
    """

    def write(number: int, place: str, go_on: threading.Event | None) -> object:
        return dicomarray.to_numpy(inputs[number], Path(place, "a.npy"), Path(place, "a.json"))

    for place, winner in winners(folders(tmp_path), write):
        np.testing.assert_array_equal(np.load(Path(place, "a.npy")), arrays[winner])
        uid = json.loads(Path(place, "a.json").read_text())["series"]["SeriesInstanceUID"]
        assert uid == dicomarray.scan(inputs[winner])[0].uid
        assert sorted(path.name for path in Path(place).iterdir()) == ["a.json", "a.npy"]


def test_two_of_to_numpy_that_overwrite(inputs: list[Path], arrays: list[Any], tmp_path: Path) -> None:
    """Both may write; what stays are the array and the sidecar of one of them, whenever the second comes.

    Before, the array of the first could stay beside the sidecar of the second.
    """
    uids = [dicomarray.scan(folder)[0].uid for folder in inputs]
    files = tmp_path / "a.npy", tmp_path / "a.json"

    def write(number: int) -> object:
        return dicomarray.to_numpy(inputs[number], *files, overwrite=True)

    write(0)
    for number in range(100):
        if at_step(number, str(tmp_path), lambda: write(0), lambda _: write(1)) is None:
            break
        writer = uids.index(json.loads(files[1].read_text())["series"]["SeriesInstanceUID"])
        np.testing.assert_array_equal(np.load(files[0]), arrays[writer])
        assert sorted(tmp_path.iterdir()) == sorted(files)
    assert number > 5


# --- two runs ---------------------------------------------------------------------------------------------


class Runs:
    """Two runs of one series into one place, which overwrite: an earlier ledger is no reason to refuse.

    The second one stays in its function until the first has ended, so that both are at work at the same time,
    unless one is refused.
    """

    def __init__(self, series: Path, place: str) -> None:
        self.series, self.place = series, place
        self.at_work = self.most_at_work = 0
        self.first_ended = threading.Event()

    def first(self) -> object:
        try:
            return self._run(1, lambda: None)
        finally:
            self.first_ended.set()

    def second(self, go_on: threading.Event) -> object:
        def stay() -> None:
            go_on.set()
            self.first_ended.wait(1)

        return self._run(2, stay)

    def _run(self, number: int, stay: Callable[[], object]) -> object:
        def function(volume: dicomarray.Volume) -> object:
            self.at_work += 1
            self.most_at_work = max(self.most_at_work, self.at_work)
            stay()
            self.at_work -= 1
            return volume.array + number

        return dicomarray.run(self.series, self.place, function, overwrite=True)


def check_runs(places: Callable[[int], str], series: Path) -> list[str]:
    """Two runs at each step of the first: never two at work; the places hold the results of one."""
    array = dicomarray.load(series).array
    turns: list[tuple[str, bool]] = []
    while [first_wrote for _, first_wrote in turns[-4:]] != [True] * 4:
        runs = Runs(series, places(len(turns)))
        both = at_step(len(turns), runs.place.removeprefix("memory:/"), runs.first, runs.second)
        if both is None:
            break
        assert runs.most_at_work == 1, f"step {len(turns)}: {runs.most_at_work} runs at work"
        wrote = [number for number, outcome in enumerate(both, 1) if not isinstance(outcome, OutputError)]
        result = dicomarray.scan(runs.place)[0].volume().array
        assert any(np.array_equal(result, array + number) for number in wrote)
        turns.append((runs.place, 1 in wrote))
    assert {first_wrote for _, first_wrote in turns} == {False, True}
    return [place for place, _ in turns]


def test_two_runs_into_one_folder(inputs: list[Path], tmp_path: Path) -> None:
    """One is at work at a time; who comes meanwhile is refused.

    It was so before: the lock of a folder is one of the system.
    """
    for place in check_runs(lambda number: str(tmp_path / f"{number:03}"), inputs[0]):
        assert not list(Path(place).glob(".dicomarray-run*"))


def test_two_runs_after_one_that_died_where_there_are_no_locks(
    inputs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark of the dead run is taken away once, and not the mark of the other run with it.

    Before, both found the dead one's file; the second removed it and had its own there, which the first then
    removed as if it were the dead one's: both were at work in one folder, with one ledger.
    """
    fcntl = pytest.importorskip("fcntl")

    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    code = [sys.executable, "-c", "import os; print(os.getpid())"]
    dead = int(subprocess.run(code, check=True, capture_output=True).stdout)

    def new(number: int) -> str:
        place = tmp_path / f"{number:03}"
        place.mkdir()
        (place / ".dicomarray-run.pid").write_text(f"{dead} {socket.gethostname()}\n")
        return str(place)

    for place in check_runs(new, inputs[0]):
        assert not list(Path(place).glob(".dicomarray-run.pid*"))


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A store that tells of each step, as the system does of files."""
    kind = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem

    def telling(name: str) -> Callable[..., object]:
        method = getattr(kind, name)

        def told(self: object, path: object, *arguments: object, **options: object) -> object:
            sys.audit(f"store.{name}", path if isinstance(path, str) else "")
            return method(self, path, *arguments, **options)

        return told

    for name in ("cat_file", "pipe_file", "rm_file", "ls", "exists"):
        monkeypatch.setattr(kind, name, telling(name))
    kind.store.clear()
    yield kind
    kind.store.clear()


def test_two_runs_into_one_store(memory: Any, inputs: list[Path]) -> None:
    """One is at work at a time; who comes meanwhile is refused.

    Before, both looked for a lock and found none; the second wrote its own and began, and the first replaced
    that by its own: both were at work, and the ledger of one replaced that of the other.
    """
    for place in check_runs(lambda number: f"memory://out{number:03}", inputs[0]):
        folder = place.removeprefix("memory:/")
        assert not [name for name in memory.store if name.startswith(f"{folder}/.dicomarray-run")]
