"""The answer of a server of DICOMweb that was asked for instances -> a file of each, once it is complete."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from dicomarray.dicom.part10 import read_part10
from dicomarray.errors import InputError
from dicomarray.sources.arrivals import named, uid_in
from dicomarray.sources.base import RemoteSeries
from dicomarray.storage.http import Answer, CutOffError, WebServer
from dicomarray.storage.multipart import CutShortError, MultipartError, content_type, parts_of

INSTANCE = "application/dicom"
# Bytes as they are stored, whatever the transfer syntax (PS3.18 8.7.3.5.2).
ALL_INSTANCES = f'multipart/related; type="{INSTANCE}"; transfer-syntax=*'
# Beyond this an instance is not taken: no element can be longer (PS3.5 7.1.1).
MAX_INSTANCE_BYTES = (1 << 32) + (1 << 30)
# What may stand behind compressed pixel data (Data Set Trailing Padding), in bytes; and what ends that.
MAX_PADDING = 1 << 20
_SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"


def instances_at(
    web: WebServer, path: str, series: RemoteSeries, missing: Collection[str], folder: Path
) -> Iterator[Path]:
    """Those of a series that are missing, of all that stands below a path.

    Raises
    ------
    StorageError
        Where the server fails, or answers with anything else.
    """
    with web.request(path, ALL_INSTANCES) as answer:
        try:
            for pieces in _instances_in(web, path, answer):
                file = _kept(web, answer, pieces, series, missing, folder)
                if file is not None:
                    yield file
        except CutShortError as error:
            raise CutOffError(str(web.error(path, f"the answer is not complete: {error}"))) from error
        except MultipartError as error:
            raise web.error(path, f"the answer is no multipart body: {error}") from error


def _kept(
    web: WebServer,
    answer: Answer,
    pieces: Iterator[bytes],
    series: RemoteSeries,
    missing: Collection[str],
    folder: Path,
) -> Path | None:
    """The file of an instance that was asked for; None for one that is there already."""
    path = answer.path
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".part", delete=False) as stream:
        part = Path(stream.name)
        try:
            size = 0
            for piece in pieces:
                size += len(piece)
                if size > MAX_INSTANCE_BYTES:
                    raise web.error(path, "an instance has more bytes than one can have")
                stream.write(piece)
            stream.close()
            try:
                uid = uid_in(part, series)
            except InputError as error:
                raise web.error(path, f"a part of the answer is no DICOM object: {error}") from error
            if uid is None:
                raise web.error(path, "the answer holds an instance of another series, or without a UID")
            if _is_unbounded(answer) and not _is_whole(part):
                what = "the instance is not complete, or nothing says where it ends"
                raise CutOffError(str(web.error(path, what)))
            return named(part, uid) if uid in missing else None
        finally:
            part.unlink(missing_ok=True)


def _is_unbounded(answer: Answer) -> bool:
    """Whether nothing but the object itself says where it ends: no boundary, length or chunks."""
    kind, _ = content_type(answer.content_type)
    chunked = (answer.header("Transfer-Encoding") or "").lower() == "chunked"
    return kind == INSTANCE and answer.header("Content-Length") is None and not chunked


def _is_whole(part: Path) -> bool:
    """Whether a file surely ends where it should: it has pixel data, and all of it."""
    with part.open("rb") as stream:
        found = read_part10(stream, frozenset())
        if found is None or found.pixels is None:
            return False
        if found.pixels.length is not None:
            return found.pixels.start + found.pixels.length <= found.size
        stream.seek(max(found.pixels.start, found.size - MAX_PADDING))
        return _SEQUENCE_END in stream.read()


def _instances_in(web: WebServer, path: str, answer: Answer) -> Iterator[Iterator[bytes]]:
    """The pieces of each instance; some servers send a single one without parts."""
    kind, parameters = content_type(answer.content_type)
    chunks = answer.chunks(1 << 62)  # each instance is measured by itself
    if kind == INSTANCE:
        yield chunks
    elif kind == "multipart/related" and "boundary" in parameters:
        for part in parts_of(chunks, parameters["boundary"]):
            inner, _ = content_type(part.headers.get("content-type", INSTANCE))
            if inner != INSTANCE:
                raise web.error(path, f"the answer has a part of type {inner} where DICOM objects belong")
            yield part.pieces
    else:
        raise web.error(path, f"the server answered with {kind or 'nothing'} where DICOM objects belong")
