"""A volume as a Python object: copied, pickled, given to NumPy, saved, loaded, and used as what it is not."""

from __future__ import annotations

import copy
import multiprocessing
import operator
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import synthetic
from dicomarray import ArrayUseError, DicomArrayError, InputError, Volume, load
from dicomarray.core.geometry import StackGeometry
from dicomarray.core.pixel_values import Normalization, Rescale
from dicomarray.core.volume_info import VolumeInfo


def same(one: Volume, other: Volume) -> bool:
    """Whether two volumes are equal in everything but the rounding of directions."""
    places = (one.geometry is None) == (other.geometry is None)
    if one.geometry is not None and other.geometry is not None:
        places = (
            np.allclose(one.geometry.affine, other.geometry.affine, rtol=1e-12, atol=1e-9)
            and np.array_equal(one.geometry.slice_positions, other.geometry.slice_positions)
            and one.geometry.frame_of_reference_uid == other.geometry.frame_of_reference_uid
        )
    names = ("axes", "units", "normalization", "coordinates", "series", "slices", "warnings")
    return (
        places
        and one.array.dtype == other.array.dtype
        and np.array_equal(one.array, other.array, equal_nan=one.array.dtype.kind == "f")
        and set(one.rescales) == set(other.rescales)
        and all(getattr(one, name) == getattr(other, name) for name in names)
    )


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """A 4-D volume with coordinates."""
    return load(synthetic.two_time_points(tmp_path / "s").folder)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
def test_a_volume_can_be_copied_and_pickled(volume: Volume, copied: Callable[[Volume], Volume]) -> None:
    """Whole, and read-only where it was; processes give volumes to each other."""
    made = copied(volume)
    assert same(made, volume)
    with pytest.raises(TypeError):
        made.series["Modality"] = "MR"  # type: ignore[index]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_volume_goes_to_another_process_and_back(volume: Volume, method: str) -> None:
    """A pool of processes, forked or begun anew, takes volumes and returns them.

    Before, none could be sent: "cannot pickle 'mappingproxy' object".
    """
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("this system has no such processes")
    with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
        (returned,) = pool.map(copy.copy, [volume])
    assert same(returned, volume)


def test_a_deep_copy_has_an_array_of_its_own(volume: Volume) -> None:
    """A deep copy copies the array, where a copy shares it."""
    assert not np.shares_memory(copy.deepcopy(volume).array, volume.array)
    assert np.shares_memory(copy.copy(volume).array, volume.array)


def test_numpy_takes_the_array(volume: Volume) -> None:
    """Without a copy where none is asked for; with a type; functions that take arrays take volumes."""
    assert np.asarray(volume) is volume.array
    assert not np.shares_memory(np.array(volume), volume.array)
    assert np.asarray(volume, dtype=np.float64).dtype == np.float64
    assert np.asarray(volume, np.float32).tolist() == volume.array.astype(np.float32).tolist()
    assert volume.__array__(copy=True) is not volume.array
    assert volume.__array__(copy=False) is volume.array
    with pytest.raises(ValueError, match="copy"):
        volume.__array__(np.float64, copy=False)
    assert np.mean(volume) == volume.array.mean()


USES: list[Callable[[Any], Any]] = [
    lambda v: v + 1,
    lambda v: 1 - v,
    lambda v: np.ones(3) * v,
    lambda v: v / v,
    lambda v: -v,
    lambda v: v > 100,
    lambda v: 2**v,
    len,
    iter,
    list,
    lambda v: v[0],
    lambda v: operator.setitem(v, 0, 1),
    lambda v: 3 in v,
    lambda v: operator.iadd(v, 1),
]


@pytest.mark.parametrize("use", USES)
def test_use_as_an_array_says_what_to_use(volume: Volume, use: Callable[[Any], Any]) -> None:
    """Our error, which is a TypeError as well; it names volume.array."""
    with pytest.raises(ArrayUseError, match=r"volume\.array") as error:
        use(volume)
    assert isinstance(error.value, DicomArrayError)
    assert isinstance(error.value, TypeError)


