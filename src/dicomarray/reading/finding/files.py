"""Paths and folders -> candidate files, and what each looks like from its first bytes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dicomarray.errors import InputError
from dicomarray.plain_files import open_plain
from dicomarray.reading.elements.dictionary import vr_for_tag
from dicomarray.reading.elements.part10 import PREAMBLE
from dicomarray.storage import Place

PathLike = str | os.PathLike[str]

# What `looks_like_dicom` needs: preamble, "DICM" and the first element with a short value.
FIRST_BYTES = PREAMBLE + 4 + 128
# A data set without preamble begins with the file meta group or with group 0008, its first elements.
_FILE_META_GROUP, _IDENTIFYING_GROUP = 0x0002, 0x0008
_LAST_FIRST_ELEMENT = {_FILE_META_GROUP: 0x0010, _IDENTIFYING_GROUP: 0x0060}
# None of these elements is longer in files that mean them; a random length field hardly ever is so small.
_LONGEST_FIRST_VALUE = 1024
_LONGEST_FIRST_SEQUENCE = 1 << 16
_LONG_FORM_VRS = ("OB", "SQ", "UN")  # those with a 32-bit length that occur here, PS3.5 7.1.2
_SIZES = {"UL": 4, "US": 2}
# VRs of the default character repertoire: printable ASCII, padded with a space or a zero (PS3.5 6.2).
_ASCII_VRS = ("AE", "CS", "DA", "DT", "TM", "UI")
_ASCII = frozenset((0, *range(0x20, 0x7F)))
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

ZEROS = "not DICOM: it begins with zeros, as an interrupted copy does"
# Of the files that are skipped for one reason so many are named.
EXAMPLES = 3

_Identity = tuple[int, int]  # device and inode of a folder


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is no part of any series, and why.

    For a member of an archive the path is that of the archive with the member's name behind it; for a file in
    a store it is a `Url`.  What is empty, damaged or cannot be read may have been an image: ``lost_from`` is
    the folder (or archive) whose images may be incomplete without it; None for what surely is none.
    """

    path: Place
    reason: str
    lost_from: Place | None = None

    @classmethod
    def lost(cls, path: Place, reason: str) -> Skipped:
        """A file or folder that may have held an image of the folder that it lies in."""
        return cls(path, reason, path.parent)

    @classmethod
    def because(cls, path: Path, error: InputError) -> Skipped:
        """A file that cannot be taken."""
        return cls(path, str(error), None if isinstance(error, NoImageError) else path.parent)


@dataclass(frozen=True, slots=True)
class SkippedGroup:
    """How many files were skipped for one reason, and the names of some."""

    reason: str
    count: int
    examples: tuple[str, ...]


def by_reason(skipped: Iterable[Skipped]) -> list[SkippedGroup]:
    """What was skipped in a few lines, the most frequent reason first."""
    names: dict[str, list[str]] = {}
    for item in skipped:
        names.setdefault(item.reason, []).append(item.path.name)
    groups = [SkippedGroup(reason, len(n), tuple(n[:EXAMPLES])) for reason, n in names.items()]
    return sorted(groups, key=lambda group: -group.count)


class NoImageError(InputError):
    """A file that surely is no image; any other that cannot be read may be one that is lost."""


@dataclass(frozen=True, slots=True)
class _Folder:
    path: Path


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
    for found in _found(roots):
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
    for found in _found(roots):
        yield str(found) if isinstance(found, Path) else found


def _found(roots: PathLike | Iterable[PathLike]) -> Iterator[str | Path | Skipped]:
    """Files in folders by name, those that were given by name as paths."""
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
            yield root


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
    waiting: list[_Folder | str | Skipped] = [_Folder(root)]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _Folder):
            waiting.extend(reversed(_inside(item.path, seen)))
        else:
            yield item


def _inside(folder: Path, seen: _Seen) -> list[_Folder | str | Skipped]:
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


