"""An index whose file is damaged."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

import synthetic
from dicomarray.catalog.index.opening import open_index
from dicomarray.catalog.index.scanning import index
from dicomarray.catalog.series_selection import dicom_filter
from dicomarray.errors import DicomArrayError

CHANGES = (
    "UPDATE folders SET path = NULL",
    "UPDATE skipped SET path = NULL",
    "UPDATE files SET inode = 'x'",
    "DELETE FROM instances WHERE place = 5",
    "UPDATE series SET num_instances = 'many'",
    "UPDATE series SET num_instances = 3",
    "UPDATE stored_values SET value = '[1' WHERE kind = 2",
    "UPDATE stored_values SET value = '[1]' WHERE kind = 2",
    "UPDATE stored_values SET value = x'00ff' WHERE kind = 0",
    "UPDATE stored_values SET value = 3 WHERE kind = 1",
    "UPDATE stored_values SET value = 'x' WHERE name = (SELECT id FROM names WHERE keyword = 'pixel_start')",
    "DELETE FROM meta",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of a CT, with something that was skipped."""
    folder = tmp_path_factory.mktemp("damaged")
    synthetic.write_series(folder / "ct", synthetic.stored_values())
    (folder / "ct" / "empty").touch()
    index(folder / "ct", folder / "index")
    with sqlite3.connect(folder / "index") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return folder


def use(folder: Path, file: Path) -> str:
    """What came of reading everything, a filter, and indexing again: ends well, or with the one error."""
    told = ""

    def read() -> None:
        for series in open_index(file):
            dict(series.attributes)
            series.volumes()

    for act in (
        read,
        lambda: dicom_filter(None, {"num_slices": 6, "Modality": "CT"}, index=file),
        lambda: index(folder / "ct", file),
    ):
        try:
            act()
        except DicomArrayError as error:
            told += str(error)
    return told


@pytest.mark.parametrize("change", CHANGES)
def test_values_that_are_none(made: Path, tmp_path: Path, change: str) -> None:
    """Whatever reads it, the message says to delete the index and make it again."""
    file = tmp_path / "index"
    file.write_bytes((made / "index").read_bytes())
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA ignore_check_constraints = 1")
    try:
        connection.execute(change)
    except sqlite3.IntegrityError:  # NULL where the schema forbids it: only damage puts it there
        connection.execute("PRAGMA writable_schema = 1")
        connection.execute("UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '')")
        connection.commit()
        connection.close()
        connection = sqlite3.connect(file)
        connection.execute(change)
    connection.commit()
    connection.close()
    assert "delete it and make it again (dicomarray index)" in use(made, file)


def test_random_damage(made: Path, tmp_path: Path) -> None:
    """Pages of zeros and garbage: read well, or refused with an error of ours; never a raw one."""
    chance = random.Random(5)
    whole = (made / "index").read_bytes()
    refused = 0
    for number in range(40):
        content = bytearray(whole)
        place = chance.randrange(1, len(whole) // 4096) * 4096
        count = chance.choice((1, 50, 600, 4096))
        content[place : place + count] = bytes(count) if number % 2 else chance.randbytes(count)
        file = tmp_path / f"index{number}"
        file.write_bytes(content)
        refused += bool(use(made, file))
    assert refused > 5
