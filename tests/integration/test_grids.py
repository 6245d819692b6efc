"""Arrays on other grids than their template's: every reader finds each voxel where it was asked for.

The values are a linear function of the place in the patient, so that a voxel in a wrong place has a wrong
value.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

import dciodvfy
import dicomarray
import oracles
import synthetic
from dicomarray.cli.main import main
from dicomarray.errors import GeometryError, TemplateError, UsageError
from dicomarray.objects.common.files import WriteReport

Affine = NDArray[np.float64]
# What is promised of places, in mm; dcm2niix has float32 in its headers.
EXACT_MM = 1e-3
# HU a mm along x, y, z; no two directions are alike.
GRADIENT = np.array([3.0, 5.0, 7.0])
SHAPE = (6, 12, 16)


def field(affine: Affine, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """HU at the centre of every voxel of a grid."""
    index = np.stack([*np.indices(shape), np.ones(shape)], axis=-1)
    return np.asarray((index @ affine.T)[..., :3] @ GRADIENT)


def turned(affine: Affine, degrees: float) -> Affine:
    """About an oblique axis through the origin of the grid."""
    axis = np.array([0.36, 0.48, 0.8])
    cross = np.cross(np.eye(3), axis)
    angle = np.radians(degrees)
    rotation = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    result = affine.copy()
    result[:3, :3] = rotation @ affine[:3, :3]
    return result


def scaled(affine: Affine, slices: float, rows: float, columns: float) -> Affine:
    return np.asarray(affine @ np.diag([slices, rows, columns, 1.0]))


def moved(affine: Affine, *index: float) -> Affine:
    """With voxel (0, 0, 0) where this index was."""
    result = affine.copy()
    result[:3, 3] = (affine @ [*index, 1])[:3]
    return result


def sheared(affine: Affine) -> Affine:
    result = affine.copy()
    result[:3, 0] += 0.8 * affine[:3, 1]
    return result


def farthest(read: Affine, asked: Affine, shape: tuple[int, ...]) -> float:
    """Greatest distance, in mm, between a corner of one grid and the same corner of the other."""
    corners = np.array(
        [[k, i, j, 1] for k in (0, shape[0] - 1) for i in (0, shape[1]) for j in (0, shape[2])]
    )
    return float(np.abs(corners @ (read - asked).T).max())


GRIDS = {
    "cropped": (lambda a: moved(a, 1, 2, 3), (4, 7, 9)),
    "cropped in plane only": (lambda a: moved(a, 0, 2, 3), (6, 7, 9)),
    "fewer slices": (lambda a: moved(a, 2, 0, 0), (3, 12, 16)),
    "padded": (lambda a: moved(a, -2, -3, -1), (10, 20, 18)),
    "finer": (lambda a: scaled(a, 0.5, 0.5, 0.5), (11, 23, 31)),
    "twice resampled": (lambda a: scaled(scaled(a, 1 / 3, 0.7, 0.7), 1.7, 1 / 0.49, 1.3), (9, 11, 15)),
    "coarser": (lambda a: scaled(a, 2, 3, 2), (3, 4, 8)),
    "half a slice on": (lambda a: moved(a, 0.5, 0, 0), (5, 12, 16)),
    "oblique": (lambda a: turned(a, 25), (7, 10, 11)),
    "sheared": (sheared, (6, 12, 16)),
}


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A CT with all that describes its own grid."""
    folder = tmp_path / "in"
    own = {
        "SpacingBetweenSlices": 2.5, "SliceLocation": 3, "ReconstructionDiameter": 250,
        "GantryDetectorTilt": 0, "AcquisitionTime": "120000", "ShutterShape": "CIRCULAR",
        "CenterOfCircularShutter": [4, 5], "RadiusOfCircularShutter": 4, "ImagesInAcquisition": 6,
    }  # fmt: skip
    synthetic.write_series(folder, synthetic.stored_values(), bits_stored=16, common=own)
    return folder


