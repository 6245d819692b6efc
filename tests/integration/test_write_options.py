"""The options of writing that change what is stored, or who and what the new series says it is."""

from pathlib import Path

import numpy as np
import pydicom
import pytest

import dicomarray
from dicomarray.errors import UsageError, ValuesError


def test_clipped_on_request_and_counted(ct: Path, tmp_path: Path) -> None:
    """Stored values beyond 12 bits are an error; with clip they end at 4095, and the report counts them."""
    array = dicomarray.load(ct, units="stored").array.astype(np.int32)
    array[0, 0, :3] = 5000
    with pytest.raises(ValuesError, match="clip"):
        dicomarray.to_dicom(array, ct, tmp_path / "out", values="stored")
    report = dicomarray.to_dicom(array, ct, tmp_path / "out", values="stored", clip=True)
    assert report.clipped == 3
    assert report.max_error == 5000 - 4095
    assert dicomarray.load(tmp_path / "out", units="stored").array[0, 0, :3].tolist() == [4095] * 3


def test_uid_key_makes_the_same_series_again(ct: Path, tmp_path: Path) -> None:
    """Two runs with one key are equal byte for byte; another key, or another array, is another series."""
    array = dicomarray.load(ct).array

    def written(name: str, values: np.ndarray, key: str) -> list[bytes]:
        report = dicomarray.to_dicom(values, ct, tmp_path / name, uid_key=key)
        return [file.read_bytes() for file in report.files]

    first = written("a", array, "model 7")
    assert written("b", array, "model 7") == first
    written("c", array, "model 8")
    written("d", array + 1, "model 7")
    first_files = (next((tmp_path / name).iterdir()) for name in ("a", "c", "d"))
    assert len({pydicom.dcmread(file).SeriesInstanceUID for file in first_files}) == 3


def test_description_number_and_equipment(ct: Path, tmp_path: Path) -> None:
    """What is asked for stands in every file."""
    report = dicomarray.to_dicom(
        dicomarray.load(ct),
        ct,
        tmp_path / "out",
        series_description="Denoised",
        series_number=77,
        equipment="keep",
    )
    source = pydicom.dcmread(next(ct.iterdir()))
    for file in report.files:
        written = pydicom.dcmread(file)
        assert (written.SeriesDescription, written.SeriesNumber) == ("Denoised", 77)
        assert written.Manufacturer == source.Manufacturer


@pytest.mark.parametrize(
    "option", [{"values": "most"}, {"equipment": "mine"}, {"fill": float("nan")}, {"vlaues": "auto"}]
)
def test_unknown_options_are_refused_before_anything_is_read(
    option: dict[str, object], tmp_path: Path
) -> None:
    """The message lists what there is; the template folder does not even exist."""
    with pytest.raises(UsageError):
        dicomarray.to_dicom(np.zeros((2, 3, 4)), tmp_path / "none", tmp_path / "out", **option)
    with pytest.raises(UsageError):
        dicomarray.run(tmp_path / "none", tmp_path / "out", str, **option)
