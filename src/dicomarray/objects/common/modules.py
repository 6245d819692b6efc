"""What modules of all derived objects share: codes, references, equipment (PS3.3 C.7.5.1, C.7.6.1.1.4)."""

from __future__ import annotations

from pydicom.dataset import Dataset

from dicomarray.dicom.uids import legal_uid
from dicomarray.objects.common.headers import drop, text, values
from dicomarray.version import __version__

SOFTWARE = "dicomarray"

# Code meanings of PS3.16 CID 7202 and 7005, and UCUM (PS3.16 CID 82).
SOURCE_IMAGE = ("121322", "DCM", "Source image for image processing operation")

_ACQUISITION_EQUIPMENT = ("109101", "DCM", "Acquisition Equipment")

# The General Equipment module (PS3.3 C.7.5.1), but for the institution, which stays.
EQUIPMENT = (
    "Manufacturer", "StationName", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions",
    "DeviceUID", "GantryID", "UDISequence", "SpatialResolution", "DateOfLastCalibration",
    "TimeOfLastCalibration", "DateOfManufacture", "DateOfInstallation",
)  # fmt: skip

# Those of them that an item of Contributing Equipment Sequence may hold (PS3.3 table C.12-1).
_CONTRIBUTING = tuple(keyword for keyword in EQUIPMENT if keyword != "GantryID")


def code_item(code: tuple[str, str, str]) -> Dataset:
    """A code sequence item (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return item


def reference(class_uid: str, instance_uid: str) -> Dataset:
    """An item that names an instance (PS3.3 table 10-11)."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = class_uid, instance_uid
    return item


def reference_series(header: Dataset) -> None:
    """Common Instance Reference (PS3.3 C.12.2), where there is one, names the image itself, as the source.

    Every instance of the study that is referenced stands there; what has no legal UIDs cannot.
    """
    if "ReferencedSeriesSequence" not in header:
        return
    source_uid, series_uid = text(header, "SOPInstanceUID"), text(header, "SeriesInstanceUID")
    if not (legal_uid(source_uid) and legal_uid(series_uid)):
        del header.ReferencedSeriesSequence
        return
    found = (one for one in header.ReferencedSeriesSequence if text(one, "SeriesInstanceUID") == series_uid)
    series = next(found, None)
    if series is None:
        series = Dataset()
        series.SeriesInstanceUID = series_uid
        header.ReferencedSeriesSequence = [*header.ReferencedSeriesSequence, series]
    series.ReferencedInstanceSequence = [
        *values(series, "ReferencedInstanceSequence"),
        reference(text(header, "SOPClassUID"), source_uid),
    ]


def replace_equipment(header: Dataset) -> None:
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
    drop(header, EQUIPMENT)
    header.Manufacturer = header.ManufacturerModelName = SOFTWARE
    header.DeviceSerialNumber = header.SoftwareVersions = __version__
