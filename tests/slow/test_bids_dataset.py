"""A data set of BIDS made of real series is accepted by BIDS' own validator."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom import Dataset

import synthetic
from dicomarray import scan, to_nifti

# The series, by folder and description where it has several, and the name that BIDS has for such a file.
SERIES = (
    ("mr-siemens-xa30", "anat-T1w_acq-tfl", "anat/sub-01_T1w"),
    ("mr-siemens-xa30", "asl_2d_tra", "func/sub-01_task-asl_bold"),
    ("mr-siemens-xa30/9_gre_field_mapping", None, "fmap/sub-01_phasediff"),
    ("mr-canon-dti", None, "dwi/sub-01_dwi"),
    ("mr-ge-fmri", None, "func/sub-01_task-rest_bold"),
    ("mr-ge-axial", None, "func/sub-01_task-tap_bold"),
    ("mr-enhanced-siemens", None, "func/sub-01_task-look_bold"),
    ("mr-siemens-mosaic", "EPI PE=AP", "fmap/sub-01_dir-AP_epi"),
    ("mr-siemens-mosaic", "EPI PE=PA", "fmap/sub-01_dir-PA_epi"),
)


def validator() -> str:
    """The program; the test is skipped, and says so, without it."""
    found = shutil.which("bids-validator-deno", path=str(Path(sys.executable).parent)) or shutil.which(
        "bids-validator-deno"
    )
    if found is None:
        pytest.skip("bids-validator-deno is not installed")
    return found


def errors_of(folder: Path) -> list[str]:
    """What the validator does not accept, where it found a subject at all."""
    (folder / "dataset_description.json").write_text(
        json.dumps({"Name": "made", "BIDSVersion": "1.10.0", "DatasetType": "raw", "License": "CC0"})
    )
    (folder / "README").write_text("Made by a test.")
    done = subprocess.run(
        [validator(), "--format", "json", folder], capture_output=True, text=True, check=False
    )
    report = json.loads(done.stdout)
    assert report["summary"]["subjects"] == ["01"]
    found = [issue for issue in report["issues"]["issues"] if issue["severity"] == "error"]
    return [f"{issue['code']} {issue.get('subCode')} {issue.get('location')}" for issue in found]


def test_real_series_are_a_data_set(real_data: Path, tmp_path: Path) -> None:
    """No file and no field of the JSON is an error: of structure, function, diffusion and field maps."""
    for folder, description, name in SERIES:
        chosen = [
            one for one in scan(real_data / folder)
            if description in (None, one.attributes.get("SeriesDescription"))
        ]  # fmt: skip
        path = tmp_path / "sub-01" / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        to_nifti(real_data / folder, path, series=chosen[0].uid)
    assert errors_of(tmp_path) == []


def test_a_task_without_slices_in_time_is_still_valid(tmp_path: Path) -> None:
    """Headers that say little make a JSON that says little; what a task must have is there."""
    steps = [{"TemporalPositionIdentifier": n + 1, "AcquisitionTime": f"12000{n}"} for n in range(3)]
    stored = synthetic.stored_values((3, 4, 5, 6))
    synthetic.write_repetitions(tmp_path / "in", stored, steps, common={"RepetitionTime": 1000})
    to_nifti(tmp_path / "in", str(tmp_path / "set") + "/", name="sub-01/func/sub-01_task-rest_bold")
    assert errors_of(tmp_path / "set") == []


def test_positron_emission_is_valid_with_what_no_scanner_knows(tmp_path: Path) -> None:
    """Of a dynamic PET only what BIDS wants of the tracer and of its injection is left to the user."""
    tracer = Dataset()
    tracer.Radiopharmaceutical = "FDG -- fluorodeoxyglucose"
    tracer.RadionuclideTotalDose, tracer.RadiopharmaceuticalStartTime = 3.5e8, "115500"
    tracer.RadionuclideCodeSequence = [Dataset()]
    tracer.RadionuclideCodeSequence[0].CodeMeaning = "^18^Fluorine"
    steps = [
        {"AcquisitionTime": f"1201{10 * n:02d}", "FrameReferenceTime": 10000 * n + 5000,
         "ActualFrameDuration": 10000}
        for n in range(3)
    ]  # fmt: skip
    common = {
        "SeriesTime": "120100", "Units": "BQML", "DecayCorrection": "START", "Manufacturer": "SIEMENS",
        "ReconstructionMethod": "PSF+TOF3i21s", "ConvolutionKernel": "XYZ Gauss2.00",
        "AttenuationCorrectionMethod": "measured", "ManufacturerModelName": "Biograph",
        "RadiopharmaceuticalInformationSequence": [tracer],
    }  # fmt: skip
    stored = synthetic.stored_values((3, 4, 5, 6))
    synthetic.write_repetitions(tmp_path / "in", stored, steps, modality="PT", common=common)
    report = to_nifti(tmp_path / "in", str(tmp_path / "set") + "/", name="sub-01/pet/sub-01_pet")
    beside = report.files[0][0].with_name("sub-01_pet.json")
    known_to_the_user = {
        "ModeOfAdministration": "bolus", "AcquisitionMode": "list mode", "InjectedMass": 5,
        "InjectedMassUnits": "ug", "SpecificRadioactivity": 70, "SpecificRadioactivityUnits": "MBq/ug",
    }  # fmt: skip
    missing = {error.split()[1] for error in errors_of(tmp_path / "set")}
    assert missing == set(known_to_the_user)
    beside.write_text(json.dumps(json.loads(beside.read_text()) | known_to_the_user))
    assert errors_of(tmp_path / "set") == []
