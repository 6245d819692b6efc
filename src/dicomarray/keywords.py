"""Options that are given by name: unknown names and values are refused, with those that exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from dicomarray.errors import UsageError


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
