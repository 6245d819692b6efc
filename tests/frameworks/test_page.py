"""The blocks of the page about other libraries that need PyTorch, MONAI or TorchIO do what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dicomarray.demo.phantom import write_study
from synthetic import two_time_points

PAGE = Path(__file__).parents[2] / "docs" / "libraries.md"
BLOCKS = re.findall(
    r"^## (\w+)\n+```py\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


def test_the_page_has_a_block_for_each() -> None:
    """Without one the test below would pass for nothing."""
    assert [name for name, _ in BLOCKS] == ["PyTorch", "MONAI", "TorchIO"]


@pytest.mark.parametrize(("name", "code"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_a_block_runs(name: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands, in a folder with the study that `make demo` leaves behind."""
    library = {"PyTorch": "torch"}.get(name, name.lower())
    pytest.importorskip(library, reason=f"{name} is not installed: make test-frameworks")
    write_study(tmp_path / "demo-output" / "study")
    two_time_points(tmp_path / "perfusion")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, PAGE.name, "exec"), {"__name__": "page"})
