"""The JSON beside a NIfTI file: how images were acquired, by BIDS' names, in BIDS' units.

Names and values are those of dcm2niix, so that programs which read its files read these.  Nothing names the
patient, the physician or the institution.  A pure function of attributes by DICOM keyword.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dicomarray.formats.bids_pet import describe_pet, tracer
from dicomarray.formats.bids_values import Attributes, clock, number, rounded, seconds_of_day, text_of
from dicomarray.version import __version__

# What scanners write in private elements, under names of our own: whether the phase encoding runs along
# growing indices (1) or not (0); Hz a pixel; ns; microseconds; the component of complex values;
# further words of Image Type.
POSITIVE, BANDWIDTH, DWELL_TIME, GE_ECHO_SPACING, COMPONENT, IMAGE_TYPE_TEXT = (
    "(phase encoding positive)", "(bandwidth)", "(dwell time)", "(echo spacing of GE)", "(component)",
    "(image type)",
)  # fmt: skip
# BIDS' name, and the attribute that it is, where the value is the same.
_SAME = (
    ("Modality", "Modality"),
    ("MagneticFieldStrength", "MagneticFieldStrength"),
    ("ImagingFrequency", "ImagingFrequency"),
    ("ManufacturersModelName", "ManufacturerModelName"),
    ("DeviceSerialNumber", "DeviceSerialNumber"),
    ("StationName", "StationName"),
    ("BodyPart", "BodyPartExamined"),
    ("PatientPosition", "PatientPosition"),
    ("SoftwareVersions", "SoftwareVersions"),
    ("MRAcquisitionType", "MRAcquisitionType"),
    ("StudyDescription", "StudyDescription"),
    ("SeriesDescription", "SeriesDescription"),
    ("ProtocolName", "ProtocolName"),
    ("ScanningSequence", "ScanningSequence"),
    ("SequenceVariant", "SequenceVariant"),
    ("ScanOptions", "ScanOptions"),
    ("SequenceName", "SequenceName"),
    ("SeriesNumber", "SeriesNumber"),
    ("AcquisitionNumber", "AcquisitionNumber"),
    ("RadionuclidePositronFraction", "RadionuclidePositronFraction"),
    ("RadionuclideHalfLife", "RadionuclideHalfLife"),
    ("DoseCalibrationFactor", "DoseCalibrationFactor"),
    ("ConvolutionKernel", "ConvolutionKernel"),
    ("DecayCorrection", "DecayCorrection"),
    ("AttenuationCorrectionMethod", "AttenuationCorrectionMethod"),
    ("RandomsCorrectionMethod", "RandomsCorrectionMethod"),
    ("ScatterCorrectionMethod", "ScatterCorrectionMethod"),
    ("ReconstructionMethod", "ReconstructionMethod"),
    ("XRayTubeCurrent", "XRayTubeCurrent"),
    ("SAR", "SAR"),
    ("FlipAngle", "FlipAngle"),
    ("ReceiveCoilName", "ReceiveCoilName"),
    ("PercentPhaseFOV", "PercentPhaseFieldOfView"),
    ("PercentSampling", "PercentSampling"),
    ("PixelBandwidth", "PixelBandwidth"),
    ("ParallelAcquisitionTechnique", "ParallelAcquisitionTechnique"),
)
# The same, in another unit: milliseconds are seconds, Bq are MBq.
_SCALED = (
    ("RepetitionTime", "RepetitionTime", 1e-3),
    ("ExposureTime", "ExposureTime", 1e-3),
    ("InjectedRadioactivity", "RadionuclideTotalDose", 1e-6),
)
# Numbers of which 0 says that nobody knows, or that there is none.
_NOT_ZERO = frozenset((
    "MagneticFieldStrength", "ImagingFrequency", "SeriesNumber", "AcquisitionNumber",
    "RadionuclidePositronFraction", "RadionuclideHalfLife", "DoseCalibrationFactor", "XRayTubeCurrent", "SAR",
    "FlipAngle", "PercentPhaseFOV", "PercentSampling", "PixelBandwidth", "EchoTime",
    "RepetitionTime", "InversionTime", "ExposureTime", "InjectedRadioactivity",
))  # fmt: skip
# Manufacturer, by the word with which it begins, as dcm2niix has it.
_MANUFACTURERS = {
    "SIEMENS": "Siemens", "GE": "GE", "PHILIPS": "Philips", "TOSHIBA": "Toshiba", "CANON": "Canon",
    "UIH": "UIH", "UNITED IMAGING": "UIH", "BRUKER": "Bruker", "HITACHI": "Hitachi", "MEDISO": "Mediso",
    "MR SOLUTIONS": "MRSolutions", "HYPERFINE": "Hyperfine",
}  # fmt: skip
# Further attributes that the rest of this module asks for.
_OTHERS = (
    "EchoTime", "InversionTime", "Manufacturer", "ImageType", "AcquisitionTime", "AcquisitionDateTime",
    "EffectiveEchoTime",
    "InversionTimes", "SliceThickness", "SpacingBetweenSlices", "NumberOfAverages", "EchoNumbers",
    "EchoTrainLength", "NumberOfPhaseEncodingSteps", "MRAcquisitionPhaseEncodingStepsInPlane",
    "MRAcquisitionPhaseEncodingStepsOutOfPlane", "MRAcquisitionFrequencyEncodingSteps", "AcquisitionMatrix",
    "InPlanePhaseEncodingDirection", "ImageOrientationPatient", "Rows", "Columns", "Exposure",
    "ExposureInuAs", "RadiopharmaceuticalInformationSequence", "Units", "SeriesTime", "DecayFactor",
    "ActualFrameDuration", "FrameReferenceTime", "ScatterFractionFactor", "TransmitterFrequency",
    "AcquisitionDuration", "ParallelReductionFactorInPlane", "ParallelReductionFactorOutOfPlane",
    "EchoPlanarPulseSequence", "PulseSequenceName", "PixelSpacing", "ImagerPixelSpacing",
    "NominalScannedPixelSpacing", "Radiopharmaceutical",
)  # fmt: skip
# What has to be known of an image.
NAMES = tuple(dict.fromkeys((*(name for _, name in _SAME), *(name for _, name, _ in _SCALED), *_OTHERS)))
_X_RAY = ("CT", "CR", "DX", "MG", "XA", "RF")
# GE acquires whole groups of so many lines; twice as many with partial Fourier.
_GE_LINES = 2


def describe(known: Attributes, repetitions: int = 1, several_echoes: bool = False) -> dict[str, Any]:
    """What the JSON says of images with these attributes.

    Parameters
    ----------
    known
        By DICOM keyword, those of `NAMES`, of one image of the volume.
    repetitions
        How many steps the volume has.
    several_echoes
        Whether the series has other volumes of other echoes.
    """
    known = {**known, **tracer(known)}
    found: dict[str, Any] = {}
    for part in (
        _plain(known),
        _computed(known, several_echoes),
        _encoding(known),
        _readout(known),
        describe_pet(known, repetitions),
    ):
        found |= {name: value for name, value in part.items() if value is not None}
    found["ConversionSoftware"] = "dicomarray"
    found["ConversionSoftwareVersion"] = __version__
    return found


def write(path: Path, content: Mapping[str, Any]) -> None:
    """As JSON, UTF-8."""
    text = json.dumps(content, ensure_ascii=False, indent="\t", allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _plain(known: Attributes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, keyword in _SAME:
        value = text_of(known.get(keyword))
        if value is not None and value != "":
            found[name] = value
    for name, keyword, factor in _SCALED:
        if (value := number(known, keyword)) is not None:
            found[name] = rounded(value * factor)
    return {name: value for name, value in found.items() if not (name in _NOT_ZERO and value == 0)}


def _computed(known: Attributes, several_echoes: bool) -> dict[str, Any]:
    x_ray = known.get("Modality") in _X_RAY
    image_type = known.get("ImageType")
    words = image_type if isinstance(image_type, tuple) else (image_type,)
    moment = seconds_of_day(known.get("AcquisitionTime") or known.get("AcquisitionDateTime"))
    manufacturer = str(known.get("Manufacturer") or "").upper()
    echo = number(known, "EchoTime") or number(known, "EffectiveEchoTime")
    inversion = number(known, "InversionTime") or number(known, "InversionTimes")
    averages, echo_number = number(known, "NumberOfAverages"), number(known, "EchoNumbers")
    exposure = number(known, "Exposure")
    frequency = number(known, "ImagingFrequency") or number(known, "TransmitterFrequency")
    return {
        "Manufacturer": next(
            (name for word, name in _MANUFACTURERS.items() if manufacturer.startswith(word)), None
        )
        or (text_of(known.get("Manufacturer")) or None),
        "ImagingFrequency": frequency or None,
        "ImageType": _image_type(words, str(known.get(COMPONENT) or "")),
        "NonlinearGradientCorrection": _corrected((*words, *_listed_words(known, IMAGE_TYPE_TEXT))),
        "SequenceName": text_of(known.get("SequenceName")) or text_of(known.get("PulseSequenceName")) or None,
        "RawImage": False if words[0] == "DERIVED" else None,
        "AcquisitionTime": None if moment is None else clock(moment),
        "EchoTime": None if x_ray or not echo else rounded(echo / 1000),
        "InversionTime": rounded(inversion / 1000) if inversion else None,
        "NumberOfAverages": rounded(averages) if averages and averages > 1 else None,
        "EchoNumber": int(echo_number)
        if echo_number and (echo_number > 1 or (several_echoes and echo_number > 0))
        else None,
        "XRayExposure": rounded(exposure) if x_ray and exposure else None,
        "SliceThickness": None if x_ray else _positive(known, "SliceThickness"),
        "SpacingBetweenSlices": None if x_ray else _positive(known, "SpacingBetweenSlices"),
    }


def _image_type(words: Sequence[Any], component: str) -> list[str] | None:
    """The words of Image Type, and what component of complex values it is."""
    found = [part for word in words if isinstance(word, str) for part in str(word).split("_") if part]
    if component and not {component, "MIXED"} & set(found):
        found.append(component)
    return found or None


def _corrected(words: Sequence[Any]) -> bool | None:
    """Whether Siemens corrected for the gradients' bends."""
    if "DIS2D" in words or "DIS3D" in words:
        return True
    return False if "ND" in words else None


