"""From an operator with its argument to a test of single values."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

from dicomarray.query.grammar import PartError
from dicomarray.query.person_names import PersonName
from dicomarray.query.regular_expressions import compile_search
from dicomarray.query.value_types import (
    MAX_PATTERN_LENGTH,
    Age,
    Kind,
    Moment,
    NoText,
    Number,
    Test,
    Text,
    Uid,
    describe,
)

_KINDS: dict[str, type[Kind]] = {
    **dict.fromkeys(("DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"), Number),
    **dict.fromkeys(("DA", "DT", "TM"), Moment),
    **dict.fromkeys(("AE", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT"), Text),
    **dict.fromkeys(("AT", "OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UN"), NoText),
    "AS": Age,
    "PN": PersonName,
    "UI": Uid,
}


def kind_of(vr: Any, case: bool | None = None) -> Kind:
    """How values of a VR are compared; MistakeError where there is no such VR, or where it knows no case."""
    cls = _KINDS.get(vr) if isinstance(vr, str) else None
    if cls is None:
        raise PartError(f"{describe(vr)} is no VR of two capital letters, such as DS or LO")
    if case is not None and cls not in (Text, PersonName):
        raise PartError(f"case has no meaning for {vr}; only texts and names are compared without it")
    return cls(vr, bool(case))


def element_test(kind: Kind, operator: str, argument: Any) -> Test:
    """The test for an operator that asks one value at a time (`in` apart, a list)."""
    return _BUILDERS[operator](kind, operator, argument)


def _eq(kind: Kind, _: str, argument: Any) -> Test:
    if isinstance(argument, list | tuple):
        raise PartError("eq takes one value; write in for any of several, has_all for all of them")
    return kind.any_of([kind.literal(argument)])


def _like(kind: Kind, _: str, argument: Any) -> Test:
    if isinstance(argument, list | tuple):
        raise PartError("like takes one pattern; a plain list of patterns means any of them")
    return kind.any_of([kind.wanted(argument)])


def _regex(kind: Kind, _: str, argument: Any) -> Test:
    if not isinstance(argument, str) or not argument:
        raise PartError(f"regex takes a pattern as text, not {describe(argument)}")
    if len(argument) > MAX_PATTERN_LENGTH:
        raise PartError(f"a pattern has at most {MAX_PATTERN_LENGTH} characters, not {len(argument)}")
    search = compile_search(unicodedata.normalize("NFC", argument), kind.case)
    return lambda value: search(kind.text(value))


def _ordered(kind: Kind, operator: str, argument: Any) -> Test:
    return kind.ordered(operator, kind.literal(argument))


def _between(kind: Kind, operator: str, argument: Any) -> Test:
    lower, upper = (kind.literal(end) for end in _pair(operator, "lower, upper", argument))
    from_lower, to_upper = kind.ordered("gte", lower), kind.ordered("lte", upper)
    if not to_upper(lower):
        raise PartError("between takes the lower end first")
    return lambda value: from_lower(value) and to_upper(value)


def _near(kind: Kind, operator: str, argument: Any) -> Test:
    assert isinstance(kind, Number)  # the only kind with this operator
    value, distance = (kind.literal(part) for part in _pair(operator, "value, tolerance", argument))
    if distance < 0:
        raise PartError(f"a tolerance is not negative, as {describe(argument[1])} is")
    return kind.near(value, distance)


def _pair(operator: str, names: str, argument: Any) -> tuple[Any, Any]:
    if not isinstance(argument, list | tuple) or len(argument) != 2:
        raise PartError(f"{operator} takes [{names}], not {describe(argument)}")
    return argument[0], argument[1]


_BUILDERS: dict[str, Callable[[Kind, str, Any], Test]] = {
    "eq": _eq,
    "like": _like,
    "regex": _regex,
    "gt": _ordered,
    "gte": _ordered,
    "lt": _ordered,
    "lte": _ordered,
    "between": _between,
    "near": _near,
}
ELEMENT_OPERATORS = frozenset(_BUILDERS)
