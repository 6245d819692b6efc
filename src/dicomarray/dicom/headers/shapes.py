"""The usual case of a plan: a file whose elements are just those of an earlier one, and as long.

Then every value that differs lies where it lay there, and all bytes between these values are known: both are
taken apart at once, without a look at any element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from struct import Struct
from typing import Any, NamedTuple

from dicomarray.dicom.headers.attributes import ABSENT
from dicomarray.dicom.headers.runs import Plan, Taken, is_kept
from dicomarray.dicom.part10 import PREAMBLE, PixelPlace, Place, Window

Parts = tuple[bytes, ...]
TakeApart = Callable[[bytes], Parts]


class Shape(NamedTuple):
    """What stands where in a file, up to ``end``, where its pixels begin or it ends.

    The bytes between the values that differ must be ``known``.  Slots whose elements the file has not are
    ``absent``, by the number of the slot.
    """

    end: int
    pixels: PixelPlace | None
    known: Parts
    known_parts: TakeApart
    own_parts: TakeApart
    series_parts: TakeApart
    absent: Sequence[int]
    plan: Plan


def make_shape(
    window: Window, plan: Plan, elements: Sequence[Place], pixels: PixelPlace | None
) -> Shape | None:
    """The shape of a file that was read by a plan, from the elements that may differ and the pixels' place.

    None where the file is not at hand up to its pixels, a value has to be decoded at once, or the elements
    are not in the order of their tags, as those of the file meta information need not be.
    """
    end = window.size if pixels is None else pixels.start
    tags = [element[0] for element in elements]
    if window.base != 0 or end > window.end or any(tag >= after for tag, after in pairwise(tags)):
        return None
    known, own, of_series = [f"{PREAMBLE}x"], [f"{PREAMBLE}x"], [f"{PREAMBLE}x"]
    last, absent = PREAMBLE, set(range(plan.count))
    for element in elements:
        tag, _, place, length, undefined = element
        slot = plan.slots[tag]
        if undefined or (slot is not None and not is_kept(slot, element)):
            return None
        taken = None if slot is None else own if slot.index < plan.count_own else of_series
        known.append(f"{place - last}s{length}x")
        for parts in (own, of_series):
            parts.append(f"{place - last}x{length}{'s' if parts is taken else 'x'}")
        absent -= set() if slot is None else {slot.index}
        last = place + length
    known_parts = _take_apart([*known, f"{end - last}s"])
    return Shape(
        end=end,
        pixels=pixels,
        known=known_parts(window.data),
        known_parts=known_parts,
        own_parts=_take_apart(own),
        series_parts=_take_apart(of_series),
        absent=sorted(absent),
        plan=plan,
    )


def _take_apart(parts: Sequence[str]) -> TakeApart:
    return Struct("".join(parts)).unpack_from


def read_by_shape(start: bytes, size: int, shape: Shape) -> Taken | None:
    """What a file of that size has which begins so, as a whole walk gives it; None for another shape."""
    if len(start) < shape.end or (shape.pixels is None and size != shape.end):
        return None
    if shape.known_parts(start) != shape.known:
        return None
    own, of_series = shape.own_parts(start), shape.series_parts(start)
    if shape.absent:
        return _with_absent(own, of_series, shape)
    return Taken(own, of_series, shape.pixels)


def _with_absent(own: Parts, of_series: Parts, shape: Shape) -> Taken:
    values: list[Any] = [*own, *of_series]
    for index in shape.absent:
        values.insert(index, ABSENT)
    return shape.plan.taken(values, shape.pixels)
