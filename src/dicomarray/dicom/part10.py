"""A reader of its own for the hot path: it walks a Part 10 file's elements and takes what is asked for.

It reads explicit and implicit little endian, encapsulated or not, and doubts anything that it does not
understand with certainty: another byte order, a deflated data set, no preamble, an unknown VR, tags out
of order, a length that leaves the file.  Then pydicom reads the file; a test holds the two side by side.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from io import BytesIO
from struct import Struct, pack
from typing import BinaryIO, NamedTuple

from dicomarray.core.nesting import MAX_DEPTH
from dicomarray.dicom.sequence_items import FEW_ITEMS, MAX_UNIFORM_LENGTH, ItemLayouts, Leaf, Sample
from dicomarray.dicom.transfer_syntaxes import BIG_ENDIAN, DEFLATED, IMPLICIT_LITTLE_ENDIAN

# Most headers fit: one read of the file is enough for them.  Bytes.
FIRST_READ = 16 * 1024
NEXT_READ = 16 * 1024

_OTHERS = frozenset((BIG_ENDIAN, DEFLATED))
_DICOM_UIDS = "1.2.840.10008."
# (0002,0002) Media Storage SOP Class UID, (0002,0010) Transfer Syntax UID
MEDIA_STORAGE_CLASS, TRANSFER_SYNTAX = 0x00020002, 0x00020010
# (7FE0,0008) Float, (7FE0,0009) Double Float, (7FE0,0010) Pixel Data
PIXEL_DATA = (0x7FE00008, 0x7FE00009, 0x7FE00010)
META_GROUP = b"\x02\x00"
# Before "DICM", and where the file meta information begins, in bytes (PS3.10 7.1).
PREAMBLE = 128
META_START = PREAMBLE + 4
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF

# PS3.5 7.1.2: VRs with 16 and with 32 bits of length.
SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
# bytes from the tag to the value, by VR
_HEAD_BYTES = dict.fromkeys(SHORT_VRS, 8) | dict.fromkeys(LONG_VRS, 12)
_VR_TEXTS: dict[bytes | None, str | None] = {None: None} | {vr: vr.decode("ascii") for vr in _HEAD_BYTES}
# Of an element in implicit VR, or an item; in explicit VR with a short length; of a long one, behind 8 bytes.
TAG_AND_LENGTH = Struct("<HHL").unpack_from
EXPLICIT_HEAD = Struct("<HH2sH").unpack_from
LONG_LENGTH = Struct("<L").unpack_from


class Element(NamedTuple):
    """The VR as the file says it (None in implicit VR) and the value's bytes.

    ``value`` is None where it was not to be kept; ``length`` tells how many bytes it has in either case.
    Where the file leaves the length of a sequence ``undefined``, the value is its items and delimiters as
    they stand in the file, the Sequence Delimitation Item included (PS3.5 7.5).
    """

    vr: str | None
    value: bytes | None
    length: int
    undefined: bool = False


class PixelPlace(NamedTuple):
    """Where the value of the pixel data lies: bytes from the file's start; length None where undefined."""

    tag: int
    start: int
    length: int | None
    vr: str | None


class FileMeta(NamedTuple):
    """What the file meta information says, and where the data set behind it starts (PS3.10 7.1)."""

    transfer_syntax: str
    media_storage_class: str | None
    end: int

    @property
    def explicit(self) -> bool:
        """Whether the elements of the data set carry their VR (PS3.5 7.1)."""
        return self.transfer_syntax != IMPLICIT_LITTLE_ENDIAN


class Part10(NamedTuple):
    """What was asked for of a file, where its pixel data lies, and how many bytes it has."""

    meta: FileMeta
    elements: dict[int, Element]
    pixels: PixelPlace | None
    size: int


class DoubtError(Exception):
    """Something that this reader does not understand with certainty."""


# One element in its file: tag, VR, where its value starts, how many bytes that has, and whether the file
# leaves that open (then items and delimiters are counted).  A plain tuple: a class costs as much as parsing.
Place = tuple[int, bytes | None, int, int, bool]

# A value in an item: where it starts, its length, and in how many bytes the file tells that.
_Leaf = tuple[int, int, int]


class Window:
    """The bytes of a file from ``base`` on, as far as they were read; it moves along."""

    __slots__ = ("_read_at", "base", "data", "end", "size")

    def __init__(self, read_at: Callable[[int, int], bytes], size: int, start: bytes | None = None) -> None:
        self._read_at = read_at
        self.size = size
        self.base = 0
        self.data = read_at(0, FIRST_READ) if start is None else start
        self.end = len(self.data)

    def hold(self, place: int, count: int) -> None:
        """Have the ``count`` bytes from a place on in ``data``; DoubtError where the file ends before."""
        if place >= self.base and place + count <= self.end:
            return
        if place + count > self.size:
            raise DoubtError
        self.data, self.base = self._read_at(place, max(count, NEXT_READ)), place
        self.end = place + len(self.data)
        if len(self.data) < count:
            raise DoubtError

    def bytes_at(self, place: int, count: int) -> bytes:
        """A copy of the ``count`` bytes from a place on."""
        self.hold(place, count)
        return self.data[place - self.base : place - self.base + count]


