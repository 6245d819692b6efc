"""``--where 'SliceThickness<=3'`` -> an entry of a filter config; ``--param size=3`` -> a parameter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dicomarray.errors import ConfigError, UsageError
from dicomarray.query.config import load_config
from dicomarray.query.grammar import TOP_WORDS

# the longer signs first: "<=" is no "<" with a value that begins with "="
_CONDITION = re.compile(
    r"\s*(?:(?P<quantifier>some|every)\s+)?"
    r"(?P<field>[^=<>!~]+?)\s*(?P<sign><=|>=|!=|=|<|>|~)\s*(?P<value>.*?)\s*",
    re.DOTALL,
)
# of more digits there are no series, and Python reads only some thousand
_NUMBER = re.compile(r"[0-9]{1,18}")
_OPERATORS = {"<=": "lte", ">=": "gte", "<": "lt", ">": "gt", "~": "regex"}


def condition(text: str) -> dict[str, Any]:
    """One condition; ``=`` takes wildcards, ``~`` a regular expression, ``!=`` negates.

    ``some`` or ``every`` before it asks whether it holds for one, or for every instance of the series.

    Raises ConfigError where the text is no condition.
    """
    match = _CONDITION.fullmatch(text)
    if match is None or not match["value"]:
        raise ConfigError(
            f'--where "{text}" is no condition; write it as Modality=MR, SliceThickness<=3, '
            "ImageType!=DERIVED, SeriesDescription~T1 or 'some DiffusionBValue>500'"
        )
    sign, wanted = match["sign"], match["value"]
    if sign == "=" and wanted.startswith("="):
        raise ConfigError(f'--where "{text}": the sign is one =, as in Modality=MR')
    if sign != "=":
        wanted = {"not" if sign == "!=" else _OPERATORS[sign]: wanted}
    entry = {match["field"]: wanted}
    return {match["quantifier"]: entry} if match["quantifier"] else entry


def hints_of(conditions: Iterable[str]) -> list[str]:
    """What to say of conditions where nothing matches: a comma is a part of the value."""
    hints = []
    for text in conditions:
        match = _CONDITION.fullmatch(text)
        if match is not None and match["sign"] == "=" and "," in match["value"]:
            listed = json.dumps({match["field"]: re.split(r"\s*,\s*", match["value"])}, ensure_ascii=False)
            hints.append(
                f'--where "{text}" asks for one value with a comma; several are a list in a config: {listed}'
            )
    return hints


def with_conditions(config: dict[str, Any], conditions: Iterable[str]) -> dict[str, Any]:
    """The config with further conditions that must hold as well.

    What ranks the matches stands at the top: ``sort=-num_slices`` (repeatable), ``limit=1``, ``per=study``.
    """
    whole, sort, clashing = dict(config), list[Any](), list[Any]()
    for text in conditions:
        ((field, wanted),) = condition(text).items()
        if field == "sort":
            sort.append(wanted)
        elif field in TOP_WORDS:
            whole[field] = _number(wanted)
        elif field in whole:
            clashing.append({field: wanted})
        else:
            whole[field] = wanted
    if sort:
        whole["sort"] = sort
    if not clashing:
        return whole
    known = whole.get("all", [])
    # where "all" is no list the parser says so
    return whole | {"all": [*known, *clashing] if isinstance(known, list | tuple) else known}


def _number(value: Any) -> Any:
    """``limit=1`` means the number; any other value is what it is."""
    return int(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


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
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return ({} if file is None else load_config(Path(file))) | found
