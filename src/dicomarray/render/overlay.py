"""Masks in colour over the greys of a volume: a tint inside, its full colour along the edge; NumPy only."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dicomarray.core.coded_terms import look_up
from dicomarray.core.geometry import stacks_apart
from dicomarray.core.label_layer import Labels
from dicomarray.core.pixel_values import Array
from dicomarray.core.segments import Colour, Segment
from dicomarray.errors import GeometryError, SegmentationError
from dicomarray.render.planes import DrawnPlane, Legend, Place, planes_of
from dicomarray.segmentation import Segmentation
from dicomarray.volume import Volume

# How much of a voxel's colour is the mask's, inside and along its edge.
TINT, EDGE = 0.35, 0.9
# Stacks that lie further apart than this, in mm anywhere in the volume, are in two places.
SAME_PLACE_MM = 0.1
# Turns of the colour wheel from one number to the next: any few that follow each other are far apart.
_TURN = 0.618034


@dataclass(frozen=True, eq=False)
class Overlay:
    """The masks of a segmentation on the grid of a volume, one number a voxel.

    ``colours`` (numbers, 3), uint8, has a row for each number; ``shown_at`` is where most is seen of the
    segments.
    """

    labels: Labels
    colours: NDArray[np.uint8]
    segments: tuple[Segment, ...]
    shown_at: Place
    notes: tuple[str, ...]
    volume: Volume

    @classmethod
    def of(cls, segmentation: Segmentation, volume: Volume) -> Overlay:
        """What is drawn over a volume, or over each of its repetitions."""
        check_grid(segmentation, volume)
        labels, notes = _one_a_voxel(segmentation)
        segments = segmentation.segments
        colours = np.zeros((max((s.number for s in segments), default=0) + 1, 3), np.uint8)
        for segment in segments:
            colours[segment.number] = colour_of(segment)
        info = replace(segmentation.info, dtype=labels.dtype, geometry=volume.geometry)
        return cls(labels, colours, segments, _most(labels), notes, Volume(labels, info))

    def planes(self) -> list[DrawnPlane]:
        """The numbers in the planes that `planes_of` cuts of the volume at `shown_at`."""
        return planes_of(self.volume, self.shown_at)

    def legend(self, planes: Sequence[Array]) -> Legend:
        """The colour and label of each segment that is in some planes of numbers."""
        present = {int(number) for plane in planes for number in np.unique(plane)}
        return tuple((colour_of(s), s.label) for s in self.segments if s.number in present)

    def paint(self, pixels: NDArray[np.uint8], numbers: Array) -> NDArray[np.uint8]:
        """Pixels (rows, columns[, 3]) in RGB, with the masks over them."""
        rgb = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
        weight = np.where(numbers > 0, np.where(_is_edge(numbers), EDGE, TINT), 0.0)[..., None]
        return np.asarray(np.round(rgb * (1 - weight) + self.colours[numbers] * weight).astype(np.uint8))


def colour_of(segment: Segment) -> Colour:
    """Its own, else that of the table of terms, else one of its number's."""
    if segment.colour is not None:
        return segment.colour
    term = look_up(segment.label)
    if term is not None:
        return term.colour
    red, green, blue = colorsys.hsv_to_rgb(segment.number * _TURN % 1, 0.75, 1)
    return round(255 * red), round(255 * green), round(255 * blue)


def _one_a_voxel(segmentation: Segmentation) -> tuple[Labels, tuple[str, ...]]:
    """Labels also where segments overlap; then the one with the higher number is seen."""
    try:
        return segmentation.labels, ()
    except SegmentationError:
        highest = max(segment.number for segment in segmentation.segments)
        labels = np.zeros(segmentation.shape, np.min_scalar_type(highest))
        for segment in segmentation.segments:
            labels[segmentation.mask(segment.number)] = segment.number
        return labels, ("Segments overlap; where they do, the last one is drawn.",)


def _most(labels: Labels) -> Place:
    """The slice, row and column that show most of the segments; a small one counts as much as a large."""
    sizes = np.bincount(labels.reshape(-1))
    weights = np.zeros(len(sizes))
    np.divide(1.0, sizes, out=weights, where=sizes > 0)
    weights[0] = 0
    if not weights.any():
        return labels.shape[0] // 2, labels.shape[1] // 2, labels.shape[2] // 2
    best = []
    for axis in range(3):
        planes = np.moveaxis(labels, axis, 0)
        shown = [np.bincount(plane.reshape(-1), minlength=len(sizes)) @ weights for plane in planes]
        best.append(int(np.argmax(shown)))
    return best[0], best[1], best[2]


def _is_edge(numbers: Array) -> NDArray[np.bool_]:
    """Where a neighbour in the plane has another number."""
    padded = np.pad(numbers, 1, mode="edge")
    neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    edge = np.zeros(numbers.shape, bool)
    for neighbour in neighbours:
        edge |= neighbour != numbers
    return edge


def check_grid(segmentation: Segmentation, volume: Volume) -> None:
    """Raise GeometryError where masks lie on another grid than a volume."""
    first = volume.info.slice_axis
    shape = volume.array.shape[first : first + 3]
    if segmentation.shape != shape:
        raise GeometryError(
            f"the overlay has the shape {segmentation.shape}, the volume {shape} (slices, rows, columns): it "
            "was made of another volume"
        )
    one, other = segmentation.geometry, volume.geometry
    if one is None or other is None:
        if one is not other:
            which = "overlay" if one is None else "volume"
            raise GeometryError(
                f"the {which} has no patient geometry, so nothing says that both are in place"
            )
        return
    if (apart := stacks_apart(one, other, shape)) > SAME_PLACE_MM:
        raise GeometryError(
            f"the overlay lies elsewhere than the volume, by up to {apart:.3g} mm: it was made of another one"
        )
