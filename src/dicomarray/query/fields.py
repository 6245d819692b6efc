"""Names of fields: keywords, tags, private attributes, indexes and paths into sequences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain

from dicomarray.dicom.dictionary import is_retired, private_vr, tag_for_keyword, vr_for_tag
from dicomarray.dicom.headers.all_elements import standard_name
from dicomarray.dicom.headers.attributes import ABSENT
from dicomarray.dicom.identities import may_identify
from dicomarray.dicom.private_blocks import is_creator
from dicomarray.query.facts import FACTS
from dicomarray.query.grammar import PartError, did_you_mean, suggest_keyword
from dicomarray.query.instance import Cell, Found, Value, elements_of, is_blank

_STEP = re.compile(
    r"(?P<name>\(.+?\)(?=[.\[]|$)|[^.\[\]()]+)(?:\[(?P<index>\d{1,9})\])?(?P<dot>\.(?!$))?", re.ASCII
)
_TAG = re.compile(r"\(\s*([0-9A-Fa-f]{4})\s*,\s*([0-9A-Fa-f]{4})\s*\)")
_PRIVATE = re.compile(r"\(\s*([0-9A-Fa-f]{4})\s*,(.+),\s*([0-9A-Fa-f]{2})\s*\)")
_BARE_TAG = re.compile(r"(?:0x)?([0-9A-Fa-f]{4})[,| ]?(?:0x)?([0-9A-Fa-f]{4})")


@dataclass(frozen=True, slots=True)
class Step:
    """One attribute of a path: its key in an instance, its VR where known, and which of its values."""

    key: str
    vr: str | None
    index: int | None = None
    retired: bool = False

    def of(self, value: Value) -> Found:
        """The values that are meant, blank ones included; None where the one with the index is not there."""
        values = elements_of(value)
        return values if self.index is None else values[self.index : self.index + 1] or None


@dataclass(frozen=True, slots=True)
class Field:
    """Where a condition finds its values: an attribute, a path through sequences to one, or a fact."""

    name: str
    steps: tuple[Step, ...]

    @property
    def vr(self) -> str | None:
        return self.steps[-1].vr

    @property
    def key(self) -> str:
        """The attribute of the data set that it is, or that it lies in."""
        return self.steps[0].key

    @property
    def is_fact(self) -> bool:
        """Whether it is a fact of the series, which no attribute holds."""
        return self.key in FACTS

    @property
    def is_plain(self) -> bool:
        """Whether it is an attribute of the data set with all its values."""
        return len(self.steps) == 1 and self.steps[0].index is None

    @property
    def identifying(self) -> bool:
        """Whether its values may identify the patient: a message never shows what is in them."""
        return any(may_identify(step.key) for step in self.steps)

    def find(self, cell: Cell) -> Found:
        """All values of the field where its `key` has this cell, of all items of sequences on the way."""
        if cell is ABSENT:
            return None
        if self.is_plain and isinstance(cell, str | int | float):  # as nearly always
            return () if is_blank(cell) else (cell,)
        if self.is_fact:
            return elements_of(cell)
        found = self.steps[0].of(cell)
        for step in self.steps[1:]:
            holders = [item for item in found or () if isinstance(item, Mapping) and step.key in item]
            inner = [step.of(item[step.key]) for item in holders]
            known = [values for values in inner if values is not None]
            found = tuple(chain.from_iterable(known)) if known else None
        return found and tuple(value for value in found if not is_blank(value))


def parse_field(name: str) -> Field:
    """Take a field's name apart.

    Raises
    ------
    PartError
        Where the name, or a part of it, is no attribute; with the one that was probably meant.
    """
    steps: list[Step] = []
    position, dot = 0, True
    while position < len(name):
        match = _STEP.match(name, position)
        if match is None or not dot:
            raise PartError(
                f"{name!r} is no field; write a keyword, ImageType[2], Sequence.Attribute, "
                '"(0018,0050)" or "(0019,SIEMENS MR HEADER,0c)"'
            )
        step = _parse_step(match["name"].strip())
        steps.append(replace(step, index=None if match["index"] is None else int(match["index"])))
        position, dot = match.end(), match["dot"] is not None
    if not steps:
        raise PartError("an empty name is no field")
    for step in steps[:-1]:
        if step.vr not in (None, "SQ"):
            raise PartError(f"{step.key} ({step.vr}) is no sequence, so nothing is inside it")
    return Field(name, tuple(steps))


def _parse_step(name: str) -> Step:
    if name.startswith("("):
        return _parse_tag(name)
    tag = tag_for_keyword(name)
    if tag is not None:
        return Step(name, _first_vr(vr_for_tag(tag)), retired=is_retired(tag))
    bare = _BARE_TAG.fullmatch(name)
    if bare:
        raise PartError(f'{name!r} is no keyword; write a tag as "({bare[1]},{bare[2]})"')
    raise PartError(f"{name!r} is no DICOM keyword{did_you_mean(suggest_keyword(name))}")


def _parse_tag(name: str) -> Step:
    plain = _TAG.fullmatch(name)
    if plain:
        return _parse_plain_tag(plain[1].lower(), plain[2].lower())
    private = _PRIVATE.fullmatch(name)
    if private is None:
        raise PartError(f'{name!r} is no tag; write "(0018,0050)" or "(0019,SIEMENS MR HEADER,0c)"')
    group, creator, element = private[1].lower(), private[2].strip(), private[3].lower()
    if int(group, 16) % 2 == 0:
        raise PartError(f"{name!r}: group {group} is even, and only odd groups are private")
    vr = private_vr(int(f"{group}10{element}", 16), creator)
    return Step(f"({group},{creator},{element})", vr and _first_vr(vr))


def _parse_plain_tag(group: str, element: str) -> Step:
    """A standard attribute is known by its keyword, however it is written."""
    tag = int(group + element, 16)
    key = f"({group},{element})"
    if int(group, 16) % 2:
        if is_creator(tag):
            return Step(key, "LO")
        raise PartError(
            f'"{key}" is private: its block differs from file to file; name the creator, '
            f'"({group},CREATOR,{element[2:]})"'
        )
    try:
        return Step(standard_name(tag), _first_vr(vr_for_tag(tag)), retired=is_retired(tag))
    except KeyError:
        return Step(key, None)


def _first_vr(vr: str) -> str | None:
    """ "US or SS" are both numbers, "OB or OW" both binary; which one it is makes no difference here."""
    return None if vr == "NONE" else vr.partition(" or ")[0]