def check(report: WriteReport, asked: Affine, shape: tuple[int, ...]) -> None:
    """dicomarray, SimpleITK and dcm2niix find the asked grid, and the value of each place there."""
    wanted = field(asked, shape)
    own = dicomarray.load(report.files[0].parent)
    assert own.affine is not None
    reads = {"dicomarray": oracles.Read(own.array.astype(float), own.affine)}
    reads["SimpleITK"] = oracles.simpleitk(report.files)
    reads["dcm2niix"] = oracles.dcm2niix(report.files)
    for name, read in reads.items():
        assert read.array.shape == shape, name
        assert np.abs(read.array - wanted).max() <= report.max_error + 1e-3, name
        assert farthest(read.affine, asked, shape) <= EXACT_MM, name


@pytest.mark.parametrize("name", [name for name in GRIDS if name != "sheared"])
def test_every_reader_finds_the_grid_that_was_asked_for(template: Path, tmp_path: Path, name: str) -> None:
    """By an affine: to a micron at the corners, and nothing dciodvfy did not say of the template."""
    change, shape = GRIDS[name]
    before = dicomarray.load(template).affine
    assert before is not None
    asked = change(before)
    report = dicomarray.to_dicom(field(asked, shape), template, tmp_path / "out", affine=asked)
    check(report, asked, shape)
    source = next(template.iterdir())
    for file in report.files:
        assert dciodvfy.new_issues(source, file) == (set(), set())
    headers = [pydicom.dcmread(file) for file in report.files]
    assert len({header.SOPInstanceUID for header in headers}) == shape[0]
    assert len({header.InstanceNumber for header in headers}) == shape[0]
    uids = {header.FrameOfReferenceUID for header in headers}
    assert uids == {pydicom.dcmread(source).FrameOfReferenceUID}


def test_a_shear_is_written_as_it_is(template: Path, tmp_path: Path) -> None:
    """Like a tilted gantry: every slice at its place; SimpleITK has no shear, so file by file."""
    before = dicomarray.load(template).affine
    assert before is not None
    asked = sheared(before)
    report = dicomarray.to_dicom(field(asked, SHAPE), template, tmp_path / "out", affine=asked)
    own = dicomarray.load(tmp_path / "out")
    assert farthest(own.affine, asked, SHAPE) <= EXACT_MM
    for index, file in enumerate(report.files):
        read = oracles.simpleitk([file])
        np.testing.assert_allclose(read.affine[:3, 3], (asked @ [index, 0, 0, 1])[:3], atol=EXACT_MM)
        np.testing.assert_allclose(read.array[0], field(asked, SHAPE)[index], atol=report.max_error + 1e-3)


def test_numbers_in_headers_are_those_of_the_new_grid(template: Path, tmp_path: Path) -> None:
    """Twice as many slices, half as thick; what was true of the old image or slice only is gone."""
    before = dicomarray.load(template).affine
    asked = scaled(before, 0.5, 2, 2)
    report = dicomarray.to_dicom(field(asked, (11, 6, 8)), template, tmp_path / "out", affine=asked)
    for index, file in enumerate(report.files):
        header = pydicom.dcmread(file)
        assert (header.Rows, header.Columns, list(header.PixelSpacing)) == (6, 8, [1.0, 1.5])
        assert (header.SliceThickness, header.SpacingBetweenSlices) == (1.25, 1.25)
        assert header.InstanceNumber == index + 1
        assert header.SliceLocation == header.ImagePositionPatient[2] == 100 + 1.25 * index
        for keyword in (
            "ReconstructionDiameter",
            "ShutterShape",
            "CenterOfCircularShutter",
            "ImagesInAcquisition",
        ):
            assert keyword not in header
        assert header.SourceImageSequence[0].SpatialLocationsPreserved == "NO"
        assert all(len(text) <= 16 for text in map(str, header.ImagePositionPatient))


def test_times_of_a_slice_stay_where_the_slice_stays(template: Path, tmp_path: Path) -> None:
    """A slice between two has no acquisition time; those that stay, and a subset, keep it."""
    before = dicomarray.load(template).affine
    for slices, factor in ((11, 0.5), (3, 2)):
        asked = scaled(before, factor, 1, 1)
        shape = (slices, *SHAPE[1:])
        report = dicomarray.to_dicom(field(asked, shape), template, tmp_path / str(slices), affine=asked)
        timed = ["AcquisitionTime" in pydicom.dcmread(file) for file in report.files]
        assert timed == [k * factor == int(k * factor) for k in range(slices)]


