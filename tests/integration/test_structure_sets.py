"""Masks of a series become a structure set and come back from it voxel for voxel, in any orientation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

import dicomarray
from dciodvfy import issues
from dicomarray import Segment, Segmentation
from dicomarray.cli.main import main
from dicomarray.workflows.structure_sets import load_structure_set
from synthetic import SHAPE, stored_values, write_repetitions, write_series

NAMES = {1: "liver", 2: "spleen", 3: "left kidney"}
OBLIQUE = (0.8, 0.6, 0.0, -0.36, 0.48, 0.8)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL_TURNED = (-1.0, 0.0, 0.0, 0.0, 0.0, 1.0)


def labels(shape: tuple[int, ...] = SHAPE, count: int = 3) -> NDArray[np.uint8]:
    """Noise: holes, islands, touching corners, single voxels, and every face of the array."""
    return np.random.default_rng(11).integers(0, count + 1, shape).astype(np.uint8)


def positions(steps: list[float], shift: float = 0.0) -> list[dict[str, Any]]:
    """Image Position of axial slices at these places, each moved on along its columns."""
    return [{"ImagePositionPatient": [-20, -30 + shift * at, 100 + at]} for at in steps]


def template(folder: Path, kind: str, shape: tuple[int, ...] = SHAPE) -> Path:
    """A CT of a kind."""
    array = stored_values(shape)
    oriented = {"oblique": OBLIQUE, "sagittal": SAGITTAL, "coronal, turned": CORONAL_TURNED}
    if kind in oriented:
        write_series(folder, array, common={"ImageOrientationPatient": list(oriented[kind])})
    elif kind == "tilted":
        write_series(folder, array, each=positions([2.5 * i for i in range(shape[0])], 0.3))
    elif kind == "uneven":
        write_series(folder, array, each=positions([0, 2, 4, 7, 10, 14.5]))
    elif kind == "gap":
        write_series(folder, array, each=positions([0, 2.5, 5, 10, 12.5, 15]))
    elif kind == "tiny voxels":
        fine = {"PixelSpacing": [0.004, 0.005], "SliceThickness": 0.006}
        write_series(folder, array, common=fine, spacing=0.006)
    else:
        write_series(folder, array)
    return folder


KINDS = ("axial", "oblique", "sagittal", "coronal, turned", "tilted", "uneven", "gap", "tiny voxels")


@pytest.mark.parametrize("kind", KINDS)
def test_labels_come_back_voxel_for_voxel(kind: str, tmp_path: Path) -> None:
    """On the series beside it, whatever its geometry."""
    asked = labels()
    report = dicomarray.to_rtstruct(asked, template(tmp_path / "ct", kind), tmp_path / "rt", NAMES)
    found = load_structure_set(report.files[0])
    np.testing.assert_array_equal(found.labels, asked)
    assert [segment.label for segment in found.segments] == list(NAMES.values())
    assert not report.warnings


@pytest.mark.parametrize("contours", ["edges", "smooth"])
@pytest.mark.parametrize("holes", ["even-odd", "xor", "keyhole"])
def test_every_form_of_contours_comes_back(contours: Any, holes: Any, tmp_path: Path) -> None:
    """Smooth or not, holes as loops or as keyholes."""
    asked, ct = labels(), template(tmp_path / "ct", "oblique")
    report = dicomarray.to_rtstruct(asked, ct, tmp_path / "rt", NAMES, contours=contours, holes=holes)
    np.testing.assert_array_equal(load_structure_set(report.files[0]).labels, asked)
    kinds = {
        contour.ContourGeometricType
        for region in pydicom.dcmread(report.files[0]).ROIContourSequence
        for contour in region.ContourSequence
    }
    assert ("CLOSEDPLANAR_XOR" in kinds) == (holes == "xor")  # a region without holes needs no such type
    assert kinds <= {"CLOSEDPLANAR_XOR", "CLOSED_PLANAR"}


def test_overlapping_masks_come_back(tmp_path: Path) -> None:
    """Masks by name may share voxels; one of them is empty, which is told both ways."""
    masks = {
        name: np.random.default_rng(seed).random(SHAPE) < 0.5
        for seed, name in enumerate(["liver", "spleen", "aorta"])
    }
    masks["stomach"] = np.zeros(SHAPE, bool)
    report = dicomarray.to_rtstruct(masks, template(tmp_path / "ct", "axial"), tmp_path / "rt")
    found = load_structure_set(report.files[0])
    for name, mask in masks.items():
        np.testing.assert_array_equal(found.mask(name), mask)
    assert [warning.code for warning in report.warnings] == ["contours-none"]
    assert "contours-none" in {warning.code for warning in found.warnings}


def test_what_is_said_of_segments_comes_back(tmp_path: Path) -> None:
    """Name, colour, code, kind and algorithm of a region, in letters of any language."""
    segment = Segment(
        7, "Lever på ålder", type=("10200004", "SCT", "Liver"), colour=(1, 2, 255), algorithm="UNet",
        algorithm_version="3", algorithm_type="SEMIAUTOMATIC", roi_type="ORGAN",
    )  # fmt: skip
    named = Segment(9, "肝臓", roi_type="GTV", algorithm_type="MANUAL", colour=(0, 0, 0))
    asked = np.where(labels() > 1, 7, 9)
    report = dicomarray.to_rtstruct(
        asked, template(tmp_path / "ct", "axial"), tmp_path / "rt", [segment, named]
    )
    one, other = load_structure_set(report.files[0]).segments
    assert (one.number, one.label, one.type, one.colour) == (7, segment.label, segment.type, (1, 2, 255))
    assert (one.algorithm_type, one.roi_type) == ("SEMIAUTOMATIC", "ORGAN")
    assert (other.label, other.roi_type, other.algorithm_type) == ("肝臓", "GTV", "MANUAL")
    assert pydicom.dcmread(report.files[0]).StructureSetROISequence[0].ROIGenerationDescription == "UNet 3"


def test_patient_study_and_references_are_those_of_the_template(tmp_path: Path) -> None:
    """Same patient and study, another series; each contour names the image that it lies on."""
    report = dicomarray.to_rtstruct(labels(), template(tmp_path / "ct", "axial"), tmp_path / "rt", NAMES)
    images = {str(one.SOPInstanceUID): one for one in map(pydicom.dcmread, (tmp_path / "ct").glob("*.dcm"))}
    first, made = next(iter(images.values())), pydicom.dcmread(report.files[0])
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert made[keyword].value == first[keyword].value
    assert made.SeriesInstanceUID == report.series_uid != first.SeriesInstanceUID
    [frame] = made.ReferencedFrameOfReferenceSequence
    assert frame.FrameOfReferenceUID == first.FrameOfReferenceUID
    [series] = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence
    assert series.SeriesInstanceUID == first.SeriesInstanceUID
    assert {one.ReferencedSOPInstanceUID for one in series.ContourImageSequence} == set(images)
    for region in made.ROIContourSequence:
        for contour in region.ContourSequence:
            image = images[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            assert contour.ContourData[2] == pytest.approx(image.ImagePositionPatient[2], abs=1e-3)
            assert len(contour.ContourData) == 3 * contour.NumberOfContourPoints


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_have_at_most_16_characters(kind: str, tmp_path: Path) -> None:
    """VR DS, far from the origin too, as some planning systems refuse more."""
    report = dicomarray.to_rtstruct(labels(), template(tmp_path / "ct", kind), tmp_path / "rt", NAMES)
    made = pydicom.dcmread(report.files[0])
    texts = [
        str(number.original_string)
        for region in made.ROIContourSequence
        for contour in region.ContourSequence
        for number in contour.ContourData
    ]
    assert max(map(len, texts)) <= 16


def test_a_long_contour_makes_the_file_implicit(tmp_path: Path) -> None:
    """Explicit VR has no room for more than 65,534 bytes of Contour Data, and a usual file keeps it."""
    shape = (1, 128, 128)
    comb = np.zeros(shape, np.uint8)
    comb[0, :, ::4] = comb[0, 0] = comb[0, 1::2, 1::4] = 1
    ct = template(tmp_path / "ct", "axial", shape)
    long = dicomarray.to_rtstruct(comb, ct, tmp_path / "long", {1: "liver"})
    narrow = np.where(np.arange(128) < 8, comb, 0)
    short = dicomarray.to_rtstruct(narrow, ct, tmp_path / "short", {1: "liver"})
    syntaxes = [pydicom.dcmread(one.files[0]).file_meta.TransferSyntaxUID for one in (long, short)]
    assert syntaxes == [ImplicitVRLittleEndian, ExplicitVRLittleEndian]
    np.testing.assert_array_equal(load_structure_set(long.files[0]).labels, comb)


@pytest.mark.parametrize("contours", ["edges", "smooth"])
@pytest.mark.parametrize("holes", ["even-odd", "xor", "keyhole"])
def test_dciodvfy_finds_no_error(contours: Any, holes: Any, tmp_path: Path) -> None:
    """No error in any module of the object."""
    asked, ct = labels(), template(tmp_path / "ct", "tilted")
    report = dicomarray.to_rtstruct(asked, ct, tmp_path / "rt", NAMES, contours=contours, holes=holes)
    assert not {line for line in issues(report.files[0]) if "Error" in line}


def test_the_same_key_makes_the_same_file(tmp_path: Path) -> None:
    """Byte for byte; another key, another name or another voxel makes other UIDs."""
    ct, asked = template(tmp_path / "ct", "axial"), labels()
    other = asked.copy()
    other[0, 0, 0] = (other[0, 0, 0] + 1) % 4

    def made(name: str, array: NDArray[Any] = asked, names: Any = NAMES, key: str = "k") -> Path:
        return dicomarray.to_rtstruct(array, ct, tmp_path / name, names, uid_key=key).files[0]

    first = made("a")
    assert first.read_bytes() == made("b").read_bytes()
    uids = {
        str(pydicom.dcmread(path).SeriesInstanceUID)
        for path in (first, made("c", other), made("d", names={**NAMES, 1: "stomach"}), made("e", key="l"))
    }
    assert len(uids) == 4


def test_a_template_without_a_frame_of_reference_is_refused(tmp_path: Path) -> None:
    """Contours lie in coordinates that nothing names; nothing is left behind."""
    write_series(tmp_path / "ct", stored_values(), common={"FrameOfReferenceUID": ...})
    with pytest.raises(dicomarray.TemplateError, match=r"Frame of Reference UID.*to_seg"):
        dicomarray.to_rtstruct(labels(), tmp_path / "ct", tmp_path / "rt", NAMES)
    write_series(tmp_path / "sc", stored_values(), modality="SC")
    with pytest.raises(dicomarray.TemplateError, match="no place in the patient"):
        dicomarray.to_rtstruct(labels(), tmp_path / "sc", tmp_path / "rt", NAMES)
    assert not (tmp_path / "rt").exists()


def test_images_with_illegal_uids_are_not_referred_to(tmp_path: Path) -> None:
    """Some de-identified series have such: contours lie where they belong, and the report says it."""
    each = [{"SOPInstanceUID": f"9999.1.{index}"} for index in range(SHAPE[0])]
    write_series(tmp_path / "ct", stored_values(), each=each)
    report = dicomarray.to_rtstruct(labels(), tmp_path / "ct", tmp_path / "rt", NAMES)
    assert [warning.code for warning in report.warnings] == ["contours-off-slices"]
    found = dicomarray.load_segmentation(report.files[0], on=tmp_path / "ct")
    np.testing.assert_array_equal(found.labels, labels())


def test_labels_that_lie_elsewhere_are_refused(tmp_path: Path) -> None:
    """A shape without a place, a place without a slice of the template, another Frame of Reference."""
    ct = template(tmp_path / "ct", "axial")
    with pytest.raises(dicomarray.SegmentationError, match="shape"):
        dicomarray.to_rtstruct(labels((3, 4, 5)), ct, tmp_path / "rt", NAMES)
    away = dicomarray.Volume.from_array(labels(), np.diag([2.5, 0.5, 0.75, 1]))
    with pytest.raises(dicomarray.GeometryError, match="no voxel of the masks"):
        dicomarray.to_rtstruct(away, ct, tmp_path / "rt", NAMES)
    other = dicomarray.Volume.from_array(labels(), dicomarray.load(ct).affine, frame_of_reference_uid="1.2.3")
    with pytest.raises(dicomarray.GeometryError, match="Frame of Reference"):
        dicomarray.to_rtstruct(other, ct, tmp_path / "rt", NAMES)


def test_labels_on_a_finer_grid_of_the_same_slices(tmp_path: Path) -> None:
    """Half the pixels' size, some slices only, counted downwards: contours lie on the template's slices."""
    ct = template(tmp_path / "ct", "oblique")
    volume = dicomarray.load(ct)
    step = np.diag([-1.0, 0.5, 0.5, 1.0])
    step[0, 3] = 4
    fine = dicomarray.Volume.from_array(labels((3, 24, 32)), volume.affine @ step)
    report = dicomarray.to_rtstruct(fine, ct, tmp_path / "rt", NAMES)
    found = load_structure_set(report.files[0], on=dicomarray.Volume.from_array(
        np.flip(fine.array, 0), _flipped(fine), frame_of_reference_uid=volume.geometry.frame_of_reference_uid
    ))  # fmt: skip
    np.testing.assert_array_equal(found.labels, np.flip(fine.array, 0))
    made = pydicom.dcmread(report.files[0])
    assert all(len(one.ContourImageSequence) == 1 for one in made.ROIContourSequence[0].ContourSequence)


def _flipped(volume: dicomarray.Volume) -> NDArray[np.float64]:
    """The affine of the same voxels with slices in the other order."""
    turn = np.diag([-1.0, 1, 1, 1])
    turn[0, 3] = volume.array.shape[0] - 1
    return np.asarray(volume.affine) @ turn


def test_fractions_become_the_voxels_that_are_half_covered(tmp_path: Path) -> None:
    """Which is told."""
    fraction = np.random.default_rng(5).random(SHAPE).astype(np.float32)
    report = dicomarray.to_rtstruct({"liver": fraction}, template(tmp_path / "ct", "axial"), tmp_path / "rt")
    np.testing.assert_array_equal(load_structure_set(report.files[0]).mask("liver"), fraction >= 0.5)
    assert [warning.code for warning in report.warnings] == ["fractions-halved"]


def test_smooth_contours_tell_their_error(tmp_path: Path) -> None:
    """The greatest difference of what they enclose."""
    report = dicomarray.to_rtstruct(
        labels(), template(tmp_path / "ct", "axial"), tmp_path / "rt", NAMES, contours="smooth"
    )
    assert [warning.code for warning in report.warnings] == ["contours-smoothed"]


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Segmentation]:
    """A structure set beside its series, and what was asked for."""
    ct = template(tmp_path / "study" / "ct", "oblique")
    asked = Segmentation(labels(), NAMES, geometry_of=dicomarray.load(ct))
    return dicomarray.to_rtstruct(asked, ct, tmp_path / "study" / "rt").files[0], asked


def test_masks_come_on_the_grid_that_is_asked_for(written: tuple[Path, Segmentation], tmp_path: Path) -> None:
    """A series, a volume, a path, or what lies beside; with the images of the grid."""
    path, asked = written
    ct = path.parents[1] / "ct"
    [series] = dicomarray.scan(ct)
    for on in (None, ct, str(ct), series, series.volume(), asked):
        found = load_structure_set(path, on)
        np.testing.assert_array_equal(found.labels, asked.labels)
        assert found.info.slices == asked.info.slices
    part = dicomarray.Volume.from_array(
        np.zeros((2, *SHAPE[1:])), asked.affine, frame_of_reference_uid=asked.geometry.frame_of_reference_uid
    )
    cut = load_structure_set(path, part)
    np.testing.assert_array_equal(cut.labels, asked.labels[:2])
    assert "contours-outside" in {warning.code for warning in cut.warnings}


def test_a_structure_set_without_its_series_names_it(
    written: tuple[Path, Segmentation], tmp_path: Path
) -> None:
    """The error says which series is wanted; one of another Frame of Reference is no way out."""
    path, asked = written
    alone = tmp_path / "elsewhere" / "deep" / "rt.dcm"
    alone.parent.mkdir(parents=True)
    alone.write_bytes(path.read_bytes())
    with pytest.raises(dicomarray.SegmentationError, match=asked.info.series["SeriesInstanceUID"]):
        load_structure_set(alone)
    other = template(tmp_path / "other", "oblique")
    with pytest.raises(dicomarray.SegmentationError, match="Frame of Reference"):
        load_structure_set(alone, other)


def test_covered_parts_of_a_voxel_wise_mask_are_whole(written: tuple[Path, Segmentation]) -> None:
    """Contours along edges cover 1 or 0."""
    path, asked = written
    found = load_structure_set(path, occupancy=True)
    for name in NAMES.values():
        np.testing.assert_allclose(found.fraction(name), asked.mask(name), atol=2e-3)
        np.testing.assert_array_equal(found.mask(name), asked.mask(name))


def test_the_command_writes_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a .npy and a JSON of names; without names it says what is missing."""
    ct, asked = template(tmp_path / "ct", "axial"), labels()
    np.save(tmp_path / "labels.npy", asked)
    (tmp_path / "names.json").write_text(json.dumps(NAMES))
    command = ["to-rtstruct", "-n", f"{tmp_path}/labels.npy", "-d", str(ct), "-o", f"{tmp_path}/rt"]
    assert main(command) == 1
    assert "segments" in capsys.readouterr().err
    assert main([*command, "--segments", f"{tmp_path}/names.json", "--holes", "xor"]) == 0
    assert "1 file in" in capsys.readouterr().out
    np.testing.assert_array_equal(load_structure_set(tmp_path / "rt" / "0001.dcm").labels, asked)


