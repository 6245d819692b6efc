"""Where the images of an array are to lie, and which image of the template each of them is derived from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.grouping.discriminators import AXES
from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.values.modality import mapped_rescales
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.diffusion import B_VALUE
from dicomarray.core.geometry import (
    FARTHEST_MM,
    RIGHT_ANGLE,
    Matrix,
    Plane,
    StackGeometry,
    checked_affine,
    stacks_apart,
    vector,
)
from dicomarray.core.pixel_values import Array
from dicomarray.errors import GeometryError, TemplateError
from dicomarray.formats.npy import load_array
from dicomarray.objects.derived_image.image_classes import is_multiframe
from dicomarray.objects.derived_image.request import Source, WriteRequest
from dicomarray.storage.json_files import read_json
from dicomarray.storage.places import PathLike
from dicomarray.workflows.file_layouts import (
    SAMPLES,
    check_colours,
    is_grouped,
    template_name,
)

# An affine in a sidecar and one read again from the same headers agree to rounding; mm at the far corner.
SAME_GRID_MM = 1e-3
# An image this near to its source, in mm at every corner, lies where its source does.
SAME_PLANE_MM = 1e-4
# A file with an affine is small; a larger one is something else.
LARGEST_AFFINE_BYTES = 1 << 20
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
FLIPPED = warning(
    "the array's slices ran against the direction in which slices are counted (row x column direction): they "
    "are written, and read back, in the other order; every voxel lies where it was asked for [array-flipped]"
)
ANOTHER_GRID = (
    "can only be written on its own grid. Resample the array to it, or take a series with one grey slice a "
    "file as template"
)


def read_affine(source: PathLike | Any) -> Matrix:
    """A 4x4 from index (slice, row, column) to LPS mm: an array, nested lists, or a .npy or .json with one.

    Raises InputError where the file cannot be read; UsageError where it is no affine.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        is_json = path.suffix == ".json"
        source = read_json(path, LARGEST_AFFINE_BYTES, "affine") if is_json else load_array(path)
    return checked_affine(source)


def place(array: Array, asked: StackGeometry | None, stack: Stack) -> WriteRequest:
    """Each image of the array with its source in the template; ``asked`` None: on the template's grid.

    Raises GeometryError where no series can say the grid, or it lies elsewhere than the template;
    TemplateError where the array has another shape than the template, and nothing says where it lies; or
    colours.
    """
    check_colours(array, stack)
    name, template = template_name(stack), stack.geometry
    own_shape = (*stack.shape, stack.frames[0].rows, stack.frames[0].columns)
    placed = PlacedGrid(None, False, ())
    if asked is not None and template is not None:
        check_same_coordinates(asked, template, name)
    if stack.kind.colour or is_grouped(stack):
        _check_own_grid(array, asked, own_shape, stack)
    else:
        _check_axes(array, stack, name)
        if asked is None and array.shape != own_shape:
            raise TemplateError(
                f"the array has the shape {array.shape}, {name} {own_shape}, and nothing says where the "
                "array's voxels lie: give its affine (affine=, --affine: 4x4, from slice, row, column to LPS "
                "mm) or its sidecar (input_json=, --input-json), or resample it to the template's grid, axes "
                "(slice, row, column)"
            )
        if asked is not None:
            placed = place_grid(asked, stack, array.shape)
            array = np.flip(array, -3) if placed.flipped else array
    return WriteRequest(
        array,
        _sources(array, placed.grid, stack),
        placed.grid,
        None if placed.grid is None else template,
        enhanced=is_multiframe(stack.frames[0].header.text("SOPClassUID") or ""),
        warnings=placed.warnings,
    )


@dataclass(frozen=True, eq=False)
class PlacedGrid:
    """Where slices lie: ``grid`` is None where they are the template's own; ``flipped``: backwards."""

    grid: StackGeometry | None
    flipped: bool
    warnings: Warnings


