"""Files -> the index: what is new or changed is read, what vanished is taken out."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from dicomarray.catalog.index.file_facts import only_in_file
from dicomarray.catalog.index.files import State, absolute_roots, state_of
from dicomarray.catalog.index.gathering import Gathered, Origin, SeenFile
from dicomarray.catalog.index.schema import connect_to_write
from dicomarray.catalog.index.storing import Batch, KnownFile, Store
from dicomarray.dicom.headers.all_elements import AllElementsReader
from dicomarray.dicom.headers.header import Header
from dicomarray.errors import InputError
from dicomarray.runtime.garbage_collection import young_collections_only
from dicomarray.runtime.threads import thread_count
from dicomarray.sources.archives import members_of
from dicomarray.sources.base import Progress, Skipped
from dicomarray.sources.filesystem import PathMaker, find_names
from dicomarray.sources.header_workers import Outcome, outcome_of, read_outcomes
from dicomarray.sources.instances import instance_of
from dicomarray.storage.atomic import refuse_inside
from dicomarray.storage.places import PathLike, local_path

# After so many files, series of which no file came since the last time are written: files of a series mostly
# lie together, so that each is written once, and a kill loses little.
FILES_A_CHECK = 2_000
# So many are looked at for a change before they are read: processes that read take a while to start.
FILES_AT_ONCE = 50_000
# Whatever is gathered is written before it takes more memory than this: instances, and characters of values.
MAX_INSTANCES = 20_000
MAX_CHARACTERS = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What indexing came to: files seen, of these read, unchanged; files that vanished since the last time.

    ``skipped`` are the files that were skipped this time; `open_index` gives all of them.
    """

    path: Path
    files: int
    read: int
    unchanged: int
    vanished: int
    num_series: int
    num_instances: int
    skipped: tuple[Skipped, ...]

    def __repr__(self) -> str:
        return (
            f"<IndexReport {self.path}: {self.num_instances} instances in {self.num_series} series; "
            f"{self.files} files, {self.read} read, {len(self.skipped)} skipped, {self.vanished} vanished>"
        )


def index(
    path: PathLike | Iterable[PathLike],
    index_file: PathLike,
    progress: Progress | None = None,
    *,
    workers: int | None = None,
) -> IndexReport:
    """Keep the catalog of everything at or below a path in an index file; make the file where there is none.

    Files that did not change since they were read (size, times of the last change) are not read again;
    files below ``path`` that are gone are taken out.  Several processes may do this at once, and one that was
    killed is continued by the next one.

    The index holds the attributes of all files, those of the patients too.  It is made readable for its
    owner only.

    Parameters
    ----------
    path
        A folder or file, or several of them; archives as in `scan`.
    index_file
        The file; it must not lie below ``path``.
    progress
        Called with the number of files seen so far.
    workers
        How many processes read headers (see `scan`).

    Raises
    ------
    UsageError
        Where ``workers`` is less than 1.
    InputError
        Where a path does not exist, or the index file is something else or of another version.
    OutputError
        Where the index file lies below ``path``.
    """
    thread_count(workers)
    roots = absolute_roots(path)
    file = local_path(index_file)
    for root in roots:
        refuse_inside(file, Path(root))
        if not os.path.lexists(root):
            raise InputError(f"{root} does not exist")  # before a file is made
    connection = connect_to_write(file)
    try:
        indexing = _Indexing(Store(file, connection), workers, progress)
        with young_collections_only():
            indexing.run(roots)
        num_series, num_instances = indexing.store.counts()
    finally:
        connection.close()
    return IndexReport(
        path=file,
        files=indexing.files,
        read=indexing.read,
        unchanged=indexing.files - indexing.read,
        vanished=indexing.vanished,
        num_series=num_series,
        num_instances=num_instances,
        skipped=tuple(indexing.skipped),
    )


_Member = tuple[str | None, int | None]


