"""What a series holds, without dicomarray: frames by pydicom; mosaics, which are private, by dcm2niix."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGTransferSyntaxes,
)

from comparison.judging import REFERENCE_TOLERANCE_MM, Floats, Frame, Truth, corners_of, plane_corners

UIH_FRAMES = (0x0065, 0x1051)
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
DCM2NIIX = (
    "-x",
    "i",
    "-b",
    "n",
    "-z",
    "n",
    "-l",
    "o",
    "-w",
    "2",
    "-f",
    "v",
)  # as stored: no crop, no scaling
LOSSY = {str(uid) for uid in JPEGTransferSyntaxes} - {str(JPEGLossless), str(JPEGLosslessSV1)} | {
    "1.2.840.10008.1.2.4.81",  # JPEG-LS near-lossless
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.4.203",  # HTJ2K
}
# What pydicom decodes with nothing but its own dependencies and pillow leaves these out.
CODECS = {
    JPEGLossless: "jpeg_decode",
    JPEGLosslessSV1: "jpeg_decode",
    JPEGExtended12Bit: "jpeg_decode",
    JPEGLSLossless: "jpegls_decode",
    JPEG2000Lossless: "jpeg2k_decode",
}
# What may tell echoes, components, times and diffusion weightings apart; which of them does is found out.
LABELS = (
    "EchoTime", "EchoNumbers", "ImageType", "InversionTime", "FlipAngle", "TriggerTime", "AcquisitionTime",
    "AcquisitionNumber", "TemporalPositionIdentifier", "DiffusionBValue", "DiffusionGradientOrientation",
    "SequenceName", "InstanceNumber",
)  # fmt: skip
GROUP_LABELS = (
    ("MREchoSequence", "EffectiveEchoTime"),
    ("MRDiffusionSequence", "DiffusionBValue"),
    ("FrameContentSequence", "TemporalPositionIndex"),
    ("MRImageFrameTypeSequence", "FrameType"),
    ("CTImageFrameTypeSequence", "FrameType"),
)


class NoTruthError(Exception):
    """What the series holds cannot be said: no image, or none that can be decoded."""


@dataclass(frozen=True, eq=False)
class Known:
    """The truth of a series and where it comes from."""

    truth: Truth
    source: str  # "frames" or "dcm2niix"
    by_imagecodecs: bool = False


def know(files: Sequence[Path]) -> Known:
    """The truth about the series that these files are.

    Raises
    ------
    NoTruthError
        Where there is no image, or one that nothing here decodes.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom on values that break the standard's rules
        data_sets = [pydicom.dcmread(file) for file in files]
        images = [ds for ds in data_sets if "Rows" in ds]
        if not images:
            raise NoTruthError("no images")
        if any(is_mosaic(ds) for ds in images):
            return Known(Truth(_dcm2niix_frames(files), REFERENCE_TOLERANCE_MM), "dcm2niix")
        decoded = [_decode(ds) for ds in images]
        frames = [f for ds, (stored, _) in zip(images, decoded, strict=True) for f in _frames(ds, stored)]
    if any(frame.corners is None for frame in frames):
        frames = [Frame(f.values, None, f.step, f.lossy, f.labels) for f in frames]
    return Known(Truth(_ranked(frames)), "frames", any(own for _, own in decoded))


def is_mosaic(ds: Dataset) -> bool:
    """Whether slices lie side by side in one image, as Siemens and UIH scanners store them."""
    image_type = ds.get("ImageType") or []
    return "MOSAIC" in image_type or UIH_FRAMES in ds


def _decode(ds: Dataset) -> tuple[NDArray[Any], bool]:
    """(frame, row, column[, sample]) stored values, and whether imagecodecs had to decode them."""
    samples = int(ds.get("SamplesPerPixel", 1))
    shape = (-1, int(ds.Rows), int(ds.Columns), *((samples,) if samples > 1 else ()))
    try:
        return ds.pixel_array.reshape(shape), False
    except (RuntimeError, NotImplementedError, AttributeError, ValueError) as error:
        syntax = ds.file_meta.TransferSyntaxUID
        if syntax not in CODECS or "PixelData" not in ds:
            raise NoTruthError(f"pydicom cannot decode it: {error}") from error
    import imagecodecs

    decode = getattr(imagecodecs, CODECS[syntax])
    count = int(ds.get("NumberOfFrames") or 1)
    stored = np.stack([decode(bytes_) for bytes_ in generate_frames(ds.PixelData, number_of_frames=count)])
    if ds.PixelRepresentation and stored.dtype.kind == "u":
        stored = stored.view(stored.dtype.str.replace("u", "i"))
    return stored.reshape(shape), True


