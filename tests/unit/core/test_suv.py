"""SUVbw factors: cases by hand, published ones, and QIBA's pseudo-code written down a second time."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.valuerep import DA, DT, TM

from dicomarray.core.suv import (
    GE_SCAN_DATE_TIME,
    KEYWORDS,
    PHILIPS_ACTIVITY_FACTOR,
    PHILIPS_SUV_FACTOR,
    SuvScale,
    acquisition_of,
    suv_scale,
)
from dicomarray.errors import ValuesError

F18 = 6586.2  # s
DOSE = 350e6  # Bq
WEIGHT = 70.0  # kg
UNDECAYED = WEIGHT * 1000 / DOSE  # 0.0002
ABSENT = object()


def pet(isotope: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """An F-18 image, injected one half life (6586.2 s) before its scan at 12:00; ABSENT leaves one out."""
    of_isotope = {
        "RadionuclideTotalDose": DOSE,
        "RadionuclideHalfLife": F18,
        "RadiopharmaceuticalStartDateTime": "20240102101013.8",
    } | dict(isotope or {})
    attributes = {
        "Units": "BQML",
        "CorrectedImage": ("NORM", "DECY", "ATTN", "SCAT"),
        "DecayCorrection": "START",
        "SeriesType": ("WHOLE BODY", "IMAGE"),
        "SeriesDate": "20240102",
        "SeriesTime": "120000",
        "AcquisitionDate": "20240102",
        "AcquisitionTime": "120010",
        "PatientWeight": WEIGHT,
        "RadiopharmaceuticalInformationSequence": (
            {key: value for key, value in of_isotope.items() if value is not ABSENT},
        ),
    } | changes
    return {key: value for key, value in attributes.items() if value is not ABSENT}


# --- by hand ----------------------------------------------------------------------------------------------


def test_half_life_doubles_the_factor() -> None:
    """One half life between injection and scan halves the dose: 70 kg / 175 MBq is 0.0004 g/Bq."""
    scale = suv_scale(pet())
    assert scale.factor == pytest.approx(0.0004, rel=1e-12)
    assert scale.basis == "SUVbw, decay corrected to the scan start (Series Date and Time)"


def test_admin_does_not_decay_the_dose() -> None:
    """An image corrected to the administration takes the dose as given; no time is needed."""
    image = pet(
        {"RadiopharmaceuticalStartDateTime": ABSENT, "RadionuclideHalfLife": ABSENT},
        DecayCorrection="ADMIN",
        SeriesTime=ABSENT,
        AcquisitionTime=ABSENT,
    )
    assert suv_scale(image) == SuvScale(UNDECAYED, "SUVbw, decay corrected to the administration")


def test_gml_is_suv_already() -> None:
    """Units GML with no SUV Type, or BW, has factor 1; dose and weight are not asked for."""
    bare = {"Units": "GML", "CorrectedImage": ("ATTN", "DECAY"), "DecayCorrection": "START"}
    assert suv_scale(bare).factor == suv_scale(bare | {"SUVType": "BW"}).factor == 1.0
    with pytest.raises(ValuesError, match="SUVType 'LBM'"):
        suv_scale(bare | {"SUVType": "LBM"})


def test_philips_suv_factor_goes_first() -> None:
    """Counts take Philips' SUV factor, and no dose is needed for it."""
    image = pet(
        Units="CNTS",
        RadiopharmaceuticalInformationSequence=ABSENT,
        **{PHILIPS_SUV_FACTOR: 0.000551, PHILIPS_ACTIVITY_FACTOR: 1.6},
    )
    assert suv_scale(image).factor == 0.000551


@pytest.mark.parametrize("suv_factor", [ABSENT, None, 0, 0.0])
def test_philips_activity_factor(suv_factor: Any) -> None:
    """Without a SUV factor counts become Bq/ml first, and those SUV: 1.5 * 0.0004."""
    image = pet(Units="CNTS", **{PHILIPS_SUV_FACTOR: suv_factor, PHILIPS_ACTIVITY_FACTOR: 1.5})
    assert suv_scale(image).factor == pytest.approx(0.0006, rel=1e-12)


