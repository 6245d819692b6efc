"""The factor from the modality values of a PET image to SUVbw, the body-weight standardized uptake value.

``SUVbw = modality value * factor``, g/ml.  The rules are QIBA's vendor-neutral pseudo-code ("SUV
Calculation", happy path and robust version, the text of 2018-06-26 on the QIBA wiki), read together with
PS3.3 C.8.9.1 (PET Series), C.8.9.2 (PET Isotope) and C.8.9.4 (PET Image).  Where this module is stricter or
goes further, a comment says why.  Information that is missing or contradicts itself is an error: a SUV is
never made from a guess.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dicomarray.errors import ValuesError, quoted

Attributes = Mapping[str, Any]

SUV_UNITS = "SUVbw"

GE_SCAN_DATE_TIME = "(0009,GEMS_PETD_01,0D)"
PHILIPS_SUV_FACTOR = "(7053,Philips PET Private Group,00)"
PHILIPS_ACTIVITY_FACTOR = "(7053,Philips PET Private Group,09)"
# What `suv_scale` looks at, as a reader of headers has to be asked for it.
KEYWORDS = (
    "Units", "SUVType", "CorrectedImage", "DecayCorrection", "SeriesType", "SeriesDate", "SeriesTime",
    "AcquisitionDate", "AcquisitionTime", "FrameReferenceTime", "ActualFrameDuration", "PatientWeight",
    "TimezoneOffsetFromUTC", "RadiopharmaceuticalInformationSequence",
    GE_SCAN_DATE_TIME, PHILIPS_SUV_FACTOR, PHILIPS_ACTIVITY_FACTOR,
)  # fmt: skip

GRAMS_PER_KILOGRAM = 1000.0
# No scanner carries more, in kg: a greater weight is in other units.
MAX_WEIGHT_KG = 700.0
# Nobody images a thousandth of the dose: a longer decay means that the two times do not belong together (a
# shifted date, an injection after the scan taken for one on the day before).
MAX_HALF_LIVES = 10.0
# A dynamic scan starts shortly before the injection that it follows.  s
LATEST_INJECTION_S = 600.0
# Radionuclide Total Dose is in Bq (PS3.3 C.8.9.2).  Diagnostic doses are 1 MBq and more; a smaller number is
# a dose in MBq or mCi, a million times too small.  Bq
MIN_DOSE_BQ = 1e4
# Two spellings of one moment may be rounded to the second.  s
SAME_MOMENT_S = 1.0

_DATE = re.compile(r"(\d{4})(\.?)(\d\d)\2(\d\d)")
_TIME = re.compile(r"(\d\d)(:?)(\d\d)(?:\2(\d\d)(\.\d{1,6})?)?")
_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)")
_DATE_TIME = re.compile(r"(\d{8})(\d{4}(?:\d\d(?:\.\d{1,6})?)?)([+-]\d{4})?")


@dataclass(frozen=True, slots=True)
class SuvScale:
    """``SUVbw = modality value * factor``, and in words how the factor came about (no dates)."""

    factor: float
    basis: str


def suv_scale(attributes: Attributes, earliest_acquisition: datetime | None = None) -> SuvScale:
    """The factor of one image from its header: plain values by keyword, as `KEYWORDS` asks for.

    ``earliest_acquisition`` is that of all images of the series (`acquisition_of`); all of them are
    decay corrected to one time (PS3.3 C.8.9.1.1.5), so the whole series decides what that time is.
    Without it the image stands for the series.

    Raises
    ------
    ValuesError
        Where an attribute is missing or contradicts another; it names the attribute, not the file.
    """
    _require_corrections(attributes)
    correction = _decay_correction(attributes)
    units = _text(attributes, "Units", "the units of the modality values")
    if units == "GML":
        return SuvScale(1.0, _already_body_weight(attributes))
    if units == "BQML":
        return _from_activity(attributes, correction, earliest_acquisition)
    if units == "CNTS":
        return _from_counts(attributes, correction, earliest_acquisition)
    raise ValuesError(f"Units is {units!r}; SUVbw can be had from BQML, GML and Philips' CNTS only")


def acquisition_of(image: Attributes) -> datetime | None:
    """Acquisition Date and Time, or None where one of them is missing.

    Raises
    ------
    ValuesError
        Where a date or time is there, but is none.
    """
    if image.get("AcquisitionDate") is None or image.get("AcquisitionTime") is None:
        return None
    return _date_and_time(image, "Acquisition")


# --- what the image says of itself ------------------------------------------------------------------------


def _require_corrections(attributes: Attributes) -> None:
    value = attributes.get("CorrectedImage")
    done = {str(word) for word in (value if isinstance(value, tuple) else (value,)) if word is not None}
    # PS3.3 C.8.9.1 says DECY, QIBA's text also DECAY
    missing = [name for name, words in (("ATTN", {"ATTN"}), ("DECY", {"DECY", "DECAY"})) if not words & done]
    if missing:
        raise ValuesError(
            f"CorrectedImage is {quoted(value)} without {' and '.join(missing)}; only values corrected for "
            'attenuation and decay make a SUV; take units="modality"'
        )


def _decay_correction(attributes: Attributes) -> str:
    """START or ADMIN; QIBA treats START alone, ADMIN follows from PS3.3 C.8.9.1.1.5."""
    correction = _text(attributes, "DecayCorrection", "the moment to which decay was corrected")
    if correction not in ("START", "ADMIN"):
        raise ValuesError(
            f"DecayCorrection is {correction!r} while CorrectedImage says that decay was corrected; "
            "SUVbw needs START or ADMIN"
        )
    return correction


def _already_body_weight(attributes: Attributes) -> str:
    """GML is SUVbw unless SUV Type says otherwise (PS3.3 C.8.9.1)."""
    kind = attributes.get("SUVType")
    if kind not in (None, "BW"):
        raise ValuesError(
            f"Units is GML and SUVType {kind!r}: a SUV by another measure than body weight, which is not "
            'turned into SUVbw; take units="modality"'
        )
    return f"{SUV_UNITS}, as the scanner wrote it (Units GML)"


# --- the three kinds of units -----------------------------------------------------------------------------


def _from_counts(attributes: Attributes, correction: str, earliest: datetime | None) -> SuvScale:
    """Philips' factors: counts to SUVbw, or counts to Bq/ml; one that is absent or 0 is not there."""
    factor = _philips_factor(attributes, PHILIPS_SUV_FACTOR)
    if factor:
        return SuvScale(factor, f"{SUV_UNITS}, by the scanner's own factor (Philips 7053,xx00)")
    activity = _philips_factor(attributes, PHILIPS_ACTIVITY_FACTOR)
    if activity:
        scale = _from_activity(attributes, correction, earliest)
        return SuvScale(
            activity * scale.factor,
            f"{scale.basis}; counts to Bq/ml by the scanner's factor (Philips 7053,xx09)",
        )
    raise ValuesError(
        f"Units is CNTS, and neither {PHILIPS_SUV_FACTOR} nor {PHILIPS_ACTIVITY_FACTOR} says "
        "what a count is worth"
    )


