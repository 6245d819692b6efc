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
# further words of Image Type;
POSITIVE, BANDWIDTH, DWELL_TIME, GE_ECHO_SPACING, COMPONENT, IMAGE_TYPE_TEXT = (
    "(phase encoding positive)", "(bandwidth)", "(dwell time)", "(echo spacing of GE)", "(component)",
    "(image type)",
)  # fmt: skip
# how many slices are excited together; what part of the lines was acquired, or that not all were; seconds
# without acquisition at the end of a repetition; ms of acquisition in a repetition, between excitations,
# between inversions; pixels between water and fat; UIH's word for the direction of phase encoding; the
# protocol of GE, and what its EPI is.
TOGETHER, PART, PARTIAL, DELAY, ACQUISITION_MS, EXCITATION_MS, INVERSION_MS = (
    "(slices together)", "(part of lines)", "(not all lines)", "(delay)", "(acquisition)", "(excitation)",
    "(inversion)",
)  # fmt: skip
WATER_FAT_SHIFT, DISPLAYED, GE_PROTOCOL = (
    "(water-fat shift)", "(displayed phase encoding)", "(protocol of GE)",
)  # fmt: skip
# BIDS' name, and the attribute that it is, where the value is the same.
_SAME = (
    ("Modality", "Modality"),
    ("MagneticFieldStrength", "MagneticFieldStrength"),
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
# Manufacturer, by the word with which it begins, as dcm2niix has it.
_MANUFACTURERS = {
    "SIEMENS": "Siemens", "GE": "GE", "PHILIPS": "Philips", "TOSHIBA": "Toshiba", "CANON": "Canon",
    "UIH": "UIH", "UNITED IMAGING": "UIH", "BRUKER": "Bruker", "HITACHI": "Hitachi", "MEDISO": "Mediso",
    "MR SOLUTIONS": "MRSolutions", "HYPERFINE": "Hyperfine",
}  # fmt: skip
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
    "RadiopharmaceuticalSpecificActivity",
)  # fmt: skip
# What has to be known of an image.
NAMES = tuple(
    name
    for name in dict.fromkeys((*(one for _, one in _SAME), *(one for _, one, _ in _SCALED), *_OTHERS))
    if not name.startswith("(")
)
_X_RAY = ("CT", "CR", "DX", "MG", "XA", "RF")
# GE acquires whole groups of so many lines; twice as many with partial Fourier.
_GE_LINES = 2
# Between water and fat, in parts per million.
_WATER_FAT_PPM = 3.4
# UIH gives the frequency in Hz, which no scanner reaches in MHz.
_GREATEST_MHZ = 9e6
_PARTIAL_DIRECTIONS = ("PHASE", "FREQUENCY", "SLICE_SELECT", "COMBINATION")


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
        _encoding(known),
        _readout(known),
        _parts(known),
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


def _maker(known: Attributes) -> str | None:
    """The manufacturer by one of the names that are known, or as it stands."""
    maker = str(known.get("Manufacturer") or "").upper()
    short = next((name for word, name in _MANUFACTURERS.items() if maker.startswith(word)), None)
    return short or text_of(known.get("Manufacturer")) or None


def _protocol(known: Attributes) -> str | None:
    """Protocol Name; where there is none, what says the same in other words."""
    for keyword in ("ProtocolName", "SeriesDescription", "SequenceName"):
        value = text_of(known.get(keyword))
        # Siemens' Sequence Name differs from image to image
        if value and not (keyword == "SequenceName" and _maker(known) == "Siemens"):
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
        "Manufacturer": _maker(known),
        "ProtocolName": _protocol(known),
        "ImagingFrequency": frequency if frequency and 0 < frequency < _GREATEST_MHZ else None,
        "ImageType": _image_type(words, str(known.get(COMPONENT) or "")),
        "NonlinearGradientCorrection": _corrected((*words, *_listed_words(known, IMAGE_TYPE_TEXT))),
        "SequenceName": text_of(known.get("SequenceName")) or text_of(known.get("PulseSequenceName")) or None,
        "RawImage": False if words[0] == "DERIVED" else None,
        "AcquisitionTime": None if moment is None else clock(moment),
        "EchoTime": None if x_ray or not echo else rounded(echo / 1000),
        "InversionTime": rounded(inversion / 1000) if inversion else None,
        "NumberOfAverages": rounded(averages) if averages and averages > 1 else None,
        "EchoNumber": which_echo or (int(echo_number) if echo_number and echo_number > 1 else None),
        "XRayExposure": rounded(exposure) if x_ray and exposure else None,
        # varies among slices of a CT that has an exposure
        "SliceThickness": None if x_ray and exposure else _positive(known, "SliceThickness"),
        "SpacingBetweenSlices": None if x_ray and exposure else _positive(known, "SpacingBetweenSlices"),
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
    whole_time = spacing * (lines - 1) if spacing and lines else None
    if _maker(known) == "UIH" and not spacing and (duration := number(known, "AcquisitionDuration")):
        whole_time = duration / 1000  # which is the time of a readout there
    return {
        "BandwidthPerPixelPhaseEncode": rounded(bandwidth) if bandwidth else None,
        "EffectiveEchoSpacing": rounded(spacing) if spacing else None,
        "TotalReadoutTime": rounded(whole_time) if whole_time else None,
        "DwellTime": rounded(dwell * 1e-9) if dwell else None,
        **({} if spacing else _estimated_readout(known, lines)),
    }


