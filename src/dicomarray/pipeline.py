"""Run a user's function over every matching series and write the results back as DICOM.

One report entry a series; nothing is printed here.  A series that fails costs itself, not the run.
"""

from __future__ import annotations

import importlib
import multiprocessing
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Unpack, cast

import numpy as np

from dicomarray import sidecar
from dicomarray.atomic import refuse_inside
from dicomarray.conversion.choosing import Config, Inputs, file_stem, filter_catalog, roots_of
from dicomarray.conversion.to_series import write_like
from dicomarray.errors import DicomArrayError, FunctionError, OutputError, UsageError
from dicomarray.keywords import check_names
from dicomarray.reading.assemble import assemble
from dicomarray.reading.catalog import Progress
from dicomarray.reading.files import PathLike
from dicomarray.reading.options import READ_NAMES, ReadKeywords, ReadOptions, read_options
from dicomarray.reading.series import Series
from dicomarray.volume import Volume
from dicomarray.writing.dicom import WriteReport
from dicomarray.writing.options import WRITE_NAMES, WriteKeywords, WriteOptions, write_options

Function = Callable[[Volume], Any]
Status = Literal["written", "failed"]


@dataclass(frozen=True, slots=True)
class RunEntry:
    """What became of one series.

    ``error`` is the reason in one line or a few, ``traceback`` where the user's function raised;
    ``output`` is the folder of the new series, ``report`` what writing it came to.
    """

    series_uid: str
    title: str
    status: Status
    seconds: float
    output: Path | None = None
    report: WriteReport | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class RunReport:
    """One entry a series, in the order of the catalog."""

    entries: tuple[RunEntry, ...]

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[RunEntry]:
        return iter(self.entries)

    @property
    def failed(self) -> tuple[RunEntry, ...]:
        return tuple(entry for entry in self.entries if entry.status == "failed")

    @property
    def written(self) -> tuple[RunEntry, ...]:
        return tuple(entry for entry in self.entries if entry.status == "written")


@dataclass(frozen=True, slots=True)
class _Job:
    """All that a worker needs for one series."""

    series: Series
    function: Function | str
    output: Path
    reading: ReadOptions
    writing: WriteOptions


class RunKeywords(ReadKeywords, WriteKeywords, total=False):
    """The options of reading and of writing."""


def run(
    input_dicom: Inputs,
    output_dicom: PathLike,
    function: Function | str,
    config: Config = None,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    finished: Callable[[RunEntry, int], None] | None = None,
    **options: Unpack[RunKeywords],
) -> RunReport:
    """Run a function over every matching series; each result becomes a folder of DICOM files.

    Parameters
    ----------
    input_dicom
        A folder or file, or several.
    output_dicom
        A folder; each series gets one of its own below it.
    function
        Takes a `Volume` in modality values and returns an array of its shape, or a `Volume`; or
        ``"module:function"``.  With ``workers`` above 1 it must be importable in another process.
    config
        A filter config, or the path of one; None takes every series with images.
    workers
        Processes that work side by side.
    options
        How to read and to write: ``missing``, ``values`` and the others of `ReadOptions`, `WriteOptions`.
    finished
        Called after each series with its entry and the number of series in all.

    Raises
    ------
    UsageError
        For options that cannot work or a function that cannot be imported; nothing is read then.
    """
    check_names(options, (*READ_NAMES, *WRITE_NAMES))
    reading = read_options(cast(ReadKeywords, {k: v for k, v in options.items() if k in READ_NAMES}))
    writing = write_options(cast(WriteKeywords, {k: v for k, v in options.items() if k in WRITE_NAMES}))
    if workers < 1:
        raise UsageError(f"workers must be 1 or more, not {workers}")
    resolve(function)
    output = Path(output_dicom)
    input_dicom = roots_of(input_dicom)
    for root in input_dicom:
        refuse_inside(output, root)
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output} exists and is no folder")
    matching = filter_catalog(input_dicom, config, progress).series
    jobs = [
        _Job(series, function, output / file_stem(series), reading, writing)
        for series in matching
        if series.is_image
    ]
    entries: dict[int, RunEntry] = {}
    for index, entry in _in_turn(jobs) if workers == 1 else _side_by_side(jobs, workers):
        entries[index] = entry
        if finished is not None:
            finished(entry, len(jobs))
    return RunReport(tuple(entries[index] for index in sorted(entries)))


