"""Which Instance Numbers stay: those from which readers tell the repetitions as the array has them."""

import numpy as np
import pytest

from dicomarray.objects.derived_image.plan import instance_numbers

COUNT = np.arange(1, 13)  # 3 repetitions of 4 slices


@pytest.mark.parametrize(
    "numbers",
    [
        COUNT.reshape(3, 4),
        COUNT.reshape(3, 4)[:, ::-1],  # slices are counted downwards
        COUNT.reshape(4, 3).T,  # slice by slice
        COUNT.reshape(4, 3)[::-1].T,
        COUNT.reshape(3, 4)[:, [2, 0, 3, 1]],  # interleaved slices
        COUNT.reshape(3, 4) * 5,  # as of a cropped series
    ],
)
def test_numbers_that_run_stay(numbers):
    """Repetition by repetition or slice by slice, whatever the order of slices, gaps allowed."""
    assert instance_numbers([str(number) for number in numbers.ravel()], 3) == [None] * 12


@pytest.mark.parametrize(
    "numbers",
    [
        np.random.default_rng(1).permutation(COUNT).reshape(3, 4),
        COUNT.reshape(3, 4)[::-1],  # repetitions in another order than the array's
        COUNT.reshape(4, 3).T[[1, 0, 2]],
        np.where(COUNT == 5, 1, COUNT).reshape(3, 4),  # one twice
    ],
)
def test_others_are_counted_anew(numbers):
    """They are numbered 1..N, repetition by repetition."""
    assert instance_numbers([str(number) for number in numbers.ravel()], 3) == list(range(1, 13))


@pytest.mark.parametrize("odd", ["", "x", "1.5", "9" * 30])
def test_odd_numbers_of_repetitions_are_counted_anew(odd):
    """What is no number of VR IS has no order."""
    found = [str(number) for number in COUNT]
    assert instance_numbers([*found[:-1], odd], 3) == list(range(1, 13))


def test_one_repetition_keeps_any_order():
    """Slices are told by their positions."""
    assert instance_numbers(["3", "1", "2"]) == [None] * 3
    assert instance_numbers(["3", "3", "2"]) == [1, 2, 3]
