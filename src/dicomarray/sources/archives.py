"""Archive -> references to its DICOM members: zip, tar, compressed tar, and one compressed file.

Members are unpacked all together, once in a process, into a private folder that is removed when the process
ends.  A `Member` knows its file there, and is unpacked again where that is gone, such as in another process.
(A process that is killed leaves the folder, in the system's folder for temporary files; the variable TMPDIR
says where that is.)

Nothing in an archive is trusted.  Members are recognized by their first bytes and never by name; a name gives
the name of a file only after it was made harmless; sizes are counted, not believed; links, devices,
encrypted members and archives inside archives are not followed.  An archive that ends too early is not
taken at all: nobody could tell which images of a series are missing.
"""

from __future__ import annotations

import atexit
import bz2
import contextlib
import gzip
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path, PurePath
from typing import IO, Any, BinaryIO, Literal, cast

from dicomarray.dicom.recognition import FIRST_BYTES, NoImageError, looks_like_dicom, why_lost
from dicomarray.errors import InputError
from dicomarray.sources.archive_guards import (
    PIECE,
    Forward,
    Meter,
    Metered,
    Readable,
    TooMuchError,
    check_count,
    check_header,
    check_members,
    check_room,
    safe_part,
    safe_path,
    unlisted,
)
from dicomarray.sources.base import Skipped
from dicomarray.storage.places import Place
from dicomarray.storage.plain_files import open_header, open_plain
from dicomarray.storage.references import ObjectReference, Reference, Stamp, state_of

Kind = Literal["zip", "tar", "gzip", "bzip2", "xz"]

TAR_BLOCK = 512
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # an empty one
    (b"\x1f\x8b\x08", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
)
_OPENERS: dict[str, Any] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
# What the standard library raises on damaged archives.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,  # bad gzip and bzip2 data too
    ValueError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    MemoryError,
)
_NESTED = "an archive inside an archive, which is not unpacked; unpack it first"


@dataclass(frozen=True, slots=True)
class Member(ObjectReference):
    """A member of an archive: its name there, ``.`` for a single compressed file, and its number.

    ``archive_state`` is that of the archive in which this is true, ``copy`` where it was unpacked.
    """

    archive: Reference
    member: str
    number: int
    archive_state: Stamp
    copy: Path | None = field(default=None, compare=False)

    @property
    def place(self) -> Place:
        """The archive's path or URL, and the member's name."""
        place = _place_of(self.archive)
        return place if self.member == "." else place / self.member

    @property
    def file(self) -> Path:
        """The file that it is unpacked to."""
        if self.copy is None or not self.copy.exists():
            return _unpacked_again(self)
        return self.copy

    @property
    def state(self) -> Stamp:
        """Its size; a change of the archive is noticed when it is unpacked."""
        return Stamp(self.file.stat().st_size, 0)

    def is_unchanged(self) -> bool:
        """Whether it was unpacked when it was found, or its archive is the very same."""
        return (self.copy is not None and self.copy.exists()) or state_of(self.archive) == self.archive_state

    @property
    def beside(self) -> tuple[Place, ...]:
        """The archive, and its folder."""
        return _place_of(self.archive), self.archive.parent

    def open(self) -> BinaryIO:
        """The unpacked file."""
        return open_plain(self.file)


def _unpacked_again(member: Member) -> Path:
    archive = member.archive
    try:
        now = state_of(archive)
        members = members_of(archive) or []
    except OSError as error:
        raise InputError(f"{archive} cannot be read: {error.strerror}") from error
    except InputError as error:
        raise InputError(f"{archive}: {error}") from error
    found = members[member.number] if member.number < len(members) else None
    known = member.archive_state
    if (now.size, now.modified) != (known.size, known.modified) or not isinstance(found, Member):
        raise InputError(
            f"{archive} has changed since it was indexed or scanned; do that again (dicomarray index)"
        )
    return found.file


def _place_of(archive: Reference) -> Place:
    return archive if isinstance(archive, Path) else archive.place


