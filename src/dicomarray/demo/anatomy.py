"""A made-up thorax in Hounsfield units, from the heart to the liver; pure NumPy.

The shapes are ellipsoids, cylinders and branching tubes in patient coordinates (LPS, mm; the origin in
the middle of the body, at the dome of the diaphragm).  Left and right differ everywhere (heart, liver,
stomach, lesion), so that a mirrored picture is seen at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Coordinates = NDArray[np.floating[Any]]
Point = tuple[float, float, float]

# HU of each tissue at 120 kV, after contrast medium.
AIR, LUNG, FAT, SKIN, MUSCLE, HEART, BLOOD = -1000.0, -860.0, -100.0, 20.0, 55.0, 90.0, 170.0
LIVER, SPLEEN, STOMACH, GAS = 110.0, 120.0, 25.0, -980.0
MARROW, CORTEX, LESION, NODULE = 180.0, 620.0, 45.0, 35.0
TABLE_SHELL, TABLE_CORE = -150.0, -920.0

# Half axes of the body in mm, across (left to right) and front to back, and the layers from outside in.
BODY = (168.0, 112.0)
SKIN_MM, FAT_MM, WALL_MM = 2.5, 14.0, 20.0
# Ribs: mm from one to the next, height of one, and how many mm they sink for each mm towards the front.
RIB_STEP, RIB_HEIGHT, RIB_SLOPE = 26.0, 9.0, 0.55
# Where the vessels of each lung begin, and how many branches each has.
HILA: tuple[Point, Point] = ((-38.0, 0.0, 22.0), (40.0, 4.0, 26.0))
BRANCHES = 150


@dataclass(frozen=True, eq=False)
class Grid:
    """The voxel centres of a straight grid in LPS mm, each axis ready for broadcasting.

    ``z`` is (slices, 1, 1), ``y`` (1, rows, 1), ``x`` (1, 1, columns); float32.
    """

    z: Image
    y: Image
    x: Image

    @classmethod
    def of(cls, z: Coordinates, y: Coordinates, x: Coordinates) -> Grid:
        """The grid of three ascending lists of coordinates."""
        z32, y32, x32 = (values.astype(np.float32) for values in (z, y, x))
        return cls(z32[:, None, None], y32[None, :, None], x32[None, None, :])

    def ellipsoid(self, centre: Point, half_axes: Point) -> Mask:
        """Voxels inside an ellipsoid; both points are (x, y, z) in mm."""
        parts = zip((self.x, self.y, self.z), centre, half_axes, strict=True)
        x, y, z = (((axis - c) / np.float32(a)) ** 2 for axis, c, a in parts)
        return np.asarray(x + y + z <= 1)

    def cylinder(self, centre: tuple[float, float], half_axes: tuple[float, float]) -> Mask:
        """Voxels of one slice inside an upright elliptical cylinder, (1, rows, columns)."""
        x = ((self.x - centre[0]) / np.float32(half_axes[0])) ** 2
        y = ((self.y - centre[1]) / np.float32(half_axes[1])) ** 2
        return np.asarray(x + y <= 1)


def thorax(grid: Grid, seed: int) -> Image:
    """HU without noise, (slices, rows, columns), float32; ``seed`` decides on the course of the vessels."""
    hu = np.full((grid.z.size, grid.y.size, grid.x.size), AIR, np.float32)
    _table(hu, grid)
    inside = _body_wall(hu, grid)
    lungs = _organs(hu, grid, inside)
    _vessels(hu, grid, lungs, seed)
    _bones(hu, grid)
    return hu


def _paint(hu: Image, mask: Mask, value: float) -> None:
    hu[np.broadcast_to(mask, hu.shape)] = value


def _table(hu: Image, grid: Grid) -> None:
    """A curved table below the back: a thin shell around light foam."""
    _paint(hu, grid.cylinder((0, 60), (215, 84)) & ~grid.cylinder((0, 46), (215, 84)), TABLE_SHELL)
    _paint(hu, grid.cylinder((0, 57), (212, 84)) & ~grid.cylinder((0, 49), (212, 84)), TABLE_CORE)


def _body_wall(hu: Image, grid: Grid) -> Mask:
    """Skin, fat and muscle; returns what lies within them, (1, rows, columns)."""
    across, deep = BODY
    for depth, value in ((0.0, SKIN), (SKIN_MM, FAT), (FAT_MM, MUSCLE)):
        _paint(hu, grid.cylinder((0, 0), (across - depth, deep - depth)), value)
    for side in (-1, 1):  # the long muscles of the back
        _paint(hu, grid.cylinder((side * 32.0, 78), (26, 17)), MUSCLE)
    inner = FAT_MM + WALL_MM
    inside = grid.cylinder((0, -6), (across - inner, deep - inner + 4))
    _paint(hu, inside, FAT)
    return inside


def _organs(hu: Image, grid: Grid, inside: Mask) -> Mask:
    """Everything within the wall; returns the voxels of the lungs."""
    right = grid.ellipsoid((-68, 2, 62), (62, 82, 130)) & ~grid.ellipsoid((-62, 8, -72), (72, 78, 84))
    left = grid.ellipsoid((70, 4, 62), (60, 80, 130)) & ~grid.ellipsoid((66, 2, -82), (66, 74, 84))
    _paint(hu, right & inside, LUNG)
    _paint(hu, left & inside, LUNG)
    liver = grid.ellipsoid((-56, 0, -66), (76, 72, 78)) | grid.ellipsoid((12, -30, -52), (62, 38, 46))
    _paint(hu, liver & inside, LIVER)
    _paint(hu, grid.ellipsoid((-78, 18, -32), (10, 10, 9)) & inside, LESION)
    _paint(hu, grid.ellipsoid((62, -8, -66), (42, 44, 62)) & inside, STOMACH)
    gas = grid.ellipsoid((62, -8, -66), (38, 40, 58)) & (grid.y < -22)
    _paint(hu, gas & inside, GAS)
    _paint(hu, grid.ellipsoid((88, 44, -62), (30, 26, 54)) & inside, SPLEEN)
    heart = grid.ellipsoid((24, -26, 34), (56, 46, 44))
    _paint(hu, heart & inside, FAT)
    _paint(hu, grid.ellipsoid((24, -26, 34), (52, 42, 41)) & inside, HEART)
    _paint(hu, grid.ellipsoid((40, -22, 30), (24, 21, 27)) & inside, BLOOD)
    _paint(hu, grid.ellipsoid((-4, -34, 36), (20, 22, 26)) & inside, BLOOD)
    _paint(hu, grid.cylinder((16, 46), (13, 13)), BLOOD)
    _paint(hu, grid.cylinder((-2, 34), (7, 6)), MUSCLE)
    _paint(hu, grid.cylinder((-22, 8), (11, 9)), BLOOD)
    lungs = np.asarray(hu == LUNG)
    _paint(hu, grid.ellipsoid((84, 28, 34), (7, 7, 7)) & lungs, NODULE)
    return lungs


def _vessels(hu: Image, grid: Grid, lungs: Mask, seed: int) -> None:
    """Tubes from the root of each lung outwards, thinner the further they go; only within the lung."""
    random = np.random.default_rng(seed)
    for hilum in HILA:
        for start, end, radius in _branches(random, np.array(hilum)):
            _tube(hu, grid, lungs, start, end, radius)


def _branches(
    random: np.random.Generator, hilum: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64], float]]:
    """Start, end (mm) and radius (mm at the start) of every tube of one lung."""
    outwards = np.sign(hilum[0])
    for _ in range(BRANCHES // 5):
        way = np.array([outwards * random.uniform(8, 42), random.uniform(-40, 50), random.uniform(-45, 40)])
        fork, radius = hilum + way, random.uniform(2.2, 3.8)
        yield hilum, fork, radius
        for _ in range(4):
            further = np.array([outwards * random.uniform(4, 34), *random.uniform(-32, 32, 2)])
            yield fork, fork + further, radius * 0.6


def _tube(
    hu: Image,
    grid: Grid,
    lungs: Mask,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    radius: float,
) -> None:
    """Paint a tube that thins to a third of its radius, looking only at the box around it."""
    axes = (grid.z.ravel(), grid.y.ravel(), grid.x.ravel())
    lower, upper = np.minimum(start, end)[::-1] - radius, np.maximum(start, end)[::-1] + radius
    box = tuple(
        slice(*np.searchsorted(axis, (low, high))) for axis, low, high in zip(axes, lower, upper, strict=True)
    )
    z, y, x = grid.z[box[0]], grid.y[:, box[1]], grid.x[:, :, box[2]]
    way = (end - start).astype(np.float32)
    offset = (x - np.float32(start[0]), y - np.float32(start[1]), z - np.float32(start[2]))
    along = np.clip(sum(o * w for o, w in zip(offset, way, strict=True)) / (way @ way), 0, 1)
    apart = sum((o - along * w) ** 2 for o, w in zip(offset, way, strict=True))
    inside = apart <= (radius * (1 - along * 2 / 3)) ** 2
    part = hu[box]
    part[inside & lungs[box]] = BLOOD


def _bones(hu: Image, grid: Grid) -> None:
    """Spine with canal and processes, breast bone and ribs that sink towards the front."""
    across, deep = BODY[0] - FAT_MM, BODY[1] - FAT_MM
    wall = grid.cylinder((0, -2), (across - 6, deep - 5)) & ~grid.cylinder((0, -2), (across - 16, deep - 15))
    height = np.mod(grid.z - RIB_SLOPE * (grid.y - 90), np.float32(RIB_STEP)) - np.float32(RIB_STEP / 2)
    ribs = wall & (np.abs(height) < RIB_HEIGHT / 2) & (grid.y < 78)
    core = grid.cylinder((0, -2), (across - 8.5, deep - 7.5)) & ~grid.cylinder(
        (0, -2), (across - 13.5, deep - 12.5)
    )
    _paint(hu, ribs, CORTEX)
    _paint(hu, ribs & core & (np.abs(height) < RIB_HEIGHT / 2 - 2), MARROW)
    _paint(hu, grid.cylinder((0, -90), (20, 6)), CORTEX)
    _paint(hu, grid.cylinder((0, -90), (17, 3.5)), MARROW)
    disc = np.mod(grid.z, np.float32(28.0)) < 6
    _paint(hu, grid.cylinder((0, 56), (22, 17)), CORTEX)
    _paint(hu, grid.cylinder((0, 56), (20, 15)), MARROW)
    _paint(hu, grid.cylinder((0, 56), (22, 17)) & disc, MUSCLE + 30)
    _paint(hu, (grid.cylinder((0, 88), (5, 16)) | grid.cylinder((0, 79), (26, 6))) & ~disc, CORTEX)
    _paint(hu, grid.cylinder((0, 79), (9, 8)), FAT + 120)
