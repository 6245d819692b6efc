"""b-value and direction of the diffusion gradient of an MR image, in the standard's words, for every vendor.

The standard has Diffusion b-value (0018,9087) and Diffusion Gradient Orientation (0018,9089), the latter
along the axes of the patient (PS3.3 C.8.13.5.9).  Siemens and Philips have the direction along these axes
too; UIH along those of the image; GE along frequency, phase and slice, and Canon along phase, frequency and
slice, which are turned here as dcm2niix turns them (its bvecs are the oracle).  Pure functions of attributes
by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

B_VALUE, GRADIENT = "DiffusionBValue", "DiffusionGradientOrientation"
Direction = tuple[float, float, float]
# Along what a vendor counts a direction; "ge": frequency, phase, slice.
Axes = Literal["patient", "image", "ge"]
# How far the length of a direction may be from 1: it is rounded to three digits and more.
LENGTH_TOLERANCE = 0.05
# GE writes further flags in front of the b-value: 1,000,000,700 is 700.
_GE_FLAGS = 100_000
# Of a shell within a larger one GE writes the larger b-value, and a gradient whose square is the part of it.
_GE_SHORTEST = 0.03
_GE_B_STEP = 5.0  # s/mm2, to which dcm2niix rounds them
_CANON_TEXT = re.compile(r"b=([0-9.]+)\((-?[0-9.]+),(-?[0-9.]+),(-?[0-9.]+)\)")
CANON_ELEMENT = "ImageComments"


class Vendor(NamedTuple):
    """Private elements that hold the b-value, and the direction: X\\Y\\Z, or one for each of them.

    Those that pydicom's dictionary lacks need their VR in `dicom.dictionary`, too: in Implicit VR they are
    no numbers otherwise.
    """

    words: tuple[str, ...]  # with which Manufacturer begins, in capitals
    b_value: str
    direction: tuple[str, ...]
    axes: Axes


SIEMENS = Vendor(("SIEMENS",), "(0019,SIEMENS MR HEADER,0C)", ("(0019,SIEMENS MR HEADER,0E)",), "patient")
PHILIPS = Vendor(
    ("PHILIPS",),
    "(2001,Philips Imaging DD 001,03)",
    tuple(f"(2005,Philips MR Imaging DD 001,{element})" for element in ("B0", "B1", "B2")),
    "patient",
)
GE = Vendor(
    ("GE",),
    "(0043,GEMS_PARM_01,39)",
    tuple(f"(0019,GEMS_ACQU_01,{element})" for element in ("BB", "BC", "BD")),
    "ge",
)
UIH = Vendor(
    ("UIH", "UNITED IMAGING"),
    "(0065,Image Private Header,09)",
    ("(0065,Image Private Header,37)",),
    "image",
)
# Another vendor is one more; see `dicom.dictionary`, too, for elements that pydicom does not know.
VENDORS = (SIEMENS, PHILIPS, GE, UIH)
_CANON_WORDS = ("CANON", "TOSHIBA")
# What may tell a b-value, as a reader of headers has to be asked for it.
B_VALUE_ELEMENTS = (B_VALUE, *(vendor.b_value for vendor in VENDORS), CANON_ELEMENT)
# What may tell a direction, beside these.
DIRECTION_ELEMENTS = tuple(name for vendor in VENDORS for name in vendor.direction)


def elements_of(manufacturer: str) -> tuple[str, ...]:
    """What has to be read beside the standard's attributes; of an unknown manufacturer, what any writes."""
    word = manufacturer.upper()
    if word.startswith(_CANON_WORDS):
        return (CANON_ELEMENT,)
    found = [vendor for vendor in VENDORS if word.startswith(vendor.words)]
    return tuple(name for vendor in found or VENDORS for name in (vendor.b_value, *vendor.direction))


def b_value(known: Mapping[str, Any]) -> float | None:
    """The b-value in s/mm2; None where nothing says it."""
    stated = _numbers(known.get(B_VALUE))[:1] or [
        b for vendor in VENDORS if (b := _private_b_value(known, vendor)) is not None
    ]
    if not stated and (canon := canon_diffusion(known.get(CANON_ELEMENT))):
        stated = [canon[0]]
    return stated[0] if stated and stated[0] >= 0 else None


def _private_b_value(known: Mapping[str, Any], vendor: Vendor) -> float | None:
    numbers = _numbers(known.get(vendor.b_value))
    if not numbers:
        return None
    if vendor is not GE:
        return numbers[0]
    stated = numbers[0] % _GE_FLAGS
    length = math.hypot(*_vector(known, GE))
    if not _GE_SHORTEST < length < 1 - _GE_SHORTEST:
        return stated
    return max(round(stated * length**2 / _GE_B_STEP), 1) * _GE_B_STEP if stated else stated


