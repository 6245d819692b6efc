"""What an archive is not trusted with: sizes, counts, names, seeking backwards, what a zip says of it.

A zip says thrice what is in it: how many members, a directory of them, and a header before each.  Where
these disagree, members can be lost without a word: `zipfile` goes by the directory alone (APPNOTE.TXT 4.3.6
to 4.3.16).
"""

from __future__ import annotations

import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Protocol

from dicomarray.errors import InputError

# A large study has some ten gigabytes.  What is larger is better unpacked by hand, where it can be found.
LARGEST_UNPACKED_BYTES = 1 << 38  # 256 GiB, of one archive
# CT and MR shrink to a third or a half, masks and drawings to a hundredth; deflate reaches a thousandth.
LARGEST_RATIO = 100
# Below this a bomb does no harm, and small archives of empty masks pass.
BYTES_OF_ANY_RATIO = 1 << 30
# Members that are no DICOM cost time too.  The largest series have some ten thousand files.
MAX_MEMBERS = 1_000_000
# What stays free on the disk, for everybody else.
MIN_FREE_BYTES = 1 << 28
PIECE = 1 << 20
# tarfile keeps the extended header of a member in memory; those that mean it have a few kilobytes.
LARGEST_TAR_HEADER = PIECE
# File systems allow 255 bytes a name and some 4,096 (macOS 1,024, Windows 260) a path.
MAX_NAME_LENGTH, MAX_MEMBER_PATH_LENGTH = 100, 160

# Characters that some file system refuses or a terminal obeys; what Windows takes for a device.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*\ud800-\udfff]')
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class Readable(Protocol):
    """What is needed of a stream."""

    def read(self, size: int, /) -> bytes: ...


class TooMuchError(InputError):
    """An archive that holds more than it is trusted with."""


@dataclass(slots=True)
class Meter:
    """Counts what comes out of an archive, against what its size allows."""

    allowed: int
    used: int = 0

    @classmethod
    def of_archive(cls, archive_size: int) -> Meter:
        """What an archive of so many bytes may unpack to."""
        return cls(min(LARGEST_UNPACKED_BYTES, max(BYTES_OF_ANY_RATIO, LARGEST_RATIO * archive_size)))

    def take(self, size: int) -> None:
        self.used += size
        if self.used > self.allowed:
            raise TooMuchError(
                f"it unpacks to more than {self.allowed} bytes, more than an archive of its size is trusted "
                "with; unpack it by hand, if that is right"
            )


@dataclass(slots=True)
class Metered:
    """A stream of which every byte is counted."""

    stream: Readable
    meter: Meter
    pending: bytes = b""
    """What was read before, to come first."""

    def read(self, size: int, /) -> bytes:
        data, self.pending = self.pending[:size], self.pending[size:]
        if len(data) < size:
            data += self.stream.read(size - len(data))
        self.meter.take(len(data))
        return data


def check_members(number: int) -> None:
    """Raise TooMuchError for an archive with too many members."""
    if number > MAX_MEMBERS:
        raise TooMuchError(f"it has more than {MAX_MEMBERS} members; unpack it by hand")


def check_room(folder: Path, size: int) -> None:
    """Raise TooMuchError where so many bytes would fill the disk."""
    if shutil.disk_usage(folder).free < size + MIN_FREE_BYTES:
        raise TooMuchError(f"no room to unpack it in {tempfile.gettempdir()}; let TMPDIR name another folder")


class Forward:
    """What tarfile needs of a file: it reads forwards only.

    A compressed stream can be sought only by inflating it again from its start, and tarfile takes a
    header of any length into memory: neither is done.
    """

    def __init__(self, stream: Metered) -> None:
        self._stream = stream
        self._position = 0
        self.last_block = b""
        """What was read last: zeros where the archive ended as it should."""

    def read(self, size: int) -> bytes:
        if size > LARGEST_TAR_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        self.last_block = self._stream.read(size)
        self._position += len(self.last_block)
        return self.last_block

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        if position < self._position:
            raise tarfile.ReadError("members overlap")
        while self._position < position:
            if not self.read(min(PIECE, position - self._position)):
                raise tarfile.ReadError("it ends too early")
        return position


def safe_path(name: str) -> Path:
    """A member's name as a relative path that leaves no folder and that every file system takes."""
    parts = [safe_part(part) for part in re.split(r"[/\\]", name) if part.strip(". ")]
    path = Path(*parts) if parts else Path("unnamed")
    return path if len(str(path)) <= MAX_MEMBER_PATH_LENGTH else Path(path.name)


