"""SHA-256 over the contents of a series' files: what a run read and wrote, and whether it is still that."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from dicomarray.pipeline.entries import SeriesOutput
from dicomarray.storage.places import Place, Url, list_files
from dicomarray.storage.references import Reference, file_of

PART = 1 << 20  # bytes read at once
# ``unknown``: there is no SHA-256 of it, since it lies in a store, or the ledger is older than these.
Finding = Literal["same", "changed", "missing", "unknown"]


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


def finding_of_files(expected: str | None, references: Iterable[Reference]) -> Finding:
    """What the contents of a series' files say, all of which are read."""
    if expected is None:
        return "unknown"
    return "same" if sha256_of_series(references) == expected else "changed"


def finding_of_result(result: SeriesOutput, trusts_stamp: bool = False) -> Finding:
    """What became of a result; ``trusts_stamp``: files of the same names, sizes and times are not read."""
    if len(result.files) < result.count:
        return "missing"
    if isinstance(result.folder, Url):
        return "unknown"
    files = [file for file in result.files if isinstance(file, Path)]
    if trusts_stamp and result.stamp is not None and stamp_of(files) == result.stamp:
        return "same"
    return finding_of_files(result.sha256, files)


def findings_below(output: Place, reads_all: bool) -> Callable[[SeriesOutput], Finding]:
    """What tells what became of a result; of those in a store, which is listed once, files are counted."""
    if isinstance(output, Path):
        return lambda result: finding_of_result(result, trusts_stamp=not reads_all)
    files = list_files(output)
    counts = Counter(str((output / file.name).parent) for file in files if file.name.endswith(".dcm"))
    return lambda result: "unknown" if counts[str(result.folder)] == result.count else "missing"
