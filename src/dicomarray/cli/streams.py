"""What a command tells while it works: nobody has to listen."""

from __future__ import annotations

import os
import sys
from typing import TextIO


def tell(text: str, stream: TextIO | None = None) -> None:
    """Print a line, on standard output if not elsewhere, at once.

    A reader that left (``run ... | head -1``) and a full disk must not end hours of work: what cannot be told
    is not told, nor anything after it.
    """
    out = sys.stdout if stream is None else stream
    try:
        print(text, file=out, flush=True)
    except OSError:
        be_silent(out)


def be_silent(stream: TextIO) -> None:
    """Let all that is still written to a stream, and what it holds, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
