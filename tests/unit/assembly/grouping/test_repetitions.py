"""Several images at every position: which repetition each belongs to, the axis, and what is left over."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

import synthetic
from dicomarray import Volume, load, scan
from dicomarray.errors import GeometryError
from synthetic import SPACING_MM, write_repetitions

SHAPE = (3, 4, 5, 6)  # repetitions, slices, rows, columns
ALONG_X, ALONG_Y, ALONG_Z = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]


def volumes(folder: Path, **options: Any) -> list[Volume]:
    (series,) = scan(folder)
    return series.volumes(**options)


def steps(keyword: str, *values: Any) -> list[dict[str, Any]]:
    return [{keyword: value} for value in values]


# --- what tells repetitions apart -----------------------------------------------------------------------


@pytest.mark.parametrize("order", ["volume", "slice"])
@pytest.mark.parametrize(
    ("keyword", "values", "axis"),
    [
        ("TemporalPositionIdentifier", (1, 2, 3), "time"),
        ("AcquisitionNumber", (4, 5, 9), "time"),
        ("TriggerTime", (0.0, 120.5, 241.0), "time"),
        ("InversionTime", (50.0, 400.0, 1100.0), "inversion_time"),
        ("FlipAngle", (5.0, 10.0, 15.0), "flip_angle"),
        ("DiffusionBValue", (0.0, 500.0, 1000.0), "diffusion"),
    ],
)
def test_axis_is_named_by_what_varies(
    tmp_path: Path, keyword: str, values: tuple[Any, ...], axis: str, order: str
) -> None:
    """Repetitions come first; volume and sidecar have the attribute's value at each step."""
    array = synthetic.stored_values(SHAPE)
    write_repetitions(tmp_path / "s", array, steps(keyword, *values), order=order)
    volume = load(tmp_path / "s")
    assert volume.axes == (axis, "slice", "row", "column")
    assert np.array_equal(volume.array, array)
    assert dict(volume.coordinates) == {keyword: values}
    assert volume.geometry is not None
    assert volume.geometry.distances - volume.geometry.distances[0] == pytest.approx(
        np.arange(4) * SPACING_MM
    )
    volume.save(tmp_path / "v.npy")
    described = json.loads((tmp_path / "v.json").read_text("utf-8"))["array"]
    assert described["axes"] == [axis, "slice", "row", "column"]
    assert described["shape"] == list(SHAPE)
    assert described["coordinates"] == {keyword: list(values)}


@pytest.mark.parametrize("order", ["volume", "slice"])
def test_records_are_in_the_order_of_the_array(tmp_path: Path, order: str) -> None:
    """First axis slowest: each record's file holds the pixels of that place in the array."""
    array = synthetic.stored_values(SHAPE)
    folder = tmp_path / "s"
    write_repetitions(folder, array, steps("TemporalPositionIdentifier", 1, 2, 3), order=order)
    by_uid = {
        data_set.SOPInstanceUID: data_set.pixel_array for data_set in map(pydicom.dcmread, folder.iterdir())
    }
    volume = load(folder)
    pixels = np.stack([by_uid[record["SOPInstanceUID"]] for record in volume.slices])
    assert np.array_equal(pixels.reshape(SHAPE), volume.array)


@pytest.mark.parametrize("order", ["volume", "slice"])
def test_without_any_attribute_the_instance_number_decides(tmp_path: Path, order: str) -> None:
    """First, second, third image acquired at each position; the axis is time, without coordinates."""
    array = synthetic.stored_values(SHAPE)
    write_repetitions(tmp_path / "s", array, [{}, {}, {}], order=order)
    volume = load(tmp_path / "s")
    assert volume.axes[0] == "time"
    assert np.array_equal(volume.array, array)
    assert dict(volume.coordinates) == {}


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_instance_numbers_do_not_mix_time_points(tmp_path: Path, seed: int) -> None:
    """TemporalPositionIdentifier tells time points apart and orders them, whatever the numbers are."""
    array = synthetic.stored_values(SHAPE)
    numbers = [int(n) for n in np.random.default_rng(seed).permutation(12) + 1]
    write_repetitions(tmp_path / "s", array, steps("TemporalPositionIdentifier", 1, 2, 3), numbers=numbers)
    volume = load(tmp_path / "s")
    assert np.array_equal(volume.array, array)
    assert volume.coordinates["TemporalPositionIdentifier"] == (1, 2, 3)


