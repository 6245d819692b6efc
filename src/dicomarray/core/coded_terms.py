"""Names of structures -> the standard's coded terms: category, type, side, colour, RT ROI Interpreted Type.

The terms are those of ``coded_terms.tsv``, which names its sources.  A name is taken whatever its case, its
order of words, plural, underscores and side: ``kidney_left``, ``Left Kidney`` and ``Kidney_L`` are one.
"""

from __future__ import annotations

import colorsys
import dataclasses
import difflib
import functools
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from dicomarray.core.segments import Code, Segment
from dicomarray.errors import SegmentationError

TABLE = "coded_terms.tsv"
MAX_SUGGESTIONS = 3
SIMILARITY = 0.7  # of a suggestion, from 0 to 1 (`difflib`)

LEFT = Code("7771000", "SCT", "Left")
RIGHT = Code("24028007", "SCT", "Right")
BOTH = Code("51440002", "SCT", "Right and left")
SIDES = {"left": LEFT, "right": RIGHT, "bilateral": BOTH}

# PS3.16 CID 7150, by the word that the table has for each.
CATEGORIES = {
    "anatomy": Code("91723000", "SCT", "Anatomical Structure"),
    "tissue": Code("85756007", "SCT", "Tissue"),
    "object": Code("260787004", "SCT", "Physical object"),
    "abnormal": Code("49755003", "SCT", "Morphologically Abnormal Structure"),
    "function": Code("246464006", "SCT", "Function"),
    "spatial": Code("309825002", "SCT", "Spatial and Relational Concept"),
    "body_substance": Code("91720002", "SCT", "Body Substance"),
    "substance": Code("105590001", "SCT", "Substance"),
}
# Other spellings and abbreviations, those of AAPM TG-263 among them, of single words.
SYNONYMS = {
    "l": "left", "lt": "left", "lft": "left", "sin": "left", "r": "right", "rt": "right", "rgt": "right",
    "dext": "right", "both": "bilateral", "bilat": "bilateral", "vertebrae": "vertebra", "vena": "vein",
    "glnd": "gland", "nrv": "nerve", "musc": "muscle", "submand": "submandibular", "tumour": "tumor",
    "oesophagus": "esophagus", "oedema": "edema", "haemorrhage": "hemorrhage", "disk": "disc",
    "metastases": "metastasis", "clavicula": "clavicle", "atria": "atrium", "testes": "testis",
    "plex": "plexus", "cancer": "tumor", "bronchi": "bronchus", "bronchia": "bronchus", "feet": "foot",
}  # fmt: skip
# Words without which a name means the same.
FILLERS = frozenset({"of", "the", "and", "a", "an", "in", "structure"})
# What ends like a plural and is none.
SINGULAR = frozenset({"lens", "pons", "ramus", "facies"})
# Target volumes are numbered, and say their dose: PTV_6000, GTVp1 (AAPM TG-263).
_TARGET = re.compile(r"\s*([GCP]TV)(?![a-z]{2})", re.IGNORECASE)
# What people add to the name of a file or array.
ENDINGS = frozenset({"mask", "seg", "segmentation", "label", "roi"})


@dataclass(frozen=True)
class Term:
    """What a name stands for; the fields are those of `Segment`."""

    category: Code
    type: Code
    laterality: Code | None
    region: Code | None
    colour: tuple[int, int, int]
    roi_type: str | None


@dataclass(frozen=True)
class _Row:
    """A line of the table."""

    category: str
    type: Code
    paired: bool
    colours: tuple[str, ...]
    region: Code | None
    roi_type: str | None

    def term(self, side: str | None) -> Term:
        laterality = None if side is None else SIDES[side]
        colour = self._colour(side)
        return Term(CATEGORIES[self.category], self.type, laterality, self.region, colour, self.roi_type)

    def _colour(self, side: str | None) -> tuple[int, int, int]:
        """The colour of the table, else one of the code's own; the right side is darker than the left."""
        place = {None: 0, "bilateral": 0, "left": 1, "right": 2}[side]
        if len(self.colours) > place and self.colours[place]:
            red, green, blue = (int(part) for part in self.colours[place].split(","))
            return red, green, blue
        hue = zlib.crc32(f"{self.type.scheme} {self.type.value}".encode()) / 2**32
        shade = 0.65 if side == "right" else 0.9
        red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.65, shade))
        return red, green, blue


def look_up(name: str) -> Term | None:
    """The coded term of a name, or None where the table has no such name."""
    for words in _readings(name):
        found = _find(words)
        if found is not None:
            return found
    target = _TARGET.match(name)
    return None if target is None else _find([target[1].lower()])