def test_a_subset_is_written_to_the_letter(tmp_path: Path) -> None:
    """Slices that stay where they are keep the characters of their headers, and their numbers."""
    files = synthetic.write_series(
        tmp_path / "in",
        synthetic.stored_values(),
        common={"SliceThickness": "2.500", "PixelSpacing": ["0.5000", "0.750"], "KVP": "120.0"},
        each=[
            {"ImagePositionPatient": ["-20.00", "-30.000", f"{100 + 2.5 * n:.3f}"], "SliceLocation": f"{n}.0"}
            for n in range(6)
        ],
    )
    volume = dicomarray.load(tmp_path / "in")
    array, affine = volume.array[1:4], moved(volume.affine, 1, 0, 0)
    report = dicomarray.to_dicom(array, tmp_path / "in", tmp_path / "out", affine=affine)
    assert len(report.files) == 3
    for source, file in zip(files[1:4], report.files, strict=True):
        old, new = pydicom.dcmread(source), pydicom.dcmread(file)
        for keyword in ("ImagePositionPatient", "PixelSpacing", "SliceThickness", "SliceLocation", "KVP"):
            assert str(new[keyword].value) == str(old[keyword].value)
        assert new.InstanceNumber == old.InstanceNumber
        np.testing.assert_array_equal(new.pixel_array, old.pixel_array)
        assert new.SourceImageSequence[0].SpatialLocationsPreserved == "YES"


def test_an_uneven_subset_is_written_at_its_places(template: Path, tmp_path: Path) -> None:
    """The sidecar says which positions: slices 0, 1 and 4."""
    volume = dicomarray.load(template)
    dicomarray.to_numpy(template, tmp_path / "a.npy")
    chosen = [0, 1, 4]
    np.save(tmp_path / "a.npy", volume.array[chosen])
    content = json.loads((tmp_path / "a.json").read_text("utf-8"))
    places = content["geometry"]["slice_positions_mm"]
    content["geometry"] |= {"slice_positions_mm": [places[k] for k in chosen], "uniform": False}
    content["array"]["shape"][0] = 3
    (tmp_path / "a.json").write_text(json.dumps(content))
    dicomarray.to_dicom(tmp_path / "a.npy", template, tmp_path / "out", input_json=tmp_path / "a.json")
    after = dicomarray.load(tmp_path / "out", missing="keep")
    np.testing.assert_array_equal(after.array, volume.array[chosen])
    np.testing.assert_allclose(after.geometry.slice_positions, np.array(places)[chosen])
    assert "SpacingBetweenSlices" not in pydicom.dcmread(next((tmp_path / "out").iterdir()))