def test_labels_with_a_place_of_their_own(tmp_path: Path) -> None:
    """By an affine or a sidecar, in Python and on the command line: part of the slices, on those slices."""
    ct, part = template(tmp_path / "ct", "oblique"), labels()[2:4]
    volume = dicomarray.load(ct)
    affine = np.array(volume.affine)
    affine[:3, 3] = affine[:3] @ [2, 0, 0, 1]
    np.save(tmp_path / "affine.npy", affine)
    np.save(tmp_path / "labels.npy", part)
    Segmentation(part, NAMES, geometry_of=dicomarray.Volume.from_array(part, affine)).save(
        tmp_path / "placed.npy", tmp_path / "sidecar.json"
    )
    for name, options in (("a", {"affine": affine}), ("j", {"input_json": tmp_path / "sidecar.json"})):
        dicomarray.to_rtstruct(part, ct, tmp_path / name, NAMES, **options)
    (tmp_path / "names.json").write_text(json.dumps(NAMES))
    command = ["to-rtstruct", "-n", f"{tmp_path}/labels.npy", "-d", str(ct), "--segments"]
    command += [f"{tmp_path}/names.json", "--affine", f"{tmp_path}/affine.npy", "-o", f"{tmp_path}/c"]
    assert main(command) == 0
    for name in ("a", "j", "c"):
        found = dicomarray.load_segmentation(tmp_path / name)
        np.testing.assert_array_equal(found.labels[2:4], part)
        assert not np.delete(found.labels, [2, 3], axis=0).any()


