"""The JSON beside a NIfTI file: BIDS' names and units, whatever the attributes hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dicomarray.formats import bids
from dicomarray.formats import bids_values as reported

MR: dict[str, Any] = {
    "Modality": "MR", "Manufacturer": "SIEMENS", "EchoTime": 30.5, "RepetitionTime": 2000, "FlipAngle": 90,
    "InversionTime": 900.0, "ImageType": ("ORIGINAL", "PRIMARY", "M", "ND"), "AcquisitionTime": "120102.5",
    "SliceThickness": 3.0, "Rows": 64, "Columns": 64, "InPlanePhaseEncodingDirection": "COL",
    "ImageOrientationPatient": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), "SeriesNumber": 0,
}  # fmt: skip


def test_units_are_those_of_bids() -> None:
    """Milliseconds become seconds; a number that says nothing is left out."""
    found = bids.describe(MR)
    assert found["EchoTime"] == 0.0305
    assert found["RepetitionTime"] == 2
    assert found["InversionTime"] == 0.9
    assert found["Manufacturer"] == "Siemens"
    assert found["AcquisitionTime"] == "12:01:02.500000"
    assert found["ReconMatrixPE"] == 64
    assert found["ImageOrientationPatientDICOM"] == [1, 0, 0, 0, 1, 0]
    assert found["NonlinearGradientCorrection"] is False
    assert "SeriesNumber" not in found


def test_readout_by_bandwidth_and_by_echo_spacing() -> None:
    """The formulas of BIDS: Siemens' by the bandwidth, GE's by the spacing of echoes and the reduction."""
    siemens = bids.describe(MR | {reported.BANDWIDTH: 25.0})
    assert siemens["EffectiveEchoSpacing"] == pytest.approx(1 / (25 * 64))
    assert siemens["TotalReadoutTime"] == pytest.approx(63 / (25 * 64))
    ge = MR | {
        "Manufacturer": "GE MEDICAL SYSTEMS", "AcquisitionMatrix": (64, 0, 0, 64),
        reported.GE_ECHO_SPACING: 388, "ParallelReductionFactorInPlane": 1.0,
        "ScanOptions": ("EPI_GEMS", "PFF"),
    }  # fmt: skip
    assert bids.describe(ge)["EffectiveEchoSpacing"] == pytest.approx(0.000388)
    assert "TotalReadoutTime" not in bids.describe(MR)


@pytest.mark.parametrize(
    "odd", [None, "", "text", ("a", "b"), float("nan"), float("inf"), -1, ({"CodeValue": "1"},), True]
)
def test_odd_values_never_break_the_json(odd: Any, tmp_path: Path) -> None:
    """Whatever stands in an attribute: the JSON is valid, and says no NaN."""
    for modality in ("MR", "PT", "CT"):
        private = (
            reported.BANDWIDTH, reported.GE_ECHO_SPACING, reported.DWELL_TIME, reported.TOGETHER,
            reported.PART, reported.DELAY, reported.WATER_FAT_SHIFT, reported.DISPLAYED, reported.PARTIAL,
            reported.EXCITATION_MS, reported.POSITIVE, reported.ITERATIONS, reported.SUBSETS,
            reported.TWO_ECHOES,
        )  # fmt: skip
        known = dict.fromkeys((*bids.NAMES, *private), odd)
        bids.write(tmp_path / "a.json", bids.describe(known | {"Modality": modality}))
        assert json.loads((tmp_path / "a.json").read_text())["Modality"] == modality


@pytest.mark.parametrize(
    ("code", "slope", "units"), [("Hz", 0.5, "Hz"), ("1", 0.5, None), ("Hz", 0.25, None)]
)
def test_units_of_field_maps(code: str, slope: float, units: str | None) -> None:
    """Those of real world values, where these are the values of the file."""
    mapping = {
        "MeasurementUnitsCodeSequence": ({"CodeValue": code, "CodingSchemeDesignator": "UCUM"},),
        "RealWorldValueSlope": slope, "RealWorldValueIntercept": -500.0,
    }  # fmt: skip
    rescale = {"RescaleSlope": 0.5, "RescaleIntercept": -500}
    found = bids.describe(MR | rescale | {"RealWorldValueMappingSequence": (mapping,)})
    assert found.get("Units") == units


def test_x_ray_has_no_echo_time() -> None:
    """Exposure stands in its place; slice thickness, which varies in CT, is left out as dcm2niix does."""
    found = bids.describe(
        {"Modality": "CT", "EchoTime": 5, "Exposure": 300, "SliceThickness": 2.5, "ExposureTime": 875}
    )
    assert found["XRayExposure"] == 300
    assert found["ExposureTime"] == 0.875
    assert "EchoTime" not in found and "SliceThickness" not in found


def test_positron_emission() -> None:
    """Tracer, dose in MBq, and the moment to which counts are corrected."""
    tracer = {
        "Radiopharmaceutical": "FDG -- fluorodeoxyglucose", "RadionuclideTotalDose": 433344100.0,
        "RadionuclideCodeSequence": ({"CodeMeaning": "^18^Fluorine"},),
        "RadiopharmaceuticalStartTime": "135100", "PatientName": "SECRET",
    }  # fmt: skip
    known = {
        "Modality": "PT", "RadiopharmaceuticalInformationSequence": (tracer,), "SeriesTime": "145759",
        "AcquisitionTime": "145804", "DecayCorrection": "ADMIN", "DecayFactor": 1.0127, "Units": "BQML",
        "ActualFrameDuration": 240000,
    }  # fmt: skip
    found = bids.describe(known)
    assert found["TracerName"] == "FDG"
    assert found["TracerRadionuclide"] == "18F"
    assert found["InjectedRadioactivity"] == 433.344
    assert found["ImageDecayCorrectionTime"] == -4019
    assert found["FrameTimesStart"] == [5] and found["FrameDuration"] == [240]
    assert "SECRET" not in str(found)


@pytest.mark.parametrize(
    ("method", "name", "values"),
    [
        ("PSF+TOF3i21s", "Point-Spread Function + Time Of Flight", [21, 3]),
        ("OSEM3D-OP-PSFi10s16", "Ordinary Poisson 3D Ordered Subset Expectation Maximization "
         "+ Point-Spread Function", [16, 10]),
        ("OSEM+TOF 4i5s ", "Ordered Subset Expectation Maximization Time Of Flight", [5, 4]),
        ("VPFX", "VUE Point HD using Time Of Flight", [2, 8]),
        ("VPFXS", "VUE Point HD using Time Of Flight with Point-Spread Function modelling", [2, 8]),
        ("New method", "New method", [2, 8]),
        ("", None, [2, 8]),
    ],
)  # fmt: skip
def test_reconstruction_of_pet(method: str, name: str | None, values: list[int]) -> None:
    """Vendors' words have a name, others stay; counts stand in the text, or in elements of their own."""
    counts = {reported.ITERATIONS: 8, reported.SUBSETS: 2}
    found = bids.describe({"Modality": "PT", "ReconstructionMethod": method, **counts})
    assert found.get("ReconMethodName") == name
    assert found["ReconMethodParameterLabels"] == ["subsets", "iterations"]
    assert found["ReconMethodParameterValues"] == values
    alone = bids.describe({"Modality": "PT", "ReconstructionMethod": "VPFX", reported.SUBSETS: 2})
    assert "ReconMethodParameterValues" not in alone


