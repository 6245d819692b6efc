"""The order of repetitions: which attributes decide it, and what stands in for them where they do not.

Images are compared at each place by rank, not by value.  Attributes go before numbers, numbers before times,
as far as these run in an order; names of files and the order in which they were found tell nothing.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.grouping.discriminators import (
    AXES,
    PHILIPS,
    RANKED,
    RANKED_FRAMES,
    TIME_INDEX,
    Discriminator,
    Rank,
    all_differ,
    differing,
    dimensions_of,
    distinct,
    time_index,
    value_of,
)
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.diffusion import B_VALUE, GRADIENT

# When an image was acquired: TM and DT, which sort as text within a day.
ACQUIRED = ("AcquisitionTime", "AcquisitionDateTime", "FrameAcquisitionDateTime")
# When, the surest first: with the date, without which a scan across midnight begins at its end.
_ACQUISITION = (
    ("AcquisitionDateTime",),
    ("AcquisitionDate", "AcquisitionTime"),
    ("AcquisitionTime",),
    ("FrameAcquisitionDateTime",),
)
# When its content was made, where nothing says when it was acquired.
_CONTENT = (("ContentDate", "ContentTime"), ("ContentTime",))
# When a frame of an enhanced object was acquired; DT, which sort as text.
_FRAME_TIMES = ("FrameAcquisitionDateTime", "FrameReferenceDateTime")
# The UTC offset at the end of a DT: +0100.
_OFFSET = re.compile(r"([0-9]{14})(\.[0-9]+)?([+-][0-9]{4})")
# One repetition: a frame at each position.
Repetition = list[Frame]
_Place = Callable[[Frame], Any]


def distinguished(indistinct: Sequence[Repetition]) -> list[Repetition] | None:
    """Repetitions that nothing but numbers, or else times, tells apart, as acquired; None in doubt.

    In doubt are numbers and times that run neither repetition by repetition, nor slice by slice, nor so for a
    few repetitions at a time; those that two images at a position share; and numbers that times contradict.
    """
    if len(indistinct) == 1:
        return list(indistinct)
    ordered = ((place, _sorted_at_each(indistinct, place)) for place in _places(indistinct))
    found = [repetitions for place, repetitions in ordered if _runs(repetitions, place)]
    return found[0] if len(set(map(_members, found))) == 1 else None


def _sorted_at_each(repetitions: Sequence[Repetition], place: _Place) -> list[Repetition]:
    """The images at each position in the order of that place."""
    at_each = (sorted(frames, key=place) for frames in zip(*repetitions, strict=True))
    return [list(frames) for frames in zip(*at_each, strict=True)]


def _members(repetitions: Sequence[Repetition]) -> frozenset[tuple[int, ...]]:
    """Which images belong together, in whatever order."""
    return frozenset(tuple(map(id, frames)) for frames in repetitions)


def as_acquired(repetitions: Sequence[Repetition]) -> list[Repetition] | None:
    """Known repetitions in the order of their numbers, or else times; None where neither runs in an order."""
    for place in _places(repetitions):
        ordered = sorted(repetitions, key=lambda frames: min(map(place, frames)))
        if _runs(ordered, place):
            return ordered
    return None


def by_itself(frame: Frame) -> tuple[tuple[int, int], str, str]:
    """Sorts by the number, or else by what the file says that it is; its path tells only copies apart."""
    number, index, path = frame.order
    return (number, index), frame.header.text("SOPInstanceUID") or "", path


def _number(frame: Frame) -> tuple[int, int]:
    return frame.order[:2]


def _places(repetitions: Sequence[Repetition]) -> Iterator[_Place]:
    """What tells when an image was acquired, the surest first."""
    yield _number
    frames, at_each = list(itertools.chain(*repetitions)), list(zip(*repetitions, strict=True))

    def known(keywords: Sequence[str], kind: type) -> bool:
        return all(isinstance(f.attributes.get(keyword), kind) for f in frames for keyword in keywords)

    if known(("AcquisitionNumber",), int):
        yield partial(_values, keywords=("AcquisitionNumber",))
    for clock in (_ACQUISITION, _CONTENT):
        moments = [partial(_values, keywords=keywords) for keywords in clock if known(keywords, str)]
        # a time that two images at a position share must not hide one that tells
        chosen = next((moment for moment in moments if all_differ(at_each, moment)), None)
        if chosen is not None:
            yield chosen
        if chosen is not None or (moments and all_differ(at_each, _number)):
            return


def _values(frame: Frame, keywords: Sequence[str]) -> tuple[Any, ...]:
    return tuple(moment(frame.attributes.get(keyword)) for keyword in keywords)


def moment(value: Any) -> Any:
    """A value; in UTC where it is a DT that has an offset, so that texts of several zones sort by time."""
    return _in_utc(value) if isinstance(value, str) and value[-5:-4] in ("+", "-") else value


@lru_cache(maxsize=4096)
def _in_utc(value: str) -> str:
    found = _OFFSET.fullmatch(value)
    if found is None:
        return value
    seconds, fraction, offset = found.groups()
    try:
        in_zone = datetime.strptime(f"{seconds}{offset}", "%Y%m%d%H%M%S%z")
        return f"{in_zone.astimezone(UTC):%Y%m%d%H%M%S}{fraction or ''}"
    except (ValueError, OverflowError):
        return value


def _runs(repetitions: Sequence[Repetition], place: _Place) -> bool:
    """Whether images come repetition by repetition, or slice by slice, or so in blocks of repetitions."""
    count = len(repetitions)
    places = [[place(frame) for frame in group] for group in repetitions]
    return any(_in_blocks(places, size) for size in range(1, count + 1) if not count % size)


def _in_blocks(places: Sequence[Sequence[Any]], size: int) -> bool:
    """Whether so many repetitions at a time come before the next, and in them one slice before another."""
    blocks = [places[start : start + size] for start in range(0, len(places), size)]
    return _one_after_the_other([list(itertools.chain(*block)) for block in blocks]) and (
        size == 1 or all(_slice_by_slice(block) for block in blocks)
    )


def _slice_by_slice(block: Sequence[Sequence[Any]]) -> bool:
    at_each = list(zip(*block, strict=True))
    return all(len(set(places)) == len(places) for places in at_each) and _one_after_the_other(
        sorted(at_each, key=min)
    )


def _one_after_the_other(several: Sequence[Sequence[Any]]) -> bool:
    """Whether all of each come before those of the next."""
    return all(max(before) < min(after) for before, after in itertools.pairwise(several))


def ranks(
    positions: Iterable[Sequence[Frame]],
    keyword: str,
    chosen: Sequence[Discriminator],
    kind: Any = (int, float),
) -> Rank | None:
    """The ranks of an attribute at each place, among images that the chosen discriminators leave equal.

    None where an image lacks it: then it orders nothing.
    """
    found: Rank = {}
    for frames in positions:
        similar: dict[Hashable, list[tuple[Any, Frame]]] = defaultdict(list)
        for frame in frames:
            value = frame.attributes.get(keyword)
            if not isinstance(value, kind):
                return None
            similar[tuple(value_of(frame, key) for key in chosen)].append((moment(value), frame))
        for several in similar.values():
            order = {value: rank for rank, value in enumerate(sorted({value for value, _ in several}))}
            found.update((frame, order[value]) for value, frame in several)
    return found


def in_order(groups: Iterable[Repetition]) -> tuple[list[Repetition], Warnings]:
    """Repetitions in their order, and a warning where an attribute puts them into another than numbers do.

    By the numbers of their time points; those with one number by what `RANKED` has, or as acquired where
    their diffusion differs.
    """
    by_number: dict[int, list[Repetition]] = defaultdict(list)
    for group in groups:
        by_number[_time_point(group)].append(group)
    ordered: list[Repetition] = []
    notes: Warnings = ()
    for number in sorted(by_number):
        several, stated = _of_one_time_point(by_number[number])
        ordered += several
        notes = notes or stated
    return ordered, notes


def _of_one_time_point(groups: list[Repetition]) -> tuple[list[Repetition], Warnings]:
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


def _by_rank(groups: list[Repetition], keywords: Sequence[str]) -> list[Repetition]:
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
    groups: Sequence[Repetition], keyword: str, kind: Any = (int, float)
) -> dict[int, list[Repetition]] | None:
    """Repetitions by the rank that an attribute gives them at each place; None where it orders none."""
    rank = ranks(list(zip(*groups, strict=True)), keyword, (), kind)
    if rank is None:
        return None
    found: dict[int, list[Repetition]] = defaultdict(list)
    for group in groups:
        of_group = {rank[frame] for frame in group}
        if len(of_group) > 1:
            return None
        found[of_group.pop()].append(group)
    return found if len(found) > 1 else None


def _against_numbers(groups: list[Repetition]) -> Warnings:
    """A warning where attributes put images into another order than their numbers, which run in one."""
    keywords = [keyword for keyword in RANKED if _groups_by_rank(groups, keyword)]
    numbered = _sorted_at_each(groups, _number) if keywords else groups
    # numbers of each place by itself tell no order
    if numbered == groups or _members(numbered) != _members(groups) or not _runs(numbered, _number):
        return ()
    return warning(
        f"repetitions are in the order of {keywords[0]}, which is not that of InstanceNumber [time-order]"
    )


def _by_frames(groups: list[Repetition]) -> list[Repetition]:
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


def _by_what_they_say(groups: list[Repetition]) -> list[Repetition]:
    """By Philips' private numbers that all have, their first images, and what tells them apart."""
    stated = [[_only(distinct(group, name)) for group in groups] for name in PHILIPS]
    known = [values for values in stated if None not in values]
    named = differing(itertools.chain(*groups), itertools.chain(*AXES.values()))

    def key(place: int) -> tuple[Any, ...]:
        group = groups[place]
        said = [_comparable(_only(distinct(group, name))) for name in named]
        numbered = [values[place] for values in known]
        return numbered, min(map(_sequence, group)), said, min(map(by_itself, group))

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
