"""Real World Value Mapping of what is written (PS3.3 C.7.6.16.2.11): it says what slope and intercept do."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from dicomarray.core.pixel_values import Rescale, StoredType
from dicomarray.objects.common.headers import values
from dicomarray.objects.common.modules import code_item

MAPPING = "RealWorldValueMappingSequence"
# First and last value mapped are US or SS.
MAPPED_BITS = 16
_FIRST, _LAST = "RealWorldValueFirstValueMapped", "RealWorldValueLastValueMapped"
# UCUM (PS3.16 CID 82).
_HOUNSFIELD = ("[hnsf'U]", "UCUM", "Hounsfield unit")
_NO_UNITS = ("1", "UCUM", "no units")


def set_stored_value(header: Dataset, keyword: str, value: int, stored: StoredType) -> None:
    """An element of VR "US or SS", which is that of Pixel Representation."""
    header[keyword] = DataElement(keyword, "SS" if stored.signed else "US", value)


def mapping_item(rescale: Rescale, stored: StoredType, units: str | None) -> Dataset:
    """What leads from all stored values to those of the array (PS3.3 table C.7.6.16-12b)."""
    item = Dataset()
    _hold_all(item, stored)
    item.RealWorldValueIntercept, item.RealWorldValueSlope = rescale.intercept, rescale.slope
    item.LUTExplanation, item.LUTLabel = "Stored values to array values", "ARRAY"
    item.MeasurementUnitsCodeSequence = [code_item(_HOUNSFIELD if units == "HU" else _NO_UNITS)]
    return item


def agreeing(header: Dataset, rescale: Rescale | None) -> Dataset | None:
    """The first mapping of a data set, or of a frame's group, that says this slope and intercept."""
    items: list[Dataset] = values(header, MAPPING)
    for item in items:
        stated = values(item, "RealWorldValueSlope"), values(item, "RealWorldValueIntercept")
        if rescale is not None and stated == ([rescale.slope], [rescale.intercept]):
            return item
    return None


def units_of(header: Dataset, rescale: Rescale | None) -> list[Dataset]:
    """The code of the units of `agreeing`; empty where there is none."""
    item = agreeing(header, rescale)
    return [] if item is None else values(item, "MeasurementUnitsCodeSequence")


def lead_with(header: Dataset, rescale: Rescale, ends: Sequence[int], stored: StoredType) -> None:
    """The mapping by which the template was read goes first, and holds for all that is stored now.

    Readers take the first that holds for all values.
    """
    item = agreeing(header, rescale)
    if item is None:
        return
    first, last = item.get(_FIRST), item.get(_LAST)
    if not (isinstance(first, int) and isinstance(last, int) and first <= ends[0] and ends[1] <= last):
        _hold_all(item, stored)
    items = values(header, MAPPING)
    if items[0] is not item:
        setattr(header, MAPPING, [item, *(other for other in items if other is not item)])


def _hold_all(item: Dataset, stored: StoredType) -> None:
    set_stored_value(item, _FIRST, stored.minimum, stored)
    set_stored_value(item, _LAST, stored.maximum, stored)
