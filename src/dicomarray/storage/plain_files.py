"""Files are opened without waiting: a FIFO that took a file's name after a scan would be waited for."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from io import BufferedReader, FileIO
from pathlib import Path
from typing import BinaryIO

from dicomarray.storage.references import Reference

# How a file is opened for reading by its descriptor; `require_plain` is asked afterwards.
READ_AT_ONCE = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


def require_plain(mode: int, path: Path) -> None:
    """Raise OSError for what is no regular file, from the mode of what was opened."""
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "no regular file, but a folder, FIFO or device", str(path))


def open_raw(path: Path) -> FileIO:
    """A regular file, open for reading without a buffer.

    Raises
    ------
    OSError
        Where it cannot be opened, or is none.
    """
    stream = FileIO(path, "rb", opener=lambda name, flags: os.open(name, flags | READ_AT_ONCE))
    try:
        require_plain(os.fstat(stream.fileno()).st_mode, path)
    except OSError:
        stream.close()
        raise
    return stream


def open_plain(reference: Reference) -> BinaryIO:
    """An instance, open for reading with a buffer; raises OSError, or as `ObjectReference.open`."""
    if isinstance(reference, Path):
        return BufferedReader(open_raw(reference))
    return reference.open()


def open_header(reference: Reference, wants: Callable[[int], bool] | None = None) -> BinaryIO:
    """As `open_plain`, but the pixel data may be missing; see `ObjectReference.open_header`."""
    return open_plain(reference) if isinstance(reference, Path) else reference.open_header(wants)
