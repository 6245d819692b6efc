"""What is asked for: a segmentation, where its slices lie, and of which images each of them speaks."""

from __future__ import annotations

from dataclasses import dataclass

from dicomarray.core.coded_warnings import Warnings
from dicomarray.core.geometry import Plane
from dicomarray.segmentation import Segmentation
from dicomarray.storage.references import Reference


@dataclass(frozen=True, slots=True)
class SourceImage:
    """An image that was segmented; ``frame`` counts from 1, None where its instance has one image.

    ``same_place`` says that a pixel of the mask lies where that of the image does.
    """

    class_uid: str
    instance_uid: str
    series_uid: str
    frame: int | None
    same_place: bool


@dataclass(frozen=True, eq=False)
class SegmentationRequest:
    """A segmentation, and what it is to say of itself.

    Attributes
    ----------
    segmentation
        Its slices in ascending order along their normal.  Every segment has a category and a type.
    planes
        Where each slice lies, the directions of all the same; empty where images have no place.
    sources
        For each slice the images that it was made of.
    template
        The instance whose patient and study it is of.
    frame_of_reference_uid
        In which coordinates the planes count; None where the template does not say.
    thickness, spacing
        Of the slices, in mm; None where they differ or nobody knows.
    referenced
        Images that were segmented as a whole, where no slice is that of one of them.
    warnings
        What the caller should know of all this.
    """

    segmentation: Segmentation
    planes: tuple[Plane, ...]
    sources: tuple[tuple[SourceImage, ...], ...]
    template: Reference
    frame_of_reference_uid: str | None
    thickness: float | None
    spacing: float | None
    referenced: tuple[SourceImage, ...] = ()
    warnings: Warnings = ()