def _frames(ds: Dataset, stored: NDArray[Any]) -> Iterable[Frame]:
    shared = (ds.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    each = ds.get("PerFrameFunctionalGroupsSequence") or [Dataset()] * len(stored)
    lossy = str(ds.file_meta.TransferSyntaxUID) in LOSSY
    for image, own in zip(stored, each, strict=True):
        groups = (own, shared)
        slope = float(_value(ds, groups, "PixelValueTransformationSequence", "RescaleSlope") or 1)
        intercept = float(_value(ds, groups, "PixelValueTransformationSequence", "RescaleIntercept") or 0)
        values = image.astype(np.float64) * slope + intercept
        yield Frame(values, _corners(ds, groups, values.shape), slope, lossy, _labels(ds, groups))


def _value(ds: Dataset, groups: Iterable[Dataset], sequence: str, keyword: str) -> Any:
    """The frame's own functional group, else the shared one, else the data set itself."""
    for group in groups:
        items = group.get(sequence)
        if items and items[0].get(keyword) is not None:
            return items[0].get(keyword)
    return ds.get(keyword)


def _corners(ds: Dataset, groups: Sequence[Dataset], shape: Sequence[int]) -> Floats | None:
    position = _value(ds, groups, "PlanePositionSequence", "ImagePositionPatient")
    orientation = _value(ds, groups, "PlaneOrientationSequence", "ImageOrientationPatient")
    spacing = _value(ds, groups, "PixelMeasuresSequence", "PixelSpacing")
    if not position or not orientation or not spacing:
        return None
    place, directions, steps = (np.array(numbers, float) for numbers in (position, orientation, spacing))
    return plane_corners(place, directions, steps, shape[0], shape[1])


def _labels(ds: Dataset, groups: Sequence[Dataset]) -> Mapping[str, Hashable]:
    labels: dict[str, Hashable] = {name: str(ds.get(name)) for name in LABELS}
    for sequence, keyword in GROUP_LABELS:
        labels[f"{sequence} {keyword}"] = str(_value(Dataset(), groups, sequence, keyword))
    indices = _value(Dataset(), groups, "FrameContentSequence", "DimensionIndexValues")
    for number, index in enumerate([] if indices is None else np.atleast_1d(indices)):
        labels[f"dimension {number}"] = int(index)
    return labels


def _ranked(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """Where the labels do not tell apart what lies at one place, the order of acquisition does."""
    truth = Truth(tuple(frames))
    known = [
        (place, *(f.labels[kind] for kind in truth.kinds))
        for place, f in zip(truth.places, frames, strict=True)
    ]
    if len(set(known)) == len(known):
        return truth.frames
    numbers = [frame.labels["InstanceNumber"] for frame in frames]
    if len(set(numbers)) < len(numbers) or not all(str(number).isdigit() for number in numbers):
        return truth.frames
    seen: dict[tuple[Hashable, ...], int] = {}
    ranks = {}
    for index in sorted(range(len(frames)), key=lambda i: int(str(numbers[i]))):
        ranks[index] = seen[known[index]] = seen.get(known[index], -1) + 1
    return tuple(
        Frame(f.values, f.corners, f.step, f.lossy, {**f.labels, "order of acquisition": ranks[index]})
        for index, f in enumerate(frames)
    )


@contextmanager
def niftis_of(files: Sequence[Path], *flags: str) -> Iterator[list[Path]]:
    """The files that dcm2niix makes of exactly these DICOM files; they are there inside the context."""
    with TemporaryDirectory() as scratch:
        source, output = Path(scratch, "in"), Path(scratch, "out")
        source.mkdir()
        output.mkdir()
        for index, file in enumerate(files):
            (source / f"{index:05d}.dcm").symlink_to(file.resolve())
        program = Path(sys.executable).parent / "dcm2niix"
        subprocess.run([program, *DCM2NIIX, *flags, "-o", output, source], check=True, capture_output=True)
        yield sorted(output.glob("*.nii"))


def _dcm2niix_frames(files: Sequence[Path]) -> tuple[Frame, ...]:
    """Every slice of every volume that dcm2niix makes of exactly these files."""
    with niftis_of(files) as names:
        if not names:
            raise NoTruthError("dcm2niix made nothing of it")
        return tuple(frame for name in names for frame in _nifti_frames(name))


def _nifti_frames(path: Path) -> Iterable[Frame]:
    image = nibabel.Nifti1Image.from_filename(path)
    array = np.asarray(image.dataobj, np.float64)
    series = array.reshape(*array.shape[:3], -1)
    step = float(getattr(image.dataobj, "slope", 1.0))
    for time in range(series.shape[3]):
        volume = series[..., time].transpose(2, 1, 0)  # NIfTI is (column, row, slice)
        corners = corners_of((LPS_TO_RAS @ image.affine)[:, [2, 1, 0, 3]], volume.shape)
        for values, where in zip(volume, corners, strict=True):
            yield Frame(values, where, step, labels={"file": path.name, "time": f"{path.name} {time}"})
