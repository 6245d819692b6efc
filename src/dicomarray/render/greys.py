"""Which grey or colour a value is drawn in; NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicomarray.core.pixel_values import Array
from dicomarray.core.volume_info import NORMALIZED

# The window, in percent of the values shown.  Few voxels are bright (metal, vessels, fat near a coil), and
# one of them alone must not darken the picture; the dark end is mostly air and needs less care.
LOWER_PERCENTILE, UPPER_PERCENTILE = 1.0, 99.5
# The least value is taken for padding or emptied background, and does not count for the window, where at
# least this part of what is shown has exactly this value.
BACKGROUND_FRACTION = 0.01
# So many values or fewer are numbers of things, labels for one: none of them is background or too bright.
FEW_VALUES = 32
# A difference below 0, of 0 and above 0: blue and orange, which the colour-blind tell apart.
DIFFERENCE_COLOURS = ((70, 160, 255), (12, 13, 16), (255, 150, 50))


@dataclass(frozen=True, slots=True)
class Window:
    """The values drawn black and white."""

    lower: float
    upper: float

    @property
    def is_one_value(self) -> bool:
        """Whether it is that of an image without contrast, of which no bar of greys says anything."""
        return self.lower == self.upper


def window_of(planes: list[Array]) -> Window | None:
    """The window of what is shown, or None for colour, which has none."""
    if planes[0].ndim == 3:
        return None
    values = np.concatenate([plane.ravel() for plane in planes]).astype(np.float64)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return Window(0.0, 1.0)
    lowest = values.min()
    above = values[values > lowest]
    background = values.size - above.size >= BACKGROUND_FRACTION * values.size
    counted = above if background and above.size else values
    lower, upper = (float(v) for v in np.percentile(counted, (LOWER_PERCENTILE, UPPER_PERCENTILE)))
    few = lower == counted.min() and np.unique(counted).size <= FEW_VALUES
    if few or lower == upper:  # labels, or a few bright voxels on nothing: everything there is
        lower, upper = float(lowest), float(values.max())
    return Window(lower, upper)


def grey(values: Array, window: Window) -> NDArray[np.uint8]:
    """Values as greys, same shape; what is not a number is drawn black."""
    width = window.upper - window.lower
    if width == 0:
        return np.where(np.isfinite(values), np.uint8(128), np.uint8(0))
    scaled = np.nan_to_num((values.astype(np.float64) - window.lower) / width, nan=0.0, posinf=1, neginf=0)
    return np.asarray(np.round(np.clip(scaled, 0, 1) * 255).astype(np.uint8))


def colour(values: Array, units: str) -> NDArray[np.uint8]:
    """(rows, columns, 3), uint8: integers over the range of their type, normalized ones over [0, 1]."""
    if values.dtype == np.uint8:
        return np.asarray(values)
    full = 1.0 if units == NORMALIZED else 255.0
    if values.dtype.kind == "u":
        full = float(np.iinfo(values.dtype).max)
    return grey(values, Window(0.0, full))


def difference_colours(parts: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(..., 3), uint8, of numbers in [-1, 1]; NaN is drawn as no difference."""
    parts = np.nan_to_num(parts)[..., None]
    less, none, more = (np.array(colour, float) for colour in DIFFERENCE_COLOURS)
    end = np.where(parts < 0, less, more)
    return np.asarray(np.round(none + np.abs(parts) * (end - none)).astype(np.uint8))
