"""The data set of a file, read by pydicom: its header, and where the pixel data behind it lies.

As `by_pydicom`, this is imported only where it is needed.
"""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from io import BytesIO
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset, read_preamble

from dicomarray.errors import InputError, PixelError
from dicomarray.reading.files import PREAMBLE
from dicomarray.reading.part10 import UNDEFINED
from dicomarray.reading.pixel_description import PIXEL_KEYWORDS, UNREADABLE
from dicomarray.reading.pixel_source import DEFLATED, PIXEL_TAGS, PixelSource, unpack_offsets

PIXEL_VRS = (b"OB", b"OW", b"OF", b"OD", b"UN")
# A few kilobytes can inflate to a thousand times as much.  Deflated images are small drawings and overlays.
LARGEST_INFLATED_BYTES = 1 << 30
INFLATED_PIECE = 1 << 20
TOO_FAR = (
    f"the deflated data set holds more than {LARGEST_INFLATED_BYTES} bytes; "
    "inflate it with another tool first"
)
# How many bytes from the start the file meta information is looked for; it has a few hundred (PS3.10 7.1).
FILE_META_BYTES = 4096
FILE_META_GROUP = b"\x02\x00"
# VRs with a 32-bit length among those of the file meta information, and UN and SQ (PS3.5 7.1.2).
LONG_FORM_VRS = (b"OB", b"OW", b"UN", b"SQ", b"UT")
# What pydicom raises where the bytes of an element do not make a value, and where those of a file make none.
UNREADABLE_VALUE = (*UNREADABLE, BytesLengthException)
UNREADABLE_FILE = (
    *UNREADABLE_VALUE,
    InvalidDicomError,
    AttributeError,
    EOFError,
    MemoryError,
    RecursionError,
    struct.error,
    zlib.error,
)


def read_header(stream: BinaryIO, path: str) -> Dataset:
    """The data set before its pixel data; the stream stands at the pixel data element afterwards.

    Raises
    ------
    InputError
        Where the bytes are no DICOM data set.
    PixelError
        Where a deflated file would fill the memory.
    """
    try:
        too_far = inflates_beyond_limit(stream)
    except UNREADABLE_FILE as error:
        raise InputError(f"{path} cannot be read as DICOM: {type(error).__name__} {error}") from error
    if too_far:
        raise PixelError(f"{path}: {TOO_FAR}")
    return _dcmread(stream, path, stop_before_pixels=True)


def read_whole(stream: BinaryIO, path: str) -> Dataset:
    """The data set with its pixel data, which a deflated file does not yield otherwise."""
    stream.seek(0)
    return _dcmread(stream, path, stop_before_pixels=False)


