"""An attribute of many instances at once, as a column."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from dicomarray.dicom.headers.attributes import ABSENT
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.vr import Value
from dicomarray.storage.places import Place

Cell = TypeVar("Cell")


class Order(NamedTuple):
    """Instances by their numbers; ``of_volumes`` where they form some, else by what else is known."""

    numbers: Sequence[int]
    of_volumes: bool


class HasColumns(ABC):
    """Headers that keep their attributes by column, as those of an index do."""

    @abstractmethod
    def column(self, name: str) -> Sequence[Value]:
        """See `column_of`."""

    @property
    @abstractmethod
    def folders(self) -> Sequence[Place]:
        """Where the files lie, as `Series.folders`."""

    @abstractmethod
    def in_order(self, find: Callable[[], Order]) -> Sequence[int]:
        """The numbers of the instances in the order of volumes, which may be known; else it is found."""

    @abstractmethod
    def kept_headers(self) -> Sequence[Header]:
        """Headers that have what a scan would have read, and need no file for anything else."""

    @abstractmethod
    def let_go(self) -> None:
        """Forget what was fetched, and can be fetched again; headers that somebody has stay as they are."""


def column_of(headers: Sequence[Header], name: str) -> Sequence[Value]:
    """An attribute that the scan read: a cell for each instance, or a single one where all are the same.

    The cell of an instance that lacks it is `ABSENT`.
    """
    if isinstance(headers, HasColumns):
        return headers.column(name)
    cells = [header.attributes.get(name, ABSENT) for header in headers]
    return without_repeats(cells)


def without_repeats(cells: list[Cell]) -> list[Cell]:
    """The cells of a column; a single one where all are the same."""
    return cells[:1] if cells.count(cells[0]) == len(cells) else cells
