"""How facts of the series are compared: as numbers, texts, one of a few words, or as true and false."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dicomarray.query.facts import FACTS
from dicomarray.query.grammar import MATCHING, PartError, did_you_mean, suggest
from dicomarray.query.operators import kind_of
from dicomarray.query.value_types import Kind, Text, Uid, describe

# Facts that are compared as attributes of these VRs are.
_VRS = {"whole": "IS", "number": "FD", "text": "LO", "uid": "UI"}
_OF_SEVERAL = frozenset({"each", "has_all", "count"})
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class FactWord(Kind):
    """One of a few words; of several one fits."""

    words: tuple[str, ...] = ()
    operators = MATCHING

    @property
    def noun(self) -> str:  # type: ignore[override]
        return f"one of {', '.join(self.words)}"

    def literal(self, scalar: Any) -> str:
        word = scalar.strip().lower() if isinstance(scalar, str) else None
        if word not in self.words:
            hint = did_you_mean(suggest(word, self.words)) if word else ""
            raise PartError(f"{describe(scalar)} is not {self.noun}{hint}")
        return word


class FactTruth(Kind):
    """True or false; 0 and 1 are neither."""

    __slots__ = ()
    noun = "true or false"
    operators = MATCHING

    def literal(self, scalar: Any) -> bool:
        if isinstance(scalar, str):
            scalar = _TRUTHS.get(scalar.strip().lower(), scalar)
        if not isinstance(scalar, bool):
            raise PartError(f"true or false was expected, not {describe(scalar)}")
        return scalar


def fact_kind(name: str) -> Kind:
    """How a fact is compared; its ``vr`` is what messages call it."""
    fact = FACTS[name]
    if fact.kind == "word":
        return FactWord("a word", words=fact.words)
    return kind_of(_VRS[fact.kind]) if fact.kind in _VRS else FactTruth("true or false")


def fact_operators(name: str, kind: Kind) -> frozenset[str]:
    """What can be asked of a fact: it has a value or none, and one is the rule."""
    if isinstance(kind, Text | Uid):  # of which there are always several
        return kind.operators
    return kind.operators - {"empty"} - (frozenset() if FACTS[name].several else _OF_SEVERAL)
