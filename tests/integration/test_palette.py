"""PALETTE COLOR images: indices as stored, or the colours that their tables give."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_color_lut

import dicomarray
from dicomarray.errors import HeaderError

PALETTE = Path(str(get_testdata_file("examples_palette.dcm", download=False)))


def test_indices_are_the_default() -> None:
    """As stored, and a warning that they are no colours."""
    volume = dicomarray.load(PALETTE)
    assert np.array_equal(volume.array[0], pydicom.dcmread(PALETTE).pixel_array)
    assert any("palette" in warning for warning in volume.warnings)


def test_colours_equal_pydicom() -> None:
    """They are RGB, with samples last, in the type of the tables."""
    volume = dicomarray.load(PALETTE, palette="rgb")
    dataset = pydicom.dcmread(PALETTE)
    expected = apply_color_lut(dataset.pixel_array, dataset)
    assert volume.axes == ("frame", "row", "column", "sample")
    assert volume.units == "RGB"
    assert volume.array.dtype == expected.dtype
    assert np.array_equal(volume.array[0], expected)
    assert not any("palette" in warning for warning in volume.warnings)


def test_missing_tables_are_told(tmp_path: Path) -> None:
    """Without its tables a palette image has no colours: the error names the file."""
    dataset = pydicom.dcmread(PALETTE)
    del dataset.RedPaletteColorLookupTableData
    dataset.save_as(tmp_path / "broken.dcm")
    with pytest.raises(HeaderError, match=r"broken\.dcm"):
        dicomarray.load(tmp_path / "broken.dcm", palette="rgb")
    assert dicomarray.load(tmp_path / "broken.dcm").array.ndim == 3


def test_other_images_are_as_they_are(ct: Path) -> None:
    """The option says nothing of images without a palette."""
    assert np.array_equal(dicomarray.load(ct, palette="rgb").array, dicomarray.load(ct).array)
