"""The tests themselves: they ask for behaviour, not for private names, and each says what it is about."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
# Names with an underscore that Python's own library gives out, or notebooks call: they have no others.
OF_PYTHON = {"_exit", "_actions", "_SubParsersAction", "_HelpAction", "_repr_html_"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in OF_PYTHON


def private_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Names of the package that are imported, asked for or patched, each with its line."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "dicomarray":
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Attribute) and not _is_own(node.value):
            names = [node.attr]
        elif isinstance(node, ast.Call) and _is_patch(node.func):
            texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            names = [name for text in texts for name in text.split(".")]
        yield from ((node.lineno, name) for name in names if is_private(name))


def _is_own(value: ast.expr) -> bool:
    """Whether it is an object of a class of the test's."""
    return isinstance(value, ast.Name) and value.id in ("self", "cls")


def _is_patch(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("setattr", "setitem", "delattr", "object", "patch", "getattr")


def files() -> list[Path]:
    return sorted(TESTS.rglob("*.py"))


def test_no_test_uses_a_private_name() -> None:
    """What a user cannot see may change, and no test with it."""
    found = [
        f"{file.relative_to(TESTS)}:{line}: {name}"
        for file in files()
        for line, name in private_names(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert not found, "\n".join(found)


def test_every_test_says_what_it_is_about() -> None:
    """Each test has a docstring that ends as a sentence does."""
    found = [
        f"{file.relative_to(TESTS)}:{node.lineno}: {node.name}"
        for file in files()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        if not (ast.get_docstring(node) or "").rstrip().endswith((".", "?", "!"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("from dicomarray.core.geometry import _helper", 1),
        ("from dicomarray._inner import helper", 1),
        ("assert series._stacks == []", 1),
        ("monkeypatch.setattr(module, '_helper', None)", 1),
        ("monkeypatch.setattr('dicomarray.core._helper', None)", 1),
        ("patch.object(module, '_Class')", 1),
        ("from dicomarray import load\nassert load.__doc__\nself._own = 1\nos._exit(0)", 0),
        ("from numpy import _core", 0),
    ],
)
def test_each_kind_of_use_is_seen(source: str, count: int) -> None:
    """Imports, attributes and patches; names of Python and of a test's own class may be used."""
    assert len(list(private_names(ast.parse(source)))) == count
