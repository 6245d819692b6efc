"""Patterns of texts: wildcards without backtracking, and regular expressions.

These have a limit of time, and of what they grow to while they are compiled.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property

from dicomarray.errors import ConfigError
from dicomarray.query.grammar import PartError

# Seconds for one match: a sane pattern takes microseconds on a header's text, a runaway one takes for ever.
MATCH_SECONDS = 0.1
# Characters of a pattern with its repetitions written out: some 100 MB and a second while it is compiled.
LARGEST_PATTERN = 300_000
# What a pattern consists of: an escaped character, a set, a repetition with its numbers, any other character.
_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]|\{\s*(?P<least>\d*)\s*(?:,\s*(?P<most>\d*)\s*)?\}|.",
    re.DOTALL,
)
# A comment, flags, or the verbose kind: what stands before a repetition need not be what it repeats.
_VEILED = re.compile(r"\(\?(?:#|[A-Za-z0-9]*-?[A-Za-z0-9]*[):])(?<!\(\?:)")


def compile_search(pattern: str, case: bool) -> Callable[[str], bool]:
    """A test whether a pattern is found anywhere in a text.

    Raises
    ------
    PartError
        Where the pattern is no regular expression, or grows too large; and ConfigError from the test itself
        where one match takes longer than `MATCH_SECONDS`.
    """
    import regex

    # compiling writes repetitions out, some of them several times: no time limit could end it
    if _written_out(pattern, veiled=_VEILED.search(pattern) is not None) > LARGEST_PATTERN:
        raise PartError(
            f"{pattern!r} repeats too much: with its repetitions written out it may have more than "
            f"{LARGEST_PATTERN} characters; repeat less, or use * or +"
        )
    flags = regex.VERSION0 | (0 if case else regex.IGNORECASE)
    try:
        compiled = regex.compile(pattern, flags)
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise PartError(f"{pattern!r} is no regular expression: {error}") from error
    except MemoryError as error:
        raise PartError(f"{pattern!r} takes all memory; repeat less in it") from error

    def search(text: str) -> bool:
        try:
            return compiled.search(text, timeout=MATCH_SECONDS) is not None
        except (TimeoutError, MemoryError) as error:
            raise ConfigError(
                f"the pattern {pattern!r} took more than {MATCH_SECONDS} s, or all memory, on one "
                f"value of {len(text)} characters; write it without repeated groups inside repetitions"
            ) from error

    return search


def _written_out(pattern: str, veiled: bool) -> int:
    """At least so many characters as a pattern has with its repetitions written out.

    Each open group has its size, and that of its last part, which a repetition multiplies.  Where it is
    veiled what is repeated, every repetition multiplies all that stands before it in its group.
    """
    done, last, outer = 0, 0, []
    for token in _TOKEN.finditer(pattern):
        text = token[0]
        if text == "(":
            outer.append(done + last)
            done, last = 0, 1
        elif text == ")" and outer:
            done, last = outer.pop(), done + last + 1
        elif (count := _count(token)) is None:
            done, last = (done, last + 1) if text in "*+?" else (done + last, len(text))
        elif veiled:
            done, last = 0, (done + last) * count
        else:
            last *= count
    return done + last + sum(outer)


def _count(token: re.Match[str]) -> int | None:
    """How often a repetition repeats, at least once; None for what is no repetition."""
    numbers = [number for number in (token["least"], token["most"]) if number]
    if not numbers:
        return None
    return max(1, *(LARGEST_PATTERN + 1 if len(n.lstrip("0")) > 9 else int(n[-9:]) for n in numbers))


def has_wildcard(text: str) -> bool:
    """Whether a text holds ``*`` or ``?``."""
    return "*" in text or "?" in text


@dataclass(frozen=True)
class Wildcard:
    """``*`` stands for any characters, ``?`` for exactly one; everything else, brackets too, for itself."""

    pattern: str

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        # atomic groups: no earlier choice is taken back, so the time is bounded by text times pattern
        return re.compile(translate(self.pattern.replace("[", "[[]")))

    def matches(self, text: str) -> bool:
        """Whether the whole text fits."""
        return self._compiled.match(text) is not None
