"""What each frame of a multi-frame instance says of itself, laid over the attributes of the data set.

That of a nuclear medicine reconstruction has no Image Position (Patient): the detector's item has that of the
first slice, and Slice Vector counts slices from 1 on (PS3.3 C.8.4.8, C.8.4.11, C.8.4.15).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from dicomarray.core.geometry import COSINE_TOLERANCE, SAME_POSITION_MM, Plane
from dicomarray.dicom.functional_groups import (
    FUNCTIONAL_GROUPS,
    FunctionalGroups,
    contradictions,
    items_of,
    layers,
)
from dicomarray.dicom.headers.attributes import ABSENT, Attributes, Common
from dicomarray.dicom.headers.header import Header, numbers_of
from dicomarray.dicom.sequence_items import Item, ItemTemplate, Leaf
from dicomarray.dicom.vr import Value
from dicomarray.errors import GeometryError, HeaderError


class _SharedPart(NamedTuple):
    """What some frames say: the same of everything but of the ``names``, for which each has a value."""

    common: Mapping[str, Value]
    names: tuple[str, ...] = ()
    slots: tuple[int, ...] = ()


# What a dose is, and of what: physical or effective, of a plan or of one of its beams.
DOSE_KINDS = ("DoseType", "DoseSummationType")
_NO_PLACE: Mapping[str, Value] = {"ImagePositionPatient": None}
# What a frame says: with others, and by itself, where the slots are.
_FrameParts = tuple[_SharedPart, tuple[Value, ...]]


def frame_attributes(header: Header, count: int) -> list[Attributes] | None:
    """The attributes of each frame, its own over those of the data set; None where frames have none.

    What equals in all of them is held once.  Several frames never share the data set's one position: that of
    a cine loop, or of a rotating camera, places none of them.

    Raises
    ------
    HeaderError
        Where the number of frames and what describes them do not fit.
    """
    if groups := FunctionalGroups.of(header.further(FUNCTIONAL_GROUPS), header.reference):
        return _over_data_set(header, _frame_parts(header, count, groups))
    if (places := slices_of_reconstruction(header, count)) is not None:
        return _over_data_set(header, [(_SharedPart(place), ()) for place in places])
    if count > 1:
        return _over_data_set(header, [(_SharedPart(_NO_PLACE), ())] * count)
    return None


def dose_attributes(header: Header, count: int, placed: bool = True) -> list[Attributes]:
    """The attributes of each plane of an RT Dose (PS3.3 C.8.8.3), without a place where not ``placed``.

    Raises
    ------
    HeaderError
        Where the number of planes and their offsets do not fit.
    """
    stated = header.further(DOSE_KINDS)
    dose_type: dict[str, Value] = {keyword: stated.get(keyword) for keyword in DOSE_KINDS}
    planes = _dose_planes(header, count) if placed else [{**_dose_scaling(header), **_NO_PLACE}] * count
    return _over_data_set(header, [(_SharedPart(dose_type | plane), ()) for plane in planes])


def _over_data_set(header: Header, frames: Sequence[_FrameParts]) -> list[Attributes]:
    """What each frame says, and for the rest what the data set says."""
    below = dict(header.attributes)
    parts = list({id(part): part for part, _ in frames}.values())
    varying = _varying(parts, below)
    values = {**below, **parts[0].common}
    common = Common(
        values={name: value for name, value in values.items() if name not in varying},
        slots={name: slot for slot, name in enumerate(varying)},
        representations=("",) * len(varying),  # nothing is left to decode
        encodings=(),
        names=tuple(sorted({*values, *varying})),
    )
    # Of the names that vary, similar frames may share some; those come first, then a frame's own.
    rows = {id(part): (_shared_values(part, varying, below), _order(part, varying)) for part in parts}
    found = []
    for part, own in frames:
        shared, order = rows[id(part)]
        found.append(Attributes(common, tuple(map((*shared, *own).__getitem__, order))))
    return found


def _varying(parts: Sequence[_SharedPart], below: Mapping[str, Value]) -> tuple[str, ...]:
    """The names of what is not the very same value in all frames."""
    varying = dict.fromkeys(name for part in parts for name in part.names)
    for name in dict.fromkeys(name for part in parts for name in part.common):
        otherwise = below.get(name, ABSENT)
        first = parts[0].common.get(name, otherwise)
        if any(part.common.get(name, otherwise) is not first for part in parts):
            varying[name] = None
    return tuple(varying)


def _shared_values(
    part: _SharedPart, varying: Iterable[str], below: Mapping[str, Value]
) -> tuple[Value, ...]:
    return tuple(part.common.get(name, below.get(name, ABSENT)) for name in varying)


def _order(part: _SharedPart, varying: Sequence[str]) -> tuple[int, ...]:
    places = {name: len(varying) + slot for name, slot in zip(part.names, part.slots, strict=True)}
    return tuple(places.get(name, index) for index, name in enumerate(varying))


def _frame_parts(header: Header, count: int, groups: FunctionalGroups) -> list[_FrameParts]:
    """Enhanced objects: shared functional groups, and each frame's own over them (PS3.3 C.7.6.16)."""
    groups.check_count(count, header.reference)
    below, common = layers(groups.shared)
    if count > 1 and header.attributes.get("ImagePositionPatient") is not None:
        common = {**_NO_PLACE, **common}
    if not groups.per_frame:
        return [(_SharedPart(below | common), ())] * count
    templates: dict[ItemTemplate, _SharedPart] = {}
    part: list[_FrameParts] = []
    for group in groups.per_frame:
        if not isinstance(group, Item):
            flat = _over(below, common, group) | contradictions(groups.shared, group)
            part.append((_SharedPart(flat), ()))
            continue
        if (parts := templates.get(group.template)) is None:
            elements = group.template.elements
            flat = _over(below, common, elements) | contradictions(groups.shared, elements)
            parts = templates[group.template] = _of_template(group.template, flat)
        part.append((parts, group.own))
    return part


