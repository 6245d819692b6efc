"""The ledger of a run: one JSON object a line, only ever appended to, on the disk before the run goes on.

A line says ``"record": "run"`` (what was asked for, with which versions) or ``"record": "entry"`` (what
became of one series).  The last line may be torn, where a process was killed; every other one is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dicomarray.errors import InputError, OutputError, StorageError
from dicomarray.pipeline.checksums import Finding
from dicomarray.pipeline.compressed_sequence import CompressedSequence
from dicomarray.pipeline.entries import RunEntry, SeriesOutput, from_json
from dicomarray.pipeline.functions import Function, name_of, source_of, version_of
from dicomarray.pipeline.jobs import Job, Task
from dicomarray.sinks.fsspec import send_file
from dicomarray.storage.places import PathLike, Place, Url, place_of
from dicomarray.version import __version__

FILE_NAME = "ledger.jsonl"
FORMAT = "dicomarray-ledger/1"
# How often the ledger is sent, in seconds: what a killed run has sent since then is done again.
LEDGER_SECONDS = 30.0
# What decides about the results, in the record of a run.
_DECIDING = ("function", "parameters", "observe", "per", "volume", "masks", "reading", "writing", "versions")


class Ledger:
    """The file while a run appends to it.

    Of one in a store the store has a copy, since its objects cannot be appended to: it is sent with its first
    line, every `LEDGER_SECONDS`, and at the end.
    """

    def __init__(self, path: Path, output: Place) -> None:
        self._path, self._sent = path, float("-inf")
        self._copy = output / FILE_NAME if isinstance(output, Url) else None
        with self._writing():
            _mend(path)
            self._file = path.open("ab", buffering=0)

    def append(self, *records: Mapping[str, Any]) -> None:
        """A line each, or none; they are on the disk when this returns, and are sent now or with later ones.

        The disk is waited for once.  Raises OutputError where they cannot be written: the disk is full.
        """
        lines = (json.dumps(record, ensure_ascii=False, allow_nan=False) for record in records)
        rest = "".join(f"{line}\n" for line in lines).encode()
        with self._writing():
            start = os.fstat(self._file.fileno()).st_size
            try:
                while rest:  # a write may take less than it is given
                    rest = rest[self._file.write(rest) :]
                os.fsync(self._file.fileno())
            except OSError:
                self._file.truncate(start)
                raise
        if self._copy is not None and time.monotonic() - self._sent >= LEDGER_SECONDS:
            first, self._sent = self._sent == float("-inf"), time.monotonic()
            with nullcontext() if first else suppress(StorageError):
                send_file(self._path, self._copy)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"{self._path} cannot be written: {error.strerror}; make room, and go on with --resume"
            ) from error

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        """Send what there is; raises StorageError, which names the ledger, where that fails."""
        with suppress(OSError):  # of a full disk it was told before
            empty = os.fstat(self._file.fileno()).st_size == 0
            self._file.close()
            if empty:  # there was room for nothing
                self._path.unlink()
        if self._copy is None:
            return
        try:
            send_file(self._path, self._copy)
        except StorageError as error:
            saved = Path(tempfile.mkdtemp(prefix="dicomarray-ledger-")) / FILE_NAME
            shutil.copyfile(self._path, saved)
            raise StorageError(f"the ledger could not be sent; it is {saved}. {error}") from error


def _mend(path: Path) -> None:
    """Cut off a torn last line, so that the next one begins where a line begins."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        whole = sum(len(line) for line in file if line.endswith(b"\n"))
        file.truncate(whole)


def run_record(task: Task, function: Function) -> dict[str, Any]:
    """What a run was asked for; nothing of the machine, and of the UID key only a digest."""
    reading, writing, options = asdict(task.reading), asdict(task.writing), task.options
    del writing["overwrite"]
    if task.writing.uid_key is not None:
        writing["uid_key"] = f"sha256:{hashlib.sha256(task.writing.uid_key.encode()).hexdigest()}"
    record = {
        "function": {"name": name_of(task.function), **version_of(function)},
        "parameters": dict(task.parameters),
        "observe": None if options.observe is None else name_of(options.observe),
        "per": options.per,
        "volume": options.volume,
        "masks": {
            "segmentation": options.segmentation,
            "algorithm": options.algorithm,
            "algorithm_version": options.algorithm_version,
        },
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
        "source": source_of(function),
        "python": platform.python_version(),
        "pacs": None if task.pacs is None else str(task.pacs),
        "timeout": options.timeout,
        "memory_limit": options.memory_bytes,
    }