@pytest.mark.parametrize(
    ("kernel", "kind", "size"),
    [
        ("XYZ Gauss2.00", "XYZ Gauss", 2),
        ("Gaussian 4.5 mm", "Gaussian", 4.5),
        ("All-pass", "All-pass", None),
        ("2D Hann 3", "2D Hann 3", None),
        ("", None, None),
    ],
)
def test_filter_of_pet(kernel: str, kind: str | None, size: float | None) -> None:
    """Its kind and its width; what is no such text is the kind as it stands."""
    found = bids.describe({"Modality": "PT", "ConvolutionKernel": kernel})
    assert (found.get("ReconFilterType"), found.get("ReconFilterSize")) == (kind, size)


@pytest.mark.parametrize(("given", "seconds"), [("235900", -120), ("000030", -30), ("000200", 60)])
def test_injection_before_midnight(given: str, seconds: float) -> None:
    """It was on the day before, and not nearly a day after the scan began."""
    tracer = {"RadiopharmaceuticalStartTime": given, "RadiopharmaceuticalStopTime": given}
    known = {
        "Modality": "PT", "RadiopharmaceuticalInformationSequence": (tracer,), "SeriesTime": "000100",
        "DecayCorrection": "ADMIN",
    }  # fmt: skip
    found = bids.describe(known)
    assert found["TimeZero"] == "00:01:00" and found["ScanStart"] == 0
    assert found["InjectionStart"] == found["InjectionEnd"] == found["ImageDecayCorrectionTime"] == seconds
