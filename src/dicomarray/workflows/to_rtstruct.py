"""Labels to DICOM: masks of a series as an RT Structure Set that refers to its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import ArrayLike

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.grouping.patients import patient_warnings, refuse_mixed_patients
from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.series import KEEP
from dicomarray.assembly.volumes.assemble import grid_of
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.geometry import ORIENTATION_TOLERANCE, StackGeometry
from dicomarray.core.nearest import nearest_slices
from dicomarray.core.options import made_of, takes
from dicomarray.dicom.uids import legal_uid
from dicomarray.errors import DataError, GeometryError, TemplateError, VerificationError
from dicomarray.formats.segment_list import Segments
from dicomarray.objects.common.files import WriteReport
from dicomarray.objects.structure_set.masks import mask_of
from dicomarray.objects.structure_set.options import StructureSetKeywords, StructureSetOptions
from dicomarray.objects.structure_set.reading import read_structure_set
from dicomarray.objects.structure_set.request import ContourImage, StructureSetRequest
from dicomarray.objects.structure_set.writing import write_structure_set
from dicomarray.runtime.pydicom_warnings import pydicom_quiet
from dicomarray.segmentation import Segmentation
from dicomarray.sources.base import Progress
from dicomarray.storage.places import PathLike, Url
from dicomarray.workflows.file_layouts import template_name
from dicomarray.workflows.given_labels import Labels, given_labels, images_of_labels, labels_at
from dicomarray.workflows.grid_mapping import check_same_coordinates, same_grid
from dicomarray.workflows.labels_on_template import first_repetition, steps_of, turned_like
from dicomarray.workflows.mask_places import place_warnings
from dicomarray.workflows.push import local_or_stored
from dicomarray.workflows.templates import Template, in_hand_or_asked, template_stack

if TYPE_CHECKING:
    from dicomarray.query.config import Config

# A slice of labels this near to an image, in parts of the way to the next one, lies on it.
ON_SLICE_PART = 0.1
OFF_IMAGES = (
    "their contours lie between images, and many readers will not show them, or on a neighbour "
    "[contours-off-slices]"
)
UNNAMED = "lie on images whose UIDs break the standard's rules (PS3.5 9.1)"


@takes(StructureSetOptions)
def to_rtstruct(  # noqa: PLR0913 - the template, the labels' place and meaning, by name
    labels: Labels,
    template: Template | None,
    output: PathLike | Url,
    segments: Segments | None = None,
    *,
    input_json: PathLike | None = None,
    affine: ArrayLike | PathLike | None = None,
    time: int | None = None,
    series: str | None = None,
    volume: int | None = None,
    config: Config = None,
    index: PathLike | None = None,
    progress: Progress | None = None,
    **options: Unpack[StructureSetKeywords],
) -> WriteReport:
    """Write masks as an RT Structure Set of a series: one file in a new series of its study.

    Parameters
    ----------
    labels, template, output, segments, input_json, affine, time, series, volume, config, index, progress
        As in `to_seg`; masks are no fractions, or become masks where a half is covered.
    options
        How to write: those of `StructureSetOptions`, below.

    Raises
    ------
    SegmentationError
        Where a label has no name, or a name is no known structure.
    TemplateError
        Where the template has no Frame of Reference, without which contours have no place.
    GeometryError
        Where the labels do not lie on the template.
    VerificationError
        Where what was written does not read back as asked; nothing is left behind.
    OutputError
        Where the output exists and ``overwrite`` is not set, or lies inside the template folder.
    """
    checked = made_of(StructureSetOptions, options)

    def made(folder: Path) -> WriteReport:
        wanted = in_hand_or_asked(
            template, volume, folder, series=series, config=config, index=index, progress=progress
        )
        given = labels_at(labels, input_json, affine)
        stack = template_stack(wanted, volume, KEEP, images_of_labels(given))
        return write_rtstruct_like(given, stack, folder, checked, segments, time)

    return local_or_stored(output, made)


@pydicom_quiet
def write_rtstruct_like(
    labels: Labels,
    stack: Stack,
    output: Path,
    options: StructureSetOptions,
    segments: Segments | None = None,
    time: int | None = None,
) -> WriteReport:
    """`to_rtstruct` with a template that is found already."""
    request = _request(labels, segments, stack, time)

    def check(files: Sequence[Path], _: WriteReport) -> None:
        _verify(files[0], request.segmentation)

    return write_structure_set(request, output, options, check if options.verify else None)


def _request(
    labels: Labels, segments: Segments | None, stack: Stack, time: int | None
) -> StructureSetRequest:
    name, first = template_name(stack), stack.frames[0]
    refuse_mixed_patients(stack.frames, name)
    frame_of_reference = first.header.text("FrameOfReferenceUID")
    if stack.geometry is None or not frame_of_reference:
        lacking = "place in the patient" if stack.geometry is None else "Frame of Reference UID"
        raise TemplateError(
            f"{name} has no {lacking}, without which contours lie nowhere; write the masks as a "
            "DICOM Segmentation (to_seg, to-seg)"
        )
    grid = grid_of(stack)
    whole, notes = _ascending(given_labels(labels, segments, grid, codes=False))
    segmentation = turned_like(whole, stack.geometry)
    geometry = segmentation.geometry
    if geometry is None:
        raise GeometryError(f"the labels have no place in the patient, but {name} has: give the array alone")
    check_same_coordinates(geometry, stack.geometry, name)
    chosen = _slices_at(geometry, segmentation.shape, stack)
    images = _images(chosen, stack, time)
    if not same_grid(geometry, stack.geometry, segmentation.shape):
        notes += place_warnings(segmentation, first_repetition(stack), OFF_IMAGES)
    unnamed = sum(at is not None and not one for at, one in zip(chosen, images, strict=True))
    if unnamed:
        notes += warning(
            f"{unnamed} of {len(chosen)} slices of the labels {UNNAMED}: their contours refer to none, and "
            "many readers will not show them [contours-off-slices]"
        )
    return StructureSetRequest(
        segmentation,
        images,
        first.header.reference,
        first.header.text("SeriesInstanceUID") or "",
        frame_of_reference,
        segmentation.warnings + patient_warnings(stack.frames) + notes,
    )


def _ascending(given: Segmentation) -> tuple[Segmentation, Warnings]:
    """Masks, no voxel covered in part, with slices in the order in which they are counted."""
    notes: Warnings = ()
    if given.fractional:
        notes = warning(
            "the masks are fractions: contours go around voxels of which at least half is covered "
            "[fractions-halved]"
        )
    geometry = given.geometry
    descending = geometry is not None and len(geometry.distances) > 1 and np.diff(geometry.distances)[0] < 0
    if not (descending or given.fractional):
        return given, notes
    layers, info = given.layers, given.info
    if descending and geometry is not None:
        layers = tuple(np.flip(layer, 0) for layer in layers)
        geometry = replace(geometry, slice_positions=geometry.slice_positions[::-1])
        info = replace(info, geometry=geometry, slices=())
    return Segmentation.from_layers(layers, {}, info), notes


def _images(chosen: Sequence[int | None], stack: Stack, time: int | None) -> list[tuple[ContourImage, ...]]:
    """For each slice of the labels the images of the template at its place."""
    steps = steps_of(stack, time)
    slices = stack.num_slices
    return [
        ()
        if at is None
        else tuple(image for step in steps if (image := _image(stack.frames[step * slices + at])) is not None)
        for at in chosen
    ]


def _slices_at(geometry: StackGeometry, shape: tuple[int, ...], stack: Stack) -> list[int | None]:
    """For each slice of the labels the template's slice that it lies on."""
    own = stack.geometry
    assert own is not None  # _request has seen to it
    if same_grid(geometry, own, shape):
        return list(range(len(own.slice_positions)))
    if np.abs(geometry.normal - own.normal).max() > ORIENTATION_TOLERANCE:
        return [None] * len(geometry.slice_positions)
    nearest, apart = nearest_slices(own, geometry.slice_positions @ own.normal)
    on_one = apart <= ON_SLICE_PART * abs(float(own.step @ own.normal))
    return [int(at) if on else None for at, on in zip(nearest, on_one, strict=True)]


