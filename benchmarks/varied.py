"""Time headers and the index on files as real archives have them: lengths vary, elements come and go.

    python benchmarks/varied.py [--files 20000] [--runs 3]

The files are made of the classic series in ``../shared/data`` where it is there, each many times with UIDs of
its own and few pixels; elsewhere of a made-up CT, whose numbers have as many digits as they need.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dicomarray
from dicomarray.dicom.part10 import (
    META_START,
    PIXEL_DATA,
    PREAMBLE,
    element_at,
    encoded,
    read_file_meta,
    walk,
    window_of,
)
from scan import contenders, first_file, medians

REPOSITORY = Path(__file__).resolve().parents[1]
REAL_DATA = Path(os.environ.get("DICOMARRAY_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
# Classic images of as many scanners as there are, uncompressed.
REAL_SERIES = (
    "ct-ge-tilted-uneven", "ct-philips-5mm", "ct-philips-tilted", "mr-canon-dti", "mr-ge-axial", "mr-ge-fmri",
    "mr-philips-dual-echo", "mr-siemens-sagittal", "rtstruct-sts-002", "rtstruct-sts-003",
)  # fmt: skip
ROWS, COLUMNS = 0x00280010, 0x00280011
MEDIA_STORAGE_INSTANCE, SOP_INSTANCE, STUDY, SERIES = 0x00020003, 0x00080018, 0x0020000D, 0x0020000E
UIDS = (MEDIA_STORAGE_INSTANCE, SOP_INSTANCE, STUDY, SERIES)
INSTANCE_NUMBER, POSITION, LOCATION, EXPOSURE = 0x00200013, 0x00200032, 0x00201041, 0x00181152
ACQUISITION_TIME, CONTENT_TIME, WINDOW_CENTER, PRIVATE = 0x00080032, 0x00080033, 0x00281050, 0x00191001
MAX_UID_LENGTH = 64
FILES_OF_ONE = 500  # are read to time the headers of one scanner
SIZE = 8  # rows and columns: pixels are not what is measured


@dataclass(frozen=True)
class Part:
    """An element of a file as it stands there, or what lies before the elements."""

    tag: int
    content: bytes


def make_varied(folder: Path, count: int) -> None:
    """So many files, each series in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for number, (name, files) in enumerate(_series()):
        place = folder / f"{number:05d}-{name}"
        place.mkdir()
        for index, content in enumerate(files):
            if written == count:
                return
            (place / f"{index + 1}.dcm").write_bytes(content)
            written += 1


def _series() -> Iterator[tuple[str, Iterator[bytes]]]:
    """Series without end: name, and files."""
    real = {name: _parts_of_series(REAL_DATA / "series" / name) for name in REAL_SERIES}
    real = {name: parts for name, parts in real.items() if parts}
    for number in itertools.count():
        for name, files in real.items():
            yield name, (_renamed(parts, number) for parts in files)
        if not real:
            yield "made-up", _made_up(number)


def _parts_of_series(folder: Path) -> list[list[Part]]:
    """The elements of each image of a series, with few pixels."""
    paths = sorted(folder.rglob("*")) if folder.is_dir() else ()
    return [parts for path in paths if path.is_file() and (parts := _parts(path))]


def _parts(path: Path) -> list[Part]:
    """Those of an image that our own reader walks, with few pixels; none where the file is another."""
    with path.open("rb") as stream:
        window = window_of(stream)
        if not window.data.startswith(b"DICM", PREAMBLE):
            return []
        meta = read_file_meta(window)
        parts, place = [Part(0, window.bytes_at(0, META_START))], META_START
        while place < meta.end:
            tag, _, value, length, _ = element_at(window, place, True)
            parts.append(Part(tag, window.bytes_at(place, value + length - place)))
            place = value + length
        for tag, vr, value, length, undefined in walk(window, meta.end, meta.explicit):
            if tag in PIXEL_DATA and not undefined:
                pixels = encoded(tag, (vr or b"OW").decode(), bytes(2 * SIZE * SIZE), meta.explicit)
                return [*parts, Part(tag, pixels)]
            parts.append(Part(tag, window.bytes_at(place, value + length - place)))
            if tag in (ROWS, COLUMNS):
                parts[-1] = Part(tag, _with_value(parts[-1], SIZE.to_bytes(2, "little")))
            place = value + length
    return []


