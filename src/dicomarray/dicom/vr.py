"""The bytes of an element -> a plain Python value.

An odd value costs neither a warning nor the file: a number that is none stays the text it is, and whoever
needs it says so.
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from typing import Any

from dicomarray.dicom.dictionary import vr_for_tag
from dicomarray.runtime.pydicom_warnings import pydicom_quiet

Value = Any  # None | str | int | float | tuple of those | for a sequence a tuple of mappings

# What a file that is damaged, or cannot be read, raises; anything else is a mistake of ours and must be seen.
FAILURES = (
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
OPAQUE = frozenset(("OB", "OW", "OF", "OD", "OL", "OV", "UN", "AT"))
SINGLE_VALUED = frozenset(("LT", "ST", "UT", "UR"))
# What stands for DS and IS where an element should hold a number, and the file gave it a VR of text.
MISLABELLED = {"DS": "DS as text", "IS": "IS as text"}
_DECIMAL_TEXT = frozenset(("DS", MISLABELLED["DS"]))
_INTEGER_TEXT = frozenset(("IS", MISLABELLED["IS"]))
_NUMBERS_IN_TEXT = _DECIMAL_TEXT | _INTEGER_TEXT
TEXT = frozenset(("AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"))
_WHOLE_NUMBERS = frozenset(("IS", "US", "SS", "UL", "SL", "UV", "SV", "US or SS"))
_NUMBERS = frozenset(("DS", "FL", "FD")) | _WHOLE_NUMBERS
# for `struct`, and how many bytes each has
BINARY_NUMBERS = {
    "US": ("H", 2),
    "SS": ("h", 2),
    "UL": ("L", 4),
    "SL": ("l", 4),
    "UV": ("Q", 8),
    "SV": ("q", 8),
    "FL": ("f", 4),
    "FD": ("d", 8),
}
# In place of a VR: of a sequence where the standard has words or numbers; and what its value is then.
MISPLACED, ITEMS = "items", "<items>"
LATIN_1 = "iso8859"
# PS3.3 C.12.1.1.2, Specific Character Set without code extensions; pydicom knows the others.
ENCODINGS = {
    "": LATIN_1,
    "ISO_IR 6": LATIN_1,
    "ISO_IR 13": "shift_jis",
    "ISO_IR 100": "latin_1",
    "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3",
    "ISO_IR 110": "iso8859_4",
    "ISO_IR 144": "iso_ir_144",
    "ISO_IR 192": "UTF8",
    "GB18030": "GB18030",
    "GBK": "GBK",
}
ESCAPE = b"\x1b"  # begins a change of character set (ISO 2022), in bytes that are all ASCII
MAX_LIST_LENGTH = 1024  # binary numbers of one element; what is longer is a table, which others read


class NumberInText(float):
    """A number whose element has a VR of text in the file, where the standard has one of numbers."""

    __slots__ = ()


class WholeNumberInText(int):
    """The same of a whole number."""

    __slots__ = ()


def is_mislabelled(value: Value) -> bool:
    """Whether a value, or the first of several, is a number that stood in an element of text."""
    first = value[0] if type(value) is tuple and value else value
    return isinstance(first, NumberInText | WholeNumberInText)


def mislabelled(value: Value) -> Value:
    """A number, or several, as read from an element of text: in the types that say so."""
    if isinstance(value, tuple):
        return tuple(map(mislabelled, value))
    if isinstance(value, float):
        return NumberInText(value)
    return WholeNumberInText(value) if isinstance(value, int) else value


@lru_cache(maxsize=4096)
def value_representation(declared: str | None, tag: int, signed: bool) -> str:
    """The element's own VR, or the dictionary's; "US or SS" goes by Pixel Representation (PS3.5 A.1).

    `MISPLACED` for a sequence where the standard has words or numbers: whoever asks for these gets no items.
    Where the file has a VR of text for what the dictionary knows as a number, the text is read as numbers.
    """
    try:
        known = vr_for_tag(tag)
    except KeyError:
        known = ""
    if declared == "SQ" and known not in ("SQ", ""):
        return MISPLACED
    if declared == "DS" and known in _WHOLE_NUMBERS:
        return "IS"  # the same text, and whole
    if declared in TEXT and known in _NUMBERS:
        return MISLABELLED["IS" if known in _WHOLE_NUMBERS else "DS"]
    if declared not in (None, "UN"):
        return str(declared)
    return "SS" if signed and known.startswith("US or SS") else known.split(" ")[0] or "UN"


@lru_cache(maxsize=256)
def encodings_of(character_sets: tuple[str, ...]) -> tuple[str, ...]:
    """Python's names of the values of Specific Character Set, PS3.3 C.12.1.1.2; Latin-1 for unknown ones."""
    if len(character_sets) == 1 and character_sets[0] in ENCODINGS:
        return (ENCODINGS[character_sets[0]],)
    from pydicom.charset import convert_encodings

    with pydicom_quiet:
        try:
            return tuple(convert_encodings(list(character_sets) or ""))
        except (LookupError, ValueError, TypeError, AttributeError):
            return (LATIN_1,)


