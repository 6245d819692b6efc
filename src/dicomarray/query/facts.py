"""Which facts of a series there are that no attribute holds: how many slices, in which plane, how regular."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dicomarray.assembly.grouping.image_kinds import IMAGE_KINDS
from dicomarray.dicom import segment_objects
from dicomarray.query import duration

Kind = Literal["whole", "number", "word", "truth", "text", "uid"]
# What a fact is made of: the table of attributes, what images say, their places, the stacks that they form.
Source = Literal["rows", "images", "frames", "stacks"]

MIXED = "mixed"
PLANES = ("sagittal", "coronal", "axial")  # by the axis of the patient: x, y, z
PLANE_WORDS = (*PLANES, MIXED)

SIZE = frozenset({"Rows", "Columns"})
_PLACES = SIZE | {"ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"}


@dataclass(frozen=True, slots=True)
class Fact:
    """What kind of answer a fact has, what it is made of, and the attributes that a scan reads for it.

    Stacks ask more of headers than what is named here; they read it where they need it.  ``words`` are all
    that a fact can say; one that is ``several`` has a tuple of values; what is ``identifying`` may name the
    patient.
    """

    kind: Kind
    attributes: frozenset[str]
    source: Source = "rows"
    words: tuple[str, ...] = ()
    several: bool = False
    identifying: bool = False


FACTS: Mapping[str, Fact] = {
    "num_instances": Fact("whole", frozenset()),
    "num_frames": Fact("whole", SIZE | {"NumberOfFrames"}),
    "num_slices": Fact("whole", _PLACES, "stacks"),
    "num_volumes": Fact("whole", _PLACES, "stacks"),
    "slice_spacing": Fact("number", _PLACES, "stacks"),
    "plane": Fact("word", _PLACES, "frames", PLANE_WORDS),
    "obliquity": Fact("number", _PLACES, "frames"),
    "is_regular": Fact("truth", _PLACES, "stacks"),
    "has_localizer": Fact("truth", _PLACES | {"ImageType", "FrameType"}, "frames"),
    "has_phases": Fact("truth", _PLACES, "stacks"),
    "b_value": Fact("number", _PLACES, "images", several=True),
    "image_kinds": Fact("word", _PLACES, "images", IMAGE_KINDS, several=True),
    "segments": Fact("text", segment_objects.LABELS, several=True, identifying=True),
    "refers_to": Fact("uid", segment_objects.REFERENCES, several=True),
    "duration_s": Fact("number", SIZE | duration.TIMES),
}
