"""Which series are wanted: filter configs, parsed once and asked of every series.

A config is a predicate on one instance, and a series is accepted where it is true for every instance, so
that nothing depends on which file comes first.  `parse` finds all mistakes before any file is opened;
`evaluate_all` says which series of a catalog match, in which order, and which a limit left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain
from typing import Any

from dicomarray.assembly.series import Series
from dicomarray.core.coded_warnings import Warnings
from dicomarray.dicom.headers.columns import HasColumns
from dicomarray.errors import UsageError
from dicomarray.query.instance import Evaluation
from dicomarray.query.nodes import All, Combined, Entry, Leaf, NoneOf
from dicomarray.query.parser import Parser
from dicomarray.query.ranking import Ranking
from dicomarray.query.rows import Rows, rows_of


@dataclass(frozen=True, slots=True)
class Selection:
    """A config without mistakes; ``warnings`` say what is legal but odd in it, such as a retired keyword."""

    root: All
    ranking: Ranking
    warnings: Warnings
    config: Mapping[str, Any] = field(repr=False)

    @property
    def attributes(self) -> frozenset[str]:
        """The attributes to be read: keywords, or tags "(gggg,eeee)", "(gggg,CREATOR,ee)" in lower-case hex.

        Tags that have a keyword stand under it, however the config names them; attributes inside sequences
        under the name of the outermost sequence.  Those that facts and ranking need are among them.
        """
        return self.ranking.attributes.union(*(leaf.attributes for leaf in self.root.leaves()))

    def decide(self, rows: Rows) -> Decision:
        """Judge a series by all its instances (of an enhanced object: its frames).

        Raises
        ------
        UsageError
            Where there are no instances.
        ConfigError
            Where a regular expression takes too long on a value.
        """
        if not rows.size:
            raise UsageError("a series without instances can be neither accepted nor rejected")
        evaluation = Evaluation(rows, dict.fromkeys(rows.warnings))
        entries = sorted(self.root.parts, key=_asks_facts)  # facts, which cost most, last
        accepted = all(entry.passing(evaluation) == evaluation.everyone for entry in entries)
        return Decision(accepted, tuple(evaluation.warnings), self, evaluation)


def parse(config: Mapping[str, Any]) -> Selection:
    """Read a filter config; no file is opened.

    Raises
    ------
    ConfigError
        With every mistake of the config, its place (``$.Modalty``) and what was probably meant.
    """
    parser = Parser()
    root, ranking = parser.parse(config)
    return Selection(root, ranking, tuple(parser.warnings), config)


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
    warnings: Warnings
    selection: Selection = field(repr=False)
    evaluation: Evaluation = field(repr=False)

    @cached_property
    def failures(self) -> tuple[Failure, ...]:
        """Looked for when they are asked for."""
        if self.accepted:
            return ()
        found = (_failures(entry, entry.path, self.evaluation) for entry in self.selection.root.parts)
        return tuple(chain.from_iterable(found))


def _asks_facts(entry: Entry) -> bool:
    return any(leaf.field.is_fact for leaf in entry.leaves())


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
        for part in entry.parts:
            yield from _failures(part, condition, evaluation)


def _failure(leaf: Leaf, condition: str, passed: int, evaluation: Evaluation) -> Failure:
    counts = leaf.seen(evaluation)
    return Failure(
        path=leaf.path,
        condition=condition,
        field=leaf.field.name,
        passed=passed,
        total=evaluation.rows.size,
        seen=tuple(
            Seen(value, present, count) for (value, present), count in counts.most_common(MAX_EXAMPLES)
        ),
        distinct=len(counts),
        identifying=leaf.identifying,
        why_unknown=leaf.why_unknown(evaluation),
    )


# Instances of an index of which what was asked is kept at hand, for who asks next: some 100 MB.
MAX_HELD = 50_000


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Every series with its verdict.

    ``kept`` are the numbers of those that match, in the order of the ranking; ``dropped`` those that match
    but for the limit, with the numbers of those that took their places.
    """

    selection: Selection
    series: tuple[Series, ...]
    decisions: tuple[Decision, ...]
    kept: Sequence[int]
    dropped: Mapping[int, Sequence[int]]

    @property
    def matching(self) -> list[Series]:
        """The series that match, in order."""
        return [self.series[number] for number in self.kept]

    @property
    def warnings(self) -> Warnings:
        """What is odd in the config, then what is odd in the files, each once."""
        odd = dict.fromkeys(warning for decision in self.decisions for warning in decision.warnings)
        return (*self.selection.warnings, *odd)


def evaluate_all(selection: Selection, series: Sequence[Series]) -> Verdicts:
    """Judge and rank series, whose headers were read with `Selection.attributes` or come from an index.

    Raises
    ------
    ConfigError
        Where a regular expression takes too long on a value.
    """
    decisions = tuple(_decisions(selection, series))
    kept, dropped = selection.ranking.rank(
        {number: decision.evaluation for number, decision in enumerate(decisions) if decision.accepted}
    )
    return Verdicts(selection, tuple(series), decisions, kept, dropped)


def _decisions(selection: Selection, series: Sequence[Series]) -> Iterator[Decision]:
    """A verdict each; what an index told of series is held of so many instances, however many there are."""
    held: list[tuple[HasColumns, Decision]] = []
    count = 0
    for one in series:
        decision = selection.decide(rows_of(one.instances, selection.attributes))
        yield decision
        if isinstance(one.instances, HasColumns):
            held.append((one.instances, decision))
            count += len(one.instances)
            if count > MAX_HELD:
                for instances, decided in held:
                    instances.let_go()
                    decided.evaluation.let_go()
                held, count = [], 0
