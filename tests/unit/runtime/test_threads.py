"""Tasks on several threads: all done, told of in their order, and the first error is the one that counts."""

from __future__ import annotations

import os
import threading
import time

import pytest

from dicomarray.errors import InputError, UsageError
from dicomarray.runtime.threads import do_all, do_each, thread_count


@pytest.mark.parametrize("workers", [1, 2, 5, 100])
def test_every_task_is_done_once_and_told_in_order(workers: int) -> None:
    """It is so whatever the number of threads."""
    done: list[int] = []
    told: list[int] = []
    do_all(done.append, range(40), workers, told.append)
    assert sorted(done) == list(range(40))
    assert told == list(range(40))


def test_no_tasks_are_no_work() -> None:
    """No tasks start no thread."""
    do_all(lambda task: pytest.fail(str(task)), [], 4)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_first_error_in_the_order_of_the_tasks_is_raised(workers: int) -> None:
    """Also where a later task fails sooner; and no thread is left."""
    before = threading.active_count()

    def work(task: int) -> None:
        if task == 1:
            time.sleep(0.05)
        if task in (1, 2, 3):
            raise InputError(f"task {task}")

    for _ in range(5):
        with pytest.raises(InputError, match="task 1"):
            do_all(work, range(30), workers)
    assert threading.active_count() == before


def test_an_interrupt_while_it_is_told_ends_the_threads() -> None:
    """Ctrl+C reaches the caller's thread; what is not begun never is."""
    begun: list[int] = []

    def work(task: int) -> None:
        begun.append(task)
        time.sleep(0.01)

    def done(task: int) -> None:
        raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        do_all(work, range(200), 2, done)
    assert threading.active_count() == before
    assert len(begun) < 200


def test_as_many_threads_as_processors_by_default() -> None:
    """Those are counted that this process may use."""
    assert thread_count(None) == len(os.sched_getaffinity(0))
    assert thread_count(7) == 7


@pytest.mark.parametrize("workers", [0, -1, 1.5, True, "2"])
def test_what_is_no_number_of_threads_is_refused(workers: object) -> None:
    """It is refused before anything is read."""
    with pytest.raises(UsageError, match="workers"):
        thread_count(workers)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [0, 1, 2, 31, 1000])
def test_small_tasks_are_each_done_once(count: int) -> None:
    """It is so however they are shared out."""
    done: list[int] = []
    told: list[int] = []
    do_each(done.append, range(count), told.append)
    assert sorted(done) == list(range(count))
    assert sum(told) == count


def test_the_first_of_the_small_tasks_that_fails_is_told() -> None:
    """Also where a later one fails sooner, in another thread."""

    def work(task: int) -> None:
        if task == 3:
            time.sleep(0.05)
        if task >= 3:
            raise InputError(f"task {task}")

    with pytest.raises(InputError, match="task 3"):
        do_each(work, range(100))
