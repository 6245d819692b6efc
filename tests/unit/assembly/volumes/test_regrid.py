"""Volumes on another grid where that was asked for: against numpy.interp and SimpleITK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the name that its own documentation uses
from numpy.typing import NDArray

import synthetic
from dicomarray import Volume, load, to_dicom, to_numpy
from dicomarray.errors import GeometryError, UsageError, ValuesError
from synthetic import ORIGIN_MM, SPACING_MM, write_repetitions

ROWS_COLUMNS = (12, 16)


def write_at(folder: Path, places: list[float], degrees: float = 0.0, **options: Any) -> NDArray[np.float64]:
    """CT slices at these table positions, with the gantry tilted; returns their HU."""
    tilt = np.radians(degrees)
    orientation = [1.0, 0.0, 0.0, 0.0, float(np.cos(tilt)), float(np.sin(tilt))]
    stored = synthetic.stored_values((len(places), *ROWS_COLUMNS))
    each = [{"ImagePositionPatient": [*ORIGIN_MM[:2], ORIGIN_MM[2] + place]} for place in places]
    common = {"ImageOrientationPatient": [f"{v:.10g}" for v in orientation]}
    synthetic.write_series(folder, stored, bits_stored=12, common=common, each=each, **options)
    return stored.astype(np.float64) - 1024


def heights(volume: Volume) -> NDArray[np.float64]:
    """mm along z from the first slice."""
    assert volume.geometry is not None
    return np.asarray(volume.geometry.slice_positions[:, 2] - ORIGIN_MM[2])


def interpolated(
    values: NDArray[np.float64], places: list[float], wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Linear from slice to slice, a voxel column at a time, by numpy."""
    columns = values.reshape(len(values), -1).T
    result = np.array([np.interp(wanted, places, column) for column in columns]).T
    return result.reshape(len(wanted), *values.shape[1:])


GAPS: list[list[float]] = [
    [0, 2.5, 5, 10, 12.5, 15],
    [0, 2.5, 5, 15, 17.5, 20],
    [0, 5, 7.5, 10, 12.5, 20, 22.5],
]


# --- missing slices ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("places", GAPS)
@pytest.mark.parametrize("degrees", [0.0, 18.0])
def test_fill_leaves_the_slices_at_hand_as_they_are(
    tmp_path: Path, places: list[float], degrees: float
) -> None:
    """Air between them, -1024 HU; even spacing; tilted or not; the sidecar marks what was filled."""
    values = write_at(tmp_path / "s", places, degrees)
    volume = load(tmp_path / "s", missing="fill")
    count = int(places[-1] / SPACING_MM) + 1
    assert heights(volume) == pytest.approx(np.arange(count) * SPACING_MM)
    at_hand = [round(place / SPACING_MM) for place in places]
    filled = sorted(set(range(count)) - set(at_hand))
    assert np.array_equal(volume.array[at_hand], values)
    assert (volume.array[filled] == -1024).all()
    assert volume.array.dtype == np.int16
    geometry = volume.metadata["geometry"]
    assert geometry["uniform"] is True
    assert geometry["gantry_tilt_deg"] == pytest.approx(degrees, abs=1e-6)
    assert [index for index, record in enumerate(volume.slices) if record.get("filled")] == filled
    assert all(volume.slices[index]["SOPInstanceUID"] is None for index in filled)
    told = [warning for warning in volume.warnings if "filled" in warning]
    assert len(told) == 1
    assert f"{len(filled)} missing" in told[0]


@pytest.mark.parametrize(
    ("modality", "background", "expected"), [("CT", None, -1024), ("CT", 7, 7), ("MR", None, 0), ("MR", 3, 3)]
)
def test_background_is_the_units_own(
    tmp_path: Path, modality: str, background: float | None, expected: int
) -> None:
    """Air for HU, 0 otherwise, or what was asked for."""
    write_at(tmp_path / "s", GAPS[0], modality=modality)
    volume = load(tmp_path / "s", missing="fill", background=background)
    assert (volume.array[3] == expected).all()


