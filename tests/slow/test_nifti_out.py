"""DICOM to NIfTI: voxels, places, stored order, gradients and BIDS values as dcm2niix has them; the files."""

from __future__ import annotations

import gzip
import os
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom import Dataset

import synthetic
from dicomarray import (
    DicomArrayError,
    GeometryError,
    OutputError,
    UsageError,
    Volume,
    load,
    to_dicom,
    to_nifti,
)
from dicomarray.cli.main import main
from nifti_oracle import Nifti, by_dcm2niix, read

OBLIQUE = [0.96, 0.28, 0.0, -0.224, 0.768, -0.6]
STEEP = [0.8, 0.0, -0.6, 0.0, 1.0, 0.0]
SAGITTAL = [0, 1, 0, 0, 0, -1]
CORONAL = [1, 0, 0, 0, 0, -1]
BACKWARDS = [-1, 0, 0, 0, 1, 0]
PLANES = {
    "axial": list(synthetic.AXIAL), "sagittal": SAGITTAL, "coronal": CORONAL, "oblique": OBLIQUE,
    "steep": STEEP, "backwards": BACKWARDS,
}  # fmt: skip


def one(folder: Path, output: Path, **options: Any) -> Nifti:
    """The one volume of a folder, written and read."""
    report = to_nifti(folder, output, **options)
    assert len(report.files) == 1
    return read(report.files[0][0])


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("plane", PLANES)
def test_like_dcm2niix(tmp_path: Path, plane: str, suffix: str) -> None:
    """The same voxels at the same places, stored in the same order, whatever the plane."""
    common = {"ImageOrientationPatient": PLANES[plane], "PixelSpacing": [0.7, 0.9]}
    synthetic.write_series(tmp_path / "in", synthetic.stored_values((5, 6, 7)), common=common)
    made = one(tmp_path / "in", tmp_path / f"ct{suffix}")
    (truth,) = by_dcm2niix(tmp_path / "in", tmp_path / "truth")
    assert truth.differences(made) == []
    assert made.voxels.dtype == np.int16
    assert made.header["sform_code"] == made.header["qform_code"] == 1
    np.testing.assert_allclose(made.header.get_qform(), made.affine, atol=1e-4)


@pytest.mark.parametrize("plane", PLANES)
def test_three_dimensional_acquisition_like_dcm2niix(tmp_path: Path, plane: str) -> None:
    """Its axes are stored along those of the patient."""
    common = {
        "ImageOrientationPatient": PLANES[plane], "MRAcquisitionType": "3D", "ScanningSequence": "GR",
        "RepetitionTime": 12.5,
    }  # fmt: skip
    stored = synthetic.stored_values((5, 6, 7))
    synthetic.write_series(tmp_path / "in", stored, modality="MR", common=common)
    made = one(tmp_path / "in", tmp_path / "mr.nii.gz")
    (truth,) = by_dcm2niix(tmp_path / "in", tmp_path / "truth")
    assert truth.differences(made) == []
    assert made.header["pixdim"][4] == pytest.approx(0.0125)
    back = Volume.load(tmp_path / "mr.nii.gz")
    assert sorted(back.array.shape) == [5, 6, 7]
    to_dicom(tmp_path / "mr.nii.gz", tmp_path / "in", tmp_path / "back")
    assert np.array_equal(load(tmp_path / "back").array, stored)


def test_time_series_like_dcm2niix(tmp_path: Path) -> None:
    """Time is the fourth axis, with the repetition time as its step."""
    stored = np.random.default_rng(2).integers(0, 2000, (3, 4, 5, 6)).astype(np.uint16)
    steps = [{"TemporalPositionIdentifier": n + 1, "AcquisitionTime": f"12000{n}"} for n in range(3)]
    synthetic.write_repetitions(tmp_path / "in", stored, steps, common={"RepetitionTime": 1000})
    made = one(tmp_path / "in", tmp_path / "mr.nii.gz")
    (truth,) = by_dcm2niix(tmp_path / "in", tmp_path / "truth")
    assert truth.differences(made) == []
    assert made.header.get_zooms()[3] == truth.header.get_zooms()[3] == 1
    assert made.header.get_xyzt_units() == ("mm", "sec")


