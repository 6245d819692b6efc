"""A zip archive says thrice what is in it: how many members, a directory of them, and a header before each.

Where these disagree, members can be lost without a word: `zipfile` goes by the directory alone (APPNOTE.TXT
4.3.6 to 4.3.16).
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO

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
