"""What the JSON of BIDS says of PET: tracer, dose, timing, corrections.  Pure functions of attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dicomarray.formats.bids_reconstruction import describe_reconstruction
from dicomarray.formats.bids_values import (
    Attributes,
    clock,
    first_item,
    number,
    rounded,
    seconds_of_day,
    text_of,
)

# What has to be known of each frame of a dynamic PET.
FRAME_NAMES = (
    "SeriesTime", "AcquisitionTime", "ActualFrameDuration", "FrameReferenceTime", "DecayFactor",
)  # fmt: skip
_DAY_SECONDS = 86400
# Of Units (PS3.3 C.8.9.1.1.3) the word that BIDS has for it.
_UNITS = {"BQML": "Bq/mL"}
_SYMBOLS = {
    "fluorine": "F", "carbon": "C", "nitrogen": "N", "oxygen": "O", "gallium": "Ga", "copper": "Cu",
    "rubidium": "Rb", "zirconium": "Zr", "iodine": "I",
}  # fmt: skip


def tracer(known: Attributes) -> dict[str, Any]:
    """What a PET's tracer is, of the first item of its sequence."""
    return dict(first_item(known, "RadiopharmaceuticalInformationSequence"))


def describe_pet(known: Attributes, repetitions: int) -> dict[str, Any]:
    """What is said of PET only."""
    if known.get("Modality") != "PT":
        return {}
    started, acquired = (seconds_of_day(known.get(name)) for name in ("SeriesTime", "AcquisitionTime"))
    since = acquired if started is None else started
    correction = str(known.get("DecayCorrection") or "")
    method = str(known.get("AttenuationCorrectionMethod") or "")
    found: dict[str, Any] = {
        "TracerName": str(known.get("Radiopharmaceutical") or "").partition(" -- ")[0] or None,
        "TracerRadionuclide": _radionuclide(first_item(known, "RadionuclideCodeSequence")),
        "InjectedRadioactivityUnits": "MBq" if number(known, "RadionuclideTotalDose") else None,
        "MolarActivity": number(known, "RadiopharmaceuticalSpecificActivity") or None,
        "MolarActivityUnits": "Bq/umol" if number(known, "RadiopharmaceuticalSpecificActivity") else None,
        "AttenuationCorrection": method.partition(",")[0] or None,
        "ScatterFraction": _listed(number(known, "ScatterFractionFactor")),
        "Units": _UNITS.get(str(known.get("Units")), text_of(known.get("Units"))) or None,
        "InjectedVolume": number(known, "RadiopharmaceuticalVolume") or None,
        "SeriesTime": None if started is None else clock(int(started), 0),
        **_times_of_injection(known, since),
        "ImageDecayCorrected": None if not correction else correction != "NONE",
        "ImageDecayCorrectionTime": _decay_corrected_to(known, correction, since),
        "RepetitionTime": None,
    }
    found |= describe_reconstruction(known)
    if repetitions == 1:
        factor = number(known, "DecayFactor")
        found["DecayCorrectionFactor"] = _listed(factor)
        found["FrameTimesStart"] = [rounded(_start(known) or 0.0)] if factor else None
        found["FrameDuration"] = _listed(number(known, "ActualFrameDuration"), 1e-3)
    return found


def _start(known: Attributes) -> float | None:
    """When a frame began, in seconds after the start of the series."""
    started, acquired = (seconds_of_day(known.get(name)) for name in ("SeriesTime", "AcquisitionTime"))
    return None if started is None or acquired is None else max(acquired - started, 0.0)


def _listed(value: float | None, factor: float = 1.0) -> list[float] | None:
    return [rounded(value * factor)] if value else None


def _radionuclide(code: Attributes) -> str | None:
    """``18F``, of the meaning ``^18^Fluorine`` or ``F^18^``."""
    meaning = str(code.get("CodeMeaning") or "")
    digits = "".join(character for character in meaning if character.isdigit())
    letters = "".join(character for character in meaning if character.isalpha())
    return f"{digits}{_SYMBOLS.get(letters.lower(), letters[:2])}" if digits and letters else None


def _decay_corrected_to(known: Attributes, correction: str, since: float | None) -> float | None:
    """The moment to which counts are corrected, in seconds after the start of the series."""
    if correction == "START":
        return 0
    return _injected(known, "Start", since) if correction == "ADMIN" else None


def _times_of_injection(known: Attributes, since: float | None) -> dict[str, Any]:
    """The moment that all times count from, the start of the series, and what they are."""
    if since is None:
        return {}
    start, end = (_injected(known, which, since) for which in ("Start", "Stop"))
    ends = end is not None and (start is None or end >= start)
    return {
        "TimeZero": clock(int(since), 0),
        "ScanStart": 0,
        "InjectionStart": start,
        "InjectionEnd": end if ends else None,
    }


def _injected(known: Attributes, which: str, since: float | None) -> float | None:
    """When the injection started or stopped, in seconds after a time of day; maybe on the day before it."""
    moment = known.get(f"Radiopharmaceutical{which}Time") or known.get(f"Radiopharmaceutical{which}DateTime")
    given = seconds_of_day(moment)
    if given is None or since is None:
        return None
    apart = given - since
    return rounded(apart - _DAY_SECONDS if apart > _DAY_SECONDS / 2 else apart)


def describe_frames(frames: Sequence[Attributes]) -> dict[str, Any]:
    """What is said of each frame of a dynamic PET, by the attributes of an image of each."""
    found = {
        "FrameTimesStart": [_start(known) for known in frames],
        "FrameDuration": [_times(known, "ActualFrameDuration", 1e-3) for known in frames],
        "FrameReferenceTime": [_times(known, "FrameReferenceTime", 1e-3) for known in frames],
        "DecayCorrectionFactor": [_times(known, "DecayFactor") for known in frames],
    }
    return {
        name: [rounded(value) for value in values if value is not None]
        for name, values in found.items()
        if None not in values
    }


def _times(known: Attributes, keyword: str, factor: float = 1.0) -> float | None:
    value = number(known, keyword)
    return None if value is None else value * factor
