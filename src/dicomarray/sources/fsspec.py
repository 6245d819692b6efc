"""Files in a store -> files here: their headers for a scan, the whole of them while pixels are read.

A scan asks headers only, so each remote file has a placeholder in a temporary folder: its bytes up to the
pixel data.  Nobody can take a placeholder for the file by mistake: it ends where the pixels would begin, and
that is an error, never zeros.  While pixels are read, `whole` has the files themselves in their place.

Where only the whole file tells (our own reader does not understand it, it is an archive, the store reads no
ranges), the placeholder is the whole file.  The folder is removed when the process ends.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dicomarray.dicom.headers.header import Header, Stamp
from dicomarray.dicom.part10 import PIXEL_DATA, DoubtError, Window, read_file_meta, walk
from dicomarray.dicom.recognition import looks_like_dicom
from dicomarray.errors import InputError
from dicomarray.sources.skipped import Skipped
from dicomarray.storage.places import Place, StoredFile, Url, download, existing_files, read_ranges

# Nearly every header fits, with its private elements; a request takes as long for one byte.
FIRST_FETCH = 64 * 1024
# So many files are asked for at once: enough to hide how long a store takes to answer, and 16 MB of memory.
FILES_AT_ONCE = 256
# What our own reader needs at a place: the head of an element (12 bytes), or a UID (64) with it.
_LOOK_AHEAD = 128
_NO_NAME = ("", ".", "..")


class Seen(Protocol):
    """Is told how many files were seen, their bytes, and how many there are."""

    def __call__(self, files: int, size: int = 0, total: int | None = None, /) -> None: ...


@dataclass(frozen=True, slots=True)
class _Original:
    """What a placeholder stands for; ``kept`` is how many bytes it has of it."""

    root: Url
    url: Url
    path: str
    stamp: Stamp
    kept: int


@dataclass(frozen=True, slots=True)
class Mirror:
    """The placeholders of all files at or below a URL: a folder, or a file; and what has none."""

    path: Path
    skipped: tuple[Skipped, ...]
    folder: Path

    def remove(self) -> None:
        """Take them away; the series that were scanned there cannot be read any more."""
        import shutil

        with _lock:
            for path in [path for path in _originals if path.is_relative_to(self.folder)]:
                del _originals[path]
        shutil.rmtree(self.folder, ignore_errors=True)


_originals: dict[Path, _Original] = {}
_in_use: Counter[Path] = Counter()
_lock = threading.RLock()


def mirrored(places: Iterable[Place], progress: Seen | None = None) -> tuple[list[Path], list[Skipped]]:
    """Paths on this computer for all of the places, and the remote files that cannot have one.

    Raises
    ------
    InputError
        Where there is nothing at a URL.
    StorageError
        Where its store fails.
    """
    paths: list[Path] = []
    skipped: list[Skipped] = []
    for place in places:
        if isinstance(place, Path):
            paths.append(place)
        else:
            made = mirror(place, progress)
            paths.append(made.path)
            skipped += made.skipped
    return paths, skipped


def mirror(url: Url, progress: Seen | None = None) -> Mirror:
    """Placeholders for everything at or below a URL; raises as `mirrored`."""
    from dicomarray.sources.archives import new_temporary_folder

    files = existing_files(url)
    folder = new_temporary_folder(url.name or url.protocol)
    work = _Mirroring(url, folder)
    seen = size = 0
    for start in range(0, len(files), FILES_AT_ONCE):
        batch = files[start : start + FILES_AT_ONCE]
        work.take(batch)
        seen, size = seen + len(batch), size + sum(file.size or 0 for file in batch)
        if progress is not None:
            progress(seen, size, len(files))
    itself = [file for file in files if not file.name]
    path = folder / work.name_of(itself[0]) if itself else folder
    return Mirror(path, tuple(work.skipped), folder)


@contextmanager
def placeholders(places: Iterable[Place], progress: Seen | None = None) -> Iterator[list[Path]]:
    """As `mirrored`, absolute; what was made for that is removed afterwards."""
    mirrors: list[Mirror] = []
    paths: list[Path] = []
    try:
        for place in places:
            if isinstance(place, Url):
                mirrors.append(mirror(place, progress))
            paths.append(place.absolute() if isinstance(place, Path) else mirrors[-1].path.absolute())
        yield paths
    finally:
        for made in mirrors:
            made.remove()


class _MoreNeededError(Exception):
    """The header goes on behind the bytes that are there."""


@dataclass(slots=True)
class _Start:
    """The first bytes of a file, and how many there are to be."""

    file: StoredFile
    size: int
    wanted: int
    data: bytes = b""


@dataclass(slots=True)
class _Mirroring:
    """One URL while its placeholders are made."""

    url: Url
    folder: Path
    skipped: list[Skipped] = field(default_factory=list)

    def take(self, batch: Sequence[StoredFile]) -> None:
        """The placeholders of some files."""
        files = [file for file in batch if self._can_have_a_place(file)]
        whole = [file for file in files if file.size is None]
        pending = [_Start(f, f.size, min(f.size, FIRST_FETCH)) for f in files if f.size is not None]
        while pending:
            whole += self._fetch([start for start in pending if start.wanted])
            undone = [self._put(start) for start in pending if start.file not in whole]
            whole += [item for item in undone if isinstance(item, StoredFile)]
            pending = [item for item in undone if isinstance(item, _Start)]
        self._take_whole(whole)

    def name_of(self, file: StoredFile) -> str:
        """What the file is called in the folder."""
        return file.name or self.url.name or "file"

    def _can_have_a_place(self, file: StoredFile) -> bool:
        parts = self.name_of(file).split("/")
        if not file.is_regular:
            self._skip(file, "no regular file; it is not opened")
        elif any(part in _NO_NAME or "\0" in part or (os.sep != "/" and os.sep in part) for part in parts):
            self._skip(file, "its name can be no file's name on this computer; rename it")
        else:
            return True
        return False

    def _skip(self, file: StoredFile, reason: str) -> None:
        url = self.url / file.name
        self.skipped.append(Skipped.lost(url, reason) if file.is_regular else Skipped(url, reason))

    def _fetch(self, starts: list[_Start]) -> list[StoredFile]:
        """Fetch what is wanted; the files of which only the whole can be had."""
        pieces = read_ranges(self.url, [(s.file.path, len(s.data), s.wanted) for s in starts])
        whole = []
        for start, piece in zip(starts, pieces, strict=True):
            if isinstance(piece, OSError):
                self._skip(start.file, f"cannot be read: {piece.strerror or type(piece).__name__}")
                start.size = start.wanted = -1
            elif len(piece) != start.wanted - len(start.data):
                whole.append(start.file)
            else:
                start.data += piece
        return whole

    def _put(self, start: _Start) -> _Start | StoredFile | None:
        """Write a placeholder; or the start where more is needed, or the file where all of it is."""
        if start.size < 0:
            return None
        try:
            kept = _bytes_to_keep(start.data, start.size)
        except DoubtError:
            return start.file
        except _MoreNeededError:
            start.wanted = min(start.size, 2 * len(start.data))
            return start
        path = self.folder / self.name_of(start.file)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(start.data[:kept])
        except OSError as error:
            self._skip(start.file, f"cannot have a place on this computer: {error.strerror}")
            return None
        self._remember(path, start.file, start.size, kept)
        return None

    def _take_whole(self, files: Sequence[StoredFile]) -> None:
        places = {file.path: self.folder / self.name_of(file) for file in files}
        download(self.url, places)
        for file in files:
            path = places[file.path]
            size = path.stat().st_size
            self._remember(path, file, size, size)

    def _remember(self, path: Path, file: StoredFile, size: int, kept: int) -> None:
        stamp = Stamp(size, file.mark)
        with _lock:
            _originals[path] = _Original(self.url, self.url / file.name, file.path, stamp, kept)


def _bytes_to_keep(data: bytes, size: int) -> int:
    """How many bytes of a file its placeholder needs, from its first ones.

    Raises
    ------
    DoubtError
        Where only the whole file will do.
    """
    if len(data) == size:
        return size
    if looks_like_dicom(data):
        return _header_bytes(data, size)
    from dicomarray.sources.archives import TAR_BLOCK, is_archive

    if is_archive(data):
        raise DoubtError
    return TAR_BLOCK  # enough to see that it is neither


def _header_bytes(data: bytes, size: int) -> int:
    """Up to where the value of the pixel data begins; all of a file that has none."""

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


@contextmanager
def whole(headers: Iterable[Header]) -> Iterator[None]:
    """Have the whole files where there are placeholders of them.

    Raises
    ------
    InputError
        Where a file is another one than when it was scanned.
    StorageError
        Where it cannot be fetched.
    PixelsClosedError
        Where a header is one of a file that is not to be opened (`ClosedHeader`).
    """
    headers = list(headers)
    for header in headers:
        header.check_open()
    if not _originals:
        yield
        return
    with _lock:
        needed = {header.path: _originals[header.path] for header in headers if header.path in _originals}
        parts = {path: original for path, original in needed.items() if original.kept < original.stamp.size}
        _make_whole({path: original for path, original in parts.items() if not _in_use[path]})
        _in_use.update(parts.keys())
    try:
        yield
    finally:
        with _lock:
            _in_use.subtract(parts.keys())
            for path, original in parts.items():
                if not _in_use[path] and path.exists():
                    os.truncate(path, original.kept)


def _make_whole(parts: Mapping[Path, _Original]) -> None:
    if not parts:
        return
    import shutil

    from dicomarray.sources.archives import new_temporary_folder

    folder = new_temporary_folder("whole")
    try:
        fetched = {path: folder / str(number) for number, path in enumerate(parts)}
        for root in {original.root for original in parts.values()}:
            mine = {path: original for path, original in parts.items() if original.root == root}
            download(root, {original.path: fetched[path] for path, original in mine.items()})
        for path, original in parts.items():
            _check_same(fetched[path], path, original)
        for path in parts:
            fetched[path].replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_same(fetched: Path, placeholder: Path, original: _Original) -> None:
    with fetched.open("rb") as stream:
        start = stream.read(original.kept)
    if start != placeholder.read_bytes() or fetched.stat().st_size != original.stamp.size:
        raise InputError(f"{original.url} was changed after its header was read; scan again")


def shown_path(path: Place) -> Place:
    """What to call a file: the URL of a placeholder, or of the archive that it lies in; else the path."""
    if not _originals or isinstance(path, Url):
        return path
    with _lock:
        for place in (path, *path.parents):
            if place in _originals:
                return _originals[place].url / "/".join(path.relative_to(place).parts)
    return path


def stamp_in_store(path: Path) -> Stamp | None:
    """Size and mark of the file that a placeholder stands for; None for any other file."""
    original = _originals.get(path)
    return None if original is None else original.stamp


def size_of(path: Path) -> int:
    """Bytes of a file, wherever it is; raises OSError."""
    stamp = stamp_in_store(path)
    return path.stat().st_size if stamp is None else stamp.size
