"""How a stack was acquired: what the JSON, the b-values and the gradients beside a NIfTI file are made of."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.frames.mosaic_detection import csa_headers
from dicomarray.assembly.grouping.diffusion import b_value_of
from dicomarray.assembly.grouping.image_kinds import GE_IMAGE_COMPONENT, component_of
from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.core.diffusion import GRADIENT
from dicomarray.core.geometry import Matrix
from dicomarray.dicom.functional_groups import FUNCTIONAL_GROUPS, FunctionalGroups, private_block
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.vr import Value
from dicomarray.formats import bids
from dicomarray.formats.bids_pet import FRAME_NAMES, describe_frames
from dicomarray.formats.bids_values import number, rounded, seconds_of_day
from dicomarray.formats.nifti_file import Layout

# The word of Scanning Sequence for echo planar imaging (PS3.3 C.8.3.1).
_EPI = "EP"
_DIGITS = 6
_SIEMENS_BANDWIDTH, _SIEMENS_SLICE_TIMES, _SIEMENS_DWELL_TIME = (
    f"(0019,SIEMENS MR HEADER,{element})" for element in ("28", "29", "18")
)
_SIEMENS_PARALLEL = "(0051,SIEMENS MR HEADER,11)"
_GE_ECHO_SPACING, _GE_ASSET = (f"(0043,GEMS_PARM_01,{element})" for element in ("2C", "83"))
_GE_SEQUENCE = "(0019,GEMS_ACQU_01,9C)"
_UIH_POLARITY = "(0065,Image Private Header,58)"
_PRIVATE = (
    _SIEMENS_PARALLEL, _SIEMENS_BANDWIDTH, _SIEMENS_DWELL_TIME, _GE_ECHO_SPACING, _GE_ASSET,
    _GE_SEQUENCE, _UIH_POLARITY, "RectilinearPhaseEncodeReordering", GE_IMAGE_COMPONENT,
)  # fmt: skip
# Creators of the private blocks of XA, of what holds for a series and for an image.
_XA_SERIES, _XA_IMAGE = "SIEMENS MR SDS 01", "SIEMENS MR SDI 02"
_REDUCTIONS = ("ParallelReductionFactorInPlane", "ParallelReductionFactorOutOfPlane")
_IN_PLANE = re.compile(r"p(\d+)")
_DAY_SECONDS = 86400.0
# By so much may times of slices exceed the repetition time: clocks are rounded.
_CLOCK_SECONDS = 0.002
# Two volumes took the same time where the times differ by less.
_SAME_SECONDS = 1e-4


def acquisition(stack: Stack) -> dict[str, Value]:
    """The attributes that BIDS' names are made of, of the image that was acquired first; its file is read.

    What scanners write in private elements stands under the names of this module.
    """
    frame = min(stack.frames, key=lambda one: one.order)
    names = [name for name in (*bids.NAMES, *_PRIVATE) if name not in frame.attributes]
    known = {**frame.header.further(names), **frame.attributes}
    private = _of_xa(frame) if frame.of_multiframe else _of_classic(frame, known)
    component = component_of(known)
    return {**known, **private} | ({bids.COMPONENT: component.upper()} if component else {})


def _of_classic(frame: Frame, known: Mapping[str, Value]) -> dict[str, Value]:
    """What Siemens, GE and UIH write beside the standard's attributes."""
    manufacturer = str(known.get("Manufacturer") or "").upper()
    found: dict[str, Value] = {}
    if manufacturer.startswith("SIEMENS") and known.get("Modality") == "MR":
        csa = next(csa_headers(frame.header), {})
        positive = csa.get("PhaseEncodingDirectionPositive", ())[:1]
        found[bids.POSITIVE] = int(positive[0]) if positive and positive[0] in ("0", "1") else None
        bandwidth = csa.get("BandwidthPerPixelPhaseEncode", ())[:1]
        found[bids.BANDWIDTH] = known.get(_SIEMENS_BANDWIDTH) or bandwidth
        found[bids.DWELL_TIME] = known.get(_SIEMENS_DWELL_TIME)
        found[_REDUCTIONS[0]] = _in_plane(known.get(_SIEMENS_PARALLEL))
    elif manufacturer.startswith("GE"):
        reordering = str(known.get("RectilinearPhaseEncodeReordering") or "")[:1].upper()
        found[bids.POSITIVE] = {"L": 0, "R": 1}.get(reordering)
        found[bids.GE_ECHO_SPACING] = known.get(_GE_ECHO_SPACING)
        factors = known.get(_GE_ASSET)
        parts = factors if isinstance(factors, tuple) else (factors,)
        for name, part in zip(_REDUCTIONS, parts, strict=False):
            reduction = number({"part": part}, "part")
            found[name] = 1 / reduction if reduction and reduction > 0 else None
        if name_of_sequence := known.get(_GE_SEQUENCE):
            found["SequenceName"] = name_of_sequence
    elif manufacturer.startswith("UIH"):
        polarity = number(known, _UIH_POLARITY)
        found[bids.POSITIVE] = None if polarity is None else int(polarity == 0)
    return {name: value for name, value in found.items() if value is not None}


