"""The usual case of a plan: a file that has just the elements of the last one, in which some values differ.

Then each value that differs stands behind bytes that are known: the run before it, its tag and its VR.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack
from typing import Any, NamedTuple

from dicomarray.reading.attributes import ABSENT, Attributes
from dicomarray.reading.element_values import Value
from dicomarray.reading.files import PREAMBLE
from dicomarray.reading.part10 import SHORT_VRS, UNDEFINED, Element, PixelPlace, Window, vr_text
from dicomarray.reading.runs import LONGEST_KEPT, ChangedError, Found, Plan, Raw, Slot


class _Step(NamedTuple):
    """Known bytes, and the value behind them: in how many bytes its length is given, and where it goes.

    ``size`` counts the known bytes and those of the length.
    """

    content: bytes
    size: int
    length_bytes: int
    slot: Slot | None


class Steps(NamedTuple):
    """The steps to the end of the elements, what is known behind the last of them, and the pixel data."""

    plan: Plan
    steps: list[_Step]
    rest: bytes
    pixels: PixelPlace | None


def make_steps(plan: Plan, raws: Mapping[int, Raw], pixels: PixelPlace | None) -> Steps | None:
    """The steps through a file with these elements; None where one of them has no fixed form."""
    steps: list[_Step] = []
    known = b"DICM"
    for tag, raw in raws.items():
        if tag not in plan.slots:
            known += raw.content
            continue
        if raw.undefined:
            return None
        length_bytes = 2 if len(raw.head) == 8 and raw.vr is not None else 4
        known += raw.head[:-length_bytes]
        steps.append(_Step(known, len(known) + length_bytes, length_bytes, plan.slots[tag]))
        known = b""
    if pixels is not None:
        vr = b"" if pixels.vr is None else pixels.vr.encode("ascii")
        if vr in SHORT_VRS:
            return None
        known += pack("<HH", pixels.tag >> 16, pixels.tag & 0xFFFF) + vr
    return Steps(plan, steps, known, pixels)


def read_by_steps(window: Window, steps: Steps) -> Found:
    """What a file has: the same as a whole walk gives.

    Raises
    ------
    ChangedError, DoubtError
        Where the file has other elements.
    """
    plan = steps.plan
    own: list[Any] = [ABSENT] * len(plan.common.representations)
    place = PREAMBLE
    window.hold(place, 4)
    data, base, end = window.data, window.base, window.end
    for content, size, length_bytes, slot in steps.steps:
        if place + size > end:
            window.hold(place, size)
            data, base, end = window.data, window.base, window.end
        if not data.startswith(content, place - base):
            raise ChangedError
        place += size
        at = place - base
        length = int.from_bytes(data[at - length_bytes : at], "little")
        if slot is not None:
            if place + length > end:
                window.hold(place, length)
                data, base, end = window.data, window.base, window.end
                at = place - base
            value = data[at : at + length]
            own[slot.index] = value if slot.lazy and length <= LONGEST_KEPT else _decoded(plan, slot, value)
        elif length == UNDEFINED:
            raise ChangedError
        place += length
    return Found(plan.meta, Attributes(plan.common, tuple(own)), _pixels(window, steps, place))


def _decoded(plan: Plan, slot: Slot, value: bytes) -> Value:
    return plan.context.value(slot.tag, Element(vr_text(slot.vr), value, len(value)))


def _pixels(window: Window, steps: Steps, place: int) -> PixelPlace | None:
    """Where the pixel data is, behind the last step."""
    if window.bytes_at(place, len(steps.rest)) != steps.rest:
        raise ChangedError
    place += len(steps.rest)
    if steps.pixels is None:
        if place != window.size:
            raise ChangedError
        return None
    place += 0 if steps.pixels.vr is None else 2  # reserved, PS3.5 7.1.2
    length = int.from_bytes(window.bytes_at(place, 4), "little")
    known = None if length == UNDEFINED else length
    return steps.plan.shared(PixelPlace(steps.pixels.tag, place + 4, known, steps.pixels.vr))