def test_dynamic_pet_like_dcm2niix(tmp_path: Path) -> None:
    """Each frame has its start, duration and decay, and the JSON says so."""
    stored = np.random.default_rng(4).integers(0, 2000, (3, 4, 5, 6)).astype(np.uint16)
    tracer = Dataset()
    tracer.Radiopharmaceutical, tracer.RadiopharmaceuticalVolume = "FDG", 5.5
    tracer.RadionuclideTotalDose, tracer.RadiopharmaceuticalStartTime = 3.5e8, "110000"
    steps = [
        {
            "AcquisitionTime": f"1201{10 * n:02d}",
            "FrameReferenceTime": 10000 * n + 5000,
            "DecayFactor": 1 + n / 10,
            "ActualFrameDuration": 10000,
        }
        for n in range(3)
    ]
    common = {
        "SeriesTime": "120100",
        "Units": "BQML",
        "RescaleSlope": 0.5,
        "Manufacturer": "GE MEDICAL SYSTEMS",
        "ReconstructionMethod": "OSEM+TOF 4i5s",
        "ConvolutionKernel": "XYZ Gauss2.00",
        "RadiopharmaceuticalInformationSequence": [tracer],
    }
    synthetic.write_repetitions(tmp_path / "in", stored, steps, modality="PT", common=common)
    made = one(tmp_path / "in", tmp_path / "pt.nii.gz")
    (truth,) = by_dcm2niix(tmp_path / "in", tmp_path / "truth")
    assert truth.differences(made) == []
    assert truth.other_bids(made) == {}
    assert made.bids["FrameTimesStart"] == [0, 10, 20]
    assert made.bids["FrameDuration"] == [10, 10, 10]
    assert made.bids["DecayCorrectionFactor"] == [1, 1.1, 1.2]
    assert {
        "ReconMethodName", "ReconMethodParameterLabels", "ReconMethodParameterValues", "ReconFilterType",
        "ReconFilterSize", "InjectedRadioactivity", "TracerName",
    } <= set(truth.bids) & set(made.bids)  # fmt: skip


def test_slopes_that_vary_become_floats(tmp_path: Path) -> None:
    """No slope of NIfTI says what each slice needs."""
    faulty = synthetic.varying_slope(tmp_path / "in")
    made = one(faulty.folder, tmp_path / "ct.nii")
    assert made.voxels.dtype == np.float32
    np.testing.assert_allclose(made.voxels.T[:, ::-1], faulty.expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("greatest", "intercept", "dtype"), [(32767, 0, "i2"), (32768, 0, "u2"), (65535, -1024, "i4")]
)
def test_values_are_int16_where_they_fit(tmp_path: Path, greatest: int, intercept: int, dtype: str) -> None:
    """Else whole numbers of their own type, and exact either way; in the file that is packed too."""
    stored = np.zeros((3, 4, 5), np.uint16)
    stored[2, 3, 4] = greatest
    common = {"RescaleIntercept": intercept}
    synthetic.write_series(tmp_path / "in", stored, common=common, bits_stored=16)
    for suffix in (".nii", ".nii.gz"):
        made = one(tmp_path / "in", tmp_path / f"ct{suffix}", bids=False)
        assert made.voxels.dtype == dtype
        assert made.voxels.max() == greatest + intercept


def test_shear_is_in_the_sform_alone(tmp_path: Path) -> None:
    """A quaternion cannot say it: qform_code is 0, and a warning tells; upright it has both."""
    faulty = synthetic.tilted_20_degrees(tmp_path / "in")
    report = to_nifti(faulty.folder, tmp_path / "ct.nii.gz")
    assert "nifti-shear" in [warning.code for warning in report.warnings]
    made = read(tmp_path / "ct.nii.gz")
    assert (made.header["sform_code"], made.header["qform_code"]) == (1, 0)
    volume = load(faulty.folder)
    back = Volume.load(tmp_path / "ct.nii.gz")
    assert np.array_equal(back.array, volume.array)
    np.testing.assert_allclose(back.affine, volume.affine, atol=1e-4)
    upright = one(faulty.folder, tmp_path / "upright.nii.gz", tilt="upright")
    assert (upright.header["sform_code"], upright.header["qform_code"]) == (1, 1)


