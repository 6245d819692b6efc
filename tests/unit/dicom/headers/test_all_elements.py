"""Files that are compared with earlier ones have the elements of files that are read alone."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from dicomarray.dicom.headers.all_elements import AllElementsReader
from dicomarray.errors import InputError
from synthetic import stored_values, write_series


def all_of(reader: AllElementsReader, path: Path) -> tuple[object, ...]:
    """Every value of a file with its type, and where its pixels are; or why it cannot be read."""
    try:
        header = reader.read(path)
    except InputError as error:
        return (str(error),)
    return sorted((n, repr(v)) for n, v in header.attributes.items()), header.transfer_syntax, header.pixels


def same(reader: AllElementsReader, path: Path) -> bool:
    """Whether a file gives the same with the others as alone."""
    return all_of(reader, path) == all_of(AllElementsReader(), path)


def written(data_set: Dataset) -> bytes:
    stream = io.BytesIO()
    data_set.save_as(stream)
    return stream.getvalue()


def test_elements_that_come_go_and_grow(tmp_path: Path) -> None:
    """Values of other lengths, elements more and less, other items, another syntax: as if read alone."""
    reader = AllElementsReader()
    path = next(iter(write_series(tmp_path, stored_values())))
    first = pydicom.dcmread(path)
    made = tmp_path / "made"

    def same_in_file(content: bytes) -> bool:
        made.write_bytes(content)
        return same(reader, made)

    assert same_in_file(written(first))
    assert same_in_file(written(first))
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
        assert same_in_file(content)
        cut = content[: changes.randrange(len(content))]
        assert same_in_file(cut)
        damaged = bytearray(content)
        damaged[changes.randrange(132, len(damaged))] ^= 1 << changes.randrange(8)
        assert same_in_file(bytes(damaged))


@pytest.mark.parametrize("seed", range(3))
def test_files_of_many_kinds_in_any_order(pydicom_data: Path, seed: int) -> None:
    """pydicom's own files, each twice and shuffled."""
    paths = sorted(path for path in (pydicom_data / "test_files").iterdir() if path.is_file()) * 2
    random.Random(seed).shuffle(paths)
    reader = AllElementsReader()
    assert [path.name for path in paths if not same(reader, path)] == []


def test_real_series(real_data: Path) -> None:
    """Every file of the real series, as a scan meets them."""
    reader = AllElementsReader()
    paths = sorted(path for path in real_data.rglob("*") if path.is_file())[::3]
    assert [path.name for path in paths if not same(reader, path)] == []
