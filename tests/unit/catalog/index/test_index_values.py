"""Values survive the index file, types and all."""

from __future__ import annotations

import json
import math
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomarray.catalog.index import json_values
from dicomarray.catalog.index.json_values import ABSENT, LIST, from_json, from_stored, to_json, to_stored
from dicomarray.dicom.vr import decode

# What the bytes of an element can be: usual, padded, several, and what Python and JSON read otherwise.
CONTENTS = st.binary(min_size=8, max_size=8) | st.sampled_from((
    b"", b"1.5", b"1 ", b" -3", b"1\\2", b"1\\-2.5e3", b"1\\\\2", b"-0", b"-0.0", b"+7", b"1e3", b"1e999",
    b"1.7e308", b"nan", b"1_0", b"9007199254740993", b"1.2.3\0", b"\0\0", b" lead", b"trail  ", b"A\\B",
    b'say "a"', b"a\0b", b"\n1", b"\xe4", b"\x1b$B", b"\x7f",
))  # fmt: skip
VRS = st.sampled_from(
    ("DS", "IS", "LO", "UI", "LT", "TM", "PN", "OB", "AT", "US", "SL", "FD", "IS as text", "?")
)

SCALARS = st.none() | st.text() | st.integers() | st.floats()
ITEMS = st.dictionaries(st.sampled_from(["Rows", "CodeValue", "(0019,100c)"]), SCALARS, max_size=3)
VALUES = SCALARS | st.lists(SCALARS, max_size=4).map(tuple) | st.lists(ITEMS, max_size=3).map(tuple)


@given(VALUES)
def test_json(value: object) -> None:
    """Any value comes back from JSON as it was, 1 not as 1.0, NaN and infinity too."""
    assert repr(from_json(to_json(value))) == repr(value)
    json.loads(to_json(value), parse_constant=pytest.fail)  # JSON as every reader knows it


@given(VALUES)
def test_through_sqlite(value: object) -> None:
    """A value of a whole series comes back through a SQLite column."""
    kind, stored = to_stored(to_json(value))
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (value)")
    connection.execute("INSERT INTO t VALUES (?)", (stored,))
    (read,) = connection.execute("SELECT value FROM t").fetchone()
    back = from_stored(kind, read)
    assert repr(back) == repr(value) or (back == value == 0.0 and math.copysign(1, value) < 0)  # type: ignore[arg-type]


@given(st.lists(VALUES | st.just(...), min_size=1, max_size=5))
def test_lists(values: list[object]) -> None:
    """A list of one value an instance comes back, absent attributes apart from empty ones."""
    texts = [ABSENT if value is ... else to_json(value) for value in values]
    stored = f"[{','.join(texts)}]"
    assert [repr(v) for v in json_values.values_of_list(stored, ...)] == [repr(v) for v in values]
    assert json_values.texts_of_list(stored) == texts


def test_text_of_a_stored_value() -> None:
    """What SQLite holds itself and what stands as JSON have the text that they came from."""
    for value in (None, 3, 2.5, "CT", "a\0b", 2**80, (1, "x"), float("nan")):
        kind, stored = to_stored(to_json(value))
        assert kind != LIST
        assert json_values.text_of(kind, stored) == to_json(value)


@given(VRS, CONTENTS)
def test_values_as_files_have_them(vr: str, content: bytes) -> None:
    """Whatever the bytes of an element are decoded to, odd ones too, comes back from JSON as it was."""
    value = decode(vr, content, True, ("latin_1",))
    assert repr(from_json(to_json(value))) == repr(value)
