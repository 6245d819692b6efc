"""Slices of real series left out, as the documentation shows it: written, and at their places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dicomarray
from dicomarray.errors import DicomArrayError

SERIES = (
    "ct-philips-5mm", "ct-philips-tilted", "mr-canon-dti", "mr-enhanced-agfa", "mr-ge-axial",
    "mr-siemens-sagittal", "mr-philips-dual-echo",
)  # fmt: skip


@pytest.mark.parametrize("name", SERIES)
def test_inner_slices_of_real_series(real_data: Path, tmp_path: Path, name: str) -> None:
    """Without the first and last slice values are the same, within a thousandth of a mm of their places."""
    written = 0
    for series in dicomarray.scan(real_data / name):
        try:
            volumes = series.volumes()
        except DicomArrayError:
            continue
        for index, volume in enumerate(volumes):
            if volume.array.shape[-3] < 4 or volume.geometry is None or not volume.geometry.uniform:
                continue
            affine = volume.affine.copy()
            affine[:3, 3] = (volume.affine @ [1, 0, 0, 1])[:3]
            inner = volume.array[..., 1:-1, :, :]
            output = tmp_path / f"{series.uid}-{index}"
            dicomarray.to_dicom(
                inner, real_data / name, output, affine=affine, series=series.uid, volume=index
            )
            after = dicomarray.load(output)
            np.testing.assert_array_equal(after.array, inner)
            np.testing.assert_allclose(after.affine, affine, atol=1e-3)
            written += 1
    assert written
