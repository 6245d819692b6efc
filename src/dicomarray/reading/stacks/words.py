"""Words of Image Type that no list knows: kinds where they part the images at a place, and nothing else does.

NORM or DIS2D may stand in one image of a series and not in the next, so that a word alone is no kind.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

from dicomarray.reading.frames.frame import Frame
from dicomarray.reading.headers.attributes import may_differ
from dicomarray.reading.stacks.image_kinds import type_words
from dicomarray.reading.stacks.numbering import ACQUIRED
from dicomarray.reading.stacks.telling import DIFFUSION, TIME_INDEX, Teller, value_of

# Where one of these tells images with a word from those without, they are repetitions.
_TIMES = (*TIME_INDEX, "TriggerTime", "NominalCardiacTriggerDelayTime", "FrameReferenceTime", *ACQUIRED)
# So many words that come and go are looked past.
_MOST_UNSTEADY = 3

_Words = frozenset[str]


def split_by_words(positions: Sequence[Sequence[Frame]]) -> list[tuple[tuple[str, ...], list[Frame]]]:
    """Frames of one kind at each place -> those with the same words, and the words that some others lack.

    Where words part nothing, or it is in doubt what they mean, all frames come back together.
    """
    frames = sorted((frame for members in positions for frame in members), key=lambda frame: frame.order)
    whole: list[tuple[tuple[str, ...], list[Frame]]] = [((), frames)]
    attributes = [frame.attributes for frame in frames]
    if not may_differ(attributes, ("ImageType", "FrameType")):
        return whole
    words = {id(frame): frozenset(type_words(frame.attributes)) - {""} for frame in frames}
    varying = frozenset.union(*words.values()) - frozenset.intersection(*words.values())
    tellers = [(name,) for name in may_differ(attributes, _TIMES)]
    diffusion = tuple(may_differ(attributes, DIFFUSION))
    timeless = varying.difference(
        word
        for word in varying
        if any(_tell(positions, word, words, teller) for teller in (*tellers, diffusion) if teller)
    )
    kept = next((kept for kept in _from_most(timeless) if _part_each_place(positions, words, kept)), None)
    if kept is None:
        return whole
    groups: dict[_Words, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(words[id(frame)] & kept, []).append(frame)
    return [(tuple(sorted(told)), members) for told, members in groups.items()]


def _tell(
    positions: Iterable[Sequence[Frame]], word: str, words: Mapping[int, _Words], teller: tuple[Teller, ...]
) -> bool:
    """Whether at each place images with a word and without it have other values, at one of them both."""
    both = False
    for members in positions:
        values: dict[bool, set[Hashable]] = {True: set(), False: set()}
        for frame in members:
            values[word in words[id(frame)]].add(tuple(value_of(frame, name) for name in teller))
        if values[True] & values[False]:
            return False
        both = both or bool(values[True] and values[False])
    return both


def _from_most(words: _Words) -> Iterator[_Words]:
    """The words, then without one of them, without two, ...: never without all."""
    ordered = sorted(words)
    for unsteady in range(min(_MOST_UNSTEADY + 1, len(ordered))):
        for left_out in itertools.combinations(ordered, unsteady):
            yield words.difference(left_out)


def _part_each_place(positions: Iterable[Sequence[Frame]], words: Mapping[int, _Words], kept: _Words) -> bool:
    """Whether a place has images of several words, and words are in as many images wherever they are."""
    counts: dict[_Words, set[int]] = {}
    shared = False
    for members in positions:
        here = Counter(words[id(frame)] & kept for frame in members)
        shared = shared or len(here) > 1
        for told, count in here.items():
            counts.setdefault(told, set()).add(count)
    return shared and all(len(several) == 1 for several in counts.values())
