"""Of which steps of a series with repetitions the frames of a segmentation are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace

from dicomarray.core.coded_warnings import warning
from dicomarray.core.volume_info import VolumeInfo
from dicomarray.errors import SegmentationError, UsageError
from dicomarray.objects.segmentation.description import SegmentationFile, SegmentFrame
from dicomarray.objects.segmentation.grids import positions_of

Steps = frozenset[int]


def of_step(file: SegmentationFile, grid: VolumeInfo, time: int | None) -> SegmentationFile:
    """The frames of one step, counted from 0, or all of them, with a warning where they are of several.

    A frame is of the steps of the images that it was made of, where ``grid`` has these; else of that which
    Temporal Position Index says; else frames at one place are in the order of their times.

    Raises UsageError where no frame is of that step; SegmentationError where a frame does not say of which it
    is.
    """
    steps = _steps(file, grid)
    known = sorted(Steps().union(*filter(None, steps)))
    if time is None:
        return _warned(file, steps, known)
    if isinstance(time, bool) or not isinstance(time, int):
        raise UsageError(f"time={time!r}: a whole number is needed, the index of a step from 0")
    if not known:
        raise SegmentationError(
            f"{file.path}: nothing says of which step its frames are: no image that they were made of is at "
            "hand (on=, --on), and they have no Temporal Position Index and no times; leave out time="
        )
    if time not in known:
        raise UsageError(f"time={time}: {file.path} has masks of the steps {known!s:.80}, counted from 0")
    if None in steps:
        raise SegmentationError(
            f"{file.path}: frame {steps.index(None) + 1} does not say of which step it is, as others do"
        )
    kept = (frame for frame, own in zip(file.frames, steps, strict=True) if own and time in own)
    return replace(file, frames=tuple(kept))


def _warned(file: SegmentationFile, steps: Sequence[Steps | None], known: Sequence[int]) -> SegmentationFile:
    found: dict[int, set[Steps]] = defaultdict(set)
    for frame, own in zip(file.frames, steps, strict=True):
        if own is not None:
            found[frame.number].add(own)
    if all(len(different) < 2 for different in found.values()):
        return file
    note = (
        f"masks of the steps {known!s:.80} are in the file, and were read as one; time=N (--time N) reads "
        "those of one step [masks-of-steps]"
    )
    return replace(file, warnings=file.warnings + warning(note))


def _steps(file: SegmentationFile, grid: VolumeInfo) -> list[Steps | None]:
    slices = grid.shape[grid.slice_axis]
    positions = positions_of(grid) if len(grid.slices) > slices else {}
    by_source = [
        Steps(at // slices for source in frame.sources for at in positions.get(source, ())) or None
        for frame in (file.frames if positions else ())
    ]
    if any(by_source):
        return by_source
    if any(frame.temporal_index is not None for frame in file.frames):
        indices = (frame.temporal_index for frame in file.frames)
        return [None if index is None else Steps({index - 1}) for index in indices]
    return _by_time(file.frames)


def _by_time(frames: Sequence[SegmentFrame]) -> list[Steps | None]:
    """By the order of times among all frames, or at each place where slices have times of their own.

    Nothing where no place repeats: the times of slices are no steps.
    """
    nothing: list[Steps | None] = [None] * len(frames)
    times = [frame.time for frame in frames]
    if None in times:
        return nothing
    counts = Counter(map(_place, frames))
    most = max(counts.values(), default=0)
    if most < 2:
        return nothing
    ordered: Sequence[Hashable] = sorted({time for time in times if time is not None})
    if len(ordered) == most:
        return [Steps({ordered.index(time)}) for time in times]
    if min(counts.values()) < most:
        return nothing
    ranks: Counter[Hashable] = Counter()
    found = nothing
    for number in sorted(range(len(frames)), key=lambda number: times[number] or ""):
        place = _place(frames[number])
        found[number] = Steps({ranks[place]})
        ranks[place] += 1
    return found


def _place(frame: SegmentFrame) -> Hashable:
    return frame.number, frame.plane or frame.sources
