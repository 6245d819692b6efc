"""The index file: its tables and views, and how it is opened."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dicomarray.errors import InputError
from dicomarray.version import __version__

# "DIAR": tells the file from other SQLite files.
APPLICATION_ID = 0x44494152
# Another number means another meaning of the tables; a file with another one is not touched.
SCHEMA_VERSION = 3
# How long a process waits for another one to finish writing, seconds; a transaction takes about one.
PATIENCE_SECONDS = 120.0
# How long between two tries of what SQLite does not wait for by itself.
RETRY_SECONDS = 0.01
# Lists of one value an instance are a few kB each: on larger pages less room is lost.  Bytes.
PAGE_BYTES = 16384
# SQLite tells of a damaged page; a damaged value is no text, no number, or one too many.
_DAMAGE = (sqlite3.Error, ValueError, TypeError, IndexError, KeyError, OverflowError)
_SQLITE_MAGIC = b"SQLite format 3\0"

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE roots (
    path TEXT PRIMARY KEY,
    started TEXT NOT NULL,
    finished TEXT
) WITHOUT ROWID;
CREATE TABLE folders (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
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


def connect_to_write(path: Path) -> sqlite3.Connection:
    """The index for writing, made where there is none; only its owner can read it (mode 0600).

    Raises
    ------
    InputError
        Where the file is something else, of another schema, or cannot be opened.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise InputError(f"the index {path} cannot be written: {error.strerror}") from error
    _check_magic(path)
    connection = _connect(path, "rw")
    try:
        with damage_told(path):
            if not _is_new(connection):
                _check_schema(connection, path)  # before anything of it is changed
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("BEGIN IMMEDIATE")
            if _is_new(connection):
                _create(connection)
            connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


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


def connect_to_read(path: Path) -> sqlite3.Connection:
    """The index for reading.

    Raises
    ------
    InputError
        Where there is none, or the file is something else or of another schema.
    """
    try:
        found = path.is_file()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        raise InputError(f"the index {str(path)!r} cannot be read: {reason}") from error
    if not found:
        raise InputError(f"there is no index {path}; make it: dicomarray index -i DIR --index {path}")
    _check_magic(path)
    # SQLite keeps two files beside an index that is in use: who may write cleans them up, and where there
    # is no room for them, in a read-only folder, it has to be told that nobody else writes
    log = path.with_name(path.name + "-wal")
    modes = ("rw", "ro") if log.exists() else ("rw", "ro", "ro&immutable=1")
    for mode in modes:
        try:
            return _readable(path, mode)
        except sqlite3.OperationalError as error:
            trouble: sqlite3.Error = error
        except (sqlite3.Error, ValueError) as error:
            raise unusable(path, error) from error
    raise unusable(path, trouble) from trouble


def _readable(path: Path, mode: str) -> sqlite3.Connection:
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
def damage_told(path: Path) -> Iterator[None]:
    """Around whatever takes something out of the index: what damage leads to becomes one InputError."""
    try:
        yield
    except _DAMAGE as error:
        raise unusable(path, error) from error


def unusable(path: Path, error: Exception) -> InputError:
    """What to say of a file that cannot be used."""
    return InputError(
        f"the index {path} cannot be used: {error}; where it is damaged, delete it and make it again "
        "(dicomarray index)"
    )


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(
        uri, uri=True, timeout=PATIENCE_SECONDS, isolation_level=None, check_same_thread=False
    )


def _check_magic(path: Path) -> None:
    """SQLite would take any file that it has not looked into yet."""
    try:
        with path.open("rb") as stream:
            start = stream.read(len(_SQLITE_MAGIC))
    except OSError as error:
        raise InputError(f"the index {path} cannot be read: {error.strerror}") from error
    if start not in (b"", _SQLITE_MAGIC):
        raise InputError(f"{path} is no index: no SQLite file; name another one")


def _is_new(connection: sqlite3.Connection) -> bool:
    (count,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return int(count) == 0


def _create(connection: sqlite3.Connection) -> None:
    for statement in (TABLES + views()).split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    about = {"schema": str(SCHEMA_VERSION), "dicomarray": __version__, "generation": "0"}
    connection.executemany("INSERT INTO meta VALUES (?, ?)", about.items())


def _check_schema(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise InputError(f"{path} is no index: a SQLite file of another program; name another one")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != SCHEMA_VERSION:
        raise InputError(
            f"the index {path} has schema {version}, and this dicomarray {__version__} knows schema "
            f"{SCHEMA_VERSION}; delete the file and index again, or use the dicomarray that made it"
        )
