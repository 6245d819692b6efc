"""One instance as a filter sees it, and what is remembered while a series is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

# None is an attribute that is present without a value; an absent key is an absent attribute.
Value: TypeAlias = "str | int | float | tuple[Value, ...] | Mapping[str, Value] | None"
Instance: TypeAlias = Mapping[str, Value]

# What pads a value to its even length (PS3.5 6.2), and what careless writers pad with.
PADDING = " \0\t\r\n\v\f"
# A broken series can hold a different broken value in every file; nobody reads more warnings than this.
LONGEST_WARNINGS = 20


@dataclass(frozen=True, slots=True)
class Found:
    """The values of one field in one instance; blank ones are left out."""

    present: bool
    elements: tuple[Value, ...]

    @property
    def empty(self) -> bool:
        return self.present and not self.elements


@dataclass(slots=True)
class Evaluation:
    """The series that is being judged, the answers found so far, and what was odd about its values."""

    instances: Sequence[Instance]
    # Instances of a series share most of their values: a question is answered once for each value.
    answers: dict[int, dict[Value, bool]] = field(default_factory=dict)
    quantified: dict[int, bool] = field(default_factory=dict)
    warnings: dict[str, None] = field(default_factory=dict)

    def warn(self, message: str) -> None:
        """Remember a message once."""
        if len(self.warnings) < LONGEST_WARNINGS:
            self.warnings[message] = None


def is_blank(value: Value) -> bool:
    """Whether a single value says nothing."""
    return value is None or (isinstance(value, str) and not value.strip(PADDING))


def elements_of(value: Value) -> tuple[Value, ...]:
    """The values of an attribute, blank ones included, so that an index counts them."""
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)
