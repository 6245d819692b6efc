"""The elements of a file before its pixel data, as bytes: what a usual file holds, found fast.

Whatever is unusual is not read here but by pydicom: the slices of one series are alike, so nearly all of the
elements of one are those of the slice before, byte for byte.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from dicomarray.core.nesting import DEEPEST
from dicomarray.storage.plain_files import READ_AT_ONCE

_PREAMBLE, _MAGIC = 128, b"DICM"
# How many bytes are read at first, and at most: headers are 2 to 20 kB, with a large private part 200 kB.
_FIRST_BYTES, _MOST_BYTES = 1 << 14, 1 << 22
# VRs with a length in 32 bits after two reserved bytes, and those with one in 16 bits (PS3.5 7.1.2).
_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_SHORT = {
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL",
    b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
}  # fmt: skip
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_TRANSFER_SYNTAX = 0x00020010
# Float, double float and integer pixel data: the header ends before them.
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_GROUP_2 = 0x00030000
_TAG, _LENGTH_16, _LENGTH_32 = struct.Struct("<HH"), struct.Struct("<H"), struct.Struct("<L")


class NotUsual(Exception):  # noqa: N818 - never leaves this package: pydicom reads the file then
    """The bytes are not understood with certainty."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """``elements`` are those of the top level before pixel data, by tag and in order, each as in the file.

    ``implicit``: whether they are without VR.
    """

    syntax: str
    implicit: bool
    elements: dict[int, bytes]

    @property
    def size(self) -> int:
        """Bytes of all elements."""
        return sum(map(len, self.elements.values()))

    def value(self, tag: int) -> bytes:
        """The bytes of an element's value; empty where it is absent."""
        element = self.elements.get(tag, b"")
        return element[value_offset(element, self.implicit) :] if element else b""


def read_head(path: Path, like: Head | None = None) -> Head | None:
    """The head of a file, or None where pydicom must read it; ``like`` is one that is probably similar.

    Raises
    ------
    OSError
        Where the file cannot be read.
    """
    # without a file object, which asks the system six things more about each of many files
    file = os.open(path, READ_AT_ONCE)
    try:
        data = more = os.read(file, _FIRST_BYTES)
        while more and len(data) <= _MOST_BYTES:
            try:
                return parse_head(data, like)
            except NotUsual:
                return None
            except (IndexError, struct.error):  # cut off: more of the file may help
                more = os.read(file, 7 * len(data))
                data += more
        return None
    finally:
        os.close(file)


def parse_head(data: bytes, like: Head | None = None) -> Head:
    """The elements of a Part 10 file's first bytes.

    Raises
    ------
    NotUsual
        Where the file is none that is understood with certainty.
    IndexError, struct.error
        Where the bytes end before the pixel data begins.
    """
    if data[_PREAMBLE : _PREAMBLE + 4] != _MAGIC:
        raise NotUsual
    position, syntax = file_meta(data)
    implicit = syntax == ImplicitVRLittleEndian
    elements: dict[int, bytes] = {}
    if like is not None and like.syntax == syntax:
        position = _alike(data, position, like, elements)
    last = next(reversed(elements), 0)
    while True:
        tag, end = _element(data, position, implicit)
        if tag <= last:
            raise NotUsual
        if tag in _PIXELS:
            return Head(syntax, implicit, elements)
        elements[tag] = data[position:end]
        last, position = tag, end


def value_offset(element: bytes, implicit: bool) -> int:
    """Where the value of an encoded element begins."""
    return 12 if not implicit and element[4:6] in _LONG else 8


def encoded(tag: int, vr: bytes, value: bytes, implicit: bool) -> bytes:
    """An element with a VR whose length has 16 bits, its value padded already."""
    words = _TAG.pack(tag >> 16, tag & 0xFFFF)
    if implicit:
        return words + _LENGTH_32.pack(len(value)) + value
    return words + vr + _LENGTH_16.pack(len(value)) + value


def _alike(data: bytes, position: int, like: Head, elements: dict[int, bytes]) -> int:
    """Take over what equals the other file's, and what has the same tag; stop at the first other tag."""
    for tag, element in like.elements.items():
        if data.startswith(element, position):
            elements[tag] = element
            position += len(element)
            continue
        found, end = _element(data, position, like.implicit)
        if found != tag:
            break
        elements[tag] = data[position:end]
        position = end
    return position


def file_meta(data: bytes) -> tuple[int, str]:
    """Where the data set of a Part 10 file begins, and its transfer syntax (PS3.10 7.1: in Explicit VR)."""
    position, syntax = _PREAMBLE + 4, ""
    while True:
        group, element = _TAG.unpack_from(data, position)
        tag = group << 16 | element
        if tag >= _GROUP_2:
            break
        _, end = _element(data, position, implicit=False)
        if tag == _TRANSFER_SYNTAX:
            syntax = data[position + 8 : end].rstrip(b"\0 ").decode("latin-1")
        position = end
    if syntax in ("", ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian):
        raise NotUsual
    return position, syntax


def _element(data: bytes, position: int, implicit: bool, depth: int = 0) -> tuple[int, int]:
    """(tag, end) of the element at a position; of pixel data the tag alone counts."""
    group, element = _TAG.unpack_from(data, position)
    tag = group << 16 | element
    if tag in _PIXELS and not depth:
        return tag, position
    vr = data[position + 4 : position + 6]
    if implicit:
        start, length = position + 8, _LENGTH_32.unpack_from(data, position + 4)[0]
    elif vr in _SHORT:
        start, length = position + 8, _LENGTH_16.unpack_from(data, position + 6)[0]
    elif vr in _LONG:
        start, length = position + 12, _LENGTH_32.unpack_from(data, position + 8)[0]
    else:
        raise NotUsual
    if length == _UNDEFINED:
        if not implicit and vr != b"SQ":
            raise NotUsual
        return tag, _sequence_end(data, start, implicit, depth + 1)
    if start + length > len(data):
        raise IndexError
    return tag, start + length


def _sequence_end(data: bytes, position: int, implicit: bool, depth: int) -> int:
    """Behind a sequence of undefined length (PS3.5 7.5.2)."""
    if depth > DEEPEST:
        raise NotUsual
    while True:
        tag, length = _item_tag(data, position)
        position += 8
        if tag == _SEQUENCE_END:
            return position
        if tag != _ITEM:
            raise NotUsual
        if length != _UNDEFINED:
            position += length
            continue
        while _item_tag(data, position)[0] != _ITEM_END:
            _, position = _element(data, position, implicit, depth)
        position += 8


def _item_tag(data: bytes, position: int) -> tuple[int, int]:
    group, element = _TAG.unpack_from(data, position)
    return group << 16 | element, _LENGTH_32.unpack_from(data, position + 4)[0]
