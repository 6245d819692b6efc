"""A line that counts, on standard error, and only where that is a terminal."""

from __future__ import annotations

import sys
import time

# A job that is done sooner needs no progress line, in seconds.
QUIET_SECONDS = 1.0
# Redrawing more often costs time and shows nothing, in seconds.
REDRAW_SECONDS = 0.1


class Counter:
    """Shows ``text`` with a count and a rate while its block runs; call it with the count."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._start = self._drawn = time.monotonic()
        self._shown = False
        self._on = sys.stderr.isatty()

    def __call__(self, count: int) -> None:
        now = time.monotonic()
        if not self._on or now - self._start < QUIET_SECONDS or now - self._drawn < REDRAW_SECONDS:
            return
        self._drawn, self._shown = now, True
        sys.stderr.write(f"\r{self._text}: {count} ({count / (now - self._start):.0f}/s)\x1b[K")
        sys.stderr.flush()

    def __enter__(self) -> Counter:
        return self

    def __exit__(self, *_: object) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = False
