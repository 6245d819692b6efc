"""Traces among diffusion directions are a volume of their own; traces alone keep their b-values together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import Dataset

import enhanced_files
import synthetic
from dicomarray import Volume, scan
from synthetic import write_repetitions

SLICES = (3, 5, 6)
AXES = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
Vendor = Callable[[Dataset, int], None]


def volumes(folder: Path) -> list[Volume]:
    (series,) = scan(folder)
    return series.volumes()


def written(
    folder: Path, steps: Sequence[dict[str, Any]], manufacturer: str = "NONE", private: Vendor | None = None
) -> np.ndarray[Any, Any]:
    array = synthetic.stored_values((len(steps), *SLICES))
    files = write_repetitions(folder, array, steps, common={"Manufacturer": manufacturer})
    for index, file in enumerate(files if private else ()):
        data_set = pydicom.dcmread(file)
        assert private is not None
        private(data_set, index // SLICES[0])
        data_set.save_as(file)
    return array


def directional(b_value: float = 1000.0) -> list[dict[str, Any]]:
    """One image without diffusion, three directions."""
    return [
        {"DiffusionBValue": 0.0, "DiffusionDirectionality": "NONE"},
        *(
            {
                "DiffusionBValue": b_value,
                "DiffusionDirectionality": "DIRECTIONAL",
                "DiffusionGradientOrientation": axis,
            }
            for axis in AXES
        ),
    ]


def assert_apart(folder: Path, array: np.ndarray[Any, Any], directions: int = 4) -> None:
    along, trace = volumes(folder)
    assert along.axes[0] == "diffusion"
    assert np.array_equal(along.array, array[:directions])
    assert np.array_equal(trace.array.reshape(array[directions:].shape), array[directions:])
    (series,) = scan(folder)
    assert ["trace" in stack.label for stack in series.stacks()] == [False, True]
    assert trace.metadata["series"]["DiffusionDirectionality"] == "ISOTROPIC"
    assert along.metadata["series"].get("DiffusionDirectionality") != "ISOTROPIC"


# --- apart ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trace",
    [
        {"DiffusionBValue": 1000.0, "DiffusionDirectionality": "ISOTROPIC"},
        {"DiffusionBValue": 1000.0, "DiffusionGradientOrientation": [0.0, 0.0, 0.0]},
        {"DiffusionBValue": 1000.0, "ImageType": ["ORIGINAL", "PRIMARY", "DIFFUSION", "TRACEW"]},
        {"ImageType": ["ORIGINAL", "PRIMARY", "DIFFUSION", "TRACEW"]},
    ],
)
def test_a_trace_among_directions_is_a_volume_of_its_own(tmp_path: Path, trace: dict[str, Any]) -> None:
    """Directionality, a gradient of length 0, or the word tells it."""
    assert_apart(tmp_path / "s", written(tmp_path / "s", [*directional(), trace]))


def test_all_b_values_of_traces_are_one_volume(tmp_path: Path) -> None:
    """Traces of b = 500 and 1000 beside directions: one volume along b; b = 0 stays with the directions."""
    isotropic = [{"DiffusionBValue": b, "DiffusionDirectionality": "ISOTROPIC"} for b in (500.0, 1000.0)]
    array = written(tmp_path / "s", [*directional(), *isotropic])
    assert_apart(tmp_path / "s", array)
    assert volumes(tmp_path / "s")[1].coordinates["DiffusionBValue"] == (500.0, 1000.0)


@pytest.mark.parametrize("low", [0.0, 5.0, 50.0])
def test_low_b_values_stay_with_the_directions(tmp_path: Path, low: float) -> None:
    """An isotropic image at b up to 50 is one without diffusion, and no trace."""
    steps = directional()
    steps[0] = {
        "DiffusionBValue": low,
        "DiffusionDirectionality": "ISOTROPIC",
        "DiffusionGradientOrientation": [0.0, 0.0, 0.0],
    }
    trace = {"DiffusionBValue": 1000.0, "DiffusionDirectionality": "ISOTROPIC"}
    assert_apart(tmp_path / "s", written(tmp_path / "s", [*steps, trace]))


def philips(data_set: Dataset, step: int) -> None:
    block = data_set.private_block(0x2001, "Philips Imaging DD 001", create=True)
    block.add_new(0x03, "FL", 0.0 if step == 0 else 800.0)
    block.add_new(0x04, "CS", "IPMSI"[step])


def siemens(data_set: Dataset, step: int) -> None:
    block = data_set.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", 0 if step == 0 else 800)
    block.add_new(0x0D, "CS", ["NONE", *["DIRECTIONAL"] * 3, "ISOTROPIC"][step])
    if 0 < step < 4:
        block.add_new(0x0E, "FD", AXES[step - 1])


def ge_codes(data_set: Dataset, step: int) -> None:
    block = data_set.private_block(0x0043, "GEMS_PARM_01", create=True)
    block.add_new(0x39, "IS", [0 if step == 0 else 1000000800, 8, 0, 0])
    block.add_new(0x30, "SS", (14, 3, 4, 5, 15)[step])


def ge_gradients(data_set: Dataset, step: int) -> None:
    data_set.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(
        0x39, "IS", [0 if step == 0 else 800, 8, 0, 0]
    )
    block = data_set.private_block(0x0019, "GEMS_ACQU_01", create=True)
    for element, part in zip((0xBB, 0xBC, 0xBD), [[0.0] * 3, *AXES, [0.0] * 3][step], strict=True):
        block.add_new(element, "DS", str(part))


VENDORS = [
    ("Philips", philips),
    ("SIEMENS", siemens),
    ("GE MEDICAL SYSTEMS", ge_codes),
    ("GE MEDICAL SYSTEMS", ge_gradients),
]


@pytest.mark.parametrize(("manufacturer", "private"), VENDORS)
def test_the_vendors_own_codes_tell_traces(tmp_path: Path, manufacturer: str, private: Vendor) -> None:
    """Philips' letter I, Siemens' directionality, GE's code 15 and gradients of length 0 tell them."""
    assert_apart(tmp_path / "s", written(tmp_path / "s", [{}] * 5, manufacturer, private))


