"""The functional groups and dimensions of a segmentation (PS3.3 A.51.5, C.7.6.17), a frame at a time.

A segmentation of 104 segments has some ten thousand frames.  What all frames of a slice say, and all of a
segment, is encoded once; an item is these bytes one after the other, in Explicit VR Little Endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from functools import cache

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicomarray.core.geometry import Plane
from dicomarray.dicom import decimal_strings
from dicomarray.dicom.part10 import ITEM, encoded, padded
from dicomarray.objects.common.modules import SOURCE_IMAGE, code_item
from dicomarray.objects.common.quick_elements import encoded_elements
from dicomarray.objects.segmentation.frames import FramePlan
from dicomarray.objects.segmentation.request import SegmentationRequest, SourceImage

_DERIVED_BY = ("113076", "DCM", "Segmentation")  # PS3.16 CID 7203
_SEGMENT_NUMBER, _SEGMENT_GROUP = Tag("ReferencedSegmentNumber"), Tag("SegmentIdentificationSequence")
_POSITION, _POSITION_GROUP = Tag("ImagePositionPatient"), Tag("PlanePositionSequence")
_IN_STACK, _CONTENT_GROUP = Tag("InStackPositionNumber"), Tag("FrameContentSequence")


def shared_groups(request: SegmentationRequest) -> Dataset:
    """What all frames share: orientation, and the sizes of voxels."""
    group = Dataset()
    if not request.planes:
        return group
    plane = request.planes[0]
    orientation, measures = Dataset(), Dataset()
    orientation.ImageOrientationPatient = decimal_strings.each(plane.orientation)
    measures.PixelSpacing = decimal_strings.each(plane.pixel_spacing)
    if request.thickness is not None:
        measures.SliceThickness = decimal_strings.nearest(request.thickness)
    if request.spacing is not None:
        measures.SpacingBetweenSlices = decimal_strings.nearest(request.spacing)
    group.PlaneOrientationSequence, group.PixelMeasuresSequence = [orientation], [measures]
    return group


def set_dimensions(header: Dataset, organization_uid: str, by_segment: bool, placed: bool) -> None:
    """Which attributes tell frames apart: the segment where frames have one, then the place of the slice."""
    organization = Dataset()
    organization.DimensionOrganizationUID = organization_uid
    header.DimensionOrganizationSequence = [organization]
    segment = ("Segment Number", _SEGMENT_NUMBER, _SEGMENT_GROUP)
    place = (
        ("Image Position Patient", _POSITION, _POSITION_GROUP)
        if placed
        else ("In-Stack Position Number", _IN_STACK, _CONTENT_GROUP)
    )
    indices = []
    for label, pointer, group in (*((segment,) * by_segment), place):
        item = Dataset()
        item.DimensionOrganizationUID = organization_uid
        item.DimensionIndexPointer, item.FunctionalGroupPointer = pointer, group
        item.DimensionDescriptionLabel = label
        indices.append(item)
    header.DimensionIndexSequence = indices


def frame_items(request: SegmentationRequest, plan: FramePlan) -> Iterator[bytes]:
    """The item of each frame in Per-Frame Functional Groups."""
    derivations = {index: _derivation(request.sources[index]) for index in plan.slices}
    positions = {index: _position(request.planes[index]) if request.planes else b"" for index in plan.slices}
    ranks = {index: rank for rank, index in enumerate(plan.slices, 1)}
    for label, index in plan.frames:
        number = plan.numbers.get(label, 0)
        dimensions = (number, ranks[index]) if plan.by_segment else (ranks[index],)
        content = _sequence(
            _CONTENT_GROUP,
            encoded(0x00209056, "SH", b"1 ", True)
            + encoded(_IN_STACK, "UL", struct.pack("<L", index + 1), True)
            + encoded(0x00209157, "UL", struct.pack(f"<{len(dimensions)}L", *dimensions), True),
        )
        segment = _segment(number) if plan.by_segment else b""
        yield _item(derivations[index] + content + positions[index] + segment)


def _derivation(sources: Sequence[SourceImage]) -> bytes:
    """Derivation Image: which images a frame is a segmentation of (PS3.3 C.7.6.16.2.6)."""
    if not sources:
        return b""
    images = encoded(0x00082112, "SQ", b"".join(map(_source_item, sources)), True)
    return _sequence(0x00089124, images + _sequence(0x00089215, _code(_DERIVED_BY)))


def _source_item(source: SourceImage) -> bytes:
    """An item of Source Image Sequence, as bytes: there may be thousands, and pydicom takes its time."""
    content = _text(0x00081150, "UI", source.class_uid) + _text(0x00081155, "UI", source.instance_uid)
    if source.frame is not None:
        content += _text(0x00081160, "IS", str(source.frame))
    content += _text(0x0028135A, "CS", "YES" if source.same_place else "NO")
    return _item(content + _sequence(0x0040A170, _code(SOURCE_IMAGE)))


@cache
def _code(code: tuple[str, str, str]) -> bytes:
    return encoded_data_set(code_item(code))


@cache
def _segment(number: int) -> bytes:
    return _sequence(_SEGMENT_GROUP, encoded(_SEGMENT_NUMBER, "US", struct.pack("<H", number), True))


def _position(plane: Plane) -> bytes:
    return _sequence(_POSITION_GROUP, _text(_POSITION, "DS", "\\".join(decimal_strings.each(plane.position))))


def encoded_data_set(data_set: Dataset) -> bytes:
    """The elements of a data set in Explicit VR Little Endian."""
    return b"".join(encoded_elements(data_set, True).values())


def _text(tag: int, vr: str, text: str) -> bytes:
    return encoded(tag, vr, padded(text.encode("ascii"), vr), True)


def _sequence(tag: int, content: bytes) -> bytes:
    """A sequence of one item, of explicit lengths."""
    return encoded(tag, "SQ", _item(content), True)


def _item(content: bytes) -> bytes:
    return encoded(ITEM, "", content, explicit=False)
