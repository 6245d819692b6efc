"""A made-up CT study of a thorax, in files and headers as a PACS hands them over.

One localizer and two axial series of the same anatomy: soft tissue (unsigned, 12 bits, intercept -1024) and
lung (signed, 16 bits, other slices, a sharper kernel).  In the second neither the instance numbers nor the
file names follow the positions.  Every value is computed: no patient, no scanner, the same bytes every time.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from dicomarray.demo.anatomy import Coordinates, Grid, Image, thorax
from dicomarray.demo.functions import convolve
from dicomarray.storage import atomic
from dicomarray.version import __version__

SEED = 20240315
# All UIDs follow from this name and their own: 2.25. and the integer of a version 5 UUID (PS3.5 B.2).
UID_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "phantom.dicomarray")
DATE = "20240315"
PRIVATE_GROUP, PRIVATE_CREATOR = 0x0029, "DICOMARRAY PHANTOM"

ROWS = COLUMNS = 256
PIXEL_MM = 1.40625  # a reconstruction circle of 360 mm on 256 columns
THIN_MM, THIN_SLICES = 2.5, 40
THICK_MM = 2 * THIN_MM
LOWEST_SLICE_MM = -40.0  # in the coordinates of the anatomy: the slices reach from the liver to the heart
# Where the anatomy's origin lies in the patient coordinate system, LPS mm: never 0 with a real scanner.
ANATOMY_ORIGIN = (-3.5, -12.0, -187.5)
SCOUT_MM, SCOUT_ROWS = 2.0, 150
SCOUT_UNITS_PER_MM = 4.0  # stored values for each mm of water in the beam
# Noise in HU before the kernel, and the kernel: the part of a 3 x 3 binomial blur that is mixed in (a
# negative part sharpens).
BINOMIAL = np.array((0.25, 0.5, 0.25), np.float32)
SOFT_NOISE, SOFT_BLUR = 22.0, 0.9
LUNG_NOISE, LUNG_BLUR = 26.0, -0.6


@dataclass(frozen=True, eq=False)
class _Series:
    """A series before it is written.

    ``stored`` is (slices, rows, columns), int16 or uint16, ascending; ``positions`` (slices, 3) in LPS mm;
    ``instance_numbers`` and ``file_numbers`` count from 1, one a slice.
    """

    number: int
    description: str
    stored: NDArray[Any]
    positions: NDArray[np.float64]
    instance_numbers: NDArray[np.int64]
    file_numbers: NDArray[np.int64]
    header: dict[str, Any]

    @property
    def uid(self) -> str:
        return _uid(f"series {self.number}")


def write_study(folder: Path) -> None:
    """Write the study: about 60 files, 8 MB, in a second or two; and two that are no DICOM.

    Raises
    ------
    OutputError
        Where ``folder`` exists and is not empty.
    """
    with atomic.new_folder(folder) as made:
        for series in _all_series():
            place = made / "DICOM" / f"{series.number:08d}"
            place.mkdir(parents=True)
            for index, number in enumerate(series.file_numbers):
                _data_set(series, index).save_as(place / f"{number:08d}", enforce_file_format=True)
        (made / "README.txt").write_bytes(_README.encode())
        (made / "DICOM" / ".DS_Store").write_bytes(_FINDER_FILE)


# --- pixels -----------------------------------------------------------------------------------------------


def _all_series() -> Iterator[_Series]:
    random = np.random.default_rng(SEED)
    x = (np.arange(COLUMNS) - (COLUMNS - 1) / 2) * PIXEL_MM
    z = LOWEST_SLICE_MM + np.arange(THIN_SLICES) * THIN_MM
    thin = thorax(Grid.of(z, x, x), SEED)
    thick, thick_z = 0.5 * (thin[0::2] + thin[1::2]), (z[0::2] + z[1::2]) / 2
    yield _localizer(x)
    soft = _reconstructed(thin, SOFT_NOISE, SOFT_BLUR, random)
    # numbered from the head down, as most scanners do: against the order of the volume
    down = np.arange(len(soft), 0, -1)
    stored = (soft + np.int16(1024)).astype(np.uint16)
    yield _Series(2, "CHEST STD 2.5", stored, _positions(x[0], x[0], z), down, down, _SOFT_TISSUE)
    lung = _reconstructed(thick, LUNG_NOISE, LUNG_BLUR, random)
    # numbered and named in no order, as after a transfer that lost it
    numbers, names = random.permutation(len(lung)) + 1, random.permutation(len(lung)) + 1
    yield _Series(3, "CHEST LUNG 5.0", lung, _positions(x[0], x[0], thick_z), numbers, names, _LUNG)


def _reconstructed(hu: Image, noise: float, blur: float, random: np.random.Generator) -> NDArray[np.int16]:
    """HU as the scanner would give them: noise, then the kernel; whole numbers from -1024 to 3071."""
    noisy = hu + np.float32(noise) * random.standard_normal(hu.shape, np.float32)
    filtered = (1 - blur) * noisy + blur * _blurred(noisy)
    return np.clip(np.round(filtered), -1024, 3071).astype(np.int16)


def _blurred(array: Image) -> Image:
    return convolve(convolve(array, BINOMIAL, 1), BINOMIAL, 2)


def _positions(x: float, y: float, z: Coordinates) -> NDArray[np.float64]:
    """(slices, 3), LPS mm: the centre of voxel (0, 0) of each slice."""
    positions = np.stack([np.full(z.shape, x), np.full(z.shape, y), z], axis=1) + ANATOMY_ORIGIN
    return np.asarray(positions, np.float64)


def _localizer(x: Coordinates) -> _Series:
    """A radiograph from the front: how much water the beam meets in each line from front to back."""
    y = np.arange(-120.0, 141.0, 3.0)
    z = (np.arange(SCOUT_ROWS) - (SCOUT_ROWS - 1) / 2) * SCOUT_MM
    columns = np.arange(x[0], x[-1] + SCOUT_MM / 2, SCOUT_MM)
    density = (thorax(Grid.of(z, y, columns), SEED) + 1000) / 1000
    water_mm = density.sum(axis=1, keepdims=True).transpose(1, 0, 2)[:, ::-1] * 3.0  # head first
    sharpened = 2.0 * water_mm - _blurred(water_mm)
    stored = np.clip(np.round(sharpened * SCOUT_UNITS_PER_MM), 0, 4095).astype(np.uint16)
    one = np.array([1])
    position = _positions(columns[0], 0.0, z[-1:])
    return _Series(1, "SCOUT AP", stored, position, one, one, _LOCALIZER)


# --- headers ----------------------------------------------------------------------------------------------

_LOCALIZER: dict[str, Any] = {
    "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
    "ScanOptions": "SCOUT MODE",
    "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
    "PixelSpacing": [SCOUT_MM, SCOUT_MM],
    "SliceThickness": 1,
    "PatientOrientation": ["L", "F"],
    "WindowCenter": -300,
    "WindowWidth": 1400,
    "RescaleIntercept": -1024,
    "RescaleType": "US",  # the darkness of a radiograph is no HU
    "ReconstructionDiameter": 360,
    "XRayTubeCurrent": 40,
    "AcquisitionNumber": 1,
}
_AXIAL: dict[str, Any] = {
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "ScanOptions": "HELICAL MODE",
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PixelSpacing": [PIXEL_MM, PIXEL_MM],
    "PatientOrientation": ["L", "P"],
    "ReconstructionDiameter": 360,
    "SpiralPitchFactor": 0.984,
    "SingleCollimationWidth": 0.625,
    "TotalCollimationWidth": 40.0,
    "ContrastBolusAgent": "PHANTOM CONTRAST",
    "ContrastBolusRoute": "IV",
    "AcquisitionNumber": 2,
}
_SOFT_TISSUE = _AXIAL | {
    "ConvolutionKernel": "STANDARD",
    "SliceThickness": THIN_MM,
    "SpacingBetweenSlices": THIN_MM,
    "RescaleIntercept": -1024,
    "WindowCenter": [40, 300],
    "WindowWidth": [400, 1500],
    "WindowCenterWidthExplanation": ["SOFT TISSUE", "BONE"],
}
_LUNG = _AXIAL | {
    "ConvolutionKernel": "LUNG",
    "SliceThickness": THICK_MM,
    "SpacingBetweenSlices": THICK_MM,
    "RescaleIntercept": 0,
    "WindowCenter": -600,
    "WindowWidth": 1500,
}
_STUDY: dict[str, Any] = {
    "SpecificCharacterSet": "ISO_IR 100",
    "PatientName": "PHANTOM^THORAX",
    "PatientID": "PHANTOM-0001",
    "PatientBirthDate": "19700101",
    "PatientSex": "O",
    "PatientAge": "054Y",
    "PatientWeight": 75,
    "StudyDate": DATE,
    "StudyTime": "101500",
    "StudyID": "1",
    "AccessionNumber": "DEMO0001",
    "ReferringPhysicianName": "NOBODY^REFERRING",
    "StudyDescription": "CT CHEST WITH CONTRAST",
    "Modality": "CT",
    "SeriesDate": DATE,
    "SeriesTime": "101732",
    "AcquisitionDate": DATE,
    "ContentDate": DATE,
    "BodyPartExamined": "CHEST",
    "PatientPosition": "HFS",
    "ProtocolName": "CHEST ROUTINE",
    "PositionReferenceIndicator": "SN",
    "Manufacturer": "DICOMARRAY",
    "ManufacturerModelName": "PHANTOM CT",
    "InstitutionName": "DEMONSTRATION HOSPITAL",
    "StationName": "CTDEMO",
    "DeviceSerialNumber": "0000001",
    "SoftwareVersions": __version__,
    "KVP": 120,
    "DataCollectionDiameter": 500,
    "DistanceSourceToDetector": 950,
    "DistanceSourceToPatient": 541,
    "GantryDetectorTilt": 0,
    "TableHeight": 152.5,
    "RotationDirection": "CW",
    "ExposureTime": 500,
    "FilterType": "BODY FILTER",
    "GeneratorPower": 48,
    "FocalSpots": 1.2,
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "BitsAllocated": 16,
    "RescaleSlope": 1,
    "RescaleType": "HU",
}


def _data_set(series: _Series, index: int) -> Dataset:
    """One instance with its File Meta Information, Explicit VR Little Endian."""
    data_set = Dataset()
    values = _STUDY | series.header | _instance(series, index)
    for keyword, value in values.items():
        setattr(data_set, keyword, value)
    block = data_set.private_block(PRIVATE_GROUP, PRIVATE_CREATOR, create=True)
    block.add_new(0x01, "LO", "NO PATIENT: COMPUTED")
    block.add_new(0x02, "IS", SEED)
    pixels = series.stored[index]
    data_set.add_new("PixelData", "OW", pixels.astype(pixels.dtype.newbyteorder("<")).tobytes())
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.MediaStorageSOPClassUID = CTImageStorage
    data_set.file_meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return data_set


def _instance(series: _Series, index: int) -> dict[str, Any]:
    """What belongs to one image: identity, place, exposure, pixel description."""
    pixels = series.stored[index]
    number = int(series.instance_numbers[index])
    signed = pixels.dtype.kind == "i"
    bits = 16 if signed else 12
    position = [round(float(value), 6) for value in series.positions[index]]
    # The tube works harder where the body is denser: in the lower slices, with the liver.
    current = series.header.get("XRayTubeCurrent", 260 - 2 * index)
    time = f"1018{10 + index * 0.25:09.6f}"
    return {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": _uid(f"series {series.number} instance {number}"),
        "StudyInstanceUID": _uid("study"),
        "SeriesInstanceUID": series.uid,
        "FrameOfReferenceUID": _uid("frame of reference"),
        "SeriesNumber": series.number,
        "SeriesDescription": series.description,
        "InstanceNumber": number,
        "ImagePositionPatient": position,
        "SliceLocation": position[2],
        "AcquisitionTime": time,
        "ContentTime": time,
        "XRayTubeCurrent": current,
        "Exposure": current // 2,
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(signed),
    }


def _uid(name: str) -> str:
    return f"2.25.{uuid.uuid5(UID_NAMESPACE, name).int}"


_README = """A computed CT study for demonstrations: no patient, no scanner.
This file is no DICOM; folders that people use hold such files.
"""
# The first bytes of the file that a file manager leaves in every folder it has shown.
_FINDER_FILE = b"\x00\x00\x00\x01Bud1" + bytes(4088)
