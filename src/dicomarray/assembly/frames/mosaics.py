"""An image that holds all slices of a volume, tiled (Siemens mosaic, UIH grid) -> tiles with their places.

The standard knows nothing of it: Rows, Columns and Image Position belong to the whole picture, and what
tells the tiles apart is private.  What cannot be found there with certainty is an error, and the picture
is never taken for a slice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dicomarray.assembly.frames.mosaic_detection import CSA_IMAGE, MOSAIC_COUNT, UIH_GRID
from dicomarray.core.diffusion import B_VALUE, GRADIENT, Axes, Turning
from dicomarray.core.geometry import COSINE_TOLERANCE, Matrix, Plane
from dicomarray.core.pixel_values import Array
from dicomarray.dicom.headers.header import Header, numbers_of
from dicomarray.dicom.headers.private_bytes import PrivateElements, finite_numbers
from dicomarray.dicom.private_blocks import PrivateElement, is_in_block
from dicomarray.dicom.siemens_csa import MAGIC, ProtocolSlices, csa_diffusion, parse_csa, parse_protocol
from dicomarray.dicom.vr import Value
from dicomarray.errors import GeometryError, HeaderError, InputError

# Least cosine between the slice normal of the private header and the image's own.  Of the private one only
# the sign is needed; where it points somewhere else altogether, one of both is wrong.
NORMAL_AGREEMENT = 0.9
# The first tile lies at one end of the protocol's slices: half the volume's extent from its middle, but for
# this part of it (a table or a head that moved).  Where it is off by more, nothing says at which end.
END_TOLERANCE = 0.5

_SIEMENS_B_VALUE = PrivateElement(0x0019, "SIEMENS MR HEADER", 0x0C, "IS")
_SIEMENS_GRADIENT = PrivateElement(0x0019, "SIEMENS MR HEADER", 0x0E, "FD")
_GRID_COUNT = PrivateElement(0x0065, "Image Private Header", 0x50, "DS")
_GRID_SLICES = PrivateElement(0x0065, "Image Private Header", 0x51, "SQ")
_UIH_B_VALUE = PrivateElement(0x0065, "Image Private Header", 0x09, "FD")
_UIH_GRADIENT = PrivateElement(0x0065, "Image Private Header", 0x37, "FD")

_Csa = Mapping[str, tuple[str, ...]]
_ADVICE = "Private attributes were removed or damaged; convert a copy that still has them"


@dataclass(frozen=True, slots=True)
class Tile:
    """One slice inside a mosaic: ``rows`` x ``columns`` pixels from (``row``, ``column``) on.

    ``attributes`` are those in which the slice differs from what the file says of the whole picture.
    """

    row: int
    column: int
    rows: int
    columns: int
    plane: Plane
    attributes: Mapping[str, Value]

    def cut(self, picture: Array) -> Array:
        """The slice, shape (rows, columns) or (rows, columns, 3), of the whole picture; no copy."""
        return picture[self.row : self.row + self.rows, self.column : self.column + self.columns]

    def place(self, picture: Array, image: Array) -> None:
        """The reverse of `cut`: the slice, (rows, columns), into its place in the whole picture."""
        self.cut(picture)[...] = image


@dataclass(frozen=True, slots=True)
class Picture:
    """What the file says of the whole image."""

    header: Header
    rows: int
    columns: int
    plane: Plane | None

    def error(self, problem: str) -> GeometryError:
        return GeometryError(
            f"{self.header.reference}: a mosaic, all slices tiled into one image, but {problem}"
        )


def tiles_of(picture: Picture) -> list[Tile]:
    """The slices of a mosaic, in the order of its tiles.

    Raises
    ------
    GeometryError
        Where the number of slices, or the place of one, is uncertain.
    HeaderError, InputError
        Where the file is damaged.
    """
    try:
        private = PrivateElements.read(picture.header, lambda tag: bool(tag >> 16 & 1))
    except OSError as error:
        raise InputError(f"{picture.header.reference} cannot be read: {error.strerror}") from error
    if UIH_GRID in (picture.header.text("ImageType") or "").upper().split("\\"):
        return _uih_tiles(picture, private)
    return _siemens_tiles(picture, private)


def _cut(
    picture: Picture, grid: tuple[int, int], planes: Sequence[Plane], known: Mapping[str, Value]
) -> list[Tile]:
    """Tiles row by row, as many as there are planes; ``grid`` is (tiles in a column, tiles in a row)."""
    rows, columns = picture.rows // grid[0], picture.columns // grid[1]
    return [
        Tile(
            row=index // grid[1] * rows,
            column=index % grid[1] * columns,
            rows=rows,
            columns=columns,
            plane=plane,
            attributes={
                **known,
                "Rows": rows,
                "Columns": columns,
                "ImagePositionPatient": plane.position,
                "ImageOrientationPatient": plane.orientation,
                "SliceLocation": None,  # of the whole picture
            },
        )
        for index, plane in enumerate(planes)
    ]


def _check_grid(picture: Picture, count: int, grid: tuple[int, int]) -> None:
    if picture.rows % grid[0] or picture.columns % grid[1]:
        raise picture.error(
            f"its {picture.rows} x {picture.columns} pixels cannot be cut into {grid[0]} x {grid[1]} tiles, "
            f"as {count} slices need. {_ADVICE}"
        )


# ---- Siemens


def _siemens_tiles(picture: Picture, private: PrivateElements) -> list[Tile]:
    """Square grid; every slice lies one step along the normal after the one before."""
    csa, damage = _csa_image_header(private)
    count = _count(picture, private, csa, damage)
    grid = (math.isqrt(count - 1) + 1,) * 2  # the square root, rounded up
    _check_grid(picture, count, grid)
    first = _first_plane(picture, grid)
    step = _step(picture, private, csa, first, count) if count > 1 else np.zeros(3)
    planes = [_moved(first, index * step) for index in range(count)]
    return _cut(picture, grid, planes, _siemens_diffusion(picture, private, csa))


def _csa_image_header(private: PrivateElements) -> tuple[_Csa, str]:
    """The CSA header of the image, empty where there is none, and what is wrong with the damaged ones."""
    damage = ""
    for raw in _csa_candidates(private):
        try:
            csa = parse_csa(raw)
        except HeaderError as error:
            damage = damage or f" ({error})"
            continue
        if "NumberOfImagesInMosaic" in csa or "SliceNormalVector" in csa:
            return csa, damage
    return {}, damage


def _csa_candidates(private: PrivateElements) -> Iterator[bytes]:
    """First where it belongs; then, where a PACS has moved it or its creator is lost, by how it begins."""
    yield from map(private.bytes_at, private.places(CSA_IMAGE, creator_lost=True))
    yield from (raw for tag, raw in private.values() if is_in_block(tag) and raw.startswith(MAGIC))


def _count(picture: Picture, private: PrivateElements, csa: _Csa, damage: str) -> int:
    """Number of slices: what says so outright, else the protocol's."""
    stated = [
        finite_numbers(csa.get("NumberOfImagesInMosaic", ()), 1),
        private.numbers(MOSAIC_COUNT, 1, creator_lost=not csa),
    ]
    counts = {int(numbers[0]) for numbers in stated if numbers and numbers[0] >= 1}
    if len(counts) > 1:
        raise picture.error(
            "NumberOfImagesInMosaic of the CSA header and (0019,xx0A) disagree on how many: "
            f"{sorted(counts)}. {_ADVICE}"
        )
    if not counts and (protocol := _protocol(private)) is not None and protocol.count > 0:
        counts = {protocol.count}
    if not counts:
        raise picture.error(
            "nothing says how many: NumberOfImagesInMosaic of the CSA header, (0019,xx0A) and the slices "
            f"of the protocol text are all missing{damage}. {_ADVICE}"
        )
    return counts.pop()


