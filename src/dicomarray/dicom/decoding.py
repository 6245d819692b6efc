"""The elements that our own reader found -> values.

Sequences and elements of unknown VR are read by pydicom, from just their bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Context:
    """What a data set says of how its elements are read: those elements themselves, and what they mean."""

    elements: Mapping[int, Element]
    explicit: bool
    signed: bool
    encodings: tuple[str, ...]

    def representation(self, tag: int, element: Element) -> str:
        """The VR by which an element is read."""
        return value_representation(element.vr, tag, self.signed)

    def value(self, tag: int, element: Element) -> Value:
        """The plain value of an element; DoubtError where it needs more of the file to be read."""
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


def context_of(elements: Mapping[int, Element], explains: Callable[[int], bool], explicit: bool) -> Context:
    """How the elements of a data set are to be read, by those that explain others."""
    representation, declared = elements.get(PIXEL_REPRESENTATION), elements.get(SPECIFIC_CHARACTER_SET)
    signed = representation is not None and decode("US", representation.value or b"", True, ()) == 1
    encodings: tuple[str, ...] = (LATIN_1,)
    if declared is not None:
        encodings = encodings_of(texts(decode("CS", declared.value or b"", True, ())))
    explaining = {tag: element for tag, element in elements.items() if explains(tag)}
    return Context(explaining, explicit, signed, encodings)


def names_in(context: Context, request: Request) -> list[tuple[str, int]]:
    """The names that are asked for with their tags in this data set."""
    if not request.private:
        return list(request.tags)
    private = [(name.name, name.tag_by(context.creator)) for name in request.private]
    return sorted([*request.tags, *((name, tag) for name, tag in private if tag is not None)])


def values_of(elements: Mapping[int, Element], request: Request, explicit: bool) -> dict[str, Value]:
    """The values that are asked for, by name; DoubtError where pydicom had better read the file."""
    context = context_of(elements, request.explains, explicit)
    return {
        name: context.value(tag, element)
        for name, tag in names_in(context, request)
        if (element := elements.get(tag)) is not None
    }
