"""What was written is compared with what was asked for: each difference is seen, none is invented."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.uid import UltrasoundImageStorage, generate_uid

import synthetic
from dicomarray import load, scan, to_dicom
from dicomarray.assembly.grouping.stacking import Stack
from dicomarray.errors import VerificationError
from dicomarray.objects.common.files import WriteReport
from dicomarray.workflows.verification import verify_series


def report(files: list[Path], max_error: float = 0.0) -> WriteReport:
    """What a writer says of files that are what it says."""
    return WriteReport(
        files=tuple(files),
        series_uid=pydicom.dcmread(files[0]).SeriesInstanceUID,
        sop_uids=tuple(f"1.2.{n}" for n in range(len(files))),
        max_error=max_error,
        mean_error=0.0,
        clipped=0,
        slope=None,
        intercept=None,
    )


class Written:
    """A written series beside its template, alike until a test changes one of the two."""

    def __init__(self, folder: Path, stored: NDArray[Any], **options: Any) -> None:
        synthetic.write_series(folder / "template", stored, **options)
        self.template: Stack = scan(folder / "template")[0].stack()
        self.files = synthetic.write_series(folder / "written", stored, **options)
        intercept = 0 if options.get("modality") == "MR" else -1024
        self.array = stored.astype(np.int32) + intercept

    def verify(self, max_error: float = 0.0, stored: bool = False) -> None:
        verify_series(self.files, self.array, self.template, report(self.files, max_error), stored)

    def change(self, index: int, change: Callable[[pydicom.Dataset], None]) -> None:
        data_set = pydicom.dcmread(self.files[index])
        change(data_set)
        data_set.save_as(self.files[index])


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A CT, unsigned, 12 bits."""
    return Written(tmp_path, synthetic.stored_values(), bits_stored=12)


def test_what_reads_back_as_asked_passes(written: Written) -> None:
    """Modality values, in the files' order or another."""
    written.verify()
    written.files.reverse()
    written.verify()


def test_stored_values_are_compared_as_stored(written: Written) -> None:
    """With stored=True the slope and intercept play no part."""
    written.array = synthetic.stored_values()
    written.verify(stored=True)
    with pytest.raises(VerificationError):
        written.verify(stored=False)


@pytest.mark.parametrize("voxel", [(0, 0, 0), (3, 5, 7), (5, 11, 15)])
def test_one_wrong_voxel_is_seen(written: Written, voxel: tuple[int, int, int]) -> None:
    """By one step, anywhere; the message says which slice and how far."""
    written.array[voxel] += 1
    with pytest.raises(VerificationError, match=f"slice {voxel[0]} .*error of 1"):
        written.verify()


def test_reported_error_is_allowed_and_no_more(written: Written) -> None:
    """max_error is the limit."""
    written.array = written.array.astype(np.float64)
    written.array[2, 3, 4] += 0.4
    written.verify(max_error=0.4)
    with pytest.raises(VerificationError):
        written.verify(max_error=0.3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_mirrored_values_are_seen(written: Written, axis: int) -> None:
    """An array flipped along any axis is not what was asked for."""
    written.array = np.flip(written.array, axis)
    with pytest.raises(VerificationError):
        written.verify()


def test_transposed_values_are_seen(tmp_path: Path) -> None:
    """Rows and columns exchanged in a square image, which the shape does not show."""
    square = Written(tmp_path, synthetic.stored_values((3, 8, 8)), bits_stored=12)
    square.verify()
    square.array = square.array.swapaxes(1, 2)
    with pytest.raises(VerificationError):
        square.verify()


def test_another_shape_is_seen(written: Written) -> None:
    """The message has both shapes."""
    written.array = written.array[:, :, :8]
    with pytest.raises(VerificationError, match=r"\(6, 12, 16\), not \(6, 12, 8\)"):
        written.verify()


def test_values_that_were_filled_are_not_compared(written: Written) -> None:
    """NaN and infinity were asked for, something finite was written: the rest of the slice still counts."""
    written.array = written.array.astype(np.float64)
    written.array[1, 2, 3], written.array[1, 2, 4] = np.nan, np.inf
    written.verify()
    written.array[1, 5, 5] += 1
    with pytest.raises(VerificationError):
        written.verify()


@pytest.mark.parametrize("value", [-32768, 32767, 0, -1])
def test_constant_slices_are_compared_rightly(tmp_path: Path, value: int) -> None:
    """Also at the ends of int16, where the absolute value of the least number wraps to itself."""
    constant = Written(tmp_path, np.full((3, 4, 5), value, np.int16), modality="MR")
    constant.verify()
    constant.array[1, 1, 1] += 1 if value < 0 else -1
    with pytest.raises(VerificationError):
        constant.verify()


def test_float_values_may_round(tmp_path: Path) -> None:
    """Values read as float32 differ from a float64 array by its rounding, which is no error."""
    stored = synthetic.stored_values(signed=True, bits_stored=16)
    folder = Written(tmp_path, stored, modality="PT", common={"RescaleSlope": "0.0123456789"})
    folder.array = stored * 0.0123456789
    folder.verify()
    folder.array[0, 0, 1] += 0.0123456789
    with pytest.raises(VerificationError):
        folder.verify()


def test_values_beyond_float32_are_compared_without_a_warning(tmp_path: Path) -> None:
    """What a rounding may come to is worked out in double precision: 1e43 is compared like 1."""
    folder = Written(tmp_path, synthetic.stored_values(), modality="PT", common={"RescaleSlope": "1e40"})
    folder.array = synthetic.stored_values() * 1e40
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folder.verify()


# --- place ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("PixelSpacing", [0.75, 0.5]),
        ("PixelSpacing", [0.5, 0.7501]),
        ("ImageOrientationPatient", [-1, 0, 0, 0, -1, 0]),
        ("ImageOrientationPatient", [0, 1, 0, 1, 0, 0]),
    ],
)
def test_another_geometry_is_seen(written: Written, attribute: str, value: list[float]) -> None:
    """Swapped spacing, a tenth of a micron and a turned image are seen, in all slices alike."""
    for index in range(6):
        written.change(index, lambda data_set: setattr(data_set, attribute, value))
    with pytest.raises(VerificationError):
        written.verify()


