"""Candidate file -> `Header`: the attributes that are asked for, as plain Python values, no pixels.

pydicom finds the elements; their bytes are turned into values here, so that one odd value costs neither
a warning nor the file: a number that is none stays the text it is, and whoever needs it says so.
"""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import pydicom
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from dicomarray.errors import HeaderError, InputError
from dicomarray.reading.files import FIRST_BYTES, looks_like_dicom
from dicomarray.reading.pixel_source import TOO_FAR, inflates_beyond_limit

Value = Any  # None | str | int | float | tuple of those | for a sequence a tuple of mappings

# What pydicom raises on damaged files; anything else is a mistake of ours and must be seen.
PYDICOM_FAILURES = (
    BytesLengthException,
    InvalidDicomError,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    NotImplementedError,
    IndexError,
    struct.error,
    zlib.error,
    MemoryError,
    OverflowError,
    RecursionError,
)

PIXEL_REPRESENTATION = Tag(0x0028, 0x0103)
ESCAPE = b"\x1b"  # begins a change of character set (ISO 2022), in bytes that are all ASCII
LONGEST_LIST = 1024  # binary numbers of one element; what is longer is a table, which others read
GREATEST_NUMBER = 1e300  # beyond it calculations overflow; no attribute means such a number
MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"

# What every series needs: to be told apart, described, stacked and scaled.
IDENTITY = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
    "Modality", "Manufacturer", "ManufacturerModelName", "SeriesNumber", "SeriesDescription",
    "StudyDescription", "ProtocolName", "BodyPartExamined", "PatientPosition", "ImageType",
    "InstanceNumber", "AcquisitionNumber", "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime",
    "SoftwareVersions",
)  # fmt: skip
GEOMETRY = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
    "SpacingBetweenSlices", "SliceLocation", "GantryDetectorTilt", "GridFrameOffsetVector",
    "ConcatenationUID", "InConcatenationNumber", "InConcatenationTotalNumber",
    "ConcatenationFrameOffsetNumber",
)  # fmt: skip
PIXELS = (
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "RescaleSlope", "RescaleIntercept", "RescaleType", "Units", "DoseGridScaling", "DoseUnits",
    "ModalityLUTSequence", "LossyImageCompression",
)  # fmt: skip
ACQUISITION = (
    "TemporalPositionIdentifier", "NumberOfTemporalPositions", "TriggerTime", "EchoTime", "EchoNumbers",
    "InversionTime", "FlipAngle", "RepetitionTime", "DiffusionBValue", "DiffusionGradientOrientation",
    "KVP", "ConvolutionKernel", "ContrastBolusAgent", "MagneticFieldStrength", "SequenceName",
)  # fmt: skip
PRIVATE_NAME = re.compile(r"\(([0-9A-Fa-f]{4}),([^,]+),([0-9A-Fa-f]{2})\)")
DEFAULT_KEYWORDS = frozenset(IDENTITY + GEOMETRY + PIXELS + ACQUISITION)

_TEXT_WITH_CHARACTER_SET = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
_OPAQUE = frozenset(("OB", "OW", "OF", "OD", "OL", "OV", "UN", "AT"))
_SINGLE_VALUED = frozenset(("LT", "ST", "UT", "UR"))
_DECIMAL_TEXT = frozenset(("DS",))
_INTEGER_TEXT = frozenset(("IS",))
_BINARY_NUMBERS = {
    "US": "u2",
    "SS": "i2",
    "UL": "u4",
    "SL": "i4",
    "UV": "u8",
    "SV": "i8",
    "FL": "f4",
    "FD": "f8",
}


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """The attributes of one instance that were asked for.

    ``attributes`` holds, by DICOM keyword (or ``"(gggg,eeee)"``): None for an attribute that is present
    and empty, a str, int or float, a tuple where there are several values, and a tuple of mappings for
    a sequence.  An absent attribute is no key.
    """

    path: Path
    transfer_syntax: str | None
    attributes: Mapping[str, Value]

    def text(self, keyword: str) -> str | None:
        """One value as text; several joined as DICOM joins them; None where there is none."""
        value = self.attributes.get(keyword)
        if value is None:
            return None
        values = value if isinstance(value, tuple) else (value,)
        return "\\".join("" if v is None else str(v) for v in values)

    def number(self, keyword: str) -> float | None:
        """One finite number, or None where the attribute is absent or empty."""
        numbers = self.numbers(keyword, 1)
        return None if numbers is None else numbers[0]

    def numbers(self, keyword: str, count: int) -> tuple[float, ...] | None:
        """So many finite numbers, or None where the attribute is absent or empty."""
        return numbers_of(self.attributes.get(keyword), keyword, count, self.path)

    @property
    def instance_number(self) -> int | None:
        """Instance Number, which is for sorting only: None where it is absent or no number."""
        value = self.attributes.get("InstanceNumber")
        return value if isinstance(value, int) else None

    @property
    def is_image(self) -> bool:
        """Whether the instance describes pixels: reports, plans and presentation states do not."""
        return bool(self.attributes.get("Rows")) and bool(self.attributes.get("Columns"))


