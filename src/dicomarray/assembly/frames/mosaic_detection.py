"""Which images are mosaics: pictures that hold all slices of a volume, tiled; see `mosaics`."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from contextlib import suppress

from dicomarray.dicom.headers.attributes import shared_by
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.headers.private_bytes import PrivateElements, finite_numbers
from dicomarray.dicom.private_blocks import PrivateElement
from dicomarray.dicom.siemens_csa import parse_csa
from dicomarray.errors import HeaderError

# Words of Image Type.
SIEMENS_MOSAIC, UIH_GRID = "MOSAIC", "VFRAME"
# Enhanced MR objects have a frame for each slice, also where the scanner left the word MOSAIC in them.
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4."
# Where a Siemens image without the word is this wide or high, mm, its file is asked: an archive may have
# rewritten Image Type.  Heads and joints are smaller, so that most series cost nothing; mosaics are larger.
IMPLAUSIBLE_MM = 300.0
# Where its tiles would be smaller than this, mm, the number of slices is left over from a mosaic that the
# image, a large slice, was once cut from.
MIN_TILE_MM = 90.0

_SIEMENS = "SIEMENS"
# Where Siemens writes the number of tiles: in an element of its own, and in the CSA header of the image.
MOSAIC_COUNT = PrivateElement(0x0019, "SIEMENS MR HEADER", 0x0A, "US")
CSA_IMAGE = PrivateElement(0x0029, "SIEMENS CSA HEADER", 0x10, "OB")
_MOSAIC_GROUPS = frozenset((MOSAIC_COUNT.group, CSA_IMAGE.group))

# What `is_mosaic` asks of a header, and of which series it is.
_ASKED = dict.fromkeys((
    "SeriesInstanceUID", "Modality", "NumberOfFrames", "SOPClassUID", "ImageType", "Manufacturer",
    "PixelSpacing", "Rows", "Columns",
))  # fmt: skip
# What images tell of others in their series.
KnownMosaics = dict[Hashable, bool]


def is_mosaic(header: Header, known: KnownMosaics | None = None) -> bool:
    """Whether the file's one image is made of several slices: by Image Type, or by what Siemens says.

    Without the word MOSAIC a large Siemens image is looked up in its file.  Where the same ``known`` is given
    for images of a series, those that agree in what is asked of their headers have one answer.
    """
    if header.attributes.get("Modality") != "MR":
        return False
    if known is None:
        return _is_mosaic(header)
    shared = shared_by(header.attributes, _ASKED.keys())
    if shared is not None and shared in known:
        return known[shared]
    stated = tuple(map(header.text, _ASKED))  # of files that agree in it, but share nothing in memory
    if stated not in known:
        known[stated] = _is_mosaic(header)
    if shared is not None:
        known[shared] = known[stated]
    return known[stated]


def _is_mosaic(header: Header) -> bool:
    if header.attributes.get("NumberOfFrames") not in (None, 1):
        return False
    if (header.text("SOPClassUID") or "").startswith(ENHANCED_MR):
        return False
    words = (header.text("ImageType") or "").upper().split("\\")
    if SIEMENS_MOSAIC in words or UIH_GRID in words:
        return True
    # also where the manufacturer is unknown: de-identification may remove it
    if _SIEMENS not in (header.text("Manufacturer") or _SIEMENS).upper():
        return False
    extent = _extent(header)
    if extent <= IMPLAUSIBLE_MM:
        return False
    count = _slice_count(_private_elements(header))
    return count > 1 and extent / math.ceil(math.sqrt(count)) >= MIN_TILE_MM


def _extent(header: Header) -> float:
    """The greater of width and height, mm; 0 where it is unknown."""
    try:
        spacing = header.numbers("PixelSpacing", 2) or (0.0, 0.0)
        rows, columns = header.number("Rows") or 0.0, header.number("Columns") or 0.0
    except HeaderError:  # what makes a frame of it says so
        return 0.0
    return max(spacing[0] * rows, spacing[1] * columns)


def _private_elements(header: Header) -> PrivateElements:
    """Those of the groups in which Siemens tells of a mosaic and of diffusion."""
    return PrivateElements.readable(header, lambda tag: tag >> 16 in _MOSAIC_GROUPS)


def csa_headers(header: Header) -> Iterator[Mapping[str, tuple[str, ...]]]:
    """The CSA headers of an image, without those that cannot be read."""
    return csa_headers_in(_private_elements(header))


def csa_headers_in(private: PrivateElements) -> Iterator[Mapping[str, tuple[str, ...]]]:
    """The CSA headers among private elements."""
    for tag, raw in private.values():
        if raw and CSA_IMAGE.may_be(tag):
            with suppress(HeaderError):
                yield parse_csa(raw)


def _slice_count(private: PrivateElements) -> int:
    """How many slices are tiled in an image as Siemens' private elements tell; else 0."""
    if raw := private.bytes_of(MOSAIC_COUNT):
        return int.from_bytes(raw, "little")
    stated = (finite_numbers(csa.get("NumberOfImagesInMosaic", ()), 1) for csa in csa_headers_in(private))
    return next((int(numbers[0]) for numbers in stated if numbers and numbers[0]), 0)
