"""From an operator with its argument to a test of single values, and to a condition on all values of a field.

Element tests (eq, gt, like, ...) ask single values: a multi-valued attribute satisfies them where one of its
values passes all of them.  Everything else asks the attribute as a whole.  A field without a value satisfies
no condition but ``exists: false``, ``empty`` and ``not``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dicomarray.core.coded_warnings import warning
from dicomarray.query.fields import Field
from dicomarray.query.grammar import PartError
from dicomarray.query.instance import Evaluation, Found
from dicomarray.query.patterns import compile_search
from dicomarray.query.person_names import PersonName
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

# Whether the values of a field satisfy it.
Condition = Callable[[Found, Evaluation], bool]

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
    """How values of a VR are compared; PartError where there is no such VR, or where it knows no case."""
    cls = _KINDS.get(vr) if isinstance(vr, str) else None
    if cls is None:
        raise PartError(f"{describe(vr)} is no VR of two capital letters, such as DS or LO")
    if case is not None and cls not in (Text, PersonName):
        raise PartError(f"case has no meaning for {vr}; only texts and names are compared without it")
    return cls(vr, bool(case))


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


# The tests of the operators that ask one value at a time (`in` apart, a list).
ELEMENT_TESTS: dict[str, Callable[[Kind, str, Any], Test]] = {
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


def some_value(field: Field, kind: Kind, tests: Sequence[Test]) -> Condition:
    """At least one value passes all tests."""
    return lambda found, evaluation: any(
        all(test(value) for test in tests) for value in _comparable(field, kind, found, evaluation)
    )


def has_all(field: Field, kind: Kind, tests: Sequence[Test]) -> Condition:
    """Each test is passed by some value."""

    def holds(found: Found, evaluation: Evaluation) -> bool:
        values = list(_comparable(field, kind, found, evaluation))
        return all(any(test(value) for value in values) for test in tests)

    return holds


def _comparable(field: Field, kind: Kind, found: Found, evaluation: Evaluation) -> Iterator[Any]:
    """The values made comparable; a warning for each that cannot be read."""
    for element in found or ():
        is_item = isinstance(element, Mapping)
        value = None if is_item else kind.value(element)
        if value is not None:
            yield value
            continue
        display = "a value" if field.identifying or is_item else repr(element)[:80]
        evaluation.warn(
            warning(f"{field.name}: {display} is not {kind.noun}; it matches nothing [query-value]")
        )


def each(condition: Condition) -> Condition:
    """There are values, and every one of them satisfies a condition by itself."""
    return lambda found, evaluation: bool(
        found and all(condition((element,), evaluation) for element in found)
    )


def count(condition: Condition) -> Condition:
    """There are values, and their number satisfies a condition."""
    return lambda found, evaluation: bool(found and condition((len(found),), evaluation))


def together(conditions: Sequence[Condition]) -> Condition:
    """All conditions hold."""
    return lambda found, evaluation: all(condition(found, evaluation) for condition in conditions)
