"""A run over an archive in which much goes wrong, killed again and again: what is left must be the same.

    python benchmarks/survival.py [--series 1000] [--kills 10] [--folder DIR] [--dask] [--memory]

Makes an archive of tiny series, some of them corrupt, repeated, big or without a slice, three of which crash,
hang or eat memory in the function; runs over it with two workers; kills other runs over it at random moments
and resumes them; does the same on a Dask cluster whose workers are killed; and compares every byte.  With
``--memory`` it measures the driver's memory for 100, 1,000 and 10,000 series.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

# the builder of synthetic series lives with the tests
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import synthetic
from dicomarray.pipeline.ledger import read_entries
from dicomarray.volume import Volume

# Of every 100 series, the faults after the first plain ones; the killers come once in an archive.
FAULTS = ("corrupt", "gap", "raises", "nan", "wrong shape", "text", "repeated")
KILLERS = ("segfault", "hang", "eat")
PLAIN_FIRST = 4
# What the reason of a failure says; None for series that must be written.
REASONS = {
    "corrupt": "", "gap": "missing", "raises": "ZeroDivisionError", "nan": "NaN", "wrong shape": "shape",
    "text": "str", "segfault": "SIGSEGV", "hang": "time limit", "eat": "of memory, more than the limit",
}  # fmt: skip
LIMITS = ("--timeout", "15", "--memory-limit", "1G")
SHAPE = (3, 8, 10)
BIG = (64, 256, 256)
EATEN_BYTES = 8 << 30


def fault(volume: Volume) -> object:
    """What the description of the series asks for: twice its values, or one of many ways to fail."""
    kind = str(volume.series.get("SeriesDescription", ""))
    values = volume.array * 2.0
    if kind == "raises":
        return 1 // 0
    if kind == "nan":
        return np.where(values > values.mean(), np.nan, values)
    if kind == "wrong shape":
        return values[1:]
    if kind == "text":
        return "an array"
    if kind == "segfault":
        ctypes.string_at(0)
    if kind == "hang":
        time.sleep(3600)
    if kind == "eat":
        eaten = []
        while len(eaten) < EATEN_BYTES >> 27:
            eaten.append(np.ones(1 << 24))
    if kind == "two":
        return {"double": values, "mask": values > values.mean()}
    return values


def kind_of(index: int, count: int) -> str:
    """The killers stand in the middle of the archive, the faults near the start of each hundred."""
    middle = count // 2
    if middle <= index < middle + len(KILLERS):
        return KILLERS[index - middle]
    place = index % 100 - PLAIN_FIRST
    if 0 <= place < len(FAULTS):
        return FAULTS[place]
    return {len(FAULTS): "big", len(FAULTS) + 1: "two"}.get(place, "plain")


def make_archive(folder: Path, count: int, big: tuple[int, ...] = BIG) -> dict[str, str]:
    """Write the series; what kind each one is, by its UID."""
    kinds = {}
    for index in range(count):
        kind = kind_of(index, count)
        uid = f"1.2.826.0.1.3680043.10.{count}.{index}"
        common = {
            "SeriesInstanceUID": uid, "SeriesDescription": kind, "SeriesNumber": index + 1,
            "StudyInstanceUID": f"1.2.826.0.1.3680043.11.{count}.{index // 4}",
        }  # fmt: skip
        shape = {"big": big, "gap": (6, *SHAPE[1:])}.get(kind, SHAPE)
        array = np.random.default_rng(index).integers(0, 4096, shape).astype(np.uint16)
        place = folder / f"{index // 100:03d}" / f"{index:05d}"
        if kind == "repeated":
            files = synthetic.write_repetitions(
                place, np.stack([array, array + 1]),
                [{"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2}], common=common,
            )  # fmt: skip
        else:
            files = synthetic.write_series(place, array, common=common)
        if kind == "corrupt":
            files[1].write_bytes(files[1].read_bytes()[:-40])
        if kind == "gap":
            files[2].unlink()
        kinds[uid] = kind
    return kinds


def command(archive: Path, output: Path, *further: str) -> list[str]:
    """The run as a user types it."""
    return [
        sys.executable, "-m", "dicomarray", "run", "-i", str(archive), "-o", str(output),
        "-f", f"{Path(__file__).resolve()}:fault", "--uid-key", "survival", "--resume", *further,
    ]  # fmt: skip


def digests(output: Path) -> dict[str, str]:
    """Every file of the results with its digest; the ledger and what is hidden are none."""
    return {
        str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(output.rglob("*.dcm"))
        if not any(part.startswith(".") for part in path.relative_to(output).parts)
    }


def leftovers(output: Path) -> list[str]:
    """What should not be there when a run is over."""
    return [str(path) for path in output.rglob(".*") if path.name != ".thumbnails.jsonl"]


def check(output: Path, kinds: dict[str, str]) -> Counter[str]:
    """The good ones are written, the bad ones in the ledger with the reason; how many of each kind."""
    entries = {entry.series_uid: entry for entry in read_entries(output / "ledger.jsonl")}
    assert entries.keys() == kinds.keys(), f"{len(entries)} entries for {len(kinds)} series"
    for uid, entry in entries.items():
        kind = kinds[uid]
        if kind in REASONS:
            assert entry.status == "failed" and entry.output is None, (kind, entry)
            assert entry.error and REASONS[kind] in entry.error, (kind, entry.error)
        elif kind != "repeated":  # 4-D templates are written or not, as their class allows
            assert entry.status == "written", (kind, entry.error)
            assert all(len(o.files) == o.count == o.shape[0] for o in entry.outputs), entry
    written = {entry.name for entry in entries.values() if entry.status == "written"}
    folders = {path.name for path in output.iterdir() if path.is_dir()}
    assert folders == written, sorted(folders ^ written)
    assert not leftovers(output), leftovers(output)
    return Counter(f"{kinds[uid]}: {entry.status}" for uid, entry in entries.items())


def whole_series_only(output: Path, reference: dict[str, str]) -> int:
    """Whether every series that can be seen now is all there; how many folders there are."""
    seen = digests(output)
    folders = {Path(name).parts[0] for name in seen}
    expected = {name: digest for name, digest in reference.items() if Path(name).parts[0] in folders}
    assert seen == expected, "a half-written series can be seen"
    return len(folders)


def kill_and_resume(
    arguments: list[str], output: Path, reference: dict[str, str], moments: list[float]
) -> None:
    """Kill the run after so many seconds, again and again, then let it end."""
    for number, seconds in enumerate(moments, 1):
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        folders = whole_series_only(output, reference) if output.exists() else 0
        print(f"kill {number} after {seconds:.1f} s: {folders} series, all whole", flush=True)
    done = subprocess.run(arguments, check=False, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    print(done.stderr.splitlines()[-1])


def on_dask(archive: Path, output: Path, kinds: dict[str, str], kill_after: float | None) -> None:
    """The same on a cluster of two worker processes, one of which is killed while it works."""
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        arguments = command(archive, output, *LIMITS, "--scheduler", address)
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if kill_after is not None:
            time.sleep(kill_after)
            with Client(address) as client:
                victim = next(iter(client.run(os.getpid).values()))
            os.kill(victim, signal.SIGKILL)
            print(f"killed Dask worker {victim} with {len(list(output.glob('[A-Z]*')))} series done")
        _, errors = process.communicate(timeout=3600)
        assert process.returncode == 3, errors
        print(errors.splitlines()[-1], flush=True)
    print(dict(check(output, kinds)))


def driver_memory(folder: Path) -> None:
    """The greatest resident memory of the driver, by the number of series, in a run with two workers."""
    code = (
        "import json, sys, dicomarray\n"
        "def peak():\n"  # not ru_maxrss: that begins with what the process had that started this one
        "    status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "    return int(status['VmHWM'].split()[0]) // 1024\n"
        "scanned = []\n"
        "def finished(entry, total):\n"
        "    scanned or scanned.append(peak())\n"
        "dicomarray.run(sys.argv[1], sys.argv[2], 'dicomarray.demo.functions:smooth', workers=2,\n"
        "               finished=finished)\n"
        "print(json.dumps([scanned[0], peak()]))\n"
    )
    for count in (100, 1_000, 10_000):
        archive, output = folder / f"plain{count}", folder / f"out{count}"
        for index in range(count):
            array = np.zeros((2, 8, 8), np.uint16) + np.uint16(index % 4096)
            common = {"SeriesInstanceUID": f"1.2.3.{count}.{index}", "SeriesNumber": index}
            synthetic.write_series(archive / str(index), array, common=common)
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code, str(archive), str(output)],
            check=True,
            capture_output=True,
            text=True,
        )
        scan_peak, peak = json.loads(done.stdout)
        seconds = time.perf_counter() - start
        print(f"{count} series: driver {scan_peak} MB after the scan, {peak} MB at the end, {seconds:.0f} s")
        shutil.rmtree(archive)
        shutil.rmtree(output)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--series", type=int, default=1000)
    options.add_argument("--kills", type=int, default=10)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--folder", help="default: a temporary one")
    options.add_argument("--dask", action="store_true")
    options.add_argument("--memory", action="store_true")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        _all(Path(folder), chosen)


def _all(folder: Path, chosen: argparse.Namespace) -> None:
    archive = folder / "archive"
    kinds = make_archive(archive, chosen.series)
    arguments = command(archive, folder / "whole", *LIMITS, "--workers", "2")
    start = time.perf_counter()
    done = subprocess.run(arguments, check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    assert done.returncode == 3, done.stderr
    print(f"{done.stderr.splitlines()[-1]}; {seconds:.0f} s, {chosen.series / seconds:.1f} series a second")
    for kind, count in sorted(check(folder / "whole", kinds).items()):
        print(f"  {count:5d} {kind}")
    reference = digests(folder / "whole")
    if chosen.kills:
        moments = [random.Random(chosen.seed + n).uniform(1, seconds / 3) for n in range(chosen.kills)]
        arguments = command(archive, folder / "killed", *LIMITS, "--workers", "2")
        kill_and_resume(arguments, folder / "killed", reference, moments)
        check(folder / "killed", kinds)
        assert digests(folder / "killed") == reference
        print(f"killed {chosen.kills} times and resumed: {len(reference)} files, every byte the same")
    if chosen.dask:
        for name, kill_after in (("dask", None), ("dask-killed", seconds / 3)):
            on_dask(archive, folder / name, kinds, kill_after)
            assert digests(folder / name) == reference
            print(f"{name}: every byte the same", flush=True)
    if chosen.memory:
        driver_memory(folder)


if __name__ == "__main__":
    main()
