"""The command line as a user types it: results, exit codes, standard output and error."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

import dicomarray as package
import synthetic

ROOT = Path(__file__).parents[2]


def dicomarray(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dicomarray", *map(str, arguments)],
        check=False, capture_output=True, text=True, cwd=cwd, timeout=120,
    )  # fmt: skip


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A folder with two CT series and a text file."""
    for name, offset in (("one", 0), ("two", 7)):
        synthetic.write_series(tmp_path / "two" / name, synthetic.stored_values() + offset)
    (tmp_path / "two" / "notes.txt").write_text("no DICOM")
    return tmp_path / "two"


def test_round_trip(ct: Path, tmp_path: Path) -> None:
    """to-numpy, to-dicom: the stored values come back bit for bit, in files that pydicom reads."""
    done = dicomarray("to-numpy", "-i", ct, "-n", tmp_path / "a.npy", "-j", tmp_path / "a.json")
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "a.npy") in done.stdout
    out = tmp_path / "out"
    done = dicomarray("to-dicom", "-n", tmp_path / "a.npy", "-d", ct, "-o", out, "-j", tmp_path / "a.json")
    assert done.returncode == 0, done.stderr
    assert "SeriesInstanceUID" in done.stdout
    before = {tuple(d.ImagePositionPatient): d for d in map(pydicom.dcmread, ct.iterdir())}
    after = {tuple(d.ImagePositionPatient): d for d in map(pydicom.dcmread, out.iterdir())}
    assert before.keys() == after.keys()
    for place, dataset in after.items():
        assert np.array_equal(dataset.pixel_array, before[place].pixel_array)
        assert dataset.SeriesInstanceUID != before[place].SeriesInstanceUID
        assert dataset.StudyInstanceUID == before[place].StudyInstanceUID


def test_normalized_round_trip(ct: Path, tmp_path: Path) -> None:
    """With the sidecar a normalization is undone: the series shows HU again, not numbers from 0 to 1."""
    npy, sidecar = tmp_path / "a.npy", tmp_path / "a.json"
    dicomarray("to-numpy", "-i", ct, "-n", npy, "-j", sidecar, "--normalize", -2000, 6000)
    assert json.loads(sidecar.read_text())["values"]["normalization"] == {
        "lower": -2000.0, "upper": 6000.0, "clip": True,
    }  # fmt: skip
    done = dicomarray("to-dicom", "-n", npy, "-d", ct, "-o", tmp_path / "out", "-j", sidecar)
    assert done.returncode == 0, done.stderr
    hu = {tuple(d.ImagePositionPatient): d for d in map(pydicom.dcmread, ct.iterdir())}
    for dataset in map(pydicom.dcmread, (tmp_path / "out").iterdir()):
        source = hu[tuple(dataset.ImagePositionPatient)]
        expected = source.pixel_array * float(source.RescaleSlope) + float(source.RescaleIntercept)
        shown = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        # a float32 in [0, 1] over 8000 HU tells 0.0005 HU apart; half a slope comes from storing
        assert np.abs(shown - expected).max() <= float(dataset.RescaleSlope) / 2 + 1e-3


def test_unused_sidecar_is_mentioned(ct: Path, tmp_path: Path) -> None:
    """A sidecar beside the array that was not given is mentioned: a normalization would stay in."""
    dicomarray("to-numpy", "-i", ct, "-n", tmp_path / "a.npy", "-j", tmp_path / "a.json")
    done = dicomarray("to-dicom", "-n", tmp_path / "a.npy", "-d", ct, "-o", tmp_path / "out")
    assert done.returncode == 0
    assert "a.json is not used" in done.stderr
    told = package.to_dicom(tmp_path / "a.npy", ct, tmp_path / "python").warnings
    assert [warning.code for warning in told] == ["sidecar-unused"]


def test_several_series_are_listed(two: Path, tmp_path: Path) -> None:
    """Two series where one is meant: exit code 1, both listed, and how to choose; nothing is written."""
    done = dicomarray("to-numpy", "-i", two, "-n", tmp_path / "a.npy", "-j", tmp_path / "a.json")
    assert done.returncode == 1
    uids = {pydicom.dcmread(next((two / name).iterdir())).SeriesInstanceUID for name in ("one", "two")}
    assert all(uid in done.stderr for uid in uids)
    assert "--series" in done.stderr
    assert not (tmp_path / "a.npy").exists()
    chosen = dicomarray(
        "to-numpy", "-i", two, "-n", tmp_path / "a.npy", "-j", tmp_path / "a.json", "--series", min(uids)
    )
    assert chosen.returncode == 0
    assert json.loads((tmp_path / "a.json").read_text())["series"]["SeriesInstanceUID"] == min(uids)


