"""Repetitions that only private attributes or dimension indices tell apart, whatever the numbers are."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

import synthetic
from dicomarray import load
from enhanced_files import at, content, weighted, write_enhanced
from oracles import dcm2niix
from synthetic import SPACING_MM, write_repetitions

SLICES, ROWS, COLUMNS = 4, 5, 6
# By element: block and VR, as Philips writes them.
PHILIPS = {
    0x20011008: ("Philips Imaging DD 001", "IS"),
    0x20011003: ("Philips Imaging DD 001", "FL"),
    0x20051412: ("Philips MR Imaging DD 005", "IS"),
    0x20051413: ("Philips MR Imaging DD 005", "IS"),
    0x20051429: ("Philips MR Imaging DD 005", "CS"),
    0x20051596: ("Philips MR Imaging DD 006", "IS"),
}
PHASE = "(2001,Philips Imaging DD 001,08)"


def write_philips(
    folder: Path, steps: Sequence[dict[Any, Any]], numbers: Sequence[int] | None
) -> np.ndarray[Any, Any]:
    """A classic Philips series; steps are public attributes by keyword, private ones by tag."""
    array = synthetic.stored_values((len(steps), SLICES, ROWS, COLUMNS))
    public = [{key: value for key, value in step.items() if isinstance(key, str)} for step in steps]
    files = write_repetitions(
        folder, array, public, numbers=numbers, common={"Manufacturer": "Philips Medical Systems"}
    )
    for index, file in enumerate(files):
        data_set = pydicom.dcmread(file)
        for tag, value in steps[index // SLICES].items():
            if isinstance(tag, int):
                creator, vr = PHILIPS[tag]
                data_set.add_new((tag >> 16, tag >> 8 & 0xFF), "LO", creator)
                data_set.add_new(tag, vr, value)
        data_set.save_as(file)
    return array


def in_no_order(count: int, seed: int) -> list[int]:
    return [int(number) + 1 for number in np.random.default_rng(seed).permutation(count * SLICES)]


@pytest.mark.parametrize("seed", range(5))
def test_control_and_label_are_not_mixed(tmp_path: Path, seed: int) -> None:
    """Philips ASL: two repeats of control and label in two phases, numbered at random; as dcm2niix has it."""
    steps = [
        {"TemporalPositionIdentifier": repeat, 0x20011008: phase, 0x20051429: label}
        for repeat, label, phase in itertools.product((1, 2), ("CONTROL", "LABEL"), (1, 2))
    ]
    array = write_philips(tmp_path / "s", steps, in_no_order(len(steps), seed))
    volume = load(tmp_path / "s")
    assert volume.axes[0] == "time"
    assert np.array_equal(volume.array, array)
    assert np.array_equal(volume.array, dcm2niix(sorted((tmp_path / "s").iterdir())).array)
    assert volume.coordinates["ASLContext"] == ("CONTROL", "CONTROL", "LABEL", "LABEL") * 2
    assert volume.coordinates[PHASE] == (1, 2) * 4
    assert not volume.warnings


B_VALUES = [(0.0, 1, 1), (1000.0, 2, 1), (1000.0, 2, 2), (1000.0, 2, 3), (0.001, 3, 1)]


@pytest.mark.parametrize("seed", range(5))
def test_gradients_are_not_mixed(tmp_path: Path, seed: int) -> None:
    """Philips' diffusion without public gradients, numbered at random, is by b-value and gradient number."""
    steps = [{0x20011003: b, 0x20051412: number, 0x20051413: gradient} for b, number, gradient in B_VALUES]
    array = write_philips(tmp_path / "s", steps, in_no_order(len(steps), seed))
    volume = load(tmp_path / "s")
    assert volume.axes[0] == "diffusion"
    assert np.array_equal(volume.array, array)
    assert not volume.warnings


