"""The paths and states of files, as the index has them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from dicomarray.storage.places import PathLike, local_path, places
from dicomarray.storage.references import Stamp

# Of a file, in the order of `Stamp`.
STAMP_COLUMNS = "size, modified_ns, changed_ns, inode"
# What is in these; an inode can have more bits than a number in SQLite.
State = tuple[int, int, int, str]


def absolute_roots(path: PathLike | Iterable[PathLike]) -> list[str]:
    """The real paths: the same files wherever the index is used, and none of them by two names."""
    return [os.path.realpath(local_path(item)) for item in places(path)]


def as_stored(path: str) -> str | bytes:
    """A path, or its bytes where it is no Unicode text."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def state_of(status: os.stat_result) -> State:
    """The state of a file with this status."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, str(status.st_ino)


def as_stamp(size: int, modified: int, changed: int, inode: str) -> Stamp:
    """A `State` as the rest of the package knows it."""
    return Stamp(size, modified, changed, int(inode))


def as_path(stored: str | bytes) -> str:
    """What `as_stored` was given."""
    return stored if isinstance(stored, str) else os.fsdecode(stored)  # TypeError in a damaged index


def path_of_file(folder: str, name: str) -> str:
    """The path of a file in the index.

    Raises
    ------
    ValueError
        Where `index` cannot have stored it: it names real paths, which do not lead up and down again.
    """
    if not _is_real(folder) or not name or name in (os.curdir, os.pardir) or "\0" in name or os.sep in name:
        raise ValueError(f"a file {name!r:.80} in {folder!r:.80}, which is no real path")
    return os.path.join(folder, name)  # noqa: PTH118 - Path costs most


@lru_cache(maxsize=64)
def _is_real(folder: str) -> bool:
    return os.path.isabs(folder) and os.path.normpath(folder) == folder and "\0" not in folder  # noqa: PTH117


def file_order(folder: str, name: str, number: int | None) -> tuple[Any, ...]:
    """Sorts files as `find_files` finds them: depth first, by names; members as their archive has them."""
    return (*_parts_of(folder), name), number or 0


@lru_cache(maxsize=64)
def _parts_of(folder: str) -> tuple[str, ...]:
    return Path(folder).parts


def lies_below(path: str, roots: Sequence[str]) -> bool:
    """Whether a path is one of the roots or below one."""
    return any(path == root or path.startswith(root.rstrip(os.sep) + os.sep) for root in roots)
