"""Study Instance UIDs: one for each image is carelessness, several for several images are studies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dicomarray import Volume, load, scan, to_dicom
from dicomarray.errors import TemplateError
from enhanced_files import at, write_enhanced
from synthetic import SHAPE, SPACING_MM, stored_values, write_series

WARNED = "Study Instance UID of its own"


def volumes(folder: Path, **options: Any) -> list[Volume]:
    (series,) = scan(folder)
    return series.volumes(**options)


def study_each(folder: Path, more: Callable[[int], Mapping[str, Any]] = lambda _: {}, **common: Any) -> None:
    each = [{"StudyInstanceUID": f"1.2.3.{k + 1}", **more(k)} for k in range(SHAPE[0])]
    write_series(folder, stored_values(), modality="MR", each=each, common=common)


@pytest.mark.parametrize("absent", [(), ("PatientID",), ("FrameOfReferenceUID",)])
def test_a_study_for_each_image_is_one_volume(tmp_path: Path, absent: tuple[str, ...]) -> None:
    """Patient and frame of reference agree, also where no image has one; a warning says what was assumed."""
    study_each(tmp_path / "s", **dict.fromkeys(absent, ...))
    (volume,) = volumes(tmp_path / "s")
    assert np.array_equal(volume.array, stored_values())
    assert any(WARNED in warning for warning in volume.warnings)


@pytest.mark.parametrize("keyword", ["PatientID", "FrameOfReferenceUID"])
@pytest.mark.parametrize("other", ["2.25.7", ...])
def test_another_patient_or_frame_of_reference_is_another_study(
    tmp_path: Path, keyword: str, other: Any
) -> None:
    """Where one image disagrees, or does not say it while the others do, no two are one study."""
    study_each(tmp_path / "s", lambda k: {keyword: other} if k == 1 else {})
    found = volumes(tmp_path / "s")
    assert [volume.array.shape[0] for volume in found] == [1] * SHAPE[0]
    assert not any(WARNED in warning for volume in found for warning in volume.warnings)


@pytest.mark.parametrize("split", [1, 3, 5])
def test_two_studies_are_two_volumes(tmp_path: Path, split: int) -> None:
    """Several images of one study: its UID means something, also where the other study has one image."""
    each = [{"StudyInstanceUID": f"1.2.3.{1 + (k >= split)}"} for k in range(SHAPE[0])]
    write_series(tmp_path / "s", stored_values(), modality="MR", each=each)
    assert [volume.array.shape[0] for volume in volumes(tmp_path / "s")] == [split, SHAPE[0] - split]


def test_an_image_without_a_study_is_apart(tmp_path: Path) -> None:
    """Absent is no UID of its own."""
    study_each(tmp_path / "s", lambda k: {"StudyInstanceUID": ...} if k == 0 else {})
    assert len(volumes(tmp_path / "s")) == SHAPE[0]


def test_instances_count_and_not_frames(tmp_path: Path) -> None:
    """Two enhanced objects, each with a study of its own, lie one above the other: one volume."""
    array = stored_values((4, 6, 7))
    same = {"SeriesInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.2.4"}
    for half in range(2):
        frames = [at(index * SPACING_MM) for index in range(2 * half, 2 * half + 2)]
        common = {**same, "StudyInstanceUID": f"1.2.5.{half + 1}", "InstanceNumber": half + 1}
        write_enhanced(tmp_path / f"{half}.dcm", array[2 * half : 2 * half + 2], frames, common=common)
    (volume,) = volumes(tmp_path)
    assert np.array_equal(volume.array, array)


def test_a_copy_does_not_hide_a_study_for_each_image(tmp_path: Path) -> None:
    """The same file twice: copies go before studies are counted."""
    study_each(tmp_path / "s")
    (tmp_path / "s" / "again.dcm").write_bytes((tmp_path / "s" / "0002.dcm").read_bytes())
    (volume,) = volumes(tmp_path / "s")
    assert np.array_equal(volume.array, stored_values())


def test_no_file_is_opened_to_know_its_patient(tmp_path: Path, opened: list[Path]) -> None:
    """Patients come with the scan, also where every image names a study of its own."""
    write_series(tmp_path / "one", stored_values())
    study_each(tmp_path / "each")
    for name in ("one", "each"):
        (series,) = scan(tmp_path / name)
        opened.clear()
        series.stacks()
        assert not opened


def test_a_derived_series_belongs_to_one_study(tmp_path: Path) -> None:
    """Such a series is no template: nothing tells to which of its studies a derived series would belong."""
    study_each(tmp_path / "s")
    with pytest.raises(TemplateError, match="StudyInstanceUID differs"):
        to_dicom(load(tmp_path / "s"), tmp_path / "s", tmp_path / "out")


def test_a_derived_series_belongs_to_one_patient(tmp_path: Path) -> None:
    """Images of two patients in one series are no template; the message has neither's ID."""
    each = [{"PatientID": f"SECRET{number % 2}"} for number in range(len(stored_values()))]
    write_series(tmp_path / "s", stored_values(), each=each)
    with pytest.raises(TemplateError, match="name 2 patients by PatientID") as caught:
        to_dicom(load(tmp_path / "s"), tmp_path / "s", tmp_path / "out")
    assert "SECRET" not in str(caught.value)


def test_a_real_series_with_a_study_for_each_image(real_data: Path) -> None:
    """An oblique CT as SimpleITK's data has it."""
    found = volumes(real_data / "ct-oblique-simpleitk")
    assert len(found) == 1
    assert any(WARNED in warning for warning in found[0].warnings)