def test_uneven_slices_are_refused_or_resampled(tmp_path: Path) -> None:
    """NIfTI has one distance for all slices; nothing is left behind."""
    faulty = synthetic.gap(tmp_path / "in")
    with pytest.raises(GeometryError, match="resample"):
        to_nifti(faulty.folder, tmp_path / "ct.nii.gz", missing="keep")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    each = [{"ImagePositionPatient": [0, 0, z]} for z in (0.0, 2.0, 5.0, 6.5)]
    synthetic.write_series(tmp_path / "uneven", synthetic.stored_values((4, 5, 6)), each=each)
    with pytest.raises(GeometryError, match='missing="resample"'):
        to_nifti(tmp_path / "uneven", tmp_path / "ct.nii.gz")
    for folder in (faulty.folder, tmp_path / "uneven"):
        made = one(folder, tmp_path / "ct.nii.gz", missing="resample", overwrite=True)
        np.testing.assert_allclose(made.affine, nibabel.load(tmp_path / "ct.nii.gz").affine)
        assert made.voxels.shape[2] >= 4


def test_images_without_a_place(tmp_path: Path) -> None:
    """Their voxels are written, and neither form claims a place."""
    stored = synthetic.stored_values((3, 5, 6), bits_stored=8)
    synthetic.write_series(tmp_path / "in", stored, modality="SC")
    report = to_nifti(tmp_path / "in", str(tmp_path / "out") + "/")
    for paths in report.files:
        made = read(paths[0])
        assert (made.header["sform_code"], made.header["qform_code"]) == (0, 0)
    assert "no-place" in [warning.code for warning in report.warnings]
    with pytest.raises(GeometryError, match="sform_code and qform_code are 0"):
        Volume.load(report.files[0][0])


def test_colour_like_dcm2niix(tmp_path: Path) -> None:
    """RGB is three samples a voxel."""
    stored = np.random.default_rng(3).integers(0, 256, (4, 5, 6, 3), np.uint8)
    common = {"PhotometricInterpretation": "RGB"}
    synthetic.write_series(tmp_path / "in", stored, modality="MR", common=common, bits_stored=8)
    made = one(tmp_path / "in", tmp_path / "mr.nii")
    (truth,) = by_dcm2niix(tmp_path / "in", tmp_path / "truth")
    assert truth.differences(made) == []


def test_same_voxels_make_the_same_file(tmp_path: Path) -> None:
    """No clock and no name is in it; packed and not packed it has the same content."""
    synthetic.write_series(tmp_path / "in", synthetic.stored_values((5, 6, 7)))
    to_nifti(tmp_path / "in", tmp_path / "a.nii.gz")
    to_nifti(tmp_path / "in", tmp_path / "b.nii.gz", workers=1)
    to_nifti(tmp_path / "in", tmp_path / "c.nii")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.nii.gz").read_bytes()) == (tmp_path / "c.nii").read_bytes()


def test_nobody_is_named(tmp_path: Path) -> None:
    """Neither the patient nor the physician nor the institution is in the JSON."""
    common = {
        "PatientName": "SECRET^NAME", "PatientID": "SECRETID", "InstitutionName": "SECRET HOSPITAL",
        "ReferringPhysicianName": "SECRET^DOCTOR", "ImageComments": "SECRET COMMENT",
        "AccessionNumber": "SECRET1",
        "PatientBirthDate": "19700101", "PerformedProcedureStepDescription": "SECRET STEP",
    }  # fmt: skip
    synthetic.write_series(tmp_path / "in", synthetic.stored_values((5, 6, 7)), common=common)
    to_nifti(tmp_path / "in", tmp_path / "ct.nii.gz")
    text = (tmp_path / "ct.json").read_text()
    assert "SECRET" not in text and "1970" not in text
    assert b"SECRET" not in gzip.decompress((tmp_path / "ct.nii.gz").read_bytes())


def test_names_never_meet(tmp_path: Path) -> None:
    """Series of one name get numbers; what a file name should not have is replaced."""
    for index in range(3):
        common = {"SeriesInstanceUID": f"1.2.{index + 1}", "SeriesDescription": "A/B: ..c", "SeriesNumber": 7}
        synthetic.write_series(
            tmp_path / "in" / str(index), synthetic.stored_values((3, 4, 5)), common=common
        )
    report = to_nifti(tmp_path / "in", str(tmp_path / "out") + "/")
    names = sorted(paths[0].name for paths in report.files)
    assert names == ["7_A_B_..c.nii.gz", "7_A_B_..c_2.nii.gz", "7_A_B_..c_3.nii.gz"]
    assert all(paths[1].name == paths[0].name.replace(".nii.gz", ".json") for paths in report.files)
    report = to_nifti(tmp_path / "in", str(tmp_path / "flat") + "/", name="{Modality}/{SeriesInstanceUID}")
    assert sorted(str(paths[0].relative_to(tmp_path / "flat")) for paths in report.files) == [
        f"CT/1.2.{index + 1}.nii.gz" for index in range(3)
    ]


