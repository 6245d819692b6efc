"""Time files -> arrays against what people use otherwise, on the same files in the same run.

    python benchmarks/load.py [--slices 300] [--size 512] [--frames 1200] [--runs 9] [ROW ...]

The files are made in a temporary place.  Every contender is warmed up once, then they take turns; a row of
the table has the median, and its ratio to dicomarray's.  Memory is the greatest resident size of a process of
its own.  ROW is one or more of: native, process, compressed, enhanced, memory.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import CTImageStorage, EnhancedMRImageStorage, ExplicitVRLittleEndian, generate_uid

import dicomarray

Work = Callable[[], object]
RLE = "1.2.840.10008.1.2.5"
COMPRESSIONS = {
    "JPEG lossless": "1.2.840.10008.1.2.4.70",
    "JPEG-LS": "1.2.840.10008.1.2.4.80",
    "JPEG 2000": "1.2.840.10008.1.2.4.90",
    "HTJ2K": "1.2.840.10008.1.2.4.201",
    "RLE": RLE,
}
# Compressed series are this part of the native one: a codec takes some milliseconds a slice.
COMPRESSED_PART = 5
BODY_HU, AIR_HU, NOISE_HU = 40, -1000, 12


def body(slices: int, size: int) -> Iterator[np.ndarray]:
    """Slices like those of a CT in stored values, 12 bits: air, an ellipse of tissue, noise."""
    random = np.random.default_rng(1)
    rows, columns = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    for index in range(slices):
        inside = (rows / 0.7) ** 2 + (columns / (0.85 + 0.1 * np.sin(index / 40))) ** 2 < 1
        hu = np.where(inside, BODY_HU + 60 * np.sin(9 * rows + index / 20) * np.cos(7 * columns), AIR_HU)
        yield np.clip(hu + random.normal(0, NOISE_HU, hu.shape) + 1024, 0, 4095).astype(np.uint16)


def encoded(pixels: np.ndarray, syntax: str) -> bytes:
    """One compressed frame."""
    import imagecodecs
    from pydicom.pixels.encoders import RLELosslessEncoder

    if syntax == COMPRESSIONS["JPEG lossless"]:
        return imagecodecs.jpeg8_encode(pixels, lossless=True, bitspersample=12, predictor=1)
    if syntax == COMPRESSIONS["JPEG-LS"]:
        return imagecodecs.jpegls_encode(pixels)
    if syntax == COMPRESSIONS["JPEG 2000"]:
        return imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", reversible=True, bitspersample=12)
    if syntax == COMPRESSIONS["HTJ2K"]:
        return imagecodecs.htj2k_encode(pixels, reversible=True)
    rows, columns = pixels.shape
    return RLELosslessEncoder.encode(
        pixels, rows=rows, columns=columns, number_of_frames=1, samples_per_pixel=1, bits_allocated=16,
        bits_stored=12, pixel_representation=0, photometric_interpretation="MONOCHROME2",
        encoding_plugin="pydicom",
    )  # fmt: skip


def data_set(sop_class: str, syntax: str) -> Dataset:
    """What every image here has."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, generate_uid()
    ds.PatientName = ds.PatientID = ds.PatientBirthDate = ds.PatientSex = ""
    ds.StudyDate = ds.StudyTime = ds.ReferringPhysicianName = ds.StudyID = ds.AccessionNumber = ""
    ds.SeriesNumber = 1
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    return ds


def write_pixels(ds: Dataset, frames: list[np.ndarray], path: Path) -> None:
    syntax = ds.file_meta.TransferSyntaxUID
    if syntax == ExplicitVRLittleEndian:
        ds.PixelData = b"".join(frame.tobytes() for frame in frames)
        ds["PixelData"].VR = "OW"
    else:
        ds.PixelData = encapsulate([encoded(frame, syntax) for frame in frames])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
    ds.save_as(path, enforce_file_format=True)