def test_philips_factors_are_not_for_bqml() -> None:
    """A file in Bq/ml is not scaled by the factors that stand beside it."""
    assert suv_scale(pet(**{PHILIPS_SUV_FACTOR: 7.0})).factor == pytest.approx(0.0004, rel=1e-12)


def test_midnight_without_a_date() -> None:
    """A start time later in the day than the scan is that of the day before: 23:00 to 00:49:46.2."""
    image = pet(
        {"RadiopharmaceuticalStartDateTime": ABSENT, "RadiopharmaceuticalStartTime": "230000"},
        SeriesTime="004946.2",
        AcquisitionTime="004950",
    )
    assert suv_scale(image).factor == pytest.approx(0.0004, rel=1e-12)


def test_midnight_with_a_date() -> None:
    """An explicit date crosses midnight by itself, the time of day beside it agreeing."""
    image = pet(
        {
            "RadiopharmaceuticalStartDateTime": "20240101230000",
            "RadiopharmaceuticalStartTime": "230000.00",
        },
        SeriesTime="004946.2",
        AcquisitionTime="004950",
    )
    assert suv_scale(image).factor == pytest.approx(0.0004, rel=1e-12)


@pytest.mark.parametrize("start", ["20240102081013.8+0000", "20240102031013.8-0500", "20240102113013.8+0320"])
def test_offset_from_utc(start: str) -> None:
    """A start with an offset from UTC is brought to the time zone of the image, or refused without one."""
    isotope = {"RadiopharmaceuticalStartDateTime": start}
    assert suv_scale(pet(isotope, TimezoneOffsetFromUTC="+0200")).factor == pytest.approx(0.0004, rel=1e-12)
    with pytest.raises(ValuesError, match="TimezoneOffsetFromUTC is missing"):
        suv_scale(pet(isotope))


def test_ge_scan_time_of_a_processed_series() -> None:
    """A series dated after its acquisition takes GE's own scan time."""
    image = pet(SeriesTime="180000", **{GE_SCAN_DATE_TIME: "20240102120000.00"})
    scale = suv_scale(image)
    assert scale.factor == pytest.approx(0.0004, rel=1e-12)
    assert "GE 0009,xx0D" in scale.basis


def test_ge_scan_time_is_not_for_a_plain_series() -> None:
    """As long as the series is dated no later than the acquisition, its own time holds."""
    image = pet(**{GE_SCAN_DATE_TIME: "20240102130000.00"})
    assert suv_scale(image).factor == pytest.approx(0.0004, rel=1e-12)


def test_start_computed_back_from_the_frame() -> None:
    """A frame 10 min into the scan, its average 10 min + T_ave after the start, puts that at 12:00."""
    decay = math.log(2) / F18
    average = math.log(decay * 120 / (1 - math.exp(-decay * 120))) / decay
    assert average == pytest.approx(59.87, abs=0.1)  # a little before the middle
    image = pet(
        SeriesTime="180000",
        AcquisitionTime="121000",
        FrameReferenceTime=(600 + average) * 1000,
        ActualFrameDuration=120000,
    )
    scale = suv_scale(image, dt.datetime(2024, 1, 2, 12, 5))
    assert scale.factor == pytest.approx(0.0004, rel=1e-9)
    assert "Frame Reference Time" in scale.basis


def test_earliest_acquisition_where_no_frame_time_helps() -> None:
    """Without Frame Reference Time the earliest acquisition of the series is the start."""
    image = pet(
        SeriesTime="180000", AcquisitionTime="121000", FrameReferenceTime=0, ActualFrameDuration=120000
    )
    first = pet(AcquisitionTime="120000")
    assert suv_scale(image, min(acquisition_of(image), acquisition_of(first))).factor == pytest.approx(0.0004)


