"""What Python's audit events tell (PEP 578): which files are opened, and the steps of work on a folder.

They come from the interpreter, whatever the code that is tested calls; so nothing has to be patched.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dicomarray.errors import DicomArrayError

Listener = Callable[[str, tuple[Any, ...]], None]
# A hook cannot be taken away again; this one asks whoever listens at the moment.
_listeners: list[Listener] = []
# Events of work on files and folders; those of stores come from tests.
_STEPS = ("open", "os.", "shutil.", "tempfile.", "store.")
# How long the first of two waits for the second, which may itself wait for the first, in seconds.
WAIT_SECONDS = 0.2


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    for listener in tuple(_listeners):
        listener(event, arguments)


sys.addaudithook(_heard)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call the listener with every event, in the thread that caused it."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def is_below(path: object, folder: str) -> bool:
    """Whether what an event names is a path in the folder."""
    return isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(folder)


@contextmanager
def when_opened(place: Path, act: Callable[[Path], None]) -> Iterator[None]:
    """Call a function with each file at or below a place just before it is opened, by whatever means."""

    def listener(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and is_below(arguments[0], str(place)):
            act(Path(os.fsdecode(arguments[0])))

    with listening(listener):
        yield


@contextmanager
def opened_files(folder: Path) -> Iterator[list[Path]]:
    """The files below a folder that are opened inside, in their order."""
    opened: list[Path] = []
    with when_opened(folder, opened.append):
        yield opened


def at_step(
    number: int,
    folder: str,
    first: Callable[[], object],
    second: Callable[[threading.Event], object],
) -> tuple[object, object] | None:
    """What two calls at once return or refuse: the second begins while the first is about to take a step.

    A step is whatever the first does to a path below the folder, or to a lock.  There it stands still until
    the second has ended, has set the event that it is given, or seems to wait for the first.  None where the
    first takes no more steps than ``number``.
    """
    outcomes: list[object] = [None, None]
    go_on = threading.Event()

    def run_second() -> None:
        outcomes[1] = outcome_of(lambda: second(go_on))
        go_on.set()

    other = threading.Thread(target=run_second)
    left = number

    def listener(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        on_folder = event.startswith(_STEPS) and any(is_below(path, folder) for path in arguments[:2])
        if left >= 0 and (on_folder or event.startswith("fcntl.")):
            left -= 1
            if left < 0:
                other.start()
                go_on.wait(WAIT_SECONDS)

    with listening(listener):
        outcomes[0] = outcome_of(first)
    if left >= 0:
        return None
    other.join(60)
    assert not other.is_alive()
    return outcomes[0], outcomes[1]


def outcome_of(call: Callable[[], object]) -> object:
    """What a call returns, or the error of ours that it raises; any other error is raised."""
    try:
        return call()
    except DicomArrayError as error:
        return error
