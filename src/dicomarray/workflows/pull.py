"""Series copied from a PACS into a folder: each whole or not at all, and only what is not there yet.

    OUTPUT/STUDY UID/SERIES UID/SOP INSTANCE UID.dcm

What was fetched of a series that is not whole waits in a folder that no scan reads; the next pull goes on.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal, Unpack

from dicomarray.catalog.index.scanning import index as index_folder
from dicomarray.catalog.scan import catalog_of
from dicomarray.core.coded_warnings import Warnings
from dicomarray.core.options import made_of, takes
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS
from dicomarray.errors import DataError, OutputError, StorageError
from dicomarray.query.config import Config, selection_of
from dicomarray.query.partial import asked_attributes, may_match
from dicomarray.query.pushdown import queries_of
from dicomarray.query.selection import Selection, evaluate_all
from dicomarray.sources.base import Progress, RemoteSeries, Server, Skipped, server_of
from dicomarray.sources.filesystem import UNFINISHED
from dicomarray.sources.instances import LocalFiles
from dicomarray.storage.atomic import making, refuse_inside, removed_if_empty
from dicomarray.storage.connections import address_of
from dicomarray.storage.file_locks import LockedElsewhereError, lock
from dicomarray.storage.limits import TransferKeywords, TransferOptions, side_by_side
from dicomarray.storage.places import PathLike, Url, local_path

Status = Literal["pulled", "unchanged", "failed"]


@dataclass(frozen=True, slots=True)
class PulledSeries:
    """What became of a series: ``fetched`` instances are new, ``kept`` were there; why it failed."""

    uid: str
    study: str
    status: Status
    folder: Path
    fetched: int = 0
    kept: int = 0
    size: int = 0
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True)
class PullReport:
    """One entry a series that matches; ``looked_at`` is how many the server listed."""

    entries: tuple[PulledSeries, ...]
    looked_at: int
    warnings: Warnings = ()

    @property
    def failed(self) -> list[PulledSeries]:
        """The series that did not come."""
        return [entry for entry in self.entries if entry.status == "failed"]

    def __repr__(self) -> str:
        fetched = sum(entry.fetched for entry in self.entries)
        several = f"{len(self.entries)} series, {fetched} instances fetched"
        return f"<PullReport: {several}, {len(self.failed)} series failed>"


@takes(TransferOptions)
def pull(
    source: PathLike | Url,
    output: PathLike,
    config: Config = None,
    *,
    index: PathLike | None = None,
    progress: Progress | None = None,
    finished: Callable[[PulledSeries, int], None] | None = None,
    **options: Unpack[TransferKeywords],
) -> PullReport:
    """Copy the series of a PACS that match into a folder, the bytes as the server stores them.

    A series appears with all instances that the server lists, or not at all.  The same call again fetches
    only what is new, and goes on with what was interrupted.

    Parameters
    ----------
    source
        The server: ``dicomweb+https://HOST/dicom-web``, where a plain ``https://`` will do, or
        ``dimse://CALLED_AE@HOST:PORT``, with ``?calling=AE`` for who we are.  Credentials come
        from the environment (``DICOMARRAY_USER`` and ``DICOMARRAY_PASSWORD``, or ``DICOMARRAY_TOKEN``), from
        the JSON file that ``DICOMARRAY_CREDENTIALS`` names, or from netrc.
    output
        The folder: ``STUDY/SERIES/INSTANCE.dcm``, by their UIDs.
    config
        A filter config, as in `dicom_filter`; None and ``{}`` match all that the server has.
    index
        An index file to bring up to date with the folder afterwards.
    progress
        Called with the number of instances that came, their bytes, and how many there will be.
    finished
        Called with each series that is done, and how many there are.
    options
        How much at once: those of `TransferOptions`, below.

    Raises
    ------
    ConfigError
        For mistakes in the config, before the server is asked.
    StorageError
        Where the server cannot be asked; a series that fails later is an entry of the report.
    OutputError
        Where the folder cannot be made, or another pull fills it.
    """
    selection, limits = selection_of(config), made_of(TransferOptions, options)
    address, folder = address_of(source), local_path(output)
    if index is not None:
        refuse_inside(local_path(index), folder)
    with server_of(address, limits) as server, removed_if_empty(folder), _held(folder) as waiting:
        pulling = _Pulling(server, folder, waiting, progress)
        wanted, looked_at, warnings = pulling.matching(selection)
        total = len(wanted) + len(pulling.unknown)
        entries = []
        with closing(side_by_side(limits.concurrency, pulling.pulled, wanted, pulling.stop)) as pulled:
            for entry in chain(pulling.undecided(), pulled):
                entries.append(entry)
                if finished is not None:
                    finished(entry, total)
    if index is not None and folder.is_dir():
        index_folder(folder, index)
    return PullReport(tuple(entries), looked_at, warnings)


class _Pulling:
    """One pull: what it looks at, and what has come."""

    def __init__(self, server: Server, folder: Path, waiting: Path, progress: Progress | None) -> None:
        self._server, self._folder, self._waiting, self._progress = server, folder, waiting, progress
        self._files = self._bytes = 0
        self._total: int | None = None
        self._lock = threading.Lock()  # several series come side by side
        self._stopped = False
        # of which it is not known whether they match, and why
        self.unknown: dict[RemoteSeries, StorageError] = {}

    def stop(self) -> None:
        """Let what is on its way end with the next instance: nobody waits for it any more."""
        self._stopped = True

    def matching(self, selection: Selection) -> tuple[list[RemoteSeries], int, Warnings]:
        """The series that a config means, how many the server listed for that, and what was odd."""
        queries = queries_of(selection)
        listed = {(one.study, one.uid): one for keys in queries for one in self._server.find(keys)}
        found = [*listed.values()]
        if not selection.config:
            self._expect(found)
            return found, len(found), ()
        left = [one for one in found if self._may_match(selection, one)]
        catalog = catalog_of(self._headers(left, DEFAULT_KEYWORDS | selection.attributes))
        verdicts = evaluate_all(selection, catalog)
        of_uid: dict[str, list[RemoteSeries]] = {}
        for one in found:
            of_uid.setdefault(one.uid, []).append(one)
        wanted = [one for series in verdicts.matching for one in of_uid.get(series.uid, ())]
        for one in set(found) - {*wanted, *self.unknown}:  # what was fetched of it to see whether it matches
            shutil.rmtree(self._waiting / one.study / one.uid, ignore_errors=True)
            _remove_empty(self._waiting / one.study / one.uid)
        self._expect(wanted)
        return wanted, len(found), verdicts.warnings

    def _may_match(self, selection: Selection, series: RemoteSeries) -> bool:
        """Whether it does as far as the server tells without giving instances."""
        if series.known and not may_match(selection, [series.known], every_instance=False):
            return False
        try:
            listed = self._server.listed(series, asked_attributes(selection))
        except StorageError:  # it fails again where the series is fetched, and is told there
            return True
        known = [{**series.known, **one} for one in listed]
        return not known or may_match(selection, known, every_instance=True)

    def _headers(self, found: Iterable[RemoteSeries], names: frozenset[str]) -> Iterator[Header | Skipped]:
        """What the server says of them; where it does not, the instances themselves are fetched."""
        for series in found:
            try:
                headers = self._server.headers(series, names)
                if headers is None:
                    folders = (self._place(series), self._fetch(series)[0])
                    headers = list(LocalFiles([one for one in folders if one.is_dir()]).instances(names))
            except StorageError as error:
                self.unknown[series] = error
                continue
            yield from headers

    def _expect(self, wanted: Sequence[RemoteSeries]) -> None:
        # what was fetched to decide is counted again where it is wanted
        self._files = self._bytes = 0
        counts = [series.count for series in wanted]
        self._total = None if None in counts else sum(count or 0 for count in counts)

    def undecided(self) -> Iterator[PulledSeries]:
        """The series of which the server does not say enough to know whether they match."""
        for series, error in self.unknown.items():
            yield PulledSeries(series.uid, series.study, "failed", self._place(series), error=str(error))

    def pulled(self, series: RemoteSeries) -> PulledSeries:
        """What becomes of one."""
        started, place = time.monotonic(), self._place(series)
        entry = PulledSeries(series.uid, series.study, "failed", place)
        try:
            waiting, new, kept, size = self._fetch(series)
            if new:
                with making(place):
                    _put(waiting, place)
        except DataError as error:
            return replace(entry, error=str(error), seconds=time.monotonic() - started)
        finally:
            with self._lock:
                _remove_empty(self._waiting / series.study / series.uid)
        return replace(
            entry,
            status="pulled" if new else "unchanged",
            fetched=new,
            kept=kept,
            size=size,
            seconds=time.monotonic() - started,
        )

    def _place(self, series: RemoteSeries) -> Path:
        return self._folder / series.study / series.uid

    def _fetch(self, series: RemoteSeries) -> tuple[Path, int, int, int]:
        """Fetch what is not there: where it waits, how many are new, were there, and the new ones' bytes."""
        listed = self._server.instances(series)
        if len(listed) < (series.count or 1):
            raise StorageError(
                f"series {series.uid}: the server counts {series.count or 'some'} instances, and lists "
                f"{len(listed)}; pull again"
            )
        there = listed & _uids_in(self._place(series))
        waiting = self._waiting / series.study / series.uid
        with making(waiting), self._lock:
            waiting.mkdir(parents=True, exist_ok=True)
        for left in waiting.glob(".*"):
            left.unlink()  # half an instance
        self._arrived(*(waiting / f"{uid}.dcm" for uid in _uids_in(waiting) & listed))
        wanted = listed - there - _uids_in(waiting)
        if wanted:
            with making(waiting):
                self._server.fetch(series, wanted, waiting, self._arrived)
        new = listed - there
        return waiting, len(new), len(there), sum((waiting / f"{uid}.dcm").stat().st_size for uid in new)

    def _arrived(self, *files: Path) -> None:
        for file in files:
            with self._lock:
                self._files += 1
                self._bytes += file.stat().st_size
                if self._progress is not None:
                    self._progress(self._files, self._bytes, self._total)
        if self._stopped:
            raise StorageError("the pull was ended")


