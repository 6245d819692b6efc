"""Run a user's function over every matching series and write the results back as DICOM.

Nothing is printed here.  A series that fails costs itself, not the run.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Unpack

from dicomarray.assembly.options import ReadOptions
from dicomarray.catalog.series_selection import Inputs, ScanRequest
from dicomarray.core.options import all_made_of, takes
from dicomarray.errors import OutputError, UsageError
from dicomarray.objects.common.options import WriteOptions
from dicomarray.pipeline import ledger
from dicomarray.pipeline.checksums import findings_below
from dicomarray.pipeline.cluster import distributed_package, on_cluster
from dicomarray.pipeline.compressed_sequence import CompressedSequence
from dicomarray.pipeline.discovery import Search, find_jobs
from dicomarray.pipeline.entries import RunEntry, RunReport, as_json
from dicomarray.pipeline.functions import Function, check_call, load_parameters, reference, resolve
from dicomarray.pipeline.jobs import Job, Task
from dicomarray.pipeline.ledger import Ledger
from dicomarray.pipeline.options import RunKeywords, RunOptions
from dicomarray.pipeline.page import FILE_NAME as PAGE_NAME
from dicomarray.pipeline.page import put_aside, write_report
from dicomarray.pipeline.run_folder import (
    check_urls,
    held,
    is_of_one_process,
    local_folder_for,
    with_urls,
    working_folder,
)
from dicomarray.pipeline.work import prepare, process, remove_leftovers
from dicomarray.pipeline.worker import side_by_side
from dicomarray.query.config import Config, selection_of
from dicomarray.runtime.processes import is_child
from dicomarray.sources.base import Progress, SkippedGroup
from dicomarray.storage.atomic import making, refuse_inputs, refuse_inside
from dicomarray.storage.connections import is_server
from dicomarray.storage.places import PathLike, Place, Url, local_path, place_of

Finished = Callable[[RunEntry, int], None]


@takes(RunOptions, ReadOptions, WriteOptions)
def run(
    input_dicom: Inputs | None,
    output_dicom: PathLike | Url,
    function: Function | str,
    config: Config = None,
    *,
    progress: Progress | None = None,
    finished: Finished | None = None,
    **options: Unpack[RunKeywords],
) -> RunReport:
    """Run a function over every matching series; each result becomes a folder of DICOM files.

    Parameters
    ----------
    input_dicom
        A folder or file, or several; with ``index`` it may be None, for everything in it.  URLs that fsspec
        knows will do: only headers are fetched for the scan, and the files of a series to work on it.
    output_dicom
        A folder; each series gets one of its own below it, and ``ledger.jsonl`` tells of all of them.  A URL
        will do: results are made here, and sent there when they are verified.  In a PACS (see `pull`) they
        are stored, and asked for again; the ledger and what was stored stay in a folder of the current one,
        ``dicomarray-run-HOST``.
    function
        Takes a `Volume` in modality values and returns an array of its shape, a `Volume`, a `Segmentation`,
        or a dict of them by name; or a class, of which each process makes one object that is called so; or
        the name of one: ``"module:function"``, ``"file.py:function"``.
    config
        A filter config, or the path of one; None takes every series with images.
    options
        Those of `RunOptions`, and how to read and to write, of `ReadOptions` and `WriteOptions`, below.
    finished
        Called after each series with its entry and the number of series to do.

    Raises
    ------
    UsageError
        For options that cannot work or a function that cannot be imported; nothing is read then.
    OutputError
        Where the output folder holds an earlier run (``resume`` and ``overwrite`` say what to do with it),
        where another run writes to it now, or where it lies inside the input.
    """
    if is_child():
        raise UsageError(
            "run was called while a worker imported the script that defines the function; put the call "
            'below: if __name__ == "__main__":'
        )
    chosen, reading, writing = all_made_of(options, RunOptions, ReadOptions, WriteOptions)
    called = resolve(function)
    request = ScanRequest(input_dicom, chosen.index, config, chosen.series)
    roots, output, pacs = list(request.roots), place_of(output_dicom), None
    if isinstance(output, Url) and is_server(output):
        pacs, output = output, local_folder_for(output)
        # done again after a kill, a result is the same one, and not stored twice
        writing = writing if writing.uid_key is not None else replace(writing, uid_key=str(pacs))
    if chosen.index is not None:
        # an index is one of files on this computer, by their real paths
        roots = [local_path(root).resolve() for root in roots]
    # what is given by name can be done by another process, whose crash costs a series and not the run
    by_name = isinstance(function, str) and isinstance(chosen.observe, str | None)
    shared = not any(map(is_of_one_process, (*roots, output)))
    isolated = chosen.isolated or (by_name and shared)
    check_urls(roots, output, by_others=isolated or chosen.scheduler is not None)
    if chosen.scheduler is not None:
        distributed_package()  # where it is missing no ledger is begun
    here = tuple(root.absolute() if isinstance(root, Path) else root for root in roots)
    named, chosen = _by_name(function, chosen, isolated)
    parameters = load_parameters(chosen.parameters)
    check_call(called, parameters)
    _check_output(output, roots, chosen, writing)
    refuse_as_output(output, [*roots, config, chosen.index, chosen.parameters])
    chosen = replace(chosen, parameters=parameters)
    destination = output if isinstance(output, Url) else None
    task = Task(
        named, reading, writing, chosen, parameters, here, Path.cwd(), destination, pacs, isolated=isolated
    )
    selection_of(config)  # a mistake in it comes before the scan
    # what is unpacked while this run needs it; what cannot be removed then is no reason to fail
    scratches = TemporaryDirectory(prefix="dicomarray-", ignore_cleanup_errors=True)
    with working_folder(output) as folder, scratches as scratch:
        search = Search(replace(request, inputs=here), chosen.per, folder)
        skipped: list[SkippedGroup] = []
        jobs = find_jobs(search, progress, Path(scratch), skipped.extend)
        if not jobs:
            return RunReport(skipped=skipped)
        with held(output, folder):
            _check_output(output, roots, chosen, writing)
            return replace(_run(jobs, task, called, finished), skipped=skipped)


def refuse_as_output(output: Place, inputs: Iterable[object]) -> None:
    """Raise OutputError where what a run reads is a file that it would write, its ledger or its page."""
    if isinstance(output, Path):
        refuse_inputs((output / ledger.FILE_NAME, output / PAGE_NAME), inputs)


def _by_name(
    function: Function | str, chosen: RunOptions, isolated: bool
) -> tuple[Function | str, RunOptions]:
    """The functions by their names, where other processes have to find them."""
    observe = chosen.observe
    if observe is not None:
        resolve(observe)
    if chosen.scheduler is None and not isolated:
        return function, chosen
    return reference(function), replace(chosen, observe=None if observe is None else reference(observe))


def _check_output(output: Place, roots: Iterable[Place], chosen: RunOptions, writing: WriteOptions) -> None:
    for root in roots:
        refuse_inside(output, root)
    if isinstance(output, Path):
        with making(output):
            is_taken = output.exists() and not output.is_dir()
        if is_taken:
            raise OutputError(f"{output} exists and is no folder")
    if chosen.resume and writing.overwrite:
        raise UsageError("resume keeps what is done, overwrite does it again: choose one of them")
    if (output / ledger.FILE_NAME).exists() and not (chosen.resume or writing.overwrite):
        raise OutputError(
            f"{output} holds the ledger of an earlier run; go on with it (--resume, resume=True), do "
            "everything again (--overwrite, overwrite=True), or choose another folder"
        )


def _run(
    jobs: CompressedSequence[Job],
    task: Task,
    function: Function,
    finished: Finished | None,
) -> RunReport:
    """Everything that is not done yet; the ledger has it line by line."""
    folder, chosen = jobs[0].output.parent, task.options
    output, path = task.destination or folder, folder / ledger.FILE_NAME
    record = ledger.run_record(task, function)
    if chosen.resume and path.exists():
        # what an interrupted run left without an entry, or made of other inputs, is replaced
        task = replace(task, writing=replace(task.writing, overwrite=True))
    before = ledger.Earlier()
    if chosen.resume:
        before = ledger.earlier(path, output, record, jobs, findings_below(output, chosen.check))
    entries = CompressedSequence(replace(entry, resumed=True) for entry in before.done)
    places: dict[str, int | None] = dict.fromkeys(job.name for job in jobs)
    places.update((entry.name, number) for number, entry in enumerate(entries))
    to_do = jobs.picked(_left(places, before.failed))
    _tidy(folder, places)
    with Ledger(path, output) as opened, closing(_execute(to_do, task)) as results:
        opened.append({**record, "series": len(jobs), "done_before": len(entries), "again": before.again})
        for several in results:
            done = [put_aside(result, folder) for result in several]
            opened.append(*map(as_json, done))
            for shown in (with_urls(entry, output) for entry in done):
                places[shown.name] = len(entries)
                entries.append(shown)
                if finished is not None:
                    finished(shown, len(to_do))
    in_order = entries.picked(place for place in places.values() if place is not None)
    name = record["function"]["name"]
    page = write_report(folder, output, name, in_order) if chosen.report else None
    return RunReport(in_order, output / ledger.FILE_NAME, page, again=before.again)


def _left(places: Mapping[str, int | None], failed: Container[str]) -> Iterator[int]:
    """The numbers of the jobs without an entry; what failed comes last: it may take its whole time limit."""
    for late in (False, True):
        for number, (name, place) in enumerate(places.items()):
            if place is None and (name in failed) is late:
                yield number


def _tidy(output: Path, places: Mapping[str, int | None]) -> None:
    """Take away what an earlier run that was killed left half done of jobs without an entry."""
    hidden = {entry.name[1:].partition(".")[0] for entry in output.iterdir() if entry.name.startswith(".")}
    for name in hidden:
        if name in places and places[name] is None:
            remove_leftovers(output / name)


def _execute(jobs: Sequence[Job], task: Task) -> Generator[list[RunEntry], None, None]:
    """The entries as they are done, those that are there at the same time together."""
    if not jobs:
        return
    if task.options.scheduler is not None:
        yield from ([entry] for entry in on_cluster(jobs, task, task.options.scheduler))
    elif task.isolated:
        yield from side_by_side(jobs, task, min(task.options.workers, len(jobs)))
    else:  # in this process: what kills it ends the run
        ready = prepare(task)
        yield from ([process(job, task, ready)] for job in jobs)
