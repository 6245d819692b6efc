"""The filter grammar as a JSON Schema (draft 2020-12), made of the grammar's own tables.

With it an editor completes keywords and facts, and marks a wrong word.  The parser checks more: types by VR,
ranges, patterns.
"""

from __future__ import annotations

from typing import Any

from dicomarray.dicom.dictionary import keywords
from dicomarray.query.facts import FACTS, Fact
from dicomarray.query.grammar import NODE_WORDS, OPERATORS, PRESENCE
from dicomarray.query.ranking import VERSION

_LITERALS: dict[str, Any] = {"type": ["string", "number", "boolean"]}
_LIST: dict[str, Any] = {"type": "array", "items": _LITERALS, "minItems": 1}
_TYPES: dict[str, dict[str, Any]] = {
    "whole": {"type": ["integer", "string"]},
    "number": {"type": ["number", "string"]},
    "truth": {"type": "boolean"},
    "word": {"type": "string"},
    "text": {"type": "string"},
    "uid": {"type": "string"},
}
# A tag, a private attribute with its creator, an element of several values, a path into a sequence.
_OTHER_FIELDS = r"^(\(|[A-Z][A-Za-z0-9]*(\[\d+\]|\.))"


def filter_schema() -> dict[str, Any]:
    """The schema of a filter config."""
    node = {"$ref": "#/$defs/node"}
    nodes = {"type": "array", "items": node, "minItems": 1}
    sort_key = {"anyOf": [{"type": "string"}, node]}
    top = {
        "sort": {"anyOf": [sort_key, {"type": "array", "items": sort_key, "minItems": 1}]},
        "limit": {"type": "integer", "minimum": 1},
        "per": {"enum": ["study", "patient"]},
        "version": {"const": VERSION},
        "$schema": {"type": "string"},
    }
    entries = _entries(node, nodes)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dicomarray filter config",
        "type": "object",
        "properties": entries | top,
        "patternProperties": {_OTHER_FIELDS: {"$ref": "#/$defs/condition"}},
        "additionalProperties": False,
        "dependentRequired": {"per": ["limit"]},
        "$defs": {
            "node": {
                "type": "object",
                "properties": entries,
                "patternProperties": {_OTHER_FIELDS: {"$ref": "#/$defs/condition"}},
                "additionalProperties": False,
            },
            "condition": {"anyOf": [_LITERALS, _LIST, {"$ref": "#/$defs/operators"}, node]},
            "operators": _operators(),
        },
    }


def _entries(node: dict[str, Any], nodes: dict[str, Any]) -> dict[str, Any]:
    """What a node may hold: words, facts, and the standard's attributes, by name."""
    words = {"all": nodes, "any": nodes, "not": {"anyOf": [node, nodes]}, "some": node, "every": node}
    facts = {name: _fact(fact) for name, fact in FACTS.items()}
    fields = {keyword: {"$ref": "#/$defs/condition"} for keyword in sorted(keywords())}
    return {word: words[word] for word in NODE_WORDS} | facts | fields


def _fact(fact: Fact) -> dict[str, Any]:
    value: dict[str, Any] = {"enum": list(fact.words)} if fact.words else _TYPES[fact.kind]
    several: dict[str, Any] = {"type": "array", "items": value, "minItems": 1}
    return {"anyOf": [value, several, {"$ref": "#/$defs/operators"}]}


def _operators() -> dict[str, Any]:
    truth, text, condition = {"type": "boolean"}, {"type": "string"}, {"$ref": "#/$defs/condition"}
    pair, some = _LIST | {"minItems": 2, "maxItems": 2}, {"anyOf": [_LITERALS, _LIST]}
    arguments: dict[str, Any] = {
        **dict.fromkeys(sorted(OPERATORS), _LITERALS),
        **dict.fromkeys((*sorted(PRESENCE), "case"), truth),
        **dict.fromkeys(("in", "has_all"), some),
        **dict.fromkeys(("between", "near"), pair),
        **dict.fromkeys(("like", "regex", "vr"), text),
        **dict.fromkeys(("not", "each", "count"), condition),
    }
    return {"type": "object", "properties": arguments, "additionalProperties": False, "minProperties": 1}
