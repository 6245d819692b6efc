"""How long some work takes, and how much memory above what was there before."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")


def resident(process: int | str = "self") -> int:
    """The bytes that a process holds; 0 where it has ended."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def watched(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and MB above those of before, of work in this process."""
    start, done, highest = resident(), threading.Event(), [0]

    def watch() -> None:
        while not done.wait(0.02):
            highest[0] = max(highest[0], resident())

    watching = threading.Thread(target=watch)
    watching.start()
    before = time.perf_counter()
    work()
    seconds = time.perf_counter() - before
    done.set()
    watching.join()
    return seconds, (max(highest[0], resident()) - start) / 1e6


def watched_program(command: Sequence[str]) -> tuple[float, float]:
    """Seconds and MB, all in all, of a program."""
    before, highest = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            highest = max(highest, resident(process.pid))
            time.sleep(0.005)
    assert process.returncode == 0, command
    return time.perf_counter() - before, highest / 1e6
