"""An instance -> its frames: where each 2-D image lies, how its values read, what tells it from others.

A classic instance is one frame, a mosaic one for each of its slices.  An enhanced multi-frame one says
everything a frame at a time, in its functional groups (PS3.3 C.7.6.16); there the attributes of a frame
stand for those of the data set.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dicomarray.assembly.frames.closed import KeptHeader
from dicomarray.assembly.frames.mosaic_detection import KnownMosaics, is_mosaic
from dicomarray.assembly.frames.multiframe import dose_attributes, frame_attributes
from dicomarray.assembly.options import WITHOUT_PLACES, Geometry
from dicomarray.core.geometry import FARTHEST_MM, Plane
from dicomarray.core.pixel_values import UNREADABLE, Array, Rescale
from dicomarray.dicom.headers.attributes import ABSENT, Attributes
from dicomarray.dicom.headers.header import Header, numbers_of
from dicomarray.dicom.pixels.reader import open_frames
from dicomarray.dicom.transfer_syntaxes import DEFLATED, NATIVE_SYNTAXES
from dicomarray.dicom.vr import Value
from dicomarray.errors import GeometryError, HeaderError, InputError, quoted
from dicomarray.storage.references import ObjectReference, state_of

if TYPE_CHECKING:
    from dicomarray.assembly.frames.mosaics import Tile

# No scanner writes more frames in one object; a larger number is damage.
MAX_FRAMES = 1_000_000
# A compressed frame has a fragment: tag and length of the item, and an even number of bytes (PS3.5 A.4).
MIN_FRAGMENT_BYTES = 10
# To how many bytes one deflated byte can inflate (zlib's "technical details").
GREATEST_DEFLATION = 1032
# CT, MR and PET Image Storage: one image a file, which some writers give a Number of Frames of 1.  Of these a
# series has thousands, which need not be looked through for functional groups.
_CLASSIC_CLASSES = frozenset((
    "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.128",
))  # fmt: skip
# What `Frame` is made of, beside its index.
_DESCRIBING = (
    "Rows", "Columns", "RescaleSlope", "RescaleIntercept", "ImagePositionPatient", "ImageOrientationPatient",
    "PixelSpacing",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One 2-D image: ``index`` counts the frames of its instance from 0.

    ``attributes`` are the instance's, with the frame's own functional groups over them.  ``plane`` is
    None where the image has no place in the patient.  ``tile`` is where in the instance's one image it
    lies, when that is a mosaic; then ``index`` counts the tiles.  ``of_multiframe`` is set for frames that
    functional groups describe, or that are several in an instance.  ``broken`` says why the place cannot be
    known, where frames are read without it instead of an error.
    """

    header: Header
    index: int
    plane: Plane | None
    rows: int
    columns: int
    rescale: Rescale
    attributes: Mapping[str, Value]
    of_multiframe: bool = False
    tile: Tile | None = None
    broken: str | None = None

    def numbers(self, keyword: str, count: int) -> tuple[float, ...] | None:
        """So many finite numbers of an attribute, or None; HeaderError where it is something else."""
        return numbers_of(self.attributes.get(keyword), keyword, count, self.header.reference)

    def number(self, keyword: str) -> float | None:
        """One finite number of an attribute, or None; HeaderError where it is something else."""
        numbers = self.numbers(keyword, 1)
        return None if numbers is None else numbers[0]

    def usable_number(self, keyword: str) -> float | None:
        """As `number`; None also where the attribute is something else."""
        try:
            return self.number(keyword)
        except HeaderError:
            return None

    def with_attributes(self, further: Mapping[str, Value]) -> Frame:
        """The same frame, knowing more attributes."""
        known = self.attributes
        return self.with_replaced({name: value for name, value in further.items() if name not in known})

    def with_replaced(self, values: Mapping[str, Value]) -> Frame:
        """The same frame with these attributes, also in place of those that it has."""
        if not values:
            return self
        known = self.attributes
        several = known.with_values(values) if isinstance(known, Attributes) else {**known, **values}
        return replace(self, attributes=several)

    @property
    def order(self) -> tuple[int, int, str]:
        """Sorts as acquired: Instance Number, then frame number; files without a number last, by name.

        The parts of a concatenation count their frames on (PS3.3 C.7.6.16.2.2.4).
        """
        number = self.header.instance_number
        offset = self.attributes.get("ConcatenationFrameOffsetNumber")
        index = self.index + (offset if isinstance(offset, int) else 0)
        return (1 << 62 if number is None else number, index, str(self.header.reference))


