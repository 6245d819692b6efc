"""Instances stored in a server of DICOMweb (STOW-RS, PS3.18 10.5), some at a time, streamed from files."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from dicomarray.dicom.segment_objects import LABEL_MAP
from dicomarray.errors import StorageError
from dicomarray.sinks.base import NO_LABEL_MAP, Answer, Answered, Outgoing, Target
from dicomarray.sources.base import RemoteSeries
from dicomarray.sources.dicomweb import JSON, DicomWebServer, first_value
from dicomarray.storage.http import StatusError, WebServer
from dicomarray.storage.limits import UNLIMITED, TransferOptions
from dicomarray.storage.multipart import content_type
from dicomarray.storage.places import Url
from dicomarray.storage.plain_files import open_plain

# So many bytes are sent at once: enough that requests cost little, few enough that one that fails is soon
# repeated.  Instances are never divided.
PIECE_BYTES = 32 << 20
# Servers limit the parts of a request too.
PIECE_INSTANCES = 500
CHUNK_BYTES = 256 * 1024
MAX_ANSWER_BYTES = 16 << 20
# What a server says that takes less at once, or another form of it.
_TOO_LARGE, _OTHER_FORM = (413,), (400, 406, 415)
_REFERENCED, _FAILED = "00081199", "00081198"
_SOP_UID, _REASON, _WARNING = "00081155", "00081197", "00081196"
# PS3.18 Table I.2-2 and PS3.4 B.2.3: what a failure or warning means.
_MEANINGS = {
    0xA700: "out of resources", 0xA900: "it does not match its class", 0xC000: "it cannot be understood",
    0xC122: "its transfer syntax is not taken", 0x0110: "processing failed", 0x0122: "its class is not taken",
    0x0124: "not authorized", 0xB000: "elements were changed", 0xB006: "elements were discarded",
    0xB007: "it does not match its class",
}  # fmt: skip


class DicomWebTarget(Target):
    """The server at an address."""

    def __init__(self, address: Url, limits: TransferOptions = UNLIMITED) -> None:
        self._web = WebServer(address, limits=limits)
        self._asked = DicomWebServer(address, self._web)
        self._named_syntax: bool | None = None  # which form of a part's type it takes
        self._piece_bytes = PIECE_BYTES

    def close(self) -> None:
        """As `Target.close`."""
        self._web.close()

    def present(self, study: str, series: str) -> frozenset[str]:
        """As `Target.present`."""
        return self._asked.instances(RemoteSeries(study, series))

    def store(self, instances: Sequence[Outgoing], answered: Answered) -> None:
        """As `Target.store`."""
        waiting = list(instances)
        while waiting:
            piece = self._piece(waiting)
            answers = self._answers(piece)
            if answers is None:
                continue  # in smaller pieces
            for one in piece:
                answered(one, _explained(one, answers.get(one.uid, Answer())))
            del waiting[: len(piece)]

    def _answers(self, piece: Sequence[Outgoing]) -> dict[str, Answer] | None:
        """What the server says to each of a piece; None where the piece is too large."""
        try:
            answers = self._sent(piece, self._named_syntax)
            if answers or self._named_syntax is not None:
                return answers
        except StatusError as error:
            if error.status in _TOO_LARGE and len(piece) > 1:
                self._piece_bytes = sum(one.size for one in piece) // 2
                return None
            if error.status not in _OTHER_FORM:
                return dict.fromkeys((one.uid for one in piece), Answer(_refusal(error, piece)))
        return {one.uid: self._alone(one) for one in piece}

    def _alone(self, instance: Outgoing) -> Answer:
        """What the server says to one, in one form or the other: old servers know no parameter of a type."""
        refused = "the server says nothing of it"
        for named in (False, True):
            try:
                answers = self._sent([instance], named)
            except StatusError as error:
                refused = _refusal(error, [instance])
                continue
            if instance.uid in answers and answers[instance.uid].refused is None:
                self._named_syntax = named
                return answers[instance.uid]
            refused = answers.get(instance.uid, Answer()).refused or refused
        return Answer(refused)

    def _piece(self, waiting: Sequence[Outgoing]) -> list[Outgoing]:
        """The first ones, as many as go into one request."""
        size, piece = 0, list[Outgoing]()
        for one in waiting[:PIECE_INSTANCES]:
            size += one.size
            if piece and size > self._piece_bytes:
                break
            piece.append(one)
        return piece

    def _sent(self, piece: Sequence[Outgoing], named_syntax: bool | None) -> dict[str, Answer]:
        """What the server says to each of them, by UID."""
        body = _Body(piece, bool(named_syntax))
        headers = {"Content-Type": f'multipart/related; type="application/dicom"; boundary={body.boundary}'}
        with self._web.request("/studies", JSON, body=body, headers=headers) as answer:
            kind, _ = content_type(answer.content_type)
            text = answer.text(MAX_ANSWER_BYTES)
        # what cannot be read is no answer: the server is asked for every instance anyway
        with suppress(ValueError, RecursionError):
            if kind in (JSON, "application/json") and text:
                return _answers(json.loads(text))
        return {}


class _Body:
    """A multipart body of files: its length is known, and it is made anew each time it is sent."""

    def __init__(self, piece: Sequence[Outgoing], named_syntax: bool) -> None:
        self.boundary = uuid.uuid4().hex
        self._piece = piece
        self._heads = [self._head(one, named_syntax) for one in piece]
        self._end = f"--{self.boundary}--\r\n".encode("ascii")
        self._size = sum(len(head) + one.size + 2 for head, one in zip(self._heads, piece, strict=True))
        self._size += len(self._end)

    def _head(self, instance: Outgoing, named_syntax: bool) -> bytes:
        syntax = f"; transfer-syntax={instance.transfer_syntax}" if named_syntax else ""
        return f"--{self.boundary}\r\nContent-Type: application/dicom{syntax}\r\n\r\n".encode("ascii")

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        """The body, piece by piece; raises StorageError where a file is not as long any more as it was."""
        for head, instance in zip(self._heads, self._piece, strict=True):
            yield head
            yield from _bytes_of(instance)
            yield b"\r\n"
        yield self._end


def _bytes_of(instance: Outgoing) -> Iterator[bytes]:
    remaining = instance.size
    try:
        with open_plain(instance.path) as stream:
            while remaining and (chunk := stream.read(min(CHUNK_BYTES, remaining))):
                remaining -= len(chunk)
                yield chunk
            grown = bool(stream.read(1))
    except OSError as error:
        raise StorageError(f"{instance.path} cannot be read: {error.strerror}") from error
    if remaining or grown:
        raise StorageError(f"{instance.path} was changed after its header was read; push again")


def _refusal(error: StatusError, piece: Sequence[Outgoing]) -> str:
    if error.status in _TOO_LARGE:
        limit = max(one.size for one in piece)
        return (
            f"{error}: it takes no {limit} bytes at once, and an instance cannot be divided; raise its limit"
        )
    return str(error)


def _answers(content: Any) -> dict[str, Answer]:
    """A response (PS3.18 Annex I): by SOP Instance UID what was refused, and what was said."""
    found: dict[str, Answer] = {}
    if isinstance(content, list):
        content = next((one for one in content if isinstance(one, dict)), {})
    for item in _items(content, _REFERENCED):
        code = _number(item, _WARNING)
        found[_uid(item)] = Answer(warning=None if not code else f"the server says: {_meaning(code)}")
    for item in _items(content, _FAILED):
        code = _number(item, _REASON)
        known = found.get(_uid(item), Answer())
        found[_uid(item)] = replace(known, refused=f"the server refuses it: {_meaning(code)}")
    return found


def _explained(instance: Outgoing, answer: Answer) -> Answer:
    """With what can be done, where a server does not know the class that few do."""
    if answer.refused is None or instance.sop_class != LABEL_MAP:
        return answer
    return replace(answer, refused=f"{answer.refused}; {NO_LABEL_MAP}")


def _items(content: Any, tag: str) -> list[Mapping[str, Any]]:
    attribute = content.get(tag) if isinstance(content, dict) else None
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    return [item for item in values if isinstance(item, dict)] if isinstance(values, list) else []


def _uid(item: Mapping[str, Any]) -> str:
    return str(first_value(item, _SOP_UID))


def _number(item: Mapping[str, Any], tag: str) -> int:
    value = first_value(item, tag)
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return 0


def _meaning(code: int) -> str:
    """In words; the lower digits of most codes are the server's own (PS3.4 B.2.3)."""
    for known in (code, code & 0xFF00, code & 0xF000):
        if known in _MEANINGS:
            return f"{_MEANINGS[known]} ({code:04X})"
    return f"reason {code:04X}"
