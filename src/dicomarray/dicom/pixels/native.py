"""One frame of native pixel data -> stored values, read from its place in the file (PS3.5 8.1).

Nothing but the bytes of the frame is read, so that one frame of a large file costs one frame.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from dicomarray.core.coded_warnings import warning
from dicomarray.core.pixel_values import Array, StoredType
from dicomarray.dicom.pixels.description import PixelDescription
from dicomarray.dicom.pixels.location import PixelSource
from dicomarray.dicom.transfer_syntaxes import BIG_ENDIAN, LITTLE_ENDIAN

# Whose words are read as this machine has them; a deflated file cannot be read in part.
_SYNTAXES_BY_ORDER = {"little": LITTLE_ENDIAN, "big": (BIG_ENDIAN,)}
# PS3.3 C.7.6.3.1.2 gives the colour transforms for this type only.
YBR_TYPE = StoredType(bits_allocated=8, bits_stored=8, signed=False)
# Pixel data has an even length; with words of 16 bits one more may follow.
PADDING_BITS = 16
BITS_CUT = warning(
    "bits outside of BitsStored, below or above HighBit, are set, and were cut off: they are an overlay "
    "of an old file, or BitsStored or HighBit is wrong, and values are too [bits-cut]"
)


def _native_bits(description: PixelDescription) -> int:
    """The length of a native frame in bits; frames of packed bits are not padded to bytes (PS3.5 8.1.1)."""
    samples = description.samples
    if description.photometric == "YBR_FULL_422":
        samples = 2  # two Y share one Cb and one Cr (PS3.3 C.7.6.3.1.2)
    return description.rows * description.columns * samples * description.stored.bits_allocated


def check_native(source: PixelSource, description: PixelDescription) -> None:
    """The bytes that there are against the bytes that the header needs."""
    if source.length is None:
        raise description.error(
            f"the pixel data is encapsulated, which transfer syntax {description.transfer_syntax} does not "
            "allow (PS3.5 A.4); TransferSyntaxUID is wrong or missing"
        )
    if description.photometric in ("YBR_RCT", "YBR_ICT"):
        raise description.error(f"{description.photometric} is for JPEG 2000 only (PS3.3 C.7.6.3.1.2)")
    if description.photometric == "YBR_FULL_422" and description.columns % 2:
        raise description.error(f"YBR_FULL_422 with an odd number of Columns, {description.columns}")
    frame_bits = _native_bits(description)
    needed = -(-frame_bits * description.frames // 8)
    layout = (
        f"{description.frames} frames of {description.rows} x {description.columns}, "
        f"{description.photometric}, BitsAllocated {description.stored.bits_allocated}"
    )
    if source.size < needed:
        raise description.error(f"truncated: {source.size} bytes of pixel data, {needed} needed for {layout}")
    excess = 8 * (source.size - needed)
    full_colour = description.photometric == "YBR_FULL_422" and 2 * excess >= frame_bits * description.frames
    if excess >= max(frame_bits, PADDING_BITS) or full_colour:
        raise description.error(
            f"{source.size} bytes of pixel data, only {needed} needed for {layout}; "
            "NumberOfFrames, or another of these, is wrong"
        )


def native_frames(
    source: PixelSource,
    description: PixelDescription,
    first: int,
    count: int = 1,
    out: Array | None = None,
    tell_cut: Callable[[int], None] | None = None,
) -> Array:
    """Native frames, read from their place (PS3.5 8.1, PS3.3 C.7.6.3.1), shape (count, *frame_shape).

    They are read into ``out``, of that shape, `array_dtype` and C-contiguous, where it is given and they lie
    in the file as they lie in an array, and may be what is returned.  ``tell_cut`` is called with the index
    of each frame of which bits are cut off.
    """
    if description.stored.bits_allocated == 1:
        return _native_bitmaps(source, description, first, count)
    frame_bytes = _native_bits(description) // 8
    big_endian = description.transfer_syntax == BIG_ENDIAN
    if big_endian and source.vr == "OW" and description.array_dtype.itemsize == 1:
        data = _read_swapped(source, description, first * frame_bytes, (first + count) * frame_bytes)
        words = np.frombuffer(data, np.uint8)
    else:
        words = _room(description, count, out)
        _read_into(source, description, first * frame_bytes, words)
        if big_endian != (sys.byteorder == "big"):
            words.byteswap(inplace=True)
    take = stored_bits_of(description)
    values, cut = take(words)
    if cut and tell_cut is not None:
        frames = enumerate(words.reshape(count, -1), start=first)
        for index in [index for index, frame in frames if take(frame)[1]]:
            tell_cut(index)
    shape = (count, *description.frame_shape)
    if description.stored.floating or description.samples == 1 or _is_interleaved_rgb(description):
        return values if values.shape == shape else values.reshape(shape)
    return np.stack([_native_colour(frame, description) for frame in values.reshape(count, -1)])


def is_plain(description: PixelDescription) -> bool:
    """Whether native frames lie in the file as they do in an array of this machine, but for unused bits."""
    return (
        description.transfer_syntax in _SYNTAXES_BY_ORDER[sys.byteorder]
        and description.samples == 1
        and description.stored.bits_allocated != 1
        and not description.stored.floating
    )


def stored_bits_of(description: PixelDescription) -> Callable[[Array], tuple[Array, bool]]:
    """What makes stored values of whole allocated words (PS3.5 8.1.1), and tells whether set bits were lost.

    The values are the bits up to High Bit, sign extended; others, such as overlays of old files, are cut off.
    Those above a negative value may be all set or all not.  The words have any shape and native byte order;
    where nothing is cut off, they are the values, without a copy.
    """
    stored, dtype, low_bit = description.stored, description.array_dtype, description.low_bit
    above = 8 * dtype.itemsize - 1 - description.high_bit
    word = np.dtype(f"u{dtype.itemsize}")
    below, greatest, least = (1 << low_bit) - 1, (2 << description.high_bit) - 1, -(1 << description.high_bit)

    def unsigned(words: Array) -> tuple[Array, bool]:
        found = words.view(word)
        cut = int(found.max(initial=0)) > greatest or bool(below and (found & below).any())
        if low_bit or cut:
            found = (found >> low_bit) & word.type(stored.maximum)
        return found, cut

    def signed(words: Array) -> tuple[Array, bool]:
        found = words.view(dtype)
        highest, lowest = int(found.max(initial=0)), int(found.min(initial=0))
        cut = highest > greatest or lowest < least or bool(below and (found & below).any())
        if low_bit or cut or highest >= -least:
            found = (words.view(word) << above).view(dtype) >> (above + low_bit)
        return found, cut

    if stored.floating or stored.bits_stored == 8 * dtype.itemsize:
        return lambda words: (words.view(dtype), False)
    return signed if stored.signed else unsigned


def _is_interleaved_rgb(description: PixelDescription) -> bool:
    return description.photometric == "RGB" and not description.planar


def _room(description: PixelDescription, count: int, out: Array | None) -> Array:
    """Memory for the allocated words of so many frames; its file holds as many, which was checked."""
    if out is not None and description.photometric != "YBR_FULL_422":
        return out
    dtype = description.array_dtype
    return np.empty(count * _native_bits(description) // (8 * dtype.itemsize), dtype)


def _native_bitmaps(source: PixelSource, description: PixelDescription, first: int, count: int) -> Array:
    first_bit = first * _native_bits(description)
    end_bit = first_bit + count * _native_bits(description)
    packed_bits = np.empty(-(-end_bit // 8) - first_bit // 8, np.uint8)
    _read_into(source, description, first_bit // 8, packed_bits)
    start = first_bit % 8
    bits = np.unpackbits(packed_bits, bitorder="little")[start : start + end_bit - first_bit]
    return bits.reshape(count, *description.frame_shape)


def native_bit_rows(
    source: PixelSource, description: PixelDescription, frame: int
) -> tuple[int, Array] | None:
    """The rows of a frame of single bits from the first to the last that are not all 0.

    Which is the first, and their values, (rows, columns), uint8; None where rows do not begin with a byte.
    """
    if description.stored.bits_allocated != 1 or description.columns % 8:
        return None
    packed_bits = np.empty((description.rows, description.columns // 8), np.uint8)
    _read_into(source, description, frame * packed_bits.size, packed_bits)
    inside = np.flatnonzero(packed_bits.any(axis=1))
    if not len(inside):
        return 0, np.empty((0, description.columns), np.uint8)
    first, end = int(inside[0]), int(inside[-1]) + 1
    return first, np.unpackbits(packed_bits[first:end], axis=1, bitorder="little")


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
        raise description.error(
            f"{description.photometric} with BitsStored {description.stored.bits_stored}, "
            f"PixelRepresentation {int(description.stored.signed)}; "
            "the standard defines it for 8 unsigned bits (PS3.3 C.7.6.3.1.2)"
        )
    from pydicom.pixels.processing import convert_color_space

    return np.asarray(convert_color_space(colour, "YBR_FULL", "RGB"))


def _read_into(source: PixelSource, description: PixelDescription, first: int, room: Array) -> None:
    """The bytes from ``first`` of the value on, as many as there is room for."""
    source.stream.seek(source.start + first)
    rest = room.data.cast("B")
    while rest:  # an unbuffered stream may give less than it is asked for
        read = source.stream.readinto(rest)  # type: ignore[attr-defined]  # BinaryIO's stub forgets it
        if not read:
            raise description.error("the file became shorter while it was read")
        rest = rest[read:]


def _read_swapped(source: PixelSource, description: PixelDescription, first: int, end: int) -> bytes:
    """8-bit samples that were stored in big endian words, two in each (PS3.5 7.3, 8.1.2)."""
    start = first - first % 2
    data = np.zeros(end + end % 2 - start, np.uint8)
    _read_into(source, description, start, data[: min(len(data), source.size - start)])
    return data.view(np.uint16).byteswap().tobytes()[first - start : end - start]