def decode(vr: str, raw: bytes, little_endian: bool, encodings: tuple[str, ...]) -> Value:
    """The plain value of an element's bytes (PS3.5 6.2); text that is no number stays text."""
    if vr in BINARY_NUMBERS:
        letter, size = BINARY_NUMBERS[vr]
        count, rest = divmod(len(raw), size)
        if rest:
            return f"<{len(raw)} bytes>"
        return one_or_many(struct.unpack(f"{'<' if little_endian else '>'}{count}{letter}", raw))
    if vr in OPAQUE or vr == MISPLACED:
        return ITEMS if vr == MISPLACED else f"<{len(raw)} bytes>" if raw else None
    if vr in _NUMBERS_IN_TEXT:
        read = _several_numbers if b"\\" in raw else _numbers
        found = read(raw, vr in _INTEGER_TEXT)
        return mislabelled(found) if vr in MISLABELLED.values() else found
    text = _decode_text(raw, encodings if vr in _TEXT_WITH_CHARACTER_SET else (LATIN_1,))
    if vr in SINGLE_VALUED:
        return text.rstrip(" \0") or None
    return one_or_many(tuple([part.strip(" \0") or None for part in text.split("\\")]))


def texts(value: Value) -> tuple[str, ...]:
    """A value as so many texts as it has parts, empty ones too."""
    values = value if isinstance(value, tuple) else (value,)
    return tuple("" if item is None else str(item) for item in values)


def _decode_text(raw: bytes, encodings: tuple[str, ...]) -> str:
    if raw.isascii() and ESCAPE not in raw:
        return raw.decode("ascii")
    if encodings and ESCAPE not in raw:
        try:
            return raw.decode(encodings[0])
        except (LookupError, UnicodeError):
            pass
    from pydicom.charset import decode_bytes

    with pydicom_quiet:
        try:
            return decode_bytes(raw, list(encodings), set())
        except (LookupError, ValueError):
            return raw.decode("latin-1")


def _numbers(raw: bytes, integer: bool) -> Value:
    """The numbers of a text, which separates them by a backslash."""
    parts = raw.split(b"\\")
    try:
        numbers = [float(part) for part in parts] if b"_" not in raw else None
    except ValueError:
        numbers = None
    if numbers is None:  # some part is empty, or no number
        text = _decode_text(raw, (LATIN_1,)).rstrip(" \0")
        return one_or_many(tuple([_number(part.strip(" \0"), integer) for part in text.split("\\")]))
    if integer:
        numbers = [int(number) if number.is_integer() else number for number in numbers]
    return numbers[0] if len(numbers) == 1 else tuple(numbers)


# Repetitions have the same places: their numbers are held once.
_several_numbers = lru_cache(maxsize=1024)(_numbers)


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


def one_or_many(values: tuple[Value, ...]) -> Value:
    if not values:
        return None
    return values[0] if len(values) == 1 else values
