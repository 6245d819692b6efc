"""A connection to the index that takes no more out of it than its file can hold.

Pages that point at each other, or rows that share one value, make a small file endless: SQLite follows them.
What a file of so many bytes can honestly hold bounds the time, the rows and the texts of every query.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import Any

# The steps of SQLite's machine that a query may take: always so many, and more for each byte of the file.
STEPS, STEPS_A_BYTE = 10_000_000, 10
# After so many steps it is asked whether they are too many.
STEPS_A_TICK = 100_000
# No row of the index takes less, with its entries in the indexes of the table.  Bytes.
MIN_ROW = 16
# A file's folder and name are joined to each of its instances.  Bytes.
MAX_PATH_LENGTH = 4096 + 255
# What one value may take while the file grows: a column of one series.
GROWTH = 256 << 20
# What was written may wait in memory before it comes into the file (SQLite's cache_size, 2 MB).
UNWRITTEN = 4 << 20
_MAX_BYTES = 1_000_000_000  # SQLITE_MAX_LENGTH


class Allowance:
    """How much of SQLite's work a query may still take."""

    def __init__(self) -> None:
        self.size, self._ticks = 0, 0

    def renew(self) -> None:
        """For another query."""
        self._ticks = (STEPS + STEPS_A_BYTE * self.size) // STEPS_A_TICK

    def __call__(self) -> bool:
        """Whether SQLite is to stop."""
        self._ticks -= 1
        return self._ticks < 0


class BoundedConnection(sqlite3.Connection):
    """A connection to a file that may lie."""

    def bound(self, path: os.PathLike[str], growing: bool) -> None:
        """Begin to count; ``growing`` where this process writes to the file."""
        self._path, self._growing = path, growing
        self._allowance = Allowance()
        self._measure()
        longest = self._allowance.size + (GROWTH if growing else 0)
        self.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, min(max(longest, MAX_PATH_LENGTH), _MAX_BYTES))
        self.set_progress_handler(self._allowance, STEPS_A_TICK)

    @property
    def most_rows(self) -> int:
        """More rows than this the file cannot hold."""
        return self._allowance.size // MIN_ROW

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query, each of which is one of a table.

        Raises
        ------
        ValueError
            Where they are more than the file can hold.
        """
        found: list[tuple[Any, ...]] = []
        characters = 0
        room = self._allowance.size
        try:
            for row in self.execute(query, parameters):
                found.append(row)
                for cell in row:
                    if type(cell) is str or type(cell) is bytes:
                        characters += len(cell)
                if (characters > room or MIN_ROW * len(found) > room) and self._exceeded(
                    len(found), characters
                ):
                    raise ValueError("it tells of more than a file of its size can hold")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            raise ValueError("it has no end: its pages lead back to others") from error
        return found

    def execute(self, query: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """As SQLite has it, with the time of one query."""
        self._allowance.renew()
        return super().execute(query, parameters)

    def executemany(self, query: str, parameters: Any, /) -> sqlite3.Cursor:
        """As SQLite has it; what is written comes from us."""
        self.set_progress_handler(None, 0)
        try:
            return super().executemany(query, parameters)
        finally:
            self.set_progress_handler(self._allowance, STEPS_A_TICK)

    def _exceeded(self, rows: int, characters: int) -> bool:
        for measured in (False, True):  # the file may have grown since
            if measured:
                self._measure()
            size = self._allowance.size
            if rows <= size // MIN_ROW and characters <= size + MAX_PATH_LENGTH * rows:
                return False
        return True

    def _measure(self) -> None:
        size = sum(_size(f"{os.fspath(self._path)}{suffix}") for suffix in ("", "-wal"))
        self._allowance.size = size + (UNWRITTEN if self._growing else 0)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - the name of a file and what is added to it
    except OSError:
        return 0
