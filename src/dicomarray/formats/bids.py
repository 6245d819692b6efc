"""The JSON beside a NIfTI file: how images were acquired, by BIDS' names, in BIDS' units.

Names and values are those of dcm2niix, so that programs which read its files read these.  Nothing names the
patient, the physician or the institution.  A pure function of attributes by DICOM keyword.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dicomarray.version import __version__

Attributes = Mapping[str, Any]
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
    ("PulseSequenceName", "PulseSequenceName"),
    ("SeriesNumber", "SeriesNumber"),
    ("AcquisitionNumber", "AcquisitionNumber"),
    ("TracerName", "Radiopharmaceutical"),
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
    ("EchoTime", "EchoTime", 1e-3),
    ("RepetitionTime", "RepetitionTime", 1e-3),
    ("InversionTime", "InversionTime", 1e-3),
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
    "Manufacturer", "ImageType", "AcquisitionTime", "AcquisitionDateTime", "EffectiveEchoTime",
    "InversionTimes", "SliceThickness", "SpacingBetweenSlices", "NumberOfAverages", "EchoNumbers",
    "EchoTrainLength", "NumberOfPhaseEncodingSteps", "MRAcquisitionPhaseEncodingStepsInPlane",
    "MRAcquisitionPhaseEncodingStepsOutOfPlane", "MRAcquisitionFrequencyEncodingSteps", "AcquisitionMatrix",
    "InPlanePhaseEncodingDirection", "ImageOrientationPatient", "Rows", "Columns", "Exposure",
    "ExposureInuAs", "RadiopharmaceuticalInformationSequence", "Units", "SeriesTime", "DecayFactor",
    "ActualFrameDuration", "FrameReferenceTime", "ScatterFractionFactor", "TransmitterFrequency",
    "AcquisitionDuration", "ParallelReductionFactorInPlane", "ParallelReductionFactorOutOfPlane",
    "EchoPlanarPulseSequence", "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing",
)  # fmt: skip
# What has to be known of an image.
NAMES = tuple(dict.fromkeys((*(name for _, name in _SAME), *(name for _, name, _ in _SCALED), *_OTHERS)))
_X_RAY = ("CT", "CR", "DX", "MG", "XA", "RF")
_SIX_DIGITS = 6


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
    known = {**known, **_tracer(known)}
    found: dict[str, Any] = {}
    for part in (
        _plain(known),
        _computed(known, several_echoes),
        _encoding(known),
        _positron(known, repetitions),
    ):
        found |= {name: value for name, value in part.items() if value is not None}
    found["ConversionSoftware"] = "dicomarray"
    found["ConversionSoftwareVersion"] = __version__
    return found


def write(path: Path, content: Mapping[str, Any]) -> None:
    """As JSON, UTF-8."""
    text = json.dumps(content, ensure_ascii=False, indent="\t", allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def number(known: Attributes, keyword: str) -> float | None:
    """One finite number, or None."""
    value = known.get(keyword)
    if isinstance(value, tuple):
        value = value[0] if value else None
    try:
        found = float(value) if value is not None and not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def seconds_of_day(value: Any) -> float | None:
    """A time of day (TM), or that of a date and time (DT), in seconds; None for what is none."""
    text = str(value or "").strip()
    if len(text.partition(".")[0].partition("+")[0]) > 6:
        text = text[8:].partition("+")[0].partition("-")[0]
    text = text.replace(":", "")
    try:
        return int(text[:2]) * 3600.0 + int(text[2:4] or 0) * 60 + float(text[4:] or 0)
    except ValueError:
        return None


def clock(seconds: float, digits: int = 6) -> str:
    """``12:01:02.500000``."""
    whole = int(seconds)
    fraction = f"{seconds - whole:.{digits}f}"[1:] if digits else ""
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}{fraction}"


def rounded(value: float) -> float:
    """Six digits, as dcm2niix writes them; a whole number as one."""
    shown = float(f"{value:.{_SIX_DIGITS}g}")
    return int(shown) if shown.is_integer() and abs(shown) < 1e9 else shown


def _text(value: Any) -> Any:
    """A value as JSON has it: several joined as DICOM joins them."""
    if isinstance(value, tuple):
        return "\\".join("" if part is None else str(part) for part in value)
    return value


def _plain(known: Attributes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, keyword in _SAME:
        value = _text(known.get(keyword))
        if value is None or value == "" or isinstance(value, Mapping):
            continue
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
        or (_text(known.get("Manufacturer")) or None),
        "ImagingFrequency": frequency or None,
        "ImageType": [str(word) for word in words if word] or None,
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


def _positive(known: Attributes, keyword: str) -> float | None:
    value = number(known, keyword)
    return rounded(value) if value and value > 0 else None


def _encoding(known: Attributes) -> dict[str, Any]:
    """How the plane was encoded, in the words of DICOM's axes."""
    orientation = known.get("ImageOrientationPatient")
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
        "ImageOrientationPatientDICOM": [rounded(float(cosine)) for cosine in orientation]
        if isinstance(orientation, tuple) and len(orientation) == 6
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


