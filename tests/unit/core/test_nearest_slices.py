"""Which slice is nearest to a place: one rule for masks, contours and images."""

from __future__ import annotations

import numpy as np
import pytest

from dicomarray.core.geometry import StackGeometry
from dicomarray.core.nearest import nearest_slices


@pytest.mark.parametrize("far", [0.0, 1234.567])
@pytest.mark.parametrize("descending", [False, True])
def test_halfway_between_two_slices_it_is_the_lower_one(far: float, descending: bool) -> None:
    """Wherever the patient lies, in whichever order the slices are, and however halves are rounded."""
    distances = far + np.array([0.0, 2.5, 5.0, 9.0])
    order = np.arange(4)[:: -1 if descending else 1]
    grid = StackGeometry(
        np.array([1.0, 0, 0]),
        np.array([0, 1.0, 0]),
        (1.0, 1.0),
        np.column_stack([np.zeros((4, 2)), distances[order]]),
        2.5,
        None,
    )
    places = far + np.array([-4, 0.2, 1.25, 1.25 + 1e-9, 1.26, 7, 8, 30])
    found, off = nearest_slices(grid, places)
    assert order[found].tolist() == [0, 0, 0, 0, 1, 2, 3, 3]
    np.testing.assert_allclose(off, [4, 0.2, 1.25, 1.25, 1.24, 2, 1, 21], atol=1e-8)
