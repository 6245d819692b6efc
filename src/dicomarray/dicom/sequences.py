"""The bytes of a sequence -> its items, as pydicom would give them, without pydicom (PS3.5 7.5).

An enhanced object describes each of its frames in one, and has thousands.  Whatever is not understood with
certainty is left to pydicom, as in `part10`: text that is not ASCII, numbers that are none, VR UN.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from struct import error, iter_unpack

from dicomarray.core.nesting import MAX_DEPTH
from dicomarray.dicom.dictionary import keyword_for_tag, vr_for_tag
from dicomarray.dicom.part10 import (
    EXPLICIT_HEAD,
    ITEM,
    ITEM_END,
    LONG_LENGTH,
    LONG_VRS,
    SEQUENCE_END,
    TAG_AND_LENGTH,
    UNDEFINED,
    DoubtError,
)
from dicomarray.dicom.sequence_items import (
    FEW_ITEMS,
    Enclosing,
    Item,
    ItemLayout,
    ItemLayouts,
    ItemTemplate,
    Leaf,
    Sample,
)
from dicomarray.dicom.vr import (
    BINARY_NUMBERS,
    ESCAPE,
    LATIN_1,
    MAX_LIST_LENGTH,
    SINGLE_VALUED,
    Value,
    decode,
    one_or_many,
    value_representation,
)

_BYTES = frozenset(("OB", "OW", "OF", "OD", "OL", "OV"))
_TEXT = frozenset(("AE", "AS", "CS", "DA", "DT", "LO", "SH", "TM", "UI", "DS", "IS"))
_LONG = frozenset(vr.decode("ascii") for vr in LONG_VRS)
# Equal values come again in every frame; longer ones seldom do.  Bytes.
MAX_CACHED_LENGTH, MAX_CACHED_SEQUENCE_LENGTH = 64, 512


def items_of(content: bytes, undefined: bool, explicit: bool) -> tuple[Mapping[str, Value], ...]:
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


class _Known(dict[bytes, Value]):
    """Values of one VR by their bytes; what is not known is decoded, or DoubtError."""

    def __init__(self, vr: str) -> None:
        super().__init__()
        self._vr = vr

    def __missing__(self, raw: bytes) -> Value:
        value = _decoded(self._vr, raw)
        if len(raw) <= MAX_CACHED_LENGTH:
            self[raw] = value
        return value


class _Reader:
    """Reads items at places of some bytes; what was decoded once is kept."""

    def __init__(self, data: bytes, explicit: bool) -> None:
        self._data, self._explicit = data, explicit
        self._known = {vr: _Known(vr) for vr in _VRS.values()}
        self._known_sequences: dict[bytes, tuple[Mapping[str, Value], ...]] = {}
        self._layouts = ItemLayouts()
        self._templates: dict[ItemLayout, ItemTemplate] = {}

    def items(
        self, place: int, end: int, undefined: bool, depth: int
    ) -> tuple[tuple[Mapping[str, Value], ...], int]:
        """The items from a place on, and where they end: at ``end``, or behind the delimiter before it."""
        if depth >= MAX_DEPTH:
            raise DoubtError
        found: list[Mapping[str, Value]] = []
        while undefined or place < end:
            group, number, length = TAG_AND_LENGTH(self._data, place)
            tag, place = group << 16 | number, place + 8
            if tag == SEQUENCE_END and undefined:
                break
            if tag != ITEM:
                raise DoubtError
            item_end = end if length == UNDEFINED else place + length
            if depth == 0:
                item, place = self._outer_item(place, item_end, length == UNDEFINED, len(found))
            else:
                item, place = self._item(place, item_end, length == UNDEFINED, depth)
            found.append(item)
        if place > end or (not undefined and place != end):
            raise DoubtError
        return tuple(found), place

    def _outer_item(
        self, place: int, end: int, undefined: bool, before: int
    ) -> tuple[Mapping[str, Value], int]:
        """An item that is not inside of others, and where it ends; similar ones are walked once."""
        data, similar = self._data, self._layouts.read(self._data, place, end, undefined)
        if similar is not None:
            layout, contents, item_end = similar
            return self._uniform_item(layout, contents), item_end
        item, item_end = self._item(place, end, undefined, 0)
        if before >= FEW_ITEMS:
            self._layouts.learn(
                data, place, item_end, undefined,
                lambda: _Places(data, self._explicit, place).of_item(item_end, undefined),
            )  # fmt: skip
        return item, item_end

    def _uniform_item(self, layout: ItemLayout, contents: list[bytes]) -> Item:
        if (template := self._templates.get(layout)) is None:
            template = self._templates[layout] = ItemTemplate(layout, self._known)
        return template.item(contents)

    def _item(self, place: int, end: int, undefined: bool, depth: int) -> tuple[dict[str, Value], int]:
        item: dict[str, Value] = {}
        last = 0
        while undefined or place < end:
            tag, vr, place, length = self._head(place)
            if tag == ITEM_END and undefined:
                return item, place
            if tag <= last or tag >= ITEM:
                if item_name(tag) in item:
                    raise ValueError(f"{item_name(tag)} stands twice in an item (PS3.5 7.1 has each once)")
                raise DoubtError
            last = tag
            if vr == "SQ" and length == UNDEFINED:
                item[item_name(tag)], place = self.items(place, end, True, depth + 1)
                continue
            if place + length > end:
                raise DoubtError
            if vr == "SQ":
                item[item_name(tag)] = self._sequence(place, length, depth + 1)
                place += length
                continue
            item[item_name(tag)] = self._value(vr, place, length)
            place += length
        if undefined or place != end:
            raise DoubtError
        return item, place

    def _sequence(self, place: int, length: int, depth: int) -> tuple[Mapping[str, Value], ...]:
        if length > MAX_CACHED_SEQUENCE_LENGTH:
            return self.items(place, place + length, False, depth)[0]
        raw = self._data[place : place + length]
        known = self._known_sequences.get(raw)
        if known is None:
            known = self._known_sequences[raw] = self.items(place, place + length, False, depth)[0]
        return known

    def _head(self, place: int) -> tuple[int, str, int, int]:
        """Tag, VR, and place and length of the value, of the element at a place."""
        group, number, length = TAG_AND_LENGTH(self._data, place)
        tag = group << 16 | number
        if tag == ITEM_END:
            return tag, "", place + 8, length
        if not self._explicit:
            return tag, _dictionary_vr(tag), place + 8, length
        _, _, raw, length = EXPLICIT_HEAD(self._data, place)
        vr = _VRS.get(raw)
        if vr is None or value_representation(vr, tag, False) != vr:
            raise DoubtError
        if vr not in _LONG:
            return tag, vr, place + 8, length
        return tag, vr, place + 12, LONG_LENGTH(self._data, place + 8)[0]

    def _value(self, vr: str, place: int, length: int) -> Value:
        if not length:
            return None
        raw = self._data[place : place + length]
        return self._known[vr][raw] if length <= MAX_CACHED_LENGTH else _decoded(vr, raw)


class _Places(_Reader):
    """Walks an item for where its values lie, instead of what they are."""

    def __init__(self, data: bytes, explicit: bool, start: int) -> None:
        super().__init__(data, explicit)
        self._start = start
        self._leaves: list[Leaf] = []
        self._within: tuple[Enclosing, ...] = ()

    def of_item(self, end: int, undefined: bool) -> Sample:
        """The item that starts there and ends at a place, behind its delimiter where it has one."""
        template, _ = super()._item(self._start, end, undefined, 0)
        return Sample(self._data[self._start : end], tuple(self._leaves), template)

    def _value(self, vr: str, place: int, length: int) -> Value:
        width = 4 if vr in _LONG or not self._explicit else 2
        self._leaves.append(Leaf(place - self._start, length, width, self._within, vr))
        return self._leaves[-1]

    def _sequence(self, place: int, length: int, depth: int) -> tuple[Mapping[str, Value], ...]:
        with self._inside(place, length):
            return self.items(place, place + length, False, depth)[0]

    def _item(self, place: int, end: int, undefined: bool, depth: int) -> tuple[dict[str, Value], int]:
        if undefined:
            return super()._item(place, end, True, depth)
        with self._inside(place, end - place):
            return super()._item(place, end, False, depth)

    @contextmanager
    def _inside(self, place: int, length: int) -> Iterator[None]:
        """What lies here is enclosed by something of this length, which four bytes before it tell."""
        around = self._within
        self._within = (*around, Enclosing(place - self._start - 4, length))
        yield
        self._within = around


_VRS = {vr.encode("ascii"): vr for vr in ("SQ", "AT", *BINARY_NUMBERS, *_BYTES, *_TEXT, *SINGLE_VALUED)}


def _decoded(vr: str, raw: bytes) -> Value:
    if not raw:
        return None
    if vr in _BYTES:
        return f"<{len(raw)} bytes>"
    if vr in BINARY_NUMBERS:
        _, size = BINARY_NUMBERS[vr]
        if len(raw) % size or len(raw) > MAX_LIST_LENGTH * size:
            raise DoubtError
        return decode(vr, raw, True, ())
    if vr == "AT":
        if len(raw) % 4:
            raise DoubtError
        return one_or_many(tuple([high << 16 | low for high, low in iter_unpack("<HH", raw)]))
    if not raw.isascii() or ESCAPE in raw:
        raise DoubtError
    if vr in _TEXT and (raw[:1] == b" " or b" \\" in raw or b"\\ " in raw or b"\0\\" in raw):
        raise DoubtError  # what pydicom strips of it is its own affair
    value = decode(vr, raw, True, (LATIN_1,))
    if vr in ("DS", "IS") and not _is_number(value, whole=vr == "IS"):
        raise DoubtError
    return value


def _is_number(value: Value, whole: bool) -> bool:
    kinds = (int,) if whole else (int, float)
    values = value if isinstance(value, tuple) else (value,)
    return all(isinstance(one, kinds) and math.isfinite(one) for one in values)


@lru_cache(maxsize=4096)
def item_name(tag: int) -> str:
    """The name of an element in an item: its keyword, or ``"(GGGG,EEEE)"``."""
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
