"""Which frames are slices of one volume, in which order and at which places: by position, against ITK."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

import oracles
import synthetic
from dicomarray import Volume, load, scan
from dicomarray.assembly.grouping.consistency_checks import spacing_warnings
from dicomarray.assembly.grouping.stacking import plane_name
from dicomarray.core.plain_text import some
from dicomarray.errors import ChoiceError, GeometryError
from synthetic import ORIGIN_MM, SPACING_MM

Vector = tuple[float, float, float]
AXES = {
    "L": (1.0, 0.0, 0.0), "R": (-1.0, 0.0, 0.0), "P": (0.0, 1.0, 0.0),
    "A": (0.0, -1.0, 0.0), "S": (0.0, 0.0, 1.0), "I": (0.0, 0.0, -1.0),
}  # fmt: skip


def turned(row_degrees: float, column_degrees: float) -> list[float]:
    """Six cosines, oblique about two axes, at right angles."""
    a, b = np.radians([row_degrees, column_degrees])
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    both = about_x @ about_z
    return [round(float(v), 8) for v in (*both[:, 0], *both[:, 1])]


def place_by_the_standard(data_set: Any, row: int, column: int) -> NDArray[np.float64]:
    """LPS mm of a voxel's centre by equation C.7.6.2.1-1 of PS3.3 C.7.6.2.1.1, from the header alone."""
    cosines = np.array(data_set.ImageOrientationPatient, float)
    between_rows, between_columns = (float(v) for v in data_set.PixelSpacing)
    position = np.array(data_set.ImagePositionPatient, float)
    return np.asarray(position + cosines[:3] * between_columns * column + cosines[3:] * between_rows * row)


def assert_every_voxel_lies_where_its_header_says(folder: Path, volume: Volume) -> None:
    """Each slice of the array is the file's image, and the affine its corners to the standard's places."""
    by_uid = {d.SOPInstanceUID: d for d in map(pydicom.dcmread, folder.iterdir())}
    assert volume.affine is not None
    for index, record in enumerate(volume.slices):
        data_set = by_uid.pop(record["SOPInstanceUID"])
        slope, intercept = data_set.get("RescaleSlope", 1), data_set.get("RescaleIntercept", 0)
        assert np.array_equal(volume.array[index], data_set.pixel_array.astype(float) * slope + intercept)
        for row, column in ((0, 0), (0, data_set.Columns - 1), (data_set.Rows - 1, 0)):
            expected = place_by_the_standard(data_set, row, column)
            assert (volume.affine @ [index, row, column, 1])[:3] == pytest.approx(expected, abs=1e-4)
    assert not by_uid


# --- order and place --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "column"),
    [
        pair
        for pair in itertools.permutations("LRPASI", 2)
        if not np.any(np.array(AXES[pair[0]]) * AXES[pair[1]])
    ],
)
def test_all_24_orientations(tmp_path: Path, row: str, column: str) -> None:
    """Rows and columns along any two axes, written either way, give a right-handed volume in its place."""
    stored = synthetic.stored_values((3, 4, 5))
    spacing = SPACING_MM if row in "LPS" else -SPACING_MM
    common = {"ImageOrientationPatient": [*AXES[row], *AXES[column]], "PixelSpacing": [2.0, 0.5]}
    files = synthetic.write_series(tmp_path / "s", stored, spacing=spacing, common=common)
    volume = load(tmp_path / "s")
    assert_every_voxel_lies_where_its_header_says(tmp_path / "s", volume)
    assert volume.spacing == pytest.approx((SPACING_MM, 2.0, 0.5))
    assert volume.affine is not None
    assert np.linalg.det(volume.affine[:3, [2, 1, 0]]) == pytest.approx(SPACING_MM)
    ascending = scan(tmp_path / "s")[0].files
    assert ascending == (files if spacing > 0 else files[::-1])
    read = oracles.simpleitk(ascending)
    assert np.array_equal(volume.array, read.array)
    assert volume.affine == pytest.approx(read.affine, abs=1e-5)


