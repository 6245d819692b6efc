"""One frame of native pixel data -> stored values, read from its place in the file (PS3.5 8.1).

Nothing but the bytes of the frame is read, so that one frame of a large file costs one frame.
"""

from __future__ import annotations

import numpy as np
from pydicom.pixels.processing import convert_color_space

from dicomarray.reading.codecs import stored_bits
from dicomarray.reading.pixel_description import PixelDescription
from dicomarray.reading.pixel_source import DEFLATED, PixelSource
from dicomarray.values import Array, StoredType

BIG_ENDIAN = "1.2.840.10008.1.2.2"
# PS3.5 Annex A.1 to A.3, A.5.
NATIVE_SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", DEFLATED, BIG_ENDIAN)
# PS3.3 C.7.6.3.1.2 gives the colour transforms for this type only.
YBR_TYPE = StoredType(bits_allocated=8, bits_stored=8, signed=False)
# Pixel data has an even length; with words of 16 bits one more may follow.
PADDING_BITS = 16


def _native_bits(description: PixelDescription) -> int:
    """The length of a native frame in bits; frames of packed bits are not padded to bytes (PS3.5 8.1.1)."""
    samples = description.samples
    if description.photometric == "YBR_FULL_422":
        samples = 2  # two Y share one Cb and one Cr (PS3.3 C.7.6.3.1.2)
    return description.rows * description.columns * samples * description.stored.bits_allocated


def check_native(source: PixelSource, description: PixelDescription) -> None:
    """The bytes that there are against the bytes that the header needs."""
    if source.length is None:
        raise description.trouble(
            f"the pixel data is encapsulated, which transfer syntax {description.transfer_syntax} does not "
            "allow (PS3.5 A.4); TransferSyntaxUID is wrong or missing"
        )
    if description.photometric in ("YBR_RCT", "YBR_ICT"):
        raise description.trouble(f"{description.photometric} is for JPEG 2000 only (PS3.3 C.7.6.3.1.2)")
    if description.photometric == "YBR_FULL_422" and description.columns % 2:
        raise description.trouble(f"YBR_FULL_422 with an odd number of Columns, {description.columns}")
    frame_bits = _native_bits(description)
    needed = -(-frame_bits * description.frames // 8)
    layout = (
        f"{description.frames} frames of {description.rows} x {description.columns}, "
        f"{description.photometric}, BitsAllocated {description.stored.bits_allocated}"
    )
    if source.size < needed:
        raise description.trouble(
            f"truncated: {source.size} bytes of pixel data, {needed} needed for {layout}"
        )
    excess = 8 * (source.size - needed)
    full_colour = description.photometric == "YBR_FULL_422" and 2 * excess >= frame_bits * description.frames
    if excess >= max(frame_bits, PADDING_BITS) or full_colour:
        raise description.trouble(
            f"{source.size} bytes of pixel data, only {needed} needed for {layout}; "
            "NumberOfFrames, or another of these, is wrong"
        )


def native_frame(source: PixelSource, description: PixelDescription, frame: int) -> Array:
    """One frame of native pixel data, read from its place (PS3.5 8.1, PS3.3 C.7.6.3.1)."""
    dtype = description.array_dtype
    first_bit = frame * _native_bits(description)
    end_bit = first_bit + _native_bits(description)
    first, end = first_bit // 8, -(-end_bit // 8)
    big_endian = description.transfer_syntax == BIG_ENDIAN
    if description.stored.bits_allocated == 1:
        bits = np.unpackbits(
            np.frombuffer(_read(source, description, first, end), np.uint8), bitorder="little"
        )
        start = first_bit - 8 * first
        return bits[start : start + end_bit - first_bit].reshape(description.frame_shape)
    if big_endian and source.vr == "OW" and dtype.itemsize == 1:
        data = _read_swapped(source, description, first, end)
    else:
        data = _read(source, description, first, end)
    kind = "f" if description.stored.floating else "u"
    words = np.frombuffer(data, np.dtype(f"{'>' if big_endian else '<'}{kind}{dtype.itemsize}"))
    if description.stored.floating:
        return words.reshape(description.frame_shape)
    values = stored_bits(words, description)
    if description.samples == 1:
        return values.reshape(description.frame_shape)
    return _native_colour(values, description)


def _native_colour(values: Array, description: PixelDescription) -> Array:
    """``(rows, columns, 3)`` RGB from the samples of one frame, 1-D."""
    rows, columns = description.rows, description.columns
    if description.photometric == "YBR_FULL_422":
        pairs = values.reshape(rows, columns // 2, 4)
        colour = np.empty((rows, columns, 3), values.dtype)
        colour[..., 0] = pairs[..., :2].reshape(rows, columns)
        colour[..., 1:] = np.repeat(pairs[..., 2:], 2, axis=1)
    elif description.planar:
        colour = np.moveaxis(values.reshape(3, rows, columns), 0, -1)
    else:
        colour = values.reshape(rows, columns, 3)
    return colour if description.photometric == "RGB" else ybr_to_rgb(colour, description)


def ybr_to_rgb(colour: Array, description: PixelDescription) -> Array:
    """PS3.3 C.7.6.3.1.2 gives the transform for 8 bits only."""
    if description.stored != YBR_TYPE:
        raise description.trouble(
            f"{description.photometric} with BitsStored {description.stored.bits_stored}, "
            f"PixelRepresentation {int(description.stored.signed)}; "
            "the standard defines it for 8 unsigned bits (PS3.3 C.7.6.3.1.2)"
        )
    return np.asarray(convert_color_space(colour, "YBR_FULL", "RGB"))


def _read(source: PixelSource, description: PixelDescription, first: int, end: int) -> bytes:
    """Bytes ``first`` to ``end`` of the value."""
    source.stream.seek(source.start + first)
    data = source.stream.read(end - first)
    if len(data) != end - first:
        raise description.trouble("the file became shorter while it was read")
    return data


def _read_swapped(source: PixelSource, description: PixelDescription, first: int, end: int) -> bytes:
    """The same of 8-bit samples that were stored in big endian words, two in each (PS3.5 7.3, 8.1.2)."""
    start = first - first % 2
    data = _read(source, description, start, min(end + end % 2, source.size))
    data += b"\0" * (len(data) % 2)
    return np.frombuffer(data, np.uint16).byteswap().tobytes()[first - start : end - start]
