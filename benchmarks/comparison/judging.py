"""Is what a reader loaded the series?  Every frame once, in its place, with its values.

A frame is one 2D image with the place of its four corner voxels; a loaded volume is cut into such images
again and each is looked up among the frames.  Which way an image lies in the array is the reader's choice,
so long as its affine says so: an image may be found turned or mirrored, but then its corners must be, too.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PLACE_TOLERANCE_MM = (
    0.05  # less than a tenth of the smallest pixel; header decimals round at 1e-3 mm and below
)
REFERENCE_TOLERANCE_MM = (
    1e-3  # against dcm2niix, which computes what we compute: only float32 of NIfTI differs
)
RELATIVE_TOLERANCE = 1e-6  # a product and a sum in float32
STEP_TOLERANCE = 1e-3  # of one stored step: values are equal or at least one step apart
LOSSY_STEPS = 2.0  # two decoders of lossy JPEG may round differently

RIGHT, WRONG, REFUSED = "right", "wrong", "refused"
VALUES, GEOMETRY, SHAPE = "values", "geometry", "shape"
MISSING, TWICE, MIXED = "frames missing", "frames twice", "frames mixed"
WAYS = (SHAPE, VALUES, GEOMETRY, MISSING, TWICE, MIXED)

View = tuple[bool, bool, bool]  # transposed, rows reversed, columns reversed
VIEWS: tuple[View, ...] = tuple(itertools.product((False, True), (False, True), (False, True)))


@dataclass(frozen=True, eq=False)
class Frame:
    """One image as it should be read.

    ``values`` are (row, column[, sample]) modality values; ``corners`` are (2, 2, 3) mm, the centres of the
    voxels at the first and last row and column, or None without a place in the patient.  ``step`` is the
    modality value of one stored step.  ``labels`` tell what a frame is (echo, time, ...).
    """

    values: Floats
    corners: Floats | None
    step: float = 1.0
    lossy: bool = False
    labels: Mapping[str, Hashable] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Loaded:
    """One volume that a reader returned.

    ``array`` is (slice, row, column), repetitions first, samples last; ``corners`` is (slice, 2, 2, 3) mm or
    None where the reader says that there is no geometry.
    """

    array: NDArray[Any]
    corners: Floats | None


@dataclass(frozen=True)
class Verdict:
    """``ways`` says how it is wrong; ``farthest_mm`` how far off the worst image lies."""

    outcome: str
    ways: tuple[str, ...] = ()
    farthest_mm: float = 0.0
    message: str = ""


@dataclass(frozen=True, eq=False)
class Truth:
    """The frames of one series, and what follows from them."""

    frames: tuple[Frame, ...]
    tolerance_mm: float = PLACE_TOLERANCE_MM

    @cached_property
    def places(self) -> list[int]:
        """For each frame the number of its place."""
        return places(self.frames)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The labels that tell stacks apart."""
        return kinds_that_hold(self.frames, self.places)

    @cached_property
    def twins(self) -> tuple[int, ...]:
        """For each frame the first one exactly alike in the same place: itself, mostly."""
        first: dict[tuple[int, bytes], int] = {}
        return tuple(
            index if frame.corners is None else first.setdefault((place, frame.values.tobytes()), index)
            for index, (frame, place) in enumerate(zip(self.frames, self.places, strict=True))
        )

    @cached_property
    def shapes(self) -> set[tuple[int, ...]]:
        return {frame.values.shape for frame in self.frames}

    @cached_property
    def means(self) -> Floats:
        return np.array([frame.values.mean() for frame in self.frames])

    @cached_property
    def allowed_means(self) -> Floats:
        """By how much the mean of an image may differ where every value is right."""
        return np.array([_allowed(frame, frame.values).max() for frame in self.frames])

    @cached_property
    def corners(self) -> Floats:
        """(frame, 2, 2, 3) mm; NaN without a place."""
        nowhere = np.full((2, 2, 3), np.nan)
        return np.array([nowhere if frame.corners is None else frame.corners for frame in self.frames])


