"""`run` on a Dask cluster: the same results as here, also when one of its workers is killed."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dicomarray
import survival
from dicomarray.errors import UsageError
from dicomarray.pipeline import cluster as cluster_module

distributed = pytest.importorskip("distributed")

COUNT = 16
OPTIONS: dict[str, Any] = {"uid_key": "survival", "timeout": 4, "memory_limit": "300M"}
FUNCTION = f"{survival.__file__}:fault"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as running:
        yield running


def test_same_bytes_with_a_killed_worker(cluster: Any, tmp_path: Path) -> None:
    """Two workers, one killed after the first series: the ledger and every byte are as with no cluster."""
    kinds = survival.make_archive(tmp_path / "archive", COUNT, big=(4, 64, 64))
    killed: list[int] = []

    def kill_one(entry: dicomarray.RunEntry, total: int) -> None:
        if not killed:
            with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
                killed.append(next(iter(client.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    dicomarray.run(tmp_path / "archive", tmp_path / "here", FUNCTION, workers=2, **OPTIONS)
    report = dicomarray.run(
        tmp_path / "archive", tmp_path / "there", FUNCTION, scheduler=cluster.scheduler_address,
        finished=kill_one, **OPTIONS,
    )  # fmt: skip
    assert killed
    assert len(report) == COUNT
    survival.check(tmp_path / "there", kinds)
    assert survival.digests(tmp_path / "there") == survival.digests(tmp_path / "here")


def test_no_scheduler(ct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address where nobody answers is told as such."""
    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 0.5)
    with pytest.raises(UsageError, match="no Dask scheduler answers"):
        dicomarray.run(ct, tmp_path / "out", FUNCTION, scheduler="tcp://127.0.0.1:1")
