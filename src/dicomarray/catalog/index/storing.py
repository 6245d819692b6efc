"""What was gathered -> the index, one transaction a batch: other processes see all of it or nothing."""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import gt
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from dicomarray.catalog.index.bounds import BoundedConnection
from dicomarray.catalog.index.files import (
    STAMP_COLUMNS,
    as_path,
    as_stored,
    file_order,
    lies_below,
)
from dicomarray.catalog.index.gathering import Gathered, Origin, SeenFile
from dicomarray.catalog.index.json_values import ABSENT, JSON, LIST, text_of, texts_of_list, to_stored
from dicomarray.catalog.index.schema import THIS_COMPUTER_ID, damage_as_error
from dicomarray.sources.base import Skipped

T = TypeVar("T")
# More question marks than this SQLite does not take in one statement.
MAX_PARAMETERS = 500


@dataclass(slots=True)
class Batch:
    """What is written together: series, files without an instance, what is skipped, files that are gone."""

    series: list[Gathered] = field(default_factory=list)
    files: list[SeenFile] = field(default_factory=list)
    skipped: list[tuple[SeenFile | None, Skipped]] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.series or self.files or self.skipped or self.gone)


# A file in the index: its number, and its `STAMP_COLUMNS`; there are as many as files.
KnownFile = tuple[int, int, int, int, str]


class _Placed(NamedTuple):
    """An instance of a series that is being written: its place in the order of files, and its row."""

    order: tuple[Any, ...]
    file: int
    member: str | None
    number: int | None


