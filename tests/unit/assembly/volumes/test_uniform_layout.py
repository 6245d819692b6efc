"""Files that are alike are read without a second look: their values are pydicom's, odd ones are seen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import synthetic
from dicomarray import load, scan
from dicomarray.assembly.volumes import filling
from dicomarray.assembly.volumes.assemble import assemble
from dicomarray.assembly.volumes.uniform_layout import UniformFrame
from dicomarray.core.pixel_values import Array
from dicomarray.dicom.headers.header import Header

COUNT, ROWS, COLUMNS = 12, 5, 7


@pytest.fixture
def straight(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read so."""
    names: list[str] = []
    read = UniformFrame.read

    def counted(self: UniformFrame, header: Header, *rest: Any) -> tuple[Array, bool] | None:
        found = read(self, header, *rest)
        if found is not None:
            names.append(header.reference.name)
        return found

    monkeypatch.setattr(UniformFrame, "read", counted)
    monkeypatch.setattr(filling, "SMALL_NATIVE_BYTES", 0)
    return names


def ramp(folder: Path) -> list[Path]:
    """A series whose files differ in nothing that has another length."""
    words = np.arange(COUNT * ROWS * COLUMNS, dtype=np.uint16).reshape(COUNT, ROWS, COLUMNS)
    own = [{"SOPInstanceUID": f"1.2.{100 + index}", "InstanceNumber": 100 + index} for index in range(COUNT)]
    return synthetic.write_series(folder, words, each=own, common={"ImagePositionPatient": [0, 0, 100]})


def by_pydicom(paths: list[Path]) -> Array:
    """Stored values, the bits above High Bit cut off, times slope plus intercept."""
    images = []
    for path in paths:
        dataset = pydicom.dcmread(path)
        words = np.frombuffer(dataset.PixelData[: 2 * ROWS * COLUMNS], "<u2").astype(np.int64)
        words = words >> (dataset.HighBit + 1 - dataset.BitsStored) & ((1 << dataset.BitsStored) - 1)
        if dataset.PixelRepresentation:
            words -= (words >> (dataset.BitsStored - 1)) << dataset.BitsStored
        images.append(
            words.reshape(ROWS, COLUMNS) * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        )
    return np.array(images)


KINDS = st.fixed_dictionaries(
    {
        "bits": st.sampled_from([(16, 15), (12, 11), (10, 11), (9, 15)]),
        "PixelRepresentation": st.sampled_from([0, 1]),
        "RescaleSlope": st.sampled_from([1, 2, 0.5]),
        "RescaleIntercept": st.sampled_from([0, -1024]),
        "ImageComments": st.sampled_from(["", "of two", "of another length"]),
    }
)


def attributes(kind: dict[str, Any]) -> dict[str, Any]:
    """By keyword."""
    stored, high = kind["bits"]
    return {key: value for key, value in kind.items() if key != "bits"} | {
        "BitsStored": stored,
        "HighBit": high,
    }


@settings(max_examples=60)
@given(
    few=st.lists(KINDS, min_size=1, max_size=2),
    choice=st.lists(st.integers(0, 1), min_size=COUNT, max_size=COUNT),
    seed=st.integers(0, 1 << 16),
    syntax=st.sampled_from(["explicit", "implicit"]),
)
def test_files_of_several_kinds_have_pydicoms_values(
    tmp_path_factory: pytest.TempPathFactory,
    few: list[dict[str, Any]],
    choice: list[int],
    seed: int,
    syntax: str,
) -> None:
    """Also where bits, sign, slope or the place of the pixels differ; bits above High Bit are set."""
    words = np.random.default_rng(seed).integers(0, 1 << 16, (COUNT, ROWS, COLUMNS)).astype(np.uint16)
    each = [attributes(few[index % len(few)]) for index in choice]
    paths = synthetic.write_series(tmp_path_factory.mktemp("s"), words, each=each, syntax=syntax)
    assert np.array_equal(load(paths[0].parent).array, by_pydicom(paths))


@pytest.mark.parametrize("workers", [1, 3])
def test_most_files_of_a_series_are_read_straight(tmp_path: Path, straight: list[str], workers: int) -> None:
    """All but the first ones, from which it is learnt what they are like."""
    paths = ramp(tmp_path / "s")
    assert np.array_equal(load(tmp_path / "s", workers=workers).array, by_pydicom(paths))
    assert len(straight) >= COUNT // 2


def test_a_file_that_changed_is_looked_at_again(tmp_path: Path, straight: list[str]) -> None:
    """One with another time is read as a whole; one that grew has its own place of pixels."""
    paths = ramp(tmp_path / "s")
    (series,) = scan(tmp_path / "s")
    stack = series.stack()
    os.utime(paths[7], (1, 1))
    dataset = pydicom.dcmread(paths[9])
    dataset.ImageComments = "so that the pixel data lies somewhere else"
    dataset.save_as(paths[9])
    assert np.array_equal(assemble(stack, workers=1).array, by_pydicom(paths))
    assert straight
    assert not {paths[7].name, paths[9].name} & set(straight)
