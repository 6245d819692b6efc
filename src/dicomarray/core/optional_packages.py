"""Packages that an extra of ours brings, imported when they are needed."""

from __future__ import annotations

import importlib
from typing import Any

from dicomarray.errors import UsageError


def package(module: str, extra: str, needed: str | None = None) -> Any:
    """A module of such a package.

    Raises
    ------
    UsageError
        Where it is not installed; ``needed`` says what for, and the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        why = needed or f"{module.partition('.')[0]} is not installed ({error})"
        raise UsageError(f"{why}: pip install 'dicomarray[{extra}]'") from error
