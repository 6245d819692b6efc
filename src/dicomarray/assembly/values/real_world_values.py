"""Values that stand in a Real World Value Mapping only, and in no Rescale (PS3.3 C.7.6.16.2.11)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dicomarray.assembly.frames.frame import Frame
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.pixel_values import Rescale, StoredType
from dicomarray.dicom.functional_groups import FUNCTIONAL_GROUPS, FunctionalGroups, Items, items_of
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.vr import Value
from dicomarray.errors import ValuesError

MAPPING = "RealWorldValueMappingSequence"
_ENDS = ("RealWorldValueFirstValueMapped", "RealWorldValueLastValueMapped")
# Of a range that 16 bits do not hold, or of floating point pixels.
_WIDE_ENDS = ("DoubleFloatRealWorldValueFirstValueMapped", "DoubleFloatRealWorldValueLastValueMapped")
_LINEAR = ("RealWorldValueSlope", "RealWorldValueIntercept")
# What stands for the sequence where functional groups are laid over a frame's attributes.
_IN_GROUPS = (*_LINEAR, "RealWorldValueLUTData")
_OWN_RESCALE = ("RescaleSlope", "RescaleIntercept")
_UCUM, _HOUNSFIELD = "UCUM", "[hnsf'U]"

_Item = Mapping[str, Value]
Extent = tuple[float, float]


class UnmappedError(Exception):
    """Why a mapping is not applied, to follow "the Real World Value Mapping"."""


@dataclass(frozen=True, slots=True)
class RealWorld:
    """What turns the stored values of each frame into real world values; units, if known; warnings."""

    rescales: tuple[Rescale, ...]
    units: str | None
    notes: Warnings


@dataclass(frozen=True, slots=True)
class _Line:
    """A mapping by slope and intercept: the stored values from ``first`` to ``last``; None: unknown."""

    rescale: Rescale
    first: float | None
    last: float | None
    units: str | None

    def covers(self, lowest: float, highest: float) -> bool:
        """Whether it holds for these values; one that changes nothing holds for all."""
        below = self.first is not None and lowest < self.first
        above = self.last is not None and highest > self.last
        return self.rescale.identity or not (below or above)


def is_only_mapped(frame: Frame) -> bool:
    """Whether a frame has a Real World Value Mapping, and no slope and intercept beside it."""
    get = frame.attributes.get
    names = (MAPPING, *_IN_GROUPS) if frame.of_multiframe else (MAPPING,)
    rescaled = any(get(name) is not None for name in _OWN_RESCALE)
    return not rescaled and any(get(name) is not None for name in names)


def world_values(
    frames: Sequence[Frame], stored: Sequence[StoredType], extents: Callable[[], Sequence[Extent]]
) -> RealWorld:
    """The first mapping by slope and intercept that holds for all values.

    ``stored`` is the stored type of each frame.  ``extents`` reads the least and the greatest stored value of
    each; it is asked only where the first mapping does not hold for all that the stored bits can say.  Reads
    functional groups again.

    Raises
    ------
    UnmappedError
        Where some frames have no mapping by slope and intercept, or units differ between frames.
    ValuesError
        Where stored values lie outside of the range of every such mapping.
    """
    items = _mappings_of(frames)
    lines = [
        [line for item in of_frame if (line := _line(item, kind)) is not None]
        for of_frame, kind in zip(items, stored, strict=True)
    ]
    if not all(lines):
        raise UnmappedError("is a table, or has no slope and intercept")
    chosen = _chosen(frames, stored, lines, extents)
    units = {line.units for line in chosen}
    if len(units) > 1:
        raise UnmappedError(f"has several units: {', '.join(sorted(map(str, units)))}")
    return RealWorld(tuple(line.rescale for line in chosen), chosen[0].units, _notes(items[0], chosen[0]))


def _chosen(
    frames: Sequence[Frame],
    stored: Sequence[StoredType],
    lines: Sequence[Sequence[_Line]],
    extents: Callable[[], Sequence[Extent]],
) -> list[_Line]:
    """One mapping for each frame, the same of those in its list."""
    first = [of_frame[0] for of_frame in lines]
    if all(_covers_all(line, kind) for line, kind in zip(first, stored, strict=True)):
        return first
    found = extents()
    for place in range(min(map(len, lines))):
        chosen = [of_frame[place] for of_frame in lines]
        if all(line.covers(*extent) for line, extent in zip(chosen, found, strict=True)):
            return chosen
    outside = zip(frames, first, found, strict=True)
    frame, line, (lowest, highest) = next(each for each in outside if not each[1].covers(*each[2]))
    raise ValuesError(
        f"{frame.header.reference}: the stored values {lowest:g} to {highest:g} lie outside of what the Real "
        f"World Value Mapping holds for, {_display(line.first)} to {_display(line.last)} "
        f'({", ".join(_ENDS)}); what they stand for is unknown; take units="stored"'
    )


def _display(end: float | None) -> str:
    return "(missing)" if end is None else f"{end:g}"


def _covers_all(line: _Line, stored: StoredType) -> bool:
    """Whether a mapping holds for all that can be stored."""
    if stored.floating:
        return line.covers(-math.inf, math.inf)
    return line.covers(stored.minimum, stored.maximum)


def _notes(items: Items, chosen: _Line) -> Warnings:
    notes: Warnings = ()
    if len(items) > 1:
        units = ", ".join(str(_units(item)) for item in items)
        notes = warning(
            f"the Real World Value Mapping has {len(items)} items (units {units}): the first one with slope "
            f"and intercept that holds for all values is applied (units {chosen.units}) [mapping-ambiguous]"
        )
    if None in (chosen.first, chosen.last) and not chosen.rescale.identity:
        notes += warning(
            f"the Real World Value Mapping does not say its range ({', '.join(_ENDS)}): it is assumed to "
            "hold for all values [mapping-range]"
        )
    return notes


def _mappings_of(frames: Sequence[Frame]) -> list[Items]:
    """The items of each frame's mapping."""
    of_file: dict[int, list[Items]] = {}
    found = []
    for frame in frames:
        if not is_only_mapped(frame):
            raise UnmappedError("stands in some frames only, or beside a slope")
        key = id(frame.header)
        if key not in of_file:
            of_file[key] = _mappings(frame.header, frame.of_multiframe)
        mappings = of_file[key]
        found.append(mappings[frame.index] if frame.index < len(mappings) else mappings[0])
    return found


