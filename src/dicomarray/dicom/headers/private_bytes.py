"""Private elements of a file, as its bytes have them: by their creator, or without it (PS3.5 7.8.1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.part10 import Element, read_part10
from dicomarray.dicom.private_blocks import PrivateElement, creator_name
from dicomarray.dicom.vr import LATIN_1, Value, decode
from dicomarray.errors import DataError
from dicomarray.storage.plain_files import open_header


@dataclass(frozen=True, slots=True)
class PrivateElements:
    """Elements of the top level of a file by tag, with their creators."""

    elements: Mapping[int, Element]
    little_endian: bool = True

    @classmethod
    def read(cls, header: Header, wanted: Callable[[int], bool]) -> PrivateElements:
        """Those of a file that are wanted, by tag.

        Raises
        ------
        OSError, InputError, PixelError
            Where the file cannot be read.
        """
        with open_header(header.reference, wanted) as stream:
            if (found := read_part10(stream, wanted)) is not None:
                return cls(found.elements)
            from dicomarray.dicom.pixels.pydicom_source import private_elements

            stream.seek(0)
            return cls(*private_elements(stream, str(header.reference), wanted))

    @classmethod
    def readable(cls, header: Header, wanted: Callable[[int], bool]) -> PrivateElements:
        """The same, none of a file that cannot be read: what reads its pixels will say why."""
        try:
            return cls.read(header, wanted)
        except (OSError, DataError):
            return cls({})

    def places(self, wanted: PrivateElement, *, creator_lost: bool = False) -> list[int]:
        """The tags of an element: in its creator's blocks, else in any block if its creator may be lost.

        De-identification empties or renames creators and leaves the elements in place.  Allow for that where
        no one else's element can be meant.
        """
        named = wanted.places(self.elements, lambda tag: creator_name(self.bytes_at(tag)))
        found = [tag for tag in named if tag in self.elements]
        return found or [tag for tag in self.elements if creator_lost and wanted.may_be(tag)]

    def bytes_at(self, tag: int) -> bytes:
        """The bytes of the element with a tag; empty where there is none."""
        return (self.elements[tag].value or b"") if tag in self.elements else b""

    def bytes_of(self, wanted: PrivateElement) -> bytes:
        """The bytes of its creator's element; empty where there is none."""
        return next(filter(None, map(self.bytes_at, self.places(wanted))), b"")

    def values(self) -> Iterator[tuple[int, bytes]]:
        """The tags and bytes of all."""
        return ((tag, self.bytes_at(tag)) for tag in self.elements)

    def numbers(
        self, wanted: PrivateElement, count: int, *, creator_lost: bool = False
    ) -> tuple[float, ...] | None:
        """So many finite numbers of an element, or None where there are none."""
        for tag in self.places(wanted, creator_lost=creator_lost):
            element = self.elements[tag]
            if element.vr == "SQ" or element.undefined:
                continue
            vr = wanted.value_representation if element.vr in (None, "UN", "OB") else element.vr
            value = decode(vr, element.value or b"", self.little_endian, (LATIN_1,))
            numbers = finite_numbers(value if isinstance(value, tuple) else (value,), count)
            if numbers is not None:
                return numbers
        return None

    def items(self, wanted: PrivateElement) -> list[Mapping[str, Value]]:
        """The items of a sequence by keyword, also where its creator is lost, or its VR.

        Raises
        ------
        HeaderError
            Where there is something that cannot be read as one; the caller adds the file.
        """
        from dicomarray.dicom.pydicom_fallback import private_items

        places = self.places(wanted, creator_lost=True)
        return [item for tag in places for item in private_items(tag, self.elements[tag], self.little_endian)]


def finite_numbers(values: Sequence[Value], count: int) -> tuple[float, ...] | None:
    """So many finite numbers, also where they are written as text; None for anything else."""
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None
