"""The index -> the catalog that a scan would give; nothing but the index is read until pixels are."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dicomarray.assembly.series import Series
from dicomarray.catalog.catalog import Catalog, in_catalog_order
from dicomarray.catalog.index.bounds import BoundedConnection
from dicomarray.catalog.index.columns import Kept, SeriesColumns, Source
from dicomarray.catalog.index.files import absolute_roots, as_path, as_stored, lies_below, path_of_file
from dicomarray.catalog.index.indexed import IndexedInstances
from dicomarray.catalog.index.json_values import LIST
from dicomarray.catalog.index.schema import (
    THIS_COMPUTER,
    THIS_COMPUTER_ID,
    at_once,
    connect_to_read,
    damage_as_error,
)
from dicomarray.catalog.unreadable_files import UnreadableFiles
from dicomarray.dicom.headers.all_elements import canonical_name
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS
from dicomarray.errors import InputError
from dicomarray.sources.base import Skipped
from dicomarray.storage.places import PathLike, local_path

# What a catalog says of a folder that was not read to the end, in `skipped`.
UNFINISHED = "its indexing has not finished (it still runs, or was interrupted): files may be missing"


def open_index(
    index_file: PathLike,
    path: PathLike | Iterable[PathLike] | None = None,
    attributes: Iterable[str] = (),
) -> Catalog:
    """The catalog in an index file, as it is at this moment, without a look at the indexed files.

    It is what `scan` would give if no file changed since it was indexed.  Where one did, reading its pixels
    raises InputError.

    Parameters
    ----------
    index_file
        What `index` made.
    path
        A folder or file, or several: only what lies at or below them; None takes everything.
    attributes
        As in `scan`: keywords, or tags such as ``"(0018,0050)"``, that are to be in the headers beside
        the usual ones.  Any other is to be had from the `Series` all the same.

    Raises
    ------
    InputError
        Where there is no such index, it is of another version, or it does not cover ``path``.
    HeaderError
        Where a name in ``attributes`` is none.
    """
    file = local_path(index_file)
    asked = [canonical_name(name) for name in attributes]
    shown = {name: canonical_name(name) for name in sorted(DEFAULT_KEYWORDS.union(attributes))}
    roots = None if path is None else absolute_roots(path)
    database = Database(file)
    with damage_as_error(file):
        known = database.roots()
    for root in roots or ():
        if not any(lies_below(root, [other]) or lies_below(other, [root]) for other in known):
            raise InputError(
                f"the index {file} does not cover {root}; add it: dicomarray index -i {root} --index {file}"
            )
    with damage_as_error(file):
        source = Source(file, database.rows, database.keep, database.names(), shown)
        skipped = tuple(_skipped(database, known, roots))
        series = _series(database, source, asked, roots, UnreadableFiles.of(skipped))
    return Catalog(tuple(series), skipped)


def _series(
    database: Database,
    source: Source,
    asked: Sequence[str],
    roots: Sequence[str] | None,
    unreadable: UnreadableFiles,
) -> list[Series]:
    """Every series, in the catalog's order, with the columns that are asked for at hand."""
    at_hand = ["SeriesNumber", "NumberOfFrames", "ImageType", *asked]
    columns = database.columns([source.numbers[name] for name in at_hand if name in source.numbers])
    keywords = {number: name for name, number in source.numbers.items()}
    places = None if roots is None else database.places_below(roots)
    beside = database.series_beside(unreadable.by_place)
    found = []
    for number, uid, count in _counted(database):
        chosen: Sequence[int] = range(count) if places is None else places.get(number, ())
        if chosen:
            if not 0 <= min(chosen) <= max(chosen) < count:
                raise IndexError(f"series {number} has {count} instances, and one at place {max(chosen)}")
            kept = SeriesColumns(source, number, count)
            kept.preload(at_hand, {keywords[name]: value for name, value in columns.get(number, {}).items()})
            notes = unreadable.notes_at(beside.get(number, ()))
            found.append(Series(uid, IndexedInstances(kept, chosen), notes))
    return sorted(found, key=in_catalog_order)


def _counted(database: Database) -> Iterator[tuple[int, str, int]]:
    """Number, UID and number of instances of each series."""
    left = database.most_instances
    for number, uid, count in database.rows("SELECT id, uid, num_instances FROM series"):
        if not isinstance(uid, str) or not isinstance(count, int) or not 0 < count <= left:
            raise ValueError(f"series {number} has the UID {uid!r:.80} and {count!r:.20} instances")
        left -= count
        yield number, uid, count


def _skipped(database: Database, known: Mapping[str, bool], roots: Sequence[str] | None) -> Iterator[Skipped]:
    """What was skipped, and what is not finished."""
    for root, finished in known.items():
        asked = roots is None or lies_below(root, roots) or any(lies_below(other, [root]) for other in roots)
        if asked and not finished:
            yield Skipped(Path(root), UNFINISHED)
    for path, reason, place in database.rows("SELECT path, reason, lost_from FROM skipped ORDER BY id"):
        if roots is None or lies_below(as_path(path), roots):
            yield Skipped(Path(as_path(path)), reason, None if place is None else Path(as_path(place)))


def indexed_roots(index_file: PathLike) -> list[Path]:
    """What was indexed.

    Raises
    ------
    InputError
        Where there is no such index.
    """
    with damage_as_error(Path(index_file)):
        return [Path(root) for root in Database(Path(index_file)).roots()]


