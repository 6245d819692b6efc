"""The facts of one series, computed.

Those of slices and volumes come from the code that builds volumes, so that the filter sees what
`load` reads.  No pixels are looked at, and only the facts that are asked for are computed.  What cannot be
told with certainty, because an attribute is missing or broken or only pixels could tell, is None: unknown.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dicomarray.assembly.frames.closed import PixelsClosedError
from dicomarray.assembly.frames.frame import Frame, frames_of
from dicomarray.assembly.frames.mosaic_detection import KnownMosaics
from dicomarray.assembly.grouping.consistency_checks import missing_parts
from dicomarray.assembly.grouping.further_attributes import with_private
from dicomarray.assembly.grouping.image_kind import PIXEL_SPACING_TOLERANCE_MM
from dicomarray.assembly.grouping.image_kinds import IMAGE_KINDS, image_kinds
from dicomarray.assembly.grouping.stacking import Stack, plane_name, stack_frames
from dicomarray.assembly.options import Geometry, ReadOptions
from dicomarray.core import diffusion
from dicomarray.core.geometry import EVEN_CEILING_MM, Matrix, Plane
from dicomarray.dicom import segment_objects
from dicomarray.dicom.headers.attributes import ABSENT
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.vr import Value
from dicomarray.errors import DataError, GeometryError
from dicomarray.query import duration
from dicomarray.query.facts import FACTS, MIXED
from dicomarray.query.instance import Evaluation

# What is there, whatever is missing: `is_regular` says that something is.
THERE = ReadOptions(missing="keep")
# A scout has a few slices in each of three planes, which a technician may turn by so many degrees.
MAX_SCOUT_SLICES = 30
SCOUT_TURN_DEGREES = 20.0


@dataclass(frozen=True, eq=False)
class Layout:
    """The frames of a series, and the stacks that they form; None where headers do not say.

    ``images`` are the frames, also where the place of one is broken.  ``why`` is why there are no stacks, or
    not even frames; ``irregular`` is set where the images form no regular volume, whatever their pixels are.
    """

    images: Sequence[Frame] | None
    frames: Sequence[Frame] | None
    stacks: Sequence[Stack] | None
    why: str | None = None
    irregular: bool = False


class Facts:
    """The facts of one series, each computed when it is asked for."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._rows = evaluation.rows
        self._column = evaluation.column

    def value(self, name: str) -> Any:
        """A fact by name: int, float, str, bool, or a tuple of them; None where it is unknown."""
        if (of_stacks := _OF_STACKS.get(name)) is not None:
            return None if self._layout.stacks is None else of_stacks(self._layout.stacks)
        if (of_planes := _OF_PLANES.get(name)) is not None:
            return None if self._planes is None else of_planes(self._planes)
        return getattr(self, name)()

    def why_unknown(self, name: str) -> str | None:
        """Why a fact is unknown, where more is to be said than that its attributes are not there."""
        source = FACTS[name].source
        if source == "rows" or self.value(name) is not None:
            return None
        return self._layout.why if getattr(self._layout, source) is None else None

    def num_instances(self) -> int:
        """DICOM objects."""
        owners = self._rows.owners
        return self._rows.size if owners is None else len(set(owners))

    def num_frames(self) -> int | None:
        """Frames of the objects with pixels, 1 where Number of Frames is absent."""
        total = 0
        for row in self._first_rows:
            if not (self._cell("Rows", row) and self._cell("Columns", row)):
                continue
            frames = self._cell("NumberOfFrames", row)
            frames = 1 if frames is None else frames
            if not isinstance(frames, int) or frames < 1:
                return None
            total += frames
        return total

    def is_regular(self) -> bool | None:
        """One orientation, one shape, one place for all volumes, evenly spaced, nothing missing."""
        layout = self._layout
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

    def has_localizer(self) -> bool | None:
        """Whether any image says so (PS3.3 C.8.2.1.1.1), or all are a few slices in each of three planes."""
        known = False
        for name in ("ImageType", "FrameType"):
            for cell in self._column(name):
                words = [str(word).upper() for word in (cell if isinstance(cell, tuple) else (cell,))]
                known = known or cell not in (None, ABSENT)
                if cell is not ABSENT and "LOCALIZER" in words:
                    return True
        planes = self._planes
        if planes is not None and is_scout(self._layout.frames or (), planes):
            return True
        return False if known else None

    def b_value(self) -> tuple[float, ...] | None:
        """Every b-value of its MR images, s/mm2, ascending, whichever way their vendor writes it."""
        images = [frame for frame in self._known_images or () if frame.attributes.get("Modality") == "MR"]
        found = {diffusion.b_value(frame.attributes) for frame in images}
        return tuple(sorted(value for value in found if value is not None)) or None

    def image_kinds(self) -> tuple[str, ...] | None:
        """What images say that they show, and volumes are known to show, such as phase, water or adc."""
        if self._known_images is None:
            return None
        found = {word for frame in self._known_images for word in image_kinds(frame.attributes)}
        for stack in self._layout.stacks or ():
            found |= {stack.kind.component, *stack.kind.shows}
        return tuple(word for word in IMAGE_KINDS if word in found) or None

    def segments(self) -> tuple[str, ...] | None:
        """The labels of a SEG, the names of a structure set's ROIs; None for anything else."""
        return self._of_objects(segment_objects.LABELS, segment_objects.segment_labels)

    def refers_to(self) -> tuple[str, ...] | None:
        """The Series UIDs of the images that a SEG or structure set is of; None for anything else."""
        return self._of_objects(segment_objects.REFERENCES, segment_objects.referenced_series)

    def duration_s(self) -> float | None:
        """Seconds from the first to the last acquisition, trigger or temporal position."""
        return duration.duration(lambda name: [self._cell(name, row) for row in self._images])

    # What they are made of ----------------------------------------------------------------------------

    @cached_property
    def _layout(self) -> Layout:
        return layout_of(self._rows.headers)

    @cached_property
    def _known_images(self) -> list[Frame] | None:
        """The frames with what private attributes tell of what they are."""
        return None if self._layout.images is None else with_private(self._layout.images)

    @cached_property
    def _planes(self) -> list[Plane] | None:
        """One plane of each orientation; None where an image has no place."""
        found: dict[tuple[float, ...], Plane] = {}
        for frame in self._layout.frames or ():
            if frame.plane is None:
                return None
            found.setdefault(frame.plane.orientation, frame.plane)
        return list(found.values()) or None

    def _of_objects(
        self, names: frozenset[str], ask: Callable[[Mapping[str, Value]], tuple[str, ...]]
    ) -> tuple[str, ...] | None:
        """What the instances of a series of segments say, each once; None where it has none such."""
        found = (ask({name: self._cell(name, row) for name in names}) for row in self._first_rows)
        return tuple(dict.fromkeys(value for values in found for value in values)) or None

    def _cell(self, name: str, row: int) -> Any:
        """A cell; None also where the attribute is absent."""
        cells = self._column(name)
        cell = cells[0] if len(cells) == 1 else cells[row]
        return None if cell is ABSENT else cell

    @cached_property
    def _first_rows(self) -> Sequence[int]:
        """The first row of each instance."""
        owners = self._rows.owners
        if owners is None:
            return range(self._rows.size)
        return [row for row, owner in enumerate(owners) if row == 0 or owner != owners[row - 1]]

    @cached_property
    def _images(self) -> Sequence[int]:
        every = range(self._rows.size)
        return [row for row in every if self._cell("Rows", row) and self._cell("Columns", row)]


