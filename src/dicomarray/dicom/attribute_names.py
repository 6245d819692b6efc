"""Attributes by name -> the tags to look for in a file.

A name is a keyword, a tag such as ``"(0018,0050)"``, or ``"(gggg,CREATOR,ee)"``: a private attribute, whose
tag depends on where in the file its creator has reserved a block (PS3.5 7.8.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from dicomarray.dicom.dictionary import tag_for_keyword
from dicomarray.errors import HeaderError

PIXEL_REPRESENTATION, SPECIFIC_CHARACTER_SET = 0x00280103, 0x00080005
PRIVATE_NAME = re.compile(r"\(([0-9A-Fa-f]{4}),([^,]+),([0-9A-Fa-f]{2})\)")
# The elements (gggg,0010-00FF) of an odd group name the creators of its blocks, PS3.5 7.8.1.
FIRST_BLOCK, LAST_BLOCK = 0x10, 0xFF


@dataclass(frozen=True, slots=True)
class PrivateName:
    """A private attribute by its creator: the group, and the last two digits of the element."""

    name: str
    group: int
    creator: str
    element: int

    def tag_in(self, block: int) -> int:
        """Its tag where the creator has reserved this block."""
        return self.group << 16 | block << 8 | self.element

    def tag_by(self, creator_at: Callable[[int], str | None]) -> int | None:
        """Its tag in a data set (PS3.5 7.8.1), which tells the creator at a tag; None where it is absent."""
        for block in range(FIRST_BLOCK, LAST_BLOCK + 1):
            if creator_at(self.group << 16 | block) == self.creator:
                return self.tag_in(block)
        return None


@dataclass(frozen=True, slots=True)
class Request:
    """The names that are asked for: with their tags, and those whose tag depends on the file.

    Where it ``is_tolerant``, a value that cannot be read does no harm to the others.
    """

    tags: tuple[tuple[str, int], ...]
    private: tuple[PrivateName, ...]
    read: frozenset[int]
    is_tolerant: bool = False

    def wants(self, tag: int) -> bool:
        """Whether the element is asked for, or says how those that are asked for are read."""
        return tag in self.read or (bool(self.private) and self._may_be_private(tag))

    def explains(self, tag: int) -> bool:
        """Whether the element says how others are read."""
        return explains(tag) and (bool(self.private) or not is_creator(tag))

    def keeps(self, tag: int, vr: bytes | None, length: int) -> bool:
        """Whether the value of such an element is asked for, not only that it is there."""
        del vr, length  # what is asked for by name is kept, however long it is
        return self.wants(tag)

    def names_among(
        self, tags: Iterable[int], creator_at: Callable[[int], str | None]
    ) -> list[tuple[str, int]]:
        """The names that are asked for with their tags in a data set that has ``tags``, and maybe others."""
        del tags
        if not self.private:
            return list(self.tags)
        private = [(name.name, name.tag_by(creator_at)) for name in self.private]
        return sorted([*self.tags, *((name, tag) for name, tag in private if tag is not None)])

    def _may_be_private(self, tag: int) -> bool:
        group, element = tag >> 16, tag & 0xFF
        return is_creator(tag) or any(
            name.group == group and name.element == element for name in self.private
        )


def is_creator(tag: int) -> bool:
    """Whether the element names the creator of a block of private elements."""
    return bool(tag >> 16 & 1) and FIRST_BLOCK <= tag & 0xFFFF <= LAST_BLOCK


def explains(tag: int) -> bool:
    """Whether other elements are read by this one: character set, sign, private creators."""
    return tag in (PIXEL_REPRESENTATION, SPECIFIC_CHARACTER_SET) or is_creator(tag)


def request_for(names: Iterable[str]) -> Request:
    """What to look for.

    Raises
    ------
    HeaderError
        Where a name is none.
    """
    return _request(names if isinstance(names, frozenset) else frozenset(names))


@lru_cache(maxsize=64)
def _request(names: frozenset[str]) -> Request:
    private = tuple(made for name in sorted(names) if (made := _private_name(name)) is not None)
    others = sorted(names - {made.name for made in private})
    tags = tuple((name, tag_of(name)) for name in others)
    return Request(
        tags, private, frozenset((PIXEL_REPRESENTATION, SPECIFIC_CHARACTER_SET, *(t for _, t in tags)))
    )


def _private_name(name: str) -> PrivateName | None:
    match = PRIVATE_NAME.fullmatch(name)
    return (
        None if match is None else PrivateName(name, int(match[1], 16), match[2].strip(), int(match[3], 16))
    )


def check_name(name: str) -> None:
    """Raise HeaderError unless the name is a keyword, a tag, or a private tag with its creator."""
    if not PRIVATE_NAME.fullmatch(name):
        tag_of(name)


def tag_of(name: str) -> int:
    """The tag of a keyword or of ``"(gggg,eeee)"``.

    Raises
    ------
    HeaderError
        Where the data dictionary (PS3.6) does not know the name.
    """
    tag = tag_for_keyword(name) if name else None
    if tag is not None:
        return tag
    digits = name.strip("()").replace(",", "")
    try:
        return int(digits, 16) if name.startswith("(") and len(digits) == 8 else _unknown(name)
    except ValueError:
        return _unknown(name)


def _unknown(name: str) -> NoReturn:
    raise HeaderError(f'"{name}" is no DICOM keyword and no tag such as "(0018,0050)"')
