"""How facts of the series are compared: as numbers, texts, one of a few words, or as true and false."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dicomarray.query.facts import FACTS
from dicomarray.query.grammar import ORDER, PartError, did_you_mean, suggest
from dicomarray.query.value_types import Kind, Number, Text, Uid, describe

_ONE_VALUE = frozenset({"eq", "in", "not", "exists"})
_OF_SEVERAL = frozenset({"each", "has_all", "count"})
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class FactNumber(Number):
    """A number: exactly where it counts, within `NUMBER_TOLERANCE` where it measures; of several one fits."""

    several: bool = False

    @property
    def operators(self) -> frozenset[str]:  # type: ignore[override]
        return _ONE_VALUE | ORDER | {"near"} | (_OF_SEVERAL if self.several else set())


@dataclass(frozen=True, slots=True)
class FactWord(Kind):
    """One of a few words; of several one fits."""

    words: tuple[str, ...] = ()
    several: bool = False

    @property
    def operators(self) -> frozenset[str]:  # type: ignore[override]
        return _ONE_VALUE | (_OF_SEVERAL if self.several else set())

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
    operators = _ONE_VALUE

    def literal(self, scalar: Any) -> bool:
        if isinstance(scalar, str):
            scalar = _TRUTHS.get(scalar.strip().lower(), scalar)
        if not isinstance(scalar, bool):
            raise PartError(f"true or false was expected, not {describe(scalar)}")
        return scalar


def fact_kind(name: str) -> Kind:
    """How a fact is compared; its ``vr`` is what messages call it."""
    fact = FACTS[name]
    if fact.kind in ("whole", "number"):
        return FactNumber("IS" if fact.kind == "whole" else "FD", several=fact.several)
    if fact.kind == "word":
        return FactWord("a word", words=fact.words, several=fact.several)
    if fact.kind == "text":
        return Text("LO")
    if fact.kind == "uid":
        return Uid("UI")
    return FactTruth("true or false")
