"""`check` finds what is wrong with files, and nothing in sound ones; it tells no values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

import dicomarray
from dicomarray.cli.main import main
from dicomarray.workflows.check import Remark


def texts(remarks: list[Remark], by: str = "dicomarray") -> list[tuple[str, str]]:
    return [(remark.severity, remark.text) for remark in remarks if remark.by == by]


def change(folder: Path, **values: object) -> None:
    """Give every file of a folder other values, whatever their VR takes."""
    with pydicom.config.disable_value_validation():
        for path in sorted(folder.iterdir()):
            data_set = pydicom.dcmread(path)
            for keyword, value in values.items():
                setattr(data_set, keyword, value)
            data_set.save_as(path)


def test_a_sound_series_has_no_remarks(ct: Path) -> None:
    """Of a sound series this package says nothing, with its pixels or without."""
    assert texts(dicomarray.check(ct)) == texts(dicomarray.check(ct, pixels=True)) == []


def test_what_the_package_writes_has_no_remarks(ct: Path, tmp_path: Path) -> None:
    """Masks and images of ours break no VR, several values of a number included."""
    labels = (dicomarray.load(ct).array > 0).astype("u1")
    for write in (dicomarray.to_seg, dicomarray.to_rtstruct):
        write(labels, ct, tmp_path / write.__name__, {1: "liver"})
        assert texts(dicomarray.check(tmp_path / write.__name__)) == []


def test_values_that_are_none_of_their_vr_are_errors_without_the_value(ct: Path) -> None:
    """A value that breaks its VR is told once for all files, by the attribute's name alone."""
    change(ct, StationName="SECRET NAME MUCH LONGER THAN SIXTEEN", StudyDate="yesterday")
    remarks = dicomarray.check(ct)
    found = texts(remarks)
    assert ("error", "StationName has a value that is no SH (PS3.5 6.2)") in found
    assert ("error", "StudyDate has a value that is no DA (PS3.5 6.2)") in found
    assert {remark.count for remark in remarks if remark.by == "dicomarray"} == {len(list(ct.iterdir()))}
    assert "SECRET" not in repr(remarks)


def test_missing_attributes_are_errors(ct: Path) -> None:
    """An empty attribute of type 1 is an error."""
    change(ct, Modality="")
    assert ("error", "Modality is missing or empty (type 1)") in texts(dicomarray.check(ct))


def test_what_cannot_be_read_as_a_volume_is_an_error(ct: Path) -> None:
    """A gap that `load` refuses is an error; cut pixel data is one where pixels are asked for."""
    files = sorted(ct.iterdir())
    files[1].unlink()
    assert any(severity == "error" and "missing" in text for severity, text in texts(dicomarray.check(ct)))


def test_cut_pixel_data_are_an_error_where_pixels_are_decoded(ct: Path) -> None:
    """Pixels that end too soon are seen by those who decode them."""
    path = sorted(ct.iterdir())[2]
    path.write_bytes(path.read_bytes()[:-10])
    assert any("truncated" in text for _, text in texts(dicomarray.check(ct, pixels=True)))


def test_dciodvfy_is_asked_where_it_is_installed(ct: Path, make_series: Callable[..., Path]) -> None:
    """What dciodvfy finds stands beside our own remarks, with the attribute and without values."""
    change(ct, PatientSex="SECRET")
    found = texts(dicomarray.check(ct), by="dciodvfy")
    assert any(severity == "error" and "Patient" in text for severity, text in found)
    assert "SECRET" not in repr(found)


def test_files_that_are_no_dicom_are_told(ct: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command tells what is no part of a series, and ends with 0 unless something is an error."""
    (ct / "notes.txt").write_text("no DICOM")
    change_nothing = [str(ct)]
    code = main(["check", *change_nothing])
    text, errors = capsys.readouterr()
    assert "notes.txt" in text
    assert "looked at 6 files with 6 objects of 1 series; 1 files were skipped" in errors
    assert code == ("error," in text)
