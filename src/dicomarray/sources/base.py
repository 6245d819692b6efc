"""What a source of instances is: a folder with archives, a store, or a server.

How another kind of store is added:

1. In a module of its own here, a subclass of `ObjectReference` (`storage/references.py`): what one instance
   is referred to by and how it is opened.  It says what is fetched many at once, where that is faster.
2. Beside it, a subclass of `Source`, which lists the instances.  Whoever can read just the start of an object
   hands its references to `instances.read_objects`, as `fsspec.Store` does.  Whoever has the attributes in
   another way (a server's answer) makes each `Header` itself, and opens the instance when pixels are wanted.
3. Its addresses go into `instances._source_of`.

A kind of store that fsspec knows needs none of this: `fsspec.Store` reads it by its address.

Nothing else has to know: what builds and writes volumes asks references and headers.

A PACS is a `Server`: it is asked which series it has, and copies of instances are fetched from it.  Each kind
is a subclass in a module of its own; its kind of address goes into `storage.connections`,
`servers.server_of`, `instances._source_of`, and, where it takes instances, `sinks.base.target_of`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dicomarray.dicom.headers.header import Header
from dicomarray.sources.skipped import Skipped
from dicomarray.storage.connections import Connected


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
