"""What a structure set holds (PS3.3 A.19, C.8.8.5, C.8.8.6, C.8.8.8)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicomarray.core.segments import Code

CLOSED, XOR = "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"


@dataclass(frozen=True, eq=False)
class Roi:
    """A region of interest: its name, and its contours.

    Attributes
    ----------
    number
        ROI Number, as the file has it.
    name
        ROI Name; empty where the file has none.
    points
        LPS, mm, of all closed contours, one after the other: shape (n, 3).
    starts
        Where each contour starts in ``points``, and last where the last one ends: shape (contours + 1,).
    exclusive
        Which contours are combined by exclusive or: shape (contours,) (PS3.3 C.8.8.6.3).
    left_out
        How many contours of each other Contour Geometric Type there are: points, lines.
    damaged
        How many closed contours have no usable points.
    colour, kind, algorithm, code
        ROI Display Color, RT ROI Interpreted Type, ROI Generation Algorithm, RT ROI Identification Code; None
        where the file does not say.
    frame_of_reference_uid
        In which its coordinates count.
    """

    number: int
    name: str
    points: NDArray[np.float64]
    starts: NDArray[np.intp]
    exclusive: NDArray[np.bool_]
    left_out: dict[str, int]
    damaged: int = 0
    colour: tuple[int, int, int] | None = None
    kind: str | None = None
    algorithm: str | None = None
    code: Code | None = None
    frame_of_reference_uid: str | None = None


@dataclass(frozen=True, slots=True)
class ReferencedSeries:
    """A series that the contours were drawn on, and its instances."""

    series_uid: str
    study_uid: str
    frame_of_reference_uid: str
    instances: frozenset[str]


@dataclass(frozen=True, eq=False)
class StructureSet:
    """A structure set as it was read."""

    rois: tuple[Roi, ...]
    series: tuple[ReferencedSeries, ...]
    study_uid: str
