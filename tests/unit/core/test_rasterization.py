"""Loops go around labels and lead back to them, voxel by voxel; what they cover in part is exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from shapely.geometry import Polygon, box

from dicomarray.core.rasterization.filling import covered, occupancy
from dicomarray.core.rasterization.keyholes import with_keyholes
from dicomarray.core.rasterization.loops import Loops
from dicomarray.core.rasterization.nesting import nesting, summed
from dicomarray.core.rasterization.tracing import edge_loops, smooth_loops
from dicomarray.errors import SegmentationError

SHAPE = (20, 24)

images = arrays.arrays(
    np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9), elements=st.integers(0, 3)
)
FORMS = {
    "edges": edge_loops,
    "smooth": lambda image: smooth_loops(edge_loops(image)),
    "keyholes": lambda image: with_keyholes(edge_loops(image)),
    "smooth keyholes": lambda image: with_keyholes(smooth_loops(edge_loops(image))),
}


def in_one_plane(loops: Loops) -> Loops:
    """The same loops, all in plane 0."""
    return Loops(loops.points, loops.starts, np.zeros(len(loops), np.int64))


def filled(loops: Loops, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The voxels of one plane inside an odd number of loops."""
    out = np.zeros(shape, bool)
    for part in covered(in_one_plane(loops), shape):
        out[part.box[1:]] = part.values[0]
    return out


def parts(loops: Loops, shape: tuple[int, int]) -> NDArray[np.float32]:
    """The covered part of each voxel of one plane."""
    out = np.zeros(shape, np.float32)
    signs = nesting(in_one_plane(loops), shape[0], 8).signs
    for part in occupancy(in_one_plane(loops), signs, shape):
        out[part.box[1:]] = part.values[0]
    return out


def square(top: float, side: float, bottom: float, right: float) -> NDArray[np.float64]:
    """A loop around the voxels from row ``top`` to before ``bottom``, and so on."""
    return np.array([[top, side], [top, right], [bottom, right], [bottom, side]], float) - 0.5


def together(*loops: NDArray[np.float64]) -> Loops:
    """Loops in one plane."""
    return Loops.of(loops, [0] * len(loops))


@pytest.mark.parametrize("form", FORMS)
@given(image=images)
@settings(max_examples=150, deadline=None)
def test_loops_lead_back_to_the_labels(form: str, image: NDArray[Any]) -> None:
    """Holes, islands, touching corners, single voxels and the image's edge come back in every form."""
    loops = FORMS[form](image)
    out = np.zeros_like(image)
    for label in np.unique(loops.labels):
        out[filled(loops.chosen(loops.labels == label), image.shape)] = label
    np.testing.assert_array_equal(out, image)


@given(image=images)
@settings(max_examples=150, deadline=None)
def test_loops_are_simple_and_have_corners_only(image: NDArray[Any]) -> None:
    """No loop passes a point twice, and each edge is at a right angle to the one before it."""
    for loop in edge_loops(image):
        assert len({tuple(point) for point in loop}) == len(loop)
        level = (np.roll(loop, -1, axis=0) - loop)[:, 0] == 0
        assert (level != np.roll(level, 1)).all()


@given(image=images)
@settings(max_examples=100, deadline=None)
def test_loops_along_edges_cover_voxels_whole(image: NDArray[Any]) -> None:
    """Covered parts are 1 inside and 0 outside, holes and islands too."""
    loops = edge_loops(image)
    one = loops.chosen(loops.labels == 1)
    np.testing.assert_allclose(parts(one, image.shape), image == 1, atol=1e-6)


def test_diagonal_neighbours_are_in_loops_of_their_own() -> None:
    """Two voxels that touch in a corner are two squares."""
    loops = edge_loops(np.array([[1, 0], [0, 1]], np.uint8))
    assert [len(loop) for loop in loops] == [4, 4]


def test_holes_that_touch_in_a_corner_are_two_loops() -> None:
    """A hole of two diagonal voxels is two squares inside, and no figure of eight."""
    image = np.ones((4, 4), np.uint8)
    image[1, 1] = image[2, 2] = 0
    assert sorted(edge_loops(image).areas().tolist()) == [-1, -1, 16]


def test_keyholes_leave_no_loop_inside_another() -> None:
    """Two holes and an island in one of them: two loops, whose areas are those of the voxels."""
    image = np.zeros(SHAPE, np.uint8)
    image[1:18, 1:22] = 1
    image[3:10, 3:12] = image[12:15, 5:8] = 0
    image[5:7, 5:7] = 1
    loops = with_keyholes(edge_loops(image))
    assert len(loops) == 2
    assert loops.areas().sum() == np.count_nonzero(image)


def test_smooth_loops_have_fewer_points() -> None:
    """A disc needs half as many points, and encloses much the same."""
    rows, columns = np.ogrid[:64, :64]
    image = ((rows - 31) ** 2 + (columns - 33) ** 2 < 25**2).astype(np.uint8)
    edges, smooth = FORMS["edges"](image), FORMS["smooth"](image)
    assert len(smooth.points) < 0.7 * len(edges.points)
    assert smooth.areas().sum() == pytest.approx(np.count_nonzero(image), rel=0.03)


