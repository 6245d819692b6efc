"""Which frames can be slices of one volume, and which differ in kind.

Orientations, shapes, echoes, image components (magnitude, phase, real, imaginary), derived maps among
originals and copies of a scan in another form are volumes of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicomarray.reading.frames import Frame

# Echo times, in ms, that differ by less are one echo: scanners round them.
ECHO_TIME_TOLERANCE_MS = 0.005
# Pixel spacings, in mm, that differ by less are one grid.
PIXEL_SPACING_TOLERANCE_MM = 1e-4

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
        derived=image_type[:1] == ["DERIVED"],
        localizer="LOCALIZER" in image_type,
        component=component_of(frame),
        echo_number=get("EchoNumbers"),
        echo_time=None if echo_time is None else round(echo_time / ECHO_TIME_TOLERANCE_MS),
        protocol=get("ProtocolName"),
        series_number=get("SeriesNumber"),
        modality=get("Modality"),
    )


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


def _image_type(frame: Frame) -> list[str]:
    value = frame.attributes.get("FrameType") or frame.attributes.get("ImageType") or ()
    values = value if isinstance(value, tuple) else (value,)
    return [str(v or "").upper() for v in values]


def split_by_kind(frames: Sequence[Frame]) -> list[tuple[Kind, list[Frame]]]:
    """Frames of one kind and orientation together, groups in the order of their first frame."""
    groups: list[tuple[Kind, list[Frame]]] = []
    by_kind: dict[Kind, list[list[Frame]]] = {}
    for frame in frames:
        kind = kind_of(frame)
        same_kind = by_kind.setdefault(kind, [])
        for members in same_kind:
            if _same_orientation(frame, members[0]):
                members.append(frame)
                break
        else:
            members = [frame]
            same_kind.append(members)
            groups.append((kind, members))
    return groups


def _same_orientation(frame: Frame, other: Frame) -> bool:
    if frame.plane is None or other.plane is None:
        return frame.plane is other.plane
    return frame.plane.parallel_to(other.plane)