def frames_of(
    header: Header, known: KnownMosaics | None = None, geometry: Geometry = "strict"
) -> list[Frame]:
    """The frames of an instance, in the order of its pixel data.

    ``known`` is what `is_mosaic` found of other instances of its series.  With "ignore" for ``geometry``
    frames whose place is broken have none, and say why; a mosaic whose slices cannot be placed is one frame.

    Raises
    ------
    HeaderError
        Where sizes, positions or slopes are missing or no numbers.
    GeometryError
        Where they are numbers, but no geometry.
    """
    strict = geometry == "strict"
    if header.tiles is not None if isinstance(header, KeptHeader) else is_mosaic(header, known):
        return _mosaic_frames(header, strict)
    count = _frame_count(header)
    if header.attributes.get("Modality") == "RTDOSE":
        return _dose_frames(header, count, strict)
    groups = None if count == 1 and _is_classic(header) else frame_attributes(header, count)
    if groups is None:
        return [_frame(header, 0, header.attributes, multiframe=False, strict=strict)]
    return _frames(header, groups, multiframe=True, strict=strict)


def by_file(frames: Sequence[Frame]) -> Iterator[tuple[int, ...]]:
    """The indices of the frames of each instance, instances in the order of their first frame."""
    first: dict[Header, int] = {}
    further: dict[Header, list[int]] = {}  # most often none: of thousands of files one list each is much
    for index, frame in enumerate(frames):
        if first.setdefault(frame.header, index) != index:
            further.setdefault(frame.header, []).append(index)
    return ((index, *further.get(header, ())) for header, index in first.items())


def read_images(frames: Sequence[Frame]) -> Array:
    """The stored values of frames of one instance: (frames, rows, columns), colour samples last.

    Raises
    ------
    PixelError
        Where pixel data is missing, truncated or damaged; and what else `read_frames` raises.
    """
    header = frames[0].header
    header.check_open()
    with open_frames(header.reference) as reader:
        if frames[0].tile is None:
            return reader.read_all([frame.index for frame in frames])
        picture = reader.read_all([0])[0]
    return np.stack([frame.tile.cut(picture) for frame in frames if frame.tile is not None])


def mosaic_tiles(header: Header) -> Sequence[Tile]:
    """The slices of a mosaic (`is_mosaic`), as its file has them.

    Raises
    ------
    DataError
        Where the file does not tell, or is damaged.
    """
    from dicomarray.assembly.frames.mosaics import Picture, tiles_of

    picture = _whole(header)
    return tiles_of(Picture(header, picture.rows, picture.columns, picture.plane))


def _whole(header: Header, strict: bool = True) -> Frame:
    """The one image of an instance."""
    return _frame(header, 0, header.attributes, multiframe=False, strict=strict)


def _mosaic_frames(header: Header, strict: bool) -> list[Frame]:
    picture = _whole(header, strict)
    try:
        tiles = header.known_tiles() if isinstance(header, KeptHeader) else mosaic_tiles(header)
    except (GeometryError, HeaderError) as error:
        if strict:
            raise _with_way_out(error) from error
        return [replace(picture, plane=None, broken=str(error))]
    return _tile_frames(picture, tiles or ())