polygons = st.lists(
    st.tuples(st.floats(-3, SHAPE[0] + 2), st.floats(-3, SHAPE[1] + 2)), min_size=3, max_size=12, unique=True
)


@given(points=polygons)
@settings(max_examples=100, deadline=None)
def test_covered_parts_are_those_of_shapely(points: list[tuple[float, float]]) -> None:
    """Polygons in any place, partly outside of the image: the area in each voxel, as shapely has it."""
    hull = Polygon(points).convex_hull
    if hull.geom_type != "Polygon" or hull.area < 1e-3:
        return
    loop = np.round(np.array(hull.exterior.coords)[:-1], 5)
    hull = Polygon(loop)
    found = parts(together(loop), SHAPE)
    expected = [
        [box(r - 0.5, c - 0.5, r + 0.5, c + 0.5).intersection(hull).area for c in range(SHAPE[1])]
        for r in range(SHAPE[0])
    ]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_loop_inside_another_is_a_hole_and_one_in_that_an_island() -> None:
    """Signs alternate from outside to inside, whichever way the loops run."""
    loops = together(square(0, 0, 10, 10), square(2, 2, 8, 8)[::-1], square(3, 3, 5, 5))
    said = nesting(loops, 20)
    assert said.signs.tolist() == [1, -1, 1]
    assert not len(said.partial)
    assert not len(said.twice)


@pytest.mark.parametrize(
    "other",
    [square(0, 10, 10, 12), square(10, 0, 12, 10), square(12, 12, 14, 14), square(10, 10, 12, 12)],
    ids=["shares a side", "shares a level side", "lies apart", "touches in a corner"],
)
def test_neighbours_do_not_overlap(other: NDArray[np.float64]) -> None:
    """Both add what they enclose, and nothing is told."""
    said = nesting(together(square(0, 0, 10, 10), other), 20)
    assert said.signs.tolist() == [1, 1]
    assert not len(said.partial)


def test_a_loop_that_is_drawn_twice_counts_once() -> None:
    """Even where it starts elsewhere and runs the other way."""
    loops = together(square(0, 0, 10, 10), np.roll(square(0, 0, 10, 10)[::-1], 1, axis=0))
    said = nesting(loops, 20)
    assert said.twice.tolist() == [0]
    assert np.count_nonzero(summed(loops, said.signs, SHAPE)) == 100


def test_loops_that_overlap_in_part_are_joined() -> None:
    """What both enclose is inside, and the plane is told."""
    loops = together(square(0, 0, 10, 10), square(5, 5, 15, 15))
    said = nesting(loops, 20)
    assert said.partial.tolist() == [0]
    assert np.count_nonzero(summed(loops, said.signs, SHAPE)) == 175


def test_a_hole_that_sticks_out_a_little_stays_a_hole() -> None:
    """A hole drawn by a twentieth beyond the border is a hole, and told."""
    loops = together(square(0, 0, 20, 10), square(-1, 2, 18, 8))
    said = nesting(loops, 20)
    assert np.count_nonzero(summed(loops, said.signs, SHAPE)) == 200 - 18 * 6


@pytest.mark.parametrize("shift", [(0.5, 0.0), (0.0, -0.5), (0.5, 0.5)])
def test_rounding_of_numbers_decides_nothing(shift: tuple[float, float]) -> None:
    """Of loops through centres of voxels those are inside that have the loop at their right or below."""
    image = np.random.default_rng(4).integers(0, 2, SHAPE)
    image[[0, -1]], image[:, [0, -1]] = 0, 0
    loops = edge_loops(image)
    noise = np.random.default_rng(5).uniform(-5e-3, 5e-3, loops.points.shape)
    rounded = Loops(loops.points + shift + noise, loops.starts, loops.labels)
    down, right = (-1 if step < 0 else 0 for step in shift)
    np.testing.assert_array_equal(filled(rounded, SHAPE), np.roll(image, (down, right), (0, 1)) > 0)


def test_loops_far_outside_cover_nothing() -> None:
    """Left, right, above and below of the image."""
    for loop in (square(0, -30, 9, -20), square(0, 60, 9, 70), square(-30, 0, -20, 9), square(90, 0, 99, 9)):
        assert not filled(together(loop), SHAPE).any()
        assert not parts(together(loop), SHAPE).any()


def test_a_loop_around_everything_covers_everything() -> None:
    """A loop larger than the image is cut at its edges."""
    loops = together(square(-40, -30, 90, 80))
    assert filled(loops, SHAPE).all()
    assert (parts(loops, SHAPE) == 1).all()


def test_too_many_edges_to_compare_are_refused() -> None:
    """Zigzags over all rows, a million times, take no memory for their crossings."""
    rows = np.tile([0.0, 5000.0], 20_000)
    zigzag = np.column_stack([rows, np.linspace(0, 9, len(rows))])
    with pytest.raises(SegmentationError, match="cross more lines"):
        nesting(together(zigzag, zigzag + 1), 5000)
