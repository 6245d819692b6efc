"""Headers of very many files, read by several processes.

The processes run this module and nothing of the caller's: a script needs no guard around its main part, and
nothing is forked.  This process reads too, so that nothing waits for the others to start.  What a process did
not deliver, because it was killed or could not be started, this one reads: no file is lost.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from dicomarray.dicom.headers.attributes import Common, share
from dicomarray.dicom.headers.header import Header, HeaderReader
from dicomarray.errors import InputError
from dicomarray.runtime.threads import thread_count
from dicomarray.sources.filesystem import PathMaker
from dicomarray.sources.skipped import Skipped
from dicomarray.storage.references import Reference

if TYPE_CHECKING:
    import subprocess

# A process takes a quarter of a second to start, the time of twenty thousand headers, and handing these over
# takes a third of the time of reading them: with fewer files, little is gained.  Files for each.
FILES_PER_WORKER = 50_000
# Beyond so many this process is busy with what the others found.
MAX_WORKERS = 8
# Long enough that handing them over costs little, short enough that the last ones end together.  Files.
CHUNK = 500

Outcome = Header | Skipped  # the header, or why there is none
Outcomes = Generator[Outcome, None, None]
# The other process needs the same search path to find the same packages.
_START = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from dicomarray.sources.header_workers import serve; serve()"
)


def outcome_of(reader: HeaderReader, path: Reference) -> Outcome:
    """The header of a file, or why it has none."""
    try:
        return reader.read(path)
    except InputError as error:
        return Skipped.because(path, error)


def read_outcomes(paths: Sequence[Path], names: frozenset[str], workers: int | None) -> Outcomes:
    """One outcome a path, in their order and the same however many processes there are.

    ``workers`` None chooses by the number of files and of processors.
    """
    count = _useful_workers(len(paths)) if workers is None else workers
    reader = HeaderReader(names)
    if count < 2 or not can_start() or len(paths) <= CHUNK:
        return (outcome_of(reader, path) for path in paths)
    return _read_by_several(paths, names, reader, min(count, -(-len(paths) // CHUNK)))


def _useful_workers(files: int) -> int:
    return min(thread_count(None), MAX_WORKERS, 1 + files // FILES_PER_WORKER)


def can_start() -> bool:
    """Whether `sys.executable` is Python: in a frozen or embedding program it would be that program."""
    return not getattr(sys, "frozen", False) and "python" in Path(sys.executable or "").name.lower()


def _read_by_several(
    paths: Sequence[Path], names: frozenset[str], reader: HeaderReader, count: int
) -> Outcomes:
    chunks = _Chunks([paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)])
    helpers = [_Helper(chunks, names) for _ in range(count - 1)]
    known: dict[Any, Common] = {}
    try:
        for index in range(len(chunks.paths)):
            while (outcomes := chunks.finished(index)) is None:
                mine = chunks.take()
                if mine is None:
                    chunks.wait(index)
                else:
                    chunks.finish(mine, [outcome_of(reader, path) for path in chunks.paths[mine]])
            share((found.attributes for found in outcomes if isinstance(found, Header)), known)
            yield from outcomes
    finally:
        for helper in helpers:
            helper.stop()


class _Chunks:
    """Who reads what: the paths in chunks, which of them are taken, and what came of them."""

    def __init__(self, paths: list[Sequence[Path]]) -> None:
        self.paths = paths
        self._waiting = list(reversed(range(len(paths))))
        self._outcomes: dict[int, list[Outcome]] = {}
        self._changed = threading.Condition()

    def take(self) -> int | None:
        """The first chunk that nobody reads; None where there is none left."""
        with self._changed:
            return self._waiting.pop() if self._waiting else None

    def give_back(self, index: int) -> None:
        """Somebody else has to read it."""
        with self._changed:
            self._waiting.append(index)
            self._changed.notify_all()

    def finish(self, index: int, outcomes: list[Outcome]) -> None:
        """A chunk is read."""
        with self._changed:
            self._outcomes[index] = outcomes
            self._changed.notify_all()

    def finished(self, index: int) -> list[Outcome] | None:
        """What came of a chunk, once; None as long as it is not read."""
        with self._changed:
            return self._outcomes.pop(index, None)

    def wait(self, index: int) -> None:
        """Until the chunk is read, or there is one to take."""
        with self._changed:
            self._changed.wait_for(lambda: index in self._outcomes or self._waiting)


class _Helper:
    """Another process, and the thread that hands it chunks."""

    def __init__(self, chunks: _Chunks, names: frozenset[str]) -> None:
        self._chunks = chunks
        self._names = names
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        import subprocess

        given: list[int] = []
        try:
            with subprocess.Popen(
                [sys.executable, "-I", "-c", _START],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ) as self._process:
                self._exchange(self._process, given)
        except (OSError, EOFError, ValueError, pickle.UnpicklingError):
            pass  # it could not be started, was killed, or is stopped: what was given to it is given back
        finally:
            for index in given:
                self._chunks.give_back(index)

    def _exchange(self, process: subprocess.Popen[bytes], given: list[int]) -> None:
        """Give it chunks, the next one before it is done with the last, and take what it found."""
        assert process.stdin is not None and process.stdout is not None
        _send(process.stdin, sys.path)
        _send(process.stdin, self._names)
        _receive(process.stdout)  # it has started: until then, others can read the chunks
        while not self._stopped:
            while len(given) < 2 and (index := self._chunks.take()) is not None:
                given.append(index)
                _send(process.stdin, [str(path) for path in self._chunks.paths[index]])
            if not given:
                break
            found = _receive(process.stdout)
            paths = self._chunks.paths[given[0]]
            outcomes = [_whole(*pair) for pair in zip(found, paths, strict=True)]
            self._chunks.finish(given.pop(0), outcomes)
        process.stdin.close()

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._stopped = True
        if self._process is not None:
            self._process.kill()
        self._thread.join()


def serve() -> None:
    """Read what the other side of standard input asks for, until that is closed."""
    import signal
    from queue import SimpleQueue

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to both; the other side decides
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nothing else may get between the answers
    reader = HeaderReader(_receive(requests))
    _send(answers, "ready")
    # a thread takes the requests off the pipe: with both pipes full, both sides would wait for each other
    waiting: SimpleQueue[list[str] | None] = SimpleQueue()

    def take_requests() -> None:
        try:
            while True:
                waiting.put(_receive(requests))
        except (EOFError, OSError, pickle.UnpicklingError):
            waiting.put(None)

    threading.Thread(target=take_requests, daemon=True).start()
    make_path = PathMaker()
    while (names := waiting.get()) is not None:
        _send(answers, [_plain(outcome_of(reader, make_path(name))) for name in names])


def _plain(outcome: Outcome) -> Skipped | tuple[Any, ...]:
    """A header without its path, which the other side has, and which takes long to be made again."""
    if isinstance(outcome, Skipped):
        return outcome
    return outcome.transfer_syntax, outcome.attributes, outcome.pixels, outcome.stamp


def _whole(found: Skipped | tuple[Any, ...], path: Path) -> Outcome:
    """What `_plain` was given."""
    return found if isinstance(found, Skipped) else Header(path, *found)


def _send(stream: BinaryIO | Any, message: object) -> None:
    pickle.dump(message, stream, pickle.HIGHEST_PROTOCOL)
    stream.flush()


def _receive(stream: BinaryIO | Any) -> Any:
    return pickle.load(stream)
