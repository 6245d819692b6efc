"""What a picture consists of before it is drawn: panels in strips, and the text about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Panel:
    """One plane, ready to be scaled.

    ``pixels`` is (rows, columns) or (rows, columns, 3), uint8, row 0 at the top; ``size`` is (height,
    width) in mm, or in voxels where there is no geometry; ``edges`` are the letters at the left, right,
    top and bottom edge.
    """

    title: str
    pixels: NDArray[np.uint8]
    size: tuple[float, float]
    edges: tuple[str, str, str, str] | None = None


@dataclass(frozen=True, eq=False)
class Bar:
    """What colours mean: ``colours`` (n, 3), uint8, from the lower to the upper end."""

    colours: NDArray[np.uint8]
    lower: str
    upper: str


@dataclass(frozen=True, eq=False)
class Strip:
    """A row of panels with a heading; the bar says which values the greys stand for."""

    heading: str
    panels: tuple[Panel, ...]
    bar: Bar | None = None


@dataclass(frozen=True, eq=False)
class Sheet:
    """Strips from top to bottom, then caption lines, then notes that must not be overlooked."""

    strips: tuple[Strip, ...]
    caption: tuple[str, ...]
    notes: tuple[str, ...] = ()
