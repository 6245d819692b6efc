"""A segmentation and the images that it was drawn on to an RT Structure Set: one file, or nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.objects.common.files import Check, WriteReport, start_of_file, write_errors_named
from dicomarray.objects.common.headers import read_header
from dicomarray.objects.common.identity import new_identity, new_uid
from dicomarray.objects.common.mask_objects import FILE_NAME, check_labels, empty_segments, write_object
from dicomarray.objects.common.quick_elements import encoded_elements
from dicomarray.objects.structure_set.contour_items import (
    ROI_CONTOURS,
    ItemEncoder,
    RegionContours,
    contours_of,
    needs_implicit,
)
from dicomarray.objects.structure_set.header import colour_of, make_header
from dicomarray.objects.structure_set.options import StructureSetOptions
from dicomarray.objects.structure_set.request import StructureSetRequest


def write_structure_set(
    request: StructureSetRequest, output: Path, options: StructureSetOptions, check: Check | None = None
) -> WriteReport:
    """Write a structure set as a new series of the template's study."""
    notes = check_labels(request.segmentation.segments)
    regions = contours_of(request, options)
    source = read_header(request.template)
    series_uid, sop_uid = _uids(request, regions, options)
    identity = new_identity([source], series_uid, options)
    explicit = not needs_implicit(regions)
    encoder = ItemEncoder(request, options, explicit)
    with write_errors_named(output / FILE_NAME, request.template):
        header = make_header(source, request, identity, sop_uid)
        start = start_of_file(header, ExplicitVRLittleEndian if explicit else ImplicitVRLittleEndian)
        elements = encoded_elements(header, explicit)
    before = [element for tag, element in elements.items() if tag < ROI_CONTOURS]
    contours = encoder.sequence(
        encoder.region(one.number, colour_of(one), regions.get(one.number, RegionContours()))
        for one in request.segmentation.segments
    )
    behind = [element for tag, element in elements.items() if tag > ROI_CONTOURS]
    return write_object(
        output,
        (series_uid, sop_uid),
        lambda stream: stream.writelines([start, *before, *contours, *behind]),
        options,
        check,
        request.warnings + notes + _empty(request, regions) + _smoothed(request, regions, options),
    )


def _uids(
    request: StructureSetRequest, regions: dict[int, RegionContours], options: StructureSetOptions
) -> tuple[str, str]:
    """Of the series and the instance."""
    if options.uid_key is None:
        return new_uid(options), new_uid(options)
    content = hashlib.sha256()
    for number in sorted(regions):
        for contour in regions[number].contours:
            content.update(b"%d %d " % (number, contour.index) + contour.data)
    said = repr((request.segmentation.segments, request.images, request.frame_of_reference_uid))
    series = new_uid(options, "structure set", content.hexdigest(), said)
    return series, new_uid(options, series, "instance")


def _empty(request: StructureSetRequest, regions: dict[int, RegionContours]) -> Warnings:
    names = empty_segments(request.segmentation.segments, regions)
    if not names:
        return ()
    return warning(
        f"{len(names)} segments have no voxel, and are written without contours: {', '.join(names)!s:.200} "
        "[contours-none]"
    )


def _smoothed(
    request: StructureSetRequest, regions: dict[int, RegionContours], options: StructureSetOptions
) -> Warnings:
    """By how much smooth contours enclose more or less than the mask has."""
    if options.contours != "smooth":
        return ()
    worst, name = 0.0, ""
    for segment in request.segmentation.segments:
        if (region := regions.get(segment.number)) is not None:
            off = abs(region.area - region.voxels) / region.voxels
            worst, name = (off, segment.label) if off >= worst else (worst, name)
    return warning(
        f'smooth contours enclose up to {100 * worst:.3g} % less or more than the masks have ("{name}"); the '
        "same voxel centres lie inside [contours-smoothed]"
    )
