"""What a compressed stream says about itself, read from its header without decoding it."""

from __future__ import annotations

import struct
from dataclasses import dataclass


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
