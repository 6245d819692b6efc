"""Who does the jobs: this process, or worker processes side by side.

Each takes jobs as it can do them and yields entries as they are done: what is in work is all that there is.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from dicomarray.pipeline.entries import RunEntry
from dicomarray.pipeline.jobs import Job, Task
from dicomarray.pipeline.work import prepare, process, remove_leftovers
from dicomarray.pipeline.worker import Worker


def in_turn(jobs: Iterable[Job], task: Task) -> Iterator[RunEntry]:
    """One job after the other in this process: what kills it ends the run."""
    ready = prepare(task)
    for job in jobs:
        yield process(job, task, ready)


def side_by_side(jobs: Iterable[Job], task: Task, workers: int) -> Iterator[RunEntry]:
    """Every worker process has a thread here that gives it one job after the other.

    Raises
    ------
    UsageError
        Where the first worker cannot start: then none could.
    """
    crew = _Crew(jobs, task, workers)
    try:
        crew.start()
        yield from crew.entries()
    finally:
        with no_interrupt():
            crew.stop()


@contextmanager
def no_interrupt() -> Iterator[None]:
    """A second Ctrl-C must not stop us from taking away what is half done, which takes no time."""
    if threading.current_thread() is not threading.main_thread():
        yield  # others get no signals, and cannot say what becomes of them
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Crew:
    """Workers, the threads that serve them, and the jobs that they share."""

    def __init__(self, jobs: Iterable[Job], task: Task, workers: int) -> None:
        self._jobs = iter(jobs)
        self._turn = threading.Lock()
        self._done: queue.SimpleQueue[RunEntry | BaseException | None] = queue.SimpleQueue()
        self._workers = [Worker(task) for _ in range(workers)]
        self._threads = [threading.Thread(target=self._serve, args=(w,), daemon=True) for w in self._workers]
        self._in_work: dict[Worker, Job] = {}
        self._stopped = False

    def start(self) -> None:
        self._workers[0].start()
        for thread in self._threads:
            thread.start()

    def entries(self) -> Iterator[RunEntry]:
        """Each entry as it is done, until every thread has nothing left to do."""
        busy = len(self._threads)
        while busy:
            entry = self._done.get()
            if isinstance(entry, RunEntry):
                yield entry
            elif entry is None:
                busy -= 1
            else:
                raise entry

    def stop(self) -> None:
        """End the workers, at once where they have a job, and take away what they left half done."""
        self._stopped = True
        in_work = dict(self._in_work)
        for worker in self._workers:
            worker.stop()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        for job in in_work.values():
            remove_leftovers(job.output)

    def _next(self) -> Job | None:
        with self._turn:
            return None if self._stopped else next(self._jobs, None)

    def _serve(self, worker: Worker) -> None:
        try:
            self._work_off(worker)
        except BaseException as error:  # noqa: BLE001 - it is raised again where entries are awaited
            self._done.put(error)
        self._done.put(None)

    def _work_off(self, worker: Worker) -> None:
        while (job := self._next()) is not None:
            self._in_work[worker] = job
            entry = worker.run(job)
            if self._stopped:
                return
            del self._in_work[worker]
            self._done.put(entry)
        worker.end()