@pytest.mark.parametrize("orientation", [(17.0, -33.0), (-48.0, 61.0), (180.0, 5.0)])
@pytest.mark.parametrize("spacing", [SPACING_MM, -SPACING_MM])
def test_oblique_stacks(tmp_path: Path, orientation: tuple[float, float], spacing: float) -> None:
    """Ascending and descending: the same as SimpleITK reads from the files in that order."""
    common = {"ImageOrientationPatient": turned(*orientation)}
    synthetic.write_series(tmp_path / "s", synthetic.stored_values(), spacing=spacing, common=common)
    volume = load(tmp_path / "s")
    assert_every_voxel_lies_where_its_header_says(tmp_path / "s", volume)
    read = oracles.simpleitk(scan(tmp_path / "s")[0].files)
    assert np.array_equal(volume.array, read.array)
    assert volume.affine == pytest.approx(read.affine, abs=1e-4)
    assert volume.warnings == ()


def test_jittered_orientation_and_positions_are_even(tmp_path: Path) -> None:
    """Cosines off in the sixth digit and positions rounded to 0.01 mm are even, without tilt or warning."""
    rng = np.random.default_rng(3)
    each = [
        {
            "ImageOrientationPatient": [
                f"{v:.6f}" for v in np.array(synthetic.AXIAL) + rng.integers(-3, 4, 6) * 1e-6
            ],
            "ImagePositionPatient": [-20, -30, round(100 + index * 2.4975, 2)],
        }
        for index in range(20)
    ]
    stored = synthetic.stored_values((20, 4, 5))
    synthetic.write_series(tmp_path / "s", stored, each=each)
    volume = load(tmp_path / "s")
    assert np.array_equal(volume.array, stored.astype(int) - 1024)
    geometry = volume.metadata["geometry"]
    assert geometry["uniform"] is True
    assert geometry["gantry_tilt_deg"] == 0
    assert volume.spacing is not None
    assert volume.spacing[0] == pytest.approx(2.4975, abs=1e-3)
    assert volume.warnings == ()


def test_instance_numbers_and_slice_locations_never_order(tmp_path: Path) -> None:
    """Both say the reverse; the positions hold."""
    stored = synthetic.stored_values()
    each = [{"InstanceNumber": 6 - index, "SliceLocation": -index} for index in range(6)]
    synthetic.write_series(tmp_path / "s", stored, each=each)
    assert np.array_equal(load(tmp_path / "s").array, stored.astype(int) - 1024)


def test_spacing_is_of_the_positions_not_of_the_thickness(tmp_path: Path) -> None:
    """Slices 5 mm thick and 2.5 mm apart have 2.5 mm, whatever SpacingBetweenSlices says."""
    common = {"SliceThickness": 5, "SpacingBetweenSlices": 7}
    synthetic.write_series(tmp_path / "s", synthetic.stored_values(), common=common)
    volume = load(tmp_path / "s")
    assert volume.spacing is not None
    assert volume.spacing[0] == SPACING_MM


# --- what is not said -------------------------------------------------------------------------------------


def test_missing_frame_of_reference_is_null(tmp_path: Path) -> None:
    """No FrameOfReferenceUID: the volume is read, the sidecar has null, and no warning."""
    synthetic.write_series(tmp_path / "s", synthetic.stored_values(), common={"FrameOfReferenceUID": ...})
    volume = load(tmp_path / "s")
    assert volume.metadata["geometry"]["frame_of_reference_uid"] is None
    assert volume.warnings == ()


def test_differing_frame_of_reference_is_told(tmp_path: Path) -> None:
    """Slices of two coordinate systems are one volume with a warning."""
    each = [{"FrameOfReferenceUID": f"1.2.{index // 3}"} for index in range(6)]
    synthetic.write_series(tmp_path / "s", synthetic.stored_values(), each=each)
    volume = load(tmp_path / "s")
    assert volume.metadata["geometry"]["frame_of_reference_uid"] == "1.2.0"
    assert any("FrameOfReferenceUID" in warning for warning in volume.warnings)


