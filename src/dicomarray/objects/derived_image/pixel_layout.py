"""How the pixels of one file of the template lie: grey, colour or palette, one frame or a loop of them.

Colours and indices into a palette are no measurements: they are written as they are, never rescaled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydicom.dataset import Dataset

from dicomarray.core.pixel_values import Rescale
from dicomarray.dicom.pixels.description import PixelDescription
from dicomarray.errors import HeaderError, TemplateError, UsageError
from dicomarray.objects.common.headers import text
from dicomarray.objects.common.options import Mode
from dicomarray.storage.references import Reference

Colours = Literal["grey", "rgb", "palette"]
PALETTE = "PALETTE COLOR"
# What decodes to RGB (PS3.3 C.7.6.3.1.2).
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
RGB_SAMPLES = 3


@dataclass(frozen=True, slots=True)
class Layout:
    """One file's pixels: ``frames`` images of ``rows`` x ``columns``."""

    colours: Colours
    frames: int
    rows: int
    columns: int

    @property
    def shape(self) -> tuple[int, ...]:
        """That of one file's pixels: (rows, columns), with the frames of a loop before, samples behind."""
        plane = (self.rows, self.columns, *((RGB_SAMPLES,) if self.colours == "rgb" else ()))
        return plane if self.frames == 1 else (self.frames, *plane)

    @property
    def measured(self) -> bool:
        """Whether the values are of a quantity, that slope and intercept lead to."""
        return self.colours == "grey"


def description_of(header: Dataset, path: Reference) -> PixelDescription:
    """What a file's header says of its pixels, by the rules of reading."""
    try:
        return PixelDescription.from_dataset(header, str(path))
    except HeaderError as error:
        raise TemplateError(str(error)) from error


def layout_of(description: PixelDescription) -> Layout:
    """The layout of a file's pixels."""
    colours: Colours = "grey"
    if description.samples == RGB_SAMPLES:
        colours = "rgb"
    elif description.photometric == PALETTE:
        colours = "palette"
    return Layout(colours, description.frames, description.rows, description.columns)


def mode_for(layout: Layout, mode: Mode, rescales: Sequence[Rescale]) -> Mode:
    """In which mode values are encoded: colours and indices always as stored ones, whole and within the bits.

    Raises UsageError for a mode that would rescale them; TemplateError for a slope or intercept beside them.
    """
    if layout.measured:
        return mode
    if mode == "full-range":
        raise UsageError('values="full-range": colours are not rescaled; leave it out')
    if not all(rescale.identity for rescale in rescales):
        raise TemplateError(
            "the template has RescaleSlope and RescaleIntercept beside colours or palette indices, which are "
            "no measurements (PS3.3 C.11.1); use another template"
        )
    return "stored"


def describe_colour(header: Dataset) -> None:
    """What is written is red, green and blue, pixel by pixel; in place (PS3.3 C.7.6.3.1.2, C.7.6.3.1.3).

    Indices into a palette stay what they are, and so does the palette.
    """
    if text(header, "PhotometricInterpretation") in COLOUR:
        header.PhotometricInterpretation, header.SamplesPerPixel = "RGB", RGB_SAMPLES
        header.PlanarConfiguration = 0
