"""The stored values of one file's frames, native or compressed (PS3.5 8, Annex A).

Stored values are the numbers as the file holds them: not rescaled, MONOCHROME1 not inverted, PALETTE COLOR
as indices.  Only colour is converted: always RGB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from os import PathLike
from pathlib import Path

import numpy as np
from pydicom.config import IGNORE
from pydicom.datadict import keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicomarray.errors import InputError, UsageError
from dicomarray.reading.codecs import COMPRESSIONS, decode_frame, decodes_to_rgb
from dicomarray.reading.element_values import decode, value_representation
from dicomarray.reading.fragments import EncapsulationError, Fragment, frame_fragments, read_fragments
from dicomarray.reading.native import NATIVE_SYNTAXES, check_native, native_frame, ybr_to_rgb
from dicomarray.reading.part10 import read_part10
from dicomarray.reading.pixel_description import KEYWORDS, PixelDescription
from dicomarray.reading.pixel_source import (
    DEFLATED,
    PixelSource,
    read_header,
    read_whole,
    source_in_file,
    source_in_memory,
    unpack_offsets,
)
from dicomarray.values import Array

__all__ = ["OpenPixels", "PixelDescription", "PixelSource", "open_pixels", "read_frames", "read_source"]


# What our own reader has to find in a header for the pixel data to be read.
WALKED_TAGS = {name: int(tag) for name in KEYWORDS if (tag := tag_for_keyword(name)) is not None}
EXTENDED_OFFSETS = 0x7FE00001  # Extended Offset Table, PS3.3 C.7.6.3.1.8
WALKED = frozenset((EXTENDED_OFFSETS, *WALKED_TAGS.values()))
WALKED_VRS = (None, "OB", "OW", "OF", "OD")


@dataclass(frozen=True, slots=True)
class OpenPixels:
    """A file whose header is read and checked, and whose pixel data can be read; see `open_pixels`."""

    dataset: Dataset
    description: PixelDescription
    source: PixelSource

    def read(self, frames: Sequence[int] | None = None) -> Array:
        """The stored values of ``frames`` (all without); see `read_frames`."""
        return read_source(self.source, self.description, frames)


@contextmanager
def open_pixels(path: str | PathLike[str]) -> Iterator[OpenPixels]:
    """Read and check the header of a file, and leave its pixel data where it is until it is asked for.

    >>> with open_pixels("image.dcm") as pixels:            # doctest: +SKIP
    ...     first = pixels.read([0])                        # (1, rows, columns)

    Raises
    ------
    InputError
        Where the file cannot be read, or is no DICOM file.
    HeaderError
        Where the header breaks PS3.3 C.7.6.3.
    PixelError
        Where there is no pixel data, or a kind that is not read.
    """
    name = str(path)
    try:
        stream = Path(path).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}") from error
    with stream:
        dataset = read_header(stream, name)
        meta = getattr(dataset, "file_meta", None)
        if meta is not None and meta.get("TransferSyntaxUID") == DEFLATED:
            dataset = read_whole(stream, name)
            source = source_in_memory(dataset, name)
        else:
            source = source_in_file(stream, dataset, name)
        yield OpenPixels(dataset, PixelDescription.from_dataset(dataset, name, source.keyword), source)


def read_frames(dataset_or_path: Dataset | str | PathLike[str], frames: Sequence[int] | None = None) -> Array:
    """Read the stored values of one file.

    Parameters
    ----------
    dataset_or_path
        A file, of which only the frames asked for are read, or a data set with its pixel data.
    frames
        Indices from 0, in the order wanted; without them all frames.

    Returns
    -------
    ndarray
        ``(frames, rows, columns)``, or ``(frames, rows, columns, 3)`` RGB for colour; the type that
        `PixelDescription.array_dtype` says, native byte order.

    Raises
    ------
    InputError
        Where the file cannot be read, or is no DICOM file.
    HeaderError
        Where the header breaks PS3.3 C.7.6.3.
    PixelError
        Where pixel data is missing, truncated, damaged, of an unknown transfer syntax, or not what the
        header says; the message names file and frame.
    UsageError
        Where a frame is asked for that the file does not have.
    """
    if isinstance(dataset_or_path, Dataset):
        name = str(getattr(dataset_or_path, "filename", None) or "data set")
        source = source_in_memory(dataset_or_path, name)
        return read_source(
            source, PixelDescription.from_dataset(dataset_or_path, name, source.keyword), frames
        )
    known = _read_by_walking(Path(dataset_or_path), frames)
    if known is not None:
        return known
    with open_pixels(dataset_or_path) as pixels:
        return pixels.read(frames)


def _read_by_walking(path: Path, frames: Sequence[int] | None) -> Array | None:
    """The frames of a file that our own reader understands; None where pydicom has to read the header."""
    try:
        with path.open("rb") as stream:
            part10 = read_part10(stream, WALKED)
            place = None if part10 is None else part10.pixels
            if part10 is None or place is None or place.vr not in WALKED_VRS:
                return None
            keyword = keyword_for_tag(place.tag)
            table = part10.elements.get(EXTENDED_OFFSETS)
            values = {
                name: decode(value_representation(element.vr, tag, False), element.value, True, ())
                for name, tag in WALKED_TAGS.items()
                if (element := part10.elements.get(tag)) is not None
            }
            description = PixelDescription.from_values(values, part10.transfer_syntax, str(path), keyword)
            source = PixelSource(
                stream=stream,
                start=place.start,
                length=place.length,
                available=part10.size - place.start,
                keyword=keyword,
                vr=place.vr or "OW",
                extended_offsets=() if table is None else unpack_offsets(table.value, str(path)),
            )
            return read_source(source, description, frames)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def read_source(
    source: PixelSource, description: PixelDescription, frames: Sequence[int] | None = None
) -> Array:
    """The stored values of ``frames`` from pixel data whose place is known; see `read_frames`."""
    wanted = _wanted_frames(description, frames)
    shape = (len(wanted), *description.frame_shape)
    try:
        read_one = _frame_reader(source, description)
        first = [read_one(frame) for frame in wanted[:1]]  # it shows whether the header's sizes are true
        result = np.empty(shape, description.array_dtype)
        for place, values in enumerate(chain(first, map(read_one, wanted[1:]))):
            result[place] = values
    except MemoryError as error:
        raise description.trouble(f"there is no memory for an array of shape {shape}") from error
    except OSError as error:
        raise description.trouble(f"the pixel data cannot be read: {error.strerror}") from error
    return result


def _wanted_frames(description: PixelDescription, frames: Sequence[int] | None) -> Sequence[int]:
    if frames is None:
        return range(description.frames)
    for frame in frames:
        if not 0 <= frame < description.frames:
            raise UsageError(
                f"{description.path}: frame {frame} was asked for, but NumberOfFrames is "
                f"{description.frames} (counted from 0)"
            )
    return frames


def _frame_reader(source: PixelSource, description: PixelDescription) -> Callable[[int], Array]:
    """The function that reads one frame; all that can be checked without reading one is checked here."""
    syntax = description.transfer_syntax
    if syntax in NATIVE_SYNTAXES:
        check_native(source, description)
        return lambda frame: native_frame(source, description, frame)
    if syntax not in COMPRESSIONS:
        raise description.trouble(
            f"pixel data of transfer syntax {UID(syntax, IGNORE).name} ({syntax}) is not read; "
            "convert the file to another one"
        )
    if description.stored.floating:
        raise description.trouble(f"floating point pixel data is native, not {syntax} (PS3.5 8.2)")
    try:
        fragments = frame_fragments(
            source.stream,
            source.start,
            source.start + source.size,
            description.frames,
            source.extended_offsets,
        )
    except EncapsulationError as error:
        raise description.trouble(str(error)) from error
    return lambda frame: _compressed_frame(source, fragments[frame], description, frame)


def _compressed_frame(
    source: PixelSource, fragments: Sequence[Fragment], description: PixelDescription, frame: int
) -> Array:
    stream = read_fragments(source.stream, fragments)
    decoded = decode_frame(stream, description, frame)
    if description.samples == 1 or decodes_to_rgb(stream, description):
        return decoded
    return ybr_to_rgb(decoded, description)
