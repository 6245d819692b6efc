"""Time masks as DICOM Segmentations and structure sets against highdicom and rt-utils, in the same run.

    python benchmarks/masks.py [--slices 300] [--size 512] [--segments 104] [--runs 3]

A native CT series and ellipsoids in it are made in a temporary place.  Each measurement is a process
of its own, after its imports; the table has the median of the times and the greatest peak of memory.  What
dicomarray writes is read back and compared before it appears; what the others write is not.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from load import make_ct

CODES = {"category": ("91723000", "SCT", "Anatomical Structure"), "type": ("10200004", "SCT", "Liver")}
STRUCTURE_SET = "structure set"


def make_labels(slices: int, size: int, segments: int) -> np.ndarray:
    """Ellipsoids, the later over the earlier."""
    rng = np.random.default_rng(0)
    labels = np.zeros((slices, size, size), np.uint8)
    shape = np.array(labels.shape)
    for number in range(1, segments + 1):
        centre, radius = rng.uniform(0.1, 0.9, 3) * shape, rng.uniform(0.03, 0.15, 3) * shape + 1
        box = tuple(
            slice(max(int(c - r), 0), min(int(c + r) + 2, n))
            for c, r, n in zip(centre, radius, shape, strict=True)
        )
        where = np.ogrid[box]
        inside = sum(((w - c) / r) ** 2 for w, c, r in zip(where, centre, radius, strict=True)) < 1
        labels[box][inside] = number
    return labels


def by_dicomarray(
    work: str, kind: str, scratch: Path, labels: np.ndarray, segments: int
) -> Callable[[], Any]:
    import dicomarray
    from dicomarray import load_segmentation, to_rtstruct, to_seg  # what is imported when it is first used

    series = dicomarray.scan(scratch / "ct")[0]
    told = [dicomarray.Segment(number, f"s{number}", **CODES) for number in range(1, segments + 1)]
    output = scratch / f"dicomarray-{kind}"
    if kind == STRUCTURE_SET and work == "write":
        return lambda: to_rtstruct(labels, series, output, told, overwrite=True)
    if work == "write":
        return lambda: to_seg(labels, series, output, told, kind, overwrite=True)
    return lambda: load_segmentation(output, on=series).labels


def by_highdicom(work: str, kind: str, scratch: Path, labels: np.ndarray, segments: int) -> Callable[[], Any]:
    import highdicom
    import pydicom
    from pydicom.sr.codedict import codes

    seg, file = highdicom.seg, scratch / f"highdicom-{kind}.dcm"
    algorithm = highdicom.AlgorithmIdentificationSequence("x", codes.DCM.ArtificialIntelligence, "1")
    automatic = seg.SegmentAlgorithmTypeValues.AUTOMATIC
    told = [
        seg.SegmentDescription(
            number, f"s{number}", codes.SCT.AnatomicalStructure, codes.SCT.Liver, automatic, algorithm
        )
        for number in range(1, segments + 1)
    ]

    def write() -> None:
        images = [pydicom.dcmread(path) for path in sorted((scratch / "ct").iterdir())]
        uids = highdicom.UID(), highdicom.UID()
        made = seg.Segmentation(
            images, labels, kind.upper(), told, uids[0], 1, uids[1], 1, "maker", "model", "1", "1"
        )
        made.save_as(file)

    def read() -> np.ndarray:
        return np.asarray(seg.segread(file).get_volume(combine_segments=True).array)

    return write if work == "write" else read


def by_rt_utils(work: str, _: str, scratch: Path, labels: np.ndarray, segments: int) -> Callable[[], Any]:
    from rt_utils import RTStructBuilder

    images, file = str(scratch / "ct"), str(scratch / "rt-utils.dcm")

    def write() -> None:
        made = RTStructBuilder.create_new(dicom_series_path=images)
        for number in range(1, segments + 1):
            made.add_roi(mask=np.moveaxis(labels == number, 0, 2), name=f"s{number}")
        made.save(file)

    def read() -> int:
        found = RTStructBuilder.create_from(dicom_series_path=images, rt_struct_path=file)
        return sum(int(found.get_roi_mask_by_name(name).sum()) for name in found.get_roi_names())

    return write if work == "write" else read


CONTENDERS = {"dicomarray": by_dicomarray, "highdicom": by_highdicom, "rt-utils": by_rt_utils}
KINDS = {
    "binary": ("dicomarray", "highdicom"),
    "labelmap": ("dicomarray", "highdicom"),
    STRUCTURE_SET: ("dicomarray", "rt-utils"),
}


def measure(name: str, work: str, kind: str, scratch: Path, segments: int) -> None:
    """One measurement, in this process."""
    labels = np.load(scratch / "labels.npy")
    do = CONTENDERS[name](work, kind, scratch, labels, segments)
    start = time.perf_counter()
    do()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak": peak}))


def measured(
    options: argparse.Namespace, name: str, work: str, kind: str, scratch: Path
) -> tuple[float, float]:
    command = [sys.executable, __file__, "--segments", str(options.segments), "--one", name, work, kind]
    runs = []
    for _ in range(options.runs):
        done = subprocess.run([*command, str(scratch)], check=True, stdout=subprocess.PIPE, text=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return median(run["seconds"] for run in runs), max(run["peak"] for run in runs)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--slices", type=int, default=300)
    arguments.add_argument("--size", type=int, default=512)
    arguments.add_argument("--segments", type=int, default=104)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.one:
        name, work, kind, scratch = options.one
        measure(name, work, kind, Path(scratch), options.segments)
        return
    with tempfile.TemporaryDirectory() as folder:
        make_ct(Path(folder) / "ct", options.slices, options.size)
        np.save(Path(folder) / "labels.npy", make_labels(options.slices, options.size, options.segments))
        print("| work | with | median | peak memory | to dicomarray |\n|---|---|---|---|---|")
        for kind, names in KINDS.items():
            for work in ("write", "read"):
                base = 0.0
                for name in names:
                    seconds, peak = measured(options, name, work, kind, Path(folder))
                    base = base or seconds
                    print(
                        f"| {work} {kind} | {name} | {seconds:.2f} s | {peak:.0f} MB | {seconds / base:.1f} |"
                    )


if __name__ == "__main__":
    main()
