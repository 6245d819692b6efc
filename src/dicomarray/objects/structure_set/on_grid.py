"""A structure set brought onto a grid: a `Segmentation`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.label_layer import Layers
from dicomarray.core.segments import ALGORITHM_TYPES, MAX_NUMBER, Segment
from dicomarray.core.volume_info import VolumeInfo
from dicomarray.errors import SegmentationError
from dicomarray.objects.structure_set.contents import Roi, StructureSet
from dicomarray.objects.structure_set.masks import mask_of, occupancy_of
from dicomarray.segmentation import Fraction, Segmentation, info_of_labels


def segmentation_on(structures: StructureSet, grid: VolumeInfo, *, occupancy: bool = False) -> Segmentation:
    """The masks of all regions on the slices of a grid.

    Parameters
    ----------
    grid
        What is known of a volume: (slices, rows, columns), behind repetitions where it has such.
    occupancy
        The covered part of each voxel instead of the voxels whose centre lies inside.

    Raises SegmentationError where the grid has no place in the patient, or counts in other coordinates.
    """
    geometry = grid.geometry
    if geometry is None:
        raise SegmentationError("the images have no place in the patient, so that no contour lies on them")
    notes = _frames_of_reference(structures, geometry.frame_of_reference_uid)
    segments, renumbered = segments_of(structures.rois)
    slices, rows, columns = shape = grid.shape[grid.slice_axis : grid.slice_axis + 3]
    layers, fractions = Layers(shape, max(one.number for one in segments)), dict[int, Fraction]()
    for roi, segment in zip(structures.rois, segments, strict=True):
        if occupancy:
            fractions[segment.number], found = occupancy_of(roi, geometry, (rows, columns))
        else:
            parts, found = mask_of(roi, geometry, (rows, columns))
            layers.put(((part.box, part.values) for part in parts), segment.number)
        notes += found
    info = info_of_labels(grid, shape, segments)  # with repetitions, the images are those of the first
    info = replace(info, slices=grid.slices[:slices], warnings=renumbered + notes)
    return Segmentation.from_layers(layers.arrays, fractions, info)


def _frames_of_reference(structures: StructureSet, of_grid: str | None) -> Warnings:
    """Raise SegmentationError where contours count in other coordinates than the grid."""
    named = {roi.frame_of_reference_uid for roi in structures.rois}
    named |= {series.frame_of_reference_uid for series in structures.series}
    uids = {uid for uid in named if uid}
    if of_grid is None or not uids:
        return warning(
            "the structure set or the images have no Frame of Reference UID: both are taken to count in the "
            "same coordinates [frame-of-reference]"
        )
    if of_grid not in uids:
        raise SegmentationError(
            f"the contours count in the Frame of Reference {sorted(uids)[0]}, the images in {of_grid}: they "
            "do not lie on these images; give the series that they were drawn on (on=, --on), or register"
        )
    others = [roi for roi in structures.rois if roi.frame_of_reference_uid not in (None, of_grid)]
    if others:
        raise SegmentationError(
            f"{len(others)} regions count in another Frame of Reference than the images, such as "
            f"{others[0].frame_of_reference_uid}, and others in theirs: one grid cannot hold both"
        )
    return ()


def segments_of(rois: Sequence[Roi]) -> tuple[tuple[Segment, ...], Warnings]:
    """A segment for each region, of its number where that can be a label; else they are numbered from 1."""
    numbers, notes = [roi.number for roi in rois], Warnings()
    if len(set(numbers)) < len(numbers) or min(numbers) < 1 or max(numbers) > MAX_NUMBER:
        numbers = list(range(1, len(rois) + 1))
        notes = warning(
            "ROI Numbers cannot be labels, which are from 1 to 65535 and differ: segments are numbered in "
            "the order of the file [roi-numbers]"
        )
    return tuple(map(_segment, rois, numbers)), notes


def _segment(roi: Roi, number: int) -> Segment:
    algorithm = (roi.algorithm or "").upper()
    return Segment(
        number=number,
        label=roi.name.strip() or f"ROI {roi.number}",
        type=roi.code,
        colour=roi.colour,
        algorithm_type=algorithm if algorithm in ALGORITHM_TYPES else "MANUAL",
        roi_type=roi.kind,
    )