def place_grid(asked: StackGeometry, stack: Stack, shape: Sequence[int]) -> PlacedGrid:
    """Where slices with a place are to lie on a template; ``shape`` is that of the array.

    Raises GeometryError where no series can say the grid, or it lies elsewhere than the template.
    """
    name, template = template_name(stack), stack.geometry
    if template is None:
        raise GeometryError(f"{name} has no patient geometry: nothing can be written at a place of its own")
    check_same_coordinates(asked, template, name)
    flipped = _runs_backwards(asked)
    if flipped:
        asked = replace(asked, slice_positions=asked.slice_positions[::-1])
    own, warnings = (*stack.shape, stack.frames[0].rows, stack.frames[0].columns), FLIPPED if flipped else ()
    if tuple(shape) == own and same_grid(asked, template, shape):
        return PlacedGrid(None, flipped, warnings)
    _check_representable(asked, template, shape, own, name)
    return PlacedGrid(_snapped(asked, stack, shape), flipped, warnings)


def _check_own_grid(
    array: Array, asked: StackGeometry | None, grid_shape: tuple[int, ...], stack: Stack
) -> None:
    """Colour, a mosaic or a loop of frames is written on the template's grid only."""
    name, template = template_name(stack), stack.geometry
    own_shape = grid_shape + (SAMPLES,) * stack.kind.colour
    grouped = "a mosaic" if stack.frames[0].tile is not None else "a loop of frames"
    kind = "in colour" if stack.kind.colour and stack.frames[0].tile is None else grouped
    if array.shape != own_shape:
        raise TemplateError(
            f"the array has the shape {array.shape}, {name} {own_shape}; it is {kind}, which {ANOTHER_GRID}"
        )
    if asked is not None and (template is None or not same_grid(asked, template, grid_shape)):
        raise GeometryError(f"the array lies on another grid than {name}; it is {kind}, which {ANOTHER_GRID}")


def _sources(array: Array, grid: StackGeometry | None, stack: Stack) -> tuple[Source, ...]:
    """For every image of the array the template's at its place, else the nearest one."""
    identities = [_repetition_identity(stack, index) for index in range(stack.repetitions)]
    slices = stack.num_slices
    mapped = mapped_rescales(stack) or (None,) * len(stack.frames)
    if grid is None:
        chosen: list[tuple[int, Plane | None]] = [(index, None) for index in range(slices)]
    else:
        planes = [_plane(grid, position) for position in grid.slice_positions]
        chosen = list(zip(_nearest(grid, stack, array.shape), planes, strict=True))
    return tuple(
        replace(_source(stack.frames[at], plane, array.shape, identities[repetition]), rescale=mapped[at])
        for repetition in range(stack.repetitions)
        for at, plane in ((repetition * slices + index, plane) for index, plane in chosen)
    )


def same_grid(one: StackGeometry, other: StackGeometry, shape: Sequence[int]) -> bool:
    """Whether voxels of one index lie at one place, but for rounding; ``shape`` ends with rows, columns."""
    return stacks_apart(one, other, shape) <= SAME_GRID_MM


def _check_axes(array: Array, stack: Stack, name: str) -> None:
    wanted = 3 if stack.axis is None else 4
    if array.ndim == wanted and (wanted == 3 or array.shape[0] == stack.repetitions):
        return
    axes = "(slice, row, column)" if stack.axis is None else f"({stack.axis}, slice, row, column)"
    shape = (*stack.shape, stack.frames[0].rows, stack.frames[0].columns)
    advice = (
        "write each volume of a 4-D array by itself, or take a 4-D series as template"
        if array.ndim > wanted
        else "bring the array into this form"
    )
    raise TemplateError(
        f"the array has the shape {array.shape}, {name} has {shape}, {axes}: the array must have these axes"
        f"{'' if stack.axis is None else f', and {stack.repetitions} repetitions'}; {advice}"
    )


