"""Which frames a segmentation gets, and the stored values of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dicomarray.core.pixel_values import Array, StoredType
from dicomarray.errors import SegmentationError
from dicomarray.objects.segmentation.options import SegmentationOptions
from dicomarray.segmentation import Segmentation

MAX_FRACTION = 255  # Maximum Fractional Value: as much as 8 bits hold (PS3.3 C.8.20.2.3)
BIT, BYTE, WORD = StoredType(1, 1, False), StoredType(8, 8, False), StoredType(16, 16, False)


@dataclass(frozen=True, eq=False)
class FramePlan:
    """The frames of a segmentation, in the order in which they are written.

    Attributes
    ----------
    frames
        Of each the segment's label in the array, 0 where the frame shows all labels, and the slice.
    numbers
        The Segment Number in the file of each label.
    stored
        What a stored value is.
    covered
        The labels that have voxels.
    """

    segmentation: Segmentation
    frames: tuple[tuple[int, int], ...]
    numbers: dict[int, int]
    stored: StoredType
    kind: str
    covered: frozenset[int]

    @property
    def by_segment(self) -> bool:
        """Whether each frame is one segment's."""
        return self.kind != "labelmap"

    @property
    def slices(self) -> list[int]:
        """Those that have a frame, ascending."""
        return sorted({index for _, index in self.frames})

    def images(self) -> Iterator[Array]:
        """The stored values of each frame, (rows, columns); of a binary one bool."""
        if self.kind == "labelmap":
            for _, index in self.frames:
                yield self.segmentation.label_image(index).astype(self.stored.dtype, copy=False)
            return
        for label, index in self.frames:
            image: Array = self.segmentation.slice_of(label, index)
            yield stored_fraction(image) if self.kind == "fractional" else image


def stored_fraction(fraction: Array) -> Array:
    """A mask or fractions from 0 to 1 as stored values."""
    return np.rint(np.multiply(fraction, MAX_FRACTION, dtype=np.float64)).astype(np.uint8)


def plan_frames(segmentation: Segmentation, options: SegmentationOptions) -> FramePlan:
    """The frames of a kind of segmentation."""
    if segmentation.fractional and options.kind != "fractional":
        raise SegmentationError(
            f'the masks are fractions, which kind="{options.kind}" cannot hold: take kind="fractional", or '
            "decide where each structure is (mask > 0.5)"
        )
    kind, labels = options.kind, [segment.number for segment in segmentation.segments]
    if kind == "labelmap" and segmentation.overlapping:
        try:
            segmentation.labels  # noqa: B018 - it names those that overlap
        except SegmentationError as error:
            raise SegmentationError(f'{error}. A label map cannot hold them; take kind="binary"') from error
    found = segmentation.presence()
    chosen: Any = dict.fromkeys(labels, range(segmentation.shape[0])) if options.empty_frames else found
    if kind == "labelmap":
        frames = [(0, index) for index in sorted({int(one) for slices in chosen.values() for one in slices})]
        numbers = {label: label for label in labels}
        stored = BYTE if max(labels) < 1 << 8 else WORD
    else:
        frames = [(label, int(index)) for label in labels for index in chosen[label]]
        numbers = {label: number for number, label in enumerate(labels, 1)}
        stored = BIT if kind == "binary" else BYTE
    return FramePlan(
        segmentation,
        tuple(frames) or ((0 if kind == "labelmap" else labels[0], 0),),  # an object has at least one
        numbers,
        stored,
        kind,
        frozenset(label for label, slices in found.items() if len(slices)),
    )
