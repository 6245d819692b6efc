"""The jobs on the workers of a Dask cluster that runs already.

Every Dask worker does a job in a process of its own that can be ended, as `worker.side_by_side` does: a
function that crashes, hangs or eats memory costs its series, and no Dask worker.  Where a Dask worker dies
all the same, Dask gives its jobs to another one (at most ``distributed.scheduler.allowed-failures`` times).
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from dicomarray.core.optional_packages import package
from dicomarray.errors import UsageError
from dicomarray.pipeline.entries import RunEntry
from dicomarray.pipeline.jobs import Job, Task
from dicomarray.pipeline.work import remove_leftovers
from dicomarray.pipeline.worker import Worker
from dicomarray.storage.places import list_files
from dicomarray.version import __version__

# How long to wait for the scheduler, and for its first worker, in seconds.
CONNECT_SECONDS = 10.0
# Jobs at Dask for each of its threads: one in work, and one that waits so that none is idle.
IN_FLIGHT_A_THREAD = 2
# Worker processes end after so many seconds without a job, should nobody come to end them.
IDLE_SECONDS = 60.0

# In a Dask worker: the processes of each run.
_workers: dict[str, list[Worker]] = {}
_guard = threading.Lock()


def on_cluster(jobs: Sequence[Job], task: Task, address: str) -> Iterator[RunEntry]:
    """Every job on the cluster; entries come as they are done.

    Raises UsageError without the package distributed, where no scheduler or no worker answers, or where
    workers lack this version of dicomarray.
    """
    distributed = distributed_package()
    run = uuid.uuid4().hex
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"no Dask scheduler answers at {address}: {error}") from error
    with client:
        _check_workers(client, address)
        try:
            taken = {job.name for job in jobs if not task.writing.overwrite and _is_taken(job, task)}
            refusal = "exists and is not empty; choose another folder, or replace it (--overwrite)"
            for job in jobs:
                if job.name in taken:
                    yield job.failed(f"{job.output} {refusal}", 0.0, time.time())
            free = (job for job in jobs if job.name not in taken)
            # Dask may do a job again whose answer was lost with a worker: what it wrote is replaced
            task = replace(task, writing=replace(task.writing, overwrite=True))
            yield from _stream(distributed, client, free, task, run)
        finally:
            # what is still in work (after Ctrl-C) is ended too
            client.run(stop_workers, run, on_error="ignore")


def _is_taken(job: Job, task: Task) -> bool:
    if task.destination is not None:
        return bool(list_files(task.destination / job.name))
    return job.output.is_dir() and any(job.output.iterdir())


def distributed_package() -> Any:
    """The package that speaks with a scheduler; UsageError where it is not installed."""
    return package("distributed", "dask", "a scheduler needs the package distributed")


def _check_workers(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except TimeoutError as error:
        raise UsageError(f"the Dask scheduler at {address} has no workers") from error
    for worker, version in client.run(_version, on_error="return").items():
        if version != __version__:
            raise UsageError(
                f"the Dask worker {worker} has no dicomarray {__version__}, but {version}; install the same "
                "version everywhere"
            )


def _version() -> str:
    from dicomarray.version import __version__

    return __version__


def _stream(distributed: Any, client: Any, jobs: Iterator[Job], task: Task, run: str) -> Iterator[RunEntry]:
    """Jobs go out as entries come back, so that little more is in flight than the cluster can do."""
    room = sum(client.nthreads().values()) * IN_FLIGHT_A_THREAD
    waiting: dict[str, Job] = {}
    stream = distributed.as_completed(loop=client.loop)

    def submit(job: Job) -> None:
        key = f"dicomarray-{run}-{job.name}"
        waiting[key] = job
        stream.add(client.submit(run_job, task, job, run, key=key, pure=False))

    for job in itertools.islice(jobs, room):
        submit(job)
    for future in stream:
        job = waiting.pop(future.key)
        # not its status: a result that is lost with its worker is made again while we wait
        error = future.exception()
        if error is None:
            yield future.result()
        else:  # its workers died with the job again and again, or the scheduler is gone
            yield job.failed(f"no Dask worker could finish it: {error!r}", 0.0, time.time())
        future.release()
        following = next(jobs, None)
        if following is not None:
            submit(following)


def run_job(task: Task, job: Job, run: str) -> RunEntry:
    """In a Dask worker: do a job in a process that can be ended."""
    remove_leftovers(job.output)  # of a Dask worker that died with this job
    with _guard:
        workers = _workers.setdefault(run, [])
        worker = next((one for one in workers if not one.is_busy), None)
        if worker is None:
            worker = Worker(task, queue.SimpleQueue(), IDLE_SECONDS)
            workers.append(worker)
        worker.begin(job)
    return worker.end_of_job()


def stop_workers(run: str) -> None:
    """In a Dask worker: end the processes of a run; what they left half done is taken away."""
    with _guard:
        workers = _workers.pop(run, [])
    for worker in workers:
        worker.stop()
