"""The ten cases that loaders are known to get wrong, six hand-made slices each."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

import dicomarray
import synthetic
from dicomarray.errors import ChoiceError, GeometryError, ValuesError

Fault = Callable[[Path], synthetic.Faulty]


def simpleitk(files: list[Path]) -> np.ndarray:
    """The files, one by one, as SimpleITK reads them: an oracle for values."""
    return np.stack([sitk.GetArrayFromImage(sitk.ReadImage(str(file)))[0] for file in files])


@pytest.mark.parametrize(
    "fault",
    [
        synthetic.varying_slope,
        synthetic.shuffled_instance_numbers,
        synthetic.anisotropic_pixels,
        synthetic.first_slice_positive_then_negative_hu,
    ],
)
def test_right_volume(fault: Fault, tmp_path: Path) -> None:
    """Values and order are those of the slices by position, each with its own slope and intercept."""
    case = fault(tmp_path)
    volume = dicomarray.load(case.folder)
    np.testing.assert_allclose(volume.array, case.expected, atol=1e-4)
    np.testing.assert_allclose(simpleitk(dicomarray.scan(case.folder)[0].files), case.expected, atol=1e-4)
    np.testing.assert_allclose(np.diff(volume.geometry.distances), np.diff(case.distances))


def test_varying_slope_is_not_typed_by_the_first_slice(tmp_path: Path) -> None:
    """A first slope of 1 does not make the volume integer when later slopes are fractions."""
    assert dicomarray.load(synthetic.varying_slope(tmp_path).folder).array.dtype == np.float32


def test_negative_hu_after_a_positive_slice(tmp_path: Path) -> None:
    """The type holds the negative HU of later slices."""
    volume = dicomarray.load(synthetic.first_slice_positive_then_negative_hu(tmp_path).folder)
    assert volume.array.dtype == np.int16
    assert volume.array.min() < 0


def test_anisotropic_pixels(tmp_path: Path) -> None:
    """Pixel Spacing is (rows, columns): the affine's row step is the first number."""
    case = synthetic.anisotropic_pixels(tmp_path)
    image = sitk.ReadImage(str(case.files[0]))
    volume = dicomarray.load(case.folder)
    assert volume.spacing[1:] == pytest.approx((image.GetSpacing()[1], image.GetSpacing()[0]))
    assert volume.spacing[1] != volume.spacing[2]


def test_gap(tmp_path: Path) -> None:
    """A missing slice is an error that says so; kept on request, at the real positions."""
    case = synthetic.gap(tmp_path)
    with pytest.raises(GeometryError, match="1 slice is missing"):
        dicomarray.load(case.folder)
    kept = dicomarray.load(case.folder, missing="keep")
    np.testing.assert_allclose(kept.array, case.expected)
    assert kept.metadata["geometry"]["uniform"] is False
    assert any("not evenly spaced" in warning for warning in kept.warnings)


def test_duplicate_position(tmp_path: Path) -> None:
    """Two different images at one place: "the" volume is an error; both are there, and told, in volumes."""
    case = synthetic.duplicate_position(tmp_path)
    with pytest.raises(ChoiceError, match="holds 2 volumes"):
        dicomarray.load(case.folder)
    whole, other = dicomarray.scan(case.folder)[0].volumes()
    assert (len(whole.array), len(other.array)) == (5, 1)
    assert sorted(map(str, dicomarray.scan(case.folder)[0].files)) == sorted(map(str, case.files))
    assert all("volume of their own" in " ".join(volume.warnings) for volume in (whole, other))
    with pytest.raises(GeometryError, match="one position"):
        dicomarray.load(case.folder, duplicates="error")


def test_identical_duplicate(tmp_path: Path) -> None:
    """The same image twice is read once, with a warning."""
    case = synthetic.identical_duplicate(tmp_path)
    volume = dicomarray.load(case.folder)
    np.testing.assert_allclose(volume.array, case.expected)
    assert any("left out" in warning for warning in volume.warnings)


def test_tilt(tmp_path: Path) -> None:
    """A tilted gantry keeps its shear in the affine: every slice lies where its header says."""
    case = synthetic.tilted_20_degrees(tmp_path)
    volume = dicomarray.load(case.folder)
    np.testing.assert_allclose(volume.array, case.expected)
    assert volume.metadata["geometry"]["gantry_tilt_deg"] == pytest.approx(20)
    assert any("tilted" in warning for warning in volume.warnings)
    for index, record in enumerate(volume.slices):
        place = (volume.affine @ [index, 0, 0, 1])[:3]
        np.testing.assert_allclose(place, record["ImagePositionPatient"], atol=1e-6)


def test_two_time_points(tmp_path: Path) -> None:
    """Repeated positions become a time axis of their own."""
    case = synthetic.two_time_points(tmp_path)
    volume = dicomarray.load(case.folder)
    assert volume.axes == ("time", "slice", "row", "column")
    np.testing.assert_allclose(volume.array.reshape(case.expected.shape), case.expected)


def test_appended_localizer(tmp_path: Path) -> None:
    """A localizer in the series is a volume of its own: asking for "the" volume lists both."""
    case = synthetic.appended_localizer(tmp_path)
    with pytest.raises(ChoiceError, match=r"holds 2 volumes(.|\n)*0: .*(.|\n)*1: "):
        dicomarray.load(case.folder)
    axial = max(dicomarray.scan(case.folder)[0].volumes(), key=lambda v: len(v.array))
    np.testing.assert_allclose(axial.array, case.expected)


def test_float_overflow_on_write(ct: Path, tmp_path: Path) -> None:
    """Values beyond the template's type are rescaled and come back; as stored values they are refused."""
    array = dicomarray.load(ct).array.astype(np.float64) * 1000 + 0.5
    report = dicomarray.to_dicom(array, ct, tmp_path / "out")
    read = dicomarray.load(tmp_path / "out").array
    assert np.abs(read - array).max() <= report.slope / 2 * (1 + 1e-6) + np.abs(array).max() * 2**-23
    np.testing.assert_allclose(simpleitk(list(report.files)), array, atol=report.slope / 2 + 1e-2)
    with pytest.raises(ValuesError):
        dicomarray.to_dicom(array, ct, tmp_path / "stored", values="stored")
    assert not (tmp_path / "stored").exists()