@dataclass(slots=True)
class _Unpacking:
    """One archive while it is unpacked: where to, how much so far, and what came of its members."""

    archive: Reference
    state: Stamp
    folder: Path
    meter: Meter
    members: int = 0
    results: list[Member | Skipped] = field(default_factory=list)

    def skip(self, member: Path, reason: str, *, lost: bool = False) -> None:
        """``lost`` where it may have been an image."""
        place = _place_of(self.archive)
        self.results.append(Skipped(place / str(member), reason, place if lost else None))

    def take(self, name: str, copy: Path) -> None:
        """A member that was unpacked."""
        self.results.append(Member(self.archive, name, len(self.results), self.state, copy))

    def next_member(self) -> None:
        self.members += 1
        check_members(self.members)


def _kind_from(start: bytes) -> Kind | None:
    for magic, kind in _MAGIC:
        if start.startswith(magic):
            return kind
    return "tar" if _is_tar_header(start[:TAR_BLOCK]) else None


def _is_tar_header(block: bytes) -> bool:
    """The checksum tells, also for tar files older than the mark "ustar"."""
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    return True


def members_of(archive: Reference) -> list[Member | Skipped] | None:
    """The DICOM members of an archive, and why others are none, in its order; None for what is no archive.

    An archive that did not change since it was unpacked is not unpacked again.

    Raises
    ------
    InputError
        Where the archive as a whole cannot be taken; the message says why, without its path.
    OSError
        Where it cannot be read.
    """
    with open_header(archive) as stream:
        kind = _kind_from(stream.read(TAR_BLOCK))
    if kind is None:
        return None
    try:
        state = state_of(archive)
        key = (os.path.abspath(archive) if isinstance(archive, Path) else str(archive), *state)  # noqa: PTH100
        known = unpacked.archives.get(key)
        if known is not None and all(m.copy and m.copy.exists() for m in known if isinstance(m, Member)):
            return known
        work = _Unpacking(archive, state, unpacked.new_folder(archive.name), Meter.of_archive(state.size))
        try:
            with open_plain(archive) as raw:
                _unpack_all(work, kind, raw)
        except BaseException:
            shutil.rmtree(work.folder.parent, ignore_errors=True)
            raise
    except TooMuchError:
        raise
    except _DAMAGE as error:
        raise InputError(f"the {kind} archive cannot be unpacked: {_reason(error)}") from error
    unpacked.archives[key] = work.results
    return work.results


def _unpack_all(work: _Unpacking, kind: Kind, raw: BinaryIO) -> None:
    if kind == "zip":
        _unpack_zip(work, raw)
        return
    with _OPENERS[kind](raw) if kind in _OPENERS else raw as stream:
        start = stream.read(max(TAR_BLOCK, FIRST_BYTES))
        if kind == "tar" or _is_tar_header(start[:TAR_BLOCK]):
            _unpack_tar(work, Forward(Metered(stream, work.meter, start)))
        else:
            _unpack_single(work, Metered(stream, work.meter, start), start)


def _unpack_zip(work: _Unpacking, raw: BinaryIO) -> None:
    with zipfile.ZipFile(raw) as archive:
        check_count(raw, len(archive.infolist()))
        for found in unlisted(raw, archive.infolist(), archive.start_dir):
            work.skip(safe_path(found), "a member that the archive's directory does not list", lost=True)
        for info in archive.infolist():
            work.next_member()
            name = safe_path(info.filename)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.filename.endswith("/"):  # a folder; is_dir() fails for an empty name
                continue
            if kind not in (0, stat.S_IFREG):
                work.skip(name, "a link or device in an archive, which is not followed")
            elif info.flag_bits & 1:
                reason = "an encrypted member; unpack the archive by hand, with its password"
                work.skip(name, reason, lost=True)
            else:
                with _a_member_costs_itself(work, name):
                    check_header(raw, info)
                    with archive.open(info) as stream:
                        _take_member(work, name, Metered(cast("Readable", stream), work.meter))


