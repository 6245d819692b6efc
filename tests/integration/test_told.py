"""What a user is told of series: the table, objects that are no images, titles, what a report shows."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import generate_uid

import dicomarray
from dicomarray.cli.main import main
from dicomarray.cli.table import COLUMNS, fitted
from synthetic import stored_values, write_series


def structure_set(ct: Path, path: Path, study: str | None = None) -> None:
    """An object without pixels, of the study of a CT or of another one."""
    d = pydicom.dcmread(next(ct.glob("*.dcm")))
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(d, keyword)
    d.Modality, d.SOPClassUID = "RTSTRUCT", "1.2.840.10008.5.1.4.1.1.481.3"
    d.SeriesInstanceUID, d.SOPInstanceUID = generate_uid(), generate_uid()
    d.file_meta.MediaStorageSOPClassUID, d.file_meta.MediaStorageSOPInstanceUID = (
        d.SOPClassUID,
        d.SOPInstanceUID,
    )
    d.StudyInstanceUID = study or d.StudyInstanceUID
    d.save_as(path)


def test_a_structure_set_beside_a_ct_is_told(
    ct: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By to-numpy, view, load and filter; not where there is none, nor one of another study."""
    for study in (None, "1.2.3"):
        folder = tmp_path / f"in{study}"
        shutil.copytree(ct, folder)
        structure_set(ct, folder / "rs.dcm", study)
        assert main(["to-numpy", "-i", str(folder), "-n", str(tmp_path / f"a{study}.npy")]) == 0
        said = [capsys.readouterr().err]
        assert main(["view", "-i", str(folder), "-o", str(tmp_path / f"v{study}.png")]) == 0
        said.append(capsys.readouterr().err)
        said.append("\n".join(dicomarray.load(folder).warnings))
        assert ["no images: 1 RTSTRUCT" in text for text in said] == [study is None] * 3
        assert main(["filter", "-i", str(folder)]) == 0
        shown = capsys.readouterr()
        assert "1, contours" in shown.out
        assert "no images: 1 RTSTRUCT" in shown.err
    assert dicomarray.load(ct).warnings == ()
    assert main(["to-numpy", "-i", str(ct), "-n", str(tmp_path / "b.npy")]) == 0
    assert "no images" not in capsys.readouterr().err


def test_the_table_says_what_a_series_is_before_its_uid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Study, size, plane; a series in two folders says so; nothing is cut where it goes into a file."""
    common = {"SeriesInstanceUID": "1.2.3", "SeriesDescription": "CHEST " * 10, "StudyDescription": "LUNG"}
    write_series(tmp_path / "a", stored_values((3, 4, 5)), common=common)
    write_series(
        tmp_path / "b", stored_values((2, 4, 5)), common=common | {"ImagePositionPatient": [-20, -30, 107.5]}
    )
    assert main(["filter", "-i", str(tmp_path)]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == list(COLUMNS)
    words = ("CT", "1", "CHEST CHEST", "LUNG", "5 x 4 x 5", "axial", "NONE", "1.2.3", "and 1 more")
    places = [line.index(word) for word in words]
    assert places == sorted(places)
    assert "..." not in line


def test_the_table_fits_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Columns that tell least are cut first; one line a series."""
    write_series(
        tmp_path / ("long name " * 8), stored_values((3, 4, 5)), common={"SeriesDescription": "CHEST"}
    )
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda *_: os.terminal_size((110, 24)))
    assert main(["filter", "-i", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= 110
    assert "CHEST" in lines[1] and "3 x 4 x 5" in lines[1]
    natural = [8, 6, 60, 30, 15, 8, 30, 64, 80]
    assert sum(fitted(natural, 120)) + 2 * (len(natural) - 1) <= 120
    assert fitted(natural, 1000) == natural


def test_reports_and_attributes_are_readable(ct: Path, tmp_path: Path) -> None:
    """Each is a line with what matters, and no patient."""
    series = dicomarray.scan(ct)[0]
    report = dicomarray.to_numpy(ct, tmp_path / "a.npy")
    written = dicomarray.to_dicom(tmp_path / "a.npy", series, tmp_path / "out")
    run = dicomarray.run(ct, tmp_path / "run", lambda volume: volume.array)
    index = dicomarray.index(ct, tmp_path / "x.sqlite")
    shown = [repr(one) for one in (series, series.attributes, report, written, run, index)]
    parts = (
        "Series CT 1",
        "'Modality': 'CT'",
        "a.npy",
        "6 files",
        "1 written",
        "6 instances in 1 series",
    )
    for text, part in zip(shown, parts, strict=True):
        assert part in text
        assert "\n" not in text
        assert "SYNTHETIC^" not in text
