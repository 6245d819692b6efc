"""A process that is started gets messages, gives answers, and can be ended; how it ended is said in words."""

from __future__ import annotations

import os
import time

import pytest

from dicomarray.runtime.processes import END, Child, ChildDiedError, Parent, is_child


def repeat(parent: Parent) -> None:
    """In the process: answer with each message, and say whether it is a child; prints go elsewhere."""
    while (message := parent.receive()) is not END:
        print("not an answer")
        parent.answer((message, is_child()))


def leave(parent: Parent) -> None:
    """In the process: end without an answer."""
    parent.receive()
    os._exit(7)


def wait(parent: Parent) -> None:
    """In the process: hang."""
    parent.answer("waiting")
    time.sleep(60)


def test_messages_are_answered_in_their_order() -> None:
    """Each answer follows its message; what the function prints is none."""
    child = Child(f"{__name__}:repeat")
    for message in ("one", 2):
        child.send(message)
    assert [child.receive(), child.receive()] == [("one", True), (2, True)]
    assert not is_child()
    child.end()
    assert not child.is_alive


def test_an_exit_is_told() -> None:
    """The error names the exit code."""
    child = Child(f"{__name__}:leave")
    child.send("go")
    with pytest.raises(ChildDiedError, match="exited with code 7"):
        child.receive()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_process_that_hangs_is_killed() -> None:
    """It holds memory while it lives, and none when it is gone."""
    child = Child(f"{__name__}:wait")
    assert child.receive() == "waiting"
    assert child.memory() > 1 << 20
    assert child.kill() == -9
    assert not child.is_alive
    assert child.memory() == 0