def test_traces_of_an_enhanced_object(tmp_path: Path) -> None:
    """Directionality stands in the functional groups of each frame."""
    array = synthetic.stored_values((3, *SLICES))
    diffusion: list[dict[str, Any]] = [
        {"DiffusionBValue": 0.0, "DiffusionDirectionality": "NONE"},
        {
            "DiffusionBValue": 900.0,
            "DiffusionDirectionality": "DIRECTIONAL",
            "DiffusionGradientDirectionSequence": {"DiffusionGradientOrientation": AXES[0]},
        },
        {"DiffusionBValue": 900.0, "DiffusionDirectionality": "ISOTROPIC"},
    ]
    frames = [
        {**enhanced_files.at(2.5 * z), "MRDiffusionSequence": values}
        for values in diffusion
        for z in range(3)
    ]
    enhanced_files.write_enhanced(tmp_path / "e.dcm", array.reshape(-1, 5, 6), frames)
    assert_apart(tmp_path / "e.dcm", array, directions=2)


# --- together ---------------------------------------------------------------------------------------------


def assert_together(folder: Path, array: np.ndarray[Any, Any]) -> None:
    (volume,) = volumes(folder)
    assert volume.axes[0] == "diffusion"
    assert np.array_equal(volume.array, array)


@pytest.mark.parametrize("word", ["NONE", "TRACEW"])
def test_traces_alone_keep_their_b_values_together(tmp_path: Path, word: str) -> None:
    """b = 0, 50, 400, 800, all isotropic or named; the first may have the word, or not."""
    steps = [
        {
            "DiffusionBValue": b,
            "DiffusionDirectionality": "ISOTROPIC" if b else "NONE",
            "ImageType": ["ORIGINAL", "PRIMARY", "DIFFUSION", "TRACEW" if b else word],
        }
        for b in (0.0, 50.0, 400.0, 800.0)
    ]
    assert_together(tmp_path / "s", written(tmp_path / "s", steps))


def test_an_absent_gradient_is_no_null_gradient(tmp_path: Path) -> None:
    """One of the weighted images does not say its direction: it stays among the directions."""
    steps = directional()
    del steps[2]["DiffusionGradientOrientation"], steps[2]["DiffusionDirectionality"]
    assert_together(tmp_path / "s", written(tmp_path / "s", steps))


def test_directions_alone_stay_one(tmp_path: Path) -> None:
    """Without a trace nothing is split, whatever b is."""
    steps = [*directional(), *directional(2000.0)[1:]]
    assert_together(tmp_path / "s", written(tmp_path / "s", steps))


def test_ge_images_of_gradient_0_in_the_table_are_no_traces(tmp_path: Path) -> None:
    """GE writes the b-value of the scan for images of b = 0 in its table of directions; code 16 says so."""

    def private(data_set: Dataset, step: int) -> None:
        ge_gradients(data_set, step)
        data_set.private_block(0x0043, "GEMS_PARM_01").add_new(0x30, "SS", 14 if step == 0 else 16)

    assert_together(tmp_path / "s", written(tmp_path / "s", [{}] * 5, "GE MEDICAL SYSTEMS", private))