def test_a_ufunc_refuses_a_volume_and_its_truth_is_that_it_is_there(volume: Volume) -> None:
    """``numpy.sqrt(volume)`` would lose the place; ``if volume`` and ``==`` work as with any object."""
    with pytest.raises(TypeError):
        np.sqrt(volume)  # type: ignore[call-overload]
    assert volume
    assert volume == volume  # noqa: PLR0124 - a volume equals itself
    assert volume != copy.deepcopy(volume)


texts = st.text(max_size=8)
values = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(-1e6, 1e6) | texts
several = st.lists(values, max_size=3).map(tuple)
attributes = st.dictionaries(texts, values | several | st.lists(several, max_size=2).map(tuple))


@st.composite
def volumes(draw: st.DrawFn) -> Volume:
    """Volumes of any type, with or without a place, normalized or not."""
    dtype = draw(st.sampled_from(["uint8", "int16", "uint16", "int32", "float32", "float64", "bool"]))
    shape = draw(st.tuples(*[st.integers(1, 3)] * 3))
    times = draw(st.integers(0, 2))
    array = draw(arrays.arrays(dtype, (times, *shape) if times else shape))
    geometry = None
    if draw(st.booleans()):
        spacing = st.floats(0.1, 10)
        affine = np.diag([draw(spacing), draw(spacing), draw(spacing), 1.0])[:, [2, 1, 0, 3]][:, [0, 1, 2, 3]]
        affine[:3, 3] = draw(st.tuples(*[st.floats(-500, 500)] * 3))
        geometry = StackGeometry.from_affine(affine, shape[0], draw(st.none() | st.just("1.2.3")))
    first = "frame" if geometry is None else "slice"
    bounds = draw(st.none() | st.just(Normalization(-10.0, 10.5, units="HU")))
    info = VolumeInfo(
        shape=array.shape,
        dtype=array.dtype,
        geometry=geometry,
        axes=(*(("time",) if times else ()), first, "row", "column"),
        units="normalized" if bounds else draw(st.sampled_from(["HU", "stored", "US", "modality"])),
        rescales=(Rescale(draw(st.floats(0.1, 9)), draw(st.floats(-2000, 2000))),),
        normalization=bounds,
        coordinates={"DiffusionBValue": draw(st.lists(values, min_size=times, max_size=times).map(tuple))},
        series=draw(attributes),
        slices=tuple(draw(st.lists(attributes, max_size=3))),
        warnings=tuple(draw(st.lists(texts, max_size=2))),
    )
    return Volume(array, info)


@given(made=volumes())
def test_what_is_saved_is_loaded_whole(made: Volume, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Array, place, units, and every value of headers, of the type it had."""
    folder = tmp_path_factory.mktemp("v")
    made.save(folder / "v.npy")
    assert same(Volume.load(folder / "v.npy"), made)
    made.save(folder / "w.npy", folder / "notes.txt")
    assert same(Volume.load(str(folder / "w.npy"), folder / "notes.txt"), made)


def test_an_array_without_a_sidecar_says_what_to_do(tmp_path: Path) -> None:
    """It may have another name, or the array is of labels, which need none over their series."""
    np.save(tmp_path / "v.npy", np.zeros((2, 3, 4)))
    with pytest.raises(InputError, match=r"sidecar v\.json does not lie beside it; name it"):
        Volume.load(tmp_path / "v.npy")


def test_an_array_that_is_missing_is_what_is_named(tmp_path: Path) -> None:
    """Not the sidecar that is not beside it either."""
    with pytest.raises(InputError, match=r"v\.npy cannot be read: No such file"):
        Volume.load(tmp_path / "v.npy")


def test_nifti_is_not_loaded_as_something_else(tmp_path: Path) -> None:
    """What has its name and is none is refused as such."""
    for name in ("a.nii", "A.NII.GZ"):
        (tmp_path / name).write_bytes(b"junk")
        with pytest.raises(InputError, match="NIfTI"):
            Volume.load(tmp_path / name)
