"""Frames that came by themselves -> a file of just these, so that one reader reads all pixels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from struct import pack
from typing import BinaryIO

from dicomarray.dicom.dictionary import keywords
from dicomarray.dicom.part10 import (
    ITEM,
    SEQUENCE_END,
    TRANSFER_SYNTAX,
    UNDEFINED,
    Element,
    encoded,
    file_start,
    padded,
    read_part10,
)
from dicomarray.dicom.pixels.codecs import COMPRESSIONS
from dicomarray.dicom.pixels.description import PIXEL_DATA, PixelDescription
from dicomarray.dicom.pixels.reader import VISITED_TAGS
from dicomarray.dicom.transfer_syntaxes import EXPLICIT_LITTLE_ENDIAN, LITTLE_ENDIAN
from dicomarray.dicom.vr import decode
from dicomarray.errors import DataError

_PIXEL_DATA, _FRAMES, _LOSSY = (
    keywords()[name] for name in ("PixelData", "NumberOfFrames", "LossyImageCompression")
)
# Of colours, single bits and floating point numbers a header does not say how a frame is sent.
_BITS = (8, 16)


class NoFrameFileError(Exception):
    """Frames that cannot be read by themselves, and why: the whole instance has to be."""


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What the header of an instance says of its frames."""

    elements: dict[int, Element]
    frame_bytes: int
    is_lossy: bool

    @classmethod
    def of(cls, header: bytes) -> FrameHeader:
        """Of the header that `json_model` makes.

        Raises
        ------
        NoFrameFileError
            Where they are no grey values of whole bytes, or it does not say.
        """
        part10 = read_part10(BytesIO(header), frozenset((*VISITED_TAGS.values(), _LOSSY)))
        elements = {} if part10 is None else part10.elements
        values = {
            name: decode(one.vr or "", one.value or b"", True, ())
            for name, tag in VISITED_TAGS.items()
            if (one := elements.get(tag)) is not None
        }
        try:
            found = PixelDescription.from_values(values, EXPLICIT_LITTLE_ENDIAN, "", PIXEL_DATA)
        except DataError as error:
            raise NoFrameFileError(str(error)) from error
        if found.samples != 1 or found.stored.bits_allocated not in _BITS:
            raise NoFrameFileError("no grey values of 8 or 16 bits")
        lossy = elements.get(_LOSSY)
        size = found.rows * found.columns * found.stored.bits_allocated // 8
        return cls(elements, size, lossy is not None and (lossy.value or b"").strip() == b"01")

    def write(self, stream: BinaryIO, transfer_syntax: str, frames: Iterable[bytes], count: int) -> None:
        """Write a file of so many frames, one after the other.

        Raises
        ------
        NoFrameFileError
            Where they are not such frames: of another number, length or kind.
        """
        compression = COMPRESSIONS.get(transfer_syntax)
        if compression is None and transfer_syntax not in LITTLE_ENDIAN:
            raise NoFrameFileError(f"transfer syntax {transfer_syntax}")
        if compression is not None and compression.lossy and not self.is_lossy:
            raise NoFrameFileError("frames that lost something, of an instance that did not")
        stream.write(self._head(transfer_syntax if compression else EXPLICIT_LITTLE_ENDIAN, count))
        length = count * self.frame_bytes
        if compression:
            stream.write(encoded(_PIXEL_DATA, "OB", b"", True, UNDEFINED) + _item(ITEM, b""))
        else:
            stream.write(encoded(_PIXEL_DATA, "OW", b"", True, length + length % 2))
        written = 0
        for frame in frames:
            written += 1
            stream.write(_item(ITEM, frame) if compression else self._native(frame))
        if written != count:
            raise NoFrameFileError(f"{written} frames where {count} were asked for")
        stream.write(_item(SEQUENCE_END, b"") if compression else b"\0" * (length % 2))

    def _head(self, transfer_syntax: str, count: int) -> bytes:
        known = {tag: (one.vr or "UN", one.value or b"") for tag, one in self.elements.items()}
        known[_FRAMES] = "IS", padded(str(count).encode("ascii"), "IS")
        body = b"".join(encoded(tag, *known[tag], explicit=True) for tag in sorted(known))
        return file_start([(TRANSFER_SYNTAX, "UI", transfer_syntax.encode("ascii"))]) + body

    def _native(self, frame: bytes) -> bytes:
        if len(frame) not in (self.frame_bytes, self.frame_bytes + self.frame_bytes % 2):
            raise NoFrameFileError(f"a frame of {len(frame)} bytes where it has {self.frame_bytes}")
        return frame[: self.frame_bytes]


def _item(tag: int, value: bytes) -> bytes:
    content = padded(value, "OB")
    return pack("<HHL", tag >> 16, tag & 0xFFFF, len(content)) + content
