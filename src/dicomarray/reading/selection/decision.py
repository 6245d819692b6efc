"""The verdict on a series, with the reason for a rejection; data only, rendered elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from dicomarray.reading.selection.instance import Evaluation, Instance, elements_of, is_blank
from dicomarray.reading.selection.nodes import Combined, Entry, FieldEntry, Node, NoneOf

# More of the values seen tell nothing: every instance has a UID of its own.
MOST_COMMON = 20


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
    """

    path: str
    condition: str
    field: str
    passed: int
    total: int
    seen: tuple[Seen, ...]
    distinct: int
    identifying: bool

    @property
    def disagree(self) -> bool:
        """Whether some instances satisfy it and others do not."""
        return 0 < self.passed < self.total


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a series is accepted; where it is not, the failures, one or more for each failing condition."""

    accepted: bool
    total: int
    failures: tuple[Failure, ...]
    warnings: tuple[str, ...]


def judge(root: Node, evaluation: Evaluation) -> Decision:
    """Ask every instance, and only where one fails look for the reasons."""
    accepted = all(root.holds(instance, evaluation) for instance in evaluation.instances)
    failures: tuple[Failure, ...] = ()
    if not accepted:
        failures = tuple(
            failure for entry in root.entries for failure in _blame(entry, entry.path, evaluation)
        )
    return Decision(accepted, len(evaluation.instances), failures, tuple(evaluation.warnings))


def _blame(entry: Entry, condition: str, evaluation: Evaluation) -> Iterator[Failure]:
    """The failures of an entry, as deep inside as they can be told apart."""
    total = len(evaluation.instances)
    passed = sum(entry.holds(instance, evaluation) for instance in evaluation.instances)
    if passed == total:
        return
    make = partial(_failure, condition=condition, passed=passed, evaluation=evaluation)
    if isinstance(entry, FieldEntry):
        yield make(entry.path, leaf=entry)
    elif isinstance(entry, NoneOf):
        # What is inside does hold, which is the trouble; the counts are those of the negation.
        yield from (make(leaf.path, leaf=leaf) for leaf in entry.leaves())
    elif isinstance(entry, Combined):
        for node in entry.nodes:
            for inner in node.entries:
                yield from _blame(inner, condition, evaluation)


def _failure(path: str, leaf: FieldEntry, condition: str, passed: int, evaluation: Evaluation) -> Failure:
    counts = Counter(_shown(leaf, instance) for instance in evaluation.instances)
    return Failure(
        path=path,
        condition=condition,
        field=leaf.field.name,
        passed=passed,
        total=len(evaluation.instances),
        seen=tuple(
            Seen(value, present, count) for (value, present), count in counts.most_common(MOST_COMMON)
        ),
        distinct=len(counts),
        identifying=leaf.field.identifying,
    )


def _shown(leaf: FieldEntry, instance: Instance) -> tuple[str | None, bool]:
    """All values of a field as DICOM writes them, and whether the attribute is present."""
    key = leaf.field.plain_key
    if key is not None and key in instance:
        elements = elements_of(instance[key])  # with the blank ones, so that each stands in its place
        if all(is_blank(element) for element in elements):
            return None, True
    else:
        found = leaf.field.find(instance)
        elements = found.elements
        if not elements:
            return None, found.present
    if any(isinstance(element, Mapping) for element in elements):
        return f"{len(elements)} item" + ("s" if len(elements) > 1 else ""), True
    return "\\".join("" if element is None else str(element).strip() for element in elements), True