def _readout(known: Attributes) -> dict[str, Any]:
    """The time between lines and of all of them, as if the image had been acquired line by line.

    PS3.3 has no words for them; the formulas are those that BIDS and FSL's topup want, by bandwidth (Siemens)
    or by the spacing of echoes and the reduction by parallel imaging (GE).
    """
    bandwidth, spacing = number(known, BANDWIDTH), None
    lines, acquired = reconstructed_lines(known), acquired_lines(known)
    dwell = number(known, DWELL_TIME)
    if bandwidth and bandwidth > 0 and lines:
        spacing = 1 / (bandwidth * lines)
    elif (echo := number(known, GE_ECHO_SPACING)) and acquired and acquired > 1:
        reduction = number(known, "ParallelReductionFactorInPlane")
        whole = _GE_LINES * (2 if "PFF" in _listed_words(known, "ScanOptions") else 1)
        if reduction and reduction > 0:
            spacing = (math.ceil(acquired / reduction / whole) * whole - 1) * echo * 1e-6 / (acquired - 1)
    return {
        "BandwidthPerPixelPhaseEncode": rounded(bandwidth) if bandwidth else None,
        "EffectiveEchoSpacing": rounded(spacing) if spacing else None,
        "TotalReadoutTime": rounded(spacing * (lines - 1)) if spacing and lines else None,
        "DwellTime": rounded(dwell * 1e-9) if dwell else None,
    }