def _dose_frames(header: Header, count: int, strict: bool) -> list[Frame]:
    try:
        return _frames(header, dose_attributes(header, count), multiframe=count > 1, strict=strict)
    except (GeometryError, HeaderError) as error:
        unplaced = dose_attributes(header, count, placed=False)  # tells what is wrong with anything else
        if strict:
            raise _with_way_out(error) from error
        frames = _frames(header, unplaced, multiframe=count > 1, strict=strict)
        return [replace(frame, plane=None, broken=str(error)) for frame in frames]


def _with_way_out(error: GeometryError | HeaderError) -> GeometryError | HeaderError:
    """An error about a place that names how images are read without it."""
    stated = str(error)
    return error if WITHOUT_PLACES in stated else type(error)(f"{stated}. {WITHOUT_PLACES}")


def _tile_frames(picture: Frame, tiles: Sequence[Tile]) -> list[Frame]:
    common = dict(picture.attributes)
    return [
        replace(
            picture,
            index=index,
            plane=tile.plane,
            rows=tile.rows,
            columns=tile.columns,
            attributes=ChainMap(dict(tile.attributes), common),
            of_multiframe=False,
            tile=tile,
        )
        for index, tile in enumerate(tiles)
    ]


def _is_classic(header: Header) -> bool:
    """Whether one frame's place and values stand in the data set, and surely not in functional groups."""
    known = header.attributes
    return known.get("ImagePositionPatient") is not None and not may_be_multiframe(known)


def may_be_multiframe(known: Mapping[str, Value]) -> bool:
    """Whether an instance has several frames, or may have functional groups, by its attributes alone."""
    if "NumberOfFrames" not in known:
        return False
    return known["NumberOfFrames"] not in (None, 1) or known.get("SOPClassUID") not in _CLASSIC_CLASSES


def _frame_count(header: Header) -> int:
    value = header.attributes.get("NumberOfFrames")
    count = 1 if value is None else value
    if not isinstance(count, int) or not 1 <= count <= MAX_FRAMES:
        raise HeaderError(
            f"{header.reference}: NumberOfFrames is {quoted(value)} where a positive number is expected"
        )
    if count > 1:
        _check_room(header, count)
    return count


def _check_room(header: Header, count: int) -> None:
    """So many frames need a file of some size: a false number must not cost memory."""
    size = _file_size(header)
    needed = int(count * _least_frame_bytes(header))
    if size is not None and needed > size:
        raise HeaderError(
            f"{header.reference}: NumberOfFrames is {count}, which needs {needed} bytes or more, but the "
            f"file has {size}; it is truncated, or the number is wrong"
        )


def _file_size(header: Header) -> int | None:
    """Bytes; None where it is not known."""
    if isinstance(header, KeptHeader):
        return header.size
    if isinstance(header.reference, ObjectReference) and header.reference.is_described:
        return None
    try:
        return state_of(header.reference).size
    except OSError as error:
        raise InputError(f"{header.reference} cannot be read: {error.strerror}") from error


def _least_frame_bytes(header: Header) -> float:
    """What a frame takes in the file at least."""
    if header.transfer_syntax not in (None, *NATIVE_SYNTAXES):
        return MIN_FRAGMENT_BYTES
    pixels = (header.number("Rows") or 0) * (header.number("Columns") or 0)
    bits = header.number("BitsAllocated") or 1  # where it is missing the pixels say so when they are read
    return pixels * bits / 8 / (GREATEST_DEFLATION if header.transfer_syntax == DEFLATED else 1)


def _frames(header: Header, groups: Sequence[Attributes], multiframe: bool, strict: bool) -> list[Frame]:
    """Frames by their attributes; what some have the very same values for is worked out once."""
    differing = [name for name in _DESCRIBING if name in groups[0].common.slots]
    known: dict[Hashable, Frame] = {}
    frames = []
    for index, attributes in enumerate(groups):
        # by identity: 0.0 and -0.0 are equal, and not the same
        key = tuple([id(attributes.get(name, ABSENT)) for name in differing])
        like = known.get(key) or known.setdefault(key, _frame(header, index, attributes, multiframe, strict))
        described = (like.plane, like.rows, like.columns, like.rescale)
        frames.append(Frame(header, index, *described, attributes, multiframe, broken=like.broken))
    return frames


