"""What is asked for: a segmentation, and the images that its contours lie on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicomarray.core.coded_warnings import Warnings
from dicomarray.segmentation import Segmentation
from dicomarray.storage.references import Reference


@dataclass(frozen=True, slots=True)
class ContourImage:
    """An image that a contour is drawn on; ``frame`` counts from 1, None where its instance has one image."""

    class_uid: str
    instance_uid: str
    frame: int | None = None


@dataclass(frozen=True, eq=False)
class StructureSetRequest:
    """A segmentation with a place, and what it is to say of itself.

    Attributes
    ----------
    segmentation
        Its slices in ascending order along their normal.
    images
        For each slice the images that it was made of.
    template
        The instance whose patient and study it is of.
    series_uid
        Of the series that the images are of.
    frame_of_reference_uid
        In which coordinates the contours count.
    warnings
        What the caller should know of all this.
    """

    segmentation: Segmentation
    images: Sequence[Sequence[ContourImage]]
    template: Reference
    series_uid: str
    frame_of_reference_uid: str
    warnings: Warnings = ()
