"""What was read of a series since it was last written: the values of its first instance, and what differs.

Values are kept as the JSON text that goes into the file.  Of an instance that was walked only the elements
whose bytes differ from those of the first one are decoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from dicomarray.catalog.index.json_values import ABSENT, to_json
from dicomarray.dicom.attribute_names import explains
from dicomarray.dicom.headers.all_elements import Decoded, Decoder, Walked
from dicomarray.dicom.part10 import Element
from dicomarray.dicom.vr import Value
from dicomarray.storage.references import Stamp

# What is known of an instance beside its attributes; no keyword is in lower case.
TRANSFER_SYNTAX = "transfer_syntax"
# ... and what only its file could tell otherwise: the tiles of a mosaic, attributes out of a CSA header.
TILES, CSA = "tiles", "csa"
PIXEL_NAMES = ("pixel_tag", "pixel_start", "pixel_length", "pixel_vr")


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file as it was when it was read."""

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
    _elements: Mapping[int, Element] = field(default_factory=dict)
    _decoder: Decoder | None = None

    def add(
        self,
        origin: Origin,
        instance: Walked | Decoded,
        only_in_file: Mapping[str, Value] = MappingProxyType({}),
    ) -> None:
        """One instance more; ``only_in_file`` is what `only_in_file` gives."""
        of_file = _of_file(instance, only_in_file)
        if not self.origins:
            self.first = {name: to_json(value) for name, value in instance.values().items()}
            self.first |= of_file
            self.characters += sum(map(len, self.first.values()))
            if isinstance(instance, Walked):
                self._elements, self._decoder = instance.elements, Decoder.of(instance)
        else:
            changed = self._changed(instance)
            if changed is None:
                texts = {name: to_json(value) for name, value in instance.values().items()}
                changed = dict.fromkeys(self.first, ABSENT) | texts
            for name, text in (changed | of_file).items():
                self._put(name, text)
        self.origins.append(origin)

    def column(self, name: str) -> list[str]:
        """The text of each instance, `ABSENT` where it has none; a single one where they are the same."""
        column = self.varying.get(name)
        base = self.first.get(name, ABSENT)
        if column is None:
            return [base]
        return column + [base] * (len(self.origins) - len(column))

    def _changed(self, instance: Walked | Decoded) -> dict[str, str] | None:
        """What may differ from the first instance; None where that is unknown from the bytes."""
        decoder = self._decoder
        if (
            decoder is None
            or not isinstance(instance, Walked)
            or instance.explicit != decoder.context.explicit
        ):
            return None
        known, elements = self._elements, instance.elements
        differing = [
            tag
            for tag, element in elements.items()
            if (before := known.get(tag)) is not element and before != element
        ]
        missing = [tag for tag in known if tag not in elements] if known.keys() != elements.keys() else []
        if any(map(explains, (*differing, *missing))):
            return None
        changed: dict[str, str] = {}
        for tag in differing:
            name = decoder.names.of_tag(tag)
            if name is not None:
                changed[name] = to_json(decoder.value(tag, elements[tag]))
        for tag in missing:
            name = decoder.names.of_tag(tag)
            if name is not None:
                changed[name] = ABSENT
        return changed

    def _put(self, name: str, text: str) -> None:
        base = self.first.get(name, ABSENT)
        column = self.varying.get(name)
        if column is None:
            if text == base:
                return
            column = self.varying[name] = []
        column.extend([base] * (len(self.origins) - len(column)))
        column.append(text)
        self.characters += len(text)


def _of_file(instance: Walked | Decoded, only_in_file: Mapping[str, Value]) -> dict[str, str]:
    """What is known beside the attributes, as columns."""
    pixels = instance.pixels
    known: tuple[Value, ...] = (None,) * 4
    if pixels is not None:
        known = (pixels.tag, pixels.start, pixels.length, pixels.vr)
    texts = dict(zip(PIXEL_NAMES, map(to_json, known), strict=True))
    for name in (TILES, CSA):
        texts[name] = to_json(only_in_file[name]) if name in only_in_file else ABSENT
    return {TRANSFER_SYNTAX: to_json(instance.transfer_syntax), **texts}
