"""One job from reading to writing; whatever goes wrong becomes the entry's reason."""

from __future__ import annotations

import json
import shutil
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.series import Series
from dicomarray.assembly.volumes.assemble import assemble
from dicomarray.catalog.series_selection import file_stem
from dicomarray.core.coded_warnings import CodedWarning
from dicomarray.errors import DicomArrayError, FunctionError
from dicomarray.objects.common.files import WriteReport, is_result
from dicomarray.objects.common.identity import SERIES_NUMBER_STEP
from dicomarray.pipeline.checksums import sha256_of_series, stamp_of
from dicomarray.pipeline.entries import RunEntry, SeriesOutput
from dicomarray.pipeline.functions import Function, make_ready, resolve
from dicomarray.pipeline.jobs import Job, Task, read_again
from dicomarray.pipeline.masks import write_masks
from dicomarray.pipeline.page import plane_to_show, thumbnail
from dicomarray.pipeline.results import call, named_results
from dicomarray.segmentation import Segmentation
from dicomarray.sinks.fsspec import refuse_taken, send
from dicomarray.storage.atomic import new_folder
from dicomarray.volume import Volume
from dicomarray.workflows.push import store_result
from dicomarray.workflows.to_dicom import write_like

if TYPE_CHECKING:
    from dicomarray.render.pictures import PlaneOfVolume

_MAX_DESCRIPTION_LENGTH = 64  # characters, VR LO


@dataclass(frozen=True, slots=True)
class Ready:
    """The functions of a run, imported and set up in this process."""

    function: Function
    observe: Function | None


def prepare(task: Task) -> Ready:
    """Import the functions and set them up.

    Raises UsageError where one cannot be imported, or a class not be made into an object.
    """
    observe = None if task.options.observe is None else resolve(task.options.observe, task.folder)
    return Ready(make_ready(resolve(task.function, task.folder), task.parameters), observe)


def process(job: Job, task: Task, ready: Ready) -> RunEntry:
    """Read, call, write and verify one job."""
    started, clock, trace = time.time(), time.perf_counter(), None
    try:
        return replace(_done(job, task, ready, started), seconds=time.perf_counter() - clock)
    except FunctionError as error:
        reason = str(error)
        trace = error.__cause__ and "".join(traceback.format_exception(error.__cause__))
    except DicomArrayError as error:
        reason = str(error)
    except MemoryError as error:
        reason = f"out of memory: {error}"
    except Exception as error:  # noqa: BLE001 - even a fault of ours costs one series, and is reported in full
        reason, trace = f"{type(error).__name__}: {error}", traceback.format_exc()
    return job.failed(reason, time.perf_counter() - clock, started, trace or None)


@dataclass(frozen=True, slots=True)
class _Source:
    """A volume that the function gets, and works in as it likes.

    ``key`` is what the function knows it by, ``label`` begins the names of its results, ``index`` counts the
    volumes of its series.  ``before`` is a copy where somebody observes, ``plane`` what a thumbnail shows.
    """

    key: str
    label: str
    index: int
    stack: Stack
    volume: Volume
    before: Volume | None
    plane: PlaneOfVolume | None


@dataclass(frozen=True, slots=True)
class _Result:
    """What the function made of a volume, which is its template as well.

    ``label`` is the folder of the result, empty where it is the only one, ``name`` what is added to the
    Series Description, ``number`` counts the results of one series.
    """

    source: _Source
    label: str
    name: str
    number: int
    after: Volume | Segmentation


def _done(job: Job, task: Task, ready: Ready, started: float) -> RunEntry:
    """What a job yields, in its place, be that here or in a store."""
    if task.destination is None:
        return _convert(job, task, ready, started)
    target = task.destination / job.name
    refuse_taken(target, task.writing.overwrite)  # before the work is done
    converted = _convert(job, task, ready, started)
    send(job.output, target, task.writing.overwrite)
    return converted


def _convert(job: Job, task: Task, ready: Ready, started: float) -> RunEntry:
    """Everything that a job yields, in one folder that appears when all of it is written."""
    outputs, warnings, stored = [], dict[CodedWarning, None](), None
    with new_folder(job.output, task.writing.overwrite, _is_result, tidied=True) as folder:
        found = read_again(job, task.roots)
        for result in _results(_sources(found, job, task, ready), task, ready):
            report = _write(result, folder / result.label, task)
            outputs.append(_output(result, report, job.output, ready))
            warnings |= dict.fromkeys((*result.after.warnings, *report.warnings))
        if task.pacs is not None:
            stored = f"{task.pacs}: {store_result(folder, task.pacs).summary}"
        read = sha256_of_series(header.reference for series in found for header in series.instances)
    return job.entry(
        "written", 0.0, started, output=job.output, outputs=tuple(outputs), warnings=tuple(warnings),
        stored=stored, inputs_sha256=read,
    )  # fmt: skip


