"""Whether files are still what a ledger says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from dicomarray.pipeline.checksums import sha256_of_series, stamp_of
from dicomarray.pipeline.entries import SeriesOutput
from dicomarray.storage.places import Place, Url, list_files
from dicomarray.storage.references import Reference

# ``unknown``: there is no SHA-256 of it, since it lies in a store, or the ledger is older than these.
Finding = Literal["same", "changed", "missing", "unknown"]


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