@dataclass(slots=True)
class Store:
    """The index, open for writing."""

    path: Path
    connection: BoundedConnection
    _names: dict[str, int] = field(default_factory=dict)

    def known_files(self, roots: Sequence[str]) -> dict[str, KnownFile]:
        """Every file at or below the roots, by path."""
        with damage_as_error(self.path):
            return self._known_files(roots)

    def _known_files(self, roots: Sequence[str]) -> dict[str, KnownFile]:
        known: dict[str, KnownFile] = {}
        for folder, stored in self.connection.rows("SELECT id, path FROM folders"):
            path = as_path(stored)
            start = os.path.join(path, "")  # noqa: PTH118 - it ends in a separator
            query = f"SELECT name, id, {STAMP_COLUMNS} FROM files WHERE folder = ?"
            rows = self.connection.rows(query, (folder,))
            is_below = lies_below(path, roots)
            for row in rows:
                name = start + as_path(row[0])
                if is_below or lies_below(name, roots):
                    known[name] = row[1:]
        return known

    def start(self, roots: Iterable[str]) -> None:
        """Note that the roots are being read."""
        statement = (
            "INSERT INTO roots VALUES (?, ?, NULL) "
            "ON CONFLICT (path) DO UPDATE SET started = excluded.started"
        )
        with self._transaction():
            self.connection.executemany(statement, [(as_stored(root), _now()) for root in roots])

    def finish(self, roots: Sequence[str], pathless: Iterable[Skipped]) -> None:
        """Note that the roots were read to the end, and what belongs to no file, such as closed folders."""
        with self._transaction():
            rows = self.connection.rows("SELECT id, path FROM skipped WHERE file IS NULL")
            old = [(number,) for number, path in rows if lies_below(as_path(path), roots)]
            self.connection.executemany("DELETE FROM skipped WHERE id = ?", old)
            self._insert_skipped((None, item) for item in pathless)
            self.connection.execute("DELETE FROM folders WHERE id NOT IN (SELECT folder FROM files)")
            self.connection.executemany(
                "UPDATE roots SET finished = ? WHERE path = ?", [(_now(), as_stored(root)) for root in roots]
            )
        with damage_as_error(self.path):
            self.connection.execute("PRAGMA optimize")

    def counts(self) -> tuple[int, int]:
        """How many series there are, and how many instances."""
        with damage_as_error(self.path):
            query = "SELECT count(*), total(num_instances) FROM series"
            series, instances = self.connection.execute(query).fetchone()
            return int(series), int(instances)

    def save(self, batch: Batch) -> None:
        """Write a batch; a file that is in the index already is replaced."""
        with self._transaction():
            seen = [origin.file for gathered in batch.series for origin in gathered.origins]
            files, known = self._numbers_of([*seen, *batch.files])
            replaced = known.union(batch.gone)
            touched = self._series_of(replaced)
            for gathered in batch.series:
                number = self._number_of(gathered.uid)
                added = [_placed(origin, files[origin.file]) for origin in gathered.origins]
                if number in touched or not self._append(number, gathered, added):
                    self._rewrite(number, gathered, added, replaced)
                touched.discard(number)
            for number in touched:
                self._rewrite(number, None, [], replaced)
            self._delete("skipped", "file", replaced)
            self._delete("files", "id", batch.gone)
            self._insert_skipped((None if f is None else files[f], item) for f, item in batch.skipped)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with damage_as_error(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")
            except BaseException:
                self._names.clear()  # some of them may just have been taken back
                with suppress(sqlite3.Error):  # of a damaged file SQLite may have done so already
                    self.connection.execute("ROLLBACK")
                raise
            self.connection.execute("COMMIT")

    # Files ------------------------------------------------------------------------------------------------

    def _numbers_of(self, seen: Iterable[SeenFile]) -> tuple[dict[SeenFile, int], set[int]]:
        """The number of each file, now in the index as it was seen; and those that were there before."""
        numbers: dict[SeenFile, int] = {}
        known: set[int] = set()
        rows, changed = [], []
        (last,) = self.connection.execute("SELECT coalesce(max(id), 0) FROM files").fetchone()
        new = itertools.count(last + 1)
        for path, files in _by_folder(seen).items():
            folder, is_new = self._folder(path)
            names = {as_stored(file.name): file for file in files}
            before: dict[str | bytes, int] = {}
            for part in () if is_new else _parts(names):
                query = f"SELECT name, id FROM files WHERE folder = ? AND name IN ({_marks(part)})"
                before.update(self.connection.rows(query, (folder, *part)))
            for name, file in names.items():
                if name in before:
                    number = before[name]
                    changed.append((*file.state, number))
                    known.add(number)
                else:
                    number = next(new)
                    rows.append((number, folder, name, *file.state))
                numbers[file] = number
        # to replace what may be there takes three times as long as to insert
        self.connection.executemany(
            f"INSERT INTO files (id, folder, name, {STAMP_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows
        )
        self.connection.executemany(
            f"UPDATE files SET ({STAMP_COLUMNS}) = (?, ?, ?, ?) WHERE id = ?", changed
        )
        return numbers, known

    def _folder(self, path: str) -> tuple[int, bool]:
        """The number of a folder, and whether it was not in the index."""
        execute, place = self.connection.execute, (THIS_COMPUTER_ID, as_stored(path))
        is_new = execute("INSERT OR IGNORE INTO folders (source, path) VALUES (?, ?)", place).rowcount > 0
        (number,) = execute("SELECT id FROM folders WHERE source = ? AND path = ?", place).fetchone()
        return int(number), is_new

    def _series_of(self, files: set[int]) -> set[int]:
        """The series that have instances in the files."""
        found: set[int] = set()
        for part in _parts(files):
            query = f"SELECT DISTINCT series FROM instances WHERE file IN ({_marks(part)})"
            found.update(number for (number,) in self.connection.rows(query, part))
        return found

    def _delete(self, table: str, column: str, numbers: Iterable[int]) -> None:
        for part in _parts(numbers):
            self.connection.execute(f"DELETE FROM {table} WHERE {column} IN ({_marks(part)})", part)

    def _insert_skipped(self, items: Iterable[tuple[int | None, Skipped]]) -> None:
        self.connection.executemany(
            "INSERT INTO skipped (file, path, reason, lost_from) VALUES (?, ?, ?, ?)",
            [(file, as_stored(str(item.path)), item.reason, _lost_from(item)) for file, item in items],
        )

    # Series -----------------------------------------------------------------------------------------------

    def _number_of(self, uid: str) -> int:
        """The series with a UID; a new one where there is none, or no UID."""
        row = (
            self.connection.execute("SELECT id FROM series WHERE uid = ?", (uid,)).fetchone() if uid else None
        )
        if row is None:
            statement = "INSERT INTO series (uid, num_instances) VALUES (?, 0)"
            return int(self.connection.execute(statement, (uid,)).lastrowid or 0)
        return int(row[0])

    def _append(self, series: int, gathered: Gathered, added: Sequence[_Placed]) -> bool:
        """Add instances that come behind all others of the series; False where they do not."""
        (count,) = self.connection.execute(
            "SELECT num_instances FROM series WHERE id = ?", (series,)
        ).fetchone()
        orders = [member.order for member in added]
        if not count or sorted(orders) != orders or self._placed_at(series, count - 1).order >= orders[0]:
            return False
        self._insert_instances(series, added, count)
        query = (
            "SELECT keyword, kind, value FROM stored_values JOIN names ON names.id = name WHERE series = ?"
        )
        known = {name: kept for name, *kept in self.connection.rows(query, (series,))}
        rows = []
        columns = gathered.columns()
        for name in dict.fromkeys((*known, *columns)):
            kind, value = known.get(name, (JSON, ABSENT))
            new = columns.get(name, [ABSENT])
            if kind == LIST:
                texts = new * len(added) if len(new) == 1 else new
                rows.append((series, self._name(name), LIST, f"{value[:-1]},{','.join(texts)}]"))
                continue
            old = text_of(kind, value)
            if set(new) != {old}:
                stored = _stored_column([old], count, new, len(added))
                rows.append((series, self._name(name), *stored))
        self.connection.executemany("INSERT OR REPLACE INTO stored_values VALUES (?, ?, ?, ?)", rows)
        self._set_count(series, count + len(added))
        return True

    def _placed_at(self, series: int, place: int) -> _Placed:
        return self._instances(series, "AND place = ?", (place,))[0][1]

    def _rewrite(
        self, series: int, gathered: Gathered | None, added: list[_Placed], replaced: set[int]
    ) -> None:
        """The series anew: what it had but for the replaced files, and what was gathered."""
        staying = [
            (place, member) for place, member in self._instances(series) if member.file not in replaced
        ]
        kept = [member for _, member in staying]
        columns = self._kept_columns(series, [place for place, _ in staying]) if kept else {}
        for table in ("stored_values", "instances"):
            self._delete(table, "series", [series])
        members = kept + added
        if not members:
            self._delete("series", "id", [series])
            return
        orders = [member.order for member in members]
        order = None
        if any(map(gt, orders, orders[1:])):
            order = sorted(range(len(members)), key=orders.__getitem__)
            members = [members[index] for index in order]
        self._insert_instances(series, members, 0)
        rows = []
        gathered_columns = {} if gathered is None else gathered.columns()
        for name in dict.fromkeys((*columns, *gathered_columns)):
            texts = columns.get(name, [ABSENT])
            new = gathered_columns.get(name, [ABSENT])
            kind, value = _stored_column(texts, len(kept), new, len(added), order)
            if value is not ABSENT:
                rows.append((series, self._name(name), kind, value))
        self.connection.executemany("INSERT INTO stored_values VALUES (?, ?, ?, ?)", rows)
        self._set_count(series, len(members))

    def _insert_instances(self, series: int, members: Sequence[_Placed], first: int) -> None:
        self.connection.executemany(
            "INSERT INTO instances VALUES (?, ?, ?, ?, ?)",
            [
                (series, place, m.file, None if m.member is None else as_stored(m.member), m.number)
                for place, m in enumerate(members, first)
            ],
        )

    def _set_count(self, series: int, count: int) -> None:
        """How many instances it has now, of which the order is not known any more."""
        self.connection.execute("UPDATE series SET num_instances = ? WHERE id = ?", (count, series))
        self.connection.execute(
            "DELETE FROM stored_values WHERE series = ? "
            "AND name IN (SELECT id FROM names WHERE keyword GLOB 'order *')",
            (series,),
        )

    def _instances(
        self, series: int, condition: str = "", parameters: tuple[int, ...] = ()
    ) -> list[tuple[int, _Placed]]:
        """The instances of a series, with their places."""
        query = (
            "SELECT place, file, member, number, folders.path, name FROM instances "
            "JOIN files ON files.id = file JOIN folders ON folders.id = folder "
            f"WHERE series = ? {condition} ORDER BY place"
        )
        found = []
        for place, file, member, number, folder, name in self.connection.rows(query, (series, *parameters)):
            order = file_order(as_path(folder), as_path(name), number)
            found.append((place, _Placed(order, file, None if member is None else as_path(member), number)))
        return found

    def _kept_columns(self, series: int, places: Sequence[int]) -> dict[str, list[str]]:
        """Of each attribute the texts at the places, or the one of all."""
        query = (
            "SELECT keyword, kind, value FROM stored_values JOIN names ON names.id = name WHERE series = ?"
        )
        columns = {}
        for keyword, kind, value in self.connection.rows(query, (series,)):
            if kind == LIST:
                texts = texts_of_list(value)
                columns[keyword] = [texts[place] for place in places]
            else:
                columns[keyword] = [text_of(kind, value)]
        return columns

    def _name(self, keyword: str) -> int:
        number = self._names.get(keyword)
        if number is None:
            execute = self.connection.execute
            execute("INSERT OR IGNORE INTO names (keyword) VALUES (?)", (keyword,))
            (number,) = execute("SELECT id FROM names WHERE keyword = ?", (keyword,)).fetchone()
            self._names[keyword] = number
        return int(number)


def _lost_from(item: Skipped) -> str | bytes | None:
    return None if item.lost_from is None else as_stored(str(item.lost_from))


def _placed(origin: Origin, file: int) -> _Placed:
    order = file_order(origin.file.folder, origin.file.name, origin.number)
    return _Placed(order, file, origin.member, origin.number)


def _stored_column(
    old: list[str], num_old: int, new: list[str], num_new: int, order: Sequence[int] | None = None
) -> tuple[int, Any]:
    """Kind and value of an attribute; ``(0, ABSENT)`` where no instance has it.

    ``order`` has the places of the old and the new ones; None where they stand in order.
    """
    different = {*(old if num_old else ()), *(new if num_new else ())}
    if len(different) == 1:
        (text,) = different
        return (0, ABSENT) if text == ABSENT else to_stored(text)
    texts = (old * num_old if len(old) == 1 else old) if num_old else []
    texts = texts + ((new * num_new if len(new) == 1 else new) if num_new else [])
    return LIST, f"[{','.join(texts if order is None else [texts[index] for index in order])}]"


def _by_folder(files: Iterable[SeenFile]) -> dict[str, list[SeenFile]]:
    found: dict[str, list[SeenFile]] = {}
    for file in files:
        found.setdefault(file.folder, []).append(file)
    return found


def _parts(items: Iterable[T]) -> Iterator[list[T]]:
    everything = list(items)
    for start in range(0, len(everything), MAX_PARAMETERS):
        yield everything[start : start + MAX_PARAMETERS]


def _marks(part: Sequence[Any]) -> str:
    return ",".join("?" * len(part))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
