"""Data sets of pydicom whose plain elements stay the bytes that they are, when they are read or set.

pydicom decodes each element that is looked at, checks it, and encodes it again on writing: for one header
that takes longer than to write a small series.  What is not plain is left to pydicom.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from functools import lru_cache
from io import BytesIO
from typing import Any, cast

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_data_element
from pydicom.tag import BaseTag
from pydicom.uid import UID

from dicomarray.dicom.dictionary import tag_for_keyword, vr_for_tag
from dicomarray.dicom.part10 import ITEM, encoded, padded
from dicomarray.dicom.raw_header import RawHeader

_TEXT_VRS = frozenset(("AE", "AS", "CS", "DA", "LO", "LT", "SH", "ST", "TM", "UI"))
# ASCII, with no blanks around, which pydicom would take away.
_PLAIN_TEXT = re.compile(rb"[!-\[\]-~](?:[ -\[\]-~]*[!-\[\]-~])?")
_PLAIN_DECIMAL = re.compile(rb"-?[0-9]{1,8}(?:\.[0-9]{1,6})?")
_PLAIN_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,8}")
_BINARY = {"US": struct.Struct("<H"), "FD": struct.Struct("<d")}


class Known(RawDataElement):
    """Bytes that were looked at, or made here; they are written as they are."""

    __slots__ = ()


class Item(Dataset):
    """An item of a sequence that is made anew."""

    def get(self, key: Any, default: Any = None) -> Any:
        """As pydicom's; what is read is `Known` afterwards."""
        place = _place(key) if isinstance(key, str) else None
        if place is None:
            return super().get(key, default)
        tag, vr = place
        element = element_of(self, tag)
        if element is None:
            return default
        if isinstance(element, RawDataElement) and element.VR in (vr, None):
            value = _plain_value(vr, element.value or b"")
            if value is not None:
                if type(element) is not Known:
                    self[tag] = Known(*element)
                return value
        return self[tag].value

    def __contains__(self, name: Any) -> bool:
        place = _place(name) if isinstance(name, str) else None
        return super().__contains__(name) if place is None else place[0] in self.keys()

    def __setattr__(self, name: str, value: Any) -> None:
        place = _place(name)
        content = None if place is None else _plain_bytes(place[1], value)
        if place is None or content is None:
            super().__setattr__(name, value)
            return
        tag, vr = place
        before = element_of(self, tag)
        if before is not None and before.VR not in (vr, None):
            super().__setattr__(name, value)
            return
        self[tag] = Known(tag, vr, len(content), content, 0, False, True)


class TemplateHeader(Item, FileDataset):
    """The header of a usual file."""


def element_of(data_set: Dataset, tag: int) -> DataElement | RawDataElement | None:
    """An element as it is, not decoded; the stub of pydicom's own method forgets that it may be raw."""
    return cast("DataElement | RawDataElement | None", data_set.get_item(tag, keep_deferred=True))


def header_of(raw: RawHeader, tags: Iterable[int] | None = None) -> TemplateHeader:
    """The elements of a header, or some of them; of the file meta information the transfer syntax."""
    wanted = raw.elements if tags is None else [tag for tag in tags if tag in raw.elements]
    source = BytesIO(b"".join(raw.elements[tag] for tag in wanted))
    elements = read_dataset(source, not raw.explicit, True)
    header = TemplateHeader(BytesIO(), elements, is_implicit_VR=not raw.explicit)
    header.set_original_encoding(not raw.explicit, True, elements.original_character_set)
    header.file_meta.TransferSyntaxUID = UID(raw.syntax)
    return header


def encoded_elements(data_set: Dataset, explicit: bool, character_set: Any = None) -> dict[int, bytes]:
    """Each element of a header, or of an item, as it stands in a file; what pydicom's dcmwrite writes."""
    character_set = data_set.get("SpecificCharacterSet", character_set)
    elements = {}
    for tag in sorted(data_set.keys()):
        if tag.element == 0 and tag.group > 6:
            continue  # retired group lengths (PS3.5 7.2)
        element = element_of(data_set, tag)
        assert element is not None
        if isinstance(element, RawDataElement):
            elements[int(tag)] = encoded(tag, element.VR or "UN", element.value or b"", explicit)
        elif element.VR == "SQ" and not element.is_undefined_length and _are_made_here(element):
            items = (encoded_elements(item, explicit, character_set) for item in element.value)
            content = b"".join(encoded(ITEM, "UN", b"".join(item.values()), False) for item in items)
            elements[int(tag)] = encoded(tag, "SQ", content, explicit)
        else:
            elements[int(tag)] = _by_pydicom(element, explicit, character_set)
    return elements


def _are_made_here(sequence: DataElement) -> bool:
    return all(type(item) is Item for item in sequence.value)


def _by_pydicom(element: DataElement, explicit: bool, character_set: Any) -> bytes:
    written = DicomBytesIO()
    written.is_little_endian, written.is_implicit_VR = True, not explicit
    write_data_element(written, element, character_set)
    return written.getvalue()


@lru_cache(maxsize=512)
def _place(keyword: str) -> tuple[BaseTag, str] | None:
    """Tag and VR of a keyword; None for what is none."""
    tag = tag_for_keyword(keyword)
    return None if tag is None else (BaseTag(tag), vr_for_tag(tag))


def _plain_value(vr: str, value: bytes) -> Any:
    """The value of an element that pydicom would write just so; None where that is not certain."""
    if vr in _TEXT_VRS:
        text = value[:-1] if value[-1:] == (b"\0" if vr == "UI" else b" ") else value
        plain = len(value) % 2 == 0 and _PLAIN_TEXT.fullmatch(text) and padded(text, vr) == value
        return text.decode("ascii") if plain else None
    if vr == "US" and len(value) == 2:
        return _BINARY[vr].unpack(value)[0]
    return None


def _plain_bytes(vr: str, value: Any) -> bytes | None:
    """The bytes that pydicom would write; None where that is not certain."""
    if isinstance(value, str) and value.isascii():
        content = value.encode("ascii")
        plain = {"DS": _PLAIN_DECIMAL, "IS": _PLAIN_INTEGER}.get(vr, _PLAIN_TEXT if vr in _TEXT_VRS else None)
        return padded(content, vr) if plain is not None and plain.fullmatch(content) else None
    if type(value) is int:
        if vr == "IS":
            return padded(str(value).encode("ascii"), vr)
        return _BINARY[vr].pack(value) if vr == "US" and 0 <= value < 1 << 16 else None
    return _BINARY[vr].pack(value) if vr == "FD" and type(value) is float else None
