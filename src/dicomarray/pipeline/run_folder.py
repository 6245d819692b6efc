"""A run to a store: results are sent when they are whole and verified.

Everything else happens in a folder of this computer, as if there were no store: where the output is a URL,
that is a temporary one.  A store cannot put a folder in its place at once, so that the objects of a result
appear one by one; while they do, a marker stands beside them, and the line of the ledger comes after them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from dicomarray.errors import StorageError, UsageError
from dicomarray.pipeline import ledger, lock
from dicomarray.pipeline.entries import RunEntry, as_json, from_json
from dicomarray.sinks.fsspec import remove_if_unfinished, remove_unfinished
from dicomarray.storage.atomic import making, removed_if_empty
from dicomarray.storage.places import Place, Url, download, filesystem

# Nothing but the process itself sees what is in there.
_OF_ONE_PROCESS = ("memory",)
# What fsspec takes for a pattern, and the query of a URL: results cannot lie below them.
_NOT_IN_OUTPUT = "*?[]#"


def check_urls(places: Iterable[Place], output: Place, by_others: bool) -> None:
    """Raise UsageError for URLs that the run cannot work with; ``by_others``: other processes do the work."""
    for place in (*places, output):
        if by_others and isinstance(place, Url) and is_of_one_process(place):
            raise UsageError(
                f"{place}: a {place.protocol}:// store is seen by its own process only, so worker processes "
                "and Dask cannot read or write it; leave out workers, timeout, memory_limit and scheduler"
            )
    if isinstance(output, Url) and any(letter in output.text for letter in _NOT_IN_OUTPUT):
        raise UsageError(f"{output}: an output URL has none of the characters {_NOT_IN_OUTPUT}")


def local_folder_for(pacs: Url) -> Path:
    """Where a run whose results go to a PACS keeps its ledger and what it stored: the same in every run."""
    host = "".join(c if c.isalnum() or c in ".-" else "-" for c in str(pacs).partition("://")[2])
    return Path.cwd() / f"dicomarray-run-{host[:100]}"


def is_of_one_process(place: Place) -> bool:
    """Whether only this process sees a place."""
    return isinstance(place, Url) and place.protocol in _OF_ONE_PROCESS


@contextmanager
def working_folder(output: Place) -> Iterator[Path]:
    """Where results are made: the output folder, or for a URL a temporary one that is removed at the end."""
    if isinstance(output, Path):
        yield output
        return
    with TemporaryDirectory(prefix="dicomarray-run-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def held(output: Place, folder: Path) -> Iterator[None]:
    """The output for this run alone; of one in a store, the ledger is fetched.

    Raises OutputError where another run holds it.
    """
    if isinstance(output, Path):
        with removed_if_empty(output):
            with making(output):
                output.mkdir(parents=True, exist_ok=True)
            with lock.locked(output):
                yield
        return
    with lock.marked(output, lock.FILE_NAME):
        try:
            remove_unfinished(output)
            kept = output / ledger.FILE_NAME
            if kept.exists():
                download(output, {filesystem(kept)[1]: folder / ledger.FILE_NAME})
            yield
        finally:
            with contextlib.suppress(StorageError):  # the next run does it
                remove_unfinished(output)


def with_urls(entry: RunEntry, output: Place) -> RunEntry:
    """An entry as the user is to have it: with the URLs of what was sent.

    What a process that was ended with it has half sent is removed.
    """
    if isinstance(output, Path):
        return entry
    if entry.status == "failed":
        with contextlib.suppress(StorageError):  # the end of the run does it
            remove_if_unfinished(output / entry.name)
    return from_json(as_json(entry), output)
