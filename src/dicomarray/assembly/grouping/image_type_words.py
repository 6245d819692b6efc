"""Words of Image Type that no list knows: kinds where they part the images at a place, and nothing else does.

NORM or DIS2D may stand in one image of a series and not in the next, so that a word alone is no kind.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.grouping.acquisition_order import ACQUIRED
from dicomarray.assembly.grouping.discriminators import DIFFUSION, TIME_INDEX, value_of
from dicomarray.assembly.grouping.image_kinds import type_words
from dicomarray.dicom.headers.attributes import may_differ
from dicomarray.dicom.vr import Value

# Where one of these tells images with a word from those without, they are repetitions.
_TIMES = (*TIME_INDEX, "TriggerTime", "NominalCardiacTriggerDelayTime", "FrameReferenceTime", *ACQUIRED)
_MOMENTS = (*TIME_INDEX, "TriggerTime")
# So many words together are looked at: more vary only where images say at random how they were processed.
_MAX_WORDS = 3

Positions = Sequence[Sequence[Frame]]
_Words = frozenset[str]


def split_by_words(positions: Positions) -> list[tuple[tuple[str, ...], list[Frame]]]:
    """Frames of one kind at each place -> those of one group by their words, and what all of a group say.

    As few words as part the frames are used, so that those that come and go beside them tear nothing.  Where
    words part nothing all frames come back together.
    """
    frames = [frame for members in positions for frame in members]
    if not may_differ([frame.attributes for frame in frames], ("ImageType", "FrameType")):
        return [((), frames)]
    words = {id(frame): frozenset(type_words(frame.attributes)) - {""} for frame in frames}
    common = frozenset.intersection(*words.values())
    groups = [sorted(group, key=lambda frame: frame.order) for group in _groups(positions, words)]
    return [
        (tuple(sorted(frozenset.intersection(*(words[id(frame)] for frame in group)) - common)), group)
        for group in sorted(groups, key=lambda group: group[0].order)
    ]


def _groups(positions: Positions, words: Mapping[int, _Words]) -> list[list[Frame]]:
    frames = [frame for members in positions for frame in members]
    kept = _parting(positions, words, _timeless(positions, words))
    if not kept:
        return [frames]
    found: list[list[Frame]] = []
    for group in dict.fromkeys(words[id(frame)] & kept for frame in frames):
        there = [[frame for frame in members if words[id(frame)] & kept == group] for members in positions]
        found += _groups([members for members in there if members], words)
    return found


def _timeless(positions: Positions, words: Mapping[int, _Words]) -> list[str]:
    """The words that differ, but for those of which times or diffusion weightings tell images apart."""
    frames = [frame for members in positions for frame in members]
    attributes = [frame.attributes for frame in frames]
    stated = [words[id(frame)] for frame in frames]
    varying = frozenset.union(*stated) - frozenset.intersection(*stated)
    keys: list[tuple[str, ...]] = [(name,) for name in may_differ(attributes, _TIMES)]
    if diffusion := tuple(may_differ(attributes, DIFFUSION)):
        keys.append(diffusion)
    return [w for w in sorted(varying) if not any(_distinguishes(positions, w, words, key) for key in keys)]


def _distinguishes(
    positions: Positions, word: str, words: Mapping[int, _Words], key: tuple[str, ...]
) -> bool:
    """Whether at each place images with a word have other values than those without, and one has both."""
    both = False
    for members in positions:
        values: dict[bool, set[Hashable]] = {True: set(), False: set()}
        for frame in members:
            values[word in words[id(frame)]].add(tuple(value_of(frame, name) for name in key))
        if values[True] & values[False]:
            return False
        both = both or bool(values[True] and values[False])
    return both


def _parting(positions: Positions, words: Mapping[int, _Words], candidates: Sequence[str]) -> _Words:
    """The fewest words that part the images at each place; none where none do.

    Of several, those that come in the same order at each place.
    """
    places = {
        frozenset(Counter((words[id(frame)], _moment(frame)) for frame in members).items())
        for members in positions
    }
    for count in range(1, 1 + min(_MAX_WORDS, len(candidates))):
        found = [
            kept
            for several in itertools.combinations(candidates, count)
            if _part(places, kept := frozenset(several))
        ]
        if found:
            return next((kept for kept in found if _in_one_order(positions, words, kept)), found[0])
    return frozenset()


def _part(places: Iterable[Iterable[tuple[tuple[_Words, Value], int]]], kept: _Words) -> bool:
    """Whether a place has images of two groups, and a group as many images wherever it has any.

    Of a group over time some may be missing: there may be one image for each moment.
    """
    counts: dict[_Words, set[int]] = {}
    repeated: set[_Words] = set()
    shared = False
    for members in places:
        here: Counter[_Words] = Counter()
        moments: Counter[tuple[_Words, Value]] = Counter()
        for (words, moment), count in members:
            here[words & kept] += count
            moments[words & kept, moment] += count
        repeated.update(group for (group, moment), n in moments.items() if n > 1 or moment is None)
        shared = shared or len(here) > 1
        for group, count in here.items():
            counts.setdefault(group, set()).add(count)
    return shared and all(len(several) == 1 or group not in repeated for group, several in counts.items())


def _moment(frame: Frame) -> Value:
    """The time point or trigger time, where a frame has one."""
    return next((v for name in _MOMENTS if type(v := frame.attributes.get(name)) in (int, float)), None)


def _in_one_order(positions: Positions, words: Mapping[int, _Words], kept: _Words) -> bool:
    """Whether the groups were numbered alike at all places that have all of them."""
    orders = {
        tuple(words[id(frame)] & kept for frame in sorted(members, key=lambda frame: frame.order))
        for members in positions
    }
    longest = max(map(len, orders))
    return sum(len(order) == longest for order in orders) == 1
