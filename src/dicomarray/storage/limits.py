"""How much is asked of a PACS at once: so many series side by side, so many bytes a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import TypedDict, TypeVar

from dicomarray.core.options import size_of
from dicomarray.errors import UsageError

Item = TypeVar("Item")
Result = TypeVar("Result")
# As many connections as are kept open to one server.
MAX_CONCURRENCY = 10


class TransferKeywords(TypedDict, total=False):
    """The keyword arguments of `pull` and `push`; see `TransferOptions`."""

    concurrency: int
    rate: int | str | None


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """How much is asked of a server at once.

    Attributes
    ----------
    concurrency
        Series on their way side by side, each over a connection of its own; by C-MOVE one after the other.
    rate
        Bytes a second at most, all connections together, or a text such as ``"5M"`` (binary units); DICOMweb
        only.
    """

    concurrency: int = 1
    rate: int | str | None = None

    def __post_init__(self) -> None:
        """Refuse what is no limit, before a server is asked."""
        if not 1 <= self.concurrency <= MAX_CONCURRENCY:
            raise UsageError(
                f"concurrency={self.concurrency}: a number from 1 to {MAX_CONCURRENCY} is needed"
            )
        if self.bytes_a_second is not None and self.bytes_a_second <= 0:
            raise UsageError(f"rate={self.rate}: so many bytes a second, a number above 0")

    @property
    def bytes_a_second(self) -> int | None:
        """The rate as a number; None where there is no limit."""
        return size_of("rate", self.rate)


UNLIMITED = TransferOptions()


class Rate:
    """Keeps what several threads move below so many bytes a second."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._free = 0.0  # when the next bytes may move

    def moved(self, size: int) -> None:
        """Wait as long as these bytes take at that rate."""
        if self._limit is None:
            return
        with self._lock:
            self._free = max(self._free, time.monotonic()) + size / self._limit
            wait = self._free - time.monotonic()
        time.sleep(max(0.0, wait))


def side_by_side(
    count: int, work: Callable[[Item], Result], items: Iterable[Item], stop: Callable[[], None]
) -> Generator[Result, None, None]:
    """What the work makes of each item, in their order, ``count`` at a time.

    Whoever leaves early has to close it: ``stop`` is called then, after which the work should end soon.
    """
    if count == 1:
        yield from map(work, items)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(count) as threads:
        waiting = [threads.submit(work, item) for item in items]
        try:
            for one in waiting:
                yield one.result()
        except BaseException:
            stop()
            raise
        finally:
            for one in waiting:
                one.cancel()
