"""Arrays and volumes that were saved come back whole, and damaged files are told."""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synthetic
from dicomarray import Volume, load
from dicomarray.errors import InputError
from dicomarray.formats.npy import load_array


def npy_bytes(array: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


# --- arrays ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64", ">i2", "bool"])
def test_arrays_of_numbers_come_back(tmp_path: Path, dtype: str) -> None:
    """Values and type, in C and in Fortran order."""
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    for order in ("C", "F"):
        np.save(tmp_path / "a.npy", np.asarray(array, order=order))
        read = load_array(tmp_path / "a.npy")
        assert read.dtype == array.dtype
        assert np.array_equal(read, array)


class Evil:
    """Unpickling it would touch a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_nothing_is_ever_unpickled(tmp_path: Path) -> None:
    """An .npy with objects could run code: it is refused unread."""
    np.save(tmp_path / "a.npy", np.array([Evil(tmp_path / "run")], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"a\.npy"):
        load_array(tmp_path / "a.npy")
    assert not (tmp_path / "run").exists()


def huge_claim() -> bytes:
    content = npy_bytes(np.zeros((10, 10, 10), np.float64))
    return content.replace(b"(10, 10, 10), }" + b" " * 16, b"(999999, 999999, 99), }".ljust(31))


FILES = {
    "empty": b"",
    "text": b"0.5 0.75\n",
    "cut in the header": npy_bytes(np.zeros((3, 4, 5)))[:40],
    "cut in the values": npy_bytes(np.zeros((3, 4, 5)))[:-8],
    "a claim beyond any memory": huge_claim(),
    "a zip that is none": b"PK\x03\x04" + bytes(60),
    "a header that is no dict": npy_bytes(np.zeros(3)).replace(b"{'descr'", b"['descr'"),
    "texts": npy_bytes(np.array(["a", "b"])),
    "records": npy_bytes(np.zeros(3, dtype=[("x", "f4"), ("y", "i2")])),
    "dates": npy_bytes(np.array(["2024-01-01"], dtype="datetime64[D]")),
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_file_that_is_no_array_of_numbers_is_told(tmp_path: Path, content: bytes) -> None:
    """InputError with the file's name, whatever is wrong with it; memory is not taken on its word."""
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npy"):
        load_array(tmp_path / "a.npy")


def test_huge_claim_is_what_it_says() -> None:
    """The damaged file of the test above really claims 99 million million values."""
    stream = io.BytesIO(huge_claim())
    np.lib.format.read_magic(stream)
    assert np.lib.format.read_array_header_1_0(stream)[0] == (999999, 999999, 99)


def test_several_arrays_are_told(tmp_path: Path) -> None:
    """An .npz, whatever it is called, is not one array."""
    np.savez(tmp_path / "a.npz", a=np.zeros(3), b=np.zeros(3))
    assert zipfile.is_zipfile(tmp_path / "a.npz")
    with pytest.raises(InputError, match="several"):
        load_array(tmp_path / "a.npz")


def test_missing_array_is_told(tmp_path: Path) -> None:
    """It is told where it is gone, and where a folder has its name."""
    for path in (tmp_path / "gone.npy", tmp_path):
        with pytest.raises(InputError, match=path.name):
            load_array(path)


# --- volumes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [synthetic.shuffled_instance_numbers, synthetic.varying_slope, synthetic.tilted_20_degrees]
)
def test_saved_volume_is_the_same_volume(tmp_path: Path, fault: Any) -> None:
    """Array, axes, units, place, series and slices come back from the two files."""
    volume = load(fault(tmp_path / "s").folder)
    volume.save(tmp_path / "v.npy")
    read = Volume.load(tmp_path / "v.npy")
    assert np.array_equal(read.array, volume.array)
    assert read.array.dtype == volume.array.dtype
    assert (read.axes, read.units) == (volume.axes, volume.units)
    assert read.affine == pytest.approx(volume.affine, abs=1e-12)
    assert read.spacing == pytest.approx(volume.spacing)
    assert [record["SOPInstanceUID"] for record in read.slices] == [
        record["SOPInstanceUID"] for record in volume.slices
    ]
    assert read.series["SeriesInstanceUID"] == volume.series["SeriesInstanceUID"]


