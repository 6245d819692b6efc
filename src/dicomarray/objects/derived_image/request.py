"""What is asked for: an array, and which image of the template each of its images is derived from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dicomarray.core.coded_warnings import Warnings
from dicomarray.core.geometry import Plane, StackGeometry
from dicomarray.core.pixel_values import Array, Rescale
from dicomarray.storage.references import Reference


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """An image of the template that an image of the array is derived from.

    ``frame`` counts from 0 within a multi-frame object or a mosaic.  ``plane`` is where the derived image is
    to lie; None: where its source does, to the letter.  ``identity`` are attributes, by keyword, that tell
    the image from others at its place, where the source says them in private elements only.  ``rescale`` is
    by what its values are read, where a Real World Value Mapping alone says it; None: by its Rescale.
    """

    path: Reference
    frame: int = 0
    plane: Plane | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)
    rescale: Rescale | None = None


@dataclass(frozen=True, eq=False)
class WriteRequest:
    """An array, and what it is to become.

    Attributes
    ----------
    array
        (slices, rows, columns), or (repetitions, slices, rows, columns).  Each image may have more axes:
        colour samples come last, the frames of a loop, all in one file, before the rows.
    sources
        One for each image of the array, first axis slowest.  A source that occurs twice gives its header to
        several images.
    grid
        Where the voxels lie, if that is another grid than the template's; else None.
    tiled
        The images are mosaics, whose slices are told apart by private elements; these stay.
    enhanced
        The template's objects are multi-frame ones with functional groups.
    warnings
        What the caller should know of their order.
    template_grid
        Where the template's lie, where ``grid`` is given.
    units
        Of the array's values, where they are not the template's: ``"HU"``, ``"US"``, ... (Rescale Type,
        PS3.3 C.11.1.1.2); for PET ``"BQML"``, ``"GML"``, ... (Units, C.8.9.1.1.3).
    unit
        How much of what is written one unit of the caller's array is, which was normalized; else 1.
    """

    array: Array
    sources: tuple[Source, ...]
    grid: StackGeometry | None = None
    template_grid: StackGeometry | None = None
    units: str | None = None
    tiled: bool = False
    enhanced: bool = False
    warnings: Warnings = ()
    unit: float = 1.0
