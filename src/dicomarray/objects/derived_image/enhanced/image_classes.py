"""Which classes of multi-frame object can carry a derived volume, what each allows, and why others cannot.

An enhanced object says geometry, slope and intercept a frame at a time, in its functional groups (PS3.3
C.7.6.16).  Only classes whose frames are slices of a patient, and whose values a slope and an intercept can
tell, take an array of any values.
"""

from __future__ import annotations

from dicomarray.errors import TemplateError
from dicomarray.objects.derived_image.encode import RescaleLimit
from dicomarray.objects.derived_image.image_classes import ImageClass, RescalePlace

# Image Type and Frame Type value 2 of all enhanced objects is PRIMARY (PS3.3 C.8.16.1.2).
_PRIMARY = "PRIMARY"
_CT = ImageClass("Enhanced CT", second_value=_PRIMARY, required=True, absolute=True)
_MR = ImageClass("Enhanced MR", second_value=_PRIMARY, place=RescalePlace.BOTH)
# Real World Value Mapping is mandatory (PS3.3 table A.56-2), and the only place of the units.
_PET = ImageClass("Enhanced PET", second_value=_PRIMARY, place=RescalePlace.BOTH, typed=False)
# Colours have no slope, and no window.
_COLOUR = ImageClass("Enhanced MR Color", second_value=_PRIMARY, limit=RescaleLimit.IDENTITY, window=False)
# Decay corrected to Series Date and Time, as the PET images that it was converted from.
_LEGACY_PET = ImageClass(
    "Legacy Converted Enhanced PET", second_value=_PRIMARY, series_time_kept=True, typed=False
)
_XRAY_3D = ImageClass("X-Ray 3D", second_value=_PRIMARY)
# Identity Pixel Value Transformation (PS3.3 C.7.6.16.2.9b): slope 1 and intercept 0.
_TOMOSYNTHESIS = ImageClass("Breast Tomosynthesis", second_value=_PRIMARY, limit=RescaleLimit.IDENTITY)

_ROOT = "1.2.840.10008.5.1.4.1.1."
_CLASSES = {
    "2.1": _CT,
    "2.2": _CT,
    "4.1": _MR,
    "4.3": _COLOUR,
    "4.4": _MR,
    "13.1.1": _XRAY_3D,
    "13.1.2": _XRAY_3D,
    "13.1.3": _TOMOSYNTHESIS,
    "128.1": _LEGACY_PET,
    "130": _PET,
}
_PROJECTIONS = "its frames are projections and no slices, and tables of their own give its values a meaning"
_REFUSED = {
    "6.2": ("Enhanced US Volume", "its frames lie in the coordinates of the probe and not of the patient"),
    "12.1.1": ("Enhanced XA", _PROJECTIONS),
    "12.2.1": ("Enhanced XRF", _PROJECTIONS),
    "14.1": ("Intravascular OCT", "its frames lie in the coordinates of the catheter and not of the patient"),
    "77.1.5.4": ("Ophthalmic Tomography", "it has no functional group for slope and intercept"),
    "77.1.5.8": ("Ophthalmic OCT B-scan", "it has no functional group for slope and intercept"),
}


def is_multiframe(uid: str) -> bool:
    """Whether a SOP Class is one of multi-frame objects; other classes have one frame a file."""
    suffix = uid.removeprefix(_ROOT) if uid.startswith(_ROOT) else ""
    return suffix in _CLASSES or suffix in _REFUSED


def enhanced_class(uid: str, where: str) -> ImageClass:
    """The class of a multi-frame template.

    Raises
    ------
    TemplateError
        For classes that cannot carry a derived volume; says why.
    """
    suffix = uid.removeprefix(_ROOT) if uid.startswith(_ROOT) else ""
    if suffix in _CLASSES:
        return _CLASSES[suffix]
    name, reason = _REFUSED.get(suffix, (uid or "missing", "it holds many frames, and is no enhanced image"))
    raise TemplateError(
        f"{where}: SOPClassUID is that of {name}: {reason}; such a template cannot carry a derived volume. "
        "Use a series of Enhanced CT, MR or PET, X-Ray 3D, or single-frame images as template"
    )
