"""Blocks of private elements, and who reserved them (PS3.5 7.8.1).

The element (gggg,00bb) of an odd group names the creator of the block (gggg,bb00-bbFF).  So a private element
is known by its group, its creator and the last two digits of its tag; where its block lies differs between
files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

FIRST_BLOCK, LAST_BLOCK = 0x10, 0xFF

Tag = TypeVar("Tag", bound=int)


class PrivateElement(NamedTuple):
    """A private element as its vendor numbers it: ``element`` is its place in the creator's block.

    ``value_representation`` is what it has where a file does not say so.
    """

    group: int
    creator: str
    element: int
    value_representation: str = "UN"

    def places(self, tags: Iterable[int], creator_at: Callable[[int], str | None]) -> list[int]:
        """Its tag in each block of its creator, the first one first, whether or not it is there.

        ``tags`` are those of a data set; ``creator_at`` says whom the element with such a tag names.
        """
        group = [tag for tag in tags if tag >> 16 == self.group]
        return [tag_in_block(named, self.element) for named in blocks_of(self.creator, group, creator_at)]

    def may_be(self, tag: int) -> bool:
        """Whether the tag is the element's, if its block is the creator's."""
        return is_in_block(tag) and tag >> 16 == self.group and tag & 0xFF == self.element


def blocks_of(creator: str, tags: Iterable[int], creator_at: Callable[[int], str | None]) -> list[int]:
    """The elements that name the creator, one for each block that it has reserved, in order."""
    return [tag for tag in sorted(filter(is_creator, tags)) if creator_at(tag) == creator]


def tags_in_block(creator: int, tags: Iterable[Tag]) -> list[Tag]:
    """Those in the block that such an element reserves."""
    return [tag for tag in tags if is_in_block(tag) and creator_of(tag) == creator]


def is_creator(tag: int) -> bool:
    """Whether the element names the creator of a block of private elements."""
    return bool(tag >> 16 & 1) and FIRST_BLOCK <= tag & 0xFFFF <= LAST_BLOCK


def is_in_block(tag: int) -> bool:
    """Whether it is a private element that a creator's block holds."""
    return bool(tag >> 16 & 1) and tag & 0xFFFF >= FIRST_BLOCK << 8


def creator_of(tag: int) -> int:
    """The tag of the element that names the creator of a private element."""
    return tag & ~0xFFFF | (tag & 0xFFFF) >> 8


def tag_in_block(creator: int, element: int) -> int:
    """The tag of an element in the block that such an element reserves."""
    return creator & ~0xFFFF | (creator & 0xFF) << 8 | element


def creator_name(raw: bytes) -> str:
    """Whom the bytes of such an element name; each byte of Latin-1 is a letter."""
    return raw.decode("latin-1").strip(" \0")
