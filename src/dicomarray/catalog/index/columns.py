"""The columns of one indexed series, fetched when they are asked for.

Several threads may ask: a column is put in its place when it is there, and is the same whoever fetched it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dicomarray.catalog.index.gathering import ORDER, PIXEL_NAMES, TRANSFER_SYNTAX
from dicomarray.catalog.index.json_values import LIST, from_stored, values_of_list
from dicomarray.catalog.index.schema import damage_as_error
from dicomarray.dicom.headers.attributes import ABSENT, Attributes, Common
from dicomarray.dicom.vr import Value

# What every header has beside its attributes.
FILE_COLUMNS = (TRANSFER_SYNTAX, *PIXEL_NAMES)

Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
Keep = Callable[[int, str, str], None]  # a column of a series, by its name: a JSON list
Kept = tuple[int, Any]  # kind and value, as they are in the file


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What the series of one catalog share: the index, its names by keyword, and what headers show.

    ``shown`` maps the names that `Header.attributes` has to those under which the index keeps them.
    """

    path: Path
    query: Query
    keep: Keep
    numbers: Mapping[str, int]
    shown: Mapping[str, str]

    @property
    def usual(self) -> Sequence[str]:
        """The columns that headers need."""
        return (*self.shown.values(), *FILE_COLUMNS)


@dataclass(slots=True, eq=False)
class SeriesColumns:
    """One series: a column has a cell for each of the ``count`` instances, or a single one for all."""

    source: Source
    series: int
    count: int
    _kept: dict[str, Kept | None] = field(default_factory=dict)
    _cells: dict[str, Sequence[Value]] = field(default_factory=dict)
    _at_hand: frozenset[str] = frozenset()

    def preload(self, names: Iterable[str], kept: Mapping[str, Kept]) -> None:
        """Take columns that were fetched for many series at once."""
        self._at_hand = frozenset(names)
        for name in self._at_hand:
            self._kept[name] = kept.get(name)

    def let_go(self) -> None:
        """Forget what was fetched since, and what was decoded: it is fetched again where it is asked for."""
        self._cells.clear()
        for name in self._kept.keys() - self._at_hand:
            self._kept.pop(name, None)

    def cells(self, name: str) -> Sequence[Value]:
        """The cells of a column by the index's name for it; `ABSENT` where the attribute is absent."""
        cells = self._cells.get(name)
        if cells is None:
            cells = self._cells[name] = self._decoded(name)
        return cells

    def cell(self, name: str, place: int) -> Value:
        """One instance's cell."""
        cells = self.cells(name)
        return cells[0] if len(cells) == 1 else cells[place]

    def order(self) -> Sequence[int] | None:
        """The places of the instances in the order of volumes, where it was kept."""
        if self.count == 1:
            return range(1)
        ranks = self.cells(ORDER)
        if ranks[0] is ABSENT:
            return None
        with damage_as_error(self.source.path):
            order = sorted(range(self.count), key=ranks.__getitem__)
            if [ranks[place] for place in order] != [*range(self.count)]:
                raise ValueError("the order of its files is none")
        return order

    def keep_order(self, order: Sequence[int]) -> None:
        """Keep it in the index."""
        ranks = sorted(range(self.count), key=order.__getitem__)  # the inverse of a permutation
        self.source.keep(self.series, ORDER, f"[{','.join(map(str, ranks))}]")

    def attributes(self, shown: Mapping[str, str]) -> list[Attributes]:
        """The attributes of each instance, by name; ``shown`` has the index's name for each."""
        cells = {name: self.cells(known) for name, known in shown.items()}
        varying = [name for name, column in cells.items() if len(column) > 1]
        common = Common(
            {name: c[0] for name, c in cells.items() if len(c) == 1 and c[0] is not ABSENT},
            {name: slot for slot, name in enumerate(varying)},
            ("",) * len(varying),  # nothing is left to decode
            (),
            tuple(cells),
        )
        own = list(zip(*(cells[name] for name in varying), strict=True)) or [()] * self.count
        return [Attributes(common, values) for values in own]

    def _decoded(self, name: str) -> Sequence[Value]:
        kept = self._kept[name] if name in self._kept else self._fetched(name)
        if kept is None:
            return (ABSENT,)
        kind, value = kept
        with damage_as_error(self.source.path):
            if kind != LIST:
                return (from_stored(kind, value),)
            cells = values_of_list(value, ABSENT)
            if len(cells) != self.count:
                raise ValueError(f"{name} has {len(cells)} values for {self.count} instances")
            return cells

    def _fetched(self, name: str) -> Kept | None:
        """A column; all that headers need at once.

        Nothing says that a column is absent before the index was asked: another thread would believe it.
        """
        usual = self.source.usual
        # another thread may have kept it meanwhile: it is asked for all the same
        names = [n for n in usual if n == name or n not in self._kept] if name in usual else [name]
        wanted = {self.source.numbers[n]: n for n in names if n in self.source.numbers}
        fetched: dict[str, Kept | None] = dict.fromkeys(names)
        if wanted:
            marks = ",".join("?" * len(wanted))
            query = f"SELECT name, kind, value FROM stored_values WHERE series = ? AND name IN ({marks})"
            for number, kind, value in self.source.query(query, (self.series, *wanted)):
                fetched[wanted[number]] = kind, value
        self._kept.update(fetched)
        return fetched[name]