def _sources(found: list[Series], job: Job, task: Task, ready: Ready) -> Iterator[_Source]:
    """The volumes of the job's series, or the one of each that was chosen, as they are asked for."""
    chosen = task.options.volume
    for series in found:
        stacks = series.stacks(task.reading)
        if chosen is not None:
            stacks = [series.one_of(stacks, chosen)]
        stem = file_stem(series) if task.options.per == "study" else ""
        for index, stack in enumerate(stacks, chosen or 0):
            which = f"volume{index}" if len(stacks) > 1 else ""
            key = f"{series.uid}:{index}" if which else series.uid
            volume = assemble(stack, task.reading, task.threads)
            before = None if ready.observe is None else volume.with_array(volume.array.copy())
            plane = plane_to_show(volume) if task.options.report and job.pictured else None
            label = "_".join(filter(None, (stem, which)))
            yield _Source(key, label, index, stack, volume, before, plane)


def _results(sources: Iterator[_Source], task: Task, ready: Ready) -> Iterator[_Result]:
    """What the function makes: volume by volume, or of all volumes of a study at once."""
    if task.options.per == "series":
        for source in sources:
            yield from _named(source, call(ready.function, source.volume))
        return
    by_key = {source.key: source for source in sources}
    returned = call(ready.function, {key: source.volume for key, source in by_key.items()})
    if not isinstance(returned, Mapping) or not returned:
        raise FunctionError(
            f"the function returned {type(returned).__name__} for a study; a dict with the results by the "
            "UID of the series that they belong to is expected"
        )
    unknown = [key for key in returned if key not in by_key]
    if unknown:
        raise FunctionError(
            f"the function returned a result for {unknown[0]!r}, which is no series of the study; there are: "
            + ", ".join(by_key)
        )
    for key, result in returned.items():
        yield from _named(by_key[key], result)


def _named(source: _Source, returned: Any) -> Iterator[_Result]:
    for number, (name, after) in enumerate(named_results(returned, source.volume)):
        yield _Result(source, "_".join(filter(None, (source.label, name))), name, number, after)


def _write(result: _Result, folder: Path, task: Task) -> WriteReport:
    """Write one result; a named one says its name, and has a Series Number of its own."""
    options = task.writing
    if result.name:
        template = result.source.stack.frames[0].header
        described = options.series_description or template.text("SeriesDescription") or ""
        number = options.series_number
        if number is None:
            number = int(template.number("SeriesNumber") or 0) + SERIES_NUMBER_STEP
        options = replace(
            options,
            series_description=_described(described, result.name),
            series_number=number + result.number * SERIES_NUMBER_STEP,
        )
    if isinstance(result.after, Segmentation):
        return write_masks(result.after, result.source.stack, folder, options, task)
    if task.options.segmentation != "seg":
        raise FunctionError(
            f'segmentation="{task.options.segmentation}" (--segmentation) asks for masks, and the function '
            f"returned {result.after.info.dtype} values, which are written as images: return "
            'dicomarray.Segmentation(mask, {1: "liver"}, geometry_of=volume)'
        )
    return write_like(result.after, result.source.stack, folder, options)


def _described(text: str, name: str) -> str:
    """The description with the name at its end, in the 64 characters that there are."""
    plain = "".join(letter for letter in text if letter.isprintable() and letter != "\\")
    return f"{plain[: _MAX_DESCRIPTION_LENGTH - len(name) - 1].rstrip()} {name}".strip()


def _output(result: _Result, report: WriteReport, output: Path, ready: Ready) -> SeriesOutput:
    after, info = result.after, result.after.info
    observed = {} if ready.observe is None else _observed(ready.observe, result)
    return SeriesOutput(
        name=result.label,
        source_uid=result.source.stack.frames[0].header.text("SeriesInstanceUID") or "",
        series_uid=report.series_uid,
        folder=output / result.label,
        count=len(report.files),
        shape=info.shape,
        axes=info.axes,
        units=info.units,
        affine=None if after.affine is None else tuple(tuple(map(float, row)) for row in after.affine),
        slope=report.slope,
        intercept=report.intercept,
        max_error=report.max_error,
        mean_error=report.mean_error,
        clipped=report.clipped,
        sha256=sha256_of_series(map(Path, report.files)),
        stamp=stamp_of(map(Path, report.files)),
        observed=observed,
        volume=result.source.index,
        thumbnail=thumbnail(result.source.plane, after, result.source.volume),
    )


def _observed(observe: Function, result: _Result) -> dict[str, Any]:
    try:
        seen = observe(result.source.before, result.after)
        return dict(json.loads(json.dumps(seen, allow_nan=False)))
    except Exception as error:  # the user's code may raise anything
        raise FunctionError(f"the observe function failed: {type(error).__name__}: {error}") from error


def _is_result(entry: Path) -> bool:
    """Whether something in an output folder may be replaced: a DICOM file, or a folder of them."""
    if entry.is_dir() and not entry.is_symlink():
        return all(map(is_result, entry.iterdir()))
    return is_result(entry)


def remove_leftovers(output: Path) -> None:
    """Take away what a process that was ended left half done; a result that was being replaced stays.

    Only while no one else writes to that folder: the lock of the run sees to it.
    """
    for folder in output.parent.glob(f".{output.name}.*"):
        if folder.suffix == ".old" and (folder / output.name).is_dir() and not output.exists():
            (folder / output.name).replace(output)
        if folder.suffix in (".old", ".part"):
            shutil.rmtree(folder, ignore_errors=True)
