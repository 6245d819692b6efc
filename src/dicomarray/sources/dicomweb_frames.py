"""Some frames of an instance on a server of DICOMweb, without the others (PS3.18 10.4.1.1.6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path

from dicomarray.dicom.pixels.frame_file import FrameHeader, NoFrameFileError
from dicomarray.sources.base import RemoteSeries
from dicomarray.sources.dicomweb import OCTETS, DicomWebServer, path_of
from dicomarray.storage.http import CutOffError, StatusError, unbroken
from dicomarray.storage.multipart import MultipartError, Part, content_type, parts_of

# As they are stored, whatever the transfer syntax; a part says which it is.
_STORED = f'multipart/related; type="{OCTETS}"; transfer-syntax=*'
# So many are asked for at once: servers limit the length of an address.
AT_ONCE = 100
# What a compressed frame may have beyond the bytes of a native one: headers of its stream.
_MORE_BYTES = 1 << 16
# What a server answers that gives no frames, of any instance.
_NEVER = (405, 406, 415, 501)


def fetch_frames(
    server: DicomWebServer, series: RemoteSeries, uid: str, header: bytes, frames: Sequence[int], file: Path
) -> bool:
    """Write a file with these frames of an instance, counted from 0; False where the server gives none so.

    What is in doubt, such as a frame without a transfer syntax, is none: the instance itself says what it is.

    Raises
    ------
    StorageError
        Where the server cannot be reached.
    """
    path = f"{path_of(series)}/instances/{uid}/frames"
    with suppress(NoFrameFileError, MultipartError, CutOffError):
        known = FrameHeader.of(header)
        if server.gives_frames:
            try:
                unbroken(partial(_write, server, path, known, frames, file))
                return True
            except StatusError as refused:
                server.gives_frames = refused.status not in _NEVER
    file.unlink(missing_ok=True)
    return False


def _write(server: DicomWebServer, path: str, known: FrameHeader, frames: Sequence[int], file: Path) -> None:
    most = 2 * known.frame_bytes + _MORE_BYTES
    starts = range(0, len(frames), AT_ONCE)
    several = chain.from_iterable(
        _answered(server, path, frames[start : start + AT_ONCE], most) for start in starts
    )
    first = next(several, None)
    if first is None:
        raise NoFrameFileError("an answer without parts")
    syntax, frame = first
    with file.open("wb") as stream:
        known.write(stream, syntax, chain((frame,), _of_one_syntax(several, syntax)), len(frames))


def _of_one_syntax(several: Iterator[tuple[str, bytes]], syntax: str) -> Iterator[bytes]:
    for own, frame in several:
        if own != syntax:
            raise NoFrameFileError("frames of several transfer syntaxes")
        yield frame


def _answered(
    server: DicomWebServer, path: str, frames: Sequence[int], most: int
) -> Iterator[tuple[str, bytes]]:
    """The frames that were asked for, each with its transfer syntax."""
    numbers = [frame + 1 for frame in frames]
    with server.web.request(f"{path}/{','.join(map(str, numbers))}", _STORED) as answer:
        kind, parameters = content_type(answer.content_type)
        if kind != "multipart/related" or "boundary" not in parameters:
            raise NoFrameFileError(f"an answer of type {kind}")
        parts = parts_of(answer.chunks(len(frames) * (most + _MORE_BYTES)), parameters["boundary"])
        for number, part in zip(numbers, parts, strict=False):
            yield _syntax_of(part, number), _whole(part, most)
        if next(parts, None) is not None:
            raise NoFrameFileError("more frames than were asked for")


def _syntax_of(part: Part, number: int) -> str:
    """Its transfer syntax; NoFrameFileError where it tells none, or is another frame."""
    _, parameters = content_type(part.headers.get("content-type", ""))
    location = part.headers.get("content-location", "").partition("?")[0].rpartition("/frames/")[2]
    if location and location != str(number):
        raise NoFrameFileError("frames in another order")
    if "transfer-syntax" not in parameters:
        raise NoFrameFileError("a frame without a transfer syntax")
    return parameters["transfer-syntax"]


def _whole(part: Part, most: int) -> bytes:
    found = bytearray()
    for piece in part.pieces:
        found += piece
        if len(found) > most:
            raise NoFrameFileError("a frame with more bytes than it can have")
    return bytes(found)
