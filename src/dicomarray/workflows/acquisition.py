"""How a stack was acquired: what the JSON, the b-values and the gradients beside a NIfTI file are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.grouping.diffusion import b_value_of
from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.core.diffusion import GRADIENT
from dicomarray.core.geometry import Matrix
from dicomarray.dicom.vr import Value
from dicomarray.formats import bids
from dicomarray.formats.nifti_file import Layout

# The word of Scanning Sequence for echo planar imaging (PS3.3 C.8.3.1).
_EPI = "EP"
_DIGITS = 6


def acquisition(stack: Stack) -> dict[str, Value]:
    """The attributes that BIDS' names are made of, of the first image; one file is read for them."""
    frame = stack.frames[0]
    further = frame.header.further([name for name in bids.NAMES if name not in frame.attributes])
    return {**further, **frame.attributes}


def is_along_patient(stack: Stack, known: Mapping[str, Value]) -> bool:
    """Whether axes are stored along the patient's, as of a volume acquired in 3-D that is no EPI."""
    three = str(known.get("MRAcquisitionType") or "").upper().startswith("3D")
    slices = len(stack.frames) // stack.repetitions
    return three and stack.axis is None and slices > 1 and not stack.kind.colour and not _is_epi(known)


def _is_epi(known: Mapping[str, Value]) -> bool:
    sequence = known.get("ScanningSequence")
    words = sequence if isinstance(sequence, tuple) else (sequence,)
    return _EPI in words or known.get("EchoPlanarPulseSequence") == "YES"


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
    slices = len(stack.frames) // stack.repetitions
    firsts = stack.frames[::slices]
    values = [b_value_of(frame) for frame in firsts]
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


def volume_firsts(stack: Stack) -> Sequence[Frame]:
    """The first image of each repetition."""
    return stack.frames[:: len(stack.frames) // stack.repetitions]


def encoding(known: Mapping[str, Value], layout: Layout) -> dict[str, Any]:
    """What BIDS has to say of phase encoding, along the file's axes."""
    found: dict[str, Any] = {}
    direction = bids.phase_encoding(known)
    if direction and layout.affine is not None and str(known.get("MRAcquisitionType")) != "3D":
        found["PhaseEncodingAxis"] = "ijk"[layout.order.source.index(1 if direction == "COL" else 2)]
    return found
