"""What may be given as an array and as its options: masked ones, normalized ones, and no arrays at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import generate_uid

import synthetic
from dicomarray import load, scan, to_dicom
from dicomarray.errors import InputError, UsageError, ValuesError


def test_masked_values_are_an_error_without_fill(ct: Path, tmp_path: Path) -> None:
    """What lies under a mask is garbage: it is never written."""
    array = load(ct).array.astype(np.int32)
    masked = np.ma.masked_array(array, mask=array < -1000)
    masked.data[masked.mask] = 99999
    with pytest.raises(ValuesError, match=rf"{masked.mask.sum()} of {array.size} values are masked.*fill="):
        to_dicom(masked, ct, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("dtype", [np.int16, np.int64, np.float32, np.float64])
def test_masked_values_get_the_fill_value(ct: Path, tmp_path: Path, dtype: Any) -> None:
    """They are counted, and all others stay."""
    array = load(ct).array.astype(dtype)
    masked = np.ma.masked_array(array.copy(), mask=array < -1000)
    masked.data[masked.mask] = 20000
    report = to_dicom(masked, ct, tmp_path / "out", fill=-7)
    np.testing.assert_array_equal(load(tmp_path / "out").array, np.where(array < -1000, -7, array))
    assert report.warnings == (f"{masked.mask.sum()} masked values got the fill value [fill-values]",)


def test_masked_invalid_values(ct: Path, tmp_path: Path) -> None:
    """NaN under a mask is filled as masked, others as NaN."""
    array = load(ct).array * 0.37
    array[0, 0, :3] = np.nan
    masked = np.ma.masked_array(array, mask=np.zeros(array.shape, bool))
    masked.mask[0, 0, :2] = True
    report = to_dicom(masked, ct, tmp_path / "out", fill=0)
    assert report.warnings[0] == "2 masked values got the fill value [fill-values]"
    assert report.warnings[1].startswith("1 values were NaN")
    assert abs(load(tmp_path / "out").array[0, 0, :3]).max() <= report.max_error * 1.01


@pytest.mark.parametrize("mask", [np.ma.nomask, False])
def test_a_mask_of_nothing_is_none(ct: Path, tmp_path: Path, mask: Any) -> None:
    """The data is written as any other array."""
    array = load(ct).array
    report = to_dicom(np.ma.masked_array(array, mask=mask), ct, tmp_path / "out")
    assert report.warnings == ()
    np.testing.assert_array_equal(load(tmp_path / "out").array, array)


def test_a_fill_value_that_integers_cannot_hold(ct: Path, tmp_path: Path) -> None:
    """It is not rounded without a word."""
    array = load(ct).array
    with pytest.raises(UsageError, match=r"fill=0\.5.*int16"):
        to_dicom(np.ma.masked_array(array, mask=array > 0), ct, tmp_path / "out", fill=0.5)


def test_errors_of_a_normalized_array_are_in_its_units(make_series: Any, tmp_path: Path) -> None:
    """Of 0 to 1, and not of what is written; ``max_error`` likewise."""
    common = {"RescaleSlope": "1e-6", "RescaleIntercept": "0"}
    template = make_series(modality="MR", common=common)
    normalized = load(template).normalize(0, 0.001)
    report = to_dicom(normalized, template, tmp_path / "out", max_error=1e-5)
    errors = np.abs(load(tmp_path / "out").array.astype(float) / 0.001 - normalized.array)
    assert errors.max() == pytest.approx(report.max_error, rel=0.02)
    assert errors.mean() == pytest.approx(report.mean_error, rel=0.1)  # float32
    with pytest.raises(ValuesError, match=f"greatest error would be {report.max_error:.6g}"):
        to_dicom(normalized, template, tmp_path / "refused", max_error=report.max_error / 2)


def test_an_array_of_another_series_says_so(tmp_path: Path) -> None:
    """The UID in the message is that of the array, which the caller never named."""
    common = {"FrameOfReferenceUID": generate_uid(), "StudyInstanceUID": generate_uid()}
    for name in ("one", "other"):
        synthetic.write_series(tmp_path / name, synthetic.stored_values(), common=common)
    volume, uid = load(tmp_path / "one"), scan(tmp_path / "one")[0].uid
    with pytest.raises(
        InputError, match=rf"array was made from series {uid}, which is not in .*other.*series="
    ):
        to_dicom(volume, tmp_path / "other", tmp_path / "out")
    to_dicom(volume, tmp_path / "other", tmp_path / "out", series=scan(tmp_path / "other")[0].uid)
    with pytest.raises(InputError, match=r"no series with images has the UID 1\.2"):
        to_dicom(volume, tmp_path / "other", tmp_path / "named", series="1.2")


@pytest.mark.parametrize("given", [[[[1, 2], [3, 4]]], 5, None, {"a": 1}])
def test_what_is_no_array_is_refused(ct: Path, tmp_path: Path, given: Any) -> None:
    """With the type, and what may be given."""
    with pytest.raises(UsageError, match=f"the array is a {type(given).__name__}: give a NumPy array"):
        to_dicom(given, ct, tmp_path / "out")


@pytest.mark.parametrize(
    "options",
    [
        {"series_number": "x"}, {"series_number": 1.5}, {"series_number": True}, {"max_error": "a"},
        {"fill": "x"}, {"fill": [1]}, {"keep_private": [5]}, {"keep_private": 5}, {"volume": "a"},
        {"volume": 0.0}, {"series_description": 5}, {"uid_key": 7},
    ],
)  # fmt: skip
def test_options_of_a_wrong_type_are_refused(ct: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    """Each is named, with what is needed; nothing is written."""
    (name,) = options
    with pytest.raises(UsageError, match=rf"{name}=.* (is|are) needed"):
        to_dicom(load(ct).array, ct, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_numbers_of_numpy_are_numbers(ct: Path, tmp_path: Path) -> None:
    """Options are often calculated."""
    options: dict[str, Any] = {
        "fill": np.float32(1),
        "max_error": np.float64(1),
        "series_number": np.int64(7),
    }
    report = to_dicom(load(ct).array, ct, tmp_path / "out", volume=np.int64(0), **options)
    assert report.max_error == 0
