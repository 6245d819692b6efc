"""Runs: one process that damages and reads, and one that watches it and starts another where it hangs."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from fuzzing import checks
from fuzzing.mutations import mutated
from fuzzing.seeds import Seed

# For one damaged series, read several ways, on a machine that does other things too.
MOST_SECONDS = 10
# A guard for the machine; what counts is `checks.MOST_MEMORY_BYTES`.  Addresses, most of them of libraries.
MOST_ADDRESSES = 6 << 30
# Memory is not given back at once: a process that works for ever would look like one that leaks.
RUNS_A_PROCESS = 5000


@dataclass(slots=True)
class Outcome:
    """How many runs there were, and what was found: by kind, how often, and the first run with it."""

    runs: int = 0
    found: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, run: str, faults: Sequence[str]) -> None:
        self.runs += 1
        for fault in faults:
            kind = fault.split(": ")[0]
            self.found[kind] += 1
            self.examples.setdefault(kind, f"{run}: {fault}")


def damaged(seed: Seed, number: int) -> list[tuple[str, bytes]]:
    """The files of a run, always the same: one of the seed's files is damaged, now and then all alike."""
    chance = Random(f"{seed.name} {number}")
    victim, all_of_them, state = chance.choice(seed.files)[0], chance.random() < 0.3, chance.getstate()
    files = []
    for name, raw in seed.files:
        chance.setstate(state)
        files.append((name, mutated(raw, chance) if all_of_them or name == victim else raw))
    return files


def write(files: Sequence[tuple[str, bytes]], folder: Path) -> None:
    """The files in a new folder."""
    folder.mkdir()
    for name, raw in files:
        (folder / name).write_bytes(raw)


def fuzz(
    seeds: Sequence[Seed], numbers: range, progress: Callable[[Outcome], None] = lambda _: None
) -> Outcome:
    """One run a number, the seeds in turn."""
    outcome = Outcome()
    at = numbers.start
    while at < numbers.stop:
        part = range(at, min(at + RUNS_A_PROCESS, numbers.stop))
        at = _in_child(seeds, part, outcome, progress)
    return outcome


def _in_child(
    seeds: Sequence[Seed], numbers: range, outcome: Outcome, progress: Callable[[Outcome], None]
) -> int:
    """Runs in a process of their own; the number to go on with."""
    here, there = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_work, args=(seeds, numbers, there))
    child.start()
    there.close()
    try:
        for number in numbers:
            name = f"{seeds[number % len(seeds)].name}, run {number}"
            try:
                faults = here.recv() if here.poll(MOST_SECONDS) else [f"hangs for {MOST_SECONDS} s"]
            except EOFError:
                child.join()
                faults = [f"crashes with exit code {child.exitcode}"]
            outcome.add(name, faults)
            progress(outcome)
            if faults and faults[0].startswith(("hangs", "crashes", "the fuzzer")):
                return number + 1
        return numbers.stop
    finally:
        child.kill()
        child.join()
        here.close()


def _work(seeds: Sequence[Seed], numbers: range, connection: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESSES, MOST_ADDRESSES))
    checks.always_warn()
    place = Path(tempfile.mkdtemp(prefix="fuzzing-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    said = os.open(place / "said", os.O_RDWR | os.O_CREAT)
    os.dup2(said, 2)
    os.dup2(said, 1)
    sys.stdout = sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)  # a test may have replaced them
    try:
        checks.reset_peak()
        start = checks.peak_bytes()
        for number in numbers:
            turn, index = divmod(number, len(seeds))
            connection.send(_run(damaged(seeds[index], number), turn, place, said, start))
    except BrokenPipeError:
        pass  # whoever watched has ended
    except Exception:  # noqa: BLE001 - a mistake of the fuzzer must not look like one of the package
        connection.send([f"the fuzzer itself fails: {traceback.format_exc()}"])
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _run(files: Sequence[tuple[str, bytes]], turn: int, place: Path, said: int, start: int) -> list[str]:
    folder = place / "files"
    write(files, folder)
    checks.reset_peak()
    faults = checks.faults_of(folder, turn)
    if words := checks.printed(said):
        faults.append(f"prints: {words!r:.300}")
    if (grown := checks.peak_bytes() - start) > checks.MOST_MEMORY_BYTES:
        faults.append(f"much memory: {grown >> 20} MB")
    shutil.rmtree(folder)
    return faults
