"""Repetitions that only numbers tell apart: in which orders that is certain, and what is said otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import synthetic
from dicomarray import load
from synthetic import write_repetitions

SHAPE = (4, 3, 5, 6)  # repetitions, slices, rows, columns
VOLUMES = [repetition * 3 + slice_ for repetition in range(4) for slice_ in range(3)]
SLICES = [slice_ * 4 + repetition for repetition in range(4) for slice_ in range(3)]
# two repetitions at each slice, then the next two
PAIRS = [r // 2 * 6 + slice_ * 2 + r % 2 for r in range(4) for slice_ in range(3)]
# odd slices before even ones
INTERLEAVED = [repetition * 3 + (0, 2, 1)[slice_] for repetition in range(4) for slice_ in range(3)]
ORDERS = [VOLUMES, SLICES, PAIRS, INTERLEAVED]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("step", [1, 7])
def test_regular_orders_are_trusted(tmp_path: Path, order: Sequence[int], step: int) -> None:
    """Volume by volume, slice by slice, a few volumes at a time, and gaps between numbers are trusted."""
    array = synthetic.stored_values(SHAPE)
    write_repetitions(tmp_path / "s", array, [{}] * 4, numbers=[step * number + 3 for number in order])
    volume = load(tmp_path / "s")
    assert np.array_equal(volume.array, array)
    assert not volume.warnings


@pytest.mark.parametrize("order", ORDERS)
def test_other_orders_are_told(tmp_path: Path, order: Sequence[int]) -> None:
    """The first slice of one repetition and the second of the next change numbers: nobody would see it."""
    array = synthetic.stored_values(SHAPE)
    numbers = list(order)
    numbers[0], numbers[4] = numbers[4], numbers[0]
    write_repetitions(tmp_path / "s", array, [{}] * 4, numbers=numbers)
    (warning,) = load(tmp_path / "s").warnings
    assert "may be mixed" in warning
    assert "4 images at each position" in warning


def test_attributes_that_tell_need_no_order(tmp_path: Path) -> None:
    """The same numbers with a time point in each image: no word."""
    array = synthetic.stored_values(SHAPE)
    numbers = [int(n) for n in np.random.default_rng(2).permutation(12)]
    steps = [{"TemporalPositionIdentifier": step} for step in (1, 2, 3, 4)]
    write_repetitions(tmp_path / "s", array, steps, numbers=numbers)
    volume = load(tmp_path / "s")
    assert np.array_equal(volume.array, array)
    assert not volume.warnings


@pytest.mark.parametrize("keyword", ["AcquisitionTime", "AcquisitionDateTime"])
@pytest.mark.parametrize(
    "numbers", [[1, 2, 3] * 4, [7] * 12, [5, 9, 2, 1, 12, 4, 3, 8, 6, 11, 7, 10]], ids=str
)
def test_times_tell_where_numbers_do_not(tmp_path: Path, numbers: list[int], keyword: str) -> None:
    """Numbers that begin again with each repetition, are all the same or at random: the time decides."""
    array = synthetic.stored_values(SHAPE)
    day = "20240203" * (keyword == "AcquisitionDateTime")
    steps = [{keyword: f"{day}1200{second:02d}.5"} for second in (9, 21, 33, 45)]
    files = write_repetitions(tmp_path / "written", array, steps, numbers=numbers)
    (tmp_path / "s").mkdir()
    for file, name in zip(files, np.random.default_rng(3).permutation(12), strict=True):
        file.rename(tmp_path / "s" / f"{name}.dcm")
    volume = load(tmp_path / "s")
    assert np.array_equal(volume.array, array)
    assert not volume.warnings


def test_names_of_files_tell_nothing(tmp_path: Path) -> None:
    """Numbers that begin again with each repetition, and no time: the order of the names may be any."""
    write_repetitions(tmp_path / "s", synthetic.stored_values(SHAPE), [{}] * 4, numbers=[1, 2, 3] * 4)
    (warning,) = load(tmp_path / "s").warnings
    assert "may be mixed" in warning
