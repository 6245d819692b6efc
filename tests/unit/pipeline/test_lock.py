"""One run at a time in one output folder."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dicomarray.errors import OutputError
from dicomarray.pipeline.lock import FILE_NAME, locked

fcntl = pytest.importorskip("fcntl")


def test_second_is_refused(tmp_path: Path) -> None:
    """While one holds the lock another is refused, with the process named; then no file is left."""
    with locked(tmp_path), pytest.raises(OutputError, match=rf"process {os.getpid()} on"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_lock_of_a_dead_process(tmp_path: Path) -> None:
    """A file that a killed process left is no lock."""
    code = (
        "import os, sys, pathlib\nfrom dicomarray.pipeline.lock import locked\n"
        "with locked(pathlib.Path(sys.argv[1])): os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path], check=False).returncode == 9
    assert (tmp_path / FILE_NAME).exists()
    with locked(tmp_path):
        pass


def test_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the file itself is the lock; that of a dead process is taken, that of another machine is not."""

    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with locked(tmp_path), pytest.raises(OutputError), locked(tmp_path):
        pass
    process = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], check=True, capture_output=True
    )
    own = (tmp_path / FILE_NAME).with_suffix(".pid")
    own.write_text(f"{int(process.stdout)} {socket.gethostname()}\n")
    with locked(tmp_path):
        pass
    own.write_text("1 elsewhere\n")
    with pytest.raises(OutputError, match="process 1 on elsewhere"), locked(tmp_path):
        pass
