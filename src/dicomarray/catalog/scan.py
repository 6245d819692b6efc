"""Paths and URLs -> the catalog of their series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dicomarray.assembly.series import Series
from dicomarray.catalog.catalog import Catalog, in_catalog_order
from dicomarray.catalog.unreadable_files import UnreadableFiles
from dicomarray.core.coded_warnings import Warnings
from dicomarray.dicom.attribute_names import check_name
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS
from dicomarray.errors import InputError
from dicomarray.runtime.garbage_collection import young_collections_only
from dicomarray.runtime.threads import thread_count
from dicomarray.sources.base import Progress, Skipped
from dicomarray.sources.instances import read_references, sources_of
from dicomarray.storage.places import PathLike, Place, Url, places
from dicomarray.storage.references import Reference


def scan(
    path: PathLike | Url | Iterable[PathLike | Url],
    attributes: Iterable[str] = (),
    progress: Progress | None = None,
    *,
    workers: int | None = None,
) -> Catalog:
    """Read the headers of every DICOM file at or below a path, whatever the files are called.

    Parameters
    ----------
    path
        A folder or file, or several of them.  Archives (zip, tar, compressed tar, a compressed file) are
        unpacked into a temporary folder that is removed when the process ends.  URLs such as
        ``"s3://bucket/archive"`` need fsspec; of their files just the headers are fetched.
    attributes
        Keywords, or tags such as ``"(0018,0050)"``, to read beside the usual ones.
    progress
        Called with the number of files seen so far, their bytes, and the number of all files.
    workers
        How many processes read; None chooses by the number of files and of processors.  What is found does
        not depend on it.

    Raises
    ------
    InputError
        Where the path does not exist.
    HeaderError
        Where a name in ``attributes`` is none.
    UsageError
        Where ``workers`` is less than 1, or a URL needs a package that is not installed.
    StorageError
        Where the store of a URL fails.
    """
    return read_catalog(places(path), attributes, progress, workers)


def read_catalog(
    roots: Sequence[Place],
    attributes: Iterable[str],
    progress: Progress | None,
    workers: int | None,
    queries: Sequence[Mapping[str, str]] = ({},),
) -> Catalog:
    """As `scan`, of places; of a PACS only what matches one of the queries."""
    thread_count(workers)
    names = DEFAULT_KEYWORDS.union(attributes)
    for name in names - DEFAULT_KEYWORDS:
        check_name(name)  # a mistake is one in an empty folder too
    return catalog_of(
        item for one in sources_of(roots, workers, queries) for item in one.instances(names, progress)
    )


def scan_again(references: Iterable[Reference]) -> Catalog:
    """The catalog of instances that a scan found; raises InputError or StorageError as `scan`."""
    return catalog_of(read_references(references, DEFAULT_KEYWORDS))


@dataclass(frozen=True, slots=True)
class SeriesFiles:
    """A series as references to its files, which is small to keep, and to send to other processes.

    ``notes`` are the series' own: who reads just these files cannot see what lies beside them.
    """

    uid: str
    files: tuple[Reference, ...]
    notes: Warnings

    @classmethod
    def of(cls, series: Series) -> SeriesFiles:
        references = (header.reference for header in series.instances)
        kept = (one.absolute() if isinstance(one, Path) else one.without_header() for one in references)
        return cls(series.uid, tuple(kept), series.notes)

    def series(self, advice: str = "") -> Series:
        """The series, from the headers of its files as they are now.

        Raises InputError where a file or its series is another one; the message ends with the advice.
        """
        catalog = scan_again(self.files)
        if catalog.skipped:
            gone = catalog.skipped[0]
            raise InputError(f"{gone.path} changed since it was scanned: {gone.reason}")
        if [series.uid for series in catalog] != [self.uid]:
            raise InputError(f"the files of series {self.uid} changed since they were scanned{advice}")
        return replace(catalog[0], notes=self.notes)


def catalog_of(found: Iterable[Header | Skipped]) -> Catalog:
    """The catalog of what a source found."""
    headers: list[Header] = []
    skipped: list[Skipped] = []
    with young_collections_only():
        for item in found:
            if isinstance(item, Skipped):
                skipped.append(item)
            else:
                headers.append(item)
        return Catalog(tuple(_group(headers, skipped)), tuple(skipped))


def _group(headers: Iterable[Header], skipped: Iterable[Skipped]) -> list[Series]:
    groups: dict[tuple[str, str], list[Header]] = {}
    for header in headers:
        uid = header.text("SeriesInstanceUID") or ""
        groups.setdefault((uid, "" if uid else str(header.reference)), []).append(header)
    unreadable = UnreadableFiles.of(skipped)
    series = [Series(uid, tuple(members), unreadable.notes(members)) for (uid, _), members in groups.items()]
    return sorted(series, key=in_catalog_order)