@pytest.mark.parametrize(
    ("common", "step", "warned"),
    [
        ({"SliceThickness": 4}, 4.0, False),
        ({"SliceThickness": 4, "SpacingBetweenSlices": 5.5}, 5.5, False),
        ({"SliceThickness": 4, "SpacingBetweenSlices": -5.5}, 5.5, False),
        ({"SliceThickness": ...}, 1.0, True),
        ({"SliceThickness": None}, 1.0, True),
        ({"SliceThickness": 0}, 1.0, True),
    ],
)
def test_single_slice(tmp_path: Path, common: dict[str, Any], step: float, warned: bool) -> None:
    """Its step is what the header says; where it says nothing, 1 mm and a warning."""
    synthetic.write_series(tmp_path / "s", synthetic.stored_values((1, 4, 5)), common=common)
    volume = load(tmp_path / "s")
    assert volume.spacing == (step, *synthetic.PIXEL_SPACING_MM)
    assert volume.array.shape == (1, 4, 5)
    assert any("thickness is unknown" in warning for warning in volume.warnings) is warned


# --- tilt -------------------------------------------------------------------------------------------------


def write_tilted(folder: Path, degrees: float, places: list[float], **common: Any) -> NDArray[Any]:
    """CT slices whose gantry is tilted while the table moves along z, as scanners write them."""
    tilt = np.radians(degrees)
    orientation = [1.0, 0.0, 0.0, 0.0, float(np.cos(tilt)), float(np.sin(tilt))]
    stored = synthetic.stored_values((len(places), 12, 16))
    each = [{"ImagePositionPatient": [*ORIGIN_MM[:2], ORIGIN_MM[2] + place]} for place in places]
    common = {"ImageOrientationPatient": [f"{v:.10g}" for v in orientation], **common}
    synthetic.write_series(folder, stored, common=common, each=each)
    return stored


@pytest.mark.parametrize("degrees", [-27.5, -12.0, -3.0, 1.5, 8.0, 20.0])
def test_tilt_of_any_angle_is_in_the_affine(tmp_path: Path, degrees: float) -> None:
    """Every voxel is in its place, the angle is in the sidecar, and there is a warning."""
    write_tilted(tmp_path / "s", degrees, [2.5 * index for index in range(8)])
    volume = load(tmp_path / "s")
    assert_every_voxel_lies_where_its_header_says(tmp_path / "s", volume)
    assert volume.metadata["geometry"]["gantry_tilt_deg"] == pytest.approx(abs(degrees), abs=1e-6)
    assert volume.metadata["geometry"]["uniform"] is True
    assert any("tilted gantry" in warning for warning in volume.warnings)


def test_tilt_attribute_alone_tilts_nothing(tmp_path: Path) -> None:
    """GantryDetectorTilt of a reconstruction that is upright: the positions decide."""
    common = {"GantryDetectorTilt": 20}
    synthetic.write_series(tmp_path / "s", synthetic.stored_values(), common=common)
    volume = load(tmp_path / "s")
    assert volume.metadata["geometry"]["gantry_tilt_deg"] == 0
    assert volume.warnings == ()


def test_tilted_and_unevenly_spaced(tmp_path: Path) -> None:
    """A tilted scan, fine at the skull base and coarse above, keeps its positions, and both are told."""
    places = [0.0, 2.0, 4.0, 6.0, 11.0, 16.0, 21.0]
    stored = write_tilted(tmp_path / "s", 15, places)
    volume = load(tmp_path / "s")
    assert np.array_equal(volume.array, stored.astype(int) - 1024)
    geometry = volume.metadata["geometry"]
    assert geometry["uniform"] is False
    assert geometry["gantry_tilt_deg"] == pytest.approx(15, abs=1e-4)
    assert [position[2] for position in geometry["slice_positions_mm"]] == pytest.approx(
        [100 + place for place in places]
    )
    told = " ".join(volume.warnings)
    assert "tilted gantry" in told
    assert "not evenly spaced" in told
    affine = np.array(geometry["affine"])
    median = np.median(np.diff(places))
    assert affine[:3, 0] == pytest.approx([0, 0, median], abs=1e-6)


