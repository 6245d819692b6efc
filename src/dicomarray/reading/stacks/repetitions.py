"""Several images at every position -> repetitions of one measurement, and the name of their axis.

Which repetition an image belongs to is told by the attributes that vary in the same way at every position
(time point, b-value, gradient direction, ...); what they leave open, by the order of acquisition.  An image
whose repetition cannot be told with certainty is an error, never a guess.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from dicomarray.errors import GeometryError
from dicomarray.reading.frames.frame import Frame
from dicomarray.reading.headers.attributes import may_differ

# b-value where the standard attribute is missing: Siemens, GE and Philips classic images.
VENDOR_B_VALUES = (
    "(0019,SIEMENS MR HEADER,0C)",
    "(0043,GEMS_PARM_01,39)",
    "(2001,Philips Imaging DD 001,03)",
)
# Attributes that tell repetitions apart, and the axis that each makes; the first that varies names it.
DIFFUSION = ("DiffusionBValue", "DiffusionGradientOrientation", *VENDOR_B_VALUES)
_AXES: dict[str, tuple[str, ...]] = {
    "diffusion": DIFFUSION,
    "inversion_time": ("InversionTime", "InversionTimes"),
    "flip_angle": ("FlipAngle",),
    "time": (
        "TemporalPositionIdentifier",
        "TemporalPositionIndex",
        "TriggerTime",
        "NominalCardiacTriggerDelayTime",
        "TemporalPositionTimeOffset",
        "AcquisitionNumber",
    ),
}
ATTRIBUTES = tuple(keyword for keywords in _AXES.values() for keyword in keywords)
# When an image was acquired: TM and DT, which sort as text within a day.
_ACQUIRED = ("AcquisitionTime", "AcquisitionDateTime", "FrameAcquisitionDateTime")
# Numbers a time point outright; where they exist, repetitions are in their order.
_TIME_INDEX = ("TemporalPositionIdentifier", "TemporalPositionIndex")


@dataclass(frozen=True, eq=False)
class Repetitions:
    """Frames by repetition and position.

    ``grid[repetition][position]``; ``leftover`` holds the repetitions that are not complete, each by itself.
    ``axis`` is None where there is one repetition only; ``coordinates`` has, by attribute, its value in
    each repetition.
    """

    grid: list[list[Frame]]
    axis: str | None = None
    coordinates: dict[str, list[Any]] = field(default_factory=dict)
    leftover: list[list[Frame]] = field(default_factory=list)


Positions = Sequence[Sequence[Frame]]


def arrange(positions: Positions, split: bool = False) -> Repetitions:
    """Sort the frames at each position into repetitions.

    Parameters
    ----------
    positions
        The frames at each position, positions ascending.
    split
        Where nothing tells which repetition an image belongs to: take the first acquired ones at all
        positions, and leave the others over.

    Raises
    ------
    GeometryError
        Where positions hold different numbers of frames, or different time points, and nothing tells which
        is missing, unless ``split`` is set.
    """
    if all(len(frames) == 1 for frames in positions):
        return Repetitions([[frames[0] for frames in positions]])
    ordered = [sorted(frames, key=lambda frame: frame.order) for frames in positions]
    if len({len(frames) for frames in ordered}) == 1 and _uneven_time_index(ordered) is None:
        groups, leftover = _groups(ordered, _consistent(ordered)), list[list[Frame]]()
    else:
        groups, leftover = _incomplete(ordered, split)
    groups = _by_acquisition(groups)
    axis, coordinates = _axis(groups)
    return Repetitions(groups, axis if len(groups) > 1 else None, coordinates, leftover)


def time_index(frame: Frame) -> int | None:
    """The number of the frame's time point, where the frame says it."""
    return next((v for k in _TIME_INDEX if isinstance(v := frame.attributes.get(k), int)), None)


def repetition_values(frame: Frame) -> tuple[Hashable, ...]:
    """What the frame says of the repetition that it belongs to."""
    return tuple(_value(frame, keyword) for keyword in ATTRIBUTES)


