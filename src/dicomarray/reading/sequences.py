"""The bytes of a sequence -> its items, as pydicom would give them, without pydicom (PS3.5 7.5).

An enhanced object describes each of its frames in one, and has thousands.  Whatever is not understood with
certainty is left to pydicom, as in `part10`: text that is not ASCII, numbers that are none, VR UN.
"""

from __future__ import annotations

import math
from functools import lru_cache
from struct import Struct, error, unpack_from

from dicomarray.reading.dictionary import keyword_for_tag, vr_for_tag
from dicomarray.reading.element_values import ESCAPE, LATIN_1, LONGEST_LIST, Value, decode
from dicomarray.reading.part10 import DEEPEST, ITEM, LONG_VRS, UNDEFINED, DoubtError

_ITEM_END, _SEQUENCE_END = 0xFFFEE00D, 0xFFFEE0DD
_TAG_AND_LENGTH = Struct("<HHL").unpack_from
_EXPLICIT = Struct("<HH2sH").unpack_from
_LENGTH = Struct("<L").unpack_from
_NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_BYTES = frozenset(("OB", "OW", "OF", "OD", "OL", "OV"))
_NUMBER_TEXT = frozenset(("DS", "IS"))
_TEXT = frozenset(("AE", "AS", "CS", "DA", "DT", "LO", "SH", "TM", "UI", "DS", "IS"))
_SINGLE_TEXT = frozenset(("LT", "ST", "UT", "UR"))
_LONG = frozenset(vr.decode("ascii") for vr in LONG_VRS)
# Equal values come again in every frame; longer ones seldom do.  Bytes.
LONGEST_KEPT, LONGEST_KEPT_SEQUENCE = 64, 512


def items_of(content: bytes, undefined: bool, explicit: bool) -> tuple[dict[str, Value], ...]:
    """The items of a sequence, by keyword or ``"(GGGG,EEEE)"``, as `plain_value` has them.

    Parameters
    ----------
    content
        The value of the sequence; where its length is ``undefined``, with the delimiter at its end.
    explicit
        Whether the elements carry their VR.

    Raises
    ------
    DoubtError
        Where pydicom had better read it.
    """
    reader = _Reader(content, explicit)
    try:
        items, end = reader.items(0, len(content), undefined, 0)
    except error as fault:  # the bytes end in the middle of a number
        raise DoubtError from fault
    if end != len(content):
        raise DoubtError
    return items


