"""What else turns stored values into meaningful ones, beside Rescale Slope and Intercept.

Modality LUT (PS3.3 C.11.1), SUV of PET images, Philips' precise values of MR images, and which pixels are
padding and no image at all (PS3.3 C.7.5.1.1.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dicomarray.assembly.frames.frame import Frame
from dicomarray.assembly.values.rescale_checks import require_one_injection
from dicomarray.core.pixel_values import Array, Rescale
from dicomarray.core.suv import KEYWORDS, SuvScale, acquisition_of, suv_scale
from dicomarray.dicom.functional_groups import PER_FRAME, FunctionalGroups, items_of, private_block
from dicomarray.dicom.headers.header import read_header
from dicomarray.dicom.vr import Value
from dicomarray.errors import HeaderError, InputError, ValuesError, quoted
from dicomarray.runtime.pydicom_warnings import pydicom_quiet
from dicomarray.storage.references import Reference

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# --- Modality LUT -----------------------------------------------------------------------------------------

MAX_LUT_ENTRIES = 1 << 16
MAX_LUT_BITS = 16
UNSPECIFIED = "US"  # Modality LUT Type, PS3.3 C.11.1.1.2


@dataclass(frozen=True, slots=True, eq=False)
class ModalityLut:
    """A table from stored to modality values.

    ``entries`` is read-only, uint8 where an entry has at most 8 bits, else uint16; its first one belongs to
    the stored value ``first``.  ``type`` is the Modality LUT Type ("HU", "OD", ...), None where unspecified.
    """

    first: int
    entries: Array
    type: str | None = None


def read_modality_lut(path: Reference) -> ModalityLut | None:
    """The Modality LUT Sequence of a file (PS3.3 C.11.1), or None where there is none.

    Raises
    ------
    InputError
        Where the file cannot be read.
    HeaderError
        Where the table breaks the standard, or stands beside Rescale Slope and Intercept that differ from 1
        and 0: which of them holds is then not said.
    """
    from dicomarray.dicom.pydicom_fallback import PYDICOM_FAILURES, dataset_of_file

    names = ["ModalityLUTSequence", "PixelRepresentation", "RescaleSlope", "RescaleIntercept"]
    try:
        with pydicom_quiet:
            dataset = _in_file(path, dataset_of_file, path, names)
            items = dataset.get("ModalityLUTSequence") or []
            if not items:
                return None
            _require_no_rescale(path, dataset)
            item = items[0]
            descriptor, data, kind = map(item.get, ("LUTDescriptor", "LUTData", "ModalityLUTType"))
            little_endian = dataset.original_encoding[1] is not False
            signed = dataset.get("PixelRepresentation") == 1
    except PYDICOM_FAILURES as error:
        raise InputError(
            f"{path}: its Modality LUT cannot be read: {type(error).__name__} {error}"
        ) from error
    if len(items) > 1:
        raise HeaderError(f"{path}: ModalityLUTSequence has {len(items)} items where PS3.3 C.11.1 allows one")
    kind = None if kind is None else str(kind)
    return _in_file(path, modality_lut, descriptor, data, signed, little_endian, kind)


def _require_no_rescale(path: Reference, dataset: Dataset) -> None:
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    if slope not in (None, "", 1) or intercept not in (None, "", 0):
        raise HeaderError(
            f"{path}: a ModalityLUTSequence and RescaleSlope {slope}, RescaleIntercept {intercept}; PS3.3 "
            'C.11.1 allows one of the two; take units="stored"'
        )


def modality_lut(
    descriptor: Any, data: Any, signed: bool, little_endian: bool = True, kind: str | None = None
) -> ModalityLut:
    """A table from LUT Descriptor and LUT Data (PS3.3 C.11.1.1.1).

    ``descriptor`` holds the number of entries (0 is 65536), the first stored value mapped and the bits of an
    entry; ``signed`` is Pixel Representation 1, which decides how the second is read, whatever VR the file
    gave it.  ``data`` are the bytes of an OW, or the words of a US or SS; entries of 8 bits may be packed two
    a word, the first of the pair in the low byte.

    Raises
    ------
    HeaderError
        Where the descriptor is no descriptor, or does not fit the data.
    """
    try:
        count, first, bits = (int(value) for value in descriptor)
    except (TypeError, ValueError) as error:
        raise HeaderError(
            f"LUTDescriptor is {quoted(descriptor)} where three integers are expected (PS3.3 C.11.1.1.1); "
            'take units="stored"'
        ) from error
    count = (count & 0xFFFF) or MAX_LUT_ENTRIES  # a number above 32767 looks negative where the VR is SS
    if not 1 <= bits <= MAX_LUT_BITS:
        raise HeaderError(f"LUTDescriptor says {bits} bits an entry where PS3.3 C.11.1.1.1 has 8 or 16")
    entries = _lut_entries(_little_endian_bytes(data, little_endian), count, bits)
    if entries.max() >> bits:
        raise HeaderError(
            f"LUTData has an entry of {entries.max()}, too great for the {bits} bits of LUTDescriptor"
        )
    entries = entries.astype(np.uint8 if bits <= 8 else np.uint16)
    entries.setflags(write=False)
    return ModalityLut(_sixteen_bits(first, signed), entries, None if kind in (UNSPECIFIED, "") else kind)


def _little_endian_bytes(data: Any, little_endian: bool) -> bytes:
    if isinstance(data, bytes):
        return data if little_endian else np.frombuffer(data[: len(data) & ~1], ">u2").astype("<u2").tobytes()
    words = [data] if isinstance(data, int) else list(data or ())
    return np.array([int(word) & 0xFFFF for word in words], "<u2").tobytes()


def _lut_entries(raw: bytes, count: int, bits: int) -> NDArray[np.uint16]:
    """The length tells packed bytes from words that hold 8 bits each (note in PS3.3 C.11.1.1.1)."""
    if len(raw) == 2 * count:
        return np.frombuffer(raw, "<u2").astype(np.uint16)
    if bits <= 8 and len(raw) == count + count % 2:
        return np.frombuffer(raw, np.uint8)[:count].astype(np.uint16)
    raise HeaderError(f"LUTData has {len(raw)} bytes, where LUTDescriptor has {count} entries of {bits} bits")


def apply_modality_lut(stored: Array, lut: ModalityLut) -> Array:
    """Modality values of the stored integers, any shape, dtype of ``lut.entries``.

    Values below the table get its first entry, values above it the last (PS3.3 C.11.1.1.1).

    Raises
    ------
    ValuesError
        Where the stored values are no integers.
    """
    if stored.dtype.kind not in "iu":
        raise ValuesError(f"a Modality LUT maps integers, not stored values of type {stored.dtype}")
    last = lut.first + len(lut.entries) - 1
    # int64: a uint32 less a negative first value, and an int8 less a large one, must not wrap
    index = np.clip(stored.astype(np.int64), lut.first, last) - lut.first
    return np.asarray(lut.entries[index])


def _sixteen_bits(value: int, signed: bool) -> int:
    """A US or SS value as Pixel Representation wants it read: files mix the two up."""
    unsigned = value & 0xFFFF
    return unsigned - 0x10000 if signed and unsigned > 0x7FFF else unsigned


# --- palette --------------------------------------------------------------------------------------------


def palette_colours(path: Reference) -> Callable[[Array], Array]:
    """What turns the indices of a PALETTE COLOR image into RGB (PS3.3 C.7.6.3.1.5, C.7.9).

    The function takes (rows, columns) and returns (rows, columns, 3), uint8 or uint16 as the tables have it.

    Raises
    ------
    InputError
        Where the file cannot be read.
    HeaderError
        Where its tables are missing or broken.
    """
    from pydicom.pixels.processing import apply_color_lut

    from dicomarray.dicom.pydicom_fallback import PYDICOM_FAILURES, dataset_of_file

    try:
        with pydicom_quiet:
            dataset = _in_file(path, dataset_of_file, path, None)
    except PYDICOM_FAILURES as error:
        raise InputError(f"{path} cannot be read: {type(error).__name__} {error}") from error

    def colours(indices: Array) -> Array:
        try:
            return np.asarray(apply_color_lut(indices, dataset))
        except PYDICOM_FAILURES as error:
            raise HeaderError(
                f"{path}: its Palette Color Lookup Tables cannot be applied: {error}; take the indices "
                '(palette="indices")'
            ) from error

    return colours


# --- SUV --------------------------------------------------------------------------------------------------

PET_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.128"
Result = TypeVar("Result")


def suv_scales(frames: Sequence[Frame]) -> list[SuvScale]:
    """What turns the modality values of each frame of a PET volume into SUVbw.  Reads the headers again.

    Raises
    ------
    ValuesError
        Where the headers do not say it; names the file and the attribute.
    """
    paths = dict.fromkeys(frame.header.reference for frame in frames)
    images = {path: read_header(path, (*KEYWORDS, "SOPClassUID")).attributes for path in paths}
    acquired = [_in_file(path, _acquired, image) for path, image in images.items()]
    earliest = min((moment for moment in acquired if moment is not None), default=None)
    scales = {path: _in_file(path, suv_scale, image, earliest) for path, image in images.items()}
    require_one_injection(images)
    return [scales[frame.header.reference] for frame in frames]


def _in_file(path: Reference, function: Callable[..., Result], *arguments: Any) -> Result:
    """The function's result; an error of it names the file."""
    try:
        return function(*arguments)
    except (ValuesError, HeaderError, InputError) as error:
        raise type(error)(f"{path}: {error}") from error


