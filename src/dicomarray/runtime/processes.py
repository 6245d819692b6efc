"""Python processes of our own that can be ended: they get messages and give answers, as pickled objects.

`concurrent.futures` cannot end one hanging process, and `multiprocessing` cannot start one inside of a Dask
worker; so it is a plain subprocess.  It runs a function of ours and nothing of the caller's: a script needs
no guard around its main part, and nothing is forked.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import IO, Any

# How long a process may take to end by itself, once it was asked to or has closed its streams, in seconds.
PATIENCE_SECONDS = 2.0
# What a stream of pickled objects raises where it ends: between two of them, or in one.
_END_OF_STREAM = (EOFError, OSError, ValueError, pickle.UnpicklingError)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# What the command of every process of ours has.
_BEGINNING = "from dicomarray.runtime.processes import Parent; parent = Parent()"
# The last answer of a process, and the last message to one.
END = None

Answers = queue.SimpleQueue[tuple["Child", Any]]


class ChildDiedError(Exception):
    """The process answers no more; the message says how it ended."""


def can_start() -> bool:
    """Whether `sys.executable` is Python: in a frozen or embedding program it would be that program."""
    return not getattr(sys, "frozen", False) and "python" in Path(sys.executable or "").name.lower()


def is_child() -> bool:
    """Whether this process was started as a `Child`."""
    return any(_BEGINNING in argument for argument in sys.orig_argv)


class Child:
    """A process that runs a function, given as ``"module:function"``, with its `Parent`.

    What it answers comes into ``answers``, which several may share, each answer with its process; `END` comes
    when it is gone.
    """

    def __init__(self, function: str, answers: Answers | None = None) -> None:
        import subprocess  # which takes as long as reading some hundred headers

        module, _, name = function.partition(":")
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; {_BEGINNING}; "
            f"from {module} import {name}; {name}(parent)"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0 if os.name == "posix" else None,  # Ctrl-C is for us, who end it then
        )
        self._answers: Answers = queue.SimpleQueue() if answers is None else answers
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            with self._process.stdout as stream, contextlib.suppress(*_END_OF_STREAM):
                while True:
                    self._answers.put((self, pickle.load(stream)))
        finally:
            self._answers.put((self, END))

    def send(self, message: object) -> None:
        """Give it an object; that it has ended is noticed when its answer is awaited."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))
            self._process.stdin.flush()

    def receive(self) -> Any:
        """Its next answer; raises ChildDiedError where there will be none."""
        _, answer = self._answers.get()
        if answer is END:
            raise ChildDiedError(self.how_it_ended())
        return answer

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def memory(self) -> int:
        """Bytes of memory that it holds; 0 where it is no more."""
        import psutil

        try:
            return int(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def end(self) -> None:
        """Let it end by itself, for a while: it may have things to put in order."""
        self.send(END)
        self._wait()
        self.kill()

    def kill(self) -> int:
        """End it and all that it started; its exit code."""
        _kill_tree(self._process.pid)
        code = self._process.wait()
        with contextlib.suppress(OSError):  # what was not sent yet has nobody to read it
            if self._process.stdin is not None:
                self._process.stdin.close()
        return code

    def how_it_ended(self) -> str:
        """Why it answers no more, in words; if it still runs, it is ended."""
        self._wait()  # its streams are closed a moment before it is gone
        code = self.kill()
        if code >= 0:
            return f"it exited with code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = "unknown"
        hint = ", often because the system ran out of memory" if name == "SIGKILL" else ""
        return f"signal {-code} ({name}){hint}"

    def _wait(self) -> None:
        from subprocess import TimeoutExpired

        with contextlib.suppress(TimeoutExpired):
            self._process.wait(PATIENCE_SECONDS)


def _kill_tree(pid: int) -> None:
    """End a process that leads a group of its own, and all that it started."""
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    else:
        import psutil

        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            for one in (*process.children(recursive=True), process):
                with contextlib.suppress(psutil.Error):
                    one.kill()


class Parent:
    """The side of a process that was started: it ends with the one that started it."""

    def __init__(self) -> None:
        import faulthandler

        _die_with_parent()
        faulthandler.enable()  # a crash in C code tells on standard error where it was
        self._messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        stream, self._answers = _take_over_streams()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream: IO[bytes]) -> None:
        """Every message; where the stream ends, whoever gave them is dead, and nothing must be finished."""
        try:
            with contextlib.suppress(*_END_OF_STREAM):
                while True:
                    self._messages.put(pickle.load(stream))
        except Exception:  # noqa: BLE001 - an object that cannot be made here; nothing follows it
            sys.excepthook(*sys.exc_info())
        os._exit(1)

    def receive(self, timeout: float | None = None) -> Any:
        """The next message; `END` where no more will come, or none has come for so many seconds."""
        try:
            return self._messages.get(timeout=timeout)
        except queue.Empty:
            return END

    def answer(self, message: object) -> None:
        """Give an object to the other side."""
        sys.stdout.flush()
        self._answers.write(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))
        self._answers.flush()


def _take_over_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Standard input and output for us alone: what a function prints goes to standard error."""
    messages, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return messages, answers


def _die_with_parent() -> None:
    """Have the kernel end this process with its parent: a function in C may hold up every thread."""
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
