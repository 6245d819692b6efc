"""Which series are wanted: filter configs, parsed once and asked of every series.

A config is a predicate on one instance, and a series is accepted where it is true for every instance, so
that nothing depends on which file comes first.  `parse` finds all mistakes before any file is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dicomarray.core.coded_warnings import Warnings
from dicomarray.errors import UsageError
from dicomarray.query.decision import Decision, Failure, Seen, decision_of
from dicomarray.query.instance import Evaluation, Instance, Value
from dicomarray.query.nodes import Node
from dicomarray.query.parser import Parser
from dicomarray.query.ranking import Ranked, Ranking
from dicomarray.query.rows import ListRows, Rows

__all__ = ["Decision", "Failure", "Instance", "Ranked", "Seen", "Selection", "Value", "parse"]


@dataclass(frozen=True, slots=True)
class Selection:
    """A config without mistakes; ``warnings`` say what is legal but odd in it, such as a retired keyword."""

    root: Node
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

    @property
    def identifying(self) -> frozenset[str]:
        """The fields asked for whose values name the patient."""
        return frozenset(leaf.name for leaf in self.root.leaves() if leaf.identifying)

    @property
    def conditions(self) -> tuple[str, ...]:
        """The places of the top level's entries; a `Failure` names the one that it belongs to."""
        return tuple(entry.path for entry in self.root.entries)

    def decide(self, instances: Sequence[Instance] | Rows) -> Decision:
        """Judge a series by all its instances (of an enhanced object: its frames).

        They come as a table (`rows`: columns, which cost nothing where all instances have the same
        value), or as mappings of the names of `attributes` to raw values: None where the attribute is
        empty, a tuple where it has several values, a tuple of mappings for a sequence; an absent attribute
        has no key.

        Raises
        ------
        UsageError
            Where there are no instances.
        ConfigError
            Where a regular expression takes too long on a value.
        """
        rows = ListRows(instances) if isinstance(instances, Sequence) else instances
        if not rows.size:
            raise UsageError("a series without instances can be neither accepted nor rejected")
        return decision_of(self.root, self.ranking, Evaluation(rows, dict.fromkeys(rows.warnings)))

    def rank(self, accepted: Sequence[Decision]) -> Ranked:
        """Which of the accepted series are taken, by their numbers in the list, and in which order."""
        if not self.ranking.asked:
            return Ranked(tuple(range(len(accepted))), {})
        return self.ranking.rank([decision.place for decision in accepted])


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
