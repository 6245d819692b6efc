"""Traces: diffusion images that are no direction, because they were made of several."""

from __future__ import annotations

from collections.abc import Sequence

from dicomarray.reading.frames.frame import Frame
from dicomarray.reading.headers.attributes import may_differ
from dicomarray.reading.stacks.image_kinds import (
    ATTRIBUTES,
    LOW_B_VALUE,
    is_acquired,
    is_along_a_direction,
    is_isotropic,
    quantities_of,
)
from dicomarray.reading.stacks.telling import (
    DIFFUSION,
    GE_GRADIENT,
    PHILIPS_GRADIENT,
    SIEMENS_GRADIENT,
    VENDOR_B_VALUES,
)

TRACE = "trace"
_GRADIENTS = (("DiffusionGradientOrientation",), (SIEMENS_GRADIENT,), GE_GRADIENT, PHILIPS_GRADIENT)
# What tells traces from directions.
TELLING = (*ATTRIBUTES, *DIFFUSION, *(name for names in _GRADIENTS for name in names))
# GE writes its b-value with a thousand millions on top.
_GE_B_VALUE_ABOVE = 1_000_000_000


def split_traces(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames of one kind -> directions with what was acquired without diffusion; traces.

    A series of traces alone, with what it has at b = 0, stays together.
    """
    together = [list(frames)]
    if not may_differ([frame.attributes for frame in frames], TELLING):
        return together
    traces = [is_trace(frame) for frame in frames]
    others = [frame for frame, trace in zip(frames, traces, strict=True) if not trace]
    if len(others) in (0, len(frames)):
        return together
    named = any(TRACE in quantities_of(frame.attributes) for frame in frames)
    if not any(map(_is_direction, others)) and (not named or all(map(_is_unweighted, others))):
        return together
    return [others, [frame for frame, trace in zip(frames, traces, strict=True) if trace]]


def are_traces(frames: Sequence[Frame]) -> bool:
    """Whether there are no other images, but for those without diffusion that belong to them."""
    return any(map(is_trace, frames)) and all(is_trace(frame) or _is_unweighted(frame) for frame in frames)


def is_trace(frame: Frame) -> bool:
    """Whether an image is called a trace, is isotropic or has a gradient of length 0.

    The last two tell nothing of an image without diffusion.
    """
    if TRACE in quantities_of(frame.attributes):
        return True
    b_value = _b_value(frame)
    if b_value is not None and b_value <= LOW_B_VALUE:
        return False
    if is_isotropic(frame.attributes):
        return True
    return b_value is not None and _gradient(frame) == (0.0, 0.0, 0.0) and not is_acquired(frame.attributes)


def _is_unweighted(frame: Frame) -> bool:
    b_value = _b_value(frame)
    return b_value is not None and b_value <= LOW_B_VALUE


def _is_direction(frame: Frame) -> bool:
    b_value, gradient = _b_value(frame), _gradient(frame)
    along = is_along_a_direction(frame.attributes) or (gradient is not None and any(gradient))
    return along and b_value is not None and b_value > 0


def _b_value(frame: Frame) -> float | None:
    for name in ("DiffusionBValue", *VENDOR_B_VALUES):
        value = frame.attributes.get(name)
        first = value[0] if isinstance(value, tuple) and value else value
        if isinstance(first, int | float):
            return float(first % _GE_B_VALUE_ABOVE)
    return None


def _gradient(frame: Frame) -> tuple[float, ...] | None:
    """The direction as it is written, in whatever axes; None where there is none."""
    for names in _GRADIENTS:
        values = [frame.attributes.get(name) for name in names]
        parts = values[0] if len(names) == 1 else tuple(values)
        if isinstance(parts, tuple) and len(parts) == 3:
            numbers = [float(part) for part in parts if isinstance(part, int | float)]
            if len(numbers) == 3:
                return tuple(numbers)
    return None
