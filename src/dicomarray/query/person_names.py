"""Person names (PS3.5 6.2.1): up to three groups, for three scripts, of up to five components."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from dicomarray.query.grammar import MATCHING, TEXT, PartError
from dicomarray.query.instance import PADDING, Value
from dicomarray.query.patterns import Wildcard
from dicomarray.query.value_types import Kind, Test, Text

GROUPS = 3  # alphabetic, ideographic, phonetic
COMPONENTS = 5  # family name, given name, middle name, prefix, suffix


class Name(NamedTuple):
    """A file's name as it stands, and its components as they are compared."""

    clean: str
    groups: tuple[tuple[str, ...], ...]


class NamePattern(NamedTuple):
    """What is looked for: components by group; None matches anything.  One group alone fits any group."""

    groups: tuple[tuple[str | Wildcard | None, ...], ...]

    def matches(self, name: Name) -> bool:
        """Whether the name has all the components that are specified."""
        if len(self.groups) == 1:
            return any(_group_matches(self.groups[0], group) for group in name.groups)
        padded = name.groups + ((),) * (len(self.groups) - len(name.groups))
        return all(_group_matches(wanted, group) for wanted, group in zip(self.groups, padded, strict=False))


class PersonName(Kind):
    """Names by component; what is not specified matches anything."""

    __slots__ = ()
    noun = "a person name"
    operators = MATCHING | TEXT

    def value(self, raw: Value) -> Name:
        clean = unicodedata.normalize("NFC", str(raw).strip(PADDING))
        groups = tuple(
            tuple(self._text.value(part).folded for part in group.split("^")) for group in clean.split("=")
        )
        return Name(clean, groups)

    def literal(self, scalar: Any) -> NamePattern:
        return self._parse(scalar, self._text.literal)

    def wanted(self, scalar: Any) -> NamePattern:
        return self._parse(scalar, self._text.wanted)

    def _parse(self, scalar: Any, component: Callable[[Any], str | Wildcard]) -> NamePattern:
        component(scalar)  # the rules of texts for type, blanks, backslashes and length
        groups = [group.split("^") for group in str(scalar).split("=")]
        if len(groups) > GROUPS or any(len(group) > COMPONENTS for group in groups):
            raise PartError(f"a name has at most {GROUPS} groups (=) of {COMPONENTS} components (^)")
        parts = tuple(
            tuple(component(part) if part.strip(PADDING) else None for part in group) for group in groups
        )
        if all(part is None for group in parts for part in group):
            raise PartError("a name without any component matches everything; write exists: true")
        return NamePattern(parts)

    def any_of(self, literals: Sequence[NamePattern]) -> Test:
        wanted = tuple(dict.fromkeys(literals))
        return lambda value: any(pattern.matches(value) for pattern in wanted)

    def text(self, value: Name) -> str:
        return value.clean

    @property
    def _text(self) -> Text:
        return Text("LO", self.case)


def _group_matches(wanted: tuple[str | Wildcard | None, ...], group: tuple[str, ...]) -> bool:
    padded = group + ("",) * (len(wanted) - len(group))
    return all(_component_matches(part, have) for part, have in zip(wanted, padded, strict=False))


def _component_matches(wanted: str | Wildcard | None, have: str) -> bool:
    if isinstance(wanted, Wildcard):
        return wanted.matches(have)
    return wanted is None or wanted == have
