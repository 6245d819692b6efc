"""What a command prints while it works; a reader that is gone does not stop it."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from dicomarray.core.plain_text import escape_but_newlines


def print_text(text: str, stream: TextIO | None = None) -> None:
    """Print a line, on standard output if not elsewhere, at once; all that a command prints goes this way.

    What a terminal would act upon is escaped (`plain_text`): texts of files may hold anything.
    A reader that left (``run ... | head -1``) and a full disk must not end hours of work: what cannot be
    printed is left out, and so is all after it.
    """
    out = sys.stdout if stream is None else stream
    try:
        print(escape_but_newlines(text), file=out, flush=True)
    except OSError:
        be_silent(out)


def show(text: str) -> None:
    """Print a result on standard output; where it cannot be written the command fails."""
    print(escape_but_newlines(text))


def show_names(names: bytes) -> None:
    """File names as the system has them, for a program to read; a terminal gets them escaped."""
    sys.stdout.flush()
    if sys.stdout.isatty():
        names = escape_but_newlines(os.fsdecode(names)).encode(errors="backslashreplace")
    sys.stdout.buffer.write(names)


def be_silent(stream: TextIO) -> None:
    """Let all that is still written to a stream, and what it holds, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
