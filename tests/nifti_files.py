"""NIfTI files for tests: one image in each of the 48 orders and directions of its axes."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
ORDERS = [(order, flips) for order in permutations(range(3)) for flips in product((1, -1), repeat=3)]


def write_nifti(
    path: Path,
    array: NDArray[Any],
    affine: NDArray[np.float64],
    order: Any = (2, 1, 0),
    flips: Any = (1, 1, 1),
) -> Path:
    """An array with axes (slice, row, column), a time axis first or not, and its affine to LPS mm.

    ``order`` says which of (slice, row, column) becomes which axis of the file, ``flips`` which of them run
    the other way there.
    """
    leading = array.ndim - 3
    stored = array.transpose(*(leading + axis for axis in order), *range(leading))
    stored_affine = affine[:, [*order, 3]].copy()
    for axis, flip in enumerate(flips):
        if flip < 0:
            stored = np.flip(stored, axis)
            stored_affine[:3, 3] += stored_affine[:3, axis] * (stored.shape[axis] - 1)
            stored_affine[:3, axis] *= -1
    nibabel.Nifti1Image(np.ascontiguousarray(stored), LPS_TO_RAS @ stored_affine).to_filename(path)
    return path
