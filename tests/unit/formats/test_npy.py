"""The .npy file: the bytes of numpy.save, whatever the order of the images; a full disk is an OutputError."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dicomarray.errors import OutputError
from dicomarray.formats.npy import NpyFile, save


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8", "i8"])
@pytest.mark.parametrize(("leading", "image"), [((6,), (3, 5)), ((2, 3), (4, 1)), ((1,), (2, 2, 3))])
def test_images_in_any_order_are_what_numpy_saves(
    tmp_path: Path, dtype: str, leading: tuple[int, ...], image: tuple[int, ...]
) -> None:
    """They are so byte for byte, header included, singly or several at a time."""
    array = np.arange(np.prod(leading + image)).astype(dtype).reshape(leading + image)
    images = array.reshape(-1, *image)
    file = NpyFile(tmp_path / "a.npy", leading, image, array.dtype)
    for index in reversed(range(1, len(images))):
        file.write(index, images[index : index + 1])
    file.write(0, images[: min(2, len(images))])
    file.close()
    expected = io.BytesIO()
    np.save(expected, array)
    assert (tmp_path / "a.npy").read_bytes() == expected.getvalue()
    save(tmp_path / "b.npy", array)
    assert (tmp_path / "b.npy").read_bytes() == expected.getvalue()


def test_nothing_is_left_of_a_longer_file(tmp_path: Path) -> None:
    """What is at the place already is overwritten and cut off."""
    expected = io.BytesIO()
    np.save(expected, np.arange(3))
    for name in ("a.npy", "b.npy"):
        (tmp_path / name).write_bytes(bytes(10_000))
    save(tmp_path / "a.npy", np.arange(3))
    file = NpyFile(tmp_path / "b.npy", (3,), (), np.dtype(int))
    file.write(0, np.arange(3))
    file.close()
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes() == expected.getvalue()


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    """An OutputError is raised for a folder that is not there."""
    with pytest.raises(OutputError, match="nowhere"):
        NpyFile(tmp_path / "nowhere" / "a.npy", (1,), (2, 2), np.dtype("u1"))
    with pytest.raises(OutputError, match="nowhere"):
        save(tmp_path / "nowhere" / "a.npy", np.zeros(3))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit of file sizes to set")
def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    """Not a signal, and not an error without a name: the process may write 64 KiB a file."""
    code = f"""
import resource, numpy as np
from pathlib import Path
from dicomarray.errors import OutputError
from dicomarray.formats.npy import NpyFile, save
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
folder, images = Path({str(tmp_path)!r}), np.ones((4, 128, 256), np.uint8)
for write in (lambda: save(folder / "a.npy", images),
              lambda: NpyFile(folder / "b.npy", (4,), (128, 256), images.dtype).write(0, images)):
    try:
        write()
    except OutputError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all(str(tmp_path) in line for line in lines)
