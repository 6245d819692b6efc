"""The DICOM JSON Model (PS3.18 Annex F) -> the header of a file, so that one reader reads both.

What comes out is explicit VR little endian, texts in UTF-8, without pixel data.  Values that stand elsewhere
(BulkDataURI) are left out, or put in where somebody fetched them.
"""

from __future__ import annotations

import binascii
import codecs
import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from io import BytesIO
from itertools import chain
from struct import error as not_packed
from struct import pack
from typing import Any

from dicomarray.core.nesting import MAX_DEPTH
from dicomarray.dicom.part10 import (
    ITEM,
    LONG_VRS,
    PIXEL_DATA,
    SHORT_VRS,
    TRANSFER_SYNTAX,
    encoded,
    file_start,
    padded,
    read_file_meta,
    walk,
    window_of,
)
from dicomarray.dicom.transfer_syntaxes import EXPLICIT_LITTLE_ENDIAN
from dicomarray.dicom.vr import BINARY_NUMBERS

JsonObject = Mapping[str, Any]

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
SPECIFIC_CHARACTER_SET, _SOP_CLASS, _SOP_INSTANCE = 0x00080005, 0x00080016, 0x00080018
_VRS = frozenset(vr.decode("ascii") for vr in SHORT_VRS | LONG_VRS)
_BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
MAX_SHORT = 0xFFFE  # bytes of a value with a length of 16 bits
# What an instance is described in: an enhanced one of ten thousand frames takes 150 MB.  And one value.
MAX_ITEM_BYTES, MAX_TEXT = 1 << 28, 1 << 24


class JsonModelError(ValueError):
    """What a server sent is not the DICOM JSON Model."""


def header_bytes(attributes: JsonObject) -> bytes:
    """The file of an instance up to where its pixel data would begin.

    Raises
    ------
    JsonModelError
        Where they are none.
    """
    elements = dict(_elements(attributes, 0))
    elements[SPECIFIC_CHARACTER_SET] = encoded(SPECIFIC_CHARACTER_SET, "CS", b"ISO_IR 192", explicit=True)
    body = b"".join(elements[tag] for tag in sorted(elements))
    meta = (
        (0x00020001, "OB", b"\0\1"),
        (0x00020002, "UI", _uid(attributes, _SOP_CLASS)),
        (0x00020003, "UI", _uid(attributes, _SOP_INSTANCE)),
        (TRANSFER_SYNTAX, "UI", EXPLICIT_LITTLE_ENDIAN.encode("ascii")),
    )
    return file_start(meta) + body


def with_elements(header: bytes, values: Mapping[int, bytes]) -> bytes:
    """A header that `header_bytes` made, with elements that it lacks: binary ones, by tag."""
    window = window_of(BytesIO(header))
    meta = read_file_meta(window)
    elements = {tag: encoded(tag, "OB", padded(value, "OB"), explicit=True) for tag, value in values.items()}
    place = meta.end
    for tag, _, value, length, _ in walk(window, meta.end, meta.explicit):
        elements[tag] = header[place : value + length]
        place = value + length
    return header[: meta.end] + b"".join(elements[tag] for tag in sorted(elements))


def bulk_uris(attributes: JsonObject) -> dict[int, str]:
    """Where the values of the top level's private elements stand that are not told, by tag."""
    found = {}
    for name, attribute in attributes.items():
        uri = attribute.get("BulkDataURI") if isinstance(attribute, dict) else None
        if _TAG.fullmatch(name) and (tag := int(name, 16)) >> 16 & 1 and isinstance(uri, str):
            found[tag] = uri
    return found


def has_private(attributes: JsonObject) -> bool:
    """Whether there are private elements, at its top level or in a sequence there."""
    return any(_is_private(name) for name in attributes) or any(
        isinstance(item, dict) and any(map(_is_private, item))
        for attribute in attributes.values()
        if isinstance(attribute, dict) and isinstance(items := attribute.get("Value"), list)
        for item in items
    )


def _is_private(name: str) -> bool:
    return _TAG.fullmatch(name) is not None and int(name, 16) >> 16 & 1 == 1


