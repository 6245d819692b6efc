"""Frames of stored values to lossless compressed streams (PS3.5 8.2, Annex A.4), and these into Pixel Data.

Every stream is decoded again, as it will be read, and compared with what went in before it is written.

How another codec is added:

1. It is read: its transfer syntax goes into `codecs.COMPRESSIONS`, what its streams say of themselves into
   `codestreams` and `codecs._PARSERS`, and its decoder into `codecs._decode_stream`.
2. It is written: here its name goes into `SYNTAXES`, its bits into `_MAX_BITS`, its encoder into `_ENCODERS`.
3. Users choose it by the name: `Compression` in `objects.common.options`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from itertools import accumulate
from types import MappingProxyType

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, HTJ2KLossless, JPEG2000Lossless, JPEGLSLossless, RLELossless

from dicomarray.core.pixel_values import Array, StoredType
from dicomarray.dicom.pixels.codecs import decode_frame
from dicomarray.dicom.pixels.description import PixelDescription
from dicomarray.errors import PixelError, TemplateError, UsageError
from dicomarray.runtime.threads import do_all, thread_count

RLE, JPEG_LS, JPEG_2000, HTJ2K = "rle", "jpeg-ls", "jpeg-2000", "htj2k"
SYNTAXES = MappingProxyType(
    {RLE: RLELossless, JPEG_LS: JPEGLSLossless, JPEG_2000: JPEG2000Lossless, HTJ2K: HTJ2KLossless}
)
# Most bits a sample that is written.  JPEG-LS ends at 16 (ISO/IEC 14495-1 C.2.2); of JPEG 2000 the decoders
# of pydicom and others read no more.
_MAX_BITS = {RLE: 32, JPEG_LS: 16, JPEG_2000: 16, HTJ2K: 16}
# OpenJPEG's own buffers are too small for noise of a single bit (measured with 2.5.4).
_MIN_JPEG_2000_BITS = 2
# RLE: the number of segments and the offset of each, all little endian (PS3.5 G.5).
_RLE_HEADER = struct.Struct("<16L")
# JPEG 2000: the marker of the image size, and where behind it the precision of the first component stands,
# 3 bytes a component; its highest bit is the sign (ISO/IEC 15444-1 A.5.1).
_SIZE_MARKER, _FIRST_PRECISION, _COMPONENT, _SIGN_BIT = b"\xff\x4f\xff\x51", 42, 3, 0x80
# Bytes that the markers of the smallest streams take, with room to spare.
_GREATEST_OVERHEAD = 1 << 14
# A basic offset table counts bytes in 32 bits (PS3.5 A.4); beyond, it is left empty, which is legal.
_GREATEST_OFFSET = 2**32 - 1
# Bytes before each frame: the tag and the length of its item.
_ITEM = 8


def check_compression(stored: StoredType, name: str) -> None:
    """Raise where a codec does not exist, or cannot hold such stored values.

    Raises
    ------
    UsageError
        An unknown codec.
    TemplateError
        More bits than the codec holds, or floating point numbers.
    """
    if name not in SYNTAXES:
        raise UsageError(f"compress={name!r} is unknown; choose one of {', '.join(SYNTAXES)}")
    allocated, most = stored.bits_allocated, _MAX_BITS[name]
    if stored.floating or allocated not in (8, 16, 32) or allocated > most:
        kind = "floating point numbers" if stored.floating else f"BitsAllocated {allocated}"
        raise TemplateError(
            f"compress={name!r} holds whole numbers of up to {most} bits, the template stores "
            f"{kind}; leave compress out{'' if stored.floating or name == RLE else ', or choose rle'}"
        )


def compress_frame(image: Array, stored: StoredType, name: str, where: str = "the frame") -> bytes:
    """One frame as a lossless compressed stream.

    JPEG 2000 streams have the precision and the sign of the stored values.  JPEG-LS knows no sign: the whole
    allocated words are coded, sign extended, so that a reader finds them whatever it makes of Bits Stored.
    Colour is transformed reversibly in JPEG 2000, see `photometric`.

    Parameters
    ----------
    image
        (rows, columns) or (rows, columns, 3) of ``stored.dtype``, stored values.
    name
        A key of `SYNTAXES`.
    where
        What an error calls the frame.

    Raises
    ------
    UsageError, TemplateError
        As `check_compression` does.
    PixelError
        Where the stream does not decode to the same values.
    """
    check_compression(stored, name)
    image = np.ascontiguousarray(image, stored.dtype)
    try:
        stream = _ENCODERS[name](image, stored)
    except (RuntimeError, ValueError) as error:  # all that the codecs of imagecodecs raise
        raise PixelError(f"{where}: the {name} codec failed: {error}; choose another compression") from error
    description = PixelDescription(
        rows=image.shape[0],
        columns=image.shape[1],
        samples=3 if image.ndim == 3 else 1,
        frames=1,
        photometric=photometric("RGB", name) if image.ndim == 3 else "MONOCHROME2",
        planar=False,
        stored=stored,
        high_bit=stored.bits_stored - 1,
        transfer_syntax=SYNTAXES[name],
        path=where,
    )
    if not np.array_equal(decode_frame(stream, description, 0).samples, image):
        raise PixelError(
            f"{where}: the {name} codec changed the values of an image of shape {image.shape} with "
            f"{stored.bits_stored} bits stored; choose another compression"
        )
    return stream


def photometric(colour: str, name: str) -> str:
    """The Photometric Interpretation of what is compressed from ``colour``.

    JPEG 2000 transforms RGB reversibly, and the header must say so (PS3.5 8.2.4): what is grey takes hardly
    any room in two of the three components then.
    """
    return "YBR_RCT" if colour == "RGB" and name in (JPEG_2000, HTJ2K) else colour


def set_compressed(header: Dataset, frames: Sequence[bytes], name: str) -> UID:
    """Put the streams of all frames into Pixel Data, in place; returns the transfer syntax to write with.

    Photometric Interpretation must say the colour of what was compressed; it becomes that of `photometric`.
    """
    offsets = accumulate((_ITEM + len(frame) + len(frame) % 2 for frame in frames), initial=0)
    table = max(offsets) <= _GREATEST_OFFSET
    pixels = DataElement("PixelData", "OB", encapsulate(list(frames), has_bot=table))
    pixels.is_undefined_length = True
    header["PixelData"] = pixels
    header.PhotometricInterpretation = photometric(header.PhotometricInterpretation, name)
    return SYNTAXES[name]


def compress_pixels(
    header: Dataset,
    pixels: Array,
    stored: StoredType,
    name: str,
    where: str,
    done: Callable[[int], None] = lambda _: None,
) -> UID:
    """Compress all frames of an image into its header, in threads; returns the transfer syntax to write with.

    Parameters
    ----------
    header
        Says SamplesPerPixel and Photometric Interpretation of ``pixels``.
    pixels
        (rows, columns), with frames before and colour samples behind, of ``stored.dtype``.
    done
        Told how many more frames are done.

    Raises
    ------
    UsageError, TemplateError, PixelError
        As `compress_frame` does.
    """
    axes = 2 if header.get("SamplesPerPixel", 1) == 1 else 3
    frames = pixels.reshape(-1, *pixels.shape[-axes:])
    streams = [b""] * len(frames)

    def compress(index: int) -> None:
        place = where if len(frames) == 1 else f"{where}: frame {index + 1}"
        streams[index] = compress_frame(frames[index], stored, name, place)

    do_all(compress, range(len(frames)), thread_count(None), lambda _: done(1))
    return set_compressed(header, streams, name)


def _encode_rle(image: Array, _stored: StoredType) -> bytes:
    """A segment for each byte of a sample, highest first; rows by themselves (PS3.5 G.2, G.3.1)."""
    import imagecodecs

    words = image.astype(image.dtype.newbyteorder(">")).view(np.uint8).reshape(*image.shape[:2], -1)
    segments = [imagecodecs.packbits_encode(words[..., byte].copy()) for byte in range(words.shape[-1])]
    padded = [segment + b"\0" * (len(segment) % 2) for segment in segments]
    *offsets, _end = accumulate(map(len, padded), initial=_RLE_HEADER.size)
    unused = [0] * (15 - len(offsets))
    return _RLE_HEADER.pack(len(padded), *offsets, *unused) + b"".join(padded)


def _encode_jpeg_ls(image: Array, _stored: StoredType) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.jpegls_encode(image.view(f"u{image.dtype.itemsize}"), out=_room(image)))


def _encode_jpeg_2000(image: Array, stored: StoredType) -> bytes:
    import imagecodecs

    return bytes(
        imagecodecs.jpeg2k_encode(
            image,
            codecformat="j2k",
            bitspersample=max(stored.bits_stored, _MIN_JPEG_2000_BITS),
            reversible=True,
            mct=image.ndim == 3,
            out=_room(image),
        )
    )


def _encode_htj2k(image: Array, stored: StoredType) -> bytes:
    """As many bits as are stored; the encoder itself takes all that are allocated.

    An encoder subtracts half the range of unsigned samples, and a decoder adds half of what the stream says:
    so the samples are moved by the difference of both first.
    """
    import imagecodecs

    if not stored.signed:
        half_allocated, half_stored = 1 << (stored.bits_allocated - 1), 1 << (stored.bits_stored - 1)
        image = image + image.dtype.type(half_allocated - half_stored)
    colour = image.ndim == 3
    stream = bytearray(imagecodecs.htj2k_encode(image, reversible=True, rgb=colour, out=_room(image)))
    first = stream.index(_SIZE_MARKER) + _FIRST_PRECISION
    for component in range(3 if colour else 1):
        stream[first + component * _COMPONENT] = stored.bits_stored - 1 | _SIGN_BIT * stored.signed
    return bytes(stream)


def _room(image: Array) -> int:
    """Bytes that hold any stream of the image: noise takes more than its pixels, and codecs reserve less."""
    return 2 * image.nbytes + _GREATEST_OVERHEAD


_ENCODERS: dict[str, Callable[[Array, StoredType], bytes]] = {
    RLE: _encode_rle,
    JPEG_LS: _encode_jpeg_ls,
    JPEG_2000: _encode_jpeg_2000,
    HTJ2K: _encode_htj2k,
}
