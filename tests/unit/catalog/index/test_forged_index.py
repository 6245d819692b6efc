"""An index that lies: forged by hand, it costs an error of ours, but no time or memory without bound."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import synthetic
from dicomarray.catalog.index.bounds import BoundedConnection
from dicomarray.catalog.index.opening import open_index
from dicomarray.catalog.index.scanning import index
from dicomarray.catalog.series_selection import dicom_filter
from dicomarray.errors import DicomArrayError, InputError

ENDLESS = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT"
DEEP = "[" * 900 + "]" * 900
ODD_VALUES: list[Any] = [
    None, 10**9, -(2**63), float("inf"), "text", b"\xff\x00", DEEP, '[{"a":[{"b":' + DEEP + "}]}]", "[NaN]",
    "[" + "9" * 400 + "]",
]  # fmt: skip
COLUMNS = (
    "sources.address", "folders.source",
    "meta.value", "roots.path", "roots.finished", "folders.path", "files.folder", "files.name", "files.size",
    "files.modified_ns", "files.inode", "series.uid", "series.num_instances", "instances.place",
    "instances.file", "instances.member", "instances.number", "names.keyword", "stored_values.kind",
    "stored_values.value", "stored_values.name", "skipped.path", "skipped.reason", "skipped.lost_from",
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of a CT, with something that was skipped."""
    folder = tmp_path_factory.mktemp("forged")
    synthetic.write_series(folder / "ct", synthetic.stored_values((3, 4, 5)))
    (folder / "ct" / "empty").touch()
    index(folder / "ct", folder / "index")
    connection = sqlite3.connect(folder / "index")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return folder


@pytest.fixture
def file(made: Path, tmp_path: Path) -> Path:
    """A copy to forge."""
    return Path(shutil.copy(made / "index", tmp_path / "index"))