def test_acquisition_number_inside_one_volume_is_no_time(tmp_path: Path) -> None:
    """Odd slices in one acquisition, even ones in the next: one volume; two such are two time points."""
    array = synthetic.stored_values(SHAPE)[:2]
    alternating = [
        {"AcquisitionNumber": 2 * repetition + index % 2 + 1, "InstanceNumber": 4 * repetition + index + 1}
        for repetition, index in itertools.product(range(2), range(4))
    ]
    for count in (1, 2):
        each = [
            values | {"ImagePositionPatient": [*synthetic.ORIGIN_MM[:2], 100 + index % 4 * SPACING_MM]}
            for index, values in enumerate(alternating[: 4 * count])
        ]
        folder = tmp_path / str(count)
        synthetic.write_series(folder, array[:count].reshape(-1, 5, 6), modality="MR", each=each)
        volume = load(folder)
        assert np.array_equal(volume.array.reshape(count, 4, 5, 6), array[:count])
        assert "AcquisitionNumber" not in volume.coordinates


def test_trigger_time_that_drifts_with_the_slice_mixes_nothing(tmp_path: Path) -> None:
    """Each slice has trigger times of its own: repetitions are in their order, each with its earliest."""
    array = synthetic.stored_values(SHAPE)
    files = write_repetitions(tmp_path / "s", array, [{}, {}, {}], order="slice")
    for index, file in enumerate(files):
        data_set = pydicom.dcmread(file)
        data_set.TriggerTime = f"{index % 3 * 100 + index // 3 * 7.5:g}"
        data_set.save_as(file)
    volume = load(tmp_path / "s")
    assert np.array_equal(volume.array, array)
    assert dict(volume.coordinates) == {"TriggerTime": (0.0, 100.0, 200.0)}


# --- diffusion ------------------------------------------------------------------------------------------


def diffusion_steps(weightings: Sequence[tuple[float, Any]]) -> list[dict[str, Any]]:
    return [
        {"DiffusionBValue": b, "DiffusionGradientOrientation": ... if direction is None else direction}
        for b, direction in weightings
    ]


@pytest.mark.parametrize("order", ["volume", "slice"])
def test_diffusion_with_several_unweighted_images(tmp_path: Path, order: str) -> None:
    """b-value x direction, with b = 0 before, between and after: in the order of acquisition."""
    weightings = [(0, None), (1000, ALONG_X), (0, None), (1000, ALONG_Y), (2000, ALONG_Y), (0, None)]
    array = synthetic.stored_values((6, *SHAPE[1:]))
    write_repetitions(tmp_path / "s", array, diffusion_steps(weightings), order=order)
    volume = load(tmp_path / "s")
    assert volume.axes[0] == "diffusion"
    assert np.array_equal(volume.array, array)
    assert volume.coordinates["DiffusionBValue"] == (0, 1000, 0, 1000, 2000, 0)
    directions = [None if d is None else tuple(d) for _, d in weightings]
    assert list(volume.coordinates["DiffusionGradientOrientation"]) == directions