class _Reader:
    """Reads items at places of some bytes; what was decoded once is kept."""

    def __init__(self, data: bytes, explicit: bool) -> None:
        self._data, self._explicit = data, explicit
        self._known: dict[tuple[str, bytes], Value] = {}

    def items(
        self, place: int, end: int, undefined: bool, depth: int
    ) -> tuple[tuple[dict[str, Value], ...], int]:
        """The items from a place on, and where they end: at ``end``, or behind the delimiter before it."""
        if depth > DEEPEST:
            raise DoubtError
        found = []
        while undefined or place < end:
            group, number, length = _TAG_AND_LENGTH(self._data, place)
            tag, place = group << 16 | number, place + 8
            if tag == _SEQUENCE_END and undefined:
                break
            if tag != ITEM:
                raise DoubtError
            item_end = end if length == UNDEFINED else place + length
            item, place = self._item(place, item_end, length == UNDEFINED, depth)
            found.append(item)
        if place > end or (not undefined and place != end):
            raise DoubtError
        return tuple(found), place

    def _item(self, place: int, end: int, undefined: bool, depth: int) -> tuple[dict[str, Value], int]:
        item: dict[str, Value] = {}
        last = 0
        while undefined or place < end:
            tag, vr, place, length = self._head(place)
            if tag == _ITEM_END and undefined:
                return item, place
            if tag <= last or tag >= ITEM:
                raise DoubtError
            last = tag
            if vr == "SQ" and length == UNDEFINED:
                item[_name(tag)], place = self.items(place, end, True, depth + 1)
                continue
            if place + length > end:
                raise DoubtError
            if vr == "SQ":
                item[_name(tag)] = self._sequence(place, length, depth + 1)
                place += length
                continue
            item[_name(tag)] = self._value(vr, place, length)
            place += length
        if undefined or place != end:
            raise DoubtError
        return item, place

    def _sequence(self, place: int, length: int, depth: int) -> tuple[dict[str, Value], ...]:
        if length > LONGEST_KEPT_SEQUENCE:
            return self.items(place, place + length, False, depth)[0]
        key = ("SQ", self._data[place : place + length])
        known: tuple[dict[str, Value], ...] | None = self._known.get(key)
        if known is None:
            known = self._known[key] = self.items(place, place + length, False, depth)[0]
        return known

    def _head(self, place: int) -> tuple[int, str, int, int]:
        """Tag, VR, and place and length of the value, of the element at a place."""
        group, number, length = _TAG_AND_LENGTH(self._data, place)
        tag = group << 16 | number
        if tag == _ITEM_END:
            return tag, "", place + 8, length
        if not self._explicit:
            return tag, _dictionary_vr(tag), place + 8, length
        _, _, raw, length = _EXPLICIT(self._data, place)
        vr = _VRS.get(raw)
        if vr is None:
            raise DoubtError
        if vr not in _LONG:
            return tag, vr, place + 8, length
        return tag, vr, place + 12, _LENGTH(self._data, place + 8)[0]

    def _value(self, vr: str, place: int, length: int) -> Value:
        if not length:
            return None
        if vr in _BYTES:
            return f"<{length} bytes>"
        raw = self._data[place : place + length]
        if length > LONGEST_KEPT:
            return _decoded(vr, raw)
        key = (vr, raw)
        try:
            return self._known[key]
        except KeyError:
            value = self._known[key] = _decoded(vr, raw)
            return value


_VRS = {vr.encode("ascii"): vr for vr in ("SQ", "AT", *_NUMBERS, *_BYTES, *_TEXT, *_SINGLE_TEXT)}


def _decoded(vr: str, raw: bytes) -> Value:
    if vr in _NUMBERS:
        return _numbers(_NUMBERS[vr], raw)
    if vr == "AT":
        words = _numbers("H", raw)
        if not isinstance(words, tuple) or len(words) % 2:
            raise DoubtError
        tags = tuple(high << 16 | low for high, low in zip(words[::2], words[1::2], strict=True))
        return tags[0] if len(tags) == 1 else tags
    if not raw.isascii() or ESCAPE in raw:
        raise DoubtError
    if vr in _TEXT and (raw[:1] == b" " or b" \\" in raw or b"\\ " in raw or b"\0\\" in raw):
        raise DoubtError  # what pydicom strips of it is its own affair
    value = decode(vr, raw, True, (LATIN_1,))
    if vr in _NUMBER_TEXT and not _is_number(value, whole=vr == "IS"):
        raise DoubtError
    return value


def _numbers(code: str, raw: bytes) -> Value:
    size = len(raw)
    count = size // Struct(f"<{code}").size
    if count > LONGEST_LIST:
        raise DoubtError
    values = unpack_from(f"<{count}{code}", raw)
    if size != count * Struct(f"<{code}").size:
        raise DoubtError
    return values[0] if count == 1 else values


def _is_number(value: Value, whole: bool) -> bool:
    kinds = (int,) if whole else (int, float)
    values = value if isinstance(value, tuple) else (value,)
    return all(isinstance(one, kinds) and math.isfinite(one) for one in values)


@lru_cache(maxsize=4096)
def _name(tag: int) -> str:
    return keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


@lru_cache(maxsize=4096)
def _dictionary_vr(tag: int) -> str:
    """The VR of an element that does not carry it; what is private, or has a choice, is for pydicom."""
    try:
        vr = vr_for_tag(tag)
    except KeyError as fault:
        raise DoubtError from fault
    if vr not in _VRS.values():
        raise DoubtError
    return vr