def corners_of(affine: Floats, shape: Sequence[int]) -> Floats:
    """(slice, 2, 2, 3) mm of a volume whose affine takes (slice, row, column) to mm."""
    slices, rows, columns = shape
    index = np.array(
        [
            [[[k, r, c, 1] for c in (0, columns - 1)] for r in (0, rows - 1)]  # the four corner voxels
            for k in range(slices)
        ],
        float,
    )
    return np.asarray((index @ np.asarray(affine, float).T)[..., :3])


def plane_corners(position: Floats, orientation: Floats, spacing: Floats, rows: int, columns: int) -> Floats:
    """(2, 2, 3) mm by Image Position, Image Orientation and Pixel Spacing (PS3.3 C.7.6.2.1.1)."""
    down, right = orientation[3:] * spacing[0] * (rows - 1), orientation[:3] * spacing[1] * (columns - 1)
    return np.array([[position, position + right], [position + down, position + down + right]])


def judge(volumes: Sequence[Loaded], truth: Truth) -> Verdict:
    """The verdict on all that a reader made of one series."""
    if not volumes:
        return Verdict(REFUSED, message="nothing was loaded")
    used = np.zeros(len(truth.frames), int)
    ways: set[str] = set()
    farthest = 0.0
    for block, corners in _blocks(volumes, truth):
        members = []
        for index, image in enumerate(block):
            found, wrong, off = _find(image, None if corners is None else corners[index], truth, used)
            ways.update(wrong)
            farthest = max(farthest, off)
            if found is not None:
                used[found] += 1
                members.append(found)
        if _mixes(members, truth):
            ways.add(MIXED)
    ways |= _uses(used, truth)
    if ways & {VALUES, SHAPE}:
        ways.discard(MISSING)  # the frames are there, with other values
    ordered = tuple(way for way in WAYS if way in ways)
    return Verdict(WRONG if ordered else RIGHT, ordered, farthest)


def places(frames: Sequence[Frame]) -> list[int]:
    """A number for each frame that is the same for frames at one place; 0 for all without a place."""
    representatives: list[Floats] = []
    result = []
    for frame in frames:
        if frame.corners is None:
            result.append(0)
            continue
        near = [
            index
            for index, known in enumerate(representatives)
            if np.abs(known - frame.corners).max() <= PLACE_TOLERANCE_MM
        ]
        if not near:
            representatives.append(frame.corners)
        result.append(near[0] if near else len(representatives) - 1)
    return result


def kinds_that_hold(frames: Sequence[Frame], positions: Sequence[int]) -> tuple[str, ...]:
    """The labels that cut the series into whole stacks: each value is there equally often at every place.

    Only such a label shows that images are mixed up.  An acquisition time that differs by slice, or a number
    that differs by frame, is none.
    """
    names = sorted({name for frame in frames for name in frame.labels})
    return tuple(name for name in names if _holds([f.labels.get(name) for f in frames], positions))


def _holds(values: Sequence[Hashable], positions: Sequence[int]) -> bool:
    if len(set(values)) < 2 or len(set(positions)) < 2:
        return False
    counts: dict[Hashable, dict[int, int]] = {value: dict.fromkeys(positions, 0) for value in values}
    for value, position in zip(values, positions, strict=True):
        counts[value][position] += 1
    return all(len(set(by_place.values())) == 1 for by_place in counts.values())


def _blocks(volumes: Sequence[Loaded], truth: Truth) -> Iterator[tuple[NDArray[Any], Floats | None]]:
    """The volumes as (slice, row, column[, sample]) arrays: one for each step of the axes before these."""
    samples = truth.frames[0].values.ndim - 2
    for volume in volumes:
        array = volume.array
        # a colour array's last axis is the samples; a grey one of a colour series has none
        tail = 3 + (samples if samples and array.shape[-1] == truth.frames[0].values.shape[-1] else 0)
        if array.ndim < tail:
            array = array[None]
        for block in array.reshape(-1, *array.shape[array.ndim - tail :]):
            yield block, volume.corners


