"""The Image Pixel module: what a file says about its pixel data, checked before any of it is touched.

PS3.3 C.7.6.3.  Everything that reads pixel data relies on the checks made here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dicomarray.core.pixel_values import StoredType
from dicomarray.dicom.transfer_syntaxes import BIG_ENDIAN, EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN
from dicomarray.dicom.vr import LATIN_1
from dicomarray.errors import HeaderError, PixelError, quoted
from dicomarray.runtime.pydicom_warnings import pydicom_quiet

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA = "PixelData", "FloatPixelData", "DoubleFloatPixelData"
PIXEL_KEYWORDS = (PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA)
FLOAT_BITS = {FLOAT_PIXEL_DATA: 32, DOUBLE_FLOAT_PIXEL_DATA: 64}

# PS3.3 C.7.6.3.1.2, without what is retired (ARGB, CMYK, HSV, YBR_PARTIAL_422) or belongs to video.
PHOTOMETRIC_SAMPLES = {
    "MONOCHROME1": 1,
    "MONOCHROME2": 1,
    "PALETTE COLOR": 1,
    "RGB": 3,
    "YBR_FULL": 3,
    "YBR_FULL_422": 3,
    "YBR_RCT": 3,
    "YBR_ICT": 3,
}
# What `PixelDescription.from_values` asks for.
KEYWORDS = (
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows",
    "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
)  # fmt: skip
INTEGER_BITS_ALLOCATED = (1, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class PixelDescription:
    """The pixel data of one file, as its header describes it (PS3.3 C.7.6.3).

    Attributes
    ----------
    rows, columns, samples, frames
        Counts, all positive; ``samples`` is 1 or 3.
    photometric
        Photometric Interpretation as stored: ``"MONOCHROME2"``, ``"YBR_FULL_422"``, ...
    planar
        True where native colour is stored plane after plane (Planar Configuration 1).
    stored
        What a stored value can be.
    high_bit
        Position of the most significant stored bit in the allocated word.
    transfer_syntax
        The UID as text.
    path
        Names the file in messages; nothing is read from it here.
    """

    rows: int
    columns: int
    samples: int
    frames: int
    photometric: str
    planar: bool
    stored: StoredType
    high_bit: int
    transfer_syntax: str
    path: str

    @classmethod
    def from_dataset(
        cls, dataset: Dataset, path: str | PathLike[str], keyword: str | None = None
    ) -> PixelDescription:
        """Read and check the description in ``dataset``; its pixel data may have been left out.

        ``keyword`` then tells which of the three pixel data elements the file has (PixelData without).

        Raises
        ------
        HeaderError
            Where an attribute is missing, unreadable or breaks PS3.3 C.7.6.3; the message names it.
        """
        from pydicom.tag import Tag

        from dicomarray.dicom.pydicom_fallback import element_value

        def get(keyword: str) -> Any:
            return element_value(dataset, Tag(keyword), (LATIN_1,))

        with pydicom_quiet:
            header = _Header(get, str(path))
            return cls._checked(header, keyword or pixel_keyword(dataset), _transfer_syntax(dataset, path))

    @classmethod
    def from_values(
        cls, values: Mapping[str, Any], transfer_syntax: str, path: str, keyword: str
    ) -> PixelDescription:
        """The same of plain values by keyword (`KEYWORDS`), in a file of a known transfer syntax."""
        return cls._checked(_Header(values.get, path), keyword, transfer_syntax)

    @classmethod
    def _checked(cls, header: _Header, keyword: str | None, transfer_syntax: str) -> PixelDescription:
        samples = header.number("SamplesPerPixel", 1)
        photometric = _photometric(header, samples)
        stored, high_bit = _stored_type(header, keyword)
        if stored.bits_allocated == 1 and samples != 1:
            raise header.broken("BitsAllocated", 1, "packed bits are for one sample a pixel (PS3.5 8.1.1)")
        return cls(
            rows=header.number("Rows", 1),
            columns=header.number("Columns", 1),
            samples=samples,
            frames=header.number("NumberOfFrames", 1, missing=1),
            photometric=photometric,
            planar=samples > 1 and header.number("PlanarConfiguration", 0, 1, missing=0) == 1,
            stored=stored,
            high_bit=high_bit,
            transfer_syntax=transfer_syntax,
            path=header.path,
        )

    @property
    def array_dtype(self) -> np.dtype[Any]:
        """The type of the stored values that are read, native byte order."""
        return self.stored.dtype

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """``(rows, columns)``, or ``(rows, columns, 3)`` for colour."""
        plane = (self.rows, self.columns)
        return plane if self.samples == 1 else (*plane, self.samples)

    @property
    def frame_bytes(self) -> int:
        """What the stored values of one frame take in an array."""
        return self.rows * self.columns * self.samples * self.array_dtype.itemsize

    @property
    def low_bit(self) -> int:
        """Position of the least significant stored bit in the allocated word."""
        return self.high_bit + 1 - self.stored.bits_stored

    def error(self, fault: str, frame: int | None = None) -> PixelError:
        """The error for pixel data that is not what this description says, ready to be raised."""
        place = self.path if frame is None else f"{self.path}, frame {frame}"
        return PixelError(f"{place}: {fault}")


def pixel_keyword(dataset: Dataset) -> str | None:
    """Which of the three pixel data elements the data set holds, if any."""
    return next((keyword for keyword in PIXEL_KEYWORDS if keyword in dataset), None)


class _Header(NamedTuple):
    """Attributes of one file, each checked as it is taken."""

    get: Callable[[str], Any]
    path: str

    def value(self, keyword: str) -> Any:
        """The attribute's value; None where it is absent or empty."""
        found = self.get(keyword)
        return None if found in (None, "") else found

    def number(
        self, keyword: str, least: int, greatest: int | None = None, missing: int | None = None
    ) -> int:
        """An integer within its limits; ``missing`` where the standard lets the attribute be absent."""
        found = self.value(keyword)
        if found is None:
            if missing is None:
                raise self.missing(keyword)
            return missing
        try:
            number = int(found)
        except (TypeError, ValueError, OverflowError) as error:
            raise self.broken(keyword, found, "it must be one whole number (PS3.3 C.7.6.3)") from error
        if number < least or (greatest is not None and number > greatest):
            limits = f"at least {least}" if greatest is None else f"{least} to {greatest}"
            raise self.broken(keyword, found, f"it must be {limits} (PS3.3 C.7.6.3)")
        return number

    def missing(self, keyword: str) -> HeaderError:
        return HeaderError(f"{self.path}: {keyword} is missing (PS3.3 C.7.6.3); repair the file")

    def broken(self, keyword: str, found: Any, rule: str) -> HeaderError:
        return HeaderError(
            f"{self.path}: {keyword} is {quoted(found)}, but {rule}; repair or leave out the file"
        )


