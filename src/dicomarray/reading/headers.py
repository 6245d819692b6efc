"""Candidate file -> `Header`: the attributes that are asked for, as plain Python values, no pixels.

A reader of our own walks the usual files (`part10`); pydicom reads the others.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import BaseTag, Tag

from dicomarray.errors import HeaderError, InputError
from dicomarray.reading.element_values import (
    LATIN_1,
    PYDICOM_FAILURES,
    Value,
    decode,
    encodings_of,
    plain_value,
    value_representation,
)
from dicomarray.reading.files import FIRST_BYTES, looks_like_dicom
from dicomarray.reading.part10 import PixelPlace, read_part10
from dicomarray.reading.pixel_source import TOO_FAR, inflates_beyond_limit

PIXEL_REPRESENTATION, SPECIFIC_CHARACTER_SET = 0x00280103, 0x00080005
# Beyond the first squares overflow, below the second they vanish: no attribute means such a number, and what
# is so small is 0, a rounding error or damage.
GREATEST_NUMBER, LEAST_NUMBER = 1e100, 1e-100
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
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation",
    "PlanarConfiguration", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept", "RescaleType",
    "Units", "DoseGridScaling", "DoseUnits", "ModalityLUTSequence", "LossyImageCompression",
)  # fmt: skip
ACQUISITION = (
    "TemporalPositionIdentifier", "NumberOfTemporalPositions", "TriggerTime", "EchoTime", "EchoNumbers",
    "InversionTime", "FlipAngle", "RepetitionTime", "DiffusionBValue", "DiffusionGradientOrientation",
    "KVP", "ConvolutionKernel", "ContrastBolusAgent", "MagneticFieldStrength", "SequenceName",
)  # fmt: skip
PRIVATE_NAME = re.compile(r"\(([0-9A-Fa-f]{4}),([^,]+),([0-9A-Fa-f]{2})\)")
DEFAULT_KEYWORDS = frozenset(IDENTITY + GEOMETRY + PIXELS + ACQUISITION)


@dataclass(frozen=True, slots=True)
class Stamp:
    """Size in bytes and time of the last change in nanoseconds: another stamp means another content."""

    size: int
    modified: int


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """The attributes of one instance that were asked for.

    ``attributes`` holds, by DICOM keyword (or ``"(gggg,eeee)"``): None for an attribute that is present
    and empty, a str, int or float, a tuple where there are several values, and a tuple of mappings for
    a sequence.  An absent attribute is no key.

    Where our own reader understood the file, ``pixels`` is where its pixel data lies and ``stamp`` the state
    of the file in which that is true; both are None where pydicom had to read it.
    """

    path: Path
    transfer_syntax: str | None
    attributes: Mapping[str, Value]
    pixels: PixelPlace | None = None
    stamp: Stamp | None = None

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
    return tuple(float(v) if abs(v) >= LEAST_NUMBER else 0.0 for v in values)


def read_header(path: Path, names: Iterable[str] = DEFAULT_KEYWORDS) -> Header:
    """Read the named attributes: keywords, ``"(gggg,eeee)"``, or ``"(gggg,CREATOR,ee)"``.

    Raises
    ------
    InputError
        Where the file is not DICOM or is damaged; the message says why, without the path.
    """
    request = _request(names if isinstance(names, frozenset) else frozenset(names))
    try:
        return _by_walking(path, request) or _by_pydicom(path, request)
    except PYDICOM_FAILURES as error:
        raise InputError(f"damaged, or not DICOM: {type(error).__name__} {error}".rstrip()) from error


@dataclass(frozen=True, slots=True)
class _Request:
    """The names that are asked for: with their tags, and those whose tag depends on the file."""

    tags: tuple[tuple[str, int], ...]
    private: tuple[str, ...]
    read: frozenset[int]


@lru_cache(maxsize=64)
def _request(names: frozenset[str]) -> _Request:
    private = tuple(sorted(name for name in names if PRIVATE_NAME.fullmatch(name)))
    tags = tuple((name, int(tag_of(name))) for name in sorted(names) if name not in private)
    # both say how the other elements are to be read
    read = frozenset((PIXEL_REPRESENTATION, SPECIFIC_CHARACTER_SET, *(tag for _, tag in tags)))
    return _Request(tags, private, read)


def _by_walking(path: Path, request: _Request) -> Header | None:
    """By our own reader; None where pydicom has to read the file."""
    if request.private:
        return None
    with path.open("rb") as stream:
        part10 = read_part10(stream, request.read)
        status = os.fstat(stream.fileno())
    if part10 is None or part10.media_storage_class == MEDIA_STORAGE_DIRECTORY:
        return None
    elements = part10.elements
    signed = False
    if (representation := elements.get(PIXEL_REPRESENTATION)) is not None:
        signed = decode("US", representation.value, True, ()) == 1
    encodings: tuple[str, ...] = (LATIN_1,)
    if (declared := elements.get(SPECIFIC_CHARACTER_SET)) is not None:
        encodings = encodings_of(_texts(decode("CS", declared.value, True, ())))
    attributes: dict[str, Value] = {}
    for name, tag in request.tags:
        if (element := elements.get(tag)) is not None:
            vr = value_representation(element.vr, tag, signed)
            if vr in ("SQ", "UN"):
                return None
            attributes[name] = decode(vr, element.value, True, encodings)
    stamp = Stamp(status.st_size, status.st_mtime_ns)
    return Header(path, part10.transfer_syntax, attributes, part10.pixels, stamp)


def _by_pydicom(path: Path, request: _Request) -> Header:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what matters of it comes back as an error of ours
        # where the block of a private creator lies is known only once the creators are read: then read all
        dataset = _read_dataset(path, None if request.private else [Tag(tag) for tag in request.read])
        meta = getattr(dataset, "file_meta", None)
        if meta is not None and meta.get("MediaStorageSOPClassUID") == MEDIA_STORAGE_DIRECTORY:
            raise InputError("a DICOMDIR, which lists files and holds no image")
        wanted = [(name, Tag(tag)) for name, tag in request.tags]
        wanted += [(n, tag) for n in request.private if (tag := _private_tag(dataset, n)) is not None]
        encodings = encodings_of(_texts(_known(dataset, Tag(SPECIFIC_CHARACTER_SET), (LATIN_1,))))
        attributes = {name: _element_value(dataset, tag, encodings) for name, tag in wanted if tag in dataset}
        syntax = None if meta is None else meta.get("TransferSyntaxUID")
    return Header(path, None if syntax is None else str(syntax), attributes)


def _texts(value: Value) -> tuple[str, ...]:
    values = value if isinstance(value, tuple) else (value,)
    return tuple("" if item is None else str(item) for item in values)


def _known(dataset: pydicom.Dataset, tag: BaseTag, encodings: tuple[str, ...]) -> Value:
    return _element_value(dataset, tag, encodings) if tag in dataset else None


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


def _element_value(dataset: pydicom.Dataset, tag: BaseTag, encodings: tuple[str, ...]) -> Value:
    # raw, not as pydicom would decode it; its stub forgets the raw ones
    element = cast("DataElement | RawDataElement", dataset.get_item(tag, keep_deferred=True))
    if isinstance(element, RawDataElement):
        signed = tag != PIXEL_REPRESENTATION and _known(dataset, Tag(PIXEL_REPRESENTATION), ()) == 1
        vr = value_representation(element.VR, int(tag), signed)
        if vr not in ("SQ", "UN"):
            return decode(vr, element.value or b"", element.is_little_endian, encodings)
    try:
        return plain_value(dataset[tag])
    except PYDICOM_FAILURES:
        return "<unreadable>"  # present, but nobody can say what it is; whoever needs it gets a HeaderError
