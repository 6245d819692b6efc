"""A series: what its instances have in common, its files in order, its volumes, and the choice among them."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

import synthetic
from dicomarray import Series, scan
from dicomarray.errors import ChoiceError, DataError, GeometryError, HeaderError, UsageError

MakeSeries = Callable[..., Path]


def the_series(path: Path | list[Path]) -> Series:
    catalog = scan(path)
    assert len(catalog) == 1
    return catalog[0]


# --- attributes -----------------------------------------------------------------------------------------


def test_attributes_are_what_all_instances_share(ct: Path) -> None:
    """What differs is no key, whichever way it is asked for."""
    attributes = the_series(ct).attributes
    assert attributes["SeriesDescription"] == "SYNTHETIC SERIES"
    assert attributes["PixelSpacing"] == synthetic.PIXEL_SPACING_MM
    for varying in ("ImagePositionPatient", "InstanceNumber", "SOPInstanceUID"):
        assert varying not in attributes
        assert attributes.get(varying) is None
        with pytest.raises(KeyError, match=varying):
            attributes[varying]
    assert "Modality" in set(attributes)
    assert "InstanceNumber" not in set(attributes)
    assert len(attributes) == len(list(attributes))


def test_attribute_that_only_some_have_is_not_shared(make_series: MakeSeries) -> None:
    """Absent in one instance is a difference, also where it is the first or the last."""
    for odd_one in (0, 5):
        each = [{"ContrastBolusAgent": ... if index == odd_one else "X"} for index in range(6)]
        assert "ContrastBolusAgent" not in the_series(make_series(name=str(odd_one), each=each)).attributes


def test_attribute_beyond_the_scan_is_read_when_asked_for(ct: Path) -> None:
    """By keyword or by tag; absent and misspelt ones are KeyErrors."""
    attributes = the_series(ct).attributes
    assert attributes["StudyDate"] == "20240101"
    assert attributes["(0018,0060)"] == 120
    assert "PatientComments" not in attributes
    assert "StudyDat" not in attributes


def test_private_attribute_is_read_when_asked_for(ct: Path) -> None:
    """By the name of its creator, as a scan takes it."""
    for file in ct.glob("*.dcm"):
        data_set = pydicom.dcmread(file)
        data_set.private_block(0x29, "OURS", create=True).add_new(0x42, "LO", "private")
        data_set.save_as(file)
    assert the_series(ct).attributes["(0029,OURS,42)"] == "private"
    assert scan(ct, attributes=["(0029,OURS,42)"])[0].attributes["(0029,OURS,42)"] == "private"


def test_series_is_shown_without_naming_anybody(ct: Path) -> None:
    """It shows modality, number, UID and count."""
    series = the_series(ct)
    assert repr(series) == f"<Series CT 1 {series.uid}, 6 instances>"
    assert "SYNTHETIC" not in repr(series)


# --- order ----------------------------------------------------------------------------------------------


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(6)), st.permutations(range(1, 7)))
def test_order_of_files_and_numbers_does_not_matter(
    tmp_path: Path, order: list[int], numbers: list[int]
) -> None:
    """Slices under any file names, with any Instance Numbers, make the same volume."""
    stored = synthetic.stored_values()
    heights = [synthetic.ORIGIN_MM[2] + place * synthetic.SPACING_MM for place in order]
    each = [
        {"ImagePositionPatient": [*synthetic.ORIGIN_MM[:2], height], "InstanceNumber": number}
        for height, number in zip(heights, numbers, strict=True)
    ]
    folder = tmp_path / "shuffled"
    shutil.rmtree(folder, ignore_errors=True)
    files = synthetic.write_series(folder, stored, each=each)
    series = the_series(folder)
    volume = series.volume()
    inverse = np.argsort(order)
    assert np.array_equal(volume.array, stored[inverse].astype(np.int32) - 1024)
    assert series.files == [files[index] for index in inverse]
    assert volume.affine is not None
    assert volume.affine[:3, 3].tolist() == list(synthetic.ORIGIN_MM)
    assert volume.affine[:3, 0].tolist() == [0, 0, synthetic.SPACING_MM]


def test_order_of_the_files_given_does_not_matter(ct: Path) -> None:
    """The same list of files in any order: the same array, affine, records."""
    files = sorted(ct.glob("*.dcm"))
    expected = the_series(files).volume()
    for seed in range(3):
        random.Random(seed).shuffle(files)
        got = the_series(files).volume()
        assert np.array_equal(got.array, expected.array)
        assert got.metadata == expected.metadata


def test_files_hold_everything(ct: Path) -> None:
    """Also where no volume can be made of it."""
    file = ct / "0002.dcm"
    data_set = pydicom.dcmread(file)
    data_set.ImageOrientationPatient = [1, 0, 0, 1, 0, 0]
    data_set.save_as(file)
    assert the_series(ct).files == sorted(ct.glob("*.dcm"))


# --- volumes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "orientation",
    [
        (1, 0, 0, 0, 1, 0),
        (-1, 0, 0, 0, -1, 0),
        (1, 0, 0, 0, -1, 0),
        (1, 0, 0, 0, 0, -1),
        (0, 1, 0, 0, 0, -1),
        (0, 1, 0, 1, 0, 0),
        (0.8, 0.6, 0, -0.6, 0.8, 0),
    ],
)
def test_volume_is_never_mirrored(make_series: MakeSeries, orientation: tuple[float, ...]) -> None:
    """Written from either end, slices ascend along row x column, and each voxel keeps its place."""
    stored = synthetic.stored_values()
    for spacing, name in ((2.5, "up"), (-2.5, "down")):
        folder = make_series(
            stored, name=name, spacing=spacing, common={"ImageOrientationPatient": list(orientation)}
        )
        volume = the_series(folder).volume()
        expected = (stored if spacing > 0 else stored[::-1]).astype(np.int32) - 1024
        assert np.array_equal(volume.array, expected)
        affine = volume.affine
        assert affine is not None
        assert np.linalg.det(affine[:3, [2, 1, 0]]) > 0
        normal = np.cross(orientation[:3], orientation[3:])
        first = np.array(synthetic.ORIGIN_MM) + (0 if spacing > 0 else 5 * spacing) * normal
        assert affine[:3, 0] == pytest.approx(2.5 * normal, abs=1e-8)
        assert affine[:3, 1] == pytest.approx(np.array(orientation[3:]) * 0.5)
        assert affine[:3, 2] == pytest.approx(np.array(orientation[:3]) * 0.75)
        assert affine[:3, 3] == pytest.approx(first, abs=1e-8)


def test_one_volume_is_the_only_volume(ct: Path) -> None:
    """volume() is volumes()[0] of a plain series; an index out of range is wrong use."""
    series = the_series(ct)
    (volume,) = series.volumes()
    assert np.array_equal(series.volume().array, volume.array)
    assert np.array_equal(series.volume(index=0).array, volume.array)
    for index in (1, -1):
        with pytest.raises(UsageError, match=str(index)):
            series.volume(index=index)


def test_several_volumes_are_listed(tmp_path: Path) -> None:
    """A localizer in the series: the error names the choices, an index takes one."""
    faulty = synthetic.appended_localizer(tmp_path / "s")
    series = the_series(faulty.folder)
    with pytest.raises(ChoiceError) as caught:
        series.volume()
    for text in (series.uid, "0: 6 x 12 x 16, axial", "1: 1 x 12 x 16, coronal"):
        assert text in str(caught.value)
    assert "SYNTHETIC" not in str(caught.value)
    volumes = series.volumes()
    assert [len(volume.array) for volume in volumes] == [6, 1]
    assert np.array_equal(series.volume(index=0).array, faulty.expected)


@pytest.mark.parametrize("option", [{"units": "hu"}, {"missing": "ignore"}])
def test_unknown_option_is_refused_before_anything_is_read(ct: Path, option: dict[str, Any]) -> None:
    """The message has the known ones."""
    series = the_series(ct)
    shutil.rmtree(ct)
    with pytest.raises(UsageError, match=next(iter(option.values()))):
        series.volume(**option)
    with pytest.raises(UsageError):
        series.volumes(**option)


def test_missing_slice_is_an_error_that_can_be_waived(tmp_path: Path) -> None:
    """By default it is refused with the files on both sides; kept, the positions are the real ones."""
    faulty = synthetic.gap(tmp_path / "s")
    series = the_series(faulty.folder)
    with pytest.raises(GeometryError) as caught:
        series.volume()
    for text in (str(faulty.files[2]), str(faulty.files[3]), "1 slice", "5 mm", "2.5 mm", "keep"):
        assert text in str(caught.value)
    volume = series.volume(missing="keep")
    assert np.array_equal(volume.array, faulty.expected)
    assert volume.metadata["geometry"]["uniform"] is False
    heights = [position[2] - 100 for position in volume.metadata["geometry"]["slice_positions_mm"]]
    assert heights == faulty.distances.tolist()
    assert volume.spacing == (2.5, 0.5, 0.75)
    assert volume.warnings


def test_tilt_is_kept_and_told(tmp_path: Path) -> None:
    """The affine has the shear, the sidecar the angle, the user a warning."""
    faulty = synthetic.tilted_20_degrees(tmp_path / "s")
    volume = the_series(faulty.folder).volume()
    assert np.array_equal(volume.array, faulty.expected)
    assert volume.affine is not None
    assert volume.affine[:3, 0] == pytest.approx([0, 0, 2.5])
    assert volume.metadata["geometry"]["gantry_tilt_deg"] == pytest.approx(20, abs=1e-4)
    assert any("tilt" in warning for warning in volume.warnings)


@pytest.mark.parametrize(
    "fault",
    [
        synthetic.varying_slope,
        synthetic.shuffled_instance_numbers,
        synthetic.anisotropic_pixels,
        synthetic.first_slice_positive_then_negative_hu,
    ],
)
def test_hand_made_series_have_the_expected_values(
    tmp_path: Path, fault: Callable[[Path], synthetic.Faulty]
) -> None:
    """Values, order and distances of the series that trip other readers."""
    faulty = fault(tmp_path / "s")
    volume = the_series(faulty.folder).volume()
    assert volume.array == pytest.approx(faulty.expected, rel=1e-6)
    assert volume.geometry is not None
    assert volume.geometry.distances - volume.geometry.distances[0] == pytest.approx(faulty.distances)


def test_anisotropic_spacing_is_not_swapped(tmp_path: Path) -> None:
    """There are 2.0 mm between rows, and 0.5 mm between columns."""
    volume = the_series(synthetic.anisotropic_pixels(tmp_path / "s").folder).volume()
    assert volume.spacing == (2.5, 2.0, 0.5)


def test_series_without_images_says_so(tmp_path: Path) -> None:
    """A plan has no volume."""
    series = the_series(Path(str(get_testdata_file("rtplan.dcm", download=False))))
    with pytest.raises(GeometryError, match="no images"):
        series.volumes()
    assert not series.is_image
    assert len(series.files) == 1


# --- headers that are no geometry -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attribute", "value", "error"),
    [
        ("ImageOrientationPatient", "2\\0\\0\\0\\1\\0", GeometryError),
        ("ImageOrientationPatient", "1\\0\\0\\0\\1", HeaderError),
        ("ImagePositionPatient", "1\\2", HeaderError),
        ("ImagePositionPatient", "1\\2\\abc", HeaderError),
        ("PixelSpacing", "0.5", HeaderError),
        ("PixelSpacing", "0\\0.75", GeometryError),
        ("PixelSpacing", "nan\\nan", HeaderError),
        ("RescaleSlope", "abc", HeaderError),
        ("RescaleSlope", "1\\2", HeaderError),
        ("NumberOfFrames", "1A", HeaderError),
        ("NumberOfFrames", "-1", HeaderError),
        ("NumberOfFrames", "999999999999", HeaderError),
    ],
)
def test_header_that_breaks_a_rule_is_told(
    ct: Path, attribute: str, value: str, error: type[DataError]
) -> None:
    """The message names the file, the attribute and what it found."""
    file = ct / "0004.dcm"
    data_set = pydicom.dcmread(file)
    tag = pydicom.tag.Tag(attribute)
    if tag in data_set:
        del data_set[tag]
    vr = pydicom.datadict.dictionary_VR(tag)
    data_set[tag] = pydicom.dataelem.RawDataElement(tag, vr, len(value), value.encode(), 0, False, True)
    data_set.save_as(file)
    with pytest.raises(error) as caught:
        the_series(ct).volume()
    assert str(file) in str(caught.value)
    assert attribute in str(caught.value)


def test_slice_without_rows_does_not_vanish_silently(ct: Path) -> None:
    """A damaged last slice is an error or a warning, and makes no shorter volume."""
    file = ct / "0006.dcm"
    data_set = pydicom.dcmread(file)
    del data_set.Rows
    data_set.save_as(file)
    try:
        volume = the_series(ct).volume()
    except DataError as error:
        assert "0006.dcm" in str(error)
        return
    assert any("0006.dcm" in warning for warning in volume.warnings)


def test_unreadable_functional_group_is_told(tmp_path: Path, pydicom_more_data: Path) -> None:
    """One decimal that is none inside an enhanced object's groups is our error, not a crash."""
    source = pydicom_more_data / "eCT_Supplemental.dcm"
    shared = pydicom.dcmread(source, stop_before_pixels=True).SharedFunctionalGroupsSequence[0]
    spacing = "\\".join(str(value) for value in shared.PixelMeasuresSequence[0].PixelSpacing).encode()
    content = source.read_bytes()
    assert spacing in content
    (tmp_path / "a.dcm").write_bytes(content.replace(spacing, b"x" + spacing[1:]))
    with pytest.raises(DataError, match=r"a\.dcm"):
        the_series(tmp_path / "a.dcm").volumes()
