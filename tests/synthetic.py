"""Series made in code: a builder with sensible defaults, and faulty series named by their fault.

Everything is written with pydicom and read by nobody here, so it can stand against any reader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)

SPACING_MM = 2.5
PIXEL_SPACING_MM = (0.5, 0.75)  # between rows, between columns: unequal, so that mixing them up shows
ORIGIN_MM = (-20.0, -30.0, 100.0)
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SHAPE = (6, 12, 16)  # slices, rows, columns: all different, so that a transposed axis shows

NATIVE_SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "big-endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}

# What each class needs beside the common attributes; CT, MR and PT have a place in the patient, SC has none.
CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "CT": (
        CTImageStorage,
        {
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "KVP": 120,
            "AcquisitionNumber": 1,
            "RescaleSlope": 1,
            "RescaleIntercept": -1024,
            "RescaleType": "HU",
        },
    ),
    "MR": (
        MRImageStorage,
        {
            "ImageType": ["ORIGINAL", "PRIMARY", "M", "NONE"],
            "ScanningSequence": "SE",
            "SequenceVariant": "NONE",
            "ScanOptions": None,
            "MRAcquisitionType": "2D",
            "RepetitionTime": 500,
            "EchoTime": 10,
            "EchoTrainLength": 1,
            "AcquisitionNumber": 1,
        },
    ),
    "PT": (
        PositronEmissionTomographyImageStorage,
        {
            "ImageType": ["ORIGINAL", "PRIMARY"],
            "Units": "BQML",
            "CountsSource": "EMISSION",
            "SeriesType": ["STATIC", "IMAGE"],
            "CorrectedImage": ["DECY", "ATTN", "SCAT"],
            "DecayCorrection": "START",
            "CollimatorType": "NONE",
            "ActualFrameDuration": 120000,
            "FrameReferenceTime": 60000,
            "RadiopharmaceuticalInformationSequence": [],
            "PatientOrientationCodeSequence": [],
            "PatientGantryRelationshipCodeSequence": [],
            "PatientPosition": ...,  # PET has the code sequences in its place
            "AcquisitionDate": "20240101",
            "AcquisitionTime": "120130",
            "DecayFactor": 1,
            "RescaleSlope": 1,
            "RescaleIntercept": 0,
        },
    ),
    "SC": (SecondaryCaptureImageStorage, {"ConversionType": "WSD"}),
}
COMMON: dict[str, Any] = {
    "SpecificCharacterSet": "ISO_IR 100",
    "PatientName": "SYNTHETIC^SERIES",
    "PatientID": "SYNTHETIC-1",
    "PatientBirthDate": "19700101",
    "PatientSex": "O",
    "StudyDate": "20240101",
    "StudyTime": "120000",
    "StudyID": "1",
    "AccessionNumber": "A1",
    "ReferringPhysicianName": None,
    "StudyDescription": "SYNTHETIC STUDY",
    "SeriesNumber": 1,
    "SeriesDescription": "SYNTHETIC SERIES",
    "SeriesDate": "20240101",
    "SeriesTime": "120100",
    "ContentDate": "20240101",
    "ContentTime": "120200",
    "Manufacturer": "NONE",
    "Laterality": None,
}
IN_PATIENT: dict[str, Any] = {
    "PatientPosition": "HFS",
    "PositionReferenceIndicator": None,
    "ImageOrientationPatient": list(AXIAL),
    "PixelSpacing": list(PIXEL_SPACING_MM),
    "SliceThickness": SPACING_MM,
}


@dataclass(frozen=True, eq=False)
class Faulty:
    """A faulty series on disk.

    ``expected`` holds modality values, float64, (slices, rows, columns) ascending along the normal, with
    the time axis first for `two_time_points`: what a faithful reader gives, where the fault leaves that
    defined.  ``distances`` are mm along the normal of each expected slice, from the first one.
    """

    folder: Path
    files: list[Path]
    expected: NDArray[np.float64]
    distances: NDArray[np.float64]


def stored_values(
    shape: tuple[int, ...] = SHAPE, signed: bool = False, bits_stored: int = 12
) -> NDArray[Any]:
    """Stored values that use the whole range and differ in every slice, row and column; seeded."""
    lower, upper = (-(1 << bits_stored - 1), 1 << bits_stored - 1) if signed else (0, 1 << bits_stored)
    bytes_ = 1 if bits_stored <= 8 else 2 if bits_stored <= 16 else 4
    values = np.random.default_rng(7).integers(lower, upper, shape)
    values.flat[0], values.flat[-1] = lower, upper - 1
    return values.astype(f"{'i' if signed else 'u'}{bytes_}")


def write_series(
    folder: Path,
    array: NDArray[Any],
    *,
    modality: str = "CT",
    bits_stored: int | None = None,
    syntax: str = "explicit",
    spacing: float = SPACING_MM,
    common: Mapping[str, Any] | None = None,
    each: Sequence[Mapping[str, Any]] | None = None,
) -> list[Path]:
    """Write stored values (slices, rows, columns[, 3]) as one file a slice; returns the files in that order.

    The dtype of the array decides BitsAllocated and PixelRepresentation (a float becomes Float Pixel Data).
    ``common`` overrides attributes of all slices, ``each`` those of one; a value of ``...`` (Ellipsis)
    leaves the attribute out.  Slices lie ``spacing`` mm apart along the normal of the orientation in
    ``common``, the first at the position in ``common`` or `ORIGIN_MM`.  Several calls with the same
    ``SeriesInstanceUID`` in ``common`` make one series, in one folder or several.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shared = _shared(array, modality, bits_stored) | dict(common or {})
    positions = _positions(shared, len(array), spacing) if modality != "SC" else None
    first = len(list(folder.glob("*.dcm")))
    files = []
    for index, pixels in enumerate(array):
        values = shared | {
            "SOPInstanceUID": generate_uid(prefix=None),
            "InstanceNumber": index + 1,
        }
        if modality == "PT":
            values |= {"NumberOfSlices": len(array), "ImageIndex": index + 1}
        if positions is not None:
            values["ImagePositionPatient"] = [f"{value:.10g}" for value in positions[index]]
        values |= dict(each[index]) if each is not None else {}
        file = folder / f"{first + index + 1:04d}.dcm"
        _write(file, {key: value for key, value in values.items() if value is not ...}, pixels, syntax)
        files.append(file)
    return files