def _uids_in(folder: Path) -> frozenset[str]:
    """The instances whose files are in a folder."""
    return frozenset(file.stem for file in folder.glob("[0-9]*.dcm"))


def _put(waiting: Path, place: Path) -> None:
    """Give a series its place, with what lies there: at once, whoever looks."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.is_dir():
        waiting.rename(place)
        return
    for file in place.iterdir():
        if not (waiting / file.name).exists():
            _link(file, waiting / file.name)
    aside = waiting.with_name(f"{waiting.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    place.rename(aside)  # were we killed here, the next pull would find everything in the waiting folder
    waiting.rename(place)
    shutil.rmtree(aside, ignore_errors=True)


def _link(file: Path, name: Path) -> None:
    try:
        name.hardlink_to(file)
    except OSError:  # a file system without
        shutil.copy2(file, name)


def _remove_empty(folder: Path) -> None:
    for one in (folder, folder.parent):
        with suppress(OSError):
            one.rmdir()


@contextmanager
def _held(folder: Path) -> Iterator[Path]:
    """The output for this pull alone: the folder in it where series wait until they are whole."""
    waiting = folder / UNFINISHED
    with making(folder):
        waiting.mkdir(parents=True, exist_ok=True)
        handle = os.open(waiting / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            lock(handle)
        except LockedElsewhereError:
            raise OutputError(f"{folder} is filled by another pull; wait for it") from None
        try:
            yield waiting
        finally:
            with suppress(OSError):
                if {path.name for path in waiting.iterdir()} == {"lock"}:
                    (waiting / "lock").unlink()
                    waiting.rmdir()
    finally:
        os.close(handle)
