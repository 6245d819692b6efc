"""Time what is large or many: a 4-D series of 20,000 files, parts of a compressed series, a run over 10,000.

    python benchmarks/large.py [--times 400] [--slices 200] [--series 10000] [--runs 3] [ROW ...]

The files are made in a temporary place, 2 GB at most.  ROW is one or more of: temporal, parts, run.
Memory is the greatest resident size of the process that is timed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from load import COLUMNS, COMPRESSIONS, compare, data_set, dcm2niix, make_ct, print_rows, write_pixels

SLICES_4D, SIZE_4D = 50, 128
EDGE = 96  # of a patch, in voxels
IMAGES_OF_SMALL, SIZE_OF_SMALL, DIGITS = 4, 32, 6
FEW = 10  # the driver's memory for so many times less series, beside that for all
IDENTITY = "def same(volume):\n    return volume.array\n"


# The greatest resident size of a process begins with that of the one that started it: this is a small one.
WAIT = """
import os, subprocess, sys, time
start = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
assert status == 0, sys.argv[1:]
print(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""


@dataclass(frozen=True)
class Scene:
    """Where files are made, and how many."""

    scratch: Path
    times: int
    slices: int
    series: int
    runs: int

    def process(self, *command: object) -> Figure:
        """Run a command that has to succeed; what is installed is compiled."""
        compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        compiled["PYTHONPYCACHEPREFIX"] = str(self.scratch / "bytecode")
        words = [sys.executable, "-S", "-c", WAIT, *map(str, command)]
        done = subprocess.run(words, env=compiled, stdout=subprocess.PIPE, check=True, text=True)
        seconds, processor, peak = map(float, done.stdout.split())
        return Figure(seconds, processor, peak / (1e6 if sys.platform == "darwin" else 1e3))


@dataclass(frozen=True)
class Figure:
    """What a process took: seconds, those of the processor with all its own processes, MB at its peak."""

    seconds: float
    processor: float
    peak: float


# --- rows -------------------------------------------------------------------------------------------------


def temporal(scene: Scene) -> None:
    """A 4-D series of classic files to a file, against dcm2niix: whole processes, in turns."""
    folder, output, binary = scene.scratch / "temporal", scene.scratch / "out", dcm2niix()
    make_temporal(folder, scene.times)
    own = Path(sys.executable).parent / "dicomarray"
    commands: dict[str, tuple[object, ...]] = {
        "dicomarray": (own, "to-numpy", "-i", folder, "-n", output / "a.npy"),
    }
    if binary:
        commands["dcm2niix"] = (binary, "-z", "n", "-b", "y", "-o", output, folder)
    figures: dict[str, list[Figure]] = {name: [] for name in commands}
    for turn in range(scene.runs + 1):
        for name, command in commands.items():
            output.mkdir()
            figure = scene.process(*command)
            shutil.rmtree(output)
            if turn:  # the first turn warms the cache
                figures[name].append(figure)
    size = scene.times * SLICES_4D * SIZE_4D**2 * 2 / 1e6
    title = f"4-D, {scene.times * SLICES_4D} files of {SIZE_4D} x {SIZE_4D}, to a file"
    own = [(figure.seconds, figure.processor) for figure in figures["dicomarray"]]
    own_medians = [statistics.median(column) for column in zip(*own, strict=True)]
    for name, several in figures.items():
        taken = [(figure.seconds, figure.processor) for figure in several]
        medians = [statistics.median(column) for column in zip(*taken, strict=True)]
        cells = [
            f"{value:.2f} s | {value / one:.1f}" for value, one in zip(medians, own_medians, strict=True)
        ]
        peak = statistics.median(figure.peak for figure in several)
        print(
            f"| {title} | {name} | {' | '.join(cells)} | {peak:.0f} MB, {peak / size:.2f} of the volume |",
            flush=True,
        )
    shutil.rmtree(folder)


def make_temporal(folder: Path, times: int) -> None:
    """Time points of one series, a file a slice."""
    folder.mkdir()
    study, series, place = (generate_uid() for _ in range(3))
    noise = np.random.default_rng(1)
    for time_point in range(times):
        for index in range(SLICES_4D):
            ds = data_set(MRImageStorage, ExplicitVRLittleEndian)
            ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, place
            number = time_point * SLICES_4D + index
            ds.Modality, ds.Manufacturer, ds.InstanceNumber = "MR", "", number + 1
            ds.ImageType, ds.RepetitionTime, ds.EchoTime = ["ORIGINAL", "PRIMARY", "M"], 2000, 30
            ds.TemporalPositionIdentifier, ds.NumberOfTemporalPositions = time_point + 1, times
            seconds = time_point * 2 + index / SLICES_4D
            ds.AcquisitionTime = f"12{int(seconds) // 60:02d}{seconds % 60:09.6f}"
            ds.ImagePositionPatient, ds.ImageOrientationPatient = [-100, -100, index * 3], [1, 0, 0, 0, 1, 0]
            ds.PixelSpacing, ds.SliceThickness, ds.Rows, ds.Columns = [1.5, 1.5], 3, SIZE_4D, SIZE_4D
            pixels = noise.integers(0, 4096, (SIZE_4D, SIZE_4D), dtype=np.uint16)
            write_pixels(ds, [pixels], folder / f"{number:05d}.dcm")


def parts(scene: Scene) -> None:
    """One slice and one patch of a compressed series, against loading all of it and cutting."""
    import dicomarray
    from dicomarray.adapters.sampling import Volumes
    from dicomarray.assembly.options import ReadOptions

    folder = make_ct(scene.scratch / "parts", scene.slices, 512, COMPRESSIONS["JPEG 2000"])
    middle = scene.slices // 2
    window = slice(200, 200 + EDGE)

    def part(wanted: range) -> np.ndarray:
        array, _ = Volumes(folder, None, ReadOptions(), "raise", 0).slices(0, wanted, window, window)
        return array[0]

    whole = dicomarray.load(folder).array[:, window, window]
    patch = range(middle - EDGE // 2, middle + EDGE // 2)
    for wanted in (range(middle, middle + 1), patch):
        assert np.array_equal(part(wanted), whole[wanted.start : wanted.stop])
    for title, wanted in (("slice", range(middle, middle + 1)), (f"patch, {EDGE} x {EDGE} x {EDGE}", patch)):
        compare(
            f"one {title}, of {scene.slices} slices in JPEG 2000",
            scene.runs,
            {
                "dicomarray": lambda wanted=wanted: part(wanted),
                "the whole volume, and cut": lambda: dicomarray.load(folder, workers=1),
            },
        )
    shutil.rmtree(folder)


def run(scene: Scene) -> None:
    """`run` with two workers and a function that does nothing, against the calls that it makes, in a loop."""
    few, many = scene.scratch / "few", scene.scratch / "many"
    make_small(few, scene.series // FEW)
    make_small(many, scene.series)
    steps = scene.scratch / "steps.py"
    steps.write_text(IDENTITY)
    own = Path(sys.executable).parent / "dicomarray"

    def driver(archive: Path) -> Figure:
        output = scene.scratch / "run"
        command = (own, "run", "-i", archive, "-o", output, "-f", f"{steps}:same", "--workers", "2")
        figure = scene.process(*command)
        shutil.rmtree(output)
        return figure

    loop = scene.process(sys.executable, __file__, "--loop", few, scene.scratch / "loop")
    memory, figure = driver(few).peak, driver(many)
    title = f"run over {scene.series} series of {IMAGES_OF_SMALL} images, two workers, each series"
    mine, other = _each(figure, scene.series), _each(loop, scene.series // FEW)
    peaks = f"driver {figure.peak:.0f} MB, {memory:.0f} MB for {scene.series // FEW} series"
    for name, each, note in (
        ("dicomarray", mine, peaks),
        ("load and to_dicom in a loop, one process", other, ""),
    ):
        cells = [f"{value:.1f} ms | {value / one:.1f}" for value, one in zip(each, mine, strict=True)]
        print(f"| {title} | {name} | {' | '.join(cells)} | {note} |", flush=True)


def _each(figure: Figure, series: int) -> tuple[float, float]:
    """Milliseconds a series, and those of the processor."""
    return 1e3 * figure.seconds / series, 1e3 * figure.processor / series


def make_small(folder: Path, count: int) -> None:
    """So many series: one, with UIDs of its own for each."""
    folder.mkdir()
    made = make_ct(folder / "made", IMAGES_OF_SMALL, SIZE_OF_SMALL)
    contents = [path.read_bytes() for path in sorted(made.iterdir())]
    data_sets = [pydicom.dcmread(path) for path in sorted(made.iterdir())]
    named = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
    uids = {ds[name].value for ds in data_sets for name in named}
    shutil.rmtree(made)
    for number in range(count):
        place = folder / f"{number // 100:03d}" / f"{number:0{DIGITS}d}"
        place.mkdir(parents=True)
        for index, content in enumerate(contents):
            (place / f"{index}.dcm").write_bytes(_renamed(content, uids, number))


def _renamed(content: bytes, uids: set[str], number: int) -> bytes:
    for uid in uids:
        content = content.replace(uid.encode(), f"{uid[:-DIGITS]}{number:0{DIGITS}d}".encode())
    return content


def loop(archive: Path, output: Path) -> None:
    """What a user does without `run`."""
    import dicomarray

    output.mkdir()
    for number, series in enumerate(dicomarray.scan(archive, workers=1)):
        folder = Path(series.files[0]).parent
        dicomarray.to_dicom(dicomarray.load(folder).array, folder, output / f"{number}")


ROWS: dict[str, Callable[[Scene], None]] = {"temporal": temporal, "parts": parts, "run": run}


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["--loop"]:
        loop(*map(Path, sys.argv[2:]))
        return
    arguments = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    arguments.add_argument("--times", type=int, default=400, help=f"time points of {SLICES_4D} slices")
    arguments.add_argument("--slices", type=int, default=200)
    arguments.add_argument("--series", type=int, default=10_000)
    arguments.add_argument("--runs", type=int, default=3)

    def scene(scratch: Path, options: argparse.Namespace) -> Scene:
        return Scene(scratch, options.times, options.slices, options.series, options.runs)

    names, lines = COLUMNS.splitlines()
    print_rows(arguments, ROWS, scene, f"{names} memory |\n{lines}---|")


if __name__ == "__main__":
    main()
