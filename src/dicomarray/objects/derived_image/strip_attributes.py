"""What does not survive into a derived image: whatever describes the old pixels, or vouches for them.

Private elements go too, but for those that are to be kept, and the headers of mosaics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_dict
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from dicomarray.dicom.private_blocks import blocks_of, tags_in_block
from dicomarray.dicom.pydicom_fallback import creator_in
from dicomarray.dicom.siemens_csa import MAGIC
from dicomarray.errors import TemplateError
from dicomarray.objects.common.header_faults import is_sequence
from dicomarray.objects.common.headers import drop
from dicomarray.objects.common.options import WriteOptions, private_block
from dicomarray.storage.references import Reference

# Dropped at every depth, beside private elements and overlays.
_NOWHERE = {
    Tag(keyword_dict[keyword])
    for keyword in (
        "IconImageSequence", "DigitalSignaturesSequence", "MACParametersSequence",
        "EncryptedAttributesSequence", "DataSetTrailingPadding",
    )
}  # fmt: skip
# Dropped from the image itself.
_TOP_LEVEL = (
    # they belong to the old instance, its encoding and its work list entry
    "InstanceCreatorUID", "ReferencedPerformedProcedureStepSequence", "StorageMediaFileSetUID",
    "StorageMediaFileSetID", "SOPInstanceStatus", "SOPAuthorizationDateTime", "SOPAuthorizationComment",
    "AuthorizationEquipmentCertificationNumber", "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
    "EncapsulatedPixelDataValueTotalLength", "ConcatenationUID", "InConcatenationNumber",
    "InConcatenationTotalNumber", "ConcatenationFrameOffsetNumber", "SOPInstanceUIDOfConcatenationSource",
    # they describe the old values
    "SmallestPixelValueInSeries", "LargestPixelValueInSeries", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "DerivationCodeSequence", "VOILUTSequence",
    "FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit", "DoubleFloatPixelPaddingValue",
    "DoubleFloatPixelPaddingRangeLimit",
)  # fmt: skip
_OVERLAYS = range(0x6000, 0x6020)
_TEXT_VRS = frozenset(("AE", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT"))
# How the numbers of a VR are made of text; others are left as they are.
_NUMBERS_OF_TEXT: dict[str, Callable[[str], Any]] = {
    "DS": str, "IS": str, "US": int, "SS": int, "UL": int, "SL": int, "FL": float, "FD": float
}  # fmt: skip
# Bytes a word of the binary types, which pydicom hands through as they are in the file.
_WORDS = {"OW": 2, "OL": 4, "OF": 4, "OV": 8, "OD": 8}


# What alone tells the slices of a mosaic apart: of Siemens how many there are, their direction, when each was
# acquired; of UIH the place of each.  They describe the acquisition, and no pixel values.
_MOSAIC_BLOCKS = (
    "(0019,SIEMENS MR HEADER)",
    "(0029,SIEMENS CSA HEADER)",
    "(0051,SIEMENS MR HEADER)",
    "(0065,Image Private Header)",
)


def strip(header: Dataset, keep: Sequence[str] = (), inside: Mapping[int, Set[int]] | None = None) -> None:
    """Drop, in place, what must not stand in a derived image.  Elements that stay are not even parsed.

    ``keep`` are private elements that stay as they are at the top level, with all that a private sequence
    among them holds; the items of other sequences lose theirs, but for those ``inside``, by the item's id.
    """
    drop(header, _TOP_LEVEL)
    _strip_everywhere(header, {**(inside or {}), id(header): set(kept_tags(header, keep))})


def kept_tags(header: Dataset, keep: Sequence[str]) -> Iterator[BaseTag]:
    """The tags of private elements that stay, their creators' among them (PS3.5 7.8.1)."""
    tags = header.keys()  # iterating over a data set parses its elements
    for number, name, element in map(private_block, keep):
        group = [tag for tag in tags if tag.group == number]
        for creator in blocks_of(name, group, creator_in(header)):
            found = tags_in_block(creator, group)
            if chosen := [tag for tag in found if element in (None, tag.element & 0xFF)]:
                yield Tag(creator)
            yield from chosen


def for_mosaics(options: WriteOptions) -> WriteOptions:
    """The options for a template of mosaics: its private headers stay, and so does the equipment.

    Readers know by Manufacturer whose mosaic it is: without it dcm2niix finds its slices, in other places.
    """
    return replace(options, keep_private=(*options.keep_private, *_MOSAIC_BLOCKS), equipment="keep")


def check_mosaics(header: Dataset, path: Reference) -> None:
    """Raise TemplateError where the CSA header that places a mosaic's slices would not stay.

    Reading finds one that was moved, or whose creator was removed; nobody could who reads what is written.
    """
    kept = set(kept_tags(header, _MOSAIC_BLOCKS))
    private = [tag for tag in header.keys() if tag.is_private]  # noqa: SIM118 - which parses nothing
    values = {tag: getattr(header.get_item(tag, keep_deferred=True), "value", None) for tag in private}
    found = [tag for tag, raw in values.items() if isinstance(raw, bytes) and raw.startswith(MAGIC)]
    if found and kept.isdisjoint(found):
        raise TemplateError(
            f"{path}: the Siemens CSA header stands in ({found[0].group:04X},{found[0].element:04X}) without "
            "its creator's name (SIEMENS CSA HEADER, group 0029), so that what is written from it could not "
            "be read as a mosaic; use a copy with untouched private elements as template"
        )


def _strip_everywhere(data_set: Dataset, keep: Mapping[int, Set[int]]) -> None:
    kept = keep.get(id(data_set), ())
    for tag in list(data_set.keys()):
        if tag in kept:
            continue
        if tag.is_private or tag.group in _OVERLAYS or tag in _NOWHERE or tag.group < 0x0008:
            del data_set[tag]
        elif is_sequence(tag, data_set.get_item(tag).VR):
            for item in data_set[tag].value or ():
                _strip_everywhere(item, keep)
        elif data_set.get_item(tag).VR in _TEXT_VRS:
            _relabel(data_set, tag)


def _relabel(data_set: Dataset, tag: BaseTag) -> None:
    """The standard's VR in place of one of text, for numbers; they are read as such (PS3.6)."""
    make = _NUMBERS_OF_TEXT.get(dictionary_VR(tag)) if dictionary_has_tag(tag) else None
    if make is None:
        return
    value = data_set[tag].value
    parts = [value] if isinstance(value, str) else list(value or ())
    words = [part.strip(" \0") for text in parts for part in str(text).split("\\")]
    with suppress(ValueError):  # what is no number stays the text that it is
        data_set[tag] = DataElement(tag, dictionary_VR(tag), [make(word) for word in words])


def swap_words(data_set: Dataset) -> None:
    """Big-endian binary words to little-endian ones, in place, at every depth (PS3.5 7.3)."""
    for element in data_set:
        if element.VR == "SQ":
            for item in element.value or ():
                swap_words(item)
        elif element.VR in _WORDS and isinstance(element.value, bytes):
            element.value = _swapped(element.value, _WORDS[element.VR])


def _swapped(value: bytes, size: int) -> bytes:
    whole = len(value) - len(value) % size
    return np.frombuffer(value[:whole], f"u{size}").byteswap().tobytes() + value[whole:]
