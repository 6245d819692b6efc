"""Random label maps go onto every series that can be read, as every kind of masks, and come back equal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import corpus
import dicomarray
from dicomarray import DicomArrayError, Segment, Segmentation, TemplateError, Volume
from real_series import FOLDERS
from synthetic import stored_values, write_series

COUNTS = (1, 5, 104)
KINDS = ("binary", "labelmap", "structure set")
SAGITTAL, OBLIQUE, MIRRORED = (0, 1, 0, 0, 0, -1), (0.8, 0.6, 0, -0.36, 0.48, 0.8), (-1, 0, 0, 0, 1, 0)
UNEVEN = (0.0, 2.0, 4.0, 7.0, 10.0, 14.5)
# Noise in windows of so many slices, rows and columns: at the first and last corner, and between them.
WINDOW = (4, 12, 12)
# Of places that were written with three decimals, and of slices evenly between them.
ROUNDING_MM = 1e-3
# Without a place or a Frame of Reference contours lie nowhere.
UNPLACED = {"cine", "class_SC", "ct-oblique-simpleitk"}


def labels_of(volume: Volume, count: int) -> NDArray[np.uint8]:
    """Noise of so many labels, each of them there, that touches every face of the volume."""
    chance = np.random.default_rng(count)
    first = volume.info.slice_axis
    shape = volume.array.shape[first : first + 3]
    labels = np.zeros(shape, np.uint8)
    for share in (0.0, 0.5, 1.0):
        starts = [int(share * max(0, side - most)) for side, most in zip(shape, WINDOW, strict=True)]
        window = labels[tuple(slice(at, at + most) for at, most in zip(starts, WINDOW, strict=True))]
        window[:] = chance.integers(0, count + 1, window.shape)
    inside = np.flatnonzero(labels)
    labels.flat[chance.choice(inside, count, replace=False)] = np.arange(1, count + 1)
    return labels


def segments(count: int) -> list[Segment]:
    """So many segments, coded alike."""
    category = ("123037004", "SCT", "Anatomical Structure")
    code = ("10200004", "SCT", "Liver")
    return [Segment(number, f"part {number}", category, code) for number in range(1, count + 1)]


def there_and_back(volume: Volume, count: int, kind: str, output: Path) -> None:
    """Masks of a volume are written, and read on its images and, where they have one, on their own grid."""
    labels, named = labels_of(volume, count), segments(count)
    if kind == "structure set":
        report = dicomarray.to_rtstruct(labels, volume, output, named)
    else:
        report = dicomarray.to_seg(labels, volume, output, named, kind)
        check_own_grid(dicomarray.load_segmentation(report.files[0]), volume, labels)
    read = dicomarray.load_segmentation(report.files[0], on=volume)
    np.testing.assert_array_equal(read.labels, labels)
    if volume.geometry is not None:
        np.testing.assert_array_equal(read.geometry.slice_positions, volume.geometry.slice_positions)
    assert [segment.label for segment in read.segments] == [segment.label for segment in named]


def check_own_grid(own: Segmentation, volume: Volume, labels: NDArray[np.uint8]) -> None:
    """A segmentation alone knows nothing of images without masks; its slices are where their images are."""
    slices, there = np.arange(own.shape[0]), np.ones(own.shape[0], bool)
    if own.geometry is not None:
        away = np.abs(own.geometry.distances[:, None] - volume.geometry.distances)
        slices, there = away.argmin(axis=1), away.min(axis=1) < ROUNDING_MM  # the others lie in gaps
        lie = own.geometry.slice_positions[there], volume.geometry.slice_positions[slices[there]]
        np.testing.assert_allclose(*lie, atol=ROUNDING_MM)
    np.testing.assert_array_equal(own.labels[there], labels[slices[there]])
    assert not own.labels[~there].any()
    assert np.count_nonzero(own.labels) == np.count_nonzero(labels)


def check(volumes: Iterable[tuple[str, Volume]], folder: Path) -> None:
    """Every volume carries every kind of masks and every count of segments, all pairs of them in turn."""
    wrong, carried = [], set()
    for index, (name, volume) in enumerate(volumes):
        for number, kind in enumerate(KINDS):
            count = COUNTS[(index + number) % len(COUNTS)]
            try:
                there_and_back(volume, count, kind, folder / str(index) / kind)
            except (AssertionError, DicomArrayError) as problem:
                if not (kind == "structure set" and name in UNPLACED and isinstance(problem, TemplateError)):
                    wrong.append(f"{name}, {kind} of {count}: {type(problem).__name__}: {problem}"[:500])
            else:
                carried.add((kind, count))
    assert wrong == []
    assert len(carried) == len(KINDS) * len(COUNTS)


def different(volumes: Iterable[tuple[str, Volume]]) -> Iterator[tuple[str, Volume]]:
    """One volume of each class of images, grid and axes."""
    seen = set()
    for name, volume in volumes:
        place = None
        if (grid := volume.geometry) is not None:
            place = grid.affine.round(6).tobytes(), grid.slice_positions.round(6).tobytes()
        kind = volume.metadata["series"].get("SOPClassUID"), volume.axes, volume.array.shape, place
        if kind not in seen:
            seen.add(kind)
            yield name, volume


def test_every_hand_made_series(tmp_path: Path) -> None:
    """Tilted, uneven, with gaps, oblique, enhanced, tiles, repetitions, colour, without a place."""
    folder = tmp_path / "series"
    corpus.write_all(folder)
    for name, orientation in (("sagittal", SAGITTAL), ("oblique", OBLIQUE), ("mirrored", MIRRORED)):
        write_series(folder / name, stored_values(), common={"ImageOrientationPatient": list(orientation)})
    each = [{"ImagePositionPatient": [0, z / 4, z]} for z in UNEVEN]
    write_series(folder / "uneven", stored_values(), each=each)
    made = (
        (one.name, volume)
        for one in sorted(folder.iterdir())
        for series in dicomarray.scan(one).images
        for volume in series.volumes(missing="keep")
    )
    check(different(made), tmp_path / "masks")


def test_real_series_of_every_kind(real_data: Path, tmp_path: Path) -> None:
    """The first volume of every folder of real series."""
    found = (
        (name, dicomarray.scan(real_data / name).images[0].volumes(missing="keep")[0]) for name in FOLDERS
    )
    check(found, tmp_path / "masks")
