"""The verdict on a series, with the reason for a rejection; data only, rendered elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial

from dicomarray.core.coded_warnings import Warnings
from dicomarray.query.instance import Evaluation
from dicomarray.query.nodes import Combined, Displayed, Entry, FactEntry, Leaf, Node, NoneOf
from dicomarray.query.ranking import Place, Ranking

# More of the values seen tell nothing: every instance has a UID of its own.
MAX_EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class Seen:
    """A value of a field as text, values joined by backslashes; None where the attribute has no value."""

    value: str | None
    present: bool
    count: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A condition that not every instance satisfies.

    ``path`` is its place in the config and ``condition`` that of the entry of the top level to which it
    belongs; ``passed`` of ``total`` instances satisfy it; ``seen`` are the most common values of ``field``,
    ``distinct`` the number of different ones.  Where ``identifying`` is set they name the patient.
    ``why_unknown`` is why a fact is unknown.
    """

    path: str
    condition: str
    field: str
    passed: int
    total: int
    seen: tuple[Seen, ...]
    distinct: int
    identifying: bool
    why_unknown: str | None = None

    @property
    def disagree(self) -> bool:
        """Whether some instances satisfy it and others do not."""
        return 0 < self.passed < self.total


@dataclass(frozen=True)
class Decision:
    """Whether a series is accepted; where it is not, the failures, one or more for each failing condition."""

    accepted: bool
    total: int
    warnings: Warnings
    root: Node = field(repr=False)
    ranking: Ranking = field(repr=False)
    evaluation: Evaluation = field(repr=False)

    @cached_property
    def failures(self) -> tuple[Failure, ...]:
        """Looked for when they are asked for."""
        if self.accepted:
            return ()
        return tuple(
            failure
            for entry in self.root.entries
            for failure in _failures(entry, entry.path, self.evaluation)
        )

    @cached_property
    def place(self) -> Place:
        """Where the ranking puts the series among others."""
        return self.ranking.place(self.evaluation)

    def seen(self, condition: str) -> dict[str, Counter[Displayed]]:
        """The values of each field and fact that a condition of the top level asks."""
        return {
            leaf.name: leaf.seen(self.evaluation)
            for entry in self.root.entries
            if entry.path == condition
            for leaf in entry.leaves()
        }


def decision_of(root: Node, ranking: Ranking, evaluation: Evaluation) -> Decision:
    """Ask every instance, until one fails; what costs most, facts, last."""
    entries = sorted(root.entries, key=_asks_facts)
    accepted = all(entry.passing(evaluation) == evaluation.everyone for entry in entries)
    return Decision(accepted, evaluation.rows.size, tuple(evaluation.warnings), root, ranking, evaluation)


def _asks_facts(entry: Entry) -> bool:
    return any(isinstance(leaf, FactEntry) for leaf in entry.leaves())


def _failures(entry: Entry, condition: str, evaluation: Evaluation) -> Iterator[Failure]:
    """The failures of an entry, as deep inside as they can be told apart."""
    passed = entry.passing(evaluation)
    if passed == evaluation.everyone:
        return
    make = partial(_failure, condition=condition, passed=passed.bit_count(), evaluation=evaluation)
    if isinstance(entry, Leaf):
        yield make(entry)
    elif isinstance(entry, NoneOf):
        # What is inside does hold, which is the trouble; the counts are those of the negation.
        yield from (make(leaf) for leaf in entry.leaves())
    elif isinstance(entry, Combined):
        for node in entry.nodes:
            for inner in node.entries:
                yield from _failures(inner, condition, evaluation)


def _failure(leaf: Leaf, condition: str, passed: int, evaluation: Evaluation) -> Failure:
    counts = leaf.seen(evaluation)
    return Failure(
        path=leaf.path,
        condition=condition,
        field=leaf.name,
        passed=passed,
        total=evaluation.rows.size,
        seen=tuple(
            Seen(value, present, count) for (value, present), count in counts.most_common(MAX_EXAMPLES)
        ),
        distinct=len(counts),
        identifying=leaf.identifying,
        why_unknown=leaf.why_unknown(evaluation),
    )
