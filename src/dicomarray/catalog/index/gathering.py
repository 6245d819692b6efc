"""What was read of a series since it was last written: the values of its first instance, and what differs.

Values are kept as the JSON text that goes into the file.  Of instances that share what they have in common
only the values of their own are looked at, and decoded where their bytes are not those of the last one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from dicomarray.catalog.index.json_values import ABSENT, to_json
from dicomarray.dicom.headers.attributes import ABSENT as NOT_THERE
from dicomarray.dicom.headers.attributes import Attributes, Common
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.part10 import PixelPlace
from dicomarray.dicom.vr import Value, decode
from dicomarray.storage.references import Stamp
from dicomarray.version import __version__

# What is known of an instance beside its attributes; no keyword is in lower case.
TRANSFER_SYNTAX = "transfer_syntax"
# ... and what only its file could tell otherwise: the tiles of a mosaic, attributes out of a CSA header.
TILES, CSA = "tiles", "csa"
PIXEL_NAMES = ("pixel_tag", "pixel_start", "pixel_length", "pixel_vr")
# Some MB: most values are short.
VALUES_AT_HAND = 16_384
# Its rank in the order of the series' volumes, which another version may find otherwise: kept when it was
# asked for, until instances come or go.
ORDER = f"order {__version__}"
_OF_FILE = frozenset((TRANSFER_SYNTAX, TILES, CSA, *PIXEL_NAMES))


@dataclass(frozen=True, slots=True, eq=False)
class SeenFile:
    """A file as it was when it was read; there is one object for each."""

    folder: str
    name: str
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an instance is from: a file, or a member of an archive and its number there."""

    file: SeenFile
    member: str | None = None
    number: int | None = None


@dataclass(slots=True)
class _Similar:
    """Instances that share what they have in common, of which all texts of one are known.

    ``differing`` is what all of them have that the first instance of the series does not have.
    """

    common: Common
    differing: Mapping[str, str]
    _slots: Sequence[tuple[str, int]]
    _last: list[tuple[Any, str]]

    @classmethod
    def of(
        cls, attributes: Mapping[str, Value], texts: Mapping[str, str], first: Mapping[str, str]
    ) -> _Similar | None:
        """From the first of them, its texts, and those of the first instance of the series."""
        if not isinstance(attributes, Attributes):
            return None
        slots = attributes.common.slots
        differing = {n: text for n, text in _differing(texts, first).items() if n not in slots}
        own = attributes.own
        last = [(own[slot], texts.get(name, ABSENT)) for name, slot in slots.items()]
        return cls(attributes.common, differing, tuple(slots.items()), last)

    def changed(self, attributes: Attributes, first: Mapping[str, str]) -> Mapping[str, str]:
        """What differs from the first instance of the series."""
        found, own = dict(self.differing), attributes.own
        for index, (name, slot) in enumerate(self._slots):
            value = own[slot]
            known, text = self._last[index]
            # equal values can be of two types, and have two texts; equal bytes cannot
            if value is not known and (type(value) is not bytes or value != known):
                text = self._text_of(slot, value)
                self._last[index] = value, text
            if text != first.get(name, ABSENT):
                found[name] = text
        return found

    def _text_of(self, slot: int, value: Any) -> str:
        """Without keeping what is decoded in the attributes, which nobody asks again."""
        if type(value) is bytes:
            return _text_of_bytes(self.common.representations[slot], value, self.common.encodings)
        return ABSENT if value is NOT_THERE else to_json(value)


@lru_cache(maxsize=VALUES_AT_HAND)
def _text_of_bytes(vr: str, value: bytes, encodings: tuple[str, ...]) -> str:
    """The text of a value; about half of those that differ in a series are those of another instance."""
    return to_json(decode(vr, value, True, encodings))


@dataclass(slots=True)
class Gathered:
    """The instances of one series that are still to be written, as columns.

    ``first`` has the text of each attribute of the first instance; ``varying`` one text for each instance, as
    far as it goes: the rest has the first one's.
    """

    uid: str
    origins: list[Origin] = field(default_factory=list)
    first: dict[str, str] = field(default_factory=dict)
    varying: dict[str, list[str]] = field(default_factory=dict)
    characters: int = 0
    _of_first: Mapping[str, str] = field(default_factory=dict)
    _similar: _Similar | None = None

    def add(
        self, origin: Origin, header: Header, only_in_file: Mapping[str, Value] = MappingProxyType({})
    ) -> None:
        """One instance more; ``only_in_file`` is what `only_in_file` gives."""
        of_file = _of_file(header, only_in_file)
        if not self.origins:
            texts = _texts_of(header.attributes)
            self.first, self._of_first = {**texts, **of_file}, of_file
            self._similar = _Similar.of(header.attributes, texts, texts)
            self.characters += sum(map(len, self.first.values()))
        else:
            for name, text in self._changed(header.attributes).items():
                self._put(name, text)
            if of_file is not self._of_first:
                for name, text in of_file.items():
                    self._put(name, text)
        self.origins.append(origin)

    def column(self, name: str) -> list[str]:
        """The text of each instance, `ABSENT` where it has none; a single one where they are the same."""
        column = self.varying.get(name)
        base = self.first.get(name, ABSENT)
        if column is None:
            return [base]
        return column + [base] * (len(self.origins) - len(column))

    def _changed(self, attributes: Mapping[str, Value]) -> Mapping[str, str]:
        """What differs from the first instance."""
        similar = self._similar
        if similar is not None and isinstance(attributes, Attributes) and attributes.common is similar.common:
            return similar.changed(attributes, self.first)
        texts = _texts_of(attributes)
        self._similar = _Similar.of(attributes, texts, self.first)
        return _differing(texts, self.first)

    def _put(self, name: str, text: str) -> None:
        base = self.first.get(name, ABSENT)
        column = self.varying.get(name)
        if column is None:
            if text == base:
                return
            column = self.varying[name] = []
        missing = len(self.origins) - len(column)
        if missing:
            column.extend([base] * missing)
        column.append(text)
        self.characters += len(text)


def _texts_of(attributes: Mapping[str, Value]) -> dict[str, str]:
    return {name: to_json(value) for name, value in attributes.items()}


def _differing(texts: Mapping[str, str], first: Mapping[str, str]) -> dict[str, str]:
    """What is not as in the first instance; `ABSENT` for what only that has."""
    changed = {name: text for name, text in texts.items() if first.get(name, ABSENT) != text}
    return changed | dict.fromkeys(first.keys() - texts.keys() - _OF_FILE, ABSENT)


def _of_file(header: Header, only_in_file: Mapping[str, Value]) -> Mapping[str, str]:
    """What is known beside the attributes, as columns."""
    usual: Mapping[str, str] = _places(header.transfer_syntax, header.pixels)
    return (
        {**usual, **{name: to_json(value) for name, value in only_in_file.items()}} if only_in_file else usual
    )


@lru_cache(maxsize=256)
def _places(transfer_syntax: str | None, pixels: PixelPlace | None) -> dict[str, str]:
    known: tuple[Value, ...] = (None,) * 4
    if pixels is not None:
        known = (pixels.tag, pixels.start, pixels.length, pixels.vr)
    texts = dict(zip(PIXEL_NAMES, map(to_json, known), strict=True))
    return {TRANSFER_SYNTAX: to_json(transfer_syntax), **texts, TILES: ABSENT, CSA: ABSENT}
