"""Volumes and parts of them by number, for data sets of training: small to send to other processes.

What is kept of a volume is which files it is of.  Headers and slices are read where they are asked for, and
kept there up to a limit in bytes.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import InitVar, dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.options import ReadOptions
from dicomarray.assembly.series import Series
from dicomarray.assembly.volumes.assemble import assemble
from dicomarray.assembly.volumes.slices import SliceReader
from dicomarray.catalog.scan import SeriesFiles
from dicomarray.catalog.series_selection import Inputs, ScanRequest, select
from dicomarray.core.geometry import StackGeometry
from dicomarray.core.pixel_values import Array
from dicomarray.errors import DataError, InputError, UsageError

Errors = Literal["raise", "skip", "count"]
_SQLITE = b"SQLite format 3\0"
# What the header of an image takes in memory, in bytes: a generous estimate, as most is shared in a series.
_HEADER_BYTES = 4096
Value = TypeVar("Value")
_ALL = slice(None)


@dataclass(frozen=True, slots=True)
class Item:
    """One volume of a series; ``shape`` is that of its images: (repetitions, slices, rows, columns)."""

    series: SeriesFiles
    volume: int
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FailedSeries:
    """What could not be read, and why."""

    uid: str
    reason: str


class ByteCache(Generic[Value]):
    """Keeps what was used last, up to so many bytes."""

    def __init__(self, limit: int) -> None:
        self._limit, self._bytes = limit, 0
        self._kept: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()

    def get(self, key: Hashable) -> Value | None:
        """What was kept under a key, or None."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def put(self, key: Hashable, value: Value, size: int) -> None:
        """Keep a value, in place of the oldest ones; one larger than the limit is not kept."""
        if size > self._limit or key in self._kept:
            return
        self._kept[key] = value, size
        self._bytes += size
        while self._bytes > self._limit:
            _, (_, freed) = self._kept.popitem(last=False)
            self._bytes -= freed


