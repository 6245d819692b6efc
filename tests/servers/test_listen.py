"""A listener takes what others send, and every whole series has one verified result, whatever is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage

import dicomarray
import dimse_peers
import synthetic
from dicomarray.storage.dimse import Peer
from dicomarray.storage.places import Url
from pacs import free_port

SECONDS = 60.0
FUNCTION = "def half(volume):\n    return volume.array // 2\n"


@dataclass
class Running:
    """A listener in a process of its own."""

    port: int
    output: Path
    command: list[str]
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> str:
        return f"dimse://HERE@127.0.0.1:{self.port}?timeout=10"

    @property
    def spool(self) -> Path:
        return self.output.with_name(f"{self.output.name}.received")

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        wait_for(lambda: dimse_peers.answers(self.port) or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def entries(self) -> list[dict[str, Any]]:
        """The lines of the ledger that tell of a series."""
        ledger = self.output / "ledger.jsonl"
        lines = ledger.read_bytes().splitlines(keepends=True) if ledger.exists() else []
        records = [json.loads(line) for line in lines if line.endswith(b"\n")]
        return [record for record in records if record["record"] == "entry"]


def wait_for(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


@contextmanager
def listening(tmp_path: Path, *flags: str, quiet: float = 0.3) -> Iterator[Running]:
    module = tmp_path / "halves.py"
    module.write_text(FUNCTION)
    port, output = free_port(), tmp_path / "results"
    command = [
        *(sys.executable, "-m", "dicomarray", "listen", "--aet", "HERE", "--port", str(port)),
        *("-f", f"{module}:half", "-o", str(output), "--quiet", str(quiet), *flags),
    ]
    running = Running(port, output, command, None, tmp_path / "listen.log")  # type: ignore[arg-type]
    running.start()
    try:
        yield running
    finally:
        running.kill()


def send(port: int, files: list[Path], *, abort: bool = False, calling: str = "SENDER") -> bool:
    """Send files as a scanner does; whether all were taken, and the association was released."""
    entity = AE(ae_title=calling)
    entity.add_requested_context(CTImageStorage)
    association = entity.associate("127.0.0.1", port, ae_title="HERE")
    if not association.is_established:
        return False
    for file in files:
        try:
            if association.send_c_store(dcmread(file)).get("Status") != 0:
                association.abort()
                return False
        except (ValueError, RuntimeError):
            return False
    if abort:
        association.abort()
        return False
    association.release()
    return bool(association.is_released)


def test_a_series_that_was_sent_has_a_result(ct: Path, tmp_path: Path) -> None:
    """What is pushed to a listener is worked on when it is quiet; a SIGTERM ends it, and leaves the page."""
    with listening(tmp_path) as running:
        Peer(Url(running.address)).echo()
        assert not dicomarray.push(ct, running.address).failed
        wait_for(lambda: len(running.entries()) == 1)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(SECONDS) == 0
        (entry,) = running.entries()
        assert entry["status"] == "written", entry
        (result,) = dicomarray.scan(running.output)
        before = dicomarray.load(ct)
        np.testing.assert_array_equal(result.volume().array, before.array // 2)
        assert (running.output / "report.html").is_file()
        assert len(list((running.spool / "done").rglob("*.dcm"))) == len(before.array)


def test_storescu_can_send(ct: Path, tmp_path: Path) -> None:
    """DCMTK's client sends a series, which has a result."""
    if (what := dimse_peers.missing("storescu")) is not None:
        pytest.skip(what)
    with listening(tmp_path) as running:
        command = ["storescu", "-aec", "HERE", "127.0.0.1", str(running.port), "+sd", str(ct)]
        subprocess.run(command, check=True, capture_output=True)
        wait_for(lambda: len(running.entries()) == 1)
        assert running.entries()[0]["status"] == "written"


def test_results_are_sent_on_to_a_pacs(ct: Path, tmp_path: Path) -> None:
    """With an address as output, a result is pushed there; where that fails, the series is failed."""
    if (what := dimse_peers.missing("dcmqrscp")) is not None:
        pytest.skip(what)
    module = tmp_path / "halves.py"
    module.write_text(FUNCTION)
    with dimse_peers.running_dcmqrscp(tmp_path / "archive") as archive, listening(tmp_path) as running:
        running.kill()
        running.command[running.command.index("-o") + 1] = archive.address
        running.command += ["--spool", str(tmp_path / "spool")]
        running.output = tmp_path / "spool" / "results"
        running.log = tmp_path / "listen-to-archive.log"
        running.start()
        assert send(running.port, sorted(ct.iterdir()))
        wait_for(lambda: len(running.entries()) == 1)
        assert running.entries()[0]["status"] == "written", running.entries()
        assert len(archive.data_sets()) == len(list(ct.iterdir()))


