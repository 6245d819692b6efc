"""Files with the elements of earlier ones are compared with these; what they hold is still their own."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

import synthetic
from dicomarray.dicom.headers.attributes import Attributes
from dicomarray.dicom.headers.header import Header, HeaderReader, read_header
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS
from dicomarray.dicom.part10 import PREAMBLE
from dicomarray.errors import InputError

NAMES = DEFAULT_KEYWORDS | {"DerivationDescription"}


def answer(read: Callable[[Path], Header], path: Path) -> object:
    """All of a header, or why there is none."""
    try:
        header = read(path)
    except InputError as error:
        return str(error)
    return header.transfer_syntax, repr(dict(header.attributes)), header.pixels, header.stamp


def assert_same(paths: list[Path]) -> None:
    """Each file is read as it is alone."""
    reader = HeaderReader(NAMES)
    for path in paths:
        assert answer(reader.read, path) == answer(lambda path: read_header(path, NAMES), path), path


def archive(folder: Path, series: int, files: int, syntax: str = "explicit") -> list[list[Path]]:
    """Series that differ in their UID and description alone, and their files in the usual elements."""
    made = []
    for number in range(series):
        common = {"SeriesInstanceUID": f"1.2.{number + 1001}", "SeriesDescription": f"NUMBER {number:04d}"}
        values = synthetic.stored_values((files, 3, 4))
        made.append(list(synthetic.write_series(folder / str(number), values, common=common, syntax=syntax)))
    return made


@pytest.mark.parametrize("syntax", ["explicit", "implicit"])
def test_values_of_the_same_and_of_other_lengths(tmp_path: Path, syntax: str) -> None:
    """Some files in a row have values of the same lengths, then of others, then of the first ones again."""
    paths = [path for series in archive(tmp_path, 3, 24, syntax) for path in series]
    for number, path in enumerate(paths):
        dataset = pydicom.dcmread(path)
        dataset.SliceLocation = f"{10 ** (number // 6 % 3)}.{number % 10}"
        dataset.SOPInstanceUID = f"1.2.{10 ** (number // 5 % 2)}.{number + 100}"
        if number % 7 == 6:
            del dataset.SeriesDescription
        dataset.save_as(path)
    assert_same(paths)
    assert_same(paths * 2)
    random.Random(2).shuffle(paths)
    assert_same(paths)


def test_what_a_series_shares_is_held_once(tmp_path: Path) -> None:
    """Also where its files lie between those of others; its own description is its own."""
    series = archive(tmp_path, 5, 6)
    reader = HeaderReader()
    paths = [path for several in zip(*series, strict=True) for path in several]
    for path in paths:
        reader.read(path)  # from now on it is known what differs
    headers = [reader.read(path) for path in paths]
    for number in range(5):
        descriptions = [header.attributes["SeriesDescription"] for header in headers[number::5]]
        assert set(descriptions) == {f"NUMBER {number:04d}"}
        of_series = [header.attributes for header in headers[number::5]]
        held = {id(attributes.common) for attributes in of_series if isinstance(attributes, Attributes)}
        assert len(held) == 1


@pytest.mark.filterwarnings("ignore:The value length")
def test_what_differs_between_series_may_differ_within_the_next(tmp_path: Path) -> None:
    """Other descriptions in files of one series; longer than is kept, empty, and in another character set."""
    series = archive(tmp_path, 4, 6)
    changes = (
        {"SeriesDescription": "another one"},
        {"SeriesDescription": "x" * 300},
        {"SeriesDescription": ""},
        {"SeriesDescription": "Schädel", "SpecificCharacterSet": "ISO_IR 192"},
    )
    for number, change in enumerate(changes, 1):
        dataset = pydicom.dcmread(series[3][number])
        for keyword, value in change.items():
            setattr(dataset, keyword, value)
        dataset.save_as(series[3][number])
    paths = [path for files in series for path in files]
    assert_same(paths)
    assert_same(paths[::-1])
    random.Random(1).shuffle(paths)
    assert_same(paths * 2)


def test_any_other_byte_is_seen(tmp_path: Path) -> None:
    """A file with a byte changed before its pixels is read as alone, whatever the byte belongs to."""
    first, second, third, path = archive(tmp_path, 1, 4)[0]
    whole = path.read_bytes()
    pixels = read_header(path).pixels
    assert pixels is not None
    for place in range(PREAMBLE, pixels.start, 3):
        reader = HeaderReader()
        for earlier in (first, second, third):
            reader.read(earlier)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert answer(reader.read, path) == answer(read_header, path), place


def test_file_that_ends_early_is_seen(tmp_path: Path) -> None:
    """It is seen wherever before its pixels the file was cut off."""
    *earlier, path = archive(tmp_path, 1, 4)[0]
    whole = path.read_bytes()
    pixels = read_header(path).pixels
    assert pixels is not None
    for end in range(0, pixels.start, 7):
        path.write_bytes(whole[:end])
        reader = HeaderReader()
        for one in earlier:
            reader.read(one)
        assert answer(reader.read, path) == answer(read_header, path), end


def test_longer_files_without_pixels(tmp_path: Path) -> None:
    """What stands behind the last element of an earlier file is read."""
    paths = archive(tmp_path, 1, 5)[0]
    for number, path in enumerate(paths):
        dataset = pydicom.dcmread(path)
        del dataset.PixelData
        if number > 3:
            dataset.add_new(0x60003000, "OW", bytes(8))
        dataset.save_as(path)
    assert_same(paths)


@pytest.mark.filterwarnings("ignore:The value length")
def test_first_files_of_further_series(tmp_path: Path) -> None:
    """What differs from series to series, in another VR, longer than is kept, or absent."""
    series = archive(tmp_path, 8, 3)
    for number, (vr, value) in {4: ("ST", "A\\B"), 5: ("LO", "x" * 300), 6: ("LO", None)}.items():
        for path in series[number]:
            dataset = pydicom.dcmread(path)
            del dataset.SeriesDescription
            if value is not None:
                dataset.add_new("SeriesDescription", vr, value)
            dataset.save_as(path)
    assert_same([path for files in series for path in files])


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    """Explicit VR little endian, PS3.5 7.1.2."""
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


def test_sequence_that_ends_elsewhere(tmp_path: Path) -> None:
    """Of undefined length, in as many bytes: what follows it in these is read."""
    item, end = (
        struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF),
        struct.pack("<HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0),
    )
    start = struct.pack("<HH2sHL", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + item
    paths = archive(tmp_path, 1, 6)[0]
    for number, path in enumerate(paths):
        usual = start + element(0x0008, 0x1155, b"UI", b"1.2.3.%d.%d" % (number, 10**30)) + end
        short = start + element(0x0008, 0x1155, b"UI", b"1.%d" % number + b"\0") + end
        rest = element(0x0008, 0x2111, b"ST", b"x" * (len(usual) - len(short) - 8))
        content = path.read_bytes()
        place = content.index(b"\x10\x00\x10\x00PN")
        path.write_bytes(content[:place] + (usual if number < 5 else short + rest) + content[place:])
    assert read_header(paths[5], NAMES).attributes["DerivationDescription"] is not None
    assert_same(paths)


def test_file_meta_information_in_another_order(tmp_path: Path) -> None:
    """Two of its elements are swapped in all files, and differ in each."""
    paths = archive(tmp_path, 1, 6)[0]
    for number, path in enumerate(paths):
        content = path.read_bytes()
        place = content.index(b"\x02\x00\x13\x00SH")
        length = int.from_bytes(content[place + 6 : place + 8], "little")
        swapped = element(2, 0x16, b"AE", b"AE%02d" % number) + element(2, 0x13, b"SH", b"SH%02d" % number)
        path.write_bytes(content[:place] + swapped + content[place + 8 + length :])
    reader = HeaderReader(("(0002,0013)", "(0002,0016)"))
    for number, path in enumerate(paths):
        expected = {"(0002,0013)": f"SH{number:02d}", "(0002,0016)": f"AE{number:02d}"}
        assert dict(reader.read(path).attributes) == expected
