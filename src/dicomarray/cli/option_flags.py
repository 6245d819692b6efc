"""A dataclass of options -> the flags of a command: names, values, defaults and help have that one source."""

from __future__ import annotations

import argparse
import re
from collections.abc import Container, Mapping
from dataclasses import fields
from types import MappingProxyType, NoneType
from typing import Any, get_args, get_origin, get_type_hints

from dicomarray.core.options import choices_of, help_of

# ``missing="fill"`` of Python is ``--missing fill`` here.
_KEYWORD = re.compile(r'``(\w+)="([\w-]+)"``')
_METAVARS = {float: "VALUE", int: "N", str: "TEXT"}


def add_flags(
    command: argparse.ArgumentParser,
    options: Any,
    leave_out: Container[str] = (),
    metavars: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """A flag for each option.  One that is not given stays None: defaults have their home in the dataclass.

    Which values there are the dataclass checks, with the same message as in Python.
    """
    kinds, choices, texts = get_type_hints(options), choices_of(options), help_of(options)
    for field in fields(options):
        name = field.name
        if name in leave_out:
            continue
        text = _plain(" ".join(map(str.strip, texts.get(name, ()))))
        flag = name.replace("_", "-")
        if name in choices:
            values = "|".join(choices[name])
            command.add_argument(f"--{flag}", metavar=values, help=f"{text} (default: {field.default})")
        elif kinds[name] is bool and field.default:
            command.add_argument(
                f"--no-{flag}", dest=name, action="store_false", default=None, help=f"do not {text}"
            )
        elif kinds[name] is bool:
            command.add_argument(f"--{flag}", action="store_true", default=None, help=text)
        elif get_origin(kinds[name]) is tuple:
            command.add_argument(f"--{flag}", action="append", metavar="TEXT", help=f"{text} (repeatable)")
        else:
            # what it is beside None; of several a text, which the dataclass understands
            wanted = [one for one in get_args(kinds[name]) if one is not NoneType] or [kinds[name]]
            kind = wanted[0] if len(wanted) == 1 else str
            default = "" if field.default is None else f" (default: {field.default})"
            metavar = metavars.get(name, _METAVARS[kind])
            command.add_argument(f"--{flag}", type=kind, metavar=metavar, help=text + default)


def _plain(text: str) -> str:
    """A sentence of a docstring as the help of a flag."""
    text = _KEYWORD.sub(lambda found: f"--{found[1].replace('_', '-')} {found[2]}", text)
    text = text.replace('``"', "'").replace('"``', "'").replace("`", "").removesuffix(".")
    text = text.replace("%", "%%")  # argparse formats it
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text