def test_series_decides_with_its_first_bed() -> None:
    """A series time between the beds is no start for the later ones: all images share one start."""
    later = pet(SeriesTime="120500", AcquisitionTime="121000", FrameReferenceTime=0)
    first = pet(SeriesTime="120500", AcquisitionTime="120000", FrameReferenceTime=0)
    earliest = min(acquisition_of(first), acquisition_of(later))
    assert suv_scale(first, earliest) == suv_scale(later, earliest)
    assert suv_scale(first, earliest).factor == pytest.approx(0.0004)


def test_dynamic_scan_starts_before_the_injection() -> None:
    """30 s from the start to the injection make the dose at the start greater, in a dynamic series only."""
    isotope = {"RadiopharmaceuticalStartDateTime": "20240102120030"}
    expected = UNDECAYED * 2 ** (-30 / F18)
    assert suv_scale(pet(isotope, SeriesType=("DYNAMIC", "IMAGE"))).factor == pytest.approx(expected)
    timed = {"RadiopharmaceuticalStartDateTime": ABSENT, "RadiopharmaceuticalStartTime": "120030"}
    assert suv_scale(pet(timed, SeriesType=("DYNAMIC", "IMAGE"))).factor == pytest.approx(expected)
    with pytest.raises(ValuesError, match="30 s after the start"):
        suv_scale(pet(isotope))


