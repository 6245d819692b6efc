"""The elements of a usual file before its pixel data, as bytes, to be copied into another file.

Files that `part10` doubts, and those without pixel data, are left to pydicom.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dicomarray.dicom.part10 import (
    FIRST_READ,
    PIXEL_DATA,
    DoubtError,
    FileMeta,
    Window,
    element_at,
    head_bytes,
    read_at,
    read_file_meta,
    walk,
    window_of,
)
from dicomarray.storage.plain_files import READ_AT_ONCE
from dicomarray.storage.references import Reference

# Headers are 2 to 20 kB, with a large private part 200 kB; what is larger is not copied this way.  Bytes.
LARGEST = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class RawHeader:
    """``elements`` are those of the top level before pixel data, by tag and in order, each as in the file."""

    meta: FileMeta
    elements: dict[int, bytes]

    @property
    def size(self) -> int:
        """Bytes of all elements."""
        return sum(map(len, self.elements.values()))

    def value(self, tag: int) -> bytes:
        """The bytes of an element's value; empty where it is absent."""
        element = self.elements.get(tag)
        return b"" if element is None else element[head_bytes(element, self.meta.explicit) :]


def read_raw_header(path: Reference, like: RawHeader | None = None) -> RawHeader | None:
    """The head of a file, or None where pydicom must read it; ``like`` is one that is probably similar.

    Raises
    ------
    OSError
        Where the file cannot be read.
    """
    try:
        if not isinstance(path, Path):
            with path.open_header() as stream:
                return _read(window_of(stream), like)
        # without a file object, which asks the system six things more about each of many files
        file = os.open(path, READ_AT_ONCE)
        try:
            start = os.read(file, FIRST_READ)
            return _read(Window(partial(read_at, file), os.fstat(file).st_size, start), like)
        finally:
            os.close(file)
    except DoubtError:
        return None


def _read(window: Window, like: RawHeader | None) -> RawHeader:
    meta = read_file_meta(window)
    elements: dict[int, bytes] = {}
    place = meta.end
    if like is not None and like.meta.transfer_syntax == meta.transfer_syntax:
        place = _take_equal(window, place, like, elements)
    last = next(reversed(elements), 0)
    for tag, _, value, length, _ in walk(window, place, meta.explicit):
        if tag in PIXEL_DATA:
            return RawHeader(meta, elements)
        end = value + length
        if tag <= last or end > LARGEST:
            break
        elements[tag] = window.bytes_at(place, end - place)
        place = end
    raise DoubtError


def _take_equal(window: Window, place: int, like: RawHeader, elements: dict[int, bytes]) -> int:
    """Take over what equals the other file's, and what has the same tag; stop at the first other tag."""
    for tag, element in like.elements.items():
        if window.data.startswith(element, place - window.base):
            elements[tag] = element
            place += len(element)
            continue
        found, _, value, length, _ = element_at(window, place, like.meta.explicit)
        if found != tag:
            break
        elements[tag] = window.bytes_at(place, value + length - place)
        place = value + length
    return place
