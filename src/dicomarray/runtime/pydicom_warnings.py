"""What pydicom warns of stays unsaid while we use it: it quotes values, which may name a patient.

What matters of it comes back as an error or a warning of ours.  `warnings.catch_warnings` is not for threads:
it puts back all filters as they were when it began, over what another thread has changed meanwhile.  Here one
filter is added by whoever comes first, and removed by whoever leaves last.
"""

from __future__ import annotations

import os
import threading
import warnings
from contextlib import ContextDecorator
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from logging import Logger, LogRecord

_MODULES = r"pydicom(\.|$)"


class _Quiet(ContextDecorator):
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filter: Any = None
        if hasattr(os, "register_at_fork"):  # another thread may hold the lock just then
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                _logger().addFilter(_lets_through)
            self._inside += 1
            if self._filter not in warnings.filters[:1]:  # others may have put theirs before it, or back
                warnings.filterwarnings("ignore", module=_MODULES)
                self._filter = warnings.filters[0]

    def __exit__(self, *_: object) -> Literal[False]:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                _logger().removeFilter(_lets_through)
                if self._filter in warnings.filters:
                    warnings.filters.remove(self._filter)  # type: ignore[attr-defined]  # it is a list
        return False


def _logger() -> Logger:
    import logging  # which pydicom loads too

    return logging.getLogger("pydicom")


def _lets_through(record: LogRecord) -> bool:
    return record.levelname != "WARNING"


pydicom_quiet = _Quiet()
"""A context, or a decorator, in which pydicom's warnings are neither shown nor logged; by any thread."""
