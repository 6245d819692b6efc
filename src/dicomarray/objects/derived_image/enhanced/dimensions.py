"""The dimensions of a multi-frame object: which frame comes where, counted from 1 (PS3.3 C.7.6.17).

Frames that are left out must leave no gap, and repetitions that lie in several files of a series still
follow each other: so values are counted anew over all frames that are written, in their old order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from dicomarray.dicom.functional_groups import PER_FRAME, SHARED
from dicomarray.dicom.private_blocks import PrivateElement, creator_of
from dicomarray.dicom.pydicom_fallback import creator_in
from dicomarray.objects.common.headers import text, values

# Dimension Index Pointers whose order is that of the slices of a stack.
_STACK_ID = Tag(0x0020, 0x9056)
_SLICES = {Tag(0x0020, 0x9057), Tag(0x0020, 0x0032), Tag(0x0020, 0x9113)}


@dataclass(frozen=True, slots=True)
class Dimension:
    """An item of Dimension Index Sequence: an attribute, and the functional group that it stands in."""

    pointer: BaseTag
    creator: str
    group: BaseTag | None
    group_creator: str


@dataclass(frozen=True, slots=True)
class FrameIndices:
    """What a frame says of its place among the others; None or empty where it says nothing.

    ``values`` are its Dimension Index Values, one for each of ``dimensions``.
    """

    dimensions: tuple[Dimension, ...] = ()
    values: tuple[int, ...] = ()
    stack: str = ""
    position: int | None = None
    time: int | None = None


def dimensions_of(header: Dataset) -> tuple[Dimension, ...]:
    """The dimensions of an object; those without a pointer count too, since they have a value."""
    return tuple(
        Dimension(
            pointer=Tag(item.get("DimensionIndexPointer") or 0),
            creator=text(item, "DimensionIndexPrivateCreator"),
            group=Tag(item.FunctionalGroupPointer) if item.get("FunctionalGroupPointer") else None,
            group_creator=text(item, "FunctionalGroupPrivateCreator"),
        )
        for item in values(header, "DimensionIndexSequence")
    )


def indices_of(group: Dataset, dimensions: tuple[Dimension, ...]) -> FrameIndices:
    """What the Frame Content of a per-frame functional group says; values that do not fit are left alone."""
    content = next(iter(values(group, "FrameContentSequence")), Dataset())
    found = tuple(int(value) for value in values(content, "DimensionIndexValues"))
    fits = len(found) == len(dimensions) > 0
    return FrameIndices(
        dimensions=dimensions if fits else (),
        values=found if fits else (),
        stack=text(content, "StackID"),
        position=_number(content, "InStackPositionNumber"),
        time=_number(content, "TemporalPositionIndex"),
    )


def compacted(frames: Sequence[FrameIndices]) -> list[FrameIndices]:
    """The same frames in the same order, every number counted from 1 without gaps."""
    positions = _ranks((frame.stack, frame.position) for frame in frames)
    times = _ranks(("", frame.time) for frame in frames)
    ranks = _ranks(
        ((frame.dimensions, place), value) for frame in frames for place, value in enumerate(frame.values)
    )
    return [
        replace(
            frame,
            values=tuple(ranks[frame.dimensions, place][value] for place, value in enumerate(frame.values)),
            position=None if frame.position is None else positions[frame.stack][frame.position],
            time=None if frame.time is None else times[""][frame.time],
        )
        for frame in frames
    ]


def restacked(frames: Sequence[FrameIndices], slices: int) -> list[FrameIndices]:
    """The frames of one stack of so many slices, repetitions slowest: each at its place in that stack.

    What else numbers them, such as time points, is theirs still.
    """
    placed = [
        replace(frame, stack="1", position=index % slices + 1, values=_in_stack(frame, index % slices + 1))
        for index, frame in enumerate(frames)
    ]
    return compacted(placed)


def set_indices(group: Dataset, indices: FrameIndices) -> None:
    """Write the numbers into Frame Content, in place, where it has them."""
    for content in values(group, "FrameContentSequence"):
        if "StackID" in content:
            content.StackID = indices.stack
        if "InStackPositionNumber" in content:
            content.InStackPositionNumber = indices.position
        if "TemporalPositionIndex" in content:
            content.TemporalPositionIndex = indices.time
        if indices.values:
            content.DimensionIndexValues = list(indices.values)


def drop_empty(header: Dataset, dimensions: tuple[Dimension, ...], groups: Sequence[Dataset]) -> None:
    """Drop, in place, dimensions whose attribute stands nowhere and whose values tell no frames apart."""
    contents = [content for group in groups for content in values(group, "FrameContentSequence")]
    stated = [values(content, "DimensionIndexValues") for content in contents]
    if not dimensions or any(len(numbers) != len(dimensions) for numbers in stated):
        return
    shared = next(iter(values(header, SHARED)), Dataset())
    kept = [
        place
        for place, dimension in enumerate(dimensions)
        if len({numbers[place] for numbers in stated}) > 1
        or all(_stands_in(group, dimension) or _stands_in(shared, dimension) for group in groups)
    ]
    if len(kept) == len(dimensions) or not kept:
        return
    items = values(header, "DimensionIndexSequence")
    header.DimensionIndexSequence = [items[place] for place in kept]
    for content, numbers in zip(contents, stated, strict=True):
        content.DimensionIndexValues = [numbers[place] for place in kept]


# --- private attributes that a dimension names ------------------------------------------------------------


def keep_named(header: Dataset) -> dict[int, set[int]]:
    """Private elements that dimensions name, with their creators (PS3.5 7.8.1), by the ``id`` of their item.

    A private functional group loses, in place, all else that it holds.
    """
    kept: dict[int, set[int]] = defaultdict(set)
    private = []
    named = [one for one in dimensions_of(header) if one.group is not None and one.pointer.is_private]
    for group, dimension in product([*values(header, SHARED), *values(header, PER_FRAME)], named):
        macro, items = _macro(group, dimension)
        pointer = _located(items[0], dimension.pointer, dimension.creator) if items else None
        if macro is None or pointer is None:
            continue
        kept[id(items[0])] |= {pointer, creator_of(pointer)}
        if macro.is_private:
            kept[id(group)] |= {macro, creator_of(macro)}
            private.append((group, macro, items[0]))
    for group, macro, item in private:
        group.add_new(macro, "SQ", [Dataset({Tag(tag): item[tag] for tag in kept[id(item)]})])
    for _, _, item in private:
        kept.pop(id(item), None)  # it goes, and another item may get its id
    return kept


def _macro(group: Dataset, dimension: Dimension) -> tuple[BaseTag | None, Sequence[Dataset]]:
    """Where the functional group of a dimension is in an item, and what it holds."""
    assert dimension.group is not None
    macro = _located(group, dimension.group, dimension.group_creator)
    found = () if macro is None or group[macro].VR != "SQ" else group[macro].value or ()
    return macro, found


def _located(data_set: Dataset, tag: BaseTag, creator: str) -> BaseTag | None:
    """Where an element is in this data set: a private block may have another number in each."""
    if not tag.is_private:
        return tag if tag in data_set else None
    if not creator:
        return tag if tag in data_set and creator_of(tag) in data_set else None
    wanted = PrivateElement(tag.group, creator, tag.element & 0xFF)
    places = wanted.places(data_set.keys(), creator_in(data_set))
    return next((Tag(place) for place in places[:1] if place in data_set), None)


def _stands_in(group: Dataset, dimension: Dimension) -> bool:
    """Whether an item of functional groups has the attribute that a dimension names."""
    if dimension.group is None:
        return _located(group, dimension.pointer, dimension.creator) is not None
    macro, items = _macro(group, dimension)
    if dimension.pointer == dimension.group and macro is not None:
        return True
    return any(_located(item, dimension.pointer, dimension.creator) is not None for item in items)


def _ranks(pairs: Iterable[tuple[Hashable, int | None]]) -> dict[Hashable, dict[int, int]]:
    """For each key its numbers in ascending order, counted from 1."""
    found: dict[Hashable, set[int]] = defaultdict(set)
    for key, number in pairs:
        if number is not None:
            found[key].add(number)
    return {
        key: {number: rank for rank, number in enumerate(sorted(numbers), 1)}
        for key, numbers in found.items()
    }


def _in_stack(frame: FrameIndices, position: int) -> tuple[int, ...]:
    return tuple(
        1 if dimension.pointer == _STACK_ID else position if dimension.pointer in _SLICES else value
        for dimension, value in zip(frame.dimensions, frame.values, strict=True)
    )


def _number(content: Dataset, keyword: str) -> int | None:
    found = values(content, keyword)
    return int(found[0]) if found else None
