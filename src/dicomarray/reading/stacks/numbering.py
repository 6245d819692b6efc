"""Whether images are numbered in an order from which repetitions can be told."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from dicomarray.reading.frames.frame import Frame


def numbered_in_order(groups: Sequence[Sequence[Frame]]) -> bool:
    """Whether images are numbered repetition by repetition, or slice by slice, or so in blocks."""
    return any(_in_blocks(groups, size) for size in range(1, len(groups) + 1) if not len(groups) % size)


def _in_blocks(groups: Sequence[Sequence[Frame]], size: int) -> bool:
    """Whether so many repetitions at a time come before the next, and in them one slice before another."""
    blocks = [groups[start : start + size] for start in range(0, len(groups), size)]
    return _one_after_the_other([[f for group in block for f in group] for block in blocks]) and all(
        size == 1 or _one_after_the_other(sorted(map(list, zip(*block, strict=True)), key=_first))
        for block in blocks
    )


def _first(frames: Sequence[Frame]) -> tuple[int, int, str]:
    return min(frame.order for frame in frames)


def _one_after_the_other(several: Sequence[Sequence[Frame]]) -> bool:
    """Whether all frames of each come before those of the next, as acquired."""
    return all(
        max(frame.order for frame in before) < _first(after) for before, after in itertools.pairwise(several)
    )
