"""Decimal Strings: 16 characters, rounded to the side that is asked for."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomarray.dicom import decimal_strings

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(FINITE)
def test_never_longer_than_the_standard_allows(value):
    """Every rounding gives 16 characters or fewer, of those that a DS may hold."""
    for text in (
        decimal_strings.nearest(value),
        decimal_strings.at_least(value),
        decimal_strings.at_most(value),
    ):
        assert 1 <= len(text) <= 16
        assert set(text) <= set("0123456789+-.E")


@given(FINITE)
def test_rounds_to_the_side_asked_for(value):
    """at_least is not below the number, at_most not above it, nearest in between."""
    low, high = Decimal(decimal_strings.at_most(value)), Decimal(decimal_strings.at_least(value))
    assert float(low) <= value <= float(high)
    assert low <= Decimal(decimal_strings.nearest(value)) <= high


@given(st.integers(-(10**14), 10**14))
def test_whole_numbers_stay_exact(value):
    """Integers that fit are written as they are."""
    assert decimal_strings.nearest(float(value)) == str(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (1e300, "1E+300"),
        (-1024.5, "-1024.5"),
    ],
)
def test_shortest_exact_form(value, text):
    """Numbers with a short exact form get that one."""
    assert decimal_strings.nearest(value) == text
