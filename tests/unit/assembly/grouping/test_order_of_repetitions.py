"""Which attribute puts repetitions in their order, and what coordinates say; each rule with its opposite."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

import enhanced_files
import synthetic
from dicomarray import Volume, scan
from synthetic import SPACING_MM, write_repetitions

SHAPE = (4, 3, 5, 6)  # repetitions, slices, rows, columns
# A plan of numbers for each image, in which no order of repetitions can be seen.
SHUFFLED = [int(n) + 1 for n in np.random.default_rng(4).permutation(12)]
# Repetition by repetition, but the repetitions as 3rd, 1st, 4th, 2nd.
OTHERWISE = [(2, 0, 3, 1)[t] * 3 + k + 1 for t in range(4) for k in range(3)]


def written(
    folder: Path,
    each: Sequence[Sequence[dict[str, Any]]],
    numbers: Sequence[int | None] | None = None,
    modality: str = "MR",
) -> NDArray[Any]:
    """Write a series; ``each`` has the attributes of each slice of each repetition.

    Files have names, and stand, in an order that tells nothing.
    """
    array = synthetic.stored_values(SHAPE)
    given = None if numbers is None else [number or 1 for number in numbers]
    files = write_repetitions(folder, array, [{}] * SHAPE[0], numbers=given, modality=modality)
    names = np.random.default_rng(9).permutation(len(files))
    for index, file in enumerate(files):
        data_set = pydicom.dcmread(file)
        t, k = divmod(index, SHAPE[1])
        for keyword, value in each[t][k].items():
            setattr(data_set, keyword, value)
        if numbers is not None and numbers[index] is None:
            del data_set.InstanceNumber
        file.unlink()
        data_set.save_as(folder / f"x{names[index]:02}.dcm")
    return array


def same_slices(steps: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    return [[step] * SHAPE[1] for step in steps]


def volume_of(folder: Path) -> Volume:
    (series,) = scan(folder)
    (volume,) = series.volumes(units="stored")
    return volume


def assert_ordered(folder: Path, array: NDArray[Any]) -> Volume:
    """One volume, right, whose coordinates tell all repetitions apart and survive JSON and pickle.

    None are there where nothing but numbers tells repetitions.
    """
    volume = volume_of(folder)
    np.testing.assert_array_equal(volume.array, array)
    steps = list(zip(*volume.coordinates.values(), strict=True))
    assert len({repr(step) for step in steps}) == (len(array) if volume.coordinates else 0)
    assert json.loads(json.dumps(volume.metadata["array"]["coordinates"])).keys() == volume.coordinates.keys()
    assert pickle.loads(pickle.dumps(dict(volume.coordinates))) == dict(volume.coordinates)
    return volume


RANKED = [
    ("MR", "TriggerTime"),
    ("PT", "FrameReferenceTime"),
    ("CT", "NominalPercentageOfCardiacPhase"),
    ("CT", "NominalPercentageOfRespiratoryPhase"),
]


@pytest.mark.parametrize("numbers", [SHUFFLED, OTHERWISE, [None] * 12], ids=["shuffled", "other", "none"])
@pytest.mark.parametrize(("modality", "keyword"), RANKED)
def test_times_and_phases_go_before_numbers(
    tmp_path: Path, modality: str, keyword: str, numbers: list[int | None]
) -> None:
    """Whatever the numbers are, the attribute orders; where numbers run in another order that is told."""
    array = written(tmp_path / "s", same_slices([{keyword: 20.0 * t} for t in range(4)]), numbers, modality)
    volume = assert_ordered(tmp_path / "s", array)
    assert volume.coordinates[keyword] == (0.0, 20.0, 40.0, 60.0)
    told = any("not that of InstanceNumber" in warning for warning in volume.warnings)
    assert told == (numbers is OTHERWISE)


@pytest.mark.parametrize(("modality", "keyword"), RANKED)
def test_ranks_at_each_place_are_compared(tmp_path: Path, modality: str, keyword: str) -> None:
    """Each slice, or bed, has values of its own: those of one are all before those of the next."""
    each = [[{keyword: 1000.0 * k + (7 + k) * t} for k in range(3)] for t in range(4)]
    if keyword.startswith("Nominal"):
        each = [[{keyword: 30.0 * k + 5 * t} for k in range(3)] for t in range(4)]
    array = written(tmp_path / "s", each, SHUFFLED, modality)
    volume = assert_ordered(tmp_path / "s", array)
    assert volume.coordinates[keyword] == tuple(step[0][keyword] for step in each)  # the earliest


@pytest.mark.parametrize(("modality", "keyword"), RANKED)
def test_what_is_constant_at_a_place_orders_nothing(tmp_path: Path, modality: str, keyword: str) -> None:
    """One place at which all have one value: numbers decide."""
    each = [[{keyword: 5.0 if k == 1 else 90.0 - 20.0 * t} for k in range(3)] for t in range(4)]
    array = written(tmp_path / "s", each, list(range(1, 13)), modality)
    assert_ordered(tmp_path / "s", array)


@pytest.mark.parametrize(("modality", "keyword"), RANKED)
def test_what_an_image_lacks_orders_nothing(tmp_path: Path, modality: str, keyword: str) -> None:
    """An image without the attribute: numbers decide."""
    each = [[{keyword: 90.0 - 20.0 * t} for _ in range(3)] for t in range(4)]
    each[2][1] = {keyword: None}
    array = written(tmp_path / "s", each, list(range(1, 13)), modality)
    assert_ordered(tmp_path / "s", array)


def test_gates_of_a_whole_body_pet(tmp_path: Path) -> None:
    """Beds come one after the other: Frame Reference Time is ordered by bed, Trigger Time by gate."""
    each = [
        [{"FrameReferenceTime": 60000.0 * k, "TriggerTime": 100.0 * t} for k in range(3)] for t in range(4)
    ]
    array = written(tmp_path / "s", each, SHUFFLED, "PT")
    assert assert_ordered(tmp_path / "s", array).coordinates["TriggerTime"] == (0.0, 100.0, 200.0, 300.0)


def test_several_sort_one_after_the_other(tmp_path: Path) -> None:
    """PET frames, each with gates: the frame first, though the gate's time starts again."""
    steps = [{"FrameReferenceTime": 1000.0 * (t // 2), "TriggerTime": 50.0 * (t % 2)} for t in range(4)]
    array = written(tmp_path / "s", same_slices(steps), SHUFFLED, "PT")
    assert_ordered(tmp_path / "s", array)


def test_temporal_position_goes_first(tmp_path: Path) -> None:
    """Trigger times and numbers that run against it."""
    steps = [{"TemporalPositionIdentifier": t + 1, "TriggerTime": 90.0 - 20 * t} for t in range(4)]
    array = written(tmp_path / "s", same_slices(steps), OTHERWISE)
    assert_ordered(tmp_path / "s", array)


def test_diffusion_keeps_the_order_of_acquisition(tmp_path: Path) -> None:
    """Trigger times of a gated diffusion scan are those of heart beats, and order nothing."""
    steps = [
        {"DiffusionBValue": b, "TriggerTime": t}
        for b, t in ((800.0, 30), (0.0, 90), (500.0, 10), (100.0, 60))
    ]
    array = written(tmp_path / "s", same_slices(steps), list(range(1, 13)))
    assert assert_ordered(tmp_path / "s", array).coordinates["DiffusionBValue"] == (800.0, 0.0, 500.0, 100.0)


@pytest.mark.parametrize("keyword", ["IS", "DS"])
def test_phases_in_other_representations(tmp_path: Path, keyword: str) -> None:
    """Percentages as decimal or whole text, which do not sort as text."""
    array = written(tmp_path / "s", same_slices([{}] * 4), [None] * 12, "CT")
    by_pixel = {int(array[t, k, 0, 0]): t for t in range(4) for k in range(3)}
    for file in (tmp_path / "s").iterdir():
        data_set = pydicom.dcmread(file)
        t = by_pixel[int(data_set.pixel_array[0, 0])]
        data_set.add_new(0x00209241, keyword, str((0, 5, 50, 100)[t]))
        data_set.save_as(file)
    volume = assert_ordered(tmp_path / "s", array)
    assert volume.coordinates["NominalPercentageOfCardiacPhase"] == (0, 5, 50, 100)


@pytest.mark.parametrize("clock", ["Acquisition", "Content"])
def test_times_across_midnight_where_numbers_are_absent(tmp_path: Path, clock: str) -> None:
    """With their dates; each slice has a time of its own."""
    begin = 86400 - 120
    each = []
    for t in range(4):
        moments = [begin + 60 * t + k for k in range(3)]
        each.append(
            [
                {
                    f"{clock}Date": f"2024010{1 + m // 86400}",
                    f"{clock}Time": f"{m % 86400 // 3600:02}{m % 3600 // 60:02}{m % 60:02}",
                }
                for m in moments
            ]
        )
    array = written(tmp_path / "s", each, [None] * 12)
    volume = assert_ordered(tmp_path / "s", array)
    assert not [warning for warning in volume.warnings if "order" in warning]


def test_numbers_go_before_times(tmp_path: Path) -> None:
    """Times that run against numbers are told, and not followed."""
    array = written(
        tmp_path / "s",
        same_slices([{"AcquisitionTime": f"12000{9 - t}"} for t in range(4)]),
        list(range(1, 13)),
    )
    volume = assert_ordered(tmp_path / "s", array)
    assert any("not that of AcquisitionTime" in warning for warning in volume.warnings)


def test_equal_numbers_leave_it_to_times(tmp_path: Path) -> None:
    """Numbers that begin again with each repetition tie."""
    each = same_slices([{"AcquisitionTime": f"12000{t}"} for t in range(4)])
    array = written(tmp_path / "s", each, [k + 1 for _ in range(4) for k in range(3)])
    assert_ordered(tmp_path / "s", array)


def test_a_time_that_all_share_hides_none_that_tells(tmp_path: Path) -> None:
    """One Acquisition Time for the whole series, and numbers that tie: Content Time tells."""
    each = same_slices([{"AcquisitionTime": "115900", "ContentTime": f"12000{t}"} for t in range(4)])
    array = written(tmp_path / "s", each, [k + 1 for _ in range(4) for k in range(3)])
    assert_ordered(tmp_path / "s", array)


def test_numbers_go_before_content_times_where_acquisition_times_tie(tmp_path: Path) -> None:
    """Content Times are often those of the reconstruction: where numbers tell they are not asked."""
    each = [
        [{"AcquisitionTime": "115900", "ContentTime": f"1200{(t + k) % 4}{k}"} for k in range(3)]
        for t in range(4)
    ]
    array = written(tmp_path / "s", each, list(range(1, 13)))
    assert not [warning for warning in assert_ordered(tmp_path / "s", array).warnings if "mixed" in warning]


def test_names_of_files_tell_nothing(tmp_path: Path) -> None:
    """The same files under names that sort the other way: the same volume, and the doubt is told."""
    written(tmp_path / "s", same_slices([{}] * 4), [None] * 12)
    first = volume_of(tmp_path / "s")
    (tmp_path / "t").mkdir()
    for index, file in enumerate(sorted((tmp_path / "s").iterdir(), reverse=True)):
        file.rename(tmp_path / "t" / f"{index:02}.dcm")
    second = volume_of(tmp_path / "t")
    np.testing.assert_array_equal(first.array, second.array)
    assert first.warnings
    assert second.warnings


@pytest.mark.parametrize("orders", [True, False])
def test_frames_of_enhanced_objects(tmp_path: Path, orders: bool) -> None:
    """Two dimensions: acquisition times order where they tell all; else the last dimension varies slowest."""
    array = synthetic.stored_values(SHAPE)
    # the first of the two dimensions varies slowest in time
    frames = [
        enhanced_files.at(k * SPACING_MM)
        | {
            "FrameContentSequence": {
                "DimensionIndexValues": [k + 1, t // 2 + 1, t % 2 + 1],
                "FrameAcquisitionDateTime": f"2024010112{t if orders else 0:02}00",
            }
        }
        for t in range(4)
        for k in range(3)
    ]
    enhanced_files.write_enhanced(tmp_path / "e.dcm", array.reshape(-1, *SHAPE[2:]), frames)
    (series,) = scan(tmp_path / "e.dcm")
    (volume,) = series.volumes()
    np.testing.assert_array_equal(volume.array, array if orders else array[[0, 2, 1, 3]])


ENHANCED_TIMES = {
    "FrameAcquisitionDateTime": lambda t, k: {
        "FrameContentSequence": {"FrameAcquisitionDateTime": f"2024010112000{t}.{k}"}
    },
    "NominalPercentageOfCardiacPhase": lambda t, _: {
        "CardiacSynchronizationSequence": {"NominalPercentageOfCardiacPhase": 25.0 * t}
    },
    "NominalPercentageOfRespiratoryPhase": lambda t, _: {
        "RespiratorySynchronizationSequence": {"NominalPercentageOfRespiratoryPhase": 25.0 * t}
    },
    "NominalCardiacTriggerDelayTime": lambda t, k: {
        "CardiacSynchronizationSequence": {"NominalCardiacTriggerDelayTime": 50.0 * t + 7 * k}
    },
}


@pytest.mark.parametrize("keyword", ENHANCED_TIMES)
def test_frames_in_no_order_and_without_dimension_indices(tmp_path: Path, keyword: str) -> None:
    """What frames say of their time or phase tells, by rank at each place; a time of the object does not."""
    array = synthetic.stored_values(SHAPE)
    plan = [divmod(number - 1, SHAPE[1]) for number in SHUFFLED]
    frames = [enhanced_files.at(k * SPACING_MM) | ENHANCED_TIMES[keyword](t, k) for t, k in plan]
    enhanced_files.write_enhanced(
        tmp_path / "e.dcm",
        np.array([array[place] for place in plan]),
        frames,
        common={"AcquisitionDate": "20240101", "AcquisitionTime": "115900"},
    )
    (series,) = scan(tmp_path / "e.dcm")
    (volume,) = series.volumes()
    np.testing.assert_array_equal(volume.array, array)
    assert len(set(volume.coordinates[keyword])) == len(array)
    assert not volume.warnings


# Across the end of summer time: half an hour apart, though clocks go back.
ZONED = ("20241027013000+0200", "20241027023000.5+0200", "20241027020000+0100", "20241027023000+0100")


@pytest.mark.parametrize("enhanced", [False, True], ids=["classic", "enhanced"])
def test_times_of_several_zones_are_compared_as_moments(tmp_path: Path, enhanced: bool) -> None:
    """The offset from UTC counts, and the coordinates keep the texts."""
    keyword = "FrameAcquisitionDateTime" if enhanced else "AcquisitionDateTime"
    if enhanced:
        array = synthetic.stored_values(SHAPE)
        plan = [divmod(number - 1, SHAPE[1]) for number in SHUFFLED]
        frames = [
            enhanced_files.at(k * SPACING_MM) | enhanced_files.content(FrameAcquisitionDateTime=ZONED[t])
            for t, k in plan
        ]
        enhanced_files.write_enhanced(tmp_path / "s" / "e.dcm", np.array([array[p] for p in plan]), frames)
    else:
        array = written(tmp_path / "s", same_slices([{keyword: time} for time in ZONED]), [None] * 12)
    volume = assert_ordered(tmp_path / "s", array)
    assert volume.coordinates[keyword] == ZONED
    assert not volume.warnings


def test_dimension_indices_go_before_phases_of_frames(tmp_path: Path) -> None:
    """Percentages that run against the indices: the last dimension keeps varying slowest."""
    array = synthetic.stored_values(SHAPE)
    frames = [
        enhanced_files.at(k * SPACING_MM)
        | enhanced_files.content(DimensionIndexValues=[k + 1, t + 1])
        | {"CardiacSynchronizationSequence": {"NominalPercentageOfCardiacPhase": 75.0 - 25.0 * t}}
        for t in range(4)
        for k in range(3)
    ]
    enhanced_files.write_enhanced(tmp_path / "e.dcm", array.reshape(-1, *SHAPE[2:]), frames)
    (series,) = scan(tmp_path / "e.dcm")
    (volume,) = series.volumes()
    np.testing.assert_array_equal(volume.array, array)


@pytest.mark.parametrize(
    ("macro", "keyword", "values"),
    [
        ("MRArterialSpinLabelingSequence", "ASLContext", ["LABEL", "CONTROL", "LABEL", "CONTROL"]),
        (
            "MRVelocityEncodingSequence",
            "VelocityEncodingDirection",
            [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0)],
        ),
    ],
)
def test_coordinates_have_what_frames_measure(
    tmp_path: Path, macro: str, keyword: str, values: list[Any]
) -> None:
    """Label and control, and directions of flow, are told beside the number of the time point."""
    array = synthetic.stored_values(SHAPE)
    frames = [
        enhanced_files.at(k * SPACING_MM)
        | enhanced_files.content(TemporalPositionIndex=t + 1)
        | {macro: {keyword: list(values[t]) if isinstance(values[t], tuple) else values[t]}}
        for t in range(4)
        for k in range(3)
    ]
    enhanced_files.write_enhanced(tmp_path / "e.dcm", array.reshape(-1, *SHAPE[2:]), frames)
    volume = volume_of(tmp_path / "e.dcm")
    np.testing.assert_array_equal(volume.array, array)
    assert list(volume.coordinates[keyword]) == values


def test_repetitions_in_two_frames_of_reference_are_told(tmp_path: Path) -> None:
    """Nothing says that equal coordinates are equal places there; one frame of reference is no warning."""
    for number, uids in enumerate((("1.2", "1.3"), ("1.2", "1.2"))):
        steps = [{"FrameOfReferenceUID": uid} for uid in uids for _ in range(2)]
        write_repetitions(tmp_path / str(number), synthetic.stored_values(SHAPE), steps)
        told = [w for w in volume_of(tmp_path / str(number)).warnings if "[frame-of-reference]" in w]
        assert len(told) == len(set(uids)) - 1


COMMENTS = {
    "words": (["label", "control", "label", "control"], ["label", "control", "label", "control"]),
    "numbered words": (["label 1", "control 1", "label 2", "control 2"], [1, 2, 3, 4]),
    "a name": (["Doe, left arm", "Doe", "Roe", "Roe again"], [1, 2, 3, 4]),
    "capitals": (["ARTERIAL", "Venous", "delayed", "native"], ["arterial", "venous", "delayed", "native"]),
}


@pytest.mark.parametrize("kind", COMMENTS)
def test_of_free_text_only_known_words(tmp_path: Path, kind: str) -> None:
    """Never a text as it stands; numbers tell the repetitions apart where words don't."""
    texts, told = COMMENTS[kind]
    array = written(
        tmp_path / "s", same_slices([{"ImageComments": text} for text in texts]), list(range(1, 13))
    )
    volume = assert_ordered(tmp_path / "s", array)
    assert list(volume.coordinates["ImageComments"]) == told
    assert not any(name in json.dumps(volume.metadata["array"]) for name in ("Doe", "Roe"))


def test_philips_label_type_is_told_in_the_standards_words(tmp_path: Path) -> None:
    """ASL Context (0018,9257) for the private element; its name is private no more."""
    array = written(tmp_path / "s", same_slices([{"Manufacturer": "Philips"}] * 4), list(range(1, 13)))
    by_pixel = {int(array[t, k, 0, 0]): t for t in range(4) for k in range(3)}
    for file in (tmp_path / "s").iterdir():
        data_set = pydicom.dcmread(file)
        t = by_pixel[int(data_set.pixel_array[0, 0])]
        block = data_set.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
        block.add_new(0x29, "CS", ("LABEL", "CONTROL")[t % 2])
        data_set.save_as(file)
    volume = assert_ordered(tmp_path / "s", array)
    assert volume.coordinates["ASLContext"] == ("LABEL", "CONTROL", "LABEL", "CONTROL")
    assert not [name for name in volume.coordinates if name.startswith("(")]


def test_what_is_the_same_everywhere_is_no_coordinate(tmp_path: Path) -> None:
    """Only what differs between repetitions stands there."""
    steps = [{"TemporalPositionIdentifier": t + 1, "TriggerTime": 12.5, "FlipAngle": 9} for t in range(4)]
    array = written(tmp_path / "s", same_slices(steps), list(range(1, 13)))
    assert set(assert_ordered(tmp_path / "s", array).coordinates) == {"TemporalPositionIdentifier"}
