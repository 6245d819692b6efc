"""The ledger of a run: one JSON object a line, only ever appended to, on the disk before the run goes on.

A line says ``"record": "run"`` (what was asked for, with which versions) or ``"record": "entry"`` (what
became of one series).  The last line may be torn, where a process was killed; every other one is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dicomarray.errors import InputError
from dicomarray.pipeline.entries import RunEntry, SeriesOutput, as_json, from_json
from dicomarray.pipeline.functions import Function, name_of, version_of
from dicomarray.pipeline.jobs import Job, Task
from dicomarray.pipeline.packed import Packed
from dicomarray.reading.finding.files import PathLike
from dicomarray.storage import Place, Url, place_of
from dicomarray.version import __version__

FILE_NAME = "ledger.jsonl"
FORMAT = "dicomarray-ledger/1"


class Ledger:
    """The file while a run appends to it."""

    def __init__(self, path: Path) -> None:
        _mend(path)
        self._file = path.open("ab")

    def append(self, record: Mapping[str, Any]) -> None:
        """One line; it is on the disk when this returns."""
        self._file.write(json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _mend(path: Path) -> None:
    """Cut off a torn last line, so that the next one begins where a line begins."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        whole = sum(len(line) for line in file if line.endswith(b"\n"))
        file.truncate(whole)


def run_record(task: Task, function: Function) -> dict[str, Any]:
    """What a run was asked for; nothing of the machine, and of the UID key only a digest."""
    reading, writing = asdict(task.reading), asdict(task.writing)
    del writing["overwrite"]
    if task.writing.uid_key is not None:
        writing["uid_key"] = f"sha256:{hashlib.sha256(task.writing.uid_key.encode()).hexdigest()}"
    record = {
        "function": {"name": name_of(task.function), **version_of(function)},
        "parameters": dict(task.parameters),
        "observe": None if task.observe is None else name_of(task.observe),
        "per": task.per,
        "volume": task.volume,
        "reading": reading,
        "writing": writing,
        "versions": {"dicomarray": __version__, **{name: version(name) for name in ("numpy", "pydicom")}},
    }
    return {
        "record": "run",
        "format": FORMAT,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        **record,
        "settings": _settings(record),
        "python": platform.python_version(),
        "timeout": task.timeout,
        "memory_limit": task.memory_bytes,
    }


def _settings(record: Mapping[str, Any]) -> str | None:
    """A digest of all that decides about the results; None where the function's version cannot be told."""
    function = record["function"]
    if function["digest"] is None and function["version"] is None:
        return None
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def entry_record(entry: RunEntry) -> dict[str, Any]:
    """What became of one job."""
    return {"record": "entry", **as_json(entry)}


def read_records(path: Place) -> Iterator[dict[str, Any]]:
    """The lines of a ledger; a torn last one is left out.

    Raises
    ------
    InputError
        Where it cannot be read, or a line is none of a ledger.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                yield _record(path, number, line)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _record(path: Place, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise InputError(f"{path}, line {number} is not JSON: {error}; move the ledger away") from error
    if not isinstance(record, dict) or record.get("record") not in ("run", "entry"):
        raise InputError(f"{path}, line {number} is no line of a ledger; move the ledger away")
    return record


def read_entries(path: PathLike | Url) -> list[RunEntry]:
    """The last entry of each series in a ledger, in the order in which they were first finished.

    Raises
    ------
    InputError
        Where the file is no ledger.
    """
    place = place_of(path)
    entries, latest = _read(place, place.parent)
    return [entries[number] for number, _ in latest.values()]


def _read(path: Place, output: Place) -> tuple[Packed[RunEntry], dict[str, tuple[int, str | None]]]:
    """All entries; and the number of the last one of each job, by its name, with its run's settings."""
    entries = Packed[RunEntry]()
    latest: dict[str, tuple[int, str | None]] = {}
    settings = None
    for record in read_records(path):
        try:
            if record["record"] == "run":
                settings = record["settings"]
            else:
                entry = from_json(record, output)
                latest[entry.name] = (len(entries), settings)
                entries.append(entry)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is damaged: {type(error).__name__} {error}") from error
    return entries, latest


def earlier(
    path: Path, output: Place, settings: str | None, jobs: Iterable[Job], count: Callable[[SeriesOutput], int]
) -> tuple[Packed[RunEntry], frozenset[str]]:
    """The entries of jobs that need not be done again, and the names of those that failed.

    Done are those that were written with the same settings from the same inputs, whose files are there, as
    ``count`` tells.

    Raises
    ------
    InputError
        Where the file is no ledger.
    """
    if not path.exists():
        return Packed(), frozenset()
    entries, latest = _read(path, output)
    done = []
    for job in jobs:
        number, of_run = latest.get(job.name, (None, None))
        if number is None or settings is None or of_run != settings:
            continue
        entry = entries[number]
        if entry.status != "written" or entry.inputs != job.inputs:
            continue
        if all(count(output) == output.count for output in entry.outputs):
            done.append(number)
    failed = frozenset(name for name, (number, _) in latest.items() if entries[number].status == "failed")
    return entries.picked(done), failed
