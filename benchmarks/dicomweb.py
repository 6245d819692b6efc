"""Time a series to Orthanc and back over DICOMweb, against dicomweb-client in a plain loop.

    python benchmarks/dicomweb.py [--slices 300] [--size 512] [--runs 3]

A native CT series is made in a temporary place, and the server is emptied before each push.  Every contender
is a process of its own; its memory is what it takes above what it has after its imports.  The table has
medians.  dicomarray asks the server for every instance before and after it stores, and checks who came.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import dicomarray
from load import make_ct
from watched import watched

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import pacs

CONTENDERS = ("dicomweb-client", "dicomarray")


def push_plainly(url: str, folder: Path) -> None:
    """As its documentation has it; one instance a request, for it joins those of one in memory."""
    import pydicom
    from dicomweb_client.api import DICOMwebClient

    client = DICOMwebClient(url)
    for file in sorted(folder.iterdir()):
        client.store_instances([pydicom.dcmread(file)])


def pull_plainly(url: str, folder: Path) -> None:
    """Series by series, instance by instance as they come."""
    from dicomweb_client.api import DICOMwebClient

    client = DICOMwebClient(url)
    for found in client.search_for_series():
        study, series = (str(found[tag]["Value"][0]) for tag in ("0020000D", "0020000E"))
        for instance in client.iter_series(study, series):
            instance.save_as(folder / f"{instance.SOPInstanceUID}.dcm")


def push_ours(url: str, folder: Path) -> None:
    assert not dicomarray.push(folder, url).failed


def pull_ours(url: str, folder: Path) -> None:
    assert not dicomarray.pull(url, folder).failed


WORK: dict[tuple[str, str], Callable[[str, Path], None]] = {
    ("push", "dicomweb-client"): push_plainly,
    ("push", "dicomarray"): push_ours,
    ("pull", "dicomweb-client"): pull_plainly,
    ("pull", "dicomarray"): pull_ours,
}


def contend(work: str, name: str, url: str, folder: Path) -> None:
    """Do the work in this process, after its imports, and print its seconds and MB."""
    modules = {
        "dicomweb-client": ("dicomweb_client.api", "pydicom"),
        "dicomarray": (
            "requests", "dicomarray.workflows.pull", "dicomarray.workflows.push",
            "dicomarray.sources.dicomweb", "dicomarray.sinks.dicomweb",
        ),
    }  # fmt: skip
    for module in modules[name]:
        importlib.import_module(module)
    print(*watched(lambda: WORK[work, name](url, folder)))


def measured(server: pacs.Orthanc, ct: Path, scratch: Path) -> dict[tuple[str, str], tuple[float, float]]:
    """One run of everything."""
    found = {}
    for work in ("push", "pull"):
        for name in CONTENDERS:
            folder = ct
            if work == "push":
                server.clear()
            else:
                folder = scratch / name
                folder.mkdir()
            command = [sys.executable, __file__, "--contend", work, name, server.plain_url, str(folder)]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            found[work, name] = (float(told[0]), float(told[1]))
            expected = len(list(ct.iterdir()))
            assert len(server.ask("/instances") if work == "push" else [*folder.rglob("*.dcm")]) == expected
    shutil.rmtree(scratch)
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    arguments.add_argument("--slices", type=int, default=300)
    arguments.add_argument("--size", type=int, default=512)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--contend", nargs=4, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.contend:
        work, name, url, folder = options.contend
        contend(work, name, url, Path(folder))
        return
    if (lacking := pacs.missing()) is not None:
        print(f"{lacking}: not measured.")
        return
    with tempfile.TemporaryDirectory() as folder, pacs.running_orthanc(Path(folder) / "server") as server:
        make_ct(Path(folder) / "ct", options.slices, options.size)
        runs = []
        for number in range(options.runs):
            scratch = Path(folder) / str(number)
            scratch.mkdir()
            runs.append(measured(server, Path(folder) / "ct", scratch))
    print("| work | with | median | memory | to dicomarray |\n|---|---|---|---|---|")
    for (work, name), _ in sorted(runs[0].items()):
        seconds, memory = (median(run[work, name][at] for run in runs) for at in (0, 1))
        ours = median(run[work, "dicomarray"][0] for run in runs)
        print(f"| {work} | {name} | {seconds:.2f} s | {memory:.0f} MB | {seconds / ours:.1f} |")


if __name__ == "__main__":
    main()
