"""Time writing and starting against what people use otherwise, on the same files in the same run.

    python benchmarks/write.py [--slices 300] [--size 512] [--runs 5] [FOLDER]

Without FOLDER a native CT series is made in a temporary place.  Every contender is warmed up once, then
they take turns; the table has the median of each and its ratio to dicomarray's.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

import dicomarray

Work = Callable[[], object]


def make_series(folder: Path, slices: int, size: int) -> None:
    """A native 16-bit CT series, smooth with noise."""
    random = np.random.default_rng(1)
    study, series, frame = (generate_uid() for _ in range(3))
    for index in range(slices):
        pixels = random.integers(0, 2000, (size, size), np.uint16)
        ds = pydicom.Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, generate_uid()
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame
        ds.PatientName = ds.PatientID = ds.PatientBirthDate = ds.PatientSex = ""
        ds.StudyDate = ds.StudyTime = ds.ReferringPhysicianName = ds.StudyID = ds.AccessionNumber = ""
        ds.Modality, ds.Manufacturer, ds.SeriesNumber, ds.InstanceNumber = "CT", "", 1, index + 1
        ds.ImageType, ds.KVP, ds.AcquisitionNumber = ["ORIGINAL", "PRIMARY", "AXIAL"], 120, 1
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [-150, -150, index * 1.5], [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.SliceThickness, ds.PositionReferenceIndicator = [0.6, 0.6], 1.5, ""
        ds.Rows = ds.Columns = size
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
        ds.PixelData = pixels.tobytes()
        ds.save_as(folder / f"{index:05d}", enforce_file_format=True)


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


def to_dicom(folder: Path, array: np.ndarray, output: Path) -> None:
    dicomarray.to_dicom(array, folder, output, verify=False)


def compare(title: str, runs: int, contenders: dict[str, Work]) -> list[str]:
    """Median seconds of each, in turns; rows of a Markdown table."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(runs + 1):
        for name, work in contenders.items():
            start = time.perf_counter()
            work()
            if turn:  # the first turn warms the cache
                times[name].append(time.perf_counter() - start)
    own = statistics.median(times["dicomarray"])
    return [
        f"| {title if name == 'dicomarray' else ''} | {name} | {statistics.median(t):.3f} s "
        f"| {statistics.median(t) / own:.1f} |"
        for name, t in times.items()
    ]


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
            folder.mkdir()
            make_series(folder, options.slices, options.size)
        array = dicomarray.load(folder).array
        output = Path(scratch) / "out"

        def written(write: Callable[[Path, np.ndarray, Path], None]) -> Work:
            def work() -> None:
                write(folder, array, output)
                shutil.rmtree(output)

            return work

        print("| work | with | median | to dicomarray |\n|---|---|---|---|")
        rows = compare(
            "array to series, not verified",
            options.runs,
            {
                "dicomarray": written(to_dicom),
                "pydicom loop": written(pydicom_write),
            },
        )
        rows += compare("import", options.runs, {
            "dicomarray": start_up("-c", "import dicomarray"),
            "numpy": start_up("-c", "import numpy"),
        })  # fmt: skip
        rows += compare("help", options.runs, {"dicomarray": start_up("-m", "dicomarray", "--help")})
        print("\n".join(rows))


if __name__ == "__main__":
    main()
