"""SHA-256 over the contents of a series' files: what a run read and wrote, and whether it is still that."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from dicomarray.storage.places import Url
from dicomarray.storage.references import Reference, file_of

PART = 1 << 20  # bytes read at once


def sha256_of_series(references: Iterable[Reference]) -> str | None:
    """One SHA-256 (FIPS 180-4) for the files of a series, whatever they are called and in whichever order.

    It is that of the files' own, in hexadecimal, sorted, a line each, as
    ``sha256sum *.dcm | cut -c-64 | sort | sha256sum`` has it.  None for what lies in a store: to read all of
    it again would cost more than the run.
    """
    unique = dict.fromkeys(references)
    if any(isinstance(file_of(reference), Url) for reference in unique):
        return None
    lines = sorted(f"{_sha256(reference)}\n" for reference in unique)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def stamp_of(files: Iterable[Path]) -> str:
    """A digest of the files' names, sizes and times, which is had without reading them."""
    states = ((file.name, file.stat()) for file in files)
    lines = sorted(f"{name}\0{state.st_size}\0{state.st_mtime_ns}\n" for name, state in states)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _sha256(reference: Reference) -> str:
    digest = hashlib.sha256()
    with reference.open("rb") if isinstance(reference, Path) else reference.open() as stream:
        while part := stream.read(PART):
            digest.update(part)
    return digest.hexdigest()
