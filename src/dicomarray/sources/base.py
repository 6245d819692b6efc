"""What a source of instances is: a folder with archives, a store, or a server.

How another kind of store is added:

1. In a module of its own here, a subclass of `ObjectReference` (`storage/references.py`): what one instance
   is referred to by and how it is opened.  It says what is fetched many at once, where that is faster.
2. Beside it, a subclass of `Source`, which lists the instances.  Whoever can read just the start of an object
   hands its references to `instances.read_objects`, as `fsspec.Store` does.  Whoever has the attributes in
   another way (a server's answer) makes each `Header` itself, and opens the instance when pixels are wanted.
3. Its addresses go into `instances._source_of`, and into `storage.places.is_inside`, which asks fsspec
   whether an output lies in the input.

A kind of store that fsspec knows needs none of this: `fsspec.Store` reads it by its address.

Nothing else has to know: what builds and writes volumes asks references and headers.

A PACS is a `Server`: it is asked which series it has, and copies of instances are fetched from it.  Each kind
is a subclass in a module of its own; its kind of address goes into `storage.connections`,
`server_of`, `instances._source_of`, and, where it takes instances, `sinks.base.target_of`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.recognition import NoImageError
from dicomarray.errors import InputError
from dicomarray.storage.connections import Connected, speaks_dicomweb
from dicomarray.storage.limits import UNLIMITED, TransferOptions
from dicomarray.storage.places import Place, Url
from dicomarray.storage.references import ObjectReference, Reference

# Of the files that are skipped for one reason so many are named.
EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is no part of any series, and why.

    For a member of an archive the path is that of the archive with the member's name behind it; for a file in
    a store it is a `Url`.  What is empty, damaged or cannot be read may have been an image: ``lost_from`` is
    the folder (or archive) whose images may be incomplete without it; None for what surely is none.
    """

    path: Place
    reason: str
    lost_from: Place | None = None

    @classmethod
    def lost(cls, path: Place | ObjectReference, reason: str) -> Skipped:
        """A file or folder that may have held an image of the folder (or archive) that it lies in."""
        if isinstance(path, ObjectReference):
            return cls(path.place, reason, path.beside[0])
        return cls(path, reason, path.parent)

    @classmethod
    def because(cls, path: Reference, error: InputError) -> Skipped:
        """A file that cannot be taken."""
        lost = cls.lost(path, str(error))
        return replace(lost, lost_from=None) if isinstance(error, NoImageError) else lost


@dataclass(frozen=True, slots=True)
class SkippedGroup:
    """How many files were skipped for one reason, and the names of some."""

    reason: str
    count: int
    examples: tuple[str, ...]


def by_reason(skipped: Iterable[Skipped]) -> list[SkippedGroup]:
    """What was skipped in a few lines, the most frequent reason first."""
    names: dict[str, list[str]] = {}
    for item in skipped:
        names.setdefault(item.reason, []).append(item.path.name)
    groups = [SkippedGroup(reason, len(n), tuple(n[:EXAMPLES])) for reason, n in names.items()]
    return sorted(groups, key=lambda group: -group.count)


class Progress(Protocol):
    """Is told how far a long job is."""

    def __call__(self, files: int, size: int = 0, total: int | None = None, /) -> None:
        """So many files were seen, which have ``size`` bytes in all; ``total`` is how many there are."""


class Source(ABC):
    """Where instances come from."""

    @abstractmethod
    def instances(
        self, names: frozenset[str], progress: Progress | None = None
    ) -> Iterator[Header | Skipped]:
        """The headers of all instances, in a stable order, with the attributes named; what is none, and why.

        ``Header.path`` is the reference that opens the instance.

        Raises
        ------
        InputError
            Where there is no such place.
        StorageError
            Where a store fails.
        """


@dataclass(frozen=True, slots=True)
class RemoteSeries:
    """A series that a server says it has; ``count`` is how many instances, None where it does not tell.

    ``known`` is what else it says of all of them, by keyword; blank is unknown.
    """

    study: str
    uid: str
    count: int | None = None
    known: Mapping[str, str] = field(default_factory=dict, compare=False)


# Is told of every instance that was fetched: its file.
Arrived = Callable[[Path], None]


class Server(Connected):
    """A PACS from which copies of instances are fetched; a context that closes its connections.

    UIDs that it returns were checked (`uids.is_safe_uid`): they become names of files.
    """

    @abstractmethod
    def find(self, keys: Mapping[str, str]) -> list[RemoteSeries]:
        """All series that match, in a stable order.

        Parameters
        ----------
        keys
            Matching keys by keyword, as C-FIND and QIDO-RS have them (PS3.4 C.2.2.2): of studies and series.
            What matches may be more than what is wanted, never less.

        Raises
        ------
        StorageError
            Where the server fails, or does not tell all.
        """

    @abstractmethod
    def instances(self, series: RemoteSeries) -> frozenset[str]:
        """The SOP Instance UIDs of all instances of a series; raises StorageError as `find`."""

    def listed(self, series: RemoteSeries, names: frozenset[str]) -> list[Mapping[str, str]]:
        """What a listing says of each instance, of the attributes named; nothing where it says none of them.

        Raises
        ------
        StorageError
            Where the server fails.
        """
        del series, names
        return []

    def headers(self, series: RemoteSeries, names: frozenset[str]) -> list[Header | Skipped] | None:
        """The headers of all its instances; None where only the instances themselves tell.

        Raises
        ------
        StorageError
            Where the server fails.
        """
        del series, names
        return None

    @abstractmethod
    def fetch(self, series: RemoteSeries, wanted: Collection[str], folder: Path, arrived: Arrived) -> None:
        """Copy instances of a series, by SOP Instance UID, into a folder that exists.

        Each becomes ``UID.dcm``, the bytes as the server stores them, and gets that name when it is complete;
        then ``arrived`` is called.  What arrived stays there whatever happens.

        Raises
        ------
        StorageError
            Where one of them did not come, after what retries are worth it.
        """


def server_of(address: Url, limits: TransferOptions = UNLIMITED) -> Server:
    """Who copies instances from there.

    Raises
    ------
    UsageError
        For an address of another kind, for limits that it does not know, or where the package for it is
        not installed.
    """
    if speaks_dicomweb(address, limits):
        from dicomarray.sources.dicomweb import DicomWebServer

        return DicomWebServer(address, limits=limits)
    from dicomarray.sources.dimse import DimseServer

    return DimseServer(address)
