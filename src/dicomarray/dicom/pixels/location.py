"""Where the pixel data of a file lies, and which bytes of encapsulated one make which frame (PS3.5 A.4).

Its items are indexed by their lengths, without reading them, so that one frame of a large file costs the
reading of that frame.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO, NamedTuple

from dicomarray.dicom.part10 import PixelPlace
from dicomarray.errors import PixelError

# The elements at which a header ends, PS3.6: Float, Double Float and plain Pixel Data.
PIXEL_TAGS = {
    0x7FE00008: "FloatPixelData",
    0x7FE00009: "DoubleFloatPixelData",
    0x7FE00010: "PixelData",
}


class PixelSource(NamedTuple):
    """Where the value of a pixel data element lies, in bytes of a stream.

    ``length`` is None where the element has no defined length, as encapsulated pixel data has.
    ``available`` is what the stream holds from ``start`` on.
    """

    stream: BinaryIO
    start: int
    length: int | None
    available: int
    keyword: str
    vr: str
    extended_offsets: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        return self.available if self.length is None else min(self.length, self.available)


def source_at(
    stream: BinaryIO, place: PixelPlace, size: int, keyword: str, extended_offsets: tuple[int, ...] = ()
) -> PixelSource:
    """The pixel data at a known place of a file of ``size`` bytes."""
    return PixelSource(
        stream=stream,
        start=place.start,
        length=place.length,
        available=size - place.start,
        keyword=keyword,
        vr=place.vr or "OW",
        extended_offsets=extended_offsets,
    )


def unpack_offsets(table: object, path: str) -> tuple[int, ...]:
    """The numbers of an Extended Offset Table.

    Raises
    ------
    PixelError
        Where it holds none.
    """
    if not isinstance(table, bytes) or len(table) % 8:
        raise PixelError(f"{path}: ExtendedOffsetTable is no list of 64-bit numbers (PS3.3 C.7.6.3.1.8)")
    return struct.unpack(f"<{len(table) // 8}Q", table)


ITEM, SEQUENCE_DELIMITER = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)
ITEM_HEADER = 8  # bytes: tag and length
END_OF_IMAGE = b"\xff\xd9"  # the last marker of JPEG, JPEG-LS and JPEG 2000 streams alike
# How far from its end a stream's last marker may lie: some encoders pad to a multiple of 8 bytes.
TAIL_BYTES = 10


class EncapsulationError(ValueError):
    """The items do not make the frames that the header counts; the message says why, without the file."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """One item of the pixel data sequence: where its value lies in the stream, in bytes."""

    start: int
    length: int


def frame_fragments(
    stream: BinaryIO,
    start: int,
    end: int,
    frames: int,
    extended_offsets: Sequence[int] | None = None,
) -> tuple[list[list[Fragment]], int]:
    """The fragments of every frame, in order, and where the pixel data ends.

    Parameters
    ----------
    stream, start, end
        Where the value of Pixel Data lies; ``start`` is that of the Basic Offset Table's item.
    frames
        Number of Frames.
    extended_offsets
        Extended Offset Table (PS3.3 C.7.6.3.1.8), in bytes from the first fragment's item.

    Raises
    ------
    EncapsulationError
        Where an item is damaged or cut off, or the items do not make so many frames.
    """
    items, behind = _index_items(stream, start, end)
    if not items:
        raise EncapsulationError("the encapsulated pixel data is empty (PS3.5 A.4)")
    table, fragments = items[0], items[1:]
    if len(fragments) < frames:
        raise EncapsulationError(
            f"{len(fragments)} fragments cannot make the {frames} frames of NumberOfFrames (PS3.5 A.4)"
        )
    offsets = list(extended_offsets or _basic_offsets(stream, table))
    if offsets and len(offsets) != frames:
        raise EncapsulationError(
            f"the offset table lists {len(offsets)} frames, but NumberOfFrames is {frames} (PS3.5 A.4)"
        )
    if len(fragments) == frames:
        return [[fragment] for fragment in fragments], behind
    if offsets:
        return _split_at_offsets(fragments, offsets), behind
    return _split_at_markers(stream, fragments, frames), behind


def read_fragments(stream: BinaryIO, fragments: Sequence[Fragment]) -> bytes:
    """The compressed stream of one frame."""
    parts = []
    for fragment in fragments:
        stream.seek(fragment.start)
        parts.append(stream.read(fragment.length))
    return b"".join(parts)


def _index_items(stream: BinaryIO, start: int, end: int) -> tuple[list[Fragment], int]:
    """Every item up to the sequence delimiter, or to the end where that is missing; and what is behind it."""
    items: list[Fragment] = []
    position = start
    while position + ITEM_HEADER <= end:
        stream.seek(position)
        group, element, length = struct.unpack("<HHL", stream.read(ITEM_HEADER))
        if (group, element) == SEQUENCE_DELIMITER:
            return items, position + ITEM_HEADER
        if (group, element) != ITEM:
            raise EncapsulationError(
                f"at byte {position} stands ({group:04X},{element:04X}) instead of an item of the "
                "encapsulated pixel data (FFFE,E000) (PS3.5 A.4)"
            )
        position += ITEM_HEADER
        if position + length > end:
            raise EncapsulationError(
                f"the item at byte {position - ITEM_HEADER} has {length} bytes, but the pixel data ends "
                f"after {end - position} of them; the file is truncated"
            )
        items.append(Fragment(position, length))
        position += length
    return items, end


def _basic_offsets(stream: BinaryIO, table: Fragment) -> tuple[int, ...]:
    """The Basic Offset Table; empty where the file leaves it out."""
    if table.length % 4:
        raise EncapsulationError(
            f"the Basic Offset Table has {table.length} bytes, no multiple of 4 (PS3.5 A.4)"
        )
    return struct.unpack(f"<{table.length // 4}L", read_fragments(stream, [table]))


def _split_at_offsets(fragments: Sequence[Fragment], offsets: Sequence[int]) -> list[list[Fragment]]:
    """Frames that start where the offset table says."""
    origin = fragments[0].start
    index = {fragment.start - origin: number for number, fragment in enumerate(fragments)}
    try:
        firsts = [index[offset] for offset in offsets]
    except KeyError as error:
        raise EncapsulationError(
            f"the offset table points to byte {error.args[0]}, where no fragment starts (PS3.5 A.4)"
        ) from error
    bounds = [*firsts, len(fragments)]
    if bounds[0] != 0 or any(first >= following for first, following in pairwise(bounds)):
        raise EncapsulationError("the offset table does not list the frames in their order (PS3.5 A.4)")
    return [list(fragments[first:following]) for first, following in pairwise(bounds)]


def _split_at_markers(stream: BinaryIO, fragments: Sequence[Fragment], frames: int) -> list[list[Fragment]]:
    """Frames that end with the fragment that holds the end of a JPEG, JPEG-LS or JPEG 2000 stream.

    There is no offset table to tell; within such a stream these two bytes cannot occur.
    """
    found: list[list[Fragment]] = []
    pending: list[Fragment] = []
    tail = b""
    for fragment in fragments:
        pending.append(fragment)
        tail = (tail + _tail(stream, fragment))[-TAIL_BYTES:]
        if END_OF_IMAGE in tail:
            found.append(pending)
            pending, tail = [], b""
    if frames == 1 and len(found) <= 1:
        return [list(fragments)]
    if pending or len(found) != frames:
        raise EncapsulationError(
            f"{len(fragments)} fragments without offset table hold {len(found)} complete images, "
            f"but NumberOfFrames is {frames} (PS3.5 A.4)"
        )
    return found


def _tail(stream: BinaryIO, fragment: Fragment) -> bytes:
    length = min(TAIL_BYTES, fragment.length)
    stream.seek(fragment.start + fragment.length - length)
    return stream.read(length)
