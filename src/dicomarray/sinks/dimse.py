"""Instances stored in a PACS of DIMSE (C-STORE), encoded as they are; then it is asked for them (C-FIND)."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dicomarray.dicom.segment_objects import LABEL_MAP
from dicomarray.dicom.transfer_syntaxes import LITTLE_ENDIAN
from dicomarray.errors import DicomArrayError
from dicomarray.sinks.base import NO_LABEL_MAP, Answer, Answered, Outgoing, Target
from dicomarray.sinks.transcoding import can_transcode, transcode
from dicomarray.sources.base import RemoteSeries
from dicomarray.sources.dimse import DimseServer
from dicomarray.storage.dimse import MAX_CONTEXTS, BrokenError, Peer, Proposal, RefusedError, meaning
from dicomarray.storage.places import Url
from dicomarray.storage.plain_files import open_plain

# A class with its syntaxes takes one context each, and two native ones.
_CLASSES_AT_ONCE = 20
# How often an association is made again that broke off, and how long we wait; seconds.
TRIES, WAIT_SECONDS = 3, 0.5
# Some servers list what they took a moment later; seconds.
LISTING_WAITS = (0.2, 1.0, 3.0)
_WARNINGS = range(0xB000, 0xC000)
_ITS_WORD = "the server answers no queries (C-FIND): that it has the instance is its own word"


class DimseTarget(Target):
    """The server at an address."""

    def __init__(self, address: Url, peer: Peer | None = None) -> None:
        self._peer = peer or Peer(address)
        self._asked = DimseServer(address, self._peer)
        self._can_be_asked = True
        self._taken: dict[tuple[str, str], set[str]] = {}  # by study and series

    def close(self) -> None:
        """As `Target.close`."""
        self._asked.close()

    def present(self, study: str, series: str) -> frozenset[str]:
        """As `Target.present`; of a server that answers no queries, what it said it took."""
        taken = self._taken.get((study, series), set())
        for wait in (*LISTING_WAITS, None):
            if not self._can_be_asked:
                return frozenset(taken)
            try:
                there = self._asked.instances(RemoteSeries(study, series))
            except RefusedError as error:
                if "takes nothing" not in str(error):
                    raise
                self._can_be_asked = False
                continue
            if wait is None or taken <= there:
                break
            time.sleep(wait)
        return there

    def store(self, instances: Sequence[Outgoing], answered: Answered) -> None:
        """As `Target.store`."""
        classes: dict[str, list[Outgoing]] = {}
        for one in instances:
            classes.setdefault(one.sop_class, []).append(one)
        names = list(classes)
        for start in range(0, len(names), _CLASSES_AT_ONCE):
            group = [one for name in names[start : start + _CLASSES_AT_ONCE] for one in classes[name]]
            self._store_all(group, answered)

    def _store_all(self, instances: list[Outgoing], answered: Answered) -> None:
        """Over one association, or another one where it breaks off."""
        waiting, broken = instances, 0
        while waiting:
            before = len(waiting)
            try:
                waiting = self._store_some(waiting, answered)
            except BrokenError:
                broken = broken + 1 if len(waiting) == before else 1
                if broken >= TRIES:
                    raise
                time.sleep(WAIT_SECONDS)

    def _store_some(self, waiting: list[Outgoing], answered: Answered) -> list[Outgoing]:
        """Send until all are answered; they are taken off the list one by one."""
        try:
            with self._peer.associated(_proposals(waiting)) as association:
                taken = self._peer.accepted(association)
                while waiting:
                    answer = self._sent(association, taken, waiting[0])
                    one = waiting.pop(0)
                    if answer.refused is None:
                        self._taken.setdefault((one.study, one.series), set()).add(one.uid)
                        if not self._can_be_asked and answer.warning is None:
                            answer = Answer(warning=_ITS_WORD)
                    answered(one, answer)
        except RefusedError as error:
            if "takes nothing" not in str(error):
                raise
            for one in waiting:
                answered(one, Answer(_not_taken(one)))
            return []
        return waiting

    def _sent(self, association: Any, taken: dict[tuple[str, str], Any], instance: Outgoing) -> Answer:
        """What the server says to one instance."""
        syntax = instance.transfer_syntax
        if (instance.sop_class, syntax) not in taken:
            native = [one for one in reversed(LITTLE_ENDIAN) if (instance.sop_class, one) in taken]
            if not native or not can_transcode(syntax):
                return Answer(_not_taken(instance))
            syntax = native[0]
        try:
            with _file_in(instance, syntax) as file, _BYTES_ARE_SENT:
                code = self._peer.code(association.send_c_store(file))
        except BrokenError:
            raise
        except DicomArrayError as error:
            return Answer(str(error))
        except (AttributeError, ValueError, OSError, KeyError) as error:
            if not association.is_established:
                raise self._peer.broken("the association broke off") from error
            what = error.strerror if isinstance(error, OSError) else "its file meta information is no good"
            return Answer(f"{instance.path} cannot be sent: {what}")
        if code in _WARNINGS:
            return Answer(warning=f"the server says: {meaning(code)}")
        return Answer(f"the server refuses it: {meaning(code)}" if code else None)


def _proposals(instances: Sequence[Outgoing]) -> list[Proposal]:
    """Each class with each syntax that its instances have, and with native ones for the others."""
    wanted = dict.fromkeys((one.sop_class, one.transfer_syntax) for one in instances)
    wanted |= dict.fromkeys(
        (one.sop_class, syntax) for one in instances for syntax in reversed(LITTLE_ENDIAN)
    )
    return [Proposal(sop_class, (syntax,)) for sop_class, syntax in [*wanted][:MAX_CONTEXTS]]


def _not_taken(instance: Outgoing) -> str:
    if instance.sop_class == LABEL_MAP:
        return NO_LABEL_MAP
    return (
        f"the server does not take its class {instance.sop_class} in transfer syntax "
        f"{instance.transfer_syntax}; ask its administrator"
    )


@contextmanager
def _file_in(instance: Outgoing, syntax: str) -> Iterator[Path]:
    """A file of this computer that has the instance in a transfer syntax: its own, where it has that."""
    if syntax == instance.transfer_syntax and isinstance(instance.path, Path):
        yield instance.path
        return
    with tempfile.TemporaryDirectory(prefix="dicomarray-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "instance.dcm"
        if syntax == instance.transfer_syntax:
            with open_plain(instance.path) as source, file.open("wb") as copy:
                shutil.copyfileobj(source, copy)
        else:
            transcode(instance.path, file, syntax)
        yield file


class _BytesAreSent:
    """While it is entered, by however many threads, pynetdicom sends files as they are, undecoded.

    It knows that as a setting for all of a process, which is as it was afterwards.
    """

    def __init__(self) -> None:
        self._lock, self._count, self._before = threading.Lock(), 0, False

    def __enter__(self) -> None:
        from pynetdicom import _config

        with self._lock:
            if not self._count:
                self._before, _config.STORE_SEND_CHUNKED_DATASET = _config.STORE_SEND_CHUNKED_DATASET, True
            self._count += 1

    def __exit__(self, *_: object) -> None:
        from pynetdicom import _config

        with self._lock:
            self._count -= 1
            if not self._count:
                _config.STORE_SEND_CHUNKED_DATASET = self._before


_BYTES_ARE_SENT = _BytesAreSent()