@pytest.mark.parametrize(
    ("group", "creator", "element", "vr", "values"),
    [
        (0x0019, "SIEMENS MR HEADER", 0x0C, "IS", ["0", "500", "1000"]),
        (0x0043, "GEMS_PARM_01", 0x39, "IS", [["0", "8"], ["500", "8"], ["9", "8"]]),
        (0x2001, "Philips Imaging DD 001", 0x03, "FL", [0.0, 500.0, 1000.0]),
    ],
)  # fmt: skip
def test_vendors_b_values(
    tmp_path: Path, group: int, creator: str, element: int, vr: str, values: list[Any]
) -> None:
    """Where only a private attribute has the b-value, the axis is diffusion all the same."""
    array = synthetic.stored_values(SHAPE)
    files = write_repetitions(tmp_path / "s", array, [{}, {}, {}])
    for index, file in enumerate(files):
        data_set = pydicom.dcmread(file)
        block = data_set.private_block(group, creator, create=True)
        block.add_new(element, vr, values[index // SHAPE[1]])
        data_set.save_as(file)
    volume = load(tmp_path / "s")
    assert volume.axes[0] == "diffusion"
    assert np.array_equal(volume.array, array)


def test_diffusion_and_time_together_are_one_axis(tmp_path: Path) -> None:
    """Two b-values at two times each make four repetitions, and both are told."""
    array = synthetic.stored_values((4, *SHAPE[1:]))
    both = [
        {"DiffusionBValue": b, "TemporalPositionIdentifier": t}
        for t, b in itertools.product((1, 2), (0, 900))
    ]
    write_repetitions(tmp_path / "s", array, both, order="slice")
    volume = load(tmp_path / "s")
    assert np.array_equal(volume.array, array)
    assert dict(volume.coordinates) == {
        "DiffusionBValue": (0, 900, 0, 900),
        "TemporalPositionIdentifier": (1, 1, 2, 2),
    }


# --- repetitions that are not complete ------------------------------------------------------------------

TIMES: Mapping[str, list[dict[str, Any]]] = {
    "TemporalPositionIdentifier": steps("TemporalPositionIdentifier", 1, 2, 3),
    "AcquisitionNumber": steps("AcquisitionNumber", 1, 2, 3),
    "TriggerTime": steps("TriggerTime", 0, 100, 200),
    "none": [{}, {}, {}],
}


@pytest.mark.parametrize("attribute", sorted(TIMES))
def test_unfinished_last_repetition_is_a_volume_of_its_own(tmp_path: Path, attribute: str) -> None:
    """The scan was stopped after two slices of the third time point: 2 x 4 slices, and 2 slices."""
    array = synthetic.stored_values(SHAPE)
    write_repetitions(tmp_path / "s", array, TIMES[attribute], without=[(2, 2), (2, 3)])
    whole, rest = volumes(tmp_path / "s")
    assert np.array_equal(whole.array, array[:2])
    assert whole.axes == ("time", "slice", "row", "column")
    assert np.array_equal(rest.array, array[2, :2])
    assert rest.axes == ("slice", "row", "column")
    assert rest.geometry is not None
    assert rest.geometry.slice_positions[:, 2].tolist() == [100, 102.5]
    assert any("2 images" in warning for warning in whole.warnings)


@pytest.mark.parametrize("attribute", sorted(TIMES))
def test_unfinished_last_repetition_is_dropped_on_request(tmp_path: Path, attribute: str) -> None:
    """incomplete="drop": one volume, and a warning that names what was left out."""
    array = synthetic.stored_values(SHAPE)
    files = write_repetitions(tmp_path / "s", array, TIMES[attribute], without=[(2, 2), (2, 3)])
    (volume,) = volumes(tmp_path / "s", incomplete="drop")
    assert np.array_equal(volume.array, array[:2])
    told = [warning for warning in volume.warnings if "left out" in warning]
    assert len(told) == 1
    assert all(file.name in told[0] for file in files[-2:])


@pytest.mark.parametrize("attribute", ["TemporalPositionIdentifier", "AcquisitionNumber", "TriggerTime"])
@pytest.mark.parametrize(
    ("order", "lost"), [("volume", (0, 0)), ("volume", (1, 1)), ("slice", (1, 3)), ("slice", (2, 0))]
)
def test_any_lost_image_leaves_the_other_repetitions_whole(
    tmp_path: Path, attribute: str, order: str, lost: tuple[int, int]
) -> None:
    """Where an attribute tells, the repetition of the lost image is apart, with its slices where they lie."""
    array = synthetic.stored_values(SHAPE)
    write_repetitions(tmp_path / "s", array, TIMES[attribute], order=order, without=[lost])
    whole, rest = volumes(tmp_path / "s")
    repetition, index = lost
    assert np.array_equal(whole.array, np.delete(array, repetition, axis=0))
    assert np.array_equal(rest.array, np.delete(array[repetition], index, axis=0))
    assert rest.geometry is not None
    heights = np.delete(100 + np.arange(4) * SPACING_MM, index)
    assert rest.geometry.slice_positions[:, 2] == pytest.approx(heights)


@pytest.mark.parametrize("order", ["volume", "slice"])
@pytest.mark.parametrize("lost", list(itertools.product(range(3), range(4))))
def test_lost_image_that_nothing_tells_of_is_never_mixed_over(
    tmp_path: Path, order: str, lost: tuple[int, int]
) -> None:
    """Without an attribute: refused, unless it is plain that the end of the scan is missing."""
    array = synthetic.stored_values(SHAPE)
    write_repetitions(tmp_path / "s", array, [{}, {}, {}], order=order, without=[lost])
    if order == "volume" and lost == (2, 3):
        whole, rest = volumes(tmp_path / "s")
        assert np.array_equal(whole.array, array[:2])
        assert np.array_equal(rest.array, array[2, :3])
    else:
        with pytest.raises(GeometryError, match="split"):
            volumes(tmp_path / "s")


def test_a_different_image_lost_from_each_time_point_mixes_nothing(tmp_path: Path) -> None:
    """Every position holds as many images, but of different time points: none is taken for another."""
    array = synthetic.stored_values(SHAPE)[:, :3]
    lost = [(0, 0), (1, 1), (2, 2)]
    write_repetitions(tmp_path / "s", array, TIMES["TemporalPositionIdentifier"], without=lost)
    with pytest.raises(GeometryError, match="TemporalPositionIdentifier"):
        volumes(tmp_path / "s")


def test_a_time_point_lost_here_and_another_there_leaves_the_complete_ones(tmp_path: Path) -> None:
    """Four time points, the second without its first slice, the third without its last."""
    array = synthetic.stored_values((4, 2, 5, 6))
    write_repetitions(
        tmp_path / "s", array, steps("TemporalPositionIdentifier", 1, 2, 3, 4), without=[(1, 0), (2, 1)]
    )
    whole, *rest = volumes(tmp_path / "s")
    assert np.array_equal(whole.array, array[[0, 3]])
    assert whole.coordinates["TemporalPositionIdentifier"] == (1, 4)
    for volume in rest:
        times = {record["TemporalPositionIdentifier"] for record in volume.slices}
        assert len(times) == 1
    assert sum(len(volume.slices) for volume in rest) == 2


# --- duplicates -----------------------------------------------------------------------------------------


def test_identical_pixels_at_other_times_are_no_copies(tmp_path: Path) -> None:
    """An edge slice of zeros at every time stays there, also where the last repetition is not complete."""
    array = synthetic.stored_values(SHAPE)
    array[:, 0] = 0
    write_repetitions(tmp_path / "s", array, TIMES["TemporalPositionIdentifier"], without=[(2, 3)])
    whole, rest = volumes(tmp_path / "s")
    assert np.array_equal(whole.array, array[:2])
    assert np.array_equal(rest.array, array[2, :3])


def test_empty_slices_of_a_series_without_attributes_stay(tmp_path: Path) -> None:
    """Zeros at every time point are pixels like others where all time points are complete."""
    array = synthetic.stored_values(SHAPE)
    array[:, 0] = 0
    write_repetitions(tmp_path / "s", array, [{}, {}, {}])
    assert np.array_equal(load(tmp_path / "s").array, array)


def test_different_images_at_one_position_are_an_error_or_split(tmp_path: Path) -> None:
    """A few: the first acquired make the volume, the others one of their own; refused on request."""
    faulty = synthetic.duplicate_position(tmp_path / "s")
    with pytest.raises(GeometryError) as caught:
        volumes(faulty.folder, duplicates="error")
    assert str(faulty.files[2]) in str(caught.value)
    assert str(faulty.files[3]) in str(caught.value)
    whole, rest = volumes(faulty.folder)
    assert np.array_equal(whole.array, faulty.expected[[0, 1, 2, 4, 5]])
    assert np.array_equal(rest.array, faulty.expected[[3]])
    assert any(faulty.files[3].name in warning for warning in whole.warnings)


def test_repeated_slice_of_a_later_acquisition_is_told_apart(tmp_path: Path) -> None:
    """One slice was scanned again, as AcquisitionNumber 2: the first acquisition is the volume."""
    faulty = synthetic.duplicate_position(tmp_path / "s")
    data_set = pydicom.dcmread(faulty.files[3])
    data_set.AcquisitionNumber = 2
    data_set.save_as(faulty.files[3])
    whole, rest = volumes(faulty.folder)
    assert np.array_equal(whole.array, faulty.expected[[0, 1, 2, 4, 5]])
    assert np.array_equal(rest.array, faulty.expected[[3]])


# --- many at once ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("keyword", ["TemporalPositionIdentifier", "EchoTime"])
def test_more_than_nine_steps_are_in_numeric_order(tmp_path: Path, keyword: str) -> None:
    """Time point 10 comes after 9, not after 1; echoes are volumes of their own."""
    array: NDArray[Any] = synthetic.stored_values((12, 2, 3, 4))
    write_repetitions(tmp_path / "s", array, steps(keyword, *range(1, 13)), order="slice")
    made = volumes(tmp_path / "s")
    if keyword == "EchoTime":
        assert len(made) == 12
        assert np.array_equal(np.stack([volume.array for volume in made]), array)
    else:
        assert np.array_equal(made[0].array, array)


def test_start_of_each_repetition_is_a_coordinate(tmp_path: Path) -> None:
    """The earliest Acquisition Time of each time point, in the volume and in its sidecar."""
    array = synthetic.stored_values((4, 5, 6))
    files = synthetic.write_series(
        tmp_path / "s",
        array,
        modality="MR",
        each=[
            {
                "ImagePositionPatient": [0, 0, 5.0 * (index % 2)],
                "InstanceNumber": index + 1,
                "AcquisitionTime": f"10000{index}.5",
            }
            for index in range(4)
        ],
    )
    volume = load(files)
    assert volume.axes[0] == "time"
    assert tuple(volume.coordinates["AcquisitionTime"]) == ("100000.5", "100002.5")
    assert volume.metadata["array"]["coordinates"]["AcquisitionTime"] == ["100000.5", "100002.5"]
