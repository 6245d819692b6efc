"""The elements of a structure set by tag, as bytes: contours are long tables that pydicom takes minutes for.

A file that `part10` doubts is read by pydicom, and its data set is written again in Implicit VR.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO

from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.tag import Tag

from dicomarray.dicom.part10 import (
    ITEM,
    ITEM_END,
    SEQUENCE_END,
    TAG_AND_LENGTH,
    UNDEFINED,
    DoubtError,
    Element,
    Window,
    element_at,
    read_part10,
    vr_text,
    walk,
)
from dicomarray.dicom.pydicom_fallback import (
    TOO_FAR,
    file_meta_has_items,
    inflates_beyond_limit,
)
from dicomarray.dicom.transfer_syntaxes import DEFLATED
from dicomarray.errors import InputError
from dicomarray.objects.common.header_faults import fault_of
from dicomarray.runtime.pydicom_warnings import pydicom_quiet
from dicomarray.storage.plain_files import open_plain
from dicomarray.storage.references import Reference

_PADDING = Tag(0xFFFCFFFC)  # Data Set Trailing Padding (PS3.10 7.2), the last tag that there can be
Elements = Mapping[int, Element]


def items_of(elements: Elements, tag: int, explicit: bool) -> list[dict[int, Element]]:
    """The items of a sequence, none where it is absent; DoubtError where they are not understood."""
    element = elements.get(tag)
    if element is None or not element.value:
        return []
    # what is unknown is in Implicit VR, whatever the rest of the file is (PS3.5 6.2.2)
    return list(_items(element.value, explicit and element.vr != "UN", element.undefined))


def _window(content: bytes) -> Window:
    return Window(lambda place, count: content[place : place + count], len(content), content)


def _items(content: bytes, explicit: bool, undefined: bool) -> Iterator[dict[int, Element]]:
    window, place = _window(content), 0
    while undefined or place < window.size:
        window.hold(place, 8)
        group, number, length = TAG_AND_LENGTH(content, place)
        tag, place = group << 16 | number, place + 8
        if tag == SEQUENCE_END:
            return
        if tag != ITEM:
            raise DoubtError
        end = window.size if length == UNDEFINED else place + length
        if end > window.size:
            raise DoubtError
        item: dict[int, Element] = {}
        while place < end:
            if length == UNDEFINED:
                window.hold(place, 8)
                group, number, _ = TAG_AND_LENGTH(content, place)
                if group << 16 | number == ITEM_END:
                    place += 8
                    break
            tag, vr, value, size, is_open = element_at(window, place, explicit)
            place = value + size
            if place > end:
                raise DoubtError
            item[tag] = Element(vr_text(vr), content[value:place], size, is_open)
        yield item


def read_elements(path: Reference) -> tuple[Elements, bool] | None:
    """All elements at the top level of a file, and whether in Explicit VR; None where `part10` doubts it."""
    with open_plain(path) as stream:
        found = read_part10(stream, None)
    return None if found is None else (found.elements, found.meta.explicit)


def read_again(path: Reference) -> tuple[Elements, bool]:
    """The same by way of pydicom, which understands more; raises what it raises, and DoubtError."""
    with pydicom_quiet, open_plain(path) as stream:
        if file_meta_has_items(stream) or inflates_beyond_limit(stream):
            raise InputError(f"{path}: {TOO_FAR}")
        stream.seek(0)
        dataset = _whole_dataset(stream.read())
        fault = fault_of(dataset)
        if fault is not None:
            raise InputError(f"{path}: {fault}")
        content = _in_implicit_vr(dataset)
    return {
        tag: Element(vr_text(vr), content[value : value + length], length, is_open)
        for tag, vr, value, length, is_open in walk(_window(content), 0, False)
    }, False


def _whole_dataset(data: bytes) -> Dataset:
    """What pydicom reads of a file; DoubtError where the file ends in the middle of an element.

    pydicom takes a value that is cut off for a whole one.  An element that is put behind all others comes out
    again where none of them reaches beyond the end.
    """
    dataset = dcmread(BytesIO(data), force=True)
    meta = getattr(dataset, "file_meta", None) or {}
    if meta.get("TransferSyntaxUID") == DEFLATED:
        return dataset  # zlib knows where its stream ends
    implicit, little = dataset.original_encoding
    end = DicomBytesIO()
    end.is_implicit_VR, end.is_little_endian = bool(implicit), bool(little)
    write_dataset(end, Dataset({_PADDING: DataElement(_PADDING, "OB", b"")}))
    dataset = dcmread(BytesIO(data + end.getvalue()), force=True)
    if _PADDING not in dataset:
        raise DoubtError
    del dataset[_PADDING]
    return dataset


def _in_implicit_vr(dataset: Dataset) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian = buffer.is_implicit_VR = True
    dataset.set_original_encoding(True, True, dataset.original_character_set)
    write_dataset(buffer, dataset)
    return buffer.getvalue()
