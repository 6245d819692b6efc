"""What of a filter config a PACS can be asked, so that it lists less.

A PACS compares otherwise than a config: case counts, or does not; a wildcard may mean more.  So it is asked
for whatever might match, never for less, and the config decides about what it lists.  Only what every server
knows at the level of studies and series is asked (PS3.4 C.6.2.1, PS3.18 10.6.1.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from dicomarray.query.selection import Selection

_UIDS = ("StudyInstanceUID", "SeriesInstanceUID")
_TEXTS = ("PatientID", "AccessionNumber")
# A server is asked so often at most; what would be more is left to the config.
MAX_QUERIES = 50
# What means the same everywhere, also in a URL; wildcards are those of a config.
_SURE = "0123456789._-*?"
_UID = re.compile(r"[0-9][0-9.]{0,63}", re.ASCII)
_CODE = re.compile(r"[A-Z][A-Z0-9]{1,15}", re.ASCII)
_DATE = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})", re.ASCII)
_RANGE = re.compile(r"([0-9]{8})-([0-9]{8})", re.ASCII)


def queries_of(selection: Selection) -> list[dict[str, str]]:
    """Matching keys by keyword; a series that the config wants matches those of one query at least."""
    alternatives: dict[str, list[str]] = {}
    for name, condition in _conditions(selection.config):
        keys = _keys(name, condition)
        others = [len(found) for other, found in alternatives.items() if other != name]
        count = len(keys)
        for number in others:
            count *= number
        if keys and name not in alternatives and count <= MAX_QUERIES:
            alternatives[name] = keys
    return [dict(zip(alternatives, values, strict=True)) for values in product(*alternatives.values())]


def _conditions(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The entries that all have to hold."""
    for name, condition in node.items():
        if name == "all":
            for inner in condition:
                yield from _conditions(inner)
        else:
            yield name, condition


def _keys(name: str, condition: Any) -> list[str]:
    """The values of a key, one of which a match has; none where that is not known."""
    if name == "StudyDate":
        return _dates(condition)
    if isinstance(condition, Mapping):
        condition = condition.get("eq", condition.get("in"))
    wanted = condition if isinstance(condition, list | tuple) else [condition]
    found = [_key(name, one) for one in wanted]
    return [*dict.fromkeys(key for key in found if key)] if all(found) else []


def _key(name: str, value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    text = value.strip()
    if name in _UIDS:
        return text if _UID.fullmatch(text) else None
    if name == "Modality":  # a code in capitals (PS3.3 C.7.3.1.1.1), in every file and config
        return text.upper() if _CODE.fullmatch(text.upper()) else None
    if name in _TEXTS and "\\" not in text:
        return _any_case(text) or None
    return None


def _any_case(text: str) -> str:
    """The text with a wildcard for whatever a server may hold in another case or form, or not understand."""
    return "".join(one if one in _SURE else "?" if one.isascii() else "*" for one in text)


def _dates(condition: Any) -> list[str]:
    if isinstance(condition, str):
        exact = _day(condition)
        span = _RANGE.fullmatch(condition.strip())
        return [exact] if exact else [span[0]] if span else []
    if not isinstance(condition, Mapping):
        return []
    between = condition.get("between")
    lower, upper = between if isinstance(between, list | tuple) and len(between) == 2 else (None, None)
    first = _day(condition.get("gte", condition.get("gt", lower)))
    last = _day(condition.get("lte", condition.get("lt", upper)))
    return [f"{first or ''}-{last or ''}"] if first or last else []


def _day(value: Any) -> str | None:
    found = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    return "".join(found.groups()) if found else None
