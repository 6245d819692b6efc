"""dicomarray filter as a user types it: formats, roots, pipes, archives, why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import synthetic


def run(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "dicomarray", "filter", *map(os.fspath, map(str, arguments))]
    return subprocess.run(command, check=False, capture_output=True, timeout=120)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Series of 3, 5 and 4 slices; the last one an MR."""
    for number, slices in ((1, 3), (2, 5), (3, 4)):
        common = {"SeriesNumber": number, "SeriesInstanceUID": f"1.2.{number}", "PatientName": "DOE^JANE"}
        synthetic.write_series(
            tmp_path / "in" / f"series {number}",
            synthetic.stored_values((slices, 3, 4)),
            modality="MR" if number == 3 else "CT",
            common=common,
        )
    return tmp_path / "in"


def test_facts_and_ranking_on_the_command_line(study: Path) -> None:
    """-w takes facts, and what ranks."""
    done = run("-i", study, "-w", "num_slices>=4", "-w", "sort=num_slices", "--format", "json")
    assert [row["SeriesInstanceUID"] for row in json.loads(done.stdout)] == ["1.2.3", "1.2.2"]
    done = run("-i", study, "-w", "sort=-num_slices", "-w", "limit=1", "--format", "json")
    assert [row["SeriesInstanceUID"] for row in json.loads(done.stdout)] == ["1.2.2"]


def test_several_roots(study: Path) -> None:
    """-i takes several folders, and may be repeated."""
    one, two, three = (study / f"series {n}" for n in (1, 2, 3))
    for arguments in (("-i", one, three), ("-i", one, "-i", three)):
        done = run(*arguments, "--format", "json")
        assert [row["SeriesInstanceUID"] for row in json.loads(done.stdout)] == ["1.2.1", "1.2.3"]
    assert run("-i", one, study / "none").returncode == 1
    assert b"2 of 2 series" in run("-i", one, two).stderr


def test_json_has_a_record_a_series_with_its_files(study: Path) -> None:
    """Every file is named once."""
    rows = json.loads(run("-i", study, "--format", "json").stdout)
    assert [len(row["files"]) for row in rows] == [3, 5, 4]
    assert {Path(name) for row in rows for name in row["files"]} == set(study.rglob("*.dcm"))


def test_file_names_for_other_programs(study: Path) -> None:
    """A line or a zero byte ends each, names are the bytes of the file system, nothing else is written."""
    odd = study / "series 1" / os.fsdecode(b"new\nline \xff.dcm")
    next((study / "series 1").iterdir()).rename(odd)
    done = run("-i", study, "-w", "Modality=CT", "--format", "files", "-0")
    assert done.returncode == 0
    names = done.stdout.split(b"\0")
    assert names.pop() == b""
    files = [f for n in (1, 2) for f in (study / f"series {n}").iterdir()]
    assert sorted(names) == sorted(map(os.fsencode, files))
    lines = run("-i", study / "series 2", "--format", "files").stdout.splitlines()
    assert sorted(lines) == sorted(os.fsencode(f) for f in (study / "series 2").iterdir())
    assert run("-i", study, "-w", "Modality=PT", "--format", "files").stdout == b""


def test_null_needs_file_names(study: Path) -> None:
    """With a table it means nothing."""
    done = run("-i", study, "-0")
    assert done.returncode == 2
    assert b"--format files" in done.stderr


def test_reader_that_has_enough(study: Path) -> None:
    """A pipe that closes early is no error."""
    command = f"{sys.executable} -m dicomarray filter -i '{study}' --format files -0 | head -c 5"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)


def test_archive_members(study: Path, tmp_path: Path) -> None:
    """Members are named by archive and path; as files for other programs they are refused."""
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for file in sorted((study / "series 1").iterdir()):
            out.write(file, f"x/{file.name}")
    done = run("-i", archive, "--format", "json")
    (row,) = json.loads(done.stdout)
    names = sorted(file.name for file in (study / "series 1").iterdir())
    assert sorted(row["files"]) == [str(archive / "x" / name) for name in names]
    assert row["folder"] == str(archive / "x")
    assert str(archive).encode() in run("-i", archive).stdout
    done = run("-i", archive, "--format", "files")
    assert (done.returncode, done.stdout) == (1, b"")
    assert str(archive / "x").encode() in done.stderr
    assert b"unpack" in done.stderr


def test_why(study: Path) -> None:
    """Behind the table; beside the formats that programs read, on standard error."""
    arguments = ("-i", study, "-w", "Modality=CT", "-w", "num_slices>=4", "--why")
    done = run(*arguments)
    assert done.returncode == 0
    text = done.stdout.decode()
    assert "12 files seen: 0 not DICOM, 0 unreadable, 0 without Series Instance UID" in text
    assert "$.Modality: 2 of 3 series pass, the only one that fails for 1" in text
    assert "  $.num_slices: 3\n" in text
    for style in ("json", "csv", "files"):
        done = run(*arguments, "--format", style)
        assert b"seen:" not in done.stdout
        assert b"12 files seen:" in done.stderr


def test_why_hides_the_patient(study: Path) -> None:
    """Values that name the patient are shown only where they are asked for."""
    arguments = ("-i", study, "-w", "PatientName=Roe", "--why")
    hidden, shown = run(*arguments), run(*arguments, "--show-patient")
    assert b"DOE" not in hidden.stdout + hidden.stderr
    assert b"$.PatientName: DOE^JANE in all" in shown.stdout


def test_exit_codes(study: Path, tmp_path: Path) -> None:
    """Nothing matches: done; a mistake: 2, before any file; no such folder: 1."""
    assert run("-i", study, "-w", "Modality=PT").returncode == 0
    assert run("-i", tmp_path / "none", "-w", "Modalty=PT").returncode == 2
    assert run("-i", tmp_path / "none").returncode == 1
