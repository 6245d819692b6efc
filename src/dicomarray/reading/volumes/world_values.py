"""Values of enhanced objects that stand in a Real World Value Mapping only (PS3.3 C.7.6.16.2.11)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from dicomarray.errors import ValuesError
from dicomarray.reading.elements.values import Value
from dicomarray.reading.frames.frame import Frame
from dicomarray.reading.frames.multiframe import FUNCTIONAL_GROUPS
from dicomarray.reading.headers.header import Header
from dicomarray.values import Rescale, StoredType

MAPPING = "RealWorldValueMappingSequence"
_RANGE = ("RealWorldValueFirstValueMapped", "RealWorldValueLastValueMapped")
_LINEAR = ("RealWorldValueSlope", "RealWorldValueIntercept")
_UCUM = "UCUM"

_Items = tuple[Mapping[str, Value], ...]


def is_only_mapped(frame: Frame) -> bool:
    """Whether a frame has a Real World Value Mapping, and no slope and intercept beside it."""
    get = frame.attributes.get
    return (
        frame.of_multiframe
        and get("RescaleSlope") is None
        and any(get(name) is not None for name in ("RealWorldValueSlope", "RealWorldValueLUTData"))
    )


def world_values(
    frames: Sequence[Frame], stored: Sequence[StoredType]
) -> tuple[tuple[Rescale, ...], str | None]:
    """For each frame what turns its stored values into real world values, and their units, if they are told.

    ``stored`` is the stored type of each frame.  Reads the functional groups again.

    Raises
    ------
    ValuesError
        Where a frame's mapping is not one slope and intercept for all values that it can store, or units
        differ.  The message says so of "the Real World Value Mapping", without the file.
    """
    of_file: dict[int, list[_Items]] = {}
    rescales, units = [], set[str | None]()
    for frame, stored_type in zip(frames, stored, strict=True):
        key = id(frame.header)
        if key not in of_file:
            of_file[key] = _mappings(frame.header)
        mappings = of_file[key]
        items = mappings[frame.index] if frame.index < len(mappings) else ()
        if not is_only_mapped(frame):
            raise ValuesError("stands in some frames only, or beside a slope")
        if len(items) != 1:
            raise ValuesError(f"has {len(items)} items for one frame")
        rescales.append(_linear(items[0], stored_type))
        units.add(_units(items[0]))
    if len(units) > 1:
        raise ValuesError(f"has several units: {', '.join(sorted(map(str, units)))}")
    return tuple(rescales), units.pop()


def _mappings(header: Header) -> list[_Items]:
    """The items of each frame's mapping: its own, else those that all frames share."""
    groups = header.further(FUNCTIONAL_GROUPS)
    shared, per_frame = (_items(groups.get(keyword)) for keyword in FUNCTIONAL_GROUPS)
    common = _items(shared[0].get(MAPPING)) if shared else ()
    if not per_frame:
        count = header.number("NumberOfFrames") or 1
        return [common] * int(count)
    return [_items(group.get(MAPPING)) or common for group in per_frame]


def _items(value: Value) -> _Items:
    items = value if isinstance(value, tuple) else ()
    return tuple(item for item in items if isinstance(item, Mapping))


def _linear(item: Mapping[str, Value], stored: StoredType) -> Rescale:
    slope, intercept = (item.get(name) for name in _LINEAR)
    if not (_is_finite(slope) and _is_finite(intercept)):
        raise ValuesError("is a table, or has no slope and intercept")
    rescale = Rescale(float(slope), float(intercept))  # type: ignore[arg-type]
    if not (rescale.identity or _covers(item, stored)):
        first, last = (item.get(name) for name in _RANGE)
        raise ValuesError(
            f"holds for the stored values {first} to {last} only, "
            f"where {stored.bits_stored} bits can store more"
        )
    return rescale


def _is_finite(value: Value) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _covers(item: Mapping[str, Value], stored: StoredType) -> bool:
    """Whether the mapping holds for all values that can be stored, whatever VR the file gave its range."""
    first, last = (item.get(name) for name in _RANGE)
    if stored.floating or not isinstance(first, int) or not isinstance(last, int):
        return False
    if stored.signed:
        first, last = (end - 0x10000 if end > 0x7FFF else end for end in (first, last))
    else:
        first, last = first & 0xFFFF, last & 0xFFFF
    return first <= stored.minimum and last >= stored.maximum


def _units(item: Mapping[str, Value]) -> str | None:
    """The code of UCUM, which is how units are written (PS3.16 CID 82); of another scheme its meaning."""
    for code in _items(item.get("MeasurementUnitsCodeSequence")):
        name = "CodeValue" if code.get("CodingSchemeDesignator") == _UCUM else "CodeMeaning"
        if (value := code.get(name)) is not None:
            return str(value)
    return None
