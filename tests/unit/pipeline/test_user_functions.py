"""The user's function: found by name, told apart by version, made ready once."""

import sys
from pathlib import Path
from typing import Any

import pytest

from dicomarray.errors import UsageError
from dicomarray.pipeline import functions


def scale(volume: Any, factor: float = 1) -> Any:
    return volume * factor


class Scaler:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, volume: Any) -> Any:
        return volume * self.factor


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a function, in a working folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my script.py").write_text("def f(volume):\n    return volume\n")
    return tmp_path / "my script.py"


def test_file_and_function(script: Path) -> None:
    """file.py:function is loaded from the file, relative or absolute, once."""
    assert functions.resolve("my script.py:f")(3) == 3
    assert functions.resolve("my script.py:f") is functions.resolve(f"{script}:f")
    assert functions.name_of(functions.resolve("my script.py:f")) == "my script.py:f"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_colon", "names no function"),
        (":f", "names no function"),
        ("json:no_such", "no_such"),
        ("no_such_module:f", "no_such_module"),
        ("no_such_file.py:f", "no_such_file.py"),
        ("broken.py:f", "ValueError: at import"),
        ("json:__name__", "is a str"),
    ],
)
def test_what_is_no_function(script: Path, name: str, words: str) -> None:
    """A name that leads nowhere, and a module that raises, are wrong use."""
    script.with_name("broken.py").write_text("raise ValueError('at import')")
    with pytest.raises(UsageError, match=words):
        functions.resolve(name)


def test_reference_leads_back() -> None:
    """Another process finds a function, a method's class and a class by their reference."""
    for thing in (scale, Scaler):
        assert functions.resolve(functions.reference(thing)) is thing


@pytest.mark.parametrize(
    "thing", [lambda volume: volume, Scaler(2), print.__self__], ids=["lambda", "object", "module"]
)
def test_no_reference(thing: Any) -> None:
    """What no other process could import is refused."""
    with pytest.raises(UsageError, match="cannot be imported by another process"):
        functions.reference(thing)


def test_class_is_set_up_once() -> None:
    """A class takes the parameters, its object the volume."""
    functions.check_call(Scaler, {"factor": 3})
    assert functions.make_ready(Scaler, {"factor": 3})(2) == 6
    assert functions.make_ready(scale, {"factor": 3})(2) == 6


@pytest.mark.parametrize(
    ("thing", "parameters"),
    [(scale, {"faktor": 1}), (Scaler, {}), (Scaler, {"factor": 1, "more": 2}), (object, {}), (Path.cwd, {})],
)
def test_wrong_call(thing: Any, parameters: dict[str, Any]) -> None:
    """Parameters that the function does not have, or no place for a volume: told before anything is read."""
    with pytest.raises(UsageError):
        functions.check_call(thing, parameters)


@pytest.mark.parametrize("parameters", [{"a b": 1}, {"a": object()}, {"a": float("nan")}])
def test_wrong_parameters(parameters: dict[str, Any]) -> None:
    """Parameters that the ledger could not tell are refused."""
    with pytest.raises(UsageError):
        functions.load_parameters(parameters)


def test_version_follows_the_file(script: Path) -> None:
    """Another text of the file, another version; a package's function has the package's version."""
    before = functions.version_of(functions.resolve("my script.py:f"))
    script.write_text(script.read_text() + "# more\n")
    after = functions.version_of(functions.resolve("my script.py:f"))
    assert before["digest"] != after["digest"]
    assert functions.version_of(pytest.raises)["version"] == pytest.__version__
