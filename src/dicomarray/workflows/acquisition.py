"""How a stack was acquired: what the JSON, the b-values and the gradients beside a NIfTI file are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.grouping.image_kinds import component_of
from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.core.diffusion import GRADIENT, b_value
from dicomarray.core.geometry import Matrix
from dicomarray.dicom.vr import Value
from dicomarray.formats import bids, bids_mr, bids_values
from dicomarray.formats.bids_pet import FRAME_NAMES, describe_frames
from dicomarray.formats.bids_values import number, rounded, words_of
from dicomarray.formats.nifti_file import Layout
from dicomarray.workflows.slice_times import slice_times, volume_times
from dicomarray.workflows.vendor_elements import PRIVATE, groups_of, vendor_elements

# The word of Scanning Sequence for echo planar imaging (PS3.3 C.8.3.1), and that for a spin echo.
_EPI, _SPIN_ECHO = "EP", "SE"
_DIGITS = 6
# In functional groups it is no attribute of the frame.
_MAPPING = "RealWorldValueMappingSequence"


def acquisition(stack: Stack) -> dict[str, Any]:
    """The attributes that BIDS' names are made of, of the image that was acquired first; its file is read.

    What scanners write in private elements stands under the names of `bids_values`.
    """
    frame = min(stack.frames, key=lambda one: one.order)
    names = [name for name in (*bids.NAMES, *PRIVATE) if name not in frame.attributes]
    known: dict[str, Any] = {**frame.header.further(names), **frame.attributes}
    if frame.of_multiframe and "RealWorldValueSlope" in known:
        known[_MAPPING] = groups_of(frame.header).of_frame(frame.index).get(_MAPPING)
    component = component_of(known)
    kind = {bids_values.COMPONENT: component.upper()} if component else {}
    known = {**known, **vendor_elements(frame, known), **kind}
    return {**known, **volume_times(stack, frame, known)}


def is_along_patient(stack: Stack, known: Mapping[str, Value]) -> bool:
    """Whether axes are stored along the patient's, as of a volume acquired in 3-D that is no EPI."""
    three = str(known.get("MRAcquisitionType") or "").upper().startswith("3D")
    slices = stack.num_slices
    return three and stack.axis is None and slices > 1 and not stack.kind.colour and not _is_epi(known)


def _is_epi(known: Mapping[str, Value]) -> bool:
    return _EPI in words_of(known, "ScanningSequence") or known.get("EchoPlanarPulseSequence") == "YES"


@dataclass(frozen=True, slots=True)
class DiffusionTable:
    """The b-value (s/mm2) and the direction (LPS; zeros for none) of each repetition."""

    b_values: tuple[float, ...]
    directions: Matrix

    def bval(self) -> str:
        """The text of ``.bval``: one row."""
        return " ".join(_shown(value) for value in self.b_values) + "\n"

    def bvec(self, affine: Matrix) -> str:
        """The text of ``.bvec``: rows of x, y, z along the file's axes.

        FSL takes x the other way where the determinant of the affine, in RAS, is positive.
        ``affine`` is that of the file, from (i, j, k) to LPS mm.
        """
        axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        along = self.directions @ axes
        if np.linalg.det(axes) > 0:  # that of RAS has the same sign: two axes are turned
            along[:, 0] *= -1
        lengths = np.linalg.norm(along, axis=1, keepdims=True)
        unit = np.divide(along, lengths, out=np.zeros_like(along), where=lengths > 0)
        return "".join(" ".join(_shown(value) for value in row) + "\n" for row in unit.T)


def _shown(value: float) -> str:
    return f"{round(float(value), _DIGITS) + 0.0:.6g}"


def diffusion_table(stack: Stack) -> DiffusionTable | None:
    """The weighting of each repetition; None where there are none, or nothing is weighted."""
    if stack.axis is None or stack.geometry is None:
        return None
    firsts = _firsts(stack)
    values = [b_value(frame.attributes) for frame in firsts]
    if all(value is None for value in values) or not any(values):
        return None
    b_values = tuple(value or 0.0 for value in values)
    directions = np.array(
        [_direction(frame) if b else (0.0, 0.0, 0.0) for frame, b in zip(firsts, b_values, strict=True)]
    )
    return DiffusionTable(b_values, directions)


def _direction(frame: Frame) -> tuple[float, ...]:
    direction = frame.attributes.get(GRADIENT)
    if isinstance(direction, tuple) and len(direction) == 3:
        numbers = [float(part) for part in direction if isinstance(part, int | float) and math.isfinite(part)]
        if len(numbers) == 3:
            return tuple(numbers)
    return (0.0, 0.0, 0.0)


def _firsts(stack: Stack) -> Sequence[Frame]:
    """The first image of each repetition."""
    return stack.frames[:: stack.num_slices]


def _known_of(frame: Frame, names: Sequence[str]) -> Mapping[str, Value]:
    further = frame.header.further([name for name in names if name not in frame.attributes])
    return {**further, **{name: frame.attributes.get(name) for name in names if name in frame.attributes}}


def encoding(stack: Stack, known: Mapping[str, Value], layout: Layout) -> dict[str, Any]:
    """What BIDS has to say of phase encoding and of the time of slices, along the file's axes."""
    if known.get("Modality") == "PT" and stack.repetitions > 1:
        return describe_frames([_known_of(frame, FRAME_NAMES) for frame in _firsts(stack)])
    if known.get("Modality") != "MR":
        return {}
    flat = not str(known.get("MRAcquisitionType") or "").startswith("3")
    found = _phase_encoding(known, layout) if flat or _reads_trains(known) else {}
    times = slice_times(stack, known) if flat else None
    if times is not None:
        if not stack.kind.derived:  # what is derived was not acquired
            found["SliceTiming"] = [rounded(time) for time in times]
        together = max(times.count(min(times)), int(number(known, bids_values.TOGETHER) or 1))
        if together > 1:
            found["MultibandAccelerationFactor"] = together
    return found


def _reads_trains(known: Mapping[str, Value]) -> bool:
    """Whether many lines are read after one excitation, so that they are bent along the phase encoding.

    Spin echoes are refocused for each line.
    """
    trains = (number(known, "EchoTrainLength") or 0) > 1 or number(known, bids_values.BANDWIDTH)
    return bool(trains) and _SPIN_ECHO not in words_of(known, "ScanningSequence")


def _phase_encoding(known: Mapping[str, Value], layout: Layout) -> dict[str, Any]:
    """Its axis; and its direction, where the scanner says it.

    Positive is along growing indices in the image, and against them in the file where the axis is stored the
    other way.
    """
    direction, positive = bids_mr.phase_encoding(known), known.get(bids_values.POSITIVE)
    if not direction or layout.affine is None:
        return {}
    axis = layout.order.source.index(1 if direction == "COL" else 2)
    if positive is None:
        return {"PhaseEncodingAxis": "ijk"[axis]}
    against = (positive == 0) != layout.order.flipped[axis]
    return {"PhaseEncodingDirection": "ijk"[axis] + ("-" if against else "")}
