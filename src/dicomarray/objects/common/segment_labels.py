"""Labels of segments, and names of ROIs, as the standard takes them; what it does not is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence

from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.segments import MAX_LABEL, Segment
from dicomarray.errors import SegmentationError


def check_labels(segments: Sequence[Segment]) -> Warnings:
    """What is to be said of labels before they are written as Segment Label or ROI Name (VR LO, PS3.5 6.2).

    Raises
    ------
    SegmentationError
        For a label that is too long, of several lines, or holds a backslash, which separates values.
    """
    for segment in segments:
        for name, text in (("label", segment.label), ("algorithm", segment.algorithm)):
            if text is None:
                continue
            if len(text) > MAX_LABEL:
                raise SegmentationError(
                    f"the {name} of segment {segment.number} has {len(text)} characters, and DICOM takes "
                    f"{MAX_LABEL} (VR LO, PS3.5 6.2): shorten it (segments=, --segments): {text[:80]!r}"
                )
            if "\\" in text or not text.isprintable():
                raise SegmentationError(
                    f"the {name} of segment {segment.number} holds a backslash, a line break or another "
                    f"control character, which DICOM does not take (VR LO, PS3.5 6.2): {text!r}"
                )
    similar = [label for label, count in Counter(one.label.strip() for one in segments).items() if count > 1]
    if not similar:
        return ()
    return warning(
        f'several segments are called "{similar[0]}": only their numbers tell them apart [segments-alike]'
    )


def empty_segments(segments: Sequence[Segment], covered: Container[int]) -> list[str]:
    """The labels, in quotes, of segments whose number is not among those that have voxels."""
    return [f'"{one.label}"' for one in segments if one.number not in covered]
