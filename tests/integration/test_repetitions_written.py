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
import synthetic
from dicomarray.errors import TemplateError
from dicomarray.geometry import Plane

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
    """As of the template."""
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


def test_planes_are_compared_at_every_corner() -> None:
    """The helper of placing: an image that starts at its place and ends elsewhere has moved."""
    from dicomarray.conversion.placing import _same_plane

    one = Plane((0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1))
    assert _same_plane(one, one, (1, 100, 100))
    assert not _same_plane(one, Plane((0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1.0001)), (1, 100, 100))
