"""Who does the jobs of a run, and what an interruption leaves."""

import os
import signal
import threading

import pytest

from dicomarray.pipeline.worker import no_interrupt


def test_a_second_interrupt_waits() -> None:
    """While results that are half done are taken away Ctrl-C does nothing; before and after it does."""
    before = signal.getsignal(signal.SIGINT)
    done = []
    with no_interrupt():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("tidied")
    assert done == ["tidied"]
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(1)


def test_in_another_thread() -> None:
    """Only the main thread may say what signals do: others pass."""
    done: list[int] = []

    def work() -> None:
        with no_interrupt():
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]
