"""Masks that do not lie on the template's images are refused or told by both writers, unfit labels too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

import dicomarray
from synthetic import stored_values, write_series

Write = Callable[..., dicomarray.WriteReport]
WRITERS = (dicomarray.to_seg, dicomarray.to_rtstruct)
NAMES = {1: "liver"}


def box(shape: tuple[int, ...]) -> np.ndarray:
    """A box of labels in the middle of every axis."""
    labels = np.zeros(shape, np.uint8)
    labels[1:-1, 2:-2, 3:-3] = 1
    return labels


def codes(report: dicomarray.WriteReport) -> list[str]:
    return [warning.code for warning in report.warnings]


def moved(volume: dicomarray.Volume, slices: float = 0, rows: float = 0, columns: float = 0) -> np.ndarray:
    """The volume's affine, so many voxels further."""
    step = np.eye(4)
    step[:3, 3] = slices, rows, columns
    return volume.affine @ step


@pytest.fixture
def volume(ct: Path) -> dicomarray.Volume:
    """The plain CT, read."""
    return dicomarray.load(ct)


@pytest.mark.parametrize("write", [*WRITERS, dicomarray.to_dicom])
def test_equal_numbers_in_another_frame_of_reference_are_refused(
    ct: Path, volume: dicomarray.Volume, tmp_path: Path, write: Write
) -> None:
    """The same grid in other coordinates is no place of the template; given alone, with its affine, it is."""
    write_series(tmp_path / "other", stored_values(), common={"FrameOfReferenceUID": "1.2.3"})
    names = () if write is dicomarray.to_dicom else (NAMES,)
    labels = dicomarray.Volume.from_array(
        box(volume.array.shape), volume.affine, frame_of_reference_uid=volume.geometry.frame_of_reference_uid
    )
    with pytest.raises(dicomarray.GeometryError, match=r"Frame of Reference.*1\.2\.3"):
        write(labels, tmp_path / "other", tmp_path / "out", *names)
    assert not (tmp_path / "out").exists()
    write(labels.array, tmp_path / "other", tmp_path / "out", *names, affine=labels.affine)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("beside", [{"columns": 1e4}, {"rows": -1e4}, {"slices": 1e3}])
def test_masks_beside_the_images_are_refused(
    ct: Path, volume: dicomarray.Volume, tmp_path: Path, write: Write, beside: dict[str, float]
) -> None:
    """Metres away along any axis: nothing is written, and the message has the millimetres."""
    labels = box(volume.array.shape)
    with pytest.raises(dicomarray.GeometryError, match="mm"):
        write(labels, ct, tmp_path / "out", NAMES, affine=moved(volume, **beside))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("write", WRITERS)
def test_voxels_count_and_not_the_box_of_the_array(
    ct: Path, volume: dicomarray.Volume, tmp_path: Path, write: Write
) -> None:
    """A wide array whose labels lie off the images is refused; one whose labels lie on them is written."""
    slices, rows, columns = volume.array.shape
    labels = np.zeros((slices, 3 * rows, columns), np.uint8)
    affine = moved(volume, rows=-rows)
    labels[:, 1:3] = 1
    with pytest.raises(dicomarray.GeometryError, match="no voxel of the masks"):
        write(labels, ct, tmp_path / "out", NAMES, affine=affine)
    labels[:, 1:3], labels[:, rows : rows + 3] = 0, 1
    assert "labels-outside" not in codes(write(labels, ct, tmp_path / "out", NAMES, affine=affine))


@pytest.mark.parametrize("write", WRITERS)
def test_voxels_partly_outside_are_counted(
    ct: Path, volume: dicomarray.Volume, tmp_path: Path, write: Write
) -> None:
    """What lies beyond the edge of the images is told, with its number."""
    labels = np.ones(volume.array.shape, np.uint8)
    report = write(labels, ct, tmp_path / "out", NAMES, affine=moved(volume, columns=1))
    outside = labels.shape[0] * labels.shape[1]
    assert any(w.startswith(f"{outside} of {labels.size} voxels") for w in report.warnings)
    assert "labels-outside" in codes(report)


