"""Which classes of image a derived classic series can be written as, and what each allows (PS3.3 A and C)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dicomarray.errors import TemplateError
from dicomarray.writing.encode import RescaleLimit


class RescalePlace(Enum):
    """Where readers of a class look for slope and intercept."""

    RESCALE = "Rescale Slope and Intercept"
    BOTH = "Rescale Slope and Intercept and Real World Value Mapping"
    MAPPING = "Real World Value Mapping"


@dataclass(frozen=True, slots=True)
class ImageClass:
    """A SOP Class of single-frame images, and what its modules allow a derived image.

    Attributes
    ----------
    second_value
        Image Type value 2: SECONDARY is "created after the initial patient examination" (PS3.3
        C.7.6.1.1.2), but PET (C.8.9.4.1.1) and NM (C.8.4.9.1.1) allow PRIMARY only.
    required
        Whether Rescale Slope and Intercept must be there even if 1 and 0.
    typed
        Whether Rescale Type tells the units; PET has Units (0054,1001) instead.
    window
        Whether a window may be added where the template has none; a DX image FOR PROCESSING must not.
    absolute
        Whether numbers mean the same in every image (HU), so that the template's window stays right.
    series_time_kept
        PET counts decay and frame times from Series Date and Time (C.8.9.1.1.2): new ones would falsify SUV.
    """

    name: str
    limit: RescaleLimit = RescaleLimit.FREE
    place: RescalePlace = RescalePlace.RESCALE
    second_value: str = "SECONDARY"
    required: bool = False
    typed: bool = True
    window: bool = True
    absolute: bool = False
    series_time_kept: bool = False


_CT = ImageClass("CT", required=True, absolute=True)
_MR = ImageClass("MR", place=RescalePlace.BOTH)
_PET = ImageClass(
    "PET",
    limit=RescaleLimit.NO_INTERCEPT,
    second_value="PRIMARY",
    required=True,
    typed=False,
    series_time_kept=True,
)
_DX = ImageClass("digital X-ray", limit=RescaleLimit.IDENTITY, window=False)
_ANGIO = ImageClass("X-ray angiography or fluoroscopy", window=False)
_US = ImageClass("ultrasound", place=RescalePlace.MAPPING, window=False)
_NM = ImageClass("nuclear medicine", place=RescalePlace.MAPPING, second_value="PRIMARY", window=False)
_CAPTURE = ImageClass("secondary capture")

_ROOT = "1.2.840.10008.5.1.4.1.1."
_CLASSES = {
    "1": ImageClass("computed radiography"),
    "1.1": _DX,
    "1.1.1": _DX,
    "1.2": _DX,
    "1.2.1": _DX,
    "1.3": _DX,
    "1.3.1": _DX,
    "2": _CT,
    "4": _MR,
    "6": _US,
    "6.1": _US,
    "7": _CAPTURE,
    "12.1": _ANGIO,
    "12.2": _ANGIO,
    "20": _NM,
    "128": _PET,
}
# Multi-frame objects, which keep geometry and rescale per frame; they need a writer of their own.
_MULTIFRAME = {
    "2.1": "Enhanced CT",
    "2.2": "Legacy Converted Enhanced CT",
    "3": "Ultrasound Multi-frame",
    "3.1": "Ultrasound Multi-frame",
    "4.1": "Enhanced MR",
    "4.3": "Enhanced MR Color",
    "4.4": "Legacy Converted Enhanced MR",
    "6.2": "Enhanced US Volume",
    "7.1": "Multi-frame Single Bit Secondary Capture",
    "7.2": "Multi-frame Grayscale Byte Secondary Capture",
    "7.3": "Multi-frame Grayscale Word Secondary Capture",
    "7.4": "Multi-frame True Color Secondary Capture",
    "12.1.1": "Enhanced XA",
    "12.2.1": "Enhanced XRF",
    "13.1.1": "X-Ray 3D Angiographic",
    "13.1.2": "X-Ray 3D Craniofacial",
    "13.1.3": "Breast Tomosynthesis",
    "128.1": "Legacy Converted Enhanced PET",
    "130": "Enhanced PET",
}


def image_class(uid: str, name: str, where: str) -> ImageClass:
    """The class of a template.

    Raises
    ------
    TemplateError
        For multi-frame classes, which are not written yet, and for those that cannot carry a derived
        image: a segmentation, a dose, a report.
    """
    suffix = uid.removeprefix(_ROOT)
    if uid.startswith(_ROOT) and suffix in _CLASSES:
        return _CLASSES[suffix]
    if uid.startswith(_ROOT) and suffix in _MULTIFRAME:
        raise TemplateError(
            f"{where}: {_MULTIFRAME[suffix]} images hold many frames in one file; such templates cannot be "
            "written yet. Use a series of single-frame images as template"
        )
    found = f"{uid} ({name})" if name else uid or "is missing"
    raise TemplateError(
        f"{where}: SOPClassUID {found}; that cannot carry a derived image; use "
        "a series of CT, MR, PET, CR, DX, MG, XA, RF, US, NM or secondary capture images as template"
    )
