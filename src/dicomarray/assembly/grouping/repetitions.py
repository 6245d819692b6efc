"""Several images at every position -> repetitions of one measurement, and the name of their axis.

The attributes that vary in the same way at every position (time point, b-value, gradient direction, ...) say
which repetition an image belongs to; where they do not, the order of acquisition does.  A missing or extra
image is an error.  Numbers that follow no order are a warning: Philips numbers classic images as it likes.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.grouping.acquisition_order import (
    by_itself,
    distinguished,
    in_order,
    ranks,
)
from dicomarray.assembly.grouping.coordinates import axis_and_coordinates, out_of_time
from dicomarray.assembly.grouping.discriminators import (
    ATTRIBUTES,
    AXES,
    CONSTANT,
    DIFFUSION,
    FURTHER,
    RANKED,
    RANKED_FRAMES,
    TIME_INDEX,
    Discriminator,
    all_differ,
    differing,
    dimensions,
    distinct,
    value_of,
)
from dicomarray.assembly.grouping.further_attributes import for_repetitions
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.errors import GeometryError


@dataclass(frozen=True, eq=False)
class Repetitions:
    """Frames by repetition and position.

    ``grid[repetition][position]``; ``leftover`` holds the repetitions that are not complete, each by itself.
    ``axis`` is None where there is one repetition only; ``coordinates`` has, by attribute, its value in
    each repetition.  ``warnings`` say where it is in doubt which repetition an image belongs to.
    """

    grid: list[list[Frame]]
    axis: str | None = None
    coordinates: dict[str, list[Any]] = field(default_factory=dict)
    leftover: list[list[Frame]] = field(default_factory=list)
    warnings: Warnings = ()


Positions = Sequence[Sequence[Frame]]
# What is asked before times of their own rank the images at a place: the numbers of acquisitions come later.
_SAFE_ATTRIBUTES = tuple(name for name in ATTRIBUTES if name not in ("AcquisitionNumber", *RANKED))


def arrange(positions: Positions, split: bool = False) -> Repetitions:
    """Sort the frames at each position into repetitions.

    Parameters
    ----------
    positions
        The frames at each position, positions ascending.
    split
        Where nothing says which repetition an image belongs to: take the first acquired ones at all
        positions, and leave the others over.

    Raises
    ------
    GeometryError
        Where positions hold different numbers of frames, or different time points, and nothing says which
        is missing, unless ``split`` is set.
    """
    if all(len(frames) == 1 for frames in positions):
        return Repetitions([[frames[0] for frames in positions]])
    ordered = [sorted(frames, key=by_itself) for frames in positions]
    leftover: list[list[Frame]] = []
    warnings: Warnings = ()
    even = len({len(frames) for frames in ordered}) == 1
    indistinct = _indistinct(ordered, _discriminators(ordered)) if even else []
    if any(len(several) > 1 for several in indistinct):  # nothing but numbers and times tells these apart
        closer = iter(for_repetitions(list(itertools.chain(*ordered))))
        ordered = [list(itertools.islice(closer, len(frames))) for frames in ordered]
        indistinct = _indistinct(ordered, _discriminators(ordered))
    if even and _uneven(ordered) is None:
        groups, warnings = _in_acquisition_order(indistinct)
    else:
        groups, leftover = _incomplete(ordered, split)
    groups, notes = in_order(groups)
    axis, coordinates = axis_and_coordinates(groups)
    warnings += notes + out_of_time(coordinates)
    return Repetitions(groups, axis if len(groups) > 1 else None, coordinates, leftover, warnings)


def _discriminators(positions: Positions) -> list[Discriminator]:
    """What tells the frames at a position apart, as well as anything does: the surest first."""
    everything = [frame for frames in positions for frame in frames]
    indices = dimensions(everything)
    ranked = RANKED_FRAMES if indices else RANKED
    before, after = ((), (ranked,)) if indices else ((ranked,), ())  # dimension indices are surer than ranks
    keys: list[Discriminator] = []
    for further in (_SAFE_ATTRIBUTES, *before, ATTRIBUTES, *indices, *after, FURTHER):
        named = [key for key in further if isinstance(key, str)]
        candidates = differing(everything, named) if named else further
        if further is not ranked:
            keys = _consistent(positions, candidates, keys)
        elif not any(key in DIFFUSION for key in keys):
            keys = _ranked(positions, candidates, keys)
        if all(len(several) == 1 for several in _indistinct(positions, keys)):
            break
    return keys


def _ranked(
    positions: Positions, keywords: Iterable[Discriminator], chosen: list[Discriminator]
) -> list[Discriminator]:
    """With the ranks at each place of those attributes that rank the same number of images everywhere."""
    for keyword in keywords:
        rank = ranks(positions, str(keyword), chosen)
        if rank is not None:
            chosen = _consistent(positions, [rank], chosen)
    return chosen


def _consistent(
    positions: Positions, keys: Iterable[Discriminator], chosen: list[Discriminator]
) -> list[Discriminator]:
    """With those whose values, taken together with the chosen ones, occur equally often at every position."""
    for key in keys:
        together = [*chosen, key]
        counts = (Counter([_values(frame, together) for frame in frames]) for frames in positions)
        first = next(counts)
        if all(count == first for count in counts):
            chosen = together
    return chosen


def _values(frame: Frame, keys: Sequence[Discriminator]) -> tuple[Hashable, ...]:
    return tuple([value_of(frame, key) for key in keys])


def _indistinct(positions: Positions, keys: Sequence[Discriminator]) -> list[list[list[Frame]]]:
    """Repetitions, those together of which only the order of acquisition tells which is which.

    Frames with equal values are told apart as the first, second, ... at each position.
    """
    groups: dict[Hashable, dict[int, list[Frame]]] = defaultdict(lambda: defaultdict(list))
    for frames in positions:
        occurrences: Counter[Hashable] = Counter()
        for frame in frames:
            key = _values(frame, keys)
            groups[key][occurrences[key]].append(frame)
            occurrences[key] += 1
    return [list(several.values()) for several in groups.values()]


def _in_acquisition_order(indistinct: Iterable[list[list[Frame]]]) -> tuple[list[list[Frame]], Warnings]:
    """All repetitions, and a warning where the order of acquisition has to tell them apart, and cannot."""
    groups: list[list[Frame]] = []
    doubts: Warnings = ()
    for several in indistinct:
        known = distinguished(several)
        groups += known or several
        if known is None:
            first = several[0]
            doubts += warning(
                f"nothing says for certain which of {len(several)} images at each position belong together: "
                "instance numbers and times run in no order, or contradict each other. Images of different "
                "repetitions may be mixed: look at the volume, or convert each repetition from a folder of "
                f"its own. One has {first[0].header.reference.name} and {len(first) - 1} more "
                "[mixed-repetitions]"
            )
    return groups, tuple(doubts[:1])


def _uneven(positions: Positions) -> Discriminator | None:
    """What tells repetitions, each once at a position, but not the same ones everywhere.

    Other than numbers of time points it has to have one value at least at all positions: slices may have
    inversion times of their own.
    """
    everything = [frame for frames in positions for frame in frames]
    named = differing(everything, (*CONSTANT, "InversionTime", "InversionTimes"))
    for key in (*named, *itertools.chain(*dimensions(everything))):
        at_each = [{value_of(frame, key) for frame in frames} for frames in positions]
        if None in set().union(*at_each) or not all_differ(positions, partial(value_of, key=key)):
            continue
        if any(values != at_each[0] for values in at_each) and (
            key in TIME_INDEX or set.intersection(*at_each)
        ):
            return key
    return None


def _incomplete(positions: Positions, split: bool) -> tuple[list[list[Frame]], list[list[Frame]]]:
    """Complete repetitions, and those that are not.

    Attributes that differ between all images at a position tell them apart.  Without any, images are missing
    where the acquisition was stopped: at its end, after every image of the complete repetitions.
    """
    everything = [frame for frames in positions for frame in frames]
    names = dict.fromkeys((*AXES["time"], *ATTRIBUTES, *FURTHER))
    single: list[Discriminator] = [*differing(everything, names), *itertools.chain(*dimensions(everything))]
    together: list[Discriminator] = [*differing(everything, DIFFUSION)]
    for keys in (*([key] for key in single), together):
        if not all_differ(positions, partial(_values, keys=keys)):
            continue
        complete, rest = _by_completeness(positions, keys)
        if complete and len(complete) + len(rest) > 1:
            return complete, rest
    complete, rest = _by_completeness(positions, [])
    if split or (len(complete) > 1 and _in_sequence(positions, [*complete, *rest])):
        return complete, rest
    raise _undecided(positions)


def _by_completeness(
    positions: Positions, keys: Sequence[Discriminator]
) -> tuple[list[list[Frame]], list[list[Frame]]]:
    """Repetitions with a frame at each position, and those without."""
    groups = [group for several in _indistinct(positions, keys) for group in several]
    complete = [group for group in groups if len(group) == len(positions)]
    return complete, [group for group in groups if len(group) < len(positions)]


def _in_sequence(positions: Positions, groups: list[list[Frame]]) -> bool:
    """Whether repetitions were acquired one after the other, each in the same order of positions.

    By instance number, from the first one on: where the first image is missing, the next position would be
    taken for the one that each repetition begins with.  An unfinished repetition ends before the others.
    """
    everything = [frame for frames in positions for frame in frames]
    numbers = {frame.header.instance_number for frame in everything}
    constant = differing(everything, CONSTANT)
    mixed = any(len(distinct(group, keyword)) > 1 for group in groups for keyword in constant)
    if None in numbers or mixed:
        return False
    place = {id(frame): index for index, frames in enumerate(positions) for frame in frames}
    acquired = [sorted(group, key=lambda frame: frame.order) for group in groups]
    number, index, _ = acquired[0][0].order
    usual = [place[id(frame)] for frame in acquired[0]]
    if (number > 1 and not (index == 0 and len(numbers) == 1)) or index > 0 or _is_rotated(usual):
        return False
    return all([place[id(frame)] for frame in group] == usual[: len(group)] for group in acquired) and all(
        before[-1].order < after[0].order for before, after in itertools.pairwise(acquired)
    )


def _is_rotated(order: Sequence[int]) -> bool:
    """Whether slices go one after the other from the middle on, as if those before had been lost."""
    steps = {(after - before) % len(order) for before, after in itertools.pairwise(order)}
    return (steps == {1} and order[0] != 0) or (steps == {len(order) - 1} and order[-1] != 0)


def _undecided(positions: Positions) -> GeometryError:
    """Why it is unknown which image belongs where."""
    advice = (
        'Remove the one that is too many, or take the first acquired ones with duplicates="split" '
        "(--duplicates split)"
    )
    counts = Counter(len(frames) for frames in positions)
    if len(counts) == 1:
        key = _uneven(positions)
        keyword = key if isinstance(key, str) else f"DimensionIndexValues[{key}]"
        values = [sorted(str(value_of(frame, key or 0)) for frame in frames) for frames in positions]
        odd = next(index for index, found in enumerate(values) if found != values[0])
        return GeometryError(
            f"{keyword} is {', '.join(values[0])} at the position of {positions[0][0].header.reference}, but "
            f"{', '.join(values[odd])} at that of {positions[odd][0].header.reference}: images of some "
            f"repetitions are missing, and none is complete. Find them. {advice}"
        )
    usual, _ = counts.most_common(1)[0]
    frames = next(frames for frames in positions if len(frames) != usual)
    names = ", ".join(str(frame.header.reference) for frame in frames[:4])
    return GeometryError(
        f"{len(frames)} images lie at one position where {usual} is usual, and nothing says which of them "
        f"belongs to the volume: {names}. {advice}"
    )
