"""One run at a time in one output folder."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from dicomarray.errors import OutputError
from dicomarray.sinks.fsspec import delete, read_text, write_text
from dicomarray.storage.atomic import making
from dicomarray.storage.file_locks import LockedElsewhereError, lock
from dicomarray.storage.places import Place, Url

FILE_NAME = ".dicomarray-run.lock"
# How the names of marks begin in a folder without locks.
_MARK = ".dicomarray-run.pid"
# How long the first of two that came at once waits for the other, which goes at once; seconds.
_WAITS = (0.1, 0.2, 0.4)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the file names the process for whoever comes second.

    The system lets go of the lock when the process ends, however it ends.  Where the platform or the file
    system has no locks, marks stand in for them (`marked`).

    Raises OutputError where another run holds it, or the file cannot be made.
    """
    path = folder / FILE_NAME
    with making(path):
        handle = _locked_file(path)
    if handle is None:
        with marked(folder, _MARK):
            yield
        return
    try:
        with making(path):
            os.truncate(handle, 0)
            os.write(handle, f"{os.getpid()} {socket.gethostname()}\n".encode())
        yield
    finally:
        with suppress(OSError):  # whoever comes next sees that its holder is dead
            path.unlink(missing_ok=True)
        os.close(handle)


def _locked_file(path: Path) -> int | None:
    """The file, opened and locked; None where there are no locks."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            is_locked = lock(handle)
        except LockedElsewhereError:
            os.close(handle)
            raise _refusal(path, _holder(path) or "") from None
        except OSError:
            os.close(handle)
            raise
        if is_locked and _is_at(handle, path):
            return handle
        os.close(handle)
        if not is_locked:
            return None
        # else its holder removed it between our opening and locking it: there is a new one


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def is_dead(holder: str) -> bool:
    """Whether a lock is one that a dead process of this machine left: it begins with process and host."""
    process, host = (*holder.split(), "", "")[:2]
    if host != socket.gethostname() or not process.isdecimal():
        return False  # who knows
    import psutil

    return not psutil.pid_exists(int(process))


def _holder(place: Place) -> str | None:
    """Process, host and time, as the holder wrote them; None where nothing is there (any more)."""
    if isinstance(place, Url):
        return read_text(place)
    try:
        return place.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None
    except OSError:  # the holder alone may read it
        return ""


def _refusal(place: Place, holder: str) -> OutputError:
    process, host, since = (*holder.split(), "", "", "")[:3]
    who = f" (process {process} on {host}{since and f', since {since}'})" if host else ""
    return OutputError(
        f"{place.parent}: another run writes there{who}; wait for it, or choose another folder. If it "
        f"no longer runs, remove {place}"
    )


@contextmanager
def marked(folder: Place, prefix: str) -> Iterator[None]:
    """Hold a folder, or a place in a store, which has no locks, by a mark under a name that no one else has.

    It is written before others are looked for, so that of two that come at once at least one sees the other,
    and goes.  Where both do, the one whose name comes first waits for the other to be gone.

    Raises OutputError where there is the mark of a process that is not known to be dead.
    """
    mark = folder / f"{prefix}.{uuid.uuid4().hex}"
    _write(mark, f"{os.getpid()} {socket.gethostname()} {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    try:
        for wait in (*_WAITS, None):
            others = _others(folder, prefix, mark.name)
            if not others:
                break
            first, holder = min(others, key=lambda other: other[0].name)
            if wait is None or first.name < mark.name:
                raise _refusal(first, holder)
            time.sleep(wait)
        yield
    finally:
        _remove(mark)


def _others(folder: Place, prefix: str, own: str) -> list[tuple[Place, str]]:
    """The marks of others and what they say; those of dead processes are removed."""
    others: list[tuple[Place, str]] = []
    for other in folder.glob(f"{prefix}*"):
        if other.name == own:
            continue
        holder = _holder(other)
        if holder is not None and is_dead(holder):
            _remove(other)
        elif holder is not None:
            others.append((other, holder))
    return others


def _write(mark: Place, text: str) -> None:
    if isinstance(mark, Url):
        write_text(mark, text)
    else:
        with making(mark):
            mark.write_text(text, encoding="utf-8")


def _remove(mark: Place) -> None:
    if isinstance(mark, Url):
        delete(mark)
    else:
        with suppress(OSError):  # whoever comes next sees that its holder is dead
            mark.unlink(missing_ok=True)
