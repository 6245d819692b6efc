"""The JSON beside a NIfTI file: how images were acquired, by BIDS' names, in BIDS' units.

Names and values are those of dcm2niix, so that programs which read its files read these.  Nothing names the
patient, the physician or the institution.  A pure function of attributes by DICOM keyword.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dicomarray.formats.bids_mr import describe_mr
from dicomarray.formats.bids_pet import describe_pet, tracer
from dicomarray.formats.bids_values import (
    COMPONENT,
    EXCITATION_MS,
    IMAGE_TYPE_TEXT,
    INVERSION_MS,
    Attributes,
    clock,
    maker_of,
    number,
    positive,
    rounded,
    seconds_of_day,
    text_of,
    words_of,
)
from dicomarray.version import __version__

# What has the same value in BIDS, by BIDS' name, and the attributes that have another name than that.
_SAME = (
    "Modality", "MagneticFieldStrength", "ManufacturersModelName", "DeviceSerialNumber", "StationName",
    "BodyPart", "PatientPosition", "SoftwareVersions", "MRAcquisitionType", "StudyDescription",
    "SeriesDescription", "ProtocolName", "ScanningSequence", "SequenceVariant", "ScanOptions",
    "SequenceName", "SeriesNumber", "AcquisitionNumber", "RadionuclidePositronFraction",
    "RadionuclideHalfLife", "DoseCalibrationFactor", "ConvolutionKernel", "DecayCorrection",
    "AttenuationCorrectionMethod", "RandomsCorrectionMethod", "ScatterCorrectionMethod",
    "ReconstructionMethod", "XRayTubeCurrent", "SAR", "FlipAngle", "ReceiveCoilName", "PercentPhaseFOV",
    "PercentSampling", "PixelBandwidth", "ParallelAcquisitionTechnique",
)  # fmt: skip
_KEYWORDS = {
    "ManufacturersModelName": "ManufacturerModelName",
    "BodyPart": "BodyPartExamined",
    "PercentPhaseFOV": "PercentPhaseFieldOfView",
}
# The same, in another unit: milliseconds are seconds, Bq are MBq.
_SCALED = (
    ("RepetitionTime", "RepetitionTime", 1e-3),
    ("RepetitionTimeExcitation", EXCITATION_MS, 1e-3),
    ("RepetitionTimeInversion", INVERSION_MS, 1e-3),
    ("ExposureTime", "ExposureTime", 1e-3),
    ("InjectedRadioactivity", "RadionuclideTotalDose", 1e-6),
)
# Numbers of which 0 says that nobody knows, or that there is none.
_NOT_ZERO = frozenset((
    "MagneticFieldStrength", "ImagingFrequency", "SeriesNumber", "AcquisitionNumber",
    "RadionuclidePositronFraction", "RadionuclideHalfLife", "DoseCalibrationFactor", "XRayTubeCurrent", "SAR",
    "FlipAngle", "PercentPhaseFOV", "PercentSampling", "PixelBandwidth", "EchoTime",
    "RepetitionTime", "RepetitionTimeExcitation", "RepetitionTimeInversion", "InversionTime", "ExposureTime",
    "InjectedRadioactivity",
))  # fmt: skip
# Further attributes that the rest of this module asks for.
_OTHERS = (
    "EchoTime", "ImagingFrequency", "InversionTime", "Manufacturer", "ImageType", "AcquisitionTime",
    "AcquisitionDateTime", "EffectiveEchoTime",
    "InversionTimes", "SliceThickness", "SpacingBetweenSlices", "NumberOfAverages", "EchoNumbers",
    "EchoTrainLength", "NumberOfPhaseEncodingSteps", "MRAcquisitionPhaseEncodingStepsInPlane",
    "MRAcquisitionPhaseEncodingStepsOutOfPlane", "MRAcquisitionFrequencyEncodingSteps", "AcquisitionMatrix",
    "InPlanePhaseEncodingDirection", "ImageOrientationPatient", "Rows", "Columns", "Exposure",
    "ExposureInuAs", "RadiopharmaceuticalInformationSequence", "Units", "SeriesTime", "DecayFactor",
    "ActualFrameDuration", "FrameReferenceTime", "ScatterFractionFactor", "TransmitterFrequency",
    "AcquisitionDuration", "ParallelReductionFactorInPlane", "ParallelReductionFactorOutOfPlane",
    "EchoPlanarPulseSequence", "PulseSequenceName", "PixelSpacing", "ImagerPixelSpacing",
    "NominalScannedPixelSpacing", "Radiopharmaceutical", "PartialFourierDirection", "MagnetizationTransfer",
    "Spoiling", "RadiopharmaceuticalSpecificActivity", "RealWorldValueMappingSequence", "RescaleSlope",
    "RescaleIntercept",
)  # fmt: skip
# What has to be known of an image.
NAMES = tuple(
    name
    for name in dict.fromkeys(
        (*(_KEYWORDS.get(one, one) for one in _SAME), *(one for _, one, _ in _SCALED), *_OTHERS)
    )
    if not name.startswith("(")
)
_X_RAY = ("CT", "CR", "DX", "MG", "XA", "RF")
# UIH gives the frequency in Hz, which no scanner reaches in MHz.
_GREATEST_MHZ = 9e6


def describe(known: Attributes, repetitions: int = 1, echo: int | None = None) -> dict[str, Any]:
    """What the JSON says of images with these attributes.

    Parameters
    ----------
    known
        By DICOM keyword, those of `NAMES`, of one image of the volume.
    repetitions
        How many steps the volume has.
    echo
        Which echo it is, where the series has other volumes of other echoes.
    """
    known = {**known, **tracer(known)}
    found: dict[str, Any] = {}
    for part in (
        _plain(known),
        _computed(known, echo),
        describe_mr(known),
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
    for name in _SAME:
        value = text_of(known.get(_KEYWORDS.get(name, name)))
        if value is not None and value != "":
            found[name] = value
    for name, keyword, factor in _SCALED:
        if (value := number(known, keyword)) is not None:
            found[name] = rounded(value * factor)
    return {name: value for name, value in found.items() if not (name in _NOT_ZERO and value == 0)}


def _protocol(known: Attributes) -> str | None:
    """Protocol Name; where there is none, what says the same in other words."""
    for keyword in ("ProtocolName", "SeriesDescription", "SequenceName"):
        value = text_of(known.get(keyword))
        # Siemens' Sequence Name differs from image to image
        if value and not (keyword == "SequenceName" and maker_of(known) == "Siemens"):
            return str(value)
    return None


def _computed(known: Attributes, which_echo: int | None) -> dict[str, Any]:
    x_ray = known.get("Modality") in _X_RAY
    image_type = known.get("ImageType")
    words = image_type if isinstance(image_type, tuple) else (image_type,)
    moment = seconds_of_day(known.get("AcquisitionTime") or known.get("AcquisitionDateTime"))
    echo = number(known, "EchoTime") or number(known, "EffectiveEchoTime")
    inversion = number(known, "InversionTime") or number(known, "InversionTimes")
    averages, echo_number = number(known, "NumberOfAverages"), number(known, "EchoNumbers")
    exposure = number(known, "Exposure")
    frequency = number(known, "ImagingFrequency") or number(known, "TransmitterFrequency")
    return {
        "Manufacturer": maker_of(known),
        "ProtocolName": _protocol(known),
        "ImagingFrequency": frequency if frequency and 0 < frequency < _GREATEST_MHZ else None,
        "ImageType": _image_type(words, str(known.get(COMPONENT) or "")),
        "NonlinearGradientCorrection": _corrected((*words, *words_of(known, IMAGE_TYPE_TEXT))),
        "SequenceName": text_of(known.get("SequenceName")) or text_of(known.get("PulseSequenceName")) or None,
        "RawImage": False if words[0] == "DERIVED" else None,
        "AcquisitionTime": None if moment is None else clock(moment),
        "EchoTime": None if x_ray or not echo else rounded(echo / 1000),
        "InversionTime": rounded(inversion / 1000) if inversion else None,
        "NumberOfAverages": rounded(averages) if averages and averages > 1 else None,
        "EchoNumber": which_echo or (int(echo_number) if echo_number and echo_number > 1 else None),
        "XRayExposure": rounded(exposure) if x_ray and exposure else None,
        # varies among slices of a CT that has an exposure
        "SliceThickness": None if x_ray and exposure else positive(known, "SliceThickness"),
        "SpacingBetweenSlices": None if x_ray and exposure else positive(known, "SpacingBetweenSlices"),
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
