"""Which frames can be slices of one volume, and which differ in kind.

Orientations, shapes, echoes, image components (magnitude, phase, real, imaginary), quantities, derived maps
among originals and copies of a scan in another form are volumes of their own.  Images that each name a
study of their own, as careless tools write them, are one study where the rest agrees; those whose place is
broken, where places are to be ignored, join the stack that they are of.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.frames.multiframe import DOSE_KINDS
from dicomarray.assembly.grouping import image_kinds
from dicomarray.assembly.grouping.discriminators import value_of
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.geometry import ORIENTATION_TOLERANCE, Plane, same_position_tolerance
from dicomarray.dicom.functional_groups import UNITS_CODE
from dicomarray.dicom.headers.attributes import may_differ, shared_by
from dicomarray.errors import GeometryError, quoted

Item = TypeVar("Item")
# Echo times, in ms, that differ by no more are one echo: scanners round them.
ECHO_TIME_TOLERANCE_MS = 0.005
# Pixel spacings, in mm, that differ by no more are one grid.
PIXEL_SPACING_TOLERANCE_MM = 1e-4
# Digits that differences are compared with: 0.7814 less 0.7813 is a little more than 0.0001 in binary.
_DIGITS = 9
# Images shifted in their plane by more than this part of their extent are no repetitions of each other; less
# is a scan that follows the patient's motion.
SIDE_BY_SIDE = 0.1

# Attributes that have one value in a volume, and tell nothing else of it.
_AGREEING = ("ProtocolName", "ReferencedSegmentNumber", "SeriesNumber", "Modality")
_UNITS_AND_DOSE = (UNITS_CODE, *DOSE_KINDS)
# The attributes that `kind_of` asks for.
_KIND_KEYWORDS = frozenset((
    *image_kinds.OF_KINDS, "EchoTime", "EffectiveEchoTime", "EchoNumbers", "SamplesPerPixel",
    "StudyInstanceUID", "RescaleType", "Units", "DoseUnits", *_UNITS_AND_DOSE, *_AGREEING,
))  # fmt: skip
# The Rescale Type that says nothing (PS3.3 C.11.1.1.2).  Philips' "normalized" says little, but not what
# phases in mrad are.
_UNSPECIFIED = "US"
# What agrees in all images of one study, whatever their Study Instance UIDs; absent agrees with absent.
_OF_ONE_STUDY = ("FrameOfReferenceUID", "PatientID")
ONE_STUDY = warning(
    "each image has a Study Instance UID of its own, which careless tools write; patient and frame of "
    "reference agree: they are taken for one study [study-uids]"
)
# What is asked for and can be done without: where it is no number, it is as if it were absent.
_DISPENSABLE = ("EchoTime", "EffectiveEchoTime", "SliceThickness", "SpacingBetweenSlices")


@dataclass(frozen=True, slots=True)
class Kind:
    """What frames of one volume have in common, beside their orientation.

    ``shows`` are quantities of the closed list of `image_kinds`; ``words`` are other words of Image Type that
    tell the volume from others at the same places.  ``others`` is what nobody asks for, and has to agree.
    """

    placed: bool
    colour: bool
    pixel_spacing: tuple[float, float]
    derived: bool
    component: str
    shows: tuple[str, ...]
    echo_number: object
    echo_time: object
    study: object
    quantity: tuple[object, ...]
    others: tuple[object, ...]
    words: tuple[str, ...] = ()


def kind_of(frame: Frame) -> Kind:
    """What a frame's attributes say that it is."""
    get = partial(value_of, frame)
    words = image_kinds.type_words(frame.attributes)
    return Kind(
        placed=frame.plane is not None,
        colour=get("SamplesPerPixel") not in (1, None),
        pixel_spacing=frame.plane.pixel_spacing if frame.plane else (0.0, 0.0),
        derived="DERIVED" in words,
        component=image_kinds.component_of(frame.attributes),
        shows=tuple(name for name in image_kinds.quantities_of(frame.attributes) if name != "trace"),
        echo_number=get("EchoNumbers"),
        echo_time=_echo_time(frame),
        study=get("StudyInstanceUID"),
        quantity=(_rescale_type(frame), get("Units") or get("DoseUnits"), *map(get, _UNITS_AND_DOSE)),
        others=(*_form_of(frame), "LOCALIZER" in words, *map(get, _AGREEING)),
    )


def _form_of(frame: Frame) -> tuple[object, ...]:
    """What the frame is without its attributes."""
    return frame.rows, frame.columns, frame.of_multiframe, frame.tile is None


def _echo_time(frame: Frame) -> float | str | None:
    """In ms; the text of what is no number, so that images that differ in it are not taken for one echo."""
    for keyword in ("EffectiveEchoTime", "EchoTime"):
        value = frame.attributes.get(keyword)
        number = frame.usable_number(keyword)
        if value is not None and (number is None or number or keyword == "EchoTime"):
            return str(value) if number is None else number
    return None


