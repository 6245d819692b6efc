"""What stays of a result when the process that makes it is ended: nothing, or all of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import dicomarray
from dicomarray.storage.atomic import new_files, new_folder

SCRIPT = """
    import os, signal, sys, time
    from dicomarray.cli.main import main
    from dicomarray.workflows import to_dicom as workflow

    def stop(*_, **__):
        print("files are written", flush=True)
        {stop}

    workflow.verify_series = stop
    sys.exit(main(sys.argv[1:]))
"""
KILL = "os.kill(os.getpid(), signal.SIGKILL)"
WAIT = "time.sleep(60)"


def start(template: Path, folder: Path, stop: str) -> subprocess.Popen[str]:
    """A command that is stopped when all files are written and none is in place."""
    np.save(folder / "a.npy", dicomarray.load(template).array)
    words = [
        "to-dicom",
        "-n",
        folder / "a.npy",
        "-d",
        template,
        "-o",
        folder / "results" / "out",
        "--overwrite",
    ]
    code = textwrap.dedent(SCRIPT).format(stop=stop)
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_killed_process_leaves_a_hidden_folder_that_the_next_one_removes(ct: Path, tmp_path: Path) -> None:
    """SIGKILL: no output, one .part folder; a run with the same output removes it, others do not."""
    process = start(ct, tmp_path, KILL)
    assert process.wait(60) == -signal.SIGKILL
    (left,) = (tmp_path / "results").iterdir()
    assert left.name.startswith(".out.")
    assert left.suffix == ".part"
    dicomarray.to_dicom(dicomarray.load(ct), ct, tmp_path / "results" / "other")
    assert left.is_dir()
    dicomarray.to_dicom(dicomarray.load(ct), ct, tmp_path / "results" / "out")
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["other", "out"]


def test_an_interrupted_process_leaves_nothing(ct: Path, tmp_path: Path) -> None:
    """Ctrl-C gives exit code 130, and leaves no file and no folder of the output."""
    process = start(ct, tmp_path, WAIT)
    assert process.stdout is not None
    assert process.stdout.readline() == "files are written\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert not (tmp_path / "results").exists()


def test_what_a_living_process_makes_is_left_alone(ct: Path, tmp_path: Path) -> None:
    """Two commands with one output at a time: neither removes the other's files."""
    process = start(ct, tmp_path, WAIT)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        dicomarray.to_dicom(dicomarray.load(ct), ct, tmp_path / "results" / "out")
        assert len(list((tmp_path / "results").glob(".out.*.part"))) == 1
    finally:
        process.kill()
        process.wait(60)


def own_name(place: Path) -> list[str]:
    """host, process and start in the temporary names of this process."""
    with new_folder(place) as made:
        name = made.name
    place.rmdir()
    return name.split(".")[2].split("-")


@pytest.mark.parametrize("suffix", ["part", "old"])
def test_only_what_is_surely_dead_is_removed(tmp_path: Path, suffix: str) -> None:
    """What another machine or this process has stays; one of the same number that began before goes."""
    host, pid, start_time = own_name(tmp_path / "out")
    cases = {
        f"{host}-{pid}-{start_time}": True,
        f"{host}-{pid}-{int(start_time) - 1}": False,
        f"{host}-4194304-1": False,
        f"00000000-{pid}-1": True,
        "notes": True,
    }
    folders = {tmp_path / f".out.{process}.abc.{suffix}": stays for process, stays in cases.items()}
    for folder in folders:
        folder.mkdir()
        (folder / "0001.dcm").touch()
    with new_folder(tmp_path / "out"):
        pass
    for folder, stays in folders.items():
        assert folder.exists() == stays, folder.name


def test_a_result_that_was_set_aside_comes_back(tmp_path: Path) -> None:
    """Killed between two renames: the old result is in place again, and is not overwritten unasked."""
    host, _, _ = own_name(tmp_path / "out")
    aside = tmp_path / f".out.{host}-4194304-1.abc.old"
    (aside / "out").mkdir(parents=True)
    (aside / "out" / "0001.dcm").write_bytes(b"the earlier result")
    with pytest.raises(dicomarray.errors.OutputError), new_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out" / "0001.dcm").read_bytes() == b"the earlier result"
    assert not aside.exists()


def test_files_of_dead_processes_are_removed_too(tmp_path: Path) -> None:
    """Files that are left behind go as folders do."""
    host, _, _ = own_name(tmp_path / "out")
    left = tmp_path / f".a.npy.{host}-4194304-1.abc.part"
    left.touch()
    with new_files([tmp_path / "a.npy"]):
        pass
    assert not left.exists()
