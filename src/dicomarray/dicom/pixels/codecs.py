"""One compressed frame -> stored values; every decoder is from imagecodecs (PS3.5 8.2, Annex A.4).

What a stream says about itself is compared with the header before a decoder takes memory.
"""

from __future__ import annotations

import math
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.pixel_values import Array
from dicomarray.dicom.pixels.codestreams import (
    Codestream,
    CodestreamError,
    faults,
    parse_jpeg,
    parse_jpeg_2000,
)
from dicomarray.dicom.pixels.description import PixelDescription
from dicomarray.dicom.pixels.native import BITS_CUT, stored_bits_of
from dicomarray.dicom.transfer_syntaxes import DEFLATED_FRAMES

RLE, JPEG, JPEG_LS, JPEG_2000, DEFLATE = "RLE", "JPEG", "JPEG-LS", "JPEG 2000", "deflate"


@dataclass(frozen=True, slots=True)
class Compression:
    """What a transfer syntax does to a frame (PS3.5 Annex A.4)."""

    family: str
    lossy: bool


# OpenJPEG decodes the high-throughput streams (HTJ2K) too, and, unlike OpenJPH as imagecodecs wraps it, it
# reports a damaged one instead of returning whatever memory holds.
COMPRESSIONS = {
    "1.2.840.10008.1.2.5": Compression(RLE, lossy=False),
    "1.2.840.10008.1.2.4.50": Compression(JPEG, lossy=True),
    "1.2.840.10008.1.2.4.51": Compression(JPEG, lossy=True),
    "1.2.840.10008.1.2.4.57": Compression(JPEG, lossy=False),
    "1.2.840.10008.1.2.4.70": Compression(JPEG, lossy=False),
    "1.2.840.10008.1.2.4.80": Compression(JPEG_LS, lossy=False),
    "1.2.840.10008.1.2.4.81": Compression(JPEG_LS, lossy=True),
    "1.2.840.10008.1.2.4.90": Compression(JPEG_2000, lossy=False),
    "1.2.840.10008.1.2.4.91": Compression(JPEG_2000, lossy=True),
    "1.2.840.10008.1.2.4.201": Compression(JPEG_2000, lossy=False),
    "1.2.840.10008.1.2.4.202": Compression(JPEG_2000, lossy=False),
    "1.2.840.10008.1.2.4.203": Compression(JPEG_2000, lossy=True),
    DEFLATED_FRAMES: Compression(DEFLATE, lossy=False),
}

_PARSERS: dict[str, Callable[[bytes], Codestream]] = {
    JPEG: parse_jpeg,
    JPEG_LS: parse_jpeg,
    JPEG_2000: parse_jpeg_2000,
}

