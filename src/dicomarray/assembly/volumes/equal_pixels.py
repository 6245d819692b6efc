"""Repetitions with equal pixels at one place: a warning, since nothing says whether they are copies.

All pixels of a volume are read anyway.  Of each image a few are kept; only images that agree in these are
decoded once more and compared whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.grouping.duplicates import equal_pixels_note, pixel_digests
from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.core.coded_warnings import Warnings
from dicomarray.core.pixel_values import Array

# An image is known by so many of its rows and columns.
_PROBED = 8
# No more images than these are decoded again: that there are some is a warning either way.
MAX_COMPARED = 256


class Probes:
    """Some pixels of each image of a stack, by its index; for any thread."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._probes: dict[int, bytes] = {}

    def take(self, index: int, stored: Array) -> None:
        """Keep those of images, shape (images, rows, columns[, samples]), from an index on."""
        if self._stack.repetitions == 1:
            return
        rows, columns = (max(1, size // _PROBED) for size in stored.shape[1:3])
        few = stored[:, rows // 2 :: rows, columns // 2 :: columns]
        for place, image in enumerate(few, index):
            self._probes[place] = image.tobytes()

    def notes(self) -> Warnings:
        """The warning for images of the stack that have the pixels of another one at their place.

        Raises
        ------
        DataError
            Where an image cannot be decoded once more.
        """
        equal: list[Frame] = []
        compared = 0
        for candidates in self._equal_probes():
            if compared and compared + len(candidates) > MAX_COMPARED:
                return equal_pixels_note(equal, complete=False)
            compared += len(candidates)
            digests = pixel_digests(candidates)
            equal += [frame for frame, own in zip(candidates, digests, strict=True) if digests.count(own) > 1]
        return equal_pixels_note(equal)

    def _equal_probes(self) -> Iterator[Sequence[Frame]]:
        """Images at one place that agree in what was kept of them."""
        if self._stack.repetitions == 1:
            return
        frames = self._stack.frames
        slices = len(frames) // self._stack.repetitions
        for place in range(slices):
            groups: dict[bytes | None, list[Frame]] = {}
            for index in range(place, len(frames), slices):
                groups.setdefault(self._probes.get(index), []).append(frames[index])
            yield from (group for group in groups.values() if len(group) > 1)
