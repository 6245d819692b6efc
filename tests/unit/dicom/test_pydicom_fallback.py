"""What pydicom decoded, as plain Python values."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest
from pydicom.dataelem import DataElement
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag

from dicomarray.dicom.pydicom_fallback import element_value, plain_value


@pytest.mark.parametrize(("text", "value"), [("1.5\\2", (1.5, 2.0)), ("¦\x8d4", "¦\x8d4")])
def test_numbers_under_a_text_vr(text: str, value: object) -> None:
    """They are numbers; a text that is none stays as it is, whatever its letters."""
    assert plain_value(DataElement(0x00280030, "LT", text)) == value


def test_a_value_does_not_hang_on_what_was_asked_before() -> None:
    """pydicom decodes Pixel Representation on the way to elements whose VR it decides."""
    asked, sequence = Tag("PixelRepresentation"), Tag("ModalityLUTSequence")
    item = _element(Tag("LUTDescriptor"), b"UN", bytes(6))
    content = (
        _element(Tag("SpecificCharacterSet"), b"UC", b"ISO_IR 192")
        + _element(asked, b"UC", b"\xe0\x7f" * 10)
        + _element(sequence, b"SQ", struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item)
    )
    first, second = (read_dataset(BytesIO(content), False, True) for _ in range(2))
    expected = element_value(first, asked, ("UTF8",))
    element_value(second, sequence, ("UTF8",))
    assert element_value(second, asked, ("UTF8",)) == expected


def _element(tag: BaseTag, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sHL", tag.group, tag.element, vr, 0, len(value)) + value