def test_folders_take_everything(two: Path, tmp_path: Path) -> None:
    """Where both outputs are folders, every series is written; one that fails gives exit code 3."""
    synthetic.gap(tmp_path / "broken").folder.rename(two / "broken")
    done = dicomarray("to-numpy", "-i", two, "-n", f"{tmp_path}/out/", "-j", f"{tmp_path}/out/")
    assert done.returncode == 3
    assert "missing" in done.stderr
    assert len(list((tmp_path / "out").glob("*.npy"))) == len(list((tmp_path / "out").glob("*.json"))) == 2


def test_nothing_is_overwritten(ct: Path, tmp_path: Path) -> None:
    """An existing output is left alone (exit code 2), and replaced with --overwrite."""
    (tmp_path / "a.npy").write_bytes(b"mine")
    arguments = ("to-numpy", "-i", ct, "-n", tmp_path / "a.npy", "-j", tmp_path / "a.json")
    assert dicomarray(*arguments).returncode == 2
    assert (tmp_path / "a.npy").read_bytes() == b"mine"
    assert not (tmp_path / "a.json").exists()
    assert dicomarray(*arguments, "--overwrite").returncode == 0
    assert np.load(tmp_path / "a.npy").ndim == 3


def test_nothing_is_written_into_the_input(ct: Path) -> None:
    """Outputs inside the input folder are refused."""
    before = sorted(ct.iterdir())
    assert dicomarray("to-numpy", "-i", ct, "-n", ct / "a.npy", "-j", ct / "a.json").returncode == 1
    assert dicomarray("run", "-i", ct, "-o", ct / "out", "-f", "json:dumps").returncode == 1
    assert sorted(ct.iterdir()) == before


@pytest.mark.parametrize(
    "wrong",
    [
        ("to-numpy", "--units", "suvs"),
        ("to-numpy", "--missing", "maybe"),
        ("to-numpy", "--normalize", 5, 1),
        ("run", "-f", "no_such_module:f"),
        ("run", "-f", "json:no_such_function"),
    ],
)
def test_wrong_use(wrong: tuple[object, ...], ct: Path, tmp_path: Path) -> None:
    """Options that cannot work: exit code 2, one line that says why, no traceback."""
    command, *options = wrong
    places = {
        "to-numpy": ("-n", tmp_path / "a.npy", "-j", tmp_path / "a.json"),
        "run": ("-o", tmp_path / "out"),
    }
    done = dicomarray(command, "-i", ct, *places[str(command)], *options)
    assert done.returncode == 2
    assert "dicomarray: error:" in done.stderr
    assert "Traceback" not in done.stderr


def test_view_makes_what_the_name_says(ct: Path, tmp_path: Path) -> None:
    """A picture and a page by the name of the output; another kind of file is refused."""
    for name in ("v.png", "v.html"):
        done = dicomarray("view", "-i", ct, "-o", tmp_path / name)
        assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / name)), done.stderr
    assert (tmp_path / "v.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "v.html").read_text().startswith("<!doctype html>")
    done = dicomarray("view", "-i", ct, "-o", tmp_path / "v.tiff")
    assert done.returncode == 2
    assert "(.png)" in done.stderr


def test_missing_folder_and_no_dicom(tmp_path: Path) -> None:
    """No such folder and a folder without DICOM give exit code 1 and the reason."""
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "notes.txt").write_text("no DICOM")
    for folder, word in ((tmp_path / "none", "does not exist"), (tmp_path / "text", "no DICOM images")):
        done = dicomarray("to-numpy", "-i", folder, "-n", tmp_path / "a.npy", "-j", tmp_path / "a.json")
        assert done.returncode == 1
        assert word in done.stderr


def test_filter_formats(two: Path, tmp_path: Path) -> None:
    """filter: a table, JSON, CSV and file names; skipped files are told on standard error."""
    table = dicomarray("filter", "-i", two)
    assert table.returncode == 0
    assert table.stdout.splitlines()[0].split()[0] == "Modality"
    assert len(table.stdout.splitlines()) == 3
    assert "notes.txt" in table.stderr
    rows = json.loads(dicomarray("filter", "-i", two, "--format", "json").stdout)
    assert {row["num_instances"] for row in rows} == {len(list((two / "one").iterdir()))}
    assert len(dicomarray("filter", "-i", two, "--format", "csv").stdout.splitlines()) == 3
    files = dicomarray("filter", "-i", two, "--format", "files").stdout.split()
    assert sorted(map(Path, files)) == sorted([*(two / "one").iterdir(), *(two / "two").iterdir()])
    uid = rows[0]["SeriesInstanceUID"]
    one = json.loads(
        dicomarray("filter", "-i", two, "-w", f"SeriesInstanceUID={uid}", "--format", "json").stdout
    )
    assert [row["SeriesInstanceUID"] for row in one] == [uid]


