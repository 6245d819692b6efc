"""What another tool de-identified still fits together: SEG and structure set on their images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicognito.anonymizer import Anonymizer

import dicomarray

NAME = "MARKED^PATIENT"


@pytest.fixture
def masks(ct: Path) -> np.ndarray:
    """A mask of a box."""
    mask = np.zeros(dicomarray.load(ct).array.shape, bool)
    mask[1:-1, 2:5, 3:7] = True
    return mask


def deidentified(folder: Path, output: Path) -> Path:
    """What dicognito makes of a study: all its objects, by one anonymizer, whose UIDs agree."""
    anonymizer = Anonymizer(seed="a test")
    for path in sorted(folder.rglob("*.dcm")):
        data_set = pydicom.dcmread(path)
        anonymizer.anonymize(data_set)
        target = output / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        data_set.save_as(target)
    return output


def test_masks_of_a_deidentified_study_are_where_they_were(
    ct: Path, tmp_path: Path, masks: np.ndarray
) -> None:
    """After UIDs are changed throughout, SEG and structure set find their images, voxel for voxel."""
    study = tmp_path / "study"
    ct.rename(tmp_path / "moved")
    study.mkdir()
    (tmp_path / "moved").rename(study / "ct")
    dicomarray.to_seg({"liver": masks}, study / "ct", study / "seg")
    dicomarray.to_rtstruct({"liver": masks}, study / "ct", study / "rtstruct")
    clean = deidentified(study, tmp_path / "clean")
    before = {series.uid for series in dicomarray.scan(study)}
    after = dicomarray.scan(clean)
    assert len(after) == len(before) == 3
    assert before.isdisjoint(series.uid for series in after)
    for kind in ("seg", "rtstruct"):
        found = dicomarray.load_segmentation(clean / kind, on=clean / "ct")
        np.testing.assert_array_equal(found.mask("liver"), masks)
        assert not [w for w in found.warnings if "frame-of-reference" in w]


def test_results_made_from_a_deidentified_series_name_nobody(ct: Path, tmp_path: Path) -> None:
    """A run over a de-identified series writes results of the new patient, in the new study."""
    for path in ct.iterdir():
        data_set = pydicom.dcmread(path)
        data_set.PatientName = NAME
        data_set.save_as(path.with_suffix(".dcm"))
    clean = deidentified(ct, tmp_path / "clean")
    report = dicomarray.run(clean, tmp_path / "out", lambda volume: volume.array)
    (source,) = dicomarray.scan(clean)
    for path in report.written[0].report.files:
        data_set = pydicom.dcmread(path)
        assert NAME not in str(data_set)
        assert data_set.StudyInstanceUID == source.attributes["StudyInstanceUID"]