def _unpack_tar(work: _Unpacking, stream: Forward) -> None:
    with tarfile.TarFile(fileobj=cast("IO[bytes]", stream), mode="r") as archive:
        while (info := archive.next()) is not None:
            cast("Any", archive).members.clear()  # or tarfile would keep every one
            work.next_member()
            name = safe_path(info.name)
            if info.isdir():
                continue
            if not info.isfile() or info.issparse():
                reason = "a link, device or sparse file in an archive, which is not followed"
                work.skip(name, reason, lost=info.issparse())
            else:
                data = archive.extractfile(info)
                if data is not None:
                    _take_member(work, name, data)
    if stream.last_block != bytes(TAR_BLOCK):  # tarfile takes any odd block for the end
        raise tarfile.ReadError(f"no end of the archive, or damage, behind member {work.members}")
    # to the end: only there a compressed stream is held against its checksum
    if any([piece.count(0) < len(piece) for piece in iter(partial(stream.read, PIECE), b"")]):
        work.skip(Path("rest"), "what stands behind the end of a tar: archives were joined", lost=True)


def _unpack_single(work: _Unpacking, stream: Metered, start: bytes) -> None:
    """One compressed file: ``IM1.dcm.gz``."""
    if looks_like_dicom(start):
        work.take(".", _write(work, safe_path(PurePath(work.archive.name).stem), stream))
    elif not start:
        raise InputError("a compressed file with nothing in it")
    else:
        raise NoImageError(_NESTED if _kind_from(start) else "a compressed file, and no DICOM inside")


def _take_member(work: _Unpacking, name: Path, stream: Readable) -> None:
    start = stream.read(max(TAR_BLOCK, FIRST_BYTES))
    if looks_like_dicom(start):
        work.take(str(name), _write(work, name, stream, start))
    elif not start:
        work.skip(name, "an empty file", lost=True)
    else:
        lost = why_lost(start)
        work.skip(name, _NESTED if _kind_from(start) else lost or "not DICOM", lost=lost is not None)


def _write(work: _Unpacking, name: Path, stream: Readable, start: bytes = b"") -> Path:
    """A new file below the archive's folder; where the name is taken, in a folder of its own beside."""
    try:
        path = work.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        out = path.open("xb")
    except (FileExistsError, NotADirectoryError):
        path = Path(tempfile.mkdtemp(prefix="again-", dir=work.folder.parent)) / name.name
        out = path.open("xb")
    try:
        with out:
            piece = start or stream.read(PIECE)
            while piece:
                check_room(work.folder, len(piece))
                out.write(piece)
                piece = stream.read(PIECE)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


@contextlib.contextmanager
def _a_member_costs_itself(work: _Unpacking, name: Path) -> Iterator[None]:
    """In a zip the members do not depend on each other: one that is damaged is skipped."""
    try:
        yield
    except TooMuchError:
        raise
    except _DAMAGE as error:
        work.skip(name, f"cannot be unpacked: {_reason(error)}", lost=True)


def _reason(error: BaseException) -> str:
    # the text of a system error would repeat the path, with the temporary folder in it
    text = error.strerror if isinstance(error, OSError) and error.strerror else error
    return f"{type(error).__name__} {text}".rstrip()


_Key = tuple[str, int, int, int, int]


class _Unpacked:
    """Where this process unpacks to, and what it has unpacked: made when it is needed, removed at its end."""

    def __init__(self) -> None:
        self.archives: dict[_Key, list[Member | Skipped]] = {}
        self._root: Path | None = None
        self._owner = 0
        self._numbers = count(1)
        self._lock = threading.Lock()

    def new_folder(self, name: str) -> Path:
        """An empty folder of (nearly) this name, which is removed when the process ends."""
        with self._lock:
            if self._root is None or self._owner != os.getpid():
                # a forked child has a folder of its own: it must not remove its parent's
                self._root, self._owner = Path(tempfile.mkdtemp(prefix="dicomarray-")), os.getpid()
        folder = self._root / f"{next(self._numbers):04d}" / safe_part(name)
        folder.mkdir(parents=True)
        return folder

    def remove(self) -> None:
        """Remove what was unpacked so far; series from archives are unpacked again when they are read."""
        if self._root is not None and self._owner == os.getpid():
            shutil.rmtree(self._root, ignore_errors=True)
            self._root = None
        self.archives.clear()


# A cache: what this process unpacked, as long as it lives.
unpacked = _Unpacked()
atexit.register(unpacked.remove)
