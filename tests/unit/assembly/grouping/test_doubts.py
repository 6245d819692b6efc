"""Images that numbers would put into the wrong repetition: attributes go first; what is lost is no guess."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

import synthetic
from dicomarray import Volume, load, scan
from dicomarray.errors import GeometryError
from enhanced_files import Group, at, content, weighted, write_enhanced
from synthetic import SPACING_MM, write_repetitions

SHAPE = (3, 4, 5, 6)  # repetitions, slices, rows, columns
SERIES = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4"}
# Renumbered slice by slice, those of one place in any order, as some archives do.
BY_PLACE = [1, 6, 7, 11, 2, 4, 9, 10, 3, 5, 8, 12]


def volumes(folder: Path) -> list[Volume]:
    (series,) = scan(folder)
    return series.volumes()


# --- attributes before numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("AcquisitionTime", ("120000", "120100", "120200")),
        ("ContentTime", ("120000", "120100", "120200")),
        ("FrameReferenceTime", (0, 1000, 2000)),
        ("KVP", (80, 100, 140)),
        ("ConvolutionKernel", ("B30f", "B45f", "B60f")),
        ("RepetitionTime", (500, 1000, 2000)),
        ("ImageComments", ("b=0", "b=1500(1,0,0)", "b=1500(0,1,0)")),
    ],
)
def test_an_attribute_goes_before_numbers(tmp_path: Path, keyword: str, values: tuple[Any, ...]) -> None:
    """Numbers that run slice by slice are no proof where an attribute says otherwise."""
    array = synthetic.stored_values(SHAPE)
    write_repetitions(tmp_path / "s", array, [{keyword: value} for value in values], numbers=BY_PLACE)
    (volume,) = volumes(tmp_path / "s")
    found = {tuple(int(image[0, 0]) for image in repetition) for repetition in volume.array}
    assert found == {tuple(int(image[0, 0]) for image in repetition) for repetition in array}
    assert not volume.warnings


@pytest.mark.parametrize(
    ("creator", "group", "elements"),
    [("SIEMENS MR HEADER", 0x0019, [0x0E]), ("GEMS_ACQU_01", 0x0019, [0xBB, 0xBC, 0xBD])],
)
def test_private_gradients_go_before_numbers(
    tmp_path: Path, creator: str, group: int, elements: list[int]
) -> None:
    """Classic diffusion images of one b-value: the vendor's own element has the direction."""
    array = synthetic.stored_values(SHAPE)
    files = write_repetitions(tmp_path / "s", array, [{"DiffusionBValue": 1000.0}] * 3, numbers=BY_PLACE)
    for index, file in enumerate(files):
        data_set = pydicom.dcmread(file)
        block = data_set.private_block(group, creator, create=True)
        direction = np.roll([0.6, 0.8, 0.0], index // SHAPE[1]).tolist()
        if len(elements) == 1:
            block.add_new(elements[0], "FD", direction)
        else:
            for element, value in zip(elements, direction, strict=True):
                block.add_new(element, "DS", value)
        data_set.save_as(file)
    (volume,) = volumes(tmp_path / "s")
    found = {tuple(int(image[0, 0]) for image in repetition) for repetition in volume.array}
    assert found == {tuple(int(image[0, 0]) for image in repetition) for repetition in array}


def test_trigger_times_go_before_numbers(tmp_path: Path) -> None:
    """Phases by trigger time, each slice with its own, and numbers in another order."""
    array = synthetic.stored_values(SHAPE)
    files = write_repetitions(tmp_path / "s", array, [{}] * 3, order="slice", numbers=BY_PLACE)
    numbers = [3, 1, 2, 4, 5, 6, 8, 7, 9, 10, 12, 11]
    for index, file in enumerate(files):
        data_set = pydicom.dcmread(file)
        data_set.TriggerTime = index % 3 * (100 + index // 3) + 1
        data_set.InstanceNumber = numbers[index]
        data_set.save_as(file)
    (volume,) = volumes(tmp_path / "s")
    assert np.array_equal(volume.array, array)
    assert not volume.warnings


@pytest.mark.parametrize(
    ("times", "told"),
    [
        (("120000", "120100", "120200"), False),
        (("235900", "000100", "000200"), False),  # midnight
        (("120100", "120000", "120200"), True),
        (("120200", "120100", "120000"), True),
    ],
)
def test_an_order_that_is_not_that_of_time_is_told(
    tmp_path: Path, times: tuple[str, ...], told: bool
) -> None:
    """Numbers say one order of the repetitions, their times another."""
    array = synthetic.stored_values(SHAPE)
    write_repetitions(tmp_path / "s", array, [{"AcquisitionTime": time} for time in times])
    (volume,) = volumes(tmp_path / "s")
    assert np.array_equal(volume.array, array)
    assert any("not that of AcquisitionTime" in warning for warning in volume.warnings) == told


# --- incomplete repetitions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("DiffusionBValue", (0.0, 1000.0)),
        ("FlipAngle", (5, 20)),
        ("InversionTime", (100, 900)),
        ("AcquisitionTime", ("120000", "120100")),
        ("ConvolutionKernel", ("B30f", "B60f")),
    ],
)
def test_attributes_tell_a_repetition_cut_short(
    tmp_path: Path, keyword: str, values: tuple[Any, Any]
) -> None:
    """A whole repetition and half of another, numbered in no order: the first has no image of the second."""
    array = synthetic.stored_values((2, *SHAPE[1:]))
    steps = [{keyword: value} for value in values]
    write_repetitions(
        tmp_path / "s", array, steps, without=[(1, 2), (1, 3)], numbers=[3, 6, 1, 5, 2, 4, 7, 8]
    )
    whole, rest = volumes(tmp_path / "s")
    assert np.array_equal(whole.array, array[0])
    assert np.array_equal(rest.array, array[1, :2])


