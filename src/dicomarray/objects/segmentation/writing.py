"""A segmentation and the images that it speaks of to a DICOM Segmentation: one file, or nothing."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.objects.common.files import Check, WriteReport, start_of_file, write_errors_named
from dicomarray.objects.common.headers import read_header
from dicomarray.objects.common.identity import new_identity, new_uid
from dicomarray.objects.common.mask_objects import FILE_NAME, check_labels, empty_segments, write_object
from dicomarray.objects.segmentation.frames import MAX_FRACTION, FramePlan, plan_frames, stored_fraction
from dicomarray.objects.segmentation.functional_groups import encoded_data_set, frame_items
from dicomarray.objects.segmentation.header import make_header
from dicomarray.objects.segmentation.options import SegmentationOptions
from dicomarray.objects.segmentation.pixel_data import (
    check_size,
    syntax_of,
    write_compressed,
    write_native,
)
from dicomarray.objects.segmentation.request import SegmentationRequest

_PER_FRAME = struct.pack("<HH2sH", 0x5200, 0x9230, b"SQ", 0)


def write_segmentation(
    request: SegmentationRequest, output: Path, options: SegmentationOptions, check: Check | None = None
) -> WriteReport:
    """Write a segmentation as a new series of the template's study."""
    notes = check_labels(request.segmentation.segments)
    plan = plan_frames(request.segmentation, options)
    _, rows, columns = request.segmentation.shape
    size = check_size(rows * columns, len(plan.frames), plan.stored, options.compress)
    source = read_header(request.template)
    series_uid, sop_uid, organization_uid = _uids(request, plan, options)
    identity = new_identity([source], series_uid, options)
    with write_errors_named(output / FILE_NAME, request.template):
        header = make_header(source, request, plan, identity, (sop_uid, organization_uid), options)
        # not by pydicom's `dcmwrite`, which does not know every syntax
        start = start_of_file(header, syntax_of(options.compress)) + encoded_data_set(header)
    return write_object(
        output,
        (series_uid, sop_uid),
        lambda stream: _write(stream, start, request, plan, options, size),
        options,
        check,
        request.warnings + notes + _empty(plan) + _renumbered(plan),
        _errors(plan),
    )


def _uids(
    request: SegmentationRequest, plan: FramePlan, options: SegmentationOptions
) -> tuple[str, str, str]:
    """Of the series, the instance, and its dimension organization."""
    if options.uid_key is None:
        return new_uid(options), new_uid(options), new_uid(options)
    content = hashlib.sha256()
    for image in plan.images():
        content.update((np.packbits(image) if image.dtype == bool else image).tobytes())
    said = repr((plan.frames, request.segmentation.segments, request.planes, request.segmentation.shape))
    sources = repr(request.sources)
    series = new_uid(options, "segmentation", content.hexdigest(), said, sources)
    return series, new_uid(options, series, "instance"), new_uid(options, series, "dimensions")


def _write(
    stream: BinaryIO,
    start: bytes,
    request: SegmentationRequest,
    plan: FramePlan,
    options: SegmentationOptions,
    size: int,
) -> None:
    groups = list(frame_items(request, plan))
    stream.write(start + _PER_FRAME + struct.pack("<L", sum(map(len, groups))))
    stream.writelines(groups)
    del groups
    if options.compress == "none":
        write_native(stream, plan.images(), plan.stored, size)
    else:
        write_compressed(stream, plan.images(), plan.stored, options.compress)


def _errors(plan: FramePlan) -> tuple[float, float]:
    """The greatest and the mean error that rounding to 255 steps makes, of voxels that are in a frame."""
    if plan.kind != "fractional":
        return 0.0, 0.0
    greatest, total, count = 0.0, 0.0, 0
    for label, index in plan.frames:
        fraction = plan.segmentation.slice_of(label, index)
        off = np.abs(stored_fraction(fraction) / MAX_FRACTION - np.asarray(fraction, np.float64))
        greatest, total, count = max(greatest, float(off.max())), total + float(off.sum()), count + off.size
    return greatest, total / max(count, 1)


def _empty(plan: FramePlan) -> Warnings:
    names = empty_segments(plan.segmentation.segments, plan.covered)
    if not names:
        return ()
    return warning(f"{len(names)} segments have no voxel: {', '.join(names)!s:.200} [segments-empty]")


def _renumbered(plan: FramePlan) -> Warnings:
    changed = [(label, number) for label, number in plan.numbers.items() if label != number]
    if not changed:
        return ()
    label, number = changed[0]
    return warning(
        f"segments of a {plan.kind} object are numbered from 1 without gaps: label {label} is Segment Number "
        f'{number} in the file. dicomarray reads the labels back as they were; kind="labelmap" keeps them '
        "for other readers too [segments-renumbered]"
    )
