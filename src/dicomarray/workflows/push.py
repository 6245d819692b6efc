"""Instances stored in a PACS; then it is asked for every one of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Unpack

from dicomarray.catalog.series_selection import Inputs, ScanRequest, select
from dicomarray.core.coded_warnings import Warnings
from dicomarray.core.options import made_of, takes
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.uids import is_safe_uid
from dicomarray.errors import InputError, StorageError
from dicomarray.objects.common.files import WriteReport
from dicomarray.query.config import Config
from dicomarray.sinks.base import Answer, Outgoing, Target, target_of
from dicomarray.sources.base import Progress, SkippedGroup, by_reason
from dicomarray.storage.connections import address_of, is_server
from dicomarray.storage.http import StatusError, UnreachableError
from dicomarray.storage.limits import TransferKeywords, TransferOptions, side_by_side
from dicomarray.storage.places import PathLike, Place, Url, local_path, place_of
from dicomarray.storage.plain_files import open_plain
from dicomarray.storage.references import file_of, state_of

CHUNK_BYTES = 256 * 1024
_NOT_FOR_US = (401, 403)
Status = Literal["stored", "present", "failed"]


@dataclass(frozen=True, slots=True)
class PushedInstance:
    """What became of an instance: ``present`` means that the server had it before."""

    uid: str
    series: str
    study: str
    file: Place
    status: Status
    error: str | None = None
    warning: str | None = None


@dataclass(frozen=True)
class PushReport:
    """One entry an instance, in the order of the catalog."""

    entries: tuple[PushedInstance, ...]
    skipped: tuple[SkippedGroup, ...] = ()
    warnings: Warnings = ()

    @property
    def failed(self) -> list[PushedInstance]:
        """What the server does not have now."""
        return [entry for entry in self.entries if entry.status == "failed"]

    def count(self, status: Status) -> int:
        """How many instances have come to that."""
        return sum(entry.status == status for entry in self.entries)

    @property
    def summary(self) -> str:
        """What it came to, in a line."""
        return (
            f"{self.count('stored')} instances stored, {self.count('present')} there before, "
            f"{self.count('failed')} failed"
        )

    def __repr__(self) -> str:
        return f"<PushReport: {self.summary}>"


@takes(TransferOptions)
def push(
    input: Inputs,
    target: PathLike | Url,
    config: Config = None,
    *,
    index: PathLike | None = None,
    series: str | None = None,
    progress: Progress | None = None,
    finished: Callable[[str, Sequence[PushedInstance]], None] | None = None,
    **options: Unpack[TransferKeywords],
) -> PushReport:
    """Store every instance below a folder in a PACS, and ask it for each afterwards.

    What the server has by its SOP Instance UID is not sent, so that the same call again sends what failed.

    Parameters
    ----------
    input
        A folder or file, or several; whatever is DICOM in them, images or not.
    target
        The server, as in `pull`.
    config, index, series
        Which series are meant, as in `dicom_filter`.
    progress
        Called with the number of instances that are done, their bytes, and the number of all.
    finished
        Called with the UID of each series that is done, and its instances.
    options
        How much at once: those of `TransferOptions`, below.

    Raises
    ------
    InputError
        Where there is nothing to store.
    StorageError
        Where the server cannot be asked at all; what it refuses is told by the report.
    """
    address, limits = address_of(target), made_of(TransferOptions, options)
    found = select(ScanRequest(input, index, config, series))
    if not found.series:
        raise InputError(f"{found.request}: no DICOM objects to store")
    entries: list[PushedInstance] = []
    with target_of(address, limits) as server:
        sending = _Sending(server, progress, sum(len(one.instances) for one in found.series))
        instances = (one.instances for one in found.series)
        done = side_by_side(limits.concurrency, sending.pushed, instances, sending.stop)
        with closing(done) as several:
            for one, pushed in zip(found.series, several, strict=True):
                entries += pushed
                if finished is not None:
                    finished(one.uid, pushed)
    return PushReport(tuple(entries), tuple(by_reason(found.catalog.skipped)), found.warnings)


def local_or_stored(output: PathLike | Url, make: Callable[[Path], WriteReport]) -> WriteReport:
    """A result that is made in a folder; one for a PACS is stored when it is there, and then removed here."""
    target = place_of(output)
    if not is_server(target):
        return make(local_path(output))
    address = address_of(target)
    with TemporaryDirectory(prefix="dicomarray-") as folder:
        made = make(Path(folder) / "series")
        entries = store_result(Path(folder), address).entries
    stored = (f"{address}/studies/{one.study}/series/{one.series}/instances/{one.uid}" for one in entries)
    return replace(made, files=(), stored=tuple(stored))


def store_result(folder: Path, target: PathLike | Url) -> PushReport:
    """Store what was made; StorageError where the server does not have all of it afterwards."""
    report = push(folder, target)
    if report.failed:
        first = report.failed[0]
        raise StorageError(
            f"{address_of(target)}: {len(report.failed)} of {len(report.entries)} instances of the result "
            f"are not stored, such as {first.uid}: {first.error}"
        )
    return report


class _Sending:
    """One push: how far it is."""

    def __init__(self, server: Target, progress: Progress | None, total: int) -> None:
        self._server, self._progress, self._total = server, progress, total
        self._files = self._bytes = 0
        self._lock = threading.Lock()  # several series go side by side
        self._stopped = self._reached = False

    def stop(self) -> None:
        """Let what is on its way end with the next instances: nobody waits for it any more."""
        self._stopped = True

    def pushed(self, headers: Iterable[Header]) -> list[PushedInstance]:
        """What becomes of the instances of a series."""
        entries: dict[str, PushedInstance] = {}
        groups: dict[tuple[str, str], dict[str, Outgoing]] = {}
        for number, header in enumerate(headers):
            made = _outgoing(header)
            if isinstance(made, PushedInstance):
                entries[f"{number}"] = made
                continue
            group = groups.setdefault((made.study, made.series), {})
            if not _same_bytes(made, group.setdefault(made.uid, made)):
                entries[f"{number}"] = _entry(
                    made, "failed", "another file here has the same SOP Instance UID"
                )
        for (study, series), group in groups.items():
            entries |= self._stored(study, series, group)
        return [*entries.values()]

    def _stored(self, study: str, series: str, group: dict[str, Outgoing]) -> dict[str, PushedInstance]:
        """The instances of one series of one study, by UID."""
        answers: dict[str, Answer] = {}
        error: StorageError | None = None

        def answered(instance: Outgoing, answer: Answer) -> None:
            answers[instance.uid] = answer
            self._tell(instance)

        before = after = frozenset[str]()
        try:
            before = after = self._server.present(study, series)
            self._reached = True
            for uid in before & group.keys():
                self._tell(group[uid])
            missing = [one for uid, one in group.items() if uid not in before]
            if missing:
                try:
                    self._server.store(missing, answered)
                finally:  # whatever broke: what arrived is there
                    after = self._server.present(study, series)
        except StorageError as failure:
            if not self._reached and _is_of_the_server(failure):
                raise
            error = failure
        found = {}
        for uid, instance in group.items():
            answer = answers.get(uid, Answer())
            if uid in after:
                status: Status = "present" if uid in before else "stored"
                found[uid] = _entry(instance, status, warning=answer.warning)
                continue
            why = answer.refused or (str(error) if error else "the server took it, and does not list it")
            found[uid] = _entry(instance, "failed", why)
        return found

    def _tell(self, instance: Outgoing) -> None:
        with self._lock:
            self._files += 1
            self._bytes += instance.size
            if self._progress is not None:
                self._progress(self._files, self._bytes, self._total)
        if self._stopped:
            raise StorageError("the push was ended")


def _is_of_the_server(error: StorageError) -> bool:
    """Whether all instances would fail of it: nobody is there, or we may not ask."""
    return isinstance(error, UnreachableError) or (
        isinstance(error, StatusError) and error.status in _NOT_FOR_US
    )


def _same_bytes(one: Outgoing, other: Outgoing) -> bool:
    if one is other or one.size != other.size:
        return one is other
    with open_plain(one.path) as first, open_plain(other.path) as second:
        while chunk := first.read(CHUNK_BYTES):
            if chunk != second.read(CHUNK_BYTES):
                return False
    return True


def _entry(
    instance: Outgoing, status: Status, error: str | None = None, warning: str | None = None
) -> PushedInstance:
    file = file_of(instance.path)
    return PushedInstance(instance.uid, instance.series, instance.study, file, status, error, warning)


def _outgoing(header: Header) -> Outgoing | PushedInstance:
    """What is sent of a file, or why it cannot be."""
    study, series, sop_class, uid = (
        header.text(keyword) or ""
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")
    )
    if not all(map(is_safe_uid, (study, series, sop_class, uid))) or not header.transfer_syntax:
        what = "its UIDs, or the Transfer Syntax UID, are missing or none: no PACS can take it"
        return PushedInstance(uid, series, study, file_of(header.reference), "failed", what)
    size = (header.stamp or state_of(header.reference)).size
    return Outgoing(header.reference, study, series, sop_class, uid, header.transfer_syntax, size)
