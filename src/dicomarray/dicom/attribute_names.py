"""Attributes by name -> the tags to look for in a file.

A name is a keyword, a tag such as ``"(0018,0050)"``, or ``"(gggg,CREATOR,ee)"``: a private attribute, whose
tag depends on where in the file its creator has reserved a block (PS3.5 7.8.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple, NoReturn

from dicomarray.dicom.dictionary import tag_for_keyword
from dicomarray.dicom.private_blocks import PrivateElement, is_creator
from dicomarray.errors import HeaderError

PIXEL_REPRESENTATION, SPECIFIC_CHARACTER_SET = 0x00280103, 0x00080005
PRIVATE_NAME = re.compile(r"\(([0-9A-Fa-f]{4}),([^,]+),([0-9A-Fa-f]{2})\)")


class Request(NamedTuple):
    """The names that are asked for: with their tags, and those whose tag depends on the file.

    Where it ``is_tolerant``, a value that cannot be read does no harm to the others.
    """

    tags: tuple[tuple[str, int], ...]
    private: tuple[tuple[str, PrivateElement], ...]
    read: frozenset[int]
    is_tolerant: bool = False

    @property
    def needs_all(self) -> bool:
        """Whether all elements have to be read: where a creator's block lies is known only then."""
        return bool(self.private)

    def wants(self, tag: int) -> bool:
        """Whether the element is asked for, or says how those that are asked for are read."""
        return tag in self.read or (bool(self.private) and self._may_be_private(tag))

    def explains(self, tag: int) -> bool:
        """Whether others are read by it: character set, sign, private creators where these are needed."""
        return tag in (PIXEL_REPRESENTATION, SPECIFIC_CHARACTER_SET) or (self.needs_all and is_creator(tag))

    def keeps(self, tag: int, vr: str | None, length: int) -> bool:
        """Whether the value of such an element is asked for, not only that it is there."""
        del vr, length  # what is asked for by name is kept, however long it is
        return self.wants(tag)

    def names_among(
        self, tags: Iterable[int], creator_at: Callable[[int], str | None]
    ) -> list[tuple[str, int]]:
        """The names that are asked for with their tags in a data set that has ``tags``; it may lack some.

        A private one is looked for in the first block of its creator.
        """
        if not self.private:
            return list(self.tags)
        creators = [tag for tag in tags if is_creator(tag)]
        private = ((name, element.places(creators, creator_at)[:1]) for name, element in self.private)
        return sorted([*self.tags, *((name, tag) for name, places in private for tag in places)])

    def _may_be_private(self, tag: int) -> bool:
        return is_creator(tag) or any(element.may_be(tag) for _, element in self.private)


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
    found = ((name, _private_element(name)) for name in sorted(names))
    private = tuple((name, element) for name, element in found if element is not None)
    others = sorted(names - {name for name, _ in private})
    tags = tuple((name, tag_of(name)) for name in others)
    return Request(
        tags, private, frozenset((PIXEL_REPRESENTATION, SPECIFIC_CHARACTER_SET, *(t for _, t in tags)))
    )


def _private_element(name: str) -> PrivateElement | None:
    match = PRIVATE_NAME.fullmatch(name)
    return None if match is None else PrivateElement(int(match[1], 16), match[2].strip(), int(match[3], 16))


def check_name(name: str) -> None:
    """Raise HeaderError unless the name is a keyword, a tag, or a private tag with its creator."""
    if not isinstance(name, str):
        _unknown(name)
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


def _unknown(name: object) -> NoReturn:
    raise HeaderError(f'"{name}" is no DICOM keyword and no tag such as "(0018,0050)"')
