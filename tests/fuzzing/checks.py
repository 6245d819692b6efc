"""What must hold for any files: no error but ours, nothing printed, scan and index agree, time and memory."""

from __future__ import annotations

import json
import os
import shutil
import traceback
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dicomarray
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS

# Above what the process has when it starts, with everything imported.
MOST_MEMORY_BYTES = 700 << 20
WAYS: tuple[dict[str, Any], ...] = (
    {}, {"missing": "keep", "duplicates": "split"}, {"units": "stored"}, {"missing": "fill"},
    {"palette": "rgb"}, {"units": "suv"},
)  # fmt: skip


def faults_of(folder: Path, number: int) -> list[str]:
    """What went wrong with the files of a folder; ``number`` chooses what is done beside reading."""
    faults: list[str] = []

    def attempt(work: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return work(*arguments)
        except dicomarray.DicomArrayError as error:
            if not str(error) or len(str(error)) > 10_000:
                faults.append(f"a long message: {len(str(error))} characters")
        except Exception as error:  # noqa: BLE001 - that there is none is what is looked for
            faults.append(_signature(error))
        return None

    catalog = attempt(dicomarray.scan, folder)
    if catalog is None:
        return faults or ["scan does not scan"]
    for series in catalog:
        attempt(_read, series, WAYS[0])
        attempt(_read, series, WAYS[1 + number % (len(WAYS) - 1)])
    if number % 3 == 0:
        faults += attempt(_disagreement, folder, catalog) or []
    elif number % 3 == 1:
        attempt(_write, folder)
    return faults


def _read(series: Any, options: Mapping[str, Any]) -> None:
    assert series.title and len(series.files) == len(series.instances)
    dict(series.attributes)
    for volume in series.volumes(**options):
        assert volume.array.ndim == len(volume.axes)
        json.dumps(volume.metadata, allow_nan=False)


def _write(folder: Path) -> None:
    out = folder.with_name(f"{folder.name}-out")
    try:
        volume = dicomarray.load(folder)
        dicomarray.to_dicom(volume.array, folder, out, overwrite=True)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _disagreement(folder: Path, catalog: Any) -> list[str]:
    """Where an index tells something else than the scan."""
    path = folder.with_name(f"{folder.name}.sqlite")
    try:
        dicomarray.index(folder, path)
        kept = dicomarray.open_index(path)
        scanned = {series.uid: series for series in catalog}
        indexed = {series.uid: series for series in kept}
        if scanned.keys() != indexed.keys():
            return [f"index has {len(indexed)} series, scan {len(scanned)}, of other UIDs"]
        return [fault for uid in scanned for fault in _differences(scanned[uid], indexed[uid])]
    finally:
        for left in folder.parent.glob(f"{path.name}*"):
            left.unlink()


def _differences(scanned: Any, indexed: Any) -> list[str]:
    told = {instance.reference.name: instance.attributes for instance in scanned.instances}
    kept = {instance.reference.name: instance.attributes for instance in indexed.instances}
    if told.keys() != kept.keys():
        return [f"index has {len(kept)} instances, scan {len(told)}"]
    return [
        f"{keyword} differs between scan and index: {told[name].get(keyword, ...)!r:.60} "
        f"{kept[name].get(keyword, ...)!r:.60}"
        for name in told
        for keyword in sorted(DEFAULT_KEYWORDS)
        if repr(told[name].get(keyword, ...)) != repr(kept[name].get(keyword, ...))
    ]


def _signature(error: BaseException) -> str:
    """The error, and the last lines that it came through."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))
    return f"{type(error).__name__} at {places}: {str(error)[:100]}"


def always_warn() -> None:
    """Let each warning be printed each time, so that it is seen."""
    warnings.simplefilter("always")


def reset_peak() -> None:
    """Forget how much memory the process had at most."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    """How much memory the process had at most since then."""
    with Path("/proc/self/status").open() as lines:
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def printed(descriptor: int) -> str:
    """What came on standard error, which was led into a file, since it was emptied."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    said = os.read(descriptor, 2000).decode(errors="replace")
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return said
