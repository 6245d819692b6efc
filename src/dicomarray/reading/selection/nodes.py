"""Nodes: what is asked of a whole instance.  A node holds where all its entries do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dicomarray.reading.selection.conditions import Condition
from dicomarray.reading.selection.fields import Field
from dicomarray.reading.selection.instance import Evaluation, Found, Instance, Value, elements_of, is_blank


@dataclass(frozen=True, slots=True)
class Entry(ABC):
    """One entry of a node; ``path`` is its place in the config, such as ``$.all[0].Modality``."""

    path: str

    @abstractmethod
    def holds(self, instance: Instance, evaluation: Evaluation) -> bool:
        """Whether the instance satisfies it."""

    @abstractmethod
    def leaves(self) -> Iterator[FieldEntry]:
        """The conditions on fields that it consists of."""


@dataclass(frozen=True, slots=True)
class Node:
    """All entries hold; an empty node matches everything."""

    entries: tuple[Entry, ...]

    def holds(self, instance: Instance, evaluation: Evaluation) -> bool:
        """Whether the instance satisfies all entries."""
        return all(entry.holds(instance, evaluation) for entry in self.entries)

    def leaves(self) -> Iterator[FieldEntry]:
        """The conditions on fields that it consists of."""
        for entry in self.entries:
            yield from entry.leaves()


@dataclass(frozen=True, slots=True)
class FieldEntry(Entry):
    """A condition on the values of one field."""

    field: Field
    condition: Condition

    def holds(self, instance: Instance, evaluation: Evaluation) -> bool:
        key = self.field.plain_key
        if key is None:
            return self.condition.holds(self.field.find(instance), evaluation)
        if key not in instance:
            return self.condition.holds(Found(False, ()), evaluation)
        value = instance[key]
        if not _can_be_remembered(value):
            return self.condition.holds(_all_of(value), evaluation)
        answers = evaluation.answers.setdefault(id(self), {})
        if value not in answers:
            answers[value] = self.condition.holds(_all_of(value), evaluation)
        return answers[value]

    def leaves(self) -> Iterator[FieldEntry]:
        yield self


@dataclass(frozen=True, slots=True)
class Combined(Entry):
    """An entry that consists of nodes."""

    nodes: tuple[Node, ...]

    def leaves(self) -> Iterator[FieldEntry]:
        for node in self.nodes:
            yield from node.leaves()


@dataclass(frozen=True, slots=True)
class All(Combined):
    """Every node holds."""

    def holds(self, instance: Instance, evaluation: Evaluation) -> bool:
        return all(node.holds(instance, evaluation) for node in self.nodes)


@dataclass(frozen=True, slots=True)
class AnyOf(Combined):
    """At least one node holds."""

    def holds(self, instance: Instance, evaluation: Evaluation) -> bool:
        return any(node.holds(instance, evaluation) for node in self.nodes)


@dataclass(frozen=True, slots=True)
class NoneOf(Combined):
    """No node holds."""

    def holds(self, instance: Instance, evaluation: Evaluation) -> bool:
        return not any(node.holds(instance, evaluation) for node in self.nodes)


@dataclass(frozen=True, slots=True)
class Quantified(Combined):
    """A question about the whole series: the same answer for each of its instances, found once."""

    def holds(self, instance: Instance, evaluation: Evaluation) -> bool:  # noqa: ARG002 - asks all instances
        known = evaluation.quantified.get(id(self))
        if known is None:
            known = evaluation.quantified[id(self)] = self.ask(evaluation)
        return known

    @abstractmethod
    def ask(self, evaluation: Evaluation) -> bool:
        """The answer for the series."""


@dataclass(frozen=True, slots=True)
class Some(Quantified):
    """The node holds for at least one instance of the series."""

    def ask(self, evaluation: Evaluation) -> bool:
        return any(self.nodes[0].holds(instance, evaluation) for instance in evaluation.instances)


@dataclass(frozen=True, slots=True)
class Every(Quantified):
    """The node holds for every instance of the series."""

    def ask(self, evaluation: Evaluation) -> bool:
        return all(self.nodes[0].holds(instance, evaluation) for instance in evaluation.instances)


def _can_be_remembered(value: Value) -> bool:
    """Whether a value can be a key: a broken file has items where its VR says text."""
    return not any(isinstance(element, Mapping) for element in elements_of(value))


def _all_of(value: Value) -> Found:
    return Found(True, tuple(element for element in elements_of(value) if not is_blank(element)))
