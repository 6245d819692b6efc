"""A segmentation on the slices of a template -> what is to be written: places, and images of each slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.grouping.patients import patient_warnings, refuse_mixed_patients
from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.volumes.assemble import grid_of
from dicomarray.core.axis_order import order_like, snapped
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.geometry import Plane, StackGeometry, vector
from dicomarray.core.nearest import nearest_slices
from dicomarray.dicom.uids import legal_uid
from dicomarray.errors import GeometryError, TemplateError, UsageError
from dicomarray.objects.segmentation.request import SegmentationRequest, SourceImage
from dicomarray.segmentation import Segmentation
from dicomarray.workflows.file_layouts import template_name
from dicomarray.workflows.grid_mapping import place_grid
from dicomarray.workflows.mask_places import place_warnings

# What becomes of masks whose slices lie on no image.
OFF_IMAGES = (
    "they are written where they lie, and viewers that show masks image by image may not show them, or on a "
    "neighbour [labels-off-images]"
)


def place_labels(labels: Segmentation, stack: Stack, time: int | None = None) -> SegmentationRequest:
    """Masks on slices with images of the template, each with the images that it is of.

    ``time`` is the step that was segmented of a template with repetitions; None: all of them.  Raises
    TemplateError where the labels have another shape than a template without a place, and GeometryError where
    they lie elsewhere.
    """
    refuse_mixed_patients(stack.frames, template_name(stack))
    steps, one = steps_of(stack, time), first_repetition(stack)
    grid, warnings = None, patient_warnings(stack.frames)
    own = (*one.shape, one.frames[0].rows, one.frames[0].columns)
    if (labels.geometry is None) != (stack.geometry is None):
        raise GeometryError(
            f"the labels and {template_name(stack)} differ: only one of them has a patient geometry; give "
            "the array alone, with the axes of the template"
        )
    if labels.geometry is not None and one.geometry is not None:
        labels = turned_like(labels, one.geometry)
    if labels.geometry is not None:
        placed = place_grid(labels.geometry, one, labels.shape)
        grid, warnings = placed.grid, warnings + placed.warnings
        if grid is not None:
            warnings += place_warnings(labels, one, OFF_IMAGES)
        labels = labels.flipped() if placed.flipped else labels
    elif labels.shape != own:
        raise TemplateError(f"the labels have the shape {labels.shape}, {template_name(stack)} {own}")
    info = grid_of(one)
    if grid is not None:
        info = replace(info, shape=labels.shape, geometry=grid, slices=())
    return _request(labels.relocated(info), stack, one, grid, steps, warnings)


def turned_like(masks: Segmentation, template: StackGeometry) -> Segmentation:
    """Masks with their axes in the order and direction of a template's; no voxel is moved or resampled.

    Slices at uneven distances stay as they are: their axis cannot become another one.
    """
    geometry = masks.geometry
    if geometry is None or not geometry.uniform:
        return masks
    order = order_like(geometry.affine, template)
    if order.source == (0, 1, 2) and not any(order.flipped):
        return masks
    shape = tuple(masks.shape[axis] for axis in order.source)
    affine = order.turn_affine(geometry.affine, masks.shape)
    turned = StackGeometry.from_affine(affine, shape[0], geometry.frame_of_reference_uid)
    info = replace(masks.info, shape=shape, geometry=snapped(turned, shape, template), slices=())
    return masks.turned(lambda array: np.ascontiguousarray(order.turn(array)), info)


def first_repetition(stack: Stack) -> Stack:
    """The images of the first repetition, as a stack of their own."""
    frames = stack.frames[: stack.num_slices]
    return replace(stack, frames=frames, repetitions=1, axis=None, coordinates={})


def steps_of(stack: Stack, time: int | None) -> Sequence[int]:
    """Which repetitions are meant: one by its index, or all of them."""
    if time is None:
        return range(stack.repetitions)
    if isinstance(time, bool) or not isinstance(time, int | np.integer):
        raise UsageError(f"time={time!r}: a whole number is needed, the index of a step from 0")
    if stack.axis is None or not 0 <= time < stack.repetitions:
        raise UsageError(f"time={time}: {template_name(stack)} has {stack.repetitions} steps, counted from 0")
    return [int(time)]


def _request(
    segmentation: Segmentation,
    stack: Stack,
    one: Stack,
    grid: StackGeometry | None,
    steps: Sequence[int],
    warnings: Warnings,
) -> SegmentationRequest:
    geometry, slices = segmentation.geometry, len(one.frames)
    planes = () if geometry is None else _planes(geometry, one if grid is None else None)
    sources = []
    for index in range(segmentation.shape[0]):
        nearest = _source_slice(one, planes[index] if grid is not None else None, index)
        same = nearest is not None and (
            grid is None or _same_place(planes[index], one.frames[nearest], segmentation.shape)
        )
        sources.append(
            tuple(
                _source(stack.frames[step * slices + nearest], same)
                for step in steps
                if nearest is not None and _is_legal(stack.frames[step * slices + nearest])
            )
        )
    if not all(map(_is_legal, one.frames)):
        warnings += _unreferenced(geometry, one)
    even = geometry is not None and (len(geometry.slice_positions) > 1 and geometry.uniform)
    spacing = float(abs(geometry.step @ geometry.normal)) if geometry is not None and even else None
    first = one.frames[0]
    thickness = first.usable_number("SliceThickness") if grid is None else None
    if geometry is not None and len(geometry.slice_positions) == 1:
        thickness = thickness or geometry.thickness
    return SegmentationRequest(
        segmentation=segmentation,
        planes=planes,
        sources=tuple(sources),
        template=first.header.reference,
        frame_of_reference_uid=None if geometry is None else one.frames[0].header.text("FrameOfReferenceUID"),
        referenced=() if any(sources) else tuple(_source(f, False) for f in one.frames if _is_legal(f)),
        thickness=thickness or spacing,
        spacing=spacing,
        warnings=warnings,
    )


def _unreferenced(geometry: StackGeometry | None, template: Stack) -> Warnings:
    """What is to be said of images that cannot be referred to.

    Raises TemplateError where they have no place either: nothing would say what the masks are of.
    """
    why = f"UIDs of {template_name(template)} break the standard's rules (PS3.5 9.1)"
    if geometry is None:
        raise TemplateError(
            f"{why}, so that no mask can refer to its images, and these have no place in the patient: "
            "nothing would say what the masks are of. Give the images legal UIDs first"
        )
    return warning(f"{why}: the segmentation does not refer to these images [no-references]")


def _planes(geometry: StackGeometry, template: Stack | None) -> tuple[Plane, ...]:
    """Of each slice; in the numbers of the template's own headers where they lie as its slices do."""
    row, column = vector(geometry.row_direction), vector(geometry.column_direction)
    first = None if template is None else template.frames[0]
    if first is not None and first.tile is None:
        stated = first.numbers("ImageOrientationPatient", 6)
        if stated is not None and np.allclose(stated, (*row, *column), rtol=0, atol=1e-5):
            row, column = (stated[0], stated[1], stated[2]), (stated[3], stated[4], stated[5])
    return tuple(
        Plane(vector(position), row, column, geometry.pixel_spacing) for position in geometry.slice_positions
    )


