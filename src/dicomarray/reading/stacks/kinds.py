"""Which frames can be slices of one volume, and which differ in kind.

Orientations, shapes, echoes, image components (magnitude, phase, real, imaginary), derived maps among
originals and copies of a scan in another form are volumes of their own.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dicomarray.errors import GeometryError
from dicomarray.geometry import SAME_POSITION_MM
from dicomarray.reading.frames.frame import Frame
from dicomarray.reading.headers.attributes import shared_by
from dicomarray.reading.stacks.grouping import first_fit

# Echo times, in ms, that differ by less are one echo: scanners round them.
ECHO_TIME_TOLERANCE_MS = 0.005
# Pixel spacings, in mm, that differ by less are one grid.
PIXEL_SPACING_TOLERANCE_MM = 1e-4
# Images shifted in their plane by more than this part of their extent are no repetitions of each other; less
# is a scan that follows the patient's motion.
SIDE_BY_SIDE = 0.1

# Image Type value 3 and later, and Complex Image Component: what a pixel is (PS3.3 C.8.13.3.1.1; vendors
# write the letter alone, or the sequence's name behind it).
_COMPONENTS = {
    "M": "magnitude", "MAG": "magnitude", "MAGNITUDE": "magnitude", "M_FFE": "magnitude",
    "M_SE": "magnitude", "M_IR": "magnitude",
    "P": "phase", "PHASE": "phase", "PHASE MAP": "phase", "PHASE_MAP": "phase", "P_FFE": "phase",
    "P_SE": "phase", "VELOCITY": "phase", "VELOCITY MAP": "phase", "VELOCITY_MAP": "phase",
    "R": "real", "REAL": "real", "R_FFE": "real", "R_SE": "real", "R_IR": "real",
    "I": "imaginary", "IMAGINARY": "imaginary", "I_FFE": "imaginary", "I_SE": "imaginary",
    "I_IR": "imaginary",
}  # fmt: skip
# GE's private code of the same, (0043,GEMS_PARM_01,2F).
GE_IMAGE_COMPONENT = "(0043,GEMS_PARM_01,2F)"
# What `kind_of` asks for.
_TELLING = frozenset((
    "ImageType", "FrameType", "EchoTime", "EffectiveEchoTime", "EchoNumbers", "SamplesPerPixel",
    "ComplexImageComponent", GE_IMAGE_COMPONENT, "ProtocolName", "ReferencedSegmentNumber", "SeriesNumber",
    "Modality",
))  # fmt: skip
_GE_COMPONENTS = {0: "magnitude", 1: "phase", 2: "real", 3: "imaginary"}


@dataclass(frozen=True, slots=True)
class Kind:
    """What frames of one volume have in common, beside their orientation."""

    multiframe: bool
    mosaic: bool
    placed: bool
    rows: int
    columns: int
    colour: bool
    pixel_spacing: tuple[int, int]
    derived: bool
    localizer: bool
    component: str
    echo_number: object
    echo_time: int | None
    protocol: object
    segment: object
    series_number: object
    modality: object

    def differences(self, other: Kind) -> dict[str, tuple[object, object]]:
        """Names of what differs, with both values."""
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in self.__slots__}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def kind_of(frame: Frame) -> Kind:
    """What a frame's attributes say that it is."""
    get = frame.attributes.get
    image_type = _image_type(frame)
    echo_time = frame.number("EffectiveEchoTime") or frame.number("EchoTime")
    spacing = frame.plane.pixel_spacing if frame.plane else (0.0, 0.0)
    return Kind(
        multiframe=frame.of_multiframe,
        mosaic=frame.tile is not None,
        placed=frame.plane is not None,
        rows=frame.rows,
        columns=frame.columns,
        colour=get("SamplesPerPixel") not in (1, None),
        pixel_spacing=(
            round(spacing[0] / PIXEL_SPACING_TOLERANCE_MM),
            round(spacing[1] / PIXEL_SPACING_TOLERANCE_MM),
        ),
        derived="DERIVED" in image_type,
        localizer="LOCALIZER" in image_type,
        component=component_of(frame),
        echo_number=get("EchoNumbers"),
        echo_time=None if echo_time is None else round(echo_time / ECHO_TIME_TOLERANCE_MS),
        protocol=get("ProtocolName"),
        segment=get("ReferencedSegmentNumber"),
        series_number=get("SeriesNumber"),
        modality=get("Modality"),
    )