def _rescale_type(frame: Frame) -> Hashable:
    """What the values are, or None where nothing says it; those of a CT are HU then (PS3.3 C.11.1.1.2)."""
    value = value_of(frame, "RescaleType")
    if value == _UNSPECIFIED:
        return None
    return "HU" if not value and frame.attributes.get("Modality") == "CT" else value or None


def unusable_values(frames: Sequence[Frame]) -> Warnings:
    """Warnings for what is no number, in attributes that volumes can be made without."""
    varying = may_differ([frame.attributes for frame in frames], _DISPENSABLE)
    notes: Warnings = ()
    for keyword in _DISPENSABLE:
        for frame in frames if keyword in varying else frames[:1]:
            value = frame.attributes.get(keyword)
            if value is not None and frame.usable_number(keyword) is None:
                notes += warning(
                    f"{frame.header.reference.name}: {keyword} is {quoted(value)} where the standard has one "
                    "finite number; it is taken as absent [not-a-number]"
                )
                break
    return notes


def _known_kind(frame: Frame, known: dict[Hashable, Kind]) -> Kind:
    """As `kind_of`; images that share all that it looks at share its result."""
    spacing = frame.plane.pixel_spacing if frame.plane else None
    key = shared_by(frame.attributes, _KIND_KEYWORDS) or frame, spacing, _form_of(frame)
    return known.get(key) or known.setdefault(key, kind_of(frame))


def split_by_kind(frames: Sequence[Frame]) -> list[tuple[Kind, list[Frame]]]:
    """Frames of one kind and orientation together, groups in the order of their first frame."""
    by_kind: dict[Kind, list[Frame]] = {}
    known: dict[Hashable, Kind] = {}
    kinds = [_known_kind(frame, known) for frame in frames]
    different = {id(kind): kind for kind in kinds}
    merged = _merged_kinds(different.values())
    if len({kind.study for kind in different.values()}) > 1 and is_one_study(frames):
        merged = {own: replace(kind, study=None) for own, kind in merged.items()}
    for frame, own_kind in zip(frames, kinds, strict=True):
        by_kind.setdefault(merged[own_kind], []).append(frame)
    groups = [(kind, part) for kind, those in by_kind.items() for part in first_fit(those, _same_orientation)]
    place = {id(frame): number for number, frame in enumerate(frames)}
    groups.sort(key=lambda group: place[id(group[1][0])])
    return [(kind, stack) for kind, members in groups for stack in _split_by_stack(members)]


def first_fit(items: Iterable[Item], similar: Callable[[Item, Item], bool]) -> list[list[Item]]:
    """Each item in the first group whose first member it is like; groups in the order of their first."""
    groups: list[list[Item]] = []
    for item in items:
        for members in groups:
            if similar(item, members[0]):
                members.append(item)
                break
        else:
            groups.append([item])
    return groups


def _merged_kinds(kinds: Iterable[Kind]) -> dict[Kind, Kind]:
    """For each kind that which it is one with: rounded otherwise, or silent where the other one speaks."""
    different = dict.fromkeys(kinds)
    rows, columns = (
        _nearest([kind.pixel_spacing[axis] for kind in different], PIXEL_SPACING_TOLERANCE_MM)
        for axis in (0, 1)
    )
    times = _nearest([kind.echo_time for kind in different], ECHO_TIME_TOLERANCE_MS)
    one = {
        kind: replace(
            kind,
            pixel_spacing=(rows[kind.pixel_spacing[0]], columns[kind.pixel_spacing[1]]),
            echo_time=times.get(kind.echo_time, kind.echo_time),
        )
        for kind in different
    }
    stated: dict[Kind, set[tuple[object, ...]]] = {}
    for kind in one.values():
        stated.setdefault(replace(kind, quantity=()), set()).add(kind.quantity)
    return {
        own: replace(kind, quantity=_completed(kind.quantity, stated[replace(kind, quantity=())]))
        for own, kind in one.items()
    }


def _completed(quantity: tuple[object, ...], others: Iterable[tuple[object, ...]]) -> tuple[object, ...]:
    """What is measured; where an image does not say it, and those that do agree, what they say."""
    stated = [set(words) - {None} for words in zip(*others, strict=True)]
    return tuple(
        next(iter(words)) if own is None and len(words) == 1 else own
        for own, words in zip(quantity, stated, strict=True)
    )


def _nearest(values: Iterable[object], tolerance: float) -> dict[object, float]:
    """For each number the least of those that it is one with: in steps of no more than the tolerance."""
    found: dict[object, float] = {}
    first = last = -np.inf
    for value in sorted({value for value in values if isinstance(value, float)}):
        if round(value - last, _DIGITS) > tolerance:
            first = value
        found[value], last = first, value
    return found


