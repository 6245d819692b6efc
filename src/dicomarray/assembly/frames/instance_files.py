"""A header -> the reader of its file's frames: the pixel data is found where the header knows it to be.

The file is not walked a second time, if it still is the file that the header was read from.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, BinaryIO

from dicomarray.assembly.frames.frame import Frame
from dicomarray.dicom.headers.header import Header, read_header
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS, PATIENT
from dicomarray.dicom.pixels.description import KEYWORDS, PixelDescription
from dicomarray.dicom.pixels.location import PIXEL_TAGS, source_at
from dicomarray.dicom.pixels.reader import VISITED_VRS, FrameReader, frame_reader, open_frames
from dicomarray.dicom.transfer_syntaxes import NATIVE_SYNTAXES
from dicomarray.dicom.vr import Value
from dicomarray.errors import InputError
from dicomarray.storage.plain_files import open_plain, open_raw
from dicomarray.storage.references import ObjectReference, Reference, fetched, is_unchanged

# Of a file that was touched; servers spell names in their own way.
_COMPARED = DEFAULT_KEYWORDS.difference(PATIENT)


@dataclass(slots=True)
class ImageFiles:
    """Opens the files of a series; what equals in all of them is checked once.

    What lies in a store is fetched, many files at once, when the first file is opened that is not here; it is
    removed at the end.  Of a file with several frames those may do that are among ``frames``.
    """

    frames: Sequence[Frame]
    _descriptions: dict[tuple[Any, ...], PixelDescription] = field(default_factory=dict)
    _fetched: dict[Reference, ObjectReference] | None = None
    _folder: TemporaryDirectory[str] | None = None
    _turn: Lock = field(default_factory=Lock)

    def __enter__(self) -> ImageFiles:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    @contextmanager
    def open(self, header: Header) -> Iterator[FrameReader]:
        """The reader of a file's frames, while it is open.

        Raises
        ------
        InputError
            Where the file cannot be read, or is not the one any more that the header was read from.
        HeaderError, PixelError
            As in `open_frames`.
        """
        header.check_open()
        if not _is_simple(header):
            file = self.at_hand(header)
            with open_frames(file) as reader:
                _current(reader.source.stream, header)
                yield reader if isinstance(file, Path) else reader.of_part(file.frames)
            return
        with self._opened(header) as stream:
            header = _current(stream, header)
            place = header.pixels
            assert place is not None  # it is simple, or there was an error
            assert header.stamp is not None  # it comes with the place
            keyword = PIXEL_TAGS[place.tag]
            source = source_at(stream, place, header.stamp.size, keyword)
            yield frame_reader(source, self._description(header, keyword))

    @contextmanager
    def reopened(self, header: Header, reader: FrameReader) -> Iterator[FrameReader]:
        """The same reader on a stream of its own, for another thread; its file is one of our own reader's."""
        with self._opened(header) as stream:
            now, source = _current(stream, header), reader.source
            if now is not header:  # it was touched before the reader was made, or is after
                rest = os.fstat(stream.fileno()).st_size - source.start
                if now.pixels is None or (now.pixels.start, rest) != (source.start, source.available):
                    raise _changed(header)
            yield reader.on(stream)

    def at_hand(self, header: Header) -> Reference:
        """What opens its file, from a copy where it lies in a store."""
        if isinstance(header.reference, Path):
            return header.reference
        with self._turn:
            if self._fetched is None:
                self._folder = TemporaryDirectory(prefix="dicomarray-", ignore_cleanup_errors=True)
                asked = self._asked()
                copies = fetched(asked.values(), Path(self._folder.name))
                self._fetched = {file: copies[part] for file, part in asked.items()}
        return self._fetched[header.reference]

    def _asked(self) -> dict[Reference, ObjectReference]:
        """What is fetched of each file in a store; a picture of tiles is wanted whole."""
        wanted: dict[ObjectReference, tuple[Value, set[int]]] = {}
        for frame in self.frames:
            file, count = frame.header.reference, frame.header.attributes.get("NumberOfFrames")
            if isinstance(file, ObjectReference):
                _, indices = wanted.setdefault(file, (count, set()))
                indices.add(0 if frame.tile is not None else frame.index)
        return {
            file: file.part(sorted(indices), count) if isinstance(count, int) else file
            for file, (count, indices) in wanted.items()
        }

    def _opened(self, header: Header) -> BinaryIO:
        # native frames go straight into their array; items of compressed ones are looked at piece by piece
        native = header.transfer_syntax in NATIVE_SYNTAXES
        try:
            found = self.at_hand(header)
            return open_raw(found) if native and isinstance(found, Path) else open_plain(found)
        except OSError as error:
            raise InputError(f"{header.reference} cannot be read: {error.strerror}") from error

    def _description(self, header: Header, keyword: str) -> PixelDescription:
        get = header.attributes.get
        key = (keyword, header.transfer_syntax, *map(get, KEYWORDS))
        known = self._descriptions.get(key)
        if known is not None:
            return replace(known, path=str(header.reference))
        values = dict(zip(KEYWORDS, key[2:], strict=True))
        made = PixelDescription.from_values(
            values, str(header.transfer_syntax), str(header.reference), keyword
        )
        self._descriptions[key] = made
        return made


def _is_simple(header: Header) -> bool:
    """Whether the header has all that is needed to find the frames.

    For several compressed ones that is the Extended Offset Table too, which stands in the file only.
    """
    place = header.pixels
    alone = header.attributes.get("NumberOfFrames") in (None, 1)
    return (
        place is not None and place.vr in VISITED_VRS and (alone or header.transfer_syntax in NATIVE_SYNTAXES)
    )


def _current(stream: BinaryIO, header: Header) -> Header:
    """The header of the file that is open now: the one at hand, unless the file was touched since.

    Raises
    ------
    InputError
        Where the file says something else now.
    """
    stamp = header.stamp
    if stamp is None or isinstance(stream, BytesIO) or is_unchanged(header.reference, stream, stamp):
        return header
    try:
        now = read_header(header.reference)
    except InputError as error:
        raise InputError(f"{header.reference}: {error}") from error
    same = now.transfer_syntax == header.transfer_syntax and all(
        now.attributes.get(keyword) == header.attributes.get(keyword) for keyword in _COMPARED
    )
    exchanged = isinstance(header.reference, Path) and not is_unchanged(header.reference, stream, now.stamp)
    if not same or now.pixels is None or exchanged:
        raise _changed(header)
    return now


def _changed(header: Header) -> InputError:
    return InputError(
        f"{header.reference} was changed after its header was read; read the series again "
        "(an index: dicomarray index)"
    )
