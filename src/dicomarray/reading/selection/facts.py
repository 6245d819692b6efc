"""Facts of a series that no attribute holds: how many slices, how far apart, in which plane, how regular.

They come from attributes alone, no pixels are looked at, and only the facts that are asked for are computed.
What cannot be told with certainty, because an attribute is missing or broken, is None: unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dicomarray.errors import DataError
from dicomarray.geometry import (
    COSINE_TOLERANCE,
    FARTHEST_MM,
    ORIENTATION_TOLERANCE,
    SAME_POSITION_MM,
    TILT_DRIFT_MM,
    Matrix,
)
from dicomarray.reading.elements.values import Value
from dicomarray.reading.headers.header import GREATEST_NUMBER
from dicomarray.reading.selection.dates import MINUTE, SECOND, Interval, parse_recorded
from dicomarray.reading.selection.rows import ABSENT, Rows
from dicomarray.reading.stacks import traces
from dicomarray.reading.stacks.kinds import TELLING
from dicomarray.reading.stacks.telling import ATTRIBUTES, VENDOR_B_VALUES

# How far a gap between slices may differ from the usual one: mm, and part of it.
EVEN_MM, EVEN_PART = 0.01, 0.01
# Milliseconds in a second; Trigger Time is in the former.
MILLISECONDS = 1000.0

Kind = Literal["whole", "number", "word", "truth"]

PLANES = ("sagittal", "coronal", "axial")  # by the axis of the patient: x, y, z
MIXED = "mixed"

_SIZE = frozenset({"Rows", "Columns"})
_PLACES = _SIZE | {"ImagePositionPatient", "ImageOrientationPatient"}
_DATE_TIMES = ("FrameAcquisitionDateTime", "AcquisitionDateTime")
_OFFSETS = {
    "TemporalPositionTimeOffset": 1.0,
    "TriggerTime": MILLISECONDS,
    "NominalCardiacTriggerDelayTime": MILLISECONDS,
}
_TIMES = _SIZE | {*_DATE_TIMES, "AcquisitionDate", "AcquisitionTime", *_OFFSETS}
_VOLUMES = _PLACES | {
    "PixelSpacing", "SOPClassUID", "SOPInstanceUID", "InstanceNumber", "Manufacturer", "StackID",
    "ConcatenationUID", "ConcatenationFrameOffsetNumber", "DimensionIndexValues", "NumberOfFrames",
    "AcquisitionTime", "AcquisitionDateTime", "FrameAcquisitionDateTime", *TELLING, *ATTRIBUTES,
    *VENDOR_B_VALUES, *traces.TELLING,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fact:
    """What kind of answer a fact has, what it is made of, and whether the places of slices matter for it."""

    kind: Kind
    attributes: frozenset[str]
    places: bool = False


FACTS: Mapping[str, Fact] = {
    "num_instances": Fact("whole", frozenset()),
    "num_frames": Fact("whole", _SIZE | {"NumberOfFrames"}),
    "num_slices": Fact("whole", _PLACES, places=True),
    "num_volumes": Fact("whole", _VOLUMES, places=True),
    "slice_spacing": Fact("number", _PLACES, places=True),
    "plane": Fact("word", _PLACES, places=True),
    "obliquity": Fact("number", _PLACES, places=True),
    "is_regular": Fact("truth", _PLACES | {"PixelSpacing"}, places=True),
    "has_localizer": Fact("truth", frozenset({"ImageType", "FrameType"})),
    "duration_s": Fact("number", _TIMES),
}


class Facts:
    """The facts of one series, each computed when it is asked for."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def value(self, name: str) -> Any:
        """A fact by name: int, float, str or bool; None where it is unknown."""
        compute: Callable[[Facts], Any] = _COMPUTE[name]
        return compute(self)

    def num_instances(self) -> int:
        """DICOM objects."""
        owners = self._rows.owners
        return self._rows.size if owners is None else len(set(owners))

    def num_frames(self) -> int | None:
        """Frames of the objects with pixels, 1 where Number of Frames is absent."""
        total = 0
        for row in self._first_rows:
            if not (self._cell("Rows", row) and self._cell("Columns", row)):
                continue
            frames = self._cell("NumberOfFrames", row)
            frames = 1 if frames is None else frames
            if not isinstance(frames, int) or frames < 1:
                return None
            total += frames
        return total

    def num_slices(self) -> int | None:
        """Different places: images at one place, such as time points and echoes, are one slice."""
        places = self._places
        return None if places is None else sum(len(distances) for distances, _ in places.by_orientation)

    def num_volumes(self) -> int | None:
        """How many volumes `Series.volumes` would make, where images that repeat another one count."""
        from dicomarray.reading.selection.counting import count_volumes

        try:
            return count_volumes(self._mappings(_VOLUMES), self._rows.owners)
        except DataError:
            return None

    def slice_spacing(self) -> float | None:
        """mm along the normal, the median of the gaps; unknown for one slice or several orientations."""
        gaps = self._gaps
        return None if gaps is None or not len(gaps) else float(np.median(gaps))

    def plane(self) -> str | None:
        """By the axis of the patient nearest to the normal."""
        if self._places is None:
            return None
        names = {PLANES[int(np.argmax(np.abs(normal)))] for normal in self._places.normals}
        return names.pop() if len(names) == 1 else MIXED

    def obliquity(self) -> float | None:
        """Degrees between the normal and the axis nearest to it, the greatest of the series."""
        if self._places is None:
            return None
        parts = np.sort(np.abs(self._places.normals), axis=1)
        # not the arc cosine, which is coarse near the axis
        return float(np.degrees(np.arctan2(np.linalg.norm(parts[:, :2], axis=1), parts[:, 2])).max())

    def is_regular(self) -> bool | None:
        """One orientation, one shape, as many images at every place, on a straight line, evenly spaced."""
        places, gaps = self._places, self._gaps
        if places is None:
            return None
        one_shape = all(self._agree(name) for name in ("Rows", "Columns", "PixelSpacing"))
        if gaps is None or not one_shape or not places.complete or not places.straight:
            return False
        usual = float(np.median(gaps)) if len(gaps) else 0.0
        return bool(np.all(np.abs(gaps - usual) <= max(EVEN_MM, EVEN_PART * usual)))

    def has_localizer(self) -> bool | None:
        """Whether any image says so in Image Type or Frame Type (PS3.3 C.8.2.1.1.1)."""
        known = False
        for name in ("ImageType", "FrameType"):
            for cell in self._rows.column(name):
                words = [str(word).upper() for word in (cell if isinstance(cell, tuple) else (cell,))]
                known = known or cell not in (None, ABSENT)
                if cell is not ABSENT and "LOCALIZER" in words:
                    return True
        return False if known else None

    def duration_s(self) -> float | None:
        """Seconds from the first to the last acquisition, trigger or temporal position, the longest of them.

        Each kind of time counts where all images have it.
        """
        spans = [_clock_span(self._moments(name, "DT")) for name in _DATE_TIMES]
        spans.append(_clock_span(self._acquired()))
        for name, unit in _OFFSETS.items():
            cells = [self._cell(name, row) for row in self._images]
            # not so for nan either
            numbers = [c / unit for c in cells if isinstance(c, int | float) and abs(c) <= GREATEST_NUMBER]
            spans.append(max(numbers) - min(numbers) if numbers and len(numbers) == len(cells) else None)
        return max((span for span in spans if span is not None), default=None)

    def _moments(self, name: str, vr: str) -> list[Interval | None]:
        cells = [self._cell(name, row) for row in self._images]
        return [parse_recorded(vr, cell.strip()) if isinstance(cell, str) else None for cell in cells]

    def _acquired(self) -> list[Interval | None]:
        """Acquisition Date and Time; the time alone where no image has a date."""
        dates, times = self._moments("AcquisitionDate", "DA"), self._moments("AcquisitionTime", "TM")
        if not any(dates):
            return times
        return [
            Interval(date.start + time.start, date.start + time.end) if date and time else None
            for date, time in zip(dates, times, strict=True)
        ]

    # Rows ---------------------------------------------------------------------------------------------

    @cached_property
    def _columns(self) -> dict[str, Sequence[Value]]:
        return {}

    def _cell(self, name: str, row: int) -> Any:
        """A cell; None also where the attribute is absent."""
        cells = self._columns.get(name)
        if cells is None:
            cells = self._columns[name] = self._rows.column(name)
        cell = cells[0] if len(cells) == 1 else cells[row]
        return None if cell is ABSENT else cell

    def _mappings(self, names: frozenset[str]) -> list[dict[str, Value]]:
        """The rows as mappings of some attributes."""
        columns = {name: [_plain(cell) for cell in self._rows.column(name)] for name in names}
        constant = {n: c[0] for n, c in columns.items() if len(c) == 1 and c[0] is not ABSENT}
        varying = {n: c for n, c in columns.items() if len(c) > 1}
        return [
            constant | {n: cells[row] for n, cells in varying.items() if cells[row] is not ABSENT}
            for row in range(self._rows.size)
        ]

    @cached_property
    def _first_rows(self) -> Sequence[int]:
        """The first row of each instance."""
        owners = self._rows.owners
        if owners is None:
            return range(self._rows.size)
        return [row for row, owner in enumerate(owners) if row == 0 or owner != owners[row - 1]]

    @cached_property
    def _images(self) -> Sequence[int]:
        every = range(self._rows.size)
        if all(len(self._rows.column(name)) == 1 for name in _SIZE):
            return every if self._cell("Rows", 0) and self._cell("Columns", 0) else ()
        return [row for row in every if self._cell("Rows", row) and self._cell("Columns", row)]

    def _agree(self, name: str) -> bool:
        """Whether all images have the same value."""
        cells = [self._cell(name, row) for row in self._images]
        return cells.count(cells[0]) == len(cells)

    def _numbers(self, name: str, count: int) -> Matrix | None:
        """(images, count), float64; None where any image has something else."""
        column = self._rows.column(name)
        cells = column if len(column) == 1 else [column[row] for row in self._images]
        if not all(isinstance(cell, tuple) and len(cell) == count for cell in cells):
            return None
        try:
            numbers = np.array(cells)
        except OverflowError:  # an integer beyond any number of NumPy's
            return None
        if numbers.dtype.kind not in "iuf":  # texts that are no numbers, None
            return None
        numbers = numbers.astype(np.float64)
        if not np.isfinite(numbers).all() or np.abs(numbers).max() > FARTHEST_MM:
            return None
        return np.broadcast_to(numbers, (len(self._images), count))

    @cached_property
    def _places(self) -> Places | None:
        if not self._images:
            return None
        positions = self._numbers("ImagePositionPatient", 3)
        orientations = self._numbers("ImageOrientationPatient", 6)
        if positions is None or orientations is None:
            return None
        return _places(positions, orientations)

    @cached_property
    def _gaps(self) -> Matrix | None:
        """From slice to slice, in mm; None where the places are unknown or in several orientations."""
        if self._places is None or len(self._places.by_orientation) > 1:
            return None
        return np.diff(self._places.by_orientation[0][0])


