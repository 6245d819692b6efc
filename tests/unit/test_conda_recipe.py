"""The recipe for conda asks for what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

from dicomarray.version import __version__

ROOT = Path(__file__).parents[2]


def normalized(requirements: list[str]) -> set[str]:
    return {requirement.lower().replace(" ", "") for requirement in requirements}


def test_the_recipe_says_what_the_project_says() -> None:
    """Version, Python, dependencies, build requirements, commands and licence are the same in both files."""
    recipe: dict[str, Any] = yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text("utf-8"))
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    project = pyproject["project"]
    assert recipe["context"]["version"] == __version__
    python = f"python{project['requires-python']}"
    run = {re.sub(r"\$\{\{python_min\}\}", recipe["context"]["python_min"], one)
           for one in normalized(recipe["requirements"]["run"])}  # fmt: skip
    assert run == normalized([python, *project["dependencies"]])
    host = normalized(recipe["requirements"]["host"])
    assert normalized(pyproject["build-system"]["requires"]) == {one for one in host if "hatchling" in one}
    (command,) = recipe["build"]["python"]["entry_points"]
    assert dict([command.split(" = ")]) == project["scripts"]
    assert recipe["about"]["license"] == project["license"]
    assert recipe["about"]["summary"] == project["description"]