def _image(frame: Frame) -> ContourImage | None:
    header = frame.header
    class_uid, uid = header.text("SOPClassUID") or "", header.text("SOPInstanceUID") or ""
    if not (legal_uid(class_uid) and legal_uid(uid)):
        return None
    return ContourImage(class_uid, uid, frame.index + 1 if frame.of_multiframe else None)


def _verify(path: Path, asked: Segmentation) -> None:
    """Read a file back and compare every mask; raises VerificationError where one is another."""
    try:
        found = {roi.number: roi for roi in read_structure_set(path).rois}
    except DataError as error:
        raise VerificationError(f"what was written cannot be read back: {error}") from error
    assert asked.geometry is not None  # _request has seen to it
    plane = asked.shape[1], asked.shape[2]
    common = 0
    for segment in asked.segments:
        number = segment.number
        if number not in found:
            raise VerificationError(f'"{segment.label}" is not in the written structure set')
        parts, _ = mask_of(found[number], asked.geometry, plane)
        voxels = sum(int(np.count_nonzero(part.values)) for part in parts)
        layer = asked.layer_of(number)
        held = sum(int(np.count_nonzero((layer[part.box] == number) & part.values)) for part in parts)
        if voxels != held:
            raise VerificationError(f'"{segment.label}" reads back with {voxels - held} voxels too many')
        common += held
    # no voxel that is in none of them
    expected = sum(int(np.count_nonzero(layer)) for layer in asked.layers)
    if common != expected:
        raise VerificationError(f"{expected - common} voxels of the masks are missing in what was written")
