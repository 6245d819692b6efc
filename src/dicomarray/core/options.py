"""Options that are given by name: unknown names and values are refused, with those that exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

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


@cache
def choices_of(options: type[Any]) -> dict[str, tuple[str, ...]]:
    """The values that each option may have, of those whose type is a `Literal`."""
    kinds = get_type_hints(options)
    return {name: get_args(kind) for name, kind in kinds.items() if get_origin(kind) is Literal}


def check_choices(options: Any) -> None:
    """Raise UsageError where an option has none of the values of its type."""
    for name, choices in choices_of(options.__class__).items():
        value = getattr(options, name)
        if value not in choices:
            raise UsageError(f'{name}="{value}" is unknown; there are: {", ".join(choices)}')
