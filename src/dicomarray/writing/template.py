"""The template series: what an array must fit, read from the headers of its files, and checked."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from dicomarray.errors import TemplateError
from dicomarray.values import Rescale, StoredType
from dicomarray.writing.classes import ImageClass, RescalePlace, image_class

# What pydicom raises on damaged files.
UNREADABLE = (
    OSError, EOFError, InvalidDicomError, ValueError, TypeError, KeyError, IndexError, AttributeError,
    NotImplementedError, struct.error, zlib.error,
)  # fmt: skip

# What must be the same in all files, since the array has one shape and one kind of value.
_SAME = (
    "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID", "Rows", "Columns", "PhotometricInterpretation",
)  # fmt: skip
_READ = (
    *_SAME, "BitsAllocated", "BitsStored", "PixelRepresentation", "SOPInstanceUID", "SamplesPerPixel",
    "NumberOfFrames", "ImageType", "InstanceNumber", "RescaleSlope", "RescaleIntercept",
    "SeriesNumber", "SeriesDescription", "SpecificCharacterSet", "TimezoneOffsetFromUTC",
)  # fmt: skip
# Real World Value First and Last Value Mapped are US or SS.
_MAPPED_BITS = 16


@dataclass(frozen=True, eq=False)
class Template:
    """A classic series: one image a file.

    Attributes
    ----------
    files
        In slice order.
    headers
        The few attributes that decide, one data set a file; the whole header is read again when written.
    shape
        (slices, rows, columns) that an array must have.
    stored
        What a stored value can be, one a slice.
    rescales
        Rescale Slope and Intercept, one a slice; 1 and 0 where there are none.
    """

    files: tuple[Path, ...]
    headers: tuple[Dataset, ...]
    kind: ImageClass
    stored: tuple[StoredType, ...]
    shape: tuple[int, int, int]
    rescales: tuple[Rescale, ...]


def read_template(files: Sequence[Path]) -> Template:
    """Read and check the headers of a template series.

    Raises
    ------
    TemplateError
        Where a file is no image that an array can be written to, or the files are not of one kind.
    """
    if not files:
        raise TemplateError("the template has no files; name a folder with a series of DICOM images")
    headers = tuple(_summary(path) for path in files)
    first = headers[0]
    kind = _checked_class(first, files[0])
    for header, path in zip(headers, files, strict=True):
        _check_same(header, first, path, files[0])
    _check_monochrome(first, files[0])
    rows, columns = _integer(first, "Rows", files[0]), _integer(first, "Columns", files[0])
    return Template(
        files=tuple(files),
        headers=headers,
        kind=kind,
        stored=tuple(_stored_type(h, path, kind) for h, path in zip(headers, files, strict=True)),
        shape=(len(files), rows, columns),
        rescales=tuple(_rescale(h, path) for h, path in zip(headers, files, strict=True)),
    )


def read_header(path: Path) -> FileDataset:
    """The whole header of one file, without pixels.

    Raises
    ------
    TemplateError
        Where it cannot be read.
    """
    try:
        return dcmread(path, stop_before_pixels=True, force=True)
    except UNREADABLE as error:
        raise TemplateError(f"{path}: cannot be read as DICOM: {reason(error)}") from error


def reason(error: Exception) -> str:
    """Why, without a value that pydicom may have put into its message: it could be a birth date."""
    return error.strerror or "" if isinstance(error, OSError) else type(error).__name__


def text(header: Dataset, keyword: str) -> str:
    """An attribute as text without padding; empty where it is absent or empty."""
    value = header.get(keyword)
    return "" if value is None else str(value).strip()


def values(header: Dataset, keyword: str) -> list[Any]:
    """All values of an attribute, empty where it is absent or empty."""
    value = header.get(keyword)
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str | bytes) or not hasattr(value, "__iter__") else list(value)


def _summary(path: Path) -> Dataset:
    try:
        read = dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(_READ))
        summary = Dataset()
        for keyword in _READ:
            if keyword in read:
                summary[keyword] = read[keyword]
        summary.file_meta = read.file_meta
    except UNREADABLE as error:
        raise TemplateError(f"{path}: cannot be read as DICOM: {reason(error)}") from error
    return summary


def _checked_class(header: Dataset, path: Path) -> ImageClass:
    uid = text(header, "SOPClassUID")
    kind = image_class(uid, UID(uid).name if UID(uid).is_valid and UID(uid).name != uid else "", str(path))
    if "MOSAIC" in values(header, "ImageType"):
        raise TemplateError(
            f"{path}: ImageType says MOSAIC: many slices are tiled into one image; such templates cannot be "
            "written yet. Use a series with one slice a file as template"
        )
    return kind


def _check_same(header: Dataset, first: Dataset, path: Path, first_path: Path) -> None:
    for keyword in _SAME:
        if text(header, keyword) != text(first, keyword):
            shown = "differs from" if keyword.endswith("UID") else f"is {header.get(keyword)!r}, but"
            other = "that" if keyword.endswith("UID") else f"{first.get(keyword)!r}"
            raise TemplateError(
                f"{path}: {keyword} {shown} {other} in {first_path}; a template is one series of images "
                "of one size and kind"
            )
    if not text(header, "SOPInstanceUID"):
        raise TemplateError(f"{path}: SOPInstanceUID is missing; a derived image must name its source")
    if values(header, "NumberOfFrames") and _integer(header, "NumberOfFrames", path) != 1:
        raise TemplateError(
            f"{path}: NumberOfFrames is {header.NumberOfFrames}; multi-frame templates cannot be written "
            "yet. Use a series of single-frame images as template"
        )


def _check_monochrome(header: Dataset, path: Path) -> None:
    photometric = text(header, "PhotometricInterpretation")
    samples = values(header, "SamplesPerPixel") and _integer(header, "SamplesPerPixel", path)
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or samples not in (1, []):
        raise TemplateError(
            f"{path}: PhotometricInterpretation is {photometric or 'missing'}, SamplesPerPixel {samples}; "
            "only monochrome templates can be written yet"
        )


def _stored_type(header: Dataset, path: Path, kind: ImageClass) -> StoredType:
    allocated, stored = (_integer(header, keyword, path) for keyword in ("BitsAllocated", "BitsStored"))
    signed = _integer(header, "PixelRepresentation", path)
    if allocated not in (8, 16, 32) or not 1 <= stored <= allocated or signed not in (0, 1):
        raise TemplateError(
            f"{path}: BitsAllocated {allocated}, BitsStored {stored}, PixelRepresentation {signed}: values "
            "can be written with 8, 16 or 32 bits allocated, 1 to that many stored, and representation 0 or 1"
        )
    if stored < 2 and signed:
        raise TemplateError(f"{path}: BitsStored is 1 with signed values; that leaves no bit for the value")
    if kind.place is not RescalePlace.RESCALE and stored > _MAPPED_BITS:
        raise TemplateError(
            f"{path}: BitsStored is {stored}; images of {kind.name} hold at most {_MAPPED_BITS}"
        )
    return StoredType(allocated, stored, bool(signed))


def _rescale(header: Dataset, path: Path) -> Rescale:
    numbers = []
    for keyword, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0)):
        found = values(header, keyword)
        try:
            numbers.append(float(found[0]) if found else default)
        except (TypeError, ValueError) as error:
            raise TemplateError(f"{path}: {keyword} {found[0]!r} is no number") from error
    return Rescale(*numbers)


def _integer(header: Dataset, keyword: str, path: Path) -> int:
    found = values(header, keyword)
    try:
        number = int(found[0])
    except (IndexError, TypeError, ValueError) as error:
        raise TemplateError(
            f"{path}: {keyword} is {found or 'missing'}; it must be one whole number"
        ) from error
    return number