def _view(array: NDArray[Any], view: View) -> NDArray[Any]:
    """The first two axes turned or mirrored; works for images and for the (2, 2, 3) of their corners."""
    transposed, upside_down, mirrored = view
    turned = np.swapaxes(array, 0, 1) if transposed else array
    return turned[:: -1 if upside_down else 1, :: -1 if mirrored else 1]


def _find(
    image: NDArray[Any], corners: Floats | None, truth: Truth, used: NDArray[np.int_]
) -> tuple[int | None, tuple[str, ...], float]:
    """Which frame the image is (None: unknown), in which ways it is wrong, and by how many mm."""
    views = [view for view in VIEWS if _view(image, view).shape in truth.shapes]
    if not views:
        return None, (SHAPE,), 0.0
    distances = {view: _distances(corners, view, truth) for view in views}
    there = [(int(i), view) for view in views for i in np.flatnonzero(distances[view] <= truth.tolerance_mm)]
    hits = [index for index, view in there if _equal(truth.frames[index], _view(image, view))]
    if hits:
        return min(hits, key=lambda index: used[index]), (), 0.0
    elsewhere = [
        (float(distances[view][index]), index)
        for index in _alike_on_average(image, truth)
        for view in views
        if _equal(truth.frames[index], _view(image, view))
    ]
    if elsewhere:
        # of several frames alike, one that was not found yet; then the nearest
        off_mm, index = min(elsewhere, key=lambda pair: (used[pair[1]], pair[0]))
        return index, (GEOMETRY,), off_mm if np.isfinite(off_mm) else 0.0
    if there:
        return min((index for index, _ in there), key=lambda index: used[index]), (VALUES,), 0.0
    return None, (VALUES, GEOMETRY), 0.0


def _distances(corners: Floats | None, view: View, truth: Truth) -> Floats:
    """mm from each frame, at the worst corner; infinite where the place of either is unknown."""
    if truth.frames[0].corners is None:
        return np.zeros(len(truth.frames))  # nothing to be wrong about
    if corners is None:
        return np.full(len(truth.frames), np.inf)
    off = np.linalg.norm(truth.corners - _view(corners, view), axis=-1).max(axis=(1, 2))
    return np.where(np.isfinite(off), off, np.inf)


def _allowed(frame: Frame, values: Floats) -> Floats:
    steps = STEP_TOLERANCE + (LOSSY_STEPS if frame.lossy else 0.0)
    return np.asarray(RELATIVE_TOLERANCE * np.abs(values) + steps * abs(frame.step))


def _equal(frame: Frame, image: NDArray[Any]) -> bool:
    if image.shape != frame.values.shape:
        return False
    difference = np.abs(np.asarray(image, np.float64) - frame.values)
    return bool((difference <= _allowed(frame, frame.values)).all())


def _alike_on_average(image: NDArray[Any], truth: Truth) -> list[int]:
    """Frames that the image may be: a quick look before all values are compared."""
    off = np.abs(truth.means - np.asarray(image, np.float64).mean())
    return [int(index) for index in np.flatnonzero(off <= truth.allowed_means)]


def _mixes(members: Sequence[int], truth: Truth) -> bool:
    """Whether a stack holds images of several kinds; exact twins could be either and do not count."""
    single = [index for index in members if truth.twins.count(truth.twins[index]) == 1]
    return any(len({truth.frames[index].labels.get(kind) for index in single}) > 1 for kind in truth.kinds)


def _uses(used: NDArray[np.int_], truth: Truth) -> set[str]:
    """Frames left out or used too often.  Of exact twins one is enough."""
    ways = set()
    for first in set(truth.twins):
        twins = [index for index, other in enumerate(truth.twins) if other == first]
        times = int(used[twins].sum())
        if times == 0:
            ways.add(MISSING)
        if times > len(twins):
            ways.add(TWICE)
    return ways
