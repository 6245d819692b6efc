"""What DICOM SEG and RT Structure Sets say of themselves: the labels of segments, and the series they are of.

Of a few attributes, so that a filter and a catalog can ask many objects; `objects/` reads them whole.
"""

from __future__ import annotations

from collections.abc import Mapping

from dicomarray.dicom.functional_groups import items_of
from dicomarray.dicom.vr import Value

SEGMENTATION, SURFACE, LABEL_MAP = (f"1.2.840.10008.5.1.4.1.1.66.{number}" for number in (4, 5, 7))
STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
CLASSES = frozenset({SEGMENTATION, SURFACE, LABEL_MAP, STRUCTURE_SET})
# Where the names of segments and ROIs stand, and the UIDs of series (PS3.3 C.8.20.4, C.12.1, C.8.8.5).
LABELS = frozenset({"SOPClassUID", "SegmentSequence", "StructureSetROISequence"})
REFERENCES = frozenset({"SOPClassUID", "ReferencedSeriesSequence", "ReferencedFrameOfReferenceSequence"})
_OF_STRUCTURE_SET = (
    "ReferencedFrameOfReferenceSequence", "RTReferencedStudySequence", "RTReferencedSeriesSequence",
)  # fmt: skip
_OF_SEG = ("ReferencedSeriesSequence",)


def is_segment_object(attributes: Mapping[str, Value]) -> bool:
    """Whether it is a SEG or a structure set."""
    return is_segment_class(attributes.get("SOPClassUID"))


def is_segment_class(uid: Value) -> bool:
    """Whether it is the SOP Class of SEG or of structure sets."""
    return isinstance(uid, str) and uid in CLASSES


def segment_labels(attributes: Mapping[str, Value]) -> tuple[str, ...]:
    """Segment Label or ROI Name of each, as they stand in the file; needs `LABELS`."""
    if not is_segment_object(attributes):
        return ()
    if attributes.get("SOPClassUID") == STRUCTURE_SET:
        sequence, keyword = "StructureSetROISequence", "ROIName"
    else:
        sequence, keyword = "SegmentSequence", "SegmentLabel"
    labels = (item.get(keyword) for item in items_of(attributes.get(sequence)))
    return tuple(label for label in labels if isinstance(label, str) and label)


def referenced_series(attributes: Mapping[str, Value]) -> tuple[str, ...]:
    """The UIDs of the series of the images that were segmented; needs `REFERENCES`."""
    if not is_segment_object(attributes):
        return ()
    items = [attributes]
    for sequence in _OF_STRUCTURE_SET if attributes.get("SOPClassUID") == STRUCTURE_SET else _OF_SEG:
        items = [item for holder in items for item in items_of(holder.get(sequence))]
    uids = (item.get("SeriesInstanceUID") for item in items)
    return tuple(dict.fromkeys(uid for uid in uids if isinstance(uid, str) and uid))
