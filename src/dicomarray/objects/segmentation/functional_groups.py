"""The functional groups and dimensions of a segmentation (PS3.3 A.51.5, C.7.6.17), a frame at a time.

A segmentation of 104 segments has some ten thousand frames.  What all frames of a slice say, and all of a
segment, is encoded once; an item is these bytes one after the other, in Explicit VR Little Endian.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.tag import Tag

from dicomarray.core.geometry import Plane
from dicomarray.dicom import decimal_strings
from dicomarray.objects.common.modules import SOURCE_IMAGE, code_item
from dicomarray.objects.segmentation.request import SegmentationRequest, SourceImage

_DERIVED_BY = ("113076", "DCM", "Segmentation")  # PS3.16 CID 7203
_SEGMENT_NUMBER, _SEGMENT_GROUP = Tag("ReferencedSegmentNumber"), Tag("SegmentIdentificationSequence")
_POSITION, _POSITION_GROUP = Tag("ImagePositionPatient"), Tag("PlanePositionSequence")
_IN_STACK, _CONTENT_GROUP = Tag("InStackPositionNumber"), Tag("FrameContentSequence")
_ITEM = struct.pack("<HH", 0xFFFE, 0xE000)


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


class FrameItems:
    """Makes the item of each frame in Per-Frame Functional Groups.

    ``slices`` are those that have a frame, ascending.  ``by_segment`` says that each frame is one segment's.
    """

    def __init__(self, request: SegmentationRequest, slices: Sequence[int], by_segment: bool) -> None:
        self._derivations = {index: _derivation(request.sources[index]) for index in slices}
        planes = request.planes
        self._positions = {index: _position(planes[index]) if planes else b"" for index in slices}
        self._ranks = {index: rank for rank, index in enumerate(slices, 1)}
        self._by_segment = by_segment

    def item(self, number: int, index: int) -> bytes:
        """That of a segment (by its number in the file) in a slice."""
        dimensions = (number, self._ranks[index]) if self._by_segment else (self._ranks[index],)
        values = struct.pack(f"<{len(dimensions)}L", *dimensions)
        content = _sequence(
            0x0020, 0x9111,
            _short(0x0020, 0x9056, b"SH", b"1 ")
            + _short(0x0020, 0x9057, b"UL", struct.pack("<L", index + 1))
            + _short(0x0020, 0x9157, b"UL", values),
        )  # fmt: skip
        segment = b""
        if self._by_segment:
            segment = _sequence(0x0062, 0x000A, _short(0x0062, 0x000B, b"US", struct.pack("<H", number)))
        whole = self._derivations[index] + content + self._positions[index] + segment
        return _ITEM + struct.pack("<L", len(whole)) + whole


def _derivation(sources: Sequence[SourceImage]) -> bytes:
    """Derivation Image: which images a frame is a segmentation of (PS3.3 C.7.6.16.2.6)."""
    if not sources:
        return b""
    items = b"".join(map(_source_item, sources))
    derivation = _items(0x0008, 0x2112, items) + _sequence(0x0008, 0x9215, _code(_DERIVED_BY))
    return _sequence(0x0008, 0x9124, derivation)


def _source_item(source: SourceImage) -> bytes:
    """An item of Source Image Sequence, as bytes: there may be thousands, and pydicom takes its time."""
    content = _short(0x0008, 0x1150, b"UI", _padded(source.class_uid, b"\0"))
    content += _short(0x0008, 0x1155, b"UI", _padded(source.instance_uid, b"\0"))
    if source.frame is not None:
        content += _short(0x0008, 0x1160, b"IS", _padded(str(source.frame), b" "))
    content += _short(0x0028, 0x135A, b"CS", b"YES " if source.same_place else b"NO")
    content += _sequence(0x0040, 0xA170, _code(SOURCE_IMAGE))
    return _ITEM + struct.pack("<L", len(content)) + content


@cache
def _code(code: tuple[str, str, str]) -> bytes:
    return encoded(code_item(code))


def _padded(text: str, padding: bytes) -> bytes:
    value = text.encode("ascii")
    return value + padding * (len(value) % 2)


def _position(plane: Plane) -> bytes:
    value = "\\".join(decimal_strings.each(plane.position))
    return _sequence(0x0020, 0x9113, _short(0x0020, 0x0032, b"DS", _padded(value, b" ")))


def encoded(data_set: Dataset) -> bytes:
    """The elements of a data set in Explicit VR Little Endian."""
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    write_dataset(stream, data_set)
    return stream.getvalue()


def _short(group: int, element: int, vr: bytes, value: bytes) -> bytes:
    """An element whose length has 16 bits (PS3.5 table 7.1-2)."""
    return struct.pack("<HH2sH", group, element, vr, len(value)) + value


def _sequence(group: int, element: int, content: bytes) -> bytes:
    """A sequence of one item, of explicit lengths."""
    return _items(group, element, _ITEM + struct.pack("<L", len(content)) + content)


def _items(group: int, element: int, items: bytes) -> bytes:
    return struct.pack("<HH2sHL", group, element, b"SQ", 0, len(items)) + items
