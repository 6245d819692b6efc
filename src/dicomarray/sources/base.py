"""What a source of instances is: a folder with archives, a store, or a server.

How another kind of store is added:

1. In a module of its own here, a subclass of `ObjectReference` (`storage/references.py`): what one instance
   is referred to by and how it is opened.  It says what is fetched many at once, where that is faster.
2. Beside it, a subclass of `Source`, which lists the instances.  Whoever can read just the start of an object
   hands its references to `instances.read_objects`, as `fsspec.Store` does.  Whoever has the attributes in
   another way (a server's answer) makes each `Header` itself, and opens the instance when pixels are wanted.
3. Its addresses go into `instances.sources_of`.

Nothing else has to know: what builds and writes volumes asks references and headers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Protocol

from dicomarray.dicom.headers.header import Header
from dicomarray.sources.skipped import Skipped


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
