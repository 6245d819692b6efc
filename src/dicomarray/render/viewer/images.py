"""Volumes and masks as NiiVue takes them: NIfTI files of a bounded size, with what the page says of them."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicomarray.core.geometry import Matrix, StackGeometry
from dicomarray.core.pixel_values import Array
from dicomarray.core.plain_text import one_line
from dicomarray.core.resampling import resample_even, upright
from dicomarray.core.volume_info import VolumeInfo
from dicomarray.dicom.identities import may_identify
from dicomarray.errors import ValuesError
from dicomarray.formats.nifti import RAS_TO_LPS
from dicomarray.formats.nifti_file import GZIP_LEVEL, NARROW, fits, header_of, layout_of, may_be_narrow
from dicomarray.render.greys import colour, window_of
from dicomarray.render.overlay import colour_of
from dicomarray.render.pictures import TIMES, number_text
from dicomarray.render.planes import first_repetition, nearest_axes, planes_of
from dicomarray.segmentation import Segmentation
from dicomarray.volume import Volume

# Voxels on one page, of all repetitions: more make a page that a browser opens slowly, or not at all.
MAX_VOXELS = 64 << 20
# Repetitions for which space is made by leaving out voxels; what lies beyond is left out itself.
MIN_REPETITIONS = 20
# A card draws no side that is longer.
MAX_SIDE = 2048
# A stack whose axes are further than this, in degrees, from those of the patient is called oblique.
OBLIQUE_DEGREES = 1.0
# Axes of an image that has no place: slices up, rows to the back, columns to the left, 1 mm a voxel.
_NOWHERE = np.array([[0, 0, 1.0, 0], [0, 1.0, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1]])


@dataclass(frozen=True, eq=False)
class Grid:
    """On which voxels of a volume the page has.

    ``steps`` are (slice, row, column): every so manieth is there, the first always.  ``geometry`` is that of
    the volume once it is even and upright, before voxels are left out.
    """

    geometry: StackGeometry
    shape: tuple[int, int, int]
    steps: tuple[int, int, int]

    def reduced(self, array: Array) -> Array:
        """An array (slice, row, column[, sample]) of its shape, with the voxels that are there."""
        return array[:: self.steps[0], :: self.steps[1], :: self.steps[2]]

    @property
    def affine(self) -> Matrix:
        """4x4, from the index of a voxel that is there to LPS mm."""
        return np.asarray(self.geometry.affine @ np.diag([*map(float, self.steps), 1.0]))

    @property
    def reduced_shape(self) -> tuple[int, int, int]:
        """How many voxels there are."""
        slices, rows, columns = (
            -(-count // step) for count, step in zip(self.shape, self.steps, strict=True)
        )
        return slices, rows, columns

    def file_of(self, repetitions: Sequence[Array], is_colour: bool = False) -> bytes:
        """A ``.nii.gz`` of arrays (slice, row, column[, sample]) with the voxels that are there."""
        geometry = StackGeometry.from_affine(self.affine, self.reduced_shape[0])
        layout = layout_of(geometry, self.reduced_shape)
        arrays = [array[:, ::-1] for array in repetitions]  # rows from below
        narrow = may_be_narrow(arrays[0].dtype) and all(map(fits, arrays))
        dtype = (NARROW if narrow else arrays[0].dtype).newbyteorder("<")
        shape = (len(arrays), *self.reduced_shape) if len(arrays) > 1 else self.reduced_shape
        header = header_of(layout, shape, dtype, is_colour)
        voxels = b"".join(np.ascontiguousarray(array, dtype).tobytes() for array in arrays)
        return gzip.compress(header + voxels, GZIP_LEVEL, mtime=0)


@dataclass(frozen=True, eq=False)
class Picture:
    """A volume: its file, and all that the page knows of it (``facts``, for JSON); ``notes`` must be read."""

    file: bytes
    facts: dict[str, Any]
    notes: tuple[str, ...]
    grid: Grid


class Masks(NamedTuple):
    """A file for each label array, and the segments in them: what the page knows of each, for JSON."""

    files: list[bytes]
    segments: list[dict[str, Any]]
    notes: tuple[str, ...]


def picture_of(volume: Volume) -> Picture:
    """What the page shows of a volume."""
    first = first_repetition(volume)
    if first.dtype.kind not in "biuf":
        raise ValuesError(f"values of the type {first.dtype} cannot be drawn")
    window = window_of([plane.values for plane in planes_of(volume)])
    info = volume.info
    array, geometry, notes = _regular(volume)
    shape = (array.shape[1], array.shape[2], array.shape[3])
    grid, chosen = _bounded(geometry, shape, len(array))
    notes += _reduction_notes(grid, chosen, len(array), info)
    is_colour = array.ndim == 5
    repetitions = [_drawable(grid.reduced(array[index]), volume.units, is_colour) for index in chosen]
    notes += _unusable_notes(array)
    greatest = max(float(one.max()) for one in repetitions)
    least = min(float(one.min()) for one in repetitions)
    facts = {
        "name": str(volume.series.get("Modality") or "image"),
        "units": volume.units,
        "colour": is_colour,
        "placed": volume.geometry is not None,
        "oblique": _degrees_off(geometry) > OBLIQUE_DEGREES and volume.geometry is not None,
        "inverted": volume.series.get("Modality") == "PT" and not is_colour,
        "window": None if window is None else [window.lower, window.upper],
        "range": [least, greatest],
        "shape": list(grid.shape),
        "axes": list(info.axes[info.slice_axis : info.slice_axis + 3]),
        "affine": (RAS_TO_LPS @ grid.geometry.affine).tolist(),
        "steps": [_step_text(info, index, len(array)) for index in chosen],
    }
    return Picture(grid.file_of(repetitions, is_colour), facts, notes, grid)


def masks_of(segmentation: Segmentation, grid: Grid) -> Masks:
    """What the page shows of masks that lie on the grid of a volume."""
    files: list[bytes] = []
    shown: dict[int, dict[str, Any]] = {}
    notes: tuple[str, ...] = ()
    brought = segmentation
    if segmentation.shape != grid.shape:  # the volume was resampled: so are the masks
        info = VolumeInfo(grid.shape, np.dtype(np.uint8), ("slice", "row", "column"), geometry=grid.geometry)
        brought = segmentation.resampled(info)
        notes = ("The masks are resampled as the volume is, each voxel as the nearest one.",)
    for index, layer in enumerate(brought.layers):
        present = [segment for segment in brought.segments if (layer == segment.number).any()]
        table = np.zeros(int(layer.max(initial=0)) + 1, np.min_scalar_type(len(present)))
        for number, segment in enumerate(present, 1):
            table[segment.number] = number
        labels = table[layer]
        files.append(grid.file_of([grid.reduced(labels)]))
        places = _places(labels, len(present))
        for number, segment in enumerate(present, 1):
            shown[segment.number] = {"layer": index, "number": number, "place": places[number]}
    nowhere = {"layer": -1, "number": 0, "place": None}
    segments = [
        {"label": one_line(one.label), "colour": colour_of(one), **shown.get(one.number, nowhere)}
        for one in brought.segments
    ]
    return Masks(files, segments, notes)


def _places(labels: NDArray[Any], count: int) -> dict[int, tuple[int, int, int]]:
    """Of each number from 1 the voxel of it that lies nearest to its middle."""
    flat = labels.reshape(-1)
    inside = np.flatnonzero(flat)
    ordered = inside[np.argsort(flat[inside], kind="stable")]
    ends = np.cumsum(np.bincount(flat[inside], minlength=count + 1)[1:])
    found = {}
    for number, voxels in enumerate(np.split(ordered, ends[:-1]), 1):
        indices = np.stack(np.unravel_index(voxels, labels.shape), axis=1)
        nearest = int(np.argmin(((indices - indices.mean(axis=0)) ** 2).sum(axis=1)))
        place = indices[nearest]
        found[number] = (int(place[0]), int(place[1]), int(place[2]))
    return found


# --- the grid ---------------------------------------------------------------------------------------------


def _regular(volume: Volume) -> tuple[Array, StackGeometry, tuple[str, ...]]:
    """(repetition, slice, row, column[, sample]) on an even, upright grid, and what was done for that."""
    axis = volume.info.slice_axis
    array = volume.array.reshape((-1, *volume.array.shape[axis:]))
    geometry = volume.geometry
    if geometry is None:
        note = "No geometry: a voxel is drawn as a cube, and no side of the patient is known."
        return array, StackGeometry.from_affine(_NOWHERE, array.shape[1]), (note,)
    notes: tuple[str, ...] = ()
    if not geometry.uniform:
        before = array.shape[1]
        array, geometry = resample_even(array, geometry, slice_axis=1)
        notes += (
            f"The slices are not evenly spaced: resampled for this page from {before} to {array.shape[1]}, "
            f"{number_text(geometry.spacing[0])} mm apart.",
        )
    if geometry.tilt_degrees:
        tilt = geometry.tilt_degrees
        fill = float(np.nanmin(array)) if array.dtype.kind == "f" else float(array.min())
        array, geometry = upright(array, geometry, fill, slice_axis=1)
        notes += (f"The stack is tilted by {number_text(tilt)} degrees: resampled upright for this page.",)
    return array, geometry, notes


def _bounded(
    geometry: StackGeometry, shape: tuple[int, int, int], repetitions: int
) -> tuple[Grid, list[int]]:
    """The grid, with so many voxels left out that it fits; and which repetitions are shown."""
    grid = Grid(geometry, shape, (1, 1, 1))
    wanted = min(repetitions, MIN_REPETITIONS)
    while int(np.prod(grid.reduced_shape)) * wanted > MAX_VOXELS or max(grid.reduced_shape) > MAX_SIDE:
        spacing = np.array(geometry.spacing) * grid.steps
        spacing[np.array(grid.reduced_shape) == 1] = np.inf
        if max(grid.reduced_shape) > MAX_SIDE:
            finest = int(np.argmax(grid.reduced_shape))
        else:
            finest = int(np.argmin(spacing))
        steps = [step * 2 if axis == finest else step for axis, step in enumerate(grid.steps)]
        grid = replace(grid, steps=(steps[0], steps[1], steps[2]))
    room = max(1, min(repetitions, MAX_VOXELS // int(np.prod(grid.reduced_shape))))
    return grid, [int(n) for n in np.unique(np.linspace(0, repetitions - 1, room).round().astype(int))]


def _reduction_notes(grid: Grid, chosen: list[int], repetitions: int, info: VolumeInfo) -> tuple[str, ...]:
    notes = []
    for axis, step, count in zip(("slice", "row", "column"), grid.steps, grid.shape, strict=True):
        if step > 1:
            notes.append(f"Every {_ordinal(step)} {axis} of {count} is shown, so that the page stays small.")
    if len(chosen) < repetitions:
        names = TIMES.join(info.axes[: info.slice_axis])
        notes.append(f"{len(chosen)} of {repetitions} along the axis {names} are on this page.")
    return tuple(notes)


def _ordinal(step: int) -> str:
    return {2: "2nd"}.get(step, f"{step}th")


def _degrees_off(geometry: StackGeometry) -> float:
    """The greatest angle between an axis of a stack and the nearest one of the patient."""
    axes = np.array([geometry.normal, geometry.column_direction, geometry.row_direction])
    least = np.abs(axes[list(nearest_axes(axes)), range(3)]).min()
    return float(np.degrees(np.arccos(min(1.0, float(least)))))


# --- values -----------------------------------------------------------------------------------------------


def _drawable(array: Array, units: str, is_colour: bool) -> Array:
    """What a browser takes: bytes of colour, whole numbers of 32 bits, float32, all of them finite."""
    if is_colour:
        return colour(array, units)
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind != "f" and array.dtype.itemsize < 4:
        return array
    if array.dtype == np.int32:
        return array
    drawn = array.astype(np.float32)
    finite = np.isfinite(drawn)
    if not finite.all():
        drawn[~finite] = drawn[finite].min() if finite.any() else 0
    return drawn


def _unusable_notes(array: Array) -> tuple[str, ...]:
    if array.dtype.kind != "f":
        return ()
    unusable = int(array.size - np.count_nonzero(np.isfinite(array)))
    return (f"{unusable} values are NaN or infinite, and drawn as the least one.",) if unusable else ()


def _step_text(info: VolumeInfo, index: int, count: int) -> str:
    """What stands beside the slider for one repetition."""
    axes = info.axes[: info.slice_axis]
    parts = [f"{TIMES.join(axes)} {index + 1} of {count}"] if axes else [""]
    if len(axes) == 1:
        parts += [
            f"{keyword} {_short(values[index])}"
            for keyword, values in info.coordinates.items()
            if len(values) == count and not may_identify(keyword)
        ]
    return " · ".join(parts)


def _short(value: Any) -> str:
    return number_text(value) if isinstance(value, float) else str(value)[:40]
