"""Where the pixel data of a file lies."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from dicomarray.dicom.part10 import PixelPlace
from dicomarray.errors import PixelError

# The elements at which a header ends, PS3.6: Float, Double Float and plain Pixel Data.
PIXEL_TAGS = {
    0x7FE00008: "FloatPixelData",
    0x7FE00009: "DoubleFloatPixelData",
    0x7FE00010: "PixelData",
}


@dataclass(frozen=True, slots=True)
class PixelSource:
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
