"""``--param threshold=0.5`` -> a parameter of the user's function."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dicomarray.errors import UsageError
from dicomarray.query.config import load_config


def with_parameters(file: str | None, given: Iterable[str]) -> dict[str, Any]:
    """The parameters of a file, and over them those that were given one by one.

    A value is JSON (``0.5``, ``true``, ``[1, 2]``, ``"text"``), and a text where it is none.

    Raises UsageError where one is not ``NAME=VALUE``, or has been given before.
    """
    found: dict[str, Any] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name.isidentifier():
            raise UsageError(f'--param "{text}" is no parameter; write it as name=value')
        if name in found:
            raise UsageError(f'--param gives "{name}" twice')
        found[name] = _value(value)
    return ({} if file is None else load_config(Path(file))) | found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
