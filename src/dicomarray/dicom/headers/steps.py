"""A usual case of a plan: a file that has just the elements of the last one, in which some values differ.

Then each value that differs stands behind bytes that are known: the run before it, its tag and its VR.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack
from typing import Any, NamedTuple

from dicomarray.dicom.headers.attributes import ABSENT
from dicomarray.dicom.headers.runs import LONGEST_KEPT, ChangedError, Plan, Raw, Slot, Taken
from dicomarray.dicom.part10 import (
    PREAMBLE,
    SHORT_VRS,
    UNDEFINED,
    Element,
    PixelPlace,
    Place,
    Window,
    vr_text,
)
from dicomarray.dicom.vr import Value


class _Step(NamedTuple):
    """Known bytes, and the element behind them: in how many bytes its length is, and where its value goes.

    ``size`` counts the known bytes and those of the length.
    """

    content: bytes
    size: int
    length_bytes: int
    tag: int
    vr: bytes | None
    slot: Slot | None


class Steps(NamedTuple):
    """The steps to the end of the elements, what is known behind the last of them, and the pixel data."""

    plan: Plan
    steps: list[_Step]
    rest: bytes
    pixels: PixelPlace | None


def make_steps(plan: Plan, raws: Mapping[int, Raw], pixels: PixelPlace | None) -> Steps | None:
    """The steps through a file with these elements; None where one of them has no fixed or no usual form."""
    steps: list[_Step] = []
    known = b"DICM"
    for tag, raw in raws.items():
        if tag not in plan.slots:
            known += raw.content
            continue
        slot = plan.slots[tag]
        if raw.undefined or (slot is not None and raw.vr != slot.vr):
            return None
        length_bytes = 2 if len(raw.head) == 8 and raw.vr is not None else 4
        known += raw.head[:-length_bytes]
        steps.append(_Step(known, len(known) + length_bytes, length_bytes, tag, raw.vr, slot))
        known = b""
    if pixels is not None:
        vr = b"" if pixels.vr is None else pixels.vr.encode("ascii")
        if vr in SHORT_VRS:
            return None
        known += pack("<HH", pixels.tag >> 16, pixels.tag & 0xFFFF) + vr
    return Steps(plan, steps, known, pixels)


def read_by_steps(window: Window, steps: Steps) -> tuple[Taken, list[Place]]:
    """As `read_by_plan`.

    Raises
    ------
    ChangedError, DoubtError
        Where the file has other elements.
    """
    plan = steps.plan
    values: list[Any] = [ABSENT] * plan.count
    elements: list[Place] = []
    place = PREAMBLE
    window.hold(place, 4)
    data, base, end = window.data, window.base, window.end
    for content, size, length_bytes, tag, vr, slot in steps.steps:
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
            values[slot.index] = (
                value if slot.lazy and length <= LONGEST_KEPT else _decoded(plan, slot, value)
            )
        elif length == UNDEFINED:
            raise ChangedError
        elements.append((tag, vr, place, length, False))
        place += length
    return plan.taken(values, _pixels(window, steps, place)), elements


def _decoded(plan: Plan, slot: Slot, value: bytes) -> Value:
    if slot.index >= plan.count_own:
        raise ChangedError
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
