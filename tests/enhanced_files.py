"""Multi-frame objects made in code, and PET series: enhanced CT, MR, PT, concatenations, cine loops, dose.

Functional groups are written as plain mappings: a mapping stands for a sequence of one item, a list of
mappings for one of several.  Everything is written with pydicom and read by nobody here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import (
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    ExplicitVRLittleEndian,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
    RTDoseStorage,
    UltrasoundMultiFrameImageStorage,
    XRayAngiographicImageStorage,
    generate_uid,
)

import synthetic
from synthetic import AXIAL, ORIGIN_MM, PIXEL_SPACING_MM, SPACING_MM

Group = Mapping[str, Any]

CLASSES = {
    "CT": (EnhancedCTImageStorage, "CT"),
    "MR": (EnhancedMRImageStorage, "MR"),
    "PT": (EnhancedPETImageStorage, "PT"),
    "legacy CT": (LegacyConvertedEnhancedCTImageStorage, "CT"),
    "legacy MR": (LegacyConvertedEnhancedMRImageStorage, "MR"),
    "legacy PT": (LegacyConvertedEnhancedPETImageStorage, "PT"),
    "US": (UltrasoundMultiFrameImageStorage, "US"),
    "XA": (XRayAngiographicImageStorage, "XA"),
    "RTDOSE": (RTDoseStorage, "RTDOSE"),
}

# --- functional groups (PS3.3 C.7.6.16.2) -----------------------------------------------------------------


def at(z: float, x: float = 0.0, y: float = 0.0) -> Group:
    """Plane Position: the usual origin, moved by so many mm."""
    position = [ORIGIN_MM[0] + x, ORIGIN_MM[1] + y, ORIGIN_MM[2] + z]
    return {"PlanePositionSequence": {"ImagePositionPatient": [f"{v:.10g}" for v in position]}}


def turned(orientation: Sequence[float]) -> Group:
    """Plane Orientation."""
    return {"PlaneOrientationSequence": {"ImageOrientationPatient": [f"{v:.10g}" for v in orientation]}}


def measured(
    pixel_spacing: Sequence[float] = PIXEL_SPACING_MM, thickness: float | None = SPACING_MM
) -> Group:
    """Pixel Measures."""
    values: dict[str, Any] = {"PixelSpacing": list(pixel_spacing)}
    return {"PixelMeasuresSequence": values | ({} if thickness is None else {"SliceThickness": thickness})}


def rescaled(slope: float, intercept: float, kind: str = "US") -> Group:
    """Pixel Value Transformation."""
    return {
        "PixelValueTransformationSequence": {
            "RescaleSlope": f"{slope:.10g}",
            "RescaleIntercept": f"{intercept:.10g}",
            "RescaleType": kind,
        }
    }


def content(**values: Any) -> Group:
    """Frame Content: StackID, InStackPositionNumber, TemporalPositionIndex, DimensionIndexValues, ..."""
    return {"FrameContentSequence": values}


def echo(milliseconds: float) -> Group:
    """MR Echo."""
    return {"MREchoSequence": {"EffectiveEchoTime": milliseconds}}


def weighted(b_value: float, direction: Sequence[float] | None = None) -> Group:
    """MR Diffusion: undirected (b = 0), or along a direction."""
    values: dict[str, Any] = {"DiffusionBValue": b_value, "DiffusionDirectionality": "NONE"}
    if direction is not None:
        values["DiffusionDirectionality"] = "DIRECTIONAL"
        values["DiffusionGradientDirectionSequence"] = {"DiffusionGradientOrientation": list(direction)}
    return {"MRDiffusionSequence": values}


def typed(component: str, *frame_type: str) -> Group:
    """MR Image Frame Type with its Complex Image Component."""
    values = {"FrameType": list(frame_type or ("ORIGINAL", "PRIMARY", "VOLUME", "NONE"))}
    return {"MRImageFrameTypeSequence": values | {"ComplexImageComponent": component}}


# --- objects ----------------------------------------------------------------------------------------------


def write_enhanced(
    file: Path,
    array: NDArray[Any],
    frames: Sequence[Group] | None = None,
    *,
    kind: str = "MR",
    shared: Group | None = None,
    common: Mapping[str, Any] | None = None,
) -> Path:
    """Write stored values (frames, rows, columns) as one enhanced object with a functional group a frame.

    Without ``frames`` they lie `SPACING_MM` apart along z.  ``shared`` replaces single shared groups, by
    default orientation and pixel measures (None leaves a group out); ``frames=[]`` writes no group at all.
    """
    if frames is None:
        frames = [at(index * SPACING_MM) for index in range(len(array))]
    groups = {**turned(AXIAL), **measured(), **(shared or {})}
    values = _common(array, kind) | {
        "SharedFunctionalGroupsSequence": {key: value for key, value in groups.items() if value is not None},
        "PerFrameFunctionalGroupsSequence": list(frames) or ...,
    }
    return _write(file, values | dict(common or {}), array)


def write_concatenation(
    folder: Path, array: NDArray[Any], sizes: Sequence[int], *, names: Sequence[str], kind: str = "MR"
) -> list[Path]:
    """Write one enhanced object in several files with so many frames each (PS3.3 C.7.6.16)."""
    folder.mkdir(parents=True, exist_ok=True)
    same = {
        "SeriesInstanceUID": generate_uid(prefix=None),
        "StudyInstanceUID": generate_uid(prefix=None),
        "FrameOfReferenceUID": generate_uid(prefix=None),
        "ConcatenationUID": generate_uid(prefix=None),
        "SOPInstanceUIDOfConcatenationSource": generate_uid(prefix=None),
        "InConcatenationTotalNumber": len(sizes),
    }
    files, offset = [], 0
    for number, (size, name) in enumerate(zip(sizes, names, strict=True), 1):
        part = {"InConcatenationNumber": number, "ConcatenationFrameOffsetNumber": offset}
        frames = [at(index * SPACING_MM) for index in range(offset, offset + size)]
        pixels = array[offset : offset + size]
        files.append(write_enhanced(folder / name, pixels, frames, kind=kind, common=same | part))
        offset += size
    return files


def write_cine(
    file: Path, array: NDArray[Any], kind: str = "US", common: Mapping[str, Any] | None = None
) -> Path:
    """Write frames without a place in the patient as one object."""
    values = _common(array, kind) | {"FrameTime": "40", "FrameIncrementPointer": 0x00181063}
    return _write(file, values | {"FrameOfReferenceUID": ...} | dict(common or {}), array)


def write_dose(
    file: Path, array: NDArray[Any], offsets: Sequence[float], common: Mapping[str, Any] | None = None
) -> Path:
    """Write RT Dose planes at Grid Frame Offset Vector ``offsets`` (PS3.3 C.8.8.3)."""
    values = _common(array, "RTDOSE") | {
        "ImagePositionPatient": list(ORIGIN_MM),
        "ImageOrientationPatient": list(AXIAL),
        "PixelSpacing": list(PIXEL_SPACING_MM),
        "SliceThickness": None,
        "FrameIncrementPointer": 0x3004000C,
        "GridFrameOffsetVector": list(offsets),
        "DoseGridScaling": "0.00025",
        "DoseUnits": "GY",
        "DoseType": "PHYSICAL",
        "DoseSummationType": "PLAN",
    }
    return _write(file, values | dict(common or {}), array)


def write_pet(
    folder: Path,
    array: NDArray[Any],
    *,
    slopes: Sequence[float] | None = None,
    isotope: Mapping[str, Any] | None = None,
    common: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write a classic PET series in Bq/ml of a patient of 70 kg, who got 350 MBq of F-18.

    Injected at 11:01:00, scanned at 12:01:00 (series and acquisition), decay corrected to the scan's start.
    A value of ``...`` in ``isotope`` leaves the attribute out.
    """
    item = Dataset()
    for keyword, value in (
        {
            "RadiopharmaceuticalStartTime": "110100",
            "RadionuclideTotalDose": "350000000",
            "RadionuclideHalfLife": "6586.2",
        }
        | dict(isotope or {})
    ).items():
        if value is not ...:
            setattr(item, keyword, value)
    values = {
        "PatientWeight": "70",
        "SeriesTime": "120100",
        "AcquisitionTime": "120100",
        "RadiopharmaceuticalInformationSequence": [item],
    }
    each = [{"RescaleSlope": f"{slope:.10g}"} for slope in slopes or [1.0] * len(array)]
    return synthetic.write_series(folder, array, modality="PT", common=values | dict(common or {}), each=each)


