"""The modules of a structure set, but for its contours (PS3.3 A.19, C.8.8.1, C.8.8.5, C.8.8.8)."""

from __future__ import annotations

from datetime import datetime

from pydicom.dataset import Dataset

from dicomarray.core.segments import Segment
from dicomarray.dicom.segment_objects import STRUCTURE_SET
from dicomarray.dicom.uids import legal_uid
from dicomarray.objects.common.headers import drop, text
from dicomarray.objects.common.identity import SeriesIdentity
from dicomarray.objects.common.mask_objects import NO_DATE, new_object
from dicomarray.objects.common.modules import code_item, reference
from dicomarray.objects.structure_set.request import StructureSetRequest

STRUCTURE_SET_LABEL = "dicomarray"  # VR SH: at most 16 characters
# Detached Study Management, which is retired and required here (PS3.3 C.8.8.5).
_STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"
_MAX_TEXT, _MAX_SHORT = 64, 16  # characters, VR LO and SH
# Colours of regions without one: those of a usual palette, far apart.
_COLOURS = (
    (230, 25, 75), (60, 180, 75), (255, 225, 25), (0, 130, 200), (245, 130, 48), (145, 30, 180),
    (70, 240, 240), (240, 50, 230), (210, 245, 60), (250, 190, 212), (0, 128, 128), (220, 190, 255),
)  # fmt: skip


def colour_of(segment: Segment) -> tuple[int, int, int]:
    """That of a segment, or the palette's."""
    return segment.colour or _COLOURS[(segment.number - 1) % len(_COLOURS)]


def make_header(
    source: Dataset, request: StructureSetRequest, identity: SeriesIdentity, sop_uid: str
) -> Dataset:
    """All of a structure set but its contours; ``source`` is the header of an image of the template."""
    segments = request.segmentation.segments
    texts = [f"{segment.label}{segment.algorithm or ''}" for segment in segments]
    header = new_object(source, texts, identity, sop_uid, request.frame_of_reference_uid)
    header.SOPClassUID, header.Modality, header.OperatorsName = STRUCTURE_SET, "RTSTRUCT", ""
    drop(header, ("ContentDate", "ContentTime"))
    header.StructureSetLabel = STRUCTURE_SET_LABEL
    header.StructureSetDate, header.StructureSetTime = _date(source, identity.now)
    header.ReferencedFrameOfReferenceSequence = [_referenced_frame(request, text(source, "StudyInstanceUID"))]
    header.StructureSetROISequence = [_region(one, request.frame_of_reference_uid) for one in segments]
    header.RTROIObservationsSequence = [_observation(one, at) for at, one in enumerate(segments, 1)]
    header.ApprovalStatus = "UNAPPROVED"
    return header


def _date(source: Dataset, now: datetime | None) -> tuple[str, str]:
    """Structure Set Date and Time; the template's where the same call must write the same bytes."""
    if now is not None:
        return now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    return text(source, "SeriesDate") or text(source, "StudyDate") or NO_DATE, text(source, "SeriesTime")


def _referenced_frame(request: StructureSetRequest, study_uid: str) -> Dataset:
    """Referenced Frame of Reference: the series, and all of its images that have a slice."""
    frame = Dataset()
    frame.FrameOfReferenceUID = request.frame_of_reference_uid
    images: dict[str, Dataset] = {}
    for per_slice in request.images:
        for image in per_slice:
            images.setdefault(image.instance_uid, reference(image.class_uid, image.instance_uid))
    if images and legal_uid(request.series_uid) and legal_uid(study_uid):
        series = Dataset()
        series.SeriesInstanceUID = request.series_uid
        series.ContourImageSequence = list(images.values())
        study = reference(_STUDY_CLASS, study_uid)
        study.RTReferencedSeriesSequence = [series]
        frame.RTReferencedStudySequence = [study]
    return frame


def _region(segment: Segment, frame_of_reference_uid: str) -> Dataset:
    item = Dataset()
    item.ROINumber = segment.number
    item.ReferencedFrameOfReferenceUID = frame_of_reference_uid
    item.ROIName = segment.label
    item.ROIGenerationAlgorithm = segment.algorithm_type
    made_by = " ".join(part for part in (segment.algorithm, segment.algorithm_version) if part)
    if made_by:
        item.ROIGenerationDescription = made_by[:_MAX_TEXT]
    return item


def _observation(segment: Segment, number: int) -> Dataset:
    item = Dataset()
    item.ObservationNumber = number
    item.ReferencedROINumber = segment.number
    if len(segment.label) <= _MAX_SHORT:
        item.ROIObservationLabel = segment.label
    if segment.type is not None and len(segment.type.value) <= _MAX_SHORT:
        item.RTROIIdentificationCodeSequence = [code_item(segment.type)]
    item.RTROIInterpretedType = segment.roi_type or ""
    item.ROIInterpreter = ""
    return item
