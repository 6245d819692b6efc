"""`run` over an archive in which much goes wrong: the same as benchmarks/survival.py, in small."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import dicomarray
import survival
from dicomarray.pipeline.entries import RunEntry
from dicomarray.pipeline.ledger import read_entries

# Four plain ones, four that are faulty, those that crash, hang and eat memory, and some more that are good.
COUNT = 16
LIMITS = ("--timeout", "4", "--memory-limit", "300M", "--workers", "2")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("survival") / "archive"
    return folder, survival.make_archive(folder, COUNT, big=(4, 64, 64))


@pytest.fixture(scope="module")
def whole(archive: tuple[Path, dict[str, str]]) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A run that nobody interrupts."""
    output = archive[0].parent / "whole"
    done = subprocess.run(
        survival.command(archive[0], output, *LIMITS),
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return output, done


def test_every_series_has_its_end(
    archive: tuple[Path, dict[str, str]], whole: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    """A crash, a hang, a memory eater and corrupt files cost themselves; the exit code is 3."""
    output, done = whole
    assert done.returncode == 3, done.stderr
    counts = survival.check(output, archive[1])
    assert {f"{kind}: failed" for kind in survival.KILLERS} <= counts.keys()
    assert counts["plain: written"] == 7


def test_killed_and_resumed(
    archive: tuple[Path, dict[str, str]], whole: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    """Killed in the middle, resumed: every series seen is whole, and at last every byte is the same."""
    output = archive[0].parent / "killed"
    reference = survival.digests(whole[0])
    arguments = survival.command(archive[0], output, *LIMITS)
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"[")  # something was written, much is in work
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert survival.whole_series_only(output, reference) > 0
    before = len(read_entries(output / "ledger.jsonl"))
    done = subprocess.run(arguments, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 3
    assert "of them before" in done.stderr
    assert before >= 1
    survival.check(output, archive[1])
    assert survival.digests(output) == reference


def test_interrupted(archive: tuple[Path, dict[str, str]]) -> None:
    """Ctrl-C: exit code 130, the workers are gone, nothing is left half done, the ledger is whole."""
    output = archive[0].parent / "interrupted"
    process = subprocess.Popen(
        survival.command(archive[0], output, *LIMITS),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    started = children.read_text().split() if children.exists() else []
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert errors.endswith("dicomarray: interrupted\n")
    assert not [child for child in started if Path(f"/proc/{child}").exists()]
    assert not survival.leftovers(output)
    first, *_ = (output / "ledger.jsonl").read_text().splitlines()
    assert json.loads(first)["record"] == "run"
    assert {path.name for path in output.iterdir() if path.is_dir()} >= {
        entry.name for entry in read_entries(output / "ledger.jsonl") if entry.status == "written"
    }


def test_what_waits_together_is_told_when_the_ledger_has_it(tmp_path: Path) -> None:
    """Results of several workers that come while one is told of have a line each before they are told of."""
    survival.make_archive(tmp_path / "archive", 4, big=(4, 64, 64))
    (tmp_path / "steps.py").write_text("def same(volume):\n    return volume.array\n")
    told: list[str] = []

    def finished(entry: RunEntry, _: int) -> None:
        lines = (tmp_path / "out" / "ledger.jsonl").read_text().splitlines()
        assert [json.loads(line).get("name") for line in lines].count(entry.name) == 1
        told.append(entry.name)
        time.sleep(1)

    function = f"{tmp_path / 'steps.py'}:same"
    report = dicomarray.run(tmp_path / "archive", tmp_path / "out", function, workers=2, finished=finished)
    assert sorted(told) == sorted(entry.name for entry in report)
    assert len(told) == 4


def test_a_worker_ends_with_a_killed_driver(tmp_path: Path) -> None:
    """kill -9 of the driver ends a worker at once, though its function is busy: it must not write later."""
    survival.make_archive(tmp_path / "archive", 1, big=(4, 64, 64))
    (tmp_path / "slow.py").write_text(
        "import os, pathlib, time\n"
        "def wait(volume):\n"
        "    pathlib.Path('pid').write_text(str(os.getpid()))\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "dicomarray", "run", "-i", "archive", "-o", "out", "-f", "slow.py:wait",
         "--timeout", "60"],
        cwd=tmp_path,
    )  # fmt: skip
    pid = tmp_path / "pid"
    until(lambda: pid.exists() and pid.read_text() != "")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not _runs(int(pid.read_text())))


def until(condition: object, seconds: float = 20.0) -> None:
    """Wait for something that must come true soon."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)


def _runs(process: int) -> bool:
    """Whether a process lives; one that nobody waits for is a zombie, which writes nothing any more."""
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
