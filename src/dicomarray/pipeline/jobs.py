"""The pieces of work of a run, one a series or one a study, without headers.

A worker reads the headers of its series again.  That takes it 0.2 ms a file, where writing a slice takes
milliseconds; in exchange the driver keeps names only (3 kB of headers a file are let go after the scan), a
message to a worker is small, and files that changed since the scan are noticed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

from dicomarray.assembly.options import ReadOptions
from dicomarray.assembly.series import Series
from dicomarray.catalog.scan import scan
from dicomarray.catalog.series_selection import file_stem
from dicomarray.core.coded_warnings import Warnings
from dicomarray.core.plain_text import one_line
from dicomarray.dicom.headers.header import Header, Stamp
from dicomarray.errors import InputError
from dicomarray.objects.common.options import WriteOptions
from dicomarray.pipeline.entries import RunEntry, SeriesOutput
from dicomarray.pipeline.options import Per
from dicomarray.sources.fsspec import stamp_in_store
from dicomarray.storage.places import Place, Url

# Instead of the number of a root: the file was unpacked from an archive, and its path is its own.
UNPACKED = -1


@dataclass(frozen=True, slots=True)
class Task:
    """What all jobs of a run share; it is sent to a worker once.

    ``function`` and ``observe`` are names where the work is done in other processes.  ``folder`` is searched
    for their modules.  ``timeout`` is in seconds, ``memory_bytes`` limits a worker's resident memory.
    ``destination`` is where results are sent to, where they are not to stay on this computer.  With
    ``report`` a worker makes thumbnails.  ``threads`` is how many read the images of one volume, None for one
    a processor.  ``isolated`` work is done in processes that can be ended.
    """

    function: Callable[..., Any] | str
    reading: ReadOptions
    writing: WriteOptions
    roots: tuple[Place, ...]
    folder: Path
    per: Per = "series"
    volume: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    observe: Callable[..., Any] | str | None = None
    timeout: float | None = None
    memory_bytes: int | None = None
    destination: Url | None = None
    report: bool = False
    threads: int | None = None
    isolated: bool = False


@dataclass(frozen=True, slots=True)
class SeriesFiles:
    """A series as the names of its files: each with the number of the root that it lies below.

    ``notes`` are the series' own: who reads just these files cannot see what lies beside them.
    """

    uid: str
    stem: str
    names: tuple[tuple[int, str], ...]
    notes: Warnings

    def paths(self, roots: Sequence[Path]) -> list[Path]:
        """Where the files are."""
        return [Path(name) if root == UNPACKED else roots[root] / name for root, name in self.names]


@dataclass(frozen=True, slots=True)
class Job:
    """One series, or all series of one study: where its results go, and what its inputs are.

    ``inputs`` is a digest of the names, sizes and times of the files: another digest, other inputs.
    ``contents`` leaves out the times at which entries changed: these may be others than in an index (a copy,
    other rights), and who reads the headers again sees what the files are.
    """

    title: str
    output: Path
    series: tuple[SeriesFiles, ...]
    inputs: str
    contents: str

    @property
    def name(self) -> str:
        """The output folder's name: the same in every run, and unique in one."""
        return self.output.name

    def written(
        self, outputs: tuple[SeriesOutput, ...], warnings: Warnings, seconds: float, started: float
    ) -> RunEntry:
        """The entry that says so."""
        return RunEntry(
            self.name, tuple(s.uid for s in self.series), self.title, "written", seconds, started,
            self.inputs, self.output, outputs, warnings,
        )  # fmt: skip

    def failed(self, reason: str, seconds: float, started: float, traceback: str | None = None) -> RunEntry:
        """The entry that says so."""
        return RunEntry(
            self.name, tuple(s.uid for s in self.series), self.title, "failed", seconds, started,
            self.inputs, error=reason, traceback=traceback,
        )  # fmt: skip


def jobs_of(found: Iterable[Series], per: Per, roots: Sequence[Path], output: Path) -> Iterator[Job]:
    """The jobs for the series that have images, in the order of the catalog."""
    images = (series for series in found if series.is_image)
    for stem, group in _studies(images) if per == "study" else _one_each(images):
        yield _job(stem, group, per, roots, output)


