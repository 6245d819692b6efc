"""How many volumes a series would make, told by its attributes alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dicomarray.geometry import Plane
from dicomarray.reading.elements.values import Value
from dicomarray.reading.frames.frame import Frame, may_be_multiframe
from dicomarray.reading.headers.header import Header
from dicomarray.reading.stacks.kinds import Kind, split_by_kind
from dicomarray.reading.stacks.motion import split_by_motion, split_by_place
from dicomarray.reading.stacks.repetitions import arrange
from dicomarray.reading.stacks.stacking import by_position, loops_of, split_same_places
from dicomarray.values import Rescale


def count_volumes(rows: Sequence[Mapping[str, Value]], owners: Sequence[int] | None) -> int | None:
    """The number of stacks of `stacking.stack_frames` for what is at hand (missing slices kept).

    That opens files where images may be copies of each other; here images with one SOP Instance UID are
    copies where all their attributes are the same.
    None where no row is an image.

    Raises
    ------
    HeaderError, GeometryError
        Where attributes are broken.
    """
    frames = _frames(rows, range(len(rows)) if owners is None else owners)
    ordered = sorted(_without_copies(frames), key=lambda frame: frame.order)
    if not ordered:
        return None
    return sum(_count(kind, members) for kind, members in split_by_kind(ordered))


def _without_copies(frames: Sequence[Frame]) -> list[Frame]:
    first: dict[object, Frame] = {}
    kept = []
    for frame in frames:
        uid = frame.header.text("SOPInstanceUID")
        known = first.setdefault((uid, frame.index), frame) if uid else frame
        if known is frame or known.attributes != frame.attributes:
            kept.append(frame)
    return kept


def _frames(rows: Sequence[Mapping[str, Value]], owners: Sequence[int]) -> list[Frame]:
    frames: list[Frame] = []
    header, last, index = None, -1, 0
    for row, owner in zip(rows, owners, strict=True):
        if header is None or owner != last:
            header, last, index = Header(Path(f"{owner:09d}"), None, row), owner, 0
        if header.is_image:
            frames.append(_frame(header, index, row))
        index += 1
    return frames


def _frame(header: Header, index: int, row: Mapping[str, Value]) -> Frame:
    rows, columns = (header.number(keyword) or 0.0 for keyword in ("Rows", "Columns"))
    frame = Frame(
        header=header,
        index=index,
        plane=None,
        rows=int(rows),
        columns=int(columns),
        rescale=Rescale(1.0, 0.0),
        attributes=row,
        of_multiframe=may_be_multiframe(row),
    )
    position = frame.numbers("ImagePositionPatient", 3)
    orientation = frame.numbers("ImageOrientationPatient", 6)
    spacing = frame.numbers("PixelSpacing", 2)
    if position is None or orientation is None or spacing is None or not any(orientation):
        return frame
    return replace(frame, plane=Plane.from_attributes(position, orientation, spacing))


def _count(kind: Kind, frames: list[Frame]) -> int:
    """As `stacking` splits frames of one kind, without a look at pixels."""
    if not kind.placed:
        return len(loops_of(frames))
    moved = split_by_motion(frames)
    if len(moved) > 1:
        return sum(_count(kind, members) for members in moved)
    positions = by_position(frames)
    if max(map(len, positions)) > 1:
        parts = split_same_places(kind, positions)
        if len(parts) > 1:
            return sum(_count(*part) for part in parts)
    repetitions = arrange(positions, split=True)
    return len(split_by_place(repetitions)) + sum(_count(kind, group) for group in repetitions.leftover)