def _philips_factor(attributes: Attributes, name: str) -> float | None:
    return None if attributes.get(name) in (None, 0) else _positive(attributes, name, "a factor above 0")


def _from_activity(attributes: Attributes, correction: str, earliest: datetime | None) -> SuvScale:
    """Bq/ml: ``weight in g / dose in Bq`` with the dose decayed to the moment the image is corrected to."""
    isotope = _isotope(attributes)
    weight = _positive(attributes, "PatientWeight", "kg above 0")
    if weight > MAX_WEIGHT_KG:
        raise ValuesError(f"PatientWeight is above {MAX_WEIGHT_KG:g} kg; it may be in g or pounds")
    dose = _positive(isotope, "RadionuclideTotalDose", "Bq above 0")
    if dose < MIN_DOSE_BQ:
        raise ValuesError(f"RadionuclideTotalDose is {dose:g}, too little for Bq; it may be in MBq or mCi")
    if correction == "ADMIN":
        return SuvScale(
            weight * GRAMS_PER_KILOGRAM / dose, f"{SUV_UNITS}, decay corrected to the administration"
        )
    half_life = _positive(isotope, "RadionuclideHalfLife", "seconds above 0")
    scan_start, how = _scan_start(attributes, half_life, earliest)
    start, assumed = _administration(attributes, isotope, scan_start)
    decay_time = _decay_time(attributes, start, scan_start, half_life)
    decayed_dose = dose * 2.0 ** (-decay_time / half_life)
    return SuvScale(
        weight * GRAMS_PER_KILOGRAM / decayed_dose,
        f"{SUV_UNITS}, decay corrected to the scan start ({how}){assumed}",
    )