def count_indexed(index_file: PathLike) -> int:
    """How many instances an index holds; raises as `indexed_roots`."""
    with damage_as_error(Path(index_file)):
        rows = Database(Path(index_file)).rows("SELECT coalesce(sum(num_instances), 0) FROM series")
        return int(rows[0][0])


def check_finished(catalog: Catalog) -> None:
    """Raise InputError for a catalog from an index of which a part is not read to the end."""
    for item in catalog.skipped:
        if item.reason == UNFINISHED:
            raise InputError(f"{item.path}: {UNFINISHED}; index it again (dicomarray index)")


# SQLite in one thread at a time, and none while the process is forked: a child that inherits a lock which
# another thread of its parent holds would wait for it for ever.
_turn = threading.Lock()
# Connections of the parent, which a child must not even close (https://www.sqlite.org/faq.html#q6).
_inherited: list[sqlite3.Connection] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_turn.acquire, after_in_parent=_turn.release, after_in_child=_turn.release)


@dataclass(slots=True)
class Database:
    """The index, open for reading: one state of it, whoever writes meanwhile, and for all threads."""

    path: Path
    _connection: BoundedConnection = field(init=False)
    _owner: int = field(init=False)
    _state: int = field(init=False)

    def __post_init__(self) -> None:
        with _turn:
            self._connect()

    def _connect(self) -> None:
        self._connection, self._owner = connect_to_read(self.path), os.getpid()
        with damage_as_error(self.path):
            self._connection.execute("BEGIN")
            ((number,),) = self._connection.rows("SELECT value FROM meta WHERE key = 'generation'")
            self._state = int(number)
            if (sources := self._connection.rows("SELECT * FROM sources")) != [
                (THIS_COMPUTER_ID, THIS_COMPUTER)
            ]:
                raise ValueError(f"its sources are {sources!r:.80}; only files on this computer are indexed")

    @property
    def most_instances(self) -> int:
        """More instances than this the file cannot hold."""
        return self._connection.most_rows

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query.

        Raises
        ------
        InputError
            In a forked process, where the index has changed since: it sees the state of now.
        """
        with _turn:
            if self._owner != os.getpid():
                before = self._state
                _inherited.append(self._connection)
                self._connect()  # a connection must not be used on both sides of a fork
                if self._state != before:
                    raise InputError(f"the index {self.path} has changed since it was opened; open it again")
            with damage_as_error(self.path):
                return self._connection.rows(query, parameters)

    def keep(self, series: int, name: str, column: str) -> None:
        """Keep a column that was found by what the index has; not where somebody writes just now."""
        with _turn, damage_as_error(self.path), suppress(sqlite3.Error), at_once(self.path) as connection:
            connection.execute("BEGIN IMMEDIATE")
            ((number,),) = connection.rows("SELECT value FROM meta WHERE key = 'generation'")
            if int(number) == self._state:
                connection.execute("INSERT OR IGNORE INTO names (keyword) VALUES (?)", (name,))
                connection.execute(
                    "INSERT OR REPLACE INTO stored_values SELECT ?, id, ?, ? FROM names WHERE keyword = ?",
                    (series, LIST, column, name),
                )
            connection.execute("COMMIT")

    def roots(self) -> dict[str, bool]:
        """What was indexed, and whether to the end."""
        rows = self.rows("SELECT path, coalesce(finished >= started, 0) FROM roots")
        return {as_path(path): bool(finished) for path, finished in rows}

    def names(self) -> dict[str, int]:
        """The numbers of the attributes' names."""
        return dict(self.rows("SELECT keyword, id FROM names"))

    def columns(self, names: Sequence[int]) -> dict[int, dict[int, Kept]]:
        """Some columns of all series, by series and name."""
        found: dict[int, dict[int, Kept]] = {}
        for name in names:
            for series, kind, value in self.rows(
                "SELECT series, kind, value FROM stored_values WHERE name = ?", (name,)
            ):
                found.setdefault(series, {})[name] = kind, value
        return found

    def series_beside(self, places: Iterable[str]) -> dict[int, list[str]]:
        """Of these folders and archives, those that series have files in, by series."""
        query = (
            "SELECT DISTINCT series FROM instances JOIN files ON files.id = file "
            "JOIN folders ON folders.id = folder WHERE folders.path = ?"
        )
        found: dict[int, list[str]] = {}
        for place in places:
            folder, name = os.path.split(place)
            in_archive = f"{query} AND name = ? AND member NOT NULL"
            rows = self.rows(query, (as_stored(place),))
            rows += self.rows(in_archive, (as_stored(folder), as_stored(name)))
            for (series,) in rows:
                found.setdefault(series, []).append(place)
        return found

    def places_below(self, roots: Sequence[str]) -> dict[int, list[int]]:
        """By series, the places of the instances whose files lie at or below the roots."""
        query = (
            "SELECT series, place, folders.path, name FROM instances "
            "JOIN files ON files.id = file JOIN folders ON folders.id = folder ORDER BY series, place"
        )
        whole = {path: lies_below(as_path(path), roots) for (path,) in self.rows("SELECT path FROM folders")}
        places: dict[int, list[int]] = {}
        for series, place, folder, name in self.rows(query):
            if whole[folder] or lies_below(path_of_file(as_path(folder), as_path(name)), roots):
                places.setdefault(series, []).append(place)
        return places