def test_old_spellings_of_date_and_time() -> None:
    """ACR-NEMA dates and times, 2024.01.02 and 12:00:00, are read like the others."""
    assert suv_scale(pet(SeriesDate="2024.01.02", SeriesTime="12:00:00")) == suv_scale(pet())


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("isotope", "changes", "message"),
    [
        ({}, {"Units": ABSENT}, "Units is missing"),
        ({}, {"Units": "CPS"}, "Units is 'CPS'"),
        ({}, {"Units": "CNTS"}, "what a count is worth"),
        ({}, {"Units": "CNTS", PHILIPS_SUV_FACTOR: -1.0}, "Philips PET Private Group,00.* is -1"),
        ({}, {"Units": "CNTS", PHILIPS_SUV_FACTOR: "<8 bytes>"}, "<8 bytes>"),
        ({}, {"CorrectedImage": ABSENT}, "without ATTN and DECY"),
        ({}, {"CorrectedImage": "DECY"}, "without ATTN"),
        ({}, {"CorrectedImage": ("ATTN", "SCAT")}, "without DECY"),
        ({}, {"DecayCorrection": ABSENT}, "DecayCorrection is missing"),
        ({}, {"DecayCorrection": "NONE"}, "DecayCorrection is 'NONE'"),
        ({}, {"PatientWeight": ABSENT}, "PatientWeight is missing"),
        ({}, {"PatientWeight": 0}, "PatientWeight is a value; SUV needs kg above 0"),
        ({}, {"PatientWeight": 70000}, "PatientWeight is above 700 kg; it may be in g"),
        ({}, {"PatientWeight": "heavy"}, "PatientWeight is a value where a finite number"),
        ({}, {"PatientWeight": math.nan}, "PatientWeight is a value where"),
        ({}, {"RadiopharmaceuticalInformationSequence": ()}, "missing or empty"),
        ({}, {"RadiopharmaceuticalInformationSequence": ({}, {})}, "has 2 items"),
        ({"RadionuclideTotalDose": ABSENT}, {}, "RadionuclideTotalDose is missing"),
        ({"RadionuclideTotalDose": 0.0}, {}, "RadionuclideTotalDose is 0"),
        ({"RadionuclideTotalDose": 350.0}, {}, "may be in MBq"),
        ({"RadionuclideHalfLife": ABSENT}, {}, "RadionuclideHalfLife is missing"),
        ({"RadionuclideHalfLife": -1}, {}, "RadionuclideHalfLife is -1"),
        ({"RadiopharmaceuticalStartDateTime": ABSENT}, {}, "RadiopharmaceuticalStartTime are missing"),
        ({"RadiopharmaceuticalStartDateTime": "20240102"}, {}, "to the minute"),
        ({"RadiopharmaceuticalStartDateTime": "20240102130000"}, {}, "3600 s after the start"),
        ({"RadiopharmaceuticalStartDateTime": "20231202100000"}, {}, "were dates shifted"),
        ({"RadiopharmaceuticalStartTime": "101113"}, {}, "one of them is wrong"),
        ({"RadiopharmaceuticalStartDateTime": "20241302100000"}, {}, "is '20241302'"),
        ({}, {"SeriesDate": ABSENT}, "SeriesDate is missing"),
        ({}, {"SeriesTime": "12"}, "SeriesTime is '12'"),
        ({}, {"SeriesTime": "250000"}, "SeriesTime is '250000'"),
        ({}, {"AcquisitionDate": ABSENT}, "AcquisitionDate is missing"),
        ({}, {"AcquisitionDate": "20240230"}, "AcquisitionDate is '20240230'"),
        ({}, {"SeriesTime": "180000", "FrameReferenceTime": 1e300, "ActualFrameDuration": 1}, "no date"),
        ({}, {"SeriesTime": "180000", "FrameReferenceTime": "x"}, "FrameReferenceTime is 'x'"),
        ({}, {"SeriesTime": "180000", GE_SCAN_DATE_TIME: "<14 bytes>"}, "GEMS_PETD_01"),
    ],
)
def test_no_guess(isotope: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    """Whatever is missing or contradicts itself ends in an error that names the attribute."""
    with pytest.raises(ValuesError, match=message):
        suv_scale(pet(isotope, **changes))


def test_undated_injection_just_after_the_scan_is_no_injection_of_yesterday() -> None:
    """23 h 59 min of F-18 decay would multiply the SUV by 9000: refused instead."""
    isotope = {"RadiopharmaceuticalStartDateTime": ABSENT, "RadiopharmaceuticalStartTime": "120100"}
    with pytest.raises(ValuesError, match="13 half lives"):
        suv_scale(pet(isotope))


def test_keywords_cover_what_is_read() -> None:
    """Every attribute that the factor depends on is in the list that the reader is given."""
    assert set(pet()) <= set(KEYWORDS)
    assert len(set(KEYWORDS)) == len(KEYWORDS)


# --- against others ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("series", "acquired", "reference_ms", "duration_ms", "dose", "half_life", "weight", "start", "factor"),
    [
        ("104829", "104830.351370", 38513.36, 74324, 374e6, 6586.2, 67, "083045", 0.00042748316187197236),
        ("095621", "095621", 0, 120000, 152022720, 6586.2001953125, 52, "084500", 0.0005367387681819742),
        ("110155", "110156", 1328700, 120700, 126e6, 6586.199707, 64, "100058", 0.0007463747013889488),
        ("123515", "123514.999995", 59936.854672596, 120000, 225e6, 6586.2, 65, "114100", 0.000406915685401),
        ("134918", "130348.234", 0, 180000, 388e6, 6586.2, 69, "120037", 0.00026503312764157046),
        ("135431.843", "141555.687", 1372857.92, 180000, 412e6, 6586.2, 102, "125000", 0.000372108920282),
    ],
    ids=["Siemens", "GE", "Philips", "Siemens, series after acquisition", "CPS, processed", "no start date"],
)  # fmt: skip
def test_published_factors(
    series: str,
    acquired: str,
    reference_ms: float,
    duration_ms: float,
    dose: float,
    half_life: float,
    weight: float,
    start: str,
    factor: float,
) -> None:
    """They are the factors of cornerstonejs/calculate-suv's tests for six scanners."""
    image = pet(
        {
            "RadionuclideTotalDose": dose,
            "RadionuclideHalfLife": half_life,
            "RadiopharmaceuticalStartDateTime": ABSENT,
            "RadiopharmaceuticalStartTime": start,
        },
        SeriesTime=series,
        AcquisitionTime=acquired,
        FrameReferenceTime=reference_ms,
        ActualFrameDuration=duration_ms,
        PatientWeight=weight,
    )
    assert suv_scale(image, acquisition_of(image)).factor == pytest.approx(factor, rel=1e-10)


