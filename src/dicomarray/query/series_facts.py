"""The facts of one series, computed.

Those of slices and volumes come from the code that builds volumes (`volumes`), so that the filter sees what
`load` reads.  No pixels are looked at, and only the facts that are asked for are computed.  What cannot be
told with certainty, because an attribute is missing or broken or only pixels could tell, is None: unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.grouping.further_attributes import with_private
from dicomarray.core.geometry import Plane
from dicomarray.dicom import segment_objects
from dicomarray.dicom.headers.attributes import ABSENT
from dicomarray.dicom.vr import Value
from dicomarray.query import duration, volume_facts
from dicomarray.query.facts import FACTS, SIZE
from dicomarray.query.rows import Rows
from dicomarray.query.volume_facts import Layout


class Facts:
    """The facts of one series, each computed when it is asked for."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def value(self, name: str) -> Any:
        """A fact by name: int, float, str, bool, or a tuple of them; None where it is unknown."""
        compute: Callable[[Facts], Any] = _COMPUTE[name]
        return compute(self)

    def why_unknown(self, name: str) -> str | None:
        """Why a fact is unknown, where more is to be said than that its attributes are not there."""
        source = FACTS[name].source
        if source == "rows" or self.value(name) is not None:
            return None
        if source == "images" and self._layout.images is not None:
            return None
        return self._layout.why_no_stacks if source == "stacks" else self._layout.unplaced

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
        """Of the largest volume."""
        stacks = self._layout.stacks
        return None if stacks is None else volume_facts.num_slices(stacks)

    def num_volumes(self) -> int | None:
        """How many volumes `Series.volumes` makes."""
        stacks = self._layout.stacks
        return None if stacks is None else len(stacks)

    def slice_spacing(self) -> float | None:
        """mm along the normal, of the largest volume; unknown for a single slice."""
        stacks = self._layout.stacks
        return None if stacks is None else volume_facts.slice_spacing(stacks)

    def plane(self) -> str | None:
        """By the axis of the patient nearest to the normal."""
        return None if self._planes is None else volume_facts.plane(self._planes)

    def obliquity(self) -> float | None:
        """Degrees between the normal and the axis nearest to it, the greatest of the series."""
        return None if self._planes is None else volume_facts.obliquity(self._planes)

    def is_regular(self) -> bool | None:
        """One orientation and shape, all volumes at one place, evenly spaced, nothing missing."""
        return volume_facts.is_regular(self._layout)

    def has_localizer(self) -> bool | None:
        """Whether any image says so (PS3.3 C.8.2.1.1.1), or all are a few slices in each of three planes."""
        known = False
        for name in ("ImageType", "FrameType"):
            for cell in self._rows.column(name):
                words = [str(word).upper() for word in (cell if isinstance(cell, tuple) else (cell,))]
                known = known or cell not in (None, ABSENT)
                if cell is not ABSENT and "LOCALIZER" in words:
                    return True
        planes = self._planes
        if planes is not None and volume_facts.is_scout(self._layout.frames or (), planes):
            return True
        return False if known else None

    def has_phases(self) -> bool | None:
        """Whether a volume has an axis of time: cardiac or breathing phases, time points."""
        stacks = self._layout.stacks
        return None if stacks is None else any(stack.axis == "time" for stack in stacks)

    def b_value(self) -> tuple[float, ...] | None:
        """Every b-value of its MR images, s/mm2, ascending; unknown where none has any."""
        known = self._known_images
        return None if known is None else volume_facts.b_values(known) or None

    def image_kinds(self) -> tuple[str, ...] | None:
        """What its images show, such as phase, water or adc; unknown where nothing says it."""
        known = self._known_images
        return None if known is None else volume_facts.kinds(known, self._layout.stacks or ()) or None

    def segments(self) -> tuple[str, ...] | None:
        """The labels of a SEG, the names of a structure set's ROIs; None for anything else."""
        return self._of_objects(segment_objects.LABELS, segment_objects.segment_labels)

    def refers_to(self) -> tuple[str, ...] | None:
        """The Series UIDs of the images that a SEG or structure set is of; None for anything else."""
        return self._of_objects(segment_objects.REFERENCES, segment_objects.referenced_series)

    def duration_s(self) -> float | None:
        """Seconds from the first to the last acquisition, trigger or temporal position."""
        return duration.duration(lambda name: [self._cell(name, row) for row in self._images])

    # What they are made of ----------------------------------------------------------------------------

    @cached_property
    def _layout(self) -> Layout:
        return volume_facts.layout_of(self._rows.headers)

    @cached_property
    def _known_images(self) -> list[Frame] | None:
        """The frames with what private attributes tell of what they are."""
        return None if self._layout.images is None else with_private(self._layout.images)

    @cached_property
    def _planes(self) -> list[Plane] | None:
        frames = self._layout.frames
        return None if frames is None else volume_facts.planes_of(frames)

    def _of_objects(
        self, names: frozenset[str], ask: Callable[[Mapping[str, Value]], tuple[str, ...]]
    ) -> tuple[str, ...] | None:
        """What the instances of a series of segments say, each once; None where it has none such."""
        found = (ask({name: self._cell(name, row) for name in names}) for row in self._first_rows)
        return tuple(dict.fromkeys(value for values in found for value in values)) or None

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
        if all(len(self._rows.column(name)) == 1 for name in SIZE):
            return every if self._cell("Rows", 0) and self._cell("Columns", 0) else ()
        return [row for row in every if self._cell("Rows", row) and self._cell("Columns", row)]


_COMPUTE: dict[str, Callable[[Facts], Any]] = {name: getattr(Facts, name) for name in FACTS}
