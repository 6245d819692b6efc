"""What is asked of every instance, as a tree: conditions, and what combines them.

`passing` gives the rows for which something holds, as `Evaluation` represents them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as field_of_class
from functools import partial

from dicomarray.dicom.headers.attributes import ABSENT
from dicomarray.query.fields import Field
from dicomarray.query.instance import Cell, Evaluation, elements_of, is_blank, of_each
from dicomarray.query.operators import Condition

# Values whose answers are remembered, and of how many different ones: some MB.
_SINGLE = frozenset({str, int, float})
_MAX_KNOWN = 100_000
# A value as text, values joined by backslashes, None where there is none; and whether it is present.
Displayed = tuple[str | None, bool]


@dataclass(frozen=True, slots=True)
class Entry(ABC):
    """One part of a config; ``path`` is its place in the config, such as ``$.all[0].Modality``."""

    path: str

    @abstractmethod
    def passing(self, evaluation: Evaluation) -> int:
        """The rows that satisfy it."""

    @abstractmethod
    def leaves(self) -> Iterator[Leaf]:
        """The conditions that it consists of."""


@dataclass(frozen=True, slots=True)
class Leaf(Entry):
    """A condition on the values of a field; what it said of single values is remembered for all series.

    ``attributes`` are those that it needs; the values of what is ``identifying`` name the patient.
    """

    condition: Condition
    field: Field
    attributes: frozenset[str]
    identifying: bool
    # 1 and 1.0 are equal, and may be two texts
    _known: dict[tuple[type, Cell], bool] = field_of_class(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def passing(self, evaluation: Evaluation) -> int:
        cells = evaluation.column(self.field.key)
        if len(cells) == 1:  # as nearly always
            return evaluation.everyone if self._answer(cells[0], evaluation) else 0
        answers = of_each(cells, partial(self._answer, evaluation=evaluation))
        return int.from_bytes(bytes(answers), "little")

    def _answer(self, cell: Cell, evaluation: Evaluation) -> bool:
        key = type(cell), cell
        if key[0] not in _SINGLE:
            return self.condition(self.field.find(cell), evaluation)
        answer = self._known.get(key)
        if answer is None:
            before = evaluation.num_warned
            answer = self.condition(self.field.find(cell), evaluation)
            # what is odd about a value is told of every series
            if evaluation.num_warned == before and len(self._known) < _MAX_KNOWN:
                self._known[key] = answer
        return answer

    def leaves(self) -> Iterator[Leaf]:
        yield self

    def why_unknown(self, evaluation: Evaluation) -> str | None:
        """Why a fact is unknown, where there is more to say than that an attribute is absent."""
        return evaluation.facts.why_unknown(self.field.key) if self.field.is_fact else None

    def seen(self, evaluation: Evaluation) -> Counter[Displayed]:
        """The values that it was asked of, and how many rows have each."""
        cells = evaluation.column(self.field.key)
        if len(cells) == 1:
            return Counter({self._display(cells[0]): evaluation.rows.size})
        return Counter(of_each(cells, self._display))

    def _display(self, cell: Cell) -> Displayed:
        if self.field.is_fact:
            return (None, False) if cell is ABSENT else (display_fact(cell), True)
        if self.field.is_plain and cell is not ABSENT:
            elements = elements_of(cell)  # with the blank ones, each in its place
            if all(is_blank(element) for element in elements):
                return None, True
        else:
            found = self.field.find(cell)
            if not found:
                return None, found is not None
            elements = found
        if any(isinstance(element, Mapping) for element in elements):
            return f"{len(elements)} item" + ("s" if len(elements) > 1 else ""), True
        return "\\".join("" if element is None else str(element).strip() for element in elements), True


def display_fact(value: object) -> str:
    """A fact as configs write it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "\\".join(map(display_fact, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class Combined(Entry):
    """An entry that consists of others."""

    parts: tuple[Entry, ...]

    def leaves(self) -> Iterator[Leaf]:
        for part in self.parts:
            yield from part.leaves()


@dataclass(frozen=True, slots=True)
class All(Combined):
    """Every part holds, as of a mapping every entry has to; without parts it matches everything."""

    def passing(self, evaluation: Evaluation) -> int:
        passing = evaluation.everyone
        for part in self.parts:
            passing &= part.passing(evaluation)
            if not passing:
                break
        return passing


@dataclass(frozen=True, slots=True)
class AnyOf(Combined):
    """At least one part holds."""

    def passing(self, evaluation: Evaluation) -> int:
        passing = 0
        for part in self.parts:
            passing |= part.passing(evaluation)
            if passing == evaluation.everyone:
                break
        return passing


@dataclass(frozen=True, slots=True)
class NoneOf(AnyOf):
    """No part holds."""

    def passing(self, evaluation: Evaluation) -> int:
        return evaluation.everyone ^ AnyOf.passing(self, evaluation)


@dataclass(frozen=True, slots=True)
class Some(Combined):
    """Its part holds for at least one instance of the series: the same answer for all of them."""

    def passing(self, evaluation: Evaluation) -> int:
        return evaluation.everyone if self.parts[0].passing(evaluation) else 0


@dataclass(frozen=True, slots=True)
class Every(Combined):
    """Its part holds for every instance of the series: the same answer for all of them."""

    def passing(self, evaluation: Evaluation) -> int:
        everyone = evaluation.everyone
        return everyone if self.parts[0].passing(evaluation) == everyone else 0


def some_item(node: Entry) -> Condition:
    """The condition that at least one item of a sequence satisfies a node."""
    return lambda found, evaluation: any(
        node.passing(evaluation.of_item(item)) != 0 for item in found or () if isinstance(item, Mapping)
    )
