"""Instances on a server of DICOMweb: their headers by its metadata, the whole of them when pixels are read.

An instance is referred to by a `WebObject`, which holds what the metadata says, as the header of a file and
compressed.  A server may write numbers with other digits than the file has, and leaves out what is binary: so
whoever reads pixels fetches the files first (`is_described`), and everything is read again from these.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Self

from dicomarray.dicom.headers.header import Header, HeaderReader
from dicomarray.dicom.json_model import JsonModelError, bulk_uris, has_private, header_bytes, with_elements
from dicomarray.dicom.uids import is_safe_uid
from dicomarray.errors import InputError, StorageError
from dicomarray.sources.base import Progress, RemoteSeries, Skipped, Source
from dicomarray.sources.dicomweb import (
    MAX_LISTED,
    SERIES_UID,
    SOP_UID,
    STUDY_UID,
    DicomWebServer,
    first_value,
)
from dicomarray.sources.dicomweb_frames import fetch_frames
from dicomarray.sources.header_workers import outcome_of
from dicomarray.storage.http import unbroken
from dicomarray.storage.places import Url
from dicomarray.storage.plain_files import open_plain
from dicomarray.storage.references import ObjectReference, Stamp

# So many series are asked for at once.
AT_ONCE = 4
# Of the frames of an instance: more are fetched with all the others, in one file.
FEW = 0.5


class Copies:
    """A folder with files that were fetched; it goes when nobody refers to it any more."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="dicomarray-"))
        weakref.finalize(self, _remove, self.folder, os.getpid())


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked child has the same object
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class WebObject(ObjectReference):
    """An instance below an address.

    ``start`` is its header as the metadata has it, compressed; ``bulk`` says where the values of private
    elements stand; another ``mark`` means another header.  ``siblings`` is how many its series has.
    ``copies`` has the file, where it was fetched; ``frames`` says which ones that has, if not all.
    """

    root: Url
    study: str
    series: str
    uid: str
    mark: int = 0
    frames: tuple[int, ...] | None = None
    siblings: int | None = field(default=None, compare=False)
    has_private: bool = field(default=True, compare=False)
    start: bytes | None = field(default=None, compare=False, repr=False)
    bulk: tuple[tuple[int, str], ...] = field(default=(), compare=False, repr=False)
    copies: Copies | None = field(default=None, compare=False, repr=False)

    @property
    def place(self) -> Url:
        """Its URL."""
        return _below(self.root) / f"studies/{self.study}/series/{self.series}/instances/{self.uid}"

    @property
    def file(self) -> Url:
        """Its URL."""
        return self.place

    @property
    def state(self) -> Stamp:
        """What its metadata was, and the size of the file, where it is here."""
        size = 0 if self.copies is None else (self.copies.folder / f"{self.uid}.dcm").stat().st_size
        return Stamp(size, self.mark)

    @property
    def is_described(self) -> bool:
        """Whether only its description is here."""
        return self.copies is None

    def __reduce__(self) -> tuple[Any, ...]:
        """Without the copy, which belongs to this process."""
        where = (self.root, self.study, self.series, self.uid, self.mark, self.frames)
        return WebObject, (*where, self.siblings, self.has_private, self.start, self.bulk)

    def open(self) -> BinaryIO:
        """All of it."""
        if self.copies is None:
            (fetched,) = self.fetch([self], Path())
            return _Held(fetched.open_header(), fetched)
        return self.open_header()

    def open_header(self, wants: Callable[[int], bool] | None = None) -> BinaryIO:
        """The file where it is here; else what the metadata says, with the values of private elements."""
        if self.copies is not None:
            return open_plain(self.copies.folder / f"{self.uid}.dcm")
        if self.start is None:
            (found,) = self.fetch_headers([self])
            if isinstance(found, OSError):
                raise found
            return found.open_header(wants)
        data = zlib.decompress(self.start)
        missing = [(tag, uri) for tag, uri in self.bulk if wants is None or wants(tag)]
        return BytesIO(with_elements(data, _bulk_of(self.root, missing)) if missing else data)

    def without_header(self) -> Self:
        """Without what the metadata says."""
        return replace(self, start=None, bulk=(), copies=None)

    def part(self, frames: Sequence[int], count: int) -> WebObject:
        """These frames alone, where they are few."""
        if self.copies is not None or self.start is None or len(frames) > FEW * count:
            return self
        return replace(self, frames=tuple(frames))

    @classmethod
    def fetch(cls, references: Sequence[Self], folder: Path) -> Sequence[Self]:
        """The same ones, with copies in a folder that goes with the last of them."""
        del folder
        wanted = [one for one in references if one.copies is None]
        copies = Copies() if wanted else None
        fetched: dict[Self, Self] = {}
        for (root, study, series), several in _by_series(wanted).items():
            assert copies is not None  # there are some
            server, place = server_at(root), RemoteSeries(study, series, several[0].siblings)
            parts = {one for one in several if one.has_part(server, place, copies.folder)}
            if whole := {one.uid for one in several if one not in parts}:
                server.fetch(place, whole, copies.folder, lambda _: None)
            for one in several:
                frames = one.frames if one in parts else None
                fetched[one] = replace(one, frames=frames, copies=copies)
        return [fetched.get(one, one) for one in references]

    def has_part(self, server: DicomWebServer, series: RemoteSeries, folder: Path) -> bool:
        """Fetch the frames that are wanted alone; False where all of it has to be fetched."""
        if self.frames is None or self.start is None:
            return False
        header = zlib.decompress(self.start)
        return fetch_frames(server, series, self.uid, header, self.frames, folder / f"{self.uid}.dcm")

    @classmethod
    def fetch_headers(cls, references: Sequence[Self]) -> Sequence[Self | OSError]:
        """The same ones, with what the metadata says."""
        found: dict[WebObject, WebObject] = {}
        for (root, study, series), several in _by_series(
            one for one in references if one.start is None and one.copies is None
        ).items():
            uid = several[0].uid if len(several) == 1 else None
            for one in _described(server_at(root), root, RemoteSeries(study, series), uid):
                found[replace(one, mark=0)] = one
        return [_with_header(one, found) for one in references]


