"""What a compressed stream says about itself, read without decoding it; and whether a JPEG stream is whole.

libjpeg decodes a stream whose data ends early, or whose restart markers are lost: it fills up with grey and
warns, and imagecodecs keeps the warning to itself.  So the markers are counted here, and where an image ends
in what libjpeg fills up with, it is decoded again with other bytes behind the data: data that is whole never
gets to them (ISO/IEC 10918-1 B.1.1.5, B.2.1, F.2.2.5).
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.pixel_values import Array


@dataclass(frozen=True, slots=True)
class Codestream:
    """What a JPEG, JPEG-LS or JPEG 2000 stream says about itself."""

    rows: int
    columns: int
    samples: int
    precision: int
    signed: bool = False
    component_ids: bytes = b""
    jfif: bool = False
    adobe_transform: int | None = None


class CodestreamError(ValueError):
    """A stream whose header cannot be read."""


def parse_jpeg(stream: bytes) -> Codestream:
    """The frame header of a JPEG or JPEG-LS stream (ISO/IEC 10918-1 B.2.2, 14495-1 C.2.2).

    Raises
    ------
    CodestreamError, IndexError, struct.error
        Where there is none.
    """
    if stream[:2] != b"\xff\xd8":
        raise CodestreamError("it does not begin with the start marker FFD8")
    jfif, adobe_transform = False, None
    position = 2
    while True:
        marker = _marker_at(stream, position)
        length = struct.unpack_from(">H", stream, position + 2)[0]
        segment = stream[position + 4 : position + 2 + length]
        if starts_frame(marker):
            break
        if marker == 0xE0 and segment.startswith(b"JFIF"):
            jfif = True
        if marker == 0xEE and segment.startswith(b"Adobe") and len(segment) >= 12:
            adobe_transform = segment[11]
        position += 2 + length
    precision, rows, columns, samples = struct.unpack_from(">BHHB", segment)
    return Codestream(
        rows=rows,
        columns=columns,
        samples=samples,
        precision=precision,
        component_ids=segment[6 : 6 + 3 * samples : 3],
        jfif=jfif,
        adobe_transform=adobe_transform,
    )


def _marker_at(stream: bytes, position: int) -> int:
    """The code of the marker segment at ``position``; scans and the end are no marker segments here."""
    code = stream[position + 1]
    if stream[position] != 0xFF or code in (0xD9, 0xDA):
        raise CodestreamError(f"no frame header before byte {position}")
    return code


def starts_frame(marker: int) -> bool:
    """SOF0 to SOF15 without DHT, JPG and DAC, and SOF55 of JPEG-LS."""
    return marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC))


def parse_jpeg_2000(stream: bytes) -> Codestream:
    """The image and tile size (SIZ) of a JPEG 2000 stream, alone or in a JP2 file (ISO/IEC 15444-1 A.5.1).

    Raises
    ------
    CodestreamError, IndexError, struct.error
        Where there is none.
    """
    start = _jpeg_2000_start(stream)
    if stream[start : start + 4] != b"\xff\x4f\xff\x51":
        raise CodestreamError("it does not begin with the markers FF4F FF51")
    right, bottom, left, top = struct.unpack_from(">4L", stream, start + 8)
    samples = struct.unpack_from(">H", stream, start + 40)[0]
    if not samples:
        raise CodestreamError("it has no components")
    components = [struct.unpack_from(">BBB", stream, start + 42 + 3 * number) for number in range(samples)]
    if any(component != (components[0][0], 1, 1) for component in components):
        raise CodestreamError(f"its components differ in depth or are subsampled: {components[:4]}")
    depth = components[0][0]
    return Codestream(
        rows=bottom - top,
        columns=right - left,
        samples=samples,
        precision=(depth & 0x7F) + 1,
        signed=bool(depth & 0x80),
    )


def _jpeg_2000_start(stream: bytes) -> int:
    """Where the codestream begins: at once, or in the box ``jp2c`` of a JP2 file (not allowed, but met)."""
    if stream[4:8] != b"jP  ":
        return 0
    position = 0
    while position + 8 <= len(stream):
        length = struct.unpack_from(">L", stream, position)[0]
        if stream[position + 4 : position + 8] == b"jp2c":
            return position + 8
        if length < 8:
            break
        position += length
    raise CodestreamError("a JP2 file without codestream")


RESTARTS = warning(
    "restart markers of JPEG streams are missing or in disorder: images may be wrong [decoder-restarts]"
)
SHORT = warning(
    "JPEG streams end before their last pixel: the decoder filled the rest with grey [decoder-filled]"
)

_SCAN, _RESTART_INTERVAL = 0xDA, 0xDD
_LOSSLESS_FRAME = 0xC3
_RESTART_CODES = range(0xD0, 0xD8)
_MARKER = re.compile(rb"\xff+[^\x00\xff]")
# In place of the data that is missing; no marker is in them, and no code table makes nothing of them.
_FILLER = b"\x55" * 16
_BLOCK = 8
_EQUAL_PIXELS = 4


@dataclass(frozen=True, slots=True)
class _Scan:
    """The entropy coded data of one scan: where its restart markers stand, and where it ends."""

    restarts: tuple[int, ...]
    end: int
    expected: int


def faults(stream: bytes, samples: Array, decode: Callable[[bytes], Array]) -> Warnings:
    """What there is to tell of a stream that was decoded to ``samples``; ``decode`` decodes another one."""
    interval, lossless = _interval_and_kind(stream)
    scans: tuple[_Scan, ...] = ()
    if interval:
        scans = tuple(_scans(stream))
        if not all(_in_order(stream, scan) for scan in scans):
            return RESTARTS
    if not _may_be_filled(samples, lossless, bool(interval)):
        return ()
    again = decode(_with_filler(stream, scans or tuple(_scans(stream))))
    return () if np.array_equal(again, samples) else SHORT


def _interval_and_kind(stream: bytes) -> tuple[int, bool]:
    """The restart interval before the first scan, and whether the frame is lossless."""
    interval, lossless = 0, False
    for marker, segment, _ in _segments(stream, 2):
        if marker == _RESTART_INTERVAL and len(segment) >= 2:
            interval = struct.unpack_from(">H", segment)[0]
        lossless = lossless or marker == _LOSSLESS_FRAME
        if marker == _SCAN:
            break
    return interval, lossless


def _segments(stream: bytes, position: int) -> Iterator[tuple[int, bytes, int]]:
    """Marker segments from a position on, up to the end or to what is none: code, content, where it ends."""
    while position + 4 <= len(stream) and stream[position] == 0xFF:
        code = stream[position + 1]
        if code == 0xFF:  # fill bytes (B.1.1.2)
            position += 1
            continue
        if code == 0xD9:
            return
        end = position + 2 + struct.unpack_from(">H", stream, position + 2)[0]
        yield code, stream[position + 4 : end], end
        position = end


def _scans(stream: bytes) -> Iterator[_Scan]:
    """The scans of a stream, with the restart markers that each should have."""
    interval, frame, position = 0, b"", 2
    while True:
        found = None
        for code, segment, end in _segments(stream, position):
            if code == _RESTART_INTERVAL and len(segment) >= 2:
                interval = struct.unpack_from(">H", segment)[0]
            elif starts_frame(code):
                frame, lossless = segment, code == _LOSSLESS_FRAME
            elif code == _SCAN and len(frame) >= 6 and segment:
                found = segment, end
                break
        if found is None:
            return
        segment, position = found
        restarts = []
        for match in _MARKER.finditer(stream, position):
            position = match.start()
            if stream[match.end() - 1] not in _RESTART_CODES:
                break
            restarts.append(position)
        else:
            return
        units = _units(frame, segment, lossless)
        yield _Scan(tuple(restarts), position, max(0, math.ceil(units / interval) - 1) if interval else 0)


def _units(frame: bytes, scan: bytes, lossless: bool) -> int:
    """How many minimum coded units a scan has (A.2): blocks of 8 x 8 or, lossless, samples."""
    rows, columns = map(int, struct.unpack_from(">HH", frame, 1))
    side = 1 if lossless else _BLOCK
    sampling = {
        frame[place]: (frame[place + 1] >> 4 or 1, frame[place + 1] & 15 or 1)
        for place in range(6, len(frame) - 2, 3)
    }
    across, down = (max(factor[axis] for factor in sampling.values()) for axis in (0, 1))
    if scan[0] > 1 or len(sampling) == 1:
        if len(sampling) == 1:
            across = down = 1  # one component alone: its blocks one by one, whatever its factors (A.2.2)
        return math.ceil(columns / (side * across)) * math.ceil(rows / (side * down))
    own = sampling.get(scan[1], (across, down))
    return math.ceil(math.ceil(columns * own[0] / across) / side) * math.ceil(
        math.ceil(rows * own[1] / down) / side
    )


def _in_order(stream: bytes, scan: _Scan) -> bool:
    """Whether the restart markers are as many as there should be, and count from 0 to 7 and on."""
    codes = [stream[place + 1] & 7 for place in scan.restarts]
    return len(codes) == scan.expected and codes == [index % 8 for index in range(len(codes))]


def _may_be_filled(samples: Array, lossless: bool, restarted: bool) -> bool:
    """Whether an image has, where its data may have ended, what libjpeg fills up with."""
    grey = 1 << (samples.dtype.itemsize * 8 - 1)
    pixels = samples.reshape(*samples.shape[:2], -1)
    greys = (grey, 1 << 11) if samples.dtype.itemsize == 2 else (grey,)  # of 16 bits, of 12
    if any((pixels[-1, -1] == value).all() for value in greys):
        return True
    last = pixels[-1, -_EQUAL_PIXELS:].astype(np.int64)
    if lossless:
        steps = np.diff(last, axis=0)
        # equal pixels are background most often, whose decoding twice would cost more than it tells
        return bool(steps.any() and (steps == steps[:1]).all())
    inner = pixels[_BLOCK - 1 :: _BLOCK, _BLOCK - 1 :: _BLOCK]
    return restarted and any(bool((inner == value).all(-1).any()) for value in greys)


def _with_filler(stream: bytes, scans: tuple[_Scan, ...]) -> bytes:
    """The stream with other bytes before each marker that ends entropy coded data."""
    places = [place for scan in scans for place in (*scan.restarts, scan.end)]
    bounds = [0, *places, len(stream)]
    return _FILLER.join(stream[one:other] for one, other in pairwise(bounds))
