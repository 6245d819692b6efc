"""Volumes by number: what is kept is bounded, what fails is raised, skipped or counted."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from dicomarray import DataError, UsageError, index, load, to_seg
from dicomarray.adapters.sampling import ByteCache, Volumes
from dicomarray.assembly.options import ReadOptions
from synthetic import stored_values, two_time_points, write_series


def volumes_of(source: Path, errors: str = "raise", cache_bytes: int = 1 << 20) -> Volumes:
    return Volumes(source, None, ReadOptions(), errors, cache_bytes)  # type: ignore[arg-type]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A CT and a series with two time points."""
    write_series(tmp_path / "archive" / "ct", stored_values())
    two_time_points(tmp_path / "archive" / "mr")
    return tmp_path / "archive"


def test_a_folder_and_its_index_hold_the_same_volumes(archive: Path, tmp_path: Path) -> None:
    """An index file is known by its content."""
    index(archive, tmp_path / "archive.index")
    here, indexed = volumes_of(archive), volumes_of(tmp_path / "archive.index")
    assert [item.shape for item in here.items] == [item.shape for item in indexed.items]
    for number in range(2):
        np.testing.assert_array_equal(here.whole(number)[0], indexed.whole(number)[0])


def test_slices_lie_where_they_do_in_the_volume(archive: Path) -> None:
    """Array and affine of a part are those of the whole, with what was kept before or without it."""
    volumes, whole = volumes_of(archive), load(archive / "ct")
    number = next(n for n, item in enumerate(volumes.items) if item.shape[0] == 1)
    for wanted in (range(1, 3), range(0, 4), range(2, 3)):
        array, geometry = volumes.slices(number, wanted)
        np.testing.assert_array_equal(array[0], whole.array[wanted.start : wanted.stop])
        assert geometry is not None
        np.testing.assert_allclose(geometry.affine @ [0, 0, 0, 1], whole.affine @ [wanted.start, 0, 0, 1])
        np.testing.assert_allclose(geometry.affine[:3, :3], whole.affine[:3, :3], atol=1e-9)


def test_only_slices_that_are_wanted_and_not_kept_are_read(archive: Path) -> None:
    """Files of others may be gone; of those that are read only some rows and columns are given."""
    volumes, whole = volumes_of(archive), load(archive / "ct").array
    number = next(n for n, item in enumerate(volumes.items) if item.shape[0] == 1)
    volumes.slices(number, range(1, 3))
    files = sorted((archive / "ct").iterdir())
    for file in (files[1], files[2], files[-1]):
        file.unlink()
    array, _ = volumes.slices(number, range(0, 4), slice(2, 5), slice(3, 9))
    np.testing.assert_array_equal(array[0], whole[0:4, 2:5, 3:9])
    with pytest.raises(DataError):
        volumes.slices(number, range(len(whole) - 2, len(whole)))


def test_repetitions_are_channels(archive: Path) -> None:
    """(channel, slice, row, column), whole and in part."""
    volumes, whole = volumes_of(archive), load(archive / "mr")
    number = next(n for n, item in enumerate(volumes.items) if item.shape[0] == 2)
    np.testing.assert_array_equal(volumes.whole(number)[0], whole.array)
    np.testing.assert_array_equal(volumes.slices(number, range(1, 3))[0], whole.array[:, 1:3])


def test_what_was_read_is_not_sent_along(archive: Path) -> None:
    """A pickle holds the names of files, and reads the same."""
    volumes = volumes_of(archive)
    before = len(pickle.dumps(volumes))
    array, _ = volumes.slices(0, range(2))
    assert len(pickle.dumps(volumes)) == before < 4000
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(volumes)).slices(0, range(2))[0], array)


def test_the_cache_keeps_no_more_than_its_limit() -> None:
    """The oldest goes first, and what is larger than all of it is not kept."""
    cache: ByteCache[str] = ByteCache(10)
    for key in "abc":
        cache.put(key, key, 4)
    cache.put("large", "large", 11)
    assert [cache.get(key) for key in ("a", "b", "c", "large")] == [None, "b", "c", None]


def test_errors_are_raised_skipped_or_counted(archive: Path) -> None:
    """A series that cannot be read stops all, is warned of, or is only counted."""
    sorted((archive / "ct").iterdir())[2].unlink()
    with pytest.raises(DataError, match="missing"):
        volumes_of(archive)
    with pytest.warns(UserWarning, match="left out"):
        assert len(volumes_of(archive, "skip").items) == 1
    counted = volumes_of(archive, "count")
    assert len(counted.items) == len(counted.failures) == 1
    with pytest.raises(UsageError, match="raise, skip, count"):
        volumes_of(archive, "ignore")


def test_files_that_changed_since_the_scan_are_not_read(archive: Path) -> None:
    """A slice that is gone is an error, not a smaller volume; another volume takes its place where asked."""
    volumes = volumes_of(archive, "count")
    number = next(n for n, item in enumerate(volumes.items) if item.shape[0] == 1)
    sorted((archive / "ct").iterdir())[0].unlink()
    with pytest.raises(DataError, match="changed"):
        volumes.whole(number)
    (array, _), skipped = volumes.first_readable(number, volumes.whole, 2)
    assert (len(array), skipped, len(volumes.failures)) == (2, 1, 1)


def test_a_segmentation_beside_the_images_is_no_volume(archive: Path, tmp_path: Path) -> None:
    """Its masks are no images to learn from, and no error either; alone there is nothing to read."""
    labels = (load(archive / "ct").array > 0).astype(np.uint8)
    to_seg(labels, archive / "ct", tmp_path / "seg", {1: "liver"})
    assert len(volumes_of(archive).items) == 2
    (tmp_path / "seg").rename(archive / "seg")
    assert len(volumes_of(archive).items) == 2
    with pytest.raises(DataError, match="segmentations only"):
        volumes_of(archive / "seg")