def _source_slice(template: Stack, plane: Plane | None, index: int) -> int | None:
    """The template's slice at a place; None where it has none within half a slice."""
    geometry = template.geometry
    if plane is None or geometry is None:
        return index
    (nearest,), (apart,) = nearest_slices(geometry, [float(np.array(plane.position) @ geometry.normal)])
    if abs(float(plane.normal @ geometry.normal)) < 1 - 1e-3:
        return None
    return int(nearest) if apart <= abs(float(geometry.step @ geometry.normal)) / 2 else None


def _same_place(plane: Plane, frame: Frame, shape: Sequence[int]) -> bool:
    own = frame.plane
    if own is None or (frame.rows, frame.columns) != tuple(shape[-2:]):
        return False
    return bool(
        np.allclose(plane.position, own.position, rtol=0, atol=1e-3)
        and np.allclose(plane.orientation, own.orientation, rtol=0, atol=1e-5)
        and np.allclose(plane.pixel_spacing, own.pixel_spacing, rtol=1e-5, atol=0)
    )


def _is_legal(frame: Frame) -> bool:
    return legal_uid(frame.header.text("SOPInstanceUID") or "") and bool(frame.header.text("SOPClassUID"))


def _source(frame: Frame, same_place: bool) -> SourceImage:
    header = frame.header
    return SourceImage(
        class_uid=header.text("SOPClassUID") or "",
        instance_uid=header.text("SOPInstanceUID") or "",
        series_uid=header.text("SeriesInstanceUID") or "",
        frame=frame.index + 1 if frame.of_multiframe else None,
        same_place=same_place and frame.tile is None,
    )
