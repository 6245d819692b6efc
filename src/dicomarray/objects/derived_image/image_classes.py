"""Which classes of image a derived series can be written as, and what each allows (PS3.3 A and C).

An enhanced object says geometry, slope and intercept a frame at a time, in its functional groups (PS3.3
C.7.6.16).  Only those classes whose frames are slices of a patient, and whose values a slope and an intercept
can tell, take an array of any values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import partial

from pydicom.uid import UID

from dicomarray.errors import TemplateError
from dicomarray.objects.derived_image.encode import RescaleLimit


class RescalePlace(Enum):
    """Where readers of a class look for slope and intercept."""

    RESCALE = "Rescale Slope and Intercept"
    BOTH = "Rescale Slope and Intercept and Real World Value Mapping"
    MAPPING = "Real World Value Mapping"


@dataclass(frozen=True, slots=True)
class ImageClass:
    """A SOP Class of images, and what its modules allow a derived image.

    Attributes
    ----------
    second_value
        Image Type value 2: SECONDARY is "created after the initial patient examination" (PS3.3
        C.7.6.1.1.2), but PET (C.8.9.4.1.1) and NM (C.8.4.9.1.1) allow PRIMARY only.
    required
        Whether Rescale Slope and Intercept must be there even if 1 and 0.
    typed
        Whether Rescale Type says the units; PET has Units (0054,1001) instead.
    window
        Whether a window may be added where the template has none; a DX image FOR PROCESSING must not.
    absolute
        Whether numbers mean the same in every image (HU), so that the template's window stays right.
    series_time_kept
        PET counts decay and frame times from Series Date and Time (C.8.9.1.1.2): new ones would falsify SUV.
    enhanced
        Whether it is one of multi-frame objects with functional groups.
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
    enhanced: bool = False


# Image Type and Frame Type value 2 of all enhanced objects is PRIMARY (PS3.3 C.8.16.1.2).
_enhanced = partial(ImageClass, second_value="PRIMARY", enhanced=True)

_ROOT = "1.2.840.10008.5.1.4.1.1."
# The UIDs of each class, without the root.
_UIDS = {
    ImageClass("computed radiography"): "1",
    ImageClass("digital X-ray", limit=RescaleLimit.IDENTITY, window=False): "1.1 1.1.1 1.2 1.2.1 1.3 1.3.1",
    ImageClass("CT", required=True, absolute=True): "2",
    ImageClass("MR", place=RescalePlace.BOTH): "4",
    ImageClass("ultrasound", place=RescalePlace.MAPPING, window=False): "3 3.1 6 6.1",
    ImageClass("secondary capture"): "7",
    # slope 1, intercept 0 (PS3.3 C.8.6.3)
    ImageClass("multi-frame secondary capture", limit=RescaleLimit.IDENTITY, required=True): "7.2 7.3 7.4",
    ImageClass("X-ray angiography or fluoroscopy", window=False): "12.1 12.2",
    ImageClass("nuclear medicine", place=RescalePlace.MAPPING, second_value="PRIMARY", window=False): "20",
    ImageClass("visible light", limit=RescaleLimit.IDENTITY, window=False): (
        "77.1.1 77.1.2 77.1.3 77.1.4 77.1.5.1 77.1.5.2"
    ),
    ImageClass(
        "PET",
        limit=RescaleLimit.NO_INTERCEPT,
        second_value="PRIMARY",
        required=True,
        typed=False,
        series_time_kept=True,
    ): "128",
    _enhanced("Enhanced CT", required=True, absolute=True): "2.1 2.2",
    _enhanced("Enhanced MR", place=RescalePlace.BOTH): "4.1 4.4",
    # colours have no slope, and no window
    _enhanced("Enhanced MR Color", limit=RescaleLimit.IDENTITY, window=False): "4.3",
    _enhanced("X-Ray 3D"): "13.1.1 13.1.2",
    # Identity Pixel Value Transformation (PS3.3 C.7.6.16.2.9b): slope 1 and intercept 0
    _enhanced("Breast Tomosynthesis", limit=RescaleLimit.IDENTITY): "13.1.3",
    # decay corrected to Series Date and Time, as the PET images that it was converted from
    _enhanced("Legacy Converted Enhanced PET", series_time_kept=True, typed=False): "128.1",
    # Real World Value Mapping is mandatory (PS3.3 table A.56-2), and the only place of the units
    _enhanced("Enhanced PET", place=RescalePlace.BOTH, typed=False): "130",
}
_CLASSES = {suffix: known for known, suffixes in _UIDS.items() for suffix in suffixes.split()}
_PROJECTIONS = "its frames are projections and no slices, and tables of their own give its values a meaning"
_REFUSED = {
    "6.2": ("Enhanced US Volume", "its frames lie in the coordinates of the probe and not of the patient"),
    "12.1.1": ("Enhanced XA", _PROJECTIONS),
    "12.2.1": ("Enhanced XRF", _PROJECTIONS),
    "14.1": ("Intravascular OCT", "its frames lie in the coordinates of the catheter and not of the patient"),
    "77.1.5.4": ("Ophthalmic Tomography", "it has no functional group for slope and intercept"),
    "77.1.5.8": ("Ophthalmic OCT B-scan", "it has no functional group for slope and intercept"),
}


def is_classic(uid: str) -> bool:
    """Whether a class is one of those with one header for all pixels of a file."""
    known = _CLASSES.get(_suffix(uid))
    return known is not None and not known.enhanced


def is_multiframe(uid: str) -> bool:
    """Whether a class is one of enhanced multi-frame objects, even one that cannot be written."""
    known = _CLASSES.get(_suffix(uid))
    return _suffix(uid) in _REFUSED if known is None else known.enhanced


def image_class(uid: str, where: str, *, enhanced: bool = False) -> ImageClass:
    """The class of a template, of classic or of enhanced objects.

    Raises TemplateError for those that cannot carry a derived image: a segmentation, a dose, a report; says
    why.
    """
    suffix = _suffix(uid)
    known = _CLASSES.get(suffix)
    if known is not None and known.enhanced is enhanced:
        return known
    if suffix in _REFUSED:
        name, why = _REFUSED[suffix]
        raise TemplateError(
            f"{where}: SOPClassUID is that of {name}: {why}; such a template cannot carry a derived volume. "
            "Use a series of Enhanced CT, MR or PET, X-Ray 3D, or single-frame images as template"
        )
    named = UID(uid).is_valid and UID(uid).name != uid
    found = f"{uid} ({UID(uid).name})" if named else uid or "is missing"
    raise TemplateError(
        f"{where}: SOPClassUID {found}; that cannot carry a derived image; use "
        "a series of CT, MR, PET, CR, DX, MG, XA, RF, US, NM or secondary capture images as template"
    )


def _suffix(uid: str) -> str:
    return uid.removeprefix(_ROOT) if uid.startswith(_ROOT) else ""
