"""What an archive costs: indexing it, indexing it again, and filtering it, per file and in memory.

    python benchmarks/archive.py [--instances 1000 100000] [--folder DIR]

An archive is made in a temporary place: series of 60 to 80 small CT images, each file a template's bytes
with UIDs, positions and times of its own.  Each figure is of a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

IMAGES = range(60, 81)  # in a series
SIZE = 8  # rows and columns: pixels are not what is measured
# What the figures are to be, as the project asks for them.
GREATEST_RATIO, MOST_BYTES, MOST_SECONDS_A_MILLION, MOST_SECONDS = 1.2, 2048, 15, 1.0
CONFIGS = {
    "constant attributes": {"Modality": "CT", "SeriesDescription": "*AX*", "KVP": {"gte": 100}},
    "varying attributes": {"SliceLocation": {"gte": 0}, "InstanceNumber": {"lte": 70}},
    "facts": {"num_slices": {"gt": 65}, "slice_spacing": {"between": [1, 3]}, "plane": "axial"},
}


def uid(kind: int, number: int) -> str:
    """62 characters, so that one can be put in the place of another."""
    return f"1.2.826.0.1.3680043.8.498.{kind}{number:034d}"


STUDY, SERIES, INSTANCE = (uid(kind, 0) for kind in (1, 2, 3))
POSITION, LOCATION, NUMBER, MOMENT = "-123.456\\-234.567\\1234567.5", "7654321.5", "98765", "121314.151617"


def template() -> bytes:
    """A CT image with about as many elements as a scanner writes."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SpecificCharacterSet, ds.ImageType = "ISO_IR 100", ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"]
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, INSTANCE
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = STUDY, SERIES, STUDY + "1"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = ds.InstanceCreationDate = "20240102"
    ds.StudyTime = ds.SeriesTime = "120000.000000"
    ds.AcquisitionTime = ds.ContentTime = ds.InstanceCreationTime = MOMENT
    ds.AccessionNumber, ds.StudyID, ds.SeriesNumber, ds.AcquisitionNumber = "A123456", "1", 3, 2
    ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = "CT", "BENCHMARK", "Model 64"
    ds.InstitutionName, ds.StationName, ds.DeviceSerialNumber = "Nowhere", "CT01", "12345"
    ds.SoftwareVersions, ds.ProtocolName, ds.BodyPartExamined = "1.0", "Thorax routine", "CHEST"
    ds.StudyDescription, ds.SeriesDescription = "CT Thorax", "Thorax 1.5 AX"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Bench^Mark", "P1", "19700101", "O"
    ds.PatientAge, ds.PatientPosition, ds.ReferringPhysicianName = "054Y", "HFS", "Nobody"
    ds.SliceThickness, ds.KVP, ds.DataCollectionDiameter, ds.ReconstructionDiameter = 1.5, 120, 500, 350
    ds.DistanceSourceToDetector, ds.DistanceSourceToPatient, ds.GantryDetectorTilt = 1040, 570, 0
    ds.TableHeight, ds.RotationDirection, ds.ExposureTime, ds.XRayTubeCurrent = 150, "CW", 500, 200
    ds.Exposure, ds.FilterType, ds.GeneratorPower, ds.FocalSpots = 100, "0", 24, 1.2
    ds.ConvolutionKernel, ds.SingleCollimationWidth, ds.SpiralPitchFactor = "B31f", 0.6, 0.8
    ds.ImagePositionPatient, ds.ImageOrientationPatient = POSITION.split("\\"), [1, 0, 0, 0, 1, 0]
    ds.SliceLocation, ds.InstanceNumber, ds.PositionReferenceIndicator = LOCATION, NUMBER, ""
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.Rows, ds.Columns = 1, "MONOCHROME2", SIZE, SIZE
    ds.PixelSpacing, ds.BitsAllocated, ds.BitsStored, ds.HighBit = [0.68, 0.68], 16, 12, 11
    ds.PixelRepresentation, ds.WindowCenter, ds.WindowWidth = 0, [40, -600], [400, 1200]
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CTImageStorage, STUDY + "2"
    ds.ReferencedImageSequence = [reference]
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "CTTHOR", "LOCAL", "CT Thorax"
    ds.ProcedureCodeSequence = [code]
    block = ds.private_block(0x0019, "BENCHMARK CT HEADER", create=True)
    for element in range(0x10, 0x30):
        block.add_new(element, "LO", f"private {element}")
    block.add_new(0x40, "OB", bytes(512))
    ds.PixelData = np.arange(SIZE * SIZE, dtype=np.uint16).tobytes()
    out = BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