def test_a_command_reads_it_as_labels(written: tuple[Path, Segmentation], tmp_path: Path) -> None:
    """To-numpy of the structure set, on the series beside it or that of --on; the sidecar names segments."""
    path, asked = written
    for name, more in (("a", []), ("b", ["--on", str(path.parents[1] / "ct")])):
        npy = tmp_path / f"{name}.npy"
        assert main(["to-numpy", "-i", str(path), "-n", str(npy), *more]) == 0
        found = Segmentation.load(npy)
        np.testing.assert_array_equal(found.labels, asked.labels)
        assert [one.label for one in found.segments] == list(NAMES.values())


def test_a_folder_is_looked_through_for_both(written: tuple[Path, Segmentation]) -> None:
    """The structure set and its series below one folder."""
    path, asked = written
    np.testing.assert_array_equal(dicomarray.load_segmentation(path.parents[1]).labels, asked.labels)


def test_repetitions_are_all_referred_to_or_the_given_one(tmp_path: Path) -> None:
    """A mask of a 4-D series belongs to all images at its place; with time= to one."""
    array = np.stack([stored_values(), stored_values()])
    write_repetitions(tmp_path / "mr", array, [{"TemporalPositionIdentifier": step} for step in (1, 2)])
    for time, count in ((None, 2), (1, 1)):
        report = dicomarray.to_rtstruct(labels(), tmp_path / "mr", tmp_path / f"rt{time}", NAMES, time=time)
        contours = pydicom.dcmread(report.files[0]).ROIContourSequence[0].ContourSequence
        assert {len(one.ContourImageSequence) for one in contours} == {count}
        np.testing.assert_array_equal(load_structure_set(report.files[0]).labels, labels())
    with pytest.raises(dicomarray.UsageError, match="three axes"):
        dicomarray.to_rtstruct(np.stack([labels(), labels()]), tmp_path / "mr", tmp_path / "no", NAMES)
