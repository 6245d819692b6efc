"""What a conversion imports: the time of that is most of the time of a small one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import dicomarray

HEAVY = (
    "pydicom", "imagecodecs", "PIL", "yaml", "regex", "sqlite3", "subprocess", "logging", "tarfile",
    "zipfile", "numpy.ma", "dicomarray.query.selection", "dicomarray.objects", "dicomarray.pipeline",
    "dicomarray.catalog.index", "dicomarray.dicom.pixels.codecs", "dicomarray.assembly.frames.mosaics",
)  # fmt: skip


def imported(arguments: list[str], heavy: tuple[str, ...] = HEAVY) -> set[str]:
    """The heavy modules that a command has imported."""
    code = (
        "import sys; from dicomarray.cli.main import main; code = main(sys.argv[1:])\n"
        f"print('imported', *(name for name in {heavy!r} if name in sys.modules)); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.fixture
def series(make_series: Callable[..., Path], tmp_path: Path) -> Path:
    """A native CT beside files that are no DICOM."""
    folder = tmp_path / "series"
    shutil.copytree(make_series(name="plain"), folder)
    (folder / "notes.txt").write_text("no image")
    return folder


def test_a_native_series_needs_neither_pydicom_nor_the_filter(series: Path, tmp_path: Path) -> None:
    """Nor anything else that only other series and commands need."""
    (series / "notes.txt").unlink()
    assert imported(["to-numpy", "-i", str(series), "-n", str(tmp_path / "a.npy")]) == set()


def test_a_file_that_is_no_dicom_does_not_need_pydicom(series: Path, tmp_path: Path) -> None:
    """It is told by its first bytes."""
    assert "pydicom" not in imported(["to-numpy", "-i", str(series), "-n", str(tmp_path / "a.npy")])


def test_a_config_needs_the_filter_and_writing_pydicom(series: Path, tmp_path: Path) -> None:
    """Which shows that what is not there is looked for by its right name."""
    (tmp_path / "config.json").write_text('{"Modality": "CT"}')
    arguments = ["-i", str(series), "-n", str(tmp_path / "a.npy"), "-c", str(tmp_path / "config.json")]
    assert "dicomarray.query.selection" in imported(["to-numpy", *arguments])
    arguments = ["-n", str(tmp_path / "a.npy"), "-d", str(series), "-o", str(tmp_path / "out")]
    assert "pydicom" in imported(["to-dicom", *arguments])
    assert (tmp_path / "a.npy").stat().st_size > 128


def test_a_filter_of_an_index_does_not_need_what_builds_volumes(series: Path, tmp_path: Path) -> None:
    """Unless it asks for a fact of volumes."""
    heavy = ("numpy", "pydicom", "dicomarray.dicom.pixels.reader", "dicomarray.assembly.grouping.stacking")
    dicomarray.index(series, tmp_path / "index")
    arguments = ["filter", "--index", str(tmp_path / "index"), "-w"]
    assert imported([*arguments, "Rows>=1"], heavy) == set()
    assert "numpy" in imported([*arguments, "num_slices>=1"], heavy)
