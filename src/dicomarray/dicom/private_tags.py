"""Private elements of a data set, found by their creator, or without it (PS3.5 7.8.1)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import BinaryIO, cast

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_sequence
from pydicom.tag import BaseTag, Tag

from dicomarray.dicom.pixels.pydicom_source import read_header
from dicomarray.dicom.private_blocks import PrivateElement, creator_name, is_in_block
from dicomarray.dicom.pydicom_fallback import PYDICOM_FAILURES, plain_value
from dicomarray.dicom.vr import LATIN_1, Value, decode
from dicomarray.errors import HeaderError
from dicomarray.runtime.pydicom_warnings import pydicom_quiet

# The tag that begins an item of a sequence, (FFFE,E000), little endian.
_ITEM = b"\xfe\xff\x00\xe0"


def all_private_tags(dataset: Dataset) -> Iterator[BaseTag]:
    """The private elements at the top level of a data set, without the creators."""
    return filter(
        is_in_block, dataset.keys()
    )  # iterating over the data set itself would decode every element


def all_private_bytes(stream: BinaryIO, path: str) -> dict[int, bytes]:
    """The bytes of all private elements of a file, creators too, by tag; for files that pydicom has to read.

    Raises
    ------
    InputError, PixelError
        Where the file cannot be read.
    """
    dataset = read_header(stream, path)
    return {int(tag): bytes_of(dataset, tag) for tag in dataset.keys() if tag.is_private}  # noqa: SIM118


def private_tags(dataset: Dataset, wanted: PrivateElement) -> list[BaseTag]:
    """Where a private element lies: in its creator's block, else in any block where the creator is lost.

    De-identification empties or renames creators and leaves the elements in place.
    """
    return _by_creator(dataset, wanted) or list(filter(wanted.may_be, dataset.keys()))


def _by_creator(dataset: Dataset, wanted: PrivateElement) -> list[BaseTag]:
    def creator_at(tag: int) -> str:
        return creator_name(bytes_of(dataset, Tag(tag)))

    return [Tag(tag) for tag in wanted.places(dataset.keys(), creator_at) if tag in dataset]


def creator_in(dataset: Dataset, tag: int) -> str:
    """Whom an element names as the creator of a block, in the characters of the data set."""
    value = dataset[Tag(tag)].value
    return creator_name(value) if isinstance(value, bytes) else str(value).strip()


def bytes_of(dataset: Dataset, tag: BaseTag) -> bytes:
    """The bytes of an element, empty where it has none; text in Latin-1."""
    element = _element(dataset, tag)
    value = None if element is None else element.value
    if isinstance(value, str):
        return value.encode("latin-1", "replace")
    return value if isinstance(value, bytes) else b""


def private_numbers(
    dataset: Dataset, wanted: PrivateElement, count: int, *, creator_lost: bool = False
) -> tuple[float, ...] | None:
    """So many finite numbers of a private element, or None where there are none.

    ``creator_lost`` allows for blocks of any name: take it where no one else's element can be meant.
    """
    for tag in private_tags(dataset, wanted) if creator_lost else _by_creator(dataset, wanted):
        element = _element(dataset, tag)
        if not isinstance(element, RawDataElement):
            continue  # a sequence
        known = element.VR not in (None, "UN", "OB")
        vr = cast(str, element.VR) if known else wanted.value_representation
        value = decode(vr, element.value or b"", element.is_little_endian, (LATIN_1,))
        numbers = finite_numbers(value if isinstance(value, tuple) else (value,), count)
        if numbers is not None:
            return numbers
    return None


def finite_numbers(values: Sequence[Value], count: int) -> tuple[float, ...] | None:
    """So many finite numbers, also where they are written as text; None for anything else."""
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def private_items(dataset: Dataset, wanted: PrivateElement) -> list[Mapping[str, Value]]:
    """The items of a private sequence by keyword, also where nothing says that it is a sequence.

    Raises
    ------
    HeaderError
        Where there is something that cannot be read as one; the caller adds the file.
    """
    return [item for tag in private_tags(dataset, wanted) for item in _items(dataset, tag)]


def _items(dataset: Dataset, tag: BaseTag) -> tuple[Mapping[str, Value], ...]:
    try:
        with pydicom_quiet:
            element = dataset[tag]
            if isinstance(element.value, bytes):  # of unknown type: implicit little endian, PS3.5 6.2.2
                if not element.value.startswith(_ITEM):
                    raise ValueError("no items in it")
                items = read_sequence(BytesIO(element.value), True, True, len(element.value), "iso8859")
                element = DataElement(tag, "SQ", items)
            value = plain_value(element)
    except PYDICOM_FAILURES as error:
        raise HeaderError(f"the private sequence {tag} cannot be read; the file is damaged") from error
    return tuple(item for item in value if isinstance(item, Mapping)) if isinstance(value, tuple) else ()


def _element(dataset: Dataset, tag: BaseTag) -> DataElement | RawDataElement | None:
    """An element as it was read, not decoded; None for an absent one."""
    return cast("DataElement | RawDataElement | None", dataset.get_item(tag, keep_deferred=True))
