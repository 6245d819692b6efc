"""A multipart body (RFC 2046 5.1) as it arrives: its parts one by one, each in pieces, never as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from email.message import Message
from email.utils import collapse_rfc2231_value

# Of what stands before the first part, and of the headers of a part, in bytes: more is no multipart body.
MAX_HEAD_BYTES = 64 * 1024
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}")  # RFC 6838
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,199}[0-9A-Za-z'()+_,./:=?-]")  # the standard has 70


class MultipartError(Exception):
    """A body that is cut off, or none of several parts."""


class CutShortError(MultipartError):
    """A body that ends within a part, or before the last boundary."""


def content_type(text: str) -> tuple[str, dict[str, str]]:
    """A Content-Type: ``multipart/related``, and its parameters; names in lower case.  No type is empty."""
    message = Message()
    message["content-type"] = text
    found = message.get_params() or [("", "")]
    # a value may have a character set of its own, as it may in an e-mail (RFC 2231)
    kind = found[0][0].strip().lower()
    return kind if _TYPE.fullmatch(kind) else "", {
        name.lower(): collapse_rfc2231_value(value) for name, value in found[1:]
    }


class Part:
    """One part; its pieces are to be taken before the next part is asked for."""

    def __init__(self, headers: Mapping[str, str], pieces: Iterator[bytes]) -> None:
        self.headers, self.pieces = headers, pieces


def parts_of(chunks: Iterator[bytes], boundary: str) -> Iterator[Part]:
    """The parts of a body that comes in chunks.

    Raises
    ------
    MultipartError
        Where it is none.
    CutShortError
        Where it ends before its last boundary.
    """
    if not _BOUNDARY.fullmatch(boundary):
        raise MultipartError("its boundary is none")
    body = _Body(chunks, b"\r\n--" + boundary.encode("ascii"))
    body.buffer += b"\r\n"  # the first boundary has no line end before it
    for _ in _limited(body.pieces()):
        pass  # the preamble
    while not body.is_last():
        part = Part(body.headers(), body.pieces())
        yield part
        for _ in part.pieces:
            pass  # what nobody took


def _limited(pieces: Iterator[bytes]) -> Iterator[bytes]:
    seen = 0
    for piece in pieces:
        seen += len(piece)
        if seen > MAX_HEAD_BYTES:
            raise MultipartError("no boundary where its first part should begin")
        yield piece


class _Body:
    """What arrived and was not taken yet."""

    def __init__(self, chunks: Iterator[bytes], delimiter: bytes) -> None:
        self.buffer = bytearray()
        self._chunks, self._delimiter = chunks, delimiter

    def _more(self) -> None:
        chunk = next(self._chunks, None)
        if chunk is None:
            raise CutShortError("it ends before its last boundary")
        self.buffer += chunk

    def pieces(self) -> Iterator[bytes]:
        """Everything up to the next boundary, which is taken too."""
        delimiter = self._delimiter
        while True:
            place = self.buffer.find(delimiter)
            if place >= 0:
                if place:
                    yield bytes(self.buffer[:place])
                del self.buffer[: place + len(delimiter)]
                return
            sure = len(self.buffer) - len(delimiter) + 1
            if sure > 0:
                yield bytes(self.buffer[:sure])
                del self.buffer[:sure]
            self._more()

    def is_last(self) -> bool:
        """Whether the boundary that was just taken ends the body; the rest of its line is taken."""
        while len(self.buffer) < 2:
            self._more()
        if self.buffer[:2] == b"--":
            return True
        self._line()
        return False

    def _line(self) -> bytes:
        while (end := self.buffer.find(b"\r\n")) < 0:
            if len(self.buffer) > MAX_HEAD_BYTES:
                raise MultipartError("the headers of a part do not end")
            self._more()
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 2]
        return line

    def headers(self) -> dict[str, str]:
        """The headers of a part, by name in lower case; the empty line behind them is taken."""
        found: dict[str, str] = {}
        size = 0
        while line := self._line():
            size += len(line)
            if size > MAX_HEAD_BYTES:
                raise MultipartError("the headers of a part do not end")
            name, _, value = line.decode("latin-1").partition(":")
            found[name.strip().lower()] = value.strip()
        return found
