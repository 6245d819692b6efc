"""One header of the template to the header of its derived image (PS3.3 C.7.6.1.1.2, C.12.4).

Whatever is not named here is copied from the template as it is, character for character: patient, study,
geometry, acquisition.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID

from dicomarray.values import Array, Rescale, StoredType
from dicomarray.version import __version__
from dicomarray.writing import decimals
from dicomarray.writing.classes import ImageClass, RescalePlace
from dicomarray.writing.template import text, values

SOFTWARE = "dicomarray"
# Code meanings of PS3.16 CID 7202 and 7005, and UCUM (PS3.16 CID 82).
_SOURCE_IMAGE = ("121322", "DCM", "Source image for image processing operation")
_ACQUISITION_EQUIPMENT = ("109101", "DCM", "Acquisition Equipment")
_HOUNSFIELD = ("[hnsf'U]", "UCUM", "Hounsfield unit")
_NO_UNITS = ("1", "UCUM", "no units")
# The General Equipment module (PS3.3 C.7.5.1), but for the institution, which stays.
_EQUIPMENT = (
    "Manufacturer", "StationName", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions",
    "DeviceUID", "GantryID", "UDISequence", "SpatialResolution", "DateOfLastCalibration",
    "TimeOfLastCalibration", "DateOfManufacture", "DateOfInstallation",
)  # fmt: skip
# Those of them that an item of Contributing Equipment Sequence may hold (PS3.3 table C.12-1).
_CONTRIBUTING = (
    "Manufacturer", "StationName", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions",
    "DeviceUID", "UDISequence", "SpatialResolution", "DateOfLastCalibration", "TimeOfLastCalibration",
    "DateOfManufacture", "DateOfInstallation",
)  # fmt: skip
# Longest Derivation Description, in characters (VR ST).
_LONGEST_TEXT = 1024
# Rescale Type's defined terms (PS3.3 C.11.1.1.2); other units are US, "unspecified".
_RESCALE_TYPES = {"OD", "HU", "US", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT"}
# What Units (0054,1001) of a PET image may be (PS3.3 C.8.9.1.1.3).
PET_UNITS = {
    "CNTS", "NONE", "CM2", "CM2ML", "PCNT", "CPS", "BQML", "MGMINML", "UMOLMINML", "MLMING", "MLG", "1CM",
    "UMOLML", "PROPCNTS", "PROPCPS", "MLMINML", "MLML", "GML", "STDDEV",
}  # fmt: skip
# Smallest and Largest Image Pixel Value are US or SS.
_SMALLEST_VALUE_BITS = 16


@dataclass(frozen=True, eq=False)
class SeriesPlan:
    """What all images of the derived series share.

    ``now`` is the one time of the run, None where the template's times stay so that a rerun is identical.
    ``slope`` and ``intercept`` are Decimal Strings, or None where every slice keeps its own.  ``low`` and
    ``high`` are the least and greatest decoded value of the series; ``representable`` is what the
    template could have held.
    """

    kind: ImageClass
    series_uid: str
    series_number: int
    description: str
    derivation: str
    units: str | None
    now: datetime | None
    slope: str | None
    intercept: str | None
    low: float
    high: float
    representable: tuple[float, float]
    stored_values_given: bool
    keep_equipment: bool


@dataclass(frozen=True, eq=False)
class SliceOutput:
    """One derived image: (rows, columns) stored values, what leads back from them, its identity."""

    stored: Array
    stored_type: StoredType
    rescale: Rescale
    sop_uid: str
    instance_number: int | None


def derive(header: FileDataset, plan: SeriesPlan, image: SliceOutput) -> None:
    """Turn a stripped header of the template, in place, into that of the derived image, with its pixels."""
    _reference_source(header, plan)
    _identify(header, plan, image)
    _date(header, plan)
    if not plan.keep_equipment:
        _replace_equipment(header)
    _describe_pixels(header, image)
    _place_rescale(header, plan, image)
    _set_window(header, plan)
    _set_pixels(header, image.stored_type, image.stored)


def code_item(code: tuple[str, str, str]) -> Dataset:
    """A code sequence item (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return item


def _reference_source(header: Dataset, plan: SeriesPlan) -> None:
    class_uid, source_uid, series_uid = (
        text(header, keyword) for keyword in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID")
    )
    if "SourceImageSequence" in header:
        del header.SourceImageSequence
    if UID(source_uid).is_valid:
        item = _reference(class_uid, source_uid)
        item.SpatialLocationsPreserved = "YES"
        item.PurposeOfReferenceCodeSequence = [code_item(_SOURCE_IMAGE)]
        header.SourceImageSequence = [item]
    if "ReferencedSeriesSequence" in header:
        _reference_series(header, class_uid, source_uid, series_uid)
    earlier = text(header, "DerivationDescription")
    whole = f"{earlier}; {plan.derivation}" if earlier else plan.derivation
    header.DerivationDescription = whole if len(whole) <= _LONGEST_TEXT else plan.derivation


def _reference(class_uid: str, instance_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = class_uid, instance_uid
    return item


def _reference_series(header: Dataset, class_uid: str, source_uid: str, series_uid: str) -> None:
    """Common Instance Reference (PS3.3 C.12.2) names every instance of the study that is referenced."""
    if not (UID(source_uid).is_valid and UID(series_uid).is_valid):
        del header.ReferencedSeriesSequence
        return
    for item in header.ReferencedSeriesSequence:
        if text(item, "SeriesInstanceUID") == series_uid:
            item.ReferencedInstanceSequence = [
                *values(item, "ReferencedInstanceSequence"),
                _reference(class_uid, source_uid),
            ]
            return
    series = Dataset()
    series.SeriesInstanceUID = series_uid
    series.ReferencedInstanceSequence = [_reference(class_uid, source_uid)]
    header.ReferencedSeriesSequence = [*header.ReferencedSeriesSequence, series]


def _identify(header: Dataset, plan: SeriesPlan, image: SliceOutput) -> None:
    header.SOPInstanceUID = image.sop_uid
    header.SeriesInstanceUID = plan.series_uid
    header.SeriesNumber = plan.series_number
    header.SeriesDescription = plan.description
    if image.instance_number is not None:
        header.InstanceNumber = image.instance_number
    kinds = ["DERIVED", plan.kind.second_value, *values(header, "ImageType")[2:]]
    # unchecked: a vendor's own further values may break the rules of VR CS, and stay as they are
    header["ImageType"] = DataElement("ImageType", "CS", kinds, validation_mode=config.IGNORE)
    if "ContentQualification" in header:
        header.ContentQualification = "RESEARCH"


def _date(header: Dataset, plan: SeriesPlan) -> None:
    if plan.now is None:
        for keyword in ("InstanceCreationDate", "InstanceCreationTime"):
            if keyword in header:
                delattr(header, keyword)
        return
    events = ["InstanceCreation", "Content"] + ([] if plan.kind.series_time_kept else ["Series"])
    for event in events:
        setattr(header, f"{event}Date", plan.now.strftime("%Y%m%d"))
        setattr(header, f"{event}Time", plan.now.strftime("%H%M%S.%f"))


def _replace_equipment(header: Dataset) -> None:
    """This software made the image; the machine that made the source contributed (PS3.3 C.12.1.1.5)."""
    if text(header, "Manufacturer") != SOFTWARE:
        item = Dataset()
        item.PurposeOfReferenceCodeSequence = [code_item(_ACQUISITION_EQUIPMENT)]
        for keyword in _CONTRIBUTING:
            if values(header, keyword):
                item[keyword] = header[keyword]
        if "Manufacturer" not in item:
            item.Manufacturer = "UNKNOWN"  # type 1 in this sequence
        header.ContributingEquipmentSequence = [*values(header, "ContributingEquipmentSequence"), item]
    for keyword in _EQUIPMENT:
        if keyword in header:
            del header[keyword]
    header.Manufacturer = header.ManufacturerModelName = SOFTWARE
    header.DeviceSerialNumber = header.SoftwareVersions = __version__


def _describe_pixels(header: Dataset, image: SliceOutput) -> None:
    header.HighBit = image.stored_type.bits_stored - 1
    ends = {"SmallestImagePixelValue": image.stored.min(), "LargestImagePixelValue": image.stored.max()}
    for keyword, value in ends.items():
        if keyword not in header:
            continue
        del header[keyword]
        if image.stored_type.bits_stored <= _SMALLEST_VALUE_BITS:
            _set_stored_value(header, keyword, int(value), image.stored_type)


def _set_stored_value(header: Dataset, keyword: str, value: int, stored: StoredType) -> None:
    """An element of VR "US or SS", which is that of Pixel Representation."""
    header[keyword] = DataElement(keyword, "SS" if stored.signed else "US", value)


def _place_rescale(header: Dataset, plan: SeriesPlan, image: SliceOutput) -> None:
    """Slope and intercept where the readers of this class look for them; nothing stale beside them."""
    if "ModalityLUTSequence" in header:
        if plan.stored_values_given:
            return
        del header.ModalityLUTSequence
    had_rescale = bool(values(header, "RescaleSlope"))
    if plan.slope is None or plan.intercept is None:
        if plan.kind.required and not had_rescale:
            header.RescaleSlope, header.RescaleIntercept = "1", "0"
    elif plan.kind.place is RescalePlace.MAPPING:
        for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
            if keyword in header:
                delattr(header, keyword)
    elif had_rescale or plan.kind.required or not image.rescale.identity:
        header.RescaleSlope, header.RescaleIntercept = plan.slope, plan.intercept
    _set_rescale_type(header, plan)
    if plan.slope is not None and "RealWorldValueMappingSequence" in header:
        del header.RealWorldValueMappingSequence
    _set_mapping(header, plan, image)


def _set_rescale_type(header: Dataset, plan: SeriesPlan) -> None:
    if not plan.kind.typed:
        if plan.units in PET_UNITS:
            header.Units = plan.units
        return
    if "RescaleSlope" not in header:
        return
    if plan.units is not None:
        header.RescaleType = plan.units if plan.units in _RESCALE_TYPES else "US"
    elif not values(header, "RescaleType") and not plan.kind.absolute and plan.slope is not None:
        header.RescaleType = "US"


def _set_mapping(header: Dataset, plan: SeriesPlan, image: SliceOutput) -> None:
    """Real World Value Mapping (PS3.3 C.7.6.16.2.11), which must say the same as Rescale Slope."""
    if plan.kind.place is RescalePlace.RESCALE or image.rescale.identity:
        return
    for item in values(header, "RealWorldValueMappingSequence"):
        told = values(item, "RealWorldValueSlope"), values(item, "RealWorldValueIntercept")
        if told == ([image.rescale.slope], [image.rescale.intercept]):
            return
    item = Dataset()
    _set_stored_value(item, "RealWorldValueFirstValueMapped", image.stored_type.minimum, image.stored_type)
    _set_stored_value(item, "RealWorldValueLastValueMapped", image.stored_type.maximum, image.stored_type)
    item.RealWorldValueIntercept, item.RealWorldValueSlope = image.rescale.intercept, image.rescale.slope
    item.LUTExplanation, item.LUTLabel = "Stored values to array values", "ARRAY"
    item.MeasurementUnitsCodeSequence = [code_item(_HOUNSFIELD if plan.units == "HU" else _NO_UNITS)]
    header.RealWorldValueMappingSequence = [item]


def _set_window(header: Dataset, plan: SeriesPlan) -> None:
    """The least value black, the greatest white (PS3.3 C.11.2.1.2.1): a stale window shows nothing.

    Where a Modality LUT stays, so does the window: it is in what comes out of the table.

    Only in a CT that still looks like one the template's window stays: HU mean the same in every image, and
    readers expect the window of the body part.
    """
    if "ModalityLUTSequence" in header:
        return
    present = bool(values(header, "WindowCenter"))
    stays = present and plan.kind.absolute and plan.units in (None, "HU") and _window_fits(header, plan)
    for keyword in ("WindowCenterWidthExplanation", "VOILUTFunction"):
        if keyword in header and not stays:
            delattr(header, keyword)
    if stays or not (present or plan.kind.window):
        return
    width = max(plan.high - plan.low, 0.0) + 1
    header.WindowCenter = decimals.nearest(plan.low + width / 2)
    header.WindowWidth = decimals.nearest(width)


def _window_fits(header: Dataset, plan: SeriesPlan) -> bool:
    """Whether the values span the template's first window, and are such as the template can hold."""
    centers, widths = values(header, "WindowCenter"), values(header, "WindowWidth")
    if not widths or text(header, "VOILUTFunction") == "SIGMOID":
        return False
    center, half = float(centers[0]), float(widths[0]) / 2
    inside = plan.low <= center - half and center + half <= plan.high
    return inside and plan.representable[0] <= plan.low and plan.high <= plan.representable[1]


def _set_pixels(header: Dataset, stored: StoredType, array: Array) -> None:
    """Little endian; OW, or OB up to 8 bits allocated (PS3.5 A.2); pydicom pads to even length."""
    raw = array.astype(stored.dtype.newbyteorder("<")).tobytes()
    header["PixelData"] = DataElement("PixelData", "OB" if stored.bits_allocated <= 8 else "OW", raw)