def coded(segment: Segment) -> Segment:
    """The segment with the codes of its label where it has none of its own; what it has is kept.

    Raises
    ------
    SegmentationError
        Where it has no codes and the table has no such label; the message suggests.
    """
    if segment.category is not None and segment.type is not None:
        return segment
    term = look_up(segment.label)
    if term is None:
        raise SegmentationError(
            f'"{segment.label:.80}" has no coded term in the table of dicomarray{_suggested(segment.label)}. '
            f'Give its codes: Segment({segment.number}, "{segment.label:.80}", category=(VALUE, SCHEME, '
            "MEANING), type=(VALUE, SCHEME, MEANING)); in JSON (--segments FILE) "
            f'[{{"number": {segment.number}, "label": "{segment.label:.80}", "category": ["VALUE", "SCHEME", '
            '"MEANING"], "type": ["VALUE", "SCHEME", "MEANING"]}]'
        )
    return filled(segment, term)


def filled(segment: Segment, term: Term) -> Segment:
    """The segment with the term's parts where it has none of its own.

    The side and region belong to the type: a segment with a type of its own gets neither.
    """
    parts = ["category", "colour", "roi_type"]
    if segment.type is None:
        parts += ["type", "laterality", "region"]
    new = {name: getattr(term, name) for name in parts if getattr(segment, name) is None}
    return dataclasses.replace(segment, **new)


def suggestions(name: str) -> list[str]:
    """Names of the table that are similar to one that it does not have, best first."""
    wanted = " ".join(w for w in _words(name) if w not in SIDES)
    names = _names()
    close = difflib.get_close_matches(wanted, names, n=4 * MAX_SUGGESTIONS, cutoff=SIMILARITY)
    meanings = dict.fromkeys(names[one] for one in close)
    return list(meanings)[:MAX_SUGGESTIONS]


def _suggested(name: str) -> str:
    if (rest := [word for word in _words(name) if word not in SIDES]) and _find(rest) is not None:
        return ", as it has no left and right"
    found = suggestions(name)
    return f" (similar: {', '.join(found)})" if found else ""


def _readings(name: str) -> list[list[str]]:
    """The words of a name, as they stand and with what is written together taken apart."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    readings = [_words(name), _words(apart)]
    return readings + [[word for word in words if word not in ENDINGS] for words in readings]


def _words(name: str) -> list[str]:
    """The words of a name in their usual form: small letters, singular, without fillers."""
    words = re.findall(r"[a-z]+\d*|\d+[a-z]*", name.lower())
    return [_usual(word) for word in words if word not in FILLERS]


def _usual(word: str) -> str:
    word = SYNONYMS.get(word, word)
    if word in SINGULAR:
        return word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith("s") and len(word) > 3 and not word.endswith(("ss", "us", "is", "as", "os")):
        return SYNONYMS.get(word[:-1], word[:-1])
    return SYNONYMS.get(word, word)


def _key(words: Sequence[str]) -> str:
    return " ".join(sorted(words))


def _find(words: Sequence[str]) -> Term | None:
    """The term of these words: as a whole, with a side, or as something in a place."""
    rows = _rows()
    row = rows.get(_key(words))
    if row is not None:
        return row.term(None)
    sides = [word for word in words if word in SIDES]
    if len(sides) == 1:
        row = rows.get(_key([word for word in words if word not in SIDES]))
        if row is not None:
            return row.term(sides[0]) if row.paired else None
    return _inside(words)


def _inside(words: Sequence[str]) -> Term | None:
    """Of a tumor, cyst, vessels or the like "of" a structure: its type, in the region of that structure."""
    rows = _rows()
    for word in words:
        row = rows.get(word)
        if row is None or not (row.category == "abnormal" or word == "vessel"):
            continue
        rest = [other for other in words if other != word]
        place = _find(rest) if rest else None
        if place is not None and place.region is None and place.category == CATEGORIES["anatomy"]:
            side = next((other for other in rest if other in SIDES), None)
            return dataclasses.replace(row.term(side), region=place.type, laterality=place.laterality)
    return None


@functools.cache
def _table() -> tuple[tuple[_Row, tuple[str, ...]], ...]:
    """The lines of the table, each with its names."""
    text = resources.files("dicomarray.core").joinpath(TABLE).read_text(encoding="utf-8")
    lines = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return tuple(_line(*line) for line in lines)


def _line(  # noqa: PLR0913, PLR0917 - the columns of the table
    category: str, scheme: str, value: str, meaning: str, paired: str, colours: str, region: str,
    roi_type: str, names: str = "",
) -> tuple[_Row, tuple[str, ...]]:  # fmt: skip
    place = None
    if region:
        number, _, text = region.partition(" ")
        place = Code(number, "SCT", text)
    code, shades = Code(value, scheme, meaning), tuple(colours.split(";"))
    row = _Row(category, code, paired == "paired", shades, place, roi_type or None)
    others = tuple(name for name in names.split("|") if name)
    return row, (others if region else (meaning, *others))


@functools.cache
def _rows() -> dict[str, _Row]:
    """By the words of each name."""
    rows: dict[str, _Row] = {}
    for row, names in _table():
        for name in names:
            rows.setdefault(_key(_words(name)), row)
    return rows


@functools.cache
def _names() -> dict[str, str]:
    """Every name in its usual words -> how it is written in a suggestion."""
    return {" ".join(_words(name)): name.lower() for _, names in _table() for name in names}
