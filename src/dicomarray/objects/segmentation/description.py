"""What a DICOM Segmentation says of its frames: which segment each shows, where it lies, of which images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from dicomarray.core.coded_warnings import Warnings
from dicomarray.core.geometry import Plane
from dicomarray.core.segments import Segment
from dicomarray.dicom.functional_groups import FUNCTIONAL_GROUPS, FunctionalGroups, items_of
from dicomarray.dicom.headers.header import read_header
from dicomarray.dicom.segment_objects import LABEL_MAP, SEGMENTATION
from dicomarray.dicom.vr import Value
from dicomarray.errors import GeometryError, HeaderError, InputError, SegmentationError
from dicomarray.objects.segmentation.segment_items import PRIVATE_CREATOR, PRIVATE_GROUP, segment_of
from dicomarray.storage.references import Reference

BINARY, LABELMAP, FRACTIONAL = "BINARY", "LABELMAP", "FRACTIONAL"
_NAMES = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID", "Rows",
    "Columns", "NumberOfFrames", "SegmentationType", "MaximumFractionalValue", "PixelPaddingValue",
    "SegmentSequence", "ReferencedSeriesSequence", "SourceImageSequence", *FUNCTIONAL_GROUPS,
)  # fmt: skip
_TIMES = ("FrameReferenceDateTime", "FrameAcquisitionDateTime")
_CREATOR = f"({PRIVATE_GROUP:04x},0010)"
_LABEL = f"({PRIVATE_GROUP:04x},1001)"

# SOP Instance UID, and the frame from 1 where one is named.
SourceFrame = tuple[str, int | None]


@dataclass(frozen=True, slots=True, eq=False)
class SegmentFrame:
    """One frame: its segment's number in the file (0 in a label map), its place, and what it was made of.

    ``index`` counts from 0 in the file.  ``temporal_index`` (from 1) and ``time`` are what it says of when.
    """

    index: int
    number: int
    plane: Plane | None
    sources: tuple[SourceFrame, ...]
    temporal_index: int | None = None
    time: str | None = None


@dataclass(frozen=True, eq=False)
class SegmentationFile:
    """A segmentation's header, checked.

    ``segments`` have the labels that the array gets, by their number in the file; ``background`` is the
    stored value of a label map that stands for no segment.
    """

    path: Reference
    kind: str
    rows: int
    columns: int
    segments: Mapping[int, Segment]
    frames: tuple[SegmentFrame, ...]
    frame_of_reference_uid: str | None
    maximum: int
    background: int
    slice_spacing: float | None
    slice_thickness: float | None
    header: Mapping[str, Value]
    warnings: Warnings = ()

    @cached_property
    def source_instances(self) -> frozenset[str]:
        """The SOP Instance UIDs of all images that its frames were made of."""
        named = {uid for frame in self.frames for uid, _ in frame.sources}
        for series in _items(self.header, "ReferencedSeriesSequence"):
            named |= {uid for uid, _ in _references(series, "ReferencedInstanceSequence")}
        return frozenset(named)

    @property
    def placed(self) -> bool:
        """Whether every frame says where it lies."""
        return all(frame.plane is not None for frame in self.frames)


def read_description(path: Reference) -> SegmentationFile:
    """The header of a segmentation.

    Raises InputError where the file cannot be read; SegmentationError where it is no segmentation, or breaks
    a rule that its masks depend on; the message names it.
    """
    try:
        header = read_header(path, _NAMES)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    said = header.attributes
    if said.get("SOPClassUID") not in (SEGMENTATION, LABEL_MAP):
        raise SegmentationError(
            f"{path} is no DICOM Segmentation: its SOPClassUID is {said.get('SOPClassUID')!s:.64}"
        )
    kind = _kind(said, path)
    rows, columns = _positive(said, "Rows", path), _positive(said, "Columns", path)
    segments = _segments(said, kind, str(path))
    groups = _groups(said, path)
    frames = _frames(groups, kind, set(segments), path)
    measures = _first(groups, 0, "PixelMeasuresSequence")
    return SegmentationFile(
        path=path,
        kind=kind,
        rows=rows,
        columns=columns,
        segments=segments,
        frames=frames,
        frame_of_reference_uid=header.text("FrameOfReferenceUID"),
        maximum=_positive(said, "MaximumFractionalValue", path) if kind == FRACTIONAL else 1,
        background=_background(said),
        slice_spacing=_number(measures.get("SpacingBetweenSlices")),
        slice_thickness=_number(measures.get("SliceThickness")),
        header=said,
    )


def _kind(said: Mapping[str, Value], path: Reference) -> str:
    kind = str(said.get("SegmentationType") or "").strip().upper()
    if kind not in (BINARY, LABELMAP, FRACTIONAL):
        raise SegmentationError(
            f"{path}: SegmentationType is {kind!r:.40}; it is BINARY, FRACTIONAL or LABELMAP (PS3.3 C.8.20.2)"
        )
    return kind


def _positive(said: Mapping[str, Value], keyword: str, path: Reference) -> int:
    value = said.get(keyword)
    if not isinstance(value, int) or value < 1:
        raise SegmentationError(
            f"{path}: {keyword} is {value!r:.40}, and no number from 1; the file is damaged"
        )
    return value


def _background(said: Mapping[str, Value]) -> int:
    """Of a label map: Pixel Padding Value, 0 where it is not said."""
    value = said.get("PixelPaddingValue")
    return value if isinstance(value, int) else 0


def _segments(said: Mapping[str, Value], kind: str, name: str) -> dict[int, Segment]:
    found: dict[int, Segment] = {}
    background = _background(said) if kind == LABELMAP else None
    for item in _items(said, "SegmentSequence"):
        number = item.get("SegmentNumber")
        if kind == LABELMAP and number in (0, background):
            continue  # it describes the background
        segment = segment_of(item, name)
        file_number = segment.number
        if file_number in found:
            raise SegmentationError(f"{name}: two segments have the SegmentNumber {number} (PS3.3 C.8.20.4)")
        label = item.get(_LABEL)
        if item.get(_CREATOR) == PRIVATE_CREATOR and isinstance(label, int) and label > 0:
            segment = replace(segment, number=label)
        found[file_number] = segment
    if not found:
        raise SegmentationError(f"{name}: SegmentSequence describes no segment (PS3.3 C.8.20.2)")
    return found


def _groups(said: Mapping[str, Value], path: Reference) -> FunctionalGroups:
    try:
        groups = FunctionalGroups.of(said, path)
        groups.check_count(_positive(said, "NumberOfFrames", path), path, required=True)
    except HeaderError as error:
        raise SegmentationError(str(error)) from error
    return groups


def _frames(
    groups: FunctionalGroups, kind: str, known: set[int], path: Reference
) -> tuple[SegmentFrame, ...]:
    frames = []
    for index in range(len(groups.per_frame)):
        number = 0 if kind == LABELMAP else _segment_number(groups, index, path)
        if kind != LABELMAP and number not in known:
            raise SegmentationError(
                f"{path}: frame {index + 1} is of segment {number}, which SegmentSequence does not describe"
            )
        frames.append(
            SegmentFrame(
                index, number, _plane(groups, index, path), _sources(groups, index), *_when(groups, index)
            )
        )
    return tuple(frames)


def _when(groups: FunctionalGroups, index: int) -> tuple[int | None, str | None]:
    """Temporal Position Index, and the time of a frame, as Frame Content has them (PS3.3 C.7.6.16.2.2)."""
    content = _first(groups, index, "FrameContentSequence")
    position = content.get("TemporalPositionIndex")
    time = next((str(content[name]) for name in _TIMES if content.get(name)), None)
    return position if isinstance(position, int) and position > 0 else None, time


def _segment_number(groups: FunctionalGroups, index: int, path: Reference) -> int:
    value = _first(groups, index, "SegmentIdentificationSequence").get("ReferencedSegmentNumber")
    if not isinstance(value, int):
        raise SegmentationError(
            f"{path}: frame {index + 1} does not say of which segment it is: ReferencedSegmentNumber is "
            f"{value!r:.40} (PS3.3 C.8.20.3.1)"
        )
    return value


def _plane(groups: FunctionalGroups, index: int, path: Reference) -> Plane | None:
    position = _first(groups, index, "PlanePositionSequence").get("ImagePositionPatient")
    orientation = _first(groups, index, "PlaneOrientationSequence").get("ImageOrientationPatient")
    spacing = _first(groups, index, "PixelMeasuresSequence").get("PixelSpacing")
    if position is None or orientation is None or spacing is None:
        return None
    try:
        return _plane_of(position, orientation, spacing)
    except (GeometryError, TypeError, ValueError) as error:
        raise SegmentationError(f"{path}: frame {index + 1} lies at no place: {error}") from error


@lru_cache(maxsize=4096)
def _plane_of(position: Any, orientation: Any, spacing: Any) -> Plane:
    if (len(position), len(orientation), len(spacing)) != (3, 6, 2):
        raise ValueError(
            f"its position, orientation and spacing have {len(position)}, {len(orientation)} and "
            f"{len(spacing)} numbers"
        )
    return Plane.from_attributes(position, orientation, spacing)


def _sources(groups: FunctionalGroups, index: int) -> tuple[SourceFrame, ...]:
    return tuple(
        source
        for item in groups.macro(index, "DerivationImageSequence")
        for source in _references(item, "SourceImageSequence")
    )


def _references(item: Mapping[str, Value], keyword: str) -> list[SourceFrame]:
    found: list[SourceFrame] = []
    for reference in _items(item, keyword):
        uid, frames = reference.get("ReferencedSOPInstanceUID"), reference.get("ReferencedFrameNumber")
        if not isinstance(uid, str):
            continue
        numbers = frames if isinstance(frames, tuple) else (frames,)
        found += [(uid, frame if isinstance(frame, int) else None) for frame in numbers]
    return found


def _items(said: Mapping[str, Value], keyword: str) -> tuple[Mapping[str, Value], ...]:
    return items_of(said.get(keyword))


def _first(groups: FunctionalGroups, index: int, keyword: str) -> Mapping[str, Value]:
    return (groups.macro(index, keyword) or ({},))[0]


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) and value > 0 else None
