"""A storage of our own (Storage SCP, PS3.4 B): what others send is kept in a spool, series by series.

    SPOOL/incoming/STUDY/SERIES/INSTANCE.dcm    still coming, or waiting to be quiet
    SPOOL/work, done, failed/...                what became of it

An instance is answered with "success" when its file is there under its name, so that a kill costs nothing
that was acknowledged.  A series is whole, as far as can be known, when the association that sent it was
released; a file says so, which is written before the sender is told that the release was heard.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLContext
from typing import Any

from dicomarray.dicom.uids import is_safe_uid
from dicomarray.errors import InputError, OutputError
from dicomarray.sources.arrivals import identity_of
from dicomarray.sources.dimse_instances import (
    NO_MATCH,
    NO_ROOM,
    SYNTAXES,
    TAKEN,
    storage_classes,
    write_instance,
)
from dicomarray.storage.atomic import making
from dicomarray.storage.dimse import MAX_PDU_BYTES, VERIFICATION, pynetdicom_for
from dicomarray.storage.dimse_transport import prompt

INCOMING, WORK, FINISHED, FAILED = "incoming", "work", "done", "failed"
# Says of a series that comes in that its sender was done with it.
WHOLE = ".whole"
# What C-STORE is answered with where another instance of this UID is here (PS3.7 C.5.7).
DUPLICATE = 0x0111
_REASONS = {
    NO_MATCH: "it is no instance: no UIDs",
    DUPLICATE: "another instance of the same UID is here",
}
_STRANGER = "who sends is not allowed to (--allow)"
_MISNAMED = "who sends calls another AE title than ours (--aet)"
_TOO_MANY = "more associations at once than may be (--max-associations)"
# A little of each message is no pixel data.
_OVERHEAD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """A series as it came: its study, and itself."""

    study: str
    uid: str

    def below(self, folder: Path) -> Path:
        """Where it lies."""
        return folder / self.study / self.uid


@dataclass(frozen=True, slots=True)
class Limits:
    """Who may send, and how much.

    ``callers`` are AE titles, or ``AE@ADDRESS``; none means everybody.  ``instance_bytes`` limits one
    instance, ``waiting_bytes`` all that is not done, ``associations`` how many may be open at once, and
    ``silence`` how many seconds a sender may say nothing.
    """

    callers: tuple[str, ...] = ()
    instance_bytes: int = 4 << 30
    waiting_bytes: int = 100 << 30
    associations: int = 10
    silence: float = 60.0

    def admits(self, title: str, address: str) -> bool:
        """Whether somebody may send."""
        return not self.callers or bool({title, f"{title}@{address}"} & {*self.callers})


class Spool:
    """What was received and is not done, in a folder; safe for several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with making(folder):
            for name in (INCOMING, WORK, FINISHED, FAILED):
                (folder / name).mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._last = dict.fromkeys(self._series(INCOMING), time.monotonic())
        for part in (folder / INCOMING).glob(".*.part"):
            part.unlink()  # half an instance: it was not acknowledged
        self.waiting_bytes = sum(
            file.stat().st_size for name in (INCOMING, WORK) for file in (folder / name).rglob("*.dcm")
        )
        self.received = 0

    def _series(self, name: str) -> list[SeriesKey]:
        return [SeriesKey(path.parent.name, path.name) for path in sorted((self.folder / name).glob("*/*"))]

    def part(self) -> Path:
        """A new name for what is being received."""
        return self.folder / INCOMING / f".{threading.get_ident()}-{time.monotonic_ns()}.part"

    def keep(self, part: Path) -> tuple[int, SeriesKey | None]:
        """Give what was received its name; what is answered, and of which series it is."""
        try:
            study, uid, sop = identity_of(part)
        except InputError:
            return NO_MATCH, None
        if not (is_safe_uid(study) and is_safe_uid(uid) and is_safe_uid(sop)):
            return NO_MATCH, None
        key, name = SeriesKey(str(study), str(uid)), f"{sop}.dcm"
        with self._lock:
            for place in (INCOMING, WORK, FINISHED, FAILED):
                there = key.below(self.folder / place) / name
                if there.exists():
                    return TAKEN if _same(there, part) else DUPLICATE, key
            folder = key.below(self.folder / INCOMING)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / WHOLE).unlink(missing_ok=True)
            self.waiting_bytes += part.stat().st_size
            part.rename(folder / name)
            self._last[key] = time.monotonic()
            self.received += 1
        return TAKEN, key

    def is_whole(self, keys: Iterator[SeriesKey]) -> None:
        """Their senders are done with them."""
        with self._lock:
            for key in keys:
                folder = key.below(self.folder / INCOMING)
                if folder.is_dir():
                    (folder / WHOLE).touch()

    def counts(self) -> tuple[int, int]:
        """How many series wait, and how many of them were cut short."""
        with self._lock:
            cut = sum(not (key.below(self.folder / INCOMING) / WHOLE).exists() for key in self._last)
            return len(self._last), cut

    def take(self, quiet: float, busy: frozenset[SeriesKey], also_cut_short: bool) -> Iterator[SeriesKey]:
        """Series that were quiet for so many seconds, with all that is known of them, now in ``work``."""
        for key, last in list(self._last.items()):
            source, target = key.below(self.folder / INCOMING), key.below(self.folder / WORK)
            if time.monotonic() - last < quiet or key in busy or target.exists():
                continue
            with self._lock:
                if not also_cut_short and not (source / WHOLE).exists():
                    continue
                if time.monotonic() - self._last[key] < quiet:
                    continue
                for earlier in (FINISHED, FAILED):
                    self.waiting_bytes += _join(key.below(self.folder / earlier), source)
                target.parent.mkdir(exist_ok=True)
                source.rename(target)
                (target / WHOLE).unlink(missing_ok=True)
                del self._last[key]
            yield key

    def left(self) -> list[SeriesKey]:
        """What was in work when an earlier listener ended."""
        return self._series(WORK)

    def finish(self, key: SeriesKey, place: str) -> None:
        """Put a series that is no longer in work aside."""
        source, target = key.below(self.folder / WORK), key.below(self.folder / place)
        with self._lock:
            self.waiting_bytes -= sum(file.stat().st_size for file in source.glob("*.dcm"))
            for earlier in (FINISHED, FAILED):  # its files were joined
                shutil.rmtree(key.below(self.folder / earlier), ignore_errors=True)
            target.parent.mkdir(exist_ok=True)
            source.rename(target)


