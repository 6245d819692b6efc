"""Several processes read what one reads, whatever happens to them; a script needs no guard for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file

import synthetic
from dicomarray import Catalog, scan
from dicomarray.errors import UsageError
from dicomarray.runtime.processes import Child, Parent
from dicomarray.sources import header_workers
from dicomarray.sources.header_workers import outcome_of


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Four series in two folders, mixed, and files that are no instances."""
    for number in range(4):
        files = synthetic.write_series(
            tmp_path / "made" / str(number),
            synthetic.stored_values((9, 3, 4)),
            common={"SeriesInstanceUID": f"1.2.{number}", "SeriesNumber": number},
        )
        folder = tmp_path / "in" / str(number % 2)
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            file.rename(folder / f"{file.stem}-{number}.dcm")
    (tmp_path / "in" / "0" / "notes.txt").write_text("x")
    for name in ("MR_small_bigendian.dcm", "emri_small.dcm", "image_dfl.dcm"):
        source = Path(str(get_testdata_file(name, download=False)))
        (tmp_path / "in" / name).write_bytes(source.read_bytes())
    return tmp_path / "in"


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header_workers, "CHUNK", 3)


def die_at_once(_: Parent) -> None:
    """In another process: end before any answer."""
    raise SystemExit


class Half:
    """An object that cannot be made again on the other side."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return open, ("/nowhere/at/all",)


def die_in_an_answer(parent: Parent) -> None:
    """In another process: the other side gets an answer that it cannot read."""
    parent.answer(Half())


def die_later(parent: Parent) -> None:
    """In another process: begin to read, and end while there is a chunk to answer."""
    parent.receive()
    parent.answer(header_workers.READY)
    parent.receive()
    os._exit(1)


Helped = list[object]


@pytest.fixture
def helped(monkeypatch: pytest.MonkeyPatch) -> Helped:
    """The chunks that other processes were given; this one is slow from their start until they are."""
    chunks: Helped = []
    started: Helped = []

    class Recorded(Child):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            started.append(self)

        def send(self, message: object) -> None:
            super().send(message)
            chunks.extend([message] if isinstance(message, list) else [])

    def read_slowly(*arguments: Any) -> Any:
        if started and not chunks:
            time.sleep(0.25)
        return outcome_of(*arguments)

    monkeypatch.setattr(header_workers, "Child", Recorded)
    monkeypatch.setattr(header_workers, "outcome_of", read_slowly)
    return chunks


def told(catalog: Catalog) -> object:
    """All that a catalog says."""
    headers = [
        (series.uid, h.reference, h.transfer_syntax, repr(dict(h.attributes)), h.pixels, h.stamp)
        for series in catalog
        for h in series.instances
    ]
    return headers, catalog.skipped


@pytest.mark.parametrize("count", [2, 3])
def test_the_same_is_found_by_several_processes(archive: Path, count: int, helped: Helped) -> None:
    """In the same order, what is skipped included."""
    assert told(scan(archive, workers=count)) == told(scan(archive, workers=1))
    assert helped


def test_what_instances_share_is_held_once_whoever_read_it(tmp_path: Path, helped: Helped) -> None:
    """Chunks of one series come from several processes; each of these begins with a few values of its own."""
    synthetic.write_series(tmp_path, synthetic.stored_values((60, 3, 4)))
    (series,) = scan(tmp_path, workers=3)
    held = {id(header.attributes["StudyInstanceUID"]) for header in series.instances}
    assert helped
    assert len(held) <= 2 * 3


def test_processes_that_die_lose_nothing(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, or in the middle of an answer."""
    expected = told(scan(archive, workers=1))
    for function in (die_at_once, die_in_an_answer):
        monkeypatch.setattr(header_workers, "SERVER", f"{__name__}:{function.__name__}")
        assert told(scan(archive, workers=3)) == expected


def test_process_that_dies_later_loses_nothing(
    archive: Path, monkeypatch: pytest.MonkeyPatch, helped: Helped
) -> None:
    """It is killed while it has chunks to read."""
    expected = told(scan(archive, workers=1))
    monkeypatch.setattr(header_workers, "SERVER", f"{__name__}:die_later")
    assert told(scan(archive, workers=2)) == expected
    assert helped


def test_program_that_cannot_be_started_loses_nothing(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter was moved away."""
    expected = told(scan(archive, workers=1))
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert told(scan(archive, workers=3)) == expected


@pytest.mark.parametrize("executable", ["/opt/viewer/bin/viewer", "", None])
def test_embedding_program_is_not_started_again(
    archive: Path, monkeypatch: pytest.MonkeyPatch, executable: str | None
) -> None:
    """`sys.executable` may be a viewer that has Python inside."""
    monkeypatch.setattr(sys, "executable", executable)
    monkeypatch.setattr(header_workers, "Child", None)
    assert len(scan(archive, workers=3)) > 4


def test_no_less_than_one_process(archive: Path) -> None:
    """Zero is refused."""
    with pytest.raises(UsageError, match="workers"):
        scan(archive, workers=0)


def test_small_scans_start_nothing() -> None:
    """Starting a process takes as long as reading thousands of headers."""
    assert header_workers.useful_workers(1000) == 1
    assert 1 <= header_workers.useful_workers(10_000_000) <= header_workers.MAX_WORKERS


SCRIPT = """
import sys, dicomarray
from dicomarray.sources import header_workers
header_workers.CHUNK = 3
print("started")
print(len(dicomarray.scan(sys.argv[1], workers=3)))
"""


def test_script_without_a_guard(archive: Path, tmp_path: Path) -> None:
    """Its main part runs once."""
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", archive],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["started", str(len(scan(archive)))]
    assert done.stderr == ""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_interrupt_ends_all_processes(archive: Path, tmp_path: Path) -> None:
    """Ctrl-C goes to the whole group: the script ends with KeyboardInterrupt, and nobody stays behind."""
    script = SCRIPT.replace(
        "print(len(", "import time; header_workers.outcome_of = lambda *_: time.sleep(60)\nprint(len("
    )
    (tmp_path / "script.py").write_text(script)
    process = subprocess.Popen(
        [sys.executable, "-u", tmp_path / "script.py", archive],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(1.5)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert b"KeyboardInterrupt" in errors
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
