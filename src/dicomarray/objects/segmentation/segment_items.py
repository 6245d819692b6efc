"""Items of Segment Sequence (PS3.3 C.8.20.4.1): of a `Segment`, and back."""

from __future__ import annotations

from collections.abc import Mapping

from pydicom.dataset import Dataset

from dicomarray.core.segments import ALGORITHM_TYPES, Code, Segment
from dicomarray.dicom.functional_groups import items_of
from dicomarray.dicom.vr import Value
from dicomarray.errors import SegmentationError
from dicomarray.objects.common.modules import code_item
from dicomarray.objects.segmentation.colours import to_lab, to_rgb

# Segments of a binary or fractional object are numbered without gaps; where the labels of the array are not,
# they stand in a private element, by which they come back.
PRIVATE_CREATOR, PRIVATE_GROUP, LABEL_ELEMENT = "dicomarray", 0x0063, 0x01
_UNKNOWN_ALGORITHM = "unknown"
_BACKGROUND = ("125040", "DCM", "Background")
_IDENTIFICATION = ("123110", "DCM", "Artificial Intelligence")  # PS3.16 CID 7162


def item_of(segment: Segment, number: int) -> Dataset:
    """The item of a segment that gets a number; it has a category and a type."""
    assert segment.category is not None  # whoever makes a request has seen to it
    assert segment.type is not None
    item = Dataset()
    item.SegmentNumber = number
    item.SegmentLabel = segment.label
    item.SegmentAlgorithmType = segment.algorithm_type
    if segment.algorithm_type != "MANUAL":
        item.SegmentAlgorithmName = segment.algorithm or _UNKNOWN_ALGORITHM
    if segment.algorithm and segment.algorithm_version and segment.algorithm_type != "MANUAL":
        item.SegmentationAlgorithmIdentificationSequence = [_algorithm(segment)]
    item.SegmentedPropertyCategoryCodeSequence = [code_item(segment.category)]
    kind = code_item(segment.type)
    item.SegmentedPropertyTypeCodeSequence = [kind]
    if segment.region is not None:
        region = code_item(segment.region)
        if segment.laterality is not None:
            region.AnatomicRegionModifierSequence = [code_item(segment.laterality)]
        item.AnatomicRegionSequence = [region]
    elif segment.laterality is not None:
        kind.SegmentedPropertyTypeModifierCodeSequence = [code_item(segment.laterality)]
    if segment.colour is not None:
        item.RecommendedDisplayCIELabValue = list(to_lab(segment.colour))
    if segment.tracking_id is not None and segment.tracking_uid is not None:
        item.TrackingID, item.TrackingUID = segment.tracking_id, segment.tracking_uid
    if number != segment.number:
        block = item.private_block(PRIVATE_GROUP, PRIVATE_CREATOR, create=True)
        block.add_new(LABEL_ELEMENT, "US", segment.number)
    return item


def background_item() -> Dataset:
    """What the value 0 of a label map stands for: no segment."""
    item = Dataset()
    item.SegmentNumber, item.SegmentLabel, item.SegmentAlgorithmType = 0, "Background", "AUTOMATIC"
    item.SegmentAlgorithmName = _UNKNOWN_ALGORITHM
    item.SegmentedPropertyCategoryCodeSequence = [code_item(_BACKGROUND)]
    item.SegmentedPropertyTypeCodeSequence = [code_item(_BACKGROUND)]
    return item


def _algorithm(segment: Segment) -> Dataset:
    item = Dataset()
    item.AlgorithmFamilyCodeSequence = [code_item(_IDENTIFICATION)]
    item.AlgorithmName, item.AlgorithmVersion = segment.algorithm, segment.algorithm_version
    return item


def segment_of(item: Mapping[str, Value], name: str) -> Segment:
    """What an item says; ``name`` names the file in messages."""
    number = item.get("SegmentNumber")
    if not isinstance(number, int) or number < 1:
        raise SegmentationError(
            f"{name}: SegmentNumber is {number!r:.40}, and no number from 1 (PS3.3 C.8.20.4)"
        )
    kind, region = (
        _first(item, keyword) for keyword in ("SegmentedPropertyTypeCodeSequence", "AnatomicRegionSequence")
    )
    algorithm = _first(item, "SegmentationAlgorithmIdentificationSequence")
    algorithm_type = _text(item, "SegmentAlgorithmType")
    return Segment(
        number=number,
        label=_text(item, "SegmentLabel") or f"Segment {number}",
        category=_code(_first(item, "SegmentedPropertyCategoryCodeSequence")),
        type=_code(kind),
        laterality=_code(_first(kind, "SegmentedPropertyTypeModifierCodeSequence"))
        or _code(_first(region, "AnatomicRegionModifierSequence")),
        region=_code(region),
        colour=_colour(item.get("RecommendedDisplayCIELabValue")),
        algorithm=_text(item, "SegmentAlgorithmName") or _text(algorithm, "AlgorithmName"),
        algorithm_version=_text(algorithm, "AlgorithmVersion"),
        algorithm_type=algorithm_type if algorithm_type in ALGORITHM_TYPES else "AUTOMATIC",
        tracking_id=_text(item, "TrackingID"),
        tracking_uid=_text(item, "TrackingUID"),
    )


def _first(item: Mapping[str, Value], keyword: str) -> Mapping[str, Value]:
    return next(iter(items_of(item.get(keyword))), {})


def _text(item: Mapping[str, Value], keyword: str) -> str | None:
    value = item.get(keyword)
    return None if value is None else str(value).strip() or None


def _code(item: Mapping[str, Value]) -> Code | None:
    value = next((t for k in ("CodeValue", "LongCodeValue", "URNCodeValue") if (t := _text(item, k))), None)
    scheme, meaning = _text(item, "CodingSchemeDesignator"), _text(item, "CodeMeaning")
    if value is None:
        return None
    return Code(value, scheme or "unknown", meaning or value)


def _colour(value: Value) -> tuple[int, int, int] | None:
    if not isinstance(value, tuple) or len(value) != 3 or not all(isinstance(part, int) for part in value):
        return None
    return to_rgb(value)
