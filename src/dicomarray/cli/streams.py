"""What a command tells while it works: nobody has to listen."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from dicomarray.core.plain_text import lines_kept


def tell(text: str, stream: TextIO | None = None) -> None:
    """Print a line, on standard output if not elsewhere, at once; all that a command tells goes this way.

    What a terminal would act upon is escaped (`plain_text`): texts of files may hold anything.
    A reader that left (``run ... | head -1``) and a full disk must not end hours of work: what cannot be told
    is not told, nor anything after it.
    """
    out = sys.stdout if stream is None else stream
    try:
        print(lines_kept(text), file=out, flush=True)
    except OSError:
        be_silent(out)


def show(text: str) -> None:
    """Print a result on standard output: as `tell`, but where it cannot be written the command fails."""
    print(lines_kept(text))


def show_names(names: bytes) -> None:
    """File names as the system has them, for a program to read; a terminal gets them escaped."""
    sys.stdout.flush()
    if sys.stdout.isatty():
        names = lines_kept(os.fsdecode(names)).encode(errors="backslashreplace")
    sys.stdout.buffer.write(names)


def be_silent(stream: TextIO) -> None:
    """Let all that is still written to a stream, and what it holds, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
