"""How a series is read: the options of `Series.volumes`, by the same names on the command line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, TypedDict

from dicomarray.core.options import check_choices
from dicomarray.errors import UsageError

Units = Literal["modality", "stored", "suv"]
Missing = Literal["error", "keep", "fill", "resample"]
Uneven = Literal["keep", "resample"]
Tilt = Literal["keep", "upright"]
Duplicates = Literal["auto", "error", "split"]
Incomplete = Literal["keep", "drop"]
PhilipsScaling = Literal["display", "precise"]
Palette = Literal["indices", "rgb"]
Geometry = Literal["strict", "ignore"]
# The way out that an error about places names.
WITHOUT_PLACES = (
    'If it is the places that are wrong: geometry="ignore" (--geometry ignore) reads the images as frames '
    "without a place"
)


class ReadKeywords(TypedDict, total=False):
    """The keyword arguments of everything that reads volumes; see `ReadOptions`."""

    units: Units
    missing: Missing
    uneven: Uneven
    tilt: Tilt
    duplicates: Duplicates
    incomplete: Incomplete
    background: float | None
    philips_scaling: PhilipsScaling
    palette: Palette
    exclude_padding: bool
    geometry: Geometry


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What to do where there is a choice; the defaults change no voxel and move no slice.

    Attributes
    ----------
    units
        ``"modality"`` (HU for CT), ``"stored"``, or ``"suv"`` (body weight; PET only).
    missing
        Where slices are missing on an otherwise even grid: ``"error"``; ``"keep"`` the others at their
        real positions; ``"fill"`` the gap with ``background``; ``"resample"`` between the neighbours.
    uneven
        Where slices are planned unevenly: ``"keep"`` their positions, or ``"resample"`` to even spacing.
    tilt
        A tilted gantry: ``"keep"`` the slices and their exact, sheared affine; or resample ``"upright"``.
    duplicates
        Where some positions hold several different images and nothing says which repetition they are:
        ``"split"``: the first acquired form the volume, the others one of their own; ``"error"``; or
        ``"auto"``: split where most positions hold one image, so that a few were simply repeated, else an
        error, because a lost image would mix time points.
    incomplete
        A repetition that was not finished: ``"keep"`` it as a volume of its own, or ``"drop"`` it with a
        warning.
    background
        In the units of the array, for ``missing="fill"`` and outside of the images for
        ``tilt="upright"``; without it -1024 for HU, or the least that the
        images can have where that is more (0 where nothing is below); 0 for other units.
    philips_scaling
        Values of Philips MR: ``"display"`` ones, by Rescale Slope as for any vendor, or ``"precise"`` ones,
        by the private scale slope.
    palette
        PALETTE COLOR images: the ``"indices"`` as stored, or the colours they stand for, ``"rgb"``.
    exclude_padding
        Mark padding (Pixel Padding Value): statistics leave it out, normalization makes it 0.
    geometry
        Where the place of an image is broken, or the places of a stack contradict each other: ``"strict"``,
        an error; or ``"ignore"`` the places of that stack: its images are frames without a place, in the
        order of acquisition, with a warning.  Other volumes stay.
    """

    units: Units = "modality"
    missing: Missing = "error"
    uneven: Uneven = "keep"
    tilt: Tilt = "keep"
    duplicates: Duplicates = "auto"
    incomplete: Incomplete = "keep"
    background: float | None = None
    philips_scaling: PhilipsScaling = "display"
    palette: Palette = "indices"
    exclude_padding: bool = False
    geometry: Geometry = "strict"

    def __post_init__(self) -> None:
        """Refuse what is no option, before anything is read."""
        check_choices(self)
        given: Any = self.background
        is_number = isinstance(given, Real) and not isinstance(given, bool)
        if given is not None and not (is_number and math.isfinite(given)):
            raise UsageError(f"background must be a finite number, not {given!r}")
        if not isinstance(self.exclude_padding, bool):
            raise UsageError(f"exclude_padding is True or False, not {self.exclude_padding!r}")
        resamples = (
            self.missing in ("fill", "resample") or self.uneven == "resample" or self.tilt == "upright"
        )
        if self.exclude_padding and resamples:
            raise UsageError("exclude_padding is not available together with a resampled or filled grid")
        if self.units == "suv" and self.philips_scaling == "precise":
            raise UsageError('units="suv" and philips_scaling="precise" exclude each other')


DEFAULTS = ReadOptions()