def _acquired(attributes: Mapping[str, Value]) -> datetime | None:
    _require_classic_pet(attributes)
    return acquisition_of(attributes)


def _require_classic_pet(attributes: Mapping[str, Value]) -> None:
    """Enhanced PET gives the dose in MBq and its corrections in other attributes (PS3.3 C.8.22.4)."""
    found = attributes.get("SOPClassUID")
    if found != PET_IMAGE_STORAGE:
        raise ValuesError(
            f"SOPClassUID is {quoted(found)}; SUV is worked out for Positron Emission Tomography Image "
            f'Storage ({PET_IMAGE_STORAGE}) only; take units="modality"'
        )


def suv_rescale(rescale: Rescale, scale: SuvScale) -> Rescale:
    """From stored values to SUVbw in one step."""
    return Rescale(rescale.slope * scale.factor, rescale.intercept * scale.factor)


# --- Philips' precise values ------------------------------------------------------------------------------

PHILIPS_CREATOR = "Philips MR Imaging DD 001"
PHILIPS_FRAME_CREATOR = "Philips MR Imaging DD 005"
PHILIPS_SCALE_INTERCEPT = f"(2005,{PHILIPS_CREATOR},0D)"
PHILIPS_SCALE_SLOPE = f"(2005,{PHILIPS_CREATOR},0E)"
PHILIPS_KEYWORDS = (PHILIPS_SCALE_INTERCEPT, PHILIPS_SCALE_SLOPE)
# The scale intercept is a float32 (24 bits), and Rescale Intercept is often rounded to a whole number: the
# two agree to about a stored step.
PHILIPS_INTERCEPT_STEPS = 1.0


