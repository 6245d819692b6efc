"""What was written is read back and compared with what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dicomarray.errors import GeometryError, HeaderError, InputError, PixelError, VerificationError
from dicomarray.geometry import StackGeometry
from dicomarray.reading.assemble import assemble
from dicomarray.reading.catalog import scan
from dicomarray.reading.options import ReadOptions
from dicomarray.reading.series import KEEP, volume_lines
from dicomarray.reading.stacking import Stack
from dicomarray.values import Array
from dicomarray.writing.dicom import WriteReport


def verify_series(
    files: Sequence[Path], array: Array, template: Stack, report: WriteReport, stored: bool
) -> None:
    """Read a written series back, and compare it with what was asked for.

    Raises
    ------
    VerificationError
        Where values are off by more than the report says, or the geometry is another.
    """
    try:
        _verify(files, array, template, report, stored)
    except (InputError, HeaderError, GeometryError, PixelError) as error:
        raise VerificationError(f"what was written cannot be read back: {error}") from error


def _verify(files: Sequence[Path], array: Array, template: Stack, report: WriteReport, stored: bool) -> None:
    catalog = scan(files)
    if len(catalog) != 1 or catalog.skipped:
        raise VerificationError(f"{len(files)} files were written, but read back as {len(catalog)} series")
    uids = {header.text("SOPInstanceUID") for header in catalog[0].instances}
    if len(uids) != len(files):
        raise VerificationError(f"{len(files)} files were written with {len(uids)} SOP Instance UIDs")
    stacks = catalog[0].stacks(KEEP)
    if len(stacks) != 1:
        raise VerificationError(
            f"the written series reads back as {len(stacks)} volumes:\n" + "\n".join(volume_lines(stacks))
        )
    read = assemble(stacks[0], ReadOptions(units="stored") if stored else ReadOptions())
    _compare_geometry(read.geometry, template.geometry)
    _compare_values(read.array, array, report)


def _compare_geometry(read: StackGeometry | None, asked: StackGeometry | None) -> None:
    if (read is None) != (asked is None):
        raise VerificationError("the written series has no patient geometry, or one that was not asked for")
    if read is None or asked is None:
        return
    same = read.slice_positions.shape == asked.slice_positions.shape
    if not (
        same
        and np.allclose(read.affine, asked.affine, atol=1e-9)
        and np.allclose(read.slice_positions, asked.slice_positions, atol=1e-9)
    ):
        raise VerificationError("the written series reads back with another geometry than its template's")


def _compare_values(read: Array, asked: Array, report: WriteReport) -> None:
    if read.shape != asked.shape:
        raise VerificationError(f"the written series reads back with shape {read.shape}, not {asked.shape}")
    for index, (got, wanted) in enumerate(zip(read, asked, strict=True)):
        read_back, meant = got.astype(np.float64), wanted.astype(np.float64)
        error = np.abs(read_back - meant)[np.isfinite(meant)].max(initial=0.0)
        # a float32 volume rounds what the file says exactly
        allowed = report.max_error + float(np.abs(read_back).max(initial=0.0)) * np.finfo(np.float32).eps
        if error > allowed:
            raise VerificationError(
                f"slice {index} reads back with an error of {error:.6g}, more than the "
                f"{report.max_error:.6g} reported"
            )