@pytest.mark.parametrize(
    "name", ["", "{", "{0}", "{NoKeyword}", "{Modality!r}", "{Modality:>3}", "../{Modality}", "/tmp/x", "a/"]
)
def test_patterns_that_name_nothing_are_refused(tmp_path: Path, name: str) -> None:
    """Before anything is read."""
    with pytest.raises(UsageError, match="name="):
        to_nifti(tmp_path / "nowhere", str(tmp_path / "out") + "/", name=name)


def test_task_of_a_bids_name_is_in_the_json(tmp_path: Path) -> None:
    """BIDS wants it twice; any other name says none."""
    synthetic.write_series(tmp_path / "in", synthetic.stored_values((3, 4, 5)))
    for stem, task in (("sub-01_task-rest_bold", "rest"), ("multitask-x_bold", None)):
        made = one(tmp_path / "in", tmp_path / f"{stem}.nii.gz")
        assert made.bids.get("TaskName") == task


def test_nothing_is_overwritten_without_being_asked(tmp_path: Path) -> None:
    """Neither the image nor what lies beside it; with overwrite what belonged to the old image goes."""
    synthetic.write_series(tmp_path / "in", synthetic.stored_values((3, 4, 5)))
    for name in ("ct.nii.gz", "ct.json", "ct.bval", "ct.bvec"):
        (tmp_path / name).write_text("old")
        with pytest.raises(OutputError, match="exists"):
            to_nifti(tmp_path / "in", tmp_path / "ct.nii.gz")
        assert (tmp_path / name).read_text() == "old"
        (tmp_path / name).unlink()
    for name in ("ct.nii.gz", "ct.json", "ct.bval", "ct.bvec"):
        (tmp_path / name).write_text("old")
    report = to_nifti(tmp_path / "in", tmp_path / "ct.nii.gz", overwrite=True, bids=False)
    assert [path.name for path in report.files[0]] == ["ct.nii.gz"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct.nii.gz", "in"]


@pytest.mark.parametrize("output", ["ct", "ct.npy", "ct.nii.zst", "in/ct.nii"])
def test_other_outputs_are_refused(tmp_path: Path, output: str) -> None:
    """A file that is no NIfTI, or lies where the input does."""
    synthetic.write_series(tmp_path / "in", synthetic.stored_values((3, 4, 5)))
    with pytest.raises(OutputError):
        to_nifti(tmp_path / "in", tmp_path / output)


def test_one_bad_series_stops_no_other(tmp_path: Path) -> None:
    """It is a failure of the report, and exit code 3."""
    synthetic.write_series(tmp_path / "in" / "a", synthetic.stored_values((3, 4, 5)))
    common = {"SeriesInstanceUID": "1.2.3.4", "SeriesNumber": 2}
    files = synthetic.write_series(tmp_path / "in" / "b", synthetic.stored_values((3, 4, 5)), common=common)
    os.truncate(files[1], files[1].stat().st_size - 10)
    report = to_nifti(tmp_path / "in", str(tmp_path / "out") + "/")
    assert len(report.files) == 1
    assert len(report.failures) == 1
    assert main(["to-nifti", "-i", str(tmp_path / "in"), "-o", str(tmp_path / "again") + "/"]) == 3
    assert sorted(path.suffix for path in (tmp_path / "again").iterdir()) == [".gz", ".json"]


def test_one_bad_volume_stops_no_other_of_its_series(tmp_path: Path) -> None:
    """Colours of 16 bits, which NIfTI cannot say, are named by number; those of 8 bits are written."""
    for number, bits in enumerate((8, 16)):
        stored = np.random.default_rng(3).integers(0, 256, (2, 4 + number, 6, 3)).astype(f"u{bits // 8}")
        common = {"PhotometricInterpretation": "RGB", "SeriesInstanceUID": "1.2.3.4"}
        synthetic.write_series(tmp_path / "in" / str(bits), stored, modality="SC", common=common)
    report = to_nifti(tmp_path / "in", str(tmp_path / "out") + "/")
    assert len(report.files) == 1
    ((failed,),) = ([failure] for failure in report.failures)
    assert "volume" in failed.series and "8 bits" in failed.reason


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command writes what Python does, and says what it wrote."""
    synthetic.write_series(tmp_path / "in", synthetic.stored_values((3, 4, 5)))
    output = tmp_path / "ct.nii.gz"
    assert main(["to-nifti", "-i", str(tmp_path / "in"), "-o", str(output), "--no-bids"]) == 0
    assert str(output) in capsys.readouterr().out
    assert not (tmp_path / "ct.json").exists()
    assert main(["to-nifti", "-i", str(tmp_path / "in"), "-o", str(output)]) == 2
    assert (
        main(["to-nifti", "-i", str(tmp_path / "in"), "-o", str(output), "--overwrite", "--units", "stored"])
        == 0
    )


# Series of which dcm2niix makes other volumes: it splits no SEG by segment, resamples no uneven spacing; of a
# tilted gantry it writes slices without their shear (and a second, resampled file).
OTHER_VOLUMES = {"ct-ge-tilted-uneven", "ct-philips-tilted", "seg-dcmqi"}
# Where places differ by up to 3 micrometres a slice: it multiplies a rounded distance.
ROUNDED_PLACES = {"rtstruct-sts-002", "rtstruct-sts-003"}


# What dcm2niix says otherwise: it keeps times of day as float32; it has a word of its own for maps in Hz; it
# reads another series number from each file of one series.
OTHER_BIDS = {
    "mr-siemens-sagittal": ["SliceTiming", "MultibandAccelerationFactor"],
    "mr-enhanced-philips-siemens": ["ImageType"],
    "mr-siemens-transfer-syntaxes": ["SeriesNumber"],
}
# What both say of nearly every MR series.
USUAL_BIDS = {
    "Modality", "MagneticFieldStrength", "Manufacturer", "ManufacturersModelName", "SeriesDescription",
    "ProtocolName", "SeriesNumber", "EchoTime", "RepetitionTime", "FlipAngle", "SliceThickness",
    "SpacingBetweenSlices", "ImageOrientationPatientDICOM", "MRAcquisitionType", "PatientPosition",
}  # fmt: skip


def real_series() -> list[str]:
    """Names of the real series, where they are at hand."""
    folder = Path(__file__).parents[2].parent / "shared" / "data" / "series"
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


@pytest.mark.parametrize("name", [n for n in real_series() if n not in OTHER_VOLUMES | ROUNDED_PLACES])
def test_real_series_like_dcm2niix(name: str, real_data: Path, tmp_path: Path) -> None:
    """Each of its volumes is there: voxels, places, stored order, b-values and gradients."""
    truths = by_dcm2niix(real_data / name, tmp_path / "truth")
    report = to_nifti(real_data / name, str(tmp_path / "out") + "/")
    made = [read(paths[0]) for paths in report.files]
    assert truths
    for truth in truths:
        same = [one for one in made if not truth.differences(one)]
        assert same, truth.path.name
        assert not min((truth.other_bids(one, OTHER_BIDS.get(name, ())) for one in same), key=len)
        if truth.bids["Modality"] == "MR":
            assert set(truth.bids) & USUAL_BIDS <= set(same[0].bids)


def test_a_tilted_series_has_its_shear(real_data: Path, tmp_path: Path) -> None:
    """dcm2niix says the same voxels and rows, and slices along the table without their shear."""
    (truth,) = by_dcm2niix(real_data / "ct-philips-tilted", tmp_path / "truth")
    made = one(real_data / "ct-philips-tilted", tmp_path / "ct.nii")
    assert np.array_equal(truth.voxels, made.voxels) and not truth.other_bids(made)
    np.testing.assert_allclose(truth.affine[:, [0, 1, 3]], made.affine[:, [0, 1, 3]], atol=1e-3)
    assert made.header["qform_code"] == 0
    steps_between = np.diff(
        [
            slice_["ImagePositionPatient"]
            for slice_ in load(real_data / "ct-philips-tilted").metadata["slices"]
        ],
        axis=0,
    )
    np.testing.assert_allclose(np.abs(made.affine[:3, 2]), np.abs(steps_between.mean(axis=0)), atol=1e-3)


def test_segmentations_like_dcm2niix(real_data: Path, tmp_path: Path) -> None:
    """Masks of one segment are equal; overlapping ones, which it puts one after the other, are refused.

    It leaves out slices of the images where there is no mask.
    """
    truths = by_dcm2niix(real_data / "seg-dcmqi", tmp_path / "truth")
    report = to_nifti(real_data / "seg-dcmqi", str(tmp_path / "out") + "/", name="{SeriesInstanceUID}")
    made = [read(paths[0]) for paths in report.files]
    other = [truth for truth in truths if not any(not truth.differences(one) for one in made)]
    assert {truth.bids["Modality"] for truth in other} == {"SEG"} and len(other) < len(truths) / 2
    for truth in other:
        uid = truth.path.stem.partition("_")[2].partition("_Raw")[0]
        own = [one for one in made if one.path.name.startswith(uid)]
        if not own:
            (reason,) = (failure.reason for failure in report.failures if uid in failure.series)
            assert "overlap" in reason
            continue
        masks = [one.voxels[..., one.voxels.any(axis=(0, 1))] for one in own]
        assert any(np.array_equal(mask, truth.voxels) for mask in masks)


@pytest.mark.parametrize("name", sorted(ROUNDED_PLACES & set(real_series())))
def test_real_pet_has_timing_and_dose(name: str, real_data: Path, tmp_path: Path) -> None:
    """What dcm2niix says of tracer, dose, decay and frames is said here; its voxels have one slope."""
    truths = {one.bids["Modality"]: one for one in by_dcm2niix(real_data / name, tmp_path / "truth")}
    report = to_nifti(real_data / name, str(tmp_path / "out") + "/")
    made = {one.bids["Modality"]: one for one in (read(paths[0]) for paths in report.files)}
    assert set(truths) == set(made) == {"CT", "MR", "PT"}
    for modality, truth in truths.items():
        assert not truth.other_bids(made[modality])
    assert {
        "TracerName", "TracerRadionuclide", "InjectedRadioactivity", "RadionuclideHalfLife",
        "DecayCorrection", "DecayCorrectionFactor", "FrameTimesStart", "FrameDuration", "SeriesTime",
        "ScanStart", "Units",
        "ImageDecayCorrected", "ImageDecayCorrectionTime", "ScatterFraction", "AttenuationCorrection",
        "ReconMethodName",
    } <= set(made["PT"].bids)  # fmt: skip


# What dcm2niix makes otherwise of files that travel with pydicom, by the end of the Series UID, and why; each
# is looked at to see that it differs in this, and in nothing else.
OTHER_FILES = {
    "1458337731.665795": ("refused", "made damaged: three items for one frame; or two segmentations"),
    ".77.7.7777.7777": ("refused", "a file made damaged: its Number of Frames is text"),
    ".1.3.4.1.20040826185059.5457": ("refused", "a file made damaged: cut short; it makes up the rest"),
    ".1.3.8.1.20040826185059.5457": (
        "refused",
        "a file made damaged: the width in its stream; it shows noise",
    ),
    "28319.0.2": ("refused", "slices 200 mm apart: it takes the first distance for all"),
    "5534.0.10": ("places", "a CR: it passes over Imager Pixel Spacing"),
    "5534.0.6": ("places", "a CR: it passes over Imager Pixel Spacing"),
    "5534.0.8": ("places", "a CR: it passes over Imager Pixel Spacing"),
    "3340146": ("voxels", "it takes signed values for unsigned ones: 8192 more"),
    "200.1.18": ("voxels", "it passes over the Modality LUT"),
    "12890021624762486737912713647647328339": ("rounding", "another decoder of lossy JPEG: neither is wrong"),
    "13012310880988753011051759601908007359": ("rounding", "another decoder of lossy JPEG: neither is wrong"),
    "1606514566.150779": ("rounding", "another decoder of lossy JPEG: neither is wrong"),
    "16302.0.2": ("images", "two scouts at right angles, one after the other in one volume"),
    "20110525182826.1.0": ("voxels", "a copy in big endian: it leaves each two pixels of 8 bits exchanged"),
    "16157229083793556332623330502397121062": ("images", "20 files of six types and no place under one UID"),
    "_ROI1": ("no image", "an overlay as a volume of its own"),
    "0_b": ("no image", "no Series Instance UID, so nothing says that the files belong together"),
}
# It cuts long values, keeps blanks at the end of one, and a time of day as a double of a rounded number.
CUT_BIDS = ("SoftwareVersions", "ImageType", "AcquisitionTime")


def differs_as_known(truth: Nifti, made: list[Nifti], refused: str) -> bool:
    """Whether a volume of dcm2niix's that is not there differs as the table says."""
    stem = truth.path.stem.removesuffix("a")
    kind = next((kind for end, (kind, _) in OTHER_FILES.items() if stem.endswith(end)), None)
    uid = stem.partition("_")[2]
    own = [one for one in made if one.path.name.startswith(uid)]
    if kind == "refused":
        return uid in refused and not own
    if kind in ("places", "voxels"):
        alike = [truth.differences(one) for one in own if one.voxels.shape == truth.voxels.shape]
        return [[found.partition(":")[0] for found in differences] for differences in alike] == [[kind]]
    if kind == "rounding":
        return len(own) == 1 and truth.differences(own[0]) == ["voxels"] and steps(truth, own[0]) <= 1
    if kind == "images":
        there = [image for one in own for image in np.moveaxis(numbers(one), 2, 0)]
        return uid in refused or all(
            any(image.shape == one.shape and np.abs(image - one).max() <= 1 for one in there)
            for image in np.moveaxis(numbers(truth), 2, 0)
        )
    return kind == "no image"


def numbers(image: Nifti) -> Any:
    """Voxels (i, j, k[, colour]) as float64."""
    names = image.voxels.dtype.names
    return (
        np.stack([image.voxels[n] for n in names], -1).astype(float) if names else image.voxels.astype(float)
    )


def steps(one: Nifti, other: Nifti) -> float:
    """The greatest difference of two voxels."""
    return float(np.abs(numbers(one) - numbers(other)).max())


@pytest.mark.parametrize("package", ["pydicom", "pydicom-data"])
def test_files_of_pydicom_like_dcm2niix(package: str, tmp_path: Path) -> None:
    """Every volume that dcm2niix makes of them is there, or differs in what is known of it alone."""
    if package == "pydicom":
        folder = Path(pydicom.__file__).parent / "data" / "test_files"
    else:
        folder = Path(pytest.importorskip("data_store").__file__).parent / "data"
    truths = by_dcm2niix(folder, tmp_path / "truth")
    report = to_nifti(folder, str(tmp_path / "out") + "/", name="{SeriesInstanceUID}")
    made, refused = [read(paths[0]) for paths in report.files], str(report.failures)
    equal = 0
    for truth in truths:
        same = [one for one in made if not truth.differences(one)]
        if not same:
            assert differs_as_known(truth, made, refused), truth.path.name
            continue
        equal += 1
        assert not min((truth.other_bids(one, CUT_BIDS) for one in same), key=len), truth.path.name
    assert equal >= {"pydicom": 27, "pydicom-data": 20}[package]


@pytest.mark.parametrize("name", ["mr-siemens-mosaic", "mr-enhanced-siemens"])
def test_readout_and_slice_times_of_siemens(name: str, real_data: Path, tmp_path: Path) -> None:
    """Of mosaics by the CSA header, of XA by private groups: there, and as dcm2niix has them."""
    report = to_nifti(real_data / name, str(tmp_path / "out") + "/")
    for paths in report.files:
        assert {
            "SliceTiming", "PhaseEncodingDirection", "TotalReadoutTime", "EffectiveEchoSpacing",
            "BandwidthPerPixelPhaseEncode", "DwellTime",
        } <= set(read(paths[0]).bids)  # fmt: skip


def test_without_nibabel_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading and writing name the extra, before anything is scanned."""
    synthetic.write_series(tmp_path / "in", synthetic.stored_values((3, 4, 5)))
    to_nifti(tmp_path / "in", tmp_path / "ct.nii")
    monkeypatch.setitem(sys.modules, "nibabel.nifti1", None)
    for use in (
        lambda: to_nifti(tmp_path / "nowhere", tmp_path / "other.nii"),
        lambda: Volume.load(tmp_path / "ct.nii"),
        lambda: to_dicom(tmp_path / "ct.nii", tmp_path / "in", tmp_path / "out"),
    ):
        with pytest.raises(UsageError, match=r"dicomarray\[nifti\]"):
            use()


def test_errors_are_ours(tmp_path: Path) -> None:
    """Nothing to read is an error of this package."""
    with pytest.raises(DicomArrayError):
        to_nifti(tmp_path / "nowhere", tmp_path / "ct.nii.gz")