def test_one_lost_slice_costs_its_repetition_only(tmp_path: Path) -> None:
    """Four b-values, one image of the third lost: the others are whole."""
    array = synthetic.stored_values((4, *SHAPE[1:]))
    steps = [{"DiffusionBValue": b} for b in (0.0, 500.0, 1000.0, 1500.0)]
    write_repetitions(tmp_path / "s", array, steps, without=[(2, 1)])
    whole, rest = volumes(tmp_path / "s")
    assert np.array_equal(whole.array, array[[0, 1, 3]])
    assert np.array_equal(rest.array, array[2, [0, 2, 3]])


@pytest.mark.parametrize("keyword", ["DiffusionBValue", "FlipAngle", "InversionTime", None])
def test_images_lost_at_both_ends_mix_nothing(tmp_path: Path, keyword: str | None) -> None:
    """As many images at each place, but not of the same repetitions: the whole one, and the rest."""
    array = synthetic.stored_values(SHAPE)
    frames: list[Group] = []
    for step, z in itertools.product(range(3), range(4)):
        told: Group = content(StackID="1", DimensionIndexValues=[1, z + 1, step + 1])
        if keyword == "DiffusionBValue":
            told = weighted(500.0 * step)
        elif keyword == "FlipAngle":
            told = {"MRTimingAndRelatedParametersSequence": {"FlipAngle": 5.0 + step}}
        elif keyword == "InversionTime":
            told = {"MRModifierSequence": {"InversionTimes": [100.0 + step]}}
        frames.append({**at(z * SPACING_MM), **told})
    (tmp_path / "s").mkdir()
    write_enhanced(tmp_path / "s" / "e.dcm", array.reshape(12, 5, 6)[2:-2], frames[2:-2])
    found = volumes(tmp_path / "s")
    assert np.array_equal(found[0].array, array[1])
    assert {len(volume.array) for volume in found[1:]} == {2}


