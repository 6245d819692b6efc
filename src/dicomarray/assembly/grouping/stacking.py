"""Frames of a series -> stacks: which frames form a volume, in which order, at which places.

One policy for all that builds volumes.  Slices are ordered by their position along the normal of the
first one, never by number; what cannot be one regular volume is split where it differs in kind, and
refused with the reason otherwise.  Nothing is dropped without a word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from dicomarray.assembly.frames.closed import ClosedHeader
from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.grouping.acquisition_order import as_acquired, by_itself
from dicomarray.assembly.grouping.consistency_checks import (
    dose_offsets,
    group_warnings,
    misplaced_sequences,
    missing_parts,
    mixed_scan_warnings,
    scanner_faults,
    slice_location_warnings,
)
from dicomarray.assembly.grouping.discriminators import differing, time_index
from dicomarray.assembly.grouping.duplicates import drop_copies, equal_pixels_at
from dicomarray.assembly.grouping.further_attributes import (
    are_traces,
    for_copies,
    for_repetitions,
    split_traces,
    with_private,
)
from dicomarray.assembly.grouping.image_kind import (
    ONE_STUDY,
    Kind,
    broken_place,
    is_one_study,
    split_by_kind,
    split_side_by_side,
    unusable_values,
    with_broken_places,
)
from dicomarray.assembly.grouping.image_kinds import TRACE
from dicomarray.assembly.grouping.image_type_words import split_by_words
from dicomarray.assembly.grouping.motion import motion_warning, split_by_motion, split_by_place
from dicomarray.assembly.grouping.patients import patient_warnings
from dicomarray.assembly.grouping.repetitions import Repetitions, arrange
from dicomarray.assembly.options import DEFAULTS, WITHOUT_PLACES, ReadOptions
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.geometry import (
    NEAREST_MM,
    Matrix,
    Plane,
    StackGeometry,
    missing_slices,
    same_position_tolerance,
)
from dicomarray.core.plain_text import some
from dicomarray.dicom.vr import Value
from dicomarray.errors import GeometryError

# Without a neighbour and without Slice Thickness nothing says how thick a lone slice is, in mm.
UNKNOWN_THICKNESS_MM = 1.0
# Warnings of frames without a place.
NO_PLACE = warning("no place in the patient is known: frames are in the order of acquisition [no-place]")
NO_PLACE_AND_NO_ORDER = warning(
    "no place in the patient is known, and neither numbers nor times say the order of acquisition: frames "
    "are in the order of their Instance Numbers and SOP Instance UIDs [no-order]"
)
# A slice that moves with the patient stays nearer to its place than this part of the way to its neighbour.
MOTION_PART = 0.25


@dataclass(frozen=True, eq=False)
class Stack:
    """Frames that form one volume, in the order of the array: repetitions slowest, slices ascending.

    ``axis`` names the repetitions' axis, None where there is one image at each position; ``coordinates``
    has, by attribute, what each repetition is at.
    """

    frames: tuple[Frame, ...]
    geometry: StackGeometry | None
    kind: Kind
    repetitions: int = 1
    axis: str | None = None
    coordinates: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    warnings: Warnings = ()

    @property
    def num_slices(self) -> int:
        """Of one repetition."""
        return len(self.frames) // self.repetitions

    @property
    def shape(self) -> tuple[int, ...]:
        """(repetitions, slices), or (slices,)."""
        slices = self.num_slices
        return (slices,) if self.axis is None else (self.repetitions, slices)

    @property
    def label(self) -> str:
        """What it is, for a list of choices: ``35 x 256 x 256, axial, echo 2, phase``."""
        first = self.frames[0]
        parts = [" x ".join(map(str, (*self.shape, first.rows, first.columns)))]
        if self.axis is not None:
            parts.append(f"{self.axis} first")
        if self.geometry is not None:
            parts.append(plane_name(self.geometry))
        if self.kind.echo_number is not None:
            parts.append(f"echo {self.kind.echo_number}")
        what = (self.kind.component, *self.kind.shows, TRACE * are_traces(self.frames))
        parts += [word for word in (*what, *self.kind.words, "derived" * self.kind.derived) if word]
        return ", ".join(parts)


def plane_name(geometry: StackGeometry | Plane) -> str:
    """axial, coronal or sagittal, by the axis nearest to the normal."""
    return ("sagittal", "coronal", "axial")[int(np.argmax(np.abs(geometry.normal)))]


def stack_frames(
    frames: Sequence[Frame], options: ReadOptions = DEFAULTS, notes: Warnings = ()
) -> list[Stack]:
    """All volumes of one series, in the order in which they were acquired; ``notes`` become warnings.

    Raises
    ------
    GeometryError
        Where frames that belong together do not form a regular volume; names the files.
    """
    ordered = sorted(frames, key=lambda frame: frame.order)
    patients = patient_warnings(ordered)  # before anything is left out: a copy may name another patient
    ordered, warnings = drop_copies(ordered, for_copies)
    warnings = notes + patients + warnings + missing_parts(ordered, options) + unusable_values(ordered)
    warnings += group_warnings(ordered)
    if is_one_study(ordered):
        warnings += ONE_STUDY
    groups = with_broken_places(split_by_kind(ordered))
    try:
        return [stack for kind, members in groups for stack in _stacks(kind, members, options, warnings)]
    except GeometryError as error:
        raise GeometryError(f"{error}. {_unplaced(ordered)}{WITHOUT_PLACES}") from error


def _unplaced(frames: Sequence[Frame]) -> str:
    """Which images have no place, where others have: one of them may be what is missing; empty for none."""
    without = [frame.header.reference.name for frame in frames if frame.plane is None]
    if not without or len(without) == len(frames):
        return ""
    return f"Beside them {len(without)} images have no ImagePositionPatient: {some(without)}. "


def _stacks(
    kind: Kind,
    frames: list[Frame],
    options: ReadOptions,
    warnings: Warnings,
    known: bool = False,
) -> list[Stack]:
    """The volume that frames of one kind form; more of them for repetitions that are not complete.

    ``known`` are frames of which everything was read that can tell kinds.
    """
    if not kind.placed:
        return _without_place(kind, frames, warnings, broken_place(frames))
    try:
        return _stacks_with_place(kind, frames, options, warnings, known)
    except GeometryError as error:
        if options.geometry == "strict":
            raise
        return _without_place(kind, frames, warnings, str(error))


def _stacks_with_place(
    kind: Kind, frames: list[Frame], options: ReadOptions, warnings: Warnings, known: bool
) -> list[Stack]:
    moved = split_by_motion(frames)
    if len(moved) > 1:
        warnings += motion_warning(len(moved))
        return [stack for members in moved for stack in _stacks(kind, members, options, warnings, known)]
    positions = by_position(frames)
    if max(map(len, positions)) > 1:
        parts = [] if known else _looked_closer(frames)
        if parts or len(parts := split_same_places(kind, positions)) > 1:
            return [stack for part in parts for stack in _stacks(*part, options, warnings, known=True)]
    split = options.duplicates == "split" or (options.duplicates == "auto" and _one_is_usual(positions))
    repetitions = arrange(positions, split)
    warnings += repetitions.warnings + _unfinished(repetitions.leftover, options)
    if repetitions.leftover and _one_is_usual(positions):
        warnings += equal_pixels_at(positions)
    by_place = split_by_place(repetitions)
    warnings += motion_warning(len(by_place))
    stacks = [_stack(kind, there, options, warnings) for there in by_place]
    keep = replace(options, missing="keep")
    unfinished = [] if options.incomplete == "drop" else repetitions.leftover
    return stacks + [
        stack for group in unfinished for stack in _stacks(kind, group, keep, warnings, known=True)
    ]


def _looked_closer(frames: list[Frame]) -> list[tuple[Kind, list[Frame]]]:
    """Frames by kinds that only private attributes may tell; none where there is nothing to read."""
    known = with_private(frames)
    unchanged = all(after is before for after, before in zip(known, frames, strict=True))
    return [] if unchanged else split_by_kind(known)


def split_same_places(kind: Kind, positions: Sequence[Sequence[Frame]]) -> list[tuple[Kind, list[Frame]]]:
    """Frames of one kind that share places -> those that can be repetitions, each with what it is.

    Nothing is read, and the parts may fall into more parts.
    """
    frames = sorted((frame for members in positions for frame in members), key=lambda frame: frame.order)
    traces = split_traces(frames)
    if len(traces) > 1:
        return [(kind, part) for part in traces]
    by_words = split_by_words(positions)
    if len(by_words) > 1:
        return [(replace(kind, words=(*kind.words, *words)), members) for words, members in by_words]
    return [(kind, members) for members in split_side_by_side(positions)]


def _one_is_usual(positions: Sequence[Sequence[Frame]]) -> bool:
    """Whether most positions hold one image, so that at the others something was repeated."""
    usual, _ = Counter(map(len, positions)).most_common(1)[0]
    return usual == 1


def loops_of(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames without a place: those of each multi-frame object by themselves, single images together."""
    several = Counter(frame.header.reference for frame in frames)
    loops: dict[Hashable, list[Frame]] = {}
    for frame in frames:
        path = frame.header.reference
        loop = frame.header.text("ConcatenationUID") or (path if several[path] > 1 else None)
        loops.setdefault(loop, []).append(frame)
    return list(loops.values())