def safe_part(part: str) -> str:
    """One name of a file or folder, made harmless."""
    part = part[-MAX_NAME_LENGTH:]  # the end tells more than the beginning: numbers stand there
    part = (
        _UNSAFE.sub("_", part).encode()[-MAX_NAME_LENGTH:].decode(errors="ignore").rstrip(". ") or "unnamed"
    )
    return f"_{part}" if _DEVICE.fullmatch(part) else part


_HEADER = Struct("<4s5H3L2H")  # of a member, 4.3.7
_END = Struct("<4s4H2LH")  # of the directory, 4.3.16
_END_64 = Struct("<4sQ2H2L4Q")  # 4.3.14; a locator of 20 bytes stands between the two
_LOCATOR_BYTES = 20
_MEMBER, _END_MARK, _END_64_MARK = b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06"
_MAX_COMMENT_LENGTH = 0xFFFF
# Behind the data of a member: its mark, CRC and sizes of 64 bits (4.3.9).
_MAX_DESCRIPTOR_LENGTH = 24
_SIZES_BEHIND = 0x08  # general purpose bit 3: the header tells no sizes, the descriptor does
_IN_EXTRA_FIELD = 0xFFFFFFFF


def check_count(stream: BinaryIO, listed: int) -> None:
    """Raise BadZipFile where an archive's end tells another number of members than its directory lists."""
    stated = _declared_count(stream)
    if stated is not None and stated != listed % (1 << 16 if stated < 1 << 16 else 1 << 64):
        raise zipfile.BadZipFile(f"its end says {stated} members, its directory lists {listed}")


def _declared_count(stream: BinaryIO) -> int | None:
    """How many members the archive's end tells, modulo 65536 if it is none of Zip64; None where it is odd."""
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _END.size - _MAX_COMMENT_LENGTH - _LOCATOR_BYTES - _END_64.size))
    tail = stream.read()
    at = tail.rfind(_END_MARK)
    if at < 0 or at + _END.size > len(tail):
        return None
    count = int(_END.unpack_from(tail, at)[4])
    at_64 = at - _LOCATOR_BYTES - _END_64.size
    if count < _MAX_COMMENT_LENGTH or at_64 < 0 or not tail.startswith(_END_64_MARK, at_64):
        return count
    return int(_END_64.unpack_from(tail, at_64)[7])


def check_header(stream: BinaryIO, info: zipfile.ZipInfo) -> None:
    """Raise BadZipFile where the header before a member tells another size or CRC than the directory."""
    fields = _header_at(stream, info.header_offset)
    if fields is None or fields[2] & _SIZES_BEHIND:
        return  # `zipfile` says what is wrong
    stated, listed = fields[6:9], (info.CRC, info.compress_size, info.file_size)
    if any(one != other for one, other in zip(stated, listed, strict=True) if one != _IN_EXTRA_FIELD):
        raise zipfile.BadZipFile("its header and the archive's directory tell different sizes or CRCs")


def unlisted(stream: BinaryIO, infos: list[zipfile.ZipInfo], directory: int) -> Iterator[str]:
    """The names of members before, between or behind those that the directory lists, which it lists not."""
    end = 0
    for info in [*sorted(infos, key=lambda one: one.header_offset), None]:
        start = directory if info is None else info.header_offset
        yield from _members_between(stream, end, start)
        if info is not None and (fields := _header_at(stream, start)) is not None:
            end = max(end, start + _HEADER.size + fields[9] + fields[10] + info.compress_size)


def _members_between(stream: BinaryIO, end: int, start: int) -> Iterator[str]:
    """The first member in the bytes between two that are listed, if there is one."""
    if start - end < _HEADER.size:
        return
    stream.seek(end)
    at = stream.read(_MAX_DESCRIPTOR_LENGTH + len(_MEMBER)).find(_MEMBER)
    fields = _header_at(stream, end + at) if at >= 0 else None
    if fields is not None and end + at < start:
        stream.seek(end + at + _HEADER.size)
        yield stream.read(int(fields[9])).decode("utf-8", "replace")


def _header_at(stream: BinaryIO, place: int) -> tuple[int, ...] | None:
    stream.seek(place)
    raw = stream.read(_HEADER.size)
    return _HEADER.unpack(raw) if len(raw) == _HEADER.size and raw.startswith(_MEMBER) else None
