"""Ranking: which of the series that match come first, and how many are taken; the config's words for it.

Keys are compared one after the other; a key that is unknown, or in which instances disagree, sorts last
whichever way it sorts; ties go by Series Number, then by Series Instance UID.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from dicomarray.dicom.dates import Interval
from dicomarray.dicom.headers.attributes import ABSENT
from dicomarray.query.facts import FACTS
from dicomarray.query.fields import Field, parse_field
from dicomarray.query.grammar import (
    ConfigErrors,
    PartError,
    did_you_mean,
    is_foreign,
    suggest_keyword,
    suggest_node_word,
)
from dicomarray.query.instance import Evaluation
from dicomarray.query.nodes import Entry
from dicomarray.query.operators import kind_of
from dicomarray.query.person_names import Name
from dicomarray.query.value_types import Kind, NoText, Words, describe, plain_number

Per = Literal["study", "patient"]

# Sorts behind every Series Number.
_NO_NUMBER = float("inf")
_IDENTITY = frozenset({"SeriesNumber", "SeriesInstanceUID"})
_GROUPS: dict[Per, frozenset[str]] = {
    "study": frozenset({"StudyInstanceUID"}),
    "patient": frozenset({"StudyInstanceUID", "PatientID", "IssuerOfPatientID"}),
}


@dataclass(frozen=True, slots=True)
class SortKey:
    """What series are sorted by, in which direction, and the attributes that it needs.

    ``value`` gives what is compared; None where it is unknown or instances disagree.
    """

    attributes: frozenset[str]
    value: Callable[[Evaluation], Any]
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Ranking:
    """The ranking part of a config; by default all matches are taken, in the order of the catalog."""

    keys: tuple[SortKey, ...] = ()
    limit: int | None = None
    per: Per | None = None

    @property
    def asked(self) -> bool:
        """Whether the config says anything about it."""
        return bool(self.keys) or self.limit is not None

    @property
    def attributes(self) -> frozenset[str]:
        """The attributes that it needs."""
        if not self.asked:
            return frozenset()
        needed = _IDENTITY | (_GROUPS[self.per] if self.per else frozenset())
        return needed.union(*(key.attributes for key in self.keys))

    def _group(self, evaluation: Evaluation) -> Hashable:
        """A series of unknown study is a group of its own; a patient without ID is known by the study."""
        study = _common(evaluation, "StudyInstanceUID")
        patient = _common(evaluation, "PatientID") if self.per == "patient" else None
        if self.per is None:
            return None
        if patient is not None:
            return ("patient", str(patient).strip(), _common(evaluation, "IssuerOfPatientID"))
        return ("study", study) if study is not None else ("series", id(evaluation))

    def rank(self, series: Mapping[int, Evaluation]) -> tuple[list[int], dict[int, list[int]]]:
        """Sort the series that match, which have these numbers, and take as many as the limit says.

        The numbers of those that are taken, in order; and for the others who took their places.
        """
        if not self.asked:
            return list(series), {}
        order = sorted(series, key=lambda number: _tie(series[number]))
        for key in reversed(self.keys):
            values = {number: key.value(series[number]) for number in order}
            unknown = [number for number in order if values[number] is None]
            known = [number for number in order if values[number] is not None]
            order = sorted(known, key=values.__getitem__, reverse=key.descending) + unknown
        if self.limit is None:
            return order, {}
        groups: dict[Hashable, list[int]] = {}
        kept: list[int] = []
        dropped: dict[int, list[int]] = {}
        for number in order:
            group = groups.setdefault(self._group(series[number]), [])
            if len(group) < self.limit:
                group.append(number)
                kept.append(number)
            else:
                dropped[number] = group  # which is full
        return kept, dropped


def _tie(evaluation: Evaluation) -> tuple[float, str]:
    """What decides where keys do not."""
    number, uid = _common(evaluation, "SeriesNumber"), _common(evaluation, "SeriesInstanceUID")
    return number if isinstance(number, int) else _NO_NUMBER, str(uid or "")


def _common(evaluation: Evaluation, name: str) -> Any:
    """The value of an attribute or fact where all instances have the same; None otherwise."""
    cells = evaluation.column(name)
    return cells[0] if len(cells) == 1 and cells[0] is not ABSENT else None


def _comparable(value: Any) -> Any:
    """What sorts, of what `Kind.value` makes: texts without regard to case, moments by when they begin."""
    if isinstance(value, Words):
        return value.folded
    if isinstance(value, Interval):
        return value.start - (value.offset or 0)
    return value.groups if isinstance(value, Name) else value


# Of the grammar; a config may name it, so that a later one could tell.
VERSION = 1

ReadNode = Callable[[Any, str], Entry]


def parse_ranking(top: Mapping[str, Any], errors: ConfigErrors, read_node: ReadNode) -> Ranking:
    """The words of the whole config; what is wrong with them gathers in ``errors``."""
    version = top.get("version", VERSION)
    if version != VERSION or isinstance(version, bool):
        errors.add("$.version", f"this grammar is version {VERSION}, not {describe(version)}")
    keys = _sort_keys(top["sort"], errors, read_node) if "sort" in top else ()
    limit, per = plain_number(top.get("limit")), top.get("per")
    if "limit" in top and not (isinstance(limit, int) and not isinstance(limit, bool) and limit > 0):
        errors.add("$.limit", f"a whole number above 0 was expected, not {describe(limit)}")
    if "per" in top and per not in ("study", "patient"):
        errors.add("$.per", f'"study" or "patient" was expected, not {describe(per)}')
    if "per" in top and "limit" not in top:
        errors.add("$.per", "it says what a limit counts; write limit: 1 beside it")
    known: Per | None = per
    return Ranking(keys, limit, known)


def _sort_keys(raw: Any, errors: ConfigErrors, read_node: ReadNode) -> tuple[SortKey, ...]:
    if isinstance(raw, list | tuple):
        if not raw:
            errors.add("$.sort", "an empty list sorts by nothing; leave it out")
        places = [(f"$.sort[{i}]", key) for i, key in enumerate(raw)]
    else:
        places = [("$.sort", raw)]
    keys = []
    for path, key in places:
        errors.count_node(path)
        try:
            keys.append(_sort_key(key, path, read_node))
        except PartError as mistake:
            errors.add(path, str(mistake))
    return tuple(keys)


def _sort_key(raw: Any, path: str, read_node: ReadNode) -> SortKey:
    if isinstance(raw, Mapping):
        node = read_node(raw, path)
        needed = frozenset[str]().union(*(leaf.attributes for leaf in node.leaves()))
        # those for which it holds come first
        return SortKey(needed, lambda evaluation: node.passing(evaluation) != evaluation.everyone)
    if not isinstance(raw, str):
        raise PartError(
            f'a fact, an attribute or a mapping was expected, such as "-num_slices", not {describe(raw)}'
        )
    name = raw.strip().removeprefix("-").strip()
    descending = raw.strip().startswith("-")
    if name in FACTS:
        return SortKey(FACTS[name].attributes, partial(_common, name=name), descending)
    field, kind = _ordered_field(name)
    return SortKey(frozenset({field.key}), partial(_field_value, field, kind), descending)


def _ordered_field(name: str) -> tuple[Field, Kind]:
    try:
        field = parse_field(name)
    except PartError as mistake:
        raise PartError(unknown_name(name, mistake)) from None
    if field.vr is None:
        raise PartError(f"the VR of {name} is not known, so its values have no order")
    kind = kind_of(field.vr)
    if isinstance(kind, NoText):
        raise PartError(f"{name} ({field.vr}) has no order; sort by an attribute inside it, or by a mapping")
    return field, kind


def _field_value(field: Field, kind: Kind, evaluation: Evaluation) -> Any:
    cells = evaluation.column(field.key)
    elements = field.find(cells[0]) or ()
    if any((field.find(cell) or ()) != elements for cell in cells[1:]):
        return None
    values = [None if isinstance(e, Mapping) else kind.value(e) for e in elements]
    return None if not values or None in values else tuple(_comparable(value) for value in values)


def unknown_name(key: str, mistake: PartError) -> str:
    """For a name of another query language, or one like a fact's, it is the grammar that was meant."""
    word, keyword = suggest_node_word(key), suggest_keyword(key)
    stated_as_word = f"{key!r} is no DICOM keyword and no word of the grammar{did_you_mean(word)}"
    if word is None or keyword is None or key.startswith("$") or is_foreign(key):
        return str(mistake) if word is None else stated_as_word
    only_spelled_otherwise = keyword.lower() == key.replace("_", "").replace("-", "").replace(" ", "").lower()
    return stated_as_word if word in FACTS and not only_spelled_otherwise else str(mistake)
