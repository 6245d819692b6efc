"""The elements that our own reader found -> values.

Sequences and elements of unknown VR are read by pydicom, from just their bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from dicomarray.dicom.attribute_names import PIXEL_REPRESENTATION, SPECIFIC_CHARACTER_SET, Request
from dicomarray.dicom.part10 import DoubtError, Element
from dicomarray.dicom.sequences import items_of
from dicomarray.dicom.vr import (
    LATIN_1,
    Value,
    decode,
    encodings_of,
    texts,
    value_representation,
)

READ_BY_PYDICOM = ("SQ", "UN")
# Stands for a value of which more than its own bytes would have to be read.
UNREADABLE = "<unreadable>"


class Context(NamedTuple):
    """What a data set says of how its elements are read: those elements themselves, and what they mean.

    Where it ``is_tolerant``, a value that cannot be read, or was not kept, becomes a text that says so.
    """

    elements: Mapping[int, Element]
    explicit: bool
    signed: bool
    encodings: tuple[str, ...]
    is_tolerant: bool = False

    def representation(self, tag: int, element: Element) -> str:
        """The VR by which an element is read."""
        return value_representation(element.vr, tag, self.signed)

    def value(self, tag: int, element: Element) -> Value:
        """The plain value of an element; DoubtError where it needs more of the file to be read."""
        if not self.is_tolerant:
            return self._value(tag, element)
        if element.value is None:
            return f"<{element.length} bytes>"
        try:
            return self._value(tag, element)
        except (DoubtError, ValueError):  # a ValueError of items that are wrong
            return UNREADABLE

    def _value(self, tag: int, element: Element) -> Value:
        vr = self.representation(tag, element)
        if vr not in READ_BY_PYDICOM and element.value is not None:
            return decode(vr, element.value, True, self.encodings)
        if vr == "SQ" and element.value is not None:
            with suppress(DoubtError):
                return items_of(element.value, element.undefined, self.explicit)
        from dicomarray.dicom.pydicom_fallback import value_among

        return value_among({**self.elements, tag: element}, tag, self.explicit, self.encodings)

    def creator(self, tag: int) -> str | None:
        """The private creator that an element names (PS3.5 7.8.1); None where it names none."""
        element = self.elements.get(tag)
        value = None if element is None else decode("LO", element.value or b"", True, self.encodings)
        return "\\".join(texts(value)).strip() or None


def context_of(elements: Mapping[int, Element], request: Request, explicit: bool) -> Context:
    """How the elements of a data set are to be read, by those that explain others."""
    representation, declared = elements.get(PIXEL_REPRESENTATION), elements.get(SPECIFIC_CHARACTER_SET)
    signed = representation is not None and decode("US", representation.value or b"", True, ()) == 1
    encodings: tuple[str, ...] = (LATIN_1,)
    if declared is not None:
        encodings = encodings_of(texts(decode("CS", declared.value or b"", True, ())))
    explaining = {tag: element for tag, element in elements.items() if request.explains(tag)}
    return Context(explaining, explicit, signed, encodings, request.is_tolerant)


def values_of(elements: Mapping[int, Element], request: Request, explicit: bool) -> dict[str, Value]:
    """The values that are asked for, by name; DoubtError where pydicom had better read the file."""
    context = context_of(elements, request, explicit)
    return {
        name: context.value(tag, element)
        for name, tag in request.names_among(elements, context.creator)
        if (element := elements.get(tag)) is not None
    }
