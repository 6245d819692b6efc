"""What becomes of the elements of files that are nearly equal: which all share, and where the others go.

An element that differs between files has a slot, if it is asked for: its values are an instance's own, or
differ just from series to series.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

from dicomarray.dicom.attribute_names import Request
from dicomarray.dicom.decoding import READ_BY_PYDICOM, Context, context_of
from dicomarray.dicom.headers.attributes import ABSENT, Common
from dicomarray.dicom.part10 import Element, FileMeta, PixelPlace
from dicomarray.dicom.vr import Value

# Longer elements are passed by in one step anyway, and would have to be read to be compared.  Bytes.
MAX_SHARED_LENGTH = 4096
# A longer value is decoded at once: mostly, all that is said of it is how long it is.  Bytes.
MAX_CACHED_LENGTH = 256
# What is remembered of one takes some kilobytes; an archive may have the files of many mixed in a folder.
MAX_SERIES = 512

Key = TypeVar("Key")
Item = TypeVar("Item")


class ChangedError(Exception):
    """The file does not fit the plan."""


class Raw(NamedTuple):
    """One element of a file, with its head as bytes; the value of a long one only if it is asked for."""

    head: bytes
    element: Element

    @property
    def is_short(self) -> bool:
        """Whether other files may share it."""
        return self.element.length <= MAX_SHARED_LENGTH

    def without_long_value(self) -> Raw:
        """The same, without a value that takes memory and that no other file shares."""
        return self if self.is_short else Raw(self.head, self.element._replace(value=None))

    @property
    def content(self) -> bytes:
        """All its bytes."""
        return self.head + (self.element.value or b"")


@dataclass(frozen=True, slots=True)
class Table:
    """All elements of a file before its pixel data, by tag in their order; of that only where it is."""

    meta: FileMeta
    raws: Mapping[int, Raw]
    pixels: PixelPlace | None
    pixel_head: bytes

    def without_long_values(self) -> Table:
        """The same, without values that take memory and that no other file shares."""
        return replace(self, raws={tag: raw.without_long_value() for tag, raw in self.raws.items()})


@dataclass(frozen=True, slots=True)
class Slot:
    """Where the value of an element that differs goes, and whether it can be kept as bytes."""

    tag: int
    index: int
    vr: str | None
    lazy: bool


# The values, as bytes or ABSENT, that differ from series to series.
OfSeries = tuple[Any, ...]


# What was found in a file, and what of it stands in slots: its own values, those of its series.  Plain
# tuples, as they are made of every file.
Found = tuple[FileMeta, Mapping[str, Value], PixelPlace | None]
Taken = tuple[tuple[Any, ...], OfSeries, PixelPlace | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What all files that fit share, and what becomes of the elements that differ.

    ``slots`` has None for an element that nobody asked for, and no key for one that is the same in all
    files.  The first ``count_own`` slots are for an instance's own values, the others, which
    ``names_of_series`` lead to, for those of its series.  ``common`` lacks these; ``commons`` are complete,
    by them.
    """

    request: Request
    meta: FileMeta
    slots: Mapping[int, Slot | None]
    count_own: int
    count: int
    names_of_series: Mapping[str, Slot]
    context: Context
    common: Common
    commons: dict[OfSeries, Common] = field(default_factory=dict)

    def common_of(self, series: OfSeries) -> Common:
        """What the files of a series share, one object for all of them."""
        if series not in self.commons:
            values = dict(self.common.values)
            for name, slot in self.names_of_series.items():
                if (content := series[slot.index - self.count_own]) is not ABSENT:
                    values[name] = self.context.value(slot.tag, Element(slot.vr, content, len(content)))
            remember(self.commons, series, replace(self.common, values=dict(sorted(values.items()))))
        return self.commons[series]


def remember(known: dict[Key, Item], key: Key, item: Item, most: int = MAX_SERIES) -> None:
    """Add what is known of a series; the oldest series is forgotten where there are too many."""
    known[key] = item
    if len(known) > most:
        del known[next(iter(known))]


def make_plan(
    request: Request,
    meta: FileMeta,
    samples: Mapping[int, Raw],
    between_files: Collection[int],
    between_series: Collection[int],
    known: Mapping[str, Value],
) -> Plan:
    """A plan for files like the samples, by the tags that differ between files, or only between series.

    ``known`` are values that were decoded before.  DoubtError where pydicom had better read a value.
    """
    varying = {*between_files, *between_series}
    explaining = {tag: raw.element for tag, raw in samples.items() if request.explains(tag)}
    context = context_of(explaining, request, meta.explicit)
    names = request.names_among(samples, context.creator)
    order = sorted(samples)
    slots = _slots(
        [tag for tag in order if tag in varying], {tag for _, tag in names}, samples, between_series, context
    )
    wanted = [slot for slot in slots.values() if slot is not None]
    of_series = {slot.tag for slot in wanted if slot.lazy and slot.tag in between_series}
    own = [slot for slot in wanted if slot.tag not in of_series]
    shared = {n: t for n, t in names if t in samples and t not in varying}
    places = {name: slot for name, tag in names if (slot := slots.get(tag)) is not None}
    common = Common(
        values={
            n: known[n] if n in known else context.value(t, samples[t].element) for n, t in shared.items()
        },
        slots={name: slot.index for name, slot in places.items() if slot.tag not in of_series},
        representations=tuple(context.representation(slot.tag, samples[slot.tag].element) for slot in own),
        encodings=context.encodings,
        names=tuple(sorted([*shared, *places])),
    )
    return Plan(
        request=request,
        meta=meta,
        slots=slots,
        count_own=len(own),
        count=len(wanted),
        names_of_series={name: slot for name, slot in places.items() if slot.tag in of_series},
        context=context,
        common=common,
    )


def _slots(
    tags: Iterable[int],
    wanted: Collection[int],
    samples: Mapping[int, Raw],
    between_series: Collection[int],
    context: Context,
) -> dict[int, Slot | None]:
    """By tag; first the slots of values that are an instance's own, each kind in the order of the tags."""
    slots: dict[int, Slot | None] = dict.fromkeys(tags)
    lazy = {
        tag: context.representation(tag, samples[tag].element) not in READ_BY_PYDICOM
        for tag in slots
        if tag in wanted
    }
    # what has to be decoded at once cannot tell series apart: two of them may not be comparable
    order = sorted(lazy, key=lambda tag: lazy[tag] and tag in between_series)
    slots.update(
        (tag, Slot(tag, index, samples[tag].element.vr, lazy[tag])) for index, tag in enumerate(order)
    )
    return slots
