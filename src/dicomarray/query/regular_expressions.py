"""Regular expressions with a limit of time, and of what they grow to while they are compiled."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import prod

from dicomarray.errors import ConfigError
from dicomarray.query.grammar import MistakeError

# Seconds for one match: a sane pattern takes microseconds on a header's text, a runaway one takes for ever.
MATCH_SECONDS = 0.1
# Characters of a pattern with its repetitions written out: some 100 MB and a second while it is compiled.
LARGEST_PATTERN = 1_000_000
# A repetition with its numbers, and what stands before it.
_REPETITION = re.compile(r"(?P<before>\S?)\s*\{\s*(?P<least>\d*)\s*(?:,\s*(?P<most>\d*)\s*)?\}")


def compile_search(pattern: str, case: bool) -> Callable[[str], bool]:
    """A test whether a pattern is found anywhere in a text.

    Raises
    ------
    MistakeError
        Where the pattern is no regular expression, or grows too large; and ConfigError from the test itself
        where one match takes longer than `MATCH_SECONDS`.
    """
    import regex

    _refuse_large(pattern)
    flags = regex.VERSION0 | (0 if case else regex.IGNORECASE)
    try:
        compiled = regex.compile(pattern, flags)
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise MistakeError(f"{pattern!r} is no regular expression: {error}") from error
    except MemoryError as error:
        raise MistakeError(f"{pattern!r} takes all memory; repeat less in it") from error

    def search(text: str) -> bool:
        try:
            return compiled.search(text, timeout=MATCH_SECONDS) is not None
        except (TimeoutError, MemoryError) as error:
            raise ConfigError(
                f"the pattern {pattern!r} took more than {MATCH_SECONDS} s, or all memory, on one "
                f"value of {len(text)} characters; write it without repeated groups inside repetitions"
            ) from error

    return search


def _refuse_large(pattern: str) -> None:
    """Compiling writes repetitions out, some of them several times: no time limit could end it.

    Every repeated group is taken to lie in all others: that is never too few.
    """
    single, groups = [1], [1]
    for found in _REPETITION.finditer(pattern):
        digits = max(found["least"] or "", found["most"] or "", key=len)
        count = max(1, *(int(number[:9] or 0) for number in (found["least"], found["most"] or "")))
        count = LARGEST_PATTERN if len(digits.lstrip("0")) > len(str(LARGEST_PATTERN)) else count
        # a comment of the verbose kind may hide what stands before
        (groups if found["before"] in ")}" or "#" in pattern else single).append(count)
    size = len(pattern) * max(single) * prod(groups)
    if size > LARGEST_PATTERN:
        raise MistakeError(
            f"{pattern!r} repeats too much: with its repetitions written out it may have more than "
            f"{LARGEST_PATTERN} characters; repeat less, or use * or +"
        )
