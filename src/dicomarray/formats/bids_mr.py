"""What the JSON of BIDS says of MR: how lines and slices were read, and by which sequence."""

from __future__ import annotations

import math
from typing import Any

from dicomarray.formats.bids_values import (
    BANDWIDTH,
    COILS,
    COMBINED,
    COMPONENT,
    DELAY,
    DISPLAYED,
    DWELL_TIME,
    GE_ECHO_SPACING,
    MADE_UP,
    PART,
    PARTIAL,
    POSITIVE,
    PROGRAM,
    TOGETHER,
    TWO_ECHOES,
    WATER_FAT_SHIFT,
    Attributes,
    at_least_one,
    first_item,
    maker_of,
    number,
    positive,
    rounded,
    text_of,
    words_of,
)

# GE acquires whole groups of so many lines; twice as many with partial Fourier.
_GE_LINES = 2
# Between water and fat, in parts per million.
_WATER_FAT_PPM = 3.4
# Spoiling, in BIDS' words.
_SPOILING = {"RF": "RF", "GRADIENT": "GRADIENT", "RF_AND_GRADIENT": "COMBINED"}
# Units of field maps (UCUM), in BIDS' words.
_FIELD_UNITS = {"Hz": "Hz", "rad/s": "rad/s", "T": "Tesla"}
_PARTIAL_DIRECTIONS = ("PHASE", "FREQUENCY", "SLICE_SELECT", "COMBINATION")


def describe_mr(known: Attributes) -> dict[str, Any]:
    """What is known of encoding and readout; of other images, what of it stands in their attributes."""
    units = {"Units": _units_of_map(known)} if known.get("Modality") == "MR" else {}
    return _encoding(known) | _readout(known) | _parts(known) | _sequence(known) | units


def _units_of_map(known: Attributes) -> str | None:
    """The units of a field map, by its Real World Value Mapping, where that gives the values in the file."""
    mapping = first_item(known, "RealWorldValueMappingSequence")
    for name, usual in (("Slope", 1.0), ("Intercept", 0.0)):
        mapped, rescaled = number(mapping, f"RealWorldValue{name}"), number(known, f"Rescale{name}")
        if mapped is None or not math.isclose(mapped, usual if rescaled is None else rescaled, rel_tol=1e-6):
            return None
    return _FIELD_UNITS.get(str(first_item(mapping, "MeasurementUnitsCodeSequence").get("CodeValue")))


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
        whole = _GE_LINES * (2 if "PFF" in words_of(known, "ScanOptions") else 1)
        if reduction and reduction > 0:
            spacing = (math.ceil(acquired / reduction / whole) * whole - 1) * echo * 1e-6 / (acquired - 1)
    whole_time = spacing * (lines - 1) if spacing and lines else None
    if maker_of(known) == "UIH" and not spacing and (duration := number(known, "AcquisitionDuration")):
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
    upwards = known.get(POSITIVE)
    return {
        "PartialFourier": rounded(part) if part and part < 1 else None,
        "PartialFourierDirection": next((one for one in _PARTIAL_DIRECTIONS if word and one == word), None),
        "PartialFourierEnabled": "YES" if known.get(PARTIAL) is True else None,
        "DelayTime": rounded(delay) if delay else None,
        "MultibandAccelerationFactor": int(together) if together and together > 1 else None,
        "MTState": {"ON": True, "OF": True, "NO": False}.get(transfer[:2]),
        "PhaseEncodingDirectionDisplayed": text_of(known.get(DISPLAYED)) or None,
        "PhaseEncodingPolarityGE": ("Flipped", "Unflipped")[bool(upwards)]
        if maker_of(known) == "GE" and upwards is not None
        else None,
    }


def _part_of_lines(known: Attributes) -> float | None:
    """The part of the lines that an echo train of Siemens acquires, where no protocol says it."""
    lines = acquired_lines(known) or _whole(known, "MRAcquisitionPhaseEncodingStepsInPlane")
    train = number(known, "EchoTrainLength") or 0.0
    flat = not str(known.get("MRAcquisitionType") or "").startswith("3")
    if maker_of(known) != "Siemens" or not flat or not lines or not lines > train > 1:
        return None
    return train / (lines / max(number(known, "ParallelReductionFactorInPlane") or 1.0, 1.0))


def _sequence(known: Attributes) -> dict[str, Any]:
    """What kind of sequence it is, by name, and how its signals were received."""
    variants = words_of(known, "SequenceVariant")
    spoiling = str(known.get("Spoiling") or "").upper()
    kind = _SPOILING.get(spoiling)
    return {
        "PulseSequenceType": _kind_of_sequence(known) if known.get("Modality") == "MR" else None,
        "PulseSequenceDetails": known.get(PROGRAM),
        "SpoilingState": False if spoiling == "NONE" else True if kind or "SP" in variants else None,
        "SpoilingType": kind,
        "ReceiveCoilActiveElements": known.get(COILS),
        "CoilCombinationMethod": known.get(COMBINED),
        "MatrixCoilMode": known.get(MADE_UP),
        **_echoes_of_a_difference(known),
    }


def _echoes_of_a_difference(known: Attributes) -> dict[str, Any]:
    """The times of both echoes between which a phase is a difference, as of a field map."""
    microseconds = known.get(TWO_ECHOES)
    if known.get(COMPONENT) != "PHASE" or not isinstance(microseconds, tuple):
        return {}
    return {f"EchoTime{which}": rounded(time * 1e-6) for which, time in enumerate(microseconds, 1)}


def _kind_of_sequence(known: Attributes) -> str | None:
    sequence, variants = words_of(known, "ScanningSequence"), words_of(known, "SequenceVariant")
    inverted, spin = "IR" in sequence, "SE" in sequence
    if "EP" in sequence:
        together = (number(known, TOGETHER) or 1) > 1
        return f"{'Multiband ' if together else ''}{'Spin' if spin else 'Gradient'} Echo EPI"
    if "GR" in sequence:
        prepared = "MP" in variants and inverted
        return "MPRAGE" if prepared else "Spoiled Gradient Echo" if "SP" in variants else "Gradient Echo"
    return ("Inversion Recovery " if inverted else "") + "Spin Echo" if spin else None


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
        "ParallelReductionFactorInPlane": at_least_one(known, "ParallelReductionFactorInPlane"),
        "ParallelReductionFactorOutOfPlane": at_least_one(known, "ParallelReductionFactorOutOfPlane"),
        "AcquisitionDuration": None if maker_of(known) == "UIH" else positive(known, "AcquisitionDuration"),
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
