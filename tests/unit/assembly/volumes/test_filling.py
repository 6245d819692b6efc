"""Frames into one array or file: the same whatever the threads; an error where a file is not what it was."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLSLossless

import enhanced_files
import synthetic
from dicomarray import load, scan, to_numpy
from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.assembly.options import ReadOptions
from dicomarray.assembly.volumes import filling
from dicomarray.assembly.volumes.assemble import assemble, assemble_through
from dicomarray.assembly.volumes.regrid import changes_grid
from dicomarray.core.pixel_values import Normalization
from dicomarray.errors import InputError, PixelError, UsageError
from dicomarray.formats.npy import NpyFile
from dicomarray.formats.sidecar import to_json
from dicomarray.volume import Volume

MakeSeries = Callable[..., Path]
SHAPE = (23, 12, 16)


@pytest.fixture(autouse=True)
def threads_for_small_series(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small series are read by one thread; here they are not."""
    monkeypatch.setattr(filling, "SMALL_NATIVE_BYTES", 0)
    monkeypatch.setattr(filling, "SMALL_COMPRESSED_BYTES", 0)


def stack_of(path: Path, options: ReadOptions = ReadOptions()) -> Stack:  # noqa: B008 - it is frozen
    (series,) = scan(path)
    return series.stack(options)


def compress(folder: Path) -> None:
    """Each file of a folder as JPEG-LS."""
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.PixelData = encapsulate([bytes(imagecodecs.jpegls_encode(dataset.pixel_array))])
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
        dataset.file_meta.TransferSyntaxUID = JPEGLSLossless
        dataset.save_as(path)