def _photometric(header: _Header, samples: int) -> str:
    """Photometric Interpretation, one that is read, with the number of samples that belongs to it."""
    photometric = str(header.value("PhotometricInterpretation") or "").strip()
    if not photometric:
        raise header.missing("PhotometricInterpretation")
    if photometric not in PHOTOMETRIC_SAMPLES:
        known = ", ".join(PHOTOMETRIC_SAMPLES)
        raise header.broken("PhotometricInterpretation", photometric, f"what is read is {known}")
    expected = PHOTOMETRIC_SAMPLES[photometric]
    if samples != expected:
        rule = f"{photometric} has {expected} (PS3.3 C.7.6.3.1.2)"
        raise header.broken("SamplesPerPixel", samples, rule)
    return photometric


def _stored_type(header: _Header, keyword: str | None) -> tuple[StoredType, int]:
    """What a stored value can be, and High Bit."""
    allocated = header.number("BitsAllocated", 1)
    floating = FLOAT_BITS.get(keyword or PIXEL_DATA)
    if floating:
        return _floating_type(allocated, floating, header.path)
    if allocated not in INTEGER_BITS_ALLOCATED:
        raise header.broken("BitsAllocated", allocated, "integers of 1, 8, 16 and 32 bits are read")
    bits = header.number("BitsStored", 1, allocated)
    high_bit = header.number("HighBit", bits - 1, allocated - 1)
    signed = header.number("PixelRepresentation", 0, 1) == 1
    if signed and bits == 1:
        raise header.broken("PixelRepresentation", 1, "a single bit has no sign")
    return StoredType(allocated, bits, signed), high_bit


def _floating_type(allocated: int, expected: int, path: str) -> tuple[StoredType, int]:
    """The stored type of floating point pixel data, and High Bit (PS3.3 C.7.6.24, C.7.6.25)."""
    if allocated != expected:
        raise HeaderError(
            f"{path}: BitsAllocated is {allocated}, but its floating point pixel data has {expected} "
            "(PS3.3 C.7.6.24, C.7.6.25); repair or leave out the file"
        )
    return StoredType(expected, expected, signed=True, floating=True), expected - 1


def _transfer_syntax(dataset: Dataset, path: str | PathLike[str]) -> str:
    """The transfer syntax; where the file has no meta group, the one that its encoding shows (PS3.5 10.1)."""
    meta = getattr(dataset, "file_meta", None)
    stated = None if meta is None else meta.get("TransferSyntaxUID")
    if isinstance(stated, str) and stated:
        return str(stated)
    implicit, little_endian = dataset.original_encoding
    if implicit is None or little_endian is None:
        raise HeaderError(f"{path}: TransferSyntaxUID is missing (PS3.10 7.1); set it in file_meta")
    if implicit:
        return IMPLICIT_LITTLE_ENDIAN
    return EXPLICIT_LITTLE_ENDIAN if little_endian else BIG_ENDIAN
