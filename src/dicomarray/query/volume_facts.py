"""What the volumes of a series are like, by the code that builds them, without a look at pixels."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dicomarray.assembly.frames.closed import PixelsClosedError
from dicomarray.assembly.frames.frame import Frame, frames_of
from dicomarray.assembly.frames.mosaic_detection import KnownMosaics
from dicomarray.assembly.grouping.consistency_checks import missing_parts
from dicomarray.assembly.grouping.diffusion import b_value_of
from dicomarray.assembly.grouping.image_kind import PIXEL_SPACING_TOLERANCE_MM
from dicomarray.assembly.grouping.image_kinds import IMAGE_KINDS, image_kinds
from dicomarray.assembly.grouping.stacking import Stack, plane_name, stack_frames
from dicomarray.assembly.options import Geometry, ReadOptions
from dicomarray.core.geometry import EVEN_CEILING_MM, Matrix, Plane, StackGeometry
from dicomarray.dicom.headers.header import Header
from dicomarray.errors import DataError, GeometryError
from dicomarray.query.facts import MIXED

# What is there, whatever is missing: `is_regular` says that something is.
THERE = ReadOptions(missing="keep")
# A scout has a few slices in each of three planes, which a technician may turn by so many degrees.
MAX_SCOUT_SLICES = 30
SCOUT_TURN_DEGREES = 20.0


@dataclass(frozen=True, eq=False)
class Layout:
    """The frames of a series, and the stacks that they form; None where headers do not say.

    ``images`` are the frames, also where the place of one is broken.  ``unplaced`` is why there are no
    frames, ``why_no_stacks`` why there are no stacks; ``irregular`` is set where the images form no regular
    volume, whatever their pixels are.
    """

    images: Sequence[Frame] | None
    frames: Sequence[Frame] | None
    stacks: Sequence[Stack] | None
    unplaced: str | None = None
    why_no_stacks: str | None = None
    irregular: bool = False


def layout_of(headers: Iterable[Header]) -> Layout:
    """How the images of a series lie; ``headers`` are closed."""
    images = [header for header in headers if header.is_image]
    if not images:
        return Layout(None, None, None, "the series has no images", "the series has no images")
    try:
        frames = _frames(images, "strict")
    except DataError as error:
        return Layout(_frames_without_places(images), None, None, str(error), str(error))
    try:
        return Layout(frames, frames, stack_frames(frames, THERE))
    except (DataError, PixelsClosedError) as error:
        return Layout(frames, frames, None, None, str(error), isinstance(error, GeometryError))


def _frames(images: Sequence[Header], geometry: Geometry) -> list[Frame]:
    known: KnownMosaics = {}
    return [frame for header in images for frame in frames_of(header, known, geometry)]


def _frames_without_places(images: Sequence[Header]) -> list[Frame] | None:
    try:
        return _frames(images, "ignore")
    except DataError:
        return None


def num_slices(stacks: Sequence[Stack]) -> int | None:
    """The slices of the largest volume; None where it has no place in the patient."""
    geometry = largest(stacks).geometry
    return None if geometry is None else len(geometry.slice_positions)


def slice_spacing(stacks: Sequence[Stack]) -> float | None:
    """mm along the normal, of the largest volume; None for a single slice."""
    geometry = largest(stacks).geometry
    if geometry is None or len(geometry.slice_positions) == 1:
        return None
    return float(geometry.step @ geometry.normal)


def largest(stacks: Sequence[Stack]) -> Stack:
    """The stack with most voxels, of several the first."""
    return max(stacks, key=_voxels)


def _voxels(stack: Stack) -> int:
    first = stack.frames[0]
    return len(stack.frames) * first.rows * first.columns * (3 if stack.kind.colour else 1)


def is_regular(layout: Layout) -> bool | None:
    """One orientation, one shape, one place for all volumes, evenly spaced, nothing missing."""
    if layout.stacks is None:
        return False if layout.irregular else None
    geometries = [stack.geometry for stack in layout.stacks if stack.geometry is not None]
    if not geometries:
        return None
    return (
        len(geometries) == len(layout.stacks)
        and all(geometry.uniform for geometry in geometries)
        and all(_on_one_grid(stack, layout.stacks[0]) for stack in layout.stacks)
        and not missing_parts(layout.frames or (), THERE)
    )


def _on_one_grid(stack: Stack, other: Stack) -> bool:
    one, two = stack.geometry, other.geometry
    if one is None or two is None or one is two:
        return one is two
    same_shape = one.slice_positions.shape == two.slice_positions.shape and (
        (stack.frames[0].rows, stack.frames[0].columns) == (other.frames[0].rows, other.frames[0].columns)
    )
    return same_shape and _same_place(one, two)


def _same_place(one: StackGeometry, two: StackGeometry) -> bool:
    spacing = np.abs(np.subtract(one.pixel_spacing, two.pixel_spacing)).max()
    places = np.abs(one.slice_positions - two.slice_positions).max()
    planes = (_plane_of(one), _plane_of(two))
    return bool(
        spacing <= PIXEL_SPACING_TOLERANCE_MM
        and places <= EVEN_CEILING_MM
        and planes[0].parallel_to(planes[1])
    )


def _plane_of(geometry: StackGeometry) -> Plane:
    row, column = (tuple(map(float, v)) for v in (geometry.row_direction, geometry.column_direction))
    return Plane((0.0, 0.0, 0.0), row, column, geometry.pixel_spacing)  # type: ignore[arg-type]


def b_values(frames: Sequence[Frame]) -> tuple[float, ...]:
    """Every b-value of MR images, s/mm2, ascending, whichever way their vendor writes it."""
    stated = {b_value_of(frame) for frame in frames if frame.attributes.get("Modality") == "MR"}
    return tuple(sorted(b for b in stated if b is not None))


def kinds(frames: Sequence[Frame], stacks: Sequence[Stack]) -> tuple[str, ...]:
    """What images say that they show, and volumes are known to show, in words of `IMAGE_KINDS`."""
    found = {word for frame in frames for word in image_kinds(frame.attributes)}
    for stack in stacks:
        found |= {stack.kind.component, *stack.kind.shows}
    return tuple(word for word in IMAGE_KINDS if word in found)


def planes_of(frames: Sequence[Frame]) -> list[Plane] | None:
    """One plane of each orientation; None where an image has no place."""
    found: dict[tuple[float, ...], Plane] = {}
    for frame in frames:
        if frame.plane is None:
            return None
        found.setdefault(frame.plane.orientation, frame.plane)
    return list(found.values())


def plane(planes: Sequence[Plane]) -> str:
    """By the axis of the patient nearest to the normal."""
    names = {plane_name(plane) for plane in planes}
    return names.pop() if len(names) == 1 else MIXED


def obliquity(planes: Sequence[Plane]) -> float:
    """Degrees between the normal and the axis nearest to it, the greatest of the series."""
    parts = np.sort(np.abs(_normals(planes)), axis=1)
    # not the arc cosine, which is coarse near the axis
    return float(np.degrees(np.arctan2(np.linalg.norm(parts[:, :2], axis=1), parts[:, 2])).max())


def is_scout(frames: Sequence[Frame], planes: Sequence[Plane]) -> bool:
    """Whether images lie in three planes at about right angles, a few in each of them, and nowhere else."""
    normals = _normals(planes)
    three = _right_angles(normals)
    if three is None:
        return False
    along = np.abs(normals @ normals[three].T)
    if along.max(axis=1).min() < np.cos(np.radians(SCOUT_TURN_DEGREES)):
        return False
    nearest = {plane.orientation: three[k] for plane, k in zip(planes, along.argmax(axis=1), strict=True)}
    places: dict[int, set[float]] = {}
    for frame in frames:
        if frame.plane is not None:
            which = nearest[frame.plane.orientation]
            distance = float(normals[which] @ frame.plane.position)
            places.setdefault(which, set()).add(round(distance, 2))
    return max(map(len, places.values())) <= MAX_SCOUT_SLICES


def _right_angles(normals: Matrix) -> list[int] | None:
    """Three normals at about right angles to each other."""
    most = np.sin(np.radians(SCOUT_TURN_DEGREES))
    first = 0  # any scout plane is one of three
    others = np.flatnonzero(np.abs(normals @ normals[first]) <= most)
    for one, two in itertools.combinations(others[:MAX_SCOUT_SLICES].tolist(), 2):
        if abs(float(normals[one] @ normals[two])) <= most:
            return [first, one, two]
    return None


def _normals(planes: Sequence[Plane]) -> Matrix:
    return np.array([plane.normal for plane in planes])
