"""A catalog's series decided by a selection: which match, in which order, and which a limit left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dicomarray.assembly.series import Series
from dicomarray.core.coded_warnings import Warnings
from dicomarray.query.rows import HasRows, rows_of
from dicomarray.query.selection import Decision, Selection

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
    kept: tuple[int, ...]
    dropped: Mapping[int, tuple[int, ...]]

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
    accepted = [number for number, decision in enumerate(decisions) if decision.accepted]
    ranked = selection.rank([decisions[number] for number in accepted])
    dropped = {
        accepted[number]: tuple(accepted[taker] for taker in takers)
        for number, takers in ranked.dropped.items()
    }
    kept = tuple(accepted[number] for number in ranked.kept)
    return Verdicts(selection, tuple(series), decisions, kept, dropped)


def _decisions(selection: Selection, series: Sequence[Series]) -> Iterator[Decision]:
    """A verdict each; what an index told of series is held of so many instances, however many there are."""
    held: list[tuple[HasRows, Decision]] = []
    count = 0
    for one in series:
        decision = selection.decide(rows_of(one.instances, selection.attributes))
        yield decision
        if isinstance(one.instances, HasRows):
            held.append((one.instances, decision))
            count += len(one.instances)
            if count > MAX_HELD:
                for instances, decided in held:
                    instances.let_go()
                    decided.evaluation.let_go()
                held, count = [], 0
