"""Whether a series may match, by what a PACS says of it before anything is fetched.

A listing has few attributes.  What a config asks beyond them may be true or not, and is taken to be what lets
the series match.  So a series is ruled out only where a condition fails whatever the rest may be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dicomarray.query.facts import FACTS
from dicomarray.query.instance import Evaluation, is_blank
from dicomarray.query.nodes import All, AnyOf, Combined, Entry, Leaf, NoneOf
from dicomarray.query.rows import Rows
from dicomarray.query.selection import Selection

# The only fact that a list of instances tells.
COUNT = "num_instances"


def asked_attributes(selection: Selection) -> frozenset[str]:
    """The attributes that conditions ask; of facts the number of instances alone, by its name."""
    asked = frozenset(leaf.field.key for leaf in selection.root.leaves())
    return asked - (FACTS.keys() - {COUNT})


def may_match(selection: Selection, listed: Sequence[Mapping[str, str]], *, every_instance: bool) -> bool:
    """Whether a series matches, as far as is known.

    Parameters
    ----------
    selection
        The config.
    listed
        What is said of each instance, or a single mapping of what is said of all; blank is unknown.
    every_instance
        Whether there are these instances and no others.
    """
    evaluation = Evaluation(Rows(rows=listed))
    known = {name for name in listed[0] if not any(is_blank(row.get(name)) for row in listed)}
    if every_instance:
        known.add(COUNT)
    return _assuming(selection.root, known, holds=True).passing(evaluation) == evaluation.everyone


def _assuming(entry: Entry, known: set[str], *, holds: bool) -> Entry:
    """The entry where whatever is not known holds, or nothing of it does; what is negated, the other way."""
    if isinstance(entry, Combined):
        inner = holds is not isinstance(entry, NoneOf)
        return replace(entry, parts=tuple(_assuming(part, known, holds=inner) for part in entry.parts))
    assert isinstance(entry, Leaf)  # there are no others
    if entry.field.key in known:
        return entry
    return All(entry.path, ()) if holds else AnyOf(entry.path, ())  # without parts