def _value(frame: Frame, keyword: str) -> Hashable:
    value = frame.attributes.get(keyword)
    if value is None or type(value) in (int, float, str):  # asked very often, and this is fast
        return cast("Hashable", value)
    return value if isinstance(value, Hashable) else repr(value)


def _distinct(frames: Iterable[Frame], keyword: str) -> set[Hashable]:
    """The values of an attribute in some frames."""
    values = [frame.attributes.get(keyword) for frame in frames]
    try:
        return set(values)
    except TypeError:
        return {value if isinstance(value, Hashable) else repr(value) for value in values}


def _differing(frames: Iterable[Frame], keywords: Iterable[str] = ATTRIBUTES) -> list[str]:
    """Those of some attributes that tell repetitions apart whose values are not the same in all frames."""
    several = list(frames)
    may = may_differ([frame.attributes for frame in several], keywords)
    return [keyword for keyword in may if len(_distinct(several, keyword)) > 1]


def _consistent(positions: Positions) -> list[str]:
    """The attributes whose values, taken together, occur equally often at every position."""

    def same_everywhere(keywords: list[str]) -> bool:
        counts = [
            Counter(tuple(_value(frame, keyword) for keyword in keywords) for frame in frames)
            for frames in positions
        ]
        return all(count == counts[0] for count in counts)

    chosen: list[str] = []
    for keyword in _differing(itertools.chain.from_iterable(positions)):
        if same_everywhere([*chosen, keyword]):
            chosen.append(keyword)
    return chosen


def _groups(positions: Positions, keywords: Sequence[str]) -> list[list[Frame]]:
    """Repetitions: frames with equal values, and among equal ones the first, second, ... at each position."""
    groups: dict[Hashable, list[Frame]] = defaultdict(list)
    for frames in positions:
        occurrences: Counter[Hashable] = Counter()
        for frame in frames:
            key = tuple(_value(frame, keyword) for keyword in keywords)
            groups[key, occurrences[key]].append(frame)
            occurrences[key] += 1
    return list(groups.values())


def _uneven_time_index(positions: Positions) -> str | None:
    """The attribute that numbers time points, each once at a position, but not the same ones everywhere."""
    for keyword in _differing(itertools.chain.from_iterable(positions), _TIME_INDEX):
        at_each = [_distinct(frames, keyword) for frames in positions]
        if None in set().union(*at_each) or not _one_each(positions, keyword):
            continue
        if any(values != at_each[0] for values in at_each):
            return keyword
    return None


def _incomplete(positions: Positions, split: bool) -> tuple[list[list[Frame]], list[list[Frame]]]:
    """Complete repetitions, and those that are not.

    An attribute that numbers the repetitions tells them apart.  Without one, images are missing where
    the acquisition was stopped: at its end, after every image of the complete repetitions.
    """
    everything = [frame for frames in positions for frame in frames]
    for keyword in _AXES["time"]:
        groups = _groups(positions, [keyword])
        complete = [group for group in groups if len(group) == len(positions)]
        known = all(frame.attributes.get(keyword) is not None for frame in everything)
        if known and complete and len(groups) > 1 and _one_each(positions, keyword):
            return complete, _rest(groups, complete)
    groups = _groups(positions, [])
    complete = [group for group in groups if len(group) == len(positions)]
    if split or (len(complete) > 1 and _in_sequence(positions, groups)):
        return complete, _rest(groups, complete)
    raise _undecided(positions)


def _one_each(positions: Positions, keyword: str) -> bool:
    return all(len(_distinct(frames, keyword)) == len(frames) for frames in positions)


def _rest(groups: list[list[Frame]], complete: list[list[Frame]]) -> list[list[Frame]]:
    kept = {id(group) for group in complete}
    return [group for group in groups if id(group) not in kept]


