"""The words of the filter grammar, which one was probably meant, and the mistakes of one config."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from dicomarray.dicom.dictionary import keywords
from dicomarray.errors import ConfigError
from dicomarray.query.facts import FACTS

NODE_WORDS = ("all", "any", "not", "some", "every")
MODIFIERS = ("case", "vr")
PRESENCE = frozenset({"exists", "empty", "not"})
MATCHING = PRESENCE | {"eq", "in", "each", "has_all", "count"}
ORDER = frozenset({"gt", "gte", "lt", "lte", "between"})
TEXT = frozenset({"like", "regex"})
OPERATORS = MATCHING | ORDER | TEXT | {"near"}

# Of the whole config, not of a node.
TOP_WORDS = ("sort", "limit", "per", "version")

# Words of other query languages, without their "$".
_FOREIGN_NODE_WORDS = {
    "and": "all",
    "or": "any",
    "nor": "not",
    "none": "not",
    "must": "all",
    "should": "any",
    "must_not": "not",
    "order_by": "sort",
    "orderby": "sort",
    "sort_by": "sort",
    "max_results": "limit",
    "top": "limit",
    "group_by": "per",
    "n_slices": "num_slices",
    "slices": "num_slices",
    "n_instances": "num_instances",
    "num_images": "num_instances",
    "n_frames": "num_frames",
    "spacing": "slice_spacing",
    "orientation": "plane",
}
_FOREIGN_OPERATORS = {
    "=": "eq",
    "==": "eq",
    "equals": "eq",
    "is": "eq",
    "!=": "not",
    "ne": "not",
    "neq": "not",
    "nin": "not",
    "not_in": "not",
    "none": "not",
    ">": "gt",
    ">=": "gte",
    "ge": "gte",
    "min": "gte",
    "<": "lt",
    "<=": "lte",
    "le": "lte",
    "max": "lte",
    "range": "between",
    "approx": "near",
    "close": "near",
    "contains": "like",
    "glob": "like",
    "ilike": "like",
    "wildcard": "like",
    "startswith": "like",
    "endswith": "like",
    "match": "regex",
    "matches": "regex",
    "pattern": "regex",
    "re": "regex",
    "present": "exists",
    "missing": "exists",
    "size": "count",
    "length": "count",
    "any": "in",
    "any_of": "in",
    "one_of": "in",
    "all": "has_all",
    "case_sensitive": "case",
}
# Likeness as difflib measures it; below this a suggestion is more often wrong than right.
MIN_SIMILARITY = 0.7
# The longest keyword has 75 characters; likeness to more than this takes time and finds nothing.
MAX_NAME_LENGTH = 100


class PartError(ConfigError):
    """One mistake at one place of a config; the parser catches it and collects all of them."""


@lru_cache(maxsize=1)
def _keywords_by_lower_case() -> dict[str, str]:
    return {keyword.lower(): keyword for keyword in keywords()}


def suggest(name: str, words: Iterable[str]) -> str | None:
    """The one of some words that is most like a name."""
    if len(name) > MAX_NAME_LENGTH:
        return None
    close = difflib.get_close_matches(name, list(words), n=1, cutoff=MIN_SIMILARITY)
    return close[0] if close else None


def did_you_mean(word: str | None) -> str:
    """The end of a message."""
    return f'; did you mean "{word}"?' if word else ""


@lru_cache(maxsize=256)
def suggest_keyword(name: str) -> str | None:
    """The DICOM keyword most like a name that is none."""
    squeezed = "".join(name.split()).replace("_", "").replace("-", "").lower()
    known = _keywords_by_lower_case()
    if squeezed in known:
        return known[squeezed]
    close = suggest(squeezed, known)
    return known[close] if close else None


def suggest_node_word(name: str) -> str | None:
    """The word that combines nodes, for a name that stands in its place."""
    bare = name.removeprefix("$").lower()
    return _FOREIGN_NODE_WORDS.get(bare) or suggest(bare, (*NODE_WORDS, *TOP_WORDS, *FACTS))


def is_foreign(name: str) -> bool:
    """Whether another query language, or habit, calls a word of the grammar so."""
    return name.removeprefix("$").lower() in _FOREIGN_NODE_WORDS


def suggest_operator(name: str) -> str | None:
    """The operator most like a name that is none."""
    bare = name.removeprefix("$").lower()
    return _FOREIGN_OPERATORS.get(bare) or suggest(bare, (*OPERATORS, *MODIFIERS))


MAX_NODES = 10_000
MAX_DEPTH = 32
# Nobody corrects more at one go, and finding what was meant by a name takes some milliseconds.
MAX_ERRORS = 100


@dataclass(slots=True)
class ConfigErrors:
    """What is wrong with a config, by place, and how large it has turned out to be."""

    messages: list[str] = field(default_factory=list)
    nodes: int = 0

    def add(self, path: str, message: str) -> None:
        """Note a mistake; ConfigError after too many of them."""
        self.messages.append(f"{path}: {message}")
        if len(self.messages) >= MAX_ERRORS:
            self.messages.append(f"... and perhaps more: reading stopped after {MAX_ERRORS} mistakes")
            self.raise_if_any()

    def count_node(self, path: str) -> None:
        """Count a node, an operator or a wildcard of a list; ConfigError where there are too many."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self.messages.append(f"{path}: a config has at most {MAX_NODES} conditions and patterns")
            self.raise_if_any()

    def too_deep(self, path: str, depth: int) -> bool:
        """Note it where a mapping lies too deep."""
        if depth > MAX_DEPTH:
            self.add(path, f"a config is at most {MAX_DEPTH} mappings deep")
        return depth > MAX_DEPTH

    def raise_if_any(self) -> None:
        """Raise one ConfigError with every mistake in a line of its own."""
        if not self.messages:
            return
        number = f"{len(self.messages)} mistakes" if len(self.messages) > 1 else "a mistake"
        raise ConfigError("\n  ".join((f"the filter config has {number}:", *self.messages)))
