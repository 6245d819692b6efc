"""The index file: its tables and views, and how it is opened."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from dicomarray.catalog.index.bounds import BoundedConnection
from dicomarray.errors import InputError, OutputError
from dicomarray.version import __version__

# "DIAR": tells the file from other SQLite files.
APPLICATION_ID = 0x44494152
# Another number means another meaning of the tables; a file with another one is not touched.
SCHEMA_VERSION = 4
# The source whose references are paths: files on this computer, and archives among them; its number.
THIS_COMPUTER, THIS_COMPUTER_ID = "file://", 1
# How long a process waits for another one to finish writing, seconds; a transaction takes about one.
PATIENCE_SECONDS = 120.0
# Tables, indexes and triggers; there are about twenty.
MAX_TABLES = 1000
# How long between two tries of what SQLite does not wait for by itself.
RETRY_SECONDS = 0.01
# Lists of one value an instance are a few kB each: on larger pages less room is lost.  Bytes.
PAGE_BYTES = 16384
# SQLite tells of a damaged page; a damaged value is no text, no number, one too many, or without end.
_DAMAGE = (
    sqlite3.Error, ValueError, TypeError, IndexError, KeyError, OverflowError, RecursionError, MemoryError,
)  # fmt: skip
_DISK_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE roots (
    path TEXT PRIMARY KEY,
    started TEXT NOT NULL,
    finished TEXT
) WITHOUT ROWID;
CREATE TABLE sources (id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE);
CREATE TABLE folders (
    id INTEGER PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES sources (id),
    path TEXT NOT NULL,
    UNIQUE (source, path)
);
CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    folder INTEGER NOT NULL REFERENCES folders (id),
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    changed_ns INTEGER NOT NULL,
    inode TEXT NOT NULL,
    UNIQUE (folder, name)
);
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL,
    num_instances INTEGER NOT NULL
);
CREATE INDEX series_by_uid ON series (uid);
CREATE TABLE instances (
    series INTEGER NOT NULL REFERENCES series (id),
    place INTEGER NOT NULL,
    file INTEGER NOT NULL REFERENCES files (id),
    member TEXT,
    number INTEGER,
    PRIMARY KEY (series, place)
) WITHOUT ROWID;
CREATE INDEX instances_by_file ON instances (file);
CREATE TABLE names (id INTEGER PRIMARY KEY, keyword TEXT NOT NULL UNIQUE);
CREATE TABLE stored_values (
    series INTEGER NOT NULL REFERENCES series (id),
    name INTEGER NOT NULL REFERENCES names (id),
    kind INTEGER NOT NULL,
    value,
    PRIMARY KEY (series, name)
);
CREATE INDEX stored_values_by_name ON stored_values (name, series);
CREATE TABLE skipped (
    id INTEGER PRIMARY KEY,
    file INTEGER REFERENCES files (id),
    path TEXT NOT NULL,
    reason TEXT NOT NULL,
    lost_from TEXT
);
CREATE INDEX skipped_by_file ON skipped (file);
"""

# What the view of series shows beside its own columns; nothing that names the patient.
SERIES_COLUMNS = (
    "StudyInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "StudyDescription", "StudyDate",
    "BodyPartExamined", "ProtocolName", "Manufacturer", "ManufacturerModelName", "MagneticFieldStrength",
    "KVP", "ConvolutionKernel", "SliceThickness", "Rows", "Columns",
)  # fmt: skip


def views() -> str:
    """The views, which are what people query."""
    columns = ",\n    ".join(
        f"(SELECT value FROM stored_values WHERE series = series.id AND kind < 2 AND name = "
        f"(SELECT id FROM names WHERE keyword = '{keyword}')) AS {keyword}"
        for keyword in SERIES_COLUMNS
    )
    return f"""
CREATE VIEW attributes AS
SELECT series, keyword, CASE kind WHEN 2 THEN 'each' ELSE 'all' END AS holds_for, value
FROM stored_values JOIN names ON names.id = name;
CREATE VIEW series_view AS
SELECT id AS series, uid AS SeriesInstanceUID, num_instances,
    {columns}
FROM series;
CREATE VIEW file_view AS
SELECT series, place, folders.path || '/' || files.name AS path, member, size, modified_ns
FROM instances JOIN files ON files.id = file JOIN folders ON folders.id = folder;
CREATE VIEW instance_attributes AS
SELECT stored_values.series, place, keyword,
    CASE WHEN kind < 2 THEN value ELSE json_extract(value, '$[' || place || ']') END AS value
FROM stored_values JOIN names ON names.id = name JOIN instances ON instances.series = stored_values.series
WHERE kind < 2 OR json_extract(value, '$[' || place || ']') IS NOT '{{}}';
"""


def connect_to_write(path: Path) -> BoundedConnection:
    """The index for writing, made where there is none; only its owner can read it (mode 0600).

    Raises
    ------
    InputError
        Where the file is something else, of another schema, or cannot be opened.
    OutputError
        Where it cannot be made: the disk is full.
    """
    made = _made_empty(path)
    with damage_as_error(path):
        connection = _connect(path, "rw")
    try:
        with damage_as_error(path):
            if not _is_new(connection):
                _check_schema(connection, path)  # before anything of it is changed
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("BEGIN IMMEDIATE")
            if _is_new(connection):
                _create(connection)
            connection.execute("COMMIT")
            if not _is_file(path):
                raise ValueError("it was removed just now")
    except BaseException:
        connection.close()
        for suffix in ("", "-wal", "-shm") if made else ():  # what holds nothing is no index
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        raise
    return connection