def lost_first(folder: Path, files: Sequence[Path]) -> Path:
    folder.mkdir()
    for file in files[1:]:
        file.rename(folder / file.name)
    return folder


@pytest.mark.parametrize("first", [0, 1])
def test_a_lost_first_image_is_noticed(tmp_path: Path, first: int) -> None:
    """Whether images are numbered from 0 or 1: else each time point would have a slice of the next."""
    array = synthetic.stored_values(SHAPE)
    files = write_repetitions(tmp_path / "in", array, [{}] * 3, numbers=range(first, first + 12))
    with pytest.raises(GeometryError, match="nothing says which"):
        volumes(lost_first(tmp_path / "s", files))


def test_a_lost_first_file_of_frames_is_noticed(tmp_path: Path) -> None:
    """One enhanced frame a file: the frame's index is 0 in each of them, the instance number is not."""
    array = synthetic.stored_values(SHAPE)
    (tmp_path / "in").mkdir()
    files = []
    for index, (step, z) in enumerate(itertools.product(range(3), range(4))):
        file = tmp_path / "in" / f"{index:02d}.dcm"
        uids = SERIES | {"SOPInstanceUID": f"1.2.3.4.{index + 1}"}
        common = uids | {"InstanceNumber": index + 1}
        files.append(write_enhanced(file, array[step, z][None], [at(z * SPACING_MM)], common=common))
    with pytest.raises(GeometryError, match="nothing says which"):
        volumes(lost_first(tmp_path / "s", files))


# --- one file a repetition --------------------------------------------------------------------------------


def write_volumes(folder: Path, array: Any, each: Sequence[dict[str, Any]], turned: bool = False) -> None:
    """An enhanced file for each repetition, named in another order."""
    folder.mkdir()
    for step, (volume, common) in enumerate(zip(array, each, strict=True)):
        order = np.roll(np.arange(len(volume)), step if turned else 0)
        uids = SERIES | {"SOPInstanceUID": f"1.2.3.4.{step + 1}", "InstanceNumber": 1}
        frames = [at(z * SPACING_MM) for z in order]
        write_enhanced(folder / f"{'bca'[step]}.dcm", volume[order], frames, common=uids | common)


@pytest.mark.parametrize("keyword", ["AcquisitionNumber", "AcquisitionDateTime"])
def test_files_with_one_number_come_as_acquired(tmp_path: Path, keyword: str) -> None:
    """Not in the order of their names."""
    array = synthetic.stored_values(SHAPE)
    values = (
        (1, 2, 3)
        if keyword == "AcquisitionNumber"
        else ("20240203120001", "20240203120002", "20240203120003")
    )
    write_volumes(tmp_path / "s", array, [{keyword: value} for value in values])
    assert np.array_equal(load(tmp_path / "s").array, array)


def test_a_file_keeps_its_frames_together(tmp_path: Path) -> None:
    """Files that hold one volume each, their frames in another order in each."""
    array = synthetic.stored_values(SHAPE)
    write_volumes(tmp_path / "s", array, [{}] * 3, turned=True)
    volume = load(tmp_path / "s")
    found = {tuple(int(image[0, 0]) for image in repetition) for repetition in volume.array}
    assert found == {tuple(int(image[0, 0]) for image in repetition) for repetition in array}


# --- empty images -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("edge", [0, 3])
def test_empty_slices_of_a_scan_cut_short_are_no_copies(tmp_path: Path, edge: int) -> None:
    """The last time point lacks slices, and the slice at an end is empty at all times: all are kept."""
    array = synthetic.stored_values(SHAPE)
    array[:, edge] = 0
    write_repetitions(tmp_path / "s", array, [{}] * 3, without=[(2, 2), (2, 3)])
    whole, rest = volumes(tmp_path / "s")
    assert np.array_equal(whole.array, array[:2])
    assert np.array_equal(rest.array, array[2, :2])
