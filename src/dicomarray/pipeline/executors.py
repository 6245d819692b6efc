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
from dicomarray.pipeline.work import prepare, process
from dicomarray.pipeline.worker import Worker, entries_of
from dicomarray.runtime.processes import Answers


def in_turn(jobs: Iterable[Job], task: Task) -> Iterator[RunEntry]:
    """One job after the other in this process: what kills it ends the run."""
    ready = prepare(task)
    for job in jobs:
        yield process(job, task, ready)


def side_by_side(jobs: Iterable[Job], task: Task, count: int) -> Iterator[RunEntry]:
    """Several jobs at a time, each in a worker process.

    Raises
    ------
    UsageError
        Where the first worker cannot start: then none could.
    """
    answers: Answers = queue.SimpleQueue()
    workers = [Worker(task, answers) for _ in range(count)]
    try:
        yield from entries_of(workers, answers, iter(jobs))
    finally:
        with no_interrupt():
            for worker in workers:
                worker.stop()


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
