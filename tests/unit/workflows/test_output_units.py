"""Masks and label maps on series of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

import dicomarray
import synthetic

STORED = synthetic.stored_values()
LABELS = np.random.default_rng(5).integers(0, 7, STORED.shape)


@pytest.mark.parametrize(
    "mask",
    [LABELS > 3, LABELS.astype(np.uint8), LABELS.astype(np.int8), (LABELS > 3).astype(np.int64)],
    ids=["bool", "uint8", "int8", "0 and 1"],
)
def test_labels_on_ct_are_no_hounsfield_units(mask: NDArray[Any], tmp_path: Path) -> None:
    """Every label is kept, the unit is gone, the window spans them, and SEG is recommended."""
    synthetic.write_series(tmp_path / "in", STORED)
    report = dicomarray.to_dicom(mask, tmp_path / "in", tmp_path / "out")
    read = dicomarray.load(tmp_path / "out")
    np.testing.assert_array_equal(read.array, mask.astype(np.int16))
    assert read.units == "modality"
    written = pydicom.dcmread(report.files[0])
    assert written.RescaleType == "US"
    assert (written.RescaleSlope, float(written.RescaleIntercept) % 1) == (1, 0)
    assert float(written.WindowWidth) == int(mask.max()) - int(mask.min()) + 1
    assert any("DICOM SEG" in warning for warning in report.warnings)


def test_labels_on_pet_have_no_units(tmp_path: Path) -> None:
    """Units is NONE, and a slope of the template that cannot hold a label is not kept."""
    synthetic.write_series(
        tmp_path / "in", STORED.astype(np.int16), modality="PT", common={"RescaleSlope": "0.37"}
    )
    report = dicomarray.to_dicom(LABELS > 3, tmp_path / "in", tmp_path / "out")
    np.testing.assert_array_equal(dicomarray.load(tmp_path / "out").array, LABELS > 3)
    assert pydicom.dcmread(report.files[0]).Units == "NONE"


def test_labels_on_mr_need_no_units(tmp_path: Path) -> None:
    """A class without units claims none; the advice is given all the same."""
    synthetic.write_series(tmp_path / "in", STORED, modality="MR")
    report = dicomarray.to_dicom(LABELS > 3, tmp_path / "in", tmp_path / "out")
    np.testing.assert_array_equal(dicomarray.load(tmp_path / "out").array, LABELS > 3)
    assert any("DICOM SEG" in warning for warning in report.warnings)


def test_fractions_on_ct_are_doubted(tmp_path: Path) -> None:
    """Normalized values without their sidecar would be HU; beyond 1 none is doubted."""
    synthetic.write_series(tmp_path / "ct", STORED)
    fractions = np.random.default_rng(1).random(STORED.shape)
    report = dicomarray.to_dicom(fractions, tmp_path / "ct", tmp_path / "out")
    assert [warning.code for warning in report.warnings] == ["fractions-as-hu"]
    for array, options in ((fractions * 2, {}), (fractions, {"units": "PCT"})):
        report = dicomarray.to_dicom(array, tmp_path / "ct", tmp_path / "out", overwrite=True, **options)
        assert not report.warnings


def test_a_sidecar_of_normalized_values_is_doubted(tmp_path: Path) -> None:
    """Beside an array of HU it would stretch them again; a model that overshoots a little is not doubted."""
    synthetic.write_series(tmp_path / "ct", STORED)
    normalized = dicomarray.load(tmp_path / "ct").normalize(-100, 400)
    normalized.save(tmp_path / "n.npy", tmp_path / "n.json")
    for array, codes in (
        (dicomarray.load(tmp_path / "ct").array, ["not-normalized"]),
        (normalized.array * 1.2 - 0.1, []),
    ):
        report = dicomarray.to_dicom(
            array, tmp_path / "ct", tmp_path / "out", input_json=tmp_path / "n.json", overwrite=True
        )
        assert [warning.code for warning in report.warnings] == codes


def test_measurements_are_not_taken_for_labels(tmp_path: Path) -> None:
    """Wider integers, floats, and 8-bit values of an 8-bit template stay what they are."""
    synthetic.write_series(tmp_path / "ct", STORED)
    for array in (LABELS.astype(np.int16), LABELS.astype(np.float32)):
        report = dicomarray.to_dicom(array, tmp_path / "ct", tmp_path / "out", overwrite=True)
        assert pydicom.dcmread(report.files[0]).RescaleType == "HU"
        assert not any("SEG" in warning for warning in report.warnings)
    eight = (STORED >> 4).astype(np.uint8)
    synthetic.write_series(tmp_path / "eight", eight, modality="MR")
    report = dicomarray.to_dicom(eight, tmp_path / "eight", tmp_path / "other")
    assert not any("SEG" in warning for warning in report.warnings)


def test_units_that_are_said_count(tmp_path: Path) -> None:
    """Whoever says that small integers are Hounsfield units is believed."""
    synthetic.write_series(tmp_path / "in", STORED)
    report = dicomarray.to_dicom(LABELS.astype(np.uint8), tmp_path / "in", tmp_path / "out", units="HU")
    assert pydicom.dcmread(report.files[0]).RescaleType == "HU"
    assert not any("SEG" in warning for warning in report.warnings)
