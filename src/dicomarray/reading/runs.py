"""How to read a file whose elements are mostly those of another one: compare these, walk the rest.

Where a file has the bytes of a run at the start of an element, it has the run's elements: walking them would
give again what it gave before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dicomarray.reading.attributes import ABSENT, Attributes, Common
from dicomarray.reading.element_values import Value
from dicomarray.reading.files import PREAMBLE
from dicomarray.reading.names import Request
from dicomarray.reading.part10 import (
    ITEM,
    META_GROUP,
    META_START,
    PIXEL_DATA,
    Element,
    FileMeta,
    PixelPlace,
    Place,
    Window,
    element_at,
    pixel_place,
    vr_text,
)
from dicomarray.reading.walked import READ_BY_PYDICOM, Context, context_of, names_in

# Longer elements are passed by in one step anyway, and would have to be read to be compared.  Bytes.
LONGEST_SHARED = 4096
# A run must fit into what is read at once.  Bytes.
LONGEST_RUN = 8192
# A longer value is decoded at once: mostly, all that is said of it is how long it is.  Bytes.
LONGEST_KEPT = 256
_DATA_SET = 0x00030000  # the first tag behind the file meta information


class ChangedError(Exception):
    """The file does not fit the plan."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in a file."""

    meta: FileMeta
    attributes: Mapping[str, Value]
    pixels: PixelPlace | None


class Raw(NamedTuple):
    """One element of a file: its head as bytes, and its value, of a long one only if it is asked for."""

    vr: bytes | None
    head: bytes
    value: bytes | None
    length: int
    undefined: bool

    @property
    def is_short(self) -> bool:
        """Whether it may be part of a run."""
        return self.length <= LONGEST_SHARED

    @property
    def content(self) -> bytes:
        """All its bytes."""
        return self.head + (self.value or b"")

    def element(self) -> Element:
        """The same for whoever decodes it."""
        return Element(vr_text(self.vr), self.value, self.length, self.undefined)