@dataclass(slots=True)
class _Indexing:
    """One run: what is gathered and not written yet, and what was counted."""

    store: Store
    workers: int | None
    progress: Progress | None
    reader: AllElementsReader = field(default_factory=AllElementsReader)  # of members of archives
    make_path: PathMaker = field(default_factory=PathMaker)
    batch: Batch = field(default_factory=Batch)
    gathered: dict[str, Gathered] = field(default_factory=dict)
    recent: set[str] = field(default_factory=set)
    has_several: bool = False
    instances: int = 0
    characters: int = 0
    files: int = 0
    read: int = 0
    vanished: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    pathless: list[Skipped] = field(default_factory=list)

    def run(self, roots: list[str]) -> None:
        """Everything below the roots."""
        known = self.store.known_files(roots)
        self.store.start(roots)
        changed = self._changed(roots, known)
        while several := [*islice(changed, FILES_AT_ONCE)]:
            paths = [self.make_path(name) for name, _ in several]
            with closing(read_outcomes(paths, None, self.workers)) as outcomes:
                for (name, state), path, outcome in zip(several, paths, outcomes, strict=True):
                    if self._file(SeenFile(*os.path.split(name), state), path, outcome):
                        known.pop(name, None)
                    self._done()
        self.batch.gone += [number for number, *_ in known.values()]
        self.vanished = len(known)
        self._write(everything=True)
        self.store.finish(roots, self.pathless)

    def _changed(self, roots: list[str], known: dict[str, KnownFile]) -> Iterator[tuple[str, State]]:
        """The files that are new or changed; those that are as they were are known no more."""
        for name in find_names(roots):
            if isinstance(name, Skipped):
                self._skip_pathless(name)
                continue
            try:
                status = os.stat(name)  # noqa: PTH116 - faster, and this is all that a rescan does
            except OSError as error:
                self._unreadable(Path(name), error)
                self._done()
                continue
            before, state = known.get(name), state_of(status)
            if before is not None and before[1:] == state:
                del known[name]
            elif stat.S_ISREG(status.st_mode):
                yield name, state
                continue
            else:
                self._skip_pathless(Skipped(Path(name), "it is no regular file any more"))
            self._done()

    def _done(self) -> None:
        """One file more was seen to its end."""
        self.files += 1
        if self.progress is not None:
            self.progress(self.files)

    def _file(self, seen: SeenFile, path: Path, outcome: Outcome) -> bool:
        """What was read of a file, its header or why it has none; False where it could not be opened."""
        self.read += 1
        try:
            self._take(seen, path, outcome)
        except OSError as error:
            self._unreadable(path, error)
            return False
        if self.read % FILES_A_CHECK == 0 or self._is_full():
            self._write(everything=self._is_full())
        return True

    def _take(self, seen: SeenFile, path: Path, outcome: Outcome) -> None:
        """The instances of a file, all of them or, where it cannot be opened, none.

        Raises
        ------
        OSError
            Where the file cannot be opened: that may change without the file being changed.
        """
        first = instance_of(outcome)
        if isinstance(first, Header):
            self._gather(Origin(seen), first)
            return
        items = list(self._members_in(path, first))
        self.has_several |= len(items) > 1
        if all(isinstance(item, Skipped) for _, item in items):
            self.batch.files.append(seen)
        for origin, item in items:
            if isinstance(item, Skipped):
                self.skipped.append(item)
                self.batch.skipped.append((seen, item))
            else:
                self._gather(Origin(seen, *origin), item)

    def _members_in(self, path: Path, skipped: Skipped) -> Iterator[tuple[_Member, Outcome]]:
        """The instances in an archive, as `scan` takes them; of any other file why it was skipped."""
        try:
            members = members_of(path)
        except InputError as error:
            yield (None, None), Skipped.because(path, error)
            return
        if members is None:
            yield (None, None), skipped
            return
        for number, member in enumerate(members):
            if isinstance(member, Skipped):
                yield (str(member.path), number), member
            else:
                yield (member.member, number), instance_of(outcome_of(self.reader, member))

    def _gather(self, origin: Origin, header: Header) -> None:
        uid = header.text("SeriesInstanceUID") or ""
        # an instance without Series Instance UID is a series of its own
        key = uid or f"{origin.file.folder}{os.sep}{origin.file.name}{os.sep}{origin.number}"
        gathered = self.gathered.get(key)
        if gathered is None:
            gathered = self.gathered[key] = Gathered(uid)
        self.characters -= gathered.characters
        gathered.add(origin, header)
        if facts := only_in_file(header):
            gathered.add_facts(facts)
        self.characters += gathered.characters
        self.recent.add(key)
        self.instances += 1

    def _unreadable(self, path: Path, error: OSError) -> None:
        self._skip_pathless(Skipped.lost(path, f"cannot be read: {error.strerror}"))

    def _skip_pathless(self, item: Skipped) -> None:
        self.skipped.append(item)
        self.pathless.append(item)

    def _is_full(self) -> bool:
        return self.instances >= MAX_INSTANCES or self.characters >= MAX_CHARACTERS

    def _write(self, everything: bool) -> None:
        """Write what is done with, or everything, in one transaction."""
        # an archive must not be known before its instances are, which can be in several series
        waiting = set() if everything or self.has_several else self.recent
        done = [key for key in self.gathered if key not in waiting]
        self.batch.series = [self.gathered.pop(key) for key in done]
        self.instances -= sum(len(gathered.origins) for gathered in self.batch.series)
        self.characters -= sum(gathered.characters for gathered in self.batch.series)
        if not self.batch.is_empty:
            self.store.save(self.batch)
        self.batch, self.recent, self.has_several = Batch(), set(), False
