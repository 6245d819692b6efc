"""Headers of pydicom of bytes that were read already, and their elements as bytes again.

An element that nobody looked at stays the bytes that it is; all others are pydicom's.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from typing import Any, cast

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_data_element
from pydicom.uid import UID

from dicomarray.dicom.part10 import encoded
from dicomarray.dicom.raw_header import RawHeader


def element_of(data_set: Dataset, tag: int) -> DataElement | RawDataElement | None:
    """An element as it is, not decoded; the stub of pydicom's own method forgets that it may be raw."""
    return cast("DataElement | RawDataElement | None", data_set.get_item(tag, keep_deferred=True))


def header_of(raw: RawHeader, tags: Iterable[int] | None = None) -> FileDataset:
    """The elements of a header, or some of them; of the file meta information the transfer syntax."""
    wanted = raw.elements if tags is None else [tag for tag in tags if tag in raw.elements]
    source = BytesIO(b"".join(raw.elements[tag] for tag in wanted))
    elements = read_dataset(source, not raw.meta.explicit, True)
    header = FileDataset(BytesIO(), elements, is_implicit_VR=not raw.meta.explicit)
    header.set_original_encoding(not raw.meta.explicit, True, elements.original_character_set)
    header.file_meta.TransferSyntaxUID = UID(raw.meta.transfer_syntax)
    return header


def encoded_elements(data_set: Dataset, explicit: bool) -> dict[int, bytes]:
    """Each element of a header, or of an item, as it stands in a file; what pydicom's dcmwrite writes."""
    character_set: Any = data_set.get("SpecificCharacterSet")
    elements = {}
    for tag in sorted(data_set.keys()):
        if tag.element == 0 and tag.group > 6:
            continue  # retired group lengths (PS3.5 7.2)
        element = element_of(data_set, tag)
        assert element is not None
        if isinstance(element, RawDataElement):
            elements[int(tag)] = encoded(tag, element.VR or "UN", element.value or b"", explicit)
        else:
            written = DicomBytesIO()
            written.is_little_endian, written.is_implicit_VR = True, not explicit
            write_data_element(written, element, character_set)
            elements[int(tag)] = written.getvalue()
    return elements
