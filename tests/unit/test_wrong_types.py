"""What is given to a function and is of no type that it takes: an error of ours says what is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dicomarray
from synthetic import stored_values, write_series

CALLS: dict[str, Callable[[Path, Any], object]] = {
    "config": dicomarray.dicom_filter,
    "volume": lambda folder, given: dicomarray.load(folder, volume=given),
    "option": lambda folder, given: dicomarray.load(folder, units=given),
    "bounds": lambda folder, given: dicomarray.load(folder).normalize(given, given),
    "series": lambda folder, given: dicomarray.load(folder, series=given),
    "masks' series": lambda folder, given: dicomarray.load_segmentation(folder, series=given),
    "workers": lambda folder, given: dicomarray.scan(folder, workers=given),
    "normalize": lambda folder, given: dicomarray.to_numpy(folder, folder / "out.npy", normalize=given),
    "output sidecar": lambda folder, given: dicomarray.to_numpy(folder, folder / "out.npy", given),
    "axes": lambda _, given: dicomarray.Volume.from_array(np.zeros((2, 3, 4)), axes=given),
    "masks' grid": lambda _, given: dicomarray.Segmentation(
        np.ones((2, 3, 4), np.uint8), {1: "liver"}, geometry_of=given
    ),
    "array": lambda _, given: dicomarray.Volume.from_array(given),
    "saved array": lambda folder, given: dicomarray.load(folder).save(given),
    "read array": lambda _, given: dicomarray.Volume.load(given),
    "index": dicomarray.index,
    "read index": lambda _, given: dicomarray.open_index(given),
    "sidecar": lambda folder, given: dicomarray.to_dicom(
        np.zeros((2, 3, 4), np.int16), folder, folder.parent / "out", input_json=given
    ),
    "units": lambda folder, given: dicomarray.to_dicom(
        np.zeros((2, 3, 4), np.int16), folder, folder.parent / "out", units=given
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two slices."""
    found = tmp_path_factory.mktemp("wrong") / "ct"
    write_series(found, stored_values((2, 3, 4)))
    return found


FLAGS: dict[str, Callable[[Path, Any], object]] = {
    "overwrite": lambda folder, given: dicomarray.load(folder).save(folder.parent / "a.npy", overwrite=given),
    "verify": lambda folder, given: dicomarray.to_dicom(
        np.zeros((2, 3, 4), np.int16), folder, folder.parent / "out", verify=given
    ),
    "resume": lambda folder, given: dicomarray.run(folder, folder.parent / "out", np.copy, resume=given),
    "occupancy": lambda folder, given: dicomarray.load_segmentation(folder, occupancy=given),
    "bids": lambda folder, given: dicomarray.to_nifti(folder, folder.parent / "out", bids=given),
    "pixels": lambda folder, given: dicomarray.check(folder, pixels=given),
}


@pytest.mark.parametrize("name", FLAGS)
def test_an_array_is_neither_true_nor_false(folder: Path, name: str) -> None:
    """The message names the option, not NumPy's rules; nothing is written."""
    with pytest.raises(dicomarray.DicomArrayError, match=f"{name} is True or False"):
        FLAGS[name](folder, np.zeros(2, bool))
    assert [one.name for one in folder.parent.iterdir()] == ["ct"]


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_type_is_an_error_of_ours(folder: Path, call: str) -> None:
    """A list, bytes, an object, an array; nothing is left behind."""
    for given in ([], [None], b"x", object(), np.zeros(3)):
        with pytest.raises(dicomarray.DicomArrayError):
            CALLS[call](folder, given)
    assert not (folder.parent / "out").exists()
