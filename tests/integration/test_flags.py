"""Flags given twice, inputs given several times, outputs that are refused, readers that leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dicomarray
import synthetic
from dicomarray.cli.main import main
from dicomarray.errors import ConfigError, OutputError

FUNCTION = "dicomarray.demo.functions:smooth"
HUGE = "9" * 5000


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    """Two folders with a CT series each."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        synthetic.write_series(folder, synthetic.stored_values())
    return folders


@pytest.mark.parametrize("repeated", [True, False])
def test_several_inputs(two: list[Path], tmp_path: Path, repeated: bool) -> None:
    """Behind one -i or each with its own, all of them are read."""
    one, other = map(str, two)
    inputs = ["-i", one, "-i", other] if repeated else ["-i", one, other]
    assert main(["to-numpy", *inputs, "-n", f"{tmp_path}/arrays/"]) == 0
    assert len(list((tmp_path / "arrays").glob("*.npy"))) == 2
    assert main(["run", *inputs, "-o", str(tmp_path / "out"), "-f", FUNCTION]) == 0
    assert len(list((tmp_path / "out").glob("*/*.dcm"))) == 12


@pytest.mark.parametrize(
    "arguments",
    [
        ["to-numpy", "-i", "in", "-n", "a.npy", "--output-npy", "b.npy"],
        ["to-numpy", "-i", "in", "-n", "a.npy", "--normalize", "0", "1", "--normalize", "0", "2"],
        ["to-dicom", "-n", "a.npy", "-d", "in", "-d", "other", "-o", "out"],
        ["filter", "-i", "in", "-c", "a.json", "-c", "b.json"],
        ["filter", "-i", "in", "--format", "json", "--format", "json"],
        ["run", "-i", "in", "-o", "out", "-f", "a:b", "--timeout", "1", "--timeout", "2"],
        ["view", "-i", "in", "-i", "other", "-o", "a.png"],
    ],
)
def test_a_flag_given_twice(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody knows which is meant."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "is given twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["filter", "-i", ""],
        ["index", "-i", "", "--index", "x"],
        ["to-numpy", "-i", "", "-n", "a.npy"],
        ["to-dicom", "-n", "a.npy", "-d", "", "-o", "out"],
        ["run", "-i", "", "-o", "out", "-f", "a:b"],
        ["view", "-i", "", "-o", "a.png"],
    ],
)
def test_an_empty_input(arguments: list[str]) -> None:
    """A variable that is not set is not the current folder."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_view_keeps_out_of_its_input(
    two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor does it read a series before it knows that the picture can be written."""
    assert main(["view", "-i", str(two[0]), "-o", str(two[0] / "x.png")]) == 1
    assert "lies inside the input" in capsys.readouterr().err
    taken = tmp_path / "taken.png"
    taken.touch()
    next(two[0].iterdir()).write_bytes(b"DICM")
    assert main(["view", "-i", str(tmp_path / "nothing"), "-o", str(taken)]) == 2
    assert "exists" in capsys.readouterr().err
    assert not list(two[0].glob("*.png"))


def test_skipped_files_are_told(two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By each command that reads series, as by filter."""
    last = sorted(two[0].iterdir())[-1]
    last.write_bytes(b"")
    for arguments in (
        ["to-numpy", "-n", str(tmp_path / "a.npy")],
        ["view", "-o", str(tmp_path / "a.png")],
        ["run", "-o", str(tmp_path / "out"), "-f", FUNCTION],
    ):
        assert main([arguments[0], "-i", str(two[0]), *arguments[1:]]) == 0
        told = capsys.readouterr().err
        assert f"images may be missing: {last.name} (an empty file)" in told
        assert f"skipped 1: an empty file ({last.name})" in told


@pytest.mark.parametrize("both", [True, False])
def test_a_reader_that_leaves_does_not_end_a_run(two: list[Path], tmp_path: Path, both: bool) -> None:
    """`run | head`: every series is done, failures are counted, and nothing else is said."""
    (tmp_path / "f.py").write_text("def f(volume):\n    raise ValueError('no')\n")
    command = [sys.executable, "-m", "dicomarray", "run", "-i", *map(str, two), "-o", str(tmp_path / "out")]
    for function, code in ((FUNCTION, 0), (f"{tmp_path}/f.py:f", 3)):
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(
            [*command, "-f", function, "--overwrite"], check=False, stdout=write, timeout=60,
            stderr=write if both else subprocess.PIPE, text=True,
        )  # fmt: skip
        os.close(write)
        assert done.returncode == code
        assert both or "Broken" not in done.stderr
        lines = (tmp_path / "out" / "ledger.jsonl").read_text().splitlines()
        assert sum(json.loads(line)["record"] == "entry" for line in lines) % 2 == 0
    assert len(list((tmp_path / "out").glob("*/*.dcm"))) == 12


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_behind_standard_output(two: list[Path], tmp_path: Path) -> None:
    """The arrays are written; that they cannot be named is no reason to fail."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "dicomarray", "to-numpy", "-i", *map(str, two), "-n", f"{tmp_path}/a/"],
            check=False, stdout=full, stderr=subprocess.PIPE, timeout=60, text=True,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list((tmp_path / "a").glob("*.npy"))) == 2


