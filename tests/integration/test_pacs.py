"""Series go to a real PACS over DICOMweb, are found there, and come back byte for byte."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import dicomarray
from dicomarray.cli.main import main
from pacs import Orthanc


def pulled_files(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in folder.rglob("*.dcm")}


def test_a_series_comes_back_as_the_server_stores_it(orthanc: Orthanc, ct: Path, tmp_path: Path) -> None:
    """What is pushed is there, and what is pulled equals what the server has, byte for byte."""
    report = dicomarray.push(ct, orthanc.url)
    assert not report.failed
    assert report.count("stored") == len(list(ct.iterdir()))

    pulled = dicomarray.pull(orthanc.url, tmp_path / "pulled")
    assert [entry.status for entry in pulled.entries] == ["pulled"]
    assert pulled_files(tmp_path / "pulled") == orthanc.files()


def test_the_same_call_again_moves_nothing(orthanc: Orthanc, ct: Path, tmp_path: Path) -> None:
    """A second push sends nothing, and a second pull fetches nothing."""
    dicomarray.push(ct, orthanc.url)
    again = dicomarray.push(ct, orthanc.url)
    assert {entry.status for entry in again.entries} == {"present"}

    dicomarray.pull(orthanc.url, tmp_path / "pulled")
    report = dicomarray.pull(orthanc.url, tmp_path / "pulled")
    assert [(entry.status, entry.fetched) for entry in report.entries] == [("unchanged", 0)]


def test_only_what_is_new_is_fetched(orthanc: Orthanc, ct: Path, tmp_path: Path) -> None:
    """Where a series has grown, the new instances join those that are there."""
    first, *rest = sorted(ct.iterdir())
    dicomarray.push(rest, orthanc.url)
    dicomarray.pull(orthanc.url, tmp_path / "pulled")
    dicomarray.push(first, orthanc.url)

    (entry,) = dicomarray.pull(orthanc.url, tmp_path / "pulled").entries
    assert (entry.status, entry.fetched, entry.kept) == ("pulled", 1, len(rest))
    assert pulled_files(tmp_path / "pulled") == orthanc.files()


def test_a_config_chooses_what_is_pulled(
    orthanc: Orthanc, make_series: Callable[..., Path], tmp_path: Path
) -> None:
    """The same series match on the server as on files; those that do not match are not in the output."""
    dicomarray.push([make_series(name="ct"), make_series(name="mr", modality="MR")], orthanc.url)
    report = dicomarray.pull(orthanc.url, tmp_path / "pulled", {"Modality": "MR", "num_slices": {"gte": 2}})
    assert report.looked_at == 1
    (series,) = dicomarray.dicom_filter(tmp_path / "pulled")
    assert series.attributes["Modality"] == "MR"


def test_the_commands_say_what_became_of_each_series(
    orthanc: Orthanc, ct: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`push` and `pull` work from the command line, bring an index up to date, and exit with 0."""
    assert main(["push", "-i", str(ct), "--to", orthanc.plain_url]) == 0
    assert f"{len(list(ct.iterdir()))} stored" in capsys.readouterr().out
    index = tmp_path / "archive.index"
    arguments = ["pull", "--from", orthanc.plain_url, "-o", str(tmp_path / "pulled"), "-w", "Modality=CT"]
    assert main([*arguments, "--index", str(index)]) == 0
    assert capsys.readouterr().out.startswith("[1/1] pulled")
    assert len(dicomarray.open_index(index)) == 1


def test_a_pull_that_was_killed_goes_on(orthanc: Orthanc, ct: Path, tmp_path: Path) -> None:
    """Nothing of a series shows before all of it is there, and what had come is not fetched again."""
    dicomarray.push(ct, orthanc.url)
    dying = (
        "import os, sys, dicomarray\n"
        "def progress(files, *_):\n"
        "    if files == 2: os.kill(os.getpid(), 9)\n"
        "dicomarray.pull(sys.argv[1], sys.argv[2], progress=progress)\n"
    )
    output = tmp_path / "pulled"
    killed = subprocess.run([sys.executable, "-c", dying, orthanc.url, str(output)], check=False)
    assert killed.returncode == -9
    assert len(dicomarray.scan(output)) == 0
    assert [one.reason for one in dicomarray.scan(output).skipped] == [
        "series that a pull did not finish; pull again"
    ]

    sizes: list[int] = []
    dicomarray.pull(orthanc.url, output, progress=lambda files, *_: sizes.append(files))
    assert pulled_files(output) == orthanc.files()
    assert sizes[:2] == [1, 2]
    assert sorted(path.name for path in output.iterdir()) == sorted(
        {header.text("StudyInstanceUID") for header in dicomarray.scan(ct)[0].instances}
    )
