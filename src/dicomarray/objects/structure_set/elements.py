"""The elements of a structure set by tag, as bytes: contours are long tables that pydicom takes minutes for.

A file that `part10` doubts is read by pydicom, and its data set is written again in Implicit VR.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from io import BytesIO

from pydicom import dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

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
from dicomarray.errors import InputError
from dicomarray.objects.common.header_faults import fault_of
from dicomarray.objects.common.headers import UNREADABLE, reason
from dicomarray.runtime.pydicom_warnings import pydicom_quiet
from dicomarray.storage.plain_files import open_plain
from dicomarray.storage.references import Reference

Elements = Mapping[int, Element]


class Items:
    """Reads the items of sequences of one file."""

    def __init__(self, explicit: bool) -> None:
        self._explicit = explicit

    def of(self, elements: Elements, tag: int) -> list[dict[int, Element]]:
        """The items of a sequence; none where it is absent or empty.

        Raises
        ------
        DoubtError
            Where they are not understood.
        """
        element = elements.get(tag)
        if element is None or not element.value:
            return []
        if element.vr == "UN" and self._explicit:
            # what is unknown is in Implicit VR, whatever the rest of the file is (PS3.5 6.2.2)
            return list(_items(element.value, False, element.undefined))
        return list(_items(element.value, self._explicit, element.undefined))


def _items(content: bytes, explicit: bool, undefined: bool) -> Iterator[dict[int, Element]]:
    window = Window(lambda place, count: content[place : place + count], len(content), content)
    place = 0
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


def read_elements(path: Reference) -> tuple[Elements, Items]:
    """All elements at the top level of a file, and what reads the items of its sequences.

    Raises
    ------
    InputError
        Where it cannot be read as DICOM.
    """
    try:
        with open_plain(path) as stream:
            found = read_part10(stream, None)
        if found is not None:
            return found.elements, Items(found.explicit)
        return read_again(path)
    except (*UNREADABLE, DoubtError) as error:
        raise InputError(f"{path} cannot be read as DICOM: {reason(error)}") from error


def read_again(path: Reference) -> tuple[Elements, Items]:
    """The same by way of pydicom, which understands more; raises what it raises, and DoubtError."""
    with pydicom_quiet, open_plain(path) as stream:
        dataset = dcmread(BytesIO(stream.read()), force=True)
        fault = fault_of(dataset)
        if fault is not None:
            raise InputError(f"{path}: {fault}")
        buffer = DicomBytesIO()
        buffer.is_little_endian, buffer.is_implicit_VR = True, True
        dataset.is_little_endian = dataset.is_implicit_VR = True
        write_dataset(buffer, dataset)
    content = buffer.getvalue()
    window = Window(lambda place, count: content[place : place + count], len(content), content)
    try:
        return {
            tag: Element(vr_text(vr), content[value : value + length], length, is_open)
            for tag, vr, value, length, is_open in walk(window, 0, False)
        }, Items(False)
    except struct.error as error:
        raise DoubtError from error
