"""The ranking part of a config: sort, limit, per, and the version of the grammar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dicomarray.query.config_errors import ConfigErrors
from dicomarray.query.facts import FACTS
from dicomarray.query.fields import parse_field
from dicomarray.query.grammar import (
    PartError,
    did_you_mean,
    is_foreign,
    suggest_keyword,
    suggest_node_word,
)
from dicomarray.query.nodes import Node
from dicomarray.query.operators import kind_of
from dicomarray.query.ranking import FactKey, FieldKey, Key, NodeKey, Per, Ranking, SortKey
from dicomarray.query.value_types import NoText, describe, plain_number

# Of the grammar; a config may name it, so that a later one could tell.
VERSION = 1

ReadNode = Callable[[Any, str], Node]


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
        return SortKey(NodeKey(read_node(raw, path)))
    if not isinstance(raw, str):
        raise PartError(
            f'a fact, an attribute or a mapping was expected, such as "-num_slices", not {describe(raw)}'
        )
    name = raw.strip().removeprefix("-").strip()
    key: Key = FactKey(name) if name in FACTS else _field_key(name)
    return SortKey(key, descending=raw.strip().startswith("-"))


def _field_key(name: str) -> FieldKey:
    try:
        field = parse_field(name)
    except PartError as mistake:
        raise PartError(unknown_name(name, mistake)) from None
    if field.vr is None:
        raise PartError(f"the VR of {name} is not known, so its values have no order")
    kind = kind_of(field.vr)
    if isinstance(kind, NoText):
        raise PartError(f"{name} ({field.vr}) has no order; sort by an attribute inside it, or by a mapping")
    return FieldKey(field, kind)


def unknown_name(key: str, mistake: PartError) -> str:
    """For a name of another query language, or one like a fact's, it is the grammar that was meant."""
    word, keyword = suggest_node_word(key), suggest_keyword(key)
    stated_as_word = f"{key!r} is no DICOM keyword and no word of the grammar{did_you_mean(word)}"
    if word is None or keyword is None or key.startswith("$") or is_foreign(key):
        return str(mistake) if word is None else stated_as_word
    only_spelled_otherwise = keyword.lower() == key.replace("_", "").replace("-", "").replace(" ", "").lower()
    return stated_as_word if word in FACTS and not only_spelled_otherwise else str(mistake)
