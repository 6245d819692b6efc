"""Objects in a store: their headers by ranges for a scan, the whole of them when pixels are read.

An object is referred to by a `StoredObject`, which holds its bytes up to the pixel data, compressed: with
them any attribute can be read later, and what is fetched for the pixels can be compared.  Where only the
whole object tells (our own reader does not understand it, the store reads no ranges), it is kept in a file
of its own, in a folder that is removed when the process ends.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import BufferedReader, BytesIO, FileIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Self

from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.part10 import PIXEL_DATA, DoubtError, Window, read_file_meta, walk
from dicomarray.dicom.recognition import looks_like_dicom
from dicomarray.errors import InputError
from dicomarray.sources.archives import TAR_BLOCK, unpacked
from dicomarray.sources.base import Progress, Skipped, Source
from dicomarray.sources.instances import read_objects
from dicomarray.storage.places import Url, download, list_files, read_ranges
from dicomarray.storage.plain_files import open_plain
from dicomarray.storage.references import ObjectReference, Stamp

# Nearly every header fits, with its private elements; a request takes as long for one byte.
FIRST_FETCH = 64 * 1024
# What our own reader needs at a place: the head of an element (12 bytes), or a UID (64) with it.
_LOOK_AHEAD = 128


@dataclass(frozen=True, slots=True)
class Store(Source):
    """Everything at or below a URL."""

    url: Url

    def instances(
        self, names: frozenset[str], progress: Progress | None = None
    ) -> Iterator[Header | Skipped]:
        """As `Source.instances`."""
        references = []
        files = list_files(self.url)
        if not files and not self.url.exists():
            raise InputError(f"{self.url} does not exist")
        for file in files:
            if file.is_regular:
                references.append(StoredObject(self.url, file.name, file.path, file.size, file.mark))
            else:
                yield Skipped(self.url / file.name, "no regular file; it is not opened")
        yield from read_objects(references, names, progress)


@dataclass(frozen=True, slots=True)
class StoredObject(ObjectReference):
    """An object at or below a URL.

    ``below`` is its name there, empty for the URL itself, ``path`` the one in the store; ``size`` is None
    where the store does not tell; another ``mark`` means another content.  ``start`` are its bytes up to the
    pixel data, compressed, and ``copy`` is a file with all of them, where these are at hand.
    """

    root: Url
    below: str
    path: str
    size: int | None
    mark: int
    start: bytes | None = field(default=None, compare=False, repr=False)
    copy: Path | None = field(default=None, compare=False, repr=False)

    @property
    def place(self) -> Url:
        """Its URL."""
        return self.root / self.below

    @property
    def file(self) -> Url:
        """Its URL."""
        return self.place

    @property
    def state(self) -> Stamp:
        """What the store said of it."""
        return Stamp(self.size or 0, self.mark)

    def open(self) -> BinaryIO:
        """All of it, fetched into a file that is removed when it is closed."""
        if self.copy is not None and self.copy.exists():
            return open_plain(self.copy)
        folder = TemporaryDirectory(prefix="dicomarray-", ignore_cleanup_errors=True)
        try:
            (fetched,) = self.fetch([self], Path(folder.name))
            assert fetched.copy is not None  # that is what fetching means
            return _Fetched(fetched.copy, folder)
        except BaseException:
            folder.cleanup()
            raise

    def open_header(self, wants: Callable[[int], bool] | None = None) -> BinaryIO:
        """Up to its pixel data."""
        if self.start is not None:
            return BytesIO(zlib.decompress(self.start))
        if self.copy is not None and self.copy.exists():
            return open_plain(self.copy)
        (found,) = self.fetch_headers([self])
        if isinstance(found, OSError):
            raise found
        return found.open_header(wants)

    def without_header(self) -> Self:
        """Without its first bytes."""
        return replace(self, start=None)

    @classmethod
    def fetch(cls, references: Sequence[Self], folder: Path) -> Sequence[Self]:
        """The same ones, with copies in the folder."""
        wanted = [one for one in references if one.copy is None or not one.copy.exists()]
        copies = {one: folder / str(number) for number, one in enumerate(wanted)}
        for root in dict.fromkeys(one.root for one in wanted):
            download(root, {one.path: copy for one, copy in copies.items() if one.root == root})
        for one, copy in copies.items():
            one.check_same(copy)
        return [replace(one, copy=copies.get(one, one.copy)) for one in references]

    def check_same(self, copy: Path) -> None:
        """Raise InputError where a copy is not what was scanned."""
        start = b"" if self.start is None else zlib.decompress(self.start)
        with copy.open("rb") as stream:
            same = stream.read(len(start)) == start
        if not same or self.size not in (None, copy.stat().st_size):
            raise InputError(f"{self} was changed after its header was read; scan again")

    @classmethod
    def fetch_headers(cls, references: Sequence[Self]) -> Sequence[Self | OSError]:
        """The same ones, with their first bytes or, where only the whole tells, with copies."""
        found: dict[Self, Self | OSError] = {}
        whole: list[Self] = []
        pending: dict[Self, tuple[bytes, int]] = {}  # the bytes at hand, and how many are wanted
        for one in references:
            if one.start is not None or one.copy is not None:
                found[one] = one
            elif one.size is None:
                whole.append(one)
            else:
                pending[one] = b"", min(one.size, FIRST_FETCH)
        while pending:
            pieces = _pieces([(one, len(data), wanted) for one, (data, wanted) in pending.items()])
            further: dict[Self, tuple[bytes, int]] = {}
            for (one, (data, wanted)), piece in zip(pending.items(), pieces, strict=True):
                if isinstance(piece, OSError):
                    found[one] = piece
                    continue
                start, size = data + piece, one.state.size
                try:
                    kept = _bytes_to_keep(start, wanted, size)
                    found[one] = replace(one, start=zlib.compress(start[:kept], level=1))
                except DoubtError:
                    whole.append(one)
                except _MoreNeededError:
                    further[one] = start, min(size, 2 * len(start))
            pending = further
        if whole:
            fetched = cls.fetch(whole, unpacked.new_folder(whole[0].root.name or "store"))
            found |= zip(whole, (replace(one, size=_size(one.copy)) for one in fetched), strict=True)
        return [found[one] for one in references]


def _size(copy: Path | None) -> int | None:
    return None if copy is None else copy.stat().st_size


class _Fetched(BufferedReader):
    """A file in a temporary folder, which goes when it is closed."""

    def __init__(self, path: Path, folder: TemporaryDirectory[str]) -> None:
        super().__init__(FileIO(path))
        self._folder = folder

    def close(self) -> None:
        super().close()
        self._folder.cleanup()


class _MoreNeededError(Exception):
    """The header goes on behind the bytes that are there."""


def _pieces(wanted: Sequence[tuple[StoredObject, int, int]]) -> list[bytes | OSError]:
    """The bytes from one place to another of each."""
    pieces: dict[StoredObject, bytes | OSError] = {one: b"" for one, _, _ in wanted}
    for root in dict.fromkeys(one.root for one, _, _ in wanted):
        mine = [item for item in wanted if item[0].root == root and item[2]]
        found = read_ranges(root, [(one.path, start, end) for one, start, end in mine])
        pieces |= zip((one for one, _, _ in mine), found, strict=True)
    return list(pieces.values())


def _bytes_to_keep(data: bytes, wanted: int, size: int) -> int:
    """How many of the first bytes of an object tell its attributes.

    Raises
    ------
    DoubtError
        Where only the whole object will do.
    """
    if len(data) != wanted:
        raise DoubtError  # the store reads no ranges, or the object changes
    if not looks_like_dicom(data):
        return TAR_BLOCK  # enough to see whether it is an archive
    try:
        return _header_bytes(data, size)
    except DoubtError:
        if len(data) == size:
            return size
        raise


def _header_bytes(data: bytes, size: int) -> int:
    """Up to where the value of the pixel data begins; all of an object that has none."""

    def read_at(place: int, count: int) -> bytes:
        if len(data) < min(place + _LOOK_AHEAD, size):
            raise _MoreNeededError
        return data[place : place + count]

    window = Window(read_at, size)
    meta = read_file_meta(window)
    for element in walk(window, meta.end, meta.explicit):
        if element[0] in PIXEL_DATA:
            return element[2]
    if len(data) < size:
        raise _MoreNeededError
    return size