def _runs_backwards(asked: StackGeometry) -> bool:
    """Whether slices run against the direction in which they are counted: along row x column direction."""
    steps = np.diff(asked.distances)
    along = asked.slice_positions[1:] - asked.slice_positions[:-1]
    if len(steps) and not (np.all(steps > 0) or np.all(steps < 0)):
        raise GeometryError("the slices asked for do not follow each other along their normal")
    if np.any(np.abs(steps) < RIGHT_ANGLE * np.linalg.norm(along, axis=1)):
        raise GeometryError("the slices asked for lie in one plane")
    return bool(len(steps) and steps[0] < 0)


def check_same_coordinates(asked: StackGeometry, template: StackGeometry, name: str) -> None:
    """Raise GeometryError where Frame of Reference UIDs say that equal numbers are different places."""
    one, other = asked.frame_of_reference_uid, template.frame_of_reference_uid
    if one is not None and other is not None and one != other:
        raise GeometryError(
            f"the array lies in another Frame of Reference than {name}: FrameOfReferenceUID is {one} and "
            f"{other}, so that equal numbers are different places. Register the array first, or use the "
            "series that it was made from as template; where both are surely one, give the array alone with "
            "its affine (affine=, --affine)"
        )


def _check_representable(
    asked: StackGeometry,
    template: StackGeometry,
    shape: Sequence[int],
    template_shape: Sequence[int],
    name: str,
) -> None:
    """Raise GeometryError for what Image Position, Orientation and Pixel Spacing cannot say, or not here."""
    skew = abs(float(asked.row_direction @ asked.column_direction))
    own_skew = abs(float(template.row_direction @ template.column_direction))
    if skew > max(RIGHT_ANGLE, own_skew + RIGHT_ANGLE):
        raise GeometryError(
            f"the affine's row and column axes are not at a right angle (cosine {skew:.3g}), which "
            "ImageOrientationPatient cannot say; resample the array to an upright grid"
        )
    corners = _corners(asked, shape)
    if not np.abs(corners).max() <= FARTHEST_MM:  # NaN is nowhere
        raise GeometryError(f"the affine places voxels beyond {FARTHEST_MM:g} mm, where no patient is")
    _check_overlap(corners, template, template_shape, name)


def _check_overlap(
    corners: Matrix, template: StackGeometry, template_shape: Sequence[int], name: str
) -> None:
    """Headers of slices that lie elsewhere would tell nothing true."""
    half = max(template.thickness, float(np.abs(template.step @ template.normal))) / 2
    own = _corners(template, template_shape)
    down, right = template.column_direction, template.row_direction
    directions = (
        ("along the normal", template.normal, half),
        ("along the columns", down, template.pixel_spacing[0] / 2),
        ("along the rows", right, template.pixel_spacing[1] / 2),
    )
    for where, direction, margin in directions:
        asked, there = corners @ direction, own @ direction
        if asked.min() > there.max() + margin or asked.max() < there.min() - margin:
            raise GeometryError(
                f"the array lies at {asked.min():.2f} to {asked.max():.2f} mm {where} of {name}, whose "
                f"{'slices' if direction is template.normal else 'pixels'} lie at {there.min():.2f} to "
                f"{there.max():.2f} mm: nothing in common. The affine takes (slice, row, column) to LPS mm "
                "(NIfTI counts in RAS)"
            )


def _corners(geometry: StackGeometry, shape: Sequence[int]) -> Matrix:
    """Centres of the corner voxels of every slice, (corners, 3), LPS mm."""
    down = geometry.column_direction * geometry.pixel_spacing[0] * (shape[-2] - 1)
    right = geometry.row_direction * geometry.pixel_spacing[1] * (shape[-1] - 1)
    return np.concatenate([geometry.slice_positions + offset for offset in (0, down, right, down + right)])


