"""Whether images that each name a study of their own, as careless tools write them, are one study."""

from __future__ import annotations

from collections.abc import Sequence

from dicomarray.assembly.frames.frame import Frame
from dicomarray.core.coded_warnings import warning
from dicomarray.dicom.headers.attributes import may_differ

# What has to agree in all images; absent agrees with absent.
_AGREEING = ("FrameOfReferenceUID", "PatientID")
ONE_STUDY = warning(
    "each image has a Study Instance UID of its own, which careless tools write; patient and frame of "
    "reference agree: they are taken for one study [study-uids]"
)


def is_one_study(frames: Sequence[Frame]) -> bool:
    """Whether every instance names a study of its own, and what else tells studies apart agrees."""
    return _a_study_each(frames) and all(
        len({frame.header.text(keyword) or None for frame in frames}) == 1 for keyword in _AGREEING
    )


def _a_study_each(frames: Sequence[Frame]) -> bool:
    if not may_differ([frame.attributes for frame in frames], ["StudyInstanceUID"]):
        return False
    studies = {id(frame.header): frame.header.text("StudyInstanceUID") for frame in frames}
    named = set(studies.values())
    return len(studies) > 1 and len(named) == len(studies) and all(named)