def _with_header(one: Any, found: Mapping[WebObject, WebObject]) -> Any:
    if one.start is not None or one.copies is not None:
        return one
    key = replace(one, mark=0)
    return found.get(key, FileNotFoundError(2, "the server does not list it any more"))


class _Held(BytesIO):
    """The bytes of a file that goes."""

    def __init__(self, stream: BinaryIO, _owner: WebObject) -> None:
        with stream:
            super().__init__(stream.read())


def _by_series(references: Iterable[Any]) -> dict[tuple[Url, str, str], list[Any]]:
    found: dict[tuple[Url, str, str], list[Any]] = {}
    for one in references:
        found.setdefault((one.root, one.study, one.series), []).append(one)
    return found


def server_at(root: Url) -> DicomWebServer:
    """The server of an address, with connections that stay open; each process has its own."""
    return _server_of_process(root, os.getpid())


@lru_cache(maxsize=16)
def _server_of_process(root: Url, _process: int) -> DicomWebServer:
    return DicomWebServer(root)


@lru_cache(maxsize=4096)
def _bulk_value(root: Url, uri: str, _process: int) -> bytes | None:
    return server_at(root).bulk(uri)


def _bulk_of(root: Url, missing: Iterable[tuple[int, str]]) -> dict[int, bytes]:
    """The values of private elements that stand elsewhere, as far as the server gives them."""
    values = ((tag, _bulk_value(root, uri, os.getpid())) for tag, uri in missing)
    return {tag: value for tag, value in values if value is not None}


def _below(root: Url) -> Url:
    """An address without its query, to put names behind."""
    return Url(root.text.partition("?")[0].rstrip("/"))