def _isotope(attributes: Attributes) -> Attributes:
    items = attributes.get("RadiopharmaceuticalInformationSequence")
    if not isinstance(items, tuple) or not items or not isinstance(items[0], Mapping):
        raise ValuesError(
            "RadiopharmaceuticalInformationSequence is missing or empty; no SUV without the dose"
        )
    if len(items) > 1:
        raise ValuesError(
            f"RadiopharmaceuticalInformationSequence has {len(items)} items; which dose the image "
            "shows is not said"
        )
    return items[0]


# --- times ------------------------------------------------------------------------------------------------


def _scan_start(attributes: Attributes, half_life: float, earliest: datetime | None) -> tuple[datetime, str]:
    """The moment that START means, by QIBA's robust version, and where it comes from."""
    series = _date_and_time(attributes, "Series")
    acquisition = _date_and_time(attributes, "Acquisition")
    first = min(acquisition, earliest or acquisition)
    if series <= first:
        return series, "Series Date and Time"
    # a post-processed series: its date and time are those of the processing
    if (ge_scan := attributes.get(GE_SCAN_DATE_TIME)) is not None:
        return _local(GE_SCAN_DATE_TIME, ge_scan, attributes), "the date and time of the scan, GE 0009,xx0D"
    reference = _number(attributes, "FrameReferenceTime")
    duration = _number(attributes, "ActualFrameDuration")
    if reference is not None and reference > 0 and duration is not None and duration > 0:
        average = _average_count_time(duration / 1000.0, half_life)
        return (
            _earlier(acquisition, reference / 1000.0 - average, "FrameReferenceTime"),
            "computed back from Frame Reference Time",
        )
    return first, "the earliest Acquisition Date and Time"


def _earlier(moment: datetime, seconds: float, keyword: str) -> datetime:
    try:
        return moment - timedelta(seconds=seconds)
    except OverflowError:
        raise ValuesError(f"{keyword}: {seconds:g} s before the scan is no date of a calendar") from None


def _average_count_time(duration: float, half_life: float) -> float:
    """Seconds from the start of a frame to its average count rate, PS3.3 C.8.9.4.1.5 example 2."""
    decay = math.log(2.0) / half_life
    # expm1 keeps its digits where the frame is short against the half life
    return math.log(decay * duration / -math.expm1(-decay * duration)) / decay


def _decay_time(attributes: Attributes, start: datetime, scan_start: datetime, half_life: float) -> float:
    """Seconds from the administration to the start of the scan."""
    seconds = (scan_start - start).total_seconds()
    if seconds < _shortest_decay_time(attributes):
        raise ValuesError(
            f"the administration (RadiopharmaceuticalStartDateTime) is {-seconds:g} s after the start of the "
            "scan, which only a dynamic series may have, and by minutes at most"
        )
    if abs(seconds) > MAX_HALF_LIVES * half_life:
        raise ValuesError(
            f"the administration (RadiopharmaceuticalStartDateTime or RadiopharmaceuticalStartTime) lies "
            f"{seconds:g} s before the start of the scan, {abs(seconds) / half_life:.0f} half lives "
            f"(RadionuclideHalfLife {half_life:g} s): these times do not belong together; were dates shifted?"
        )
    return seconds


def _shortest_decay_time(attributes: Attributes) -> float:
    value = attributes.get("SeriesType")
    is_dynamic = (value[0] if isinstance(value, tuple) else value) == "DYNAMIC"
    return -LATEST_INJECTION_S if is_dynamic else 0.0


def _administration(
    attributes: Attributes, isotope: Attributes, scan_start: datetime
) -> tuple[datetime, str]:
    """Start of the administration, and what was assumed for it, in words.

    A time without a date is the last one before the scan (over midnight).
    """
    dated, timed = (
        isotope.get("RadiopharmaceuticalStartDateTime"),
        isotope.get("RadiopharmaceuticalStartTime"),
    )
    if dated is None and timed is None:
        raise ValuesError(
            "RadiopharmaceuticalStartDateTime and RadiopharmaceuticalStartTime are missing; the decay "
            "before the scan is unknown"
        )
    on_scan_day = None
    if timed is not None:
        midnight = scan_start.replace(hour=0, minute=0, second=0, microsecond=0)
        on_scan_day = midnight + _time_of_day("RadiopharmaceuticalStartTime", timed)
    if dated is not None:
        start = _local("RadiopharmaceuticalStartDateTime", dated, attributes)
        _require_same_time_of_day(start, on_scan_day)
        return start, ""
    assert on_scan_day is not None  # one of the two is there
    silent = "; the administration has a time (RadiopharmaceuticalStartTime) and no date: "
    if (scan_start - on_scan_day).total_seconds() < _shortest_decay_time(attributes):
        before = _earlier(on_scan_day, 86400.0, "SeriesDate")
        return (
            before,
            f"{silent}the day before the scan is assumed, as the time of day is later than that of the scan",
        )
    return on_scan_day, f"{silent}the same day as the scan is assumed"