def numbers_of(value: Value, keyword: str, count: int, path: Path) -> tuple[float, ...] | None:
    """So many finite numbers of an attribute's value, or None where it is empty.

    Raises
    ------
    HeaderError
        Where the value is something else; the message names file, attribute and value.
    """
    if value is None:
        return None
    values = value if isinstance(value, tuple) else (value,)
    numeric = all(isinstance(v, int | float) and abs(v) <= GREATEST_NUMBER for v in values)
    if len(values) != count or not numeric:
        expected = "one finite number" if count == 1 else f"{count} finite numbers"
        raise HeaderError(f"{path}: {keyword} is {value!r} where the standard has {expected}")
    return tuple(float(v) for v in values)


def read_header(path: Path, names: Iterable[str] = DEFAULT_KEYWORDS) -> Header:
    """Read the named attributes: keywords, or ``"(gggg,eeee)"``.

    Raises
    ------
    InputError
        Where the file is not DICOM or is damaged; the message says why, without the path.
    """
    names = tuple(names)
    for name in names:
        check_name(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters of it comes back as an error of ours
            return _header(path, names)
    except PYDICOM_FAILURES as error:
        raise InputError(f"damaged, or not DICOM: {type(error).__name__} {error}".rstrip()) from error


def _header(path: Path, names: tuple[str, ...]) -> Header:
    private = [name for name in names if PRIVATE_NAME.fullmatch(name)]
    wanted = [(name, tag_of(name)) for name in names if name not in private]
    # where the block of a private creator lies is known only once the creators are read: then read all
    dataset = _read_dataset(path, None if private else [PIXEL_REPRESENTATION, *(tag for _, tag in wanted)])
    meta = getattr(dataset, "file_meta", None)
    if meta is not None and meta.get("MediaStorageSOPClassUID") == MEDIA_STORAGE_DIRECTORY:
        raise InputError("a DICOMDIR, which lists files and holds no image")
    wanted += [(name, tag) for name in private if (tag := _private_tag(dataset, name)) is not None]
    encodings = _encodings(dataset)
    attributes = {name: _element_value(dataset, tag, encodings) for name, tag in wanted if tag in dataset}
    syntax = None if meta is None else meta.get("TransferSyntaxUID")
    return Header(path, None if syntax is None else str(syntax), attributes)


def check_name(name: str) -> None:
    """Raise HeaderError unless the name is a keyword, a tag, or a private tag with its creator."""
    if not PRIVATE_NAME.fullmatch(name):
        tag_of(name)


def tag_of(name: str) -> BaseTag:
    """The tag of a keyword or of ``"(gggg,eeee)"``.

    Raises
    ------
    HeaderError
        Where the data dictionary (PS3.6) does not know the name.
    """
    tag = tag_for_keyword(name) if name else None
    if tag is not None:
        return Tag(tag)
    digits = name.strip("()").replace(",", "")
    try:
        return Tag(int(digits, 16)) if name.startswith("(") and len(digits) == 8 else _unknown(name)
    except ValueError:
        return _unknown(name)


def _unknown(name: str) -> BaseTag:
    raise HeaderError(f'"{name}" is no DICOM keyword and no tag such as "(0018,0050)"')


def _private_tag(dataset: pydicom.Dataset, name: str) -> BaseTag | None:
    """Where ``"(gggg,CREATOR,ee)"`` lies in this data set, PS3.5 7.8.1; None where the creator is absent."""
    match = PRIVATE_NAME.fullmatch(name)
    if match is None:
        return None
    group, creator, element = int(match[1], 16), match[2].strip(), int(match[3], 16)
    for block in range(0x10, 0x100):
        tag = Tag(group, block)
        if tag in dataset and str(dataset[tag].value).strip() == creator:
            return Tag(group, (block << 8) | element)
    return None


def _read_dataset(path: Path, tags: list[BaseTag] | None) -> pydicom.Dataset:
    with path.open("rb") as stream:
        start = stream.read(FIRST_BYTES)
        if not start:
            raise InputError("an empty file")
        if not looks_like_dicom(start):
            raise InputError("not DICOM")
        if inflates_beyond_limit(stream):
            raise InputError(TOO_FAR)
        return pydicom.dcmread(stream, stop_before_pixels=True, force=True, specific_tags=tags)


def _encodings(dataset: pydicom.Dataset) -> list[str]:
    declared = dataset.get("SpecificCharacterSet")
    try:
        return convert_encodings(declared if declared else "")
    except (LookupError, ValueError, TypeError, AttributeError):
        return ["iso8859"]


def _element_value(dataset: pydicom.Dataset, tag: BaseTag, encodings: list[str]) -> Value:
    # raw, not as pydicom would decode it; its stub forgets the raw ones
    element = cast("DataElement | RawDataElement", dataset.get_item(tag, keep_deferred=True))
    if isinstance(element, RawDataElement):
        vr = _value_representation(element.VR, tag, tag != PIXEL_REPRESENTATION and _signed(dataset))
        if vr not in ("SQ", "UN"):
            return decode(vr, element.value or b"", element.is_little_endian, encodings)
    try:
        return plain_value(dataset[tag])
    except PYDICOM_FAILURES:
        return "<unreadable>"  # present, but nobody can say what it is; whoever needs it gets a HeaderError


def _signed(dataset: pydicom.Dataset) -> bool:
    return PIXEL_REPRESENTATION in dataset and _element_value(dataset, PIXEL_REPRESENTATION, []) == 1


@lru_cache(maxsize=4096)
def _value_representation(declared: str | None, tag: BaseTag, signed: bool) -> str:
    """The element's own VR, or the dictionary's; "US or SS" goes by Pixel Representation (PS3.5 A.1)."""
    if declared not in (None, "UN"):
        return str(declared)
    try:
        known = dictionary_VR(tag)
    except KeyError:
        return "UN"
    return "SS" if signed and known.startswith("US or SS") else known.split(" ")[0]


def decode(vr: str, raw: bytes, little_endian: bool, encodings: list[str]) -> Value:
    """The plain value of an element's bytes (PS3.5 6.2); text that is no number stays text."""
    if vr in _BINARY_NUMBERS:
        kind = np.dtype(("<" if little_endian else ">") + _BINARY_NUMBERS[vr])
        if len(raw) % kind.itemsize:
            return f"<{len(raw)} bytes>"
        return _one_or_many(tuple(np.frombuffer(raw, kind).tolist()))
    if vr in _OPAQUE:
        return f"<{len(raw)} bytes>" if raw else None
    text = _decode_text(raw, encodings if vr in _TEXT_WITH_CHARACTER_SET else ["iso8859"])
    text = text.rstrip(" \0")
    if vr in _SINGLE_VALUED:
        return text or None
    parts = tuple(part.strip(" \0") for part in text.split("\\"))
    if vr in _DECIMAL_TEXT or vr in _INTEGER_TEXT:
        return _one_or_many(tuple(_number(part, vr in _INTEGER_TEXT) for part in parts))
    return _one_or_many(tuple(part or None for part in parts))


def plain_value(element: DataElement) -> Value:
    """pydicom's value of an element as plain Python; sequences as tuples of mappings by keyword."""
    if element.VR == "SQ":
        return tuple(
            {keyword_for_tag(e.tag) or str(e.tag).replace(" ", ""): plain_value(e) for e in item}
            for item in element.value or ()
        )
    value = element.value
    if isinstance(value, MultiValue | list | tuple):
        if element.VR in _BINARY_NUMBERS and len(value) > LONGEST_LIST:
            return f"<{len(value)} numbers>"
        return _one_or_many(tuple(_plain_scalar(v) for v in value))
    return _plain_scalar(value)


def _plain_scalar(value: Any) -> Value:
    if value is None or value == "":
        return None
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, bool | int):
        return int(value)
    # float() takes DSfloat and DSdecimal as well
    return float(value) if isinstance(value, float) or hasattr(value, "as_tuple") else str(value)


def _decode_text(raw: bytes, encodings: list[str]) -> str:
    if raw.isascii() and ESCAPE not in raw:
        return raw.decode("ascii")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return decode_bytes(raw, encodings, set())
        except (LookupError, ValueError):
            return raw.decode("latin-1")


def _number(text: str, integer: bool) -> Value:
    if not text:
        return None
    if "_" in text:  # Python would take 1_000 for a number
        return text
    try:
        number = float(text)
    except ValueError:
        return text
    if integer and number.is_integer():
        return int(number)
    return number


def _one_or_many(values: tuple[Value, ...]) -> Value:
    if not values:
        return None
    return values[0] if len(values) == 1 else values
