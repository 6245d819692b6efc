"""The bytes of private elements that are no numbers and no text: a vendor's headers within the header."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.part10 import read_part10
from dicomarray.errors import DataError
from dicomarray.storage.plain_files import open_header

# Of the 16 bits of a tag's element the upper ones are its block, which a creator reserves (PS3.5 7.8.1).
ELEMENT, FIRST_IN_BLOCK = 0xFFFF, 0x1000


def bytes_by_tag(header: Header, wanted: Callable[[int], bool]) -> Mapping[int, bytes | None]:
    """The elements of the top level that are wanted, by tag.

    None of a file that cannot be read: what reads its pixels will say why.
    """
    try:
        with open_header(header.path, wanted) as stream:
            if (found := read_part10(stream, wanted)) is not None:
                return {tag: element.value for tag, element in found.elements.items()}
            from dicomarray.dicom.private_tags import all_private_bytes

            stream.seek(0)
            private = all_private_bytes(stream, str(header.path))
            return {tag: raw for tag, raw in private.items() if wanted(tag)}
    except (OSError, DataError):
        return {}


def in_block(elements: Mapping[int, bytes | None], group: int, creator: str, element: int) -> bytes:
    """An element of a creator's block; empty where there is none."""
    for tag, raw in elements.items():
        inside = tag & ELEMENT
        if raw and tag >> 16 == group and inside >= FIRST_IN_BLOCK and inside & 0xFF == element:
            name = elements.get(group << 16 | inside >> 8) or b""
            if name.strip(b" \0") == creator.encode("ascii"):
                return raw
    return b""
