"""Conditions on the values of one field in one instance.

Element tests (eq, gt, like, ...) ask single values: a multi-valued attribute satisfies them where one of its
values passes all of them.  Everything else asks the attribute as a whole.  A field without a value satisfies
no condition but ``exists: false``, ``empty`` and ``not``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from dicomarray.core.coded_warnings import warning
from dicomarray.query.fields import Field
from dicomarray.query.instance import Evaluation, Found, Value
from dicomarray.query.value_types import Kind, Test


class Condition(Protocol):
    """Anything that can be asked of the values of a field."""

    def holds(self, found: Found, evaluation: Evaluation) -> bool:
        """Whether the values satisfy it."""


@dataclass(frozen=True, slots=True)
class Comparable:
    """A field with the kind of its values: reads them, and warns of what cannot be read."""

    field: Field
    kind: Kind

    def read(self, element: Value, evaluation: Evaluation) -> object | None:
        """A value made comparable, or None."""
        value: object | None = None if isinstance(element, Mapping) else self.kind.value(element)
        if value is None:
            display = (
                "a value" if self.field.identifying or isinstance(element, Mapping) else repr(element)[:80]
            )
            evaluation.warn(
                warning(
                    f"{self.field.name}: {display} is not {self.kind.noun}; it matches nothing [query-value]"
                )
            )
        return value


@dataclass(frozen=True, slots=True)
class Elements:
    """At least one value passes all tests."""

    comparable: Comparable
    tests: tuple[Test, ...]

    def holds(self, found: Found, evaluation: Evaluation) -> bool:
        for element in found.elements:
            value = self.comparable.read(element, evaluation)
            if value is not None and all(test(value) for test in self.tests):
                return True
        return False


@dataclass(frozen=True, slots=True)
class HasAll:
    """Each test is passed by some value."""

    comparable: Comparable
    tests: tuple[Test, ...]

    def holds(self, found: Found, evaluation: Evaluation) -> bool:
        read = [self.comparable.read(element, evaluation) for element in found.elements]
        values = [value for value in read if value is not None]
        return all(any(test(value) for value in values) for test in self.tests)


@dataclass(frozen=True, slots=True)
class Each:
    """There are values, and every one of them satisfies a condition by itself."""

    condition: Condition

    def holds(self, found: Found, evaluation: Evaluation) -> bool:
        return bool(found.elements) and all(
            self.condition.holds(Found(True, (element,)), evaluation) for element in found.elements
        )


@dataclass(frozen=True, slots=True)
class Count:
    """There are values, and their number satisfies a condition."""

    condition: Condition

    def holds(self, found: Found, evaluation: Evaluation) -> bool:
        number = len(found.elements)
        return number > 0 and self.condition.holds(Found(True, (number,)), evaluation)


@dataclass(frozen=True, slots=True)
class Exists:
    """There is a value, or there is none."""

    wanted: bool

    def holds(self, found: Found, evaluation: Evaluation) -> bool:  # noqa: ARG002 - the protocol's signature
        return bool(found.elements) is self.wanted


@dataclass(frozen=True, slots=True)
class Empty:
    """The attribute is present without a value, or not so."""

    wanted: bool

    def holds(self, found: Found, evaluation: Evaluation) -> bool:  # noqa: ARG002 - the protocol's signature
        return found.empty is self.wanted


@dataclass(frozen=True, slots=True)
class Negated:
    """A condition does not hold, be it because there is no value."""

    condition: Condition

    def holds(self, found: Found, evaluation: Evaluation) -> bool:
        return not self.condition.holds(found, evaluation)


@dataclass(frozen=True, slots=True)
class Together:
    """All conditions hold."""

    conditions: tuple[Condition, ...]

    def holds(self, found: Found, evaluation: Evaluation) -> bool:
        return all(condition.holds(found, evaluation) for condition in self.conditions)
