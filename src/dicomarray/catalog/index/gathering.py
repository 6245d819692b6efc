"""What was read of a series since it was last written: what its instances share, and the values that differ.

Values are kept as the JSON text that goes into the file, those that differ as their bytes until they are
written: then each of an attribute's values becomes a text once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from dicomarray.catalog.index.files import State
from dicomarray.catalog.index.json_values import ABSENT, to_json
from dicomarray.dicom.headers.attributes import ABSENT as NOT_THERE
from dicomarray.dicom.headers.attributes import Attributes, Common
from dicomarray.dicom.headers.columns import without_repeats
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.part10 import PixelPlace
from dicomarray.dicom.vr import Value, decode
from dicomarray.version import __version__

# What is known of an instance beside its attributes; no keyword is in lower case.
TRANSFER_SYNTAX = "transfer_syntax"
# ... and what only its file could tell otherwise: the tiles of a mosaic, attributes out of a CSA header.
TILES, CSA = "tiles", "csa"
PIXEL_NAMES = ("pixel_tag", "pixel_start", "pixel_length", "pixel_vr")
# Its rank in the order of the series' volumes, which another version may find otherwise: kept when it was
# asked for, until instances come or go.
ORDER = f"order {__version__}"
_BYTES = frozenset((bytes,))
# Of so many values the texts are at hand, some MB: most values are short.
VALUES_AT_HAND = 16_384


@dataclass(slots=True, eq=False)
class SeenFile:
    """A file as it was when it was read; there is one object for each."""

    folder: str
    name: str
    state: State


class Origin(NamedTuple):
    """Where an instance is from: a file, or a member of an archive and its number there."""

    file: SeenFile
    member: str | None = None
    number: int | None = None


# By name the text of each instance, `ABSENT` where it has none; a single one where they are the same.
Columns = dict[str, list[str]]


@dataclass(slots=True)
class _Similar:
    """Instances in a row that share what they have in common: its texts, and values of their own.

    Those are bytes, or texts.
    """

    common: Common | None
    texts: Mapping[str, str]
    own: list[tuple[Any, ...]] = field(default_factory=list)
    _last: dict[int, tuple[Value, str]] = field(default_factory=dict)

    def add(self, own: tuple[Any, ...]) -> int:
        """One instance more; how many characters it has."""
        if not _BYTES.issuperset(map(type, own)):
            own = tuple([v if type(v) is bytes else self._text_of(slot, v) for slot, v in enumerate(own)])
        self.own.append(own)
        return sum(map(len, own))

    def columns(self) -> Iterator[tuple[str, list[str]]]:
        """Of each attribute, by name."""
        for name, text in self.texts.items():
            yield name, [text]
        if self.common is None:
            return
        slots = [*zip(*self.own, strict=True)]
        for name, slot in self.common.slots.items():
            values, vr = slots[slot], self.common.representations[slot]
            texts = {
                value: _text_of(vr, value, self.common.encodings) if type(value) is bytes else value
                for value in dict.fromkeys(values)
            }
            yield name, without_repeats([*map(texts.__getitem__, values)])

    def _text_of(self, slot: int, value: Value) -> str:
        """Of a value that was decoded at once; most often it is the one of the last file."""
        last = self._last.get(slot)
        if last is None or last[0] is not value:
            self._last[slot] = last = value, ABSENT if value is NOT_THERE else to_json(value)
        return last[1]


@dataclass(slots=True)
class Gathered:
    """The instances of one series that are still to be written; ``characters`` is how much they hold."""

    uid: str
    origins: list[Origin] = field(default_factory=list)
    characters: int = 0
    _similar: list[_Similar] = field(default_factory=list)
    _places: list[tuple[str | None, PixelPlace | None]] = field(default_factory=list)
    _facts: dict[int, Mapping[str, str]] = field(default_factory=dict)

    def add(self, origin: Origin, header: Header) -> None:
        """One instance more."""
        attributes = header.attributes
        common, own = None, ()
        if isinstance(attributes, Attributes):
            common, own = attributes.common, attributes.own
        if common is None or not self._similar or self._similar[-1].common is not common:
            texts = _texts_of(attributes if common is None else common.values)
            self._similar.append(_Similar(common, texts))
            self.characters += sum(map(len, texts.values()))
        self.characters += self._similar[-1].add(own)
        self._places.append((header.transfer_syntax, header.pixels))
        self.origins.append(origin)

    def add_facts(self, facts: Mapping[str, Value]) -> None:
        """Of the last instance what `only_in_file` gives."""
        texts = self._facts[len(self.origins) - 1] = _texts_of(facts)
        self.characters += sum(map(len, texts.values()))

    def columns(self) -> Columns:
        """What is known of the instances."""
        several = [dict(similar.columns()) for similar in self._similar]
        counts = [len(similar.own) for similar in self._similar]
        found = several[0]
        if len(several) > 1:
            names = dict.fromkeys(chain.from_iterable(several))
            found = {name: _joined([one.get(name, [ABSENT]) for one in several], counts) for name in names}
        texts = {place: _place_texts(*place) for place in dict.fromkeys(self._places)}
        for name in (TRANSFER_SYNTAX, *PIXEL_NAMES):
            found[name] = without_repeats([texts[place][name] for place in self._places])
        for name in (TILES, CSA) if self._facts else ():
            facts = [self._facts.get(number, {}) for number in range(len(self.origins))]
            found[name] = without_repeats([texts.get(name, ABSENT) for texts in facts])
        return found


@lru_cache(maxsize=VALUES_AT_HAND)
def _text_of(vr: str, value: bytes, encodings: tuple[str, ...]) -> str:
    return to_json(decode(vr, value, True, encodings))


def _texts_of(attributes: Mapping[str, Value]) -> dict[str, str]:
    return {name: to_json(value) for name, value in attributes.items()}


def _joined(columns: Sequence[list[str]], counts: Sequence[int]) -> list[str]:
    """The column of instances of which parts, so many each, have these."""
    if len({*chain.from_iterable(columns)}) == 1:
        return columns[0][:1]
    pairs = zip(columns, counts, strict=True)
    return [text for column, count in pairs for text in (column * count if len(column) == 1 else column)]


@lru_cache(maxsize=256)
def _place_texts(transfer_syntax: str | None, pixels: PixelPlace | None) -> dict[str, str]:
    known: tuple[Value, ...] = (None,) * 4
    if pixels is not None:
        known = (pixels.tag, pixels.start, pixels.length, pixels.vr)
    texts = dict(zip(PIXEL_NAMES, map(to_json, known), strict=True))
    return {TRANSFER_SYNTAX: to_json(transfer_syntax), **texts}