def gradient(known: Mapping[str, Any], orientation: Sequence[float] | None = None) -> Direction | None:
    """The direction along the patient's axes, LPS; zeros where it is given as none; None without any.

    ``orientation`` is Image Orientation (Patient), by default that of the image.  Where Image Orientation or
    In-plane Phase Encoding Direction is missing, directions that GE and Canon tell cannot be turned: None.
    """
    if stated := _numbers(known.get(GRADIENT)):
        return _direction(stated)
    b = b_value(known)
    turning = Turning.of(known, orientation)
    for vendor in VENDORS:
        vector = _vector(known, vendor)
        if vector and (any(vector) or b) and (b or vendor is not GE):  # GE has other numbers there, too
            return turning.in_patient(tuple(vector), vendor.axes)
    canon = canon_diffusion(known.get(CANON_ELEMENT))
    return None if canon is None else turning.in_patient(canon[1], "ge")


def canon_diffusion(text: Any) -> tuple[float, Direction] | None:
    """b-value and direction as Canon has them in Image Comments: ``b=1500(0.445,0.000,0.895)``."""
    found = _CANON_TEXT.search(text) if isinstance(text, str) else None
    if found is None:
        return None
    try:
        b, phase, frequency, slice_ = map(float, found.groups())
    except ValueError:  # two points in one number
        return None
    return b, (frequency, phase, slice_)


def _vector(known: Mapping[str, Any], vendor: Vendor) -> list[float]:
    """The three numbers of a direction, as the vendor counts them; empty where there are none."""
    numbers = [number for name in vendor.direction for number in _numbers(known.get(name))]
    return numbers if len(numbers) == 3 else []


def _numbers(value: Any) -> list[float]:
    """The finite numbers of a value, also where they are text; none where it is something else."""
    if value is None:
        return []
    try:
        parts = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
        numbers = [float(number) for number in parts]
    except (TypeError, ValueError, OverflowError):
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def _direction(vector: Sequence[float]) -> Direction | None:
    """A unit vector; as it was given where it is one, but for its rounding."""
    if len(vector) != 3:
        return None
    x, y, z = (float(number) + 0.0 for number in vector)  # without the sign of a zero
    length = math.hypot(x, y, z)
    if length == 0 or abs(length - 1) <= LENGTH_TOLERANCE:
        return (x, y, z)
    return (x / length, y / length, z / length)


class Turning(NamedTuple):
    """Directions in an image -> along the patient's axes."""

    orientation: tuple[float, ...]
    phase_encoding: str

    @classmethod
    def of(cls, known: Mapping[str, Any], orientation: Sequence[float] | None = None) -> Turning:
        """By Image Orientation (Patient) and In-plane Phase Encoding Direction."""
        cosines = _numbers(known.get("ImageOrientationPatient") if orientation is None else orientation)
        phase = known.get("InPlanePhaseEncodingDirection")
        return cls(tuple(cosines), str(phase or "").upper()[:3])

    @lru_cache(maxsize=1024)  # noqa: B019 - a turning is a few numbers, and slices share their direction
    def in_patient(self, vector: tuple[float, ...], axes: Axes) -> Direction | None:
        """The direction LPS; None where it cannot be turned."""
        if axes == "patient" or not any(vector):
            return _direction(vector)
        if len(self.orientation) != 6:
            return None
        import numpy as np  # which a filter that asks for kinds of images does not need

        row, column = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        normal = np.cross(row, column)
        if axes == "image":
            along = (row, column, normal)
        elif self.phase_encoding in ("COL", "ROW"):
            along = self._of_ge(row, column, normal)
        else:
            return None
        turned = sum(np.multiply(part, axis) for part, axis in zip(vector, along, strict=True))
        return _direction(np.round(turned, 9).tolist())

    def _of_ge(self, row: Any, column: Any, normal: Any) -> tuple[Any, Any, Any]:
        """Frequency, phase and slice in the patient, as dcm2niix finds them; the polarity is its own.

        In coronal images one axis in the plane runs against that of other images.
        """
        main = int(abs(normal).argmax())  # 0 for sagittal, 1 for coronal, 2 for axial images
        sign = 1 if main == 1 else -1
        along_rows = self.phase_encoding == "ROW"
        frequency, phase = (column, sign * row) if along_rows else (-row, sign * column)
        return (frequency, phase, normal) if main else (-frequency, -phase, -normal)
