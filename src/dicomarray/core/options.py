"""Options that are given by name: unknown names and values are refused, with those that exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, TypeVar, get_args

from dicomarray.errors import UsageError

Options = TypeVar("Options")


def names_of(options: type[Any]) -> tuple[str, ...]:
    """The names of a dataclass of options."""
    return tuple(field.name for field in fields(options))


def made_of(options: type[Options], given: Mapping[str, Any]) -> Options:
    """The dataclass of options that the keywords make; its own checks see to their values.

    Raises
    ------
    UsageError
        For a name that is no option; the message lists those that exist.
    """
    check_names(given, names_of(options))
    return options(**given)


def check_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Raise UsageError for the first name that is no option."""
    names = tuple(known)
    for name in given:
        if name not in names:
            raise UsageError(f'there is no option "{name}"; there are: {", ".join(names)}')


def check_choices(options: Any, choices: Mapping[str, Any]) -> None:
    """Raise UsageError where an attribute of ``options`` is none of the literals of its type."""
    for name, kind in choices.items():
        value = getattr(options, name)
        if value not in get_args(kind):
            raise UsageError(f'{name}="{value}" is unknown; there are: {", ".join(get_args(kind))}')