def pet_factor(weight_kg: float = 70.0, dose_bq: float = 350e6, seconds: float = 3600.0) -> float:
    """SUVbw for one Bq/ml of `write_pet`: weight in g over the dose that is left (QIBA)."""
    return float(weight_kg * 1000.0 / (dose_bq * 0.5 ** (seconds / 6586.2)))


def _common(array: NDArray[Any], kind: str) -> dict[str, Any]:
    sop_class, modality = CLASSES[kind]
    bits = array.dtype.itemsize * 8
    colour = array.ndim == 4
    return synthetic.COMMON | {
        "SOPClassUID": sop_class,
        "SOPInstanceUID": generate_uid(prefix=None),
        "StudyInstanceUID": generate_uid(prefix=None),
        "SeriesInstanceUID": generate_uid(prefix=None),
        "FrameOfReferenceUID": generate_uid(prefix=None),
        "Modality": modality,
        "PatientPosition": "HFS",
        "InstanceNumber": 1,
        "ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        "SamplesPerPixel": 3 if colour else 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "PlanarConfiguration": 0 if colour else ...,
        "NumberOfFrames": len(array),
        "Rows": array.shape[1],
        "Columns": array.shape[2],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(array.dtype.kind == "i"),
    }


def _write(file: Path, values: Mapping[str, Any], array: NDArray[Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    data_set = _item({key: value for key, value in values.items() if value is not ...})
    raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
    data_set.add_new("PixelData", "OB" if array.itemsize == 1 else "OW", raw + bytes(len(raw) % 2))
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.MediaStorageSOPClassUID = data_set.SOPClassUID
    data_set.file_meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dcmwrite(file, data_set, enforce_file_format=True)
    return file


def _item(values: Mapping[str, Any]) -> Dataset:
    """A data set of plain values; see the module's docstring for sequences."""
    data_set = Dataset()
    for keyword, value in values.items():
        if isinstance(value, Mapping):
            setattr(data_set, keyword, [_item(value)])
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            setattr(data_set, keyword, [_item(item) for item in value])
        else:
            setattr(data_set, keyword, np.asarray(value).tolist() if isinstance(value, np.generic) else value)
    return data_set
