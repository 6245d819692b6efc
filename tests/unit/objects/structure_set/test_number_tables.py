"""Tables of numbers in text: as many decimals as asked for, and read to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from dicomarray.objects.structure_set.number_tables import joined, numbers_of, padded_texts


def as_floats(text: bytes) -> np.ndarray:
    return np.array([float(part) for part in text.split(b"\\")])


@pytest.mark.parametrize("digits", [0, 1, 3, 9])
def test_numbers_come_back_from_their_text_as_float_reads_it(digits: int) -> None:
    """Text has no needless zero, and is read equal to the last bit, signs of zeros too."""
    numbers = np.random.default_rng(digits).normal(0, 300, 40_000).round(digits)
    text, ends = joined([padded_texts(numbers[:300], digits), padded_texts(numbers[300:600], digits)])
    assert len(ends) == 600
    numbers = numbers[:600].reshape(2, 300).T.reshape(-1)  # one of each by turns
    assert ends[-1] == len(text) - 1
    assert not any(part.endswith(b"0") and b"." in part for part in text.split(b"\\"))
    found = numbers_of(text[:-1])
    assert found is not None
    assert found.tobytes() == as_floats(text[:-1]).tobytes()
    assert np.abs(found - numbers).max() < 1e-9


@pytest.mark.parametrize(
    "text",
    [
        b"1\\-2.5\\.5\\5.\\+3\\-0\\0",
        b" 1 \\2e3\\-1E-3",
        b"12345678901234567890\\0.1234567890123456\\-0.00000000000001",
        b"123456789012345\\.123456789012345\\00000000000000001",
        b"-123.456789012345\\99999999999999999.5",
    ],
)
def test_every_spelling_of_a_number_is_read_as_float_reads_it(text: bytes) -> None:
    """Exponents, spaces, leading zeros and more digits than usual are numbers too."""
    found = numbers_of(text)
    assert found is not None
    assert found.tobytes() == as_floats(text).tobytes()


@pytest.mark.parametrize(
    "part", [b"", b"-", b".", b"1-2", b"--1", b"1.2.3", b"1_0", b"nan", b"inf", b"0x1", b"1\x00", b"+"]
)
def test_what_is_no_number_is_not_taken_for_one(part: bytes) -> None:
    """One part that is none makes the table none, what float takes and DICOM does not included."""
    assert numbers_of(b"1\\" + part) is None
    assert numbers_of(part + b"\\1") is None
