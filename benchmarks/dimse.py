"""Time a series to PACS and back over DIMSE, against DCMTK's programs and pynetdicom in a plain loop.

    python benchmarks/dimse.py [--slices 300] [--size 512] [--runs 3]

A native CT series is made in a temporary place, and a new archive for each that is stored: DCMTK's dcmqrscp,
and Orthanc.  Every contender is a process of its own; the memory of those of Python is what they take above
what they have after their imports.  The table has medians.  dicomarray asks the archive for every instance
before and after it stores, and checks what comes.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import dicomarray
from load import make_ct
from watched import watched, watched_program

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import dimse_peers
import pacs

Figures = dict[tuple[str, str, str], tuple[float, float]]


def associated(address: str, classes: list[str], **options: Any) -> Any:
    """An association as the documentation of pynetdicom has it."""
    from pynetdicom import AE

    entity, (title, place) = AE("PLAIN"), address.removeprefix("dimse://").split("@")
    for one in classes:
        entity.add_requested_context(one)
    host, port = place.split(":")
    return entity.associate(host, int(port), ae_title=title, **options)


def get_plainly(address: str, folder: Path, study: str, series: str) -> None:
    """The series into files, with the bytes as they come."""
    from pydicom import Dataset
    from pynetdicom import build_role, evt
    from pynetdicom.sop_class import CTImageStorage
    from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as Get

    def stored(event: Any) -> int:
        (folder / f"{event.request.AffectedSOPInstanceUID}.dcm").write_bytes(event.encoded_dataset())
        return 0

    association = associated(
        address, [Get, CTImageStorage], ext_neg=[build_role(CTImageStorage, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, stored)],
    )  # fmt: skip
    wanted = Dataset()
    wanted.QueryRetrieveLevel, wanted.StudyInstanceUID, wanted.SeriesInstanceUID = "SERIES", study, series
    for _ in association.send_c_get(wanted, Get):
        pass
    association.release()


def store_plainly(address: str, folder: Path, *_: str) -> None:
    """The files one after the other."""
    from pynetdicom.sop_class import CTImageStorage

    association = associated(address, [CTImageStorage])
    for file in sorted(folder.iterdir()):
        assert association.send_c_store(file).Status == 0
    association.release()


def get_ours(address: str, folder: Path, *_: str) -> None:
    assert not dicomarray.pull(address, folder).failed


def store_ours(address: str, folder: Path, *_: str) -> None:
    assert not dicomarray.push(folder, address).failed


WORK: dict[tuple[str, str], Callable[..., None]] = {
    ("C-STORE", "pynetdicom"): store_plainly,
    ("C-STORE", "dicomarray"): store_ours,
    ("C-GET", "pynetdicom"): get_plainly,
    ("C-GET", "dicomarray"): get_ours,
}
STORESCU, GETSCU = ("C-STORE", "storescu"), ("C-GET", "getscu")


def contend(work: str, name: str, address: str, folder: Path, study: str, series: str) -> None:
    """Do the work in this process, after its imports, and print its seconds and MB."""
    for module in {
        "pynetdicom": ("pynetdicom", "pydicom"),
        "dicomarray": (
            "pynetdicom", "dicomarray.workflows.pull", "dicomarray.workflows.push",
            "dicomarray.sources.dimse", "dicomarray.sinks.dimse",
        ),
    }[name]:  # fmt: skip
        importlib.import_module(module)
    print(*watched(lambda: WORK[work, name](address, folder, study, series)))


def contended(
    work: str, name: str, address: str, folder: Path, series: dicomarray.Series
) -> tuple[float, float]:
    """Seconds and MB of one contender."""
    study = str(series.instances[0].text("StudyInstanceUID"))
    title, place = address.removeprefix("dimse://").split("@")
    to = ["-aec", title, *place.split(":")]
    if (work, name) == STORESCU:
        return watched_program(["storescu", "-pdu", "131072", *to, "+sd", str(folder)])
    if (work, name) == GETSCU:
        keys = ("QueryRetrieveLevel=SERIES", f"StudyInstanceUID={study}", f"SeriesInstanceUID={series.uid}")
        flags = [flag for key in keys for flag in ("-k", key)]
        return watched_program(["getscu", "-S", "-pdu", "131072", *flags, "-od", str(folder), *to])
    command = [sys.executable, __file__, "--contend", work, name, address, str(folder), study, series.uid]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(told[0]), float(told[1])


@contextmanager
def archives(place: Path) -> Iterator[dict[str, str]]:
    """The addresses of empty archives, by their names."""
    found = {}
    with dimse_peers.running_dcmqrscp(place / "dcmqrscp") as archive:
        found["dcmqrscp"] = archive.address
        if pacs.missing() is not None:
            yield found
            return
        with pacs.running_orthanc(place / "orthanc") as server:
            found["Orthanc"] = f"dimse://{server.aet}@127.0.0.1:{server.dicom_port}"
            yield found


def measured(ct: Path, scratch: Path) -> Figures:
    """One run of everything."""
    series, found = dicomarray.scan(ct)[0], Figures()
    for name in ("storescu", "pynetdicom", "dicomarray"):
        with archives(scratch / name) as addresses:
            for peer, address in addresses.items():
                found["C-STORE", peer, name] = contended("C-STORE", name, address, ct, series)
            if name != "dicomarray":
                continue
            for getter in ("getscu", "pynetdicom", "dicomarray"):
                for peer, address in addresses.items():
                    (folder := scratch / f"{getter}-{peer}").mkdir()
                    found["C-GET", peer, getter] = contended("C-GET", getter, address, folder, series)
                    files = [path for path in folder.rglob("*") if path.is_file()]
                    assert len(files) == len(series.files)
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    arguments.add_argument("--slices", type=int, default=300)
    arguments.add_argument("--size", type=int, default=512)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--contend", nargs=6, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.contend:
        work, name, address, folder, study, series = options.contend
        contend(work, name, address, Path(folder), study, series)
        return
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
            shutil.rmtree(scratch)
    print("| work | peer | with | median | memory | to dicomarray |\n|---|---|---|---|---|---|")
    for (work, peer, name), _ in sorted(runs[0].items()):
        seconds, memory = (median(run[work, peer, name][at] for run in runs) for at in (0, 1))
        ours = median(run[work, peer, "dicomarray"][0] for run in runs)
        print(f"| {work} | {peer} | {name} | {seconds:.2f} s | {memory:.0f} MB | {seconds / ours:.2f} |")


if __name__ == "__main__":
    main()
