"""A server of DICOMweb: what it has (QIDO-RS), headers (metadata) and instances (WADO-RS), PS3.18 10."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.json_model import MAX_ITEM_BYTES, JsonModelError, items_of
from dicomarray.dicom.uids import is_safe_uid
from dicomarray.errors import StorageError
from dicomarray.sources.base import Arrived, RemoteSeries, Server, Skipped
from dicomarray.sources.dicomweb_instances import instances_at
from dicomarray.storage.http import Answer, CutOffError, StatusError, WebServer, unbroken
from dicomarray.storage.limits import UNLIMITED, TransferOptions
from dicomarray.storage.multipart import MultipartError, content_type, parts_of
from dicomarray.storage.places import Url

JSON = "application/dicom+json"
OCTETS = "application/octet-stream"
STUDY_UID, SERIES_UID, SOP_UID = "0020000D", "0020000E", "00080018"
_INSTANCE_COUNT = "00201209"
_LISTED = (STUDY_UID, SERIES_UID, SOP_UID, _INSTANCE_COUNT)
# So many are asked for at once.
PAGE = 5000
# A page of a listing, and what it says of one of them, are smaller than this: what is longer is no honest
# answer.  So many are taken, of all pages together.
MAX_LISTING_BYTES, MAX_LISTED_BYTES = 128 << 20, 1 << 20
MAX_LISTED = 1_000_000
# What a series is described in, and the value of one element, in bytes.
MAX_METADATA_BYTES = 4 << 30
MAX_BULK_BYTES = 64 << 20
# How often it is asked in vain; and of how many missing on they are asked for one by one.
ROUNDS, ONE_BY_ONE = 4, 0.5
# What a server answers that does not do what is asked, and the keys that are of series.
_NOT_SUPPORTED = (400, 404, 405, 501)
_OF_SERIES = ("Modality", "SeriesInstanceUID")
# What a server lists of a study, series or instance: the value of an attribute by its tag.
Listed = Mapping[str, str | int | float | None]


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

    def _series(self, keys: Mapping[str, str]) -> Iterator[Listed]:
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
            yield from self._items(path, answer, MAX_METADATA_BYTES, MAX_ITEM_BYTES)

    def _items(self, path: str, answer: Answer, most: int, most_of_one: int) -> Iterator[Mapping[str, Any]]:
        """The items of an answer that lists some, as they arrive."""
        if answer.status == 204:
            return
        kind, _ = content_type(answer.content_type)
        if kind not in (JSON, "application/json"):
            raise self.web.error(
                path, f"the server answered with {kind or 'nothing'} where it should with {JSON}"
            )
        try:
            yield from items_of(answer.chunks(most), most_of_one)
        except JsonModelError as error:
            raise self.web.error(
                path, f"the answer is no list of attributes (PS3.18 F.2): {error}"
            ) from error

    def bulk(self, uri: str) -> bytes | None:
        """The value that stands at a URI; None where the server does not give it.

        Only this server is asked, whatever host the URI names.
        """
        place = uri.find("/studies/")
        if place < 0 or ".." in uri[place:]:
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
            for file in instances_at(self.web, path, series, missing, folder):
                missing.discard(file.stem)
                arrived(file)

    def _listed(
        self, path: str, keys: Mapping[str, str], key: str, count: int | None = None
    ) -> Iterator[Listed]:
        """All items of a listing, page by page: servers give what they like at once.

        The last page is the one that brings nothing new, or the one with which all ``count`` are there.
        """
        seen: set[tuple[Any, Any]] = set()
        offset = 0
        while len(seen) <= MAX_LISTED:
            query = {**keys, "limit": str(PAGE), "offset": str(offset)}
            items, found = unbroken(partial(self._page, path, query, key))
            new = [item for identity, item in found.items() if identity not in seen]
            seen |= found.keys()
            yield from new
            offset += items
            if len(seen) <= MAX_LISTED and (not new or items > PAGE or len(seen) == count):
                if items == PAGE and not new:
                    raise self.web.error(
                        path, f"the server tells the first {PAGE} only; ask for less (-w, -c)"
                    )
                return
        raise self.web.error(path, f"the server lists more than {MAX_LISTED}; ask for less (-w, -c)")

    def _page(
        self, path: str, query: Mapping[str, str], key: str
    ) -> tuple[int, dict[tuple[Any, Any], Listed]]:
        """How many a page lists; of each, by its UIDs, what is needed: whatever else there is, is let go."""
        number, found = 0, dict[tuple[Any, Any], Listed]()
        with self.web.request(path, JSON, query) as answer:
            if key == SOP_UID and answer.header("Content-Length") == "0":
                return 0, {}  # so some say that there are none; of series nobody would notice what is lost
            for item in self._items(path, answer, MAX_LISTING_BYTES, MAX_LISTED_BYTES):
                number += 1
                listed = {tag: _plain(first_value(item, tag)) for tag in _LISTED}
                identity = listed[STUDY_UID], listed[key]
                if identity in found:  # of each patient that shares it, with a count of its own
                    listed[_INSTANCE_COUNT] = None
                if len(found) <= MAX_LISTED:
                    found[identity] = listed
        return number, found

    def _uid(self, path: str, item: Listed, tag: str) -> str:
        uid = item[tag]
        if not is_safe_uid(uid):
            raise self.web.error(path, f"the server tells no UID as ({tag[:4]},{tag[4:]}) of what it lists")
        return str(uid)


def path_of(series: RemoteSeries) -> str:
    """What stands behind the server's address for a series."""
    return f"/studies/{series.study}/series/{series.uid}"


def first_value(item: Mapping[str, Any], tag: str) -> Any:
    """The first value of an attribute of the DICOM JSON Model (PS3.18 F.2)."""
    attribute = item.get(tag)
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    return values[0] if isinstance(values, list) and values else None


def _plain(value: Any) -> str | int | float | None:
    return value if isinstance(value, str | int | float) else None


def _count(item: Listed) -> int | None:
    value = item[_INSTANCE_COUNT]
    try:
        number = int(value) if value is not None else 0
    except (ValueError, OverflowError):
        return None
    return number if number > 0 else None