def _made_empty(path: Path) -> bool:
    """Make the file where there is none; whether this process made it."""
    if _is_file(path):
        return False
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:  # another one was faster
        return False
    except OSError as error:
        raise OutputError(f"the index {path} cannot be written: {error.strerror}") from error
    return True


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Let others read while this one writes; SQLite does not wait where another one just does the same."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(RETRY_SECONDS)
        else:
            return


def connect_to_read(path: Path) -> BoundedConnection:
    """The index for reading.

    Raises
    ------
    InputError
        Where there is none, or the file is something else or of another schema.
    """
    if not _is_file(path):
        raise InputError(f"there is no index {path}; make it: dicomarray index -i DIR --index {path}")
    # SQLite keeps two files beside an index that is in use: who may write cleans them up, and where there
    # is no room for them, in a read-only folder, it has to be told that no one else writes
    log = path.with_name(path.name + "-wal")
    modes = ("rw", "ro") if log.exists() else ("rw", "ro", "ro&immutable=1")
    with damage_as_error(path):
        for mode in modes[:-1]:
            with suppress(sqlite3.OperationalError):
                return _readable(path, mode)
        return _readable(path, modes[-1])


@contextmanager
def at_once(path: Path) -> Iterator[BoundedConnection]:
    """The index for writing, by somebody who does not wait; raises sqlite3.Error where it cannot be had."""
    with closing(_connect(path, "rw")) as connection:
        connection.execute("PRAGMA busy_timeout = 0")
        yield connection


def _is_file(path: Path) -> bool:
    """Whether there is a file; what is there and is none is refused before it is opened, which may wait.

    Nobody but SQLite opens an index: with any other handle the system lets go of the locks that SQLite has
    in this process (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        raise InputError(f"the index {str(path)!r} cannot be read: {reason}") from error
    if not stat.S_ISREG(mode):
        raise InputError(f"{path} is no index: no file, but a folder or device; name another one")
    return True


def _readable(path: Path, mode: str) -> BoundedConnection:
    connection = _connect(path, mode)
    try:
        connection.execute("PRAGMA query_only = 1")
        if _is_new(connection):
            raise InputError(f"the index {path} is empty; fill it: dicomarray index -i DIR --index {path}")
        _check_schema(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def damage_as_error(path: Path) -> Iterator[None]:
    """Around whatever takes something out of the index: what damage leads to becomes one InputError."""
    try:
        yield
    except _DAMAGE as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code in _DISK_FULL:
            raise OutputError(
                f"the index {path} cannot be written: {error}; make room, and index again: what it holds is "
                "whole"
            ) from error
        if code == sqlite3.SQLITE_NOTADB:
            raise InputError(f"{path} is no index: no SQLite file; name another one") from error
        raise InputError(
            f"the index {path} cannot be used: {error}; where it is damaged, delete it and make it again "
            "(dicomarray index)"
        ) from error


def _connect(path: Path, mode: str) -> BoundedConnection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(
        uri,
        uri=True,
        timeout=PATIENCE_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        factory=BoundedConnection,
    )
    connection.bound(path, growing="rw" in mode)
    # a table of a file that lies must not call functions
    connection.execute("PRAGMA trusted_schema = 0")
    return connection


def _is_new(connection: BoundedConnection) -> bool:
    return not connection.rows("SELECT 1 FROM sqlite_master LIMIT 1")


def _create(connection: sqlite3.Connection) -> None:
    for statement in (TABLES + views()).split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    about = {"schema": str(SCHEMA_VERSION), "dicomarray": __version__, "generation": "0"}
    connection.executemany("INSERT INTO meta VALUES (?, ?)", about.items())
    connection.execute("INSERT INTO sources VALUES (?, ?)", (THIS_COMPUTER_ID, THIS_COMPUTER))


def _check_schema(connection: BoundedConnection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise InputError(f"{path} is no index: a SQLite file of another program; name another one")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != SCHEMA_VERSION:
        raise InputError(
            f"the index {path} has schema {version}, and this dicomarray {__version__} knows schema "
            f"{SCHEMA_VERSION}; delete the file and index again, or use the dicomarray that made it"
        )
    if _tables(connection) != _tables_made():
        raise ValueError("its tables are others than dicomarray makes")


def _tables(connection: BoundedConnection) -> dict[str, tuple[str, str, str]]:
    """What is asked for rows, or acts when rows are written: all but the views, and SQLite's statistics."""
    query = (
        "SELECT name, type, tbl_name, coalesce(sql, '') FROM sqlite_master "
        "WHERE type <> 'view' AND name NOT GLOB 'sqlite_stat[0-9]'"
    )
    rows = connection.execute(query).fetchmany(MAX_TABLES)
    return {str(name): (kind, table, text) for name, kind, table, text in rows}


@lru_cache(maxsize=1)
def _tables_made() -> dict[str, tuple[str, str, str]]:
    """As `_tables`, of an index that is just made."""
    connection = sqlite3.connect(":memory:", factory=BoundedConnection)
    connection.bound(Path(), growing=True)
    for statement in TABLES.split(";"):
        connection.execute(statement)
    found = _tables(connection)
    connection.close()
    return found
