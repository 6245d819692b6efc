"""The order of repetitions: which attributes decide it, and what stands in for them where they do not.

Images are compared at each place by rank, not by value.  Attributes go before numbers, numbers before times;
names of files and the order in which they were found tell nothing.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.grouping.acquisition_order import as_acquired, by_itself, runs_by_number
from dicomarray.assembly.grouping.discriminators import (
    AXES,
    PHILIPS_ORDER,
    RANKED,
    RANKED_FRAMES,
    TIME_INDEX,
    Discriminator,
    Rank,
    differing,
    dimensions_of,
    distinct,
    time_index,
    value_of,
)
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.diffusion import B_VALUE, GRADIENT

# When a frame of an enhanced object was acquired; DT, which sort as text.
_FRAME_TIMES = ("FrameAcquisitionDateTime", "FrameReferenceDateTime")
Group = list[Frame]


def ranks(
    positions: Iterable[Sequence[Frame]],
    keyword: str,
    chosen: Sequence[Discriminator],
    kind: Any = (int, float),
) -> Rank | None:
    """The ranks of an attribute at each place, among images that the chosen tellers leave alike.

    None where an image lacks it: then it orders nothing.
    """
    found: dict[int, int] = {}
    for frames in positions:
        alike: dict[Hashable, list[tuple[Any, int]]] = defaultdict(list)
        for frame in frames:
            value = frame.attributes.get(keyword)
            if not isinstance(value, kind):
                return None
            alike[tuple(value_of(frame, key) for key in chosen)].append((value, id(frame)))
        for several in alike.values():
            order = {value: rank for rank, value in enumerate(sorted({value for value, _ in several}))}
            found.update((frame_id, order[value]) for value, frame_id in several)
    return Rank(keyword, found)


def in_order(groups: Iterable[Group]) -> tuple[list[Group], Warnings]:
    """Repetitions in their order, and a warning where an attribute puts them into another than numbers do.

    By the numbers of their time points; those with one number by what `RANKED` has, or as acquired where
    their diffusion differs.
    """
    by_number: dict[int, list[Group]] = defaultdict(list)
    for group in groups:
        by_number[_time_point(group)].append(group)
    ordered: list[Group] = []
    notes: Warnings = ()
    for number in sorted(by_number):
        several, told = _of_one_time_point(by_number[number])
        ordered += several
        notes = notes or told
    return ordered, notes


def _of_one_time_point(groups: list[Group]) -> tuple[list[Group], Warnings]:
    if len(groups) == 1:
        return groups, ()
    if groups[0][0].of_multiframe:
        return _by_frames(groups), ()
    if differing(itertools.chain(*groups), (B_VALUE, GRADIENT)):
        acquired = as_acquired(groups)
        if acquired is not None:
            return acquired, ()
    ranked = _by_rank(groups, RANKED)
    return ranked, _against_numbers(ranked)


def _by_rank(groups: list[Group], keywords: Sequence[str]) -> list[Group]:
    """By the ranks of attributes, the first one first; what they leave open, as acquired."""
    if len(groups) == 1:
        return groups
    for index, keyword in enumerate(keywords):
        by_rank = _groups_by_rank(groups, keyword)
        if by_rank is not None:
            rest = keywords[index + 1 :]
            return [group for rank in sorted(by_rank) for group in _by_rank(by_rank[rank], rest)]
    return as_acquired(groups) or _by_what_they_say(groups)


def _groups_by_rank(
    groups: Sequence[Group], keyword: str, kind: Any = (int, float)
) -> dict[int, list[Group]] | None:
    """Repetitions by the rank that an attribute gives them at each place; None where it orders none."""
    rank = ranks(list(zip(*groups, strict=True)), keyword, (), kind)
    if rank is None:
        return None
    found: dict[int, list[Group]] = defaultdict(list)
    for group in groups:
        of_group = {rank.of_frame[id(frame)] for frame in group}
        if len(of_group) > 1:
            return None
        found[of_group.pop()].append(group)
    return found if len(found) > 1 else None


def _against_numbers(groups: list[Group]) -> Warnings:
    """A warning where attributes put images into another order than their numbers, which run in one."""
    keywords = [keyword for keyword in RANKED if _groups_by_rank(groups, keyword)]
    numbered = runs_by_number(groups) if keywords else None
    ours, theirs = (([list(map(id, group)) for group in several or ()]) for several in (groups, numbered))
    if ours == theirs or sorted(ours) != sorted(theirs):  # numbers of each place by itself tell no order
        return ()
    return warning(
        f"repetitions are in the order of {keywords[0]}, which is not that of InstanceNumber [time-order]"
    )


def _by_frames(groups: list[Group]) -> list[Group]:
    """Those of enhanced objects: by the times of their frames, else by dimension indices.

    The last dimension varies slowest, as dcm2niix has it, and as Philips acquires phases, labels and repeats.
    Without indices that tell them apart, by `RANKED_FRAMES`.
    """
    indexed = len({dimensions_of(group[0]) for group in groups}) > 1
    for keyword in (*_FRAME_TIMES, *(() if indexed else RANKED_FRAMES)):
        by_time = _groups_by_rank(groups, keyword, str if keyword in _FRAME_TIMES else (int, float))
        if by_time is not None and len(by_time) == len(groups):
            return [by_time[rank][0] for rank in sorted(by_time)]
    first = {id(group): min(map(_sequence, group)) for group in groups}
    if len(set(first.values())) < len(groups):  # one file each, with one number
        return as_acquired(groups) or groups
    return sorted(groups, key=lambda group: first[id(group)])


def _by_what_they_say(groups: list[Group]) -> list[Group]:
    """By Philips' private numbers that all have, their first images, and what tells them apart."""
    told = [[_only(distinct(group, name)) for group in groups] for name in PHILIPS_ORDER]
    known = [values for values in told if None not in values]
    named = differing(itertools.chain(*groups), itertools.chain(*AXES.values()))

    def key(place: int) -> tuple[Any, ...]:
        group = groups[place]
        said = [_comparable(_only(distinct(group, name))) for name in named]
        first = min(map(by_itself, group))
        return (
            [values[place] for values in known],
            min(map(_sequence, group)),
            said,
            first,
        )

    return [groups[place] for place in sorted(range(len(groups)), key=key)]


def _comparable(value: Any) -> tuple[int, float, str]:
    return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, str(value))


def _only(values: set[Hashable]) -> Any:
    return next(iter(values)) if len(values) == 1 else None


def _time_point(group: Sequence[Frame]) -> int:
    """The number of the time point of all frames, 0 where they have none or several."""
    constant = all(len(distinct(group, keyword)) == 1 for keyword in TIME_INDEX)
    return (time_index(group[0]) or 0) if constant else 0


def _sequence(frame: Frame) -> tuple[Any, ...]:
    """Sorts frames by their number, and by their dimensions, of which the last varies slowest."""
    number, index, _ = frame.order
    slowest_first = reversed(dimensions_of(frame))
    return (number, tuple(v for v in slowest_first if isinstance(v, int)), index)


def same_counts(positions: Iterable[Sequence[Frame]], keys: Sequence[Discriminator]) -> bool:
    """Whether the values of some tellers, taken together, occur equally often at every place."""
    counts = [
        Counter(tuple(value_of(frame, key) for key in keys) for frame in frames) for frames in positions
    ]
    return all(count == counts[0] for count in counts)