def _listed_words(known: Attributes, keyword: str) -> Sequence[Any]:
    value = known.get(keyword)
    return value if isinstance(value, tuple) else (value,)


def _positive(known: Attributes, keyword: str) -> float | None:
    value = number(known, keyword)
    return rounded(value) if value and value > 0 else None


def _encoding(known: Attributes) -> dict[str, Any]:
    """How the plane was encoded, in the words of DICOM's axes."""
    cosines = known.get("ImageOrientationPatient")
    orientation = [number({"one": one}, "one") for one in cosines] if isinstance(cosines, tuple) else []
    direction = phase_encoding(known)
    train = number(known, "EchoTrainLength")
    return {
        "EchoTrainLength": int(train) if train and train > 1 else None,
        "PhaseEncodingSteps": _whole(
            known, "NumberOfPhaseEncodingSteps", "MRAcquisitionPhaseEncodingStepsInPlane"
        ),
        "PhaseEncodingStepsOutOfPlane": _whole(known, "MRAcquisitionPhaseEncodingStepsOutOfPlane"),
        "FrequencyEncodingSteps": _whole(known, "MRAcquisitionFrequencyEncodingSteps"),
        "AcquisitionMatrixPE": acquired_lines(known),
        "ReconMatrixPE": reconstructed_lines(known) if known.get("Modality") == "MR" else None,
        "ParallelReductionFactorInPlane": _positive(known, "ParallelReductionFactorInPlane"),
        "ParallelReductionFactorOutOfPlane": _positive(known, "ParallelReductionFactorOutOfPlane"),
        "AcquisitionDuration": _positive(known, "AcquisitionDuration"),
        "ImageOrientationPatientDICOM": [rounded(one) for one in orientation if one is not None]
        if len(orientation) == 6 and None not in orientation
        else None,
        "InPlanePhaseEncodingDirectionDICOM": direction or None,
    }


def phase_encoding(known: Attributes) -> str:
    """``"ROW"``, ``"COL"``, or empty where nothing says it."""
    word = str(known.get("InPlanePhaseEncodingDirection") or "").upper()[:3]
    return word if word in ("ROW", "COL") else ""


def acquired_lines(known: Attributes) -> int | None:
    """Lines of phase encoding that were acquired: PS3.3 C.8.3.1, Acquisition Matrix."""
    matrix = known.get("AcquisitionMatrix")
    if isinstance(matrix, tuple) and len(matrix) == 4:
        found = [int(size) for size in matrix[2:] if isinstance(size, int | float) and size > 0]
        if found:
            return found[-1]
    if known.get("Modality") == "MR":
        return _whole(known, "MRAcquisitionPhaseEncodingStepsInPlane")
    return None


def reconstructed_lines(known: Attributes) -> int | None:
    """Pixels along the phase encoding."""
    rows, columns = number(known, "Rows"), number(known, "Columns")
    if not rows or not columns:
        return None
    direction = phase_encoding(known)
    if rows == columns or direction == "COL":
        return int(rows)
    return int(columns) if direction == "ROW" else acquired_lines(known)


def _whole(known: Attributes, *keywords: str) -> int | None:
    found = (number(known, keyword) for keyword in keywords)
    return next((int(value) for value in found if value and value > 0), None)