def _same(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()


def _join(earlier: Path, folder: Path) -> int:
    """What came before of the same series belongs to it; how many bytes that is."""
    size = 0
    for file in earlier.glob("*.dcm"):
        place = folder / file.name
        if not place.exists():
            size += file.stat().st_size
            try:
                place.hardlink_to(file)
            except OSError:  # a file system without
                shutil.copy2(file, place)
    return size


@dataclass(slots=True)
class _Sender:
    """One association: the series that it sent, from when to when, and how much of a message has come."""

    association: Any
    series: dict[SeriesKey, tuple[float, float]] = field(default_factory=dict)
    message_bytes: int = 0

    def has_sent(self, key: SeriesKey) -> None:
        """An instance of a series has come."""
        now = time.monotonic()
        self.series[key] = (self.series.get(key, (now, now))[0], now)

    def sends_beside(self, other: _Sender, key: SeriesKey) -> bool:
        """Whether it has sent of a series since another one, which does too, began to.

        One that has not may be a connection that is dead, of a sender that sends again.
        """
        return self.association.is_alive() and self.series[key][1] > other.series[key][0]


class Listener:
    """The storage, which fills a spool; a context that opens and closes its port."""

    def __init__(
        self,
        spool: Spool,
        title: str,
        place: tuple[str, int],
        limits: Limits,
        tls: SSLContext | None = None,
    ) -> None:
        self.spool, self._limits, self._tls = spool, limits, tls
        self._senders: dict[int, _Sender] = {}
        self.refused = Counter[str]()  # instances and associations, by the reason
        self._lock = threading.Lock()
        self._title, self._place = title, place
        self._package = pynetdicom_for(f"port {place[1]}")
        self._entity = self._made()
        self._server: Any = None

    def _made(self) -> Any:
        entity = self._package.AE(ae_title=self._title)
        entity.require_called_aet = True
        entity.maximum_associations = self._limits.associations
        entity.maximum_pdu_size = MAX_PDU_BYTES
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = self._limits.silence
        entity.add_supported_context(VERIFICATION)
        for uid in storage_classes(self._package):
            entity.add_supported_context(uid, list(SYNTAXES))
        return entity

    def __enter__(self) -> Listener:
        """Open the port.

        Raises
        ------
        OutputError
            Where it cannot be opened.
        """
        evt = self._package.evt
        handlers = [
            (evt.EVT_C_STORE, self._stored),
            (evt.EVT_PDU_RECV, self._heard),
            (evt.EVT_REQUESTED, self._asked),
            (evt.EVT_REJECTED, self._rejected),
            *prompt(self._package, self._limits.silence),
        ]
        try:
            self._server = self._entity.start_server(
                self._place, block=False, ssl_context=self._tls, evt_handlers=handlers
            )
        except OSError as error:
            raise OutputError(
                f"port {self._place[1]} of {self._place[0]} cannot be opened: {error.strerror}"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._entity.shutdown()

    def busy(self) -> frozenset[SeriesKey]:
        """The series that associations send which are open now; those that ended are forgotten."""
        with self._lock:
            for key, sender in list(self._senders.items()):
                if not sender.association.is_alive():
                    del self._senders[key]
            return frozenset(key for sender in self._senders.values() for key in sender.series)

    def _refuse(self, reason: str, code: int = TAKEN) -> int:
        """Count a refusal; the status that goes with it."""
        with self._lock:
            self.refused[reason] += 1
        return code

    def _sender(self, association: Any) -> _Sender:
        with self._lock:
            return self._senders.setdefault(id(association), _Sender(association))

    def _asked(self, event: Any) -> None:
        """Reject an association of who may not send (PS3.8 9.3.4: the calling AE title is not recognized)."""
        requestor, acceptor = event.assoc.requestor, event.assoc
        if not self._limits.admits(requestor.primitive.calling_ae_title.strip(), requestor.address):
            self._refuse(_STRANGER)
            acceptor.acse.send_reject(0x01, 0x01, 0x03)
            acceptor.kill()  # which waits until it is sent

    def _rejected(self, event: Any) -> None:
        """The package has rejected one: who sends called somebody else, or comes on top of too many."""
        called = event.assoc.requestor.primitive.called_ae_title.strip()
        self._refuse(_MISNAMED if called != self._title else _TOO_MANY)

    def _heard(self, event: Any) -> None:
        """Whatever comes: a message that is too long, and the end, before it is answered."""
        kind = type(event.pdu).__name__
        if kind == "P_DATA_TF":
            sender = self._sender(event.assoc)
            sender.message_bytes += event.pdu.pdu_length
            if sender.message_bytes > self._limits.instance_bytes + _OVERHEAD_BYTES:
                self._refuse("longer than may be (--max-instance)")
                event.assoc.abort(block=False)
        elif kind == "A_RELEASE_RQ":
            sender = self._sender(event.assoc)
            with self._lock:
                others = [one for one in self._senders.values() if one is not sender]
                whole = [
                    key for key in sender.series
                    if not any(key in one.series and one.sends_beside(sender, key) for one in others)
                ]  # fmt: skip
                sender.series = {}
            self.spool.is_whole(iter(whole))

    def _stored(self, event: Any) -> int:
        """An instance; the status that it is answered with."""
        sender = self._sender(event.assoc)
        sender.message_bytes = 0
        if self.spool.waiting_bytes > self._limits.waiting_bytes:
            return self._refuse("more waits than may (--max-waiting)", NO_ROOM)
        part = self.spool.part()
        try:
            with part.open("wb") as stream:
                write_instance(stream, event)
            code, key = self.spool.keep(part)
        except OSError as error:
            return self._refuse(f"it cannot be written: {error.strerror}", NO_ROOM)
        finally:
            part.unlink(missing_ok=True)
        if code != TAKEN:
            self._refuse(_REASONS[code])
        if key is not None:
            sender.has_sent(key)
        return code