def test_shifted_slices_are_seen(written: Written) -> None:
    """All slices moved by 0.1 mm: the message says by how much, what is allowed, and what to do."""

    def shift(data_set: pydicom.Dataset) -> None:
        x, y, z = data_set.ImagePositionPatient
        data_set.ImagePositionPatient = [x, y, z + 0.1]

    for index in range(6):
        written.change(index, shift)
    with pytest.raises(VerificationError, match=r"voxels up to 0\.1 mm .*allowed are 1e-06 mm.*verify=False"):
        written.verify()


def test_lost_geometry_is_seen(written: Written) -> None:
    """No position in what was written, one in the template."""

    def lose(data_set: pydicom.Dataset) -> None:
        del data_set.ImagePositionPatient

    for index in range(6):
        written.change(index, lose)
    with pytest.raises(VerificationError, match="geometry"):
        written.verify()


# --- identity -------------------------------------------------------------------------------------------


def test_two_series_are_seen(written: Written) -> None:
    """It is seen that one slice has another Series Instance UID."""
    written.change(3, lambda data_set: setattr(data_set, "SeriesInstanceUID", generate_uid(prefix=None)))
    with pytest.raises(VerificationError, match="2 series"):
        written.verify()


def test_uids_of_the_template_are_seen(written: Written) -> None:
    """A derived image is a new instance of a new series (PS3.3 C.7.6.1.1.2): neither UID is an old one."""
    source = written.template.frames[2].header
    for keyword, index in (("SOPInstanceUID", 1), ("SeriesInstanceUID", 0)):
        before = written.files[index].read_bytes()
        for file in written.files if keyword.startswith("Series") else [written.files[index]]:
            data_set = pydicom.dcmread(file)
            setattr(data_set, keyword, source.text(keyword))
            data_set.save_as(file)
        with pytest.raises(VerificationError, match="not its own"):
            written.verify()
        written.files[index].write_bytes(before)


def test_one_uid_for_two_files_is_seen(written: Written) -> None:
    """It is seen that a SOP Instance UID was written twice."""
    uid = pydicom.dcmread(written.files[0]).SOPInstanceUID
    written.change(1, lambda data_set: setattr(data_set, "SOPInstanceUID", uid))
    with pytest.raises(VerificationError, match="5 SOP Instance UIDs"):
        written.verify()


def test_file_that_cannot_be_read_is_seen(written: Written) -> None:
    """One of the files is no DICOM."""
    written.files[2].write_bytes(b"no DICOM")
    with pytest.raises(VerificationError):
        written.verify()


def test_damaged_pixels_are_a_verification_error(written: Written) -> None:
    """A file cut short on a full disk does not read back: that is said as the failed check that it is."""
    content = written.files[2].read_bytes()
    written.files[2].write_bytes(content[:-100])
    with pytest.raises(VerificationError):
        written.verify()


def test_two_volumes_are_seen(written: Written) -> None:
    """It is seen that a slice fell out of the stack by its orientation."""
    turned = [1, 0, 0, 0, 0, -1]
    written.change(5, lambda data_set: setattr(data_set, "ImageOrientationPatient", turned))
    with pytest.raises(VerificationError, match="2 volumes"):
        written.verify()


def test_missing_file_is_seen(written: Written) -> None:
    """It is seen that five of six are there."""
    written.files.pop()
    with pytest.raises(VerificationError):
        written.verify()


# --- values that only a mapping leads to ------------------------------------------------------------------


def test_values_of_a_real_world_mapping_are_compared(tmp_path: Path, pydicom_more_data: Path) -> None:
    """Ultrasound has no Rescale Slope (PS3.3 A.6.3): what the mapping leads to must be what was asked for."""
    path = pydicom_more_data / "693_J2KR.dcm"
    folder = tmp_path / "us"
    folder.mkdir()
    data_set = pydicom.dcmread(path)
    data_set.decompress()
    data_set.SOPClassUID = data_set.file_meta.MediaStorageSOPClassUID = UltrasoundImageStorage
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        if keyword in data_set:
            del data_set[keyword]
    data_set.save_as(folder / "a.dcm")
    array = load(folder).array * 0.37 + 3.3
    written = to_dicom(array, folder, tmp_path / "out")
    assert written.max_error > 0
    template = scan(folder)[0].stack()
    verify_series(written.files, array, template, written, stored=False)
    with pytest.raises(VerificationError, match="error"):
        verify_series(written.files, array + 1, template, written, stored=False)


def test_rounding_of_a_difference_is_no_error(tmp_path: Path) -> None:
    """A value read back as 0 but for 6e-14, and off by 1 as reported, is not off by more."""
    rescale = {"RescaleSlope": "1", "RescaleIntercept": "0"}
    synthetic.write_series(tmp_path / "in", np.zeros((2, 1, 2), np.int16), bits_stored=3, common=rescale)
    array = np.array([[[30.0, 0.0]], [[1.0, 1.0]]], np.float32)
    written = to_dicom(array, tmp_path / "in", tmp_path / "out")
    assert 0.99 < written.max_error < 1.01
