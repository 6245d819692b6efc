"""Whether images are numbered, or timed, in an order from which repetitions can be told."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from dicomarray.assembly.frames.frame import Frame

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
    at_each = [list(frames) for frames in zip(*indistinct, strict=True)]

    def by(place: _Place) -> list[Repetition]:
        return [list(frames) for frames in zip(*(sorted(f, key=place) for f in at_each), strict=True)]

    ordered = ((place, by(place)) for place in _places(indistinct))
    found = [repetitions for place, repetitions in ordered if _runs(repetitions, place)]
    return found[0] if len(set(map(_members, found))) == 1 else None


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


def runs_by_number(repetitions: Sequence[Repetition]) -> list[Repetition] | None:
    """The images at each place in the order of their numbers, where these run; else None."""
    at_each = zip(*repetitions, strict=True)
    numbered = [sorted(frames, key=_number) for frames in at_each]
    ordered = [list(frames) for frames in zip(*numbered, strict=True)]
    return ordered if _runs(ordered, _number) else None


def by_itself(frame: Frame) -> tuple[tuple[int, int], str, str]:
    """Sorts by the number, or else by what the file says that it is; its path tells only copies apart."""
    number, index, path = frame.order
    return (number, index), frame.header.text("SOPInstanceUID") or "", path


def _number(frame: Frame) -> tuple[int, int]:
    return frame.order[:2]


def _places(repetitions: Sequence[Repetition]) -> Iterator[_Place]:
    """What tells when an image was acquired, the surest first."""
    yield _number
    frames = list(itertools.chain(*repetitions))

    def known(keywords: Sequence[str], kind: type) -> bool:
        return all(isinstance(f.attributes.get(keyword), kind) for f in frames for keyword in keywords)

    if known(("AcquisitionNumber",), int):
        yield partial(_values, keywords=("AcquisitionNumber",))
    for clock in (_ACQUISITION, _CONTENT):
        moments = [partial(_values, keywords=keywords) for keywords in clock if known(keywords, str)]
        chosen = next((moment for moment in moments if _distinguishes(repetitions, moment)), None)
        if chosen is not None:
            yield chosen
        if chosen is not None or (moments and _distinguishes(repetitions, _number)):
            return


def _distinguishes(repetitions: Sequence[Repetition], place: _Place) -> bool:
    """Whether no two images at a position share it: a time that they share must not hide one that tells."""
    return all(len(set(map(place, frames))) == len(frames) for frames in zip(*repetitions, strict=True))


def _values(frame: Frame, keywords: Sequence[str]) -> tuple[Any, ...]:
    return tuple(frame.attributes.get(keyword) for keyword in keywords)


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
