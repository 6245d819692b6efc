"""Worker processes that can be ended: they are given jobs, which they answer with entries."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from dicomarray.errors import DicomArrayError, UsageError
from dicomarray.pipeline.entries import RunEntry
from dicomarray.pipeline.jobs import Job, Task
from dicomarray.pipeline.work import prepare, process, remove_leftovers
from dicomarray.runtime.processes import END, Answers, Child, Parent

# How often a worker's time and memory are looked at, in seconds: memory grows by some 100 MB in that time.
TICK_SECONDS = 0.1
# A worker that holds more than this part of its limit after a series is replaced before the next one: what
# the function leaks must not cost the series that comes after.
LEAK_PART = 0.5
READY = "ready"
WORK = "dicomarray.pipeline.worker:work"


def work(parent: Parent) -> None:
    """In a worker process: do the jobs that come, one after the other, until there are no more."""
    task, idle = parent.receive()
    try:
        ready = prepare(task)
    except DicomArrayError as error:
        parent.answer(str(error))
        return
    parent.answer(READY)
    while (job := parent.receive(idle)) is not END:
        parent.answer(process(job, task, ready))


class Worker:
    """One process that does one job at a time; it is started again when it has ended.

    ``idle`` is the time in seconds after which it ends by itself when there is nothing to do.
    """

    def __init__(self, task: Task, answers: Answers, idle: float | None = None) -> None:
        self._task, self._answers, self._idle = task, answers, idle
        self._child: Child | None = None
        self._job: Job | None = None
        self._entry: RunEntry | None = None
        self._stopped = False
        self._started = self._clock = 0.0
        self.is_ready = False

    @property
    def is_busy(self) -> bool:
        """Whether it has a job, or what became of one."""
        return self._job is not None or self._entry is not None

    def begin(self, job: Job) -> None:
        """Give it a job; where it has no process, it starts one, in which the function is set up first."""
        is_old = self._idle is not None and time.monotonic() - self._clock > self._idle / 2
        if self._child is not None and is_old and self._child.is_alive:
            self._child.end()  # it may be about to end by itself
        self._job = job
        self._started, self._clock = time.time(), time.monotonic()
        if self._stopped:
            self._fail("the run was stopped")
            return
        if self._child is None or not self._child.is_alive:
            self.is_ready = False
            self._child = Child(WORK, self._answers)
            self._child.send((self._task, self._idle))
        self._child.send(job)

    def take(self, child: Child, answer: object) -> None:
        """An answer that came from a process."""
        if child is not self._child or self._job is None:
            return
        if answer == READY:
            self.is_ready, self._clock = True, time.monotonic()
        elif isinstance(answer, RunEntry):
            self._entry, self._job, self._clock = answer, None, time.monotonic()
            limit = self._task.options.memory_bytes
            if limit is not None and child.memory() > limit * LEAK_PART:
                child.end()
        elif answer is not END:
            self._fail(f"a worker process could not start: {answer}")
        elif self.is_ready:
            self._fail(f"the worker process died: {child.how_it_ended()}")
        else:
            self._fail(f"a worker process could not start: {child.how_it_ended()}")

    def check(self, is_silent: bool) -> None:
        """End a process that takes too long or too much memory: that costs its job.

        Where it ``is_silent``, which is that nothing of it waits to be taken, it may also be no more.
        """
        child, options = self._child, self._task.options
        if child is None or self._job is None:
            return
        if is_silent and not child.is_alive:
            self.take(child, END)
        elif not self.is_ready:
            return
        elif options.timeout is not None and time.monotonic() - self._clock > options.timeout:
            child.kill()
            self._fail(f"took longer than the time limit of {options.timeout:g} s; its process was ended")
        elif options.memory_bytes is not None and (memory := child.memory()) > options.memory_bytes:
            child.kill()
            self._fail(
                f"took {memory >> 20} MB of memory, more than the limit of {options.memory_bytes >> 20} MB; "
                "its process was ended"
            )

    def _fail(self, reason: str) -> None:
        assert self._job is not None
        remove_leftovers(self._job.output)
        self._entry = self._job.failed(reason, time.monotonic() - self._clock, self._started)
        self._job = None

    def entry(self) -> RunEntry | None:
        """What became of its job, once."""
        entry, self._entry = self._entry, None
        return entry

    def end_of_job(self) -> RunEntry:
        """Wait for what becomes of its job, of a worker whose answers nobody else takes."""
        while (entry := self.entry()) is None:
            _wait([self], self._answers)
        return entry

    def let_go(self) -> None:
        """There is nothing more to do: the process may put things in order, and end."""
        if self._child is not None:
            self._child.send(END)

    def stop(self) -> None:
        """End the process for good, at once where it has a job; what it left half done is taken away."""
        self._stopped = True
        if self._child is None:
            return
        if self._job is None:
            self._child.end()
        else:
            self._child.kill()
            remove_leftovers(self._job.output)


def _wait(workers: Sequence[Worker], answers: Answers) -> None:
    """Until there is an answer, or for a moment; then look at what the workers take."""
    answer = None
    with suppress(queue.Empty):
        answer = answers.get(timeout=TICK_SECONDS)
    for worker in workers:
        if answer is not None:
            worker.take(*answer)
        worker.check(is_silent=answer is None)


def side_by_side(jobs: Iterable[Job], task: Task, count: int) -> Iterator[list[RunEntry]]:
    """Several jobs at a time, each in a worker process; entries as they are done, those that wait together.

    Raises UsageError where the first worker cannot start: then none could.
    """
    answers: Answers = queue.SimpleQueue()
    workers = [Worker(task, answers) for _ in range(count)]
    try:
        yield from _entries(workers, answers, iter(jobs))
    finally:
        with no_interrupt():
            for worker in workers:
                worker.stop()


def _entries(workers: Sequence[Worker], answers: Answers, jobs: Iterator[Job]) -> Iterator[list[RunEntry]]:
    for worker, job in zip(workers, jobs, strict=False):
        worker.begin(job)
    has_started = False
    done: list[RunEntry] = []
    while any(worker.is_busy for worker in workers):
        _wait(workers, answers)
        has_started = has_started or any(worker.is_ready for worker in workers)
        for worker in workers:
            if (entry := worker.entry()) is None:
                continue
            if not has_started:
                raise UsageError(entry.error or "")
            if (following := next(jobs, None)) is None:
                worker.let_go()
            else:
                worker.begin(following)
            done.append(entry)
        if done and (answers.empty() or len(done) >= len(workers)):
            yield done
            done = []
    if done:
        yield done


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
