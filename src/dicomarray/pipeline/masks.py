"""A segmentation that the function returned -> a DICOM Segmentation or an RT Structure Set of its series."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.core.segments import MAX_LABEL
from dicomarray.objects.common.files import WriteReport
from dicomarray.objects.common.options import WriteOptions
from dicomarray.pipeline.functions import name_of
from dicomarray.pipeline.jobs import Task
from dicomarray.segmentation import Segmentation

# What results of all kinds share of how they are written.
SHARED = ("verify", "overwrite", "uid_key", "series_description", "series_number")


def write_masks(
    masks: Segmentation, stack: Stack, folder: Path, options: WriteOptions, task: Task
) -> WriteReport:
    """Write masks like `to_seg` or `to_rtstruct`; segments say who made them.

    Raises SegmentationError where a segment has no coded terms, which a SEG needs, and its label is unknown;
    DataError as the two raise.
    """
    shared = {name: getattr(options, name) for name in SHARED}
    signed = _signed(masks, task)
    if task.options.segmentation == "rtstruct":  # what a run of images does not need is not loaded
        from dicomarray.objects.structure_set.options import StructureSetOptions
        from dicomarray.workflows.to_rtstruct import write_rtstruct_like

        return write_rtstruct_like(signed, stack, folder, StructureSetOptions(**shared))
    from dicomarray.objects.segmentation.options import SegmentationOptions
    from dicomarray.workflows.to_seg import write_seg_like

    return write_seg_like(signed, stack, folder, SegmentationOptions(**shared))


def _signed(masks: Segmentation, task: Task) -> Segmentation:
    """The masks with the name and version of the algorithm where a segment has none of its own."""
    name = task.options.algorithm or name_of(task.function)[:MAX_LABEL]
    return masks.with_segments(
        tuple(
            one
            if one.algorithm is not None
            else replace(one, algorithm=name, algorithm_version=task.options.algorithm_version)
            for one in masks.segments
        )
    )
