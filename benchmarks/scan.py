"""Time the reading of headers against other readers, on the same files in the same run; prints Markdown.

    python benchmarks/scan.py [--runs 5] [--files 1000] [--many 100000] [FOLDER]

Files of a CT are made in a temporary folder, with the elements that scanners write and few pixels: what is
measured is headers.  With FOLDER its files are read instead of these.  Every contender is warmed up once,
then they take turns; the table has medians.  A contender that is not installed gets a row that says so.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

import dicomarray
from dicomarray.dicom.attribute_names import tag_of
from dicomarray.dicom.headers.header import HeaderReader
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS

Work = Callable[[], object]
TAGS = sorted(tag_of(keyword) for keyword in DEFAULT_KEYWORDS)
THREE = ["Modality", "SeriesInstanceUID", "SOPInstanceUID"]
BEFORE_PIXELS = 0x7FDFFFFF
PER_SERIES = 100  # files
# The elements that differ between files keep their length: each file is the first with other digits.
SERIES, INSTANCE, NUMBER, POSITION, CLOCK = "7000000", "8000000", "90000", "-1000.000", "101010.000000"


def first_file(path: Path) -> bytes:
    """An instance as a scanner writes it: 130 elements, some private, in 5 kilobytes."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SpecificCharacterSet = CTImageStorage, "ISO_IR 100"
    ds.StudyInstanceUID, ds.FrameOfReferenceUID = "1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.2"
    ds.SeriesInstanceUID = f"1.2.826.0.1.3680043.8.498.45787841905188114249811.{SERIES}"
    ds.SOPInstanceUID = f"1.2.826.0.1.3680043.8.498.45787841905188114249811.{INSTANCE}"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"]
    for keyword in ("InstanceCreationTime", "AcquisitionTime", "ContentTime"):
        setattr(ds, keyword, CLOCK)
    for keyword in ("InstanceCreationDate", "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(ds, keyword, "20240102")
    ds.StudyTime = ds.SeriesTime = "101000.000000"
    ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = "CT", "Made Up", "Scanner 64"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Nobody^Made^Up", "0", "", "O"
    for keyword in (
        "AccessionNumber", "ReferringPhysicianName", "StudyDescription", "SeriesDescription", "ProtocolName",
        "StationName", "InstitutionName", "InstitutionAddress", "BodyPartExamined", "DeviceSerialNumber",
        "SoftwareVersions", "StudyID", "RequestingService", "ImageComments",
        "PerformedProcedureStepDescription", "PatientAge", "OperatorsName", "FilterType",
        "ConvolutionKernel", "RotationDirection",
    ):  # fmt: skip
        setattr(ds, keyword, "005Y" if keyword == "PatientAge" else f"A {keyword}"[:16].upper())
    for keyword in (
        "SliceThickness", "KVP", "DataCollectionDiameter", "ReconstructionDiameter",
        "DistanceSourceToDetector", "DistanceSourceToPatient", "GantryDetectorTilt", "TableHeight",
        "FocalSpots", "SingleCollimationWidth", "TotalCollimationWidth", "TableSpeed",
        "TableFeedPerRotation", "SpiralPitchFactor", "CTDIvol",
        "EstimatedDoseSaving", "WindowCenter", "WindowWidth", "RescaleIntercept", "RescaleSlope",
    ):  # fmt: skip
        setattr(ds, keyword, 1.5)
    ds.ExposureTime, ds.XRayTubeCurrent, ds.Exposure, ds.GeneratorPower = 500, 200, 100, 40
    ds.SeriesNumber, ds.AcquisitionNumber, ds.InstanceNumber = 3, 1, NUMBER
    ds.ImagePositionPatient, ds.SliceLocation = ["-150.0000", "-150.0000", POSITION], POSITION
    ds.ImageOrientationPatient, ds.PixelSpacing, ds.PositionReferenceIndicator = (
        [1, 0, 0, 0, 1, 0],
        [0.6, 0.6],
        "",
    )
    ds.PatientPosition, ds.SamplesPerPixel, ds.PhotometricInterpretation = "HFS", 1, "MONOCHROME2"
    ds.Rows = ds.Columns = 8
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    for keyword in ("ReferencedStudySequence", "ReferencedImageSequence", "SourceImageSequence"):
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, "1.2.3.4"
        setattr(ds, keyword, [item, item])
    for group in (0x0019, 0x0021, 0x0029):
        block = ds.private_block(group, "MADE UP SCANNER", create=True)
        for element in range(12):
            block.add_new(element, "LO", f"private value {element}")
    ds.add_new(0x00291110, "OB", bytes(2048))
    ds.PixelData = bytes(128)
    ds.save_as(path, enforce_file_format=True)
    return path.read_bytes()


def make_files(folder: Path, count: int) -> None:
    """So many files, `PER_SERIES` to a series, each series in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    content = first_file(folder / "first")
    (folder / "first").unlink()
    for index in range(count):
        series, number = divmod(index, PER_SERIES)
        place = folder / f"{series:05d}"
        place.mkdir(exist_ok=True)
        made = content.replace(SERIES.encode(), b"%07d" % (7000000 + series))
        made = made.replace(INSTANCE.encode(), b"%07d" % (8000000 + index)).replace(
            NUMBER.encode(), b"%05d" % (number + 1)
        )
        made = made.replace(POSITION.encode(), b"-%08.3f" % (1000 - number * 1.5))
        (place / f"{index:07d}.dcm").write_bytes(made.replace(CLOCK.encode(), b"101010.%06d" % index))


def contenders(files: Sequence[Path]) -> dict[str, Work | str]:
    """What reads the headers of the files, by name; a text where it is not installed."""
    names = [str(path) for path in files]

    def own_reader() -> None:
        read = HeaderReader().read
        for path in files:
            read(path)

    def by_pydicom(tags: list[Any]) -> Work:
        def work() -> None:
            for name in names:
                pydicom.dcmread(name, stop_before_pixels=True, specific_tags=tags)

        return work

    return {
        "dicomarray, headers": own_reader,
        "dicomarray.scan, files found and grouped too": lambda: dicomarray.scan(files, workers=1),
        "pydicom, the same tags": by_pydicom(list(TAGS)),
        "pydicom, three tags": by_pydicom(THREE),
        "dicomsdl, header only": optional("dicomsdl", lambda module: dicomsdl_headers(module, names)),
        "gdcm.Scanner, the same tags": optional("gdcm", lambda module: gdcm_scan(module, names)),
    }


def optional(package: str, make: Callable[[ModuleType], Work]) -> Work | str:
    """The work of a package that may be missing."""
    try:
        return make(importlib.import_module(package))
    except ImportError:
        return f"{package} is not installed"


def dicomsdl_headers(dicomsdl: ModuleType, names: Sequence[str]) -> Work:
    """Its `open_file` up to the pixel data; no value is asked for."""

    def work() -> None:
        for name in names:
            dicomsdl.open_file(name, load_until=BEFORE_PIXELS)

    return work


def gdcm_scan(gdcm: ModuleType, names: Sequence[str]) -> Work:
    """Its `Scanner`, made for the tags of many files."""

    def work() -> None:
        scanner, list_of_names = gdcm.Scanner(), gdcm.FilenamesType()
        for tag in TAGS:
            scanner.AddTag(gdcm.Tag(tag >> 16, tag & 0xFFFF))
        for name in names:
            list_of_names.append(name)
        scanner.Scan(list_of_names)

    return work


def medians(works: dict[str, Work | str], runs: int, count: int) -> dict[str, float | str]:
    """Microseconds a file, in turns after one warm-up each; why not, where it cannot be run."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs + 1):
        for name, work in works.items():
            if not isinstance(work, str):
                times[name].append(seconds_of(work) / count * 1e6)
    return {
        name: work if isinstance(work, str) else statistics.median(times[name][1:])
        for name, work in works.items()
    }


def seconds_of(work: Work) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def print_speeds(figures: dict[str, float | str]) -> None:
    """A row each, with how many times as long as ours it takes."""
    own = next(iter(figures.values()))
    print("| reader, one process | µs a file | times ours |\n|---|---:|---:|")
    for name, figure in figures.items():
        row = f"{figure} | " if isinstance(figure, str) else f"{figure:.0f} | {figure / own:.1f}"
        print(f"| {name} | {row} |")


def measure(folder: Path) -> None:
    """In a process of its own: times a file, and the memory of what a scan returns."""
    dicomarray.scan(folder, workers=1)  # imports, and the system's cache
    gc.collect()
    before, start = resident_bytes(), time.perf_counter()
    catalog = dicomarray.scan(folder, workers=1)
    seconds = time.perf_counter() - start
    gc.collect()
    names = [str(header.reference) for series in catalog for header in series.instances]
    size = (resident_bytes() - before) / len(names)
    del catalog
    several = seconds_of(lambda: dicomarray.scan(folder, workers=os.cpu_count()))
    peer = optional("dicomsdl", lambda module: dicomsdl_headers(module, names))
    peers = float("nan") if isinstance(peer, str) else seconds_of(peer)
    print(*(1e6 * value / len(names) for value in (seconds, several, peers)), size)


def resident_bytes() -> int:
    """The memory that this process holds; Linux only."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def print_growth(folder: Path, few: int, many: int, runs: int) -> None:
    """What a file costs among few and among many."""
    print(
        "\n| files | scan, one process, µs a file | all cores | dicomsdl, header only | bytes an instance |"
    )
    print("|---:|---:|---:|---:|---:|")
    for count in (few, many):
        make_files(folder / str(count), count)
    results: dict[int, list[list[float]]] = {few: [], many: []}
    for _ in range(runs):
        for count, measured in results.items():
            done = subprocess.run(
                [sys.executable, __file__, "--measure", str(folder / str(count))],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            measured.append([float(word) for word in done.stdout.split()])
    for count, measured in results.items():
        figures = (statistics.median(column) for column in zip(*measured, strict=True))
        print(f"| {count} | {' | '.join(f'{figure:.0f}' for figure in figures)} |")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--many", type=int, default=100_000, help="0: leave the second table out")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        measure(options.measure)
        return
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary)
        if options.folder is None:
            make_files(made / "files", options.files)
        catalog = dicomarray.scan(options.folder or made / "files")
        files = [header.reference for series in catalog for header in series.instances]
        print_speeds(medians(contenders(files), options.runs, len(files)))
        if options.many and options.folder is None:
            print_growth(made, options.files, options.many, 3)


if __name__ == "__main__":
    main()
