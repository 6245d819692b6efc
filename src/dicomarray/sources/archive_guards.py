"""What an archive is not trusted with: sizes, counts, names, and seeking backwards."""

from __future__ import annotations

import re
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

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
