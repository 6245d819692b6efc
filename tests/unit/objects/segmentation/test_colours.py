"""Colours of segments as CIELab."""

from __future__ import annotations

import itertools

import pytest

from dicomarray.objects.segmentation.colours import to_lab, to_rgb


@pytest.mark.parametrize("colour", list(itertools.product((0, 1, 100, 254, 255), repeat=3)))
def test_colours_come_back(colour: tuple[int, int, int]) -> None:
    """Red, green and blue are the same after CIELab."""
    assert to_rgb(to_lab(colour)) == colour


def test_white_and_black_are_where_the_standard_has_them() -> None:
    """L* is 0 and 100; a* and b* are 0, which is just above half of the range (PS3.3 C.10.7.1.1)."""
    assert to_lab((0, 0, 0)) == (0, 32896, 32896)
    assert to_lab((255, 255, 255))[0] >= 65534