def test_air_of_values_that_are_never_below_0_is_0(tmp_path: Path) -> None:
    """Unsigned and without an intercept: no image can have -1024; asked for, it is refused."""
    array = np.ones((len(GAPS[0]), 4, 5), np.uint16)
    each = [{"ImagePositionPatient": [0, 0, place]} for place in GAPS[0]]
    synthetic.write_series(tmp_path / "s", array, common={"RescaleIntercept": 0}, each=each)
    volume = load(tmp_path / "s", missing="fill")
    assert (volume.array[3] == 0).all()
    assert volume.array.dtype == load(tmp_path / "s", missing="keep").array.dtype
    assert any("filled with 0:" in told for told in volume.warnings)
    with pytest.raises(ValuesError, match="-1024"):
        load(tmp_path / "s", missing="fill", background=-1024)


def test_background_of_stored_values_is_stored(tmp_path: Path) -> None:
    """units="stored": 0 by default, and what no stored type can hold is refused."""
    write_at(tmp_path / "s", GAPS[0])
    assert (load(tmp_path / "s", missing="fill", units="stored").array[3] == 0).all()
    with pytest.raises(ValuesError, match="-1024"):
        load(tmp_path / "s", missing="fill", units="stored", background=-1024)


@pytest.mark.parametrize("places", GAPS)
@pytest.mark.parametrize("degrees", [0.0, 18.0])
def test_resample_across_a_gap(tmp_path: Path, places: list[float], degrees: float) -> None:
    """Values are linear between the neighbours, and exact at slices at hand."""
    values = write_at(tmp_path / "s", places, degrees)
    volume = load(tmp_path / "s", missing="resample")
    wanted = np.arange(int(places[-1] / SPACING_MM) + 1) * SPACING_MM
    assert heights(volume) == pytest.approx(wanted)
    assert volume.array == pytest.approx(interpolated(values, places, wanted), abs=1e-3)
    assert np.array_equal(volume.array[[round(place / SPACING_MM) for place in places]], values)
    assert volume.array.dtype == np.float32
    assert volume.metadata["geometry"]["uniform"] is True
    assert any("resampled from" in warning for warning in volume.warnings)


def test_nothing_missing_nothing_done(ct: Path) -> None:
    """The policies change no plain volume: same values, type, affine, records, warnings."""
    plain = load(ct)
    for options in (
        {"missing": "fill"},
        {"missing": "resample"},
        {"uneven": "resample"},
        {"tilt": "upright"},
        {"missing": "keep"},
    ):
        volume = load(ct, **options)
        assert np.array_equal(volume.array, plain.array)
        assert volume.array.dtype == plain.array.dtype
        assert volume.metadata == plain.metadata


@pytest.mark.parametrize("missing", ["fill", "resample"])
def test_gap_in_time_series(tmp_path: Path, missing: str) -> None:
    """4-D: the gap is closed at every time; records and slopes keep to their slices."""
    array = synthetic.stored_values((2, 5, *ROWS_COLUMNS))
    steps = [
        {"TemporalPositionIdentifier": 1, "RescaleSlope": 2, "RescaleIntercept": 0},
        {"TemporalPositionIdentifier": 2, "RescaleSlope": 4, "RescaleIntercept": 0},
    ]
    write_repetitions(tmp_path / "s", array, steps, without=[(0, 2), (1, 2)])
    volume = load(tmp_path / "s", missing=missing)
    values = array * np.array([2.0, 4.0])[:, None, None, None]
    assert volume.array.shape == array.shape
    between = np.zeros((2, *ROWS_COLUMNS)) if missing == "fill" else (values[:, 1] + values[:, 3]) / 2
    values[:, 2] = between
    assert volume.array == pytest.approx(values, rel=1e-6)
    if missing == "fill":
        assert len(volume.slices) == 10
        assert [index for index, record in enumerate(volume.slices) if record.get("filled")] == [2, 7]
        assert [rescale.slope for rescale in volume.rescales] == [2, 2, 1, 2, 2, 4, 4, 1, 4, 4]


