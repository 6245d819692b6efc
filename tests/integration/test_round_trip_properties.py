"""Arrays of any kind to templates of any kind and back: exact where promised, else within the error told."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pydicom.encaps import generate_frames
from pydicom.uid import HTJ2KLossless, JPEGLSLossless

import dicomarray
import synthetic

COMPRESSIONS = ("none", "rle", "jpeg-ls", "jpeg-2000", "htj2k")
# Decimal Strings as scanners write them; a slope that float64 does not hold exactly among them.
SLOPES = ("1", "2", "0.5", "0.1", "2.7182818", "1e-3", "16.0036630036631")
INTERCEPTS = ("0", "-1024", "0.25", "-8192", "1e3")
# float32 of a volume read back, of its greatest value.
FLOAT32 = 2.0**-22
FEW = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True, eq=False)
class Template:
    """A series to make: its stored values, and how they are told."""

    stored: NDArray[Any]
    modality: str
    bits_stored: int
    syntax: str
    slope: str
    intercept: str

    def write(self, folder: Path) -> None:
        rescale = {"RescaleSlope": self.slope, "RescaleIntercept": self.intercept}
        common = {"RescaleType": ..., **rescale} if self.modality != "SC" else {}
        synthetic.write_series(
            folder,
            self.stored,
            modality=self.modality,
            bits_stored=self.bits_stored,
            syntax=self.syntax,
            common=common,
        )


@st.composite
def templates(draw: st.DrawFn) -> Template:
    """Any class, sign, number of bits, slope, shape and native syntax."""
    modality = draw(st.sampled_from(("CT", "MR", "PT", "SC")))
    allocated = draw(st.sampled_from((8, 16))) if modality == "SC" else 16
    bits = allocated if modality == "PT" else draw(st.integers(2, allocated))
    signed = draw(st.booleans())
    shape = draw(st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)))
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    dtype = np.dtype(f"{'i' if signed else 'u'}{allocated // 8}")
    stored = draw(arrays.arrays(dtype, shape, elements=st.integers(low, high)))
    intercept = "0" if modality == "PT" else draw(st.sampled_from(INTERCEPTS))
    syntax = draw(st.sampled_from(sorted(synthetic.NATIVE_SYNTAXES)))
    return Template(stored, modality, bits, syntax, draw(st.sampled_from(SLOPES)), intercept)


def stored_of(folder: Path) -> NDArray[Any]:
    """By pydicom, in the order of the slices, which is that of the file names."""
    return np.stack([_pixels(pydicom.dcmread(file)) for file in sorted(folder.glob("*.dcm"))])


def _pixels(image: pydicom.Dataset) -> NDArray[Any]:
    if image.file_meta.TransferSyntaxUID == HTJ2KLossless:
        # none of pydicom's ways to decode it is installed: OpenJPEG, while OpenJPH wrote it
        (stream,) = generate_frames(image.PixelData, number_of_frames=1)
        return np.asarray(imagecodecs.jpeg2k_decode(stream)).reshape(image.Rows, image.Columns)
    if image.file_meta.TransferSyntaxUID == JPEGLSLossless:
        # it is coded as whole words, and pydicom's way to GDCM refuses 6 and 7 bits unseen
        image.BitsStored, image.HighBit = image.BitsAllocated, image.BitsAllocated - 1
    return image.pixel_array


@FEW
@given(templates(), st.sampled_from(COMPRESSIONS))
def test_an_untouched_array_comes_back_bit_for_bit(template: Template, compress: str) -> None:
    """Whatever the template's type, slope and syntax are, and however the result is compressed."""
    with tempfile.TemporaryDirectory() as scratch:
        source, output = Path(scratch) / "in", Path(scratch) / "out"
        template.write(source)
        volume = dicomarray.load(source)
        report = dicomarray.to_dicom(volume.array, source, output, compress=compress)
        assert report.max_error == 0
        assert np.array_equal(stored_of(output), template.stored)
        again = dicomarray.load(output)
        assert again.array.dtype == volume.array.dtype
        assert np.array_equal(again.array, volume.array)


# What people compute: floats of any size that float32 squares, and integers of every width.
FLOATS = st.floats(-(2.0**50), 2.0**50, allow_subnormal=False, width=32)


@FEW
@given(templates(), st.data(), st.sampled_from(COMPRESSIONS))
def test_any_array_comes_back_within_the_error_reported(
    template: Template, data: st.DataObject, compress: str
) -> None:
    """Half a step of the slope that was written, for every dtype; integers that fit are exact."""
    if template.modality == "SC":
        kind = np.dtype(np.uint8)  # without a place for a slope only what fits is written
        elements: Any = st.integers(0, (1 << min(template.bits_stored, 7)) - 1)
        if template.stored.dtype.kind == "i":
            elements = st.integers(0, (1 << min(template.bits_stored, 8) - 1) - 1)
    else:
        kind = np.dtype(data.draw(st.sampled_from(("f2", "f4", "f8", "i1", "u1", "i2", "u2", "i4"))))
        elements = FLOATS if kind.kind == "f" else None
        if kind == np.float16:
            elements = st.floats(-(2.0**15), 2.0**15, width=16)
    array = data.draw(arrays.arrays(kind, template.stored.shape, elements=elements))
    if template.modality == "PT":
        array = np.abs(array.astype(np.float64))  # activity; its class knows no intercept
    with tempfile.TemporaryDirectory() as scratch:
        source, output = Path(scratch) / "in", Path(scratch) / "out"
        template.write(source)
        report = dicomarray.to_dicom(array, source, output, compress=compress)
        read = dicomarray.load(output).array.astype(np.float64)
        error = np.abs(read - array.astype(np.float64)).max()
        greatest = np.abs(array.astype(np.float64)).max()
        assert error <= report.max_error + greatest * FLOAT32
        if report.slope is not None:
            assert report.max_error <= report.slope / 2 * (1 + 1e-6) + greatest * FLOAT32
        else:
            assert report.max_error == 0
