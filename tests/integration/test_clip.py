"""Values that cannot be stored: refused, or clipped on request and counted."""

from pathlib import Path

import numpy as np
import pytest

import dicomarray
from dicomarray.errors import ValuesError


def test_clipped_on_request_and_counted(ct: Path, tmp_path: Path) -> None:
    """Stored values beyond 12 bits are an error; with clip they end at 4095, and the report counts them."""
    array = dicomarray.load(ct, units="stored").array.astype(np.int32)
    array[0, 0, :3] = 5000
    with pytest.raises(ValuesError, match="clip"):
        dicomarray.to_dicom(array, ct, tmp_path / "out", values="stored")
    report = dicomarray.to_dicom(array, ct, tmp_path / "out", values="stored", clip=True)
    assert report.clipped == 3
    assert report.max_error == 5000 - 4095
    assert dicomarray.load(tmp_path / "out", units="stored").array[0, 0, :3].tolist() == [4095] * 3