def test_config_mistake_before_any_file(tmp_path: Path) -> None:
    """A mistake in the config comes first (exit code 2, a suggestion), though no such folder exists."""
    (tmp_path / "c.json").write_text('{"Modalty": "CT"}')
    done = dicomarray("filter", "-i", tmp_path / "none", "-c", tmp_path / "c.json")
    assert done.returncode == 2
    assert "Modality" in done.stderr


FUNCTIONS = """
import os, signal

def halve(volume):
    return volume.array / 2

def fails_on_the_second(volume):
    if volume.array.min() > -1024 + 6:
        raise ValueError("not this one")
    return volume.array

def dies_on_the_second(volume):
    if volume.array.min() > -1024 + 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return volume.array

def wrong_shape(volume):
    return volume.array[1:]
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_run(two: Path, tmp_path: Path, workers: int) -> None:
    """run: every series gets a folder of results; functions are found in the working folder."""
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    done = dicomarray(
        "run", "-i", two, "-o", "out", "-f", "functions:halve", "--workers", workers, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    folders = [path for path in (tmp_path / "out").iterdir() if path.is_dir()]
    assert len(folders) == 2
    assert all(len(list(folder.glob("*.dcm"))) == len(list((two / "one").iterdir())) for folder in folders)


@pytest.mark.parametrize(
    ("function", "workers"),
    [("fails_on_the_second", 1), ("fails_on_the_second", 2), ("dies_on_the_second", 2)],
)
def test_one_failure_does_not_stop_the_rest(two: Path, tmp_path: Path, function: str, workers: int) -> None:
    """A series whose function raises, or kills its process, is reported; the other one is written."""
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    done = dicomarray(
        "run", "-i", two, "-o", "out", "-f", f"functions:{function}", "--workers", workers, cwd=tmp_path
    )
    assert done.returncode == 3, done.stderr
    assert [path.suffix for path in (tmp_path / "out").iterdir() if path.is_dir()] == [""]
    assert "failed" in done.stderr


def test_function_of_the_wrong_shape(two: Path, tmp_path: Path) -> None:
    """A result of another shape fails with both shapes named; nothing is left behind."""
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    done = dicomarray("run", "-i", two, "-o", "out", "-f", "functions:wrong_shape", cwd=tmp_path)
    assert done.returncode == 3
    assert "shape" in done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"ledger.jsonl", "report.html"}


def test_view(ct: Path, tmp_path: Path) -> None:
    """view makes a PNG from DICOM, and from a saved array with its sidecar."""
    assert dicomarray("view", "-i", ct, "-o", tmp_path / "a.png").returncode == 0
    dicomarray("to-numpy", "-i", ct, "-n", tmp_path / "a.npy", "-j", tmp_path / "a.json")
    assert dicomarray("view", "-n", tmp_path / "a.npy", "-o", tmp_path / "b.png").returncode == 0
    for name in ("a.png", "b.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_demo(tmp_path: Path) -> None:
    """demo: the whole tour; a second one needs --overwrite, which replaces results and nothing else."""
    assert dicomarray("demo", tmp_path / "demo").returncode == 0
    assert (tmp_path / "demo" / "before-after.png").exists()
    assert dicomarray("demo", tmp_path / "demo").returncode == 2
    (tmp_path / "demo" / "mine.txt").write_text("mine")
    assert dicomarray("demo", tmp_path / "demo", "--overwrite").returncode == 2
    assert (tmp_path / "demo" / "mine.txt").read_text() == "mine"


def test_no_patient_data_in_outputs(tmp_path: Path) -> None:
    """Names, ids and birth dates stay out of sidecars, lists and errors."""
    secret = {"PatientName": "Telling^Name", "PatientID": "ID-TELLING", "PatientBirthDate": "19330211"}
    synthetic.write_series(tmp_path / "ct", synthetic.stored_values(), common=secret)
    texts = []
    for arguments in (
        ("to-numpy", "-i", tmp_path / "ct", "-n", tmp_path / "a.npy", "-j", tmp_path / "a.json"),
        ("filter", "-i", tmp_path / "ct"),
        ("filter", "-i", tmp_path / "ct", "-w", "PatientName=Someone^Else"),
        ("to-numpy", "-i", tmp_path / "ct", "-n", tmp_path / "b.npy", "--volume", 3),
    ):
        done = dicomarray(*arguments)
        texts += [done.stdout, done.stderr]
    texts.append((tmp_path / "a.json").read_text())
    for word in ("Telling", "TELLING", "19330211"):
        assert not any(word in text for text in texts)


def test_help_is_light() -> None:
    """--help loads neither NumPy nor pydicom: it answers at once."""
    code = "import sys; from dicomarray.cli.main import parser; parser().format_help(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"numpy", "pydicom", "imagecodecs", "PIL"} & set(done.stdout.split())


def test_closed_pipe(two: Path) -> None:
    """A reader that stops early (head) is no error."""
    command = f"{sys.executable} -m dicomarray filter -i {two} --format files | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ,
    )
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
