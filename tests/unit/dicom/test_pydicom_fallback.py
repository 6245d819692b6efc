"""What pydicom decoded, as plain Python values."""

from __future__ import annotations

import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicomarray.dicom.pydicom_fallback import element_value, plain_value


@pytest.mark.parametrize(("text", "value"), [("1.5\\2", (1.5, 2.0)), ("¦\x8d4", "¦\x8d4")])
def test_numbers_under_a_text_vr(text: str, value: object) -> None:
    """They are numbers; a text that is none stays as it is, whatever its letters."""
    assert plain_value(DataElement(0x00280030, "LT", text)) == value


def test_a_long_list_is_the_same_decoded_or_not() -> None:
    """pydicom decodes some elements on the way to others; the scan that needs none of these must agree."""
    numbers = list(range(2000))
    decoded = Dataset()
    decoded.PixelRepresentation = numbers
    assert element_value(decoded, Tag("PixelRepresentation"), ()) == tuple(numbers)