def _of_xa(frame: Frame) -> dict[str, Value]:
    """What Siemens XA writes into private sequences of its functional groups."""
    groups = _groups(frame.header)
    series = private_block(groups.shared, _XA_SERIES)
    own = private_block(groups.of_frame(frame.index), _XA_IMAGE)
    found = {
        "ScanningSequence": series.get("5A"),
        "SequenceVariant": series.get("5B"),
        "ScanOptions": series.get("5C"),
        bids.IMAGE_TYPE_TEXT: own.get("75"),
        _REDUCTIONS[0]: _in_plane(series.get("09")),
        bids.POSITIVE: own.get("1C"),
        bids.BANDWIDTH: own.get("53"),
        bids.DWELL_TIME: own.get("42"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _in_plane(text: Value) -> float | None:
    """The reduction that Siemens writes as ``p2``, or ``p2s4``."""
    found = _IN_PLANE.match(text) if isinstance(text, str) else None
    return float(found[1]) if found else None


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
    firsts = _firsts(stack)
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


def _firsts(stack: Stack) -> Sequence[Frame]:
    """The first image of each repetition."""
    return stack.frames[:: len(stack.frames) // stack.repetitions]


def _known_of(frame: Frame, names: Sequence[str]) -> Mapping[str, Value]:
    further = frame.header.further([name for name in names if name not in frame.attributes])
    return {**further, **{name: frame.attributes.get(name) for name in names if name in frame.attributes}}


def encoding(stack: Stack, known: Mapping[str, Value], layout: Layout) -> dict[str, Any]:
    """What BIDS has to say of phase encoding and of the time of slices, along the file's axes."""
    if known.get("Modality") == "PT" and stack.repetitions > 1:
        return describe_frames([_known_of(frame, FRAME_NAMES) for frame in _firsts(stack)])
    if known.get("Modality") != "MR" or str(known.get("MRAcquisitionType") or "").startswith("3"):
        return {}
    found = _phase_encoding(known, layout)
    times = _slice_times(stack, known)
    if times is not None:
        found["SliceTiming"] = [rounded(time) for time in times]
        together = times.count(min(times))
        if together > 1:
            found["MultibandAccelerationFactor"] = together
    return found


def _phase_encoding(known: Mapping[str, Value], layout: Layout) -> dict[str, Any]:
    """Its axis; and its direction, where the scanner says it.

    Positive is along growing indices in the image, and against them in the file where the axis is stored the
    other way.
    """
    direction, positive = bids.phase_encoding(known), known.get(bids.POSITIVE)
    if not direction or layout.affine is None:
        return {}
    axis = layout.order.source.index(1 if direction == "COL" else 2)
    if positive is None:
        return {"PhaseEncodingAxis": "ijk"[axis]}
    against = (positive == 0) != layout.order.flipped[axis]
    return {"PhaseEncodingDirection": "ijk"[axis] + ("-" if against else "")}


def _slice_times(stack: Stack, known: Mapping[str, Value]) -> list[float] | None:
    """When each slice was acquired, in seconds after the first; None where nothing tells them apart.

    Of a series they are those of the first volume; of the second, where that took another time: scanners
    count otherwise in the first one.
    """
    slices = len(stack.frames) // stack.repetitions
    if slices < 2:
        return None
    longest = (number(known, "RepetitionTime") or 0.0) / 1000 + _CLOCK_SECONDS
    volumes = [stack.frames[start : start + slices] for start in (0, slices)[: stack.repetitions]]
    found = []
    for frames in volumes:
        times = [time for time in _times(frames, stack, known) if time is not None]
        since = [time - min(times) for time in times]
        if len(times) == slices and 0 < max(since) <= longest:
            found.append(since)
    if not found:
        return None
    differ = stack.frames[0].of_multiframe or abs(max(found[0]) - max(found[-1])) > _SAME_SECONDS
    return found[-1] if differ else found[0]


def _times(frames: Sequence[Frame], stack: Stack, known: Mapping[str, Value]) -> list[float | None]:
    """The time of each frame in seconds, on a clock of the vendor's."""
    manufacturer = str(known.get("Manufacturer") or "").upper()
    first = frames[0]
    if manufacturer.startswith("SIEMENS"):
        if first.of_multiframe:
            return [] if stack.kind.derived else _times_of_xa(frames)
        if first.tile is not None:
            return _times_of_mosaic(frames)
        return _over_midnight([seconds_of_day(one.attributes.get("AcquisitionTime")) for one in frames])
    if manufacturer.startswith("GE") and stack.repetitions > 1:
        triggers = [one.usable_number("TriggerTime") for one in frames]
        return [None if time is None else time / 1000 for time in triggers]
    return []


def _over_midnight(times: Sequence[float | None]) -> list[float | None]:
    latest = max((time for time in times if time is not None), default=0.0)
    return [
        time + _DAY_SECONDS if time is not None and latest - time > _DAY_SECONDS / 2 else time
        for time in times
    ]


def _times_of_mosaic(frames: Sequence[Frame]) -> list[float | None]:
    header = frames[0].header
    stated = header.further([_SIEMENS_SLICE_TIMES]).get(_SIEMENS_SLICE_TIMES)
    values = (
        stated if isinstance(stated, tuple) else next(csa_headers(header), {}).get("MosaicRefAcqTimes", ())
    )
    times = [number({"ms": value}, "ms") for value in values]
    if len(times) < len(frames):
        return []
    return [None if (time := times[frame.index]) is None else time / 1000 for frame in frames]


def _times_of_xa(frames: Sequence[Frame]) -> list[float | None]:
    groups = {key: _groups(header) for key, header in {id(one.header): one.header for one in frames}.items()}
    own = (groups[id(frame.header)].of_frame(frame.index) for frame in frames)
    return [number(private_block(group, _XA_IMAGE), "04") for group in own]


def _groups(header: Header) -> FunctionalGroups:
    return FunctionalGroups.of(header.further(FUNCTIONAL_GROUPS), header.path)
