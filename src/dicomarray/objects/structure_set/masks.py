"""The regions of a structure set -> masks or covered parts on a grid."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.geometry import StackGeometry
from dicomarray.core.rasterization.filling import Covered, covered, occupancy
from dicomarray.core.rasterization.loops import Loops, distinct
from dicomarray.core.rasterization.nesting import Nesting, nesting, summed
from dicomarray.objects.structure_set.contents import Roi
from dicomarray.objects.structure_set.placing import PlacedLoops, place, shown_name

# Lines a row that are looked at for loops inside each other, where parts of voxels count.
FINER = 8


def mask_of(roi: Roi, geometry: StackGeometry, shape: tuple[int, int]) -> tuple[list[Covered], Warnings]:
    """The voxels whose centres lie inside a region, in boxes of slices, rows and columns; they may overlap.

    Parameters
    ----------
    shape
        (rows, columns).
    """
    placed = place(roi, geometry, shape)
    found: list[Covered] = []
    notes = placed.warnings
    for loops, exclusive in _combined(placed):
        if exclusive:
            found += covered(loops, shape)
            continue
        said = nesting(loops, shape[0])
        notes += _careless(said, roi)
        odd = np.isin(loops.labels, np.concatenate([said.twice, said.partial]))
        found += covered(loops.chosen(~odd), shape) if odd.any() else covered(loops, shape)
        for plane in distinct(loops.labels[odd]):
            own = loops.labels == plane
            found.append(Covered((int(plane), 0, 0), summed(loops.chosen(own), said.signs[own], shape)[None]))
    return found, notes


def occupancy_of(
    roi: Roi, geometry: StackGeometry, shape: tuple[int, int]
) -> tuple[NDArray[np.float32], Warnings]:
    """The part of each voxel that a region covers in the plane of its slice: (slices, rows, columns)."""
    placed = place(roi, geometry, shape)
    out = np.zeros((len(geometry.slice_positions), *shape), np.float32)
    notes = placed.warnings
    for loops, exclusive in _combined(placed):
        said = nesting(loops, shape[0], FINER)
        if not exclusive:
            notes += _careless(said, roi)
        for part in occupancy(loops, said.signs, shape):
            np.maximum(out[part.box], part.values, out=out[part.box])
    return out, notes


def _combined(placed: PlacedLoops) -> Iterator[tuple[Loops, bool]]:
    """Loops that are combined with each other; what is drawn in another plane is added as it is."""
    for rank in distinct(placed.rank):
        for exclusive in (False, True):
            which = (placed.rank == rank) & (placed.exclusive == exclusive)
            if which.any():
                yield placed.loops.chosen(which), exclusive


def _careless(said: Nesting, roi: Roi) -> Warnings:
    notes: Warnings = ()
    if len(said.twice):
        notes += warning(
            f"{shown_name(roi)}: a contour is drawn twice in {_slices(said.twice)}, and counts once "
            "[contours-overlap]"
        )
    if len(said.partial):
        notes += warning(
            f"{shown_name(roi)}: contours overlap in part in {_slices(said.partial)}; what both enclose is "
            "taken as inside, unless one is a hole that sticks out [contours-overlap]"
        )
    return notes


def _slices(found: NDArray[np.int64]) -> str:
    return f"slice {found[0]}" if len(found) == 1 else f"{len(found)} slices, such as {found[0]}"
