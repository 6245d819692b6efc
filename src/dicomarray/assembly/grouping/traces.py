"""Traces: diffusion images that are no direction, because they were made of several."""

from __future__ import annotations

from collections.abc import Sequence

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.grouping.diffusion import b_value_of
from dicomarray.assembly.grouping.discriminators import DIFFUSION
from dicomarray.assembly.grouping.image_kinds import (
    ATTRIBUTES,
    LOW_B_VALUE,
    TRACE,
    is_along_a_direction,
    is_trace,
    quantities_of,
)
from dicomarray.core import diffusion
from dicomarray.dicom.headers.attributes import may_differ

# What tells traces from directions.
TRACE_KEYWORDS = (*ATTRIBUTES, *DIFFUSION)


def split_traces(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames of one kind -> directions with what was acquired without diffusion; traces.

    A series of traces alone, with what it has at b = 0, stays together.
    """
    together = [list(frames)]
    if not may_differ([frame.attributes for frame in frames], TRACE_KEYWORDS):
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
    b_value = b_value_of(frame)
    return b_value is not None and b_value <= LOW_B_VALUE


def _is_direction(frame: Frame) -> bool:
    """Whether an image has diffusion along a direction, also where that cannot be turned to the patient."""
    known = frame.attributes
    if not b_value_of(frame):
        return False
    gradient = diffusion.gradient(known) or tuple(map(known.get, diffusion.DIRECTION_ELEMENTS))
    return is_along_a_direction(known) or any(gradient)
