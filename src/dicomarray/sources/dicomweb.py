"""A server of DICOMweb: what it has (QIDO-RS), headers (metadata) and instances (WADO-RS), PS3.18 10."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dicomarray.dicom.headers.header import Header, read_header
from dicomarray.dicom.json_model import JsonModelError, items_of
from dicomarray.dicom.uids import is_safe_uid
from dicomarray.errors import InputError, StorageError
from dicomarray.sources.base import Arrived, RemoteSeries, Server
from dicomarray.sources.skipped import Skipped
from dicomarray.storage.http import Answer, CutOffError, StatusError, WebServer
from dicomarray.storage.limits import UNLIMITED, TransferOptions
from dicomarray.storage.multipart import CutShortError, MultipartError, content_type, parts_of
from dicomarray.storage.places import Url

JSON = "application/dicom+json"
INSTANCE = "application/dicom"
OCTETS = "application/octet-stream"
# Bytes as they are stored, whatever the transfer syntax (PS3.18 8.7.3.5.2).
ALL_INSTANCES = f'multipart/related; type="{INSTANCE}"; transfer-syntax=*'
STUDY_UID, SERIES_UID, SOP_UID = "0020000D", "0020000E", "00080018"
_INSTANCE_COUNT = "00201209"
# So many are asked for at once.
PAGE = 5000
# A page of a listing is smaller than this, and so is the list of all: what is longer is no honest answer.
MAX_LISTING_BYTES = 256 << 20
MAX_PAGES = 10_000
# What a series is described in, and the value of one element, in bytes.
MAX_METADATA_BYTES = 4 << 30
MAX_BULK_BYTES = 64 << 20
# Beyond this an instance is not taken: no element can be longer (PS3.5 7.1.1).
MAX_INSTANCE_BYTES = (1 << 32) + (1 << 30)
# How often it is asked in vain; and of how many missing on they are asked for one by one.
ROUNDS, ONE_BY_ONE = 4, 0.5
# What may stand behind compressed pixel data (Data Set Trailing Padding), in bytes; and what ends that.
MAX_PADDING = 1 << 20
_SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
# What a server answers that does not do what is asked, and the keys that are of series.
_NOT_SUPPORTED = (400, 404, 405, 501)
_OF_SERIES = ("Modality", "SeriesInstanceUID")
_IDENTITY = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


@dataclass(frozen=True, slots=True)
class Below:
    """What of a server an address means: a study, a series, an instance; all of it where all are None."""

    study: str | None = None
    series: str | None = None
    instance: str | None = None

    @property
    def keys(self) -> dict[str, str]:
        """As matching keys."""
        found = {"StudyInstanceUID": self.study, "SeriesInstanceUID": self.series}
        return {name: uid for name, uid in found.items() if uid is not None}


_RESOURCE = re.compile(
    r"(?P<root>[^?]*?)/studies/(?P<study>[0-9.]+)(?:/series/(?P<series>[0-9.]+))?"
    r"(?:/instances/(?P<instance>[0-9.]+))?(?P<query>/?\?.*)?",
    re.ASCII,
)


def split_address(address: Url) -> tuple[Url, Below]:
    """The address of the server, and what of it is meant."""
    found = _RESOURCE.fullmatch(address.text)
    if found is None:
        return address, Below()
    return Url(found["root"] + (found["query"] or "")), Below(
        found["study"], found["series"], found["instance"]
    )


class DicomWebServer(Server):
    """The server at an address, or a study, series or instance there."""

    def __init__(
        self, address: Url, web: WebServer | None = None, limits: TransferOptions = UNLIMITED
    ) -> None:
        root, self.below = split_address(address)
        self.web = web or WebServer(root, limits=limits)
        self.gives_frames = True  # until it refuses to

    def close(self) -> None:
        """As `Server.close`."""
        self.web.close()

    def find(self, keys: Mapping[str, str]) -> list[RemoteSeries]:
        """As `Server.find`."""
        found: dict[tuple[str, str], RemoteSeries] = {}
        for item in self._series({**keys, **self.below.keys}):
            study, uid = (self._uid("/series", item, tag) for tag in (STUDY_UID, SERIES_UID))
            found[study, uid] = RemoteSeries(study, uid, _count(item))
        return [found[key] for key in sorted(found)]

    def _series(self, keys: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        """All series that match; study by study where a server does not list series of all studies."""
        try:
            yield from self._listed("/series", keys, SERIES_UID)
        except StatusError as error:
            if error.status not in _NOT_SUPPORTED:
                raise
            of_series = {name: value for name, value in keys.items() if name in _OF_SERIES}
            of_study = {name: value for name, value in keys.items() if name not in _OF_SERIES}
            for study in self._listed("/studies", of_study, STUDY_UID):
                uid = self._uid("/studies", study, STUDY_UID)
                for item in self._listed(f"/studies/{uid}/series", of_series, SERIES_UID):
                    yield {**item, STUDY_UID: study[STUDY_UID]}

    def instances(self, series: RemoteSeries) -> frozenset[str]:
        """As `Server.instances`."""
        path = f"{path_of(series)}/instances"
        try:
            items = list(self._listed(path, {}, SOP_UID, series.count))
        except StatusError as error:
            if error.status == 404:
                return frozenset()
            raise
        return frozenset(self._uid(path, item, SOP_UID) for item in items)

    def headers(self, series: RemoteSeries, names: frozenset[str]) -> list[Header | Skipped]:
        """As `Server.headers`."""
        from dicomarray.sources.dicomweb_objects import headers_of

        return headers_of(self, self.web.address, series, names)

    def metadata(self, series: RemoteSeries, uid: str | None = None) -> Iterator[Mapping[str, Any]]:
        """What the server says of the instances of a series, or of one, in the DICOM JSON Model."""
        try:
            yield from self._described(path_of(series) + (f"/instances/{uid}" if uid else ""))
        except StatusError as error:
            if error.status != 404 or uid is not None:
                raise
            # Orthanc does not find a series by a UID that several studies have, and has its instances
            for one in sorted(self.instances(series)):
                yield from self._described(f"{path_of(series)}/instances/{one}")

    def _described(self, resource: str) -> Iterator[Mapping[str, Any]]:
        path = f"{resource}/metadata"
        with self.web.request(path, JSON) as answer:
            self._require_json(path, answer)
            try:
                yield from items_of(answer.chunks(MAX_METADATA_BYTES))
            except JsonModelError as error:
                raise self.web.error(path, f"the answer is no DICOM JSON Model: {error}") from error

    def bulk(self, uri: str) -> bytes | None:
        """The value that stands at a URI; None where the server does not give it.

        Only this server is asked, whatever host the URI names.
        """
        place = uri.find("/studies/")
        if place < 0:
            return None
        try:
            with self.web.request(uri[place:], f'multipart/related; type="{OCTETS}"') as answer:
                kind, parameters = content_type(answer.content_type)
                chunks = answer.chunks(MAX_BULK_BYTES)
                if kind == "multipart/related" and "boundary" in parameters:
                    parts = parts_of(chunks, parameters["boundary"])
                    return next((b"".join(part.pieces) for part in parts), None)
                return b"".join(chunks) if kind == OCTETS else None
        except (StatusError, MultipartError):
            return None

    def fetch(self, series: RemoteSeries, wanted: Collection[str], folder: Path, arrived: Arrived) -> None:
        """As `Server.fetch`."""
        missing, whole = set(wanted), max(len(wanted), series.count or 0)
        vain = 0
        while missing and vain < ROUNDS:
            before = len(missing)
            error: StorageError | None = None
            try:
                self._fetch_once(series, missing, whole, folder, arrived)
            except CutOffError as broken:
                error = broken
            except StatusError as refused:
                if refused.status != 404 or not whole:
                    raise
                error = refused
            if len(missing) == before:  # then single ones may do better; of 404 as for metadata
                vain, whole = vain + 1, 0
                if error is not None and vain == ROUNDS:
                    raise error
            else:
                vain = 0
        if missing:
            raise self.web.error(
                path_of(series),
                f"{len(missing)} of {len(wanted)} instances did not come, such as {min(missing)}",
            )

    def _fetch_once(
        self, series: RemoteSeries, missing: set[str], whole: int, folder: Path, arrived: Arrived
    ) -> None:
        """Ask for the series of ``whole`` instances; for single ones where few are missing, or it is 0.

        Who comes is missing no more.
        """
        paths = [f"{path_of(series)}/instances/{uid}" for uid in sorted(missing)]
        if whole and len(missing) > max(1, ONE_BY_ONE * whole):
            paths = [path_of(series)]
        for path in paths:
            for file in self._files(path, series, missing, folder):
                missing.discard(file.stem)
                arrived(file)

    def _files(
        self, path: str, series: RemoteSeries, missing: Collection[str], folder: Path
    ) -> Iterator[Path]:
        """The instances that an answer holds, each as a file once it is complete."""
        with self.web.request(path, ALL_INSTANCES) as answer:
            try:
                for pieces in _instances_in(self.web, path, answer):
                    file = self._kept(answer, pieces, series, missing, folder)
                    if file is not None:
                        yield file
            except CutShortError as error:
                raise CutOffError(
                    str(self.web.error(path, f"the answer is not complete: {error}"))
                ) from error
            except MultipartError as error:
                raise self.web.error(path, f"the answer is no multipart body: {error}") from error

    def _kept(
        self,
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
                        raise self.web.error(path, "an instance has more bytes than one can have")
                    stream.write(piece)
                stream.close()
                uid = self._identified(path, part, series)
                if _is_unbounded(answer) and not _is_whole(part):
                    raise CutOffError(str(self.web.error(path, "the instance is not complete")))
                if uid not in missing:
                    return None
                file = folder / f"{uid}.dcm"
                part.chmod(0o666 & ~_umask())
                part.replace(file)
            finally:
                part.unlink(missing_ok=True)
        return file

    def _identified(self, path: str, part: Path, series: RemoteSeries) -> str:
        """The SOP Instance UID of what came, which has to be of the series."""
        try:
            study, uid, sop = map(read_header(part, _IDENTITY).text, _IDENTITY)
        except InputError as error:
            raise self.web.error(path, f"a part of the answer is no DICOM object: {error}") from error
        if (study, uid) != (series.study, series.uid) or not is_safe_uid(sop):
            raise self.web.error(path, "the answer holds an instance of another series, or without a UID")
        return str(sop)

    def _listed(
        self, path: str, keys: Mapping[str, str], key: str, count: int | None = None
    ) -> Iterator[Mapping[str, Any]]:
        """All items of a listing, page by page: servers give what they like at once.

        The last page is the one that brings nothing new, or the one with which all ``count`` are there.
        """
        seen: set[Any] = set()
        offset = 0
        for _ in range(MAX_PAGES):
            items = self._page(path, {**keys, "limit": str(PAGE), "offset": str(offset)})
            new = [
                item for item in items if (first_value(item, STUDY_UID), first_value(item, key)) not in seen
            ]
            seen.update((first_value(item, STUDY_UID), first_value(item, key)) for item in new)
            yield from new
            offset += len(items)
            if not new or len(items) > PAGE or len(seen) == count:
                if items and not new and len(items) == PAGE:
                    raise self.web.error(
                        path, f"the server tells the first {PAGE} only; ask for less (-w, -c)"
                    )
                return
        raise self.web.error(path, "the listing does not end")

    def _page(self, path: str, query: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
        with self.web.request(path, JSON, query) as answer:
            if answer.status == 204:
                return []
            self._require_json(path, answer)
            text = answer.text(MAX_LISTING_BYTES)
        try:
            items = json.loads(text or b"[]")
        except (ValueError, RecursionError) as error:
            raise self.web.error(path, f"the answer is no JSON: {type(error).__name__}") from None
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise self.web.error(path, "the answer is no list of attributes (PS3.18 F.2)")
        return items

    def _require_json(self, path: str, answer: Answer) -> None:
        kind, _ = content_type(answer.content_type)
        if answer.status != 204 and kind not in (JSON, "application/json"):
            raise self.web.error(
                path, f"the server answered with {kind or 'nothing'} where it should with {JSON}"
            )

    def _uid(self, path: str, item: Mapping[str, Any], tag: str) -> str:
        uid = first_value(item, tag)
        if not is_safe_uid(uid):
            raise self.web.error(path, f"the server tells no UID as ({tag[:4]},{tag[4:]}) of what it lists")
        return str(uid)


def _is_unbounded(answer: Answer) -> bool:
    """Whether nothing but the object itself says where it ends: neither a boundary nor a length."""
    kind, _ = content_type(answer.content_type)
    return kind == INSTANCE and answer.header("Content-Length") is None


def _is_whole(part: Path) -> bool:
    """Whether the pixel data of a file ends where it should."""
    place, size = read_header(part, _IDENTITY).pixels, part.stat().st_size
    if place is None:
        return True
    if place.length is not None:
        return place.start + place.length <= size
    with part.open("rb") as stream:
        stream.seek(max(place.start, size - MAX_PADDING))
        return _SEQUENCE_END in stream.read()


def path_of(series: RemoteSeries) -> str:
    """What stands behind the server's address for a series."""
    return f"/studies/{series.study}/series/{series.uid}"


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


def first_value(item: Mapping[str, Any], tag: str) -> Any:
    """The first value of an attribute of the DICOM JSON Model (PS3.18 F.2)."""
    attribute = item.get(tag)
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    return values[0] if isinstance(values, list) and values else None


def _count(item: Mapping[str, Any]) -> int | None:
    value = first_value(item, _INSTANCE_COUNT)
    try:
        return int(value) if value is not None else None
    except (ValueError, TypeError, OverflowError):
        return None


def _umask() -> int:
    import os

    mask = os.umask(0)
    os.umask(mask)
    return mask
