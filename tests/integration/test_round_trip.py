"""to-numpy, then to-dicom, on real series: what other tools read is the same before and after."""

from pathlib import Path

import numpy as np
import pydicom
import pytest

import dciodvfy
import dicomarray
import oracles

CORE = ("ct-philips-5mm", "mr-siemens-sagittal")
# Elements that say where an image lies; they come back character for character.
GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns")


def core_series(real_data: Path) -> list[dicomarray.Series]:
    return [series for name in CORE for series in dicomarray.scan(real_data / name).images]


@pytest.mark.parametrize("index", range(3))
def test_untouched(real_data: Path, tmp_path: Path, index: int) -> None:
    """Stored values and geometry are equal for pydicom, SimpleITK and dcm2niix; UIDs are new."""
    series = core_series(real_data)[index]
    npy, json, output = tmp_path / "a.npy", tmp_path / "a.json", tmp_path / "out"
    dicomarray.to_numpy(series.files, npy, json, series=series.uid)
    report = dicomarray.to_dicom(npy, series.files, output, input_json=json, series=series.uid)
    before, after = series.files, list(report.files)
    assert report.max_error == 0

    assert np.array_equal(oracles.stored_values(after), oracles.stored_values(before))
    for source, written in zip(map(pydicom.dcmread, before), map(pydicom.dcmread, after), strict=True):
        for keyword in GEOMETRY:
            assert written[keyword].value == source[keyword].value
        assert written.SOPInstanceUID != source.SOPInstanceUID
        assert written.SeriesInstanceUID == report.series_uid != source.SeriesInstanceUID
        assert written.StudyInstanceUID == source.StudyInstanceUID
        assert written.file_meta.MediaStorageSOPInstanceUID == written.SOPInstanceUID
        assert written.ImageType[0] == "DERIVED"
    assert len({pydicom.dcmread(file).SOPInstanceUID for file in after}) == len(after)

    for name, (one, other) in {
        "SimpleITK": (oracles.simpleitk(before), oracles.simpleitk(after)),
        "dcm2niix": (
            oracles.dcm2niix(before),
            oracles.dcm2niix(after),
        ),
    }.items():
        assert np.array_equal(one.array, other.array), name
        np.testing.assert_allclose(other.affine, one.affine, atol=1e-4, err_msg=name)

    for source, written in zip(before, after, strict=True):
        errors, _ = dciodvfy.new_issues(source, written)
        assert not errors


@pytest.mark.parametrize("index", range(3))
def test_loaded_as_others_load(real_data: Path, tmp_path: Path, index: int) -> None:
    """The volume equals SimpleITK's and dcm2niix's, values and affine."""
    series = core_series(real_data)[index]
    volume = series.volume()
    for read in (oracles.simpleitk(series.files), oracles.dcm2niix(series.files)):
        assert np.array_equal(volume.array, read.array)
        far = np.array(volume.array.shape) - 1
        for corner in ((0, 0, 0), tuple(far), (0, far[1], 0), (0, 0, far[2]), (far[0], 0, 0)):
            np.testing.assert_allclose(volume.affine @ [*corner, 1], read.affine @ [*corner, 1], atol=1e-3)


@pytest.mark.parametrize("index", range(3))
def test_float(real_data: Path, tmp_path: Path, index: int) -> None:
    """A float array comes back within half a step of the slope written, for every reader."""
    series = core_series(real_data)[index]
    array = series.volume().array * 0.37 + 3.3
    report = dicomarray.to_dicom(array, series.files, tmp_path / "out", series=series.uid)
    # readers calculate in float32 here and there; the step is what must not be exceeded
    allowed = report.slope / 2 + np.abs(array).max() * 2**-22
    assert report.max_error <= report.slope / 2 * (1 + 1e-9)
    files = list(report.files)
    own = dicomarray.load(tmp_path / "out").array
    for read in (own, oracles.simpleitk(files).array, oracles.dcm2niix(files).array):
        assert np.abs(read - array).max() <= allowed
