"""A worker process that can be ended: the side of whoever gives it jobs, which it answers with entries."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from dicomarray.errors import UsageError
from dicomarray.pipeline.entries import RunEntry
from dicomarray.pipeline.jobs import Job, Task
from dicomarray.pipeline.work import remove_leftovers
from dicomarray.runtime.processes import (
    END_OF_STREAM,
    PATIENCE_SECONDS,
    how_it_ended,
    kill_process,
    send,
    start_process,
)

# How often a worker's time and memory are looked at, in seconds: memory grows by some 100 MB in that time.
TICK_SECONDS = 0.1
# A worker that holds more than this part of its limit after a series is replaced before the next one: what
# the function leaks must not cost the series that comes after.
LEAK_PART = 0.5
READY = "ready"


class Worker:
    """One process that does one job at a time; it is started again when it has ended.

    ``idle`` is the time in seconds after which it ends by itself when there is nothing to do.
    """

    def __init__(self, task: Task, idle: float | None = None) -> None:
        self._task = task
        self._idle = idle
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._guard = threading.Lock()
        self._stopped = False

    def start(self) -> None:
        """Start the process, and wait until the function is imported and set up in it.

        Raises
        ------
        UsageError
            Where that fails; the message says why.
        """
        with self._guard:
            if self._stopped:
                raise UsageError("the run was stopped")
            self._process = process = start_process("work")
        self._answers = queue.SimpleQueue()
        threading.Thread(target=_read, args=(process, self._answers), daemon=True).start()
        send(process, (self._task, self._idle))
        answer = self._answers.get()
        if answer != READY:
            reason = how_it_ended(process) if answer is None else str(answer)
            raise UsageError(f"a worker process could not start: {reason}")

    def run(self, job: Job) -> RunEntry:
        """Do the job; a process that dies, hangs or takes too much memory costs this job, and is replaced."""
        started, clock = time.time(), time.monotonic()
        try:
            if not self._is_alive():
                self.start()
        except UsageError as error:
            return job.failed(str(error), time.monotonic() - clock, started)
        clock = time.monotonic()
        self._send(job)
        entry = self._answer(clock)
        if isinstance(entry, RunEntry):
            self._recycle()
            return entry
        remove_leftovers(job.output)
        return job.failed(entry, time.monotonic() - clock, started)

    def stop(self) -> None:
        """End the process at once, and for good."""
        with self._guard:
            self._stopped = True
        self._kill()

    def end(self) -> None:
        """Let the process end by itself: it may have things to put in order."""
        if self._process is None or not self._is_alive():
            return
        self._send(None)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE_SECONDS)
        self._kill()

    def _is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _send(self, message: object) -> None:
        assert self._process is not None
        send(self._process, message)

    def _answer(self, clock: float) -> RunEntry | str:
        """The entry, or why there is none; the process is then no more."""
        assert self._process is not None
        task = self._task
        while True:
            try:
                answer = self._answers.get(timeout=TICK_SECONDS)
            except queue.Empty:
                answer = None if not self._is_alive() and self._answers.empty() else Ellipsis
            if isinstance(answer, RunEntry):
                return answer
            if answer is None:
                return f"the worker process died: {how_it_ended(self._process)}"
            if task.timeout is not None and time.monotonic() - clock > task.timeout:
                self._kill()
                return f"took longer than the time limit of {task.timeout:g} s; its process was ended"
            memory = 0 if task.memory_bytes is None else self._memory()
            if task.memory_bytes is not None and memory > task.memory_bytes:
                self._kill()
                return (
                    f"took {memory >> 20} MB of memory, more than the limit of {task.memory_bytes >> 20} MB; "
                    "its process was ended"
                )

    def _memory(self) -> int:
        """Resident memory of the process in bytes."""
        assert self._process is not None
        return resident_memory(self._process.pid)

    def _recycle(self) -> None:
        limit = self._task.memory_bytes
        if limit is not None and self._memory() > limit * LEAK_PART:
            self.end()

    def _kill(self) -> None:
        """End the process, if there is one, and all that it started."""
        if self._process is not None:
            kill_process(self._process)


def _read(process: subprocess.Popen[bytes], answers: queue.SimpleQueue[Any]) -> None:
    """Every answer of the process, and None when it has ended."""
    assert process.stdout is not None
    with process.stdout as stream:
        while True:
            try:
                answers.put(pickle.load(stream))
            except END_OF_STREAM:
                answers.put(None)
                return


def resident_memory(process: int) -> int:
    """Bytes of memory that a process holds; 0 where that cannot be told, or it is no more."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def check_memory_limit(task: Task) -> None:
    """Raise UsageError where there is a limit that could not be held."""
    if task.memory_bytes is not None and not resident_memory(os.getpid()):
        raise UsageError("memory_limit needs /proc, as Linux has it, to see what a process takes")
