"""Every code block of the README and of docs/ does what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dicomarray.demo.phantom import write_study

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
# Blocks in other languages are examples of output or of files, which other tests make.
EXECUTED = ("python", "sh")
MAKE = re.compile(r"make (\w+)")


def blocks(page: Path) -> list[tuple[str, str]]:
    found = [(m["language"], m["code"]) for m in BLOCK.finditer(page.read_text(encoding="utf-8"))]
    return [(language, code) for language, code in found if language in EXECUTED]


def commands(code: str) -> list[str]:
    return [line.split("#")[0].strip() for line in code.splitlines() if line.split("#")[0].strip()]


def sets_up(code: str) -> bool:
    """Whether a block installs or starts the project itself, which a test inside it cannot do again."""
    return all(line.split()[0] in ("make", "git", "cd", "pip") for line in commands(code))


def demo_study(folder: Path) -> None:
    """What `make demo` has left behind for a reader of the README."""
    write_study(folder / "demo-output" / "study")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page run in order, in one folder and one namespace, without an error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    demo_study(tmp_path)
    namespace: dict[str, object] = {"__name__": "page"}
    for language, code in blocks(page):
        if language == "python":
            exec(compile(code, f"{page.name}", "exec"), namespace)
        elif sets_up(code):
            assert {m for line in commands(code) for m in MAKE.findall(line)} <= targets
        else:
            command = ["bash", "-euo", "pipefail", "-c", code]
            done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"


def test_pages_have_blocks() -> None:
    """The README and the tutorial show code; an empty list would make the test above pass for nothing."""
    for name in ("README.md", "tutorial.md"):
        page = next(p for p in PAGES if p.name == name)
        assert len(blocks(page)) >= 3