def _dcmread(stream: BinaryIO, path: str, stop_before_pixels: bool) -> Dataset:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they quote bytes that may name a patient; errors are ours
            return pydicom.dcmread(stream, stop_before_pixels=stop_before_pixels, force=True)
    except UNREADABLE_FILE as error:
        raise InputError(f"{path} cannot be read as DICOM: {type(error).__name__} {error}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def inflates_beyond_limit(stream: BinaryIO) -> bool:
    """Whether a deflated data set inflates to more than `LARGEST_INFLATED_BYTES` (PS3.5 A.5).

    pydicom inflates the whole data set, even for one attribute; here it is measured in pieces that are
    not kept.  A file of another transfer syntax costs one look at its first bytes.  The stream stands at
    its start afterwards.

    Raises
    ------
    zlib.error
        Where the data set is deflated and damaged.
    """
    stream.seek(0)
    start = stream.read(FILE_META_BYTES)
    try:
        return (DEFLATED.encode() in start or not _file_meta_ends_in(start)) and _inflates_far(stream)
    finally:
        stream.seek(0)


def _file_meta_ends_in(start: bytes) -> bool:
    """Whether a file that begins so has its whole file meta information (PS3.10 7.1) in these bytes."""
    position = PREAMBLE + 4 if start[PREAMBLE : PREAMBLE + 4] == b"DICM" else 0
    while start[position : position + 2] == FILE_META_GROUP:
        element = start[position : position + 12].ljust(12, b"\0")
        vr = element[4:6]
        if vr in LONG_FORM_VRS:
            position += 12 + int.from_bytes(element[8:12], "little")
        elif vr.isupper():
            position += 8 + int.from_bytes(element[6:8], "little")
        else:  # implicit VR, which some writers used here against the rule
            position += 8 + int.from_bytes(element[4:8], "little")
    return position < len(start) or len(start) < FILE_META_BYTES


def _inflates_far(stream: BinaryIO) -> bool:
    """The same for a file of which the first bytes do not tell the transfer syntax for certain.

    The file meta information and the command set are read as pydicom reads them, whatever their lengths
    claim: what follows is what it would inflate.
    """
    stream.seek(0)
    read_preamble(stream, force=True)
    meta = read_dataset(stream, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2)
    read_dataset(stream, True, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 0)
    if meta.get("TransferSyntaxUID") != DEFLATED:
        return False
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated, pending = 0, b""
    while (pending or (pending := stream.read(INFLATED_PIECE))) and not inflater.eof:
        inflated += len(inflater.decompress(pending, INFLATED_PIECE))
        pending = inflater.unconsumed_tail
        if inflated > LARGEST_INFLATED_BYTES:
            return True
    return False


def source_in_file(stream: BinaryIO, dataset: Dataset, path: str) -> PixelSource:
    """The pixel data element at which ``stream`` stands after `read_header` (PS3.5 7.1).

    Raises
    ------
    PixelError
        Where there is none.
    """
    little_endian = dataset.original_encoding[1] is not False
    order = "<" if little_endian else ">"
    header = stream.read(8)
    position = stream.tell()
    group, element = struct.unpack(f"{order}HH", header[:4]) if len(header) == 8 else (0, 0)
    keyword = PIXEL_TAGS.get(group << 16 | element)
    if keyword is None:
        raise PixelError(f"{path}: there is no pixel data (PS3.3 C.7.6.3); leave out the file")
    # An explicit VR cannot be mistaken for an implicit length, which would be odd.
    vr, length_field = header[4:6], header[4:]
    if vr in PIXEL_VRS:
        length_field = stream.read(4).ljust(4, b"\0")
        position += 4
    else:
        vr = b"OW"
    length = struct.unpack(f"{order}L", length_field)[0]
    end = max(position, stream.seek(0, os.SEEK_END))
    return PixelSource(
        stream=stream,
        start=position,
        length=None if length == UNDEFINED else length,
        available=end - position,
        keyword=keyword,
        vr=vr.decode(),
        extended_offsets=_extended_offsets(dataset, path),
    )


def source_in_memory(dataset: Dataset, path: str) -> PixelSource:
    """The pixel data that ``dataset`` holds.

    Raises
    ------
    PixelError
        Where there is none.
    """
    keyword = next((name for name in PIXEL_KEYWORDS if name in dataset), None)
    try:
        element = dataset[keyword] if keyword else None
        value = None if element is None else element.value
    except UNREADABLE_VALUE as error:
        raise PixelError(f"{path}: {keyword} cannot be read: {error}") from error
    if keyword is None or element is None or not isinstance(value, bytes | bytearray):
        raise PixelError(f"{path}: there is no pixel data (PS3.3 C.7.6.3); leave it out")
    return PixelSource(
        stream=BytesIO(value),
        start=0,
        length=None if element.is_undefined_length else len(value),
        available=len(value),
        keyword=keyword,
        vr=str(element.VR),
        extended_offsets=_extended_offsets(dataset, path),
    )


def _extended_offsets(dataset: Dataset, path: str) -> tuple[int, ...]:
    """Extended Offset Table (PS3.3 C.7.6.3.1.8); empty where the file has none."""
    try:
        table = dataset.get("ExtendedOffsetTable")
    except UNREADABLE_VALUE as error:
        raise PixelError(f"{path}: ExtendedOffsetTable cannot be read: {error}") from error
    if not table:
        return ()
    return unpack_offsets(table, path)