def _classified(entry: os.DirEntry[str]) -> _Folder | str | Skipped:
    try:
        if entry.is_dir():
            return _Folder(Path(entry.path))
        if entry.is_file():
            return entry.path
        return Skipped(Path(entry.path), _no_file(entry.stat().st_mode))
    except OSError as error:
        reason = "a link to nothing" if entry.is_symlink() else "cannot be opened"
        return Skipped.lost(Path(entry.path), f"{reason}: {error.strerror}")


def _no_file(mode: int) -> str:
    return f"{_KINDS.get(stat.S_IFMT(mode), 'something else')}, no regular file; it is not opened"


def require_dicom(path: Path) -> None:
    """Raise InputError where a file cannot be DICOM, without its path; NoImageError where it never was."""
    with open_plain(path) as stream:
        start = stream.read(FIRST_BYTES)
    if not start:
        raise InputError("an empty file")
    if looks_like_dicom(start):
        return
    if begins_with_zeros(start):
        raise InputError(ZEROS)
    raise NoImageError("not DICOM")


def begins_with_zeros(start: bytes) -> bool:
    """Whether a file has nothing where DICOM begins: a copy that was interrupted, or a disk that was full."""
    return not any(start) or start[PREAMBLE : PREAMBLE + 4] == b"DICM"


def looks_like_dicom(start: bytes) -> bool:
    """Whether a file with these first bytes (`FIRST_BYTES` of them, where it has so many) can be DICOM.

    That is a preamble and "DICM" (PS3.10 7.1), or a bare data set that begins with file meta information
    or with an element of group 0008, in implicit or explicit VR, in little or (explicit VR) big endian.
    The elements that are there must be plausible, so that other binary files are not taken for DICOM.
    """
    if start[PREAMBLE : PREAMBLE + 4] == b"DICM":
        rest = start[PREAMBLE + 4 :]
        return len(rest) < 8 or rest[:4] != bytes(4)  # zeros are what an interrupted copy leaves behind
    return _is_first_element(start, "little") or _is_first_element(start, "big")


def _is_first_element(start: bytes, order: Literal["little", "big"]) -> bool:
    """Whether a data set can begin so: PS3.5 7.1, PS3.6."""
    if len(start) < 8:
        return False
    group, element = int.from_bytes(start[:2], order), int.from_bytes(start[2:4], order)
    if element > _LAST_FIRST_ELEMENT.get(group, -1):
        return False
    try:
        vr = vr_for_tag(group << 16 | element) if element else "UL"  # a group length (PS3.5 7.2)
    except KeyError:
        return False
    explicit = start[4:6] in (vr.encode(), b"UN")
    if order == "big" and (not explicit or group == _FILE_META_GROUP):
        return False  # there is no implicit VR big endian, and file meta information is little endian
    return _is_plausible_value(start, vr, order, explicit)


def _is_plausible_value(start: bytes, vr: str, order: Literal["little", "big"], explicit: bool) -> bool:
    first, size = 4, 4
    if explicit:
        first, size = (8, 4) if start[4:6].decode() in _LONG_FORM_VRS else (6, 2)
    length = int.from_bytes(start[first : first + size], order)
    if vr == "SQ":
        return length == 0xFFFFFFFF or length <= _LONGEST_FIRST_SEQUENCE
    if length != _SIZES.get(vr, length) or length > _LONGEST_FIRST_VALUE:
        return False
    value, following = start[first + size :][:length], start[first + size + length :][:4]
    if vr in _ASCII_VRS and not _ASCII.issuperset(value):
        return False
    return len(following) < 4 or _follows(following, start, order)


def _follows(following: bytes, start: bytes, order: Literal["little", "big"]) -> bool:
    """Tags ascend (PS3.5 7.1), and a group length is followed by an element of its group."""
    group, element = int.from_bytes(start[:2], order), int.from_bytes(start[2:4], order)
    next_group, next_element = int.from_bytes(following[:2], order), int.from_bytes(following[2:], order)
    if next_group == group:
        return next_element > element
    return element != 0 and next_group > group