def make_ct(folder: Path, slices: int, size: int, syntax: str = ExplicitVRLittleEndian) -> Path:
    """A CT series, a file a slice."""
    folder.mkdir()
    study, series, place = (generate_uid() for _ in range(3))
    for index, pixels in enumerate(body(slices, size)):
        ds = data_set(CTImageStorage, syntax)
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, place
        ds.Modality, ds.Manufacturer, ds.InstanceNumber = "CT", "", index + 1
        ds.ImageType, ds.KVP, ds.AcquisitionNumber = ["ORIGINAL", "PRIMARY", "AXIAL"], 120, 1
        ds.ImagePositionPatient = [-150, -150, index * 1.5]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.SliceThickness, ds.PositionReferenceIndicator = [0.6, 0.6], 1.5, ""
        ds.Rows = ds.Columns = size
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
        write_pixels(ds, [pixels], folder / f"{index:05d}.dcm")
    return folder


def item(**values: object) -> list[Dataset]:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return [ds]


def make_enhanced(path: Path, frames: int, size: int) -> Path:
    """An enhanced MR object: time points of 40 slices, with the functional groups that scanners write."""
    slices = 40
    ds = data_set(EnhancedMRImageStorage, ExplicitVRLittleEndian)
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = (generate_uid() for _ in range(3))
    ds.Modality, ds.Manufacturer, ds.InstanceNumber = "MR", "", 1
    ds.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    ds.Rows = ds.Columns = size
    ds.NumberOfFrames = frames
    ds.SharedFunctionalGroupsSequence = item(
        PlaneOrientationSequence=item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        PixelMeasuresSequence=item(PixelSpacing=[2, 2], SliceThickness=2),
        MRTimingAndRelatedParametersSequence=item(RepetitionTime=2000.0, FlipAngle=90.0, EchoTrainLength=1),
    )
    groups = []
    for index in range(frames):
        time_point, slice_ = divmod(index, slices)
        (group,) = item(
            FrameContentSequence=item(
                FrameAcquisitionDateTime=f"20200101{100000 + time_point}.000000", StackID="1",
                InStackPositionNumber=slice_ + 1, TemporalPositionIndex=time_point + 1,
                DimensionIndexValues=[1, slice_ + 1, time_point + 1], FrameAcquisitionDuration=50.0,
            ),
            PlanePositionSequence=item(ImagePositionPatient=[-64, -64, 2.0 * slice_]),
            MREchoSequence=item(EffectiveEchoTime=30.0),
            MRAveragesSequence=item(NumberOfAverages=1.0),
            MRImageFrameTypeSequence=item(
                FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], PixelPresentation="MONOCHROME",
                VolumetricProperties="VOLUME", ComplexImageComponent="MAGNITUDE",
            ),
            PixelValueTransformationSequence=item(
                RescaleIntercept=0, RescaleSlope=1 + time_point % 2, RescaleType="US"
            ),
            FrameVOILUTSequence=item(WindowCenter=500, WindowWidth=1000),
        )  # fmt: skip
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = groups
    write_pixels(ds, list(body(frames, size)), path)
    return path


# --- contenders -------------------------------------------------------------------------------------------


def simple_itk(folder: Path) -> np.ndarray:
    """SimpleITK's series reader, discovery included."""
    import SimpleITK as sitk  # noqa: N813 - its own documentation's name for it

    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return sitk.GetArrayFromImage(reader.Execute())


def pydicom_loop(folder: Path) -> np.ndarray:
    """What most people write, with whatever plugins are installed."""
    slices = [pydicom.dcmread(path) for path in folder.iterdir()]
    slices.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
    return np.stack([ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept) for ds in slices])


def pydicom_enhanced(path: Path) -> np.ndarray:
    """Pixel array, and position and slope out of each frame's functional groups."""
    ds = pydicom.dcmread(path)
    pixels, positions, slopes = ds.pixel_array, [], []
    for group in ds.PerFrameFunctionalGroupsSequence:
        positions.append([float(v) for v in group.PlanePositionSequence[0].ImagePositionPatient])
        slopes.append(float(group.PixelValueTransformationSequence[0].RescaleSlope))
    order = np.argsort(np.array(positions)[:, 2], kind="stable")
    return pixels[order] * np.array(slopes, np.float32)[order, None, None]


