"""How facts of the series are compared: as numbers, as one of a few words, or as true and false."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dicomarray.reading.selection.facts import FACTS, MIXED, PLANES
from dicomarray.reading.selection.instance import Value
from dicomarray.reading.selection.kinds import Kind, Number, Test, describe
from dicomarray.reading.selection.words import ORDER, MistakeError, did_you_mean, suggest

_ONE_VALUE = frozenset({"eq", "in", "not", "exists"})
_TRUTHS = {"true": True, "false": False}
_WORDS = (*PLANES, MIXED)


class FactNumber(Number):
    """A number: exactly where it counts, within `NUMBER_TOLERANCE` where it measures."""

    __slots__ = ()
    operators = _ONE_VALUE | ORDER | {"near"}


class FactWord(Kind):
    """One of a few words."""

    __slots__ = ()
    noun = f"one of {', '.join(_WORDS)}"
    operators = _ONE_VALUE

    def value(self, raw: Value) -> Value:
        return raw

    def literal(self, scalar: Any) -> str:
        word = scalar.strip().lower() if isinstance(scalar, str) else None
        if word not in _WORDS:
            hint = did_you_mean(suggest(word, _WORDS)) if word else ""
            raise MistakeError(f"{describe(scalar)} is not {self.noun}{hint}")
        return word


class FactTruth(Kind):
    """True or false; 0 and 1 are neither."""

    __slots__ = ()
    noun = "true or false"
    operators = _ONE_VALUE

    def value(self, raw: Value) -> Value:
        return raw

    def literal(self, scalar: Any) -> bool:
        if isinstance(scalar, str):
            scalar = _TRUTHS.get(scalar.strip().lower(), scalar)
        if not isinstance(scalar, bool):
            raise MistakeError(f"true or false was expected, not {describe(scalar)}")
        return scalar

    def any_of(self, literals: Sequence[bool]) -> Test:
        return lambda value: value in literals


def fact_kind(name: str) -> Kind:
    """How a fact is compared; its ``vr`` is what messages call it."""
    kind = FACTS[name].kind
    if kind == "whole":
        return FactNumber("IS")
    if kind == "number":
        return FactNumber("FD")
    return FactWord("a word") if kind == "word" else FactTruth("true or false")
