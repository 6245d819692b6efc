"""What commands show and write cannot be turned against who runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dicomarray.cli.main import main
from synthetic import stored_values, write_series

NASTY = "1.2.3\x1b[31m\n4\x9b2J"


def test_control_characters_of_files_do_not_reach_the_terminal(tmp_path: Path) -> None:
    """Table, CSV, JSON, --why, errors: escapes are shown, one line a series, JSON reads the same."""
    common = {
        "SpecificCharacterSet": "ISO_IR 192",
        "SeriesInstanceUID": NASTY,
        "SeriesDescription": "a\x1b]0;b\x07\u202e",
    }
    write_series(tmp_path / "ct", stored_values(), common=common)
    calls = [
        ["filter"],
        ["filter", "--format", "csv"],
        ["filter", "--format", "json"],
        ["filter", "--why", "-w", "SeriesDescription=x"],
        ["to-numpy", "-n", str(tmp_path / "a.npy"), "--volume", "9"],
    ]
    shown = []
    for command, *rest in calls:
        done = subprocess.run(
            [sys.executable, "-m", "dicomarray", command, "-i", str(tmp_path / "ct"), *rest],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        for text in (done.stdout, done.stderr):
            assert not {c for c in text.replace("\n", "") if not c.isprintable()}
        shown.append(done)
    assert len(shown[0].stdout.splitlines()) == 2
    assert "\\x1b[31m\\n4" in shown[0].stdout
    assert json.loads(shown[2].stdout)[0]["SeriesInstanceUID"] == NASTY
    assert "\\x1b[31m\\n4" in shown[4].stderr


@pytest.mark.parametrize("link", ["same", "symlink", "hard link"])
def test_an_input_is_never_an_output(
    ct: Path, tmp_path: Path, link: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """--overwrite does not replace the config of the same command, by whatever name it is reached."""
    config, sidecar = tmp_path / "config.json", tmp_path / "a.json"
    config.write_text('{"Modality": "CT"}')
    if link == "same":
        config = config.rename(sidecar)
    elif link == "symlink":
        sidecar.symlink_to(config)
    else:
        os.link(config, sidecar)
    call = ["to-numpy", "-i", str(ct), "-c", str(config), "-n", str(tmp_path / "a.npy"), "--overwrite"]
    assert main(call) == 2
    assert "is an input of the same call" in capsys.readouterr().err
    assert config.read_text() == '{"Modality": "CT"}'
    assert main([*call, "-j", str(tmp_path / "b.json")]) == 0


def test_a_run_does_not_replace_what_it_reads(
    ct: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Parameters that are called as the ledger stay; so does an array that view is given."""
    (tmp_path / "out").mkdir()
    ledger = tmp_path / "out" / "ledger.jsonl"
    parameters = tmp_path / "p.json"
    parameters.write_text("{}")
    os.link(parameters, ledger)
    call = ["run", "-i", str(ct), "-o", str(tmp_path / "out"), "-f", "numpy:asarray", "--overwrite"]
    assert main([*call, "--parameters", str(parameters)]) == 2
    assert "is an input of the same call" in capsys.readouterr().err
    assert ledger.read_text() == "{}"
    np.save(tmp_path / "v.npy", np.zeros((2, 3, 4)))
    (tmp_path / "v.html").write_text("{}")
    view = ["view", "-n", str(tmp_path / "v.npy"), "-j", str(tmp_path / "v.html"), "--overwrite"]
    assert main([*view, "-o", str(tmp_path / "v.html")]) == 2
    assert (tmp_path / "v.html").read_text() == "{}"


def test_to_numpy_writes_no_nifti_by_name(
    ct: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The suffix is named before anything is read; capital letters will do."""
    assert main(["to-numpy", "-i", str(ct), "-n", str(tmp_path / "x.nii.gz")]) == 2
    assert '".nii.gz"' in capsys.readouterr().err
    assert not (tmp_path / "x.nii.gz").exists()
    assert main(["to-numpy", "-i", str(ct), "-n", str(tmp_path / "x.NPY")]) == 0
