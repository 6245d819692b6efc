"""The frames of a DICOM Segmentation -> a `Segmentation` on a grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicomarray.core.pixel_values import Array
from dicomarray.core.volume_info import VolumeInfo
from dicomarray.dicom.pixels.reader import FrameReader, open_frames
from dicomarray.errors import PixelError, SegmentationError
from dicomarray.objects.segmentation.description import BINARY, LABELMAP, SegmentationFile
from dicomarray.objects.segmentation.grids import FramePlace, place_frames
from dicomarray.segmentation import Segmentation, info_of_labels

Labels = NDArray[np.unsignedinteger[Any]]
Placed = tuple[int, FramePlace, int]  # number in the file, place on the grid, index of the frame


def read_masks(file: SegmentationFile, info: VolumeInfo) -> Segmentation:
    """All masks on a grid whose slices the frames are; see `place_frames`.

    Raises SegmentationError where a frame is on no slice of the grid, or the file contradicts itself;
    PixelError where pixels cannot be read.
    """
    try:
        return _read_masks(file, info)
    except MemoryError as error:
        shape = info.shape[info.slice_axis : info.slice_axis + 3]
        raise SegmentationError(f"{file.path}: there is no memory for masks of shape {shape}") from error


def read_label_images(file: SegmentationFile, info: VolumeInfo) -> Iterator[tuple[int, Labels]]:
    """The images of a label map on a grid, one after the other: which slice each is, and its labels."""
    with _opened(file, info) as (stack, frames):
        yield from _label_images(stack, frames)


def _read_masks(file: SegmentationFile, info: VolumeInfo) -> Segmentation:
    with _opened(file, info) as (stack, frames):
        made = info_of_labels(info, stack.shape, tuple(file.segments.values()))
        made = replace(made, warnings=info.warnings + file.warnings)
        if file.kind == LABELMAP:
            labels = _label_map(stack, frames)
            try:
                return Segmentation.from_layers([labels], {}, made)
            except SegmentationError as error:
                raise SegmentationError(
                    f"{file.path} holds labels that SegmentSequence does not describe (PS3.3 C.8.20.2): "
                    f"{error}"
                ) from error
        if file.kind == BINARY:
            return Segmentation.from_layers(_binary(stack, frames), {}, made)
        return Segmentation.from_layers([], _fractions(stack, frames), made)


@contextmanager
def _opened(file: SegmentationFile, info: VolumeInfo) -> Iterator[tuple[_Frames, list[Placed]]]:
    """The frames of a file on a grid, in the order of their segments."""
    places = place_frames(file, info)
    if isinstance(places, str):
        raise SegmentationError(
            f"{file.path} does not lie on the grid asked for, {places}. Load the masks without on=, or bring "
            'them to that grid by nearest neighbour (resample="nearest", --resample nearest)'
        )
    frames = sorted(
        ((frame.number, place, frame.index) for frame, place in zip(file.frames, places, strict=True)),
        key=itemgetter(0),
    )
    with open_frames(file.path) as reader:
        if (reader.description.rows, reader.description.columns) != (file.rows, file.columns):
            raise PixelError(f"{file.path}: its frames are not of {file.rows} x {file.columns} pixels")
        yield _Frames(reader, file, info.shape[info.slice_axis : info.slice_axis + 3]), frames


class _Frames:
    """The stored values of frames as images of the grid."""

    def __init__(self, reader: FrameReader, file: SegmentationFile, shape: tuple[int, ...]) -> None:
        self._reader, self.file, self.shape = reader, file, shape

    def image(self, place: FramePlace, index: int) -> Array:
        """A frame where it lies."""
        image = place.put(self._reader.read(index)[0], *self.shape[-2:])
        if image is None:
            raise SegmentationError(
                f"{self.file.path}: frame {index + 1} reaches beyond the grid asked for; load the masks on "
                'their own grid (on=None), or cut them by resample="nearest"'
            )
        return image

    def bit_rows(self, place: FramePlace, index: int) -> tuple[int, Array]:
        """As `bits`, but only rows outside of which all is 0, and which is the first of them."""
        if place.turn is None and self._reader.description.stored.bits_stored == 1:
            return self._reader.read_rows(index)
        return 0, self.bits(place, index)

    def bits(self, place: FramePlace, index: int) -> Array:
        """As `image`, where stored values must be 0 or 1."""
        image = self.image(place, index)
        if self._reader.description.stored.bits_stored > 1 and image.max(initial=0) > 1:
            raise SegmentationError(
                f"{self.file.path}: frame {index + 1} of a BINARY segmentation holds {int(image.max())}, and "
                "not 0 and 1 (PS3.3 C.8.20.2)"
            )
        return image


def _label_map(stack: _Frames, frames: Sequence[Placed]) -> Labels:
    numbers = [segment.number for segment in stack.file.segments.values()]
    labels: Labels = np.zeros(stack.shape, np.min_scalar_type(max(numbers)))
    for index, image in _label_images(stack, frames):
        labels[index] = image
    return labels


def _label_images(stack: _Frames, frames: Sequence[Placed]) -> Iterator[tuple[int, Labels]]:
    file, seen = stack.file, set[int]()
    for _, place, index in frames:
        if place.index in seen:
            raise _twice(file, index, "a label map has one frame for each place")
        seen.add(place.index)
        image = stack.image(place, index)
        if file.background:
            image = np.where(image == file.background, image.dtype.type(0), image)
        yield place.index, image


def _binary(stack: _Frames, frames: Sequence[Placed]) -> list[Labels]:
    """Label arrays, in each of which no segments overlap; ``frames`` are in the order of their segments."""
    file = stack.file
    numbers = [segment.number for segment in file.segments.values()]
    dtype = np.min_scalar_type(max(numbers))
    layers: list[Labels] = [np.zeros(stack.shape, dtype)]
    for number, members in groupby(frames, itemgetter(0)):
        label = dtype.type(file.segments[number].number)
        layer, written = 0, set[int]()
        for _, place, index in members:
            if place.index in written:
                before = layers[layer][place.index] == label
                _check_equal(file, index, before, stack.bits(place, index))
                continue
            first, rows = stack.bit_rows(place, index)
            inside = np.s_[place.index, first : first + len(rows)]
            while np.minimum(layers[layer][inside], rows).any():
                layer = _moved(layers, layer, label, written)
            layers[layer][inside] |= rows * label
            written.add(place.index)
    return layers


def _moved(layers: list[Labels], layer: int, label: np.unsignedinteger[Any], written: set[int]) -> int:
    """Take a segment to the next layer in which nothing lies where it is; which that is."""
    inside = {index: layers[layer][index] == label for index in written}
    for index, mask in inside.items():
        layers[layer][index][mask] = 0
    following = layer + 1
    while following < len(layers) and any(layers[following][i][mask].any() for i, mask in inside.items()):
        following += 1
    if following == len(layers):
        layers.append(np.zeros_like(layers[0]))
    for index, mask in inside.items():
        layers[following][index][mask] = label
    return following


def _fractions(stack: _Frames, frames: Sequence[Placed]) -> dict[int, NDArray[np.float32]]:
    file = stack.file
    found = {segment.number: np.zeros(stack.shape, np.float32) for segment in file.segments.values()}
    for number, members in groupby(frames, itemgetter(0)):
        fraction, seen = found[file.segments[number].number], set[int]()
        for _, place, index in members:
            image = stack.image(place, index)
            if image.max(initial=0) > file.maximum:
                raise SegmentationError(
                    f"{file.path}: frame {index + 1} holds {int(image.max())}, more than its "
                    f"MaximumFractionalValue {file.maximum} (PS3.3 C.8.20.2.3)"
                )
            values = (image / file.maximum).astype(np.float32)
            if place.index in seen:
                _check_equal(file, index, fraction[place.index], values)
            seen.add(place.index)
            fraction[place.index] = values
    return found


def _check_equal(file: SegmentationFile, index: int, before: Array, image: Array) -> None:
    if not np.array_equal(before.astype(image.dtype), image):
        raise _twice(file, index, "its segment has another, different frame at the same place")


def _twice(file: SegmentationFile, index: int, rule: str) -> SegmentationError:
    return SegmentationError(
        f"{file.path}: frame {index + 1}: {rule}. Where the masks are of several steps (time points), "
        "time=N (--time N) reads those of one"
    )
