"""One run at a time in one output folder."""

from __future__ import annotations

import errno
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from dicomarray.errors import OutputError
from dicomarray.sinks.fsspec import delete, read_text, write_text
from dicomarray.storage.atomic import making
from dicomarray.storage.places import (
    Url,
)

FILE_NAME = ".dicomarray-run.lock"
# What a file system says that has no locks, as some of clusters have none.
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the file names the process for whoever comes second.

    The system lets go of the lock when the process ends, however it ends.  Where the platform or the file
    system has no locks, the file itself is the lock; one that a dead process of this machine left is taken.

    Raises
    ------
    OutputError
        Where another run holds it, or the file cannot be made.
    """
    path = folder / FILE_NAME
    with making(path):
        handle = _locked_file(path)
        if handle is None:
            path = path.with_suffix(".pid")
            handle = _exclusive_file(path)
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
    try:
        import fcntl
    except ImportError:
        return None
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise _refusal(path) from None
        except OSError as error:
            os.close(handle)
            if error.errno in _NO_LOCKS:
                return None
            raise
        if _is_at(handle, path):
            return handle
        os.close(handle)  # its holder removed it between our opening and locking it: there is a new one


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _exclusive_file(path: Path) -> int:
    """The file, made by us; that of a process that is dead is removed first."""
    if path.exists() and is_dead(_holder(path)):
        path.unlink(missing_ok=True)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        raise _refusal(path) from None


def is_dead(holder: str) -> bool:
    """Whether a lock is one that a dead process of this machine left: it begins with process and host."""
    process, host = (*holder.split(), "", "")[:2]
    if host != socket.gethostname() or not process.isdecimal() or os.name != "posix":
        return False  # who knows
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _refusal(path: Path) -> OutputError:
    process, _, host = _holder(path).partition(" ")
    who = f" (process {process} on {host})" if host else ""
    return OutputError(
        f"{path.parent}: another run writes there{who}; wait for it, or choose another folder. If it "
        f"no longer runs, remove {path}"
    )


@contextmanager
def locked_in_store(output: Url) -> Iterator[None]:
    """Hold a lock object.  Stores have no locks: two runs that start in the same instant may both get it."""
    place = output / FILE_NAME
    token = f"{os.getpid()} {socket.gethostname()} {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {uuid.uuid4().hex}"
    holder = read_text(place)
    if holder and not is_dead(holder):
        raise _refusal_in_store(place, holder)
    write_text(place, token)
    if (holder := read_text(place)) != token:
        raise _refusal_in_store(place, holder)
    try:
        yield
    finally:
        if read_text(place) == token:
            delete(place)


def _refusal_in_store(place: Url, holder: str) -> OutputError:
    process, host, since = (*holder.split(), "?", "?", "?")[:3]
    return OutputError(
        f"{place.parent}: another run writes there (process {process} on {host}, since {since}); wait for "
        f"it, or choose another folder. If it no longer runs, remove {place}"
    )
