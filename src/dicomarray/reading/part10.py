"""A reader of its own for the hot path: it walks a Part 10 file's elements and takes what is asked for.

It reads explicit and implicit little endian, encapsulated or not, and says None to anything that it does
not understand with certainty: another byte order, a deflated data set, no preamble, an unknown VR, tags out
of order, a length that leaves the file.  Then pydicom reads the file; a test holds the two side by side.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from struct import Struct
from typing import BinaryIO

from dicomarray.reading.files import PREAMBLE

# Most headers fit: one read of the file is enough for them.  Bytes.
FIRST_READ = 16 * 1024
NEXT_READ = 64 * 1024
# Sequences of undefined length hold items that hold sequences; real ones are a few levels deep.
DEEPEST = 16

IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
_OTHERS = frozenset(("1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"))  # big endian, deflated
_DICOM_UIDS = "1.2.840.10008."
# (0002,0002) Media Storage SOP Class UID, (0002,0010) Transfer Syntax UID
_MEDIA_STORAGE_CLASS, _TRANSFER_SYNTAX = 0x00020002, 0x00020010
# (7FE0,0008) Float, (7FE0,0009) Double Float, (7FE0,0010) Pixel Data
PIXEL_DATA = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_META_GROUP = b"\x02\x00"
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF

# PS3.5 7.1.2: VRs with 16 and with 32 bits of length.
_SHORT = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_TAG_AND_LENGTH = Struct("<HHL").unpack_from
_EXPLICIT = Struct("<HH2sH").unpack_from
_LENGTH = Struct("<L").unpack_from


@dataclass(frozen=True, slots=True)
class Element:
    """The VR as the file says it (None in implicit VR) and the value's bytes."""

    vr: str | None
    value: bytes


@dataclass(frozen=True, slots=True)
class PixelPlace:
    """Where the value of the pixel data lies: bytes from the file's start; length None where undefined."""

    tag: int
    start: int
    length: int | None
    vr: str | None


@dataclass(frozen=True, slots=True)
class Part10:
    """What was asked for of a file, where its pixel data lies, and how many bytes it has."""

    transfer_syntax: str
    media_storage_class: str | None
    elements: dict[int, Element]
    pixels: PixelPlace | None
    size: int


class _DoubtError(Exception):
    """Something that this reader does not understand with certainty."""


class _Walker:
    """The bytes of a file around a place, and the elements from there on."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.size = os.fstat(stream.fileno()).st_size
        self.base = 0
        self.data = stream.read(FIRST_READ)
        self.explicit = True

    def at(self, place: int, count: int) -> int:
        """Where in ``data`` the ``count`` bytes from ``place`` on begin; they are read where needed."""
        if place + count > self.size:
            raise _DoubtError
        if place < self.base or place + count > self.base + len(self.data):
            self.stream.seek(place)
            self.data, self.base = self.stream.read(max(count, NEXT_READ)), place
            if len(self.data) < count:
                raise _DoubtError
        return place - self.base

    def element(self, place: int) -> tuple[int, bytes | None, int, int]:
        """Tag, VR, place and length of the value of the element at a place."""
        offset = self.at(place, 8)
        if not self.explicit:
            group, number, length = _TAG_AND_LENGTH(self.data, offset)
            return group << 16 | number, None, place + 8, length
        group, number, vr, length = _EXPLICIT(self.data, offset)
        if vr in _SHORT:
            return group << 16 | number, vr, place + 8, length
        if vr not in _LONG:
            raise _DoubtError
        (length,) = _LENGTH(self.data, self.at(place + 8, 4))
        return group << 16 | number, vr, place + 12, length

    def value(self, place: int, length: int) -> bytes:
        offset = self.at(place, length)
        return self.data[offset : offset + length]

    def after_sequence(self, place: int, depth: int = 0) -> int:
        """The place behind a sequence of undefined length whose items begin at a place."""
        if depth > DEEPEST:
            raise _DoubtError
        while True:
            group, number, length = _TAG_AND_LENGTH(self.data, self.at(place, 8))
            tag, place = group << 16 | number, place + 8
            if tag == _SEQUENCE_END:
                return place
            if tag != _ITEM:
                raise _DoubtError
            place = self._after_item(place, depth) if length == _UNDEFINED else place + length

    def _after_item(self, place: int, depth: int) -> int:
        while True:
            group, number, _ = _TAG_AND_LENGTH(self.data, self.at(place, 8))
            if group << 16 | number == _ITEM_END:
                return place + 8
            _, vr, place, length = self.element(place)
            if length != _UNDEFINED:
                place += length
            elif vr in (b"SQ", None):
                place = self.after_sequence(place, depth + 1)
            else:
                raise _DoubtError


def read_part10(stream: BinaryIO, wanted: frozenset[int]) -> Part10 | None:
    """The wanted elements of a file, by tag; None where pydicom had better read it.

    ``stream`` is a real file at its start.  Values are copied bytes; nothing is read behind the tag of the
    pixel data, and no memory is taken on a length that the file does not hold.
    """
    try:
        return _read(_Walker(stream), wanted)
    except _DoubtError:
        return None


def _read(walker: _Walker, wanted: frozenset[int]) -> Part10:
    if walker.data[PREAMBLE : PREAMBLE + 4] != b"DICM":
        raise _DoubtError
    syntax, media_storage_class, place = _file_meta(walker, PREAMBLE + 4)
    walker.explicit = syntax != IMPLICIT_LITTLE_ENDIAN
    if not walker.explicit and walker.value(place + 4, 2) in _SHORT | _LONG:
        raise _DoubtError  # it says implicit, and looks explicit
    elements: dict[int, Element] = {}
    last = 0
    while place < walker.size:
        tag, vr, place, length = walker.element(place)
        if tag <= last or tag >= _ITEM:
            raise _DoubtError
        last = tag
        if tag in PIXEL_DATA:
            where = PixelPlace(tag, place, None if length == _UNDEFINED else length, _text(vr))
            return Part10(syntax, media_storage_class, elements, where, walker.size)
        if length == _UNDEFINED:
            if tag in wanted or vr not in (b"SQ", None):
                raise _DoubtError
            place = walker.after_sequence(place)
            continue
        if tag in wanted:
            elements[tag] = Element(_text(vr), walker.value(place, length))
        place += length
    if place != walker.size:
        raise _DoubtError
    return Part10(syntax, media_storage_class, elements, None, walker.size)


def _file_meta(walker: _Walker, place: int) -> tuple[str, str | None, int]:
    """Transfer syntax, class, and where the data set begins (PS3.10 7.1)."""
    found: dict[int, str] = {}
    while walker.value(place, 2) == _META_GROUP:
        tag, _, start, length = walker.element(place)
        if tag in (_MEDIA_STORAGE_CLASS, _TRANSFER_SYNTAX):
            found[tag] = walker.value(start, length).rstrip(b" \0").decode("latin-1")
        place = start + length
    syntax = found.get(_TRANSFER_SYNTAX, "")
    if not syntax.startswith(_DICOM_UIDS) or syntax in _OTHERS:
        raise _DoubtError
    return syntax, found.get(_MEDIA_STORAGE_CLASS), place


def _text(vr: bytes | None) -> str | None:
    return None if vr is None else vr.decode("ascii")
