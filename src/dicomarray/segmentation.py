"""A segmentation: which voxels of a grid belong to which structure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from dicomarray.core.coded_warnings import warning
from dicomarray.core.label_layer import LabelLayer, Labels, Layers
from dicomarray.core.nearest import nearest_voxels
from dicomarray.core.notebook import notebook
from dicomarray.core.pixel_values import Array
from dicomarray.core.segments import MAX_NUMBER, Segment
from dicomarray.core.volume_info import VolumeInfo
from dicomarray.errors import InputError, SegmentationError, UsageError
from dicomarray.formats.segment_list import Segments, segments_of
from dicomarray.volume import OnGrid, Volume

LABELS = "labels"  # the units of a label array
RESAMPLED = warning("masks were brought to another grid by the nearest voxel [resampled]")
ONE_STEP = (
    "masks are of one step, or of all at once. Give array[N] of a 4-D array, and time=N (--time N) where it "
    "is written"
)
HALF = 0.5  # a voxel of a fractional segment is in its mask where at least so much of it is covered

Mask = NDArray[np.bool_]
Fraction = NDArray[np.float32]


class Segmentation(OnGrid):
    """Structures on one grid, overlapping or not.

    Parameters
    ----------
    array
        (slices, rows, columns) of whole numbers, 0 for background; or a bool mask of one segment; or a
        mapping from names to masks, bool, or float in [0, 1] where a voxel can be covered in part.
    segments
        What the numbers stand for: ``{1: "liver", 2: "spleen"}``, `Segment`s, or the path of a JSON of
        either; names are looked up in the table of coded terms.  With a mapping it may be left out, else it
        has one for each of its names, by `Segment.label`.  A segment may have no voxel.
    geometry_of
        The volume (or what is known of it) whose grid it is: of a 4-D one the slices, rows and columns.

    Raises
    ------
    SegmentationError
        Where a number has no segment, a name is unknown, or the array has another shape than the grid.
    UsageError
        Where the array holds no labels at all, or ``geometry_of`` is none of these.
    """

    __slots__ = ("_distinct", "_fractions", "_layers", "info")

    def __init__(
        self,
        array: Array | Mapping[str, Array],
        segments: Segments | None = None,
        *,
        geometry_of: Volume | Segmentation | VolumeInfo,
    ) -> None:
        segments = segments_of(segments, array if isinstance(array, Mapping) else ())
        grid = getattr(geometry_of, "info", geometry_of)
        if not isinstance(grid, VolumeInfo):
            raise UsageError(f"geometry_of is a {type(grid).__name__}: give a Volume or a Segmentation")
        layers, fractions = _taken(array, segments)
        shape = next(iter((*(one.labels for one in layers.values()), *fractions.values()))).shape
        self._set(layers, fractions, info_of_labels(grid, shape, segments))

    @classmethod
    def from_layers(
        cls, layers: Sequence[Labels], fractions: Mapping[int, Fraction], info: VolumeInfo
    ) -> Self:
        """What a reader found: label arrays, within each of which no segments overlap.

        ``fractions`` are the segments that cover voxels in part, by number; ``info`` has the segments.
        """
        by_number: dict[int, LabelLayer] = {}
        found = [LabelLayer(layer) for layer in layers or (np.zeros(info.shape, np.uint8),)]
        for layer in found:
            by_number |= dict.fromkeys(layer.numbers, layer)
        for segment in info.segments:
            if segment.number not in fractions:
                by_number.setdefault(segment.number, found[0])
        return cls._of(by_number, fractions, info)

    @classmethod
    def _of(
        cls, layers: Mapping[int, LabelLayer], fractions: Mapping[int, Fraction], info: VolumeInfo
    ) -> Self:
        made = cls.__new__(cls)
        made._set(layers, fractions, info)
        return made

    def relocated(self, grid: VolumeInfo) -> Self:
        """The same masks as the slices of a grid of their shape."""
        return self._of(self._layers, self._fractions, info_of_labels(grid, self.shape, self.segments))

    def resampled(self, grid: VolumeInfo) -> Self:
        """On another grid, each voxel as the nearest one of this grid is; outside of this grid nothing.

        Raises
        ------
        SegmentationError
            Where one of the two has no place in the patient.
        """
        if self.geometry is None or grid.geometry is None:
            raise SegmentationError(
                "masks or images without a place in the patient cannot be brought together"
            )
        wanted = grid.shape[grid.slice_axis : grid.slice_axis + 3]
        old = self._arrays()
        new = {id(part): np.zeros(wanted, part.dtype) for part in old}
        for index, (voxels, inside) in enumerate(
            nearest_voxels(self.geometry, self.shape, grid.geometry, wanted)
        ):
            for part in old:
                new[id(part)][index][inside] = part[voxels]
        info = info_of_labels(grid, wanted, self.segments)
        return self.turned(lambda array: new[id(array)], info.warned(self.warnings + RESAMPLED))

    def flipped(self) -> Self:
        """The same masks with their slices in the other order, and no images to which they belong."""
        return self.turned(lambda array: np.flip(array, 0), dataclasses.replace(self.info, slices=()))

    def turned(self, turn: Callable[[Array], Array], info: VolumeInfo) -> Self:
        """The same segments with their arrays turned or changed; ``info`` says where they lie then."""
        changed = {id(layer): LabelLayer(turn(layer.labels)) for layer in self._distinct}
        return self._of(
            {number: changed[id(layer)] for number, layer in self._layers.items()},
            {number: turn(part) for number, part in self._fractions.items()},
            info,
        )

    def _set(
        self, layers: Mapping[int, LabelLayer], fractions: Mapping[int, Fraction], info: VolumeInfo
    ) -> None:
        numbers = [segment.number for segment in info.segments]
        if len(set(numbers)) != len(numbers):
            raise SegmentationError(f"two segments have one number: {sorted(numbers)!s:.80}")
        unnamed = sorted({*layers, *fractions} - set(numbers))
        if unnamed:
            raise SegmentationError(
                f"the labels {unnamed!s:.80} have no segment: give segments={{{unnamed[0]}: NAME, ...}} "
                f'(--segments FILE: {{"{unnamed[0]}": NAME, ...}})'
            )
        self._layers = dict(layers)
        self._distinct = tuple({id(layer): layer for layer in layers.values()}.values())
        self._fractions = dict(fractions)
        ordered = tuple(sorted(info.segments, key=lambda segment: segment.number))
        self.info = dataclasses.replace(info, units=LABELS, segments=ordered)

    def __repr__(self) -> str:
        names = ", ".join(segment.label for segment in self.segments[:4])
        more = f" and {len(self.segments) - 4} more" if len(self.segments) > 4 else ""
        return f"<Segmentation {'x'.join(map(str, self.shape))}: {names}{more}>"

    def _repr_html_(self) -> str:
        """The masks in colour, in a notebook."""
        return str(notebook("segmentation_html", self))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        """``numpy.asarray(segmentation)`` is `labels`."""
        labels = self.labels  # made anew, so that a copy costs nothing
        return labels if dtype is None else labels.astype(dtype, copy=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """(slices, rows, columns)."""
        return self.info.shape

    @property
    def segments(self) -> tuple[Segment, ...]:
        """In the order of their numbers."""
        return self.info.segments

    @property
    def fractional(self) -> bool:
        """Whether voxels may be covered in part."""
        return bool(self._fractions)

    @property
    def labels(self) -> Labels:
        """(slices, rows, columns), uint8, or uint16 where numbers are above 255; 0 is background.

        Raises
        ------
        SegmentationError
            Where segments overlap; the message names them.
        """
        dtype = self._dtype
        if len(self._distinct) == 1 and not self._fractions:
            return self._distinct[0].labels.astype(dtype)
        out = np.zeros(self.shape, dtype)
        for layer in self._each_layer():
            self._put(out, layer)
        return out

    def label_image(self, index: int) -> Labels:
        """The labels of one slice, (rows, columns), not to be changed; see `labels`."""
        whole = self.labels if len(self._distinct) != 1 or self._fractions else self._distinct[0].labels
        image: Labels = whole[index]
        return image

    def _put(self, out: Labels, layer: Labels) -> None:
        inside = layer != 0
        both = inside & (out != 0)
        if both.any():
            pair = out[both][0], layer[both][0]
            names = " and ".join(f'"{self.segment(int(number)).label}"' for number in pair)
            raise SegmentationError(
                f"the segments {names} overlap in {np.count_nonzero(both)} voxels, which one label array "
                "cannot say: take them one by one in Python, load_segmentation(...).mask(NAME)"
            )
        out[inside] = layer[inside]

    def _arrays(self) -> tuple[Array, ...]:
        return (*(layer.labels for layer in self._distinct), *self._fractions.values())

    def segment(self, which: str | int) -> Segment:
        """A segment by its number or label.

        Raises
        ------
        SegmentationError
            Where there is none, or several have the label.
        """
        found = [s for s in self.segments if which in (s.number, s.label)]
        if len(found) == 1:
            return found[0]
        problem = "several segments have" if found else "no segment has"
        known = ", ".join(f'{s.number} "{s.label}"' for s in self.segments)
        kind = "label" if isinstance(which, str) else "number"
        raise SegmentationError(f"{problem} the {kind} {which!r:.80}; there are {known:.500}")

    def mask(self, which: str | int) -> Mask:
        """Where a segment is, by label or number: bool, (slices, rows, columns).

        Of a fractional segment, where at least half of a voxel is covered.
        """
        number = self.segment(which).number
        if number in self._fractions:
            return self._fractions[number] >= HALF
        return np.equal(self._layers[number].labels, number)

    def fraction(self, which: str | int) -> Fraction:
        """How much of each voxel a segment covers, or how probable it is there: float32 in [0, 1]."""
        number = self.segment(which).number
        if number in self._fractions:
            return self._fractions[number].copy()
        return self.mask(number).astype(np.float32)

    def layer_of(self, which: str | int) -> Labels:
        """The label array that a segment without fractions is in, with others; not to be changed."""
        return self._layers[self.segment(which).number].labels

    @property
    def layers(self) -> tuple[Labels, ...]:
        """Label arrays that together hold all segments, in each of which none overlap.

        Of segments that cover voxels in part these have the masks.
        """
        return tuple(self._each_layer())

    def _each_layer(self) -> Iterator[Labels]:
        yield from (layer.labels for layer in self._distinct)
        for number in self._fractions:
            yield np.multiply(self.mask(number), number, dtype=self._dtype)

    @property
    def _dtype(self) -> np.dtype[Any]:
        """The narrowest that holds all numbers."""
        return np.min_scalar_type(max((segment.number for segment in self.segments), default=0))

    @property
    def overlapping(self) -> bool:
        """Whether one label array cannot hold all segments: where two of them share a voxel."""
        return len(self._distinct) > 1 or len(self._fractions) > 1

    def covered(self, index: int) -> Mask:
        """Which pixels of a slice, (rows, columns), belong to any segment."""
        found: Mask = np.any([part[index] > 0 for part in self._arrays()], axis=0)
        return found

    def presence(self) -> dict[int, NDArray[np.intp]]:
        """For each segment, by its number, the slices in which it has voxels, ascending."""
        found = {number: np.flatnonzero(part.any(axis=(1, 2))) for number, part in self._fractions.items()}
        return found | {number: layer.slices_of(number) for number, layer in self._layers.items()}

    def slice_of(self, which: str | int, index: int) -> Mask | Fraction:
        """One slice of a segment, (rows, columns): its fractions where it is fractional, else its mask."""
        number = self.segment(which).number
        if number in self._fractions:
            fraction: Fraction = self._fractions[number][index]
            return fraction
        mask: Mask = np.equal(self._layers[number].labels[index], number)
        return mask

    def with_segments(self, segments: Sequence[Segment]) -> Self:
        """The same masks with other words about them; numbers stay what they are, further ones are empty.

        Raises
        ------
        SegmentationError
            Where a number has no segment, or two have one.
        """
        further = {one.number for one in segments} - set(self._layers) - set(self._fractions)
        spare = next(iter(self._layers.values()), None) or LabelLayer(np.zeros(self.shape, np.uint8))
        layers = self._layers | dict.fromkeys(further, spare)
        return self._of(layers, self._fractions, dataclasses.replace(self.info, segments=tuple(segments)))

    def volume(self) -> Volume:
        """The labels as a volume, with what its sidecar says of the segments."""
        labels = self.labels
        return Volume(labels, dataclasses.replace(self.info, dtype=labels.dtype))

    def save(
        self, npy: str | PathLike[str], json: str | PathLike[str] | None = None, *, overwrite: bool = False
    ) -> None:
        """Write the labels as ``.npy`` and grid and segments as JSON; both appear whole, or neither does.

        Raises
        ------
        SegmentationError
            Where segments overlap.
        OutputError
            Where a file exists and ``overwrite`` is not set, or cannot be written.
        """
        self.volume().save(npy, json, overwrite=overwrite)

    @classmethod
    def load(cls, npy: str | PathLike[str], json: str | PathLike[str] | None = None) -> Self:
        """What `save` wrote; without ``json`` the sidecar beside the array.

        Raises
        ------
        InputError
            Where a file is missing or damaged, the two do not belong together, or they hold no labels.
        """
        volume = Volume.load(npy, json)
        array = np.asarray(volume.array)
        if array.dtype.kind not in "ui" or not volume.info.segments:
            raise InputError(f"{npy} holds no labels of segments: its sidecar has no segments")
        return cls.from_layers([_as_unsigned(array)], {}, volume.info)


def info_of_labels(grid: VolumeInfo, shape: tuple[int, ...], segments: Sequence[Segment]) -> VolumeInfo:
    """What is known of labels on the grid of a volume: its place, and the images of one repetition."""
    first = grid.slice_axis
    wanted = grid.shape[first : first + 3]
    if shape != wanted:
        raise SegmentationError(
            f"the labels have the shape {shape}, the grid {wanted} (slices, rows, columns)"
        )
    slices = grid.slices if len(grid.slices) == wanted[0] else ()
    return VolumeInfo(
        wanted,
        np.dtype(np.uint8),
        grid.axes[first : first + 3],
        LABELS,
        grid.geometry,
        series=grid.series,
        slices=slices,
        segments=tuple(segments),
    )


def _taken(
    array: Array | Mapping[str, Array], segments: Sequence[Segment]
) -> tuple[dict[int, LabelLayer], dict[int, Fraction]]:
    """The layer of labels that each segment is in, and those that cover voxels in part."""
    if isinstance(array, Mapping):
        return _of_masks(array, segments)
    array = np.asarray(array)
    if array.ndim != 3:
        raise UsageError(f"labels have three axes (slice, row, column), and not {array.ndim}: {ONE_STEP}")
    if array.dtype.kind in "bf" and len(segments) == 1:
        return _of_masks({segments[0].label: array}, segments)
    if array.dtype.kind not in "ui":
        raise UsageError(f"labels are whole numbers or a bool mask of one segment, and not {array.dtype}")
    layer = LabelLayer(_as_unsigned(array))
    numbers = {*layer.numbers, *(segment.number for segment in segments)}
    return dict.fromkeys(sorted(numbers), layer), {}


def _of_masks(
    masks: Mapping[str, Array], segments: Sequence[Segment]
) -> tuple[dict[int, LabelLayer], dict[int, Fraction]]:
    """Masks by name, laid into as few label arrays as their overlaps allow."""
    numbers = {segment.label: segment.number for segment in segments}
    unknown = sorted(set(masks) - set(numbers))
    if unknown or not masks:
        raise SegmentationError(
            f"the mask {unknown[0]!r:.80} has no segment" if masks else "there are no masks"
        )
    fractions: dict[int, Fraction] = {}
    placed: dict[int, int] = {}
    layers: Layers | None = None
    for name in masks:  # one at a time: a mapping may read them from files
        mask = np.asarray(masks[name])
        if mask.ndim != 3:
            raise UsageError(f"the mask {name!r:.80} has {mask.ndim} axes, and not three: {ONE_STEP}")
        layers = layers or Layers(mask.shape, max(numbers.values()))
        if mask.shape != (shape := layers.arrays[0].shape):
            raise UsageError(f"the masks have the shapes {sorted({shape, mask.shape})!s:.80}; they need one")
        if mask.dtype.kind == "f":
            fractions[numbers[name]] = _checked_fraction(mask, name)
            continue
        mask = _checked_mask(mask, name)
        box = _box(mask)
        placed[numbers[name]] = layers.put([(box, mask[box])], numbers[name])
    made = [LabelLayer(layer) for layer in layers.arrays] if layers else []
    empty = set(numbers.values()) - set(placed) - set(fractions)
    return {number: made[index] for number, index in (placed | dict.fromkeys(empty, 0)).items()}, fractions


def _box(mask: Mask) -> tuple[slice, ...]:
    """The least box that holds all of a mask; empty where it has none."""
    sides = []
    for axis in range(3):
        found = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        sides.append(slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, 0))
    return tuple(sides)


def _checked_mask(mask: Array, name: str) -> Mask:
    if mask.dtype.kind == "b":
        return mask
    if mask.dtype.kind not in "ui" or ((mask != 0) & (mask != 1)).any():
        raise UsageError(f'the mask "{name}" is {mask.dtype} and not of 0 and 1: make it bool')
    return mask.astype(bool)


def _checked_fraction(fraction: Array, name: str) -> Fraction:
    if not ((fraction >= 0) & (fraction <= 1)).all():  # false for NaN too
        raise UsageError(f'the fractions of "{name}" are not all between 0 and 1')
    return fraction.astype(np.float32)


def _as_unsigned(array: Array) -> Labels:
    """Labels in the narrowest unsigned type that holds them."""
    if array.dtype == np.uint8:
        return array.copy()
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    if low < 0 or high > MAX_NUMBER:
        raise SegmentationError(f"labels are from 0 to {MAX_NUMBER}; these are from {low} to {high}")
    return array.astype(np.uint8 if high < 256 else np.uint16)