@pytest.mark.parametrize(
    ("write", "code"), [*zip(WRITERS, ("labels-off-images", "contours-off-slices"), strict=True)]
)
@pytest.mark.parametrize("shift", [0.1, 0.5])
def test_slices_between_images_are_told(
    ct: Path, volume: dicomarray.Volume, tmp_path: Path, write: Write, code: str, shift: float
) -> None:
    """A tenth of a slice off is told with its millimetres; a thousandth is rounding, and is not."""
    labels = box(volume.array.shape)
    report = write(labels, ct, tmp_path / "out", NAMES, affine=moved(volume, slices=shift))
    assert code in codes(report)
    assert f"{shift * volume.spacing[0]:.3g} mm" in " ".join(report.warnings)
    rounded = write(labels, ct, tmp_path / "rounded", NAMES, affine=moved(volume, slices=1e-4))
    assert codes(rounded) == []


def test_an_even_mask_on_uneven_images_is_told(tmp_path: Path) -> None:
    """Slices at equal distances do not lie on images that are not."""
    z = (0.0, 2.0, 4.0, 7.0, 10.0, 13.0)
    each = [{"ImagePositionPatient": [0, 0, at]} for at in z]
    write_series(tmp_path / "ct", stored_values(), each=each)
    volume = dicomarray.load(tmp_path / "ct")
    own = dicomarray.to_seg(box(volume.array.shape), volume, tmp_path / "own", NAMES)
    assert codes(own) == []
    affine = volume.affine.copy()
    affine[:3, 0] = 0, 0, 2.6
    report = dicomarray.to_seg(box(volume.array.shape), volume, tmp_path / "even", NAMES, affine=affine)
    assert "labels-off-images" in codes(report)


def test_a_turned_mask_is_told(ct: Path, volume: dicomarray.Volume, tmp_path: Path) -> None:
    """Slices at an angle to the images lie on none of them."""
    angle = np.radians(5)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    centre = np.eye(4)
    centre[:3, 3] = (volume.affine @ [3, 5, 6, 1])[:3]
    affine = centre @ turn @ np.linalg.inv(centre) @ volume.affine
    report = dicomarray.to_seg(box(volume.array.shape), ct, tmp_path / "out", NAMES, affine=affine)
    assert "turned by 5 degrees" in " ".join(report.warnings)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("label", ["a" * 65, "liver\\left", "two\nlines"])
def test_labels_that_dicom_does_not_take_are_refused(
    ct: Path, volume: dicomarray.Volume, tmp_path: Path, write: Write, label: str
) -> None:
    """Too long, a backslash, a line break: neither cut short nor two values."""
    code = ("10200004", "SCT", "Liver")
    segment = dicomarray.Segment(1, label, ("123037004", "SCT", "Anatomical Structure"), code)
    with pytest.raises(dicomarray.SegmentationError, match=r"PS3\.5 6\.2"):
        write(box(volume.array.shape), ct, tmp_path / "out", [segment])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("write", WRITERS)
def test_empty_and_equal_labels_are_told(
    ct: Path, volume: dicomarray.Volume, tmp_path: Path, write: Write
) -> None:
    """A segment without a voxel is named; two of one label are written, each with its number, and told."""
    report = write(box(volume.array.shape), ct, tmp_path / "empty", {1: "liver", 2: "spleen"})
    assert any("spleen" in w and "no voxel" in w for w in report.warnings)
    labels = box(volume.array.shape)
    labels[2] *= 2
    alike = write(labels, ct, tmp_path / "alike", {1: "liver", 2: "liver"})
    assert codes(alike) == ["segments-alike"]


