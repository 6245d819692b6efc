"""A volume larger than the memory becomes a file all the same, and takes no memory of its size."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

import enhanced_files
import synthetic

FRAMES, ROWS = 200, 1024
VOLUME_BYTES = FRAMES * ROWS * ROWS * 2
# What the process may take beside what it has when it begins.  The stacks and heaps of two threads are large,
# and mostly never touched.
SPARE_BYTES = 240 << 20

CONVERT = """
import resource, sys
from pathlib import Path
import dicomarray, concurrent.futures
dicomarray.to_numpy({small!r}, {npy!r} + ".small.npy", overwrite=True)  # everything is imported now

def status(name):
    line = next(l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith(name + ":"))
    return int(line.split()[1]) << 10

before = status("VmRSS")
limit = status("VmSize") + {spare}
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
{work}
print("grown", status("VmHWM") - before)
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An enhanced object of 400 MB in a file with a hole, which takes no room on the disk."""
    path = tmp_path_factory.mktemp("large") / "in" / "large.dcm"
    enhanced_files.write_enhanced(
        path,
        np.zeros((FRAMES, 1, 1), np.int16),
        common={"Rows": ROWS, "Columns": ROWS},
        shared=enhanced_files.rescaled(1, -7),
    )
    dataset = pydicom.dcmread(path)
    dataset.PixelData = b""
    dataset.save_as(path)
    content = path.read_bytes()
    assert content.endswith(b"OW\0\0\0\0\0\0")
    path.write_bytes(content[:-4] + VOLUME_BYTES.to_bytes(4, "little"))
    with path.open("r+b") as stream:
        stream.truncate(len(content) + VOLUME_BYTES)
    return path


def convert(large: Path, small: Path, npy: Path, work: str) -> subprocess.CompletedProcess[str]:
    code = CONVERT.format(small=str(small), npy=str(npy), spare=SPARE_BYTES, work=work)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are those of Linux")
def test_more_than_the_memory_is_converted(large: Path, ct: Path, tmp_path: Path) -> None:
    """to_numpy stays far below the volume, where load says that there is no memory for it."""
    npy = tmp_path / "large.npy"
    done = convert(large, ct, npy, f"dicomarray.to_numpy({str(large)!r}, {str(npy)!r})")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < 0.2 * VOLUME_BYTES
    array = np.load(npy, mmap_mode="r")
    assert array.shape == (FRAMES, ROWS, ROWS)
    assert array[::50, ::100, ::100].min() == array[::50, ::100, ::100].max() == -7
    failed = convert(large, ct, npy, f"dicomarray.load({str(large)!r})")
    assert "PixelError" in failed.stderr
    assert "no memory" in failed.stderr
    npy.unlink()


def test_a_false_number_of_frames_takes_no_memory(tmp_path: Path) -> None:
    """Nor a file of the size that it claims: the first frame shows that the pixel data is not there."""
    synthetic.write_series(tmp_path / "in", synthetic.stored_values((1, 12, 16)), modality="SC")
    (path,) = (tmp_path / "in").iterdir()
    dataset = pydicom.dcmread(path)
    dataset.Rows = dataset.Columns = 65535
    dataset.save_as(path)
    command = [sys.executable, "-m", "dicomarray", "to-numpy", "-i", tmp_path / "in"]
    done = subprocess.run(
        [*command, "-n", tmp_path / "out" / "a.npy"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "truncated" in done.stderr
    assert not (tmp_path / "out").exists()