def _studies(images: Iterable[Series]) -> Iterable[tuple[str, list[Series]]]:
    """The series of each study, by its name."""
    studies: dict[str, list[Series]] = {}
    for series in images:
        studies.setdefault(_study_stem(series), []).append(series)
    return studies.items()


def _one_each(images: Iterable[Series]) -> Iterator[tuple[str, list[Series]]]:
    """Each series by a name of its own.

    Some get a number: of 10,000 UIDs two have the same eight digits once in 100 archives.
    """
    taken: set[str] = set()
    for series in images:
        stem = file_stem(series)
        names = chain([stem], (f"{stem}_{number}" for number in count(2)))
        name = next(name for name in names if name not in taken)
        taken.add(name)
        yield name, [series]


def _study_uid(series: Series) -> str:
    return series.instances[0].text("StudyInstanceUID") or ""


def _study_title(series: Series) -> str:
    description = series.attributes.get("StudyDescription")
    title = f"study {_study_uid(series) or '(no UID)'}" + (f" {description}" if description else "")
    return one_line(title)


def _study_stem(series: Series) -> str:
    """``STUDY_1f2e3d4c``; a series without Study Instance UID is a study of its own."""
    uid = _study_uid(series)
    return f"STUDY_{hashlib.sha256(uid.encode()).hexdigest()[:16]}" if uid else file_stem(series)


def _job(stem: str, group: Sequence[Series], per: Per, roots: Sequence[Path], output: Path) -> Job:
    title = group[0].described if per == "series" else _study_title(group[0])
    files = tuple(
        SeriesFiles(s.uid, file_stem(s), tuple(_name(header.path, roots) for header in s.instances), s.notes)
        for s in group
    )
    headers = [header for series in group for header in series.instances]
    inputs, contents = (_digest(files, headers, entries) for entries in (True, False))
    return Job(title, output / stem, files, inputs, contents)


def _name(path: Path, roots: Sequence[Path]) -> tuple[int, str]:
    absolute = path.absolute()
    for number, root in enumerate(roots):
        if absolute == root:
            return number, ""
        if absolute.is_relative_to(root):
            return number, str(absolute.relative_to(root))
    return UNPACKED, str(absolute)


def _digest(files: Iterable[SeriesFiles], headers: Iterable[Header], entries: bool) -> str:
    """``entries``: with the times at which the files' entries changed, renamed ones' too."""
    names = (name for series in files for name in series.names)
    lines = sorted(_line(*name, header, entries) for name, header in zip(names, headers, strict=True))
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _line(root: int, name: str, header: Header, entries: bool) -> str:
    """A file's name, size and times; what is unpacked has those of its unpacking, which say nothing."""
    stamp = _stamp(header)
    if root == UNPACKED:
        return f"{Path(name).name}\0{stamp.size}"
    changed = f"\0{stamp.changed}" if entries else ""
    return f"{root}\0{name}\0{stamp.size}\0{stamp.modified}{changed}"


def _stamp(header: Header) -> Stamp:
    stamp = stamp_in_store(header.path) or header.stamp
    if stamp is not None:
        return stamp
    try:
        return Stamp.of(header.path.stat())
    except OSError:
        return Stamp(-1, 0)  # it is gone since the scan; who reads it will say so


def read_again(job: Job, roots: Sequence[Path], fetched: bool) -> list[Series]:
    """The series of a job, from the headers of their files.

    ``fetched`` files have times of their own, which say nothing.

    Raises
    ------
    InputError
        Where they are not what the scan found.
    """
    found: list[Series] = []
    headers: list[Header] = []
    for files in job.series:
        catalog = scan(files.paths(roots))
        if catalog.skipped:
            first = catalog.skipped[0]
            raise InputError(f"{first.path} changed since it was scanned: {first.reason}")
        if [series.uid for series in catalog] != [files.uid]:
            raise InputError(
                f"the files of series {files.uid} changed since they were scanned; resume the run"
            )
        found.append(replace(catalog[0], notes=files.notes))
        headers += catalog[0].instances
    if not fetched and _digest(job.series, headers, entries=False) != job.contents:
        raise InputError(f"the files of {job.title} changed since they were scanned; resume the run")
    return found
