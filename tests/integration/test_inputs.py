"""What a user gives for an input: folders without a flag, patterns, the home folder, nothing; templates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dicomarray
from dicomarray.cli.main import main
from synthetic import stored_values, write_series


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A CT of 4 slices and an MR of 5."""
    for number, modality in ((1, "CT"), (2, "MR")):
        write_series(
            tmp_path / "in" / modality,
            stored_values((3 + number, 3, 4)),
            modality=modality,
            common={"SeriesNumber": number, "SeriesInstanceUID": f"1.2.{number}"},
        )
    return tmp_path / "in"


def rows_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [row["Modality"] for row in json.loads(capsys.readouterr().out)]


def test_a_folder_without_a_flag_is_an_input(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever it stands, beside -i too; in to-dicom it is the template; an unknown flag stays a mistake."""
    ct, mr, npy = str(archive / "CT"), str(archive / "MR"), str(tmp_path / "a.npy")
    for call in (
        [ct, "-w", "Modality=CT"],
        ["-w", "Modality=CT", ct, mr],
        [str(archive), "--series", "1.2.1"],
    ):
        assert main(["filter", *call, "--format", "json"]) == 0
        assert rows_of(capsys) == ["CT"]
    assert main(["filter", "--format", "json", ct, "-i", mr]) == 0
    assert rows_of(capsys) == ["CT", "MR"]
    assert main(["to-numpy", ct, "-n", npy]) == 0
    assert main(["to-dicom", "-n", npy, ct, "-o", str(tmp_path / "out")]) == 0
    assert main(["index", str(archive), "--index", str(tmp_path / "x.sqlite")]) == 0
    assert main(["view", ct, "-o", str(tmp_path / "v.png")]) == 0
    function = tmp_path / "f.py"
    function.write_text("def same(volume):\n    return volume.array\n")
    assert main(["run", ct, "-o", str(tmp_path / "run"), "-f", f"{function}:same"]) == 0
    for wrong in (
        ["filter", ct, "--formt", "x"],
        ["filter", ""],
        ["to-numpy", "-n", npy],
        ["view", "-o", "v.png"],
    ):
        with pytest.raises(SystemExit) as ended:
            main(wrong)
        assert ended.value.code == 2


@pytest.mark.parametrize("choice", [["-c"], ["-w", "Modality=MR"], ["--series", "1.2.2"], ["--index"]])
def test_a_series_is_chosen_by_the_same_flags_everywhere(
    archive: Path, tmp_path: Path, choice: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """-c, -w, --series and --index in every command; in to-dicom they choose the template."""
    config, index = tmp_path / "mr.json", tmp_path / "x.sqlite"
    config.write_text('{"Modality": "MR"}')
    dicomarray.index(archive, index)
    given = {"-c": [str(archive), "-c", str(config)], "--index": ["--index", str(index), "-w", "Modality=MR"]}
    chosen = given.get(choice[0], [str(archive), *choice])
    npy, function = tmp_path / "a.npy", tmp_path / "f.py"
    function.write_text("def same(volume):\n    return volume.array\n")
    assert main(["filter", *chosen, "--format", "json"]) == 0
    assert rows_of(capsys) == ["MR"]
    assert main(["to-numpy", *chosen, "--volume", "0", "-n", str(npy)]) == 0
    assert np.load(npy).shape == (5, 3, 4)
    assert main(["to-dicom", *chosen, "--volume", "0", "-n", str(npy), "-o", str(tmp_path / "out")]) == 0
    assert dicomarray.load(tmp_path / "out").series["Modality"] == "MR"
    assert main(["view", *chosen, "--volume", "0", "-o", str(tmp_path / "v.html")]) == 0
    assert main(["run", *chosen, "-o", str(tmp_path / "run"), "-f", f"{function}:same"]) == 0
    assert [e.name[:2] for e in (tmp_path / "run").iterdir() if e.is_dir()] == ["MR"]


def test_patterns_and_the_home_folder_mean_what_a_shell_would_make_of_them(
    archive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Inside quotes a shell leaves them as they are; a folder whose name has such signs is itself."""
    assert [s.uid for s in dicomarray.scan(str(archive / "C*" / "*.dcm"))] == ["1.2.1"]
    assert len(dicomarray.load(f"{archive}/CT/*.dcm").slices) == 4
    monkeypatch.setenv("HOME", str(archive))
    assert dicomarray.load("~/MR").series["Modality"] == "MR"
    with pytest.raises(dicomarray.InputError, match="matches no file"):
        dicomarray.load(f"{archive}/PT/*.dcm")
    (archive / "CT").rename(archive / "[CT]")
    assert dicomarray.load(f"{archive}/[CT]").series["Modality"] == "CT"
    assert dicomarray.index(f"{archive}/M*", tmp_path / "x.sqlite").num_series == 1


@pytest.mark.parametrize("nothing", [None, "", [], 5, [None]])
def test_no_path_says_what_to_give(nothing: Any) -> None:
    """An empty variable is no folder, least of all the current one."""
    for read in (dicomarray.load, dicomarray.dicom_filter):
        with pytest.raises(dicomarray.DicomArrayError, match="name a folder"):
            read(nothing)
    if nothing not in (None, []):
        with pytest.raises(dicomarray.UsageError, match="name a folder"):
            dicomarray.scan(nothing)


def test_a_corrupt_archive_is_named(tmp_path: Path) -> None:
    """The message says what is wrong with it."""
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04" + bytes(200))
    with pytest.raises(dicomarray.InputError, match=r"x\.zip.*(zip|damaged)"):
        dicomarray.load(tmp_path / "x.zip")


def test_the_template_may_be_in_hand(archive: Path, tmp_path: Path) -> None:
    """A series, a volume that was read from files, or one made of it; choosing as well is a mistake."""
    series = dicomarray.scan(archive)[0]
    volume = series.volume()
    made = volume.with_array(volume.array + 1)
    for number, template in enumerate((series, volume, made)):
        report = dicomarray.to_dicom(made, template, tmp_path / f"out{number}")
        back = dicomarray.load(report.files[0].parent)
        assert np.array_equal(back.array, made.array)
    with pytest.raises(dicomarray.UsageError, match="in hand"):
        dicomarray.to_dicom(made, series, tmp_path / "out", series=series.uid)
    with pytest.raises(dicomarray.OutputError, match="inside"):
        dicomarray.to_dicom(made, volume, archive / "CT" / "out")
    volume.save(tmp_path / "v.npy")
    with pytest.raises(dicomarray.TemplateError, match="give the folder"):
        dicomarray.to_dicom(made, dicomarray.Volume.load(tmp_path / "v.npy"), tmp_path / "out")


def test_a_volume_of_several_in_one_series_is_the_template(tmp_path: Path) -> None:
    """Its own images tell which."""
    for echo in (1, 2):
        write_series(
            tmp_path / "in",
            stored_values((4, 3, 4)) // echo,
            modality="MR",
            common={"SeriesInstanceUID": "1.2.3", "EchoNumbers": echo, "EchoTime": 10 * echo},
        )
    volumes = dicomarray.scan(tmp_path / "in")[0].volumes()
    assert len(volumes) == 2
    for number, volume in enumerate(volumes):
        dicomarray.to_dicom(volume, volume, tmp_path / f"out{number}")
        assert dicomarray.load(tmp_path / f"out{number}").series["EchoTime"] == volume.series["EchoTime"]
