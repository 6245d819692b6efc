"""Python processes of our own that can be ended: started, listened to, and how they ended.

`concurrent.futures` cannot end one hanging process, and `multiprocessing` cannot start one inside of a Dask
worker; so it is a plain subprocess that gets pickled objects on its standard input, and answers with others.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys

# How long a process may take to end by itself, once it was asked to or has closed its streams, in seconds.
PATIENCE_SECONDS = 2.0
# What a stream of pickled objects raises where it ends: between two of them, or in one.
END_OF_STREAM = (EOFError, OSError, pickle.UnpicklingError)


def start_process(main: str) -> subprocess.Popen[bytes]:
    """A process that runs this function of `child`."""
    code = f"import sys; sys.path[:] = {sys.path!r}; from dicomarray.pipeline.child import {main}; {main}()"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0 if os.name == "posix" else None,  # Ctrl-C is for us, who end it then
    )


def send(process: subprocess.Popen[bytes], message: object) -> None:
    """Give it an object; that it has ended is noticed when its answer is awaited."""
    assert process.stdin is not None
    with contextlib.suppress(OSError, ValueError):
        process.stdin.write(pickle.dumps(message))
        process.stdin.flush()


def kill_process(process: subprocess.Popen[bytes]) -> int:
    """End it and all that it started; its exit code."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    code = process.wait()
    with contextlib.suppress(OSError):  # what was not sent yet has nobody to read it
        if process.stdin is not None:
            process.stdin.close()
    return code


def how_it_ended(process: subprocess.Popen[bytes]) -> str:
    """Why a process answers no more, in words; if it still runs, it is ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE_SECONDS)  # its streams are closed a moment before it is gone
    code = kill_process(process)
    if code >= 0:
        return f"it exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    hint = ", often because the system ran out of memory" if name == "SIGKILL" else ""
    return f"signal {-code} ({name}){hint}"
