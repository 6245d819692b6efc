"""NIfTI back to DICOM: the same grid in any of its 48 orders gives the same files, byte for byte."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

import synthetic
from dicomarray import (
    GeometryError,
    TemplateError,
    UsageError,
    Volume,
    load,
    scan,
    to_dicom,
    to_rtstruct,
    to_seg,
)
from dicomarray.cli.main import main
from nifti_files import LPS_TO_RAS, ORDERS, write_nifti
from nifti_oracle import by_dcm2niix

OBLIQUE = [0.96, 0.28, 0.0, -0.224, 0.768, -0.6]
SAGITTAL = [0, 1, 0, 0, 0, -1]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def template(folder: Path, orientation: Any = synthetic.AXIAL, **more: Any) -> Volume:
    """A CT series, read."""
    common = {"ImageOrientationPatient": list(orientation), **more.pop("common", {})}
    synthetic.write_series(folder, synthetic.stored_values((4, 5, 6)), common=common, **more)
    return load(folder, missing="keep")


@pytest.mark.parametrize(
    "orientation", [synthetic.AXIAL, SAGITTAL, OBLIQUE], ids=["axial", "sagittal", "oblique"]
)
@pytest.mark.parametrize("kind", ["image", "mask", "crop"])
def test_all_orders_give_the_same_files(tmp_path: Path, orientation: Any, kind: str) -> None:
    """An image, a mask, and a part of the grid: the files do not depend on how the NIfTI file is stored."""
    volume = template(tmp_path / "in", orientation, common={"PixelSpacing": [0.7, 0.9]})
    assert volume.affine is not None
    array, affine = volume.array, volume.affine.copy()
    if kind == "mask":
        array = (array > array.mean()).astype(np.uint8)
    if kind == "crop":
        array, affine[:3, 3] = array[1:3, 2:, 1:5], affine[:3] @ (1, 2, 1, 1)
    seen = set()
    for order, flips in ORDERS if orientation is OBLIQUE else ORDERS[::5]:
        path = write_nifti(tmp_path / "a.nii", array, affine, order, flips)
        report = to_dicom(
            path, tmp_path / "in", tmp_path / "out", uid_key="k", overwrite=True, verify=kind == "image"
        )
        seen.add(tuple(sorted(contents(tmp_path / "out").items())))
        assert report.max_error == 0
    assert len(seen) == 1
    back = load(tmp_path / "out")
    assert np.array_equal(back.array, array)
    np.testing.assert_allclose(back.affine, affine, atol=1e-6)


@pytest.mark.parametrize("write", [to_seg, to_rtstruct])
def test_all_orders_give_the_same_masks(tmp_path: Path, write: Any) -> None:
    """A segmentation and a structure set of labels do not depend on it either."""
    volume = template(tmp_path / "in", OBLIQUE, common={"PixelSpacing": [0.7, 0.9]})
    assert volume.affine is not None
    labels = np.random.default_rng(1).integers(0, 3, volume.array.shape).astype(np.uint8)
    seen = set()
    for order, flips in ORDERS[::5]:
        path = write_nifti(tmp_path / "a.nii", labels, volume.affine, order, flips)
        names = {1: "liver", 2: "spleen"}
        write(path, volume, tmp_path / "out", segments=names, uid_key="k", overwrite=True)
        seen.add(tuple(sorted(contents(tmp_path / "out").items())))
    assert len(seen) == 1


def test_same_files_as_the_array_itself(tmp_path: Path) -> None:
    """NIfTI on the template's grid is written as the array would be."""
    volume = template(tmp_path / "in", OBLIQUE)
    assert volume.affine is not None
    path = write_nifti(tmp_path / "a.nii.gz", volume.array, volume.affine, (1, 0, 2), (1, -1, 1))
    for name, given in (("a", path), ("b", volume), ("c", str(path))):
        to_dicom(given, tmp_path / "in", tmp_path / name, uid_key="k")
    assert contents(tmp_path / "a") == contents(tmp_path / "b") == contents(tmp_path / "c")


def test_volume_of_a_file_is_written_too(tmp_path: Path) -> None:
    """What Volume.load makes of NIfTI has no units of its own: it takes the template's."""
    volume = template(tmp_path / "in")
    assert volume.affine is not None
    write_nifti(tmp_path / "a.nii", volume.array, volume.affine, (0, 1, 2), (-1, -1, -1))
    to_dicom(Volume.load(tmp_path / "a.nii"), tmp_path / "in", tmp_path / "out")
    back = load(tmp_path / "out")
    assert np.array_equal(back.array, volume.array) and back.units == "HU"


def test_jittered_slices_are_the_templates(tmp_path: Path) -> None:
    """A template whose positions are rounded is no other grid than its affine."""
    each = [{"ImagePositionPatient": [0, 0, z]} for z in (0.0, 2.503, 5.0, 7.504)]
    volume = template(tmp_path / "in", each=each)
    assert volume.affine is not None
    path = write_nifti(tmp_path / "a.nii", volume.array, volume.affine, (2, 0, 1), (1, -1, 1))
    to_dicom(path, tmp_path / "in", tmp_path / "out", uid_key="k")
    positions = load(tmp_path / "out").geometry
    assert positions is not None and volume.geometry is not None
    assert np.array_equal(positions.slice_positions, volume.geometry.slice_positions)


