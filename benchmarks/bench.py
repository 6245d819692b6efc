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

NOTES = """\
## Where the time goes

By profiles of single runs on such a machine, in milliseconds of wall time where it was quiet:

- **A native series to an array** (50): finding and reading the headers of 300 files 8, of which the system's
  calls take 3; frames, kinds and order 8; pixels 30 by two threads, where one takes 24 for the bytes, 17 for
  the new pages of the array and 8 for masks and slopes; units, records and warnings 3. Next: headers decoded
  less often, and threads that wait less for each other.
- **Compressed series**: the codec takes 90 % of the processor's time with JPEG-LS (CharLS) and 95 % with JPEG
  2000 (OpenJPEG), and the others use the same ones; we know of no faster ones under a permissive licence. Of
  the 6.4 ms that SimpleITK takes for a JPEG-LS frame, 4.1 are the codec's: two cores give 3.1 times at most.
  With JPEG 2000 it is 27 of 33 ms, and GDCM, which SimpleITK and pydicom use, lets OpenJPEG take both cores
  for each frame: 1.2 times is all there is.
- **An enhanced object of 1,200 frames** (30): frames 11, stacking 13, pixels 5.
- **The whole process** (200): the interpreter 9, NumPy 44, arguments and imports 55, scan and order 16,
  reading, converting and writing pixels 50, the sidecar 8. Next: fewer classes made at import, 8.
- **Headers**: 11 microseconds a file, of which open, fstat, read and close take 7. A scan needs 9 more to
  list folders, make paths and group series. Several processes gain little below 100,000 files: one takes a
  quarter of a second to start, and what it found has to be handed over.
- **Writing a series** (100): the pages of the files 24 by two threads, scan and order of the template 16, its
  headers 11, the least and greatest values 8, headers and what threads wait for each other the rest.
  With verification the values are read back, compared and found equal. Of the processor's time 50 of 180 are
  this package's, verification included; the rest is the system's for the pages of the files, which a loop
  that only writes the same bytes takes as well. Three times a pydicom loop, which pays for the same pages, is
  out of reach where these take half of its time.
- **The index, first time**, on files of varying lengths (120 microseconds a file): the headers with all
  elements 50, where a scan takes 40 for those of its own; values that differ, decoded and as JSON, 30;
  rows of SQLite, names and states of files the rest. A scan decodes nothing before it is asked,
  an index all that differs: twice to three times a scan is what is left. Nothing changed: 8 a file, of which
  the system's calls and finding the files take 5: 20 times faster than the first time, not 40.
- **A filter with files or JSON**, from the index: the order of the files is the one of the volumes, so that
  all series are stacked as for reading the first time: 90 microseconds an instance. The order is kept in the
  index; later it takes 10. The start of the process with pydicom's dictionary and NumPy takes 0.4 s.
- **A filter on facts** of slices, from the index: 60 microseconds an instance, of which headers and paths
  take a third, frames a quarter and stacks the rest. What is held is that of 50,000 instances.
- **NIfTI, the whole process**: the import of nibabel is more than half of its time; the rest is that of an
  array and its sidecar.
- **A run over small series** (18 milliseconds of the processor a series of four images, in one process):
  the first header of a series, derived and written by pydicom, 5; the template read again by pydicom 2;
  verification 2.5; reading the input 1.5; folders, renames and the other files 2.5; thumbnail 1; checksums 1;
  the ledger 0.3. Worker processes take a few more for handing over and for starting.
  5 a series would need headers that are derived without pydicom.
"""


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
        PAGE.write_text(text + NOTES, encoding="utf-8")


def _machine() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in PEERS)
    return (
        f"{date.today()}, {len(os.sched_getaffinity(0))} cores, {platform.system()}, "
        f"Python {platform.python_version()}; {versions}.\n\n"
    )


if __name__ == "__main__":
    main()