def test_illegal_uids_of_the_template_are_told(tmp_path: Path, pydicom_more_data: Path) -> None:
    """Images that cannot be referred to: told where masks have a place, refused where they have none."""
    each = [{"SOPInstanceUID": f"1.2.03.{index}"} for index in range(6)]
    with pydicom.config.disable_value_validation():
        write_series(tmp_path / "ct", stored_values(), each=each)
    volume = dicomarray.load(tmp_path / "ct")
    report = dicomarray.to_seg(box(volume.array.shape), tmp_path / "ct", tmp_path / "seg", NAMES)
    assert codes(report) == ["no-references"]
    found = dicomarray.load_segmentation(tmp_path / "seg", on=tmp_path / "ct")
    np.testing.assert_array_equal(found.labels, box(volume.array.shape))
    unplaced = pydicom_more_data / "color-px.dcm"
    labels = np.ones(dicomarray.load(unplaced).array.shape[:3], np.uint8)
    with pytest.raises(dicomarray.TemplateError, match="legal UIDs"):
        dicomarray.to_seg(labels, unplaced, tmp_path / "none", NAMES)


def test_a_run_that_asks_for_structure_sets_refuses_arrays(ct: Path, tmp_path: Path) -> None:
    """A bool array is an image of its own; who asks for masks is told how to give them."""

    def bones(volume: dicomarray.Volume) -> Any:
        return volume.array > 0

    report = dicomarray.run(ct, tmp_path / "out", bones, segmentation="rtstruct")
    assert "dicomarray.Segmentation" in report.failed[0].error
    images = dicomarray.run(ct, tmp_path / "images", bones)
    assert any("to_seg" in warning for warning in images.written[0].warnings)


def test_masks_of_4d_arrays_name_the_way_out(ct: Path, volume: dicomarray.Volume, tmp_path: Path) -> None:
    """A 4-D mask is refused with the words that lead on."""
    with pytest.raises(dicomarray.UsageError, match="time=N"):
        dicomarray.to_seg(np.stack([box(volume.array.shape)] * 2), ct, tmp_path / "out", NAMES)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 1, 0)])
@pytest.mark.parametrize("flipped", [(False, True, False), (True, False, True), (False, True, True)])
def test_an_affine_may_mirror_and_permute_axes(
    ct: Path,
    volume: dicomarray.Volume,
    tmp_path: Path,
    write: Write,
    order: tuple[int, int, int],
    flipped: tuple[bool, bool, bool],
) -> None:
    """However the axes of the labels run: the voxels come back where the affine puts them."""
    labels = box(volume.array.shape)
    labels[1, 2, 3:5], labels[3, 4, 5] = 0, 0  # no symmetry
    axes = [axis for axis in range(3) if flipped[axis]]
    affine = volume.affine.copy()
    for axis in axes:
        affine[:3, 3] += affine[:3, axis] * (labels.shape[axis] - 1)
        affine[:3, axis] *= -1
    turned = np.ascontiguousarray(np.flip(labels, axes).transpose(order))
    write(turned, ct, tmp_path / "out", NAMES, affine=affine[:, [*order, 3]])
    found = dicomarray.load_segmentation(tmp_path / "out", on=ct, **_nearest(write))
    np.testing.assert_array_equal(found.labels, labels)


def _nearest(write: Write) -> dict[str, str]:
    """Frames of a SEG across the images come onto them when that is asked for; contours lie on them."""
    return {"resample": "nearest"} if write is dicomarray.to_seg else {}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda ct, out: dicomarray.to_seg("", ct, out), "empty name"),
        (lambda ct, out: dicomarray.to_seg(np.ones((6, 12, 16), bool), ct, out, "liver"), r'\["liver"\]'),
        (lambda ct, out: dicomarray.to_seg(np.ones((6, 12, 16), np.uint8), ct, out), "--segments"),
        (lambda ct, out: dicomarray.to_dicom(next(ct.iterdir()), ct, out), "a DICOM file"),
    ],
)
def test_what_users_try_first_leads_on(
    ct: Path, tmp_path: Path, call: Callable[[Path, Path], Any], words: str
) -> None:
    """An empty name, a lone name, no names, DICOM in an array's place: the message says what to give."""
    with pytest.raises(dicomarray.DicomArrayError, match=words):
        call(ct, tmp_path / "out")


