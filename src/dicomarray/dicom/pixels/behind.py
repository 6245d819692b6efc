"""What stands behind the pixel data of a file: elements, or bytes that belong to nothing."""

from __future__ import annotations

from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.dicom.part10 import LONG_VRS, PREAMBLE, SHORT_VRS, DoubtError, Window, walk
from dicomarray.dicom.pixels.location import PIXEL_TAGS, PixelSource
from dicomarray.dicom.transfer_syntaxes import BIG_ENDIAN, IMPLICIT_LITTLE_ENDIAN

TRAILING = "trailing-bytes"
_MIN_TAG = max(PIXEL_TAGS) + 1
SECOND_FILE = warning(
    "behind the pixel data stands a second DICOM file, which is not read: files were joined; separate "
    "them [trailing-bytes]"
)
NO_ELEMENTS = warning(
    "behind the pixel data stand bytes that are no elements, and are not read: the file may be damaged, or "
    "several files were joined [trailing-bytes]"
)


def behind_pixels(source: PixelSource, end: int, transfer_syntax: str) -> Warnings:
    """The warning for what stands from ``end`` on, if it is neither elements nor a byte of padding.

    Elements may follow: private ones, digital signatures and Data Set Trailing Padding (PS3.10 7.2).
    """
    size = source.start + source.available
    if end >= size:
        return ()
    window = Window(lambda place, count: _read(source, place, count), size, b"")
    try:
        if end + PREAMBLE + 4 <= size and window.bytes_at(end + PREAMBLE, 4) == b"DICM":
            return SECOND_FILE
        if end + 1 == size:
            return () if window.bytes_at(end, 1) == b"\0" else NO_ELEMENTS
        if transfer_syntax == BIG_ENDIAN:
            return () if _begins_big_endian(window.bytes_at(end, min(size - end, 8))) else NO_ELEMENTS
        # files that claim implicit VR are explicit now and then, and read so
        explicit = (True,) if transfer_syntax != IMPLICIT_LITTLE_ENDIAN else (False, True)
        return () if any(_are_elements(window, end, one) for one in explicit) else NO_ELEMENTS
    except DoubtError:
        return NO_ELEMENTS


def _are_elements(window: Window, start: int, explicit: bool) -> bool:
    """Whether all from there to the end are elements that may follow."""
    try:
        return all(tag >= _MIN_TAG for tag, *_ in walk(window, start, explicit))
    except DoubtError:
        return False


def behind_data_set(rest: bytes) -> Warnings:
    """The same of a whole data set, which only a byte of padding may follow."""
    if b"DICM" in rest[PREAMBLE : PREAMBLE + 5]:
        return SECOND_FILE
    return () if rest in (b"", b"\0") else NO_ELEMENTS


def _begins_big_endian(start: bytes) -> bool:
    """Whether bytes begin as an element that may follow; our own reader does not walk this byte order."""
    return start[4:6] in SHORT_VRS | LONG_VRS and int.from_bytes(start[:4], "big") >= _MIN_TAG


def _read(source: PixelSource, place: int, count: int) -> bytes:
    source.stream.seek(place)
    return source.stream.read(count)
