"""The labels or masks that a user gives, however that is, with their segments -> a `Segmentation`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dicomarray.core.coded_terms import coded, filled, look_up
from dicomarray.core.pixel_values import Array
from dicomarray.core.segments import Segment
from dicomarray.core.volume_info import VolumeInfo
from dicomarray.errors import SegmentationError, UsageError
from dicomarray.formats.segment_list import Segments, relabelled, segments_of
from dicomarray.segmentation import Segmentation
from dicomarray.storage.places import PathLike
from dicomarray.volume import Volume
from dicomarray.workflows.given_arrays import labels_file

Labels = Array | Mapping[str, Array] | Segmentation | Volume | PathLike


def given_labels(
    labels: Labels, segments: Segments | None, template: VolumeInfo, *, codes: bool = True
) -> Segmentation:
    """The segmentation of labels or masks, where they say that they lie, else on the template's grid.

    Parameters
    ----------
    labels
        Whole numbers ``(slices, rows, columns)``, 0 for background; a bool mask; masks by name; a
        `Segmentation`; a `Volume` of labels; or the path of a ``.npy``, ``.nii`` or ``.nii.gz`` of labels.
    segments
        What they stand for, see `segments_of`; None where the labels say it: by names, or in a sidecar.
    template
        What is known of the template's volume: its grid.
    codes
        Whether each segment needs coded terms, as those of DICOM SEG do; else they are added where known.

    Raises
    ------
    SegmentationError
        Where a label has no segment, or a segment no codes, or an array another shape than the template.
    UsageError
        Where it is no array of labels.
    """
    return with_terms(_segmentation(labels, segments, template), codes)


def with_terms(masks: Segmentation, required: bool = True) -> Segmentation:
    """The masks with coded terms for their segments, from the labels of those that have none.

    Raises
    ------
    SegmentationError
        Where they are ``required``, and a segment has none and a label that the table does not have.
    """
    return masks.with_segments(tuple(coded(one) if required else _completed(one) for one in masks.segments))


def _completed(segment: Segment) -> Segment:
    term = look_up(segment.label)
    return segment if term is None else filled(segment, term)


def _segmentation(labels: Labels, segments: Segments | None, template: VolumeInfo) -> Segmentation:
    if isinstance(labels, str | os.PathLike):
        labels = labels_file(labels, template.geometry)
    if isinstance(labels, Segmentation):
        return labels.with_segments(relabelled(labels.segments, segments))
    if isinstance(labels, Volume):
        known = relabelled(labels.info.segments, segments) if labels.info.segments else segments
        return Segmentation(whole_numbers(labels.array), known, geometry_of=replace(labels.info, segments=()))
    if isinstance(labels, Mapping):
        return Segmentation(labels, segments, geometry_of=template)
    array = whole_numbers(np.asarray(labels))
    if array.dtype.kind == "b" and segments is not None:
        _check_one(segments_of(segments))
    return Segmentation(array, segments, geometry_of=template)


def _check_one(segments: tuple[Segment, ...]) -> None:
    if len(segments) != 1:
        raise SegmentationError(
            f"a bool mask is of one segment, and there are {len(segments)}: give masks by name"
        )


def whole_numbers(array: Array) -> Array:
    """Labels that a file or model keeps as floating point, as whole numbers; fractions stay what they are.

    Raises
    ------
    UsageError
        Where values are neither whole numbers nor fractions of one segment.
    """
    if array.dtype.kind != "f":
        return array
    if not np.isfinite(array).all():
        raise UsageError("the labels hold NaN or infinity: give whole numbers")
    if (array == np.rint(array)).all():
        return array.astype(np.int64 if np.abs(array).max(initial=0) > np.iinfo(np.int32).max else np.int32)
    if array.min() >= 0 and array.max() <= 1:
        return array
    raise UsageError(
        "the labels are no whole numbers: a label map says 0, 1, 2, ..., fractions lie in [0, 1]"
    )
