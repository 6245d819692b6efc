"""One series as a filter asks it, and what is remembered while it is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from dicomarray.core.coded_warnings import CodedWarning, Warnings
from dicomarray.dicom.headers.attributes import ABSENT, Absent
from dicomarray.query.facts import FACTS
from dicomarray.query.rows import Rows

if TYPE_CHECKING:  # to compute facts takes all that builds volumes, and few configs ask for one
    from dicomarray.query.series_facts import Facts

# None is an attribute that is present without a value; an absent key is an absent attribute.
Value: TypeAlias = "str | int | float | tuple[Value, ...] | Mapping[str, Value] | None"
Instance: TypeAlias = Mapping[str, Value]
Cell: TypeAlias = "Value | Absent"
# The values of one field in one instance, without the blank ones; None where it is absent.
Found: TypeAlias = "tuple[Value, ...] | None"
Answer = TypeVar("Answer")

# What pads a value to its even length (PS3.5 6.2), and what careless writers pad with.
PADDING = " \0\t\r\n\v\f"
# A broken series can hold a different broken value in every file; nobody reads more warnings than this.
MAX_WARNINGS = 20


@dataclass
class Evaluation:
    """The series that is being judged, its columns as far as they were asked, and what was odd about them.

    The answer to a question is the set of rows for which it is true: an integer with a byte of 0 or 1 for
    each row, so that "and", "or" and "not" are one operation for all rows.
    """

    rows: Rows
    warnings: dict[CodedWarning, None] = field(default_factory=dict)
    num_warned: int = 0  # how often something was odd
    _columns: dict[str, Sequence[Cell]] = field(default_factory=dict)

    @cached_property
    def everyone(self) -> int:
        """The set of all rows."""
        return int.from_bytes(b"\1" * self.rows.size, "little")

    def column(self, name: str) -> Sequence[Cell]:
        """The cells of an attribute or fact, one for each row, or a single one where all are the same."""
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = self._fact(name) if name in FACTS else self.rows.column(name)
        return column

    def _fact(self, name: str) -> Sequence[Cell]:
        value = self.facts.value(name)
        return [ABSENT if value is None else value]

    @cached_property
    def facts(self) -> Facts:
        """The facts of the series."""
        from dicomarray.query.series_facts import Facts

        return Facts(self)

    def let_go(self) -> None:
        """Keep what facts came to, and forget the rest, which is found again where it is asked for."""
        self._columns = {name: cells for name, cells in self._columns.items() if name in FACTS}
        for name in ("facts", "everyone"):
            self.__dict__.pop(name, None)

    def of_item(self, item: Instance) -> Evaluation:
        """The evaluation of an item of a sequence, as a series of one; its warnings come here."""
        return Evaluation(Rows(rows=[item]), self.warnings)

    def warn(self, messages: Warnings) -> None:
        """Remember some messages once."""
        self.num_warned += 1
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings |= dict.fromkeys(messages)


def of_each(cells: Sequence[Cell], ask: Callable[[Cell], Answer]) -> list[Answer]:
    """What is said of each cell; of equal ones it is asked once."""
    try:
        different = dict.fromkeys(cells)
    except TypeError:  # items of sequences are no keys
        return [ask(cell) for cell in cells]
    answers = {cell: ask(cell) for cell in different}
    return [answers[cell] for cell in cells]


def is_blank(value: Value) -> bool:
    """Whether a single value says nothing."""
    return value is None or (isinstance(value, str) and not value.strip(PADDING))


def elements_of(value: Value) -> tuple[Value, ...]:
    """The values of an attribute, blank ones included, so that an index counts them."""
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)