def _mappings(header: Header, of_multiframe: bool) -> list[Items]:
    """The items of each frame: its own, else those that all frames share, else those of the data set."""
    whole = items_of(header.attributes.get(MAPPING))
    if not of_multiframe:
        return [whole]
    groups = FunctionalGroups.of(header.further(FUNCTIONAL_GROUPS), header.reference)
    frames = range(max(len(groups.per_frame), 1))
    return [groups.macro(index, MAPPING) or whole for index in frames]


def _line(item: _Item, stored: StoredType) -> _Line | None:
    slope, intercept = (item.get(name) for name in _LINEAR)
    if slope is None or intercept is None or not (_is_finite(slope) and _is_finite(intercept)):
        return None
    first, last = (_end(item, names, stored) for names in zip(_ENDS, _WIDE_ENDS, strict=True))
    return _Line(Rescale(float(slope), float(intercept)), first, last, _units(item))


def _end(item: _Item, names: tuple[str, str], stored: StoredType) -> float | None:
    """One end of the range; the first name is US or SS, and files mix the two up."""
    narrow, wide = (item.get(name) for name in names)
    if isinstance(narrow, int):
        unsigned = narrow & 0xFFFF
        signed = unsigned - 0x10000 if unsigned > 0x7FFF else unsigned
        return signed if stored.signed else unsigned
    return float(wide) if wide is not None and _is_finite(wide) else None


def _is_finite(value: Value) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _units(item: _Item) -> str | None:
    """The code of UCUM, which is how units are written (PS3.16 CID 82); of another scheme its meaning."""
    for code in items_of(item.get("MeasurementUnitsCodeSequence")):
        name = "CodeValue" if code.get("CodingSchemeDesignator") == _UCUM else "CodeMeaning"
        if (value := code.get(name)) is not None:
            return "HU" if value == _HOUNSFIELD else str(value)
    return None