def _renamed(parts: list[Part], number: int) -> bytes:
    """The file with UIDs of its own, of another root for each copy of the series."""
    return b"".join(
        _with_value(part, _uid(part.content[8:], number)) if number and part.tag in UIDS else part.content
        for part in parts
    )


def _uid(value: bytes, number: int) -> bytes:
    old, root = value.rstrip(b"\0"), b"2.%d" % number
    return root + old[max(3, len(old) + len(root) - MAX_UID_LENGTH) :]


def _with_value(part: Part, value: bytes, padding: bytes = b"\0") -> bytes:
    """The same element with another value; its VR has a short length, or is not in the file."""
    value += padding * (len(value) % 2)
    is_short = part.content[4:6].isalpha()
    return (
        part.content[:6] + len(value).to_bytes(2, "little") + value
        if is_short
        else (part.content[:4] + len(value).to_bytes(4, "little") + value)
    )


def _made_up(number: int) -> Iterator[bytes]:
    """A CT whose slices have numbers of as many digits as they need, and two elements that come and go."""
    chance = random.Random(number)
    with tempfile.TemporaryDirectory() as folder:
        first_file(Path(folder) / "first")
        parts = _parts(Path(folder) / "first")
    series = f"2.25.{chance.getrandbits(96)}"
    for index in range(chance.randrange(60, 140)):
        z, instance = f"{index * 1.25 - 80:g}", f"{series}.{chance.randrange(1, 10**8)}"
        moment = f"10{index // 60:02d}{index % 60:02d}{chance.choice(('', '.5', '.25', '.125000'))}"
        values = {
            SOP_INSTANCE: instance, MEDIA_STORAGE_INSTANCE: instance, SERIES: series,
            INSTANCE_NUMBER: str(index + 1), POSITION: f"-150\\-150\\{z}", LOCATION: z,
            CONTENT_TIME: moment, ACQUISITION_TIME: moment, EXPOSURE: str(chance.randrange(5, 400)),
            WINDOW_CENTER: str(chance.randrange(5, 400)), PRIVATE: f"value {chance.randrange(10**6)}",
        }  # fmt: skip
        yield b"".join(
            _with_value(part, values[part.tag].encode(), b" ") if part.tag in values else part.content
            for part in parts
            if not (part.tag == EXPOSURE and index % 7 == 0)
        )


# --- the table --------------------------------------------------------------------------------------------

# The works, by what the table calls them; those of a command by its format.
FINDING, INDEXING, AGAIN = "scan, one process", "index, first time", "index, nothing changed"
# What several processes save is time of the clock; by that alone these are measured.
BY_THE_CLOCK = {f"index, first time, {count} reading, by the clock": count for count in (1, 2)}
# What is asked of the series of a catalog that is there, from a scan and from an index; the files of an index
# are those that it kept.
ASKED = {
    "Series.files, from a scan": "scan", "Series.files, from an index": "open_index",
    "Series.volumes, from a scan": "scan", "Series.volumes, from an index": "open_index",
}  # fmt: skip
# The order of the files is found by the first filter that shows them, and kept in the index.
FILTER = {
    "filter from the index": "table",
    "filter, files, first time": "files",
    "filter, files": "files",
    "filter, JSON": "json",
}