def _reference(root: Url, study: str, series: str, item: Mapping[str, Any]) -> WebObject:
    """The instance that a part of the metadata describes.

    Raises
    ------
    StorageError
        Where it describes none of the series that was asked for.
    """
    where = f"{root}/studies/{study}/series/{series}/metadata"
    uid = first_value(item, SOP_UID)
    if (first_value(item, STUDY_UID), first_value(item, SERIES_UID)) != (study, series) or not is_safe_uid(
        uid
    ):
        raise StorageError(f"{where}: the server describes an instance of another series, or without a UID")
    try:
        data = header_bytes(item)
    except (JsonModelError, RecursionError) as error:
        raise StorageError(f"{where}: no DICOM JSON Model (PS3.18 F): {error}") from error
    return WebObject(
        root,
        study,
        series,
        str(uid),
        mark=int.from_bytes(hashlib.sha256(data).digest()[:7]),
        has_private=has_private(item),
        start=zlib.compress(data, level=1),
        bulk=tuple(sorted(bulk_uris(item).items())),
    )


def _described(server: DicomWebServer, root: Url, series: RemoteSeries, uid: str | None) -> list[WebObject]:
    """The instances of a series that its metadata describes, in a stable order; the one of a UID where given.

    Raises
    ------
    StorageError
        Where it describes others, fewer than the server counts, or far more.
    """
    counted = 1 if uid is not None else series.count
    found = unbroken(
        partial(_at_most, server, root, series, uid, MAX_LISTED if counted is None else 2 * counted)
    )
    if len(found) < (counted or 1):
        raise StorageError(
            f"{root}/studies/{series.study}/series/{series.uid}/metadata: the server counts "
            f"{counted or 'some'} instances, and describes {len(found)}; try again"
        )
    several = [found[name] for name in sorted(found)]
    return several if uid is not None else [replace(one, siblings=len(found)) for one in several]


def _at_most(
    server: DicomWebServer, root: Url, series: RemoteSeries, uid: str | None, most: int
) -> dict[str, WebObject]:
    """By UID, each once."""
    found: dict[str, WebObject] = {}
    for number, item in enumerate(server.metadata(series, uid)):
        one = _reference(root, series.study, series.uid, item)
        if number > most or uid not in (None, one.uid):
            raise StorageError(f"{one}/metadata: the server describes more instances than it was asked for")
        found.setdefault(one.uid, one)
    return found


def headers_of(
    server: DicomWebServer, root: Url, series: RemoteSeries, names: frozenset[str], uid: str | None = None
) -> list[Header | Skipped]:
    """The headers of a series, or of one instance, by its metadata.

    Raises
    ------
    StorageError
        Where the server fails, or describes fewer instances than it counts.
    """
    found = _described(server, root, series, uid)
    reader = HeaderReader(names)
    return [outcome_of(reader, one) for one in found]


@dataclass(frozen=True, slots=True)
class WebSource(Source):
    """Everything at or below an address that matches one of the queries."""

    root: Url
    queries: Sequence[Mapping[str, str]] = ({},)

    def instances(
        self, names: frozenset[str], progress: Progress | None = None
    ) -> Iterator[Header | Skipped]:
        """As `Source.instances`."""
        server = server_at(self.root)
        listed = {(one.study, one.uid): one for keys in self.queries for one in server.find(keys)}
        counts = [one.count for one in listed.values()]
        total = None if None in counts else sum(count or 0 for count in counts)
        seen = 0
        with ThreadPoolExecutor(AT_ONCE) as threads:
            asked = [
                threads.submit(headers_of, server, server.web.address, one, names, server.below.instance)
                for one in listed.values()
            ]
            try:
                for answer in asked:
                    headers = answer.result()
                    yield from headers
                    seen += len(headers)
                    if progress is not None:
                        progress(seen, 0, total)
            finally:
                for answer in asked:
                    answer.cancel()
        if not listed and server.below.study is not None:
            raise InputError(f"{self.root} does not exist")
