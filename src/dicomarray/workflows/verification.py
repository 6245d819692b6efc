"""What was written is read back and compared with what was asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.options import ReadOptions
from dicomarray.assembly.series import KEEP, UNPLACED, Series, volume_lines
from dicomarray.assembly.volumes.assemble import assemble
from dicomarray.catalog.scan import scan_again
from dicomarray.core.geometry import StackGeometry, stacks_apart
from dicomarray.core.pixel_values import Array
from dicomarray.errors import GeometryError, HeaderError, InputError, PixelError, VerificationError
from dicomarray.objects.common.files import WriteReport
from dicomarray.runtime.threads import PixelProgress
from dicomarray.volume import Volume

# Greatest distance, in mm, between where a voxel was asked for and where it is read: that of Decimal Strings,
# and of directions that are brought to unit length.
WRITTEN_MM = 1e-6
FLOAT32_EPS = float(np.finfo(np.float32).eps)  # as a Python float: a product with it cannot overflow float32


def verify_series(
    files: Sequence[Path],
    array: Array,
    template: Stack,
    report: WriteReport,
    stored: bool,
    grid: StackGeometry | None = None,
    progress: PixelProgress | None = None,
) -> float:
    """Read a written series back, and compare it with what was asked for; ``grid`` is where it is to lie.

    ``progress`` is called for the images that are read.  The result is by how much a value is off at most for
    a reader of the series, whose float32 may round what the file says.

    Raises VerificationError where values are off by more than the report says, the geometry or a UID is
    another.
    """
    try:
        written = _identified(files, template, report)
        read = _read_back(written, stored, placed=template.geometry is not None, progress=progress)
        _compare_geometry(read.geometry, grid or template.geometry, array.shape)
        return _compare_values(read.array, array, report)
    except (InputError, HeaderError, GeometryError, PixelError) as error:
        raise VerificationError(f"what was written cannot be read back: {error}") from error


def _identified(files: Sequence[Path], template: Stack, report: WriteReport) -> Series:
    """One new series, and in each file a new instance."""
    catalog = scan_again(files)
    if len(catalog) != 1 or catalog.skipped:
        raise VerificationError(f"{len(files)} files were written, but read back as {len(catalog)} series")
    uids = {header.text("SOPInstanceUID") for header in catalog[0].instances}
    if len(uids) != len(files):
        raise VerificationError(f"{len(files)} files were written with {len(uids)} SOP Instance UIDs")
    headers = [frame.header for frame in template.frames]
    old = {header.text(word) for header in headers for word in ("SOPInstanceUID", "SeriesInstanceUID")}
    reused = [uid for uid in (catalog[0].uid, *uids) if uid in old]
    if reused or catalog[0].uid != report.series_uid:
        found = (*reused, catalog[0].uid)[0]
        raise VerificationError(f"the written series has a UID that is not its own: {found}")
    return catalog[0]


def _read_back(series: Series, stored: bool, placed: bool, progress: PixelProgress | None) -> Volume:
    stacks = series.stacks(KEEP if placed else UNPLACED)
    if len(stacks) != 1:
        raise VerificationError(
            f"the written series reads back as {len(stacks)} volumes:\n" + "\n".join(volume_lines(stacks))
        )
    options = ReadOptions(units="stored") if stored else ReadOptions()
    return assemble(stacks[0], options, progress=progress)


def _compare_geometry(read: StackGeometry | None, asked: StackGeometry | None, shape: Sequence[int]) -> None:
    if (read is None) != (asked is None):
        raise VerificationError("the written series has no patient geometry, or one that was not asked for")
    if read is None or asked is None:
        return
    apart = stacks_apart(read, asked, shape)
    if apart > WRITTEN_MM:
        found = (
            f"voxels up to {apart:.3g} mm from where they were asked for (allowed are {WRITTEN_MM:g} mm)"
            if math.isfinite(apart)
            else f"{len(read.slice_positions)} slices, not {len(asked.slice_positions)}"
        )
        raise VerificationError(
            f"the written series reads back with another geometry, {found}: the template's headers and the "
            "affine do not go together. Ask for a grid that Image Position, Orientation and Pixel Spacing "
            "can say, or write without a check (verify=False, --no-verify) and compare the result yourself"
        )


def _compare_values(read: Array, asked: Array, report: WriteReport) -> float:
    worst = 0.0
    if read.shape != asked.shape:
        raise VerificationError(f"the written series reads back with shape {read.shape}, not {asked.shape}")
    for index, (got, wanted) in enumerate(zip(read, asked, strict=True)):
        if np.array_equal(got, wanted):
            continue  # nearly always; nothing is off, and there is no more to compute
        read_back, meant = got.astype(np.float64), wanted.astype(np.float64)
        finite = np.isfinite(meant)
        error = np.abs(read_back - meant)[finite].max(initial=0.0)
        # a float32 volume rounds what the file says exactly, and the difference of two numbers is rounded too
        greatest = max(np.abs(read_back).max(initial=0.0), np.abs(meant[finite]).max(initial=0.0))
        allowed = report.max_error + float(greatest) * FLOAT32_EPS
        if error > allowed:
            raise VerificationError(
                f"slice {index} reads back with an error of {error:.6g}, more than the "
                f"{report.max_error:.6g} reported"
            )
        worst = max(worst, float(error))
    return worst
