"""Words of Image Type that no list knows: kinds where they part each place, never where they come and go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synthetic
from dicomarray import Volume, scan
from dicomarray.errors import GeometryError
from synthetic import write_repetitions

SLICES = (6, 5, 6)
USUAL = ("ORIGINAL", "PRIMARY", "OTHER")
Words = Callable[[int, int], Sequence[str]]


def volumes(folder: Path, **options: Any) -> list[Volume]:
    (series,) = scan(folder)
    return series.volumes(**options)


def written(
    folder: Path,
    count: int,
    words: Words,
    steps: Callable[[int], dict[str, Any]] = lambda _: {},
    without: Sequence[tuple[int, int]] = (),
) -> np.ndarray[Any, Any]:
    """So many images at each place, one repetition after the other; words by repetition and slice."""
    array = synthetic.stored_values((count, *SLICES))
    plan = [(r, z) for r in range(count) for z in range(SLICES[0]) if (r, z) not in without]
    each = [
        {
            "InstanceNumber": r * SLICES[0] + z + 1,
            "ImagePositionPatient": [*synthetic.ORIGIN_MM[:2], 2.5 * z],
            "ImageType": [*USUAL, *words(r, z)],
            **steps(r),
        }
        for r, z in plan
    ]
    pixels = np.stack([array[r, z] for r, z in plan])
    synthetic.write_series(folder, pixels, modality="MR", each=each)
    return array


# --- kinds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["volume", "slice"])
@pytest.mark.parametrize("words", [("A", "B"), ("A", "B", "C"), ((), "B")])
def test_words_that_part_each_place_are_kinds(tmp_path: Path, words: Sequence[str], order: str) -> None:
    """One image at each place for each word, or for the lack of one."""
    array = synthetic.stored_values((len(words), *SLICES))
    steps = [{"ImageType": [*USUAL, *word]} for word in words]
    write_repetitions(tmp_path / "s", array, steps, order=order)
    made = volumes(tmp_path / "s")
    assert len(made) == len(words)
    for volume, expected in zip(made, array, strict=True):
        assert np.array_equal(volume.array, expected)


def test_as_many_images_of_each_word_are_kinds(tmp_path: Path) -> None:
    """Two images with A and one with B at each place are of two kinds."""
    array = written(tmp_path / "s", 3, lambda r, _: ["AAB"[r]])
    two, one = volumes(tmp_path / "s")
    assert np.array_equal(two.array, array[:2])
    assert np.array_equal(one.array, array[2])


@pytest.mark.parametrize("count", [2, 3])
def test_a_slice_missing_of_one_word_is_a_gap(tmp_path: Path, count: int) -> None:
    """B lacks a slice: a volume with a gap, which is refused by default and kept when that is asked for."""
    array = written(tmp_path / "s", count, lambda r, _: ["ABC"[r]], without=[(1, 2)])
    with pytest.raises(GeometryError, match="1 slice is missing"):
        volumes(tmp_path / "s")
    made = volumes(tmp_path / "s", missing="keep")
    assert [len(volume.array) for volume in made] == [6, 5, 6][:count]
    assert np.array_equal(made[1].array, array[1, [0, 1, 3, 4, 5]])


def test_an_image_more_with_a_word_of_its_own_is_a_volume(tmp_path: Path) -> None:
    """One place has a second image, with another word: it is no slice of the others."""
    array = written(tmp_path / "s", 2, lambda r, _: ["AB"[r]], without=[(1, z) for z in range(6) if z != 2])
    whole, single = volumes(tmp_path / "s")
    assert np.array_equal(whole.array, array[0])
    assert np.array_equal(single.array, array[1, [2]])


def test_a_slice_missing_of_contrasts_over_time_mixes_none(tmp_path: Path) -> None:
    """X1 and X2 at three times each, of which one image is missing: no time axis has both."""
    array = written(
        tmp_path / "s",
        6,
        lambda r, _: [f"X{r % 2}"],
        lambda r: {"TemporalPositionIdentifier": r // 2 + 1},
        without=[(5, 5)],
    )
    whole, rest, cut = volumes(tmp_path / "s", missing="keep")
    assert np.array_equal(whole.array, array[::2])
    assert np.array_equal(rest.array, array[[1, 3]])
    assert np.array_equal(cut.array, array[5, :5])


@pytest.mark.parametrize(
    "unsteady", [lambda _, z: z % 2 == 1, lambda r, z: r == z, lambda r, z: (r, z) == (1, 3)]
)
def test_words_that_jitter_do_not_hide_those_that_part(
    tmp_path: Path, unsteady: Callable[[int, int], bool]
) -> None:
    """NORM comes and goes beside A and B: two volumes, whole."""
    array = written(tmp_path / "s", 2, lambda r, z: ["NORM"] * unsteady(r, z) + ["AB"[r]])
    made = volumes(tmp_path / "s")
    assert len(made) == 2
    for volume, expected in zip(made, array, strict=True):
        assert np.array_equal(volume.array, expected)


# --- none -------------------------------------------------------------------------------------------------


def one_volume(folder: Path, array: np.ndarray[Any, Any]) -> None:
    (volume,) = volumes(folder)
    assert np.array_equal(volume.array, array)


@pytest.mark.parametrize("word", ["NORM", "DIS2D", "MFSPLIT"])
def test_counts_that_differ_by_place_are_no_kinds(tmp_path: Path, word: str) -> None:
    """In one image of three here, in two there; nothing but numbers tells time points."""
    one_volume(tmp_path / "s", written(tmp_path / "s", 3, lambda r, z: [word] if r < 1 + z % 2 else []))


def test_a_word_of_one_slice_is_no_kind_of_time_points(tmp_path: Path) -> None:
    """One image of eight has another word: two time points."""
    one_volume(tmp_path / "s", written(tmp_path / "s", 2, lambda r, z: ["A"] if (r, z) == (1, 2) else []))


def test_words_that_no_place_has_two_of_are_no_kinds(tmp_path: Path) -> None:
    """Half of the slices with A and the others with B make one volume."""
    array = written(tmp_path / "s", 1, lambda _, z: ["AB"[z // 3]])
    one_volume(tmp_path / "s", array[0])
    array = written(tmp_path / "t", 2, lambda _, z: ["AB"[z // 3]])
    one_volume(tmp_path / "t", array)


@pytest.mark.parametrize(
    "step",
    [
        lambda r: {"TemporalPositionIdentifier": r + 1},
        lambda r: {"TriggerTime": 40 * r},
        lambda r: {"DiffusionBValue": 500.0 * r},
        lambda r: {"AcquisitionTime": f"12{r:02}00"},
        lambda r: {"AcquisitionDateTime": f"2024010112{r:02}00"},
        lambda r: {"DiffusionBValue": 500.0 * r} if r else {},
    ],
)
@pytest.mark.parametrize("words", [lambda r, _: ["ABC"[r]], lambda r, z: ["NORM"] if (r + z) % 2 else []])
def test_what_times_or_b_values_tell_apart_stays_one(
    tmp_path: Path, words: Words, step: Callable[[int], dict[str, Any]]
) -> None:
    """Words that go with the time point, or differ in the images of a place for no reason."""
    one_volume(tmp_path / "s", written(tmp_path / "s", 3, words, step))


def test_words_of_a_time_do_not_part_contrasts_again(tmp_path: Path) -> None:
    """X1 and X2 at two times, of which the second has NORM: two volumes over time, not four."""
    words = [["X1"], ["X2"], ["X1", "NORM"], ["X2", "NORM"]]
    array = written(
        tmp_path / "s", 4, lambda r, _: words[r], lambda r: {"TemporalPositionIdentifier": r // 2 + 1}
    )
    one, other = volumes(tmp_path / "s")
    assert np.array_equal(one.array, array[::2])
    assert np.array_equal(other.array, array[1::2])
