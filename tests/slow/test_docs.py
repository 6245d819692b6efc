"""Every code block of the README and of docs/ does what it says, and the reference leaves nothing out."""

import argparse
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from pydicom import Dataset

from dicomarray.assembly.options import ReadOptions
from dicomarray.cli.main import parser
from dicomarray.core.options import choices_of, names_of
from dicomarray.demo.phantom import write_study
from dicomarray.objects.common.files import WriteReport
from dicomarray.objects.common.options import WriteOptions
from dicomarray.query.facts import FACTS
from dicomarray.query.grammar import MODIFIERS, NODE_WORDS, OPERATORS, TOP_WORDS
from dicomarray.query.selection import parse
from dicomarray.version import __version__
from synthetic import stored_values, two_time_points, write_series

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?P<page>[^)#:\s]*)(?P<anchor>#[^)\s]*)?\)")
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
# Blocks in other languages are examples of output or of files, which other tests make.
EXECUTED = ("python", "sh")
MAKE = re.compile(r"make (\w+)")


def shown(page: Path) -> str:
    return str(page.relative_to(ROOT))


def all_blocks(page: Path) -> list[tuple[str, str]]:
    return [(m["language"], m["code"]) for m in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def blocks(page: Path) -> list[tuple[str, str]]:
    return [(language, code) for language, code in all_blocks(page) if language in EXECUTED]


def commands(code: str) -> list[str]:
    return [line.split("#")[0].strip() for line in code.splitlines() if line.split("#")[0].strip()]


def sets_up(code: str) -> bool:
    """Whether a block installs or starts the project itself, which a test inside it cannot do again."""
    return all(line.split()[0] in ("make", "git", "cd", "pip") for line in commands(code))


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has: the study that `make demo` left behind, and two folders of his own."""
    folder = tmp_path_factory.mktemp("stage")
    write_study(folder / "demo-output" / "study")
    two_time_points(folder / "perfusion")
    dose = Dataset()
    dose.RadionuclideTotalDose, dose.RadionuclideHalfLife = 370e6, 6586.2
    dose.RadiopharmaceuticalStartTime = "110000"
    header = {"PatientWeight": 70, "RadiopharmaceuticalInformationSequence": [dose]}
    write_series(folder / "pet", stored_values(signed=True, bits_stored=16), modality="PT", common=header)
    return folder


@pytest.fixture
def folder(stage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with a copy of the stage, whose modules can be imported and are forgotten again."""
    shutil.copytree(stage, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def run_blocks(page: Path) -> dict[str, Any]:
    """Execute a page's blocks in order; the namespace of its Python blocks."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    namespace: dict[str, Any] = {"__name__": "page"}
    for language, code in blocks(page):
        if language == "python":
            exec(compile(code, f"{page.name}", "exec"), namespace)
        elif sets_up(code):
            assert {m for line in commands(code) for m in MAKE.findall(line)} <= targets
        else:
            command = ["bash", "-euo", "pipefail", "-c", code]
            done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"
    return namespace


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=shown)
def test_page(page: Path) -> None:
    """The blocks of a page run in order, in one folder and one namespace, without an error."""
    run_blocks(page)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("README.md", 3),
        ("docs/tutorial.md", 3),
        ("docs/how-to.md", 10),
        ("docs/reference/reading.md", 5),
        ("docs/reference/sidecar.md", 1),
        ("docs/reference/filter.md", 3),
        ("docs/reference/writing.md", 2),
        ("docs/reference/command-line.md", 2),
    ],
)
def test_page_has_blocks(name: str, least: int) -> None:
    """A page shows code; an empty list would make the test above pass for nothing."""
    assert len(blocks(ROOT / name)) >= least


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as Markdown renderers make them."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {"#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links(page: Path) -> None:
    """Every link leads to a page that exists, and to a heading of it."""
    for match in LINK.finditer(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        target = (page.parent / match["page"]).resolve() if match["page"] else page
        assert target.exists(), match[0]
        assert match["anchor"] is None or match["anchor"] in anchors(target), match[0]


def test_index_leads_to_every_page() -> None:
    """No page of docs/ is out of reach from its index."""
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / m["page"]).resolve() for m in LINK.finditer(index.read_text(encoding="utf-8"))}
    assert {page for page in PAGES if "docs" in page.parts} - {index} <= linked


def flags() -> dict[str, list[str]]:
    """The long flags and positional arguments of each command."""
    action = next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    return {
        name: [
            option.option_strings[-1] if option.option_strings else str(option.metavar)
            for option in command._actions
            if not isinstance(option, argparse._HelpAction)
        ]
        for name, command in action.choices.items()
    }


@pytest.mark.parametrize("command", flags())
def test_every_flag_is_described(command: str) -> None:
    """The section of a command names each of its flags, or says that it shares those of reading."""
    page = (REFERENCE / "command-line.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {command}\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL)
    assert section is not None
    shared = "the options of reading" in section[1]
    missing = [flag for flag in flags()[command] if flag not in section[1]]
    assert [
        flag for flag in missing if not (shared and flag[2:].replace("-", "_") in names_of(ReadOptions))
    ] == []


def option_rows(page: str) -> dict[str, list[str]]:
    """The second cells of each option in a page's tables; a row without a name goes on with the one above."""
    rows: dict[str, list[str]] = {}
    names: list[str] = []
    for first, second in re.findall(r"^\| ?(.*?) ?\| (.*?) \|", page, re.MULTILINE):
        names = re.findall(r"`(\w+)`", first) if first else names
        for name in names:
            rows.setdefault(name, []).append(second.strip("`"))
    return rows


@pytest.mark.parametrize(("name", "options"), [("reading.md", ReadOptions), ("writing.md", WriteOptions)])
def test_every_option_is_described(name: str, options: type[Any]) -> None:
    """The table has each option with its default first, and each of its values."""
    page = (REFERENCE / name).read_text(encoding="utf-8")
    rows = option_rows(page)
    for field in dataclasses.fields(options):
        default = f'"{field.default}"' if isinstance(field.default, str) else str(field.default)
        assert rows[field.name][0] == default, field.name
    for option, values in choices_of(cast(Any, options)).items():
        assert [value for value in values if f'`"{value}"`' not in page] == [], option
        if options is ReadOptions:  # a row for each value
            assert sorted(rows[option][: len(values)]) == sorted(f'"{value}"' for value in values)


@pytest.mark.parametrize("options", [ReadOptions, WriteOptions])
def test_every_value_of_a_flag_is_described(options: type[Any]) -> None:
    """In the page of the command line a flag's row names all of its values."""
    page = (REFERENCE / "command-line.md").read_text(encoding="utf-8")
    for option, values in choices_of(cast(Any, options)).items():
        row = re.search(rf"^\| `--{option.replace('_', '-')}\b.*$", page, re.MULTILINE)
        assert row is not None, option
        assert [value for value in values if not re.search(rf"\b{value}\b", row[0])] == [], option


def test_every_word_of_the_filter_is_described() -> None:
    """The page names each operator, modifier and word of the grammar."""
    page = (REFERENCE / "filter.md").read_text(encoding="utf-8")
    assert [word for word in (*OPERATORS, *FACTS, *TOP_WORDS) if f"`{word}`" not in page] == []
    assert [word for word in (*NODE_WORDS, *MODIFIERS) if not re.search(rf'["\s]{word}["\s:]', page)] == []


def test_every_field_of_the_report_is_described() -> None:
    """The table of the report has each of its fields."""
    page = (REFERENCE / "writing.md").read_text(encoding="utf-8")
    assert [f.name for f in dataclasses.fields(WriteReport) if f"`{f.name}`" not in page] == []


@pytest.mark.parametrize(
    "code",
    [code for language, code in all_blocks(REFERENCE / "filter.md") if language == "json"],
    ids=lambda code: " ".join(code.split())[:40],
)
def test_filter_example(code: str) -> None:
    """Every config that the page shows is one without mistakes and without warnings."""
    assert parse(json.loads(code)).warnings == ()


@pytest.mark.usefixtures("folder")
def test_sidecar_example() -> None:
    """The JSON on the page is what its own code makes, and its table has every key."""
    page = REFERENCE / "sidecar.md"
    made = run_blocks(page)["sidecar"]
    (example,) = (json.loads(code) for language, code in all_blocks(page) if language == "json")
    example["series"]["SoftwareVersions"] = __version__  # the phantom's scanner has the package's version
    assert example == made
    keys = [*made, *made["array"], *made["geometry"], *made["values"], *made["values"]["normalization"]]
    table = page.read_text(encoding="utf-8").partition("## Keys")[2]
    assert [key for key in keys if f"`{key}`" not in table] == []
