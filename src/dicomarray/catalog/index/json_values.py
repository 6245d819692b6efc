"""Plain values <-> how the index keeps them: SQLite's own types where they hold the value, else JSON.

JSON has no tuple, no NaN and no infinity.  Every list is a tuple; a number that is not finite is
``{"float": "nan"}`` (``"inf"``, ``"-inf"``); numbers that stood in an element of text are
``{"text": [...]}``; a sequence is a list of objects by keyword.  No keyword is in lower case, so the kinds of
object cannot be mixed up.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from json.encoder import encode_basestring
from typing import Any

from dicomarray.dicom.vr import Value, is_mislabelled, mislabelled

# In a list of one value an instance: the instance does not have the attribute.  No value is an empty object.
ABSENT = "{}"
NOT_FINITE, IN_TEXT = "float", "text"

# How a value is kept: as itself, as JSON, or as a JSON list of one value an instance.
ITSELF, JSON, LIST = 0, 1, 2

LARGEST_INTEGER = 2**63  # SQLite's integers have 64 bits
# Lists and objects in each other: sequences may be nested in a file, and their items are lists of objects.
MAX_DEPTH = 100

# An item of a sequence may be a mapping of its own type.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=dict).encode
_encode_ascii = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=dict).encode


def to_json(value: Value) -> str:
    """A value as JSON text that every UTF-8 column can hold."""
    kind = type(value)  # nearly all values are of these types, and JSON's own encoder takes several steps
    if kind is str and value.isascii():
        return encode_basestring(value)
    if kind is int or (kind is float and math.isfinite(value)):
        return repr(value)
    if kind is tuple and all([type(item) is float and math.isfinite(item) for item in value]):
        return f"[{','.join(map(repr, value))}]"
    return _any_to_json(value)


def _any_to_json(value: Value) -> str:
    if is_mislabelled(value):
        value = {IN_TEXT: value}
    try:
        text = _encode(value)
    except ValueError:
        text = _encode(_with_finite_numbers(value))
    return text if _is_utf8(text) else _encode_ascii(_with_finite_numbers(value))


def from_json(text: str) -> Value:
    """The value of a JSON text that `to_json` made."""
    return _plain(json.loads(text))


def to_stored(text: str) -> tuple[int, Any]:
    """How one value is kept, from its JSON text: as itself where SQLite can hold it, else as JSON."""
    if text[0] in "[{":
        return JSON, text
    if text[0] == '"' and text.isascii() and "\\" not in text:
        return ITSELF, text[1:-1]
    value = json.loads(text)
    match value:
        case None | float():
            return ITSELF, value
        case int() if -LARGEST_INTEGER <= value < LARGEST_INTEGER:
            return ITSELF, value
        case str() if "\0" not in value and _is_utf8(value):
            return ITSELF, value
    return JSON, text


def from_stored(kind: int, stored: Any) -> Value:
    """One value as it was."""
    if kind == JSON:
        return from_json(stored)
    if kind != ITSELF or not isinstance(stored, str | int | float | None):
        raise TypeError(f"a value that is {type(stored).__name__}")
    return stored


def text_of(kind: int, stored: Any) -> str:
    """The JSON text of one kept value."""
    return stored if kind == JSON else to_json(stored)


def texts_of_list(stored: str) -> list[str]:
    """The JSON texts of a kept list, `ABSENT` included."""
    return [
        _encode_ascii(item) if not _is_utf8(text := _encode(item)) else text for item in json.loads(stored)
    ]


def values_of_list(stored: str, absent: Value) -> list[Value]:
    """The value of each instance; ``absent`` for one that does not have the attribute."""
    items = json.loads(stored)
    if not isinstance(items, list):
        raise TypeError("a list of values that is none")
    if "{" not in stored:  # no sequence, none absent, and all numbers finite
        return [_plain(item) if isinstance(item, list) else item for item in items]
    return [absent if item == {} else _plain(item) for item in items]


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, out of a broken character set
        return False
    return True


def _with_finite_numbers(value: Value) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {NOT_FINITE: str(value)}
    if isinstance(value, tuple | list):
        return [_with_finite_numbers(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _with_finite_numbers(item) for key, item in value.items()}
    return value


def _plain(value: Any, depth: int = 0) -> Value:
    if depth > MAX_DEPTH:
        raise ValueError(f"values nested more than {MAX_DEPTH} deep")
    if isinstance(value, list):
        return tuple([_plain(item, depth + 1) if isinstance(item, list | dict) else item for item in value])
    if isinstance(value, dict):
        if NOT_FINITE in value:
            return float(value[NOT_FINITE])
        if IN_TEXT in value:
            return mislabelled(_plain(value[IN_TEXT], depth + 1))
        return {key: _plain(item, depth + 1) for key, item in value.items()}
    return value