def _protocol(private: PrivateElements) -> ProtocolSlices | None:
    texts = (parse_protocol(raw) for tag, raw in private.values() if is_in_block(tag))
    return next((slices for slices in texts if slices is not None), None)


def _first_plane(picture: Picture, grid: tuple[int, int]) -> Plane:
    """Where the first tile lies.

    The scanner reckons the corner of the whole picture as if it were one large image around the centre of
    the first slice; so the slice's own corner is half of the surplus further in (nibabel, "Siemens mosaic
    format"; SPM).
    """
    whole = picture.plane
    if whole is None:
        raise picture.error(
            "its place is unknown: ImagePositionPatient, ImageOrientationPatient or PixelSpacing is missing. "
            "Convert a copy that has them"
        )
    across = whole.pixel_spacing[1] * (picture.columns - picture.columns // grid[1]) / 2
    down = whole.pixel_spacing[0] * (picture.rows - picture.rows // grid[0]) / 2
    return _moved(whole, np.array(whole.row_direction) * across + np.array(whole.column_direction) * down)


def _moved(plane: Plane, way: Matrix) -> Plane:
    x, y, z = (np.array(plane.position) + way).tolist()
    return Plane((x, y, z), plane.row_direction, plane.column_direction, plane.pixel_spacing)


def _gap(picture: Picture) -> float:
    """From one slice to the next, mm."""
    gap = picture.header.number("SpacingBetweenSlices") or picture.header.number("SliceThickness")
    if not gap:
        raise picture.error(
            "the distance of its slices is unknown: SpacingBetweenSlices and SliceThickness are missing. "
            "Convert a copy that has them"
        )
    return abs(gap)


def _step(picture: Picture, private: PrivateElements, csa: _Csa, first: Plane, count: int) -> Matrix:
    """From one slice to the next, shape (3,), LPS mm: along the image's normal or against it."""
    gap = _gap(picture)
    normal = finite_numbers(csa.get("SliceNormalVector", ()), 3)
    if normal is not None:
        sign = _csa_sign(picture, first, normal)
    else:
        sign = _protocol_sign(picture, first, gap * (count - 1) / 2, _protocol(private))
    return np.asarray(sign * gap * first.normal)


def _csa_sign(picture: Picture, first: Plane, normal: tuple[float, ...]) -> float:
    """1 where the slices follow each other along row direction x column direction, -1 against it."""
    length = math.hypot(*normal)
    cosine = float(np.dot(first.normal, normal)) if abs(length - 1) <= COSINE_TOLERANCE else 0.0
    if abs(cosine) < NORMAL_AGREEMENT:
        raise picture.error(
            f"SliceNormalVector {list(normal)} of the CSA header is no unit vector upright on "
            f"ImageOrientationPatient {list(first.orientation)}: the direction of its slices is uncertain. "
            f"{_ADVICE}"
        )
    return math.copysign(1.0, cosine)


def _protocol_sign(picture: Picture, first: Plane, extent: float, protocol: ProtocolSlices | None) -> float:
    """The same by the protocol: the other slices lie towards the middle of all, ``extent`` mm away."""
    if protocol is None:
        raise picture.error(
            "nothing says on which side of the first slice the others lie: SliceNormalVector of the CSA "
            f"header and the slices of the protocol text are both missing. {_ADVICE}"
        )
    distance = float((np.array(protocol.middle) - first.position) @ first.normal)
    if abs(abs(distance) - extent) > END_TOLERANCE * extent:
        raise picture.error(
            f"its first slice lies {abs(distance):.4g} mm from the middle of the protocol text's slices, "
            f"where {extent:.4g} mm is expected: the direction of its slices is uncertain. {_ADVICE}"
        )
    return math.copysign(1.0, distance)


def _siemens_diffusion(picture: Picture, private: PrivateElements, csa: _Csa) -> dict[str, Value]:
    b_value, gradient = csa_diffusion(csa)
    if b_value is None:
        stated = private.numbers(_SIEMENS_B_VALUE, 1)
        b_value = stated[0] if stated else None
    if gradient is None:
        gradient = private.numbers(_SIEMENS_GRADIENT, 3)
    return _diffusion(picture, b_value, gradient, "patient")


def _diffusion(
    picture: Picture, b_value: float | None, gradient: tuple[float, ...] | None, axes: Axes
) -> dict[str, Value]:
    """The standard attributes, from the private ones where they are missing; None without diffusion."""
    known = picture.header.attributes
    turning = Turning.of(known, picture.plane.orientation if picture.plane else None)
    stated = None if gradient is None else turning.in_patient(gradient, axes)
    return {B_VALUE: known.get(B_VALUE, b_value), GRADIENT: known.get(GRADIENT, stated)}


# ---- United Imaging (UIH)


def _uih_tiles(picture: Picture, private: PrivateElements) -> list[Tile]:
    """A private sequence has an item with the place of each slice; the grid has no empty rows."""
    stated = private.numbers(_GRID_COUNT, 1, creator_lost=True)
    try:
        slices = private.items(_GRID_SLICES)
    except HeaderError as error:
        raise picture.error(f"the places of its slices are lost: {error}. {_ADVICE}") from error
    count = len(slices) if stated is None else int(stated[0])
    if not slices or count != len(slices):
        raise picture.error(
            f"(0065,xx50) and (0065,xx51) do not tell its slices: a number of {count} and the places of "
            f"{len(slices)}. {_ADVICE}"
        )
    columns = math.isqrt(count - 1) + 1
    grid = (-(-count // columns), columns)
    _check_grid(picture, count, grid)
    planes = [_uih_plane(picture, item, index) for index, item in enumerate(slices)]
    b_value = private.numbers(_UIH_B_VALUE, 1)
    gradient = private.numbers(_UIH_GRADIENT, 3)
    known = _diffusion(picture, b_value[0] if b_value else None, gradient, "image")
    return _cut(picture, grid, planes, known)


def _uih_plane(picture: Picture, item: Mapping[str, Value], index: int) -> Plane:
    header = picture.header
    position = numbers_of(item.get("ImagePositionPatient"), "ImagePositionPatient", 3, header.reference)
    orientation = numbers_of(
        item.get("ImageOrientationPatient"), "ImageOrientationPatient", 6, header.reference
    )
    orientation = orientation or header.numbers("ImageOrientationPatient", 6)
    spacing = header.numbers("PixelSpacing", 2)
    if position is None or orientation is None or spacing is None:
        raise picture.error(
            f"the place of slice {index} is unknown: ImagePositionPatient (in item {index} of (0065,xx51)), "
            f"ImageOrientationPatient or PixelSpacing is missing. {_ADVICE}"
        )
    try:
        return Plane.from_attributes(position, orientation, spacing)
    except GeometryError as error:
        raise GeometryError(f"{header.reference}: slice {index} of the mosaic: {error}") from error
