"""Run all benchmarks, one after the other, and write their tables into docs/benchmarks.md.

    python benchmarks/bench.py [--quick]

It takes about a quarter of an hour and 2 GB below the temporary folder; --quick, for a look, takes smaller
archives and writes nothing.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
PEERS = ("numpy", "pydicom", "SimpleITK", "dcm2niix", "dicomsdl", "python-gdcm")


@dataclass(frozen=True)
class Part:
    """A script, what its table is about, and how it is asked for less."""

    title: str
    script: str
    quick: tuple[str, ...]


# Writing comes first: after many deletions, such as those of the others, ext4 takes its time to make files.
PARTS = (
    Part("Writing and starting", "write.py", ("--runs", "3")),
    Part("Masks", "masks.py", ("--slices", "30", "--segments", "10", "--runs", "1")),
    Part("Reading", "load.py", ("--runs", "3")),
    Part("Training", "training.py", ("--series", "2", "--slices", "100")),
    Part("Scanning headers", "scan.py", ("--many", "0", "--runs", "3")),
    Part("Files of varying lengths", "varied.py", ("--files", "2000", "--runs", "1")),
    Part("DIMSE", "dimse.py", ("--slices", "60", "--runs", "1")),
    Part("DICOMweb", "dicomweb.py", ("--slices", "60", "--runs", "1")),
    Part("Large and many", "large.py", ("--times", "20", "--slices", "100", "--series", "100")),
    Part("Index", "archive.py", ("--instances", "1000", "10000")),
)
TEXT = """\
# Benchmarks

What `make bench` measured: the same files in the same run, warm cache, every contender in turn after a
warm-up, medians. Columns "to dicomarray" have the time of that contender divided by that of dicomarray:
above 1, dicomarray is faster. The scripts in `benchmarks/` say what exactly is done, and run by themselves.

"""

# From here on the page is written by hand, and stays as it is.
NOTES = "## Where the time goes"


def main() -> None:
    arguments = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    arguments.add_argument("--quick", action="store_true")
    options = arguments.parse_args()
    text = TEXT + _machine()
    for part in PARTS:
        command = [sys.executable, str(HERE / part.script), *(part.quick if options.quick else ())]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        print(done.stdout, flush=True)
        text += f"## {part.title}\n\n{done.stdout.strip()}\n\n"
    if not options.quick:
        _, heading, notes = PAGE.read_text(encoding="utf-8").partition(NOTES)
        PAGE.write_text(text + heading + notes, encoding="utf-8")


def _machine() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in PEERS)
    return (
        f"{date.today()}, {len(os.sched_getaffinity(0))} cores, {platform.system()}, "
        f"Python {platform.python_version()}; {versions}.\n\n"
    )


if __name__ == "__main__":
    main()
