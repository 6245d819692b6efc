"""4-D arrays into 4-D templates: one series that reads back as the same volume, by every reader."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dcm2niix
import nibabel
import numpy as np
import pydicom
import pytest

import dciodvfy
import dicomarray
import enhanced_files
import synthetic
from dicomarray.errors import TemplateError

SHAPE = (4, 5, 8, 10)
KINDS: dict[str, Sequence[Mapping[str, Any]]] = {
    "time points": [{"TemporalPositionIdentifier": n + 1, "NumberOfTemporalPositions": 4} for n in range(4)],
    "b-values": [{"DiffusionBValue": b} for b in (0.0, 500.0, 1000.0, 2000.0)],
    "trigger times": [{"TriggerTime": 100 * n} for n in range(4)],
    "acquisition times only": [{"AcquisitionTime": f"1200{10 * n:02d}"} for n in range(4)],
}


def series(folder: Path, steps: Sequence[Mapping[str, Any]], order: str = "volume") -> list[Path]:
    array = synthetic.stored_values(SHAPE).astype(np.uint16)
    return synthetic.write_repetitions(folder, array, steps, order=order)


@pytest.mark.parametrize("order", ["volume", "slice"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_4d_array_reads_back_as_it_was(tmp_path: Path, kind: str, order: str) -> None:
    """Axes, coordinates and every value, whatever the order in which the scanner counted."""
    files = series(tmp_path / "in", KINDS[kind], order)
    before = dicomarray.load(tmp_path / "in")
    assert before.array.shape == SHAPE
    array = before.array[:, :, ::-1] + 7
    report = dicomarray.to_dicom(array, tmp_path / "in", tmp_path / "out")
    after = dicomarray.load(tmp_path / "out")
    np.testing.assert_array_equal(after.array, array)
    assert after.axes == before.axes
    assert after.coordinates == before.coordinates
    assert len(report.files) == len(files)
    assert dciodvfy.new_issues(files[0], report.files[0])[0] == set()


@pytest.mark.parametrize(
    ("creator", "element", "values"),
    [
        ("SIEMENS MR HEADER", 0x0019_100C, [0, 500, 1000, 2000]),
        ("GEMS_PARM_01", 0x0043_1039, [1_000_000_000, 1_000_000_500, 1_000_001_000, 1_000_002_000]),
    ],
)
def test_b_values_of_vendors_become_those_of_the_standard(
    tmp_path: Path, creator: str, element: int, values: Sequence[int]
) -> None:
    """Private elements are dropped; what told the repetitions apart is said in (0018,9087)."""
    for number, path in enumerate(series(tmp_path / "in", [{}] * 4)):
        data_set = pydicom.dcmread(path)
        block = data_set.private_block(element >> 16, creator, create=True)
        block.add_new(element & 0xFF, "IS", values[number // SHAPE[1]])
        data_set.save_as(path)
    before = dicomarray.load(tmp_path / "in")
    assert before.axes[0] == "diffusion"
    report = dicomarray.to_dicom(before.array, tmp_path / "in", tmp_path / "out")
    after = dicomarray.load(tmp_path / "out")
    np.testing.assert_array_equal(after.array, before.array)
    assert list(after.coordinates["DiffusionBValue"]) == [0, 500, 1000, 2000]
    header = pydicom.dcmread(report.files[-1])
    assert header.DiffusionBValue == 2000
    assert not [element for element in header if element.tag.is_private]


def test_another_grid_in_every_repetition(tmp_path: Path) -> None:
    """Cropped and twice as fine between slices: each repetition keeps its identity and times."""
    series(tmp_path / "in", KINDS["trigger times"])
    before = dicomarray.load(tmp_path / "in")
    asked = before.affine @ np.diag([0.5, 1, 1, 1])
    asked[:3, 3] = (before.affine @ [0, 2, 3, 1])[:3]
    array = np.repeat(before.array, 2, axis=1)[:, :9, 2:, 3:]
    dicomarray.to_dicom(array, tmp_path / "in", tmp_path / "out", affine=asked)
    after = dicomarray.load(tmp_path / "out")
    np.testing.assert_array_equal(after.array, array)
    np.testing.assert_allclose(after.affine, asked, atol=1e-6)
    assert after.coordinates == before.coordinates


def test_dcm2niix_makes_one_4d_volume(tmp_path: Path) -> None:
    """dcm2niix makes of the result what it makes of the template."""
    series(tmp_path / "in", KINDS["time points"])
    volume = dicomarray.load(tmp_path / "in")
    dicomarray.to_dicom(volume.array * 2, tmp_path / "in", tmp_path / "out")
    shapes = []
    for name in ("in", "out"):
        target = tmp_path / f"{name}-nifti"
        target.mkdir()
        subprocess.run(
            [dcm2niix.bin, "-b", "n", "-o", target, tmp_path / name], check=True, capture_output=True
        )
        shapes.append(sorted(nibabel.load(file).shape for file in target.glob("*.nii*")))
    assert shapes[0] == shapes[1] == [(10, 8, 5, 4)]


@pytest.mark.parametrize("shape", [(5, 8, 10), (3, 5, 8, 10), (5, 4, 8, 10), (4, 5, 10, 8), (1, 4, 5, 8, 10)])
def test_other_axes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """One repetition, too few, axes swapped, turned: both shapes are told, nothing is written."""
    series(tmp_path / "in", KINDS["time points"])
    with pytest.raises(TemplateError, match=r"\(4, 5, 8, 10\)"):
        dicomarray.to_dicom(np.zeros(shape), tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_4d_array_needs_a_4d_template(ct: Path, tmp_path: Path) -> None:
    """The message says what to do."""
    with pytest.raises(TemplateError, match="4-D"):
        dicomarray.to_dicom(np.zeros((2, 6, 12, 16)), ct, tmp_path / "out")


def test_planes_are_compared_at_every_corner(ct: Path, tmp_path: Path) -> None:
    """Images that start at their places and end elsewhere have moved: they are written where they are."""
    volume = dicomarray.load(ct)
    affine = volume.affine.copy()
    affine[:3, 2] *= 1.001
    dicomarray.to_dicom(volume.array, ct, tmp_path / "out", affine=affine)
    np.testing.assert_allclose(dicomarray.load(tmp_path / "out").affine, affine, rtol=0, atol=1e-9)


# --- images that are numbered in no order ------------------------------------------------------------------


def shots(files: Sequence[Path], made: Path) -> np.ndarray:
    """(repetitions, slices, rows, columns) as dcm2niix has them."""
    made.mkdir()
    for path in files:
        (made / path.name).symlink_to(path)
    command = [dcm2niix.bin, "-b", "n", "-z", "n", "-m", "2", "-f", "v", "-o", str(made), str(made)]
    subprocess.run(command, check=True, capture_output=True)
    (image,) = made.glob("*.nii")
    return np.asarray(nibabel.load(image).dataobj).T[..., ::-1, :]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["time points", "b-values", "trigger times"])
def test_random_numbers_are_counted_anew(tmp_path: Path, kind: str, seed: int) -> None:
    """Cropped, so that numbers are all that is left in no order: volumes are not mixed, by any reader."""
    array = synthetic.stored_values(SHAPE).astype(np.uint16)
    numbers = [int(n) for n in np.random.default_rng(seed).permutation(SHAPE[0] * SHAPE[1]) + 1]
    synthetic.write_repetitions(tmp_path / "in", array, KINDS[kind], numbers=numbers)
    before = dicomarray.load(tmp_path / "in")
    affine = before.affine.copy()
    affine[:3, 3] = (before.affine @ [1, 0, 0, 1])[:3]
    report = dicomarray.to_dicom(before.array[:, 1:], tmp_path / "in", tmp_path / "out", affine=affine)
    np.testing.assert_array_equal(dicomarray.load(tmp_path / "out").array, before.array[:, 1:])
    written = [int(pydicom.dcmread(path).InstanceNumber) for path in report.files]
    assert written == list(range(1, len(written) + 1))


@pytest.mark.parametrize("numbered", ["in order", "at random"])
def test_time_points_that_private_elements_tell(tmp_path: Path, numbered: str) -> None:
    """Philips' control and label images: each gets a Temporal Position Identifier, and none is mixed up."""
    array = synthetic.stored_values(SHAPE).astype(np.uint16)
    count = SHAPE[0] * SHAPE[1]
    numbers = (
        None if numbered == "in order" else [int(n) for n in np.random.default_rng(2).permutation(count) + 1]
    )
    steps = [{"TemporalPositionIdentifier": n // 2 + 1, "NumberOfTemporalPositions": 2} for n in range(4)]
    files = synthetic.write_repetitions(
        tmp_path / "in", array, steps, numbers=numbers, common={"Manufacturer": "Philips Medical Systems"}
    )
    for index, path in enumerate(files):
        header = pydicom.dcmread(path)
        block = header.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
        block.add_new(0x29, "CS", ("CONTROL", "LABEL")[index // SHAPE[1] % 2])
        header.save_as(path)
    before = dicomarray.load(tmp_path / "in")
    assert before.array.shape == SHAPE
    report = dicomarray.to_dicom(before, tmp_path / "in", tmp_path / "out")
    after = dicomarray.load(tmp_path / "out")
    np.testing.assert_array_equal(after.array, before.array)
    assert list(after.coordinates["TemporalPositionIdentifier"]) == [1, 2, 3, 4]
    assert pydicom.dcmread(report.files[0]).NumberOfTemporalPositions == 4
    np.testing.assert_array_equal(shots(report.files, tmp_path / "nii"), before.array)
    assert dciodvfy.new_issues(files[0], report.files[0])[0] == set()


@pytest.mark.parametrize("kept", [slice(None), slice(1, 3)])
def test_philips_enhanced_labels_have_the_number_of_their_slices(tmp_path: Path, kept: slice) -> None:
    """A private dimension stays, and so does what dcm2niix divides the frames by: it finds the same shape."""
    slices, volumes = 4, 6
    array = synthetic.stored_values((volumes * slices, 8, 10), bits_stored=12)
    groups = [
        enhanced_files.at(slice_ * 3.0)
        | enhanced_files.content(
            StackID="1",
            InStackPositionNumber=slice_ + 1,
            TemporalPositionIndex=volume // 2 + 1,
            DimensionIndexValues=[1, slice_ + 1, volume % 2 + 1, volume // 2 + 1],
        )
        for volume in range(volumes)
        for slice_ in range(slices)
    ]
    pointers = (
        (0x0020_9056, 0x0020_9111),
        (0x0020_9057, 0x0020_9111),
        (0x2005_1429, 0x2005_140F),
        (0x0020_9128, 0x0020_9111),
    )
    dimensions = [{"DimensionIndexPointer": one, "FunctionalGroupPointer": group} for one, group in pointers]
    common = {"DimensionIndexSequence": dimensions, "Manufacturer": "Philips Medical Systems"}
    file = tmp_path / "in" / "e.dcm"
    enhanced_files.write_enhanced(file, array, groups, common=common)
    header = pydicom.dcmread(file)
    for index, group in enumerate(header.PerFrameFunctionalGroupsSequence):
        inner = pydicom.Dataset()
        for data_set in (inner, group):
            data_set.add_new(0x2005_0014, "LO", "Philips MR Imaging DD 005")
        inner.add_new(0x2005_1429, "CS", ("CONTROL", "LABEL")[index // slices % 2])
        group.add_new(0x2005_140F, "SQ", [inner])
    header.add_new(0x2001_0010, "LO", "Philips Imaging DD 001")
    header.add_new(0x2001_1018, "SL", slices)
    header.save_as(file)
    before = dicomarray.load(tmp_path / "in")
    affine = before.affine.copy()
    affine[:3, 3] = (before.affine @ [kept.start or 0, 0, 0, 1])[:3]
    wanted = before.array[:, kept]
    report = dicomarray.to_dicom(wanted, tmp_path / "in", tmp_path / "out", affine=affine)
    np.testing.assert_array_equal(dicomarray.load(tmp_path / "out").array, wanted)
    assert pydicom.dcmread(report.files[0])[0x2001_1018].value == wanted.shape[1]
    assert shots(report.files, tmp_path / "nii").shape == wanted.shape