def make_archive(folder: Path, instances: int) -> None:
    """So many files, a folder a series."""
    content = template()
    written = series = 0
    while written < instances:
        count = min(IMAGES[series % len(IMAGES)], instances - written)
        place = folder / f"{series // 100:03d}" / f"series-{series:05d}"
        place.mkdir(parents=True)
        own = _patched(content, {STUDY: uid(1, series // 3), SERIES: uid(2, series)})
        for index in range(count):
            z = f"{index * 1.5:09.1f}"
            patches = {
                INSTANCE: uid(3, written),
                POSITION: f"-123.456\\-234.567\\{z}",
                LOCATION: z,
                NUMBER: f"{index + 1:05d}",
                MOMENT: f"1213{index % 60:02d}.{written % 1_000_000:06d}",
            }
            (place / f"IM{index:05d}.dcm").write_bytes(_patched(own, patches))
            written += 1
        series += 1


def _patched(content: bytes, patches: dict[str, str]) -> bytes:
    for old, new in patches.items():
        assert len(old) == len(new), (old, new)
        content = content.replace(old.encode(), new.encode())
    return content


@dataclass(frozen=True)
class Figure:
    """What one process took: seconds, those of the processor, bytes at its peak; and what it returned."""

    seconds: float
    processor: float
    peak: int
    result: float


def work(name: str, archive: str, index: str) -> float:
    """One piece of work, in this process."""
    import dicomarray

    if name == "index":
        return float(dicomarray.index(archive, index).num_instances)
    if name == "scan":
        return float(sum(len(series.instances) for series in dicomarray.scan(archive)))
    return float(len(dicomarray.dicom_filter(None, CONFIGS[name], index=index)))


def measured(name: str, archive: Path, index: Path) -> Figure:
    """The work in a process of its own."""
    command = [sys.executable, __file__, "--work", name, str(archive), str(index)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Figure(**json.loads(done.stdout))


def _work_here(name: str, archive: str, index: str) -> None:
    import dicomarray

    dicomarray.index, dicomarray.scan, dicomarray.dicom_filter  # noqa: B018 - imported now, not in the time
    start, started = time.perf_counter(), time.process_time()
    result = work(name, archive, index)
    seconds, processor = time.perf_counter() - start, time.process_time() - started
    # Linux counts in kilobytes, macOS in bytes
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    print(json.dumps({"seconds": seconds, "processor": processor, "peak": peak, "result": result}))


def archive_rows(folder: Path, instances: int) -> tuple[list[str], Figure]:
    """The rows of the table for an archive of a size, and what indexing it took."""
    archive, index = folder / f"archive-{instances}", folder / f"{instances}.sqlite"
    if not archive.is_dir():
        make_archive(archive, instances)
    index.unlink(missing_ok=True)
    scanned = measured("scan", archive, index)  # and the files are in the cache now, for all that follows
    first = measured("index", archive, index)
    assert scanned.result == first.result == instances
    again = measured("index", archive, index)
    rows = [
        _row(instances, "scan, no index", scanned),
        _row(
            instances,
            "index",
            first,
            f"{first.processor / scanned.processor:.1f} times a scan; "
            f"{index.stat().st_size / instances:.0f} bytes an instance in the file",
        ),
        _row(
            instances,
            "index again",
            again,
            f"{first.seconds / again.seconds:.0f} times faster; a million files in "
            f"{again.seconds / instances * 1e6:.0f} s (at most {MOST_SECONDS_A_MILLION})",
        ),
    ]
    for name in CONFIGS:
        found = measured(name, archive, index)
        rows.append(
            _row(
                instances,
                f"filter: {name}",
                found,
                f"{found.result:.0f} series (at most {MOST_SECONDS:.0f} s)",
            )
        )
    return rows, first


def _row(instances: int, name: str, figure: Figure, note: str = "") -> str:
    each = figure.processor / instances * 1e6
    times = f"{figure.seconds:.2f} s | {figure.processor:.2f} s | {each:.1f} us"
    return f"| {instances} | {name} | {times} | {figure.peak / 1e6:.0f} MB | {note} |"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--instances", nargs="+", type=int, default=[1_000, 100_000])
    arguments.add_argument("--folder", type=Path, help="keep the archives here, and use those that are here")
    arguments.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.work:
        _work_here(*options.work)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        print("| instances | work | time | of the processor | each file | memory | |")
        print("|---|---|---|---|---|---|---|")
        figures = {}
        for instances in sorted(options.instances):
            rows, figures[instances] = archive_rows(folder, instances)
            print("\n".join(rows), flush=True)
        few, many = min(figures), max(figures)
        if few < many:
            ratio = figures[many].processor / many / (figures[few].processor / few)
            growth = (figures[many].peak - figures[few].peak) / (many - few)
            print(
                f"\nIndexing a file costs {ratio:.2f} times as much processor time among {many} as among "
                f"{few} (at most {GREATEST_RATIO}); memory grows by {growth:.0f} bytes an instance (at most "
                f"{MOST_BYTES})."
            )


if __name__ == "__main__":
    main()