def work(name: str, archive: Path, index: Path) -> float:
    """Seconds that one work takes in this process, of the processor or by the clock; without imports."""
    works = {
        FINDING: lambda: dicomarray.scan(archive, workers=1),
        INDEXING: lambda: dicomarray.index(archive, index),
        AGAIN: lambda: dicomarray.index(archive, index),
        **{
            several: lambda workers=workers: dicomarray.index(archive, index, workers=workers)
            for several, workers in BY_THE_CLOCK.items()
        },
    }
    dicomarray.scan, dicomarray.index, dicomarray.open_index  # noqa: B018 - imported now
    if name in ASKED:
        is_index = ASKED[name] == "open_index"
        catalog = dicomarray.open_index(index) if is_index else dicomarray.scan(archive, workers=1)
        works[name] = lambda: [_asked(series, name) for series in catalog]
    if name == INDEXING or name in BY_THE_CLOCK:
        index.unlink(missing_ok=True)
    seconds_now = time.perf_counter if name in BY_THE_CLOCK else time.process_time
    start = seconds_now()
    works[name]()
    return seconds_now() - start


def _asked(series: dicomarray.Series, name: str) -> object:
    """What there is of it: some series form no volume."""
    if "files" in name:
        return series.files
    try:
        return series.volumes(workers=1)
    except dicomarray.DataError:
        return None


def seconds(name: str, archive: Path, index: Path) -> float:
    """The same in a process of its own; a command with all that it imports."""
    if name in FILTER:
        command = [sys.executable, "-m", "dicomarray", "filter", "-w", "Rows>=1", "--index", index]
        return _of_processor([*map(str, command), "--format", FILTER[name]], archive.with_name("bytecode"))
    command = [sys.executable, __file__, "--work", name, str(archive), str(index)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _of_processor(command: list[str], bytecode: Path) -> float:
    # what is installed is compiled; a checkout is where its bytecode may be kept
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    compiled["PYTHONPYCACHEPREFIX"] = str(bytecode)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env=compiled)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def header_rows(archive: Path, runs: int) -> None:
    """Of the files of each scanner what a header takes, one process, against other readers."""
    by_scanner: dict[str, list[Path]] = {}
    for path in sorted(archive.rglob("*.dcm")):
        by_scanner.setdefault(path.parent.name.partition("-")[2], []).append(path)
    print("| files of | dicomarray, µs a header | dicomsdl | pydicom, the same tags |\n|---|---:|---:|---:|")
    for name, paths in by_scanner.items():
        every = contenders(paths[:FILES_OF_ONE])
        names = ("dicomarray, headers", "dicomsdl, header only", "pydicom, the same tags")
        figures = medians({key: every[key] for key in names}, runs, len(paths[:FILES_OF_ONE]))
        own, *others = figures.values()
        cells = [o if isinstance(o, str) else f"{o / float(own):.1f} times" for o in others]
        print(f"| {name} | {own:.0f} | {' | '.join(cells)} |", flush=True)


def archive_rows(archive: Path, files: int, runs: int) -> None:
    """What an index of the archive costs, and answers of it, against a scan of the same files."""
    index = archive.with_suffix(".sqlite")
    found: dict[str, list[float]] = {
        name: [] for name in (FINDING, *BY_THE_CLOCK, INDEXING, AGAIN, *FILTER, *ASKED)
    }
    for turn in range(runs + 1):
        for name, times in found.items():
            figure = seconds(name, archive, index)
            if turn:  # the first turn warms the cache
                times.append(figure)
    medians_of = {name: statistics.median(times) for name, times in found.items()}
    print(f"\n| {files} files | of the processor | each file | times a scan |\n|---|---:|---:|---:|")
    for name, figure in medians_of.items():
        ratio = figure / medians_of[FINDING]
        print(f"| {name} | {figure:.2f} s | {figure / files * 1e6:.0f} µs | {ratio:.2f} |")


def main() -> None:
    """Print the tables."""
    arguments = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    arguments.add_argument("--files", type=int, default=20_000)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.work:
        name, archive, index = options.work
        print(work(name, Path(archive), Path(index)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "archive"
        make_varied(archive, options.files)
        header_rows(archive, options.runs)
        archive_rows(archive, options.files, options.runs)


if __name__ == "__main__":
    main()