@pytest.mark.parametrize(
    "fault", [synthetic.shuffled_instance_numbers, synthetic.varying_slope, synthetic.tilted_20_degrees]
)
def test_saved_volume_saved_again_has_the_same_sidecar(tmp_path: Path, fault: Any) -> None:
    """Nothing gets lost on the way: slopes, warnings and all."""
    load(fault(tmp_path / "s").folder).save(tmp_path / "v.npy")
    Volume.load(tmp_path / "v.npy").save(tmp_path / "w.npy")
    first, second = (json.loads((tmp_path / name).read_text("utf-8")) for name in ("v.json", "w.json"))
    for content in (first, second):
        geometry = content.pop("geometry")
        content["places"] = np.round(geometry["affine"], 9).tolist()
    assert second == first


def test_normalized_volume_comes_back_with_its_bounds(ct: Path, tmp_path: Path) -> None:
    """So that it can still be undone."""
    volume = load(ct).normalize(-1024, 3071)
    volume.save(tmp_path / "v.npy", tmp_path / "notes.json")
    read = Volume.load(tmp_path / "v.npy", tmp_path / "notes.json")
    assert read.normalization == volume.normalization
    assert read.normalization is not None
    back = read.normalization.undo(read.array)
    assert np.round(back).tolist() == load(ct).array.tolist()


def test_volume_without_a_place_comes_back(tmp_path: Path) -> None:
    """It had no geometry before, and has none after."""
    synthetic.write_series(tmp_path / "s", synthetic.stored_values(bits_stored=8), modality="SC")
    load(tmp_path / "s").save(tmp_path / "v.npy")
    read = Volume.load(tmp_path / "v.npy")
    assert read.geometry is None
    assert read.axes == ("frame", "row", "column")


def test_files_that_do_not_belong_together_are_told(ct: Path, tmp_path: Path) -> None:
    """An array of another shape than its sidecar says."""
    volume = load(ct)
    volume.save(tmp_path / "v.npy")
    other: Volume = volume.on_grid(volume.array[:, :, ::2], volume.affine)
    other.save(tmp_path / "w.npy")
    with pytest.raises(InputError, match=r"\(6, 12, 16\)"):
        Volume.load(tmp_path / "w.npy", tmp_path / "v.json")


def test_missing_sidecar_is_told(ct: Path, tmp_path: Path) -> None:
    """An array alone does not say where its voxels lie."""
    load(ct).save(tmp_path / "v.npy")
    (tmp_path / "v.json").unlink()
    with pytest.raises(InputError, match=r"v\.json"):
        Volume.load(tmp_path / "v.npy")


def npy(header: str, body: bytes = b"") -> bytes:
    """A .npy file whose header says what it likes."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


@pytest.mark.parametrize(
    "content",
    [
        npy("{'descr': '<i2', 'fortran_order': False, 'shape': (1000000000000,)}"),
        npy(f"{{'descr': '<i2', 'fortran_order': False, 'shape': ({2**63 - 1}, {2**63 - 1})}}"),
        npy("{'descr': '<i2', 'fortran_order': False, 'shape': (-1,)}", b"12"),
        npy("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3)}", b"123"),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"x" * 80),
        npy("{'descr': [('a', '<i2')], 'fortran_order': False, 'shape': (1,)}", b"12"),
        npy("(" * 5000),
        npy("__import__('os')"),
        b"",
        b"\x93NUMPY",
        b"\x80\x04K\x01.",
    ],
)
def test_arrays_that_lie(content: bytes, tmp_path: Path) -> None:
    """Too large, cut short, objects, pickles, expressions: told, with the path, and no warning."""
    (tmp_path / "a.npy").write_bytes(content)
    with warnings.catch_warnings(), pytest.raises(InputError, match=r"a\.npy"):
        warnings.simplefilter("error")
        load_array(tmp_path / "a.npy")


def test_no_file_is_no_array(tmp_path: Path) -> None:
    """A FIFO is not waited for."""
    os.mkfifo(tmp_path / "a.npy")
    with pytest.raises(InputError, match="FIFO"):
        load_array(tmp_path / "a.npy")


def test_an_array_in_the_order_of_fortran(tmp_path: Path) -> None:
    """Its voxels are where they were."""
    array = np.asfortranarray(np.arange(24).reshape(2, 3, 4))
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(load_array(tmp_path / "a.npy"), array)