def _frame(
    header: Header, index: int, attributes: Mapping[str, Value], multiframe: bool, strict: bool
) -> Frame:
    def numbers(keyword: str, size: int = 1) -> tuple[float, ...] | None:
        return _usable_numbers(header, attributes, keyword, size)

    rows, columns = numbers("Rows"), numbers("Columns")
    if rows is None or columns is None or min(*rows, *columns) < 1:
        raise HeaderError(
            f"{header.reference}: Rows and Columns are {rows} and {columns}; no image without them"
        )
    plane, broken = _place(header, attributes, strict)
    return Frame(
        header=header,
        index=index,
        plane=plane,
        rows=int(rows[0]),
        columns=int(columns[0]),
        rescale=_rescale_of(numbers),
        attributes=attributes,
        of_multiframe=multiframe,
        broken=broken,
    )


def _place(header: Header, attributes: Mapping[str, Value], strict: bool) -> tuple[Plane | None, str | None]:
    """The plane, None where nothing says it; and, where that is no error, why it cannot be one."""

    try:
        return _plane(header, attributes), None
    except (GeometryError, HeaderError) as error:
        if strict:
            raise _with_way_out(error) from error
        return None, str(error)


def _usable_numbers(
    header: Header, attributes: Mapping[str, Value], keyword: str, size: int
) -> tuple[float, ...] | None:
    """As `numbers_of`; thousands of frames have the same few values."""
    value = attributes.get(keyword)
    if value is None:
        return None
    try:
        known = _finite_numbers(value, size)
    except TypeError:  # something that has no hash is no number
        known = None
    return numbers_of(value, keyword, size, header.reference) if known is None else known


@lru_cache(maxsize=1024)
def _finite_numbers(value: Value, size: int) -> tuple[float, ...] | None:
    try:
        return numbers_of(value, "", size, Path())
    except HeaderError:
        return None


def _rescale_of(numbers: Callable[[str, int], tuple[float, ...] | None]) -> Rescale:
    """Slope and intercept; stored values can be had without them, so a fault in them is reported later."""
    try:
        slope, intercept = numbers("RescaleSlope", 1), numbers("RescaleIntercept", 1)
    except HeaderError:
        return UNREADABLE
    return _rescale(1.0 if slope is None else slope[0], 0.0 if intercept is None else intercept[0])


@lru_cache(maxsize=1024)
def _rescale(slope: float, intercept: float) -> Rescale:
    return Rescale(slope, intercept)


def _plane(header: Header, attributes: Mapping[str, Value]) -> Plane | None:
    """None where an attribute is absent, or the orientation all zero: scanners write that for "unknown"."""
    name = "ImagePositionPatient"
    position = numbers_of(attributes.get(name), name, 3, header.reference)
    orientation = _usable_numbers(header, attributes, "ImageOrientationPatient", 6)
    spacing = _usable_numbers(header, attributes, "PixelSpacing", 2)
    if position is None or orientation is None or spacing is None or not any(orientation):
        return None
    try:
        if max(map(abs, (*position, *spacing))) > FARTHEST_MM:
            return Plane.from_attributes(position, orientation, spacing)  # it says what is wrong
        return _plane_at(position, orientation, spacing)
    except GeometryError as error:
        raise GeometryError(f"{header.reference}: {error}") from error


@lru_cache(maxsize=1024)
def _plane_at(
    position: tuple[float, ...], orientation: tuple[float, ...], spacing: tuple[float, ...]
) -> Plane:
    """One for all repetitions of an image."""
    x, y, z = position
    return _plane_at_origin(orientation, spacing)._replace(position=(x, y, z))


@lru_cache(maxsize=1024)
def _plane_at_origin(orientation: tuple[float, ...], spacing: tuple[float, ...]) -> Plane:
    """What the slices of a stack share, checked once."""
    return Plane.from_attributes((0.0, 0.0, 0.0), orientation, spacing)
