"""Two commands at once that write to one place: one is told that it wrote it, or both are right."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import dicomarray
import synthetic

FUNCTION = "def same(volume):\n    return volume.array\n"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Three series, beside a module with a function."""
    (tmp_path / "work.py").write_text(FUNCTION)
    for number in range(3):
        synthetic.write_series(tmp_path / "in" / str(number), synthetic.stored_values((4, 5, 6)) + number)
    return tmp_path / "in"


def at_once(folder: Path, count: int, *arguments: object) -> list[tuple[int, str]]:
    """Exit codes, and what was said on standard error, of one command that is started so often."""
    line = [sys.executable, "-m", "dicomarray", *map(str, arguments)]
    started = [
        subprocess.Popen(line, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    said = [process.communicate(timeout=60)[1] for process in started]
    return [(process.returncode, text) for process, text in zip(started, said, strict=True)]


def test_two_runs_into_one_folder(archive: Path) -> None:
    """One does the work, whole; the other is refused, and neither touches the other's results.

    It was so before; what was not is in test_at_once.py.
    """
    out = archive.parent / "out"
    done = at_once(archive.parent, 2, "run", "-i", archive, "-o", out, "-f", "work:same")
    assert sorted(code for code, _ in done) == [0, 2]
    assert all("Traceback" not in text and (code == 0 or "out" in text) for code, text in done)
    assert sorted(v.array.shape for s in dicomarray.scan(out) for v in s.volumes()) == [(4, 5, 6)] * 3
    lines = (out / "ledger.jsonl").read_text().splitlines()
    assert all(json.loads(line) for line in lines)


def test_two_indexes_into_one_file(archive: Path) -> None:
    """Both end well, and the index has every series once, with the pixels of a scan."""
    file = archive.parent / "index.sqlite"
    assert [code for code, _ in at_once(archive.parent, 2, "index", "-i", archive, "--index", file)] == [0, 0]

    def arrays(catalog: dicomarray.Catalog) -> dict[str, bytes]:
        return {series.uid: series.volume().array.tobytes() for series in catalog}

    indexed = dicomarray.open_index(file)
    assert len(indexed) == 3
    assert arrays(indexed) == arrays(dicomarray.scan(archive))
