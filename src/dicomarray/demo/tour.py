"""The whole round trip, step by step, on a study that is made for it; every step says what it did."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np

from dicomarray.catalog.scan import scan
from dicomarray.catalog.series_selection import dicom_filter, series_line
from dicomarray.demo.functions import smooth
from dicomarray.demo.phantom import write_study
from dicomarray.errors import VerificationError
from dicomarray.pipeline.running import run
from dicomarray.render.pictures import draw_comparison, save_png
from dicomarray.storage.atomic import new_folder
from dicomarray.volume import Volume
from dicomarray.workflows.to_dicom import to_dicom
from dicomarray.workflows.to_numpy import load, to_numpy

# The soft-tissue series of the phantom, and neither the localizer nor the thick slices.
CONFIG = {"Modality": "CT", "SliceThickness": {"lt": 4}, "not": {"ImageType": "LOCALIZER"}}
RESULTS = frozenset(
    ("study", "filter.json", "chest.npy", "chest.json", "untouched", "smoothed", "before-after.png")
)


def tour(folder: Path, overwrite: bool = False) -> Iterator[str]:
    """Make everything below ``folder``; yields a line to show for each thing that was done.

    Raises
    ------
    OutputError
        Where the folder is not empty, unless ``overwrite`` is set and it holds nothing but an earlier tour.
    VerificationError
        Where what was written does not read back as it must.
    """
    with new_folder(folder, overwrite, lambda entry: entry.name in RESULTS) as made:
        yield from _study(made)
        yield from _filter(made)
        before = yield from _to_numpy(made)
        yield from _untouched(made)
        after = yield from _smooth(made, before)
        save_png(draw_comparison(before, after, ("original", "smoothed")), made / "before-after.png")
    yield "7. Picture   before-after.png shows both and their difference"
    yield f"\nAll results lie in {folder.resolve()}"


def _study(made: Path) -> Iterator[str]:
    write_study(made / "study")
    catalog = scan(made / "study")
    files, others = sum(len(series.instances) for series in catalog), len(catalog.skipped)
    yield f"1. Study     study/: {files} DICOM files of a made-up CT and {others} other files"
    for series in catalog:
        yield f"             {series_line(series)}"
    for skipped in catalog.skipped:
        yield f"             skipped {skipped.path.name}: {skipped.reason}"


def _filter(made: Path) -> Iterator[str]:
    config = made / "filter.json"
    config.write_text(json.dumps(CONFIG, indent=1) + "\n", encoding="utf-8")
    found = dicom_filter(made / "study", config)
    yield f"2. Filter    filter.json: {json.dumps(CONFIG)}"
    yield f"             {len(found)} series matches: {found[0].attributes['SeriesDescription']}"


def _to_numpy(made: Path) -> Generator[str, None, Volume]:
    config = made / "filter.json"
    to_numpy(made / "study", made / "chest.npy", made / "chest.json", config=config)
    volume = load(made / "study", config=config)
    spacing = " x ".join(f"{mm:g}" for mm in volume.spacing or ())
    yield (
        f"3. To NumPy  chest.npy, chest.json: {volume!r}, {spacing} mm, "
        f"{volume.array.min()} to {volume.array.max()} {volume.units}"
    )
    return volume


def _untouched(made: Path) -> Iterator[str]:
    report = to_dicom(made / "chest.npy", made / "study", made / "untouched", input_json=made / "chest.json")
    template = load(made / "study", units="stored", config=made / "filter.json").array
    same = np.array_equal(load(made / "untouched", units="stored").array, template)
    if not same or report.max_error:
        raise VerificationError("the untouched array did not come back bit for bit")
    yield f"4. To DICOM  untouched/: {len(report.files)} files; the array came back bit for bit"


def _smooth(made: Path, before: Volume) -> Generator[str, None, Volume]:
    report = run(made / "study", made / "smoothed", smooth, made / "filter.json")
    for entry in report.failed:
        raise VerificationError(f"{entry.title}: {entry.error}")
    written = report.written[0].report
    assert written is not None  # a series that was written has a report
    yield (
        f"5. Run       smoothed/: {len(written.files)} files of a smoothed series, "
        f"slope {written.slope:.6g}, greatest error {written.max_error:.3g} HU"
    )
    after = load(made / "smoothed")
    error = float(np.abs(after.array - smooth(before)).max())
    # reading back gives float32, which rounds once more
    allowed = written.max_error + float(np.abs(after.array).max()) * float(np.finfo(np.float32).eps)
    same_place = after.affine is not None and np.array_equal(after.affine, np.asarray(before.affine))
    if error > allowed or not same_place:
        raise VerificationError(f"the smoothed series reads back with an error of {error} HU")
    yield f"6. Verify    read back: within {error:.3g} HU of the smoothed array, at the same place"
    return after
