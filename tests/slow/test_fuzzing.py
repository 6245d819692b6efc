"""The fuzzer (`make fuzz`): some hundred runs, and that it sees what it looks for."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dicomarray
from fuzzing import runner
from fuzzing.mutations import image_of, spots_of
from fuzzing.runner import damaged, fuzz
from fuzzing.seeds import Seed, all_seeds

RUNS = 300


@pytest.fixture(scope="module")
def seeds() -> list[Seed]:
    return all_seeds()


def test_damaged_files_are_read_or_refused(seeds: list[Seed]) -> None:
    """No error but ours, nothing printed, no hang, little memory; scan and index agree."""
    outcome = fuzz(seeds, range(RUNS))
    assert outcome.runs == RUNS
    assert dict(outcome.examples) == {}


def test_seeds_are_of_every_kind(seeds: list[Seed]) -> None:
    """At least a hundred, each told apart by its name, and most of them understood by what damages them."""
    assert len({seed.name for seed in seeds}) == len(seeds) >= 100
    known = [len(spots_of(image_of(seed.files[0][1]))) > 10 for seed in seeds]
    assert sum(known) > 0.9 * len(seeds)


def test_a_run_is_known_by_its_number(seeds: list[Seed]) -> None:
    """The same damage each time, to the same seeds; runs of other numbers are damaged otherwise."""
    own = [(seed.name, [len(raw) for _, raw in seed.files]) for seed in seeds]
    assert own == [(seed.name, [len(raw) for _, raw in seed.files]) for seed in all_seeds()]
    assert damaged(seeds[3], 7) == damaged(seeds[3], 7) != damaged(seeds[3], 8)


def hangs(_: Path) -> Any:
    time.sleep(60)


def prints(_: Path) -> Any:
    print("a patient's name", file=sys.stderr, flush=True)
    return []


def takes_memory(_: Path) -> Any:
    bytearray(800 << 20)
    return []


def breaks(_: Path) -> Any:
    raise KeyError("PatientName")


def crashes(_: Path) -> Any:
    import os

    os._exit(7)


FAULTS: dict[str, Callable[[Path], Any]] = {
    "hangs for": hangs,
    "prints": prints,
    "much memory": takes_memory,
    "KeyError at": breaks,
    "crashes with exit code 7": crashes,
}


@pytest.mark.parametrize("said", FAULTS)
def test_faults_are_found(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """A scan that hangs, prints, takes memory, ends in another error or crashes is told, with its number."""
    monkeypatch.setattr(dicomarray, "scan", FAULTS[said], raising=False)
    if FAULTS[said] is hangs:  # the others are not to be slower than a loaded machine may be
        monkeypatch.setattr(runner, "MOST_SECONDS", 2)
    outcome = fuzz([Seed("nothing", (("a.dcm", b"DICM" * 100),))], range(2))
    assert outcome.runs == 2
    ((kind, count),) = outcome.found.items()
    assert kind.startswith(said) and count == 2
    assert "nothing, run 0" in outcome.examples[kind]