def test_another_grid_is_written_where_it_lies(tmp_path: Path) -> None:
    """Voxels between those of the template keep their places, whatever the order of axes."""
    volume = template(tmp_path / "in")
    assert volume.affine is not None
    affine = volume.affine @ np.diag([0.5, 2.0, 2.0, 1.0])
    affine[:3, 3] += (0.3, -0.2, 0.4)
    array = np.arange(6 * 3 * 4, dtype=np.int16).reshape(6, 3, 4)
    for order, flips in ORDERS[::7]:
        path = write_nifti(tmp_path / "a.nii", array, affine, order, flips)
        to_dicom(path, tmp_path / "in", tmp_path / "out", overwrite=True)
        back = load(tmp_path / "out")
        assert np.array_equal(back.array, array)
        np.testing.assert_allclose(back.affine, affine, atol=1e-3)


@pytest.mark.parametrize("shift", [(0, 0, 500), (0, 900, 0), (-700, 0, 0)])
def test_no_overlap_is_refused(tmp_path: Path, shift: tuple[float, float, float]) -> None:
    """An image that lies beside the template, in any direction: the error says where both are, in mm."""
    volume = template(tmp_path / "in")
    assert volume.affine is not None
    affine = volume.affine.copy()
    affine[:3, 3] += shift
    path = write_nifti(tmp_path / "a.nii", volume.array, affine)
    with pytest.raises(GeometryError, match=r"lies at .* mm .* nothing in common"):
        to_dicom(path, tmp_path / "in", tmp_path / "out")


def test_time_series(tmp_path: Path) -> None:
    """Four axes for a template with repetitions; three are refused with the way out."""
    stored = np.random.default_rng(2).integers(0, 2000, (3, 4, 5, 6)).astype(np.uint16)
    steps = [{"TemporalPositionIdentifier": n + 1, "AcquisitionTime": f"12000{n}"} for n in range(3)]
    synthetic.write_repetitions(tmp_path / "in", stored, steps)
    volume = load(tmp_path / "in")
    assert volume.affine is not None
    path = write_nifti(tmp_path / "a.nii.gz", volume.array, volume.affine, (0, 2, 1), (-1, 1, -1))
    to_dicom(path, tmp_path / "in", tmp_path / "out")
    assert np.array_equal(load(tmp_path / "out").array, volume.array)
    path = write_nifti(tmp_path / "b.nii.gz", volume.array[0], volume.affine)
    with pytest.raises(TemplateError, match="repetitions"):
        to_dicom(path, tmp_path / "in", tmp_path / "other")


def test_affine_beside_a_nifti_file_is_refused(tmp_path: Path) -> None:
    """It has one of its own."""
    volume = template(tmp_path / "in")
    assert volume.affine is not None
    path = write_nifti(tmp_path / "a.nii", volume.array, volume.affine)
    with pytest.raises(UsageError, match="give no affine"):
        to_dicom(path, tmp_path / "in", tmp_path / "out", affine=volume.affine)


@pytest.mark.parametrize("name", ["mr-siemens-sagittal", "mr-siemens-mosaic", "mr-canon-dti", "mr-ge-fmri"])
def test_files_of_dcm2niix_come_back(name: str, real_data: Path, tmp_path: Path) -> None:
    """What others made of a series is written at the very places of its images, with its values."""
    series = next(one for one in scan(real_data / name) if one.is_image)
    folder = tmp_path / "in"
    folder.mkdir()
    for number, file in enumerate(series.files):
        shutil.copy(str(file), folder / f"{number}.dcm")
    (truth,) = by_dcm2niix(folder, tmp_path / "truth")
    to_dicom(truth.path, folder, tmp_path / "out")
    volume, back = load(folder), load(tmp_path / "out")
    assert np.array_equal(back.array, volume.array)
    assert volume.geometry is not None and back.geometry is not None
    assert np.array_equal(back.geometry.slice_positions, volume.geometry.slice_positions)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """to-dicom takes the file as Python does."""
    volume = template(tmp_path / "in")
    assert volume.affine is not None
    path = write_nifti(tmp_path / "a.nii", volume.array.astype(np.float32), volume.affine, (2, 0, 1))
    arguments = ["-n", path, "-d", tmp_path / "in", "-o", tmp_path / "out"]
    (tmp_path / "a.json").write_text('{"Modality": "CT"}')
    assert main(["to-dicom", *map(str, arguments)]) == 0
    assert "sidecar-unused" not in capsys.readouterr().err
    assert np.array_equal(load(tmp_path / "out").array, volume.array)
    image = nibabel.load(path)
    assert isinstance(image, nibabel.Nifti1Image)
    image.set_sform(LPS_TO_RAS @ image.affine, 1)
    image.to_filename(path)
    assert main(["to-dicom", *map(str, arguments), "--overwrite"]) == 1
    assert "nothing in common" in capsys.readouterr().err
