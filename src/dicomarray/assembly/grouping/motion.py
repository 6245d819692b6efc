"""Time points that a scanner moved after the patient.

Prospective motion correction shifts the slices between repetitions.  One affine cannot place them all, so
time points at another place are volumes of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dicomarray.assembly.frames.frame import Frame, by_file
from dicomarray.assembly.grouping.image_kind import first_fit
from dicomarray.assembly.grouping.repetitions import Repetitions
from dicomarray.core.coded_warnings import Warnings, warning
from dicomarray.core.geometry import EVEN_CEILING_MM, SAME_POSITION_MM, Matrix

# Files whose slices lie further apart than this part of the stack are slabs beside each other, no motion.
GREATEST_MOTION = 0.5


def split_by_motion(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Parallel frames whose files hold one whole volume each -> those at the same place together.

    Anything else comes back as it is: classic slices, files with parts of a volume or several time points.
    """
    volumes = [[frames[index] for index in indices] for indices in by_file(frames)]
    slices = len(volumes[0])
    if len(volumes) < 2 or slices < 2 or any(len(volume) != slices for volume in volumes):
        return [list(frames)]
    normal = frames[0].plane.normal if frames[0].plane else np.zeros(3)
    places = [_places(volume, normal) for volume in volumes]
    extent = float(np.ptp(places[0] @ normal))
    shifts = [float(np.abs(place - places[0]).max()) for place in places]
    ascending = all(np.all(np.diff(place @ normal) > SAME_POSITION_MM) for place in places)
    if not ascending or max(shifts) > GREATEST_MOTION * extent:
        return [list(frames)]
    return [[frame for i in group for frame in volumes[i]] for group in _together(places, SAME_POSITION_MM)]


def _together(places: Sequence[Matrix], tolerance: float) -> list[list[int]]:
    """Indices of the places that agree to so many mm in every coordinate."""
    return first_fit(range(len(places)), lambda i, j: bool(np.abs(places[i] - places[j]).max() <= tolerance))


def _places(volume: Sequence[Frame], normal: Matrix) -> Matrix:
    """Positions, shape (slices, 3), ascending along the normal."""
    positions = _positions(volume)
    return np.asarray(positions[np.argsort(positions @ normal, kind="stable")])


def _positions(volume: Sequence[Frame]) -> Matrix:
    return np.array([frame.plane.position for frame in volume if frame.plane], float).reshape(-1, 3)


def split_by_place(repetitions: Repetitions) -> list[Repetitions]:
    """Repetitions that one affine places, together: as they are where nothing moved."""
    groups = _together([_positions(members) for members in repetitions.grid], EVEN_CEILING_MM)
    return [repetitions] if len(groups) == 1 else [_only(repetitions, indices) for indices in groups]


def _only(repetitions: Repetitions, indices: Sequence[int]) -> Repetitions:
    grid = [repetitions.grid[index] for index in indices]
    if len(grid) == 1:
        return Repetitions(grid)
    coordinates = {name: [values[i] for i in indices] for name, values in repetitions.coordinates.items()}
    return replace(repetitions, grid=grid, coordinates=coordinates)


def motion_warning(count: int) -> Warnings:
    """The warning for volumes that come of one scan, where it moved."""
    if count == 1:
        return ()
    return warning(
        f"the scanner moved the slices between time points: they are {count} volumes, one a place [motion]"
    )
