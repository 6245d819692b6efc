"""Frames that know more: attributes that a scan does not read, read only where stacking needs them.

b-value and gradient are then told in the standard's words: the vendors' elements are read where the
standard's attributes are missing, and `core.diffusion` turns them.  Traces are diffusion images that are no
direction, because they were made of several.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Callable, Hashable, Mapping, Sequence

from dicomarray.assembly.frames.closed import KeptHeader
from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.frames.mosaic_detection import csa_headers
from dicomarray.assembly.grouping.discriminators import (
    DIFFUSION,
    FURTHER_READ,
    PHILIPS,
    RANKED_READ,
    vendor_of,
)
from dicomarray.assembly.grouping.duplicates import COPY_NAMES
from dicomarray.assembly.grouping.image_kinds import (
    ATTRIBUTES,
    GE_DIFFUSION_IMAGE,
    GE_IMAGE_COMPONENT,
    LOW_B_VALUE,
    PHILIPS_DIRECTION,
    SIEMENS_DIRECTIONALITY,
    TRACE,
    is_along_a_direction,
    is_trace,
    quantities_of,
)
from dicomarray.core import diffusion
from dicomarray.core.diffusion import B_VALUE, GRADIENT
from dicomarray.dicom.headers.attributes import Common, may_differ, shared_by
from dicomarray.dicom.headers.header import Header, HeaderReader
from dicomarray.dicom.siemens_csa import csa_diffusion
from dicomarray.dicom.vr import Value

# Siemens' name of a sequence that has a b-value: "*ep_b1000#12", "re_b50".
_SEQUENCE_WITH_B_VALUE = re.compile(r"b\d")
# Names of attributes that turning a direction needs.
_TURNING = ("InPlanePhaseEncodingDirection",)
# By what b-value and gradient are found.
DIFFUSION_NAMES = frozenset((
    "Modality", "Manufacturer", "ImageOrientationPatient", GRADIENT, *_TURNING, *diffusion.B_VALUE_ELEMENTS,
    *diffusion.DIRECTION_ELEMENTS,
))  # fmt: skip


def csa_diffusion_of(header: Header, known: Mapping[str, Value]) -> Mapping[str, Value]:
    """What only the CSA header of a classic Siemens image says; read where there may be something in it."""
    if isinstance(header, KeptHeader):
        return header.csa
    manufacturer = str(known.get("Manufacturer") or "").upper()
    sequence = known.get("SequenceName")
    if (
        known.get("Modality") != "MR"
        or not manufacturer.startswith("SIEMENS")
        or not _SEQUENCE_WITH_B_VALUE.search(str(sequence or "b0"))
        or diffusion.b_value(known) is not None
    ):
        return {}
    for csa in csa_headers(header):
        b_value, direction = csa_diffusion(csa)
        if b_value is not None:
            return {B_VALUE: b_value, GRADIENT: direction}
    return {}


def with_diffusion(frames: Sequence[Frame]) -> list[Frame]:
    """Parallel frames, with b-value and gradient in the standard's words where their vendor writes them.

    One orientation stands for all of them: it is rounded otherwise from slice to slice, and slices of one
    repetition must have one direction.
    """
    plane = next((frame.plane for frame in frames if frame.plane is not None), None)
    orientation = None if plane is None else plane.orientation
    known: dict[Common | Frame, Mapping[str, Value]] = {}  # of frames that share all that says it
    found = []
    for frame in frames:
        key = shared_by(frame.attributes, DIFFUSION_NAMES) or frame
        if (stated := known.get(key)) is None:
            stated = known[key] = _diffusion(frame.attributes, orientation)
        found.append(frame.with_replaced(stated))
    return found


def _diffusion(known: Mapping[str, Value], orientation: Sequence[float] | None) -> Mapping[str, Value]:
    """b-value and gradient, where the standard's attributes do not have them."""
    if known.get("Modality") != "MR":
        return {}
    stated: dict[str, Value] = {}
    if known.get(B_VALUE) is None and (b_value := diffusion.b_value(known)) is not None:
        stated[B_VALUE] = b_value
    if known.get(GRADIENT) is None and (direction := diffusion.gradient(known, orientation)) is not None:
        stated[GRADIENT] = direction
    return stated