# --- uneven spacing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [0.0, 15.0])
def test_uneven_is_resampled_to_its_finest_usual_spacing(tmp_path: Path, degrees: float) -> None:
    """Fine below, coarse above, tilted or not: linear between neighbours; first and last stay."""
    places = [0.0, 2.0, 4.0, 6.0, 8.0, 13.0, 18.0, 23.0]
    values = write_at(tmp_path / "s", places, degrees)
    volume = load(tmp_path / "s", uneven="resample")
    found = heights(volume)
    assert np.diff(found) == pytest.approx(np.full(len(found) - 1, found[1]))
    assert found[1] == pytest.approx(2, abs=0.1)
    assert (found[0], found[-1]) == (0, pytest.approx(23))
    assert volume.array == pytest.approx(interpolated(values, places, found), abs=1e-2)
    assert volume.metadata["geometry"]["uniform"] is True
    assert volume.metadata["geometry"]["gantry_tilt_deg"] == pytest.approx(degrees, abs=1e-4)
    assert not any("not evenly" in warning for warning in volume.warnings)
    assert volume.slices == ()


def test_uneven_is_no_reason_to_fill(tmp_path: Path) -> None:
    """missing="fill" fills gaps of an even grid only; a planned unevenness stays, with its warning."""
    places = [0.0, 2.0, 4.0, 6.0, 9.1, 12.2, 15.3]
    values = write_at(tmp_path / "s", places)
    volume = load(tmp_path / "s", missing="fill")
    assert np.array_equal(volume.array, values)
    assert volume.metadata["geometry"]["uniform"] is False
    assert any("not evenly" in warning for warning in volume.warnings)


# --- tilt -------------------------------------------------------------------------------------------------


def by_itk(values: NDArray[np.float64], affine: NDArray[np.float64], like: Volume) -> NDArray[np.float64]:
    """The tilted stack sampled on another grid by SimpleITK, whose images cannot be sheared.

    So the sheared index is written out as a transform: from the place in the patient to the stack's index.
    """
    image = sitk.GetImageFromArray(values)  # index space: spacing 1, identity
    inverse = np.linalg.inv(affine)
    to_index = sitk.AffineTransform(3)
    to_index.SetMatrix(inverse[:3, :3][::-1].flatten().tolist())
    to_index.SetTranslation(inverse[:3, 3][::-1].tolist())
    target = sitk.Image([int(n) for n in like.array.shape[::-1]], sitk.sitkFloat64)
    assert like.affine is not None
    assert like.spacing is not None
    target.SetOrigin(like.affine[:3, 3].tolist())
    target.SetSpacing(list(like.spacing[::-1]))
    target.SetDirection((like.affine[:3, :3] / like.spacing)[:, ::-1].flatten().tolist())
    sampled = sitk.Resample(image, target, to_index, sitk.sitkLinear, -5000.0)
    return np.asarray(sitk.GetArrayFromImage(sampled))


@pytest.mark.parametrize("degrees", [-22.0, 7.0, 20.0])
def test_upright_is_what_itk_samples(tmp_path: Path, degrees: float) -> None:
    """Values inside are as SimpleITK interpolates them, outside is air, and no tilt is left."""
    places = [index * 2.5 for index in range(7)]
    values = write_at(tmp_path / "s", places, degrees)
    tilted = load(tmp_path / "s")
    volume = load(tmp_path / "s", tilt="upright")
    geometry = volume.metadata["geometry"]
    assert geometry["gantry_tilt_deg"] == 0
    assert volume.spacing is not None
    assert volume.spacing[0] == pytest.approx(2.5 * np.cos(np.radians(degrees)))
    assert tilted.affine is not None
    expected = by_itk(values, tilted.affine, volume)
    inside = expected > -4999
    assert inside.sum() >= 6 * 12 * 15
    # the last slice lies at the very edge of ITK's image, where rounding decides
    assert volume.array[inside] == pytest.approx(expected[inside], abs=0.05)
    assert volume.array.min() == -1024
    assert any("upright" in warning for warning in volume.warnings)
    assert not any("tilted gantry" in warning for warning in volume.warnings)


def test_upright_keeps_the_first_slice_voxel_for_voxel(tmp_path: Path) -> None:
    """The grid is enlarged; the first slice is found in it unchanged, where it was."""
    values = write_at(tmp_path / "s", [index * 2.5 for index in range(6)], 20)
    volume = load(tmp_path / "s", tilt="upright")
    assert volume.affine is not None
    voxel = np.rint(np.linalg.inv(volume.affine) @ [*ORIGIN_MM, 1])[:3].astype(int)
    found = volume.array[voxel[0], voxel[1] : voxel[1] + 12, voxel[2] : voxel[2] + 16]
    assert np.array_equal(found, values[0])