def forge(file: Path, *statements: str, parameters: tuple[Any, ...] = ()) -> None:
    """Change an index as SQLite lets anybody."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = 1")
    for statement in statements:
        connection.execute(statement, parameters)
    connection.close()


def forge_cells(file: Path, column: str, value: Any) -> None:
    """A value in a column, even where the schema forbids it."""
    table, name = column.split(".")
    strict = "SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL AND type = 'table'"
    connection = sqlite3.connect(file, isolation_level=None)
    before = connection.execute(strict).fetchall()
    connection.execute("PRAGMA writable_schema = 1")
    connection.execute("UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table'")
    connection.close()
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute(f"UPDATE OR IGNORE {table} SET {name} = ?", (value,))
    connection.execute("PRAGMA writable_schema = 1")
    connection.executemany("UPDATE sqlite_schema SET sql = ?2 WHERE name = ?1", before)
    connection.close()


def use(made: Path, file: Path) -> list[str]:
    """What came of reading everything, filters, and indexing again: ends well, or with an error of ours."""
    told = []

    def read() -> None:
        for series in open_index(file):
            dict(series.attributes)
            series.volumes()

    for act in (
        read,
        lambda: open_index(file, made / "ct"),
        lambda: dicom_filter(None, {"num_slices": 3, "Modality": "CT", "Rows": {"gt": 1}}, index=file),
        lambda: index(made / "ct", file),
    ):
        start = time.monotonic()
        try:
            act()
        except DicomArrayError as error:
            told.append(str(error))
        assert time.monotonic() - start < 10
    return told


@pytest.mark.parametrize("ranks", ["[0,0,1]", '["a","b","c"]', "[0,1,3]", "[0,1]", "[-1,0,1]"])
def test_orders_that_are_none(made: Path, file: Path, ranks: str) -> None:
    """An order that leaves out a file, or has one twice, is an error."""
    assert open_index(file)[0].files  # and keeps the order
    forge(
        file,
        "UPDATE stored_values SET value = ? WHERE name IN (SELECT id FROM names WHERE keyword GLOB 'order*')",
        parameters=(ranks,),
    )
    with pytest.raises(InputError, match="damaged"):
        open_index(file)[0].files  # noqa: B018 - asked for its error


@pytest.mark.parametrize("column", COLUMNS)
def test_odd_values(made: Path, tmp_path: Path, column: str) -> None:
    """Whatever stands in a column: an error of ours, or what the index says, but no other exception."""
    for number, value in enumerate(ODD_VALUES):
        forged = Path(shutil.copy(made / "index", tmp_path / f"index{number}"))
        forge_cells(forged, column, value)
        use(made, forged)


def replaced(table: str, columns: str) -> Callable[[Path], None]:
    return lambda file: forge(
        file,
        "PRAGMA foreign_keys = 0",
        f"DROP TABLE {table}",
        f"CREATE VIEW {table} AS {ENDLESS} {columns} FROM n",
    )


@pytest.mark.parametrize(
    "change",
    [
        replaced("series", "x AS id, '1.2.' || x AS uid, 1 AS num_instances"),
        replaced("names", "x AS id, 'Name' || x AS keyword"),
        replaced("roots", "'/' || x AS path, '1' AS started, '2' AS finished"),
        replaced("folders", "x AS id, 1 AS source, '/' AS path"),
        replaced("skipped", "x AS id, NULL AS file, '/' AS path, 'none' AS reason, NULL AS lost_from"),
        replaced("meta", "'generation' AS key, x AS value"),
        lambda file: forge(
            file, "CREATE TRIGGER t AFTER INSERT ON roots BEGIN DELETE FROM series; END"
        ),
        lambda file: forge(file, "CREATE INDEX i ON roots (zeroblob(1000000))"),
        lambda file: forge(file, "ALTER TABLE series ADD COLUMN more AS (length(zeroblob(1000000000)))"),
    ],
)  # fmt: skip
def test_other_tables(made: Path, file: Path, change: Callable[[Path], None]) -> None:
    """Views, triggers, indexes and computed columns in place of what dicomarray makes: refused at once."""
    change(file)
    start = time.monotonic()
    told = use(made, file)
    assert len(told) == 4
    assert all("its tables are others" in text for text in told)
    assert time.monotonic() - start < 2


def test_a_view_of_ones_own_and_statistics_do_no_harm(made: Path, file: Path) -> None:
    """What nobody asks may be there."""
    forge(file, f"CREATE VIEW mine AS {ENDLESS} x FROM n", "ANALYZE")
    assert use(made, file) == []


@pytest.mark.parametrize("count", [10**9, 2**40, -3, 0])
def test_counts_of_instances(made: Path, file: Path, count: int) -> None:
    """More instances than the file has room for, or none, are no series."""
    forge(file, f"UPDATE series SET num_instances = {count}")
    with pytest.raises(InputError, match="delete it and make it again"):
        open_index(file)


@pytest.mark.parametrize("path", ["/tmp/../etc", "relative", "/a//b", "/a/./b"])
def test_paths_that_lead_elsewhere(made: Path, file: Path, path: str) -> None:
    """An index holds real paths: one that goes up again would seem to lie below an indexed folder."""
    forge(file, "UPDATE OR IGNORE folders SET path = ?", parameters=(path,))
    with pytest.raises(InputError, match="no real path"):
        open_index(file)[0].volume()


@pytest.mark.parametrize("name", ["../ct/0001.dcm", "..", "", "/etc/passwd"])
def test_names_that_are_paths(made: Path, file: Path, name: str) -> None:
    """Names of files that are paths are refused too."""
    forge(
        file, "UPDATE files SET name = ? WHERE id = (SELECT file FROM instances LIMIT 1)", parameters=(name,)
    )
    with pytest.raises(InputError, match="no real path"):
        open_index(file)[0].volume()


def test_pages_without_end(made: Path, file: Path) -> None:
    """Pages that lead back to each other make a small file endless: it is told, in time and in memory."""
    forge(
        file,
        "INSERT INTO skipped SELECT x + 9, NULL, '/' || x, 'none' || x, NULL "
        f"FROM ({ENDLESS} x FROM n LIMIT 9000)",
    )
    connection = sqlite3.connect(file)
    (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'skipped'").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    content = bytearray(file.read_bytes())
    start = (root - 1) * size
    cells = int.from_bytes(content[start + 3 : start + 5], "big")
    assert content[start] == 5  # an inner page
    for cell in range(cells):  # each of its children is the page itself
        at = start + int.from_bytes(content[start + 12 + 2 * cell : start + 14 + 2 * cell], "big")
        content[at : at + 4] = root.to_bytes(4, "big")
    file.write_bytes(content)
    begun = time.monotonic()
    with pytest.raises(InputError, match="cannot be used"):
        open_index(file)
    assert time.monotonic() - begun < 5


def test_queries_end(tmp_path: Path) -> None:
    """A query that gives no row ends in time, one that gives too many in memory; what fits is given."""
    plain = sqlite3.connect(tmp_path / "x")
    plain.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(100000))")
    plain.close()
    connection = sqlite3.connect(tmp_path / "x", factory=BoundedConnection)
    connection.bound(tmp_path / "x", growing=False)
    assert connection.rows("SELECT length(a) FROM t") == [(100000,)]
    with pytest.raises(ValueError, match="no end"):
        connection.rows(f"{ENDLESS} x FROM n WHERE x < 0")
    with pytest.raises(ValueError, match="more than"):
        connection.rows(f"{ENDLESS} x FROM n")
    with pytest.raises(ValueError, match=r"more than|no end"):
        connection.rows(f"{ENDLESS} a FROM n, t")
    assert connection.rows("SELECT 1") == [(1,)]
    connection.close()


@pytest.mark.parametrize("kind", ["fifo", "folder", "device"])
def test_what_is_no_file(ct: Path, tmp_path: Path, kind: str) -> None:
    """A FIFO or device as the index is refused at once: SQLite would wait for it for ever."""
    place = Path("/dev/zero") if kind == "device" else tmp_path / "index"
    if kind == "fifo":
        os.mkfifo(place)
    if kind == "folder":
        place.mkdir()
    for act in (lambda: open_index(place), lambda: index(ct, place)):
        with pytest.raises(InputError, match="no index"):
            act()


def test_json_keeps_a_sequence_of_any_usual_depth(made: Path, file: Path) -> None:
    """The opposite of `DEEP`: sixteen sequences in each other come back."""
    value: Any = 1
    for _ in range(16):
        value = [{"Item": value}]
    forge(
        file, "UPDATE stored_values SET kind = 1, value = ? WHERE name = "
        "(SELECT id FROM names WHERE keyword = 'SeriesDescription')", parameters=(json.dumps(value),),
    )  # fmt: skip
    found = open_index(file)[0].attributes["SeriesDescription"]
    for _ in range(16):
        ((name, found),) = found[0].items()
        assert name == "Item"
    assert found == 1
