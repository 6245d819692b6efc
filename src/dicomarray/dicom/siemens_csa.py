"""What Siemens MR scanners write beside the standard: the CSA header and the protocol text.

A CSA header is a table of named elements whose values are text.  Neither form of it was ever published;
what is known was found by others (nipy.org/nibabel/dicom/siemens_csa.html, GDCM, SPM).  Every number in it
is a claim: each is held against the bytes that are really there before it is used.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dicomarray.core.geometry import Vector
from dicomarray.errors import HeaderError

MAGIC = b"SV10"
# The magic and four bytes of no known meaning; the older form has neither.
_MAGIC_SIZE = 8
# Number of elements, and 77 ("M"), which stands for "is valid" all over the format.
_TABLE = struct.Struct("<2I")
_VALID = 77
# Name, value multiplicity, value representation, type code, number of items, 77 or 205.
_ELEMENT = struct.Struct("<64si4s3i")
# In front of each item; which of the four numbers is its length depends on the form.
_ITEM = struct.Struct("<4i")
# Items are padded to whole words of this many bytes.
_WORD = 4

_PROTOCOL_BEGIN, _PROTOCOL_END = b"### ASCCONV BEGIN", b"### ASCCONV END"
_NUMBER = r"\s*=\s*(0x[0-9a-fA-F]{1,8}|[-+]?[0-9.]+(?:[eE][-+]?\d+)?)"
_SETTING = re.compile(
    r"(?<![\w.])(sSliceArray\.lSize|sKSpace\.ucDimension|sKSpace\.lImagesPerSlab)" + _NUMBER
)
_LINE = re.compile(r"^[ \t]*([A-Za-z][\w.\[\]]*)[ \t]*=[ \t]*([^\n#]+)", re.MULTILINE)
_POSITION = re.compile(r"(?<![\w.])sSliceArray\.asSlice\[(\d{1,4})\]\.sPosition\.d(Sag|Cor|Tra)" + _NUMBER)
# Patient coordinates by Siemens' names: towards the left, the back and the head, as in DICOM.
_AXES = ("Sag", "Cor", "Tra")
# No part of a patient lies farther from the magnet's centre than this, in mm; more is damage.
FARTHEST_MM = 1e5
# Settings that say "3-D": one slab is excited and cut into partitions.
_THREE_DIMENSIONS = 4


@dataclass(frozen=True, slots=True)
class ProtocolSlices:
    """The slices that a protocol asks for.

    ``positions`` are the centres of its slices, or of its one slab; LPS, mm.  ``count`` is the number of
    images that come out of one measurement.
    """

    count: int
    positions: tuple[Vector, ...]

    @property
    def middle(self) -> Vector:
        """Centre of the whole volume, LPS mm."""
        x, y, z = np.mean(np.array(self.positions), axis=0).tolist()
        return (x, y, z)


def parse_csa(raw: bytes) -> dict[str, tuple[str, ...]]:
    """The elements of a CSA header by name; empty items are left out.

    Raises
    ------
    HeaderError
        Where the bytes are no CSA header, or end before it does.
    """
    newer = raw.startswith(MAGIC)
    start = _MAGIC_SIZE if newer else 0
    count, valid = _unpack(_TABLE, raw, start)
    if valid != _VALID:
        raise HeaderError(f"no CSA header: {valid} where every one has {_VALID}")
    elements: dict[str, tuple[str, ...]] = {}
    offset = start + _TABLE.size
    first_items: int | None = None
    for _ in range(count):
        name, _, _, _, items, _ = _unpack(_ELEMENT, raw, offset)
        first_items = items if first_items is None else first_items
        values, offset = _items(raw, offset + _ELEMENT.size, items, 0 if newer else first_items)
        elements.setdefault(_text(name), values)
    return elements


def csa_diffusion(csa: Mapping[str, Sequence[str]]) -> tuple[float | None, tuple[float, ...] | None]:
    """b-value, and direction of the gradient along the patient's axes; None for what is unknown."""
    b_value, direction = csa.get("B_value", ())[:1], csa.get("DiffusionGradientDirection", ())
    stated = [number_of(text) for text in (*b_value, *direction)]
    if not b_value or not all(map(math.isfinite, stated)):
        return None, None
    return stated[0], tuple(stated[1:]) if len(direction) == 3 else None


