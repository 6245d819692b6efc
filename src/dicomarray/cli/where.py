"""``--where 'SliceThickness<=3'`` -> an entry of a filter config."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from dicomarray.errors import ConfigError

# the longer signs first: "<=" is no "<" with a value that begins with "="
_CONDITION = re.compile(
    r"\s*(?P<field>[^=<>!~]+?)\s*(?P<sign><=|>=|!=|=|<|>|~)\s*(?P<value>.*?)\s*", re.DOTALL
)
_OPERATORS = {"<=": "lte", ">=": "gte", "<": "lt", ">": "gt", "~": "regex"}


def condition(text: str) -> dict[str, Any]:
    """One condition; ``=`` takes wildcards, ``~`` a regular expression, ``!=`` negates.

    Raises
    ------
    ConfigError
        Where the text is no condition.
    """
    match = _CONDITION.fullmatch(text)
    if match is None or not match["value"]:
        raise ConfigError(
            f'--where "{text}" is no condition; write it as Modality=MR, SliceThickness<=3, '
            "ImageType!=DERIVED or SeriesDescription~T1"
        )
    field, sign, value = match["field"], match["sign"], match["value"]
    if sign == "=":
        return {field: value}
    if sign == "!=":
        return {field: {"not": value}}
    return {field: {_OPERATORS[sign]: value}}


def with_conditions(config: dict[str, Any], conditions: Iterable[str]) -> dict[str, Any]:
    """The config with further conditions that must hold as well."""
    further = [condition(text) for text in conditions]
    if not further:
        return config
    return {"all": [config, *further]} if config else {"all": further}
