"""Frames of a series -> stacks: which frames form a volume, in which order, at which places.

One policy for all that builds volumes.  Slices are ordered by their position along the normal of the
first one, never by number; what cannot be one regular volume is split where it differs in kind, and
refused with the reason otherwise.  Nothing is dropped without a word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dicomarray.errors import GeometryError
from dicomarray.geometry import SAME_POSITION_MM, Matrix, Plane, StackGeometry, missing_slices
from dicomarray.reading.frames import Frame, read_images
from dicomarray.reading.headers import Value, read_header
from dicomarray.reading.kinds import Kind, split_by_kind
from dicomarray.reading.options import ReadOptions
from dicomarray.reading.repetitions import VENDOR_B_VALUES, Repetitions, arrange

DEFAULTS = ReadOptions()
# Without a neighbour and without Slice Thickness nothing tells how thick a lone slice is, in mm.
UNKNOWN_THICKNESS_MM = 1.0


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
    warnings: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """(repetitions, slices), or (slices,)."""
        slices = len(self.frames) // self.repetitions
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
        parts += [word for word in (self.kind.component, "derived" * self.kind.derived) if word]
        return ", ".join(parts)


def plane_name(geometry: StackGeometry) -> str:
    """axial, coronal or sagittal, by the axis nearest to the normal."""
    return ("sagittal", "coronal", "axial")[int(np.argmax(np.abs(geometry.normal)))]


def stack_frames(
    frames: Sequence[Frame], options: ReadOptions = DEFAULTS, notes: tuple[str, ...] = ()
) -> list[Stack]:
    """All volumes of one series, in the order in which they were acquired; ``notes`` become warnings.

    Raises
    ------
    GeometryError
        Where frames that belong together do not form a regular volume; names the files.
    """
    ordered, warnings = drop_copies(sorted(frames, key=lambda frame: frame.order))
    warnings = notes + warnings
    stacks: list[Stack] = []
    for kind, members in split_by_kind(ordered):
        stacks += _stacks(kind, members, options, warnings)
    return stacks


def drop_copies(frames: Sequence[Frame]) -> tuple[list[Frame], tuple[str, ...]]:
    """Without second copies of the same instance: same SOP Instance UID, same bytes.

    Raises
    ------
    GeometryError
        Where two different files claim the same SOP Instance UID: one of them would be lost.
    """
    first: dict[Hashable, Frame] = {}
    kept, dropped = [], []
    for frame in frames:
        uid = frame.header.text("SOPInstanceUID")
        known = first.setdefault((uid, frame.index), frame) if uid else frame
        if known is frame:
            kept.append(frame)
        elif _digest(known) == _digest(frame):
            dropped.append(frame.header.path.name)
        else:
            raise GeometryError(
                f"{known.header.path} and {frame.header.path} have the same SOPInstanceUID {uid}, "
                "but differ; convert them from separate folders"
            )
    if not dropped:
        return kept, ()
    return kept, (f"{len(dropped)} identical copies left out: {some(sorted(set(dropped)))}",)


def _digest(frame: Frame) -> bytes:
    with frame.header.path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _stacks(kind: Kind, frames: list[Frame], options: ReadOptions, warnings: tuple[str, ...]) -> list[Stack]:
    """The volume that frames of one kind form; a second one of the repetition that is not complete."""
    if not kind.placed:
        note = "no patient geometry: frames are in the order of acquisition"
        warnings = (*warnings, note) if len(frames) > 1 else warnings
        return [Stack(tuple(frames), None, kind, warnings=warnings)]
    positions = _positions(frames)
    if max(map(len, positions)) > 1:
        positions = [[_with_diffusion(frame) for frame in members] for members in positions]
        if len(set(map(len, positions))) > 1:
            positions, notes = _drop_identical(positions)
            warnings += notes
    repetitions = arrange(positions, split=options.duplicates == "split")
    leftover = repetitions.leftover
    if leftover:
        dropped = options.incomplete == "drop"
        warnings += (
            f"{len(leftover)} images that complete no repetition are "
            f"{'left out' if dropped else 'a volume of their own'}: "
            + some([frame.header.path.name for frame in leftover]),
        )
        leftover = [] if dropped else leftover
    stacks = [_stack(kind, repetitions, options, warnings)]
    keep = replace(options, missing="keep")
    return stacks + (_stacks(kind, leftover, keep, warnings) if leftover else [])


def _positions(frames: Sequence[Frame]) -> list[list[Frame]]:
    """The frames at each place along the normal of the first one, ascending."""
    planes = [plane for frame in frames if (plane := frame.plane) is not None]
    distances = np.array([plane.position for plane in planes]) @ planes[0].normal
    order = np.argsort(distances, kind="stable")
    starts = np.flatnonzero(np.diff(distances[order]) > SAME_POSITION_MM) + 1
    return [[frames[i] for i in members] for members in np.split(order, starts)]


def _with_diffusion(frame: Frame) -> Frame:
    """A frame that knows its b-value, also where only a vendor's private attribute has it."""
    if (
        frame.of_multiframe
        or "DiffusionBValue" in frame.attributes
        or frame.attributes.get("Modality") != "MR"
    ):
        return frame
    return frame.with_attributes(read_header(frame.header.path, VENDOR_B_VALUES).attributes)


