"""Series whose images name several patients, or none in part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import dicomarray
from synthetic import stored_values, write_series

SLICES = 6
SECRETS = ("SYNTHETIC-1", "SYNTHETIC^SERIES", "19700101", "OTHER", "20010203")


def _series(folder: Path, *second: dict[str, object]) -> Path:
    """Six slices; the last ones say something else of the patient."""
    each: list[dict[str, object]] = [{}] * (SLICES - len(second)) + list(second)
    write_series(folder, stored_values((SLICES, 4, 5)), each=each)
    return folder


def _said(folder: Path) -> list[str]:
    return [one for one in dicomarray.load(folder).warnings if one.endswith("[mixed-patients]")]


@pytest.mark.parametrize(
    "other",
    [
        {"PatientID": "OTHER"},
        {"PatientName": "OTHER^NAME"},
        {"PatientBirthDate": "20010203"},
        {"PatientID": "OTHER", "PatientName": "OTHER^NAME", "PatientBirthDate": "20010203"},
    ],
)
def test_two_patients_in_a_series_are_told_and_nothing_is_written_like_them(
    tmp_path: Path, other: dict[str, object]
) -> None:
    """The warning counts patients and names attributes and files, and no value; all writers refuse."""
    folder = _series(tmp_path / "ct", other, other)
    (said,) = _said(folder)
    assert "2 patients" in said
    assert "2 are of another" in said
    assert all(name in said for name in (*other, "0005.dcm", "0006.dcm"))
    dicomarray.to_numpy(folder, tmp_path / "a.npy", tmp_path / "a.json")
    assert said in json.loads((tmp_path / "a.json").read_text())["warnings"]

    labels = np.ones((SLICES, 4, 5), np.uint8)
    for number, write in enumerate(
        (
            lambda output: dicomarray.to_dicom(tmp_path / "a.npy", folder, output),
            lambda output: dicomarray.to_seg(labels, folder, output, segments={1: "liver"}),
            lambda output: dicomarray.to_rtstruct(labels, folder, output, segments={1: "liver"}),
        )
    ):
        with pytest.raises(dicomarray.TemplateError, match="2 patients") as refused:
            write(tmp_path / f"out{number}")
        assert not any(secret in said + str(refused.value) for secret in SECRETS)
        assert not (tmp_path / f"out{number}").exists()


def test_an_empty_patient_id_beside_filled_ones_is_told_in_other_words(tmp_path: Path) -> None:
    """Nobody says that there are two patients, nor that there is one."""
    (said,) = _said(_series(tmp_path / "ct", {"PatientID": None}, {"PatientID": ...}))
    assert "PatientID is empty in 2 of 6 files (0005.dcm, 0006.dcm)" in said
    assert not any(secret in said for secret in SECRETS)


def test_spellings_of_one_patient_are_one_patient(tmp_path: Path) -> None:
    """Case, padding, empty components, other scripts and points in dates tell no patients apart."""
    folder = _series(
        tmp_path / "ct",
        {"PatientName": "Synthetic^Series^^^"},
        {"PatientName": "SYNTHETIC^SERIES=SYNTHETIC^SERIES"},
        {"PatientBirthDate": "1970.01.01"},
        {"PatientID": " SYNTHETIC-1 "},
    )
    assert _said(folder) == []


def test_a_copy_that_names_another_patient_is_told(tmp_path: Path) -> None:
    """A copy is left out, but the series it lies in holds images of two patients."""
    array = stored_values((SLICES, 4, 5))
    common = {"SeriesInstanceUID": "1.2.3", "StudyInstanceUID": "1.2", "FrameOfReferenceUID": "1.4"}
    uids = [{"SOPInstanceUID": f"1.2.3.{number}"} for number in range(SLICES)]
    write_series(tmp_path / "a", array, common=common, each=uids)
    write_series(tmp_path / "b", array, common=common | {"PatientID": "OTHER"}, each=uids)
    (said,) = _said(tmp_path)
    assert "2 patients" in said


def test_an_index_tells_two_patients_as_the_files_do(tmp_path: Path) -> None:
    """The index has all attributes already; nothing is opened for it."""
    folder = _series(tmp_path / "ct", {"PatientID": "OTHER"})
    dicomarray.index(folder, tmp_path / "i.sqlite")
    (series,) = dicomarray.open_index(tmp_path / "i.sqlite")
    volume = series.volume()
    assert [one for one in volume.warnings if one.endswith("[mixed-patients]")] == _said(folder)
    assert not any(secret in repr(series.instances[0]) for secret in SECRETS)
