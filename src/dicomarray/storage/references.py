"""What an instance is referred to by, and how it is opened, wherever it lies.

A file on this computer is referred to by its `Path`: of very many files nothing more is made for each.  What
lies in an archive or a store is referred to by an `ObjectReference` of the source that found it.  Either can
be a key, a text for messages, sent to another process, and opened by `plain_files.open_plain`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from dicomarray.storage.places import Place


class Stamp(NamedTuple):
    """The state of a file: another stamp may mean another content, the same one means the same.

    Size in bytes and time of the last change in nanoseconds are not enough: an archive is unpacked with one
    time for all files, which may be of one size, and a file that is renamed keeps both.  So there are the
    time of the last change of its entry too (where the system has it), and its inode.  Of what lies in a
    store ``modified`` is a number made of whatever the store has to tell one content from another.
    """

    size: int
    modified: int
    changed: int = 0
    inode: int = 0

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """Of a file with this status."""
        modified, changed = status.st_mtime_ns, status.st_ctime_ns
        # of very many files a number that is held once counts
        return cls(status.st_size, modified, modified if changed == modified else changed, status.st_ino)


class ObjectReference(ABC):
    """An instance that is no file of its own on this computer: how a source opens it.

    A reference is small, frozen, hashable and can be pickled: whoever has it can open it, in any process.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def place(self) -> Place:
        """What it is called in messages: the path or URL of it, or of its archive with its name behind."""

    @property
    @abstractmethod
    def file(self) -> Place:
        """What a user gets who asks for the file."""

    @property
    @abstractmethod
    def state(self) -> Stamp:
        """Its size, and what tells whether it changed.

        Raises
        ------
        InputError
            Where it cannot be had any more.
        """

    @abstractmethod
    def open(self) -> BinaryIO:
        """All of it, open for reading and seeking.

        Raises
        ------
        InputError
            Where it is not any more what was referred to.
        StorageError
            Where its store fails.
        """

    def open_header(self, wants: Callable[[int], bool] | None = None) -> BinaryIO:
        """As `open`, but the pixel data may be missing.

        So may values of private elements that stand elsewhere, if ``wants`` does not want their tag.
        """
        del wants
        return self.open()

    @property
    def is_described(self) -> bool:
        """Whether its header is what a server says of it: then its file has to be read for pixels."""
        return False

    @property
    def has_private(self) -> bool:
        """Whether private elements are among what is said of it, if it has any."""
        return True

    @property
    def frames(self) -> tuple[int, ...] | None:
        """Which frames its file holds, counted from 0, where it is not all of them."""
        return None

    def part(self, frames: Sequence[int], count: int) -> ObjectReference:
        """What opens at least these of its ``count`` frames, where it is better to fetch them alone."""
        del frames, count
        return self

    def is_unchanged(self) -> bool:
        """Whether what is opened surely is what was referred to; else its header is read and compared."""
        return True

    @classmethod
    def fetch(cls, references: Sequence[Self], folder: Path) -> Sequence[Self]:
        """The same ones, opened from copies in a folder if it is better to fetch many at once."""
        del folder
        return references

    @classmethod
    def fetch_headers(cls, references: Sequence[Self]) -> Sequence[Self | OSError]:
        """The same ones, with what `open_header` needs at hand; an error where one cannot be read."""
        return references

    def without_header(self) -> Self:
        """As it is kept in great numbers: without what `fetch_headers` can fetch again."""
        return self

    @property
    def beside(self) -> tuple[Place, ...]:
        """The folder or archive in which it lies, and the folder of that archive."""
        return (self.parent,)

    @property
    def name(self) -> str:
        """The last part of its place."""
        return self.place.name

    @property
    def parent(self) -> Place:
        """Its place without the last part."""
        return self.place.parent

    def __str__(self) -> str:
        return str(self.place)


Reference = Path | ObjectReference


def file_of(reference: Reference) -> Place:
    """What a user gets who asks for the file."""
    return reference if isinstance(reference, Path) else reference.file


def is_unchanged(reference: Reference, stream: BinaryIO, stamp: Stamp | None) -> bool:
    """Whether what is open surely is what had this state."""
    if isinstance(reference, Path):
        return Stamp.of(os.fstat(stream.fileno())) == stamp
    return reference.is_unchanged()


def state_of(reference: Reference) -> Stamp:
    """The state of an instance now; raises OSError for a file that is not there, or as `state`."""
    return Stamp.of(reference.stat()) if isinstance(reference, Path) else reference.state


def fetched(references: Iterable[Reference], folder: Path) -> dict[ObjectReference, ObjectReference]:
    """What opens each that is no file here, from copies in a folder if it is better to fetch many at once."""
    kinds: dict[type[ObjectReference], dict[ObjectReference, None]] = {}
    for reference in references:
        if isinstance(reference, ObjectReference):
            kinds.setdefault(type(reference), {})[reference] = None
    opening: dict[ObjectReference, ObjectReference] = {}
    for number, (kind, members) in enumerate(kinds.items()):
        opening |= zip(members, kind.fetch([*members], folder / str(number)), strict=True)
    return opening
