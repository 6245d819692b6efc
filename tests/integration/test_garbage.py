"""What the commands do about garbage: they hardly search for it, so they must not make any that counts."""

from __future__ import annotations

import contextlib
import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

import synthetic
from dicomarray.cli.main import main

SHAPE = (8, 512, 512)  # 4 MB, a slice takes half of one
# Parsers, and what NumPy and pydicom make once when they are imported or first used.
MOST_BYTES = 400_000


@contextlib.contextmanager
def no_collections() -> Iterator[None]:
    """A time in which Python never searches for garbage."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()
        gc.enable()


def garbage_of(*command: object) -> int:
    """Bytes that are free only once cycles are searched, after the second time that a command runs."""
    words = [*map(str, command), "--overwrite"]
    assert main(words) == 0
    with no_collections():
        assert main(words) == 0
        before, _ = tracemalloc.get_traced_memory()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    return before - after


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """A series whose pixels would be seen among the garbage."""
    synthetic.write_series(tmp_path / "series", synthetic.stored_values(SHAPE))
    return tmp_path / "series"


def test_no_command_leaves_pixels_in_cycles(series: Path, tmp_path: Path) -> None:
    """One slice that is left over would show: those of a batch would fill the memory."""
    npy = tmp_path / "a.npy"
    for command in (
        ("to-numpy", "-i", series, "-n", npy),
        ("to-numpy", "-i", series, "-n", tmp_path / "b.npy", "--missing", "fill", "--normalize", 0, 9),
        ("view", "-n", npy, "-o", tmp_path / "a.png"),
        ("to-dicom", "-n", npy, "-d", series, "-o", tmp_path / "out"),
    ):
        assert garbage_of(*command) < MOST_BYTES, command


def after_command(*command: str) -> str:
    """How often garbage is searched by default, after a command, and whether it is at the exit."""
    code = (
        "import atexit, gc, sys; from dicomarray.cli.main import main; usual = gc.get_threshold()\n"
        "atexit.register(lambda: print(gc.get_threshold() == usual, gc.get_freeze_count() > 1000))\n"
        "main(sys.argv[1:])"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_garbage_is_searched_as_usual_only_where_a_users_function_runs() -> None:
    """There it may be much; elsewhere the search would take longer than the parsing of the arguments."""
    assert after_command("to-numpy", "-i", "missing", "-n", "a.npy") == "False True"
    assert after_command("run", "-i", "missing", "-o", "out", "-f", "os:getcwd") == "True False"
