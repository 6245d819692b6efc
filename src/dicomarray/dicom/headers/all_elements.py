"""A file -> all its elements before the pixel data, by the names under which the index keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from dicomarray.dicom.attribute_names import PRIVATE_NAME, Request, tag_of
from dicomarray.dicom.dictionary import keyword_for_tag, tag_for_keyword
from dicomarray.dicom.headers.header import HeaderReader
from dicomarray.dicom.private_blocks import creator_of, is_creator
from dicomarray.dicom.vr import value_representation

META_GROUP_NUMBER = 0x0002
# What is longer is kept as present, with its length; bytes.  Texts that people write and tables of numbers
# are shorter; of bulk data nothing but the length is ever asked.
MAX_VALUE_LENGTH = 64 * 1024
# A sequence is kept whole up to here, bytes: functional groups of the largest enhanced objects have a few MB.
MAX_SEQUENCE_LENGTH = 64 * 1024 * 1024


class _Everything(Request):
    """Asks for every element of a data set, by its own name."""

    needs_all = True

    def wants(self, tag: int) -> bool:
        return tag >> 16 != META_GROUP_NUMBER

    def keeps(self, tag: int, vr: str | None, length: int) -> bool:
        if not self.wants(tag) or length <= MAX_VALUE_LENGTH:
            return self.wants(tag)
        return length <= MAX_SEQUENCE_LENGTH and value_representation(vr, tag, False) == "SQ"

    def names_among(
        self, tags: Iterable[int], creator_at: Callable[[int], str | None]
    ) -> list[tuple[str, int]]:
        mine = [tag for tag in tags if self.wants(tag) and tag & 0xFFFF]  # no group lengths (PS3.5 7.2)
        owners = _owners({tag: creator_at(tag) or "" for tag in mine if is_creator(tag)})
        return sorted((_name(tag, owners), tag) for tag in mine)


_EVERYTHING = _Everything((), (), frozenset(), is_tolerant=True)


class AllElementsReader(HeaderReader):
    """Reads everything before the pixel data of many files; what a series has in common is read once."""

    def __init__(self) -> None:
        super().__init__(request=_EVERYTHING)


def _owners(creators: Mapping[int, str]) -> dict[int, str]:
    """Private creators by tag; of one with several blocks only the first, for elements are named by it."""
    owners: dict[tuple[int, str], int] = {}
    for tag in sorted(creators):
        if creator := creators[tag].strip():
            owners.setdefault((tag >> 16, creator), tag)
    return {tag: creator for (_, creator), tag in owners.items()}


def _name(tag: int, owners: Mapping[int, str]) -> str:
    """What an element is called: by keyword, tag, or private creator."""
    group, element = tag >> 16, tag & 0xFFFF
    owner = owners.get(creator_of(tag)) if group & 1 and element > 0xFF else None
    return standard_name(tag) if owner is None else f"({group:04x},{owner},{element & 0xFF:02x})"


@lru_cache(maxsize=8192)
def standard_name(tag: int) -> str:
    """The keyword where it names this tag alone, else ``"(gggg,eeee)"``."""
    keyword = keyword_for_tag(tag)
    if keyword and tag_for_keyword(keyword) == tag:
        return keyword
    return f"({tag >> 16:04x},{tag & 0xFFFF:04x})"


@lru_cache(maxsize=4096)
def canonical_name(name: str) -> str:
    """The name under which the index keeps what ``name`` asks for.

    Raises
    ------
    HeaderError
        Where it is no name of an attribute.
    """
    private = PRIVATE_NAME.fullmatch(name)
    if private is not None:
        return f"({private[1].lower()},{private[2].strip()},{private[3].lower()})"
    return standard_name(int(tag_of(name)))
