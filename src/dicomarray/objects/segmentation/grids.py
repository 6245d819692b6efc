"""On which grid masks come, and which slice of it each frame is, and how its pixels lie there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.geometry import Matrix, Plane, StackGeometry, even_tolerance, is_even, median
from dicomarray.core.nearest import nearest_slices
from dicomarray.core.pixel_values import Array
from dicomarray.core.volume_info import PLACED, UNPLACED, VolumeInfo
from dicomarray.errors import SegmentationError
from dicomarray.objects.segmentation.description import SegmentationFile, SegmentFrame, SourceFrame

# A frame lies on a grid where no voxel of it is further from one of the grid than this part of a voxel:
# writers round, and no other grid comes so near.
VOXEL_PART = 0.05
# No gap between slices of one segmentation is so many slices wide.
MAX_SLICES = 5_000


@dataclass(frozen=True, slots=True, eq=False)
class FramePlace:
    """Where a frame's pixels lie on a grid: in this slice, pixel (i, j) at ``turn @ (i, j) + offset``.

    Both None: just as they are.
    """

    index: int
    turn: NDArray[np.intp] | None = None
    offset: NDArray[np.intp] | None = None

    def within(self, size: tuple[int, int], rows: int, columns: int) -> bool:
        """Whether a frame of that size (rows, columns) lies wholly on an image of the grid."""
        if self.turn is None or self.offset is None:
            return True
        corners = self.turn @ np.array([[0, size[0] - 1], [0, size[1] - 1]]) + self.offset[:, None]
        return bool((corners >= 0).all() and (corners < [[rows], [columns]]).all())

    def put(self, image: Array, rows: int, columns: int) -> Array | None:
        """The frame as an image of the grid; None where pixels that are not 0 lie outside of it."""
        if self.turn is None or self.offset is None:
            return image
        found = np.nonzero(image)
        row, column = self.turn @ np.array(found) + self.offset[:, None]
        if ((row < 0) | (row >= rows) | (column < 0) | (column >= columns)).any():
            return None
        out = np.zeros((rows, columns), image.dtype)
        out[row, column] = image[found]
        return out


def own_grid(file: SegmentationFile) -> VolumeInfo:
    """The grid of the frames themselves, without holes: slices that have no frame are empty.

    Raises SegmentationError where the frames do not lie in parallel planes, or some at no place.
    """
    shape = (file.rows, file.columns)
    series = {"SeriesInstanceUID": file.header.get("SeriesInstanceUID"), "Modality": "SEG"}
    if not any(frame.plane is not None for frame in file.frames):
        return _without_place(file, shape, series)
    planes = [frame.plane for frame in file.frames if frame.plane is not None]
    if len(planes) < len(file.frames):
        raise SegmentationError(
            f"{file.path}: {len(file.frames) - len(planes)} of {len(file.frames)} frames do not say where "
            "they lie; give the images that they were made of (on=, --on)"
        )
    first = planes[0]
    if not all(_equal_but_position(plane, first) for plane in planes):
        raise SegmentationError(
            f"{file.path}: its frames lie in different orientations or have different pixel spacing, which "
            "is no grid; give the images that they were made of (on=, --on)"
        )
    positions, warnings = _positions(np.unique([plane.position for plane in planes], axis=0), first, file)
    thickness = file.slice_spacing or file.slice_thickness or 1.0
    geometry = StackGeometry(
        np.array(first.row_direction),
        np.array(first.column_direction),
        first.pixel_spacing,
        positions,
        thickness,
        file.frame_of_reference_uid,
    )
    return VolumeInfo(
        (len(positions), *shape),
        np.dtype(np.uint8),
        PLACED,
        geometry=geometry,
        series=series,
        warnings=warnings,
    )


def _without_place(file: SegmentationFile, shape: tuple[int, int], series: Mapping[str, Any]) -> VolumeInfo:
    """Frames by the image that each was made of, in the order in which these are named."""
    sources = list(dict.fromkeys(frame.sources[:1] for frame in file.frames))
    if () in sources and len(sources) > 1:
        raise SegmentationError(
            f"{file.path}: some frames say neither where they lie nor of which image they are"
        )
    if sources == [()] and file.kind == "LABELMAP":
        sources = [()] * len(file.frames)  # each frame shows all labels, so that each is an image of its own
    records = tuple(
        {"SOPInstanceUID": source[0][0], "frame": (source[0][1] or 1) - 1} for source in sources if source
    )
    return VolumeInfo(
        (len(sources), *shape), np.dtype(np.uint8), UNPLACED, geometry=None, series=series, slices=records
    )


def _equal_but_position(plane: Plane, first: Plane) -> bool:
    return plane is first or (
        plane.parallel_to(first) and np.allclose(plane.pixel_spacing, first.pixel_spacing, rtol=1e-4)
    )


def _positions(found: Matrix, plane: Plane, file: SegmentationFile) -> tuple[Matrix, Warnings]:
    """One position a slice, ascending along the normal, those that were left out among them."""
    normal = plane.normal
    found = found[np.argsort(found @ normal, kind="stable")]
    distances = found @ normal
    apart = np.diff(distances)
    same = VOXEL_PART * (file.slice_spacing or file.slice_thickness or float(max([*apart, 1.0])))
    keep = np.concatenate([[True], apart > min(same, 0.01)])
    found, distances = found[keep], distances[keep]
    gaps = np.diff(distances)
    if not len(gaps):
        return found, ()
    for step in dict.fromkeys((file.slice_spacing, float(gaps.min()), median(gaps), file.slice_thickness)):
        steps = None if step is None else _steps(gaps, step)
        if steps is not None and is_even(found, steps):
            return _filled(found, steps), ()
    return found, warning(
        f"slices are not evenly spaced: {gaps.min():.4g} to {gaps.max():.4g} mm; slices that have no frame "
        "are missing, unless the masks are loaded on the images that they were made of [slice-spacing]"
    )


def _steps(gaps: Matrix, step: float) -> NDArray[np.intp] | None:
    """Which place of a grid of that spacing each slice has; None where they are on no such grid."""
    multiples = np.round(gaps / step)
    if multiples.min() < 1 or multiples.sum() > MAX_SLICES:
        return None
    if np.any(np.abs(gaps - multiples * step) > even_tolerance(step) * multiples):
        return None
    return np.concatenate([[0], np.cumsum(multiples)]).astype(np.intp)


def _filled(found: Matrix, steps: NDArray[np.intp]) -> Matrix:
    every = np.arange(steps[-1] + 1)
    filled = np.stack([np.interp(every, steps, found[:, axis]) for axis in range(3)], axis=1)
    filled[steps] = found
    return filled


def image_size(info: VolumeInfo) -> tuple[int, int]:
    """Rows and columns of the images of a grid; colour samples may follow them."""
    rows, columns = info.shape[info.slice_axis + 1 : info.slice_axis + 3]
    return rows, columns


def place_frames(file: SegmentationFile, info: VolumeInfo) -> list[FramePlace] | str:
    """Which slice of a grid each frame is; or why one is on none of it, in words."""
    slices = info.shape[info.slice_axis]
    by_source = {
        source: {position % slices for position in positions}
        for source, positions in positions_of(info).items()
    }
    unplaced = iter(range(len(file.frames)))
    known: dict[Plane, FramePlace | str] = {}
    places: list[FramePlace] = []
    for frame in file.frames:
        if frame.plane is not None and info.geometry is not None:
            if (found := known.get(frame.plane)) is None:
                found = known[frame.plane] = _on_grid(frame.plane, info.geometry, file, image_size(info))
        else:
            found = _at_source(frame, by_source, file, info, next(unplaced))
        if isinstance(found, str):
            return f"frame {frame.index + 1}: {found}"
        places.append(found)
    return places


def positions_of(info: VolumeInfo) -> Mapping[SourceFrame, set[int]]:
    """Where each image is among the records of a grid, by its UID and frame (from 1) and by its UID."""
    found: dict[SourceFrame, set[int]] = defaultdict(set)
    for position, record in enumerate(info.slices):
        uid, frame = str(record.get("SOPInstanceUID")), record.get("frame")
        found[uid, None].add(position)
        if isinstance(frame, int):
            found[uid, frame + 1].add(position)
    return dict(found)


def _at_source(
    frame: SegmentFrame,
    by_source: Mapping[SourceFrame, set[int]],
    file: SegmentationFile,
    info: VolumeInfo,
    index: int,
) -> FramePlace | str:
    if (size := image_size(info)) != (file.rows, file.columns):
        return f"it has {file.rows} x {file.columns} pixels, the images {size[0]} x {size[1]}"
    named = (by_source.get(source, set()) for source in frame.sources)
    slices = set[int]().union(*(here for here in named if len(here) == 1))  # else it names several frames
    if len(slices) == 1:
        return FramePlace(slices.pop())
    if not info.slices and not frame.sources and info.geometry is None:
        return FramePlace(index if info.shape[0] > 1 else 0)  # its own order, of label maps that say no more
    if len(slices) > 1:
        return "it was made of images of several slices"
    return "it says no place that can be compared, and the images that it was made of are not among these"


def _on_grid(
    plane: Plane, grid: StackGeometry, file: SegmentationFile, shape: Sequence[int]
) -> FramePlace | str:
    """Which slice a plane is, and how its pixels lie there; or why it is none."""
    size = np.array([file.rows, file.columns], float)
    (index,), (off,) = nearest_slices(grid, [float(np.array(plane.position) @ grid.normal)])
    own = np.stack(
        [
            np.array(plane.column_direction) * plane.pixel_spacing[0],
            np.array(plane.row_direction) * plane.pixel_spacing[1],
        ],
        axis=1,
    )
    step = _step_at(grid, index)
    if (np.abs(grid.normal @ own) * size).sum() > VOXEL_PART * max(step, min(grid.pixel_spacing)):
        return "it has another orientation"
    basis = grid.pixel_steps
    to_pixels = np.linalg.inv(basis.T @ basis) @ basis.T  # the directions are at right angles
    turn = to_pixels @ own
    whole = np.rint(turn)
    if (np.abs(turn - whole) @ size).max() > VOXEL_PART or abs(round(np.linalg.det(whole))) != 1:
        return "its pixels have another size or direction"
    if off > VOXEL_PART * step:
        return f"it lies {off:.4g} mm from the nearest slice"
    offset = to_pixels @ (np.array(plane.position) - grid.slice_positions[index])
    if np.abs(offset - np.rint(offset)).max() > VOXEL_PART:
        return "its pixels lie between those of the grid"
    same = np.array_equal(whole, np.eye(2)) and not np.rint(offset).any()
    if same and tuple(shape[-2:]) == (file.rows, file.columns):
        return FramePlace(index)
    return FramePlace(index, whole.astype(np.intp), np.rint(offset).astype(np.intp))


def _step_at(grid: StackGeometry, index: int) -> float:
    """How far the nearest neighbour of a slice is, in mm; the thickness of a lone one."""
    distances = grid.distances
    beside = distances[max(index - 1, 0) : index + 2] - distances[index]
    return float(min(abs(beside[beside != 0]), default=grid.thickness))