def enhanced(path: Path, frames: int = 40) -> np.ndarray[Any, Any]:
    """An enhanced object whose slope changes in the middle, its slices in descending order."""
    values = np.random.default_rng(3).integers(0, 1 << 16, (frames, 6, 9)).astype(np.uint16)
    groups = [
        enhanced_files.at(-2.0 * index) | enhanced_files.rescaled(1 + (index >= frames // 2), 3.0)
        for index in range(frames)
    ]
    enhanced_files.write_enhanced(path, values, groups)
    slopes = np.where(np.arange(frames) >= frames // 2, 2, 1)[:, None, None]
    return (values.astype(np.int64) * slopes + 3)[::-1]


# --- the same, whatever the threads ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["native", "compressed", "signed", "float", "own slopes"])
@pytest.mark.parametrize("workers", [1, 2, 7])
def test_any_number_of_threads_reads_the_same(make_series: MakeSeries, kind: str, workers: int) -> None:
    """The values are those that are computed here, one slice a file."""
    stored = synthetic.stored_values(SHAPE, signed=kind == "signed", bits_stored=12)
    slopes = [1.0 + (index / 8 if kind == "own slopes" else 0) for index in range(len(stored))]
    each = [{"RescaleSlope": slope, "RescaleIntercept": -7} for slope in slopes]
    if kind == "float":
        stored = stored.astype(np.float32)
    folder = make_series(stored, bits_stored=None if kind == "float" else 12, each=each)
    if kind == "compressed":
        compress(folder)
    found = load(folder, workers=workers).array
    assert np.array_equal(found, stored.astype(float) * np.array(slopes)[:, None, None] - 7)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_series_takes_threads_and_progress_as_load_does(make_series: MakeSeries, workers: int) -> None:
    """`volume` and `volumes` give what `load` gives, and tell of every image."""
    folder = make_series(synthetic.stored_values(SHAPE))
    (series,) = scan(folder)
    told: list[tuple[int, ...]] = []
    one = series.volume(workers=workers, pixel_progress=lambda *counts: told.append(counts))
    (same,) = series.volumes(workers=workers, pixel_progress=lambda *counts: told.append(counts))
    assert np.array_equal(one.array, load(folder).array)
    assert np.array_equal(one.array, same.array)
    assert [counts[0] for counts in told].count(SHAPE[0]) == 2


@pytest.mark.parametrize("workers", [0, True])
def test_a_series_refuses_what_is_no_number_of_threads(make_series: MakeSeries, workers: int) -> None:
    """It is refused before anything is read."""
    (series,) = scan(make_series())
    for ask in (series.volume, series.volumes):
        with pytest.raises(UsageError, match="workers"):
            ask(workers=workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_frames_of_one_file_are_read_in_parts(tmp_path: Path, workers: int) -> None:
    """Blocks end where the slope changes, and where the array goes the other way than the file."""
    expected = enhanced(tmp_path / "e" / "enhanced.dcm")
    assert np.array_equal(load(tmp_path / "e", workers=workers).array, expected)


def test_blocks_of_frames_are_what_single_ones_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that follow each other in file and array are read together, with their own rescale."""
    values = np.random.default_rng(3).integers(0, 4096, (40, 6, 9)).astype(np.uint16)
    groups = [
        enhanced_files.at(2.0 * index) | enhanced_files.rescaled(1 + index // 15, 5.0) for index in range(40)
    ]
    path = enhanced_files.write_enhanced(tmp_path / "e" / "enhanced.dcm", values, groups)
    slopes = (1 + np.arange(40) // 15)[:, None, None]
    for block in (1, 3 * 6 * 9 * 2, 1 << 20):
        monkeypatch.setattr(filling, "BLOCK_BYTES", block)
        assert np.array_equal(load(path).array, values.astype(np.int64) * slopes + 5)


def test_progress_counts_to_the_end(make_series: MakeSeries, tmp_path: Path) -> None:
    """Images done, their bytes and images in all, ascending; for files of one frame and of many."""
    values = enhanced(tmp_path / "e" / "enhanced.dcm")
    stored = synthetic.stored_values(SHAPE)
    for path, count, size in (
        (make_series(stored), 23, stored[0].nbytes),
        (tmp_path / "e", 40, 2 * values[0].size),
    ):
        told: list[tuple[int, int, int]] = []
        load(path, pixel_progress=lambda *counts, told=told: told.append(counts))  # type: ignore[misc]
        done = [images for images, _, _ in told]
        assert done == sorted(set(done))
        assert done[-1] == count
        assert told == [(images, images * size, count) for images in done]


def test_no_threads_are_refused() -> None:
    """They are refused before the path is looked at."""
    with pytest.raises(UsageError, match="workers"):
        load("nowhere", workers=0)
    with pytest.raises(UsageError, match="workers"):
        to_numpy("nowhere", "x.npy", workers=0)


# --- into a file -------------------------------------------------------------------------------------------


def saved(volume: Volume) -> bytes:
    stream = io.BytesIO()
    np.save(stream, volume.array)
    return stream.getvalue()


@pytest.mark.parametrize("bounds", [None, Normalization(-900, 1100)])
@pytest.mark.parametrize("kind", ["slices", "frames", "repetitions", "colour", "stored"])
def test_a_file_has_the_bytes_of_the_array(tmp_path: Path, kind: str, bounds: Normalization | None) -> None:
    """As numpy.save writes them, and the same metadata: one frame a file and many, 3-D, 4-D and colour."""
    folder, options = tmp_path / "s", ReadOptions(units="stored" if kind == "stored" else "modality")
    if kind == "frames":
        enhanced(folder / "enhanced.dcm")
    elif kind == "repetitions":
        array = synthetic.stored_values((3, 5, 6, 7))
        synthetic.write_repetitions(
            folder, array, [{"TemporalPositionIdentifier": step + 1} for step in range(3)]
        )
    elif kind == "colour":
        array = np.random.default_rng(1).integers(0, 256, (4, 5, 6, 3)).astype(np.uint8)
        synthetic.write_series(folder, array, modality="SC")
    else:
        synthetic.write_series(folder, synthetic.stored_values(SHAPE), bits_stored=12)
    stack = stack_of(folder)
    volume = assemble(stack, options)
    if bounds is not None:
        volume = volume.normalize(bounds.lower, bounds.upper)
    found = assemble_through(partial(NpyFile, tmp_path / "a.npy"), stack, options, bounds, workers=3)
    assert (tmp_path / "a.npy").read_bytes() == saved(volume)
    assert to_json(found) == volume.metadata
    assert str(found) in repr(volume)


def test_padding_is_zero_where_values_are_normalized(make_series: MakeSeries) -> None:
    """As `Volume.normalize` has it, in the file too."""
    stored = synthetic.stored_values(SHAPE)
    stored[:, :3] = 99
    folder = make_series(stored, common={"PixelPaddingValue": 99})
    stack, options = stack_of(folder), ReadOptions(exclude_padding=True)
    expected = assemble(stack, options).normalize(-900, 1100).array
    assemble_through(partial(NpyFile, folder.parent / "a.npy"), stack, options, Normalization(-900, 1100))
    found = np.load(folder.parent / "a.npy")
    assert np.array_equal(found, expected)
    assert not found[:, :3].any()


def test_a_new_grid_is_made_in_memory(tmp_path: Path) -> None:
    """missing="fill" needs all slices; the files are what load gives."""
    faulty = synthetic.gap(tmp_path / "gap")
    stack = stack_of(faulty.folder, ReadOptions(missing="fill"))
    assert changes_grid(stack.geometry, ReadOptions(missing="fill"))
    assert not changes_grid(stack.geometry, ReadOptions(missing="keep"))
    to_numpy(faulty.folder, tmp_path / "a.npy", missing="fill")
    expected = load(faulty.folder, missing="fill")
    assert np.array_equal(np.load(tmp_path / "a.npy"), expected.array)
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == expected.metadata


def test_nothing_is_left_of_a_volume_that_cannot_be_read(make_series: MakeSeries, tmp_path: Path) -> None:
    """Neither files nor the folder that would have been made for them."""
    folder = make_series(synthetic.stored_values(SHAPE))
    path = sorted(folder.iterdir())[15]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(PixelError, match=path.name):
        to_numpy(folder, tmp_path / "new" / "deep" / "a.npy")
    assert not (tmp_path / "new").exists()


def test_a_touched_file_of_many_frames_is_read(tmp_path: Path) -> None:
    """By several threads, each of which opens it."""
    expected = enhanced(tmp_path / "e" / "enhanced.dcm")
    stack = stack_of(tmp_path / "e")
    os.utime(tmp_path / "e" / "enhanced.dcm", (1, 1))
    assert np.array_equal(assemble(stack, workers=2).array, expected)


# --- errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 4])
def test_the_first_damaged_file_in_the_order_of_the_array_is_named(
    make_series: MakeSeries, workers: int
) -> None:
    """It is named whichever thread comes upon one first."""
    folder = make_series(synthetic.stored_values(SHAPE))
    paths = sorted(folder.iterdir())
    for index in (20, 6, 13):
        paths[index].write_bytes(paths[index].read_bytes()[:-10])
    for _ in range(3):
        with pytest.raises(PixelError, match=paths[6].name):
            load(folder, workers=workers)


@pytest.mark.parametrize("comment", [None, "so long that the pixel data lies somewhere else"])
def test_a_file_that_says_the_same_is_read(make_series: MakeSeries, comment: str | None) -> None:
    """Its time is another one, and perhaps the place of its pixel data."""
    stored = synthetic.stored_values(SHAPE)
    folder = make_series(stored)
    stack, path = stack_of(folder), sorted(folder.iterdir())[3]
    if comment is not None:
        dataset = pydicom.dcmread(path)
        dataset.ImageComments = comment
        dataset.save_as(path)
    os.utime(path, (1, 1))
    assert np.array_equal(assemble(stack, ReadOptions(units="stored")).array, stored)


@pytest.mark.parametrize("change", [{"RescaleSlope": 3}, {"SOPInstanceUID": "1.2.3"}, {"Rows": 6}, None])
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_was_changed_is_refused(
    make_series: MakeSeries, change: dict[str, Any] | None, packed: bool
) -> None:
    """Or is gone: the volume would be made of another one than its geometry and its slope."""
    folder = make_series(synthetic.stored_values(SHAPE))
    if packed:
        compress(folder)
    stack = stack_of(folder)
    path = sorted(folder.iterdir())[3]
    dataset = pydicom.dcmread(path)
    path.unlink()
    if change is not None:
        for keyword, value in change.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path)
    with pytest.raises(InputError, match=rf"{path.name}.*(changed|cannot be read)"):
        assemble(stack)


def test_float_pixel_data_under_a_header_of_integers_is_refused(make_series: MakeSeries) -> None:
    """Its values would be cut off without a word."""
    stored = synthetic.stored_values(SHAPE).astype(np.float32) + 0.5
    folder = make_series(stored, common={"BitsStored": 32, "HighBit": 31, "PixelRepresentation": 0})
    with pytest.raises(PixelError, match="float32"):
        load(folder, units="stored")
