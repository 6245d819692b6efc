"""Hash what the package makes of every series at hand: to see that a rebuild changes nothing.

    python benchmarks/digest.py [--data FOLDER] [--output digest.jsonl] [--against OLD.jsonl]

One line a series has hashes of its arrays, affines, sidecars (but for the wording of warnings) and of what
is written with it as template; further lines have the answers of a scan and of an index.  The clock stands
still and UIDs have a key, so that two runs of the same code agree byte for byte.  ``--against`` prints
what differs from an earlier run, and ends with 1 where anything does.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import itertools
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import data_store
import numpy as np
import pydicom.data
import time_machine

import dicomarray

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "tests")]

import corpus  # noqa: E402 - found by the line above

DATA = Path(os.environ.get("DICOMARRAY_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
MOMENT = datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)
READINGS: tuple[dict[str, str], ...] = ({"missing": "keep"}, {"missing": "keep", "units": "stored"})
# What is asked of a scan and of an index; the answers are compared, whatever they are.
CONFIGS: tuple[dict[str, Any], ...] = (
    {},
    {"Modality": ["CT", "MR"]},
    {"num_slices": {"gte": 10}},
    {"num_volumes": {"gt": 1}},
    {"is_regular": True},
    {"slice_spacing": {"lte": 3}},
    {"plane": "axial"},
    {"has_localizer": True},
    {"some": {"ImageType": "DERIVED"}},
    {"SeriesDescription": {"exists": True}, "sort": ["-num_slices", "SeriesNumber"], "limit": 20},
    {"EchoTime": {"between": [2, 50]}},
    {"not": {"Manufacturer": "*Siemens*"}},
)


def sources(data: Path, made: Path) -> Iterator[tuple[str, Path]]:
    """Every folder of series at hand, by name: real ones, those of test packages, made ones."""
    for folder in sorted((data / "series").glob("*")) if (data / "series").is_dir() else []:
        if folder.is_dir():
            yield f"real/{folder.name}", folder
    yield "pydicom", Path(pydicom.data.__file__).parent / "test_files"
    yield "pydicom-data", Path(data_store.__file__).parent / "data"
    for folder in sorted(made.iterdir()):
        yield f"made/{folder.name}", folder


def digest_of(value: Any) -> str:
    """A short hash of bytes, or of what JSON makes of a value."""
    raw = value if isinstance(value, bytes) else json.dumps(value, sort_keys=True, default=repr).encode()
    return hashlib.sha256(raw).hexdigest()[:16]


def volume_digest(volume: dicomarray.Volume) -> dict[str, Any]:
    """Hashes of one volume; warnings by their number only."""
    sidecar = volume.metadata
    told = sidecar.pop("warnings")
    array = np.ascontiguousarray(volume.array)
    return {
        "shape": [*array.shape],
        "dtype": array.dtype.str,
        "array": digest_of(array.tobytes()),
        "affine": digest_of(None if volume.affine is None else volume.affine.tobytes()),
        "sidecar": digest_of(sidecar),
        "warnings": len(told),
    }


def written_digest(volume: dicomarray.Volume, series: dicomarray.Series, number: int, values: str) -> Any:
    """A hash of every file that a volume becomes with its own series as template."""
    array = volume.array if values == "kept" else volume.array * 0.37 + 3.3
    with tempfile.TemporaryDirectory() as folder:
        report = dicomarray.to_dicom(
            array, series.files, Path(folder) / "out", series=series.uid, volume=number, uid_key="digest"
        )
        return digest_of(b"".join(file.read_bytes() for file in report.files))


def attempt(work: Any, *arguments: Any) -> Any:
    """What it returns, or the class of the package's error."""
    try:
        return work(*arguments)
    except dicomarray.DicomArrayError as error:
        return type(error).__name__


def series_digest(series: dicomarray.Series, written: bool) -> dict[str, Any]:
    """Everything about one series."""
    found: dict[str, Any] = {"instances": len(series.instances), "files": [p.name for p in series.files[:3]]}
    for options in READINGS:
        volumes = attempt(lambda options=options: series.volumes(**options))
        name = options.get("units", "modality")
        found[name] = volumes if isinstance(volumes, str) else [volume_digest(v) for v in volumes]
        if written and name == "modality" and not isinstance(volumes, str):
            for number, volume in enumerate(volumes):
                for values in ("kept", "scaled"):
                    found[f"written {number} {values}"] = attempt(
                        written_digest, volume, series, number, values
                    )
    return found


def answers(folders: Sequence[Path], index: Path) -> dict[str, Any]:
    """What a scan and an index of everything say to some configs."""
    dicomarray.index(folders, index)
    found = {}
    for config in CONFIGS:
        by_scan = [s.uid for s in dicomarray.dicom_filter(folders, config)]
        by_index = [s.uid for s in dicomarray.dicom_filter(None, config, index=index)]
        found[json.dumps(config)] = {
            "scan": digest_of(by_scan),
            "index": digest_of(by_index),
            "count": len(by_scan),
        }
    return found


def lines(data: Path, written: bool) -> Iterator[dict[str, Any]]:
    """One object a series, then one for each config."""
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "made"
        corpus.write_all(made)
        folders = dict(sources(data, made))
        for name, folder in folders.items():
            catalog = dicomarray.scan(folder)
            yield {"name": f"{name} skipped", "count": len(catalog.skipped)}
            for number, series in enumerate(catalog):
                yield {"name": f"{name} {number} {series.uid}", **series_digest(series, written)}
        for config, said in answers(list(folders.values()), Path(scratch) / "index").items():
            yield {"name": f"config {config}", **said}


def compare(old: Path, new: Sequence[Mapping[str, Any]]) -> int:
    """Print what differs from an earlier run; the number of differences."""
    before = {line["name"]: line for line in map(json.loads, old.read_text().splitlines())}
    after = {line["name"]: line for line in new}
    differences = 0
    for name in dict.fromkeys(itertools.chain(before, after)):
        was, now = before.get(name), after.get(name)
        if was is None or now is None:
            print(f"{name}: {'new' if was is None else 'gone'}")
            differences += 1
            continue
        for key in dict.fromkeys((*was, *now)):
            if was.get(key) != json.loads(json.dumps(now.get(key))):
                print(f"{name}: {key}\n  was {was.get(key)}\n  is  {now.get(key)}")
                differences += 1
    print(f"{len(after)} lines, {differences} differences")
    return differences


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, default=DATA, help="holds series/")
    parser.add_argument("--output", type=Path, default=None, help="where the lines go")
    parser.add_argument("--against", type=Path, default=None, help="an earlier run's lines")
    parser.add_argument("--no-writing", action="store_true", help="leave out what to_dicom writes")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    os.environ["TZ"] = "UTC"
    with time_machine.travel(MOMENT, tick=False):
        found = list(lines(arguments.data, not arguments.no_writing))
    if arguments.output is not None:
        arguments.output.write_text("".join(json.dumps(line) + "\n" for line in found))
    return bool(arguments.against and compare(arguments.against, found))


if __name__ == "__main__":
    sys.exit(main())