def _settings(record: Mapping[str, Any]) -> str | None:
    """A digest of all that decides about the results; None where the function's version is unknown."""
    function = record["function"]
    if function["digest"] is None and function["version"] is None:
        return None
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def read_records(path: Place) -> Iterator[dict[str, Any]]:
    """The lines of a ledger; a torn last one is left out.

    Raises InputError where it cannot be read, or a line is none of a ledger.
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
    """The last entry of each series in a ledger, in the order in which they were first finished."""
    place = place_of(path)
    entries, latest = _read(place, place.parent)
    return [entries[last.number] for last in latest.values()]


def entries_of_run(run: PathLike | Url) -> list[RunEntry]:
    """`read_entries` of the ledger in the output folder of a run.

    Raises InputError where the folder holds none.
    """
    folder = place_of(run)
    if not (folder / FILE_NAME).exists():
        lacking = f"holds no {FILE_NAME}, so it is not" if folder.exists() else "does not exist; give"
        raise InputError(f"{folder} {lacking} the output folder of a run (run -o)")
    return read_entries(folder / FILE_NAME)


@dataclass(frozen=True, slots=True)
class _Last:
    """The number of a job's last entry, what its run was asked for, failures in a row with its inputs."""

    number: int
    run: Mapping[str, Any]
    inputs: str
    failures: int


def _read(path: Place, output: Place) -> tuple[CompressedSequence[RunEntry], dict[str, _Last]]:
    """All entries; and the last one of each job, by its name."""
    entries = CompressedSequence[RunEntry]()
    latest: dict[str, _Last] = {}
    run: Mapping[str, Any] = {"settings": None}
    for record in read_records(path):
        try:
            if record["record"] == "run":
                record["settings"]  # it has to have them
                run = record
            else:
                entry = from_json(record, output)
                before = latest.get(entry.name)
                failures = before.failures if before and before.inputs == entry.inputs else 0
                failures = failures + 1 if entry.status == "failed" else 0
                latest[entry.name] = _Last(len(entries), run, entry.inputs, failures)
                entries.append(entry)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is damaged: {type(error).__name__} {error}") from error
    return entries, latest


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier runs left: entries that need not be done again, and which jobs failed, how often in a row
    with the inputs that they have now.

    ``again`` counts what has an entry and is done again, by the reason.
    """

    done: CompressedSequence[RunEntry] = field(default_factory=CompressedSequence)
    failed: dict[str, int] = field(default_factory=dict)
    again: dict[str, int] = field(default_factory=dict)


def earlier(
    path: Path,
    output: Place,
    record: Mapping[str, Any],
    jobs: Iterable[Job],
    look: Callable[[SeriesOutput], Finding],
) -> Earlier:
    """What of the jobs is done: written as ``record`` asks for, from the same inputs, and still the same.

    ``look`` tells what became of a result.
    """
    if not path.exists():
        return Earlier()
    entries, latest = _read(path, output)
    done, failed, again = [], dict[str, int](), Counter[str]()
    for job in jobs:
        last = latest.get(job.name)
        if last is None:
            continue
        if last.failures:
            failed[job.name] = last.failures if last.inputs == job.inputs else 0
        reason = _why_again(entries[last.number], last.run, record, job, look)
        if reason is None:
            done.append(last.number)
        else:
            again[reason] += 1
    return Earlier(entries.picked(done), failed, dict(again))


def _why_again(
    entry: RunEntry,
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    job: Job,
    look: Callable[[SeriesOutput], Finding],
) -> str | None:
    """Why a job with an entry is done again; None where it is not."""
    if entry.status != "written":
        return "failed before"
    if now["settings"] is None or before["settings"] != now["settings"]:
        return _what_changed(before, now)
    if entry.inputs != job.inputs:
        return "the input files changed"
    findings = [look(output) for output in entry.outputs]
    if "missing" in findings:
        return "results are missing"
    return "results changed" if "changed" in findings else None


def _what_changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What a run is asked for otherwise than an earlier one."""
    if now["settings"] is None:
        return "the version of the function is unknown"
    now = json.loads(json.dumps(now))  # as the ledger has it
    changed = [
        f"{key} {name}".replace("function name", "name of the function")
        if isinstance(now[key], Mapping)
        else key
        for key in _DECIDING
        for name in sorted(_items(now[key]).keys() | _items(before.get(key)).keys())
        if _items(now[key]).get(name) != _items(before.get(key)).get(name)
    ]
    if any(part.startswith("function ") for part in changed):
        changed = ["function", *(part for part in changed if not part.startswith("function "))]
    return f"changed: {', '.join(changed) or 'options'}"


def _items(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {"": value}
