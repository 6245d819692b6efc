"""Which frames a segmentation gets, and the stored values of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    labels = [segment.number for segment in segmentation.segments]
    if options.kind == "labelmap":
        return _label_map(segmentation, options, labels)
    found = segmentation.presence()
    covered = _covered(found)
    slices: Any = range(segmentation.shape[0])
    chosen = dict.fromkeys(labels, slices) if options.empty_frames else found
    frames = tuple((label, int(index)) for label in labels for index in chosen[label])
    return FramePlan(
        segmentation,
        frames or ((labels[0], 0),),  # an object has at least one
        {label: number for number, label in enumerate(labels, 1)},
        BIT if options.kind == "binary" else BYTE,
        options.kind,
        covered,
    )


def _label_map(segmentation: Segmentation, options: SegmentationOptions, labels: Sequence[int]) -> FramePlan:
    if segmentation.overlapping:
        try:
            segmentation.labels  # noqa: B018 - it names those that overlap
        except SegmentationError as error:
            raise SegmentationError(f'{error}. A label map cannot hold them; take kind="binary"') from error
    found = segmentation.presence()
    every = range(segmentation.shape[0])
    slices = every if options.empty_frames else sorted({int(i) for chosen in found.values() for i in chosen})
    frames = tuple((0, index) for index in slices)
    return FramePlan(
        segmentation,
        frames or ((0, 0),),
        {label: label for label in labels},
        BYTE if max(labels) < 1 << 8 else WORD,
        options.kind,
        _covered(found),
    )


def _covered(found: Mapping[int, NDArray[np.intp]]) -> frozenset[int]:
    return frozenset(label for label, slices in found.items() if len(slices))
