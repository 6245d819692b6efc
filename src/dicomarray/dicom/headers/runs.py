"""Reads a file that has the elements of an earlier one: what is constant is compared, the rest is taken.

A value that differs stands behind bytes that are known: the run of equal elements before it, its tag and its
VR.  Values whose lengths were the same in several files are taken at once, up to one whose length differs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from operator import itemgetter
from struct import Struct
from typing import Any, NamedTuple

from dicomarray.dicom.headers.attributes import ABSENT
from dicomarray.dicom.headers.plan import (
    MAX_CACHED_LENGTH,
    MAX_SHARED_LENGTH,
    ChangedError,
    Plan,
    Slot,
    Table,
    Taken,
)
from dicomarray.dicom.part10 import PREAMBLE, UNDEFINED, Element, PixelPlace, Window, element_at, vr_text
from dicomarray.dicom.vr import Value


class _Step(NamedTuple):
    """Known bytes, and the element behind them: in how many bytes its length is, and where its value goes.

    ``size`` counts the known bytes and those of the length, ``head`` those from the tag to the value;
    ``usual`` is the length of a value that can be taken with others, -1 of one that cannot.
    """

    tag: int
    usual: int
    known: bytes
    size: int
    length_bytes: int
    head: int
    slot: Slot | None
    is_kept: bool


class _Part(NamedTuple):
    """Steps that are taken at once, since all values but the last have the same length in all files.

    In the place of the last value stands its length.  The last part has no ``step`` at its end, but the place
    where the pixels begin or the file ends.
    """

    known: tuple[bytes, ...]
    size: int
    take_known: Callable[[bytes, int], tuple[Any, ...]]
    take_values: Callable[[bytes, int], tuple[Any, ...]]
    step: _Step | None


class Template:
    """Reads files with just the elements of an earlier one, the ``sample``.

    ``uneven`` are tags of values that have other lengths in other files.
    """

    def __init__(self, plan: Plan, sample: Table, uneven: Collection[int]) -> None:
        self._plan = plan
        self._pixels = sample.pixels
        steps: list[_Step] = []
        known = b"DICM"
        for tag, raw in sample.raws.items():
            if tag not in plan.slots:
                known += raw.content
                continue
            slot, head = plan.slots[tag], len(raw.head)
            length_bytes = 2 if head == 8 and raw.element.vr is not None else 4
            known += raw.head[:-length_bytes]
            is_kept = slot is not None and slot.lazy and slot.vr == raw.element.vr
            size = len(known) + length_bytes
            most = MAX_CACHED_LENGTH if is_kept else MAX_SHARED_LENGTH if slot is None else -1
            length = raw.element.length
            usual = -1 if raw.element.undefined or length > most or tag in uneven else length
            steps.append(_Step(tag, usual, known, size, length_bytes, head, slot, is_kept))
            known = b""
        self._parts = list(_parts(steps, known + sample.pixel_head))
        at = {step.slot.index: number for number, step in enumerate(steps, 1) if step.slot is not None}
        places = [at.get(index, 0) for index in range(plan.count)]  # what is absent stands before all steps
        self._own, self._of_series = _getter(places[: plan.count_own]), _getter(places[plan.count_own :])
        self._decoded_last: dict[int, tuple[Element, Value]] = {}

    def read(self, window: Window) -> Taken:
        """What a file has, the same as a whole walk gives.

        Raises
        ------
        ChangedError, DoubtError
            Where it has other elements, lengths that did not differ, or others than are known to differ do; a
            full walk says why.
        """
        if window.base:  # an earlier try has moved it
            window.hold(PREAMBLE, 4)
        data, base, end = window.data, window.base, window.end
        values: list[Any] = [ABSENT]
        place = PREAMBLE
        for known, size, take_known, take_values, step in self._parts:
            if place + size > end:
                window.hold(place, size)
                data, base, end = window.data, window.base, window.end
            if take_known(data, place - base) != known:
                raise ChangedError
            values += take_values(data, place - base)
            place += size
            if step is None:
                continue
            length = values[-1]
            if step.is_kept and length <= MAX_CACHED_LENGTH:
                if place + length > end:
                    window.hold(place, length)
                    data, base, end = window.data, window.base, window.end
                values[-1] = data[place - base : place - base + length]
            elif step.slot is not None or length == UNDEFINED:
                length, values[-1] = self._take_otherwise(window, place, step)
                data, base, end = window.data, window.base, window.end
            place += length
        return self._own(values), self._of_series(values), self._pixels_at(place, window.size)

    def _take_otherwise(self, window: Window, place: int, step: _Step) -> tuple[int, Value]:
        """How long an element is that has no length, or whose value is not kept as bytes; and its value."""
        plan, slot = self._plan, step.slot
        tag, vr, _, length, undefined = element_at(window, place - step.head, plan.meta.explicit)
        if slot is None:
            return length, None
        if slot.index >= plan.count_own:
            raise ChangedError
        text = vr_text(vr)
        kept = window.bytes_at(place, length) if plan.request.keeps(tag, text, length) else None
        return length, self._decoded(tag, Element(text, kept, length, undefined))

    def _decoded(self, tag: int, element: Element) -> Value:
        """The value of an element; most often it is the one of the last file, which an index writes once."""
        last = self._decoded_last.get(tag)
        if last is not None and last[0] == element:
            return last[1]
        value = self._plan.context.value(tag, element)
        if element.length <= MAX_SHARED_LENGTH:
            self._decoded_last[tag] = element, value
        return value

    def _pixels_at(self, place: int, size: int) -> PixelPlace | None:
        """Where the pixel data is, behind the last part."""
        pixels = self._pixels
        if pixels is None and place != size:
            raise ChangedError
        if pixels is None or pixels.start == place:
            return pixels
        return pixels._replace(start=place)


def _parts(steps: Iterable[_Step], rest: bytes) -> Iterator[_Part]:
    """Parts that end at each value of another length, and with ``rest``, which is behind all values."""
    before: list[_Step] = []
    for step in steps:
        if step.usual < 0:
            yield _part(before, step.known, step)
            before = []
        else:
            before.append(step)
    yield _part(before, rest, None)


def _part(steps: Sequence[_Step], rest: bytes, last: _Step | None) -> _Part:
    """Steps whose values have the usual lengths, and the bytes behind them."""
    known = [step.known + step.usual.to_bytes(step.length_bytes, "little") for step in steps]
    take_known = "".join([f"{step.size}s{step.usual}x" for step in steps]) + f"{len(rest)}s"
    take_values = "".join([f"{step.size}x{step.usual}s" for step in steps]) + f"{len(rest)}x"
    if last is not None:
        take_values += "H" if last.length_bytes == 2 else "L"
    values = Struct("<" + take_values)
    return _Part((*known, rest), values.size, Struct(take_known).unpack_from, values.unpack_from, last)


def _getter(places: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Takes what lies at these places."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple([values[place] for place in places])