# Within the entropy coded data of JPEG and JPEG-LS these markers cannot occur.
START_OF_SCAN, END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
# OpenJPEG computes in 32-bit integers: above 24 bits its lossless streams come back changed (measured).
JPEG_2000_PRECISION = 24
# A tiny stream may truly hold a large blank image, and decoders take 4 bytes a sample before they find out.
# Beyond 64 Mi samples (twice the largest mammogram) a stream must hold a byte for every 64 x 64 code block.
LARGE_FRAME_SAMPLES = 1 << 26
LARGE_FRAME_SAMPLES_PER_BYTE = 64 * 64
# A PackBits pair of two bytes makes at most 128 (PS3.5 G.3.1).
RLE_SAMPLES_PER_BYTE = 64
RLE_HEADER = struct.Struct("<16L")
# Zero bytes that pad a segment, or its rows before they were encoded, decode to a few bytes too many.
RLE_EXCESS_BYTES = 8
# So many bytes behind the run that makes the last pixel are padding; more of them, unless all are the same,
# are another image's size.
RLE_TRAILING_BYTES = 128
OVERSHOOT = warning(
    "lossy compression overshot: decoded values beyond the range of BitsStored were set to its least or "
    "greatest value [decoder-overshoot]"
)
RLE_TRAILING = warning("RLE segments have bytes behind the last pixel, which are left out [decoder-trailing]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """The stored values of a frame, and what there is to tell of how they were had."""

    samples: Array
    notes: Warnings = ()


def decode_frame(stream: bytes, description: PixelDescription, frame: int) -> Decoded:
    """Decode one frame.

    Parameters
    ----------
    stream
        The whole compressed frame; padding after it does no harm.
    frame
        Its index, for messages.

    Returns
    -------
    Decoded
        ``(rows, columns)`` or ``(rows, columns, 3)``, `PixelDescription.array_dtype`, stored values.
        Colour as the header labels it, except that JPEG (lossy) and JPEG 2000 undo their own transform;
        `decodes_to_rgb` tells.

    Raises
    ------
    PixelError
        Where the stream is damaged, or is not what the header says.
    """
    compression = COMPRESSIONS[description.transfer_syntax]
    if compression.family == RLE:
        words, notes = _decode_rle(stream, description, frame)
        values, cut = stored_bits_of(description)(words)
        return Decoded(values, notes + BITS_CUT if cut else notes)
    if compression.family == DEFLATE:
        return Decoded(_inflated(stream, description, frame))
    try:
        codestream = _PARSERS[compression.family](stream)
    except (CodestreamError, struct.error, IndexError) as error:
        raise description.error(f"damaged {compression.family} stream: {error}", frame) from error
    _compare(codestream, description, len(stream), frame)
    samples, notes = _decode_stream(stream, codestream, description, frame)
    stored, clipped = _as_stored(samples, codestream, description, frame)
    return Decoded(stored, notes + OVERSHOOT if clipped else notes)


def _inflated(stream: bytes, description: PixelDescription, frame: int) -> Array:
    """A native frame that was deflated by itself, its bits beginning with a byte (PS3.5 A.4.13)."""
    samples = math.prod(description.frame_shape)
    needed = -(-samples * description.stored.bits_allocated // 8)
    codec = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        native = codec.decompress(stream, needed)
    except zlib.error as error:
        raise description.error(f"damaged deflated stream: {error}", frame) from error
    if len(native) < needed:
        raise description.error(f"the deflated stream has {len(native)} bytes, {needed} are needed", frame)
    if description.stored.bits_allocated == 1:
        bits = np.unpackbits(np.frombuffer(native, np.uint8), count=samples, bitorder="little")
        return bits.reshape(description.frame_shape)
    words = np.frombuffer(native, description.array_dtype.newbyteorder("<"))
    values, _ = stored_bits_of(description)(words.astype(description.array_dtype))
    if description.planar:
        return np.moveaxis(values.reshape(-1, description.rows, description.columns), 0, -1)
    return values.reshape(description.frame_shape)


def decodes_to_rgb(stream: bytes, description: PixelDescription) -> bool:
    """Whether the colour of a frame is RGB after `decode_frame`, which has read the same stream.

    PS3.3 C.7.6.3.1.2: the components of a lossy JPEG stream are what the stream says, JPEG 2000 labelled
    YBR_RCT or YBR_ICT undoes its transform; elsewhere the header's word counts, except that a stream may
    name its components R, G, B.
    """
    compression = COMPRESSIONS[description.transfer_syntax]
    if description.photometric in ("RGB", "YBR_RCT", "YBR_ICT"):
        return True
    if compression.family == JPEG:
        return compression.lossy or _names_rgb(parse_jpeg(stream))
    return compression.family == JPEG_LS and _names_rgb(parse_jpeg(stream))


def _compare(codestream: Codestream, description: PixelDescription, length: int, frame: int) -> None:
    """The stream's own header against the data set's."""
    found = (codestream.rows, codestream.columns, codestream.samples)
    expected = (description.rows, description.columns, description.samples)
    if found != expected:
        raise description.error(
            f"the compressed stream holds (rows, columns, samples) {found}, the header says {expected} "
            "(PS3.5 8.2)",
            frame,
        )
    allocated = description.stored.bits_allocated
    if codestream.precision > allocated:
        raise description.error(
            f"the compressed stream has {codestream.precision} bits a sample, more than BitsAllocated "
            f"{allocated} (PS3.5 8.2)",
            frame,
        )
    total = description.rows * description.columns * description.samples
    if total > LARGE_FRAME_SAMPLES and total > length * LARGE_FRAME_SAMPLES_PER_BYTE:
        raise description.error(f"{length} compressed bytes cannot hold {total} samples", frame)


def _decode_stream(
    stream: bytes, codestream: Codestream, description: PixelDescription, frame: int
) -> tuple[Array, Warnings]:
    """The samples as the decoder gives them, of the header's shape; and what it would not tell."""
    import imagecodecs

    family = COMPRESSIONS[description.transfer_syntax].family
    if family != JPEG_2000 and stream.rfind(END_OF_IMAGE) < stream.rfind(START_OF_SCAN):
        # libjpeg fills what is missing with grey and says nothing; CharLS may search for seconds.
        raise description.error(f"the {family} stream is truncated: its end marker is missing", frame)
    if family == JPEG_2000 and codestream.precision > JPEG_2000_PRECISION:
        raise description.error(
            f"JPEG 2000 with {codestream.precision} bits a sample; up to {JPEG_2000_PRECISION} are read",
            frame,
        )
    notes: Warnings = ()
    try:
        if family == JPEG:
            colour, result = _jpeg_colours(codestream, description)
            decode = partial(imagecodecs.jpeg8_decode, colorspace=colour, outcolorspace=result)
            samples = decode(stream)
            notes = faults(stream, samples, decode)
        elif family == JPEG_LS:
            samples = imagecodecs.jpegls_decode(stream)
        else:
            samples = imagecodecs.jpeg2k_decode(stream)
    except (
        imagecodecs.Jpeg8Error,
        imagecodecs.JpeglsError,
        imagecodecs.Jpeg2kError,
        ValueError,  # what imagecodecs raises for a layout that it has no array for
        MemoryError,
    ) as error:
        raise description.error(f"the {family} stream cannot be decoded: {error}", frame) from error
    if samples.shape != description.frame_shape or samples.dtype.kind not in "iu":
        raise description.error(
            f"decoding gave {samples.dtype} of shape {samples.shape}, the header {description.frame_shape}",
            frame,
        )
    return np.asarray(samples), notes


def _jpeg_colours(
    codestream: Codestream, description: PixelDescription
) -> tuple[str, str] | tuple[None, None]:
    """What libjpeg is told about the colours of the stream, and of the result; it guesses otherwise."""
    if codestream.samples == 1:
        return None, None
    lossless = not COMPRESSIONS[description.transfer_syntax].lossy
    as_stored = lossless or _holds_rgb(codestream, description)
    return "RGB" if as_stored else "YCbCr", "RGB"


def _holds_rgb(codestream: Codestream, description: PixelDescription) -> bool:
    """Whether the components of a lossy JPEG stream are RGB, not YCbCr.

    The stream's own words (component names, Adobe, JFIF) come before the header's.
    """
    if _names_rgb(codestream):
        return True
    if codestream.adobe_transform is not None:
        return codestream.adobe_transform == 0
    return not codestream.jfif and description.photometric == "RGB"


def _names_rgb(codestream: Codestream) -> bool:
    return codestream.component_ids in (b"RGB", b"rgb")


def _as_stored(
    samples: Array, codestream: Codestream, description: PixelDescription, frame: int
) -> tuple[Array, bool]:
    """Decoded samples in the header's sign and range, and whether some were beyond it.

    JPEG and JPEG-LS know no sign, and JPEG 2000 streams exist whose sign is not the header's: the bits are
    then taken as the header says.
    """
    compression, stored = COMPRESSIONS[description.transfer_syntax], description.stored
    is_shifted = description.low_bit > 0 and codestream.precision > stored.bits_stored
    if is_shifted or (compression.family == JPEG and not compression.lossy):
        return stored_bits_of(description)(_low_bits_first(samples, codestream, description))[0], False
    if codestream.signed != stored.signed:
        bits = codestream.precision
        if stored.signed:
            bits = min(bits, stored.bits_stored)
        samples = _reinterpret(samples, bits, stored.signed)
    lowest, highest = int(samples.min()), int(samples.max())
    beyond = lowest < stored.minimum or highest > stored.maximum
    if beyond:
        if not compression.lossy:
            raise description.error(
                f"decoded values {lowest} to {highest} do not fit BitsStored {stored.bits_stored}, "
                f"PixelRepresentation {int(stored.signed)} (PS3.5 8.2)",
                frame,
            )
        # A lossy stream of more precision than Bits Stored may overshoot; its decoder cuts off alike.
        samples = np.clip(samples, stored.minimum, stored.maximum)
    return np.asarray(samples.astype(description.array_dtype, copy=False)), beyond


def _low_bits_first(samples: Array, codestream: Codestream, description: PixelDescription) -> Array:
    """Samples as allocated words: a stream without room for the bits below the lowest stored one has none."""
    words = samples.astype(np.dtype(f"u{description.array_dtype.itemsize}"), copy=False)
    if codestream.precision <= description.stored.bits_stored:
        return words << description.low_bit
    return words


def _reinterpret(samples: Array, bits: int, signed: bool) -> Array:
    """The lowest ``bits`` of every sample as two's complement, or as unsigned."""
    size = samples.dtype.itemsize
    words = samples.view(f"u{size}") << (8 * size - bits)
    return words.view(f"{'i' if signed else 'u'}{size}") >> (8 * size - bits)


def _decode_rle(stream: bytes, description: PixelDescription, frame: int) -> tuple[Array, Warnings]:
    """RLE Lossless (PS3.5 Annex G): one PackBits segment for every byte of a sample, highest first."""
    import imagecodecs

    pixels = description.rows * description.columns
    width = description.array_dtype.itemsize
    if description.stored.bits_allocated % 8 or description.stored.floating:
        raise description.error("RLE holds integers of whole bytes (PS3.5 Annex G)", frame)
    if pixels * width * description.samples > len(stream) * RLE_SAMPLES_PER_BYTE:
        raise description.error(
            f"{len(stream)} RLE bytes cannot hold {description.rows} x {description.columns} pixels", frame
        )
    segments = _rle_segments(stream, description, frame)
    planes = np.empty((description.samples, pixels, width), np.uint8)
    notes: Warnings = ()
    for number, segment in enumerate(segments):
        try:
            plane = imagecodecs.packbits_decode(segment, out=pixels + RLE_EXCESS_BYTES)
        except imagecodecs.PackbitsError as error:
            end = _end_of_runs(segment, pixels)
            if end is None or not _is_padding(segment[end:]):
                raise description.error(f"RLE segment {number} cannot be decoded: {error}", frame) from error
            plane, notes = imagecodecs.packbits_decode(segment[:end]), RLE_TRAILING
        if len(plane) < pixels:
            raise description.error(f"RLE segment {number} has {len(plane)} of {pixels} bytes", frame)
        sample, byte = divmod(number, width)
        if sys.byteorder == "little":
            byte = width - 1 - byte
        planes[sample, :, byte] = np.frombuffer(plane, np.uint8, pixels)
    words = planes.view(np.dtype(f"u{width}"))
    by_plane = words.reshape(description.samples, description.rows, description.columns)
    return by_plane[0] if description.samples == 1 else np.moveaxis(by_plane, 0, -1), notes


def _is_padding(rest: bytes) -> bool:
    return len(rest) <= RLE_TRAILING_BYTES or len(set(rest.rstrip(b"\0"))) <= 1


def _end_of_runs(segment: bytes, pixels: int) -> int | None:
    """Where the runs of a segment end that make so many bytes; None where none does (PS3.5 G.3.1)."""
    position = made = 0
    while made < pixels and position < len(segment):
        control = segment[position]
        if control < 128:
            made, position = made + control + 1, position + control + 2
        elif control > 128:
            made, position = made + 257 - control, position + 2
        else:
            position += 1
    fits = pixels <= made <= pixels + RLE_EXCESS_BYTES
    return position if fits and position <= len(segment) else None


def _rle_segments(stream: bytes, description: PixelDescription, frame: int) -> list[bytes]:
    """The segments that the RLE header lists (PS3.5 G.4, G.5)."""
    if len(stream) < RLE_HEADER.size:
        raise description.error(f"the RLE stream has {len(stream)} bytes, less than its header", frame)
    count, *offsets = RLE_HEADER.unpack_from(stream)
    expected = description.samples * description.array_dtype.itemsize
    if count != expected:
        raise description.error(f"{count} RLE segments, but the header makes {expected} (PS3.5 G.2)", frame)
    bounds = [*offsets[:count], len(stream)]
    if bounds[0] < RLE_HEADER.size or bounds != sorted(bounds):
        raise description.error(f"RLE segments start at {offsets[:count]} of {len(stream)} bytes", frame)
    return [stream[first:last] for first, last in pairwise(bounds)]
