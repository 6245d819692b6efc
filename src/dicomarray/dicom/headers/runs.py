"""Reads a file that has the elements of an earlier one: what is constant is compared, the rest is taken.

A value that differs stands behind bytes that are known: the run of equal elements before it, its tag and its
VR.  Where several files in a row had values of just the same lengths, every value has a fixed place, and all
are taken at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Any, NamedTuple

from dicomarray.dicom.headers.attributes import ABSENT
from dicomarray.dicom.headers.plan import (
    MAX_CACHED_LENGTH,
    MAX_SHARED_LENGTH,
    ChangedError,
    Plan,
    Raw,
    Slot,
    Taken,
)
from dicomarray.dicom.part10 import (
    PIXEL_DATA,
    PREAMBLE,
    UNDEFINED,
    Element,
    PixelPlace,
    Window,
    element_at,
    pixel_place,
    vr_text,
)
from dicomarray.dicom.vr import Value

# So many files in a row with values of the same lengths lead to a fixed layout, which takes as long to make
# as two files take to read.
FILES_OF_SAME_LENGTHS = 4
# Of one template: a volume has few, since numbers grow by a digit now and then.
MAX_FIXED_LAYOUTS = 32

Parts = tuple[bytes, ...]
TakeApart = Callable[[bytes], Parts]


class _Step(NamedTuple):
    """Known bytes, and the element behind them: in how many bytes its length is, and where its value goes.

    ``size`` counts the known bytes and those of the length, ``head`` those from the tag to the value.
    """

    known: bytes
    size: int
    length_bytes: int
    head: int
    slot: Slot | None
    is_kept: bool


class _FixedLayout(NamedTuple):
    """Every value at its place, up to ``end``, where the pixels begin or the file ends."""

    end: int
    pixels: PixelPlace | None
    known: Parts
    known_parts: TakeApart
    own_parts: TakeApart
    series_parts: TakeApart


class Template:
    """Reads files with just the elements of an earlier one, which had these."""

    def __init__(self, plan: Plan, raws: Mapping[int, Raw]) -> None:
        self._plan = plan
        self._steps: list[_Step] = []
        known = b"DICM"
        for tag, raw in raws.items():
            if tag not in plan.slots:
                known += raw.content
                continue
            slot, head = plan.slots[tag], len(raw.head)
            length_bytes = 2 if head == 8 and raw.vr is not None else 4
            known += raw.head[:-length_bytes]
            is_kept = slot is not None and slot.lazy and slot.vr == raw.vr
            size = len(known) + length_bytes
            self._steps.append(_Step(known, size, length_bytes, head, slot, is_kept))
            known = b""
        self._rest = known
        self._last_tag = max(raws)
        present = [step.slot.index for step in self._steps if step.slot is not None]
        self._absent = sorted(set(range(plan.count)).difference(present))
        # elements of the file meta information need not be in the order of their tags
        self._is_in_order = sorted(present, key=lambda i: i >= plan.count_own) == sorted(present)
        self._decoded_last: dict[int, tuple[Element, Value]] = {}
        self._lengths: list[int] = []
        self._files_of_same_lengths = 0
        self._fixed_layouts: dict[tuple[int, ...], _FixedLayout] = {}
        self._fixed: _FixedLayout | None = None

    def read_fixed(self, start: bytes, size: int) -> Taken | None:
        """What a file of that size has which begins so, where its values have the places of earlier ones."""
        fixed = self._fixed
        if fixed is None or len(start) < fixed.end or (fixed.pixels is None and size != fixed.end):
            return None
        if fixed.known_parts(start) != fixed.known:
            return None
        own, of_series = fixed.own_parts(start), fixed.series_parts(start)
        if not self._absent:
            return Taken(own, of_series, fixed.pixels)
        values: list[Any] = [*own, *of_series]
        for index in self._absent:
            values.insert(index, ABSENT)
        return self._plan.taken(values, fixed.pixels)

    def read(self, window: Window) -> Taken:
        """What a file has, the same as a whole walk gives.

        Raises
        ------
        ChangedError, DoubtError
            Where it has other elements, or others than are known to differ do; a full walk says why.
        """
        values: list[Any] = [ABSENT] * self._plan.count
        lengths: list[int] = []
        place = PREAMBLE
        window.hold(place, 4)
        data, base, end = window.data, window.base, window.end
        for step in self._steps:
            known, size, length_bytes, _, slot, is_kept = step
            if place + size > end:
                window.hold(place, size)
                data, base, end = window.data, window.base, window.end
            if not data.startswith(known, place - base):
                raise ChangedError
            place += size
            at = place - base
            length = int.from_bytes(data[at - length_bytes : at], "little")
            if is_kept and length <= MAX_CACHED_LENGTH:
                if place + length > end:
                    window.hold(place, length)
                    data, base, end = window.data, window.base, window.end
                    at = place - base
                values[slot.index] = data[at : at + length]  # type: ignore[union-attr]
            elif slot is not None or length == UNDEFINED:
                length = self._take_otherwise(window, place, step, values)
                data, base, end = window.data, window.base, window.end
            lengths.append(length)
            place += length
        pixels = self._pixels_at(window, place)
        self._learn_lengths(window, lengths, pixels)
        return self._plan.taken(values, pixels)

    def _take_otherwise(self, window: Window, place: int, step: _Step, values: list[Any]) -> int:
        """Pass by an element that has no length, or whose value is not kept as bytes; how long it is."""
        plan, slot = self._plan, step.slot
        tag, vr, _, length, undefined = element_at(window, place - step.head, plan.meta.explicit)
        if slot is not None:
            if slot.index >= plan.count_own:
                raise ChangedError
            kept = window.bytes_at(place, length) if plan.request.keeps(tag, vr, length) else None
            values[slot.index] = self._decoded(tag, Element(vr_text(vr), kept, length, undefined))
        self._files_of_same_lengths = 0
        return length

    def _decoded(self, tag: int, element: Element) -> Value:
        """The value of an element; most often it is the one of the last file."""
        last = self._decoded_last.get(tag)
        if last is not None and last[0] == element:
            return last[1]
        value = self._plan.context.value(tag, element)
        if element.length <= MAX_SHARED_LENGTH:
            self._decoded_last[tag] = element, value
        return value

    def _pixels_at(self, window: Window, place: int) -> PixelPlace | None:
        """Where the pixel data is, behind the last step."""
        if window.bytes_at(place, len(self._rest)) != self._rest:
            raise ChangedError
        place += len(self._rest)
        if place == window.size:
            return None
        element = element_at(window, place, self._plan.meta.explicit)
        if element[0] not in PIXEL_DATA or element[0] <= self._last_tag:
            raise ChangedError
        return self._plan.shared(pixel_place(element))

    def _learn_lengths(self, window: Window, lengths: list[int], pixels: PixelPlace | None) -> None:
        if lengths != self._lengths:
            self._lengths, self._files_of_same_lengths = lengths, 0
            self._fixed = self._fixed_layouts.get(tuple(lengths), self._fixed)
        self._files_of_same_lengths += 1
        if (
            self._files_of_same_lengths == FILES_OF_SAME_LENGTHS
            and (layout := self._fixed_layout(window, pixels)) is not None
            and len(self._fixed_layouts) < MAX_FIXED_LAYOUTS
        ):
            self._fixed = self._fixed_layouts[tuple(lengths)] = layout

    def _fixed_layout(self, window: Window, pixels: PixelPlace | None) -> _FixedLayout | None:
        """Of a file that was read just now; None where it is not at hand up to its pixels."""
        end = window.size if pixels is None else pixels.start
        if window.base != 0 or end > window.end or not self._is_in_order:
            return None
        known, own, of_series = [f"{PREAMBLE}x"], [f"{PREAMBLE}x"], [f"{PREAMBLE}x"]
        place = PREAMBLE
        for step, length in zip(self._steps, self._lengths, strict=True):
            is_own = step.slot is not None and step.slot.index < self._plan.count_own
            is_of_series = step.slot is not None and not is_own
            known.append(f"{step.size}s{length}x")
            own.append(f"{step.size}x{length}{'s' if is_own else 'x'}")
            of_series.append(f"{step.size}x{length}{'s' if is_of_series else 'x'}")
            place += step.size + length
        known_parts, own_parts, series_parts = (
            Struct("".join(parts)).unpack_from for parts in ([*known, f"{end - place}s"], own, of_series)
        )
        return _FixedLayout(end, pixels, known_parts(window.data), known_parts, own_parts, series_parts)