def split_traces(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames of one kind -> directions with what was acquired without diffusion; traces.

    A series of traces alone, with what it has at b = 0, stays together.
    """
    together = [list(frames)]
    if not may_differ([frame.attributes for frame in frames], (*ATTRIBUTES, *DIFFUSION)):
        return together
    traces = [is_trace(frame.attributes) for frame in frames]
    others = [frame for frame, trace in zip(frames, traces, strict=True) if not trace]
    if len(others) in (0, len(frames)):
        return together
    named = any(TRACE in quantities_of(frame.attributes) for frame in frames)
    if not any(map(_is_direction, others)) and (not named or all(map(_is_unweighted, others))):
        return together
    return [others, [frame for frame, trace in zip(frames, traces, strict=True) if trace]]


def are_traces(frames: Sequence[Frame]) -> bool:
    """Whether there are no other images, but for those without diffusion that belong to them."""
    traces = [is_trace(frame.attributes) for frame in frames]
    return any(traces) and all(
        trace or _is_unweighted(frame) for trace, frame in zip(traces, frames, strict=True)
    )


def _is_unweighted(frame: Frame) -> bool:
    b_value = diffusion.b_value(frame.attributes)
    return b_value is not None and b_value <= LOW_B_VALUE


def _is_direction(frame: Frame) -> bool:
    """Whether an image has diffusion along a direction, also where that cannot be turned to the patient."""
    known = frame.attributes
    if not diffusion.b_value(known):
        return False
    gradient = diffusion.gradient(known) or tuple(map(known.get, diffusion.DIRECTION_ELEMENTS))
    return is_along_a_direction(known) or any(gradient)


# What decides which attributes have to be read: those themselves (all may tell a copy), and who made the
# scanner.
_DECIDING = DIFFUSION_NAMES.union(COPY_NAMES)


def _with_further(frames: Sequence[Frame], names_of: Callable[[Frame], tuple[str, ...]]) -> list[Frame]:
    """Frames that know more attributes; a file is read once, and those alike are read fast."""
    names_by_what_decides: dict[Hashable, tuple[str, ...]] = {}
    readers: dict[tuple[str, ...], HeaderReader] = {}
    read: dict[Header, Mapping[str, Value]] = {}
    found = []
    for frame in frames:
        header, common = frame.header, shared_by(frame.attributes, _DECIDING)
        key = common or frame, frame.of_multiframe, frame.tile is None
        if (names := names_by_what_decides.get(key)) is None:
            names = names_by_what_decides[key] = names_of(frame)
        if names and header not in read:
            reader = readers.get(names) or readers.setdefault(names, HeaderReader(names))
            further = header.further(names, reader)
            # nothing is written to what is chained, nor decoded that is not asked for
            known = ChainMap(dict(further), frame.attributes)  # type: ignore[arg-type]
            read[header] = {**csa_diffusion_of(header, known), **further}
        found.append(frame.with_attributes(read[header]) if names else frame)
    return found


def for_copies(frames: Sequence[Frame]) -> list[Frame]:
    """Frames with what is read only where an image may be a copy of another."""
    return _with_further(frames, lambda frame: tuple(n for n in COPY_NAMES if n not in frame.attributes))


def for_repetitions(frames: Sequence[Frame]) -> list[Frame]:
    """Frames with what is read only where nothing else tells repetitions apart."""
    return _with_further(frames, lambda frame: () if frame.of_multiframe else FURTHER_READ)


def _private_names(frame: Frame) -> tuple[str, ...]:
    """Where only a private attribute may have the b-value, the repetition or the image component."""
    known = frame.attributes
    if frame.of_multiframe:
        return ()
    if known.get("Modality") != "MR":
        return tuple(name for name in RANKED_READ if name not in known)
    names: tuple[str, ...] = RANKED_READ
    vendor = vendor_of(frame)
    if frame.tile is None and None in (known.get(B_VALUE), known.get(GRADIENT)):
        further = (*diffusion.elements_of(vendor), *_TURNING)
        names = (*names, *further, *((SIEMENS_DIRECTIONALITY,) if set(further) - known.keys() else ()))
    if vendor.startswith("GE"):
        names = (*names, GE_IMAGE_COMPONENT, GE_DIFFUSION_IMAGE)
    elif not vendor or vendor.startswith("PHILIPS"):
        names = (*names, PHILIPS_DIRECTION, *PHILIPS)
    return tuple(name for name in names if name not in known)


def with_private(frames: Sequence[Frame]) -> list[Frame]:
    """Frames that know what private attributes tell of their component, b-value and gradient; it is read."""
    return with_diffusion(_with_further(frames, _private_names))
