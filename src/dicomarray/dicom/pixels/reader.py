"""The stored values of one file's frames, native or compressed (PS3.5 8, Annex A).

Stored values are the numbers as the file holds them: not rescaled, MONOCHROME1 not inverted, PALETTE COLOR
as indices.  Only colour is converted: always RGB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from dicomarray.core.coded_warnings import CodedWarning
from dicomarray.core.pixel_values import Array
from dicomarray.dicom.dictionary import keywords
from dicomarray.dicom.part10 import read_part10
from dicomarray.dicom.pixels.behind import behind_data_set, behind_pixels
from dicomarray.dicom.pixels.description import KEYWORDS, PixelDescription
from dicomarray.dicom.pixels.location import PIXEL_TAGS, PixelSource, source_at, unpack_offsets
from dicomarray.dicom.pixels.native import BITS_CUT, check_native, native_bit_rows, native_frames, ybr_to_rgb
from dicomarray.dicom.transfer_syntaxes import DEFLATED, NATIVE_SYNTAXES
from dicomarray.dicom.vr import decode, value_representation
from dicomarray.errors import InputError
from dicomarray.runtime.pydicom_warnings import pydicom_quiet
from dicomarray.storage.plain_files import open_plain
from dicomarray.storage.references import Reference

if TYPE_CHECKING:
    from dicomarray.dicom.pixels.location import Fragment

# What our own reader has to find in a header for the pixel data to be read.
VISITED_TAGS = {name: keywords()[name] for name in KEYWORDS}
EXTENDED_OFFSETS = 0x7FE00001  # Extended Offset Table, PS3.3 C.7.6.3.1.8
VISITED = frozenset((EXTENDED_OFFSETS, *VISITED_TAGS.values()))
VISITED_VRS = (None, "OB", "OW", "OF", "OD")


def read_frames(path: Reference, frames: Sequence[int] | None = None) -> Array:
    """Read the stored values of one file: of ``frames``, in this order, or of all.

    Returns
    -------
    ndarray
        ``(frames, rows, columns)``, or ``(frames, rows, columns, 3)`` RGB for colour; the type that
        `PixelDescription.array_dtype` says, native byte order.

    Raises
    ------
    DataError
        As in `open_frames`.
    PixelError
        Where pixel data is damaged, or has no such frame; the message names file and frame.
    """
    with open_frames(path) as reader:
        return reader.read_all(frames)


@contextmanager
def open_frames(path: Reference) -> Iterator[FrameReader]:
    """The reader of a file's frames, by our own header reader or, where that is in doubt, by pydicom.

    Raises
    ------
    InputError
        Where the file cannot be read, or is no DICOM file.
    HeaderError
        Where the header breaks PS3.3 C.7.6.3.
    PixelError
        Where pixel data is missing, truncated, or of a kind that is not read.
    """
    with opened(path) as stream:
        yield _by_walking(stream, path) or _by_pydicom(stream, str(path))


@contextmanager
def opened(path: Reference) -> Iterator[BinaryIO]:
    """The file, open for reading.

    Raises
    ------
    InputError
        Where it cannot be opened.
    """
    try:
        stream = open_plain(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    with stream:
        yield stream


def _by_walking(stream: BinaryIO, path: Reference) -> FrameReader | None:
    """Of a file that our own reader understands; None where pydicom has to read the header."""
    try:
        part10 = read_part10(stream, VISITED)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    place = None if part10 is None else part10.pixels
    if part10 is None or place is None or place.vr not in VISITED_VRS:
        return None
    table = part10.elements.get(EXTENDED_OFFSETS)
    values = {
        name: decode(value_representation(element.vr, tag, False), element.value or b"", True, ())
        for name, tag in VISITED_TAGS.items()
        if (element := part10.elements.get(tag)) is not None
    }
    offsets = () if table is None else unpack_offsets(table.value, str(path))
    keyword = PIXEL_TAGS[place.tag]
    description = PixelDescription.from_values(values, part10.meta.transfer_syntax, str(path), keyword)
    return frame_reader(source_at(stream, place, part10.size, keyword, offsets), description)


@pydicom_quiet
def _by_pydicom(stream: BinaryIO, name: str) -> FrameReader:
    from dicomarray.dicom.pixels.pydicom_source import (
        read_header,
        read_whole,
        source_in_file,
        source_in_memory,
    )
    from dicomarray.dicom.pydicom_fallback import behind_deflated

    stream.seek(0)
    dataset = read_header(stream, name)
    meta = getattr(dataset, "file_meta", None)
    if meta is not None and meta.get("TransferSyntaxUID") == DEFLATED:
        dataset = read_whole(stream, name)
        source = source_in_memory(dataset, name)
        notes = behind_data_set(behind_deflated(stream))
    else:
        source, notes = source_in_file(stream, dataset, name), ()
    reader = frame_reader(source, PixelDescription.from_dataset(dataset, name, source.keyword))
    reader.notes.update((0, note) for note in notes)
    return reader


@dataclass(frozen=True, slots=True)
class FrameReader:
    """Reads any frame of one open file; what can be checked without reading one was checked.

    ``fragments`` has those of each frame where the pixel data is compressed, and is None where it is native.
    ``notes`` are what there is to tell of frames that were decoded, by their index.  ``places`` says where
    in the file each frame stands that it holds, where others of its instance were left out.
    """

    source: PixelSource
    description: PixelDescription
    fragments: Sequence[Sequence[Fragment]] | None = None
    notes: set[tuple[int, CodedWarning]] = field(default_factory=set)
    places: Mapping[int, int] | None = None

    def of_part(self, frames: Sequence[int] | None) -> FrameReader:
        """The same where the file holds only these frames of its instance, ascending."""
        return self if frames is None else replace(self, places={f: at for at, f in enumerate(frames)})

    def on(self, stream: BinaryIO) -> FrameReader:
        """The same for another stream of the same file: a thread needs one of its own."""
        return replace(self, source=self.source._replace(stream=stream))

    def read(self, first: int, out: Array | None = None, count: int = 1) -> Array:
        """Stored values of ``count`` frames from ``first`` on; `array_dtype`, (count, *frame_shape).

        ``out``, of this shape and type and C-contiguous, is memory that may be used for them: the result may
        be another array, and what ``out`` holds then is no image.
        """
        if self.places is not None:
            first = self._place(first, count)
        if not 0 <= first <= self.description.frames - count:
            frames = self.description.frames
            raise self.description.error(f"there are {frames} frames, and the one asked for is none", first)
        try:
            if self.fragments is None:
                return native_frames(self.source, self.description, first, count, out, self._tell_cut)
            decoded = [self._decoded(frame) for frame in range(first, first + count)]
            return decoded[0][np.newaxis] if count == 1 else np.stack(decoded)
        except MemoryError as error:
            shape = (count, *self.description.frame_shape)
            raise self.description.error(f"there is no memory for an array of shape {shape}") from error
        except OSError as error:
            raise self.description.error(f"the pixel data cannot be read: {error.strerror}") from error

    def _tell_cut(self, frame: int) -> None:
        self.notes.update((frame, note) for note in BITS_CUT)

    def _place(self, first: int, count: int) -> int:
        """Where in the file so many frames stand."""
        assert self.places is not None  # as its caller knows
        if not all(frame in self.places for frame in range(first, first + count)):
            raise self.description.error("the frame was not fetched", first)
        return self.places[first]

    def read_rows(self, frame: int) -> tuple[int, Array]:
        """Rows of a frame outside of which all is 0: which is the first, and (rows, columns) stored values.

        Of masks most is 0: where a frame is of single bits, only the other rows are unpacked.
        """
        if self.fragments is None and self.places is None and 0 <= frame < self.description.frames:
            try:
                found = native_bit_rows(self.source, self.description, frame)
            except OSError as error:
                raise self.description.error(f"the pixel data cannot be read: {error.strerror}") from error
            if found is not None:
                return found
        return 0, self.read(frame)[0]

    def read_all(self, frames: Sequence[int] | None = None) -> Array:
        """The frames asked for, or all; see `read_frames`."""
        wanted = range(self.description.frames) if frames is None else frames
        shape = (len(wanted), *self.description.frame_shape)
        first = [self.read(frame) for frame in wanted[:1]]  # it shows whether the header's sizes are true
        try:
            result = np.empty(shape, self.description.array_dtype)
        except MemoryError as error:
            raise self.description.error(f"there is no memory for an array of shape {shape}") from error
        for place, frame in enumerate(wanted):
            room = result[place : place + 1]
            values = self.read(frame, room) if place else first[0]
            if values is not room:
                room[...] = values
        return result

    def _decoded(self, frame: int) -> Array:
        from dicomarray.dicom.pixels.codecs import decode_frame, decodes_to_rgb
        from dicomarray.dicom.pixels.location import read_fragments

        assert self.fragments is not None  # compressed, as `read` knows
        description = self.description
        stream = read_fragments(self.source.stream, self.fragments[frame])
        decoded = decode_frame(stream, description, frame)
        self.notes.update((frame, note) for note in decoded.notes)
        if description.samples == 1 or decodes_to_rgb(stream, description):
            return decoded.samples
        return ybr_to_rgb(decoded.samples, description)


def frame_reader(source: PixelSource, description: PixelDescription) -> FrameReader:
    """The reader of the frames at a place; all that can be checked without reading one is checked here.

    Raises
    ------
    PixelError
        Where the pixel data cannot be what the description says, or is of a kind that is not read.
    """
    syntax = description.transfer_syntax
    if syntax in NATIVE_SYNTAXES:
        check_native(source, description)
        return FrameReader(
            source, description, notes=_first_notes(source, source.start + source.size, syntax)
        )
    return _compressed_reader(source, description)


def _compressed_reader(source: PixelSource, description: PixelDescription) -> FrameReader:
    from dicomarray.dicom.pixels.codecs import COMPRESSIONS
    from dicomarray.dicom.pixels.location import EncapsulationError, frame_fragments

    syntax = description.transfer_syntax
    if syntax not in COMPRESSIONS:
        raise description.error(
            f"pixel data of transfer syntax {_name_of(syntax)} ({syntax}) is not read; "
            "convert the file to another one"
        )
    if description.stored.floating:
        raise description.error(f"floating point pixel data is native, not {syntax} (PS3.5 8.2)")
    try:
        fragments, end = frame_fragments(
            source.stream,
            source.start,
            source.start + source.size,
            description.frames,
            source.extended_offsets,
        )
        return FrameReader(source, description, fragments, _first_notes(source, end, syntax))
    except EncapsulationError as error:
        raise description.error(str(error)) from error
    except OSError as error:
        raise description.error(f"the pixel data cannot be read: {error.strerror}") from error


def _first_notes(source: PixelSource, end: int, syntax: str) -> set[tuple[int, CodedWarning]]:
    """The notes of a file of which no frame is read yet: what stands behind the pixel data's ``end``."""
    if end >= source.start + source.available:
        return set()
    return {(0, note) for note in behind_pixels(source, end, syntax)}


def _name_of(syntax: str) -> str:
    from pydicom.config import IGNORE
    from pydicom.uid import UID

    return str(UID(syntax, IGNORE).name)
