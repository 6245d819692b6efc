"""The data set of a file, read by pydicom: its header, and where the pixel data behind it lies.

As `by_pydicom`, this is imported only where it is needed.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from io import BytesIO
from typing import BinaryIO, cast

import pydicom
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_sequence

from dicomarray.dicom.part10 import UNDEFINED, Element
from dicomarray.dicom.pixels.description import PIXEL_KEYWORDS
from dicomarray.dicom.pixels.location import PIXEL_TAGS, PixelSource, unpack_offsets
from dicomarray.dicom.pydicom_fallback import PYDICOM_FAILURES, TOO_FAR, inflates_beyond_limit
from dicomarray.errors import InputError, PixelError
from dicomarray.runtime.pydicom_warnings import pydicom_quiet

PIXEL_VRS = (b"OB", b"OW", b"OF", b"OD", b"UN")
# What pydicom raises where the bytes of an element do not make a value, and where those of a file make none.
UNREADABLE_VALUE = PYDICOM_FAILURES
UNREADABLE_FILE = tuple(failure for failure in PYDICOM_FAILURES if failure is not OSError)


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


def private_elements(
    stream: BinaryIO, path: str, wanted: Callable[[int], bool]
) -> tuple[dict[int, Element], bool]:
    """The private elements that are wanted as bytes, and whether they are little endian.

    A sequence that pydicom has parsed is as one of unknown type.  Raises as `read_header`.
    """
    dataset = read_header(stream, path)
    found: dict[int, Element] = {}
    for tag in [tag for tag in dataset.keys() if tag.is_private and wanted(tag)]:  # noqa: SIM118 - undecoded
        element = cast("DataElement | RawDataElement", dataset.get_item(tag, keep_deferred=True))
        if isinstance(element, RawDataElement):
            vr, value = element.VR, element.value or b""
        else:
            vr, value = None, _implicit_items(element, path)
        found[int(tag)] = Element(vr, value, len(value))
    return found, dataset.original_encoding[1] is not False


def _implicit_items(element: DataElement, path: str) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian = buffer.is_implicit_VR = True
    try:
        write_sequence(buffer, element, ["iso8859"])
    except UNREADABLE_VALUE as error:
        raise InputError(f"{path}: the private sequence {element.tag} cannot be read") from error
    return buffer.getvalue()


def read_whole(stream: BinaryIO, path: str) -> Dataset:
    """The data set with its pixel data, which a deflated file does not yield otherwise."""
    stream.seek(0)
    return _dcmread(stream, path, stop_before_pixels=False)


def _dcmread(stream: BinaryIO, path: str, stop_before_pixels: bool) -> Dataset:
    try:
        with pydicom_quiet:
            return pydicom.dcmread(stream, stop_before_pixels=stop_before_pixels, force=True)
    except UNREADABLE_FILE as error:
        raise InputError(f"{path} cannot be read as DICOM: {type(error).__name__} {error}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


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
