"""Tasks done by several threads: reading, decoding and writing let Python go on with others."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from threading import Condition, Thread
from typing import Generic, TypeVar

from dicomarray.errors import UsageError

Task = TypeVar("Task")
# Called with the number of images that are done, the bytes of their stored values and the number of all
# images, by the thread that asked for them.
PixelProgress = Callable[[int, int, int], None]
# Of `do_each`: most threads, since more would wait for memory and for the entries of one folder, ...
MAX_THREADS = 4
# ... and shares a thread: enough that all end together, so few that handing them out costs nothing.
_SHARES = 8


def thread_count(workers: int | None) -> int:
    """How many threads are asked for; by default as many as there are processors that may be used.

    Raises
    ------
    UsageError
        Where it is no whole number of at least one.
    """
    if workers is None:
        # where a container or batch system gives a part of the machine, only Linux tells
        usable = getattr(os, "sched_getaffinity", None)
        return len(usable(0)) if usable else os.cpu_count() or 1
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise UsageError(f"workers must be a whole number of at least 1, not {workers!r}")
    return workers


def do_all(
    work: Callable[[Task], None],
    tasks: Sequence[Task],
    workers: int,
    done: Callable[[Task], None] = lambda _: None,
) -> None:
    """Do every task; ``done`` is called for each in their order, in the thread of the caller.

    Where several fail the error is that of the first one in their order, whatever the threads were at; no
    thread is left behind, and no task is begun after that.
    """
    if min(workers, len(tasks)) < 2:
        for task in tasks:
            work(task)
            done(task)
        return
    crew = _Crew(work, tasks)
    threads = [Thread(target=crew.serve) for _ in range(min(workers, len(tasks)) - 1)]
    reported = 0
    try:
        for thread in threads:
            thread.start()
        while crew.do_one():  # a thread that only waits would take its turns from those that work
            while reported in crew.outcomes:
                crew.wait_for(reported)
                done(tasks[reported])
                reported += 1
        for index in range(reported, len(tasks)):
            crew.wait_for(index)
            done(tasks[index])
    finally:
        crew.stop()
        for thread in threads:
            if thread.ident is not None:  # it was started
                thread.join()


class ImageCount:
    """Counts the images that are done, each of so many bytes, and tells of them."""

    def __init__(self, progress: PixelProgress | None, total: int, image_bytes: int) -> None:
        self._progress, self._total, self._image_bytes, self._done = progress, total, image_bytes, 0

    def add(self, images: int) -> None:
        """So many more are done."""
        self._done += images
        if images and self._progress is not None:
            self._progress(self._done, self._done * self._image_bytes, self._total)


def do_each(
    work: Callable[[Task], None],
    tasks: Sequence[Task],
    done: Callable[[int], None] = lambda _: None,
    most: int = MAX_THREADS,
) -> None:
    """Do many small tasks by a few threads, ``most`` of them; ``done`` is called with how many more are done.

    Errors are those of `do_all`.
    """
    workers = min(thread_count(None), most)
    size = max(1, len(tasks) // (workers * _SHARES))

    def do_share(start: int) -> None:
        for task in tasks[start : start + size]:
            work(task)

    do_all(do_share, range(0, len(tasks), size), workers, lambda start: done(min(size, len(tasks) - start)))


class _Crew(Generic[Task]):
    """What several threads do of a list of tasks.

    A pool of `concurrent.futures` does the same; to import it takes as long as reading a small series.
    """

    def __init__(self, work: Callable[[Task], None], tasks: Sequence[Task]) -> None:
        self._work = work
        self._waiting = list(reversed(list(enumerate(tasks))))
        self.outcomes: dict[int, BaseException | None] = {}
        self._changed = Condition()

    def serve(self) -> None:
        """Do one task after the other, until there is none left."""
        while self.do_one():
            pass

    def do_one(self) -> bool:
        """Do a task, if there is one left."""
        with self._changed:
            if not self._waiting:
                return False
            index, task = self._waiting.pop()
        outcome: BaseException | None = None
        try:
            self._work(task)
        except BaseException as error:  # noqa: BLE001 - `wait_for` raises it, in the thread of the caller
            outcome = error
        with self._changed:
            self.outcomes[index] = outcome
            self._changed.notify()
        if isinstance(outcome, KeyboardInterrupt):
            raise outcome  # in the thread of the caller, who asked for the end of it all
        return True

    def wait_for(self, index: int) -> None:
        """Until a task is done; raises what it raised."""
        with self._changed:
            self._changed.wait_for(lambda: index in self.outcomes)
            error = self.outcomes.pop(index)
        if error is not None:
            raise error

    def stop(self) -> None:
        """Begin no other task."""
        with self._changed:
            self._waiting.clear()
