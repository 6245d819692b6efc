"""Frames of stored values into the Pixel Data of a file, one after the other."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import BinaryIO

import numpy as np
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian

from dicomarray.core.pixel_values import Array, StoredType
from dicomarray.dicom.pixels.encoder import SYNTAXES, compress_frame
from dicomarray.dicom.transfer_syntaxes import DEFLATED_FRAMES
from dicomarray.errors import SegmentationError

# Pixel Data with a length in 32 bits, an even one (PS3.5 7.1).
_MAX_BYTES = 2**32 - 2
_UNDEFINED = 0xFFFFFFFF
_PIXEL_DATA = (0x7FE0, 0x0010)
_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def syntax_of(compress: str) -> str:
    """The transfer syntax of a compression."""
    if compress == "deflated":
        return DEFLATED_FRAMES
    return str(ExplicitVRLittleEndian if compress == "none" else SYNTAXES[compress])


def check_size(pixels: int, frames: int, stored: StoredType, compress: str) -> int:
    """How many bytes native frames of so many pixels take."""
    size = -(-pixels * frames * stored.bits_allocated // 8)
    if compress == "none" and size > _MAX_BYTES:
        raise SegmentationError(
            f"{frames} frames take {size} bytes, more than the {_MAX_BYTES} that one object holds: take "
            'kind="labelmap", compress them, or write the segments in several parts'
        )
    return size


def write_native(stream: BinaryIO, images: Iterable[Array], stored: StoredType, size: int) -> None:
    """The element with frames of ``size`` bytes in all, uncompressed."""
    vr = b"OW" if stored.bits_allocated == 16 else b"OB"
    stream.write(struct.pack("<HH2sHL", *_PIXEL_DATA, vr, 0, size + size % 2))
    if stored.bits_allocated == 1:
        _write_bits(stream, images)
    else:
        for image in images:
            stream.write(np.ascontiguousarray(image, stored.dtype.newbyteorder("<")).tobytes())
    stream.write(b"\0" * (size % 2))


def _write_bits(stream: BinaryIO, images: Iterable[Array]) -> None:
    """Frames of bits follow each other without padding: one may begin within a byte (PS3.5 8.1.1)."""
    rest = np.empty(0, bool)
    for image in images:
        bits = image.reshape(-1)
        if len(rest) or len(bits) % 8:
            bits = np.concatenate([rest, bits])
            whole = len(bits) - len(bits) % 8
            bits, rest = bits[:whole], bits[whole:]
        stream.write(np.packbits(bits, bitorder="little").data)
    if len(rest):
        stream.write(np.packbits(rest, bitorder="little").data)


def write_compressed(stream: BinaryIO, images: Iterable[Array], stored: StoredType, compress: str) -> None:
    """The element with each frame compressed by itself (PS3.5 A.4)."""
    encode = _deflated if compress == "deflated" else _by_codec
    frames = [encode(image, stored, compress) for image in images]
    stream.write(struct.pack("<HH2sHL", *_PIXEL_DATA, b"OB", 0, _UNDEFINED))
    table = sum(map(len, frames)) + 10 * len(frames) < _UNDEFINED
    stream.write(encapsulate(frames, has_bot=table))
    stream.write(_END)


def _by_codec(image: Array, stored: StoredType, compress: str) -> bytes:
    return compress_frame(np.asarray(image, stored.dtype), stored, compress)


def _deflated(image: Array, stored: StoredType, _: str) -> bytes:
    """Raw deflate of a native frame, whose bits begin with a byte (PS3.5 A.4.13, RFC 1951)."""
    if stored.bits_allocated == 1:
        native = np.packbits(image.reshape(-1), bitorder="little").tobytes()
    else:
        native = np.ascontiguousarray(image, stored.dtype.newbyteorder("<")).tobytes()
    codec = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return codec.compress(native + b"\0" * (len(native) % 2)) + codec.flush()
