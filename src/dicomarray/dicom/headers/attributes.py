"""The attributes of one instance: what its series has in common is held once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache, partial
from operator import eq
from typing import Any, Final

from dicomarray.dicom.vr import ITEMS, MISPLACED, Value, decode


class Absent(Enum):
    """Stands for an attribute that other instances have, and this one lacks; one without a value is None."""

    ABSENT = "absent"

    def __bool__(self) -> bool:
        return False


ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True, slots=True, eq=False)
class Common:
    """What instances share: values, and for each attribute of their own its slot, VR and character set."""

    values: dict[str, Value]
    slots: dict[str, int]
    representations: tuple[str, ...]
    encodings: tuple[str, ...]
    names: tuple[str, ...]

    def is_like(self, other: Common) -> bool:
        """Whether attributes of the one can be attributes of the other."""
        return (
            self.representations == other.representations
            and self.slots == other.slots
            and self.encodings == other.encodings
            and repr(self.values) == repr(other.values)
        )


class Attributes(Mapping[str, Value]):
    """Values by name: read-only.

    ``common`` is what the instance shares with others, which have the same object; ``own`` are its own values
    by slot: bytes until they are decoded, `ABSENT` for what it lacks.

    A value of its own is bytes until it is asked for: most never are, and bytes take less memory.  A tuple of
    them is not looked through at each garbage collection, as a list is; that counts with 100,000 instances.
    """

    __slots__ = ("common", "own")

    def __init__(self, common: Common, own: tuple[Any, ...]) -> None:
        self.common = common
        self.own = own

    def own_that(self, holds: Callable[[Value], bool]) -> list[str]:
        """The names of what is the instance's own, was decoded, and is as asked."""
        if not any(map(holds, self.own)):
            return []
        return [name for name, slot in self.common.slots.items() if holds(self.own[slot])]

    def with_values(self, further: Mapping[str, Value]) -> Attributes:
        """The same with these beside them, or in their place; none of the others is decoded for it."""
        common = _with_names(self.common, tuple(further))
        return Attributes(common, (*self.own, *further.values()))

    def __getitem__(self, name: str) -> Value:
        common = self.common
        if name in common.values:
            return common.values[name]
        slot = common.slots[name]
        value = self.own[slot]
        if type(value) is bytes:
            value = decode(common.representations[slot], value, True, common.encodings)
            self.own = (*self.own[:slot], value, *self.own[slot + 1 :])
        elif value is ABSENT:
            raise KeyError(name)
        return value

    def get(self, name: str, default: Value = None) -> Value:
        """The value, or the default for an absent attribute."""
        common = self.common  # the lines of `__getitem__`, without a call of it: this is asked most
        if name in common.values:
            return common.values[name]
        if name not in common.slots:
            return default
        value = self.own[common.slots[name]]
        if value is ABSENT:
            return default
        return self[name] if type(value) is bytes else value

    def __contains__(self, name: object) -> bool:
        common = self.common
        if name in common.values:
            return True
        slot = common.slots.get(name)  # type: ignore[call-overload]
        return slot is not None and self.own[slot] is not ABSENT

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.common.names if name in self)

    def __len__(self) -> int:
        return len(self.common.values) + sum(1 for value in self.own if value is not ABSENT)

    def __reduce__(self) -> tuple[type[Attributes], tuple[Common, tuple[Any, ...]]]:
        return Attributes, (self.common, self.own)

    def __repr__(self) -> str:
        return repr(dict(self))


@lru_cache(maxsize=64)
def _with_names(common: Common, names: tuple[str, ...]) -> Common:
    """What instances share that have so many values more of their own, already decoded."""
    first = len(common.representations)
    return Common(
        {name: value for name, value in common.values.items() if name not in names},
        {**common.slots, **{name: first + index for index, name in enumerate(names)}},
        (*common.representations, *("",) * len(names)),
        common.encodings,
        tuple(dict.fromkeys((*common.names, *names))),
    )


def shared_by(attributes: Mapping[str, Value], names: Set[str]) -> Common | None:
    """What instances with the same values of these attributes share; None where that is not known."""
    if isinstance(attributes, Attributes) and names.isdisjoint(attributes.common.slots):
        return attributes.common
    return None


def misplaced(several: Iterable[Mapping[str, Value]]) -> list[str]:
    """The names of attributes that are a sequence somewhere, where the standard has words or numbers."""
    found: set[str] = set()
    similar: dict[int, Mapping[str, Value]] = {}  # what shares its attributes with others is looked at once
    for one in several:
        if isinstance(one, Attributes):
            found.update(one.own_that(partial(eq, ITEMS)))
            similar[id(one.common)] = one
        else:
            similar[id(one)] = one
    for one in similar.values():
        if isinstance(one, Attributes):
            slots, kinds = one.common.slots, one.common.representations
            found.update(name for name, slot in slots.items() if kinds[slot] == MISPLACED)
            one = one.common.values  # noqa: PLW2901 - what else there is
        found.update(name for name, value in one.items() if value == ITEMS)
    return sorted(found)


def may_differ(several: Iterable[Mapping[str, Value]], names: Iterable[str]) -> list[str]:
    """The names whose values may differ among several; for the others all have equal ones, or none."""
    # of those that share their attributes, one
    similar = {id(one.common if isinstance(one, Attributes) else one): one for one in several}
    slots = {name for one in similar.values() if isinstance(one, Attributes) for name in one.common.slots}
    first, *others = similar.values()
    return [name for name in names if name in slots or _differs(name, first.get(name), others)]


def _differs(name: str, value: Value, others: Iterable[Mapping[str, Value]]) -> bool:
    return any(other.get(name) != value for other in others)


def share(several: Iterable[Mapping[str, Value]], known: dict[Any, Common]) -> None:
    """Let attributes that came from another process share what is known; what is new becomes known."""
    seen: dict[
        int, tuple[Common, Common]
    ] = {}  # by id; the first of each pair keeps the id from being reused
    for attributes in several:
        if not isinstance(attributes, Attributes):
            continue
        common = attributes.common
        if id(common) not in seen:
            key = (common.values.get("SeriesInstanceUID"), common.names, tuple(common.slots))
            similar = known.setdefault(key, common)
            seen[id(common)] = common, similar if similar.is_like(common) else common
        attributes.common = seen[id(common)][1]
