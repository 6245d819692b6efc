"""All elements of files that are nearly the same: what has the bytes of an earlier file is not walked again.

`templates` does the same for the few attributes of a scan, in less time.  Here every element is kept, so
that it is enough to know which bytes are the same as before, and to walk the elements that are not.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from dicomarray.dicom.headers.series_key import series_key
from dicomarray.dicom.part10 import (
    FIRST_READ,
    PIXEL_DATA,
    PREAMBLE,
    DoubtError,
    Element,
    FileMeta,
    Part10,
    Place,
    Window,
    element_at,
    pixel_place,
    read_file_meta,
    vr_text,
    walk,
    window_of,
)

IsKept = Callable[[int, str | None, int], bool]
# So many elements are compared at once: mostly all of them are the same.
PIECE = 12
# Bytes behind the file meta information by which its end is known, and that elements say their VR or do not.
FOLLOWING = 6
# Longer headers hold bulk data, which would be read only to be compared.  Bytes.
MAX_HEADER = 256 * 1024
# Series whose latest file is remembered; an archive may have the files of many mixed in a folder.
MAX_SERIES = 64


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some elements that follow each other: their bytes as they stand in the file, and what they are."""

    content: bytes
    elements: dict[int, Element]
    # of each element the tag, and the bytes from its head to its end
    parts: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """The first file of a series: its beginning, as bytes, and its elements piece by piece."""

    meta: FileMeta
    start: bytes
    pieces: tuple[_Piece, ...]


class SimilarFiles:
    """Reads every element before the pixel data of any files, one after the other."""

    def __init__(self, is_kept: IsKept) -> None:
        self._is_kept = is_kept
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._first_read = FIRST_READ

    def read(self, stream: BinaryIO) -> Part10 | None:
        """The same as `read_part10` gives of a file, or None where pydicom had better read it."""
        window = window_of(stream, self._first_read)
        key = series_key(window.data)
        known = self._known.get(key)
        try:
            found = None if known is None else self._read_like(window, known)
            if found is None:
                found = self._walked(window, key)
        except DoubtError:
            return None
        return found

    def _read_like(self, window: Window, known: _Known) -> Part10 | None:
        """A file as one before it; None where its beginning or the order of its elements is another."""
        start = _meta_of(window, known)
        if start is None:
            return None
        meta, elements, place, last = known.meta, dict[int, Element](), start, 0
        for piece in known.pieces:
            size = len(piece.content)
            if _has(window, place, piece.content):
                elements.update(piece.elements)
                place, last = place + size, piece.parts[-1][0]
                continue
            for tag, content in piece.parts:
                if _has(window, place, content):
                    elements[tag] = piece.elements[tag]
                    place, last = place + len(content), tag
                    continue
                element = element_at(window, place, meta.explicit) if place < window.size else None
                while element is not None and last < element[0] < tag and element[0] not in PIXEL_DATA:
                    place = self._take(window, element, elements)  # one that the file before has not
                    last = element[0]
                    element = element_at(window, place, meta.explicit) if place < window.size else None
                if element is not None and element[0] == tag:
                    place = self._take(window, element, elements)
                    last = tag
        return self._ended(window, place, last, meta, elements)

    def _ended(
        self, window: Window, place: int, last: int, meta: FileMeta, elements: dict[int, Element]
    ) -> Part10 | None:
        """What follows the last element of the file before: pixel data, nothing, or a reason to walk all."""
        pixels = None
        if place < window.size:
            element = element_at(window, place, meta.explicit)
            if element[0] not in PIXEL_DATA or element[0] <= last:
                return None
            pixels = pixel_place(element)
        return Part10(meta.transfer_syntax, meta.media_storage_class, elements, pixels, window.size)

    def _take(self, window: Window, element: Place, elements: dict[int, Element]) -> int:
        """Keep an element; the place behind it."""
        tag, vr, value, length, undefined = element
        name = vr_text(vr)
        content = window.bytes_at(value, length) if self._is_kept(tag, name, length) else None
        if content is None and value + length > window.size:
            raise DoubtError
        elements[tag] = Element(name, content, length, undefined)
        return value + length

    def _walked(self, window: Window, key: bytes) -> Part10:
        meta = read_file_meta(window)
        elements: dict[int, Element] = {}
        places: list[tuple[int, int, int]] = []
        pixels, place = None, meta.end
        for element in walk(window, meta.end, meta.explicit):
            if element[0] in PIXEL_DATA:
                pixels = pixel_place(element)
            else:
                after = self._take(window, element, elements)
                places.append((element[0], place, after))
                place = after
        if places and place <= MAX_HEADER:
            self._known[key] = _Known(
                meta, window.bytes_at(0, meta.end + FOLLOWING), _pieces(window, places, elements)
            )
            self._known.move_to_end(key)
            if len(self._known) > MAX_SERIES:
                self._known.popitem(last=False)
            self._first_read = max(self._first_read, place + 12)
        return Part10(meta.transfer_syntax, meta.media_storage_class, elements, pixels, window.size)


def _has(window: Window, place: int, content: bytes) -> bool:
    """Whether a file has these bytes at a place."""
    size = len(content)
    if place < window.base or place + size > window.end:
        if place + size > window.size:
            return False
        window.hold(place, size)
    return window.data.startswith(content, place - window.base)


def _meta_of(window: Window, known: _Known) -> int | None:
    """Where the data set begins, if the file meta information says the same of how it is read."""
    if _has(window, PREAMBLE, known.start[PREAMBLE:]):
        return known.meta.end
    meta = read_file_meta(window)
    same = (meta.transfer_syntax, meta.media_storage_class) == (
        known.meta.transfer_syntax,
        known.meta.media_storage_class,
    )
    return meta.end if same else None


def _pieces(
    window: Window, places: list[tuple[int, int, int]], elements: dict[int, Element]
) -> tuple[_Piece, ...]:
    return tuple(_made(window, places[at : at + PIECE], elements) for at in range(0, len(places), PIECE))


def _made(window: Window, places: list[tuple[int, int, int]], elements: dict[int, Element]) -> _Piece:
    parts = tuple((tag, window.bytes_at(start, end - start)) for tag, start, end in places)
    own = {tag: elements[tag] for tag, _, _ in places}
    return _Piece(b"".join(content for _, content in parts), own, parts)
