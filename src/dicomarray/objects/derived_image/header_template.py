"""Headers of derived images that differ from one made before in a few elements only: copied, not made again.

The first image of a series is derived and encoded by pydicom.  What nobody looked at while it was derived was
copied, byte for byte, and can have had no part in anything else: in the next image such elements may be
others, and are copied too.  Of what was looked at only a few are known to vary, and how; where any other
differs, the image is derived by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydicom.datadict import keyword_dict
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicomarray.dicom.part10 import encoded, head_bytes, padded
from dicomarray.dicom.private_blocks import is_creator
from dicomarray.dicom.raw_header import RawHeader
from dicomarray.dicom.uids import legal_uid
from dicomarray.objects.common.header_faults import is_of_whole_numbers
from dicomarray.objects.common.quick_elements import element_of
from dicomarray.objects.derived_image.derive import SeriesPlan
from dicomarray.objects.derived_image.image_classes import RescalePlace
from dicomarray.objects.derived_image.image_output import SliceOutput

# So many headers are kept to be compared with: a series has a few kinds of images, not many.
MAX_KINDS = 8
_UID, _NUMBER = keyword_dict["SOPInstanceUID"], keyword_dict["InstanceNumber"]
_SMALLEST, _LARGEST = keyword_dict["SmallestImagePixelValue"], keyword_dict["LargestImagePixelValue"]
_RESCALE = {keyword_dict["RescaleSlope"], keyword_dict["RescaleIntercept"]}
_WINDOW = {keyword_dict["WindowCenter"], keyword_dict["WindowWidth"]}
_MODALITY_LUT = keyword_dict["ModalityLUTSequence"]
# The sequences that name the source by its UID.
_NAMING = (keyword_dict["SourceImageSequence"], keyword_dict["ReferencedSeriesSequence"])
# Set without a look at what the template has.
_REPLACED = {
    keyword_dict[keyword]
    for keyword in (
        "SOPInstanceUID", "SourceImageSequence", "SmallestImagePixelValue", "LargestImagePixelValue",
        "InstanceCreationDate", "InstanceCreationTime",
    )
}  # fmt: skip
_DATED = {keyword_dict[f"{event}{part}"] for event in ("Content", "Series") for part in ("Date", "Time")}
# Decimal Strings that pydicom writes as it read them.
_PLAIN_DECIMAL = re.compile(rb"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?(\\[-+]?[0-9]+(\.[0-9]*)?)* ?")


@dataclass(frozen=True, slots=True, eq=False)
class _Kind:
    """An image that was derived, and what another must share with it to have its header."""

    raw: RawHeader
    image: SliceOutput
    facts: tuple[Any, ...]
    source_uid: bytes
    parts: tuple[bytes, ...]
    places: Mapping[int, int]
    copied: frozenset[int]
    ignored: frozenset[int]


class HeaderTemplate:
    """The headers of a series that were derived already; one is made for each series that is written."""

    def __init__(self, plan: SeriesPlan) -> None:
        self._plan = plan
        self._kinds: list[_Kind] = []

    @property
    def like(self) -> RawHeader | None:
        """A head that the next one probably resembles."""
        return self._kinds[-1].raw if self._kinds else None

    def header(self, raw: RawHeader, image: SliceOutput) -> bytes | None:
        """All bytes of the file before the pixel values, or None where the image must be derived."""
        facts = self._facts(raw, image)
        for kind in reversed(self._kinds):
            changed = self._changed(kind, raw, image) if facts == kind.facts else None
            if changed is not None:
                parts = list(kind.parts)
                for place, part in changed.items():
                    parts[place] = part
                return b"".join(parts)
        return None

    def remember(
        self,
        raw: RawHeader,
        stripped: frozenset[int],
        made: Dataset,
        start: bytes,
        elements: Mapping[int, bytes],
        image: SliceOutput,
    ) -> None:
        """Keep what was made of an image.

        ``stripped`` are the tags that `strip` removed; ``start`` and ``elements`` are the file but for the
        pixel values.
        """
        source_uid = raw.value(_UID)
        named = sum(elements.get(tag, b"").count(source_uid) > 1 for tag in _NAMING)
        if len(self._kinds) >= MAX_KINDS or named or start.count(image.sop_uid.encode()) != 1:
            return
        untouched = {tag for tag in elements if type(element_of(made, tag)) is RawDataElement}
        kind = _Kind(
            raw=raw,
            image=image,
            facts=self._facts(raw, image),
            source_uid=source_uid,
            parts=(start, *elements.values()),
            places={tag: place for place, tag in enumerate(elements, 1)},
            copied=frozenset(tag for tag in untouched if raw.elements.get(tag) == elements[tag]),
            ignored=self._ignored(stripped, image),
        )
        self._kinds.append(kind)

    def _ignored(self, stripped: frozenset[int], image: SliceOutput) -> frozenset[int]:
        """Tags whose values have no part in what is written."""
        gone = {tag for tag in stripped if not (self._plan.options.keep_private and is_creator(tag))}
        if self._plan.identity.now is not None:
            kept = {keyword_dict["SeriesDate"], keyword_dict["SeriesTime"]}
            gone |= _DATED - (kept if self._plan.kind.series_time_kept else set())
        if image.instance_number is not None:
            gone.add(_NUMBER)
        return frozenset(gone | _REPLACED)

    def _changed(self, kind: _Kind, raw: RawHeader, image: SliceOutput) -> dict[int, bytes] | None:
        """The parts of a kind's header that are others in this image; None where it is of another kind."""
        changed: dict[int, bytes] = {}
        for tag, element in raw.elements.items():
            if element == kind.raw.elements[tag] or tag in kind.ignored:
                continue
            if tag in kind.copied and _is_sound(tag, element, raw.meta.explicit):
                changed[kind.places[tag]] = element
            elif not self._varies_as_known(kind, raw, tag, changed):
                return None
        return changed | _identity(kind, raw, image) | _ends(kind, image)

    def _facts(self, raw: RawHeader, image: SliceOutput) -> tuple[Any, ...]:
        """What images must have in common if the header of one is to be made after the other's."""
        source_uid = raw.value(_UID)
        return (
            raw.meta.transfer_syntax,
            tuple(raw.elements),
            image.stored_type,
            image.stored.shape,
            image.instance_number is None,
            None if self._plan.kind.place is RescalePlace.RESCALE else image.rescale,
            len(padded(image.sop_uid.encode(), "UI")),
            len(source_uid),
            legal_uid(source_uid.rstrip(b"\0 ").decode("latin-1")),
        )

    def _varies_as_known(self, kind: _Kind, raw: RawHeader, tag: int, changed: dict[int, bytes]) -> bool:
        """Whether an element that was looked at may be another one; fills in what it becomes."""
        found, before = raw.value(tag), kind.raw.value(tag)
        plain = _PLAIN_DECIMAL.fullmatch(found) and _PLAIN_DECIMAL.fullmatch(before)
        if not plain or _MODALITY_LUT in raw.elements:
            return False
        if tag in _WINDOW:
            return not self._plan.kind.absolute
        if tag not in _RESCALE or self._plan.kind.place is not RescalePlace.RESCALE:
            return False
        if self._plan.slope is None:
            if kind.parts[kind.places[tag]] != kind.raw.elements[tag]:
                return False
            changed[kind.places[tag]] = raw.elements[tag]
        return True