def _require_same_time_of_day(start: datetime, other: datetime | None) -> None:
    if other is None:
        return
    apart = (start - other).total_seconds() % 86400.0
    if min(apart, 86400.0 - apart) > SAME_MOMENT_S:
        raise ValuesError(
            f"RadiopharmaceuticalStartDateTime says {start:%H:%M:%S} and RadiopharmaceuticalStartTime "
            f"{other:%H:%M:%S}; one of them is wrong"
        )


def _local(name: str, value: Any, attributes: Attributes) -> datetime:
    """A DT (PS3.5 6.2) in the local time of the image's dates and times."""
    match = _DATE_TIME.fullmatch(str(value).strip())
    if match is None:
        raise ValuesError(f"{name} is {quoted(value)} where a date and time to the minute are expected")
    moment = _date(name, match[1]) + _time_of_day(name, match[2])
    if match[3] is None:
        return moment
    timezone = attributes.get("TimezoneOffsetFromUTC")
    if timezone is None:
        raise ValuesError(
            f"{name} is {quoted(value)}, with an offset from UTC, but TimezoneOffsetFromUTC is missing, so "
            "it cannot be compared with the times of the scan"
        )
    return moment - _utc_offset(name, match[3]) + _utc_offset("TimezoneOffsetFromUTC", timezone)


def _utc_offset(name: str, value: Any) -> timedelta:
    match = _OFFSET.fullmatch(str(value).strip())
    if match is None:
        raise ValuesError(f"{name} is {quoted(value)} where an offset such as +0100 is expected")
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return -offset if match[1] == "-" else offset


def _date_and_time(attributes: Attributes, event: str) -> datetime:
    date = _text(attributes, f"{event}Date", "the day of the scan")
    time = _text(attributes, f"{event}Time", "the time of the scan")
    return _date(f"{event}Date", date) + _time_of_day(f"{event}Time", time)


def _date(name: str, value: str) -> datetime:
    match = _DATE.fullmatch(value)
    with suppress(ValueError):
        if match:
            return datetime(int(match[1]), int(match[3]), int(match[4]))
    raise ValuesError(f"{name} is {quoted(value)} where a date YYYYMMDD is expected")


def _time_of_day(name: str, value: Any) -> timedelta:
    """Time since midnight; an hour alone is too coarse, a second of F-18 is 0.01 %."""
    match = _TIME.fullmatch(str(value).strip())
    hour, minute, second = (int(match[i] or 0) for i in (1, 3, 4)) if match else (24, 0, 0)
    if match is None or hour > 23 or minute > 59 or second > 60:  # 60: a leap second
        raise ValuesError(f"{name} is {quoted(value)} where a time HHMMSS is expected")
    return timedelta(hours=hour, minutes=minute, seconds=second + float(match[5] or 0.0))


# --- values -----------------------------------------------------------------------------------------------


def _text(attributes: Attributes, keyword: str, meaning: str) -> str:
    value = attributes.get(keyword)
    if value is None:
        raise ValuesError(f"{keyword} is missing or empty; SUV needs it: {meaning}")
    return str(value).strip()


def _number(attributes: Attributes, keyword: str) -> float | None:
    """A finite number, or None where there is none."""
    value = attributes.get(keyword)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValuesError(f"{keyword} is {_display(keyword, value)} where a finite number is expected")
    return float(value)


def _positive(attributes: Attributes, keyword: str, expected: str) -> float:
    value = _number(attributes, keyword)
    if value is None:
        raise ValuesError(f"{keyword} is missing or empty; SUV needs it: {expected}")
    if value <= 0:
        raise ValuesError(f"{keyword} is {_display(keyword, value)}; SUV needs {expected}")
    return value


def _display(keyword: str, value: object) -> str:
    """A value in a message, but for that of the patient's weight, which is the patient's affair."""
    if keyword == "PatientWeight":
        return "a value"
    return f"{value:g}" if isinstance(value, float) else quoted(value)
