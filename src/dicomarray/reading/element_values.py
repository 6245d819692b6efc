"""The bytes of an element -> a plain Python value.

An odd value costs neither a warning nor the file: a number that is none stays the text it is, and whoever
needs it says so.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from functools import lru_cache
from typing import Any

import numpy as np
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue

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
LATIN_1 = "iso8859"
ESCAPE = b"\x1b"  # begins a change of character set (ISO 2022), in bytes that are all ASCII
LONGEST_LIST = 1024  # binary numbers of one element; what is longer is a table, which others read


@lru_cache(maxsize=4096)
def value_representation(declared: str | None, tag: int, signed: bool) -> str:
    """The element's own VR, or the dictionary's; "US or SS" goes by Pixel Representation (PS3.5 A.1)."""
    if declared not in (None, "UN"):
        return str(declared)
    try:
        known = dictionary_VR(tag)
    except KeyError:
        return "UN"
    return "SS" if signed and known.startswith("US or SS") else known.split(" ")[0]


@lru_cache(maxsize=256)
def encodings_of(character_sets: tuple[str, ...]) -> tuple[str, ...]:
    """Python's names of the values of Specific Character Set, PS3.3 C.12.1.1.2; Latin-1 for unknown ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return tuple(convert_encodings(list(character_sets) or ""))
        except (LookupError, ValueError, TypeError, AttributeError):
            return (LATIN_1,)


def decode(vr: str, raw: bytes, little_endian: bool, encodings: tuple[str, ...]) -> Value:
    """The plain value of an element's bytes (PS3.5 6.2); text that is no number stays text."""
    if vr in _BINARY_NUMBERS:
        kind = np.dtype(("<" if little_endian else ">") + _BINARY_NUMBERS[vr])
        if len(raw) % kind.itemsize:
            return f"<{len(raw)} bytes>"
        return _one_or_many(tuple(np.frombuffer(raw, kind).tolist()))
    if vr in _OPAQUE:
        return f"<{len(raw)} bytes>" if raw else None
    text = _decode_text(raw, encodings if vr in _TEXT_WITH_CHARACTER_SET else (LATIN_1,))
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


def _decode_text(raw: bytes, encodings: tuple[str, ...]) -> str:
    if raw.isascii() and ESCAPE not in raw:
        return raw.decode("ascii")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return decode_bytes(raw, list(encodings), set())
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
