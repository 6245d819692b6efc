"""What our own reader does not understand is read by pydicom.

This module is imported where that happens, and not before: to import pydicom takes longer than to read the
headers of a thousand files.  It inflates a deflated data set whole: how far that goes is measured before.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, BinaryIO, cast

import pydicom
from pydicom import Dataset
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset, read_preamble, read_sequence
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from dicomarray.core.nesting import MAX_DEPTH, TOO_DEEP
from dicomarray.dicom.attribute_names import PIXEL_REPRESENTATION, SPECIFIC_CHARACTER_SET, Request
from dicomarray.dicom.dictionary import added_private_vr
from dicomarray.dicom.part10 import (
    LONG_VRS,
    META_GROUP,
    PREAMBLE,
    UNDEFINED,
    DoubtError,
    Element,
    encoded,
    repeated_tag,
)
from dicomarray.dicom.private_blocks import creator_of
from dicomarray.dicom.recognition import refuse_directory
from dicomarray.dicom.sequences import item_name
from dicomarray.dicom.transfer_syntaxes import DEFLATED
from dicomarray.dicom.vr import (
    BINARY_NUMBERS,
    FAILURES,
    ITEMS,
    LATIN_1,
    MAX_LIST_LENGTH,
    MISPLACED,
    Value,
    decode,
    encodings_of,
    one_or_many,
    texts,
    value_representation,
)
from dicomarray.errors import HeaderError, InputError
from dicomarray.runtime.pydicom_warnings import pydicom_quiet
from dicomarray.storage.plain_files import open_header
from dicomarray.storage.references import Reference

# What pydicom raises on damaged files; anything else is a mistake of ours and must be seen.
PYDICOM_FAILURES = (BytesLengthException, InvalidDicomError, *FAILURES)
# Data Set Trailing Padding (PS3.10 7.2), the last tag that there can be: if pydicom finds it behind the
# others, none of them was read beyond its end.
_TRAILING_PADDING = 0xFFFCFFFC
# The tag that begins an item of a sequence, (FFFE,E000), little and big endian.
_ITEM = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
# A few kilobytes can inflate to a thousand times as much.  Deflated images are small drawings and overlays.
LARGEST_INFLATED_BYTES = 1 << 30
INFLATED_PIECE = 1 << 20
TOO_FAR = (
    f"the deflated data set holds more than {LARGEST_INFLATED_BYTES} bytes; "
    "inflate it with another tool first"
)


def attributes_of(path: Reference, request: Request) -> tuple[str | None, dict[str, Value]]:
    """A file's Transfer Syntax UID, and what it has of a request.

    Raises
    ------
    InputError
        Where a deflated file would fill the memory, it is a DICOMDIR, or its Transfer Syntax UID is no text;
        beside it any of `PYDICOM_FAILURES`.
    """
    with pydicom_quiet:
        dataset = dataset_of_file(path, None if request.needs_all else [Tag(tag) for tag in request.read])
        meta = getattr(dataset, "file_meta", None) or {}
        refuse_directory(meta.get("MediaStorageSOPClassUID"))
        encodings = encodings_in(dataset)
        attributes = {name: element_value(dataset, tag, encodings) for name, tag in tags_in(dataset, request)}
        syntax = meta.get("TransferSyntaxUID")
        if syntax is not None and not isinstance(syntax, str):
            raise InputError("TransferSyntaxUID is no UID (PS3.10 7.1)")
        return None if syntax is None else str(syntax), attributes


def tags_in(dataset: Dataset, request: Request) -> list[tuple[str, BaseTag]]:
    """The names that are asked for with their tags, of the elements that a data set has."""
    wanted = request.names_among(dataset.keys(), creator_in(dataset))
    return [(name, Tag(tag)) for name, tag in wanted if tag in dataset]


def encodings_in(dataset: Dataset) -> tuple[str, ...]:
    """How the texts of a data set are encoded (PS3.3 C.12.1.1.2)."""
    return encodings_of(texts(element_value(dataset, Tag(SPECIFIC_CHARACTER_SET), (LATIN_1,))))


def dataset_of_file(path: Reference, tags: list[BaseTag] | list[str] | None) -> Dataset:
    """The elements with these tags, or all before the pixel data; raises as `attributes_of`."""
    with open_header(path) as stream:
        if file_meta_has_items(stream):
            raise InputError("a sequence in the file meta information (PS3.10 7.1)")
        if inflates_beyond_limit(stream):
            raise InputError(TOO_FAR)
        if (twice := repeated_tag(stream)) is not None:
            raise InputError(f"{item_name(twice)} stands twice, with two values (PS3.5 7.1 has each once)")
        stream.seek(0)
        try:
            return pydicom.dcmread(stream, stop_before_pixels=True, force=True, specific_tags=tags)
        except RecursionError as error:
            raise InputError(TOO_DEEP) from error


def creator_in(dataset: Dataset) -> Callable[[int], str]:
    """What tells whom the element with a tag names as the creator of a block (PS3.5 7.8.1)."""
    encodings = encodings_in(dataset)
    return lambda tag: "\\".join(texts(element_value(dataset, Tag(tag), encodings))).strip()


def value_among(
    elements: Mapping[int, Element], tag: int, explicit: bool, encodings: tuple[str, ...]
) -> Value:
    """The plain value of one of some elements that were walked; DoubtError where they are odd."""
    with pydicom_quiet:
        return element_value(_dataset_of_elements(elements, explicit), Tag(tag), encodings)


def _dataset_of_elements(elements: Mapping[int, Element], explicit: bool) -> Dataset:
    tags = sorted(elements)
    content = b"".join(_as_in_file(tag, elements[tag], explicit) for tag in tags)
    content += encoded(_TRAILING_PADDING, "OB", b"", explicit)
    try:
        dataset = read_dataset(BytesIO(content), not explicit, True)
    except PYDICOM_FAILURES as error:
        raise DoubtError from error
    if list(dataset.keys()) != [*tags, _TRAILING_PADDING]:
        raise DoubtError
    del dataset[_TRAILING_PADDING]
    return dataset


def _as_in_file(tag: int, element: Element, explicit: bool) -> bytes:
    length = UNDEFINED if element.undefined else element.length
    return encoded(tag, element.vr or "UN", element.value or b"", explicit, length)


def element_value(dataset: Dataset, tag: BaseTag, encodings: tuple[str, ...]) -> Value:
    """The plain value of an element of a data set of pydicom; None where it has none."""
    if tag not in dataset:
        return None
    # raw, not as pydicom would decode it; its stub forgets the raw ones
    element = cast("DataElement | RawDataElement", dataset.get_item(tag, keep_deferred=True))
    if isinstance(element, RawDataElement):
        signed = tag != PIXEL_REPRESENTATION and element_value(dataset, Tag(PIXEL_REPRESENTATION), ()) == 1
        vr = value_representation(element.VR, int(tag), signed)
        if vr == "UN" and tag.is_private:
            vr = added_private_vr(tag, creator_in(dataset)(creator_of(tag))) or vr
        if vr not in ("SQ", "UN"):
            return decode(vr, element.value or b"", element.is_little_endian, encodings)
    representation = Tag(PIXEL_REPRESENTATION)
    raw = dataset.get_item(representation, keep_deferred=True) if representation in dataset else None
    try:
        return plain_value(dataset[tag])
    except PYDICOM_FAILURES:
        return "<unreadable>"  # present, but nobody can say what it is; whoever needs it gets a HeaderError
    finally:
        if raw is not None:  # pydicom decodes it on the way, and the answer must not hang on the order
            dataset[representation] = raw


def private_items(tag: int, element: Element, little_endian: bool) -> tuple[Mapping[str, Value], ...]:
    """The items of a sequence; one of unknown type is in implicit little endian (PS3.5 6.2.2).

    Raises
    ------
    HeaderError
        Where there are none that can be read.
    """
    content, implicit = element.value or b"", element.vr != "SQ"
    try:
        with pydicom_quiet:
            if not content.startswith(_ITEM) and (content or implicit):
                raise ValueError("no items in it")
            little = implicit or little_endian
            items = read_sequence(BytesIO(content), implicit, little, len(content), "iso8859")
            value = plain_value(DataElement(tag, "SQ", items))
    except PYDICOM_FAILURES as error:
        raise HeaderError(f"the private sequence {Tag(tag)} cannot be read; the file is damaged") from error
    return cast("tuple[Mapping[str, Value], ...]", value)


def plain_value(element: DataElement, depth: int = 0) -> Value:
    """pydicom's value of an element as plain Python; sequences as tuples of mappings by keyword.

    Raises
    ------
    ValueError
        Where sequences are nested too deep; any other of `PYDICOM_FAILURES` where there is no value.
    """
    representation = value_representation(element.VR, int(element.tag), False)
    if representation == MISPLACED:
        return ITEMS
    if element.VR == "SQ":
        if depth >= MAX_DEPTH:
            raise ValueError(TOO_DEEP)
        items = element.value or ()
        return tuple({item_name(e.tag): plain_value(e, depth + 1) for e in item} for item in items)
    value = tuple(element.value) if isinstance(element.value, MultiValue | list | tuple) else element.value
    if element.VR not in (representation, "UN"):  # text where the dictionary knows numbers
        raw = "\\".join(texts(value)).encode("latin-1", "replace")  # as `decode` takes it
        return decode(representation, raw, True, ())
    if not isinstance(value, tuple):
        return _plain_scalar(value)
    if element.VR in BINARY_NUMBERS and len(value) > MAX_LIST_LENGTH:
        return f"<{len(value)} numbers>"
    return one_or_many(tuple(map(_plain_scalar, value)))


def _plain_scalar(value: Any) -> Value:
    if value is None or value == "":
        return None
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, bool | int):
        return int(value)
    # float() takes DSfloat and DSdecimal as well
    return float(value) if isinstance(value, float) or hasattr(value, "as_tuple") else str(value)


@pydicom_quiet
def inflates_beyond_limit(stream: BinaryIO) -> bool:
    """Whether a deflated data set inflates to more than `LARGEST_INFLATED_BYTES` (PS3.5 A.5).

    pydicom inflates the whole data set, even for one attribute; here it is measured in pieces that are
    not kept.  The stream stands at its start afterwards.

    Raises
    ------
    zlib.error
        Where the data set is deflated and damaged.
    """
    try:
        return _inflated(stream)[0] > LARGEST_INFLATED_BYTES
    finally:
        stream.seek(0)


def behind_deflated(stream: BinaryIO) -> bytes:
    """What stands behind a deflated data set, or the begin of it: at most a zero belongs there.

    Some writers leave the trailer of gzip there (RFC 1952, 2.3.1).  It is left out where it is right.
    """
    return _inflated(stream)[1]


def file_meta_has_items(stream: BinaryIO) -> bool:
    """Whether the file meta information (PS3.10 7.1) holds a sequence, which no element of it is.

    pydicom tells its log what it found there, all items in each other, before anything can be checked.
    """
    stream.seek(PREAMBLE)
    if stream.read(4) != b"DICM":
        stream.seek(0)
    while (head := stream.read(8))[:2] == META_GROUP:
        vr, length = head[4:6], int.from_bytes(head[6:8], "little")
        if vr in LONG_VRS:
            length = int.from_bytes(stream.read(4), "little")
        elif not vr.isupper():  # implicit VR, which some writers used here against the rule
            length = int.from_bytes(head[4:8], "little")
        if vr == b"SQ" or length == UNDEFINED:
            return True
        stream.seek(length, os.SEEK_CUR)
    return False


def _inflated(stream: BinaryIO) -> tuple[int, bytes]:
    """How many bytes a deflated data set has, counted up to the limit, and what stands behind it.

    0 and nothing for other transfer syntaxes.  The file meta information and the command set are read as
    pydicom reads them, whatever their lengths claim: what follows is what it would inflate.
    """
    stream.seek(0)
    read_preamble(stream, force=True)
    meta = read_dataset(stream, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2)
    read_dataset(stream, True, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 0)
    if meta.get("TransferSyntaxUID") != DEFLATED:
        return 0, b""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated, checksum, pending = 0, 0, b""
    while (pending or (pending := stream.read(INFLATED_PIECE))) and not inflater.eof:
        piece = inflater.decompress(pending, INFLATED_PIECE)
        inflated, checksum = inflated + len(piece), zlib.crc32(piece, checksum)
        pending = inflater.unconsumed_tail
        if inflated > LARGEST_INFLATED_BYTES:
            break
    rest = inflater.unused_data + stream.read(INFLATED_PIECE)
    return inflated, rest.removeprefix(struct.pack("<II", checksum, inflated & 0xFFFFFFFF))