def philips_rescales(frames: Sequence[Frame]) -> list[Rescale]:
    """For each frame what turns stored values into Philips' precise ones.  Reads the headers again.

    Raises
    ------
    HeaderError
        Where a file has no such scaling; names the file and the attribute.
    """
    per_file: dict[Reference, Sequence[Mapping[str, Value]]] = {}
    rescales = []
    for frame in frames:
        path = frame.header.reference
        if path not in per_file:
            per_file[path] = _philips_attributes(path)
        images = per_file[path]
        attributes = images[frame.index] if len(images) > 1 else images[0]
        rescales.append(_in_file(path, philips_rescale, attributes, frame.rescale))
    return rescales


def philips_rescale(attributes: Mapping[str, Value], rescale: Rescale) -> Rescale:
    """From stored values (PV) to the precise ones of a Philips MR image, arbitrary but comparable units.

    ``DV = PV * RS + RI`` is what the console shows, ``FP = DV / (RS * SS)`` what was measured, with SS the
    scale slope (2005,xx0E) and the scale intercept (2005,xx0D) SI = -RI / RS (Chenevert et al., Transl Oncol
    2014, PMC3998685; dcm2niix -p y).

    Raises
    ------
    HeaderError
        Where the scale slope is missing, 0 or no number, or the scale intercept contradicts Rescale.
    """
    scale_slope = _philips_number(attributes, PHILIPS_SCALE_SLOPE)
    if not scale_slope or not rescale.slope:
        raise HeaderError(
            f"{PHILIPS_SCALE_SLOPE} is {scale_slope} and RescaleSlope {rescale.slope:g}; Philips' precise "
            "values need both; leave out philips_scaling"
        )
    scale_intercept = _philips_number(attributes, PHILIPS_SCALE_INTERCEPT)
    shift = rescale.intercept / rescale.slope
    if scale_intercept is not None and abs(scale_intercept + shift) > PHILIPS_INTERCEPT_STEPS:
        raise HeaderError(
            f"{PHILIPS_SCALE_INTERCEPT} is {scale_intercept:g}, but RescaleIntercept / RescaleSlope is "
            f"{shift:g}: Philips' precise values are unknown; leave out philips_scaling"
        )
    return Rescale(1.0 / scale_slope, shift / scale_slope)


