"""Labels and masks in every form that a user may give lead to one segmentation, where they say they lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from dicomarray import (
    GeometryError,
    InputError,
    Segment,
    Segmentation,
    SegmentationError,
    UsageError,
    Volume,
)
from dicomarray.workflows.given_labels import given_labels, whole_numbers

SHAPE = (3, 4, 5)
AFFINE = np.array([[0, 0, 0.5, -10], [0, 0.5, 0, -20], [2.0, 0, 0, 30], [0, 0, 0, 1]])
NAMES = {1: "liver", 2: "spleen"}


@pytest.fixture
def template() -> Volume:
    """The grid of the template."""
    return Volume.from_array(np.zeros(SHAPE, np.int16), AFFINE)


@pytest.fixture
def labels() -> np.ndarray[Any, Any]:
    """Two structures that touch, and background."""
    array = np.zeros(SHAPE, np.uint8)
    array[0, :2], array[1:, 2:] = 1, 2
    return array


def forms(labels: np.ndarray[Any, Any], template: Volume, folder: Path) -> dict[str, tuple[Any, Any]]:
    """What a user gives: labels and segments."""
    masks = {name: labels == number for number, name in NAMES.items()}
    made = Segmentation(labels, NAMES, geometry_of=template)
    made.save(folder / "sidecar.npy", folder / "sidecar.json")
    np.save(folder / "bare.npy", labels)
    to_ras = np.diag([-1.0, -1, 1, 1])
    nifti = to_ras @ AFFINE[:, [2, 1, 0, 3]]
    nibabel.save(nibabel.Nifti1Image(labels.T, nifti), folder / "labels.nii.gz")
    nibabel.save(nibabel.Nifti1Image(labels.T.astype(np.float64), nifti), folder / "float.nii")
    (folder / "names.json").write_text(json.dumps(NAMES))
    return {
        "array": (labels, NAMES),
        "int64": (labels.astype(np.int64), NAMES),
        "float64": (labels.astype(float), NAMES),
        "masks": (masks, None),
        "Segmentation": (made, None),
        "Volume": (made.volume(), None),
        "npy with sidecar": (folder / "sidecar.npy", None),
        "npy": (str(folder / "bare.npy"), NAMES),
        "nii.gz": (folder / "labels.nii.gz", folder / "names.json"),
        "floating nii": (folder / "float.nii", str(folder / "names.json")),
    }


FORMS = [
    "array", "int64", "float64", "masks", "Segmentation", "Volume", "npy with sidecar", "npy", "nii.gz",
    "floating nii",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_forms_are_one_segmentation(
    form: str, labels: np.ndarray[Any, Any], template: Volume, tmp_path: Path
) -> None:
    """The same masks, names, codes and place."""
    given, segments = forms(labels, template, tmp_path)[form]
    made = given_labels(given, segments, template.info)
    np.testing.assert_array_equal(made.labels, labels)
    assert {s.number: s.label for s in made.segments} == NAMES
    assert [s.type.meaning for s in made.segments if s.type] == ["Liver", "Spleen"]
    np.testing.assert_allclose(made.affine, AFFINE)


@pytest.fixture
def folder(labels: np.ndarray[Any, Any], tmp_path: Path) -> Path:
    """A file for each structure, which overlap in a voxel."""
    made = tmp_path / "segmentations"
    made.mkdir()
    nifti = np.diag([-1.0, -1, 1, 1]) @ AFFINE[:, [2, 1, 0, 3]]
    for number, name in NAMES.items():
        mask = (labels == number).astype(np.uint8)
        mask[0, 0, 0] = 1
        nibabel.save(nibabel.Nifti1Image(mask.T, nifti), made / f"{name}.nii.gz")
    (made / "statistics.json").write_text("{}")
    return made


def test_a_folder_of_masks_is_one_segmentation(
    folder: Path, labels: np.ndarray[Any, Any], template: Volume
) -> None:
    """Each file by its name, overlaps and all; other files are none of it."""
    made = given_labels(folder, None, template.info)
    assert {s.label for s in made.segments} == set(NAMES.values())
    for number, name in NAMES.items():
        expected = labels == number
        expected[0, 0, 0] = True
        np.testing.assert_array_equal(made.mask(name), expected)
    np.testing.assert_allclose(made.affine, AFFINE)


def test_a_folder_of_anything_else_is_refused(folder: Path, tmp_path: Path, template: Volume) -> None:
    """Labels, another grid, an unknown name, nothing at all: the message names the file."""
    image = nibabel.load(folder / "liver.nii.gz")
    array = np.asarray(image.dataobj)
    nibabel.save(nibabel.Nifti1Image(array * 2, image.affine), folder / "spleen.nii.gz")
    with pytest.raises(UsageError, match=r"spleen\.nii\.gz holds other numbers than 0 and 1"):
        given_labels(folder, None, template.info)
    moved = image.affine + np.array([[0, 0, 0, 1.0], *[[0] * 4] * 3])
    nibabel.save(nibabel.Nifti1Image(array, moved), folder / "spleen.nii.gz")
    with pytest.raises(GeometryError, match=r"spleen\.nii\.gz and .*liver\.nii\.gz lie on different grids"):
        given_labels(folder, None, template.info)
    (folder / "spleen.nii.gz").rename(folder / "spleeen.nii.gz")
    with pytest.raises(SegmentationError, match="similar: spleen"):
        given_labels(folder, None, template.info)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no masks"):
        given_labels(tmp_path / "empty", None, template.info)


def test_a_bool_mask_is_of_one_segment(labels: np.ndarray[Any, Any], template: Volume) -> None:
    """With a name; with several it is refused."""
    made = given_labels(labels == 2, ["spleen"], template.info)
    np.testing.assert_array_equal(made.mask("spleen"), labels == 2)
    with pytest.raises(SegmentationError, match="a bool mask is of one segment, and there are 2"):
        given_labels(labels == 2, NAMES, template.info)
    with pytest.raises(SegmentationError, match="nothing says what the labels stand for"):
        given_labels(labels == 2, None, template.info)


def test_segments_say_anew_what_a_segmentation_holds(labels: np.ndarray[Any, Any], template: Volume) -> None:
    """Names of a sidecar or segmentation give way to those that are given."""
    made = Segmentation(labels, [Segment(1, "a"), Segment(2, "b")], geometry_of=template)
    assert [s.label for s in given_labels(made, NAMES, template.info).segments] == ["liver", "spleen"]
    assert [s.label for s in given_labels(made.volume(), NAMES, template.info).segments] == [
        "liver",
        "spleen",
    ]


def test_codes_are_required_where_dicom_needs_them(labels: np.ndarray[Any, Any], template: Volume) -> None:
    """A SEG needs codes for every segment; a structure set takes any name."""
    segments = [Segment(1, "liver"), Segment(2, "xyzzy 60 Gy")]
    with pytest.raises(SegmentationError, match="xyzzy 60 Gy"):
        given_labels(labels, segments, template.info)
    free = given_labels(labels, segments, template.info, codes=False).segments
    assert free[0].roi_type == "ORGAN"
    assert free[1] == segments[1]


def test_probabilities_stay_fractions(template: Volume) -> None:
    """Floating point between 0 and 1 is of one fractional segment."""
    fraction = np.full(SHAPE, 0.25, np.float32)
    made = given_labels(fraction, ["liver"], template.info)
    assert made.fractional
    np.testing.assert_array_equal(made.fraction("liver"), fraction)


@pytest.mark.parametrize("bad", [0.5 + np.arange(60.0).reshape(SHAPE), np.full(SHAPE, np.nan)])
def test_what_is_no_label_is_refused(bad: np.ndarray[Any, Any]) -> None:
    """Neither whole numbers nor fractions."""
    with pytest.raises(UsageError, match="whole numbers"):
        whole_numbers(bad)


def test_another_shape_than_the_template_is_refused(template: Volume) -> None:
    """An array of which nothing says where it lies has the template's shape."""
    with pytest.raises(SegmentationError, match=r"shape \(2, 4, 5\), the grid \(3, 4, 5\)"):
        given_labels(np.ones((2, 4, 5), np.uint8), {1: "liver"}, template.info)