def _items(raw: bytes, offset: int, count: int, surplus: int) -> tuple[tuple[str, ...], int]:
    """The values of one element, and where the next element begins."""
    values = []
    for _ in range(count):
        length = _item_length(_unpack(_ITEM, raw, offset), surplus)
        offset += _ITEM.size
        if not 0 <= length <= len(raw) - offset:
            raise HeaderError(
                f"a damaged CSA header: an item of {length} bytes where {len(raw) - offset} are left"
            )
        values.append(_text(raw[offset : offset + length]))
        offset += -(-length // _WORD) * _WORD
    return tuple(value for value in values if value), offset


def _item_length(words: tuple[int, ...], surplus: int) -> int:
    """In most headers the length stands three times; some of the older form have it once, and too large.

    There the first word is greater by the number of items of the header's first element (found by SPM).
    """
    repeated = words[0] == words[1] == words[3]
    return words[1] if repeated or not surplus else words[0] - surplus


def _unpack(layout: struct.Struct, raw: bytes, offset: int) -> tuple[Any, ...]:
    if offset + layout.size > len(raw):
        raise HeaderError(f"a damaged CSA header: it ends after {len(raw)} bytes, inside its table")
    return layout.unpack_from(raw, offset)


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("latin-1").strip()


def parse_protocol(raw: bytes) -> ProtocolSlices | None:
    """The slices in a value that holds a protocol text; None where it has no text, or no slices in it.

    The text lies in the CSA series header or stands alone.  It has a line for each setting that is not 0.
    """
    texts = (block.split(_PROTOCOL_END, 1)[0] for block in raw.split(_PROTOCOL_BEGIN)[1:])
    found = (_protocol_slices(text.decode("latin-1")) for text in texts)
    return next((slices for slices in found if slices is not None), None)


def protocol_settings(raw: bytes) -> dict[str, str]:
    """The settings of the first protocol text in a value, by name, without quotes; none without a text."""
    _, begin, rest = raw.partition(_PROTOCOL_BEGIN)
    text, end, _ = rest.partition(_PROTOCOL_END)
    if not begin or not end:
        return {}
    settings: dict[str, str] = {}
    for name, value in _LINE.findall(text.decode("latin-1")):
        settings.setdefault(name, value.strip().strip('"'))
    return settings


def _protocol_slices(text: str) -> ProtocolSlices | None:
    settings = {name: number_of(value) for name, value in _SETTING.findall(text)}
    placed: dict[int, list[float]] = {}
    for index, axis, value in _POSITION.findall(text):
        placed.setdefault(int(index), [0.0, 0.0, 0.0])[_AXES.index(axis)] = number_of(value)
    size = _whole(settings.get("sSliceArray.lSize", 0.0))
    # a slice at the very centre has no line at all; at most one slice lies there
    if not 0 < size <= sum(index < size for index in placed) + 1:
        return None
    centres = [placed.get(index, [0.0, 0.0, 0.0]) for index in range(size)]
    if not all(abs(value) <= FARTHEST_MM for centre in centres for value in centre):
        return None
    if size == 1 and settings.get("sKSpace.ucDimension") == _THREE_DIMENSIONS:
        size = _whole(settings.get("sKSpace.lImagesPerSlab", 1.0))
    return ProtocolSlices(size, tuple((x, y, z) for x, y, z in centres))


def number_of(text: str) -> float:
    """A number of a protocol, decimal or hexadecimal; NaN for what is none: no comparison with it holds."""
    try:
        return float(int(text, 16)) if text.startswith("0x") else float(text)
    except (ValueError, OverflowError):
        return math.nan


def _whole(number: float) -> int:
    return int(number) if math.isfinite(number) else 0
