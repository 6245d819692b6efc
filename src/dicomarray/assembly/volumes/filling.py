"""The frames of a stack -> one array, in memory or in a file: read, decoded and converted by threads."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np

from dicomarray.assembly.frames.frame import Frame, by_file
from dicomarray.assembly.frames.instance_files import ImageFiles
from dicomarray.assembly.grouping.duplicates import Probes
from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.values.modality import Values, stored_type
from dicomarray.assembly.volumes.targets import Mask, ScratchMemory, Target
from dicomarray.assembly.volumes.uniform_layout import UniformFrame, frame_of_open, similarity
from dicomarray.core.coded_warnings import CodedWarning, Warnings, warning
from dicomarray.core.pixel_values import Array
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.pixels.native import BITS_CUT
from dicomarray.dicom.pixels.reader import FrameReader
from dicomarray.dicom.transfer_syntaxes import NATIVE_SYNTAXES
from dicomarray.errors import PixelError
from dicomarray.runtime.threads import ImageCount, PixelProgress, do_all, thread_count
from dicomarray.storage.references import Reference

# Small native frames are read so many bytes at a time: they stay in the cache until they are converted.
BLOCK_BYTES = 1 << 19
# Threads end together where each has many small parts of the work; a part costs some microseconds.
TASKS_PER_WORKER = 16
# A part is no larger than this, in bytes of stored values, so that the progress that is told goes on.
LARGEST_TASK_BYTES = 1 << 25
# Less is read, or decoded, in about the time in which threads start.  Bytes of stored values.
SMALL_NATIVE_BYTES, SMALL_COMPRESSED_BYTES = 1 << 23, 1 << 18


@dataclass(frozen=True, eq=False)
class Job:
    """What is read, what becomes of it, and how: see `assemble`."""

    stack: Stack
    values: Values
    with_padding: bool = False
    workers: int | None = None
    progress: PixelProgress | None = None


def fill(job: Job, target: Target) -> Warnings:
    """Read all images, in the order of the array as far as several threads keep one; what to say of them.

    Raises
    ------
    DataError
        As in `assemble`.
    OutputError
        Where a file cannot be written.
    """
    filler = _Filler(job, target)
    with ImageFiles(job.stack.frames) as files:
        _fill_from(files, job, filler)
    return filler.notes()


def _fill_from(files: ImageFiles, job: Job, filler: _Filler) -> None:
    frames = job.stack.frames
    frame_bytes = _frame_bytes(frames[0])
    count = ImageCount(job.progress, len(frames), frame_bytes)
    workers, most = _division(job, frame_bytes)

    def work(task: Sequence[Sequence[int]]) -> None:
        for members in task:
            header = frames[members[0]].header
            if filler.read_uniform(header, files.at_hand(header), members):
                continue
            with files.open(header) as reader:
                filler.read(reader, members)

    def done(task: Sequence[Sequence[int]]) -> None:
        count.add(sum(map(len, task)))

    pending: list[Sequence[int]] = []
    for members in by_file(frames):
        first = frames[members[0]]
        if filler.started and (len(members) <= most or first.tile is not None):
            pending.append(members)
            continue
        do_all(work, _tasks(pending, most), workers, done)
        pending = []
        with files.open(first.header) as reader:
            alone = _alone(members, first, reader, filler.started)
            filler.read(reader, members[:alone])
            count.add(alone)
        rest = members[alone:]

        def work_on_part(
            part: Sequence[int], header: Header = first.header, opened: FrameReader = reader
        ) -> None:
            with files.reopened(header, opened) as again:
                filler.read(again, part)

        parts = [rest[i : i + most] for i in range(0, len(rest), most)]
        do_all(work_on_part, parts, workers, lambda part: count.add(len(part)))
    do_all(work, _tasks(pending, most), workers, done)


def _alone(members: Sequence[int], first: Frame, reader: FrameReader, started: bool) -> int:
    """How many images of a file are read by the thread that opens it."""
    in_memory = isinstance(reader.source.stream, BytesIO)  # of a deflated file, that no other thread can open
    if in_memory or first.header.stamp is None or first.tile is not None:
        return len(members)
    return 0 if started else 1


def _division(job: Job, frame_bytes: int) -> tuple[int, int]:
    """How many threads work, and how many images are a part of the work."""
    count, workers = len(job.stack.frames), thread_count(job.workers)
    native = job.stack.frames[0].header.transfer_syntax in NATIVE_SYNTAXES
    if count * frame_bytes < (SMALL_NATIVE_BYTES if native else SMALL_COMPRESSED_BYTES):
        workers = 1
    share = math.ceil(count / (workers * TASKS_PER_WORKER))
    return workers, max(1, min(share, LARGEST_TASK_BYTES // frame_bytes))


def _frame_bytes(frame: Frame) -> int:
    """What the stored values of an image take."""
    samples = max(1, int(frame.header.number("SamplesPerPixel") or 1))
    return frame.rows * frame.columns * samples * stored_type(frame.header).dtype.itemsize


def _tasks(files: Sequence[Sequence[int]], most: int) -> list[list[Sequence[int]]]:
    """The images of whole files together, about as many at a time."""
    tasks: list[list[Sequence[int]]] = []
    images = most
    for members in files:
        if images >= most:
            tasks.append([])
            images = 0
        tasks[-1].append(members)
        images += len(members)
    return tasks


class _Filler:
    """Reads images of one file after the other, converts them and puts them in their place; for any thread.

    The first image comes alone, before all others.
    """

    def __init__(self, job: Job, target: Target) -> None:
        self._frames, self._values = job.stack.frames, job.values
        self._with_padding, self._target = job.with_padding, target
        several = job.stack.repetitions > 1
        self._probes = Probes(job.stack.frames, job.stack.num_slices) if several else None
        self._stored_shape: tuple[int, ...] | None = None
        self._memory = ScratchMemory()
        self._uniform: dict[Hashable, UniformFrame] = {}  # by the similarity of files
        self._notes: set[tuple[int, int, CodedWarning]] = set()  # of a header, by its id; of a frame of it
        self._not_finite: dict[int, int] = {}  # how many values, by the index of their first image

    def notes(self) -> Warnings:
        """What there is to tell of how images were decoded, of how many of them, and which are equal."""
        counts = Counter(note for _, _, note in self._notes)
        of_all = len(self._frames)
        notes = tuple(note.with_detail(f"({counts[note]} of {of_all} images)") for note in sorted(counts))
        not_finite = sum(self._not_finite.values())
        notes += warning(f"{not_finite} values are NaN or infinite [not-finite]") * bool(not_finite)
        return notes if self._probes is None else notes + self._probes.notes()

    @property
    def started(self) -> bool:
        """Whether the first image has come, and the target is made."""
        return self._stored_shape is not None

    def read_uniform(self, header: Header, file: Reference, members: Sequence[int]) -> bool:
        """The one image of a file like one that was opened before; False where it has to be opened."""
        uniform, index = self._uniform.get(similarity(header)), members[0]
        if uniform is None or self._with_padding or len(members) > 1 or self._frames[index].tile is not None:
            return False
        if uniform.shape[1:] != self._stored_shape:
            return False
        room = self._target.room(index, 1)
        words = self._words(uniform.shape, uniform.dtype, room)
        found = uniform.read(header, file, words)
        if found is None:
            return False
        stored, cut = found
        if cut:
            self._notes.update((id(header), 0, note) for note in BITS_CUT)
        self._take(stored, index, room)
        return True

    def read(self, reader: FrameReader, members: Sequence[int]) -> None:
        """Images of one file, by their indices in the stack."""
        try:
            self._read(reader, members)
        finally:
            if members and reader.notes:
                key = id(self._frames[members[0]].header)
                self._notes.update((key, frame, note) for frame, note in tuple(reader.notes))

    def _read(self, reader: FrameReader, members: Sequence[int]) -> None:
        if members and self._frames[members[0]].tile is not None:
            picture = reader.read(0)[0]
            for index in members:
                tile = self._frames[index].tile
                assert tile is not None  # as the others of the picture
                self._take(tile.cut(picture)[np.newaxis], index, self._room(index, 1))
            return
        for index, count in self._runs(reader, members):
            room = self._room(index, count)
            memory = self._memory_of(reader, room, count)
            self._take(reader.read(self._frames[index].index, memory, count), index, room)
        if reader.fragments is None and members:
            header = self._frames[members[0]].header
            if (uniform := frame_of_open(header, reader)) is not None:
                self._uniform[similarity(header)] = uniform

    def _runs(self, reader: FrameReader, members: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Images that are read and converted together: the index of the first, and how many."""
        most = 1
        if reader.fragments is None and self.started and not self._with_padding:
            most = max(1, BLOCK_BYTES // reader.description.frame_bytes)
        start = 0
        for end in range(1, len(members) + 1):
            if end == len(members) or end - start == most or not self._follow(members[end - 1], members[end]):
                yield members[start], end - start
                start = end

    def _follow(self, index: int, other: int) -> bool:
        """Whether two images follow each other in the file and in the array, and are converted alike."""
        rescales = self._values.rescales
        return (
            other == index + 1
            and self._frames[other].index == self._frames[index].index + 1
            and (len(rescales) == 1 or rescales[other] == rescales[index])
        )

    def _room(self, index: int, count: int) -> Array | None:
        return self._target.room(index, count) if self.started else None

    def _memory_of(self, reader: FrameReader, room: Array | None, count: int) -> Array | None:
        """Memory for stored values: that of the images themselves, where they have the same size."""
        if room is None or reader.fragments is not None:
            return None
        return self._words((count, *reader.description.frame_shape), reader.description.array_dtype, room)

    def _words(self, shape: tuple[int, ...], dtype: np.dtype[Any], room: Array) -> Array:
        if room.shape == shape and room.dtype.itemsize == dtype.itemsize:
            return room.view(dtype)
        return self._memory.take(shape, dtype)

    def _take(self, stored: Array, index: int, room: Array | None) -> None:
        """Convert stored values, perhaps in the memory of their images, and put them in their place."""
        frame, values = self._frames[index], self._values
        if stored.dtype.kind == "f":
            if values.dtype.kind in "iu":
                raise PixelError(
                    f"{frame.header.reference}: {stored.dtype} pixel data, where the header has integers"
                )
            self._not_finite[index] = int(np.count_nonzero(~np.isfinite(stored)))
        if self._stored_shape not in (None, stored.shape[1:]):
            raise self._shape_error(frame, stored, self._stored_shape)
        if self._probes is not None:
            self._probes.take(index, stored)  # as the padding, before its memory is used
        padding = _padding(stored, frame) if self._with_padding else None
        images = values.convert(stored, index, room)
        if images.dtype != values.dtype:
            raise self._shape_error(frame, images, self._stored_shape)
        if padding is not None and values.normalization is not None:
            images[padding] = 0
        if not self.started:
            self._make(images, stored)
        self._target.put(index, images, padding)

    def _make(self, images: Array, stored: Array) -> None:
        path = self._frames[0].header.reference
        try:
            self._target.make(images.shape[1:], stored.shape[1:], self._values.dtype)
        except MemoryError as error:
            raise PixelError(
                f"{path} and the other images of its volume: there is no memory for {len(self._frames)} of "
                f"{images.shape[1:]}, {self._values.dtype}; to-numpy writes them to a file one by one"
            ) from error
        self._stored_shape = stored.shape[1:]

    def _shape_error(self, frame: Frame, found: Array, usual: tuple[int, ...] | None) -> PixelError:
        return PixelError(
            f"{frame.header.reference}: an image of {found.shape[1:]}, {found.dtype}, among images of "
            f"{usual}, {self._values.dtype}"
        )


def _padding(stored: Array, frame: Frame) -> Mask:
    from dicomarray.assembly.values.scaling import padding_mask

    value, limit = frame.number("PixelPaddingValue"), frame.number("PixelPaddingRangeLimit")
    return padding_mask(stored, value, limit, stored_type(frame.header).signed)
