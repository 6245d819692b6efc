"""GE's protocol and user-defined data: whatever the bytes are, a setting, an order of slices or nothing."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomarray.dicom.ge_protocol import Epi, group_delay, is_flipped, protocol_settings, slice_times
from vendor_headers import ge_protocol, ge_user_data

FUNCTIONAL = Epi(
    "epiRT", "EPI", "27\\LX\\MR Software release:DV26.0_R01_1725.a", "DISCOVERY MR750", 0.0, True
)


def test_settings_are_found_by_name() -> None:
    """With the length in front of the packed text or without it, as software of different age writes it."""
    block = ge_protocol(IOPT="EPI, FMRI", SLICEORDER=1)
    expected = {"POSITION": "Supine", "IOPT": "EPI, FMRI", "SLICEORDER": "1"}
    assert protocol_settings(block) == protocol_settings(block[4:]) == expected
    assert protocol_settings(gzip.compress(b'set SLICEORDER "0"\n')) == {"SLICEORDER": "0"}


def test_slices_are_acquired_alternately_or_in_order() -> None:
    """By what the protocol says, over the time that all of them take."""
    alternately = slice_times({"IOPT": "FMRI", "SLICEORDER": "1"}, FUNCTIONAL, 5, 5.0, 1)
    assert alternately == [0, 3, 1, 4, 2]
    assert slice_times({"IOPT": "FMRI", "SLICEORDER": "0"}, FUNCTIONAL, 5, 5.0, 1) == [0, 1, 2, 3, 4]
    assert slice_times({"IOPT": "FMRI", "SLICEORDER": "0"}, FUNCTIONAL, 6, 3.0, 2) == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("bands", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("slices", [1, 2, 5, 12])
def test_every_slice_has_a_time_within_the_volume(slices: int, bands: int) -> None:
    """However many are excited together."""
    times = slice_times({"IOPT": "FMRI", "SLICEORDER": "1"}, FUNCTIONAL, slices, 2.0, bands)
    assert len(times) == slices and all(0 <= time < 2 for time in times)


@given(st.binary(max_size=200), st.integers(0, 1100))
@settings(max_examples=60, deadline=None)
def test_any_bytes_say_something_or_nothing(noise: bytes, place: int) -> None:
    """Damage is no error: what it hides is not said."""
    data, block = bytearray(ge_user_data(4, 0)), bytearray(ge_protocol(DELACQNOAV="1e999", IOPT="MPh"))
    for content in (data, block):
        content[place % len(content) : place % len(content) + len(noise)] = noise
        assert is_flipped(bytes(content)) in (True, False, None)
        found = protocol_settings(bytes(content))
        assert group_delay(found, Epi("epi", "EPI", "", "", 0.0, False)) >= 0
        slice_times(found, FUNCTIONAL, 4, 1.0, 1)


def test_a_text_that_would_fill_the_memory_is_not_unpacked_whole() -> None:
    """What was packed by a thousand is cut."""
    assert len(str(protocol_settings(gzip.compress(b'A "b"\n' * 4_000_000)))) < 100
