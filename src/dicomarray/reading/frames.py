"""An instance -> its frames: where each 2-D image lies, how its values read, what tells it from others.

A classic instance is one frame, a mosaic one for each of its slices.  An enhanced multi-frame one says
everything a frame at a time, in its functional groups (PS3.3 C.7.6.16); there the attributes of a frame
stand for those of the data set.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dicomarray.errors import GeometryError, HeaderError
from dicomarray.geometry import Plane
from dicomarray.reading.headers import Header, Value, numbers_of, read_header
from dicomarray.reading.mosaics import Picture, Tile, is_mosaic, tiles_of
from dicomarray.reading.pixels import read_frames
from dicomarray.values import Array, Rescale

FUNCTIONAL_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
# No scanner writes more frames in one object; a larger number is damage.
MOST_FRAMES = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One 2-D image: ``index`` counts the frames of its instance from 0.

    ``attributes`` are the instance's, with the frame's own functional groups over them.  ``plane`` is
    None where the image has no place in the patient.  ``tile`` is where in the instance's one image it
    lies, when that is a mosaic; then ``index`` counts the tiles.
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

    def numbers(self, keyword: str, count: int) -> tuple[float, ...] | None:
        """So many finite numbers of an attribute, or None; HeaderError where it is something else."""
        return numbers_of(self.attributes.get(keyword), keyword, count, self.header.path)

    def number(self, keyword: str) -> float | None:
        """One finite number of an attribute, or None; HeaderError where it is something else."""
        numbers = self.numbers(keyword, 1)
        return None if numbers is None else numbers[0]

    def with_attributes(self, further: Mapping[str, Value]) -> Frame:
        """The same frame, knowing more attributes."""
        return replace(self, attributes=ChainMap(dict(self.attributes), dict(further)))

    @property
    def order(self) -> tuple[int, int, str]:
        """Sorts as acquired: Instance Number, then frame number; files without a number last, by name."""
        number = self.header.instance_number
        return (1 << 62 if number is None else number, self.index, str(self.header.path))


def frames_of(header: Header) -> list[Frame]:
    """The frames of an instance, in the order of its pixel data.

    Raises
    ------
    HeaderError
        Where sizes, positions or slopes are missing or no numbers.
    GeometryError
        Where they are numbers, but no geometry.
    """
    if is_mosaic(header):
        return _tile_frames(header)
    count = _frame_count(header)
    groups = _functional_groups(header, count) if "NumberOfFrames" in header.attributes else None
    if groups is None:
        return [_frame(header, index, header.attributes, count) for index in range(count)]
    return [_frame(header, index, ChainMap(group, dict(header.attributes)), count) for index, group in groups]


def read_images(frames: Sequence[Frame]) -> Array:
    """The stored values of frames of one instance: (frames, rows, columns), colour samples last.

    Raises
    ------
    PixelError
        Where pixel data is missing, truncated or damaged; and what else `read_frames` raises.
    """
    path = frames[0].header.path
    if frames[0].tile is None:
        return read_frames(path, [frame.index for frame in frames])
    picture = read_frames(path, [0])[0]
    return np.stack([frame.tile.cut(picture) for frame in frames if frame.tile is not None])


def _tile_frames(header: Header) -> list[Frame]:
    whole = _frame(header, 0, header.attributes, 1)
    common = dict(header.attributes)
    return [
        replace(
            whole,
            index=index,
            plane=tile.plane,
            rows=tile.rows,
            columns=tile.columns,
            attributes=ChainMap(dict(tile.attributes), common),
            of_multiframe=False,
            tile=tile,
        )
        for index, tile in enumerate(tiles_of(Picture(header, whole.rows, whole.columns, whole.plane)))
    ]


def _frame_count(header: Header) -> int:
    value = header.attributes.get("NumberOfFrames")
    count = 1 if value is None else value
    if not isinstance(count, int) or not 1 <= count <= MOST_FRAMES:
        raise HeaderError(f"{header.path}: NumberOfFrames is {value!r} where a positive number is expected")
    return count


def _functional_groups(header: Header, count: int) -> list[tuple[int, dict[str, Value]]] | None:
    groups = read_header(header.path, FUNCTIONAL_GROUPS).attributes
    shared = groups.get("SharedFunctionalGroupsSequence") or ()
    per_frame = groups.get("PerFrameFunctionalGroupsSequence") or ()
    if not shared and not per_frame:
        return None
    if per_frame and len(per_frame) != count:
        raise HeaderError(
            f"{header.path}: NumberOfFrames is {count}, but PerFrameFunctionalGroupsSequence has "
            f"{len(per_frame)} items; the file is damaged"
        )
    common = flatten(shared[0]) if shared else {}
    return [(index, common | (flatten(per_frame[index]) if per_frame else {})) for index in range(count)]


def flatten(group: Mapping[str, Value]) -> dict[str, Value]:
    """All standard attributes inside a functional group's macros by keyword: each macro has one item.

    Vendors put whole classic data sets into private sequences here, with another idea of the position.
    """
    flat: dict[str, Value] = {}
    for keyword, value in group.items():
        if keyword.startswith("("):
            continue
        if isinstance(value, tuple) and value and isinstance(value[0], Mapping):
            flat |= flatten(value[0])
        else:
            flat[keyword] = value
    return flat


def _frame(header: Header, index: int, attributes: Mapping[str, Value], count: int) -> Frame:
    def numbers(keyword: str, size: int) -> tuple[float, ...] | None:
        return numbers_of(attributes.get(keyword), keyword, size, header.path)

    rows, columns = numbers("Rows", 1), numbers("Columns", 1)
    if rows is None or columns is None or min(*rows, *columns) < 1:
        raise HeaderError(f"{header.path}: Rows and Columns are {rows} and {columns}; no image without them")
    slope, intercept = numbers("RescaleSlope", 1), numbers("RescaleIntercept", 1)
    return Frame(
        header=header,
        index=index,
        plane=_plane(header, numbers("ImagePositionPatient", 3), numbers("ImageOrientationPatient", 6),
                     numbers("PixelSpacing", 2)),
        rows=int(rows[0]),
        columns=int(columns[0]),
        rescale=Rescale(1.0 if slope is None else slope[0], 0.0 if intercept is None else intercept[0]),
        attributes=attributes,
        of_multiframe="NumberOfFrames" in attributes and (count > 1 or isinstance(attributes, ChainMap)),
    )  # fmt: skip


def _plane(
    header: Header,
    position: tuple[float, ...] | None,
    orientation: tuple[float, ...] | None,
    spacing: tuple[float, ...] | None,
) -> Plane | None:
    """None where an attribute is absent, or the orientation all zero: scanners write that for "unknown"."""
    if position is None or orientation is None or spacing is None or not any(orientation):
        return None
    try:
        return Plane.from_attributes(position, orientation, spacing)
    except GeometryError as error:
        raise GeometryError(f"{header.path}: {error}") from error