def layout_of(headers: Iterable[Header]) -> Layout:
    """How the images of a series lie; ``headers`` are closed."""
    images = [header for header in headers if header.is_image]
    if not images:
        return Layout(None, None, None, "the series has no images")
    try:
        frames = _frames(images, "strict")
    except DataError as error:
        return Layout(_frames_without_places(images), None, None, str(error))
    try:
        return Layout(frames, frames, stack_frames(frames, THERE))
    except (DataError, PixelsClosedError) as error:
        return Layout(frames, frames, None, str(error), isinstance(error, GeometryError))


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


def _on_one_grid(stack: Stack, other: Stack) -> bool:
    one, two = stack.geometry, other.geometry
    if one is None or two is None or one is two:
        return one is two
    first, second = stack.frames[0], other.frames[0]
    if first.plane is None or second.plane is None or len(one.slice_positions) != len(two.slice_positions):
        return False
    spacing = np.abs(np.subtract(one.pixel_spacing, two.pixel_spacing)).max()
    places = np.abs(one.slice_positions - two.slice_positions).max()
    return bool(
        (first.rows, first.columns) == (second.rows, second.columns)
        and spacing <= PIXEL_SPACING_TOLERANCE_MM
        and places <= EVEN_CEILING_MM
        and first.plane.parallel_to(second.plane)
    )


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


def has_phases(stacks: Sequence[Stack]) -> bool:
    """Whether a volume has an axis of time: cardiac or breathing phases, time points."""
    return any(stack.axis == "time" for stack in stacks)


_OF_STACKS: dict[str, Callable[[Sequence[Stack]], Any]] = {
    "num_slices": num_slices,
    "num_volumes": len,
    "slice_spacing": slice_spacing,
    "has_phases": has_phases,
}
_OF_PLANES: dict[str, Callable[[Sequence[Plane]], Any]] = {"plane": plane, "obliquity": obliquity}