@dataclass(eq=False)
class Volumes:
    """The volumes below a folder, or in an index, that match a config; segmentations are none.

    Attributes
    ----------
    errors
        What becomes of a volume that cannot be read: the error is raised; or it is left out, with a warning
        of Python (``"skip"``) or without one (``"count"``).  Either way it is among ``failures``.
    cache_bytes
        How many bytes of headers, and of voxels each, a process keeps.
    """

    source: Inputs
    config: Any
    options: ReadOptions
    errors: Errors
    cache_bytes: int
    check: InitVar[Callable[[Item], None] | None] = None
    items: tuple[Item, ...] = ()
    failures: list[FailedSeries] = field(default_factory=list)

    def __post_init__(self, check: Callable[[Item], None] | None) -> None:
        """Find them."""
        if self.errors not in ("raise", "skip", "count"):
            raise UsageError(f'errors="{self.errors}" is unknown; there are: raise, skip, count')
        if type(self.cache_bytes) is not int or self.cache_bytes < 0:
            raise UsageError(f"cache_bytes must be a whole number of at least 0, not {self.cache_bytes!r}")
        found = select(_request(self.source, self.config))
        images = [series for series in found.images if not series.is_segments]
        self.items = tuple(item for series in images for item in self._items_of(series, check))
        if not self.failures and not self.items:
            raise InputError(f"{found.request}: segmentations only, and no images that they are of")
        if not self.items:
            raise InputError(f"{found.request}: none of its series can be read: {self.failures[0].reason}")
        self._forget()

    def __getstate__(self) -> dict[str, Any]:
        kept = dict(vars(self))
        del kept["_readers"], kept["_slices"]
        return kept

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def _forget(self) -> None:
        self._readers: ByteCache[SliceReader] = ByteCache(self.cache_bytes)
        self._slices: ByteCache[Array] = ByteCache(self.cache_bytes)

    def _items_of(self, series: Series, check: Callable[[Item], None] | None) -> Iterator[Item]:
        files = SeriesFiles.of(series)
        try:
            made = []
            for number, stack in enumerate(series.described_stacks(self.options)):
                item = Item(files, number, _shape_of(stack))
                if check is not None:
                    check(item)
                made.append(item)
        except DataError as error:
            self.failed(series.uid, error)
            return
        yield from made

    def failed(self, uid: str, error: DataError) -> None:
        """Say that something could not be read, as asked; the error itself where it is to be raised."""
        if self.errors == "raise":
            raise error
        self.failures.append(FailedSeries(uid, str(error)))
        if self.errors == "skip":
            warnings.warn(f"series {uid} is left out: {error}", stacklevel=3)

    def first_readable(self, number: int, read: Callable[[int], Value], count: int) -> tuple[Value, int]:
        """What is read of a number, or of the next one that can be read; how many could not."""
        for skipped in range(count):
            at = (number + skipped) % count
            try:
                return read(at), skipped
            except DataError as error:
                self.failed(self.items[at * len(self.items) // count].series.uid, error)
        raise InputError(f"none of {count} samples can be read: {self.failures[-1].reason}")

    def whole(self, number: int) -> tuple[Array, StackGeometry | None]:
        """A volume with axes (channel, slice, row, column), and where it lies."""
        made = assemble(self._stack(self.items[number]), self.options, workers=1)
        return _channels_first(made.array, made.axes), made.geometry

    def slices(
        self, number: int, wanted: range, rows: slice = _ALL, columns: slice = _ALL
    ) -> tuple[Array, StackGeometry | None]:
        """Some slices of a volume, (channel, slice, row, column), and where they lie.

        Of these only some ``rows`` and ``columns``; whole slices are decoded, and kept.
        """
        reader = self._reader(number)
        found = {index: self._slices.get((number, index)) for index in wanted}
        for span in _runs([index for index, kept in found.items() if kept is None]):
            images = 4 if reader.stack.axis is not None else 3
            array = reader.read(span, workers=1)
            names = ("slice", "row", "column") + ("sample",) * (array.ndim - images)
            read = _channels_first(array, ("time", *names) if images == 4 else names)
            for place, index in enumerate(span):
                found[index] = own = read[:, place].copy()  # which keeps no other slice alive
                self._slices.put((number, index), own, own.nbytes)
        parts = [part[:, rows, columns] for part in found.values() if part is not None]
        geometry = reader.stack.geometry
        if geometry is not None:
            geometry = part_of(geometry, wanted)
        return np.stack(parts, axis=1), geometry

    def _reader(self, number: int) -> SliceReader:
        """By what a server says of the instances, where that is enough to know what their values mean."""
        kept = self._readers.get(number)
        if kept is None:
            kept = SliceReader(self._stack(self.items[number], Series.described_stacks), self.options)
            try:
                _ = kept.values
            except DataError:
                kept = SliceReader(self._stack(self.items[number]), self.options)
            self._readers.put(number, kept, _HEADER_BYTES * len(kept.stack.frames))
        return kept

    def _stack(
        self, item: Item, stacks_of: Callable[[Series, ReadOptions], list[Stack]] = Series.stacks
    ) -> Stack:
        """The stack of an item, from the headers of its files as they are now."""
        stacks = stacks_of(item.series.series(), self.options)
        if len(stacks) <= item.volume or _shape_of(stacks[item.volume]) != item.shape:
            raise InputError(f"the files of series {item.series.uid} changed since they were scanned")
        return stacks[item.volume]


def _shape_of(stack: Stack) -> tuple[int, ...]:
    first = stack.frames[0]
    return stack.repetitions, stack.shape[-1], first.rows, first.columns


def _runs(indices: Sequence[int]) -> Iterator[range]:
    """Ascending numbers as runs of those that follow each other."""
    start = 0
    for place in range(1, len(indices) + 1):
        if place == len(indices) or indices[place] != indices[place - 1] + 1:
            yield range(indices[start], indices[place - 1] + 1)
            start = place


def part_of(geometry: StackGeometry, slices: range) -> StackGeometry:
    """Of some slices; a single one keeps the spacing that the stack has."""
    return replace(
        geometry,
        slice_positions=geometry.slice_positions[slices.start : slices.stop],
        thickness=float(geometry.step @ geometry.normal),
    )


def _request(source: Inputs, config: Any) -> ScanRequest:
    """A file that is an SQLite database is an index; everything else is scanned."""
    if isinstance(source, str | Path) and Path(source).is_file():
        with Path(source).open("rb") as stream:
            if stream.read(len(_SQLITE)) == _SQLITE:
                return ScanRequest(None, index=source, config=config)
    return ScanRequest(source, config=config)


def _channels_first(array: Array, axes: tuple[str, ...]) -> Array:
    """(channel, slice, row, column): repetitions and colour samples are channels, repetitions slowest."""
    if axes[-1] == "sample":
        array = np.moveaxis(array, -1, -4)
    return array.reshape(-1, *array.shape[-3:])