def _philips_number(attributes: Mapping[str, Value], name: str) -> float | None:
    value = attributes.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or not np.isfinite(value):
        raise HeaderError(f"{name} is {quoted(value)} where a finite number is expected")
    return float(value)


def _philips_attributes(path: Reference) -> Sequence[Mapping[str, Value]]:
    """The private scaling of the image, or of each frame of an enhanced one: (2005,xx0F) in its group."""
    attributes = read_header(path, (*PHILIPS_KEYWORDS, PER_FRAME)).attributes
    groups = FunctionalGroups.of(attributes, path)
    return [_philips_frame(group) for group in groups.per_frame] or [attributes]


def _philips_frame(group: Mapping[str, Value]) -> Mapping[str, Value]:
    items = items_of(private_block(group, PHILIPS_FRAME_CREATOR).get("0F"))
    scaling = private_block(items[0], PHILIPS_CREATOR) if items else {}
    return {PHILIPS_SCALE_INTERCEPT: scaling.get("0D"), PHILIPS_SCALE_SLOPE: scaling.get("0E")}


# --- padding ----------------------------------------------------------------------------------------------


def padding_mask(
    stored: Array, value: float | None, limit: float | None = None, signed: bool | None = None
) -> NDArray[np.bool_]:
    """True where a stored value is padding and no image (PS3.3 C.7.5.1.1.2), shape of ``stored``.

    ``value`` is Pixel Padding Value and ``limit`` Pixel Padding Range Limit, both in stored values; the range
    includes both ends, whichever is the greater (MONOCHROME1 has them the other way round).  ``signed`` is
    Pixel Representation 1 (default: the dtype says): a file that gives 63536 for -2000, or the reverse, is
    read as meant.  Float Pixel Data takes Float Pixel Padding Value (PS3.3 C.7.6.24) as it is.

    Raises
    ------
    HeaderError
        Where there is a limit without a value.
    """
    if value is None:
        if limit is not None:
            raise HeaderError(f"PixelPaddingRangeLimit is {limit} without a PixelPaddingValue")
        return np.zeros(stored.shape, np.bool_)
    ends: tuple[float, ...] = (value,) if limit is None else (value, limit)
    if stored.dtype.kind in "iu":
        is_signed = stored.dtype.kind == "i" if signed is None else signed
        ends = tuple(_sixteen_bits(int(end), is_signed) for end in ends)
    return np.asarray((stored >= min(ends)) & (stored <= max(ends)))
