"""What the values of a multi-frame object mean: slope, intercept, units, window; a frame's own, or shared."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

from pydicom.dataset import Dataset

from dicomarray.core.pixel_values import Rescale, StoredType
from dicomarray.objects.common.headers import drop, text, values
from dicomarray.objects.common.modules import code_item
from dicomarray.objects.derived_image.derive import PET_CODES, RESCALE_TYPES, SeriesPlan, set_window
from dicomarray.objects.derived_image.image_classes import RescalePlace
from dicomarray.objects.derived_image.image_output import FrameOutput, ObjectOutput
from dicomarray.objects.derived_image.mappings import (
    MAPPED_BITS,
    MAPPING,
    lead_with,
    mapping_item,
    units_of,
)

_TRANSFORMATION, _WINDOW = "PixelValueTransformationSequence", "FrameVOILUTSequence"
_CT_TYPE = "CTImageFrameTypeSequence"


def set_values(groups: Sequence[Dataset], plan: SeriesPlan, image: ObjectOutput) -> None:
    """Slope, intercept and window, in place; where they change, one for all frames, as readers expect.

    ``groups`` are the shared group's item and those of all frames.
    """
    if plan.slope is not None:
        _rescale(groups, plan, _new_mapping(groups, plan, image))
    elif plan.units is not None:
        _rename(groups, plan)
    _set_window(groups, plan)


def lead_with_mappings(header: Dataset, groups: Sequence[Dataset], image: ObjectOutput) -> None:
    """`lead_with` for each frame: its own mapping, else that of all frames, else that of the data set."""
    for group, frame in zip(groups[1:], image.frames, strict=True):
        held = next((place for place in (group, groups[0], header) if values(place, MAPPING)), None)
        if held is not None and frame.source.rescale is not None:
            lead_with(held, frame.source.rescale, image.ends, image.stored_type)


def _rescale(groups: Sequence[Dataset], plan: SeriesPlan, mapping: Dataset | None) -> None:
    kind = _rescale_type(groups, plan)
    mapped = [group for group in groups[1:] if values(group, MAPPING)]
    for group in groups:
        drop(group, (_TRANSFORMATION, MAPPING))
    item = Dataset()
    item.RescaleIntercept, item.RescaleSlope, item.RescaleType = plan.encoding.intercept, plan.slope, kind
    groups[0].PixelValueTransformationSequence = [item]
    if plan.kind.absolute:
        _share_type(groups)
    if mapping is not None:
        for group in mapped or groups[:1]:
            group.RealWorldValueMappingSequence = [deepcopy(mapping)]


def _share_type(groups: Sequence[Dataset]) -> None:
    """Frame Type decides which Rescale Type a CT may have (PS3.3 C.8.15.3.10): it belongs beside it."""
    shared, *frames = groups
    found = [values(group, _CT_TYPE) for group in frames]
    if _CT_TYPE not in shared and found[0] and all(items == found[0] for items in found):
        shared.CTImageFrameTypeSequence = found[0]
        for group in frames:
            drop(group, (_CT_TYPE,))


def _rename(groups: Sequence[Dataset], plan: SeriesPlan) -> None:
    """Other units than the template's, of values that keep its slopes."""
    if not any(values(group, _TRANSFORMATION) for group in groups):
        item = Dataset()
        item.RescaleIntercept, item.RescaleSlope, item.RescaleType = "0", "1", "US"
        groups[0].PixelValueTransformationSequence = [item]
    for group in groups:
        for item in values(group, _TRANSFORMATION):
            item.RescaleType = _rescale_type(groups, plan)
        for item in values(group, MAPPING):
            new = mapping_item(Rescale(), StoredType(8, 8, False), plan.units)
            item.LUTExplanation, item.LUTLabel = new.LUTExplanation, new.LUTLabel
            item.MeasurementUnitsCodeSequence = _units(plan) or new.MeasurementUnitsCodeSequence


def _units(plan: SeriesPlan) -> list[Dataset]:
    """The code of a PET's units; empty where they are those that any class can have."""
    if plan.kind.typed or plan.units is None:
        return []
    value, meaning = PET_CODES[plan.units]
    return [code_item((value, "UCUM", meaning))]


def _rescale_type(groups: Sequence[Dataset], plan: SeriesPlan) -> str:
    """MR has US only (PS3.3 C.7.6.16.2.9), and PET says its units in the mapping."""
    if plan.kind.place is RescalePlace.BOTH or not plan.kind.typed:
        return "US"
    if plan.units is not None:
        return plan.units if plan.units in RESCALE_TYPES else "US"
    stated = {text(item, "RescaleType") for group in groups for item in values(group, _TRANSFORMATION)}
    unspecified = "HU" if plan.kind.absolute else "US"
    return (stated.pop() or unspecified) if len(stated) == 1 else "US" if stated else unspecified


def _new_mapping(groups: Sequence[Dataset], plan: SeriesPlan, image: ObjectOutput) -> Dataset | None:
    """Real World Value Mapping in the template's units, if it said the same as slope and intercept."""
    present = any(values(group, MAPPING) for group in groups)
    wanted = (
        present or (plan.kind.place is RescalePlace.BOTH and not image.rescale.identity) or bool(_units(plan))
    )
    if not wanted or image.stored_type.bits_stored > MAPPED_BITS:
        return None
    mapping = mapping_item(image.rescale, image.stored_type, plan.units)
    template = _mapped_units(groups, image.frames) if plan.units is None else None
    units = _units(plan) if template is None else [template]
    if units:
        mapping.MeasurementUnitsCodeSequence = units
    return mapping


def _mapped_units(groups: Sequence[Dataset], frames: Sequence[FrameOutput]) -> Dataset | None:
    """The units of all frames, where their mapping leads to the array's values, as slope and intercept do."""
    found: dict[tuple[str, str], Dataset] = {}
    for group, frame in zip(groups[1:], frames, strict=True):
        units = units_of(group if values(group, MAPPING) else groups[0], frame.rescale)
        if not units:
            return None
        found[text(units[0], "CodeValue"), text(units[0], "CodingSchemeDesignator")] = units[0]
    return next(iter(found.values())) if len(found) == 1 else None


def _set_window(groups: Sequence[Dataset], plan: SeriesPlan) -> None:
    """The template's windows, unless they would show nothing of the new values: then one for all frames."""
    windows = [item for group in groups for item in values(group, _WINDOW)]
    if not windows or (plan.slope is None and _shows(windows[0], plan)):
        return
    item = deepcopy(windows[0])
    drop(item, ("VOILUTSequence",))
    set_window(item, plan)
    if all(_same_window(item, window) for window in windows):
        return
    for group in groups:
        drop(group, (_WINDOW,))
    groups[0].FrameVOILUTSequence = [item]


def _shows(item: Dataset, plan: SeriesPlan) -> bool:
    """Whether the middle of a window is one of the values."""
    try:
        return plan.low <= float(values(item, "WindowCenter")[0]) <= plan.high
    except (IndexError, TypeError, ValueError):  # empty, or no number: it shows nothing
        return False


def _same_window(one: Dataset, other: Dataset) -> bool:
    try:
        return all(values(one, word) == values(other, word) for word in ("WindowCenter", "WindowWidth"))
    except (TypeError, ValueError):  # no numbers
        return False