# --- gaps -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [[3], [3, 4, 5], [2, 6], [1]])
def test_gap_is_refused_with_its_size(tmp_path: Path, lost: list[int]) -> None:
    """One or three slices missing, at one place or two: how many, where, and what can be done."""
    places = [index for index in range(9) if index not in lost]
    stored = synthetic.stored_values((len(places), 4, 5))
    each = [{"ImagePositionPatient": [-20, -30, 100 + 2.5 * place]} for place in places]
    files = synthetic.write_series(tmp_path / "s", stored, each=each)
    with pytest.raises(GeometryError) as caught:
        load(tmp_path / "s")
    message = str(caught.value)
    assert ("1 slice is missing" if len(lost) == 1 else f"{len(lost)} slices are missing") in message
    first = places.index(lost[0] - 1)
    assert str(files[first]) in message
    assert str(files[first + 1]) in message
    for policy in ("keep", "fill", "resample"):
        assert policy in message


def test_gap_in_every_time_point_is_refused(tmp_path: Path) -> None:
    """4-D: what is missing at all times is missing."""
    array = synthetic.stored_values((2, 6, 4, 5))
    steps = [{"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2}]
    synthetic.write_repetitions(tmp_path / "s", array, steps, without=[(0, 3), (1, 3)])
    with pytest.raises(GeometryError, match="1 slice is missing"):
        load(tmp_path / "s")
    kept = load(tmp_path / "s", missing="keep")
    assert np.array_equal(kept.array, np.delete(array, 3, axis=1))
    assert kept.metadata["geometry"]["uniform"] is False


def test_planned_unevenness_is_no_gap(tmp_path: Path) -> None:
    """2.5 and 4 mm: nothing is missing; kept as planned, with a warning."""
    places = [0.0, 2.5, 5.0, 9.0, 13.0, 17.0]
    each = [{"ImagePositionPatient": [-20, -30, 100 + place]} for place in places]
    stored = synthetic.stored_values()
    synthetic.write_series(tmp_path / "s", stored, each=each)
    volume = load(tmp_path / "s")
    assert np.array_equal(volume.array, stored.astype(int) - 1024)
    assert volume.metadata["geometry"]["uniform"] is False
    assert any("2.5 to 4 mm" in warning for warning in volume.warnings)


def test_two_slices_are_even_whatever_their_distance(tmp_path: Path) -> None:
    """No gap can be seen between two slices; the step is their distance."""
    each = [{"ImagePositionPatient": [-20, -30, z]} for z in (100, 117)]
    synthetic.write_series(tmp_path / "s", synthetic.stored_values((2, 4, 5)), each=each)
    volume = load(tmp_path / "s")
    assert volume.spacing is not None
    assert volume.spacing[0] == 17
    assert volume.warnings == ()


# --- lists and words --------------------------------------------------------------------------------------


def test_two_volumes_are_a_choice(tmp_path: Path) -> None:
    """An unfinished time point makes two: index 0 is the whole one."""
    array = synthetic.stored_values((2, 3, 4, 5))
    steps = [{"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2}]
    synthetic.write_repetitions(tmp_path / "s", array, steps, without=[(1, 2)])
    with pytest.raises(ChoiceError, match="2 volumes"):
        load(tmp_path / "s")
    assert np.array_equal(load(tmp_path / "s", volume=0).array, array[0])
    assert np.array_equal(load(tmp_path / "s", volume=1).array, array[1, :2])
    assert np.array_equal(load(tmp_path / "s", incomplete="drop").array, array[0])


def test_plane_is_named_by_the_nearest_axis(tmp_path: Path) -> None:
    """Axial, coronal and sagittal, also where they are oblique."""
    names = []
    for index, orientation in enumerate((turned(10, 20), [1, 0, 0, 0, 0.1736, -0.9848], [0, 1, 0, 0, 0, -1])):
        folder = tmp_path / str(index)
        common = {"ImageOrientationPatient": orientation}
        synthetic.write_series(folder, synthetic.stored_values((2, 3, 4)), common=common)
        geometry = load(folder).geometry
        assert geometry is not None
        names.append(plane_name(geometry))
    assert names == ["axial", "coronal", "sagittal"]


def test_upright_even_stack_needs_no_warning(ct: Path) -> None:
    """Nothing to tell of a plain series."""
    geometry = load(ct).geometry
    assert geometry is not None
    assert spacing_warnings(geometry) == ()


def test_long_lists_are_cut() -> None:
    """The first names, and how many more."""
    assert some(["a", "b"]) == "a, b"
    assert some([str(n) for n in range(9)]) == "0, 1, 2, 3, 4 and 4 more"
