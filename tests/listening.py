"""A listener in a process of its own, senders, and a trial of both that kills the listener again and again.

    python tests/listening.py [--series 1000] [--slices 4] [--senders 3] [--kills 10] [--workers 2]

Of ten series one is cut short for good, and one is cut short and sent again.  Afterwards every series that
was sent to its end has one result, which is read here, one line in the ledger, and lies in ``done``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pynetdicom
from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import CTImageStorage

import dicomarray
import dimse_peers
import synthetic
from dicomarray.storage.dimse_transport import prompt
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
def listening(tmp_path: Path, *flags: str, quiet: float = 0.3, function: str = FUNCTION) -> Iterator[Running]:
    module = tmp_path / "halves.py"
    module.write_text(function)
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


def send(
    port: int, files: Sequence[Path], *, abort: bool = False, cut_off: bool = False, calling: str = "SENDER"
) -> bool:
    """Send files as a scanner does; whether all were taken, and the association was released."""
    entity = AE(ae_title=calling)
    entity.add_requested_context(CTImageStorage)
    handlers = prompt(pynetdicom, SECONDS)  # without which the package now and then misses an answer
    association = entity.associate("127.0.0.1", port, ae_title="HERE", evt_handlers=handlers)
    if not association.is_established:
        return False
    for number, file in enumerate(files, 1):
        if cut_off and number == len(files):
            _half_of_it(association, file)
            return False
        try:
            if association.send_c_store(dcmread(file)).get("Status") != 0:
                association.abort()
                return False
        except (AttributeError, ValueError, RuntimeError):
            return False
    if abort:
        association.abort()
        return False
    association.release()
    return bool(association.is_released)


def _half_of_it(association: Any, file: Path) -> None:
    """Close the connection when all but the end of a data set was sent."""
    dataset, context = dcmread(file), association.accepted_contexts[0]
    request = C_STORE()
    request.MessageID, request.Priority = 1000, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    syntax = context.transfer_syntax[0]
    request.DataSet = BytesIO(encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian))
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    for piece in [*message.encode_msg(context.context_id, 256)][:-1]:
        association.dul.send_pdu(piece)
    time.sleep(0.3)
    with suppress(OSError, AttributeError):  # the listener was killed meanwhile
        association.dul.socket.socket.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Seen:
    """What a listener took at some moment: how many series were done, MB of its own, and of its workers."""

    done: int
    own: float
    workers: float


@dataclass
class Found:
    """What a trial came to: seconds, results, and what was seen of the listener since each start."""

    seconds: float = 0.0
    results: int = 0
    waiting: int = 0
    memory: list[list[Seen]] = field(default_factory=list)

    def is_flat(self) -> bool:
        """Whether the second half of the series took no more memory than the first."""
        seen = [one for start in self.memory for one in start]
        early, late = (
            [one for one in seen if (one.done > self.results / 2) is last] for last in (False, True)
        )
        return all(
            max(getattr(one, whose) for one in late) < 1.1 * max(getattr(one, whose) for one in early)
            for whose in ("own", "workers")
        )


def trial(
    folder: Path, series: int, slices: int, senders: int, kills: int, workers: int = 2, pause: float = 1.0
) -> Found:
    """Send, kill, and look at what is there afterwards; an assertion fails where that is not right."""
    sent = _series(folder, series, slices)
    gone = {name for name in sent if int(name) % 10 == 3}
    found, finished, start = Found(), threading.Event(), time.monotonic()
    with listening(folder, "--workers", str(workers)) as running:

        def give(name: str) -> None:
            if int(name) % 10 in (3, 7):
                send(
                    running.port,
                    sent[name][: slices // 2 + 1],
                    abort=name[-2:] < "5",
                    cut_off=name[-2:] >= "5",
                )
            while name not in gone and not send(running.port, sent[name]):
                assert not finished.is_set()
                time.sleep(0.1)

        with ThreadPoolExecutor(senders) as pool:
            sending = [pool.submit(give, name) for name in sent]
            try:
                for _ in range(kills):
                    found.memory.append(_watched(running, pause))
                    running.kill()
                    running.start()
                found.memory.append([])
                while not all(one.done() for one in sending):
                    found.memory[-1] += _watched(running, 0.2)
                for one in sending:
                    one.result()
            finally:
                finished.set()
        count = series - len(gone)
        while len({entry["name"] for entry in running.entries()}) < count:
            assert time.monotonic() - start < 60 + 5 * series, running.log.read_text()[-2000:]
            found.memory[-1] += _watched(running, 0.2)
        time.sleep(0.7)  # what would come now were one too many
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(SECONDS)
        found.seconds = time.monotonic() - start
        _looked_at(running, sent.keys() - gone, gone, folder / "template")
        found.results, found.waiting = count, len(list((running.spool / "incoming").glob("*/*")))
    return found


def _series(folder: Path, count: int, slices: int) -> dict[str, list[Path]]:
    """The files of small series, by the ends of their UIDs."""
    synthetic.write_series(folder / "template", synthetic.stored_values()[:slices], bits_stored=12)
    files = [dcmread(path) for path in sorted((folder / "template").iterdir())]
    made = {}
    for name in map(str, range(10, 10 + count)):
        place = folder / "sent" / name
        place.mkdir(parents=True)
        for number, dataset in enumerate(files):
            dataset.SeriesInstanceUID = f"2.25.1{name}"
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.1{name}.{number}"
            dataset.save_as(place / f"{number}.dcm")
        made[name] = sorted(place.iterdir())
    return made


def _looked_at(running: Running, whole: Set[str], gone: Set[str], template: Path) -> None:
    """Every whole series has one line and one result, and nothing else has one."""
    entries = running.entries()
    assert {entry["status"] for entry in entries} == {"written"}, Counter(one["error"] for one in entries)
    assert Counter(entry["series_uids"][0] for entry in entries) == {f"2.25.1{name}": 1 for name in whole}
    results, before = dicomarray.scan(running.output), dicomarray.load(template).array
    assert len(results) == len(whole)
    for result in results:
        np.testing.assert_array_equal(result.volume().array, before // 2)
    assert not list(running.output.glob(".*.part"))
    places = {
        place: {path.name.removeprefix("2.25.1") for path in (running.spool / place).glob("*/*")}
        for place in ("incoming", "work", "done", "failed")
    }
    assert places["done"] == whole
    assert not places["work"] | places["failed"]
    assert places["incoming"] <= gone


def _watched(running: Running, seconds: float) -> list[Seen]:
    """The memory of a listener and its workers over some seconds."""
    end, seen = time.monotonic() + seconds, []
    while time.monotonic() < end:
        done = len({entry["name"] for entry in running.entries()})
        pid = running.process.pid
        seen.append(Seen(done, _megabytes(pid), sum(map(_megabytes, _children(pid)))))
        time.sleep(min(0.5, seconds))
    return seen


def _megabytes(pid: int) -> float:
    """What a process holds; 0 where it has ended, or the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6
    except (OSError, IndexError):
        return 0.0


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def main() -> None:
    """From the command line."""
    arguments = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    for name, default in (("series", 1000), ("slices", 4), ("senders", 3), ("kills", 10), ("workers", 2)):
        arguments.add_argument(f"--{name}", type=int, default=default)
    arguments.add_argument("--pause", type=float, default=10.0, help="seconds between two kills")
    options = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="dicomarray-trial-"))
    found = trial(folder, **vars(options))
    print(f"{found.results} results, {found.waiting} series cut short wait; {found.seconds:.0f} s")
    print("| start | series done | MB of the listener | MB of its workers |\n|---|---|---|---|")
    for number, seen in enumerate(filter(None, found.memory), 1):
        for at in [seen[len(seen) * part // 5] for part in range(5)] + [seen[-1]]:
            print(f"| {number} | {at.done} | {at.own:.0f} | {at.workers:.0f} |")
    print(f"memory is {'flat' if found.is_flat() else 'NOT flat'}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
