"""Whether a file is DICOM, by its first bytes."""

from __future__ import annotations

from typing import Literal

from dicomarray.dicom.dictionary import vr_for_tag
from dicomarray.dicom.part10 import PREAMBLE
from dicomarray.errors import InputError
from dicomarray.storage.plain_files import open_header
from dicomarray.storage.references import Reference

# What `looks_like_dicom` needs: preamble, "DICM" and the first element with a short value.
FIRST_BYTES = PREAMBLE + 4 + 128
# A data set without preamble begins with the file meta group or with group 0008, its first elements.
_FILE_META_GROUP, _IDENTIFYING_GROUP = 0x0002, 0x0008
_LAST_FIRST_ELEMENT = {_FILE_META_GROUP: 0x0010, _IDENTIFYING_GROUP: 0x0060}
# None of these elements is longer in files that mean them; a random length field hardly ever is so small.
_MAX_FIRST_VALUE_LENGTH = 1024
_MAX_FIRST_SEQUENCE_LENGTH = 1 << 16
_LONG_FORM_VRS = ("OB", "SQ", "UN")  # those with a 32-bit length that occur here, PS3.5 7.1.2
_SIZES = {"UL": 4, "US": 2}
# VRs of the default character repertoire: printable ASCII, padded with a space or a zero (PS3.5 6.2).
_ASCII_VRS = ("AE", "CS", "DA", "DT", "TM", "UI")
_ASCII = frozenset((0, *range(0x20, 0x7F)))
_ZEROS = "not DICOM: it begins with zeros, as an interrupted copy does"
# Text that Git LFS and git-annex have in place of a file, and what is to be done.
_POINTERS = b"version https://git-lfs.", b"/annex/objects/"
_NOT_FETCHED = "not DICOM: it stands for a file that was not fetched (git lfs pull, git annex get)"


MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"


class NoImageError(InputError):
    """A file that surely is no image; any other that cannot be read may be one that is lost."""


def require_dicom(path: Reference) -> None:
    """Raise InputError where a file cannot be DICOM, without its path; NoImageError where it never was."""
    with open_header(path) as stream:
        start = stream.read(FIRST_BYTES)
    if not start:
        raise InputError("an empty file")
    if looks_like_dicom(start):
        return
    if (lost := why_lost(start)) is not None:
        raise InputError(lost)
    raise NoImageError("not DICOM")


def refuse_directory(storage_class: object) -> None:
    """Raise NoImageError for the Media Storage SOP Class UID of a DICOMDIR."""
    if storage_class == MEDIA_STORAGE_DIRECTORY:
        raise NoImageError("a DICOMDIR, which lists files and holds no image")


def why_lost(start: bytes) -> str | None:
    """Why a file may have been an image that begins so, and not as DICOM does; None where nothing says so.

    Where DICOM begins there is nothing: a copy that was interrupted, or a disk that was full; or a pointer.
    """
    if start.startswith(_POINTERS):
        return _NOT_FETCHED
    return _ZEROS if not any(start) or start[PREAMBLE : PREAMBLE + 4] == b"DICM" else None


def looks_like_dicom(start: bytes) -> bool:
    """Whether a file with these first bytes (`FIRST_BYTES` of them, where it has so many) can be DICOM.

    That is a preamble and "DICM" (PS3.10 7.1), or a bare data set that begins with file meta information
    or with an element of group 0008, in implicit or explicit VR, in little or (explicit VR) big endian.
    The elements that are there must be plausible, so that other binary files are not taken for DICOM.
    """
    if start[PREAMBLE : PREAMBLE + 4] == b"DICM":
        rest = start[PREAMBLE + 4 :]
        return len(rest) < 8 or rest[:4] != bytes(4)  # zeros are what an interrupted copy leaves behind
    return _is_first_element(start, "little") or _is_first_element(start, "big")


def _is_first_element(start: bytes, order: Literal["little", "big"]) -> bool:
    """Whether a data set can begin so: PS3.5 7.1, PS3.6."""
    if len(start) < 8:
        return False
    group, element = int.from_bytes(start[:2], order), int.from_bytes(start[2:4], order)
    if element > _LAST_FIRST_ELEMENT.get(group, -1):
        return False
    try:
        vr = vr_for_tag(group << 16 | element) if element else "UL"  # a group length (PS3.5 7.2)
    except KeyError:
        return False
    explicit = start[4:6] in (vr.encode(), b"UN")
    if order == "big" and (not explicit or group == _FILE_META_GROUP):
        return False  # there is no implicit VR big endian, and file meta information is little endian
    return _is_plausible_value(start, vr, order, explicit)


def _is_plausible_value(start: bytes, vr: str, order: Literal["little", "big"], explicit: bool) -> bool:
    first, size = 4, 4
    if explicit:
        first, size = (8, 4) if start[4:6].decode() in _LONG_FORM_VRS else (6, 2)
    length = int.from_bytes(start[first : first + size], order)
    if vr == "SQ":
        return length == 0xFFFFFFFF or length <= _MAX_FIRST_SEQUENCE_LENGTH
    if length != _SIZES.get(vr, length) or length > _MAX_FIRST_VALUE_LENGTH:
        return False
    value, following = start[first + size :][:length], start[first + size + length :][:4]
    if vr in _ASCII_VRS and not _ASCII.issuperset(value):
        return False
    return len(following) < 4 or _follows(following, start, order)


def _follows(following: bytes, start: bytes, order: Literal["little", "big"]) -> bool:
    """Tags ascend (PS3.5 7.1), and a group length is followed by an element of its group."""
    group, element = int.from_bytes(start[:2], order), int.from_bytes(start[2:4], order)
    next_group, next_element = int.from_bytes(following[:2], order), int.from_bytes(following[2:], order)
    if next_group == group:
        return next_element > element
    return element != 0 and next_group > group
