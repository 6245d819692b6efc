"""The flags of `dicomarray run`, as a user types them."""

import subprocess
import sys
from pathlib import Path

import pytest

import synthetic


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dicomarray", "run", "-i", "ct", "-o", "out", *map(str, arguments)],
        check=False, capture_output=True, text=True, cwd=cwd, timeout=60,
    )  # fmt: skip


@pytest.fixture
def folder(ct: Path) -> Path:
    """A working folder with a CT and a file with functions."""
    (ct.parent / "my.py").write_text(
        "def add(volume, step, name='x'):\n"
        "    print('a word of the function')\n"
        "    assert name == 'x y'\n"
        "    return volume.array + step\n"
    )
    return ct.parent


@pytest.mark.parametrize("workers", [1, 2])
def test_parameters(folder: Path, workers: int) -> None:
    """--param over --parameters; what the function prints spoils nothing."""
    (folder / "p.yaml").write_text("step: 1\nname: other\n")
    done = run("-f", "my.py:add", "--parameters", "p.yaml", "--param", "name=x y", "--param", "step=0",
               "--workers", workers, "--clip", cwd=folder)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "written" in done.stdout


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--param", "step"), "name=value"),
        (("--param", "step=1", "--param", "stop=2"), "stop"),
        (("--param", "step=1", "--timeout", "-1"), "timeout"),
        (("--param", "step=1", "--memory-limit", "lots"), "memory_limit"),
        (("--param", "step=1", "--per", "patient"), "series, study"),
        (("--param", "step=1", "--resume", "--overwrite"), "choose one"),
        ((), "step"),
    ],
)
def test_wrong_flags(folder: Path, flags: tuple[str, ...], words: str) -> None:
    """Exit code 2 and one line that says what is wrong; nothing is made."""
    done = run("-f", "my.py:add", *flags, cwd=folder)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "out").exists()


def test_script_without_guard(folder: Path) -> None:
    """A script that runs itself without the usual guard is told so, and starts no processes without end."""
    (folder / "script.py").write_text(
        "import dicomarray\n"
        "def same(volume):\n    return volume.array\n"
        "dicomarray.run('ct', 'out', same, workers=2)\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], check=False, capture_output=True, text=True, cwd=folder, timeout=60
    )
    assert done.returncode == 1
    assert "__main__" in done.stderr


def test_function_of_a_script(folder: Path) -> None:
    """With the guard, worker processes find a function of the script itself."""
    (folder / "script.py").write_text(
        "import dicomarray\n"
        "def same(volume):\n    return volume.array\n"
        "if __name__ == '__main__':\n"
        "    print(dicomarray.run('ct', 'out', same, workers=2).written[0].report.max_error)\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], check=False, capture_output=True, text=True, cwd=folder, timeout=60
    )
    assert done.stdout.strip() == "0.0", done.stderr


def test_setup_that_fails(folder: Path) -> None:
    """A class that cannot be set up ends the run at once: no series could be done."""
    (folder / "model.py").write_text(
        "class Model:\n"
        "    def __init__(self):\n        raise OSError('no weights')\n"
        "    def __call__(self, volume):\n        return volume.array\n"
    )
    for workers in (1, 2):
        done = run("-f", "model.py:Model", "--workers", workers, "--resume", cwd=folder)
        assert done.returncode == 2
        assert "no weights" in done.stderr


def test_two_runs_at_once(folder: Path) -> None:
    """The second run on one output folder is refused while the first one works."""
    synthetic.write_series(folder / "ct2", synthetic.stored_values())
    (folder / "slow.py").write_text("import time\ndef wait(volume):\n    time.sleep(60)\n")
    first = subprocess.Popen(
        [sys.executable, "-m", "dicomarray", "run", "-i", "ct", "-o", "out", "-f", "slow.py:wait"], cwd=folder
    )
    try:
        while not (folder / "out" / "ledger.jsonl").exists():
            assert first.poll() is None
        done = run("-f", "slow.py:wait", "--resume", cwd=folder)
        assert done.returncode == 2
        assert f"process {first.pid}" in done.stderr
    finally:
        first.kill()
        first.wait()
