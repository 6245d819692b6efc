"""What tells the repetitions of a measurement apart: attributes, and what a frame says of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import cast

from dicomarray.assembly.frames.frame import Frame
from dicomarray.core.diffusion import B_VALUE, DIRECTION_ELEMENTS, GRADIENT
from dicomarray.dicom.headers.attributes import may_differ
from dicomarray.dicom.vr import Value

# Numbers a time point outright; where they exist, repetitions are in their order.
TIME_INDEX = ("TemporalPositionIdentifier", "TemporalPositionIndex")
# What tells repetitions apart in Philips' classic images, whose instance numbers may be in no order: which of
# the b-values and gradients, the gradient itself, the cardiac or label phase, control or label.
_PHILIPS_B_NUMBER, _PHILIPS_GRADIENT_NUMBER, PHILIPS_LABEL = (
    f"(2005,Philips MR Imaging DD 005,{element})" for element in ("12", "13", "29")
)
_PHILIPS_PHASE = "(2001,Philips Imaging DD 001,08)"
# Numbers the volumes of a diffusion scan in the order of acquisition, since software 5.6.
_PHILIPS_VOLUME = "(2005,Philips MR Imaging DD 006,96)"
_PHILIPS_DIFFUSION = (_PHILIPS_VOLUME, _PHILIPS_B_NUMBER, _PHILIPS_GRADIENT_NUMBER)
# All of them, in the order of what they tell.
PHILIPS = (*_PHILIPS_DIFFUSION, PHILIPS_LABEL, _PHILIPS_PHASE)
# Attributes that tell repetitions apart, and the axis that each makes; the first that varies names it.
DIFFUSION = (B_VALUE, GRADIENT, *_PHILIPS_DIFFUSION)
AXES: dict[str, tuple[str, ...]] = {
    "diffusion": DIFFUSION,
    "inversion_time": ("InversionTime", "InversionTimes"),
    "flip_angle": ("FlipAngle",),
    "time": (
        *TIME_INDEX,
        "TriggerTime",
        "NominalCardiacTriggerDelayTime",
        "TemporalPositionTimeOffset",
        "AcquisitionNumber",
        _PHILIPS_PHASE,
        PHILIPS_LABEL,
    ),
}
ATTRIBUTES = tuple(keyword for keywords in AXES.values() for keyword in keywords)
# One value for all images of a repetition, whatever the sequence: where it differs, they are of several.
CONSTANT = (*TIME_INDEX, B_VALUE, "FlipAngle")
# Whether a frame of an enhanced object is a label or a control.
ASL_CONTEXT = "ASLContext"
# Read where nothing else tells repetitions apart: also directions that cannot be turned into the standard's
# words.
FURTHER_READ = ("FrameReferenceTime", "ContentDate", "ContentTime", "ImageComments", *DIRECTION_ELEMENTS)
# What else may tell repetitions apart; no axis is named by it.  A scan reads these but for the last.
FURTHER = (
    "ImageType",
    "ConvolutionKernel",
    "KVP",
    "SliceThickness",
    "RepetitionTime",
    "SequenceName",
    "ContrastBolusAgent",
    "AcquisitionDateTime",
    "AcquisitionTime",
    "FrameAcquisitionDateTime",
    ASL_CONTEXT,
    "VelocityEncodingDirection",
    *FURTHER_READ,
)
# Attributes that order repetitions, the first one first: images are compared by their rank at each place,
# since slices of a cine, or beds of a whole-body PET, have times of their own.
RANKED = (
    "FrameReferenceTime",
    "TriggerTime",
    "NominalPercentageOfCardiacPhase",
    "NominalPercentageOfRespiratoryPhase",
)
# Of these a scan reads the second; the others are read where places hold several images.
RANKED_READ = (RANKED[0], *RANKED[2:])
# Of frames of enhanced objects, where neither their times nor their dimension indices tell.
RANKED_FRAMES = (*RANKED[:2], "NominalCardiacTriggerDelayTime", *RANKED[2:])


# The rank of an attribute's value among the images at one place.
Rank = dict[Frame, int]
# What tells repetitions apart: an attribute by its name, a component of DimensionIndexValues by its place, a
# rank at each place.
Discriminator = str | int | Rank


def time_index(frame: Frame) -> int | None:
    """The number of the frame's time point, where the frame says it."""
    return next((v for k in TIME_INDEX if isinstance(v := frame.attributes.get(k), int)), None)


def vendor_of(frame: Frame) -> str:
    """The manufacturer in capitals; empty where nothing says."""
    return str(frame.attributes.get("Manufacturer") or "").upper()


def value_of(frame: Frame, key: Discriminator) -> Hashable:
    if isinstance(key, int):
        dimensions = dimensions_of(frame)
        return dimensions[key] if key < len(dimensions) else None
    if isinstance(key, dict):
        return key[frame]
    value = frame.attributes.get(key)
    if value is None or type(value) in (int, float, str):  # asked very often, and this is fast
        return cast("Hashable", value)
    return _hashable(value)


def all_differ(positions: Iterable[Iterable[Frame]], said: Callable[[Frame], Hashable]) -> bool:
    """Whether no two images at a position say the same."""
    at_each = ([said(frame) for frame in frames] for frames in positions)
    return all(len(set(several)) == len(several) for several in at_each)


def distinct(frames: Iterable[Frame], keyword: str) -> set[Hashable]:
    """The values of an attribute in some frames."""
    values = [frame.attributes.get(keyword) for frame in frames]
    try:
        return set(values)
    except TypeError:
        return {_hashable(value) for value in values}


def _hashable(value: Hashable) -> Hashable:
    """A value, or the text of it where a broken file has items of a sequence in its place."""
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value


def differing(frames: Iterable[Frame], keywords: Iterable[str]) -> list[str]:
    """Those of some attributes that tell repetitions apart whose values are not the same in all frames."""
    several = list(frames)
    may = may_differ([frame.attributes for frame in several], keywords)
    return [keyword for keyword in may if len(distinct(several, keyword)) > 1]


def dimensions_of(frame: Frame) -> tuple[Value, ...]:
    """Dimension Index Values of a frame (PS3.3 C.7.6.17.1); empty where it has none."""
    values = frame.attributes.get("DimensionIndexValues")
    return values if isinstance(values, tuple) else (() if values is None else (values,))


def dimensions(frames: Sequence[Frame]) -> list[list[Discriminator]]:
    """What else tells the frames of multi-frame objects apart: an index of their own, and the file.

    An index tells what only private elements say; that of the position is no help.
    """
    if not frames[0].of_multiframe:
        return []
    return [list(range(min(len(dimensions_of(frame)) for frame in frames))), ["SOPInstanceUID"]]
