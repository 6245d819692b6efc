"""Names in the source are the field's words, or plain English that a reader of DICOM and Python knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import dicomarray

SOURCE = Path(dicomarray.__file__).parent
# Words that this package once used in a sense of its own, and what to say in their place.
REPLACEMENTS = {
    "alike": "uniform, equal or similar",
    "book": "catalog or registry",
    "judged": "evaluated, decided",
    "lessons": "templates",
    "likeness": "similarity",
    "loose": "varying",
    "loosen": "what changes: forget, relax",
    "losses": "unreadable files",
    "mistakes": "errors",
    "sayable": "representable",
    "teller": "discriminator or reporter",
    "tellers": "discriminators",
    "telling": "discriminators, keywords",
    "tells": "distinguishes",
    "told": "known, warned, reported",
    "trouble": "error",
    "untold": "unknown",
}
# Prefixes of constants that are limits.
LIMITS = {"MOST": "MAX", "LEAST": "MIN", "LONGEST": "MAX_..._LENGTH", "DEEPEST": "MAX_DEPTH"}
# Rooms whose names are still to be cleaned.
UNFINISHED: tuple[str, ...] = ()


def names_of(tree: ast.Module) -> Iterator[str]:
    """Functions, classes, arguments, attributes and variables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def faults_of(name: str) -> list[str]:
    """What to call a thing instead, for each word of its name that is refused."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    found = [f'"{w}": {REPLACEMENTS[w.lower()]}' for w in words if w.lower() in REPLACEMENTS]
    first = words[0] if words else ""
    return found + ([f'"{first}": {LIMITS[first]}'] if first in LIMITS else [])


def test_names_are_the_fields_words() -> None:
    """The message names the file, the name and the word to use."""
    found = []
    for file in sorted(SOURCE.rglob("*.py")):
        place = file.relative_to(SOURCE).as_posix()
        if place.startswith(UNFINISHED):
            continue
        names = {file.stem, *names_of(ast.parse(file.read_text(encoding="utf-8")))}
        found += [f"{place}: {name}: say {fault}" for name in sorted(names) for fault in faults_of(name)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "refused"),
    [
        ("def values_told(): ...", 1),
        ("def values(told): ...", 1),
        ("class AlikeFiles: ...", 1),
        ("MOST_SLICES = 3", 1),
        ("class A:\n    trouble: str", 1),
        ("def f(self):\n    self.told = 1", 1),
        ("MAX_SLICES = 3\ndef toldo(): ...", 0),
    ],
)
def test_refused_names(source: str, refused: int) -> None:
    """Each kind of name is looked at; a word is refused as a word, not as a part of one."""
    assert sum(len(faults_of(name)) for name in names_of(ast.parse(source))) == refused