@dataclass(frozen=True, slots=True)
class _Run:
    """Elements that follow each other, as bytes; the tags of the first and the last."""

    first: int
    last: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Slot:
    """Where the value of an element that differs goes, and whether it can be kept as bytes."""

    tag: int
    index: int
    vr: bytes | None
    lazy: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The runs, what all files that fit share, and what becomes of the elements between the runs.

    ``slots`` has None for an element that nobody asked for, and no key for one never seen.
    """

    meta: FileMeta
    meta_runs: tuple[_Run, ...]
    runs: tuple[_Run, ...]
    common: Common
    slots: Mapping[int, Slot | None]
    context: Context
    places: dict[PixelPlace, PixelPlace] = field(default_factory=dict)

    def shared(self, pixels: PixelPlace) -> PixelPlace:
        """One object for the files that have their pixels at the same place, as most of a series have."""
        return self.places.setdefault(pixels, pixels)


def make_plan(
    request: Request,
    meta: FileMeta,
    samples: Mapping[int, Raw],
    loose: Collection[int],
    known: Mapping[str, Value],
) -> Plan:
    """A plan for files like the samples, in which the elements with the ``loose`` tags may differ.

    ``known`` are values that were decoded before.  DoubtError where pydicom had better read a value.
    """
    explaining = {tag: raw.element() for tag, raw in samples.items() if request.explains(tag)}
    context = context_of(explaining, request, meta.explicit)
    names = names_in(context, request)
    wanted = {tag for _, tag in names}
    order = sorted(samples)
    places = {tag: index for index, tag in enumerate(t for t in order if t in loose and t in wanted)}
    shared = {n: t for n, t in names if t in samples and t not in loose}
    slots: dict[int, Slot | None] = dict.fromkeys(loose)
    slots.update((tag, _slot(samples[tag], tag, index, context)) for tag, index in places.items())
    own = {name: places[tag] for name, tag in names if tag in places}
    common = Common(
        values={
            n: known[n] if n in known else context.value(t, samples[t].element()) for n, t in shared.items()
        },
        slots=own,
        representations=tuple(context.representation(tag, samples[tag].element()) for tag in places),
        encodings=context.encodings,
        names=tuple(sorted([*shared, *own])),
    )
    meta_tags = [tag for tag in order if tag < _DATA_SET]
    return Plan(
        meta=meta,
        meta_runs=_runs(meta_tags, samples, loose),
        runs=_runs(order[len(meta_tags) :], samples, loose),
        common=common,
        slots=slots,
        context=context,
    )


def _slot(raw: Raw, tag: int, index: int, context: Context) -> Slot:
    lazy = context.representation(tag, raw.element()) not in READ_BY_PYDICOM
    return Slot(tag, index, raw.vr, lazy)


def _runs(tags: Iterable[int], samples: Mapping[int, Raw], loose: Collection[int]) -> tuple[_Run, ...]:
    """The elements that do not differ, joined as long as they follow each other in every file."""
    groups: list[list[int]] = [[]]
    size = 0
    for tag in tags:
        size += samples[tag].length
        if tag in loose or size > LONGEST_RUN:
            groups.append([])
            size = 0
        if tag not in loose:
            groups[-1].append(tag)
    return tuple(
        _Run(group[0], group[-1], b"".join(samples[tag].content for tag in group))
        for group in groups
        if group
    )


def read_by_plan(window: Window, plan: Plan) -> Found:
    """What a file has that fits the plan: the same as a whole walk gives.

    Raises
    ------
    ChangedError, DoubtError
        Where it does not fit; a whole walk tells why.
    """
    if window.bytes_at(PREAMBLE, 4) != b"DICM":
        raise ChangedError
    explicit = plan.meta.explicit
    own: list[Any] = [ABSENT] * len(plan.common.representations)
    place, _ = _follow(window, META_START, plan.meta_runs, True, plan, own)
    while window.bytes_at(place, 2) == META_GROUP:
        element = element_at(window, place, True)
        _take(window, element, plan, own)
        place = element[2] + element[3]
    place, last = _follow(window, place, plan.runs, explicit, plan, own)
    while place < window.size:
        element = element_at(window, place, explicit)
        tag = element[0]
        if tag <= last or tag >= ITEM:
            raise ChangedError
        if tag in PIXEL_DATA:
            return Found(plan.meta, Attributes(plan.common, tuple(own)), plan.shared(pixel_place(element)))
        _take(window, element, plan, own)
        last, place = tag, element[2] + element[3]
    if place != window.size:
        raise ChangedError
    return Found(plan.meta, Attributes(plan.common, tuple(own)), None)


def _follow(
    window: Window, place: int, runs: Iterable[_Run], explicit: bool, plan: Plan, own: list[Any]
) -> tuple[int, int]:
    """Pass by the runs and take what lies between them; the place behind the last one, and its last tag."""
    last = 0
    for run in runs:
        content, count = run.content, len(run.content)
        while True:
            if place < window.base or place + count > window.end:
                window.hold(place, max(0, min(count, window.size - place)))
            if window.data.startswith(content, place - window.base):
                break
            element = element_at(window, place, explicit)
            tag = element[0]
            if not last < tag < run.first:
                raise ChangedError
            _take(window, element, plan, own)
            last, place = tag, element[2] + element[3]
        last, place = run.last, place + count
    return place, last


def _take(window: Window, element: Place, plan: Plan, own: list[Any]) -> None:
    """Keep the value of an element that differs, where it is asked for."""
    tag, vr, place, length, undefined = element
    try:
        slot = plan.slots[tag]
    except KeyError:
        raise ChangedError from None
    if slot is None:
        return
    content = window.bytes_at(place, length)
    if not slot.lazy or vr != slot.vr or length > LONGEST_KEPT:
        own[slot.index] = plan.context.value(tag, Element(vr_text(vr), content, length, undefined))
    else:
        own[slot.index] = content
