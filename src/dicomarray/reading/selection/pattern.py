"""Regular expressions with a time limit."""

from __future__ import annotations

from collections.abc import Callable

from dicomarray.errors import ConfigError
from dicomarray.reading.selection.words import MistakeError

# Seconds for one match: a sane pattern takes microseconds on a header's text, a runaway one takes for ever.
MATCH_SECONDS = 0.1


def compile_search(pattern: str, case: bool) -> Callable[[str], bool]:
    """A test whether a pattern is found anywhere in a text.

    Raises
    ------
    MistakeError
        Where the pattern is no regular expression; and ConfigError from the test itself where one match
        takes longer than `MATCH_SECONDS`.
    """
    import regex

    flags = regex.VERSION0 | (0 if case else regex.IGNORECASE)
    try:
        compiled = regex.compile(pattern, flags)
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise MistakeError(f"{pattern!r} is no regular expression: {error}") from error

    def search(text: str) -> bool:
        try:
            return compiled.search(text, timeout=MATCH_SECONDS) is not None
        except TimeoutError as error:
            raise ConfigError(
                f"the pattern {pattern!r} took more than {MATCH_SECONDS} s on one value of "
                f"{len(text)} characters; write it without repeated groups inside repetitions"
            ) from error

    return search
