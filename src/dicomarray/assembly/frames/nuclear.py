"""Where the slices of a nuclear medicine reconstruction lie (PS3.3 C.8.4.8, C.8.4.11, C.8.4.15).

The data set has no Image Position (Patient): the detector's item has that of the first slice, and Slice
Vector counts slices from 1 on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dicomarray.core.geometry import Plane
from dicomarray.dicom.headers.header import Header, numbers_of
from dicomarray.dicom.vr import Value
from dicomarray.errors import GeometryError, HeaderError

RECONSTRUCTIONS = ("RECON TOMO", "RECON GATED TOMO")  # Image Type, value 3
_VECTORS = ("SliceVector", "TimeSlotVector", "RRIntervalVector")
_DETECTORS = "DetectorInformationSequence"
_PLACE = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6}


def slices_of_reconstruction(header: Header, count: int) -> list[dict[str, Value]] | None:
    """The place of each frame of a reconstruction, and its time slot where it is gated.

    None for other images, and where anything that is needed is missing, is no number, or says nothing clear:
    several detectors at different places, R-R intervals, a slice that is there twice, another first than 1.
    """
    words = (header.text("ImageType") or "").upper().split("\\")
    if header.attributes.get("Modality") != "NM" or words[2:3] not in [[word] for word in RECONSTRUCTIONS]:
        return None
    known = header.further((_DETECTORS, *_VECTORS))
    try:
        first, spacing = _first_plane(header, known.get(_DETECTORS)), header.number("SpacingBetweenSlices")
        slices, slots, intervals = (
            numbers_of(known.get(keyword), keyword, count, header.path) for keyword in _VECTORS
        )
    except (HeaderError, GeometryError):
        return None
    if first is None or not spacing or slices is None or len(set(intervals or ())) > 1:
        return None
    if not _is_plain(slices, slots):
        return None
    placed = [_placed(first, (number - 1) * spacing) for number in slices]
    if slots is None:
        return placed
    return [
        place | {"TemporalPositionIdentifier": int(slot)} for place, slot in zip(placed, slots, strict=True)
    ]


def _is_plain(slices: Sequence[float], slots: Sequence[float] | None) -> bool:
    """Whether the first frame is of slice 1, where the position is, none is left out and none there twice."""
    numbers = set(slices)
    frames = set(zip(slots or slices, slices, strict=True))
    return slices[0] == 1 and numbers == set(range(1, len(numbers) + 1)) and len(frames) == len(slices)


def _first_plane(header: Header, detectors: Value) -> Plane | None:
    """Where the first slice lies: all detectors must agree."""
    items = [item for item in detectors if isinstance(item, Mapping)] if isinstance(detectors, tuple) else []
    places = {
        tuple(numbers_of(item.get(name), name, size, header.path) for name, size in _PLACE.items())
        for item in items
    }
    spacing = header.numbers("PixelSpacing", 2)
    if len(places) != 1 or spacing is None:
        return None
    position, orientation = places.pop()
    if position is None or orientation is None:
        return None
    return Plane.from_attributes(position, orientation, spacing)


def _placed(first: Plane, distance: float) -> dict[str, Value]:
    """A slice so far along the normal of the first; against it where Spacing Between Slices is negative."""
    position: Sequence[float] = first.position
    moved = tuple(p + distance * n for p, n in zip(position, first.normal.tolist(), strict=True))
    return {"ImagePositionPatient": moved, "ImageOrientationPatient": first.orientation}
