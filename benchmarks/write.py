"""Time writing and starting against what people use otherwise, on the same files in the same run.

    python benchmarks/write.py [--slices 300] [--size 512] [--runs 5] [FOLDER]

Without FOLDER a native CT series is made in a temporary place.  Every contender is warmed up once, then
they take turns; the table has the median of each and its ratio to dicomarray's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import generate_uid

import dicomarray
from load import COLUMNS, Work, compare, make_ct


def pydicom_write(folder: Path, array: np.ndarray, output: Path) -> None:
    """Read, replace, save: the loop that people write, without any of the rules of derived images."""
    output.mkdir()
    series = generate_uid()
    slices = [pydicom.dcmread(path) for path in folder.iterdir()]
    slices.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
    for index, (ds, image) in enumerate(zip(slices, array, strict=True)):
        ds.PixelData = (image + 1024).astype(np.uint16).tobytes()
        ds.SeriesInstanceUID = series
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.save_as(output / f"{index:05d}.dcm")


def to_dicom(folder: Path, array: np.ndarray, output: Path, verify: bool) -> None:
    dicomarray.to_dicom(array, folder, output, verify=verify)


def files_of_bytes(array: np.ndarray, output: Path) -> None:
    """As many files with as many bytes, and nothing else: what the system takes."""
    output.mkdir()
    for index, image in enumerate(array):
        (output / f"{index:05d}").write_bytes(image)


def put_away(output: Path) -> None:
    """Empty the files and put them aside: after many deletions ext4 takes its time to make new ones."""
    for path in output.iterdir():
        os.truncate(path, 0)
    output.rename(output.with_name(f"old{time.monotonic_ns()}"))


def start_up(*arguments: str) -> Work:
    return lambda: subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", nargs="?", type=Path)
    arguments.add_argument("--slices", type=int, default=300)
    arguments.add_argument("--size", type=int, default=512)
    arguments.add_argument("--runs", type=int, default=5)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch) / "series"
        if options.folder is None:
            make_ct(folder, options.slices, options.size)
        array = dicomarray.load(folder).array
        output = Path(scratch) / "out"

        print(COLUMNS)
        for title, verify in (("array to series, verified", True), ("array to series, not verified", False)):
            compare(
                title,
                options.runs,
                {
                    "dicomarray": lambda verify=verify: to_dicom(folder, array, output, verify),
                    "pydicom loop, not verified": lambda: pydicom_write(folder, array, output),
                    "files with the bytes alone": lambda: files_of_bytes(array, output),
                },
                lambda: put_away(output),
            )
        compare("import", options.runs, {
            "dicomarray": start_up("-c", "import dicomarray"),
            "numpy": start_up("-c", "import numpy"),
        })  # fmt: skip
        compare("help", options.runs, {"dicomarray": start_up("-m", "dicomarray", "--help")})


if __name__ == "__main__":
    main()