def _without_place(kind: Kind, frames: Sequence[Frame], warnings: Warnings, fault: str | None) -> list[Stack]:
    """Frames in the order of acquisition; ``fault`` is why their places are left aside, None without any."""
    if fault is not None:
        warnings += warning(f'places are left aside (geometry="ignore"): {fault} [broken-places]')
    stacks = []
    for loop in loops_of(sorted(frames, key=by_itself)):
        ordered = _as_acquired(loop)
        note = NO_PLACE if ordered else NO_PLACE_AND_NO_ORDER
        stacks.append(Stack(tuple(ordered or loop), None, kind, warnings=warnings + note * (len(loop) > 1)))
    return stacks


def _as_acquired(frames: Sequence[Frame]) -> list[Frame] | None:
    """Frames in the order of their numbers, or else times; None where neither tells all of them apart."""
    ordered = as_acquired([[frame] for frame in frames])
    if ordered is None and not any(isinstance(frame.header, ClosedHeader) for frame in frames):
        # not where files stay closed: nobody asks then
        ordered = as_acquired([[frame] for frame in for_repetitions(frames)])
    return None if ordered is None else [frame for (frame,) in ordered]


def _unfinished(leftover: Sequence[Sequence[Frame]], options: ReadOptions) -> Warnings:
    """What becomes of repetitions that are not complete, in words."""
    frames = [frame for group in leftover for frame in group]
    if not frames:
        return ()
    fate = "a volume of their own" if len(leftover) == 1 else f"{len(leftover)} volumes of their own"
    return warning(
        f"{len(frames)} images that complete no repetition are "
        f"{'left out' if options.incomplete == 'drop' else fate}: "
        + some([frame.header.reference.name for frame in frames])
        + " [incomplete-repetition]"
    )


