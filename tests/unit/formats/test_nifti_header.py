"""Headers of NIfTI files are those that nibabel makes of the same facts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

import synthetic
from dicomarray.errors import UsageError
from dicomarray.formats.nifti import RGB
from dicomarray.formats.nifti_header import Quaternion, header_bytes, number_type

TYPES = [*map(np.dtype, ("u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")), RGB]


def of_nibabel(
    shape: list[int],
    dtype: np.dtype,
    affine: np.ndarray | None,
    quaternion: bool,
    steps: list[float],
    slices: int,
) -> nibabel.Nifti1Header:
    """The same header, by its setters."""
    made = nibabel.Nifti2Header if max(shape) > 32767 else nibabel.Nifti1Header
    header = made(endianness="<")
    header.set_data_dtype(dtype)
    header.set_data_shape(tuple(shape))
    if affine is not None:
        if quaternion:
            header.set_qform(affine, 1)
        header.set_sform(affine, 1)
    header.set_zooms(steps[: len(shape)])
    header["pixdim"][4] = steps[3]
    header.set_xyzt_units("mm", "sec")
    header.set_dim_info(slice=slices)
    header["descrip"] = b"made here"
    header["vox_offset"] = int(header["sizeof_hdr"]) + 4
    return header


def test_headers_are_those_of_nibabel_byte_by_byte() -> None:
    """Of every type, oblique, mirrored, with time, without a place, and with axes too long for NIfTI-1."""
    chance = np.random.default_rng(1)
    for number in range(200):
        shape = [int(size) for size in chance.integers(1, 400, 3 + number % 2)]
        shape[0] = 40_000 if number % 5 == 0 else shape[0]
        turned = np.linalg.qr(chance.normal(size=(3, 3)))[0]
        axes = turned if number % 3 else np.eye(3)[chance.permutation(3)] * chance.choice([-1, 1], 3)
        steps = [*chance.uniform(0.3, 5, 3), number * 0.1]
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = axes * steps[:3], chance.normal(size=3) * 100
        placed, quaternion, dtype = (
            affine if number % 11 else None,
            number % 4 > 0,
            TYPES[number % len(TYPES)],
        )
        expected = of_nibabel(shape, dtype, placed, quaternion, steps, number % 3)
        found = header_bytes(shape, dtype, placed, quaternion, steps, number % 3, "made here")
        assert found == expected.binaryblock + bytes(4)
        if placed is not None and quaternion:
            read = Quaternion.of(placed).affine(number_type(shape))
            np.testing.assert_allclose(read, expected.get_qform(), rtol=0, atol=1e-9)


def test_values_that_nifti_does_not_have_are_refused_by_name() -> None:
    """The error says which there are."""
    with pytest.raises(UsageError, match="no values of float16; write integers, float32"):
        header_bytes([1, 1, 1], np.dtype("f2"), None, False, [1, 1, 1, 0], 2, "")


def test_nifti_is_written_without_nibabel(tmp_path: Path) -> None:
    """To import it would take longer than all the rest."""
    synthetic.write_series(tmp_path / "ct", synthetic.stored_values((4, 3, 5)))
    code = "import sys, dicomarray; dicomarray.to_nifti(*sys.argv[1:]); assert 'nibabel' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "ct"), str(tmp_path / "ct.nii.gz")], check=True
    )
    assert nibabel.load(tmp_path / "ct.nii.gz").shape == (5, 3, 4)
