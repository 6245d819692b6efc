"""What a notebook shows of an object is drawn by code that stands above it, found when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def notebook(function: str, *arguments: object) -> Any:
    """The HTML that a function of ``dicomarray.render.notebook`` makes of these."""
    return getattr(import_module("dicomarray.render.notebook"), function)(*arguments)