def qiba(image: Mapping[str, Any]) -> float:
    """QIBA's robust pseudo-code for one image, line by line, with pydicom's dates and times."""

    def moment(event: str) -> dt.datetime:
        return dt.datetime.combine(DA(image[f"{event}Date"]), TM(image[f"{event}Time"]))  # type: ignore[arg-type]

    isotope = image["RadiopharmaceuticalInformationSequence"][0]
    half_life = isotope["RadionuclideHalfLife"]
    if moment("Series") <= moment("Acquisition"):
        scan = moment("Series")
    elif GE_SCAN_DATE_TIME in image:
        scan = dt.datetime.fromisoformat(DT(image[GE_SCAN_DATE_TIME]).isoformat())  # type: ignore[union-attr]
    else:
        frame_duration = image["ActualFrameDuration"] / 1000
        decay_constant = math.log(2) / half_life
        decay_during_frame = decay_constant * frame_duration
        average = 1 / decay_constant * math.log(decay_during_frame / (1 - math.exp(-decay_during_frame)))
        offset = image["FrameReferenceTime"] / 1000 - average
        scan = moment("Acquisition") - dt.timedelta(seconds=offset)
    start = dt.datetime.fromisoformat(DT(isotope["RadiopharmaceuticalStartDateTime"]).isoformat())  # type: ignore[union-attr]
    decayed = isotope["RadionuclideTotalDose"] * pow(2, -(scan - start).total_seconds() / half_life)
    return float(image["PatientWeight"] * 1000 / decayed)


@given(
    injected=st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2090, 1, 1)),
    waiting=st.floats(0, 8000),
    into_scan=st.floats(0, 1200),
    processed=st.sampled_from(["", "GE", "frame"]),
    duration=st.floats(30, 600),
    half_life=st.sampled_from([1223.4, 4057.7, F18, 282240.0]),
    dose=st.floats(1e6, 1e9),
    weight=st.floats(2, 250),
)
def test_agrees_with_the_pseudo_code(
    injected: dt.datetime,
    waiting: float,
    into_scan: float,
    processed: str,
    duration: float,
    half_life: float,
    dose: float,
    weight: float,
) -> None:
    """For any plausible times, doses and isotopes the factor is that of the pseudo-code, midnight or not."""
    scan = injected + dt.timedelta(seconds=waiting)
    acquired = scan + dt.timedelta(seconds=into_scan)
    series = acquired + dt.timedelta(days=3) if processed else scan
    image = pet(
        {
            "RadionuclideTotalDose": dose,
            "RadionuclideHalfLife": half_life,
            "RadiopharmaceuticalStartDateTime": f"{injected:%Y%m%d%H%M%S.%f}",
            "RadiopharmaceuticalStartTime": f"{injected:%H%M%S.%f}",
        },
        PatientWeight=weight,
        SeriesDate=f"{series:%Y%m%d}",
        SeriesTime=f"{series:%H%M%S.%f}",
        AcquisitionDate=f"{acquired:%Y%m%d}",
        AcquisitionTime=f"{acquired:%H%M%S.%f}",
        ActualFrameDuration=duration * 1000,
        FrameReferenceTime=(into_scan + duration / 2) * 1000,
        **({GE_SCAN_DATE_TIME: f"{scan:%Y%m%d%H%M%S.%f}"} if processed == "GE" else {}),
    )
    try:
        scale = suv_scale(image)
    except ValuesError as error:  # computed back to just before the injection
        assert processed == "frame" and "after the start" in str(error)
        return
    assert scale.factor == pytest.approx(qiba(image), rel=1e-9)


@given(st.floats(1, 170), st.floats(1e6, 1e9), st.floats(1.5, 4))
def test_factor_is_weight_over_dose(weight: float, dose: float, times: float) -> None:
    """Twice the weight is twice the factor, twice the dose half of it."""
    base = suv_scale(pet({"RadionuclideTotalDose": dose}, PatientWeight=weight)).factor
    heavier = suv_scale(pet({"RadionuclideTotalDose": dose}, PatientWeight=weight * times)).factor
    more = suv_scale(pet({"RadionuclideTotalDose": dose * times}, PatientWeight=weight)).factor
    assert heavier == pytest.approx(base * times)
    assert more == pytest.approx(base / times)