def _known_kind(frame: Frame, known: dict[Hashable, Kind]) -> Kind:
    """As `kind_of`; images that share all that it looks at share its result."""
    common = shared_by(frame.attributes, _TELLING)
    if common is None:
        return kind_of(frame)
    spacing = frame.plane.pixel_spacing if frame.plane else None
    key = common, spacing, frame.rows, frame.columns, frame.of_multiframe, frame.tile is None
    return known.get(key) or known.setdefault(key, kind_of(frame))


def component_of(frame: Frame) -> str:
    """magnitude, phase, real, imaginary, another type's own word, or "" where nothing tells."""
    complex_component = frame.attributes.get("ComplexImageComponent")
    if complex_component in ("MAGNITUDE", "PHASE", "REAL", "IMAGINARY"):
        return str(complex_component).lower()
    ge = frame.attributes.get(GE_IMAGE_COMPONENT)
    if isinstance(ge, int) and ge in _GE_COMPONENTS:
        return _GE_COMPONENTS[ge]
    words = _image_type(frame)[2:]
    return next((_COMPONENTS[word] for word in words if word in _COMPONENTS), "")


def _image_type(frame: Frame) -> tuple[str, ...]:
    value = frame.attributes.get("FrameType") or frame.attributes.get("ImageType") or ()
    return _upper_words(value if isinstance(value, tuple) else (value,))


@lru_cache(maxsize=256)
def _upper_words(values: tuple[Hashable, ...]) -> tuple[str, ...]:
    return tuple(str(value or "").upper() for value in values)


def split_by_kind(frames: Sequence[Frame]) -> list[tuple[Kind, list[Frame]]]:
    """Frames of one kind and orientation together, groups in the order of their first frame."""
    groups: list[tuple[Kind, list[Frame]]] = []
    by_kind: dict[Kind, list[list[Frame]]] = {}
    known: dict[Hashable, Kind] = {}
    for frame in frames:
        kind = _known_kind(frame, known)
        same_kind = by_kind.setdefault(kind, [])
        for members in same_kind:
            if _same_orientation(frame, members[0]):
                members.append(frame)
                break
        else:
            members = [frame]
            same_kind.append(members)
            groups.append((kind, members))
    return [(kind, stack) for kind, members in groups for stack in _split_by_stack(members)]


def _split_by_stack(frames: list[Frame]) -> list[list[Frame]]:
    """Parallel frames by their Stack ID (PS3.3 C.7.6.16.2.2), where stacks lie at different places.

    Stacks at the same places are repetitions, and an ID for each place is no stack.
    """
    stacks: dict[object, list[Frame]] = {}
    for frame in frames:
        stacks.setdefault(frame.attributes.get("StackID"), []).append(frame)
    if len(stacks) == 1:
        return [frames]
    places = [
        {tuple(round(v / SAME_POSITION_MM) for v in frame.plane.position) for frame in stack if frame.plane}
        for stack in stacks.values()
    ]
    apart = any(place != places[0] for place in places) and max(map(len, places)) > 1
    return list(stacks.values()) if apart else [frames]


def split_side_by_side(positions: Sequence[Sequence[Frame]]) -> list[list[Frame]]:
    """Frames at each place along the normal -> those that lie on top of each other.

    Parallel stacks beside each other (two shoulders, two breasts) share their heights and no voxel.

    Raises
    ------
    GeometryError
        Where images lie side by side, and slices drift so that their stacks cannot be told apart.
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
            f"{worst[0].header.path} and {worst[-1].header.path} lie side by side in one plane, and slices "
            "drift: which of them form a volume cannot be told; convert them from separate folders"
        )
    return stacks


def _same_orientation(frame: Frame, other: Frame) -> bool:
    if frame.plane is None or other.plane is None:
        return frame.plane is other.plane
    return frame.plane.parallel_to(other.plane)
