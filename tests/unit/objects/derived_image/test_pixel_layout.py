"""The layout of a file's pixels, and how its values are encoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from dicomarray.core.pixel_values import Rescale, StoredType
from dicomarray.errors import TemplateError, UsageError, ValuesError
from dicomarray.objects.derived_image.encode import Encoding, encode
from dicomarray.objects.derived_image.pixel_layout import (
    Layout,
    describe_colour,
    description_of,
    layout_of,
    mode_for,
)

HERE = Path("file.dcm")
BYTES = StoredType(8, 8, False)


def header(**values: object) -> Dataset:
    """A header of 2 x 3 grey pixels, and what else is said."""
    data_set = Dataset()
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    known = {
        "PhotometricInterpretation": "MONOCHROME2", "SamplesPerPixel": 1, "Rows": 2, "Columns": 3,
        "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0,
    }  # fmt: skip
    for keyword, value in (known | values).items():
        setattr(data_set, keyword, value)
    return data_set


@pytest.mark.parametrize(
    ("values", "shape", "measured"),
    [
        ({}, (2, 3), True),
        ({"NumberOfFrames": 1}, (2, 3), True),
        ({"NumberOfFrames": 4}, (4, 2, 3), True),
        ({"PhotometricInterpretation": "YBR_FULL_422", "SamplesPerPixel": 3}, (2, 3, 3), False),
        (
            {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "NumberOfFrames": 5},
            (5, 2, 3, 3),
            False,
        ),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, (2, 3), False),
    ],
)
def test_shape_of_a_file(values: dict[str, object], shape: tuple[int, ...], measured: bool) -> None:
    """Frames come first, colour samples last; one frame is no axis."""
    layout = layout_of(description_of(header(**values), HERE))
    assert (layout.shape, layout.measured) == (shape, measured)


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"PhotometricInterpretation": "RGB"}, "SamplesPerPixel is 1, but RGB has 3"),
        ({"PhotometricInterpretation": None}, "PhotometricInterpretation is missing"),
        ({"Rows": None}, "Rows is missing"),
        ({"NumberOfFrames": -1}, "NumberOfFrames"),
    ],
)
def test_what_is_no_layout_is_refused(values: dict[str, object], hint: str) -> None:
    """The file, the attribute and the rule are named."""
    with pytest.raises(TemplateError, match=rf"file\.dcm: .*{hint}"):
        description_of(header(**values), HERE)


def encoded(
    images: np.ndarray, layout: Layout, rescales: list[Rescale], mode: str = "auto", clip: bool = False
) -> Encoding:
    """The stored values of files of one layout."""
    return encode(images, mode_for(layout, mode, rescales), BYTES, rescales, clip=clip)  # type: ignore[arg-type]


def test_frames_of_a_loop_share_slope_and_type() -> None:
    """The stored values have the shape of the array, and there is one rescale a file."""
    images = np.arange(2 * 4 * 6, dtype=np.float64).reshape(2, 4, 2, 3) * 0.5
    layout = Layout("grey", 4, 2, 3)
    encoding = encoded(images, layout, [Rescale(0.5, 0)] * 2)
    assert encoding.slope is None
    np.testing.assert_array_equal(encoding.stored, images * 2)
    assert encoding.rescales == (Rescale(0.5, 0),) * 2


@pytest.mark.parametrize("colours", ["rgb", "palette"])
def test_colours_are_stored_as_they_are(colours: str) -> None:
    """Whole values that fit, or an error; never a slope."""
    layout = Layout(colours, 1, 2, 3)  # type: ignore[arg-type]
    images = np.full((1, *layout.shape), 7.0)
    encoding = encoded(images, layout, [Rescale()])
    assert (encoding.slope, encoding.max_error, encoding.stored.max()) == (None, 0, 7)
    for wrong in (images + 0.5, images + 256, -images):
        with pytest.raises(ValuesError):
            encoded(wrong, layout, [Rescale()])
    clipped = encoded(images + 256, layout, [Rescale()], clip=True)
    assert (clipped.clipped, clipped.stored.max()) == (images.size, 255)
    with pytest.raises(UsageError, match="not rescaled"):
        encoded(images, layout, [Rescale()], "full-range")
    with pytest.raises(TemplateError, match="RescaleSlope"):
        encoded(images, layout, [Rescale(2, 0)])


def test_decoded_colour_is_described_as_rgb() -> None:
    """Whatever the template's colour was; a palette stays one."""
    ybr = header(PhotometricInterpretation="YBR_FULL_422", SamplesPerPixel=3, PlanarConfiguration=1)
    describe_colour(ybr)
    assert (ybr.PhotometricInterpretation, ybr.PlanarConfiguration) == ("RGB", 0)
    palette = header(PhotometricInterpretation="PALETTE COLOR")
    describe_colour(palette)
    assert palette.PhotometricInterpretation == "PALETTE COLOR"
    assert "PlanarConfiguration" not in palette
