"""Files, members of archives and objects in stores -> the headers of instances, or why they are none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from dicomarray.dicom.headers.header import Header, HeaderReader
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS
from dicomarray.errors import InputError, UsageError
from dicomarray.sources.base import Progress, Skipped, Source
from dicomarray.sources.filesystem import find_files
from dicomarray.sources.header_workers import Outcome, outcome_of, read_outcomes
from dicomarray.storage.connections import DICOMWEB, DIMSE
from dicomarray.storage.places import Place, Url
from dicomarray.storage.references import ObjectReference, Reference, fetched

# So many objects are asked for at once: enough to hide how long a store takes to answer, and 16 MB of memory.
OBJECTS_AT_ONCE = 256
_IDENTIFYING = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "Modality")


def sources_of(
    places: Iterable[Place], workers: int | None = None, queries: Sequence[Mapping[str, str]] = ({},)
) -> list[Source]:
    """Who finds and opens the instances at or below these places; a PACS those of the queries alone."""
    found: list[Source] = []
    for is_url, several in groupby(places, lambda place: isinstance(place, Url)):
        if is_url:
            found += [_source_of(url, queries) for url in several if isinstance(url, Url)]
        else:
            found.append(LocalFiles([path for path in several if isinstance(path, Path)], workers))
    return found


def _source_of(url: Url, queries: Sequence[Mapping[str, str]]) -> Source:
    if url.protocol in DICOMWEB:
        from dicomarray.sources.dicomweb_objects import WebSource

        return WebSource(url, tuple(queries))
    if url.protocol == DIMSE:
        raise UsageError(f"{url}: headers are not read over DIMSE; pull the series first (dicomarray pull)")
    from dicomarray.sources.fsspec import Store

    return Store(url)


def whole(headers: Sequence[Header]) -> Sequence[Header]:
    """The headers to read pixels with.

    Where a server described the instances, their files are fetched and read: a description may have other
    digits than the file, and lacks what is binary.
    """
    described = {
        h.reference for h in headers if isinstance(h.reference, ObjectReference) and h.reference.is_described
    }
    if not described:
        return headers
    copies = fetched(described, Path())
    found: dict[Reference, Header] = {}
    for item in read_references(copies[one] for one in described):
        if isinstance(item, Skipped):
            raise InputError(f"{item.path}: {item.reason}")
        found[item.reference] = item
    return [found[h.reference] if h.reference in described else h for h in headers]


@dataclass(frozen=True, slots=True)
class LocalFiles(Source):
    """Files and folders on this computer, and the archives in them; ``workers`` processes read."""

    roots: Sequence[Path]
    workers: int | None = None

    def instances(
        self, names: frozenset[str], progress: Progress | None = None
    ) -> Iterator[Header | Skipped]:
        """As `Source.instances`."""
        files = list(find_files(self.roots))
        size, reader = 0, HeaderReader(names)
        paths = [found for found in files if isinstance(found, Path)]
        with closing(read_outcomes(paths, names, self.workers)) as outcomes:
            for seen, found in enumerate(files, 1):
                for item in (found,) if isinstance(found, Skipped) else _items(found, next(outcomes), reader):
                    yield item
                    if progress is not None and isinstance(item, Header) and item.stamp is not None:
                        size += item.stamp.size
                if progress is not None:
                    progress(seen, size, len(files))


def read_objects(
    references: Sequence[ObjectReference], names: frozenset[str], progress: Progress | None = None
) -> Iterator[Header | Skipped]:
    """The instances of one source that are referred to, those in archives among them too."""
    size, reader = 0, HeaderReader(names)
    for start in range(0, len(references), OBJECTS_AT_ONCE):
        batch = references[start : start + OBJECTS_AT_ONCE]
        for reference, found in zip(batch, type(batch[0]).fetch_headers(batch), strict=True):
            if isinstance(found, OSError):
                yield Skipped.lost(reference, f"cannot be read: {found.strerror or type(found).__name__}")
                continue
            yield from _items(found, outcome_of(reader, found), reader)
            size += found.state.size
        if progress is not None:
            progress(start + len(batch), size, len(references))


def read_references(
    references: Iterable[Reference], names: frozenset[str] = DEFAULT_KEYWORDS
) -> Iterator[Header | Skipped]:
    """The instances that were found before, read again."""
    for kind, several in groupby(references, lambda one: Path if isinstance(one, Path) else type(one)):
        if kind is Path:
            yield from LocalFiles([one for one in several if isinstance(one, Path)]).instances(names)
        else:
            yield from read_objects([one for one in several if isinstance(one, ObjectReference)], names)


def _items(reference: Reference, outcome: Outcome, reader: HeaderReader) -> Iterable[Header | Skipped]:
    """The header of a file, or those of the members of an archive."""
    if isinstance(outcome, Header) and outcome.is_image:
        return (outcome,)  # nearly every file: nothing else is asked of it
    first = instance_of(outcome)
    if isinstance(first, Header):
        return (first,)
    from dicomarray.sources.archives import members_of

    try:
        members = members_of(reference)
    except OSError as error:
        return (Skipped.lost(reference, f"cannot be read: {error.strerror}"),)
    except InputError as error:
        return (Skipped.because(reference, error),)
    if members is None:
        return (first,)
    return (m if isinstance(m, Skipped) else instance_of(outcome_of(reader, m)) for m in members)


def instance_of(outcome: Outcome) -> Header | Skipped:
    """The header, or why it is none of an instance."""
    reason = no_instance(outcome) if isinstance(outcome, Header) else None
    return Skipped.lost(outcome.reference, reason) if isinstance(outcome, Header) and reason else outcome


def no_instance(header: Header) -> str | None:
    """Why what could be read is not enough to be an instance; None where it is.

    A header that was cut off loses its last elements: an image without series and size would be taken for
    a report of its own.  One that still names its series stays there, so that the series is known to be
    incomplete.
    """
    if header.is_image or header.text("SeriesInstanceUID"):
        return None
    from pydicom.config import IGNORE
    from pydicom.uid import UID

    kind = UID(header.text("SOPClassUID") or "", validation_mode=IGNORE).name
    if not any(header.attributes.get(keyword) for keyword in _IDENTIFYING):
        return "damaged: nothing that a DICOM object has can be read"
    if "Image Storage" in kind:
        return f"damaged, perhaps truncated: {kind} without Series Instance UID, Rows and Columns"
    # of a file cut within its class nothing tells that it is of images
    if not header.text("SOPInstanceUID"):
        return "damaged, perhaps truncated: without Series Instance UID and SOP Instance UID"
    return None
