"""The processes of a run: what they do on their side.

Nothing imports this module; `processes.start_process` starts its functions.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import queue
import signal
import sys
import tempfile
import threading
import time
from functools import partial
from typing import IO, Any

from dicomarray.errors import DicomArrayError
from dicomarray.pipeline.discovery import FOUND_ALL, jobs_here
from dicomarray.pipeline.running import forbid_runs
from dicomarray.pipeline.work import prepare, process
from dicomarray.pipeline.worker import READY
from dicomarray.runtime.processes import END_OF_STREAM

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# How often it is told how far a scan is: nobody sees more, and each time costs both sides.  Seconds.
PROGRESS_SECONDS = 0.1


def work() -> None:
    """Do the jobs that come on standard input, one after the other, until there are no more."""
    _die_with_parent()
    faulthandler.enable()  # a crash in C code tells on standard error where it was
    forbid_runs()
    jobs_in, answers = _take_over_streams()
    task, idle = pickle.load(jobs_in)
    try:
        ready = prepare(task)
    except DicomArrayError as error:
        _answer(answers, str(error))
        return
    _answer(answers, READY)
    jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(jobs_in, jobs), daemon=True).start()
    with contextlib.suppress(queue.Empty):
        while (job := jobs.get(timeout=idle)) is not None:
            _answer(answers, process(job, task, ready))


def find() -> None:
    """Find the jobs of the search that comes on standard input, and answer with them."""
    _die_with_parent()
    faulthandler.enable()
    searches, answers = _take_over_streams()
    search, tempfile.tempdir = pickle.load(searches)
    try:
        for job in jobs_here(search, _ProgressReporter(answers), partial(_answer, answers)):
            _answer(answers, job)
        _answer(answers, FOUND_ALL)
    except DicomArrayError as error:
        _answer(answers, error)
    # what archives were unpacked to must outlive this process: it belongs to the one that gave us the folder
    os._exit(0)


class _ProgressReporter:
    """Sends on how far the scan is."""

    def __init__(self, answers: IO[bytes]) -> None:
        self._answers = answers
        self._reported = float("-inf")

    def __call__(self, files: int, size: int = 0, total: int | None = None, /) -> None:
        now = time.monotonic()
        if files == total or now - self._reported >= PROGRESS_SECONDS:
            self._reported = now
            _answer(self._answers, (files, size, total))


def _take_over_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Standard input and output for us alone: what the function prints goes to standard error."""
    jobs_in, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return jobs_in, answers


def _answer(stream: IO[bytes], message: object) -> None:
    sys.stdout.flush()
    stream.write(pickle.dumps(message))
    stream.flush()


def _read(stream: IO[bytes], jobs: queue.SimpleQueue[Any]) -> None:
    """Every job; where the stream ends, whoever gave them is dead, and a job in work must not be finished."""
    while True:
        try:
            jobs.put(pickle.load(stream))
        except END_OF_STREAM:
            os._exit(1)


def _die_with_parent() -> None:
    """Have the kernel end this process with its parent: a function in C may hold up every thread."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
