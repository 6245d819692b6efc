"""The modules of a segmentation, but for its frames (PS3.3 A.51, C.8.20)."""

from __future__ import annotations

from datetime import datetime

from pydicom.dataset import Dataset, FileDataset

from dicomarray.dicom.segment_objects import LABEL_MAP, SEGMENTATION
from dicomarray.dicom.uids import legal_uid
from dicomarray.objects.common.headers import part_of, text
from dicomarray.objects.common.identity import SeriesIdentity
from dicomarray.objects.common.mask_objects import NO_DATE, new_object
from dicomarray.objects.common.modules import reference
from dicomarray.objects.segmentation.frames import MAX_FRACTION, FramePlan
from dicomarray.objects.segmentation.functional_groups import set_dimensions, shared_groups
from dicomarray.objects.segmentation.options import SegmentationOptions
from dicomarray.objects.segmentation.request import SegmentationRequest, SourceImage
from dicomarray.objects.segmentation.segment_items import background_item, item_of

_LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
# Content Date is required; without the time of the run it is the template's, by what is there.
_DATES = ("ContentDate", "AcquisitionDate", "SeriesDate", "StudyDate")


def make_header(
    source: FileDataset,
    request: SegmentationRequest,
    plan: FramePlan,
    identity: SeriesIdentity,
    uids: tuple[str, str],
    options: SegmentationOptions,
) -> Dataset:
    """All of a segmentation but its per-frame functional groups and pixels.

    ``source`` is the header of an image of the template; ``uids`` are those of the instance and of its
    dimension organization.
    """
    texts = [segment.label for segment in request.segmentation.segments]
    header = new_object(source, texts, identity, uids[0], request.frame_of_reference_uid)
    header.SOPClassUID, header.Modality = LABEL_MAP if options.kind == "labelmap" else SEGMENTATION, "SEG"
    _date(header, source, identity.now)
    header.ImageType = ["DERIVED", "PRIMARY"]
    header.ContentLabel, header.ContentDescription, header.ContentCreatorName = "SEGMENTATION", "", ""
    _describe_pixels(header, source, plan)
    _describe_segments(header, request, plan, options)
    _reference_sources(header, request, plan)
    set_dimensions(header, uids[1], plan.by_segment, bool(request.planes))
    header.SharedFunctionalGroupsSequence = [shared_groups(request)]
    return header


def _date(header: Dataset, source: Dataset, now: datetime | None) -> None:
    """Content Date and Time, which an object must have, also where the same call makes the same bytes."""
    if now is not None:
        return
    found = next((date for keyword in _DATES if (date := text(source, keyword))), NO_DATE)
    header.ContentDate, header.ContentTime = found, text(source, "ContentTime") or "000000"


def _describe_pixels(header: Dataset, source: Dataset, plan: FramePlan) -> None:
    stored = plan.stored
    _, header.Rows, header.Columns = plan.segmentation.shape
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored = stored.bits_allocated, stored.bits_stored
    header.HighBit, header.PixelRepresentation = stored.bits_stored - 1, 0
    header.NumberOfFrames = len(plan.frames)
    header.LossyImageCompression = "00"
    if text(source, "LossyImageCompression") == "01":  # once lossy, always said so (PS3.3 C.7.6.1.1.5)
        header.update(part_of(source, _LOSSY))


def _describe_segments(
    header: Dataset, request: SegmentationRequest, plan: FramePlan, options: SegmentationOptions
) -> None:
    segmentation = request.segmentation
    header.SegmentationType = options.kind.upper()
    items = [item_of(one, plan.numbers[one.number]) for one in segmentation.segments]
    header.SegmentSequence = [*((background_item(),) * (options.kind == "labelmap")), *items]
    if options.kind == "fractional":
        header.SegmentationFractionalType = options.fractional_type.upper()
        header.MaximumFractionalValue = MAX_FRACTION
        header.SegmentsOverlap = "UNDEFINED"
        return
    header.SegmentsOverlap = "YES" if segmentation.overlapping else "NO"
    if options.kind == "labelmap":
        header.add_new("PixelPaddingValue", "US", 0)  # what is in no segment


def _reference_sources(header: Dataset, request: SegmentationRequest, plan: FramePlan) -> None:
    """Common Instance Reference: every image that a frame speaks of (PS3.3 C.12.2)."""
    found: dict[str, dict[str, SourceImage]] = {}
    for images in (request.referenced, *(request.sources[index] for index in plan.slices)):
        for source in images:
            found.setdefault(source.series_uid, {}).setdefault(source.instance_uid, source)
    series = []
    for uid, instances in found.items():
        if not legal_uid(uid):
            continue
        item = Dataset()
        item.ReferencedInstanceSequence = [
            reference(source.class_uid, source.instance_uid) for source in instances.values()
        ]
        item.SeriesInstanceUID = uid
        series.append(item)
    if series:
        header.ReferencedSeriesSequence = series