def _in_sequence(positions: Positions, groups: list[list[Frame]]) -> bool:
    """Whether repetitions were acquired one after the other, each in the same order of positions.

    By instance number, from the first one on: where the first image is missing, the next position would be
    taken for the one that each repetition begins with.  An unfinished repetition ends before the others.
    """
    if any(frame.header.instance_number is None for group in groups for frame in group):
        return False
    place = {id(frame): index for index, frames in enumerate(positions) for frame in frames}
    acquired = [sorted(group, key=lambda frame: frame.order) for group in groups]
    first = acquired[0][0]
    if (first.order[1] if first.of_multiframe else first.order[0]) > 1:
        return False
    usual = [place[id(frame)] for frame in acquired[0]]
    return all([place[id(frame)] for frame in group] == usual[: len(group)] for group in acquired) and all(
        before[-1].order < after[0].order for before, after in itertools.pairwise(acquired)
    )


def _undecided(positions: Positions) -> GeometryError:
    """Why it cannot be told which image belongs where."""
    advice = (
        'Remove the one that is too many, or take the first acquired ones with duplicates="split" '
        "(--duplicates split)"
    )
    counts = Counter(len(frames) for frames in positions)
    if len(counts) == 1:
        keyword = _uneven_time_index(positions)
        values = [sorted(str(_value(frame, str(keyword))) for frame in frames) for frames in positions]
        odd = next(index for index, found in enumerate(values) if found != values[0])
        return GeometryError(
            f"{keyword} is {', '.join(values[0])} at the position of {positions[0][0].header.path}, but "
            f"{', '.join(values[odd])} at that of {positions[odd][0].header.path}: images of some time "
            f"points are missing, and no time point is complete. Find them. {advice}"
        )
    usual, _ = counts.most_common(1)[0]
    frames = next(frames for frames in positions if len(frames) != usual)
    names = ", ".join(str(frame.header.path) for frame in frames[:4])
    return GeometryError(
        f"{len(frames)} images lie at one position where {usual} is usual, and nothing tells which of them "
        f"belongs to the volume: {names}. {advice}"
    )


def _by_acquisition(groups: Iterable[list[Frame]]) -> list[list[Frame]]:
    """Repetitions in the order of the numbers of their time points; those with one number as acquired."""
    by_number: dict[int, list[list[Frame]]] = defaultdict(list)
    for group in groups:
        by_number[_time_point(group)].append(group)
    for same in by_number.values():
        if len(same) > 1:
            same.sort(key=lambda group: min(map(_sequence, group)))
    return [group for number in sorted(by_number) for group in by_number[number]]


def _time_point(group: Sequence[Frame]) -> int:
    """The number of the time point of all frames, 0 where they have none or several."""
    constant = all(len(_distinct(group, keyword)) == 1 for keyword in _TIME_INDEX)
    return (time_index(group[0]) or 0) if constant else 0


def _sequence(frame: Frame) -> tuple[Any, ...]:
    number, index, path = frame.order
    dimensions = frame.attributes.get("DimensionIndexValues") or ()
    values = dimensions if isinstance(dimensions, tuple) else (dimensions,)
    return (number, tuple(v for v in values if isinstance(v, int)), index, path)


def _axis(groups: list[list[Frame]]) -> tuple[str, dict[str, list[Any]]]:
    """The axis's name, by the first attribute that is one value in a repetition and varies between them."""
    differing = set(_differing(itertools.chain.from_iterable(groups), (*ATTRIBUTES, *_ACQUIRED)))
    coordinates: dict[str, list[Any]] = {}
    name = ""
    for axis, keywords in _AXES.items():
        for keyword in (keyword for keyword in keywords if keyword in differing):
            values = [_distinct(group, keyword) for group in groups]
            if all(len(value) == 1 for value in values):
                coordinates[keyword] = [next(iter(value)) for value in values]
                name = name or axis
    return name or "time", coordinates | _starts(groups, differing)


def _starts(groups: list[list[Frame]], differing: set[str]) -> dict[str, list[Any]]:
    """When each repetition began, as its earliest image says: every slice has a time of its own."""
    found: dict[str, list[Any]] = {}
    for keyword in _ACQUIRED:
        if keyword not in differing:
            continue
        times = [[frame.attributes.get(keyword) for frame in group] for group in groups]
        if all(isinstance(time, str) for group in times for time in group):
            starts = [min(map(str, group)) for group in times]
            if len(set(starts)) > 1:
                found[keyword] = starts
    return found
