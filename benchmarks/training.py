"""Time and memory of the first epoch of training on patches, against MONAI's own way to read DICOM.

    python benchmarks/training.py [--series 6] [--slices 160] [--patches 4]

Patches of 96 x 96 x 96 of made-up CT series, native and in JPEG-LS, through PyTorch's DataLoader with two
workers: `PatchDataset`, and MONAI's PydicomReader with CacheDataset, which reads every volume whole before
the first patch.  Workers live on from epoch to epoch.  Each contender runs in a process of its own; the time
of the processor is that of all its processes, and memory the greatest sum of what each has to itself and its
part of what it shares (PSS), where the system tells it.  PyTorch and MONAI are those of `make
test-frameworks`, whose Python is taken where this one has none.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FRAMEWORKS = ROOT / ".venv-frameworks" / "bin" / "python"
EDGE, WORKERS, BATCH = 96, 2, 2
SYNTAXES = {"native": "1.2.840.10008.1.2.1", "JPEG-LS": "1.2.840.10008.1.2.4.80"}
CONTENDERS = ("dicomarray", "MONAI")
# Between two looks at the memory, in seconds.
LOOK_SECONDS = 0.05


def make_archive(folder: Path, series: int, slices: int, syntax: str) -> None:
    """Series of their own: a file a slice, 512 x 512."""
    from load import make_ct

    folder.mkdir()
    for number in range(series):
        make_ct(folder / f"{number}", slices, 512, syntax)


def loader_of_dicomarray(archive: Path, patches: int) -> object:
    """Patches that decode the slices that they touch."""
    from torch.utils.data import DataLoader

    from dicomarray.adapters.torch import PatchDataset

    return DataLoader(
        PatchDataset(archive, EDGE, patches_per_volume=patches, seed=1),
        batch_size=BATCH,
        num_workers=WORKERS,
        persistent_workers=True,
        shuffle=True,
    )


def loader_of_monai(archive: Path, patches: int) -> object:
    """Whole volumes, cached, and random crops of them."""
    from monai.data import CacheDataset, DataLoader
    from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, RandSpatialCropSamplesd

    transform = Compose([
        LoadImaged("image", reader="PydicomReader"),
        EnsureChannelFirstd("image"),
        RandSpatialCropSamplesd("image", (EDGE,) * 3, num_samples=patches, random_size=False),
    ])  # fmt: skip
    data = CacheDataset(
        [{"image": str(folder)} for folder in sorted(archive.iterdir())],
        transform,
        num_workers=WORKERS,
        progress=False,
    )
    return DataLoader(data, batch_size=1, num_workers=WORKERS, persistent_workers=True, shuffle=True)


def run(contender: str, archive: Path, patches: int) -> None:
    """Two epochs; prints what they took, and how many patches there were, as JSON."""
    import torch

    torch.set_num_threads(1)
    make = {"dicomarray": loader_of_dicomarray, "MONAI": loader_of_monai}[contender]
    start = time.perf_counter()
    loader = make(archive, patches)
    epochs, counts = [], []
    for _ in range(2):
        counts.append(sum(len(batch["image"]) for batch in loader))
        epochs.append(time.perf_counter() - start)
        start = time.perf_counter()
    print(json.dumps({"epochs": epochs, "patches": counts[0]}))


def memory_of(process: object) -> int:
    """Bytes of a process and its children."""
    import psutil

    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += (
                one.memory_full_info().pss
                if hasattr(one.memory_full_info(), "pss")
                else one.memory_info().rss
            )
        except psutil.Error:  # it ended
            continue
    return total


def measured(contender: str, archive: Path, patches: int) -> tuple[dict[str, object], float, float] | None:
    """What a contender printed; seconds of the processor, and the greatest memory in MB, of its processes.

    None where it failed: MONAI has no decoder of its own for compressed files.
    """
    import psutil

    command = [
        sys.executable,
        __file__,
        "--run",
        contender,
        "--archive",
        str(archive),
        "--patches",
        str(patches),
    ]
    before = os.times()
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=quiet, text=True) as started:
        peak, process = 0, psutil.Process(started.pid)
        while started.poll() is None:
            try:
                peak = max(peak, memory_of(process))
            except psutil.Error:
                break
            time.sleep(LOOK_SECONDS)
        output = started.communicate()[0]
    if started.returncode:
        return None
    after = os.times()
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    return json.loads(output.splitlines()[-1]), seconds, peak / 1e6


def table(options: argparse.Namespace) -> None:
    """Print the rows."""
    print(
        f"{options.series} series of {options.slices} x 512 x 512, {options.patches} patches of "
        f"{EDGE} x {EDGE} x {EDGE} of each.\n\n"
        "| archive | with | first epoch | second epoch | processor, both | memory |\n"
        "|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as scratch:
        for name, syntax in SYNTAXES.items():
            archive = Path(scratch) / name
            make_archive(archive, options.series, options.slices, syntax)
            for contender in CONTENDERS:
                if (figures := measured(contender, archive, options.patches)) is None:
                    assert contender != "dicomarray"
                    print(f"| {name} | {contender} | it cannot read them here | | | |", flush=True)
                    continue
                found, processor, megabytes = figures
                assert found["patches"] == options.series * options.patches, "not all patches came"
                first, second = found["epochs"]
                cells = (f"{first:.1f} s", f"{second:.1f} s", f"{processor:.0f} s", f"{megabytes:.0f} MB")
                print(f"| {name} | {contender} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print the table, by a Python that has the frameworks."""
    arguments = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    arguments.add_argument("--series", type=int, default=6)
    arguments.add_argument("--slices", type=int, default=160)
    arguments.add_argument("--patches", type=int, default=4)
    arguments.add_argument("--run", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments.add_argument("--archive", type=Path, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.run:
        run(options.run, options.archive, options.patches)
    elif importlib.util.find_spec("monai") is not None:
        table(options)
    elif FRAMEWORKS.exists() and Path(sys.executable) != FRAMEWORKS:
        os.execv(FRAMEWORKS, [str(FRAMEWORKS), *sys.argv])
    else:
        print("PyTorch and MONAI are not installed: `make test-frameworks` installs them.")


if __name__ == "__main__":
    main()
