"""The reader of our own gives what pydicom gives, or hands the file over; never a different answer."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

import synthetic
from damage import damaged
from dicomarray.dicom.attribute_names import Request, request_for
from dicomarray.dicom.headers import header as headers
from dicomarray.dicom.headers.header import Header
from dicomarray.dicom.headers.keywords import DEFAULT_KEYWORDS
from dicomarray.dicom.part10 import PIXEL_DATA, DoubtError, read_part10
from dicomarray.dicom.recognition import MEDIA_STORAGE_DIRECTORY
from dicomarray.dicom.vr import FAILURES
from dicomarray.errors import InputError

TEXTS = DEFAULT_KEYWORDS | {"PatientName", "StudyTime", "WindowCenter", "(0028,0009)"}
SEQUENCES = {
    "ReferencedImageSequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "BeamSequence", "RequestAttributesSequence", "OtherPatientIDsSequence", "(0043,102a)", "(0029,1010)",
}  # fmt: skip
PRIVATE = {"(0009,GEMS_IDEN_01,02)", "(0029,SIEMENS CSA HEADER,08)", "(2001,PHILIPS IMAGING DD 001,03)"}
# pydicom reads a whole file where a private creator is asked for, and only some elements where none is
REQUESTS = [request_for(TEXTS), request_for(TEXTS | SEQUENCES), request_for(TEXTS | SEQUENCES | PRIVATE)]
USUAL = frozenset(tag for _, tag in REQUESTS[0].tags)


def walked(path: Path, request: Request = REQUESTS[0]) -> Header | None:
    try:
        (meta, attributes, pixels), stamp = headers.by_walking(path, request)
    except DoubtError:
        return None
    if meta.media_storage_class == MEDIA_STORAGE_DIRECTORY:
        return None  # whoever reads it, it is refused
    return Header(path, meta.transfer_syntax, attributes, pixels, stamp)


def by_pydicom(path: Path, request: Request = REQUESTS[0]) -> Header | None:
    try:
        return headers.by_pydicom(path, request)
    except (InputError, *FAILURES):
        return None


def files_below(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file())


def compare(paths: Iterator[Path], request: Request) -> tuple[int, int]:
    """How many files were walked, and how many handed over; every answer is compared."""
    own = handed_over = 0
    for path in paths:
        header = walked(path, request)
        if header is None:
            handed_over += 1
            continue
        own += 1
        theirs = by_pydicom(path, request)
        assert theirs is not None, path
        assert repr(header.attributes) == repr(theirs.attributes), path
        assert header.transfer_syntax == theirs.transfer_syntax, path
    return own, handed_over


@pytest.mark.parametrize("request_", REQUESTS, ids=["texts", "sequences", "private"])
def test_pydicoms_files(request_: Request, pydicom_data: Path, pydicom_more_data: Path) -> None:
    """Every file of pydicom and pydicom-data; most of those that are usual Part 10 files are walked."""
    own, _ = compare(files_below(pydicom_data, pydicom_more_data), request_)
    assert own > 150


@pytest.mark.parametrize("request_", REQUESTS, ids=["texts", "sequences", "private"])
def test_real_files(request_: Request, real_data: Path) -> None:
    """Every file of the real series; nearly all of them are walked."""
    own, handed_over = compare(
        islice(files_below(real_data), 0, None, 1 if request_ is REQUESTS[0] else 7), request_
    )
    assert handed_over < own / 20


SOURCES = ("CT_small.dcm", "MR_small_implicit.dcm", "JPEG2000.dcm", "rtplan.dcm", "emri_small.dcm")


@pytest.mark.parametrize("name", SOURCES)
def test_damaged_files(tmp_path: Path, name: str) -> None:
    """Bytes changed, cut out or put in: what the walker still reads, pydicom reads alike."""
    source = get_testdata_file(name, download=False)
    if source is None:
        pytest.skip(f"{name} is not installed")
    whole = Path(str(source)).read_bytes()[:6000]
    chance = random.Random(name)
    path = tmp_path / "damaged"
    for _ in range(150):
        path.write_bytes(damaged(whole, chance))
        for request in REQUESTS:
            header, theirs = walked(path, request), by_pydicom(path, request)
            if header is None or theirs is None:
                continue
            assert repr(header.attributes) == repr(theirs.attributes)


@pytest.mark.parametrize("syntax", ["explicit", "implicit"])
def test_place_of_the_pixel_data(tmp_path: Path, syntax: str) -> None:
    """The pixels begin where it says, and are as long."""
    array = synthetic.stored_values((1, 4, 5))
    (path,) = synthetic.write_series(tmp_path, array, syntax=syntax)
    with path.open("rb") as stream:
        part10 = read_part10(stream, USUAL)
    assert part10 is not None
    assert part10.pixels is not None
    assert part10.pixels.tag in PIXEL_DATA
    content = path.read_bytes()[part10.pixels.start :][: part10.pixels.length]
    assert content == array[0].astype("<u2").tobytes()


@pytest.mark.parametrize("length", [1, 132, 200, 1000])
def test_cut_files_are_handed_over(tmp_path: Path, length: int) -> None:
    """A file that ends inside an element is not read on a guess."""
    path = tmp_path / "cut"
    content = Path(str(get_testdata_file("CT_small.dcm", download=False))).read_bytes()
    path.write_bytes(content[: length - 1] + b"\0")
    assert walked(path) is None


def test_length_beyond_the_file_takes_no_memory(tmp_path: Path) -> None:
    """An element that claims four gigabytes in a file of a few kilobytes is handed over at once."""
    content = bytearray(Path(str(get_testdata_file("MR_small_implicit.dcm", download=False))).read_bytes())
    place = content.index(struct.pack("<HH", 0x0008, 0x0060))
    content[place + 4 : place + 8] = struct.pack("<L", 0xFFFFFFF0)
    path = tmp_path / "lies"
    path.write_bytes(content)
    assert walked(path) is None


@pytest.mark.parametrize(
    "name", ["MR_small_bigendian.dcm", "image_dfl.dcm", "no_meta.dcm", "ExplVR_LitEndNoMeta.dcm"]
)
def test_unusual_files_are_handed_over(name: str) -> None:
    """Another byte order, a deflated data set, no file meta information."""
    assert walked(Path(str(get_testdata_file(name, download=False)))) is None