def test_a_volume_brings_its_place(template: Path, tmp_path: Path) -> None:
    """What resamples on reading (a gap filled, a tilt made upright) can be written back as it is."""
    volume = dicomarray.load(synthetic.tilted_20_degrees(tmp_path / "tilted").folder, tilt="upright")
    report = dicomarray.to_dicom(volume, tmp_path / "tilted", tmp_path / "out")
    after = dicomarray.load(tmp_path / "out")
    assert after.array.shape == volume.array.shape
    assert farthest(after.affine, volume.affine, volume.array.shape) <= EXACT_MM
    assert np.abs(after.array - volume.array).max() <= report.max_error + 1e-3
    assert "GantryDetectorTilt" not in pydicom.dcmread(report.files[0])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_affine_against_the_normal_is_written_in_the_other_order(
    template: Path, tmp_path: Path, axis: int
) -> None:
    """Any axis flipped, values with it: each voxel lies where it was asked for, slices ascend, it is told."""
    before = dicomarray.load(template).affine
    flip = np.eye(4)
    flip[axis, axis], flip[axis, 3] = -1, SHAPE[axis] - 1
    asked = before @ flip
    report = dicomarray.to_dicom(field(asked, SHAPE), template, tmp_path / "out", affine=asked)
    assert any("other order" in warning for warning in report.warnings)
    back = asked @ np.array([[-1, 0, 0, SHAPE[0] - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    check(report, back, SHAPE)


def test_pet_counts_its_slices(tmp_path: Path) -> None:
    """Number of Slices and Image Index (PS3.3 C.8.9.1, C.8.9.4.1.9); its times, by which it decays, stay."""
    files = synthetic.write_series(
        tmp_path / "in", synthetic.stored_values(bits_stored=16), modality="PT", bits_stored=16
    )
    before = dicomarray.load(tmp_path / "in").affine
    asked = scaled(before, 0.5, 1, 1)
    array = np.abs(field(asked, (11, 12, 16)))
    report = dicomarray.to_dicom(array, tmp_path / "in", tmp_path / "out", affine=asked)
    for index, file in enumerate(report.files):
        header = pydicom.dcmread(file)
        assert (header.NumberOfSlices, header.ImageIndex) == (11, index + 1)
        assert header.FrameReferenceTime == 60000
        assert dciodvfy.new_issues(files[0], file) == (set(), set())


def test_the_command_line_takes_an_affine(template: Path, tmp_path: Path) -> None:
    """The affine may be in a .npy or a .json file."""
    asked = scaled(dicomarray.load(template).affine, 0.5, 1, 1)
    np.save(tmp_path / "a.npy", field(asked, (11, 12, 16)))
    np.save(tmp_path / "affine.npy", asked)
    (tmp_path / "affine.json").write_text(json.dumps(asked.tolist()))
    for kind in ("npy", "json"):
        command = ["to-dicom", "-n", tmp_path / "a.npy", "-d", template, "-o", tmp_path / kind]
        assert main([str(word) for word in (*command, "--affine", tmp_path / f"affine.{kind}")]) == 0
        read = dicomarray.load(tmp_path / kind).affine
        assert farthest(read, asked, (11, 12, 16)) <= EXACT_MM


# --- refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "affine",
    [np.eye(3), np.full((4, 4), np.nan), np.zeros((4, 4)), "text", np.diag([1.0, 1, 1, 2]), [[1, 2], [3]]],
)
def test_what_is_no_affine_is_refused(template: Path, tmp_path: Path, affine: object) -> None:
    """It is refused before anything is written."""
    with pytest.raises((UsageError, dicomarray.errors.InputError)):
        dicomarray.to_dicom(np.zeros((2, 3, 4)), template, tmp_path / "out", affine=affine)
    assert not (tmp_path / "out").exists()


def test_rows_and_columns_stand_at_right_angles(template: Path, tmp_path: Path) -> None:
    """Image Orientation (Patient) cannot say a shear within the image."""
    asked = dicomarray.load(template).affine.copy()
    asked[:3, 2] += 0.01 * asked[:3, 1]
    with pytest.raises(GeometryError, match="right angle"):
        dicomarray.to_dicom(np.zeros(SHAPE), template, tmp_path / "out", affine=asked)


def test_what_lies_elsewhere_is_refused(template: Path, tmp_path: Path) -> None:
    """An affine in RAS, or of another patient: it has nothing in common with the template."""
    asked = moved(dicomarray.load(template).affine, 100, 0, 0)
    with pytest.raises(GeometryError, match="nothing in common"):
        dicomarray.to_dicom(np.zeros(SHAPE), template, tmp_path / "out", affine=asked)


def test_another_frame_of_reference_is_refused(template: Path, tmp_path: Path) -> None:
    """Coordinates of one frame of reference mean nothing in another."""
    other = tmp_path / "other"
    synthetic.write_series(other, synthetic.stored_values(), common={"ImagePositionPatient": [-20, -30, 101]})
    with pytest.raises(GeometryError, match="FrameOfReferenceUID"):
        dicomarray.to_dicom(
            dicomarray.load(other), template, tmp_path / "out", series=dicomarray.scan(template)[0].uid
        )


def test_without_an_affine_the_shape_is_the_templates(template: Path, tmp_path: Path) -> None:
    """The message says what to give."""
    with pytest.raises(TemplateError, match="affine="):
        dicomarray.to_dicom(np.zeros((7, 12, 16)), template, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_a_place_there_is_no_grid(tmp_path: Path) -> None:
    """A secondary capture has no patient geometry to move in."""
    synthetic.write_series(tmp_path / "in", synthetic.stored_values((1, 4, 5)), modality="SC")
    with pytest.raises(GeometryError, match="no patient geometry"):
        dicomarray.to_dicom(np.zeros((1, 4, 5)), tmp_path / "in", tmp_path / "out", affine=np.eye(4))
