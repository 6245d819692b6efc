"""Options that are given by name: unknown names and values are refused, with those that exist."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from dicomarray.errors import UsageError

Options = TypeVar("Options")
Function = TypeVar("Function", bound=Callable[..., Any])

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


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
    (made,) = all_made_of(given, options)
    return made  # type: ignore[no-any-return]


def all_made_of(given: Mapping[str, Any], *kinds: type[Any]) -> tuple[Any, ...]:
    """As `made_of`, of several dataclasses whose options are given together."""
    known = {kind: names_of(kind) for kind in kinds}
    names = [name for some in known.values() for name in some]
    for name in given:
        if name not in names:
            raise UsageError(f'there is no option "{name}"; there are: {", ".join(names)}')
    return tuple(kind(**{name: given[name] for name in known[kind] if name in given}) for kind in kinds)


@cache
def choices_of(options: type[Any]) -> dict[str, tuple[str, ...]]:
    """The values that each option may have, of those whose type is a `Literal`."""
    kinds = get_type_hints(options)
    return {name: get_args(kind) for name, kind in kinds.items() if get_origin(kind) is Literal}


@cache
def flags_of(options: type[Any]) -> tuple[str, ...]:
    """The options that are True or False."""
    return tuple(name for name, kind in get_type_hints(options).items() if kind is bool)


def help_of(options: type[Any]) -> dict[str, list[str]]:
    """The lines in which a dataclass's docstring tells of each option; none with ``python -OO``."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in inspect.cleandoc(options.__doc__ or "").partition("----------\n")[2].splitlines():
        if line.startswith(" ") or not line:
            lines.append(line)
        else:
            lines = []
            found |= dict.fromkeys(line.split(", "), lines)
    return found


def takes(*kinds: type[Any]) -> Callable[[Function], Function]:
    """Says in the docstring of a function which options it takes, with their values and defaults."""

    def documented(function: Function) -> Function:
        if function.__doc__:
            entries = [entry for options in kinds for entry in _entries(options)]
            own = inspect.cleandoc(function.__doc__)
            function.__doc__ = "\n".join([own, "", "Other Parameters", "-" * 16, *entries])
        return function

    return documented


def _entries(options: Any) -> list[str]:
    """A dataclass of options as numpydoc writes parameters."""
    choices, texts = choices_of(options), help_of(options)
    found = []
    for field in fields(options):
        values = ", ".join(f'"{value}"' for value in choices.get(field.name, ()))
        default = f'"{field.default}"' if isinstance(field.default, str) else field.default
        found.append(f"{field.name} : {f'{{{values}}}' if values else field.type}, default {default}")
        found.extend(texts[field.name])
    return found


def size_of(name: str, given: int | str | None) -> int | None:
    """A number of bytes, or a text such as ``"4G"`` (binary units); UsageError for a text that is no size."""
    if given is None or isinstance(given, int):
        return given
    match = _SIZE.fullmatch(given.strip())
    if match is None:
        raise UsageError(f'{name}="{given}" is no size; write it as 4G or 512M')
    return int(float(match[1]) * _UNITS[match[2].upper()])


def check_flag(name: str, value: object) -> None:
    """Raise UsageError for what is neither True nor False, nor a number for one, such as an array."""
    if not isinstance(value, int | None) and getattr(value, "ndim", None) != 0:  # NumPy's bool has no axis
        raise UsageError(f"{name} is True or False, not {value!r:.80}")


def check_choices(options: Any) -> None:
    """Raise UsageError where an option has none of the values of its type."""
    for name in flags_of(options.__class__):
        check_flag(name, getattr(options, name))
    for name, choices in choices_of(options.__class__).items():
        value = getattr(options, name)
        if not isinstance(value, str) or value not in choices:
            raise UsageError(f'{name}="{value}" is unknown; there are: {", ".join(choices)}')