def _over(
    below: Mapping[str, Value], common: Mapping[str, Value], group: Mapping[str, Value]
) -> dict[str, Any]:
    """What a frame's own group says, over what all frames have in unassigned attributes and in macros."""
    unassigned, macros = layers(group)
    return {**below, **unassigned, **common, **macros}


def _of_template(template: ItemTemplate, flat: Mapping[str, Any]) -> _SharedPart:
    slots = {name: template.varying.index(value) for name, value in flat.items() if isinstance(value, Leaf)}
    shared = {name: value for name, value in flat.items() if name not in slots}
    return _SharedPart(shared, tuple(slots), tuple(slots.values()))


def _dose_planes(header: Header, count: int) -> list[dict[str, Value]]:
    """Planes along the normal, stored values times Dose Grid Scaling."""
    common = _dose_scaling(header)
    if count == 1:
        return [common]
    offsets = header.numbers("GridFrameOffsetVector", count)
    position, orientation = (header.numbers(name, size) for name, size in _PLACE.items())
    spacing = header.numbers("PixelSpacing", 2)
    if offsets is None or position is None or orientation is None or spacing is None:
        return [{**common, **_NO_PLACE}] * count
    way = _way_of_offsets(Plane.from_attributes(position, orientation, spacing), offsets[0])
    if way is None:
        return [{**common, **_NO_PLACE}] * count
    return [
        {**common, "ImagePositionPatient": _moved(position, offset - offsets[0], way)} for offset in offsets
    ]


def _dose_scaling(header: Header) -> dict[str, Value]:
    scaling = header.number("DoseGridScaling")
    return {} if scaling is None else {"RescaleSlope": scaling, "RescaleIntercept": 0.0}


def _way_of_offsets(first: Plane, offset: float) -> Sequence[float] | None:
    """The direction in which dose planes with greater offsets lie, by the first one's (PS3.3 C.8.8.3.2).

    Offsets that begin with 0 count along the normal.  Those that begin with the z of the first plane are z
    coordinates, and have to be transverse planes: along z, also where a file has them with a normal
    against it.  None for what is neither.
    """
    x, y, z = first.normal.tolist()
    if offset == 0 or z >= 1 - COSINE_TOLERANCE:
        return x, y, z
    is_z = abs(offset - first.position[2]) <= SAME_POSITION_MM
    return (0.0, 0.0, 1.0) if is_z and z <= COSINE_TOLERANCE - 1 else None


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
            numbers_of(known.get(keyword), keyword, count, header.reference) for keyword in _VECTORS
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
    places = {
        tuple(numbers_of(item.get(name), name, size, header.reference) for name, size in _PLACE.items())
        for item in items_of(detectors)
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
    moved = _moved(first.position, distance, first.normal.tolist())
    return {"ImagePositionPatient": moved, "ImageOrientationPatient": first.orientation}


def _moved(position: Sequence[float], distance: float, way: Sequence[float]) -> tuple[float, ...]:
    return tuple(p + distance * w for p, w in zip(position, way, strict=True))
