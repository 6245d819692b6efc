"""The pieces of work of a run, one a series or one a study, without headers.

A worker reads the headers of its series again.  That takes it 0.2 ms a file, where writing a slice takes
milliseconds; in exchange the driver keeps names only (3 kB of headers a file are let go after the scan), a
message to a worker is small, and files that changed since the scan are noticed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dicomarray.assembly.options import ReadOptions
from dicomarray.assembly.series import Series
from dicomarray.catalog.scan import SeriesFiles
from dicomarray.catalog.series_selection import file_stem
from dicomarray.core.plain_text import one_line
from dicomarray.dicom.headers.header import Header
from dicomarray.errors import InputError
from dicomarray.objects.common.options import WriteOptions
from dicomarray.pipeline.entries import RunEntry, Status
from dicomarray.pipeline.options import Per, RunOptions
from dicomarray.pipeline.page import MAX_THUMBNAILS
from dicomarray.storage.places import Place, Url
from dicomarray.storage.references import Stamp, file_of, state_of
from dicomarray.workflows.to_numpy import free_name


@dataclass(frozen=True, slots=True)
class Task:
    """What all jobs of a run share; it is sent to a worker once.

    ``function`` and the ``observe`` of the options are names where the work is done in other processes.
    ``folder`` is searched for their modules.  ``destination`` is where results are sent to, where they are
    not to stay on this computer; in ``pacs`` they are stored, before they appear here.  ``isolated`` work is
    done in processes that can be ended.
    """

    function: Callable[..., Any] | str
    reading: ReadOptions
    writing: WriteOptions
    options: RunOptions
    parameters: Mapping[str, Any]
    roots: tuple[Place, ...]
    folder: Path
    destination: Url | None = None
    pacs: Url | None = None
    isolated: bool = False

    @property
    def threads(self) -> int | None:
        """How many read the images of one volume, None for one a processor, which others may need."""
        return None if self.options.workers == 1 and self.options.scheduler is None else 1


@dataclass(frozen=True, slots=True)
class Job:
    """One series, or all series of one study: where its results go, and what its inputs are.

    ``inputs`` is a digest of the names, sizes and times of the files: another digest, other inputs.
    ``contents`` leaves out the times at which entries changed: these may be others than in an index (a copy,
    other rights), and who reads the headers again sees what the files are.  ``pictured``: the page of the
    run, which shows pictures of the first ones of many, has a place for its own.
    """

    title: str
    output: Path
    series: tuple[SeriesFiles, ...]
    inputs: str
    contents: str
    pictured: bool = True

    @property
    def name(self) -> str:
        """The output folder's name: the same in every run, and unique in one."""
        return self.output.name

    def entry(self, status: Status, seconds: float, started: float, **rest: Any) -> RunEntry:
        """What became of it."""
        uids = tuple(one.uid for one in self.series)
        return RunEntry(self.name, uids, self.title, status, seconds, started, self.inputs, **rest)

    def failed(self, reason: str, seconds: float, started: float, traceback: str | None = None) -> RunEntry:
        """The entry that says so."""
        return self.entry("failed", seconds, started, error=reason, traceback=traceback)


def jobs_of(found: Iterable[Series], per: Per, roots: Sequence[Place], output: Path) -> Iterator[Job]:
    """The jobs for the series that have images, in the order of the catalog."""
    images = (series for series in found if series.is_image)
    groups = _studies(images) if per == "study" else _one_each(images)
    for number, (stem, group) in enumerate(groups):
        yield _job(stem, group, per, roots, output, pictured=number < MAX_THUMBNAILS)


def _studies(images: Iterable[Series]) -> Iterable[tuple[str, list[Series]]]:
    """The series of each study by its name, ``STUDY_1f2e3d4c``; one that names no study is one of its own."""
    studies: dict[str, list[Series]] = {}
    for series in images:
        uid = _study_uid(series)
        stem = f"STUDY_{hashlib.sha256(uid.encode()).hexdigest()[:16]}" if uid else file_stem(series)
        studies.setdefault(stem, []).append(series)
    return studies.items()


def _one_each(images: Iterable[Series]) -> Iterator[tuple[str, list[Series]]]:
    """Each series by a name of its own.

    Some get a number: of 10,000 UIDs two have the same eight digits once in 100 archives.
    """
    taken = set[str]()
    for series in images:
        yield free_name(file_stem(series), taken), [series]


def _study_uid(series: Series) -> str:
    return series.instances[0].text("StudyInstanceUID") or ""


def _study_title(series: Series) -> str:
    description = series.attributes.get("StudyDescription")
    title = f"study {_study_uid(series) or '(no UID)'}" + (f" {description}" if description else "")
    return one_line(title)


def _job(
    stem: str, group: Sequence[Series], per: Per, roots: Sequence[Place], output: Path, pictured: bool
) -> Job:
    title = group[0].described if per == "series" else _study_title(group[0])
    files = tuple(map(SeriesFiles.of, group))
    headers = [header for series in group for header in series.instances]
    inputs, contents = (_digest(headers, roots, entries) for entries in (True, False))
    return Job(title, output / stem, files, inputs, contents, pictured)


def _digest(headers: Iterable[Header], roots: Sequence[Place], entries: bool) -> str:
    """``entries``: with the times at which the files' entries changed, renamed ones' too."""
    lines = sorted(_line(header, roots, entries) for header in headers)
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _line(header: Header, roots: Sequence[Place], entries: bool) -> str:
    """A file's name below its root, its size and its times; what is unpacked has none that say anything."""
    stamp, file = _stamp(header), file_of(header.reference)
    place = file.absolute() if isinstance(file, Path) else file
    below = ((number, _below(place, root)) for number, root in enumerate(roots))
    root, name = next(((number, name) for number, name in below if name is not None), (None, place.name))
    if root is None:
        return f"{name}\0{stamp.size}"
    changed = f"\0{stamp.changed}" if entries else ""
    return f"{root}\0{name}\0{stamp.size}\0{stamp.modified}{changed}"


def _below(place: Place, root: Place) -> str | None:
    """The name of a file below a root; empty for the root itself."""
    if isinstance(place, Url) or isinstance(root, Url):
        below = str(place).startswith(f"{root}/") and isinstance(place, Url) and isinstance(root, Url)
        return "" if place == root else str(place).removeprefix(f"{root}/") if below else None
    return None if not place.is_relative_to(root) else "" if place == root else str(place.relative_to(root))


def _stamp(header: Header) -> Stamp:
    try:
        return header.stamp or state_of(header.reference)
    except OSError:
        return Stamp(-1, 0)  # it is gone since the scan; who reads it will say so


def read_again(job: Job, roots: Sequence[Place]) -> list[Series]:
    """The series of a job, from the headers of their files.

    Raises InputError where they are not what the scan found.
    """
    found = [files.series("; resume the run") for files in job.series]
    headers = (header for series in found for header in series.instances)
    if _digest(headers, roots, entries=False) != job.contents:
        raise InputError(f"the files of {job.title} changed since they were scanned; resume the run")
    return found