@pytest.mark.parametrize("suffix", ["json", "yaml", "toml"])
def test_numbers_of_very_many_digits(
    two: list[Path], tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python refuses to read them: a mistake in the config, in whatever it stands."""
    texts = {"json": f'{{"limit": {HUGE}}}', "yaml": f"limit: {HUGE}\n", "toml": f"limit = {HUGE}\n"}
    (tmp_path / f"c.{suffix}").write_text(texts[suffix])
    assert main(["filter", "-i", str(two[0]), "-c", str(tmp_path / f"c.{suffix}")]) == 2
    assert main(["filter", "-i", str(two[0]), "-w", f"limit={HUGE}"]) == 2
    assert main(["filter", "-i", str(two[0]), "-w", f"num_slices>{HUGE}"]) == 2
    assert "digits" in capsys.readouterr().err or suffix == "yaml"
    for field in ("SeriesNumber", "num_slices", "StudyDate", "SeriesDescription", "per"):
        with pytest.raises(ConfigError):
            dicomarray.dicom_filter(two[0], {field: 10**5000})


def test_numbers_of_numpy(two: list[Path]) -> None:
    """They are numbers, wherever a config takes one."""
    for config, count in (
        ({"num_slices": np.int64(6)}, 1),
        ({"num_slices": {"gte": np.uint8(7)}}, 0),
        ({"SliceThickness": np.float32(2.5)}, 1),
        ({"limit": np.int32(1)}, 1),
        ({"StudyDate": np.int64(19000101)}, 0),
    ):
        assert len(dicomarray.dicom_filter(two[0], config)) == count, config


@pytest.mark.parametrize("name", ["file/out", "a\0b", "n" * 300, "a\ud800b"])
def test_outputs_that_cannot_be(two: list[Path], tmp_path: Path, name: str) -> None:
    """An OutputError is raised before anything is read."""
    (tmp_path / "file").touch()
    for act in (
        lambda: dicomarray.run(two[0], f"{tmp_path}/{name}", FUNCTION),
        lambda: dicomarray.to_numpy(two[0], f"{tmp_path}/{name}.npy"),
        lambda: dicomarray.to_numpy(two[0], f"{tmp_path}/{name}/"),
    ):
        with pytest.raises(OutputError):
            act()


def test_a_shell_completes_commands_flags_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    """Bash completes what the parser knows, and nothing else."""
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out

    def completed(*words: str) -> list[str]:
        line = " ".join(f"'{word}'" for word in words)
        ask = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _shtab_dicomarray; echo ${{COMPREPLY[@]}}"
        done = subprocess.run(["bash", "-c", f"{script}\n{ask}"], capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert completed("dicomarray", "to-n") == ["to-numpy", "to-nifti"]
    assert completed("dicomarray", "filter", "--form") == ["--format"]
    assert set(completed("dicomarray", "filter", "--format", "")) >= {"table", "json", "csv", "files"}
    assert completed("dicomarray", "filter", "--nothing") == []
    assert completed("dicomarray", "view", "--viewer", "n") == ["niivue"]
    assert completed("dicomarray", "to-numpy", "--missing", "") == ["error", "keep", "fill", "resample"]
    assert completed("dicomarray", "to-seg", "--compress", "j") == ["jpeg-ls"]


@pytest.mark.parametrize("command", ["to-dicom", "to-seg", "to-rtstruct"])
def test_a_template_given_as_an_input_names_the_flag(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other commands take a series by -i; these say which flag it is here."""
    with pytest.raises(SystemExit):
        main([command, "-n", "labels.npy", "-i", "ct", "-o", "out"])
    assert "unrecognized arguments: -i ct (the template is -d/--input-dicom)" in capsys.readouterr().err
