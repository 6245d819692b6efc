"""Headers of very many files, read by several processes.

This process reads too, so that nothing waits for the others to start.  What a process did not deliver,
because it was killed or could not be started, this one reads: no file is lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from dicomarray.dicom.headers.all_elements import AllElementsReader
from dicomarray.dicom.headers.attributes import Common, share
from dicomarray.dicom.headers.header import Header, HeaderReader
from dicomarray.errors import InputError
from dicomarray.runtime.processes import END, Answers, Child, Parent, can_start
from dicomarray.runtime.threads import thread_count
from dicomarray.sources.base import Skipped
from dicomarray.sources.filesystem import PathMaker
from dicomarray.storage.references import Reference

# A process takes a quarter of a second to start, the time of twenty thousand headers, and handing these over
# takes a third of the time of reading them: with fewer files, little is gained.  Files for each.
FILES_PER_WORKER = 50_000
# Beyond so many this process is busy with what the others found.
MAX_WORKERS = 8
# Long enough that handing them over costs little, short enough that the last ones end together.  Files.
CHUNK = 500

Outcome = Header | Skipped  # the header, or why there is none
Outcomes = Generator[Outcome, None, None]
Names = frozenset[str] | None  # of the attributes to read; None: all there are, as an index keeps them
SERVER = "dicomarray.sources.header_workers:serve"
READY = "ready"
# A process has the next chunk before it is done with the last.
MAX_CHUNKS_GIVEN = 2


def outcome_of(reader: HeaderReader, path: Reference) -> Outcome:
    """The header of a file, or why it has none."""
    try:
        return reader.read(path)
    except InputError as error:
        return Skipped.because(path, error)


def read_outcomes(paths: Sequence[Path], names: Names, workers: int | None) -> Outcomes:
    """One outcome a path, in their order and the same however many processes there are.

    ``workers`` None chooses by the number of files and of processors.
    """
    count = useful_workers(len(paths)) if workers is None else workers
    reader = _reader_of(names)
    if count < 2 or not can_start() or len(paths) <= CHUNK:
        return (outcome_of(reader, path) for path in paths)
    return _read_by_several(paths, names, reader, min(count, -(-len(paths) // CHUNK)))


def useful_workers(files: int) -> int:
    return min(thread_count(None), MAX_WORKERS, 1 + files // FILES_PER_WORKER)


def _reader_of(names: Names) -> HeaderReader:
    return AllElementsReader() if names is None else HeaderReader(names)


def _read_by_several(paths: Sequence[Path], names: Names, reader: HeaderReader, count: int) -> Outcomes:
    helpers = _Helpers([paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)])
    known: dict[Any, Common] = {}
    try:
        helpers.start(count - 1, names)
        for index in range(len(helpers.chunks)):
            while index not in helpers.outcomes:
                if (mine := helpers.next_chunk()) is None:
                    helpers.take_answer()
                else:
                    helpers.outcomes[mine] = [outcome_of(reader, path) for path in helpers.chunks[mine]]
                helpers.take_answers()
            outcomes = helpers.outcomes.pop(index)
            share((found.attributes for found in outcomes if isinstance(found, Header)), known)
            yield from outcomes
    finally:
        helpers.stop()


class _Helpers:
    """Other processes, the chunks that they have, those that nobody has, and what came of the rest."""

    def __init__(self, chunks: list[Sequence[Path]]) -> None:
        self.chunks = chunks
        self.outcomes: dict[int, list[Outcome]] = {}
        self._waiting = deque(range(len(chunks)))
        self._given: dict[Child, deque[int]] = {}
        self._answers: Answers = SimpleQueue()

    def start(self, count: int, names: Names) -> None:
        """Start so many; one that cannot be started does no harm."""
        for _ in range(count):
            with suppress(OSError):
                child = Child(SERVER, self._answers)
                self._given[child] = deque()
                child.send(names)

    def next_chunk(self) -> int | None:
        """The first chunk that nobody has; None where there is none left."""
        return self._waiting.popleft() if self._waiting else None

    def take_answers(self) -> None:
        """Take what the processes have answered by now."""
        while not self._answers.empty():
            self.take_answer()

    def take_answer(self) -> None:
        """Wait for an answer, and give the process more to do before it is done with what it has."""
        child, found = self._answers.get()
        given = self._given.get(child, deque())
        if found is END:  # it was killed: somebody else has to read what it had
            self._waiting.extendleft(reversed(given))
            self._given.pop(child, None)
            return
        if found != READY:
            index = given.popleft()
            pairs = zip(found, self.chunks[index], strict=True)
            self.outcomes[index] = [_whole(*pair) for pair in pairs]
        while len(given) < MAX_CHUNKS_GIVEN and (index_or_none := self.next_chunk()) is not None:
            given.append(index_or_none)
            child.send([str(path) for path in self.chunks[index_or_none]])

    def stop(self) -> None:
        """End the processes, whatever they do."""
        for child in self._given:
            child.kill()


def serve(parent: Parent) -> None:
    """In such a process: read what is asked for."""
    reader = _reader_of(parent.receive())
    parent.answer(READY)
    make_path = PathMaker()
    while (names := parent.receive()) is not END:
        parent.answer([_plain(outcome_of(reader, make_path(name))) for name in names])


def _plain(outcome: Outcome) -> Skipped | tuple[Any, ...]:
    """A header without its path, which the other side has, and which takes long to be made again."""
    if isinstance(outcome, Skipped):
        return outcome
    return outcome.transfer_syntax, outcome.attributes, outcome.pixels, outcome.stamp


def _whole(found: Skipped | tuple[Any, ...], path: Path) -> Outcome:
    """What `_plain` was given."""
    return found if isinstance(found, Skipped) else Header(path, *found)