def _drop_identical(positions: list[list[Frame]]) -> tuple[list[list[Frame]], tuple[str, ...]]:
    """Without images that are the same, voxel by voxel, as another one at their position."""
    dropped: list[str] = []
    kept = []
    for frames in positions:
        images: dict[Hashable, Frame] = {}
        for frame in frames:
            known = images.setdefault(_image_digest(frame) if len(frames) > 1 else None, frame)
            if known is not frame:
                dropped.append(frame.header.path.name)
        kept.append(list(images.values()))
    if not dropped:
        return positions, ()
    return kept, (f"{len(dropped)} images that repeat another one exactly left out: {some(dropped)}",)


def _image_digest(frame: Frame) -> Hashable:
    pixels = np.ascontiguousarray(read_images([frame]))
    return (hashlib.sha256(pixels.tobytes()).digest(), frame.rescale)


def _stack(kind: Kind, repetitions: Repetitions, options: ReadOptions, warnings: tuple[str, ...]) -> Stack:
    first = repetitions.grid[0]
    planes = [plane for frame in first if (plane := frame.plane) is not None]
    geometry, notes = _geometry(first, planes)
    if options.missing == "error":
        _refuse_gaps(first, geometry.distances)
    return Stack(
        tuple(frame for members in repetitions.grid for frame in members),
        geometry,
        kind,
        len(repetitions.grid),
        repetitions.axis,
        repetitions.coordinates,
        warnings + notes,
    )


def _geometry(frames: Sequence[Frame], planes: Sequence[Plane]) -> tuple[StackGeometry, tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    thickness = frames[0].number("SpacingBetweenSlices") or frames[0].number("SliceThickness")
    if len(frames) == 1 and not thickness:
        thickness = UNKNOWN_THICKNESS_MM
        notes = (
            f"a single slice without SliceThickness: its thickness is unknown; the affine has "
            f"{UNKNOWN_THICKNESS_MM:g} mm",
        )
    frame_of_reference = frames[0].header.text("FrameOfReferenceUID")
    if len({frame.header.text("FrameOfReferenceUID") for frame in frames}) > 1:
        notes += ("FrameOfReferenceUID differs between slices; that of the first one is recorded",)
    return StackGeometry.from_planes(planes, abs(thickness or 1.0), frame_of_reference), notes


def _refuse_gaps(frames: Sequence[Frame], distances: Matrix) -> None:
    gaps = missing_slices(distances)
    if not gaps:
        return
    count, first = sum(gap.missing for gap in gaps), gaps[0]
    below, above = frames[first.after].header.path, frames[first.after + 1].header.path
    raise GeometryError(
        f"{'1 slice is' if count == 1 else f'{count} slices are'} missing: {first.width_mm:.4g} mm between "
        f"{below} and {above}, where {first.width_mm / (first.missing + 1):.4g} mm is usual. Find the "
        'missing files; or take the slices at their real positions with missing="keep" (--missing keep), '
        'fill the gap with "fill", or interpolate across it with "resample"'
    )


def spacing_warnings(geometry: StackGeometry) -> tuple[str, ...]:
    """What a user must know of where the slices lie."""
    warnings = []
    if geometry.tilt_degrees:
        warnings.append(
            f"tilted gantry: slices are shifted by {geometry.tilt_degrees:.2f} degrees; the affine has the "
            "shear, a viewer that ignores it shows the patient slanted"
        )
    if not geometry.uniform:
        gaps = np.diff(geometry.distances)
        warnings.append(
            f"slices are not evenly spaced: {gaps.min():.4g} to {gaps.max():.4g} mm; no affine places all of "
            "them, slice_positions_mm does"
        )
    return tuple(warnings)


def some(names: Sequence[str], most: int = 5) -> str:
    """The first names of a list, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