def items_of(chunks: Iterator[bytes], most: int = MAX_ITEM_BYTES) -> Iterator[JsonObject]:
    """The objects of a JSON array that comes in chunks, one by one; none has more bytes than ``most``.

    Raises
    ------
    JsonModelError
        Where it is none, or is cut off.
    """
    decoder, texts = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8")("replace")
    text, begun, wanted = "", False, 0
    for chunk in chain(chunks, (b"",)):  # an empty one at the end
        text += texts.decode(chunk)
        if len(text) > most or text.rfind('"') < len(text) - MAX_TEXT:
            raise JsonModelError("an object, or a text in one, that does not end")
        if chunk and len(text) < wanted:
            continue  # of one long object: parsed again only when twice as much of it is there
        place = 0
        while (start := _next_item(text, place, begun)) is not None:
            try:
                item, place = decoder.raw_decode(text, start)
            except json.JSONDecodeError:
                break  # the rest of it is not there yet
            except RecursionError as error:
                raise JsonModelError("sequences nested too deeply") from error
            except ValueError as error:
                raise JsonModelError("a number with thousands of digits") from error
            if not isinstance(item, dict):
                raise JsonModelError("no list of objects")
            begun = True
            yield item
        text = text[place:]
        wanted = 2 * len(text)
    if "".join(text.split()) != ("]" if begun else "[]"):
        raise JsonModelError("it is empty, cut off, or no JSON")


def _next_item(text: str, place: int, begun: bool) -> int | None:
    """Where the next object of an array begins; None where that is not there yet."""
    found = _SEPARATOR.match(text, place) if begun else _OPENING.match(text, place)
    return None if found is None else found.end() - 1


_OPENING, _SEPARATOR = re.compile(r"\s*\[\s*\{"), re.compile(r"\s*,\s*\{")


def _elements(attributes: JsonObject, depth: int) -> Iterator[tuple[int, bytes]]:
    if depth > MAX_DEPTH:
        raise JsonModelError("sequences nested too deeply")
    for name, attribute in attributes.items():
        if not _TAG.fullmatch(name) or not isinstance(attribute, dict):
            raise JsonModelError("an attribute without a tag")
        tag, vr = int(name, 16), str(attribute.get("vr"))
        vr = vr if vr in _VRS else "UN"
        # neither group lengths and file meta information nor pixels are part of it
        if tag & 0xFFFF == 0 or tag >> 16 <= 2 or tag in PIXEL_DATA or tag >= ITEM:
            continue
        value = _value(attribute, vr, depth)
        if value is not None:
            vr = "UN" if len(value) > MAX_SHORT and vr.encode() not in LONG_VRS else vr
            yield tag, encoded(tag, vr, value, explicit=True)


def _value(attribute: JsonObject, vr: str, depth: int) -> bytes | None:
    """The bytes of a value; None where it stands elsewhere."""
    if "BulkDataURI" in attribute:
        return None
    if "InlineBinary" in attribute:
        return _inline(str(attribute["InlineBinary"]))
    values = attribute.get("Value", [])
    if not isinstance(values, list):
        raise JsonModelError("a value that is no list")
    if vr == "SQ":
        return b"".join(_item(item, depth) for item in values)
    if vr in BINARY_NUMBERS:
        return _numbers(values, vr)
    if vr == "AT":
        return b"".join(_tag(value) for value in values if value)
    parts = [] if vr in _BINARY else [_text(value, vr) for value in values]
    return _padded("\\".join(parts), vr)


def _tag(value: Any) -> bytes:
    if not isinstance(value, str) or not _TAG.fullmatch(value):
        raise JsonModelError("a value that is no tag")
    return pack("<HH", int(value[:4], 16), int(value[4:], 16))


def _inline(text: str) -> bytes:
    try:
        return padded(b64decode(text, validate=True), "OB")
    except (binascii.Error, ValueError) as error:
        raise JsonModelError("a value that is no Base64") from error


def _item(item: Any, depth: int) -> bytes:
    if item is None:
        item = {}
    if not isinstance(item, dict):
        raise JsonModelError("an item that is no object")
    content = b"".join(element for _, element in sorted(_elements(item, depth + 1)))
    return pack("<HHL", ITEM >> 16, ITEM & 0xFFFF, len(content)) + content


def _numbers(values: list[Any], vr: str) -> bytes:
    letter, _ = BINARY_NUMBERS[vr]
    make = float if vr in ("FL", "FD") else int
    try:
        return pack(f"<{len(values)}{letter}", *[make(value) for value in values])
    except (not_packed, TypeError, ValueError, OverflowError) as error:
        raise JsonModelError(f"a value that is no {vr}") from error


def _text(value: Any, vr: str) -> str:
    if value is None:
        return ""
    if vr == "PN" and isinstance(value, dict):
        groups = [str(value.get(name) or "") for name in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    if isinstance(value, float) and not isinstance(value, bool):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, str | int):
        return str(value)
    raise JsonModelError(f"a value that is no {vr}")


def _uid(attributes: JsonObject, tag: int) -> bytes:
    attribute = attributes.get(f"{tag:08X}")
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    return _padded(str(values[0]) if isinstance(values, list) and values else "", "UI")


def _padded(text: str, vr: str) -> bytes:
    return padded(text.encode("utf-8", "replace"), vr)