def test_labels_have_no_units(ct: Path, volume: dicomarray.Volume, tmp_path: Path) -> None:
    """Units of a segmentation are refused, and not left out without a word."""
    dicomarray.to_seg(box(volume.array.shape), ct, tmp_path / "seg", NAMES)
    with pytest.raises(dicomarray.UsageError, match="no units"):
        dicomarray.to_numpy(tmp_path / "seg", tmp_path / "labels.npy", units="suv")


@pytest.mark.parametrize("write", WRITERS)
def test_further_names_of_known_segments_are_told(
    ct: Path, volume: dicomarray.Volume, tmp_path: Path, write: Write
) -> None:
    """Names that masks have no number for are empty segments; names that change places are refused."""
    masks = dicomarray.Segmentation(box(volume.array.shape), {1: "liver", 2: "spleen"}, geometry_of=volume)
    report = write(masks, ct, tmp_path / "out", {1: "liver", 7: "heart"})
    assert any("heart" in warning and "spleen" in warning for warning in report.warnings)
    found = dicomarray.load_segmentation(tmp_path / "out", on=ct)
    assert [one.label for one in found.segments] == ["liver", "spleen", "heart"]
    np.testing.assert_array_equal(found.mask("liver"), masks.mask("liver"))
    assert not found.mask("heart").any()
    with pytest.raises(dicomarray.SegmentationError, match='"spleen" is segment 2 of the labels'):
        write(masks, ct, tmp_path / "swapped", {1: "spleen", 2: "liver"})
    with pytest.raises(dicomarray.SegmentationError, match="no mask of that name"):
        write({"a": masks.mask(1)}, ct, tmp_path / "names", {"a": "liver", "b": "spleen"})


def test_fractions_that_are_turned_are_told_too(ct: Path, volume: dicomarray.Volume, tmp_path: Path) -> None:
    """A structure set of fractions says that it halves them, whichever way their axes run."""
    fractions = dicomarray.Volume.from_array(
        np.flip(box(volume.array.shape) * np.float32(0.6), 1).copy(),
        volume.affine
        @ np.array([[1, 0, 0, 0], [0, -1, 0, volume.array.shape[1] - 1], [0, 0, 1, 0], [0, 0, 0, 1]]),
    )
    report = dicomarray.to_rtstruct(fractions, ct, tmp_path / "out", NAMES)
    assert codes(report) == ["fractions-halved"]
    found = dicomarray.load_segmentation(tmp_path / "out", on=ct)
    np.testing.assert_array_equal(found.labels, box(volume.array.shape))


@pytest.mark.parametrize("write", WRITERS)
def test_masks_between_the_pixels_are_told(
    ct: Path, volume: dicomarray.Volume, tmp_path: Path, write: Write
) -> None:
    """A third of a pixel off is another grid, as a mistake of RAS and LPS mostly is; whole pixels are not."""
    labels = box(volume.array.shape)
    report = write(labels, ct, tmp_path / "off", NAMES, affine=moved(volume, columns=0.33))
    assert "labels-off-grid" in codes(report)
    assert "labels-off-grid" not in codes(
        write(labels, ct, tmp_path / "on", NAMES, affine=moved(volume, rows=1))
    )


def test_a_sidecar_is_not_replaced_by_the_json_of_a_nifti(ct: Path, tmp_path: Path) -> None:
    """Asked to overwrite or not: the array beside it could not be read without its sidecar."""
    dicomarray.to_numpy(ct, tmp_path / "ct.npy")
    for bids in (True, False):
        with pytest.raises(dicomarray.OutputError, match="sidecar"):
            dicomarray.to_nifti(ct, tmp_path / "ct.nii.gz", overwrite=True, bids=bids)
    dicomarray.to_nifti(ct, tmp_path / "image.nii.gz")
    assert dicomarray.Volume.load(tmp_path / "ct.npy").units == "HU"
