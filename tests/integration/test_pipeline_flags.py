"""The flags of `dicomarray run`, as a user types them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dicomarray
import synthetic
from dicomarray.cli.main import main


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
def test_wrong_flags(
    folder: Path,
    flags: tuple[str, ...],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2 and one line that says what is wrong; nothing is made."""
    monkeypatch.chdir(folder)
    assert main(["run", "-i", "ct", "-o", "out", "-f", "my.py:add", *flags]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
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


def test_one_worker_survives_a_crash(folder: Path) -> None:
    """By default too: a function that ends its process costs its series, and the next one is written."""
    synthetic.write_series(folder / "ct" / "other", synthetic.stored_values())
    (folder / "my.py").write_text(
        "import os\n"
        "def die(volume):\n"
        "    if not os.path.exists('died'):\n"
        "        open('died', 'w').close()\n"
        "        os._exit(7)\n"
        "    return volume.array\n"
    )
    done = run("-f", "my.py:die", cwd=folder)
    assert done.returncode == 3, done.stderr
    assert "exited with code 7" in done.stderr
    assert "1 of 2 series written, 1 failed" in done.stderr


def test_resume_says_what_is_done_again_and_why(folder: Path) -> None:
    """The function's file, an option or an input is another one: standard error tells, with the number."""
    synthetic.write_series(folder / "ct" / "other", synthetic.stored_values())
    function = folder / "my.py"
    function.write_text("def same(volume):\n    return volume.array\n")
    run("-f", "my.py:same", "--uid-key", "k", cwd=folder)
    again = ("-f", "my.py:same", "--uid-key", "k", "--resume")
    done = run(*again, cwd=folder)
    assert "again" not in done.stderr
    assert "2 of 2 series written (2 of them before)" in done.stderr
    function.write_text("def same(volume):\n    return volume.array + 0\n")
    assert "2 series done again: changed: function\n" in run(*again, cwd=folder).stderr
    done = run(*again, "--series-description", "other", cwd=folder)
    assert "2 series done again: changed: writing series_description\n" in done.stderr
    next((folder / "out").glob("*/*.dcm")).unlink()
    next((folder / "ct").glob("*.dcm")).touch()
    done = run(*again, "--series-description", "other", cwd=folder)
    assert "done again: the input files changed" in done.stderr


SMALL_DISK = """
import resource, sys
from dicomarray.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, ({bytes}, {bytes}))
sys.exit(main(sys.argv[1:]))
"""


def on_a_small_disk(size: int, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command that can write no file of more bytes than that."""
    pytest.importorskip("resource")
    return subprocess.run(
        [sys.executable, "-c", SMALL_DISK.format(bytes=size), *map(str, arguments)],
        check=False, capture_output=True, text=True, cwd=cwd, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("size", "command", "named"),
    [
        (1000, "to-numpy -i ct -n new/a.npy", "a.npy"),
        (100, "to-dicom -n a.npy -d ct -o new", "new"),
        (1000, "index -i ct --index x.sqlite", "x.sqlite"),
        (30000, "index -i ct --index x.sqlite", "x.sqlite"),
        (100, "view -i ct -o a.png", "a.png"),
        (100, "run -i ct -o new -f my.py:same", "new"),
    ],
)
def test_a_full_disk_leaves_nothing(folder: Path, size: int, command: str, named: str) -> None:
    """An error that names the result, and no trace of it; no part of a file, and no empty folder or index."""
    (folder / "my.py").write_text("def same(volume):\n    return volume.array\n")
    np.save(folder / "a.npy", dicomarray.load(folder / "ct").array)
    before = sorted(path.name for path in folder.iterdir())
    done = on_a_small_disk(size, *command.split(), cwd=folder)
    assert done.returncode in (1, 2), (done.stdout, done.stderr)
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in folder.iterdir() if path.name != "__pycache__") == before


def test_a_batch_goes_on_where_one_does_not_fit(folder: Path) -> None:
    """Exit code 3: the large series has no room, the small one is there."""
    synthetic.write_series(folder / "ct" / "large", synthetic.stored_values((6, 64, 64)))
    done = on_a_small_disk(30000, "to-numpy", "-i", "ct", "-n", "new/", cwd=folder)
    assert done.returncode == 3, done.stderr
    assert "File too large" in done.stderr
    assert len(list((folder / "new").glob("*.npy"))) == 1
    assert not list((folder / "new").glob(".*"))


@pytest.mark.parametrize("kind", ["fifo", "/dev/zero", "/dev/full"])
@pytest.mark.parametrize(
    "command",
    [
        "to-numpy -i ct -n {}", "to-numpy -i ct -n a.npy -j {}", "to-numpy -i ct -c {} -n a.npy",
        "filter -c {} -i ct", "index -i ct --index {}", "filter --index {}", "to-dicom -n {} -d ct -o new",
        "to-dicom -n ct.npy -j {} -d ct -o new", "to-dicom -n ct.npy -d ct -o {}", "view -i ct -o {}",
        "view -n {} -o a.png", "run -i ct -o {} -f my.py:add --param step=1",
    ],
)  # fmt: skip
def test_fifos_and_devices_are_refused(
    folder: Path, kind: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an input or output of any kind: at once, with their name, and they stay what they are."""
    np.save(folder / "ct.npy", dicomarray.load(folder / "ct").array)
    place = folder / "fifo.npy" if kind == "fifo" else Path(kind)
    if kind == "fifo":
        os.mkfifo(place)
    monkeypatch.chdir(folder)
    assert main(command.format(place).split()) in (1, 2)
    assert place.is_fifo() or place.is_char_device()
