"""Time a series to DCMTK's archive and back, against DCMTK's storescu and pynetdicom in a plain loop.

    python benchmarks/dimse.py [--slices 300] [--size 512] [--runs 3]

A native CT series is made in a temporary place, and an archive (dcmqrscp) for each run.  The table
has medians.  dicomarray asks the archive for every instance before and after it stores, and checks who came.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import CTImageStorage, StudyRootQueryRetrieveInformationModelGet

import dicomarray
from load import make_ct

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import dimse_peers


def get_plainly(archive: dimse_peers.Archive, series: dicomarray.Series, folder: Path) -> None:
    """As the documentation of pynetdicom has it, with the bytes as they come."""

    def stored(event: Any) -> int:
        (folder / f"{event.request.AffectedSOPInstanceUID}.dcm").write_bytes(event.encoded_dataset())
        return 0

    folder.mkdir()
    entity = AE("PLAIN")
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelGet)
    entity.add_requested_context(CTImageStorage)
    association = entity.associate(
        "127.0.0.1",
        archive.port,
        ae_title="ARCHIVE",
        ext_neg=[build_role(CTImageStorage, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, stored)],
    )
    wanted = Dataset()
    wanted.QueryRetrieveLevel, wanted.SeriesInstanceUID = "SERIES", series.uid
    wanted.StudyInstanceUID = series.instances[0].text("StudyInstanceUID")
    for _ in association.send_c_get(wanted, StudyRootQueryRetrieveInformationModelGet):
        pass
    association.release()


def store_by_dcmtk(archive: dimse_peers.Archive, folder: Path) -> None:
    command = ["storescu", "-aec", "ARCHIVE", "-pdu", "131072", "127.0.0.1", str(archive.port), "+sd"]
    subprocess.run([*command, str(folder)], check=True, capture_output=True)


def seconds_of(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measured(ct: Path, scratch: Path) -> dict[tuple[str, str], float]:
    """One run of everything."""
    series, found = dicomarray.scan(ct)[0], {}
    with dimse_peers.running_dcmqrscp(scratch / "dcmtk") as archive:
        found["C-STORE", "storescu"] = seconds_of(lambda: store_by_dcmtk(archive, ct))
    with dimse_peers.running_dcmqrscp(scratch / "ours") as archive:
        found["C-STORE", "dicomarray"] = seconds_of(lambda: dicomarray.push(ct, archive.address))
        found["C-GET", "pynetdicom"] = seconds_of(lambda: get_plainly(archive, series, scratch / "plain"))
        found["C-GET", "dicomarray"] = seconds_of(
            lambda: dicomarray.pull(archive.address, scratch / "pulled")
        )
    assert len(list((scratch / "pulled").rglob("*.dcm"))) == len(series.files)
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    arguments.add_argument("--slices", type=int, default=300)
    arguments.add_argument("--size", type=int, default=512)
    arguments.add_argument("--runs", type=int, default=3)
    options = arguments.parse_args()
    if dimse_peers.missing("dcmqrscp"):
        print("DCMTK is not installed: not measured.")
        return
    with tempfile.TemporaryDirectory() as folder:
        make_ct(Path(folder) / "ct", options.slices, options.size)
        runs = []
        for number in range(options.runs):
            scratch = Path(folder) / str(number)
            scratch.mkdir()
            runs.append(measured(Path(folder) / "ct", scratch))
    print("| work | with | median | to dicomarray |\n|---|---|---|---|")
    medians = {key: median(run[key] for run in runs) for key in runs[0]}
    for (work, name), seconds in sorted(medians.items()):
        print(f"| {work} | {name} | {seconds:.2f} s | {seconds / medians[work, 'dicomarray']:.1f} |")


if __name__ == "__main__":
    main()
