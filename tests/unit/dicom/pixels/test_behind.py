"""What stands behind the pixel data of a file is an element of it, or told."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from dicomarray import check, load
from synthetic import stored_values, write_series

SHAPE = (4, 4, 5)
PADDING = struct.pack("<HH2sHL", 0xFFFC, 0xFFFC, b"OB", 0, 6) + bytes(6)
PRIVATE = struct.pack("<HH2sH", 0x7FE1, 0x0010, b"LO", 4) + b"MINE"


def _series(folder: Path, compressed: bool, syntax: str = "explicit") -> list[Path]:
    files = write_series(folder, stored_values(SHAPE), syntax=syntax)
    for file in files if compressed else ():
        data_set = dcmread(file)
        data_set.compress("1.2.840.10008.1.2.5")
        data_set.save_as(file)
    return files


def _told(folder: Path) -> tuple[list[str], list[tuple[str, int]]]:
    loaded = [one for one in load(folder).warnings if one.endswith("[trailing-bytes]")]
    found = [(one.text, one.count) for one in check(folder) if one.text.endswith("[trailing-bytes]")]
    return loaded, found


@pytest.mark.parametrize("syntax", ["explicit", "compressed", "big-endian", "deflated"])
@pytest.mark.parametrize("behind", ["file", "zeros", "text"])
def test_what_is_no_element_is_told(tmp_path: Path, syntax: str, behind: str) -> None:
    """A second file, zeros that fill a block, any text: in two of four files, and the array stays right."""
    compressed = syntax == "compressed"
    files = _series(tmp_path / "ct", compressed, "explicit" if compressed else syntax)
    array = load(tmp_path / "ct").array
    tails = {"file": files[0].read_bytes(), "zeros": bytes(512), "text": b"any text of odd length"}
    for file in files[1:3]:
        file.write_bytes(file.read_bytes() + tails[behind])
    (loaded,), (found,) = _told(tmp_path / "ct")
    assert "(2 of 4 images)" in loaded
    assert ("second DICOM file" in loaded) == ("second DICOM file" in found[0]) == (behind == "file")
    assert found[1] == 2
    assert np.array_equal(load(tmp_path / "ct").array, array)


@pytest.mark.parametrize("compressed", [False, True])
def test_elements_and_a_byte_of_padding_may_follow(tmp_path: Path, compressed: bool) -> None:
    """Data Set Trailing Padding, private elements, and the byte that makes a length even."""
    files = _series(tmp_path / "ct", compressed)
    for file, tail in zip(files, (PADDING, PRIVATE + PADDING, b"\0", PRIVATE), strict=True):
        file.write_bytes(file.read_bytes() + tail)
    assert _told(tmp_path / "ct") == ([], [])


def test_elements_of_files_that_claim_to_be_implicit_may_follow(tmp_path: Path) -> None:
    """The VR in which they are written is that of the rest of the file; other bytes are told as ever."""
    for file in _series(tmp_path / "ct", False):
        content = file.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0", 1)
        file.write_bytes(content + PADDING)
    assert _told(tmp_path / "ct") == ([], [])
    file.write_bytes(content + bytes(512))
    assert [len(part) for part in _told(tmp_path / "ct")] == [1, 1]


def test_elements_of_big_endian_files_may_follow(tmp_path: Path) -> None:
    """Data Set Trailing Padding in the byte order of the file."""
    for file in _series(tmp_path / "ct", False, "big-endian"):
        tail = struct.pack(">HH2sHL", 0xFFFC, 0xFFFC, b"OB", 0, 6) + bytes(6)
        file.write_bytes(file.read_bytes() + tail)
    assert _told(tmp_path / "ct") == ([], [])


@pytest.mark.parametrize("right", [True, False])
def test_a_right_trailer_of_gzip_may_follow_deflated_data(tmp_path: Path, right: bool) -> None:
    """A checksum and a length that fit are left out without a word; others are told as any bytes."""
    (file,) = write_series(tmp_path / "ct", stored_values((1, *SHAPE[1:])), syntax="deflated")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    content = file.read_bytes()
    start = 144 + int.from_bytes(content[140:144], "little")
    data_set = inflater.decompress(content[start:])
    trailer = struct.pack("<II", zlib.crc32(data_set) ^ (not right), len(data_set))
    file.write_bytes(content.removesuffix(inflater.unused_data) + trailer)
    loaded, found = _told(tmp_path / "ct")
    assert (len(loaded), len(found)) == ((0, 0) if right else (1, 1))