def test_a_series_that_was_cut_short_waits_for_the_rest(ct: Path, tmp_path: Path) -> None:
    """Half a series gives no result; sent again, it gives one of all slices."""
    files = sorted(ct.iterdir())
    with listening(tmp_path) as running:
        send(running.port, files[:3], abort=True)
        time.sleep(1.5)
        assert not running.entries()
        assert send(running.port, files)
        wait_for(lambda: len(running.entries()) == 1)
        assert running.entries()[0]["outputs"][0]["count"] == len(files)


def test_what_comes_late_joins_what_came_before(ct: Path, tmp_path: Path) -> None:
    """A slice that comes when the series is done leads to a new result of all slices."""
    files = sorted(ct.iterdir())
    with listening(tmp_path) as running:
        assert send(running.port, files[:-1])
        wait_for(lambda: len(running.entries()) == 1)
        assert send(running.port, files[-1:])
        wait_for(lambda: len(running.entries()) == 2)
        assert [entry["outputs"][0]["count"] for entry in running.entries()] == [len(files) - 1, len(files)]
        (result,) = dicomarray.scan(running.output)
        assert len(result.files) == len(files)


def test_another_instance_of_the_same_uid_is_refused(ct: Path, tmp_path: Path) -> None:
    """What is here already is answered with success if it is the same, and refused if it is not."""
    files = sorted(ct.iterdir())
    with listening(tmp_path) as running:
        assert send(running.port, files)
        assert send(running.port, files)
        changed = dcmread(files[0])
        changed.PatientComments = "changed"
        changed.save_as(files[0])
        assert not send(running.port, files[:1])
        wait_for(lambda: len(running.entries()) == 1)


def test_strangers_and_large_instances_are_kept_out(ct: Path, tmp_path: Path) -> None:
    """Who is not allowed to send does not get in, nor does an instance beyond the limit."""
    files = sorted(ct.iterdir())
    large = dcmread(files[0])
    large.Rows = large.Columns = 1500
    large.PixelData = bytes(2 * 1500 * 1500)
    large.save_as(tmp_path / "large.dcm")
    with listening(tmp_path, "--allow", "FRIEND,OTHER@10.9.8.7", "--max-instance", "1") as running:
        assert not send(running.port, files, calling="STRANGER")
        assert not send(running.port, files, calling="OTHER")
        assert not send(running.port, [tmp_path / "large.dcm"], calling="FRIEND")
        assert not list(running.spool.rglob("*.dcm"))
        assert send(running.port, files, calling="FRIEND")


def test_every_whole_series_has_one_result_whatever_is_killed(tmp_path: Path) -> None:
    """Three senders at once, some of which break off, and a listener that is killed again and again."""
    folders = [tmp_path / f"series{number}" for number in range(12)]
    for number, folder in enumerate(folders):
        values = synthetic.stored_values()[:4]
        synthetic.write_series(folder, values, bits_stored=12, common={"SeriesNumber": number + 1})
    whole, cut_short = folders[:9], folders[9:]
    finished = threading.Event()
    with listening(tmp_path, "--workers", "2") as running:

        def sent(folder: Path) -> None:
            files = sorted(folder.iterdir())
            if folder in cut_short:
                send(running.port, files[:2], abort=True)
                return
            while not send(running.port, files):
                assert not finished.is_set()
                time.sleep(0.1)

        with ThreadPoolExecutor(3) as senders:
            sending = [senders.submit(sent, folder) for folder in [*cut_short, *whole]]
            try:
                for _ in range(3):
                    time.sleep(1.0)
                    running.kill()
                    running.start()
                for one in sending:
                    one.result(SECONDS)
            finally:
                finished.set()
        wait_for(lambda: len({entry["name"] for entry in running.entries()}) >= len(whole))
        time.sleep(1.0)
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(SECONDS)

        def uid(folder: Path) -> str:
            return str(dcmread(next(folder.iterdir())).SeriesInstanceUID)

        assert {entry["status"] for entry in running.entries()} == {"written"}
        assert {entry["series_uids"][0] for entry in running.entries()} == set(map(uid, whole))
        results = dicomarray.scan(running.output)
        assert len(results) == len(whole)
        assert {len(series.files) for series in results} == {4}
        assert not list(running.output.glob(".*.part"))
        waiting = {path.name for path in (running.spool / "incoming").glob("*/*")}
        assert waiting <= set(map(uid, cut_short))
        assert not list((running.spool / "work").glob("*/*"))
