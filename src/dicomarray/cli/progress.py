"""Lines that count, on standard error, and only where that is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

# A job that is done sooner needs no progress line, in seconds.
QUIET_SECONDS = 1.0
# Redrawing more often costs time and shows nothing, in seconds.
REDRAW_SECONDS = 0.1
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


class Line:
    """One line, drawn anew in its place while its block runs."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()
        self._shown = ""

    def draw(self, text: str) -> None:
        """Show another text; an empty one takes the line away."""
        if self._on and text != self._shown:
            sys.stderr.write(f"\r{text}\x1b[K")
            sys.stderr.flush()
            self._shown = text

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.draw("")


class Counter(Line):
    """Shows ``text`` with how many, their bytes, the rate and the time left; call it with the first two.

    It takes the time from the first call on, and anew where one job is done and the next begins, as of the
    images of several volumes.  Nothing is shown before `QUIET_SECONDS` have passed.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text
        self._start = self._drawn = 0.0
        self._count: int | None = None

    def __call__(self, count: int, size: int = 0, total: int | None = None, /) -> None:
        """So many are done, with so many bytes; there are ``total``, where that is known."""
        if not self._on:
            return
        now = time.monotonic()
        if self._count is None or count < self._count or self._count == total:
            self._start = self._drawn = now
        self._count = count
        if now - self._start < QUIET_SECONDS or now - self._drawn < REDRAW_SECONDS:
            return
        self._drawn = now
        self.draw(self._line(count, size, total, now - self._start))

    def _line(self, count: int, size: int, total: int | None, seconds: float) -> str:
        rate = count / seconds
        parts = [f"{self._text}: {count}" if total is None else f"{self._text}: {count}/{total}"]
        if size:
            parts.append(f"{bytes_text(size)}, {bytes_text(size / seconds)}/s")
        parts.append(f"{rate:.0f}/s")
        if total is not None and rate > 0:
            parts.append(f"{duration_text((total - count) / rate)} left")
        return ", ".join(parts)


def duration_text(seconds: float) -> str:
    """Hours and minutes, or minutes and seconds."""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60:02d} min" if hours else f"{rest // 60} min {rest % 60:02d} s"


def bytes_text(size: float) -> str:
    """Three digits or so, with a unit that is a power of 1000."""
    power = 0
    while size >= 1000 and power < len(_UNITS) - 1:
        size, power = size / 1000, power + 1
    return f"{size:.0f} {_UNITS[power]}" if power == 0 or size >= 100 else f"{size:.1f} {_UNITS[power]}"


class SeriesProgress(Line):
    """Shows how many series are done and failed, the rate and the time left, while its block runs."""

    def __init__(self) -> None:
        super().__init__()
        self._start: float | None = None
        self._done = self._failed = 0

    @contextmanager
    def counting(self, failed: bool, total: int) -> Iterator[int]:
        """Count one more; its block can print lines, the progress is shown below them."""
        now = time.monotonic()
        if self._start is None:
            self._start = now  # the first one tells no rate: it had to wait for the scan
        self._done += 1
        self._failed += failed
        self.draw("")
        yield self._done
        if self._done < total:
            self.draw(self._line(total, now - self._start))

    def _line(self, total: int, seconds: float) -> str:
        line = f"{self._done}/{total} series, {self._failed} failed"
        if seconds <= 0:
            return line
        rate = (self._done - 1) / seconds
        left = duration_text((total - self._done) / rate)
        shown = f"{rate:.1f}/s" if rate >= 1 else f"{60 * rate:.1f}/min"
        return f"{line}, {shown}, {left} left"