def write_repetitions(
    folder: Path,
    array: NDArray[Any],
    steps: Sequence[Mapping[str, Any]],
    *,
    order: str = "volume",
    without: Sequence[tuple[int, int]] = (),
    numbers: Sequence[int] | None = None,
    modality: str = "MR",
    common: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write (repetitions, slices, rows, columns) as one series; returns the files as acquired.

    ``steps`` are the attributes of each repetition.  ``order`` "volume" acquires one repetition after the
    other, "slice" all repetitions of a slice before the next.  ``without`` are (repetition, slice) that are
    not there.  InstanceNumber counts as planned, or is ``numbers``, one for each image of the plan.
    """
    repetitions, slices = array.shape[:2]
    plan = [(r, s) for r in range(repetitions) for s in range(slices)]
    if order == "slice":
        plan.sort(key=lambda pair: (pair[1], pair[0]))
    there = [(index, *pair) for index, pair in enumerate(plan) if pair not in without]
    each = [
        {
            "InstanceNumber": index + 1 if numbers is None else numbers[index],
            "ImagePositionPatient": _at(s * SPACING_MM),
            **steps[r],
        }
        for index, r, s in there
    ]
    pixels = np.stack([array[r, s] for _, r, s in there])
    return write_series(folder, pixels, modality=modality, common=common, each=each)


def _shared(array: NDArray[Any], modality: str, bits_stored: int | None) -> dict[str, Any]:
    sop_class, own = CLASSES[modality]
    bits = array.dtype.itemsize * 8
    colour = array.ndim == 4
    values: dict[str, Any] = {
        "SOPClassUID": sop_class,
        "Modality": "OT" if modality == "SC" else modality,
        "StudyInstanceUID": generate_uid(prefix=None),
        "SeriesInstanceUID": generate_uid(prefix=None),
        "SamplesPerPixel": 3 if colour else 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "Rows": array.shape[1],
        "Columns": array.shape[2],
        "BitsAllocated": bits,
    }
    if colour:
        values["PlanarConfiguration"] = 0
    if array.dtype.kind in "iu":
        values |= {
            "BitsStored": bits_stored or bits,
            "HighBit": (bits_stored or bits) - 1,
            "PixelRepresentation": int(array.dtype.kind == "i"),
        }
    place = {} if modality == "SC" else IN_PATIENT | {"FrameOfReferenceUID": generate_uid(prefix=None)}
    return COMMON | place | own | values


def _positions(shared: dict[str, Any], count: int, spacing: float) -> NDArray[np.float64]:
    orientation = np.array(shared["ImageOrientationPatient"], float)
    normal = np.cross(orientation[:3], orientation[3:])
    first = np.array(shared.get("ImagePositionPatient", ORIGIN_MM), float)
    return np.asarray(first + np.arange(count)[:, None] * spacing * normal)


def _write(file: Path, values: Mapping[str, Any], pixels: NDArray[Any], syntax: str) -> None:
    uid = NATIVE_SYNTAXES[syntax]
    data_set = Dataset()
    for keyword, value in values.items():
        setattr(data_set, keyword, value)
    little = pixels.astype(pixels.dtype.newbyteorder("<" if uid.is_little_endian else ">"))
    raw = little.tobytes()
    raw += bytes(len(raw) % 2)
    if pixels.dtype.kind == "f":
        data_set.add_new(
            *(("FloatPixelData", "OF") if pixels.itemsize == 4 else ("DoubleFloatPixelData", "OD")), raw
        )
    else:
        data_set.add_new("PixelData", "OB" if pixels.itemsize == 1 and not uid.is_implicit_VR else "OW", raw)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = data_set.SOPClassUID
    meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    meta.TransferSyntaxUID = uid
    data_set.file_meta = meta
    dcmwrite(file, data_set, enforce_file_format=True)


# --- faulty series, six slices each -----------------------------------------------------------------------


def varying_slope(folder: Path) -> Faulty:
    """A PET whose slope is 1 in the first slice and a fraction in the others: integers cannot hold it."""
    array = stored_values(signed=True, bits_stored=16)
    slopes = [1.0, 1.25, 0.37, 2.013, 0.5, 3.1415]
    files = write_series(folder, array, modality="PT", each=[{"RescaleSlope": slope} for slope in slopes])
    return Faulty(folder, files, array * np.array(slopes)[:, None, None], _even())


def shuffled_instance_numbers(folder: Path) -> Faulty:
    """InstanceNumber and file name in no relation to the position."""
    array, order = stored_values(), [3, 0, 5, 1, 4, 2]
    each = [
        {"ImagePositionPatient": _at(place * SPACING_MM), "InstanceNumber": number}
        for place, number in zip(order, [2, 6, 1, 5, 3, 4], strict=True)
    ]
    files = write_series(folder, array, each=each)
    return Faulty(folder, files, _hu(array[np.argsort(order)]), _even())


def gap(folder: Path) -> Faulty:
    """Slices at 0, 1, 2, 4, 5, 6 spacings: one is missing."""
    array, places = stored_values(), np.array([0, 1, 2, 4, 5, 6]) * SPACING_MM
    files = write_series(folder, array, each=[{"ImagePositionPatient": _at(place)} for place in places])
    return Faulty(folder, files, _hu(array), places)


def duplicate_position(folder: Path) -> Faulty:
    """The third and the fourth slice lie at the same place with different pixels.

    ``expected`` is in file order: which of the two is right is not defined.
    """
    array, places = stored_values(), np.array([0, 1, 2, 2, 3, 4]) * SPACING_MM
    files = write_series(folder, array, each=[{"ImagePositionPatient": _at(place)} for place in places])
    return Faulty(folder, files, _hu(array), places)


def identical_duplicate(folder: Path) -> Faulty:
    """The third slice was sent twice, with another UID: ``expected`` has it once, five slices in all."""
    array, places = stored_values(), np.array([0, 1, 2, 2, 3, 4]) * SPACING_MM
    array[3] = array[2]
    numbers = (1, 2, 3, 3, 4, 5)
    each = [
        {"ImagePositionPatient": _at(place), "InstanceNumber": number}
        for place, number in zip(places, numbers, strict=True)
    ]
    files = write_series(folder, array, each=each)
    kept = [0, 1, 2, 4, 5]
    return Faulty(folder, files, _hu(array[kept]), places[kept])


def tilted_20_degrees(folder: Path) -> Faulty:
    """The gantry tilted by 20 degrees: the table moves along z, the slices' normal does not."""
    array = stored_values()
    tilt = np.radians(20)
    orientation = [1.0, 0.0, 0.0, 0.0, float(np.cos(tilt)), float(np.sin(tilt))]
    each = [{"ImagePositionPatient": _at(index * SPACING_MM)} for index in range(len(array))]
    common = {
        "ImageOrientationPatient": [f"{value:.10g}" for value in orientation],
        "GantryDetectorTilt": 20,
    }
    files = write_series(folder, array, common=common, each=each)
    return Faulty(folder, files, _hu(array), _even() * np.cos(tilt))


def two_time_points(folder: Path) -> Faulty:
    """Three positions, each at two times, in one MR series; ``expected`` is (time, slice, row, column)."""
    array = stored_values()
    each = [
        {
            "ImagePositionPatient": _at(index % 3 * SPACING_MM),
            "TemporalPositionIdentifier": index // 3 + 1,
            "NumberOfTemporalPositions": 2,
            "AcquisitionNumber": index // 3 + 1,
            "AcquisitionTime": f"1200{index // 3 * 30:02d}",
        }
        for index in range(len(array))
    ]
    files = write_series(folder, array, modality="MR", each=each)
    return Faulty(folder, files, array.reshape(2, 3, *array.shape[1:]).astype(np.float64), _even()[:3])


def appended_localizer(folder: Path) -> Faulty:
    """Six axial slices and, last in the same series, a coronal localizer; ``expected`` is the six."""
    array = stored_values()
    same = {
        key: generate_uid(prefix=None)
        for key in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
    }
    files = write_series(folder, array, common=same)
    localizer = {
        "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
        "ImageOrientationPatient": [1.0, 0.0, 0.0, 0.0, 0.0, -1.0],
        "InstanceNumber": 7,
    }
    files += write_series(folder, array[:1, ::-1], common=same, each=[localizer])
    return Faulty(folder, files, _hu(array), _even())


def anisotropic_pixels(folder: Path) -> Faulty:
    """Rows 2.0 mm and columns 0.5 mm apart: mixed up, the image is squeezed sixteenfold."""
    array = stored_values()
    files = write_series(folder, array, common={"PixelSpacing": [2.0, 0.5]})
    return Faulty(folder, files, _hu(array), _even())


def first_slice_positive_then_negative_hu(folder: Path) -> Faulty:
    """Unsigned stored values whose first slice has no negative HU: a type chosen by it wraps the others."""
    array = stored_values()
    array[0] = array[0] % 1024 + 1024
    array[1:] //= 4
    files = write_series(folder, array, bits_stored=12)
    return Faulty(folder, files, _hu(array), _even())


FAULTS = (
    varying_slope,
    shuffled_instance_numbers,
    gap,
    duplicate_position,
    identical_duplicate,
    tilted_20_degrees,
    two_time_points,
    appended_localizer,
    anisotropic_pixels,
    first_slice_positive_then_negative_hu,
)


def _hu(stored: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(stored.astype(np.float64) - 1024)


def _even() -> NDArray[np.float64]:
    return np.arange(SHAPE[0], dtype=np.float64) * SPACING_MM


def _at(z: float) -> list[float]:
    """The usual origin, moved up by ``z`` mm."""
    return [ORIGIN_MM[0], ORIGIN_MM[1], ORIGIN_MM[2] + float(z)]