def resolve(function: Function | str) -> Function:
    """The callable that ``"module:function"`` names; the working folder is searched too.

    Raises
    ------
    UsageError
        Where it cannot be imported or called.
    """
    if not isinstance(function, str):
        if not callable(function):
            raise UsageError(f"{function!r} is no function")
        return function
    module_name, _, name = function.partition(":")
    if not module_name or not name:
        raise UsageError(f'"{function}" names no function; write it as module:function')
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise UsageError(f'"{function}" cannot be imported: {error}') from error
    if not callable(found):
        raise UsageError(f'"{function}" is a {type(found).__name__}, no function')
    return found  # type: ignore[no-any-return]


def _in_turn(jobs: Sequence[_Job]) -> Iterator[tuple[int, RunEntry]]:
    for index, job in enumerate(jobs):
        yield index, process(job)


def _side_by_side(jobs: Sequence[_Job], workers: int) -> Iterator[tuple[int, RunEntry]]:
    """Every job in a pool of processes; a process that dies costs the series that were in work then.

    Those are tried once more, each in a process of its own, so that only the culprit is lost.
    """
    lost = []
    for index, entry in _pool(list(enumerate(jobs)), workers):
        if entry is None:
            lost.append(index)
        else:
            yield index, entry
    for index in lost:
        for _, entry in _pool([(index, jobs[index])], 1):
            yield (
                index,
                entry or _entry(jobs[index], 0.0, error="the worker process died (crash, or out of memory)"),
            )


def _pool(jobs: Sequence[tuple[int, _Job]], workers: int) -> Iterator[tuple[int, RunEntry | None]]:
    # spawn: a forked child of a process with threads (codecs, BLAS) can hang
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, max(1, len(jobs))), mp_context=context) as executor:
        futures: dict[Future[RunEntry], int] = {executor.submit(process, job): index for index, job in jobs}
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except BrokenProcessPool:
                yield futures[future], None


def process(job: _Job) -> RunEntry:
    """One series from reading to writing; whatever goes wrong becomes the entry's reason."""
    start = time.perf_counter()
    try:
        function = resolve(job.function)
        stack = job.series.stack(job.reading)
        volume = assemble(stack, job.reading)
        result = _call(function, volume)
        report = write_like(result.array, sidecar.parse(result.metadata), stack, job.output, job.writing)
    except DicomArrayError as error:
        cause = error.__cause__
        trace = (
            "".join(traceback.format_exception(cause)) if isinstance(error, FunctionError) and cause else None
        )
        return _entry(job, time.perf_counter() - start, error=str(error), trace=trace)
    except (OSError, MemoryError) as error:
        return _entry(job, time.perf_counter() - start, error=f"{type(error).__name__}: {error}")
    return RunEntry(
        job.series.uid,
        job.series.title,
        "written",
        time.perf_counter() - start,
        output=job.output,
        report=report,
        warnings=volume.warnings + report.warnings,
    )


def _entry(job: _Job, seconds: float, error: str, trace: str | None = None) -> RunEntry:
    return RunEntry(job.series.uid, job.series.title, "failed", seconds, error=error, traceback=trace)


def _call(function: Function, volume: Volume) -> Volume:
    """The function's result as a volume on the same grid.

    Raises
    ------
    FunctionError
        Where it raised, or returned something that is no image of the volume's shape.
    """
    try:
        result = function(volume)
    except Exception as error:  # the user's code may raise anything; the entry tells what
        raise FunctionError(f"the function raised {type(error).__name__}: {error}") from error
    if isinstance(result, Volume):
        return result
    if not isinstance(result, np.ndarray):
        raise FunctionError(
            f"the function returned {type(result).__name__}; an array or a Volume is expected"
        )
    if result.shape != volume.array.shape:
        raise FunctionError(
            f"the function returned an array of shape {result.shape} for a volume of {volume.array.shape}; "
            "another grid is not written yet"
        )
    return volume.with_array(result)
