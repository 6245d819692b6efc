"""Whether a series may match, by what a PACS says of it before anything is fetched.

A listing has few attributes.  What a config asks beyond them may be true or not: of each condition two sets
of instances are known, those that surely satisfy it and those that perhaps do.  A series is ruled out only
where a condition fails whatever the rest may be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import and_, or_

from dicomarray.query.instance import Evaluation, is_blank
from dicomarray.query.nodes import All, Combined, Entry, Every, FactEntry, FieldEntry, NoneOf, Some
from dicomarray.query.rows import ListRows
from dicomarray.query.selection import Selection

# The only fact that a list of instances tells.
COUNT = "num_instances"

# The instances that surely satisfy something, and those that perhaps do, as `Evaluation` represents them.
Bounds = tuple[int, int]


def asked_attributes(selection: Selection) -> frozenset[str]:
    """The attributes that conditions ask; of facts the number of instances alone, by its name."""
    leaves = list(selection.root.leaves())
    fields = {leaf.field.key for leaf in leaves if isinstance(leaf, FieldEntry)}
    return frozenset(fields | {leaf.name for leaf in leaves if leaf.name == COUNT})


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
    evaluation = Evaluation(ListRows(listed))
    known = {name for name in listed[0] if not any(is_blank(row.get(name)) for row in listed)}
    if every_instance:
        known.add(COUNT)
    return _of_entry(selection.root, evaluation, known)[1] == evaluation.everyone


def _of_entry(entry: Entry, evaluation: Evaluation, known: set[str]) -> Bounds:
    everyone = evaluation.everyone
    if isinstance(entry, FieldEntry | FactEntry):
        name = entry.field.key if isinstance(entry, FieldEntry) else entry.name
        passing = entry.passing(evaluation) if name in known else None
        return (0, everyone) if passing is None else (passing, passing)
    assert isinstance(entry, Combined)  # there are no others
    inner = [_of_entry(part, evaluation, known) for part in entry.parts]
    if isinstance(entry, All):
        surely, perhaps = (reduce(and_, (one[at] for one in inner), everyone) for at in (0, 1))
        return surely, perhaps
    surely, perhaps = (reduce(or_, (one[at] for one in inner)) for at in (0, 1))
    if isinstance(entry, NoneOf):
        return everyone ^ perhaps, everyone ^ surely
    if isinstance(entry, Some):
        return everyone * bool(surely), everyone * bool(perhaps)
    if isinstance(entry, Every):
        return everyone * (surely == everyone), everyone * (perhaps == everyone)
    return surely, perhaps  # any of them
