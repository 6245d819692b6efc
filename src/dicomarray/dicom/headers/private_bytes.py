"""The bytes of private elements that are no numbers and no text: a vendor's headers within the header."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.part10 import read_part10
from dicomarray.dicom.private_blocks import PrivateElement, creator_name
from dicomarray.errors import DataError
from dicomarray.storage.plain_files import open_header


def bytes_by_tag(header: Header, wanted: Callable[[int], bool]) -> Mapping[int, bytes | None]:
    """The elements of the top level that are wanted, by tag.

    None of a file that cannot be read: what reads its pixels will say why.
    """
    try:
        with open_header(header.reference, wanted) as stream:
            if (found := read_part10(stream, wanted)) is not None:
                return {tag: element.value for tag, element in found.elements.items()}
            from dicomarray.dicom.private_tags import all_private_bytes

            stream.seek(0)
            private = all_private_bytes(stream, str(header.reference))
            return {tag: raw for tag, raw in private.items() if wanted(tag)}
    except (OSError, DataError):
        return {}


def private_bytes(elements: Mapping[int, bytes | None], wanted: PrivateElement) -> bytes:
    """A private element's, of elements by tag with their creators; empty where there are none."""

    def creator_at(tag: int) -> str:
        return creator_name(elements.get(tag) or b"")

    return next(filter(None, map(elements.get, wanted.places(elements, creator_at))), b"")
