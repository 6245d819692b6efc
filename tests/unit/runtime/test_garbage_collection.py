"""Garbage collection while very many objects are made is as before afterwards."""

from __future__ import annotations

import gc

import pytest

from dicomarray.runtime.garbage_collection import young_collections_only


def test_old_objects_are_left_alone_meanwhile() -> None:
    """No full collection, whatever is made; the thresholds come back, after an error too."""
    before, counts = gc.get_threshold(), gc.get_stats()[2]["collections"]
    with pytest.raises(ZeroDivisionError), young_collections_only():
        kept = [[] for _ in range(200_000)]  # type: ignore[var-annotated]
        assert gc.get_stats()[2]["collections"] == counts
        assert gc.get_stats()[0]["collections"] > 0
        len(kept) // 0
    assert gc.get_threshold() == before


def test_scans_at_the_same_time_leave_the_thresholds_as_they_were() -> None:
    """Whichever ends first: one that began while another one ran has nothing to give back."""
    before = gc.get_threshold()
    first, second = young_collections_only(), young_collections_only()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert gc.get_threshold() == before
