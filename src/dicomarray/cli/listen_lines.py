"""How a listener is doing, in one line that changes, where standard error is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dicomarray.pipeline.listening import Status


class StatusLine:
    """Shows a status when it is called with one; the block of `hidden` can print lines."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()
        self._shown = ""

    def __call__(self, status: Status) -> None:
        """Draw it, where it is another one."""
        text = status_text(status)
        if self._on and text != self._shown:
            sys.stderr.write(f"\r{text}\x1b[K")
            sys.stderr.flush()
            self._shown = text

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Without the line; it comes again with the next status."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = ""
        yield

    def __enter__(self) -> StatusLine:
        return self

    def __exit__(self, *_: object) -> None:
        """Take the line away."""
        with self.hidden():
            return


def status_text(status: Status) -> str:
    """Instances and series, in words."""
    cut = f" ({status.cut_short} cut short)" if status.cut_short else ""
    refused = f", {status.refused} refused" if status.refused else ""
    return (
        f"{status.received} instances received{refused}; series: {status.waiting} waiting{cut}, "
        f"{status.working} in work, {status.done} done, {status.failed} failed"
    )
