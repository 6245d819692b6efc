"""Series of one index in several threads and processes: each sees what one thread alone would see."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import synthetic
from dicomarray.assembly.series import Series
from dicomarray.catalog.catalog import Catalog
from dicomarray.catalog.index.opening import Database, open_index
from dicomarray.catalog.index.scanning import index


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of four series."""
    folder = tmp_path_factory.mktemp("shared")
    for number in range(4):
        array = synthetic.stored_values((4, 5, 6)) + number
        synthetic.write_series(folder / "in" / str(number), array, common={"ConvolutionKernel": "B"})
    index(folder / "in", folder / "index")
    return folder / "index"


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def state(series: Series) -> str:
    """All that a series says, pixels too."""
    volume = series.volume()
    headers = [sorted((name, repr(value)) for name, value in h.attributes.items()) for h in series.instances]
    return repr((series.uid, volume.array.tobytes(), volume.metadata, headers))


def states(catalog: Catalog) -> list[str]:
    return [state(series) for series in catalog]


def test_columns_that_two_threads_ask_for(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one thread waits for the index, another one must not be told that an attribute is absent.

    Before, it was: a column was noted as absent, and then asked for.
    """
    asked, go_on = threading.Event(), threading.Event()
    rows = Database.rows

    def slowly(self: Database, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if "series = ?" in query and not asked.is_set():
            asked.set()
            go_on.wait(1)  # a thread that waits for this one asks nothing meanwhile
        return rows(self, query, parameters)

    monkeypatch.setattr(Database, "rows", slowly)
    series = open_index(file)[0]
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(lambda: series.instances[0].attributes.get("PatientPosition"))
        assert asked.wait(10)
        found = series.instances[0].attributes.get("PatientPosition")
        go_on.set()
        assert (found, other.result(10)) == ("HFS", "HFS")


@pytest.mark.usefixtures("hasty")
def test_threads(file: Path) -> None:
    """Six threads on the same series, from the first question on, find what one thread finds.

    Before, attributes were missing in some of them, and slices without a place led to errors.
    """
    wanted = states(open_index(file))
    for _ in range(6):
        catalog = open_index(file)
        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(state, [*catalog] * 3)) == wanted * 3


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes(file: Path, method: str) -> None:
    """Series go to other processes, by inheritance or as pickles, and say the same there."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("this system has no such processes")
    catalog = open_index(file)
    wanted = states(catalog)
    catalog = open_index(file)
    with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
        assert list(pool.map(state, catalog)) == wanted


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_while_a_thread_asks(file: Path) -> None:
    """A child that is forked while a thread of its parent asks the index does not wait for ever.

    Before, it inherited the lock which that thread held, and nobody was there to release it.
    """
    database = Database(file)
    wanted = database.names()
    counting = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000) "
    asking = threading.Thread(target=database.rows, args=(f"{counting} SELECT max(i) FROM n",))
    asking.start()
    time.sleep(0.1)
    assert asking.is_alive()
    child = multiprocessing.get_context("fork").Process(target=_ask_in_child, args=(database, wanted))
    child.start()
    child.join(10)
    if child.exitcode is None:
        child.kill()
    asking.join()
    assert child.exitcode == 0


def _ask_in_child(database: Database, wanted: dict[str, int]) -> None:
    os._exit(0 if database.names() == wanted else 1)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies(file: Path, copied: Callable[[Series], Series]) -> None:
    """A copy says the same, and does so when the catalog is gone."""
    wanted = states(open_index(file))
    copies = [copied(series) for series in open_index(file)]
    assert [state(series) for series in copies] == wanted


def test_locks_of_an_open_index_stay(file: Path) -> None:
    """SQLite's locks on an open index survive that this process opens it again.

    The system drops a process' locks on a file when it closes any handle on it; another process could then
    take away the log under a reader.
    """
    catalog = open_index(file)

    def locked() -> bool:
        number = str(file.stat().st_ino)
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
        return any(f":{number} " in line and f" {os.getpid()} " in line for line in lines)

    if not Path("/proc/locks").exists() or not locked():
        pytest.skip("locks cannot be seen here")
    open_index(file)
    assert locked()
    assert len(catalog) == 4
