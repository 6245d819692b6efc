"""Damage to a file that goes by its structure: tags, VRs, lengths, items, delimiters, fragments, values."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from pydicom.datadict import dictionary_VR

PREAMBLE = 128
LONG_VRS = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
SHORT_VRS = (
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL",
    b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
)  # fmt: skip
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA = 0x7FE00010
UNDEFINED = 0xFFFFFFFF
SYNTAXES = (
    b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.1.99",
    b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.4.51", b"1.2.840.10008.1.2.4.57",
    b"1.2.840.10008.1.2.4.70",
    b"1.2.840.10008.1.2.4.80", b"1.2.840.10008.1.2.4.81", b"1.2.840.10008.1.2.4.90",
    b"1.2.840.10008.1.2.4.91", b"1.2.840.10008.1.2.4.201", b"1.2.840.10008.1.2.5", b"1.2.3", b"",
)  # fmt: skip
# What a reader relies on: damaged more often than the rest.
IMPORTANT = (
    0x00080005, 0x00080008, 0x00080016, 0x00080018, 0x00080060, 0x0020000D, 0x0020000E, 0x00200013,
    0x00200032, 0x00200037, 0x00200052, 0x00280002, 0x00280004, 0x00280006, 0x00280008, 0x00280010,
    0x00280011, 0x00280030, 0x00280100, 0x00280101, 0x00280102, 0x00280103, 0x00280120, 0x00281052,
    0x00281053, 0x00180050, 0x00180088, 0x00189087, 0x00200100, 0x00281101, 0x00281201, 0x00283000,
    0x52009229, 0x52009230, 0x00540016, 0x3004000C, 0x3004000E, 0x00191100, 0x00290010, 0x00291010,
)  # fmt: skip
WORDS = (
    b"", b" ", b"\0", b"\\", b"\\\\\\", b"--1 ", b"-1e400", b"NaN ", b"inf ", b"1_000 ", b"0 ", b"-0",
    b"1e-300", b"1e300 ", b"1e38", b"-1e40 ", b"1e-43 ",
    b"1\\2", b"1\\2\\3\\4\\5\\6\\7 ", b"99999999999999999999", b"\x1b$B\x1b(B",
    b"\xff\xfe",
    b"A" * 300, b"1.2.3\0", b"ISO 2022 IR 87", b"\\ISO 2022 IR 149", b"DERIVED\\PRIMARY",
    b"2.25." + b"9" * 80,
    b"20240230", b"256000.9", b"\n\x1b[31m ", b"%s%n", b"0.5\\0.5 ", b"1\\0\\0\\0\\1\\0",
)  # fmt: skip
NUMBERS = (0, 1, 2, 3, 7, 8, 15, 16, 17, 32, 64, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, UNDEFINED)


@dataclass(frozen=True, slots=True)
class Spot:
    """An element, item or delimiter in the bytes of a data set."""

    tag: int
    vr: bytes
    start: int
    length_at: int
    width: int
    value: int
    length: int
    end: int


@dataclass(slots=True)
class Image:
    """A file in parts: preamble and meta information, the data set (inflated), how elements are encoded."""

    meta: bytes
    data: bytes
    explicit: bool
    little: bool
    deflated: bool

    @property
    def order(self) -> str:
        return "little" if self.little else "big"

    def number(self, value: int, width: int) -> bytes:
        return (value & ((1 << 8 * width) - 1)).to_bytes(width, self.order)  # type: ignore[arg-type]

    def tag(self, tag: int) -> bytes:
        return self.number(tag >> 16, 2) + self.number(tag, 2)

    def element(self, tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
        """An element with a value; it may lie about its length."""
        said = len(value) if length is None else length
        if not self.explicit or tag in (ITEM, ITEM_END, SEQUENCE_END):
            return self.tag(tag) + self.number(said, 4) + value
        if vr in LONG_VRS:
            return self.tag(tag) + vr + b"\0\0" + self.number(said, 4) + value
        return self.tag(tag) + vr + self.number(said, 2) + value

    def whole(self) -> bytes:
        if not self.deflated:
            return self.meta + self.data
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return self.meta + packer.compress(self.data) + packer.flush()


def image_of(raw: bytes) -> Image:
    """A file in parts; one that is not understood is all data."""
    if raw[PREAMBLE : PREAMBLE + 4] != b"DICM":
        return Image(b"", raw, raw[4:6].isupper(), True, False)
    whole = Image(b"", raw, True, True, False)
    place, syntax = PREAMBLE + 4, b""
    while raw[place : place + 2] == b"\2\0" and (spot := _spot(whole, place)) is not None:
        if spot.tag == 0x00020010:
            syntax = raw[spot.value : spot.end].rstrip(b"\0 ")
        place = spot.end
    data, deflated = raw[place:], syntax == SYNTAXES[3]
    if deflated:
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data)
    return Image(raw[:place], data, syntax != SYNTAXES[0], syntax != SYNTAXES[2], deflated)


def _spot(image: Image, place: int) -> Spot | None:
    data, order = image.data, image.order
    if place + 8 > len(data):
        return None

    def number(at: int, width: int) -> int:
        return int.from_bytes(data[at : at + width], order)  # type: ignore[arg-type]

    tag, vr = number(place, 2) << 16 | number(place + 2, 2), data[place + 4 : place + 6]
    at, width = place + 4, 4
    if image.explicit and tag not in (ITEM, ITEM_END, SEQUENCE_END):
        at, width = (place + 8, 4) if vr in LONG_VRS else (place + 6, 2)
    else:
        vr = b""
    length = number(at, width)
    inside = length == UNDEFINED or tag == ITEM or vr == b"SQ" or (not vr and _is_sequence(tag))
    end = at + width if inside else min(at + width + length, len(data))
    return Spot(tag, vr, place, at, width, at + width, length, end)


def _is_sequence(tag: int) -> bool:
    try:
        return dictionary_VR(tag) == "SQ"
    except KeyError:
        return False


def spots_of(image: Image, most: int = 4000) -> list[Spot]:
    """All elements at every depth, items and delimiters too, in the order of their bytes."""
    found: list[Spot] = []
    place = 0
    while len(found) < most and (spot := _spot(image, place)) is not None:
        found.append(spot)
        place = spot.end
    return found


# --- what is done to a data set; each gives its new bytes ---------------------------------------------------


def a_length(image: Image, spot: Spot, chance: Random) -> bytes:
    near = spot.length + chance.choice((-2, -1, 1, 2, 4, 8, 100))
    length = chance.choice((near, near, *NUMBERS, len(image.data)))
    return _changed(image, spot.length_at, spot.width, image.number(length, spot.width))


def a_vr(image: Image, spot: Spot, chance: Random) -> bytes:
    vr = chance.choice((*SHORT_VRS, *LONG_VRS, b"??", b"\0\0", b"sq"))
    if not spot.vr:
        return a_length(image, spot, chance)
    if chance.random() < 0.4:
        return _changed(image, spot.start + 4, 2, vr)
    value = image.data[spot.value : spot.end]
    return _changed(image, spot.start, spot.end - spot.start, image.element(spot.tag, vr, value))


def a_tag(image: Image, spot: Spot, chance: Random) -> bytes:
    tag = chance.choice((
        ITEM, ITEM_END, SEQUENCE_END, PIXEL_DATA, 0, UNDEFINED, spot.tag + 1, spot.tag - 1,
        spot.tag ^ 0x10000, chance.choice(IMPORTANT), chance.getrandbits(32),
    ))  # fmt: skip
    return _changed(image, spot.start, 4, image.tag(tag & UNDEFINED))


def a_value(image: Image, spot: Spot, chance: Random) -> bytes:
    if spot.vr in (b"US", b"SS", b"UL", b"SL", b"FL", b"FD", b"OW", b"OB", b"AT") or chance.random() < 0.2:
        size = chance.choice((1, 2, 2, 2, 4, 4, 6, 8, 8, 40))
        value = image.number(chance.choice((*NUMBERS, chance.getrandbits(64))), size)
    else:
        value = chance.choice(WORDS)
    if spot.value >= spot.end:
        return image.data[: spot.value] + value + image.data[spot.value :]
    made = image.element(spot.tag, spot.vr, value)
    return _changed(image, spot.start, spot.end - spot.start, made)


def bits(image: Image, spot: Spot, chance: Random) -> bytes:
    at = chance.randrange(spot.start, max(spot.end, spot.start + 1))
    data = bytearray(image.data)
    data[at] ^= 1 << chance.randrange(8)
    return bytes(data)


def removed(image: Image, spot: Spot, chance: Random) -> bytes:
    return _changed(image, spot.start, spot.end - spot.start, b"")


def twice(image: Image, spot: Spot, chance: Random) -> bytes:
    piece = image.data[spot.start : spot.end]
    return _changed(image, spot.start, 0, piece * chance.choice((1, 1, 2, 50)))


def moved(image: Image, spot: Spot, chance: Random) -> bytes:
    other = chance.choice(spots_of(image))
    return _changed(image, other.start, 0, image.data[spot.start : spot.end])


def cut_off(image: Image, spot: Spot, chance: Random) -> bytes:
    return image.data[: chance.randrange(spot.start, spot.end + 1)]


def grown(image: Image, spot: Spot, chance: Random) -> bytes:
    rubbish = chance.choice((bytes(chance.randrange(1, 40)), chance.randbytes(chance.randrange(1, 40))))
    return _changed(image, chance.choice((spot.start, spot.end)), 0, rubbish)


def a_sequence(image: Image, spot: Spot, chance: Random) -> bytes:
    """In place of the element, or before it: sequences in each other, some with lengths, some without."""
    depth = chance.choice((1, 1, 1, 2, 3, 8, 12, 20, 200, 1000))
    tag = chance.choice((spot.tag, spot.tag, 0x0040A730, 0x00081140, 0x00291010))
    value = image.element(0x00080100, b"SH", b"1 ") if chance.random() < 0.7 else b""
    how = chance.choice(("lengths", "delimiters", "both"))
    for _ in range(depth):
        defined = how == "lengths" or (how == "both" and chance.random() < 0.5)
        value = _item(image, tag, value, defined)
    end = spot.end if chance.random() < 0.7 else spot.start
    return _changed(image, spot.start, end - spot.start, value)


def _item(image: Image, tag: int, value: bytes, defined: bool) -> bytes:
    if defined:
        return image.element(tag, b"SQ", image.element(ITEM, b"", value))
    inside = image.element(ITEM, b"", value, UNDEFINED) + image.element(ITEM_END, b"", b"")
    return image.element(tag, b"SQ", inside + image.element(SEQUENCE_END, b"", b""), UNDEFINED)


def a_delimiter(image: Image, spot: Spot, chance: Random) -> bytes:
    marks = [s for s in spots_of(image) if s.tag in (ITEM, ITEM_END, SEQUENCE_END)] or [spot]
    mark = chance.choice(marks)
    made = image.element(
        chance.choice((ITEM, ITEM_END, SEQUENCE_END)), b"", b"", chance.choice((0, UNDEFINED, 8))
    )
    return _changed(image, mark.start, chance.choice((0, 8)), made)


def pixels(image: Image, spot: Spot, chance: Random) -> bytes:
    """The pixel data and what lies behind it: offset table, fragments, their bytes, the end."""
    found = spots_of(image)
    first = next((n for n, s in enumerate(found) if s.tag == PIXEL_DATA), None)
    if first is None:
        return bits(image, spot, chance)
    one = chance.choice(found[first:])
    change = chance.choice(
        (a_length, a_value, a_tag, removed, twice, cut_off, grown, bits, bits, bits, _rubbish)
    )
    return change(image, one, chance)


def _rubbish(image: Image, spot: Spot, chance: Random) -> bytes:
    size = min(chance.choice((1, 4, 40)), max(0, len(image.data) - spot.value))
    at = chance.randrange(spot.value, max(len(image.data) - size, spot.value) + 1)
    return _changed(image, at, size, chance.randbytes(size))


def _changed(image: Image, at: int, size: int, new: bytes) -> bytes:
    return image.data[:at] + new + image.data[at + size :]


CHANGES: tuple[Callable[[Image, Spot, Random], bytes], ...] = (
    a_length, a_vr, a_vr, a_tag, a_value, a_value, a_value, bits, removed, twice, moved, cut_off, grown,
    a_sequence, a_sequence, a_delimiter, pixels, pixels,
)  # fmt: skip


def mutated(raw: bytes, chance: Random) -> bytes:
    """The file with one to three damages."""
    image = image_of(raw)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        if chance.random() < 0.1:
            image = _meta_damaged(image, chance)
            continue
        spots = spots_of(image)
        if not spots:
            return image.whole()
        important = [s for s in spots if s.tag in IMPORTANT]
        spot = chance.choice(important if important and chance.random() < 0.5 else spots)
        image.data = chance.choice(CHANGES)(image, spot, chance)
    return image.whole()


def _meta_damaged(image: Image, chance: Random) -> Image:
    meta = Image(b"", image.meta[PREAMBLE + 4 :], True, True, False)
    spots = spots_of(meta)
    if not spots:
        return image
    spot = chance.choice(spots)
    syntaxes = [s for s in spots if s.tag == 0x00020010]
    kind = chance.randrange(4)
    start = image.meta[: PREAMBLE + 4]
    if kind == 0 and syntaxes:
        one, uid = syntaxes[0], chance.choice(SYNTAXES)
        uid += b"\0" * (len(uid) % 2)
        image.meta = start + _changed(meta, one.start, one.end - one.start, meta.element(one.tag, b"UI", uid))
    elif kind == 1:
        image.meta = chance.choice((b"", start[4:], bytes(len(start)), start, start[:PREAMBLE]))
    else:
        image.meta = start + chance.choice(CHANGES)(meta, spot, chance)
    return image