def _tracer(known: Attributes) -> dict[str, Any]:
    """What a PET's tracer is, of the first item of its sequence."""
    items = known.get("RadiopharmaceuticalInformationSequence")
    return dict(items[0]) if isinstance(items, tuple) and items and isinstance(items[0], Mapping) else {}


def _positron(known: Attributes, repetitions: int) -> dict[str, Any]:
    """What is said of PET only."""
    if known.get("Modality") != "PT":
        return {}
    codes = known.get("RadionuclideCodeSequence")
    nuclide = codes[0] if isinstance(codes, tuple) and codes and isinstance(codes[0], Mapping) else {}
    started, acquired = (seconds_of_day(known.get(name)) for name in ("SeriesTime", "AcquisitionTime"))
    correction = str(known.get("DecayCorrection") or "")
    method = str(known.get("AttenuationCorrectionMethod") or "")
    found: dict[str, Any] = {
        "TracerRadionuclide": _radionuclide(nuclide),
        "InjectedRadioactivityUnits": "MBq" if number(known, "RadionuclideTotalDose") else None,
        "AttenuationCorrection": method.partition(",")[0] or None,
        "ScatterFraction": _listed(number(known, "ScatterFractionFactor")),
        "Units": _text(known.get("Units")) or None,
        "SeriesTime": None if started is None else clock(int(started), 0),
        "ScanStart": None if started is None and acquired is None else 0,
        "ImageDecayCorrected": None if not correction else correction != "NONE",
        "ImageDecayCorrectionTime": _decay_corrected_to(known, correction, started, acquired),
        "RepetitionTime": None,
    }
    if repetitions == 1:
        found |= _one_frame(known, started, acquired)
    return found


def _one_frame(known: Attributes, started: float | None, acquired: float | None) -> dict[str, Any]:
    factor, duration = number(known, "DecayFactor"), number(known, "ActualFrameDuration")
    start = 0.0 if started is None or acquired is None else max(acquired - started, 0.0)
    return {
        "DecayCorrectionFactor": _listed(factor),
        "FrameTimesStart": [rounded(start)] if factor else None,
        "FrameDuration": _listed(duration, 1e-3),
    }


def _listed(value: float | None, factor: float = 1.0) -> list[float] | None:
    return [rounded(value * factor)] if value else None


def _radionuclide(code: Attributes) -> str | None:
    """``18F``, of the meaning ``^18^Fluorine`` or ``F^18^``."""
    meaning = str(code.get("CodeMeaning") or "")
    digits = "".join(character for character in meaning if character.isdigit())
    letters = "".join(character for character in meaning if character.isalpha())
    return f"{digits}{_SYMBOLS.get(letters.lower(), letters[:2])}" if digits and letters else None


_SYMBOLS = {
    "fluorine": "F", "carbon": "C", "nitrogen": "N", "oxygen": "O", "gallium": "Ga", "copper": "Cu",
    "rubidium": "Rb", "zirconium": "Zr", "iodine": "I",
}  # fmt: skip


def _decay_corrected_to(
    known: Attributes, correction: str, started: float | None, acquired: float | None
) -> float | None:
    """The moment to which counts are corrected, in seconds after the start of the series."""
    if correction == "START":
        return 0
    given = seconds_of_day(known.get("RadiopharmaceuticalStartTime"))
    since = acquired if started is None else started
    if correction != "ADMIN" or given is None or since is None:
        return None
    return rounded(given - since)


def steps(
    values: Sequence[Any], convert: Callable[[Any], float | None], factor: float = 1.0
) -> list[float] | None:
    """One number for each repetition; None unless all are known."""
    numbers = [convert(value) for value in values]
    if not numbers or any(value is None for value in numbers):
        return None
    return [rounded(value * factor) for value in numbers if value is not None]
