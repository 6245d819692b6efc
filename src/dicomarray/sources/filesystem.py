"""Paths and folders -> candidate files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dicomarray.errors import InputError
from dicomarray.sources.base import Skipped
from dicomarray.storage.places import PathLike

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# A folder with what was fetched of series that are not whole yet.
UNFINISHED = ".dicomarray-unfinished"

_Identity = tuple[int, int]  # device and inode of a folder


@dataclass(frozen=True, slots=True)
class _Seen:
    """The folders that were listed, the files that were given by name, and the folders of these."""

    folders: set[_Identity] = field(default_factory=set)
    identities: dict[str, _Identity] = field(default_factory=dict)
    files: set[tuple[_Identity, str]] = field(default_factory=set)


def find_files(roots: PathLike | Iterable[PathLike]) -> Iterator[Path | Skipped]:
    """Every file at or below the roots, in a stable order; what cannot be opened as `Skipped`.

    Links to folders are followed, each folder once.  Pipes, sockets and devices are never opened: that
    could wait for ever.

    Raises
    ------
    InputError
        Where a root does not exist.
    """
    make_path = PathMaker()
    for found in find_names(roots):
        yield make_path(found) if isinstance(found, str) else found


class PathMaker:
    """Names of files -> paths: with a path in the same folder at hand, one costs a third."""

    def __init__(self) -> None:
        self._folder = ""
        self._latest = Path()

    def __call__(self, name: str) -> Path:
        """The path of a file."""
        folder, _, last = name.rpartition(os.sep)
        self._latest = self._latest.with_name(last) if folder and folder == self._folder else Path(name)
        self._folder = folder
        return self._latest


def find_names(roots: PathLike | Iterable[PathLike]) -> Iterator[str | Skipped]:
    """As `find_files`, with names for paths: making a path costs as much as finding the file."""
    several = [roots] if isinstance(roots, str | os.PathLike) else roots
    seen = _Seen()
    for given in list(several):
        root = given if isinstance(given, Path) else Path(given)
        mode = _root_mode(root)
        if stat.S_ISDIR(mode):
            yield from _walk(root, seen)
        elif not stat.S_ISREG(mode):
            yield Skipped(root, _no_file(mode))
        elif _is_new(root, seen):
            yield str(root)


def _root_mode(root: Path) -> int:
    try:
        return root.stat().st_mode
    except FileNotFoundError as error:
        raise InputError(f"{root} does not exist") from error
    except (OSError, ValueError) as error:  # no permission, a name too long, a loop of links, a zero in it
        raise InputError(f"{root} cannot be opened: {getattr(error, 'strerror', error)}") from error


def _is_new(file: Path, seen: _Seen) -> bool:
    """Whether a file given by name was not given before, nor the folder that it lies in."""
    name = file.name
    parent = str(file).removesuffix(name)
    try:
        if parent not in seen.identities:
            seen.identities[parent] = _identity(file.parent)
        folder = seen.identities[parent]
    except OSError:
        return True
    key = (folder, name)
    if folder in seen.folders or key in seen.files:
        return False
    seen.files.add(key)
    return True


def _identity(folder: Path) -> _Identity:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _walk(root: Path, seen: _Seen) -> Iterator[str | Skipped]:
    """Depth first, by names; with a stack of its own, since folders can lie deeper than functions."""
    waiting: list[Path | str | Skipped] = [root]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Path):
            waiting.extend(reversed(_inside(item, seen)))
        else:
            yield item


def _inside(folder: Path, seen: _Seen) -> list[Path | str | Skipped]:
    """What a folder holds: other folders as paths, files by name."""
    try:
        identity = _identity(folder)
        if identity in seen.folders:
            return []
        seen.folders.add(identity)
        with os.scandir(folder) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        return [Skipped.lost(folder, f"the folder cannot be listed: {error.strerror}")]
    return [_classified(entry) for entry in inside if (identity, entry.name) not in seen.files]


def _classified(entry: os.DirEntry[str]) -> Path | str | Skipped:
    try:
        if entry.is_dir():
            if entry.name == UNFINISHED:
                return Skipped(Path(entry.path), "series that a pull did not finish; pull again")
            return Path(entry.path)
        if entry.is_file():
            return entry.path
        return Skipped(Path(entry.path), _no_file(entry.stat().st_mode))
    except OSError as error:
        reason = "a link to nothing" if entry.is_symlink() else "cannot be opened"
        return Skipped.lost(Path(entry.path), f"{reason}: {error.strerror}")


def _no_file(mode: int) -> str:
    return f"{_KINDS.get(stat.S_IFMT(mode), 'something else')}, no regular file; it is not opened"