def files_into_one_buffer(folder: Path) -> Work:
    """The bytes of the files, and nothing else: what the hardware can do with one thread."""
    files = sorted(folder.iterdir())
    buffer = bytearray(sum(path.stat().st_size for path in files))

    def work() -> None:
        view, place = memoryview(buffer), 0
        for path in files:
            with path.open("rb", buffering=0) as stream:
                place += stream.readinto(view[place:])

    return work


def dcm2niix() -> Path | None:
    """The binary of the PyPI package, without its Python wrapper."""
    spec = importlib.util.find_spec("dcm2niix")
    if spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).parent / "dcm2niix"
    return found if found.exists() else None


def has_simple_itk() -> bool:
    return importlib.util.find_spec("SimpleITK") is not None


# --- rows -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """Where files are made, and how many."""

    scratch: Path
    slices: int
    size: int
    frames: int
    runs: int

    def native(self) -> Path:
        folder = self.scratch / "native"
        return folder if folder.exists() else make_ct(folder, self.slices, self.size)


COLUMNS = """\
| work | with | median | to dicomarray | of the processor | to dicomarray |
|---|---|---|---|---|---|"""


def compare(
    title: str, runs: int, contenders: dict[str, Work | None], tidy: Callable[[], None] = lambda: None
) -> None:
    """Print the median seconds of each, in turns, as rows of the table; ``tidy`` follows, and is not timed.

    Those of the processor are of all threads and child processes: on a busy machine they tell more.

    Each turn has an order of its own: whoever comes after a contender that leaves much memory to be freed
    loses time by it.
    """
    present = {name: work for name, work in contenders.items() if work is not None}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in present}
    order = random.Random(1)
    for turn in range(runs + 1):
        for name in order.sample(list(present), len(present)):
            start, started = time.perf_counter(), processor_seconds()
            present[name]()
            if turn:  # the first turn warms the cache
                times[name].append((time.perf_counter() - start, processor_seconds() - started))
            tidy()
    medians = {
        name: [statistics.median(column) for column in zip(*t, strict=True)] for name, t in times.items()
    }
    own = medians["dicomarray"]
    for name in contenders:
        if name in present:
            cells = [
                f"{value:.3f} s | {value / one:.1f}" for value, one in zip(medians[name], own, strict=True)
            ]
            print(f"| {title} | {name} | {' | '.join(cells)} |", flush=True)
        else:
            print(f"| {title} | {name} | not installed | | | |", flush=True)