def by_position(frames: Sequence[Frame]) -> list[list[Frame]]:
    """The frames at each place along the normal of the first one, ascending."""
    planes = [plane for frame in frames if (plane := frame.plane) is not None]
    distances = np.array([plane.position for plane in planes]) @ planes[0].normal
    order = np.argsort(distances, kind="stable")
    same = same_position_tolerance(planes[0].pixel_spacing)
    distances, ascending = distances[order], [frames[i] for i in order.tolist()]
    starts = (np.flatnonzero(np.diff(distances) > same) + 1).tolist()
    positions = [ascending[start:end] for start, end in pairwise((0, *starts, len(frames)))]
    return _following_motion(ascending, distances, len(positions), same) or positions


def _following_motion(
    frames: Sequence[Frame], distances: Matrix, places: int, same: float
) -> list[list[Frame]] | None:
    """The frames at each slice of a scan that follows the patient's motion from time point to time point.

    Its time points, as the attribute that numbers them says, have as many slices each, at not quite the same
    places.  None where this is no such scan; ``frames`` and ``distances`` ascend; images no further apart
    than ``same`` mm lie at one place.
    """
    by_time: dict[Hashable, list[int]] = {}
    for index, frame in enumerate(frames):
        by_time.setdefault(time_index(frame), []).append(index)
    slices = len(frames) // len(by_time)
    if None in by_time or slices in (1, places) or any(len(group) != slices for group in by_time.values()):
        return None
    table = np.array(list(by_time.values()))
    at_each = distances[table]
    step = np.diff(at_each, axis=1).min()
    if step <= same or np.ptp(at_each, axis=0).max() > MOTION_PART * step:
        return None
    return [[frames[i] for i in members] for members in table.T]


