"""How a segmentation is written: the options of `to_seg`, by the same names on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dicomarray.core.options import check_choices
from dicomarray.errors import UsageError
from dicomarray.objects.common.options import SeriesKeywords, SeriesOptions, check_series_options

Kind = Literal["binary", "labelmap", "fractional"]
FractionalType = Literal["probability", "occupancy"]
Compression = Literal["none", "rle", "jpeg-ls", "deflated"]


class SegmentationKeywords(SeriesKeywords, total=False):
    """The keyword arguments of `to_seg`; see `SegmentationOptions`."""

    empty_frames: bool
    fractional_type: FractionalType
    compress: Compression


@dataclass(frozen=True, slots=True)
class SegmentationOptions(SeriesOptions):
    """How labels become a DICOM Segmentation.

    Attributes
    ----------
    kind
        ``"binary"``: a frame of bits for each segment and slice, read everywhere; ``"labelmap"``: a frame of
        labels for each slice, much smaller, read by new software only; ``"fractional"``: how much of each
        voxel a segment covers, or how probable it is there, in 255 steps.
    empty_frames
        Write a frame for each slice, also where a segment has no voxel: some viewers need them.
    fractional_type
        What the fractions are.
    compress
        A lossless transfer syntax; bits can be ``"deflated"`` only, which few programs read.
    verify
        Read the file back and compare masks and places, before it is put in place.
    overwrite
        Replace an earlier result.
    uid_key
        Make the UIDs of this text, the template and the masks: the same call makes the same file again, and
        no duplicate.  Without it they are random.
    series_description
        Of the new series; without it the template's, with " (dicomarray)" added.
    series_number
        Of the new series; without it the template's plus 1000.
    """

    kind: Kind = "binary"
    empty_frames: bool = False
    fractional_type: FractionalType = "probability"
    compress: Compression = "none"
    verify: bool = True
    overwrite: bool = False
    uid_key: str | None = None
    series_description: str | None = None
    series_number: int | None = None

    def __post_init__(self) -> None:
        """Refuse what is no option, before anything is read."""
        check_choices(self)
        check_series_options(self)
        if self.kind == "binary" and self.compress in ("rle", "jpeg-ls"):
            raise UsageError(
                f'compress="{self.compress}" holds no single bits: write them uncompressed or "deflated", or '
                'take kind="labelmap"'
            )
