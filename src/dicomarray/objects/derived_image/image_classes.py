"""Which classes of image a derived classic series can be written as, and what each allows (PS3.3 A and C)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dicomarray.errors import TemplateError
from dicomarray.objects.derived_image.encode import RescaleLimit


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
# Slope 1, intercept 0 (PS3.3 C.8.6.3).
_MULTIFRAME_CAPTURE = ImageClass("multi-frame secondary capture", limit=RescaleLimit.IDENTITY, required=True)
_VISIBLE_LIGHT = ImageClass("visible light", limit=RescaleLimit.IDENTITY, window=False)

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
    "3": _US,
    "3.1": _US,
    "6": _US,
    "6.1": _US,
    "7": _CAPTURE,
    "7.2": _MULTIFRAME_CAPTURE,
    "7.3": _MULTIFRAME_CAPTURE,
    "7.4": _MULTIFRAME_CAPTURE,
    "12.1": _ANGIO,
    "12.2": _ANGIO,
    "20": _NM,
    "77.1.1": _VISIBLE_LIGHT,
    "77.1.2": _VISIBLE_LIGHT,
    "77.1.3": _VISIBLE_LIGHT,
    "77.1.4": _VISIBLE_LIGHT,
    "77.1.5.1": _VISIBLE_LIGHT,
    "77.1.5.2": _VISIBLE_LIGHT,
    "128": _PET,
}


def is_classic(uid: str) -> bool:
    """Whether a class is one of those that `image_class` knows: one header for all pixels of a file."""
    return uid.startswith(_ROOT) and uid.removeprefix(_ROOT) in _CLASSES


def image_class(uid: str, name: str, where: str) -> ImageClass:
    """The class of a template.

    Raises
    ------
    TemplateError
        For those that cannot carry a derived image: a segmentation, a dose, a report.
    """
    suffix = uid.removeprefix(_ROOT)
    if uid.startswith(_ROOT) and suffix in _CLASSES:
        return _CLASSES[suffix]
    found = f"{uid} ({name})" if name else uid or "is missing"
    raise TemplateError(
        f"{where}: SOPClassUID {found}; that cannot carry a derived image; use "
        "a series of CT, MR, PET, CR, DX, MG, XA, RF, US, NM or secondary capture images as template"
    )
