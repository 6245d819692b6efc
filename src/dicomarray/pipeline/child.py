"""A worker process: the side that does the jobs.

Nothing imports this module; `worker.Worker` starts it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import queue
import signal
import sys
import threading
from typing import IO, Any

from dicomarray.errors import DicomArrayError
from dicomarray.pipeline.running import forbid_runs
from dicomarray.pipeline.work import prepare, process
from dicomarray.pipeline.worker import READY

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
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
        except (EOFError, OSError, pickle.UnpicklingError):
            os._exit(1)


def _die_with_parent() -> None:
    """Have the kernel end this process with its parent: a function in C may hold up every thread."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
