"""What makes a template's header unfit to be copied: found before anything of it is changed or written.

pydicom would write such elements as they are, or end in an error that quotes values.
"""

from __future__ import annotations

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from dicomarray.core.nesting import MAX_DEPTH, TOO_DEEP

# Bytes a number of the binary types (PS3.5 6.2); an attribute tag has two numbers of 16 bits.
NUMBER_BYTES = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "UV": 8, "SV": 8, "FL": 4, "FD": 8, "AT": 4}

# How files give the name of who made a private element: as LO, as other text, or without saying how.
_CREATOR_VRS = (None, "LO", "SH", "CS", "ST", "LT", "UT", "UC", "UN", "OB")


def fault_of(header: Dataset, inside: bool = True) -> str | None:
    """Why the elements of a header cannot be copied; None where they can.

    Private sequences of which pydicom has read no item are only bytes.  ``inside``: look into items too; what
    pydicom raises on damaged ones comes out.
    """
    waiting = [(header, 0)]
    while waiting:
        data_set, depth = waiting.pop()
        for tag in list(data_set.keys()):
            element = data_set.get_item(tag)
            if (fault := _fault_of_element(tag, element)) is not None:
                return fault
            if not _has_items(tag, element):
                continue
            if depth >= MAX_DEPTH:
                return f"{tag}: {TOO_DEEP}"
            if inside:
                waiting += [(item, depth + 1) for item in data_set[tag].value or ()]
    return None


def _has_items(tag: BaseTag, element: DataElement | RawDataElement) -> bool:
    unread = isinstance(element, RawDataElement) and tag.is_private
    return not unread and is_sequence(tag, element.VR)


def _fault_of_element(tag: BaseTag, element: DataElement | RawDataElement) -> str | None:
    if tag.is_private_creator and element.VR not in _CREATOR_VRS:
        return f"{tag}, a private creator, has the VR {element.VR} where the standard has LO (PS3.5 7.8.1)"
    if tag.is_private:
        return None  # it is dropped, or stays the bytes that it is
    standard = _standard(tag)
    if standard is not None and element.VR not in (None, "UN") and (element.VR == "SQ") != (standard == "SQ"):
        return f"{tag} has the VR {element.VR} where the standard has {standard} (PS3.6)"
    if not isinstance(element, RawDataElement):
        return None
    length = len(element.value or b"")
    if is_of_whole_numbers(tag, element.VR, length):
        return None
    return f"{tag} has {length} bytes, which are no whole numbers of its VR (PS3.5 6.2)"


def is_of_whole_numbers(tag: BaseTag, declared: str | None, length: int) -> bool:
    """Whether so many bytes are numbers of an element's VR, if that is one of numbers."""
    return length % NUMBER_BYTES.get(_representation(tag, declared), 1) == 0


def is_sequence(tag: BaseTag, declared: str | None) -> bool:
    """Whether an element's VR is that of sequences."""
    return _representation(tag, declared) == "SQ"


def _representation(tag: BaseTag, declared: str | None) -> str:
    """The VR of an element, or where the file has none the standard's: the first, where it has a choice."""
    return (_standard(tag) or "UN")[:2] if declared in (None, "UN") else str(declared)


def _standard(tag: BaseTag) -> str | None:
    """The standard's VR; None where it has none."""
    if tag.is_private:
        return None
    try:
        return dictionary_VR(tag)
    except KeyError:
        return None