def _stack(kind: Kind, repetitions: Repetitions, options: ReadOptions, warnings: Warnings) -> Stack:
    first = repetitions.grid[0]
    planes = [plane for frame in first if (plane := frame.plane) is not None]
    geometry, notes = _geometry(first, planes)
    notes += _frames_of_reference(repetitions.grid)
    if options.missing == "error":
        _refuse_gaps(first, geometry.distances)
    frames = tuple(frame for members in repetitions.grid for frame in members)
    return Stack(
        frames,
        geometry,
        kind,
        len(repetitions.grid),
        repetitions.axis,
        repetitions.coordinates,
        warnings
        + notes
        + scanner_faults(first[0])
        + dose_offsets(first[0])
        + misplaced_sequences(frames)
        + mixed_scan_warnings(repetitions.grid)
        + slice_location_warnings(repetitions.grid),
    )


def _geometry(frames: Sequence[Frame], planes: Sequence[Plane]) -> tuple[StackGeometry, Warnings]:
    notes: Warnings = ()
    stated = (frames[0].usable_number(keyword) for keyword in ("SpacingBetweenSlices", "SliceThickness"))
    thickness = next((number for number in stated if number and abs(number) >= NEAREST_MM), None)
    if len(frames) == 1 and thickness is None:
        thickness = UNKNOWN_THICKNESS_MM
        notes = warning(
            f"a single slice without a usable SliceThickness: its thickness is unknown; the affine has "
            f"{UNKNOWN_THICKNESS_MM:g} mm [slice-thickness]"
        )
    frame_of_reference = frames[0].header.text("FrameOfReferenceUID")
    thickness = abs(thickness or UNKNOWN_THICKNESS_MM)
    return StackGeometry.from_planes(planes, thickness, frame_of_reference), notes


def _frames_of_reference(repetitions: Sequence[Sequence[Frame]]) -> Warnings:
    """A warning where images have places in more than one Frame of Reference."""
    frames = [frame for members in repetitions for frame in members]
    if not differing(frames, ["FrameOfReferenceUID"]):
        return ()
    between = "slices" if differing(repetitions[0], ["FrameOfReferenceUID"]) else "repetitions"
    return warning(
        f"FrameOfReferenceUID differs between {between}: others than the first may lie elsewhere than the "
        "affine says [frame-of-reference]"
    )


def _refuse_gaps(frames: Sequence[Frame], distances: Matrix) -> None:
    gaps = missing_slices(distances)
    if not gaps:
        return
    count, first = sum(gap.missing for gap in gaps), gaps[0]
    below, above = frames[first.after].header.reference, frames[first.after + 1].header.reference
    raise GeometryError(
        f"{'1 slice is' if count == 1 else f'{count} slices are'} missing: {first.width_mm:.4g} mm between "
        f"{below} and {above}, where {first.width_mm / (first.missing + 1):.4g} mm is usual. Find the "
        'missing files; or take the slices at their real positions with missing="keep" (--missing keep), '
        'fill the gap with "fill", or interpolate across it with "resample"'
    )
