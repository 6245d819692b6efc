"""A client or a server that is killed leaves nothing half, and the next call does the rest."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import dicomarray
from pacs import Orthanc, missing, running_orthanc

# In a process of its own: at the so many-th instance a process is killed, this one or the server's.
CALL = """
import os, sys, dicomarray
from dicomarray.sinks import dicomweb
from dicomarray.storage import http
http.FIRST_WAIT_SECONDS = 0.01
dicomweb.PIECE_INSTANCES = 2  # so that a push can be killed between requests
call, source, target, number, process = sys.argv[1:]

def progress(files, *_):
    if files == int(number):
        os.kill(int(process) or os.getpid(), 9)

report = getattr(dicomarray, call)(source, target, progress=progress)
sys.exit(3 if report.failed else 0)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """A server of its own, which is killed and started again."""
    if (what := missing()) is not None:
        pytest.skip(what)
    with running_orthanc(tmp_path_factory.mktemp("killed")) as running:
        yield running


@pytest.fixture
def archive(make_series: Callable[..., Path], server: Orthanc) -> list[Path]:
    """Two series; the server is empty."""
    server.clear()
    return [make_series(name="one"), make_series(name="two")]


def killed(call: str, source: object, target: object, number: int, process: int = 0) -> int:
    """The exit code of a call during which a process is killed."""
    arguments = [sys.executable, "-c", CALL, call, str(source), str(target), str(number), str(process)]
    return subprocess.run(arguments, check=False, capture_output=True, timeout=120).returncode


def whole_series(folder: Path) -> list[int]:
    return [len(series.instances) for series in dicomarray.scan(folder)] if folder.is_dir() else []


@pytest.mark.parametrize("number", [1, 4, 6, 7, 12])
def test_a_pull_goes_on_where_it_was_killed(
    server: Orthanc, archive: list[Path], tmp_path: Path, number: int
) -> None:
    """What shows is whole at any time, and in the end all of it is there once."""
    dicomarray.push(archive, server.url)
    output = tmp_path / "pulled"
    assert killed("pull", server.url, output, number) == -signal.SIGKILL
    assert set(whole_series(output)) <= {6}
    assert not dicomarray.pull(server.url, output).failed
    assert {path.stem: path.read_bytes() for path in output.rglob("*.dcm")} == server.files()
    assert not list(output.glob(".*"))


@pytest.mark.parametrize("number", [1, 3, 6, 8])
def test_a_push_goes_on_where_it_was_killed(
    server: Orthanc, archive: list[Path], tmp_path: Path, number: int
) -> None:
    """What is there already is not sent again, and in the end all of it is there once."""
    assert killed("push", tmp_path, server.url, number) == -signal.SIGKILL
    before = len(server.ask("/instances"))
    report = dicomarray.push(archive, server.url)
    assert (report.count("present"), report.count("stored")) == (before, 12 - before)
    assert 0 < before < 12
    assert len(server.ask("/instances")) == 12


@pytest.mark.parametrize("number", [2, 7])
def test_a_server_that_is_killed_costs_nothing_but_time(
    server: Orthanc, archive: list[Path], tmp_path: Path, number: int
) -> None:
    """The call tells what failed; after the server's return the same call does the rest."""
    assert killed("push", tmp_path, server.url, number, server.process.pid) in (1, 3)
    server.kill()
    server.restart()
    assert not dicomarray.push(archive, server.url).failed
    output = tmp_path / "pulled"
    killed("pull", server.url, output, number, server.process.pid)
    server.kill()
    assert set(whole_series(output)) <= {6}
    server.restart()
    assert not dicomarray.pull(server.url, output).failed
    assert {path.stem: path.read_bytes() for path in output.rglob("*.dcm")} == server.files()
    assert len(server.files()) == 12
