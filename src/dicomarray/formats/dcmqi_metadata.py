"""The JSON in which dcmqi, 3D Slicer and others describe segments (``segmentAttributes``) -> `Segment`s."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dicomarray.core.segments import ALGORITHM_TYPES, Code, Segment, rgb_of
from dicomarray.errors import SegmentationError, UsageError

KEY = "segmentAttributes"
LABEL_ID = "labelID"
_CODES = {
    "category": "SegmentedPropertyCategoryCodeSequence",
    "type": "SegmentedPropertyTypeCodeSequence",
    "laterality": "SegmentedPropertyTypeModifierCodeSequence",
    "region": "AnatomicRegionSequence",
}
_TEXTS = {
    "algorithm": "SegmentAlgorithmName",
    "tracking_id": "TrackingIdentifier",
    "tracking_uid": "TrackingUniqueIdentifier",
}


def segments_of(content: Mapping[str, Any]) -> list[Segment]:
    """The segments that such a JSON describes; its labels are the numbers."""
    files = content[KEY] if isinstance(content[KEY], list) else [content[KEY]]
    items = [item for file in files for item in (file if isinstance(file, list) else [file])]
    found = [_segment(item) for item in items]
    numbers = [segment.number for segment in found]
    if len(set(numbers)) < len(numbers):
        raise SegmentationError(
            f"{KEY} describes {len(files)} files whose labels are equal in part: give one of them, "
            "or masks by name"
        )
    return found


def _segment(item: Any) -> Segment:
    number = item.get(LABEL_ID) if isinstance(item, Mapping) else None
    if isinstance(number, bool) or not isinstance(number, int):
        raise UsageError(
            f"an item of {KEY} has no {LABEL_ID}, or one that is no whole number: {number!r:.80}"
        )
    parts: dict[str, Any] = {name: _code(item.get(key)) for name, key in _CODES.items()}
    parts |= {name: _text(item.get(key)) for name, key in _TEXTS.items()}
    kind = parts["type"]
    label = next(
        (text for key in ("SegmentLabel", "SegmentDescription") if (text := _text(item.get(key)))),
        kind.meaning if kind else f"label {number}",
    )
    algorithm_type = str(item.get("SegmentAlgorithmType") or "").upper()
    return Segment(
        number,
        label,
        **parts,
        colour=rgb_of(item.get("recommendedDisplayRGBValue")),
        algorithm_type=algorithm_type if algorithm_type in ALGORITHM_TYPES else "MANUAL",
    )


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _code(item: Any) -> Code | None:
    item = item[0] if isinstance(item, list) and item else item
    if not isinstance(item, Mapping):
        return None
    parts = [_text(item.get(key)) for key in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")]
    value, scheme, meaning = parts
    return Code(value, scheme, meaning) if value and scheme and meaning else None