def test_upright_takes_its_background(tmp_path: Path) -> None:
    """Outside of the images what was asked for."""
    values = write_at(tmp_path / "s", [index * 2.5 for index in range(6)], 20)
    volume = load(tmp_path / "s", tilt="upright", background=-3000)
    assert volume.array.min() == -3000
    assert set(np.unique(volume.array[0])) <= {*np.unique(values[0]), -3000.0}


@pytest.mark.parametrize(
    ("places", "options"),
    [
        ([0.0, 2.5, 5.0, 10.0, 12.5], {"missing": "resample"}),
        ([0.0, 2.5, 5.0, 10.0, 12.5], {"missing": "fill"}),
        ([0.0, 2.0, 4.0, 6.0, 11.0, 16.0], {"uneven": "resample"}),
        ([0.0, 2.0, 4.0, 6.0, 11.0, 16.0], {}),
    ],
)
def test_upright_after_even(tmp_path: Path, places: list[float], options: dict[str, str]) -> None:
    """Tilted and with gaps: each slice where it belongs, no fill value mixed into the patient."""
    write_at(tmp_path / "s", places, 20)
    volume = load(tmp_path / "s", tilt="upright", background=-20000, **options)
    geometry = volume.metadata["geometry"]
    assert geometry["gantry_tilt_deg"] == 0
    assert geometry["uniform"] is bool(options)
    image = volume.array > -19999
    assert volume.array[image].min() >= -1024
    per_slice = image.reshape(len(volume.array), -1).sum(axis=1)
    if options.get("missing") == "fill":
        assert per_slice[3] == 0
    assert np.all(np.delete(per_slice, 3) >= 12 * 15)


# --- and back ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "degrees", "options"),
    [
        (GAPS[0], 0.0, {"missing": "fill"}),
        (GAPS[0], 0.0, {"missing": "resample"}),
        ([0.0, 2.0, 4.0, 6.0, 8.0, 13.0, 18.0], 0.0, {"uneven": "resample"}),
        ([0.0, 2.5, 5.0, 7.5], 20.0, {"tilt": "upright"}),
    ],
)
def test_another_grid_is_written_where_it_lies(
    tmp_path: Path, places: list[float], degrees: float, options: dict[str, str]
) -> None:
    """to_dicom writes a resampled volume at its own place, as a volume and through .npy and sidecar."""
    write_at(tmp_path / "s", places, degrees)
    volume = load(tmp_path / "s", **options)
    written = [to_dicom(volume, tmp_path / "s", tmp_path / "out")]
    to_numpy(tmp_path / "s", tmp_path / "v.npy", **options)
    written.append(
        to_dicom(tmp_path / "v.npy", tmp_path / "s", tmp_path / "out2", input_json=tmp_path / "v.json")
    )
    for report in written:
        again = load(report.files[0].parent)
        np.testing.assert_allclose(again.affine, volume.affine, atol=1e-5)
        assert np.abs(again.array - volume.array).max() <= report.max_error * 1.01


def test_kept_gap_is_written_back(tmp_path: Path) -> None:
    """missing="keep" moves no slice: the volume fits its template, bit for bit."""
    values = write_at(tmp_path / "s", GAPS[1])
    report = to_dicom(load(tmp_path / "s", missing="keep"), tmp_path / "s", tmp_path / "out")
    assert report.max_error == 0
    assert np.array_equal(load(tmp_path / "out", missing="keep").array, values)


def test_padding_cannot_follow_to_another_grid(ct: Path) -> None:
    """exclude_padding with a policy that makes slices is refused at once."""
    with pytest.raises(UsageError, match="exclude_padding"):
        load(ct, exclude_padding=True, missing="fill")


def test_slices_beside_the_line_are_no_grid(tmp_path: Path) -> None:
    """A slice shifted sideways cannot be interpolated to: refused with the series' UID."""
    each = [{"ImagePositionPatient": [-20 + (index == 2) * 3, -30, 100 + z]} for index, z in enumerate(
        (0.0, 2.0, 4.0, 7.1, 10.2, 13.3)
    )]  # fmt: skip
    synthetic.write_series(tmp_path / "s", synthetic.stored_values(), each=each)
    with pytest.raises(GeometryError, match=r"series [\d.]+: slice 2"):
        load(tmp_path / "s", uneven="resample")
