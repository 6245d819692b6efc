"""A lock on an open file: the system lets go of it when its process ends, however it ends.

The package filelock would do the same, but empties the file before it has the lock, and the file names its
holder for whoever comes second.
"""

from __future__ import annotations

import errno
import os
import sys

from dicomarray.errors import DicomArrayError

# What a file system says that has no locks, as some of clusters have none.
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
# What Windows says where another process holds a part of a file.
_HELD_THERE = (errno.EACCES, errno.EDEADLK)
# Windows locks bytes, which need not exist: one far behind what the file says of its holder.
_BYTE = 1 << 30


class LockedElsewhereError(DicomArrayError):
    """Another process, or another handle of this one, holds the lock."""


def lock(handle: int) -> bool:
    """Lock an open file (or, but for Windows, a folder) until it is closed; False where there are no locks.

    Raises
    ------
    LockedElsewhereError
        Where somebody else has it; there is no waiting.
    OSError
        For any other reason.
    """
    try:
        _lock(handle)
    except BlockingIOError:
        raise LockedElsewhereError("it is locked by another process") from None
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        if sys.platform == "win32" and error.errno in _HELD_THERE:
            raise LockedElsewhereError("it is locked by another process") from None
        raise
    return True


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, _BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(handle, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
