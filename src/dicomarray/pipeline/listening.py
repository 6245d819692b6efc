"""Listen for series, and run a function on each that has come: `dicomarray listen`.

What is received lies in a spool (`sources/listener.py`), and stays there whatever happens; a series moves on
when its line of the ledger is written.  The workers, the ledger and the page are those of a run.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dicomarray.assembly.options import ReadOptions
from dicomarray.catalog.series_selection import ScanRequest, select
from dicomarray.core.options import all_made_of
from dicomarray.errors import DicomArrayError, UsageError
from dicomarray.objects.common.options import WriteOptions
from dicomarray.pipeline import ledger
from dicomarray.pipeline.checksums import findings_below
from dicomarray.pipeline.compressed_sequence import CompressedSequence
from dicomarray.pipeline.entries import RunEntry, as_json
from dicomarray.pipeline.functions import check_call, load_parameters, reference, resolve
from dicomarray.pipeline.jobs import Job, Task, jobs_of
from dicomarray.pipeline.ledger import Ledger
from dicomarray.pipeline.lock import locked
from dicomarray.pipeline.options import ListenOptions, RunOptions
from dicomarray.pipeline.page import put_aside, write_report
from dicomarray.pipeline.run_folder import held, with_urls
from dicomarray.pipeline.work import remove_leftovers
from dicomarray.pipeline.worker import Worker
from dicomarray.query.config import Config, selection_of
from dicomarray.sources.listener import FAILED, FINISHED, Limits, Listener, SeriesKey, Spool
from dicomarray.storage.atomic import making, refuse_inside
from dicomarray.storage.connections import is_server
from dicomarray.storage.dimse import ae_title
from dicomarray.storage.dimse_transport import server_context
from dicomarray.storage.places import PathLike, Place, Url, local_path, place_of

# How often it is looked whether a series is quiet, and the page is written where it is old; seconds.
TICK_SECONDS, PAGE_SECONDS = 0.2, 60.0
# How often it is told what was refused.
REFUSALS_SECONDS = 10.0


Shown = Callable[[str], object]
Finished = Callable[[RunEntry], object]
Noted = Callable[[str], object]
Jobs = queue.SimpleQueue[tuple[SeriesKey, Job] | None]
Entries = queue.SimpleQueue[tuple[SeriesKey, RunEntry]]


def listen(  # noqa: PLR0913 - the flags of the command, by the same names
    stopped: threading.Event,
    shown_status: Shown,
    finished: Finished,
    noted: Noted,
    *,
    aet: str,
    port: int,
    function: str,
    output_dicom: PathLike | Url,
    config: Config,
    spool: PathLike | None = None,
    parameters: Mapping[str, Any],
    **options: Any,
) -> Sequence[RunEntry]:
    """Receive series and work on them until ``stopped`` is set; the entries of this time.

    ``output_dicom`` is a folder, a URL of a store, or a PACS.  ``spool`` keeps what is received; None: it is
    the output with ``.received`` behind it.  What was received and is not done when this ends, however it
    ends, is done by the next call.  ``options`` are those of `ListenOptions`, `ReadOptions`, `WriteOptions`.

    Raises UsageError for a function that cannot be imported, or options that cannot work; OutputError where
    the port cannot be opened, or another process listens or runs there.
    """
    given, reading, writing = all_made_of(options, ListenOptions, ReadOptions, WriteOptions)
    ae_title("listen", "aet", aet)
    if not 0 < port < 1 << 16:
        raise UsageError(f"port is a number from 1 to 65535, not {port}")
    tls = server_context(given.tls_cert, given.tls_key, given.tls_ca)
    called = resolve(function)
    output = place_of(output_dicom)
    selection_of(config)
    place = _spool_of(spool, output)
    if isinstance(output, Path):
        refuse_inside(output, place)
    parameters = load_parameters(parameters)
    check_call(called, parameters)
    with ExitStack() as stack:
        with making(place):
            place.mkdir(parents=True, exist_ok=True)
        stack.enter_context(locked(place))
        received = Spool(place)
        folder = output if isinstance(output, Path) else place / "results"
        # a PACS has no ledger: it lies with the results, which stay here
        home: Place = folder if is_server(output) else output
        stack.enter_context(held(home, folder))
        with making(folder):
            folder.mkdir(parents=True, exist_ok=True)
        pacs = output if isinstance(output, Url) and is_server(output) else None
        writing = replace(writing, overwrite=True)
        if pacs is not None and writing.uid_key is None:  # what is made again is not stored twice
            writing = replace(writing, uid_key=str(pacs))
        shared = ("workers", "timeout", "segmentation")
        work_options = RunOptions(**{name: getattr(given, name) for name in shared})
        destination = home if isinstance(home, Url) else None
        task = Task(
            reference(function), reading, writing, work_options, parameters, (place / "work",),
            Path.cwd(), destination, pacs, isolated=True,
        )  # fmt: skip
        jobs, entries = Jobs(), Entries()
        stack.enter_context(_crew(task, given.workers, jobs, entries))
        lines = stack.enter_context(Ledger(folder / ledger.FILE_NAME, home))
        record = ledger.run_record(task, called)
        loop = _Loop(
            given, config, received, folder, home, task, record, jobs, entries, lines, finished, noted
        )
        storage = Listener(received, aet, (given.bind, port), _limits(given), tls)
        loop.go_on()
        with storage:
            noted(f"{aet} listens on {given.bind}:{port}{' over TLS' if given.tls_cert else ''}")
            while not stopped.wait(TICK_SECONDS):
                loop.tick(storage.busy())
                loop.tell_refusals(storage.refused)
                shown_status(loop.status())
        loop.end_what_is_done()
        loop.write_page()
        return loop.entries


def _limits(given: ListenOptions) -> Limits:
    allowed = tuple(filter(None, (one.strip() for one in given.allow.split(","))))
    largest, most = given.max_instance << 20, given.max_waiting << 30
    return Limits(allowed, largest, most, given.max_associations, given.silence)


def _spool_of(spool: PathLike | None, output: Place) -> Path:
    if spool is not None:
        return local_path(spool).absolute()
    if isinstance(output, Url):
        raise UsageError(f"{output}: name a folder of this computer for what is received (--spool DIR)")
    return output.absolute().with_name(f"{output.absolute().name}.received")


@contextmanager
def _crew(task: Task, count: int, jobs: Jobs, entries: Entries) -> Iterator[None]:
    """Workers, each with a thread of ours that gives it jobs; entries come back with their series."""
    workers = [Worker(task, queue.SimpleQueue()) for _ in range(count)]

    def serve(worker: Worker) -> None:
        while (given := jobs.get()) is not None:
            key, job = given
            worker.begin(job)
            entries.put((key, worker.end_of_job()))

    for worker in workers:
        threading.Thread(target=serve, args=(worker,), daemon=True).start()
    try:
        yield
    finally:
        for worker in workers:
            jobs.put(None)
            worker.stop()


@dataclass(slots=True)
class _Loop:
    """What happens between receiving and the ledger, in one thread.

    Results are made in ``folder``, and ``home`` is where the user finds them.
    """

    options: ListenOptions
    config: Config
    spool: Spool
    folder: Path
    home: Place
    task: Task
    record: dict[str, Any]
    jobs: Jobs
    results: Entries
    lines: Ledger
    finished: Finished
    noted: Noted
    entries: CompressedSequence[RunEntry] = field(default_factory=CompressedSequence)
    _working: dict[SeriesKey, Job] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)  # of jobs, with the UIDs of their series
    _done: int = 0
    _failed: int = 0
    _refusals: Counter[str] = field(default_factory=Counter)
    _refusals_shown: float = float("-inf")
    # what failed, how often, and when it is tried again
    _failures: dict[SeriesKey, int] = field(default_factory=dict)
    _later: dict[SeriesKey, float] = field(default_factory=dict)
    _page_written: float = field(default_factory=time.monotonic)
    _page_shows: int = 0

    def go_on(self) -> None:
        """Take up what an earlier listener left in work: a line in the ledger means that it was done."""
        self.lines.append({**self.record, "series": 0, "done_before": 0, "again": {}})
        path = self.folder / ledger.FILE_NAME
        for entry in ledger.read_entries(path):
            self._names[entry.name] = entry.series_uid
        left = {key: job for key in self.spool.left() if (job := self._job(key)) is not None}
        look = findings_below(self.home, reads_all=False)
        earlier = ledger.earlier(path, self.home, self.record, left.values(), look)
        done = {entry.name for entry in earlier.done}
        for key, job in left.items():
            self._failures[key] = earlier.failed.get(job.name, 0)
            if job.name in done:
                self._finish(key, FINISHED)
            elif self._failures[key] > self.options.retries:
                self._finish(key, FAILED)
            else:
                self._begin(key, job)

    def tick(self, busy: frozenset[SeriesKey]) -> None:
        """Begin what is quiet, and end what is done."""
        options = self.options
        for key in self.spool.take(options.quiet, busy, options.cut_short == "run"):
            if (job := self._job(key)) is not None:
                self._begin(key, job)
        for key in [key for key, when in self._later.items() if when <= time.monotonic()]:
            del self._later[key]
            self._begin(key, self._working[key])
        self.end_what_is_done()
        if len(self.entries) > self._page_shows and time.monotonic() - self._page_written > PAGE_SECONDS:
            self.write_page()

    def tell_refusals(self, refused: Counter[str]) -> None:
        """Say what was refused since it was said last, not more often than somebody can read."""
        now = Counter(dict(refused))
        if now != self._refusals and time.monotonic() - self._refusals_shown > REFUSALS_SECONDS:
            for reason, count in (now - self._refusals).items():
                self.noted(f"{count} refused: {reason}")
            self._refusals, self._refusals_shown = now, time.monotonic()

    def end_what_is_done(self) -> None:
        """Write the lines of the ledger for which workers have given entries."""
        while not self.results.empty():
            self._end(*self.results.get())

    def _job(self, key: SeriesKey) -> Job | None:
        """What is to be done with a series; None where it is nothing for the function."""
        folder = key.below(self.spool.folder / "work")
        try:
            found = select(ScanRequest(folder, config=self.config))
        except DicomArrayError as error:  # whatever was sent, the others are worked on
            self.noted(f"series {key.uid}: {error}")
            self._finish(key, FAILED)
            return None
        for skipped in found.catalog.skipped:
            self.noted(f"{skipped.path}: {skipped.reason}")
        jobs = list(jobs_of(found.series, "series", self.task.roots, self.folder))
        if not jobs:
            self.noted(f"series {key.uid}: it is kept, and nothing is done: no images, or it does not match")
            self._finish(key, FINISHED)
            return None
        job = jobs[0]
        name, number = job.name, 2
        while self._names.setdefault(name, key.uid) != key.uid:  # two UIDs with the same digits in the name
            name, number = f"{job.name}_{number}", number + 1
        return replace(job, output=job.output.with_name(name))

    def _begin(self, key: SeriesKey, job: Job) -> None:
        remove_leftovers(job.output)
        self._working[key] = job
        self.jobs.put((key, job))

    def _end(self, key: SeriesKey, result: RunEntry) -> None:
        entry = put_aside(result, self.folder)
        self.lines.append(as_json(entry))
        if entry.status == "failed" and self._is_tried_again(key, entry):
            return
        self._finish(key, FAILED if entry.status == "failed" else FINISHED)
        self._done += entry.status == "written"
        self._failed += entry.status == "failed"
        shown = with_urls(entry, self.home)
        self.entries.append(shown)
        self.finished(shown)

    def _is_tried_again(self, key: SeriesKey, entry: RunEntry) -> bool:
        """Whether a series that failed has another try, each after twice as long: a PACS may come back."""
        options = self.options
        tries = self._failures[key] = self._failures.get(key, 0) + 1
        if tries > options.retries:
            return False
        wait = max(options.quiet, TICK_SECONDS) * 2 ** (tries - 1)
        self._later[key] = time.monotonic() + wait
        self.noted(
            f"series {key.uid} failed, and is tried again in {wait:g} s ({tries} of {options.retries}): "
            f"{entry.error}"
        )
        return True

    def _finish(self, key: SeriesKey, place: str) -> None:
        """Put a series aside, with nothing kept of it here."""
        self.spool.finish(key, place)
        self._working.pop(key, None)
        self._failures.pop(key, None)

    def status(self) -> str:
        """Where everything is, in words; received, refused, done and failed are those since the start."""
        waiting, cut_short = self.spool.counts()
        cut = f" ({cut_short} cut short)" if cut_short else ""
        refused = f", {self._refusals.total()} refused" if self._refusals else ""
        return (
            f"{self.spool.received} instances received{refused}; series: {waiting} waiting{cut}, "
            f"{len(self._working)} in work, {self._done} done, {self._failed} failed"
        )

    def write_page(self) -> None:
        """The page, with all entries of the ledger."""
        self._page_written, self._page_shows = time.monotonic(), len(self.entries)
        if entries := ledger.read_entries(self.folder / ledger.FILE_NAME):
            write_report(self.folder, self.home, self.record["function"]["name"], entries)
