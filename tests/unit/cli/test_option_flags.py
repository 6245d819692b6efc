"""The flags of a command come from a dataclass of options."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from dicomarray.assembly.options import ReadOptions
from dicomarray.cli.main import parsed, parser
from dicomarray.cli.option_flags import add_flags
from dicomarray.core.options import choices_of, names_of
from dicomarray.objects.common.options import WriteOptions
from dicomarray.pipeline.options import RunOptions


@dataclass(frozen=True)
class Options:
    """One of each kind.

    Attributes
    ----------
    edge_mode
        Where it ends: ``"wrap"``, or ``"stop"`` at 100 %.
    check
        Look twice.
    fast
        Look once.
    level
        MR only; for ``edge_mode="stop"`` it
        is 0.
    tags
        To ``keep``.
    count
        How many.
    size
        Bytes, or ``"4G"``.
    """

    edge_mode: Literal["wrap", "stop"] = "wrap"
    check: bool = True
    fast: bool = False
    level: float | None = None
    tags: tuple[str, ...] = ()
    count: int = 1
    size: int | str | None = None


def of_options(*arguments: str) -> dict[str, object]:
    command = argparse.ArgumentParser()
    add_flags(command, Options)
    return vars(command.parse_args(arguments))


def test_what_is_not_given_is_none() -> None:
    """So that the default has one home, the dataclass."""
    assert of_options() == dict.fromkeys(names_of(Options))


def test_each_kind_has_its_flag() -> None:
    """Values, numbers, lists; what is on by default is turned off by --no-."""
    numbers = of_options("--count", "3", "--size", "4")
    assert (numbers["count"], numbers["size"]) == (3, "4")
    given = of_options(
        "--edge-mode", "stop", "--no-check", "--fast", "--level", "-2.5", "--tags", "a", "--tags", "b"
    )
    given = {name: value for name, value in given.items() if value is not None}
    assert given == {"edge_mode": "stop", "check": False, "fast": True, "level": -2.5, "tags": ["a", "b"]}


def test_help_is_that_of_the_dataclass() -> None:
    """It is said in the words of a command line."""
    command = argparse.ArgumentParser()
    add_flags(command, Options, leave_out=("fast",), metavars={"size": "SIZE"})
    text = " ".join(command.format_help().split())
    assert "--edge-mode wrap|stop where it ends: 'wrap', or 'stop' at 100 % (default: wrap)" in text
    assert "--no-check do not look twice" in text
    assert "--level VALUE MR only; for --edge-mode stop it is 0" in text
    assert "--tags TEXT to keep (repeatable)" in text
    assert "--count N how many (default: 1)" in text
    assert "--size SIZE bytes, or '4G'" in text
    assert "--fast" not in text


@pytest.mark.parametrize(
    ("arguments", "options", "others"),
    [
        (["to-numpy", "-i", "a", "-n", "b.npy"], ReadOptions, ()),
        (["view", "-i", "a", "-o", "b.png"], ReadOptions, ("units", "exclude_padding")),
        (["run", "-i", "a", "-o", "b", "-f", "c:d"], ReadOptions, ("units", "exclude_padding")),
        (["run", "-i", "a", "-o", "b", "-f", "c:d"], WriteOptions, ()),
        (["run", "-i", "a", "-o", "b", "-f", "c:d"], RunOptions, ("observe",)),
        (["to-dicom", "-n", "a.npy", "-d", "b", "-o", "c"], WriteOptions, ()),
    ],
)
def test_every_option_has_a_flag(arguments: list[str], options: Any, others: tuple[str, ...]) -> None:
    """In each command that reads or writes, with its values; but for those that make no sense there."""
    given = vars(parsed(arguments))
    assert [name for name in names_of(options) if name not in given and name not in others] == []
    assert [name for name in others if name in given] == []
    commands = next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    metavars = {action.dest: action.metavar for action in commands.choices[arguments[0]]._actions}
    for name, values in choices_of(options).items():
        assert name in others or metavars[name] == "|".join(values)
