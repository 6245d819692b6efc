"""Files of one size and time that were renamed after they were scanned or indexed."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

import dicomarray
import synthetic
from dicomarray.catalog.index.opening import open_index
from dicomarray.catalog.index.scanning import index
from dicomarray.catalog.scan import scan
from dicomarray.dicom.headers.header import read_header
from dicomarray.errors import InputError

TIME = (1_700_000_000, 1_700_000_000)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Six slices, as an archive is unpacked: of one size, with one time."""
    each = [{"SOPInstanceUID": f"1.2.3.{number}"} for number in range(6)]
    made = synthetic.write_series(
        tmp_path / "ct", synthetic.stored_values(), each=each,
        common={"ImagePositionPatient": [0, 0, 100.5], "SeriesInstanceUID": "1.2"},
    )  # fmt: skip
    size = max(file.stat().st_size for file in made)
    for file in made:
        file.write_bytes(file.read_bytes().ljust(size, b"\0"))
        os.utime(file, TIME)
    return made


def exchange(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    assert one.stat().st_size == other.stat().st_size
    assert one.stat().st_mtime_ns == other.stat().st_mtime_ns


def test_a_series_from_before(files: list[Path]) -> None:
    """Its slices would be of other files: refused."""
    series = scan(files[0].parent)[0]
    exchange(files[1], files[4])
    with pytest.raises(InputError, match="changed after its header was read"):
        series.volume()


def test_an_index_from_before(files: list[Path], tmp_path: Path) -> None:
    """It is refused where pixels are read, and right once the files were indexed again."""
    expected = dicomarray.load(files[0].parent).array
    index(files[0].parent, tmp_path / "index")
    exchange(files[1], files[4])
    with pytest.raises(InputError, match="dicomarray index"):
        open_index(tmp_path / "index")[0].volume()
    assert index(files[0].parent, tmp_path / "index").read == 2
    np.testing.assert_array_equal(open_index(tmp_path / "index")[0].volume().array, expected)


def test_other_rights_and_inodes_are_no_other_content(files: list[Path], tmp_path: Path) -> None:
    """A copy that keeps times, other rights: an index reads headers again, and is right; a run too."""
    folder, away = files[0].parent, tmp_path / "away"
    expected = dicomarray.load(folder).array
    index(folder, tmp_path / "index")
    shutil.copytree(folder, away)
    shutil.rmtree(folder)
    away.rename(folder)
    for file in files:
        file.chmod(0o600)
    np.testing.assert_array_equal(open_index(tmp_path / "index")[0].volume().array, expected)
    done = dicomarray.run(None, tmp_path / "out", lambda volume: volume.array, index=tmp_path / "index")
    assert [entry.error for entry in done] == [None]


def test_an_archive_is_compared_too(files: list[Path], tmp_path: Path) -> None:
    """Other rights of it change nothing; one of its size and time with slices exchanged is refused."""
    archive, folder = tmp_path / "a.zip", files[0].parent
    expected = dicomarray.load(folder).array

    def pack(order: list[Path]) -> None:
        archive.unlink(missing_ok=True)
        with zipfile.ZipFile(archive, "w") as made:
            for file, name in zip(order, files, strict=True):
                made.writestr(zipfile.ZipInfo(name.name), file.read_bytes())
        os.utime(archive, TIME)

    pack(files)
    index(archive, tmp_path / "index")
    archive.chmod(0o600)
    np.testing.assert_array_equal(open_index(tmp_path / "index")[0].volume().array, expected)
    pack([files[4], *files[1:4], files[0], files[5]])
    with pytest.raises(InputError, match="changed"):
        open_index(tmp_path / "index")[0].volume()


def test_resumed_after_other_content_of_one_size_and_time(files: list[Path], tmp_path: Path) -> None:
    """A corrected file, unpacked over the old one with its time, is done again."""
    folder = files[0].parent
    dicomarray.run(folder, tmp_path / "out", _same)
    content = files[0].read_bytes()
    files[0].write_bytes(content.replace(b"1.2.3.0", b"1.2.3.9"))
    os.utime(files[0], TIME)
    done = dicomarray.run(folder, tmp_path / "out", _same, resume=True)
    assert [entry.resumed for entry in done] == [False]
    done = dicomarray.run(folder, tmp_path / "out", _same, resume=True)
    assert [entry.resumed for entry in done] == [True]


def _same(volume: dicomarray.Volume) -> object:
    return volume.array


def test_one_archive_by_two_names(files: list[Path], tmp_path: Path) -> None:
    """Indexed by its path and by a link to it, it is in the index once, and found by either name."""
    link = tmp_path / "link"
    link.symlink_to(files[0].parent)
    for name in (link, files[0].parent):
        report = index(name, tmp_path / "index")
    assert report.num_instances == 6
    for name in (link, files[0].parent):
        assert [len(series.instances) for series in open_index(tmp_path / "index", name)] == [6]
    done = dicomarray.run(link, tmp_path / "out", _same, index=tmp_path / "index", workers=2)
    assert [entry.error for entry in done] == [None]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_in_place_of_a_file(files: list[Path], tmp_path: Path) -> None:
    """After the scan, or after an index was made, nothing waits for it: it is refused, as a template too."""
    folder = files[0].parent
    index(folder, tmp_path / "index")
    scanned, indexed = scan(folder)[0], open_index(tmp_path / "index")[0]
    volume = scanned.volume()
    files[2].unlink()
    os.mkfifo(files[2])
    for series in (scanned, indexed):
        for workers in (None, 1):  # one thread has read files like it before
            with pytest.raises(InputError, match="no regular file"):
                series.volume(workers=workers)
        with pytest.raises(dicomarray.DicomArrayError):
            dicomarray.to_dicom(volume, series, tmp_path / "out")
    with pytest.raises(InputError, match="no regular file"):
        read_header(files[2])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_as_config(files: list[Path], tmp_path: Path) -> None:
    """It is refused at once."""
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(dicomarray.DicomArrayError, match="no regular file"):
        dicomarray.dicom_filter(files[0].parent, tmp_path / "pipe.json")