def _nearest(grid: StackGeometry, stack: Stack, shape: Sequence[int]) -> list[int]:
    """For each slice the template's slice that is nearest to its middle, along the template's normal."""
    assert stack.geometry is not None  # place() has seen to it
    corners = _corners(grid, shape).reshape(4, -1, 3)
    middles = corners.mean(axis=0) @ stack.geometry.normal
    return [int(np.argmin(np.abs(stack.geometry.distances - middle))) for middle in middles]


def _snapped(grid: StackGeometry, stack: Stack, shape: Sequence[int]) -> StackGeometry:
    """The grid asked for, with the template's own numbers where it says the same but for rounding.

    Slices of a series are some 1e-6 mm off a straight line, since headers have few digits: those that stay
    keep their headers, and lie where these say.
    """
    nearest = _nearest(grid, stack, shape)
    first = stack.frames[nearest[0]].plane
    assert first is not None  # place() has seen to it
    turned = first._replace(position=vector(grid.slice_positions[0]))
    if _same_plane(_plane(grid, grid.slice_positions[0]), turned, shape):
        grid = replace(
            grid,
            row_direction=np.array(first.row_direction),
            column_direction=np.array(first.column_direction),
            pixel_spacing=first.pixel_spacing,
        )
    positions = np.array(grid.slice_positions)
    for index, place in enumerate(nearest):
        own = stack.frames[place].plane
        if own is not None and _same_plane(_plane(grid, positions[index]), own, shape):
            positions[index] = own.position
    return replace(grid, slice_positions=positions)


def _plane(grid: StackGeometry, position: Matrix) -> Plane:
    return Plane(
        vector(position), vector(grid.row_direction), vector(grid.column_direction), grid.pixel_spacing
    )


def _source(frame: Frame, plane: Plane | None, shape: Sequence[int], identity: dict[str, Any]) -> Source:
    same = plane is None or (frame.plane is not None and _same_plane(plane, frame.plane, shape))
    return Source(frame.header.reference, frame.index, None if same else plane, identity)


def _same_plane(one: Plane, other: Plane, shape: Sequence[int]) -> bool:
    steps = (
        [np.array(plane.column_direction) * plane.pixel_spacing[0] * shape[-2] for plane in (one, other)],
        [np.array(plane.row_direction) * plane.pixel_spacing[1] * shape[-1] for plane in (one, other)],
    )
    apart = [np.array(one.position) - np.array(other.position), *(a - b for a, b in steps)]
    return bool(sum(np.abs(part).max() for part in apart) <= SAME_PLANE_MM)


def _repetition_identity(stack: Stack, repetition: int) -> dict[str, Any]:
    """What only a private element says of a repetition, by the keyword of the standard.

    Private elements are dropped, and the repetitions must still be told apart.
    """
    identity: dict[str, Any] = {}
    b_value = stack.coordinates.get(B_VALUE, [None] * stack.repetitions)[repetition]
    first = stack.frames[repetition * stack.num_slices]
    stated = first.of_multiframe or first.tile or first.header.attributes.get(B_VALUE) is not None
    if b_value is not None and not stated:
        identity[B_VALUE] = float(b_value)
    if _needs_numbers(stack):
        identity["TemporalPositionIdentifier"] = repetition + 1
        identity["NumberOfTemporalPositions"] = stack.repetitions
    return identity


def _needs_numbers(stack: Stack) -> bool:
    """Whether only private elements tell some time points of classic MR images (PS3.3 C.8.3.1) apart."""
    if stack.axis != "time" or stack.frames[0].header.text("SOPClassUID") != MR_IMAGE:
        return False
    step = stack.num_slices
    first = [frame.attributes for frame in stack.frames[::step]]
    stated = {name: [known.get(name) for known in first] for name in AXES["time"]}
    kept = [found for name, found in stated.items() if not name.startswith("(")]
    return _distinct(stated.values()) > _distinct(kept)


def _distinct(coordinates: Iterable[Sequence[Any]]) -> int:
    """How many repetitions some coordinates tell apart."""
    return len({repr(values) for values in zip(*coordinates, strict=True)})
