"""One series as a filter asks it, and what is remembered while it is judged."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from dicomarray.core.coded_warnings import CodedWarning, Warnings
from dicomarray.dicom.headers.attributes import ABSENT, Absent
from dicomarray.query.rows import ListRows, Rows

if TYPE_CHECKING:  # to compute facts takes all that builds volumes, and few configs ask for one
    from dicomarray.query.series_facts import Facts

# None is an attribute that is present without a value; an absent key is an absent attribute.
Value: TypeAlias = "str | int | float | tuple[Value, ...] | Mapping[str, Value] | None"
Instance: TypeAlias = Mapping[str, Value]
Cell: TypeAlias = "Value | Absent"

# What pads a value to its even length (PS3.5 6.2), and what careless writers pad with.
PADDING = " \0\t\r\n\v\f"
# A broken series can hold a different broken value in every file; nobody reads more warnings than this.
MAX_WARNINGS = 20


@dataclass(frozen=True, slots=True)
class Found:
    """The values of one field in one instance; blank ones are left out."""

    present: bool
    elements: tuple[Value, ...]

    @property
    def empty(self) -> bool:
        return self.present and not self.elements


@dataclass(frozen=True, slots=True)
class Column:
    """The different cells of an attribute, and which of them each row has; None where all have the first."""

    cells: Sequence[Cell]
    which: Sequence[int] | None

    def counts(self, size: int) -> list[int]:
        """How many rows have each cell."""
        if self.which is None:
            return [size]
        counts = [0] * len(self.cells)
        for number in self.which:
            counts[number] += 1
        return counts


@dataclass(slots=True)
class Evaluation:
    """The series that is being judged, its columns as far as they were asked, and what was odd about them.

    The answer to a question is the set of rows for which it is true: an integer with a byte of 0 or 1 for
    each row, so that "and", "or" and "not" are one operation for all rows.
    """

    rows: Rows
    warnings: dict[CodedWarning, None] = field(default_factory=dict)
    num_warned: int = 0  # how often something was odd
    _columns: dict[str, Column] = field(default_factory=dict)
    _facts: Facts | None = None
    _known_facts: dict[str, Value] = field(default_factory=dict)
    _everyone: int | None = None

    @property
    def everyone(self) -> int:
        """The set of all rows."""
        if self._everyone is None:
            self._everyone = int.from_bytes(b"\1" * self.rows.size, "little")
        return self._everyone

    def column(self, name: str) -> Column:
        """An attribute by its different cells."""
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = _column(self.rows.column(name))
        return column

    def chosen(self, column: Column, answers: Sequence[bool]) -> int:
        """The set of rows whose cell has the answer True; ``answers`` has one for each different cell."""
        if all(answers):
            return self.everyone
        if column.which is None or not any(answers):
            return 0
        return int.from_bytes(bytes([answers[number] for number in column.which]), "little")

    @property
    def facts(self) -> Facts:
        """The facts of the series."""
        if self._facts is None:
            from dicomarray.query.series_facts import Facts

            self._facts = Facts(self.rows)
        return self._facts

    def fact(self, name: str) -> Value:
        """A fact of the series; None where it is unknown."""
        if name not in self._known_facts:
            self._known_facts[name] = self.facts.value(name)
        return self._known_facts[name]

    def let_go(self) -> None:
        """Keep what facts came to, and forget the rest, which is found again where it is asked for."""
        self._columns.clear()
        self._facts = self._everyone = None

    def of_item(self, item: Instance) -> Evaluation:
        """The evaluation of an item of a sequence, as a series of one; its warnings come here."""
        return Evaluation(ListRows([item]), self.warnings)

    def warn(self, messages: Warnings) -> None:
        """Remember some messages once."""
        self.num_warned += 1
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings |= dict.fromkeys(messages)


def _column(cells: Sequence[Cell]) -> Column:
    if len(cells) == 1:
        return Column(cells, None)
    keys: Sequence[Hashable] = cells
    try:
        different: dict[Hashable, Cell] = {cell: cell for cell in dict.fromkeys(cells)}
    except TypeError:  # items of sequences among them
        keys, different = [_key(cell) for cell in cells], {}
        for key, cell in zip(keys, cells, strict=True):
            different.setdefault(key, cell)
    if len(different) == 1:
        return Column(list(different.values()), None)
    numbers = {key: number for number, key in enumerate(different)}
    return Column(list(different.values()), [numbers[key] for key in keys])


def _key(cell: Cell) -> Hashable:
    """What tells cells apart; items of sequences cannot be keys, so that each sequence is told by itself."""
    try:
        hash(cell)
    except TypeError:
        return (ABSENT, id(cell))
    return cell


def is_blank(value: Value) -> bool:
    """Whether a single value says nothing."""
    return value is None or (isinstance(value, str) and not value.strip(PADDING))


def elements_of(value: Value) -> tuple[Value, ...]:
    """The values of an attribute, blank ones included, so that an index counts them."""
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)
