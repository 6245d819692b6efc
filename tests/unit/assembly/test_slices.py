"""Some slices of a stack are those of its whole volume, and no other frame is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dicomarray import GeometryError, PixelError, UsageError, load, scan, to_dicom
from dicomarray.assembly.options import ReadOptions
from dicomarray.assembly.volumes.slices import SliceReader
from enhanced_files import write_enhanced
from synthetic import stored_values, two_time_points, write_series


def reader_of(folder: Path) -> tuple[SliceReader, np.ndarray]:
    series = scan(folder)[0]
    return SliceReader(series.stack(), ReadOptions()), series.volume().array


@pytest.mark.parametrize("slices", [range(6), range(1, 3), range(5, 6)])
def test_slices_are_those_of_the_volume(tmp_path: Path, slices: range) -> None:
    """Values and type depend on all headers, not on which slices are read."""
    each = [{"RescaleSlope": slope} for slope in (1, 1, 1, 1, 0.5, 2)]
    write_series(tmp_path, stored_values(), each=each)
    reader, whole = reader_of(tmp_path)
    part = reader.read(slices)
    assert part.dtype == whole.dtype
    np.testing.assert_array_equal(part, whole[slices.start : slices.stop])


def test_slices_of_repetitions_come_for_each_of_them(tmp_path: Path) -> None:
    """The repetition axis stays first."""
    two_time_points(tmp_path)
    reader, whole = reader_of(tmp_path)
    for slices in (range(1, 3), range(whole.shape[1])):
        np.testing.assert_array_equal(reader.read(slices), whole[:, slices.start : slices.stop])


def test_no_other_file_is_opened(tmp_path: Path) -> None:
    """A slice can be read where the files of all others are gone."""
    files = write_series(tmp_path, stored_values())
    reader, whole = reader_of(tmp_path)
    for file in files[:2] + files[4:]:
        file.unlink()
    np.testing.assert_array_equal(reader.read(range(2, 4)), whole[2:4])


def test_slices_that_are_none_are_refused(tmp_path: Path) -> None:
    """Beyond the last slice there is nothing; a new grid has slices that are not the stack's."""
    write_series(
        tmp_path, stored_values(), each=[{"ImagePositionPatient": [0, 0, z]} for z in (0, 1, 2, 4, 5, 6)]
    )
    series = scan(tmp_path)[0]
    reader = SliceReader(series.stack(ReadOptions(missing="keep")), ReadOptions(missing="keep"))
    with pytest.raises(UsageError, match="no slices"):
        reader.read(range(4, 7))
    filled = ReadOptions(missing="fill")
    with pytest.raises(GeometryError, match="new grid"):
        SliceReader(series.stack(filled), filled)


def test_a_frame_of_a_compressed_object_is_decoded_alone(tmp_path: Path) -> None:
    """Damage in another frame of the same file is no error, as that frame is not read."""
    stored = np.random.default_rng(0).integers(0, 200, (10, 64, 64)).astype(np.uint16)
    (tmp_path / "mr").mkdir()
    write_enhanced(tmp_path / "mr" / "1.dcm", stored)
    volume = load(tmp_path / "mr")
    report = to_dicom(volume, tmp_path / "mr", tmp_path / "packed", compress="jpeg-ls")
    content = bytearray(report.files[0].read_bytes())
    content[-1500:-8] = b"\xff" * 1492  # of the last frame, before the end of the sequence
    report.files[0].write_bytes(content)
    series = scan(tmp_path / "packed")[0]
    part = SliceReader(series.stack(), ReadOptions()).read(range(2, 5))
    np.testing.assert_array_equal(part, volume.array[2:5])
    with pytest.raises(PixelError, match="frame 9"):
        series.volume()