def tags_of(header: Dataset) -> frozenset[int]:
    """The tags of the top level; nothing is parsed."""
    return frozenset(int(tag) for tag in header.keys())  # noqa: SIM118 - a data set iterates over elements


def _identity(kind: _Kind, raw: RawHeader, image: SliceOutput) -> dict[int, bytes]:
    """The parts that name the image and its source."""
    old, new = (padded(one.sop_uid.encode(), "UI") for one in (kind.image, image))
    changed: dict[int, bytes] = {0: kind.parts[0].replace(old, new)}
    changed[kind.places[_UID]] = encoded(_UID, "UI", new, raw.meta.explicit)
    for tag in _NAMING:
        if tag in kind.places:
            place = kind.places[tag]
            changed[place] = kind.parts[place].replace(kind.source_uid, raw.value(_UID))
    if image.instance_number is not None:
        text = padded(str(image.instance_number).encode(), "IS")
        changed[kind.places[_NUMBER]] = encoded(_NUMBER, "IS", text, raw.meta.explicit)
    return changed


def _ends(kind: _Kind, image: SliceOutput) -> dict[int, bytes]:
    """The smallest and the largest stored value, where they are told: 16 bits each."""
    changed = {}
    for tag, value in zip((_SMALLEST, _LARGEST), image.ends, strict=True):
        if tag in kind.places:
            place = kind.places[tag]
            raw = value.to_bytes(2, "little", signed=image.stored_type.signed)
            changed[place] = kind.parts[place][:-2] + raw
    return changed


def _is_sound(tag: int, element: bytes, explicit: bool) -> bool:
    """Whether an element can be copied without a look at it: one of numbers has none that is cut off."""
    declared = element[4:6].decode("ascii") if explicit else None
    return is_of_whole_numbers(Tag(tag), declared, len(element) - head_bytes(element, explicit))
