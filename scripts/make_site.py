"""Build the project's site from docs/, the docstrings and the tables of the benchmarks.

    python scripts/make_site.py

The pages of docs/ stand as they are; the rest is made: the reference of every public name, the picture of the
first page, a chart below each table of times, and the playground of filters. The site lies in build/site; a
broken link, anchor or name ends the build.
"""

from __future__ import annotations

import inspect
import shutil
import subprocess
import sys
from pathlib import Path

from site_charts import with_charts
from site_playground import playground

import dicomarray

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "build" / "site-source"
PICTURE = "![A made-up CT before and after smoothing, and the difference](before-after.png)"
ADAPTERS = ("simpleitk", "nibabel", "xarray", "torch", "monai", "torchio")


def main() -> None:
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCE)
    write_first_page()
    for name in ("ARCHITECTURE.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, SOURCE / name.lower())
    for name in ("benchmarks.md", "comparison.md"):
        page = SOURCE / name
        page.write_text(with_charts(page.read_text(encoding="utf-8")), encoding="utf-8")
    (SOURCE / "reference" / "python.md").write_text(python_reference(), encoding="utf-8")
    (SOURCE / "playground.md").write_text(playground(SOURCE.parent / "playground"), encoding="utf-8")
    write_schemas()
    subprocess.run([sys.executable, "-m", "zensical", "build", "--strict", "--clean"], cwd=ROOT, check=True)
    sys.stdout.write(f"the site: {ROOT / 'build' / 'site' / 'index.html'}; its search needs a server:\n")
    sys.stdout.write("python -m http.server --bind 127.0.0.1 --directory build/site\n")


def write_first_page() -> None:
    """docs/index.md with the demo's picture below its first paragraph."""
    demo = SOURCE.parent / "demo"
    command = [sys.executable, "-m", "dicomarray", "demo", str(demo), "--overwrite"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    shutil.copy(demo / "before-after.png", SOURCE)
    page = SOURCE / "index.md"
    text = page.read_text(encoding="utf-8").replace("](../ARCHITECTURE.md)", "](architecture.md)")
    title, introduction, rest = text.split("\n\n", 2)
    page.write_text(f"{title}\n\n{introduction}\n\n{PICTURE}\n\n{rest}", encoding="utf-8")


def write_schemas() -> None:
    """The JSON Schemas, beside the pages, where editors find them."""
    folder = SOURCE / "schemas"
    folder.mkdir()
    for name in ("filter", "sidecar", "ledger"):
        command = [sys.executable, "-m", "dicomarray", "schema", name]
        text = subprocess.run(command, check=True, capture_output=True).stdout
        (folder / f"{name}.schema.json").write_bytes(text)


def python_reference() -> str:
    """The page of every public name: functions, what they return, take and raise, and the adapters."""
    groups: dict[str, list[str]] = {"Functions": [], "Classes": [], "Errors": []}
    for name in sorted(dicomarray.__all__, key=str.lower):
        value = getattr(dicomarray, name)
        if inspect.isclass(value):
            groups["Errors" if issubclass(value, BaseException) else "Classes"].append(name)
        elif callable(value):
            groups["Functions"].append(name)
    lines = [
        "# Python",
        "",
        "Every public name of the package. Arrays have the axes `(slice, row, column)`, with repetitions",
        "before them; affines go from such an index to patient coordinates, LPS, in millimetres.",
    ]
    for title, names in groups.items():
        lines += ["", f"## {title}"] + [f"\n::: dicomarray.{name}" for name in names]
    lines += ["", "## Adapters", *(f"\n::: dicomarray.adapters.{name}" for name in ADAPTERS)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