def processor_seconds() -> float:
    """What this process and those that it waited for have taken."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def native(scene: Scene) -> None:
    folder = scene.native()
    assert np.array_equal(dicomarray.load(folder).array, pydicom_loop(folder)), "the contenders disagree"
    compare(
        f"native CT, {scene.slices} x {scene.size} x {scene.size}, to HU",
        scene.runs,
        {
            "dicomarray": lambda: dicomarray.load(folder),
            "dicomarray, 1 thread": lambda: dicomarray.load(folder, workers=1),
            "files into one buffer": files_into_one_buffer(folder),
            "SimpleITK": (lambda: simple_itk(folder)) if has_simple_itk() else None,
            "pydicom loop": lambda: pydicom_loop(folder),
        },
    )


def process(scene: Scene) -> None:
    folder, output, binary = scene.native(), scene.scratch / "out", dcm2niix()
    # what is installed is compiled; a checkout is where its bytecode may be kept
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    compiled["PYTHONPYCACHEPREFIX"] = str(scene.scratch / "bytecode")

    def run(*command: object) -> Work:
        def work() -> None:
            subprocess.run(
                [str(part) for part in command], check=True, stdout=subprocess.DEVNULL, env=compiled
            )

        return work

    def tidy() -> None:
        shutil.rmtree(output)
        output.mkdir()

    output.mkdir()
    own = Path(sys.executable).parent / "dicomarray"
    compare(
        "whole process, array and sidecar",
        scene.runs,
        {
            "dicomarray": run(own, "to-numpy", "-i", folder, "-n", output / "a.npy"),
            "dcm2niix": run(binary, "-z", "n", "-b", "y", "-o", output, folder) if binary else None,
        },
        tidy,
    )
    compare(
        "whole process, NIfTI",
        scene.runs,
        {
            "dicomarray": run(own, "to-nifti", "-i", folder, "-o", output / "a.nii"),
            "dcm2niix": run(binary, "-z", "n", "-b", "y", "-o", output, folder) if binary else None,
            "of that of dicomarray: Python with nibabel": run(sys.executable, "-c", "import nibabel.nifti1"),
        },
        tidy,
    )


def compressed(scene: Scene) -> None:
    for name, syntax in COMPRESSIONS.items():
        folder = make_ct(
            scene.scratch / name.replace(" ", ""), scene.slices // COMPRESSED_PART, scene.size, syntax
        )
        own = dicomarray.load(folder).array
        contenders: dict[str, Work | None] = {"dicomarray": lambda folder=folder: dicomarray.load(folder)}
        for other, load in (("SimpleITK", simple_itk), ("pydicom", pydicom_loop)):
            works = other != "SimpleITK" or has_simple_itk()
            try:
                assert not works or np.array_equal(load(folder), own), f"{other} disagrees"
            except RuntimeError:  # no decoder for this transfer syntax
                works = False
            contenders[other] = (lambda folder=folder, load=load: load(folder)) if works else None
        compare(f"{name}, {len(own)} slices", scene.runs, contenders)
        shutil.rmtree(folder)


def enhanced(scene: Scene) -> None:
    path = make_enhanced(scene.scratch / "enhanced.dcm", scene.frames, 64)
    compare(
        f"enhanced MR, {scene.frames} frames of 64 x 64",
        scene.runs,
        {
            "dicomarray": lambda: dicomarray.load(path),
            "pydicom": lambda: pydicom_enhanced(path),
        },
    )


# ru_maxrss of a process begins with that of the one that started it, where the system counts so (Linux);
# VmHWM does not.
MEASURE = """
import resource
from pathlib import Path
{code}
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
peaks = [line.split()[1] for line in lines if "VmHWM" in line]
print(peaks[0] if peaks else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def resident(code: str) -> float:
    """The greatest resident size of a process that runs the code, in MB."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE.format(code=code)], check=True, capture_output=True, text=True
    )
    return int(done.stdout.split()[-1]) / 1024


def memory(scene: Scene) -> None:
    folder, npy = scene.native(), scene.scratch / "memory.npy"
    volume = scene.slices * scene.size**2 * 2 / 1e6
    imports = resident("import dicomarray; dicomarray.load, dicomarray.to_numpy")
    in_file = resident(f"import dicomarray; dicomarray.to_numpy({str(folder)!r}, {str(npy)!r})")
    whole = resident(f"import dicomarray; dicomarray.load({str(folder)!r})")
    for name, size in (("imports only", imports), ("to_numpy", in_file), ("load", whole)):
        part = (size - imports) / volume
        print(
            f"| memory, volume of {volume:.0f} MB | {name} | {size:.0f} MB | {part:.2f} of the volume | | |"
        )


ROWS = {
    "native": native,
    "process": process,
    "compressed": compressed,
    "enhanced": enhanced,
    "memory": memory,
}


def print_rows(
    arguments: argparse.ArgumentParser,
    rows: Mapping[str, Callable[[Any], None]],
    scene_of: Callable[[Path, argparse.Namespace], object],
    columns: str,
) -> None:
    """Print the table of the rows that the command line names, all of them where it names none."""
    arguments.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(rows))
    options = arguments.parse_args()
    unknown = set(options.rows) - set(rows)
    if unknown:
        arguments.error(f"no such row: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as scratch:
        scene = scene_of(Path(scratch), options)
        print(columns)
        for row in options.rows or rows:
            rows[row](scene)


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    arguments.add_argument("--slices", type=int, default=300)
    arguments.add_argument("--size", type=int, default=512)
    arguments.add_argument("--frames", type=int, default=1200)
    arguments.add_argument("--runs", type=int, default=9)

    def scene(scratch: Path, options: argparse.Namespace) -> Scene:
        return Scene(scratch, options.slices, options.size, options.frames, options.runs)

    print_rows(arguments, ROWS, scene, COLUMNS)


if __name__ == "__main__":
    main()