def places_of(frames: Sequence[Frame]) -> list[Hashable]:
    """For each frame its place and orientation, the same for those that differ by rounding; or None."""
    planes = [frame.plane for frame in frames if frame.plane is not None]
    tolerance = min((same_position_tolerance(plane.pixel_spacing) for plane in planes), default=0.0)
    same = [_nearest(values, tolerance) for values in zip(*(plane.position for plane in planes), strict=True)]
    same += [
        _nearest(values, ORIENTATION_TOLERANCE)
        for values in zip(*(plane.orientation for plane in planes), strict=True)
    ]

    def place(plane: Plane) -> Hashable:
        return tuple(one[v] for one, v in zip(same, (*plane.position, *plane.orientation), strict=True))

    return [None if frame.plane is None else place(frame.plane) for frame in frames]


def _split_by_stack(frames: list[Frame]) -> list[list[Frame]]:
    """Parallel frames by their Stack ID (PS3.3 C.7.6.16.2.2), where stacks lie at different places.

    Stacks at the same places are repetitions, and an ID for each place is no stack.
    """
    stacks: dict[object, list[Frame]] = {}
    for frame in frames:
        stacks.setdefault(frame.attributes.get("StackID"), []).append(frame)
    if len(stacks) == 1 or frames[0].plane is None:
        return [frames]
    place = dict(zip(frames, places_of(frames), strict=True))
    places = [{place[frame] for frame in stack} for stack in stacks.values()]
    apart = any(place != places[0] for place in places) and max(map(len, places)) > 1
    return list(stacks.values()) if apart else [frames]


def split_side_by_side(positions: Sequence[Sequence[Frame]]) -> list[list[Frame]]:
    """Frames at each place along the normal -> those that lie on top of each other.

    Parallel stacks beside each other (two shoulders, two breasts) share their heights and no voxel.

    Raises
    ------
    GeometryError
        Where images lie side by side, and slices drift so that their stacks cannot be distinguished.
    """
    frames = sorted((frame for members in positions for frame in members), key=lambda frame: frame.order)
    plane = frames[0].plane
    if plane is None:
        return [frames]
    in_plane = np.array([plane.column_direction, plane.row_direction]).T
    reach = SIDE_BY_SIDE * np.array([frames[0].rows, frames[0].columns]) * plane.pixel_spacing
    planes = {id(frame.plane): frame.plane for frame in frames if frame.plane}  # repetitions share them
    offsets = {key: np.array(plane.position) @ in_plane for key, plane in planes.items()}
    spread = [
        np.ptp([offsets[key] for key in {id(f.plane) for f in members}], axis=0) for members in positions
    ]
    if np.all(np.array(spread) <= reach):
        return [frames]

    def on_top(frame: Frame, other: Frame) -> bool:
        return bool(np.all(np.abs(offsets[id(frame.plane)] - offsets[id(other.plane)]) <= reach))

    stacks = first_fit(frames, on_top)
    if len(stacks) > max(map(len, positions)):
        worst = positions[int(np.argmax(np.max(np.array(spread) / reach, axis=1)))]
        raise GeometryError(
            f"{worst[0].header.reference} and {worst[-1].header.reference} lie side by side in one plane, "
            "and slices drift: which of them form a volume is unknown; convert them from separate folders"
        )
    return stacks


def _same_orientation(frame: Frame, other: Frame) -> bool:
    if frame.plane is None or other.plane is None:
        return frame.plane is other.plane
    return frame.plane.parallel_to(other.plane)


def is_one_study(frames: Sequence[Frame]) -> bool:
    """Whether every instance names a study of its own, and what else tells studies apart agrees."""
    if not may_differ([frame.attributes for frame in frames], ["StudyInstanceUID"]):
        return False
    headers = dict.fromkeys(frame.header for frame in frames)
    named = {header.text("StudyInstanceUID") for header in headers}
    return (
        len(headers) == len(named) > 1
        and all(named)
        and all(len({header.text(keyword) or None for header in headers}) == 1 for keyword in _OF_ONE_STUDY)
    )


def broken_place(frames: Sequence[Frame]) -> str | None:
    """Why the place of one of the frames is unknown; None where nothing is broken."""
    return next((frame.broken for frame in frames if frame.broken is not None), None)


def with_broken_places(groups: list[tuple[Kind, list[Frame]]]) -> list[tuple[Kind, list[Frame]]]:
    """Groups of one kind and orientation, those with a broken place joined to the stack that they are of.

    That is the one stack of their kind: all of it is read without a place.  Where several stacks differ in
    nothing but orientation and pixel spacing nothing says which it is; they stay as they are.
    """
    found = list(groups)
    for kind, members in groups:
        if broken_place(members) is None:
            continue
        stacks = [group for group in found if group[0].placed and _anywhere(group[0]) == _anywhere(kind)]
        if len(stacks) == 1:
            joined = sorted([*members, *stacks[0][1]], key=lambda frame: frame.order)
            first, second = (i for i, (_, there) in enumerate(found) if there in (members, stacks[0][1]))
            found[first] = (kind, joined)
            del found[second]
    return found


def _anywhere(kind: Kind) -> Kind:
    return replace(kind, placed=False, pixel_spacing=(0.0, 0.0))