@pytest.mark.parametrize("seed", range(5))
def test_the_number_of_the_volume_is_its_place(tmp_path: Path, seed: int) -> None:
    """Since software 5.6 Philips numbers the volumes of a diffusion scan as acquired."""
    acquired = (1, 3, 4, 5, 2)
    steps = [
        {0x20011003: b, 0x20051412: number, 0x20051413: gradient, 0x20051596: place}
        for (b, number, gradient), place in zip(B_VALUES, acquired, strict=True)
    ]
    array = write_philips(tmp_path / "s", steps, in_no_order(len(steps), seed))
    assert np.array_equal(load(tmp_path / "s").array, array[np.argsort(acquired)])


def test_numbers_that_run_volume_by_volume_are_the_order(tmp_path: Path) -> None:
    """Then they say how the volumes were acquired, and private numbers need not."""
    steps = [{0x20011003: b, 0x20051412: number, 0x20051413: gradient} for b, number, gradient in B_VALUES]
    places = (3, 0, 4, 1, 2)
    numbers = [place * SLICES + index + 1 for place in places for index in range(SLICES)]
    array = write_philips(tmp_path / "s", steps, numbers)
    assert np.array_equal(load(tmp_path / "s").array, array[np.argsort(places)])


@pytest.mark.parametrize("seed", range(5))
def test_a_private_dimension_tells_frames_apart(tmp_path: Path, seed: int) -> None:
    """An enhanced object whose frames stand in no order: dimension indices say which volume is theirs."""
    array = synthetic.stored_values((3, SLICES, ROWS, COLUMNS))
    pairs = list(itertools.product(range(3), range(SLICES)))
    pairs = [pairs[index] for index in np.random.default_rng(seed).permutation(len(pairs))]
    frames = [
        {**at(z * SPACING_MM), **content(StackID="1", DimensionIndexValues=[1, z + 1, step + 1])}
        for step, z in pairs
    ]
    (tmp_path / "s").mkdir()
    write_enhanced(tmp_path / "s" / "e.dcm", np.stack([array[pair] for pair in pairs]), frames)
    volume = load(tmp_path / "s")
    assert np.array_equal(volume.array, array)
    assert not volume.warnings


@pytest.mark.parametrize("maker", ["Philips", "CANON_MEC"])
@pytest.mark.parametrize("slice_by_slice", [True, False])
@pytest.mark.parametrize("unweighted", [(1, 1), (1, 4)])
def test_the_last_dimension_varies_slowest(
    tmp_path: Path, maker: str, slice_by_slice: bool, unweighted: tuple[int, int]
) -> None:
    """Two b-values in three directions, an index for each: in the order that dcm2niix has."""
    weightings = [unweighted, *itertools.product((2, 3), (1, 2, 3))]
    array = synthetic.stored_values((len(weightings), SLICES, ROWS, COLUMNS))
    pairs = list(itertools.product(range(len(weightings)), range(SLICES)))
    if slice_by_slice:
        pairs.sort(key=lambda pair: pair[1])
    frames = []
    for step, z in pairs:
        b_index, direction = weightings[step]
        gradient = None if b_index == 1 else np.roll((0.6, 0.8, 0.0), direction).tolist()
        index = content(
            StackID="1", InStackPositionNumber=z + 1, DimensionIndexValues=[1, z + 1, *weightings[step]]
        )
        frames.append({**at(z * SPACING_MM), **index, **weighted(1000.0 * (b_index - 1), gradient)})
    groups = {0x00209056: 0x00209111, 0x00209057: 0x00209111, 0x00189087: 0x00189117, 0x00189089: 0x00189117}
    pointers = [
        {"DimensionIndexPointer": pointer, "FunctionalGroupPointer": group}
        for pointer, group in groups.items()
    ]
    (tmp_path / "s").mkdir()
    file = tmp_path / "s" / "e.dcm"
    common = {"DimensionIndexSequence": pointers, "Manufacturer": maker}
    write_enhanced(file, np.stack([array[pair] for pair in pairs]), frames, common=common)
    volume = load(tmp_path / "s")
    assert volume.axes[0] == "diffusion"
    assert np.array_equal(volume.array, dcm2niix([file]).array)
