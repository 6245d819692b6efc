"""The data dictionary (PS3.6) that pydicom has, without the rest of pydicom.

To import pydicom takes longer than to read the headers of a thousand files: it loads whatever decodes pixels.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

# VR, VM, name, "Retired" and keyword, as pydicom has them.
Entry = tuple[str, str, str, str, str]
_VR, _RETIRED, _KEYWORD = 0, 3, 4
# What pydicom's dictionary of private elements lacks: creator, group, last two digits of the element.  Files
# of Implicit VR do not say it; those of Explicit VR by the same scanners do.
_PRIVATE = {("Image Private Header", 0x0065, 0x09): "FD", ("Image Private Header", 0x0065, 0x37): "FD"}
_MODULE, _FILE = "pydicom._dicom_dict", "_dicom_dict.py"


@lru_cache(maxsize=1)
def _dictionaries() -> ModuleType:
    """pydicom's module with the entries by tag, and those of repeating groups by tags such as "60xx3000"."""
    package = None if _MODULE in sys.modules else find_spec("pydicom")
    file = Path(str(package and package.origin)).with_name(_FILE)
    spec = spec_from_file_location("dicom_dictionary", file) if file.is_file() else None
    if spec is None or spec.loader is None:  # pydicom is loaded, or lies in an archive, or has it elsewhere
        return importlib.import_module("pydicom.datadict")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@lru_cache(maxsize=1)
def _entries() -> Mapping[int, Entry]:
    """By tag."""
    entries: Mapping[int, Entry] = _dictionaries().DicomDictionary
    return entries


@lru_cache(maxsize=1)
def keywords() -> Mapping[str, int]:
    """The tag of each keyword."""
    return {entry[_KEYWORD]: tag for tag, entry in _entries().items() if entry[_KEYWORD]}


def tag_for_keyword(keyword: str) -> int | None:
    """The tag of a keyword; None for an unknown one."""
    return keywords().get(keyword)


def keyword_for_tag(tag: int) -> str:
    """The keyword of a tag; empty for an unknown one."""
    entry = _entry(tag)
    return "" if entry is None else entry[_KEYWORD]


def vr_for_tag(tag: int) -> str:
    """The VR of a tag, or the choice that there is, such as "US or SS"; KeyError for an unknown tag."""
    entry = _entry(tag)
    if entry is None:
        raise KeyError(tag)
    return entry[_VR]


def is_retired(tag: int) -> bool:
    """Whether the standard has given up the attribute; KeyError for an unknown tag."""
    entry = _entry(tag)
    if entry is None:
        raise KeyError(tag)
    return "Retired" in entry[_RETIRED]


def added_private_vr(tag: int, creator: str) -> str | None:
    """The VR of a private element that pydicom does not know."""
    return _PRIVATE.get((creator, tag >> 16, tag & 0xFF))


def private_vr(tag: int, creator: str) -> str | None:
    """The VR of a private element, by who has reserved its block (PS3.5 7.8.1); None where nobody says it."""
    if (known := added_private_vr(tag, creator)) is not None:
        return known
    from pydicom.datadict import private_dictionary_VR

    try:
        return private_dictionary_VR(tag, creator)
    except KeyError:
        return None


def _entry(tag: int) -> Entry | None:
    """What the dictionary says of a tag; nothing of private ones (PS3.5 7.8)."""
    entry = _entries().get(tag)
    if entry is not None or tag >> 16 & 1:
        return entry
    return _repeating(tag)


@lru_cache(maxsize=1024)
def _repeating(tag: int) -> Entry | None:
    """Of a tag in a repeating group, such as (60xx,3000); None for one that the standard does not have."""
    written = f"{tag:08x}"
    repeating: Mapping[str, Entry] = _dictionaries().RepeatersDictionary
    for pattern, entry in repeating.items():
        if all(digit in (other, "x") for digit, other in zip(pattern.lower(), written, strict=True)):
            return entry
    return None