_COMPUTE: dict[str, Callable[[Facts], Any]] = {name: getattr(Facts, name) for name in FACTS}


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where the images of a series lie.

    ``normals``: (orientations, 3), unit vectors.  ``by_orientation``: for each, the distances of the slices
    along it, ascending, mm, and how many images each has.  ``straight``: whether the images of the first
    orientation lie on one line (a tilted gantry's may be oblique).
    """

    normals: Matrix
    by_orientation: Sequence[tuple[Matrix, NDArray[np.intp]]]
    straight: bool

    @property
    def complete(self) -> bool:
        """Whether every slice has as many images."""
        return all(len(set(counts.tolist())) == 1 for _, counts in self.by_orientation)


def _places(positions: Matrix, orientations: Matrix) -> Places | None:
    """None where an orientation is none: not of unit length, or not at a right angle."""
    rows, columns = orientations[:, :3], orientations[:, 3:]
    lengths = np.stack([np.linalg.norm(rows, axis=1), np.linalg.norm(columns, axis=1)])
    if np.any(np.abs(lengths - 1) > COSINE_TOLERANCE):
        return None
    if np.any(np.abs(np.sum(rows * columns, axis=1)) > COSINE_TOLERANCE * lengths.prod(axis=0)):
        return None
    normals, parts = [], []
    straight = True
    for members in _parallel(orientations):
        normal = np.cross(rows[members[0]], columns[members[0]])
        normal = normal / np.linalg.norm(normal)
        distances = positions[members] @ normal
        order = np.argsort(distances, kind="stable")
        ascending = distances[order]
        starts = np.concatenate([[0], np.flatnonzero(np.diff(ascending) > SAME_POSITION_MM) + 1])
        parts.append((ascending[starts], np.diff([*starts, len(order)])))
        normals.append(normal)
        straight = straight and _on_a_line(positions[members][order], ascending)
    return Places(np.array(normals), parts, straight)


def _parallel(orientations: Matrix) -> list[NDArray[np.intp]]:
    """Indices of the images of each orientation."""
    groups = []
    left = np.arange(len(orientations))
    while len(left):
        alike = np.abs(orientations[left] - orientations[left[0]]).max(axis=1) <= ORIENTATION_TOLERANCE
        groups.append(left[alike])
        left = left[~alike]
    return groups


def _on_a_line(positions: Matrix, distances: Matrix) -> bool:
    """Whether the corners of slices, ascending, lie on one line but for rounding."""
    extent = distances[-1] - distances[0]
    part = (distances - distances[0]) / extent if extent > SAME_POSITION_MM else np.zeros(len(distances))
    ideal = positions[0] + part[:, None] * (positions[-1] - positions[0])
    return bool(np.linalg.norm(positions - ideal, axis=1).max() <= TILT_DRIFT_MM)


def _plain(cell: Value) -> Value:
    """A cell that can be compared and counted: a broken file has items of a sequence where text belongs."""
    items = cell if isinstance(cell, tuple) else (cell,)
    return repr(cell) if any(isinstance(item, Mapping) for item in items) else cell


def _clock_span(moments: Sequence[Interval | None]) -> float | None:
    """Seconds, last minus first; None where any is unknown or no moment, or only some tell their offset."""
    known = [moment for moment in moments if moment is not None and moment.end - moment.start <= MINUTE]
    if not known or len(known) < len(moments) or len({moment.offset is None for moment in known}) > 1:
        return None
    starts = [moment.start - (moment.offset or 0) for moment in known]
    return (max(starts) - min(starts)) / SECOND