def window_of(stream: BinaryIO) -> Window:
    """A window onto a file that is open as a stream, or onto what is in memory."""

    def read_at(place: int, count: int) -> bytes:
        stream.seek(place)
        return stream.read(count)

    size = len(stream.getbuffer()) if isinstance(stream, BytesIO) else os.fstat(stream.fileno()).st_size
    return Window(read_at, size)


def read_at(descriptor: int, place: int, count: int) -> bytes:
    """For a `Window` onto a file that is open without a stream."""
    os.lseek(descriptor, place, os.SEEK_SET)
    return os.read(descriptor, count)


def head_bytes(element: bytes, explicit: bool) -> int:
    """The bytes from the tag to the value of an element as it stands in a file."""
    return _HEAD_BYTES[element[4:6]] if explicit else 8


def encoded(tag: int, vr: str, value: bytes, explicit: bool, length: int | None = None) -> bytes:
    """An element as it stands in a file; ``length`` is what it says, if that is not its value's."""
    count = len(value) if length is None else length
    head = pack("<HH", tag >> 16, tag & 0xFFFF)
    if not explicit:
        return head + pack("<L", count) + value
    name = vr.encode("ascii")
    return head + (pack("<2sHL", name, 0, count) if name in LONG_VRS else pack("<2sH", name, count)) + value


def padded(value: bytes, vr: str) -> bytes:
    """A value with an even length (PS3.5 6.2): bytes and UIDs end with a zero, other texts with a blank."""
    return value + (b"\0" if vr in ("OB", "UI", "UN") else b" ") if len(value) % 2 else value


def file_start(meta: Iterable[tuple[int, str, bytes]]) -> bytes:
    """Preamble and file meta information (PS3.10 7.1): its elements by tag, VR and value, in order."""
    elements = b"".join(encoded(tag, vr, padded(value, vr), explicit=True) for tag, vr, value in meta)
    length = encoded(0x00020000, "UL", pack("<L", len(elements)), explicit=True)
    return b"\0" * PREAMBLE + b"DICM" + length + elements


def element_at(
    window: Window, place: int, explicit: bool, depth: int = 0, leaves: list[_Leaf] | None = None
) -> Place:
    """The element that starts at a place; of pixel data the length is what the file says.

    Raises
    ------
    DoubtError
        For an unknown VR, an undefined length of anything but a sequence, and where the file ends.
    """
    if place < window.base or place + 12 > window.end:
        window.hold(place, min(12, max(8, window.size - place)))  # 8 bytes can be the last of a file
    if explicit:
        group, number, vr, length = EXPLICIT_HEAD(window.data, place - window.base)
        head = _HEAD_BYTES.get(vr)
        if head == 12:
            window.hold(place, 12)
            (length,) = LONG_LENGTH(window.data, place - window.base + 8)
        elif head is None:
            raise DoubtError
    else:
        group, number, length = TAG_AND_LENGTH(window.data, place - window.base)
        vr, head = None, 8
    tag, value = group << 16 | number, place + head
    if length != UNDEFINED or (tag in PIXEL_DATA and depth == 0):
        return tag, vr, value, length, length == UNDEFINED
    if vr not in (b"SQ", None):
        raise DoubtError
    return tag, vr, value, _after_sequence(window, value, explicit, depth, leaves) - value, True


def _after_sequence(
    window: Window, place: int, explicit: bool, depth: int, leaves: list[_Leaf] | None
) -> int:
    """The place behind a sequence of undefined length whose items begin at a place (PS3.5 7.5)."""
    if depth >= MAX_DEPTH:
        raise DoubtError
    count, similar = 0, None
    while True:
        window.hold(place, 8)
        group, number, length = TAG_AND_LENGTH(window.data, place - window.base)
        tag, place = group << 16 | number, place + 8
        if tag == SEQUENCE_END:
            return place
        if tag != ITEM:
            raise DoubtError
        count += 1
        if length != UNDEFINED:
            if leaves is not None:
                leaves.append((place, length, 4))
            place += length
        elif depth == 0 and count > FEW_ITEMS:
            similar = similar or _UniformItems(window, explicit)
            place = similar.after(place)
        else:
            place = _after_item(window, place, explicit, depth, leaves)


def _after_item(window: Window, place: int, explicit: bool, depth: int, leaves: list[_Leaf] | None) -> int:
    while True:
        window.hold(place, 8)
        group, number, _ = TAG_AND_LENGTH(window.data, place - window.base)
        if group << 16 | number == ITEM_END:
            return place + 8
        _, _, value, length, undefined = element_at(window, place, explicit, depth + 1, leaves)
        if leaves is not None and not undefined:
            leaves.append((value, length, 2 if explicit and value - place == 8 else 4))
        place = value + length


