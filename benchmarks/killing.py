"""Kill the client or the server of a push or pull over DICOMweb at random moments, then do it again.

    python benchmarks/killing.py [--times 10] [--slices 60] [--seed 0]

After each kill whatever shows in the output is whole; after the same call again everything is there once,
byte for byte as the server stores it.  The first thing that is not so ends the script with an error.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import dicomarray
from load import make_ct

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import pacs

CALL = "import sys, dicomarray; getattr(dicomarray, sys.argv[1])(*sys.argv[2:])"


def killed(call: str, source: str, target: str, seconds: float, server: pacs.Orthanc | None) -> bool:
    """Start a call and kill it, or the server, after so long; whether it was still at work."""
    process = subprocess.Popen(
        [sys.executable, "-c", CALL, call, source, target],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    at_work = process.poll() is None
    if server is not None:
        server.kill()
    process.kill()
    process.wait()
    if server is not None:
        server.restart()
    return at_work


def once(
    work: str, who: str, ct: Path, server: pacs.Orthanc, scratch: Path, longest: float, count: int
) -> tuple[bool, int]:
    """One kill and the same call again; whether it hit, and how many instances were there already."""
    output = scratch / "pulled"
    shutil.rmtree(output, ignore_errors=True)
    seconds, victim = random.uniform(0.2, longest), server if who == "server" else None
    if work == "push":
        server.clear()
        hit = killed("push", str(ct), server.url, seconds, victim)
        before = len(server.ask("/instances"))
        report = dicomarray.push(ct, server.url)
        assert not report.failed
        assert report.count("present") >= before  # the server may have been at work on what it had got
        assert len(server.ask("/instances")) == count
        return hit, before
    hit = killed("pull", server.url, str(output), seconds, victim)
    whole = [len(series.instances) for series in dicomarray.scan(output)] if output.is_dir() else []
    assert set(whole) <= {count}, whole
    waiting = len([*output.glob(".*/**/[0-9]*.dcm")])
    assert not dicomarray.pull(server.url, output).failed
    assert {path.stem: path.read_bytes() for path in output.rglob("*.dcm")} == server.files()
    assert not [*output.glob(".*")]
    return hit, waiting


def main() -> None:
    arguments = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    arguments.add_argument("--times", type=int, default=10)
    arguments.add_argument("--slices", type=int, default=60)
    arguments.add_argument("--seed", type=int, default=0)
    options = arguments.parse_args()
    if (lacking := pacs.missing()) is not None:
        print(f"{lacking}: not done.")
        return
    random.seed(options.seed)
    with tempfile.TemporaryDirectory() as folder, pacs.running_orthanc(Path(folder) / "server") as server:
        scratch, ct = Path(folder), Path(folder) / "ct"
        make_ct(ct, options.slices, 512)
        print("| work | killed | times | while at work | of these with a part moved |\n|---|---|---|---|---|")
        for work in ("push", "pull"):
            started = time.monotonic()
            subprocess.run(
                [sys.executable, "-c", CALL, work]
                + ([str(ct), server.url] if work == "push" else [server.url, str(scratch / "x")]),
                check=True,
            )
            longest = time.monotonic() - started
            for who in ("client", "server"):
                told = Counter[str]()
                for _ in range(options.times):
                    hit, moved = once(work, who, ct, server, scratch, longest, options.slices)
                    told["hit"] += hit
                    told["part"] += hit and 0 < moved < options.slices
                print(f"| {work} | {who} | {options.times} | {told['hit']} | {told['part']} |", flush=True)


if __name__ == "__main__":
    main()
