"""A run from and to stores: files are fetched for one job, results are sent when they are whole and verified.

Everything else happens in a folder of this computer, as if there were no store: where the output is a URL,
that is a temporary one.  A store cannot put a folder in its place at once, so that the objects of a result
appear one by one; while they do, a marker stands beside them, and the line of the ledger comes after them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dicomarray.dicom.recognition import FIRST_BYTES, looks_like_dicom
from dicomarray.errors import DicomArrayError, OutputError, StorageError, UsageError
from dicomarray.pipeline import ledger, lock
from dicomarray.pipeline.entries import RunEntry, SeriesOutput, as_json, from_json
from dicomarray.pipeline.jobs import Job
from dicomarray.storage.atomic import making, removed_if_empty
from dicomarray.storage.places import (
    Place,
    StoredFile,
    Url,
    asking,
    download,
    filesystem,
    list_files,
    read_ranges,
)

# How often the ledger is sent, in seconds: what a killed run has sent since then is done again.
LEDGER_SECONDS = 30.0
# Stores in which a folder has to be made before there are files in it.  Elsewhere that could make a bucket.
_WITH_FOLDERS = ("file", "local", "sftp", "ssh", "smb", "ftp", "hdfs", "webhdfs", "arrow_hdfs", "dbfs")
# Nothing but the process itself sees what is in there.
_OF_ONE_PROCESS = ("memory",)
# What fsspec takes for a pattern, and the query of a URL: results cannot lie below them.
_NOT_IN_OUTPUT = "*?[]#"
_MARKER_END = ".uploading"


def check_urls(places: Iterable[Place], output: Place, by_others: bool) -> None:
    """Raise UsageError for URLs that the run cannot work with; ``by_others``: other processes do the work."""
    for place in (*places, output):
        if by_others and isinstance(place, Url) and is_of_one_process(place):
            raise UsageError(
                f"{place}: a {place.protocol}:// store is seen by its own process only, so worker processes "
                "and Dask cannot read or write it; leave out workers, timeout, memory_limit and scheduler"
            )
    if isinstance(output, Url) and any(letter in output.text for letter in _NOT_IN_OUTPUT):
        raise UsageError(f"{output}: an output URL has none of the characters {_NOT_IN_OUTPUT}")


def is_of_one_process(place: Place) -> bool:
    """Whether only this process sees a place."""
    return isinstance(place, Url) and place.protocol in _OF_ONE_PROCESS


@contextmanager
def working_folder(output: Place) -> Iterator[Path]:
    """Where results are made: the output folder, or for a URL a temporary one that is removed at the end."""
    if isinstance(output, Path):
        yield output
        return
    folder = Path(tempfile.mkdtemp(prefix="dicomarray-run-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def held(output: Place, folder: Path) -> Iterator[None]:
    """The output for this run alone; of one in a store, the ledger is fetched.

    Raises
    ------
    OutputError
        Where another run holds it.
    """
    if isinstance(output, Path):
        with removed_if_empty(output):
            with making(output):
                output.mkdir(parents=True, exist_ok=True)
            with lock.locked(output):
                yield
        return
    with _locked(output):
        try:
            _remove_unfinished(output)
            kept = output / ledger.FILE_NAME
            if kept.exists():
                download(output, {filesystem(kept)[1]: folder / ledger.FILE_NAME})
            yield
        finally:
            with contextlib.suppress(StorageError):  # the next run does it
                _remove_unfinished(output)


@contextmanager
def _locked(output: Url) -> Iterator[None]:
    """Hold a lock object.  Stores have no locks: two runs that start in the same instant may both get it."""
    place = output / lock.FILE_NAME
    token = f"{os.getpid()} {socket.gethostname()} {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {uuid.uuid4().hex}"
    holder = _text(place)
    if holder and not lock.is_dead(holder):
        raise _refusal(place, holder)
    _write(place, token)
    if (holder := _text(place)) != token:
        raise _refusal(place, holder)
    try:
        yield
    finally:
        if _text(place) == token:
            _delete(place)


def _refusal(place: Url, holder: str) -> OutputError:
    process, host, since = (*holder.split(), "?", "?", "?")[:3]
    return OutputError(
        f"{place.parent}: another run writes there (process {process} on {host}, since {since}); wait for "
        f"it, or choose another folder. If it no longer runs, remove {place}"
    )


def _text(place: Url) -> str:
    store, path = filesystem(place)
    with asking(place):
        try:
            store.invalidate_cache()
            return str(store.cat_file(path).decode(errors="replace"))
        except FileNotFoundError:
            return ""


def _write(place: Url, text: str) -> None:
    store, path = filesystem(place)
    with asking(place):
        _make_folders(place.protocol, store, [path])
        store.pipe_file(path, text.encode())


def _delete(place: Url) -> None:
    store, path = filesystem(place)
    with asking(place), contextlib.suppress(FileNotFoundError):
        store.rm_file(path)


def _make_folders(protocol: str, store: Any, paths: Iterable[str]) -> None:
    if protocol in _WITH_FOLDERS:
        for folder in {path.rpartition("/")[0] for path in paths}:
            store.makedirs(folder, exist_ok=True)


class SentLedger(ledger.Ledger):
    """A ledger of which the store has a copy, since its objects cannot be appended to.

    It is sent with its first line, every `LEDGER_SECONDS`, and at the end.
    """

    def __init__(self, path: Path, output: Url) -> None:
        super().__init__(path)
        self._path, self._target = path, output / ledger.FILE_NAME
        self._sent = float("-inf")

    def append(self, record: Mapping[str, Any]) -> None:
        """One line; where the copy cannot be sent now, it is tried again after the next ones."""
        super().append(record)
        if time.monotonic() - self._sent >= LEDGER_SECONDS:
            first, self._sent = self._sent == float("-inf"), time.monotonic()
            with contextlib.nullcontext() if first else contextlib.suppress(StorageError):
                self._send()

    def __exit__(self, *details: object) -> None:
        """Send what there is.

        Raises
        ------
        StorageError
            Where that fails; it tells where the ledger is.
        """
        super().__exit__(*details)
        try:
            self._send()
        except StorageError as error:
            saved = Path(tempfile.mkdtemp(prefix="dicomarray-ledger-")) / ledger.FILE_NAME
            shutil.copyfile(self._path, saved)
            raise StorageError(f"the ledger could not be sent; it is {saved}. {error}") from error

    def _send(self) -> None:
        send_file(self._path, self._target)


def send_file(path: Path, target: Url) -> None:
    """Put one file into a store, in place of an earlier one."""
    store, name = filesystem(target)
    with asking(target):
        _make_folders(target.protocol, store, [name])
        store.put([str(path)], [name])


def ledger_of(path: Path, output: Place) -> ledger.Ledger:
    """The ledger of a run, at its path here."""
    return ledger.Ledger(path) if isinstance(output, Path) else SentLedger(path, output)


def sent_to(output: Place) -> Url | None:
    """Where results go when they are whole; None where they are made in their place."""
    return output if isinstance(output, Url) else None


def counter_of_files(output: Place) -> Callable[[SeriesOutput], int]:
    """What tells how many files of a result are there; a store is listed once for all of them."""
    if isinstance(output, Path):
        return lambda result: len(result.files)
    files = list_files(output)
    counts = Counter(str((output / file.name).parent) for file in files if file.name.endswith(".dcm"))
    return lambda result: counts[str(result.folder)]


def told(entry: RunEntry, output: Place) -> RunEntry:
    """An entry as the user is to have it: with the URLs of what was sent.

    What a process that was ended with it has half sent is removed.
    """
    if isinstance(output, Path):
        return entry
    if entry.status == "failed":
        with contextlib.suppress(StorageError):  # the end of the run does it
            _remove_if_unfinished(output / entry.name)
    return from_json(as_json(entry), output)


@contextmanager
def inputs_at_hand(job: Job, roots: Sequence[Place]) -> Iterator[tuple[Path, ...]]:
    """The roots on this computer, with the files of the job below them; what was fetched is removed again.

    Raises
    ------
    StorageError
        Where a file cannot be fetched.
    """
    folder = job.output.parent / f".{job.name}.input.part"  # `remove_leftovers` knows such names
    local = tuple(root if isinstance(root, Path) else folder / str(n) for n, root in enumerate(roots))
    try:
        for number, root in enumerate(roots):
            if isinstance(root, Url):
                names = [name for series in job.series for n, name in series.names if n == number]
                if names == [""]:
                    local = (*local[:number], folder / str(number) / root.name, *local[number + 1 :])
                download(root, {filesystem(root / name)[1]: local[number] / name for name in names})
        yield local
    except DicomArrayError as error:
        error.args = (_by_url(str(error), local, roots),)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _by_url(text: str, local: Sequence[Path], roots: Sequence[Place]) -> str:
    """A message about files that were fetched, with their URLs."""
    for path, root in zip(local, roots, strict=True):
        if isinstance(root, Url):
            text = text.replace(str(path), str(root))
    return text


def refuse_taken(target: Url, overwrite: bool) -> list[StoredFile]:
    """The files of an earlier result at the URL, which may be replaced; what was half sent is removed.

    Raises
    ------
    OutputError
        Where there is something, and it must not be replaced.
    """
    _remove_if_unfinished(target)
    files = list_files(target)
    if files and not overwrite:
        raise OutputError(
            f"{target} exists and is not empty; choose another folder, or replace it "
            "(--overwrite, overwrite=True)"
        )
    starts = read_ranges(target, [(file.path, 0, min(file.size or 0, FIRST_BYTES)) for file in files])
    for file, start in zip(files, starts, strict=True):
        if not file.name.endswith(".dcm") or isinstance(start, OSError) or not looks_like_dicom(start):
            raise OutputError(
                f"{target} holds {file.name}, which is no result of this command; it is not overwritten. "
                "Choose another folder, or empty it yourself"
            )
    return files


def send(folder: Path, target: Url, overwrite: bool) -> None:
    """Send a folder; it is removed here, and what was sent is removed there if not all of it could be.

    Raises
    ------
    OutputError
        As in `refuse_taken`.
    StorageError
        Where it cannot be sent, or does not arrive whole.
    """
    try:
        old = refuse_taken(target, overwrite)
        _write(_marker(target), f"{os.getpid()} {socket.gethostname()}")
        try:
            _send(folder, target, old)
        except BaseException:
            with contextlib.suppress(StorageError):  # its marker stays: the next one removes it
                _remove_upload(target)
            raise
        _delete(_marker(target))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _send(folder: Path, target: Url, old: Sequence[StoredFile]) -> None:
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    store, root = filesystem(target)
    goals = {f"{root}/{name}": path for name, path in files.items()}
    with asking(target):
        if old:
            store.rm([file.path for file in old])
        _make_folders(target.protocol, store, goals)
        store.put([str(path) for path in goals.values()], list(goals))
    arrived = {file.name: file.size for file in list_files(target)}
    if arrived != {name: path.stat().st_size for name, path in files.items()}:
        raise StorageError(f"{target}: what arrived there is not what was sent; try again")


def _marker(target: Url) -> Url:
    """Stands beside a result while it is sent."""
    return target.parent / f".{target.name}{_MARKER_END}"


def _remove_unfinished(output: Url) -> None:
    """Remove what runs that were killed left half sent."""
    for file in list_files(output, deep=False):
        if file.name.startswith(".") and file.name.endswith(_MARKER_END):
            _remove_upload(output / file.name[1:].removesuffix(_MARKER_END))


def _remove_if_unfinished(target: Url) -> None:
    if _marker(target).exists():
        _remove_upload(target)


def _remove_upload(target: Url) -> None:
    store, root = filesystem(target)
    files = list_files(target)
    with asking(target):
        if files:
            store.rm([file.path for file in files])
        if target.protocol in _WITH_FOLDERS and store.exists(root):
            store.rm(root, recursive=True)
    _delete(_marker(target))