class _UniformItems:
    """Passes by the items of undefined length of one sequence; similar ones are walked once."""

    def __init__(self, window: Window, explicit: bool) -> None:
        self._window, self._explicit = window, explicit
        self._layouts = ItemLayouts()
        self._longest = 0

    def after(self, place: int) -> int:
        """The place behind the item that begins at a place."""
        window = self._window
        window.hold(place, min(self._longest, window.size - place))
        found = self._layouts.read(window.data, place - window.base, len(window.data), True)
        if found is not None:
            return window.base + found[2]
        end = _after_item(window, place, self._explicit, 0, None)
        if end - place <= MAX_UNIFORM_LENGTH:
            content = window.bytes_at(place, end - place)
            # others may be somewhat longer, and are compared in one piece
            self._longest = max(self._longest, 2 * len(content))
            self._layouts.learn(content, 0, len(content), True, lambda: self._sample(place, content))
        return end

    def _sample(self, place: int, content: bytes) -> Sample:
        leaves: list[_Leaf] = []
        _after_item(self._window, place, self._explicit, 0, leaves)
        found = (Leaf(value - place, length, width) for value, length, width in leaves)
        return Sample(content, tuple(found))


def read_file_meta(window: Window) -> FileMeta:
    """The file meta information; DoubtError where it is missing, or the data set is not read here."""
    if window.bytes_at(PREAMBLE, 4) != b"DICM":
        raise DoubtError
    found: dict[int, str] = {}
    place = META_START
    while window.bytes_at(place, 2) == META_GROUP:
        tag, vr, value, length, _ = element_at(window, place, True)
        if vr == b"SQ":
            raise DoubtError
        if tag in (MEDIA_STORAGE_CLASS, TRANSFER_SYNTAX):
            found[tag] = window.bytes_at(value, length).rstrip(b" \0").decode("latin-1")
        place = value + length
    syntax = found.get(TRANSFER_SYNTAX, "")
    if not syntax.startswith(_DICOM_UIDS) or syntax in _OTHERS:
        raise DoubtError
    if syntax == IMPLICIT_LITTLE_ENDIAN and window.bytes_at(place + 4, 2) in _HEAD_BYTES:
        raise DoubtError  # it says implicit, and looks explicit
    return FileMeta(syntax, found.get(MEDIA_STORAGE_CLASS), place)


def walk(window: Window, place: int, explicit: bool) -> Iterator[Place]:
    """The elements of the data set from a place on, up to and with the pixel data or to the file's end.

    Raises
    ------
    DoubtError
        Where something is not understood with certainty: what was yielded before it must not be used.
    """
    last, size = 0, window.size
    while place < size:
        element = element_at(window, place, explicit)
        tag = element[0]
        if tag <= last or tag >= ITEM:
            raise DoubtError
        yield element
        if tag in PIXEL_DATA:
            return
        last, place = tag, element[2] + element[3]
    if place != size:
        raise DoubtError


def repeated_tag(stream: BinaryIO) -> int | None:
    """The first standard tag that stands twice in a data set, with two values (PS3.5 7.1 has each once).

    Private elements and group lengths do not count; None also where the file is none that this reader walks.
    """
    window, found = window_of(stream), dict[int, bytes]()
    with suppress(DoubtError):
        meta = read_file_meta(window)
        place = meta.end
        while place < window.size:
            tag, _, start, length, _ = element_at(window, place, meta.explicit)
            if tag in PIXEL_DATA:
                break
            if not tag >> 16 & 1 and tag & 0xFFFF:
                value = window.bytes_at(start, length)
                if found.setdefault(tag, value) != value:
                    return tag
            place = start + length
    return None


def pixel_place(element: Place) -> PixelPlace:
    """The place of pixel data from its element."""
    tag, vr, value, length, undefined = element
    return PixelPlace(tag, value, None if undefined else length, vr_text(vr))


def read_part10(stream: BinaryIO, wanted: frozenset[int] | Callable[[int], bool] | None) -> Part10 | None:
    """The wanted elements of a file, by tag; None where pydicom had better read it.

    ``stream`` is a file or bytes in memory, at its start; ``wanted`` are tags, or what tells of a tag whether
    it is wanted; None means every element before the pixel data, sequences and private ones too.  Values are
    copied bytes.  Nothing is read behind the tag of the pixel data, and no memory is taken on a length that
    the file does not hold.
    """
    window = window_of(stream)
    wants = wanted.__contains__ if isinstance(wanted, frozenset) else wanted
    try:
        meta = read_file_meta(window)
        elements: dict[int, Element] = {}
        pixels = None
        for element in walk(window, meta.end, meta.explicit):
            tag, vr, value, length, undefined = element
            if tag in PIXEL_DATA:
                pixels = pixel_place(element)
            elif wants is None or wants(tag):
                elements[tag] = Element(vr_text(vr), window.bytes_at(value, length), length, undefined)
    except DoubtError:
        return None
    return Part10(meta, elements, pixels, window.size)


def vr_text(vr: bytes | None) -> str | None:
    """The VR of an element as text; None in implicit VR."""
    return _VR_TEXTS[vr]
