"""What there is to do: the archive scanned and filtered, its series as jobs.

Headers take 4 kB a file, and there may be millions; a process of its own takes that memory, and gives it back
when it ends.  The jobs come one by one; compressed, they take little more than the names of their files.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from dicomarray.assembly.series import Series
from dicomarray.catalog.index.opening import check_finished, count_indexed
from dicomarray.catalog.series_selection import ScanRequest, select
from dicomarray.errors import DicomArrayError, InputError
from dicomarray.pipeline.compressed_sequence import CompressedSequence
from dicomarray.pipeline.jobs import Job, jobs_of
from dicomarray.pipeline.options import Per
from dicomarray.runtime.processes import Child, ChildDiedError, Parent, can_start
from dicomarray.sources.base import EXAMPLES, Progress, SkippedGroup, by_reason
from dicomarray.storage.places import Url
from dicomarray.storage.references import file_of

# Up to so many files and folders are scanned in this process: that takes 7 MB at most, and less time than the
# start of another one, which is a quarter of a second or more.  A zip or tar counts as one file.
FILES_WITHOUT_PROCESS = 1000
# Is told what the scan skipped: of a large archive that is much, and of each reason a few names will do.
Skipping = Callable[[list[SkippedGroup]], object]  # such as list, which keeps nothing
# Why the segmentations among images are left out.
MASKS = "holds masks of images, and is no image itself; alone (-w Modality=SEG) the function gets it"
# The last answer of a process that found everything.
FOUND_ALL = "all"
FINDER = "dicomarray.pipeline.discovery:find"
# How often it is told how far a scan is: nobody sees more, and each time costs both sides.  Seconds.
PROGRESS_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Search:
    """Which series are meant, what one job of them is, and where its results go."""

    request: ScanRequest
    per: Per
    output: Path


def find_jobs(
    search: Search, progress: Progress | None, scratch: Path, skipping: Skipping = list
) -> CompressedSequence[Job]:
    """The jobs, in the order of the catalog; files of archives may lie in the folder ``scratch`` then.

    Raises InputError as `scan` and `open_index`, and where the process that looks for them died.
    """
    if _is_large(search) and _can_be_sent(search):
        with contextlib.closing(_jobs_of_process(search, progress, scratch, skipping)) as jobs:
            return CompressedSequence(jobs)
    return CompressedSequence(jobs_here(search, progress, skipping))


def jobs_here(search: Search, progress: Progress | None, skipping: Skipping = list) -> Iterator[Job]:
    """The jobs, found in this process."""
    found = select(replace(search.request, progress=progress))
    check_finished(found.catalog)
    skipping(by_reason(found.catalog.skipped))
    series = found.series if search.per == "study" else _without_masks(found.series, skipping)
    yield from jobs_of(series, search.per, search.request.roots, search.output)


def _without_masks(found: Iterable[Series], skipping: Skipping) -> Iterator[Series]:
    """Segmentations are left out where there are images: masks of a mask are what nobody asks for."""
    masks: list[Series] = []
    images = False
    for series in found:
        if series.is_segments and series.is_image:
            masks.append(series)
        else:
            images |= series.is_image
            yield series
    if not images:
        yield from masks
    elif masks:
        files = [file_of(header.reference).name for series in masks for header in series.instances]
        skipping([SkippedGroup(MASKS, len(files), tuple(files[:EXAMPLES]))])


def _is_large(search: Search) -> bool:
    """Whether the headers are too many for this process; those of stores stay, as does ``memory://``."""
    request = search.request
    if any(isinstance(root, Url) for root in request.roots):
        return False
    if request.index is not None:
        return count_indexed(request.index) > FILES_WITHOUT_PROCESS
    roots = [str(root) for root in request.roots]
    return any(True for _ in islice(_names_below(roots), FILES_WITHOUT_PROCESS, None))


def _names_below(roots: list[str]) -> Iterator[str]:
    """Files and folders, one after the other: the list of a single folder may be long.

    What cannot be opened, the scan will tell.
    """
    yield from roots
    waiting = roots
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                yield entry.path
                if entry.is_dir():
                    waiting.append(entry.path)


def _can_be_sent(search: Search) -> bool:
    """Whether another process can have the search: a config may hold objects that none can."""
    try:
        pickle.dumps(search)
    except (pickle.PicklingError, TypeError, AttributeError):
        return False
    return can_start()


def _jobs_of_process(
    search: Search, progress: Progress | None, scratch: Path, skipping: Skipping
) -> Generator[Job, None, None]:
    """The jobs, found in a process that ends with the last one."""
    child = Child(FINDER)
    try:
        child.send((search, str(scratch)))
        while (answer := child.receive()) != FOUND_ALL:
            if isinstance(answer, Job):
                yield answer
            elif isinstance(answer, DicomArrayError):
                raise answer
            elif isinstance(answer, list):
                skipping(answer)
            elif progress is not None:
                progress(*answer)
    except ChildDiedError as error:
        raise InputError(
            f"the process that read the headers died: {error}; "
            "where memory is short, make an index folder by folder (dicomarray index), and run with --index"
        ) from error
    finally:
        child.kill()


def find(parent: Parent) -> None:
    """In that process: answer with jobs, how far the scan is, what it skipped, an error, or `FOUND_ALL`."""
    search, tempfile.tempdir = parent.receive()
    reported = float("-inf")

    def progress(files: int, size: int = 0, total: int | None = None, /) -> None:
        nonlocal reported
        now = time.monotonic()
        if files == total or now - reported >= PROGRESS_SECONDS:
            reported = now
            parent.answer((files, size, total))

    try:
        for job in jobs_here(search, progress, parent.answer):
            parent.answer(job)
        parent.answer(FOUND_ALL)
    except DicomArrayError as error:
        parent.answer(error)
    # what archives were unpacked to must outlive this process: it belongs to the one that gave us the folder
    os._exit(0)
