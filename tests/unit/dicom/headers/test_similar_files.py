"""Files that are compared with earlier ones have the elements of files that are read alone."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from dicomarray.dicom.headers.similar_files import SimilarFiles
from dicomarray.dicom.part10 import read_part10
from synthetic import stored_values, write_series


def is_kept(tag: int, vr: str | None, length: int) -> bool:
    """Values of any length, but for one tag."""
    return tag != 0x00081030


def same(similar: SimilarFiles, content: bytes) -> bool:
    """Whether a file gives the same with the others as alone, in the same order."""
    found, alone = similar.read(io.BytesIO(content)), read_part10(io.BytesIO(content), None, is_kept)
    if found is None or alone is None:
        return found is alone
    return found == alone and list(found.elements) == list(alone.elements)


def written(data_set: Dataset) -> bytes:
    stream = io.BytesIO()
    data_set.save_as(stream)
    return stream.getvalue()


def test_elements_that_come_go_and_grow(tmp_path: Path) -> None:
    """Values of other lengths, elements more and less, other items, another syntax: as if read alone."""
    similar = SimilarFiles(is_kept)
    path = next(iter(write_series(tmp_path, stored_values())))
    first = pydicom.dcmread(path)
    assert same(similar, written(first))
    assert same(similar, written(first))
    changes = random.Random(7)
    keywords = ["StudyDescription", "PatientComments", "EchoTime", "SeriesDescription", "ImageComments"]
    for _ in range(30):
        changed = pydicom.dcmread(path)
        for keyword in keywords:
            kind = changes.randrange(3)
            if kind == 0 and keyword in changed:
                delattr(changed, keyword)
            elif kind == 1:
                value = "x" * changes.randrange(40)
                setattr(changed, keyword, changes.randrange(1000) if keyword == "EchoTime" else value)
        item = Dataset()
        item.ReferencedSOPInstanceUID = f"1.2.{changes.randrange(10**6)}"
        if changes.random() < 0.5:
            changed.ReferencedImageSequence = [item] * changes.randrange(1, 4)
            changed["ReferencedImageSequence"].is_undefined_length = changes.random() < 0.5
        if changes.random() < 0.2:
            del changed.PixelData
        content = written(changed)
        assert same(similar, content)
        cut = content[: changes.randrange(len(content))]
        assert same(similar, cut)
        damaged = bytearray(content)
        damaged[changes.randrange(132, len(damaged))] ^= 1 << changes.randrange(8)
        assert same(similar, bytes(damaged))


@pytest.mark.parametrize("seed", range(3))
def test_files_of_many_kinds_in_any_order(pydicom_data: Path, seed: int) -> None:
    """pydicom's own files, each twice and shuffled."""
    paths = sorted(path for path in (pydicom_data / "test_files").iterdir() if path.is_file()) * 2
    random.Random(seed).shuffle(paths)
    similar = SimilarFiles(is_kept)
    assert [path.name for path in paths if not same(similar, path.read_bytes())] == []


def test_real_series(real_data: Path) -> None:
    """Every file of the real series, as a scan meets them."""
    similar = SimilarFiles(is_kept)
    paths = sorted(path for path in real_data.rglob("*") if path.is_file())[::3]
    assert [path.name for path in paths if not same(similar, path.read_bytes())] == []
