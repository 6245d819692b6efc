"""The functional groups of a template's frames to those of derived frames (PS3.3 C.7.6.16).

What is not named here stays as it is in the group of the frame that an image is derived from: echo, b-value,
time, cardiac phase, coil.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

from pydicom.dataset import Dataset, FileDataset

from dicomarray.dicom.functional_groups import PER_FRAME, SHARED
from dicomarray.dicom.uids import legal_uid
from dicomarray.objects.common.headers import drop, text, values
from dicomarray.objects.common.modules import SOURCE_IMAGE, code_item, reference
from dicomarray.objects.derived_image.derive import DERIVATION, SeriesPlan, set_type
from dicomarray.objects.derived_image.enhanced.dimensions import (
    dimensions_of,
    drop_empty,
    set_indices,
)
from dicomarray.objects.derived_image.enhanced.frame_places import place_frames
from dicomarray.objects.derived_image.enhanced.frame_values import lead_with_mappings, set_values
from dicomarray.objects.derived_image.image_output import FrameOutput, ObjectOutput

_FRAME_TYPES = (
    "CTImageFrameTypeSequence", "MRImageFrameTypeSequence", "PETFrameTypeSequence", "XRay3DFrameTypeSequence",
)  # fmt: skip
_DERIVATION = "DerivationImageSequence"
# What a converted classic image left over (PS3.3 C.7.6.25), and what of it describes the old pixels.
_LEFT_OVER = ("UnassignedSharedConvertedAttributesSequence", "UnassignedPerFrameConvertedAttributesSequence")
_OLD_PIXELS = (
    "SmallestImagePixelValue", "LargestImagePixelValue", "SmallestPixelValueInSeries",
    "LargestPixelValueInSeries", "PixelPaddingValue", "PixelPaddingRangeLimit",
)  # fmt: skip
_OLD_VALUES = (
    "RescaleSlope", "RescaleIntercept", "RescaleType", "WindowCenter", "WindowWidth", "VOILUTFunction",
    "WindowCenterWidthExplanation", "VOILUTSequence", "ModalityLUTSequence",
)  # fmt: skip
# Colours that the supplemental palette gives to stored values (PS3.3 C.7.6.19).
_PALETTE = (
    "RedPaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableData",
    "PaletteColorLookupTableUID",
)  # fmt: skip
# They number frames, which are others now.
_FRAME_NUMBERS = (
    "RepresentativeFrameNumber", "FrameNumbersOfInterest", "FrameOfInterestDescription",
    "FrameOfInterestType",
)  # fmt: skip
# What the image says as MIXED where its frames differ (PS3.3 C.8.16.2).
_MIXED = (
    "PixelPresentation", "VolumetricProperties", "VolumeBasedCalculationTechnique", "ComplexImageComponent",
    "AcquisitionContrast",
)  # fmt: skip
_FLAVOR_VALUES = 4  # Image Type and Frame Type of an enhanced image (PS3.3 C.8.16.1)
_IMAGE_PROCESSING = ("110001", "DCM", "Image Processing")  # PS3.16 CID 7203


def choose_frames(header: Dataset, frames: Sequence[FrameOutput]) -> None:
    """Leave, in place, the functional groups of the frames that are derived, in their order."""
    groups = values(header, PER_FRAME) or [Dataset()]
    chosen: list[Dataset] = []
    seen: set[int] = set()
    for index in (frame.source.frame for frame in frames):
        chosen.append(deepcopy(groups[index]) if index in seen else groups[index])
        seen.add(index)
    if not values(header, SHARED):
        header.SharedFunctionalGroupsSequence = [Dataset()]
    header.PerFrameFunctionalGroupsSequence = chosen
    header.NumberOfFrames = len(chosen)


def derive_groups(header: FileDataset, plan: SeriesPlan, image: ObjectOutput) -> None:
    """Turn the functional groups of chosen frames, in place, into those of derived ones.

    The header still has its old identity and size, but was stripped.
    """
    groups = _all_groups(header)
    _drop_stale(header, groups, plan)
    _set_types(header, groups)
    _set_derivation(header, image)
    set_values(groups, plan, image)
    if plan.slope is None:
        lead_with_mappings(header, groups, image)
    if plan.grid is not None:
        place_frames(groups, image.frames, plan.grid)
    for group, frame in zip(groups[1:], image.frames, strict=True):
        set_indices(group, frame.indices)
    drop_empty(header, dimensions_of(header), groups[1:])
    for keyword in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        for item in values(header, keyword):
            old = text(item, "DimensionOrganizationUID")
            item.DimensionOrganizationUID = image.organization(old) if old else old


def _all_groups(header: Dataset) -> list[Dataset]:
    """The item of the shared group, then those of each frame."""
    return [header.SharedFunctionalGroupsSequence[0], *header.PerFrameFunctionalGroupsSequence]


def _drop_stale(header: Dataset, groups: Sequence[Dataset], plan: SeriesPlan) -> None:
    drop(header, _FRAME_NUMBERS)
    rescaled = plan.slope is not None
    for group in groups:
        for keyword in _LEFT_OVER:
            for item in values(group, keyword):
                drop(item, _OLD_PIXELS + (_OLD_VALUES if rescaled else ()))
    if not rescaled:
        return
    drop(header, (*_OLD_VALUES, "RealWorldValueMappingSequence"))
    if "RedPaletteColorLookupTableDescriptor" in header:
        drop(header, _PALETTE)
        for item in (header, *_frame_types(groups)):
            if text(item, "PixelPresentation") in ("COLOR", "MIXED"):
                item.PixelPresentation = "MONOCHROME"


# --- what kind of image it is -----------------------------------------------------------------------------


def _set_types(header: Dataset, groups: Sequence[Dataset]) -> None:
    """Frame Type like Image Type: DERIVED and PRIMARY, four values; nothing is mixed that no longer is."""
    items = _frame_types(groups)
    for item in items:
        set_type(item, "FrameType", ["DERIVED", "PRIMARY", *_flavors(item, "FrameType")])
    flavors = _flavors(header, "ImageType")
    for place, value in enumerate(flavors):
        found = {
            values(item, "FrameType")[2 + place] for item in items if place < len(_flavors(item, "FrameType"))
        }
        if value == "MIXED" and len(found) == 1:
            flavors[place] = found.pop()
    set_type(header, "ImageType", [*values(header, "ImageType")[:2], *flavors])
    for keyword in _MIXED:
        stated = {text(item, keyword) for item in items}
        if text(header, keyword) == "MIXED" and len(stated) == 1 and "" not in stated:
            setattr(header, keyword, stated.pop())


def _frame_types(groups: Sequence[Dataset]) -> list[Dataset]:
    return [item for group in groups for keyword in _FRAME_TYPES for item in values(group, keyword)]


def _flavors(item: Dataset, keyword: str) -> list[str]:
    """Values 3 and later: what is shown, and how it was derived."""
    found = [str(value) for value in values(item, keyword)[2:]]
    return found + ["NONE"] * (_FLAVOR_VALUES - 2 - len(found))


# --- what it was derived from -----------------------------------------------------------------------------


def _set_derivation(header: Dataset, image: ObjectOutput) -> None:
    """Each frame names the frame it is derived from (PS3.3 C.7.6.16.2.6), and the image all its sources.

    A template whose UIDs are none cannot be named.
    """
    keywords = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
    class_uid, source_uid, series_uid, study_uid = (text(header, keyword) for keyword in keywords)
    groups = _all_groups(header)
    for group in groups:
        drop(group, (_DERIVATION,))
    drop(header, ("SourceImageEvidenceSequence",))
    if not all(map(legal_uid, (source_uid, series_uid, study_uid))):
        return
    same_size = image.stored.shape[1:3] == (header.Rows, header.Columns)
    for group, frame in zip(groups[1:], image.frames, strict=True):
        origin = reference(class_uid, source_uid)
        origin.ReferencedFrameNumber = frame.source.frame + 1
        origin.SpatialLocationsPreserved = "YES" if same_size and frame.source.plane is None else "NO"
        origin.PurposeOfReferenceCodeSequence = [code_item(SOURCE_IMAGE)]
        item = Dataset()
        item.DerivationDescription = DERIVATION
        item.DerivationCodeSequence = [code_item(_IMAGE_PROCESSING)]
        item.SourceImageSequence = [origin]
        group.DerivationImageSequence = [item]
    series, study = Dataset(), Dataset()
    series.ReferencedSOPSequence = [reference(class_uid, source_uid)]
    series.SeriesInstanceUID = series_uid
    study.ReferencedSeriesSequence, study.StudyInstanceUID = [series], study_uid
    header.SourceImageEvidenceSequence = [study]