def _estimated_readout(known: Attributes, lines: int | None) -> dict[str, Any]:
    """What Philips' shift between water and fat tells of the readout, which says no more of it."""
    shift, train = number(known, WATER_FAT_SHIFT), number(known, "EchoTrainLength")
    frequency = number(known, "ImagingFrequency") or number(known, "TransmitterFrequency")
    found: dict[str, Any] = {"WaterFatShift": rounded(shift) if shift else None}
    if shift and frequency and frequency > 0 and train and train > 0 and lines and lines > 1:
        total = shift / (frequency * _WATER_FAT_PPM * (train + 1)) * train
        found["EstimatedEffectiveEchoSpacing"] = rounded(total / (lines - 1))
        found["EstimatedTotalReadoutTime"] = rounded(total)
    return found


def _parts(known: Attributes) -> dict[str, Any]:
    """What was left out, or acquired together, so that acquiring takes less time."""
    part = number(known, PART)
    if part is None:
        part = _part_of_lines(known)
    word = str(known.get("PartialFourierDirection") or "").upper()
    delay, together = number(known, DELAY), number(known, TOGETHER)
    transfer = str(known.get("MagnetizationTransfer") or "").upper()
    positive = known.get(POSITIVE)
    return {
        "PartialFourier": rounded(part) if part and part < 1 else None,
        "PartialFourierDirection": next((one for one in _PARTIAL_DIRECTIONS if word and one == word), None),
        "PartialFourierEnabled": "YES" if known.get(PARTIAL) is True else None,
        "DelayTime": rounded(delay) if delay else None,
        "MultibandAccelerationFactor": int(together) if together and together > 1 else None,
        "MTState": {"ON": True, "OF": True, "NO": False}.get(transfer[:2]),
        "PhaseEncodingDirectionDisplayed": text_of(known.get(DISPLAYED)) or None,
        "PhaseEncodingPolarityGE": ("Flipped", "Unflipped")[bool(positive)]
        if _maker(known) == "GE" and positive is not None
        else None,
    }


def _part_of_lines(known: Attributes) -> float | None:
    """The part of the lines that an echo train of Siemens acquires, where no protocol says it."""
    lines = acquired_lines(known) or _whole(known, "MRAcquisitionPhaseEncodingStepsInPlane")
    train = number(known, "EchoTrainLength") or 0.0
    flat = not str(known.get("MRAcquisitionType") or "").startswith("3")
    if _maker(known) != "Siemens" or not flat or not lines or not lines > train > 1:
        return None
    return train / (lines / max(number(known, "ParallelReductionFactorInPlane") or 1.0, 1.0))


def _listed_words(known: Attributes, keyword: str) -> Sequence[Any]:
    value = known.get(keyword)
    return value if isinstance(value, tuple) else (value,)


def _positive(known: Attributes, keyword: str) -> float | None:
    value = number(known, keyword)
    return rounded(value) if value and value > 0 else None


def _at_least_one(known: Attributes, keyword: str) -> float | None:
    value = number(known, keyword)
    return rounded(value) if value and value >= 1 else None


def _encoding(known: Attributes) -> dict[str, Any]:
    """How the plane was encoded, in the words of DICOM's axes."""
    cosines = known.get("ImageOrientationPatient")
    orientation = [number({"one": one}, "one") for one in cosines] if isinstance(cosines, tuple) else []
    direction = phase_encoding(known)
    train = number(known, "EchoTrainLength")
    steps = _whole(known, "NumberOfPhaseEncodingSteps", "MRAcquisitionPhaseEncodingStepsInPlane")
    partial = known.get(PARTIAL) is True
    return {
        "EchoTrainLength": int(train) if train and train > 1 else None,
        "PhaseEncodingSteps": None if partial else steps,
        "PhaseEncodingStepsNoPartialFourier": steps if partial else None,
        "PhaseEncodingStepsOutOfPlane": _whole(known, "MRAcquisitionPhaseEncodingStepsOutOfPlane"),
        "FrequencyEncodingSteps": _whole(known, "MRAcquisitionFrequencyEncodingSteps"),
        "AcquisitionMatrixPE": acquired_lines(known),
        "ReconMatrixPE": reconstructed_lines(known) if known.get("Modality") == "MR" else None,
        "ParallelReductionFactorInPlane": _at_least_one(known, "ParallelReductionFactorInPlane"),
        "ParallelReductionFactorOutOfPlane": _at_least_one(known, "ParallelReductionFactorOutOfPlane"),
        "AcquisitionDuration": None if _maker(known) == "UIH" else _positive(known, "AcquisitionDuration"),
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
