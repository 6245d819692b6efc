"""Folders as they are: files without preamble, damaged, vanished, closed, endless, oddly named."""

from __future__ import annotations

import inspect
import io
import os
import random
import socket
import struct
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.uid import DeflatedExplicitVRLittleEndian

import dicomarray
import enhanced_files
import synthetic
from dicomarray.catalog.catalog import Catalog
from dicomarray.catalog.scan import scan
from dicomarray.dicom import pydicom_fallback
from dicomarray.dicom.headers.header import read_header
from dicomarray.dicom.pixels import pydicom_source
from dicomarray.dicom.recognition import FIRST_BYTES, looks_like_dicom
from dicomarray.errors import InputError, PixelError
from dicomarray.sources.filesystem import find_files
from watching import when_opened

CT = Path(str(get_testdata_file("CT_small.dcm", download=False)))
FILE_META_LENGTH_AT = 140


def reasons(catalog: Catalog) -> dict[str, str]:
    return {item.path.name: item.reason for item in catalog.skipped}


def data_set_of(content: bytes) -> int:
    """Where the data set of a Part 10 file begins."""
    length: int = struct.unpack_from("<L", content, FILE_META_LENGTH_AT)[0]
    return FILE_META_LENGTH_AT + 4 + length


# --- an element that stands twice -------------------------------------------------------------------------


SLOPE = b"\x28\x00\x53\x10"


@pytest.mark.parametrize("syntax", ["explicit", "implicit"])
def test_a_tag_that_stands_twice_is_told(make_series: Callable[..., Path], syntax: str) -> None:
    """Which of two slopes holds nobody knows, and the file is left out; the same one twice is one."""
    length = b"DS\x04\x00" if syntax == "explicit" else b"\x04\x00\x00\x00"
    for slope, shape in ((b"1.0 ", synthetic.SHAPE), (b"2.0 ", (5, 12, 16))):
        folder = make_series(name=slope.decode().strip(), syntax=syntax)
        last = max(folder.iterdir())
        last.write_bytes(last.read_bytes().replace(SLOPE, SLOPE + length + slope + SLOPE, 1))
        catalog = scan(folder)
        volume = catalog[0].volume()
        assert volume.array.shape == shape
        assert [code.code for code in volume.warnings] == ["unreadable"] * len(catalog.skipped)
    assert "RescaleSlope stands twice" in reasons(catalog)[last.name]


def test_a_tag_that_stands_twice_in_a_functional_group_is_an_error(tmp_path: Path) -> None:
    """The slope of all frames, in a group of which the lengths are right."""
    groups = enhanced_files.rescaled(1, 0)
    array = synthetic.stored_values((3, 4, 5))
    content = enhanced_files.write_enhanced(tmp_path / "a.dcm", array, kind="CT", shared=groups).read_bytes()
    again = SLOPE + b"DS\x02\x002 "
    place = content.index(SLOPE)
    changed = bytearray(content[:place] + again + content[place:])
    for sequence in (b"\x00\x52\x29\x92SQ", b"\x28\x00\x45\x91SQ"):
        at = content.index(sequence) + 8
        for length_at in (at, at + 8):  # of the sequence, of its item
            length = struct.unpack_from("<L", content, length_at)[0]
            struct.pack_into("<L", changed, length_at, length + len(again))
    (tmp_path / "a.dcm").write_bytes(changed)
    with pytest.raises(InputError, match="RescaleSlope stands twice in an item"):
        dicomarray.load(tmp_path / "a.dcm")


# --- files without preamble -----------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big-endian"])
@pytest.mark.parametrize("meta", [True, False])
def test_files_without_preamble_give_the_same_volume(
    make_series: Callable[..., Path], syntax: str, meta: bool
) -> None:
    """With file meta information, and as a bare data set, of which the transfer syntax must be guessed."""
    folder = make_series(syntax=syntax)
    expected = dicomarray.load(folder)
    for file in folder.iterdir():
        content = file.read_bytes()
        file.write_bytes(content[132:] if meta else content[data_set_of(content) :])
    catalog = scan(folder)
    assert not catalog.skipped
    volume = catalog[0].volume()
    np.testing.assert_array_equal(volume.array, expected.array)
    np.testing.assert_array_equal(volume.affine, expected.affine)


@pytest.mark.parametrize("name", ["ExplVR_LitEndNoMeta.dcm", "ExplVR_BigEndNoMeta.dcm", "rtstruct.dcm"])
def test_pydicoms_files_without_preamble_are_read(pydicom_data: Path, name: str) -> None:
    """As pydicom reads them when it is told that they are DICOM."""
    path = pydicom_data / "test_files" / name
    (series,) = scan(path)
    assert series.uid == pydicom.dcmread(path, force=True).SeriesInstanceUID


def test_every_dicom_file_of_pydicom_looks_like_one(pydicom_data: Path, pydicom_more_data: Path) -> None:
    """Whatever it is called; the one exception begins with a stray byte."""
    files = [*(pydicom_data / "test_files").rglob("*"), *pydicom_more_data.glob("*")]
    files = [file for file in files if file.is_file() and file.suffix in ("", ".dcm")]
    refused = {file.name for file in files if not looks_like_dicom(file.read_bytes()[:FIRST_BYTES])}
    assert len(files) > 150
    assert refused <= {"no_meta.dcm", "README", "DICOMDIR-empty.dcm"}


FIRST_ELEMENTS = (
    *(0x00080001, 0x00080005, 0x00080006, 0x00080008, 0x00080010, 0x00080012, 0x00080013, 0x00080014),
    *(0x00080016, 0x00080018, 0x00080020, 0x00080021, 0x00080022, 0x00080023, 0x00080030, 0x00080031),
    *(0x00080050, 0x00080052, 0x00080056, 0x00080060),
)


@pytest.mark.parametrize("tag", FIRST_ELEMENTS)
@pytest.mark.parametrize("encoding", ["implicit", "explicit", "big-endian"])
def test_data_set_may_begin_with_any_first_element(tag: int, encoding: str) -> None:
    """(0008,0001) to (0008,0060), as pydicom writes them."""
    vr = pydicom.datadict.dictionary_VR(tag)
    text = "ISO_IR 100" if tag == 0x00080005 else "CT"
    values = {"UI": "1.2.3", "DA": "20240101", "TM": "120000", "UL": 40, "SQ": [pydicom.Dataset()]}
    dataset = pydicom.Dataset()
    dataset.add_new(tag, vr, values.get(vr, text))
    dataset.add_new(0x00080061, "CS", "CT")
    out = io.BytesIO()
    pydicom.dcmwrite(
        out,
        dataset,
        implicit_vr=encoding == "implicit",
        little_endian=encoding != "big-endian",
        force_encoding=True,
    )
    assert looks_like_dicom(out.getvalue()[:FIRST_BYTES])


@pytest.mark.parametrize(
    "start",
    [
        b"\x08\0\0\0" + b"UL\x04\0" + b"\x0c\0\0\0" + b"\x08\0\x05\0",
        b"\x08\0\0\0" + b"\x04\0\0\0" + b"\x0c\0\0\0" + b"\x08\0\x05\0",
        b"\0\x08\0\0" + b"UL\0\x04" + b"\0\0\0\x0c" + b"\0\x08\0\x05",
    ],
)
def test_data_set_may_begin_with_a_group_length(start: bytes) -> None:
    """PS3.5 7.2; retired, and written by many."""
    assert looks_like_dicom(start)


@pytest.mark.parametrize(
    "start",
    [
        b"\x08\0\0\0" + b"\x04\0\0\0" + b"\x07\0\0\0" + b"\x09\0\0\0",  # an array of small integers
        b"\x08\0\x05\0" + b"\xff\xff\xff\x7f" + b"x" * 100,  # no character set is so long
        b"\x08\0\x05\0" + b"XX\x0a\0ISO_IR 100",  # no VR
        b"\x08\0\x05\0" + b"DA\x0a\0ISO_IR 100",  # another VR
        b"\x08\0\x05\0" + b"\x04\0\0\0" + b"\x80\x81\x82\x83",  # no text
        b"\x08\0\x16\0" + b"UI\x02\x001\0" + b"\x08\0\x05\0",  # tags must ascend
        b"\x08\0\x07\0" + b"CS\x02\0CT",  # no such element
        b"\x08\0\x61\0" + b"CS\x02\0CT",  # beyond the first elements
        b"\0\x08\0\x05" + b"\0\0\0\x0aISO_IR 100",  # there is no implicit VR big endian
        b"\0\x02\0\x10" + b"UI\0\x021\0",  # file meta information is little endian
        bytes(128) + b"DICM" + bytes(128),  # an interrupted copy
    ],
)  # fmt: skip
def test_what_only_resembles_dicom_is_refused(start: bytes) -> None:
    """A usual first tag alone is no data set: VR, length, value and the next tag must fit."""
    assert not looks_like_dicom(start)


@given(st.binary(max_size=FIRST_BYTES))
def test_random_bytes_are_no_dicom(start: bytes) -> None:
    """They are skipped, and no length of them raises an error."""
    assert not looks_like_dicom(start)


def test_random_bytes_behind_a_usual_tag_are_hardly_ever_dicom() -> None:
    """Of 20,000 random beginnings behind (0008,0005) fewer than 1 in 1,000 pass."""
    rng = random.Random(5)
    taken = sum(looks_like_dicom(b"\x08\0\x05\0" + rng.randbytes(FIRST_BYTES)) for _ in range(20_000))
    assert taken < 20


# --- what is in a series, and what is not ---------------------------------------------------------------


def test_files_without_series_uid_are_series_of_their_own(make_series: Callable[..., Path]) -> None:
    """Nobody can tell whether they belong together."""
    folder = make_series(synthetic.stored_values((2, 4, 4)))
    for file in folder.iterdir():
        dataset = pydicom.dcmread(file)
        del dataset.SeriesInstanceUID
        dataset.save_as(file)
    catalog = scan(folder)
    assert [(series.uid, len(series.instances)) for series in catalog] == [("", 1), ("", 1)]
    assert not catalog.skipped


def test_reports_and_dicomdir_among_images_harm_nothing(ct: Path, pydicom_data: Path) -> None:
    """A report is a series without images, even under the images' own UID; the DICOMDIR is skipped."""
    expected = dicomarray.load(ct).array
    report = pydicom.dcmread(pydicom_data / "test_files" / "test-SR.dcm")
    report.save_as(ct / "report")
    report.SeriesInstanceUID = pydicom.dcmread(next(ct.glob("0*"))).SeriesInstanceUID
    report.SOPInstanceUID = "1.2.3"
    report.save_as(ct / "report of the series")
    (ct / "DICOMDIR").write_bytes(next((pydicom_data / "test_files").rglob("DICOMDIR")).read_bytes())
    catalog = scan(ct)
    assert list(reasons(catalog)) == ["DICOMDIR"]
    assert "DICOMDIR" in reasons(catalog)["DICOMDIR"]
    (images,) = catalog.images
    np.testing.assert_array_equal(images.volume().array, expected)


def test_image_cut_off_in_its_header_is_skipped(ct: Path) -> None:
    """Were it taken for an object without pixels, its slice would be missed by nobody."""
    file = sorted(ct.iterdir())[-1]
    content = file.read_bytes()
    series_uid = content.index(b"\x20\0\x0e\0UI")
    for length in (series_uid, data_set_of(content) + 100, data_set_of(content) + 2, 200):
        file.write_bytes(content[:length])
        assert "damaged" in reasons(scan(ct))[file.name]


def test_image_cut_off_behind_its_series_uid_stays_in_the_series(ct: Path) -> None:
    """The series is known to be incomplete; whoever makes a volume of it must say so."""
    file = sorted(ct.iterdir())[-1]
    content = file.read_bytes()
    file.write_bytes(content[: content.index(b"\x28\0\x10\0US")])
    (series,) = scan(ct)
    assert file in [header.reference for header in series.instances if not header.is_image]


@pytest.mark.parametrize(
    "garbage", [b"", b"\0" * 5000, b"hello" * 1000, b"\xff" * 5000, random.Random(1).randbytes(5000)]
)
def test_garbage_behind_a_preamble_is_skipped(tmp_path: Path, garbage: bytes) -> None:
    """ "DICM" alone makes no DICOM file."""
    (tmp_path / "x.dcm").write_bytes(bytes(128) + b"DICM" + garbage)
    catalog = scan(tmp_path)
    assert not catalog.series
    assert list(reasons(catalog)) == ["x.dcm"]


def test_names_mean_nothing(tmp_path: Path) -> None:
    """DICOM under any suffix is read, empty files under any are skipped."""
    for name in ("a.jpg", "b.zip", "c.tar.gz", "d.txt", "DICOMDIR"):
        (tmp_path / name).write_bytes(CT.read_bytes())
        (tmp_path / f"empty {name}").write_bytes(b"")
    catalog = scan(tmp_path)
    assert len(catalog[0].instances) == 5
    assert set(reasons(catalog).values()) == {"an empty file"}


def test_huge_file_of_zeros_is_refused_by_its_first_bytes(tmp_path: Path) -> None:
    """3 GB, sparse: bare, and behind a preamble; what an interrupted copy leaves may have been an image."""
    for name, start in (("x.dcm", b""), ("y.dcm", bytes(128) + b"DICM")):
        with (tmp_path / name).open("wb") as stream:
            stream.write(start)
            stream.truncate(3 << 30)
    began = time.perf_counter()
    catalog = scan(tmp_path)
    assert reasons(catalog) == dict.fromkeys(
        ("x.dcm", "y.dcm"), "not DICOM: it begins with zeros, as an interrupted copy does"
    )
    assert {item.lost_from for item in catalog.skipped} == {tmp_path}
    assert time.perf_counter() - began < 5


def test_what_stands_for_a_file_that_was_not_fetched_is_told(ct: Path) -> None:
    """Of Git LFS and of git-annex, in place of the last two slices."""
    *_, one, other = sorted(ct.iterdir())
    one.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 12345\n")
    other.write_text("/annex/objects/MD5E-s12345--ab.dcm\n")
    (volume,) = (series.volume() for series in scan(ct))
    assert len(volume.array) == 4
    (told,) = volume.warnings
    assert "2 files beside the images could not be read" in told
    assert "git lfs pull" in told


# --- files that cannot be opened ------------------------------------------------------------------------


def test_files_that_vanish_are_skipped(ct: Path) -> None:
    """A file that is gone when it is to be opened, after it was listed."""
    gone = sorted(ct.iterdir())[2]

    with when_opened(gone, Path.unlink):
        catalog = scan(ct)
    assert reasons(catalog) == {gone.name: "cannot be read: No such file or directory"}
    assert len(catalog[0].instances) == synthetic.SHAPE[0] - 1


def test_closed_files_are_skipped(ct: Path) -> None:
    """The operating system's refusal becomes the reason."""
    closed = sorted(ct.iterdir())[2]

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with when_opened(closed, refuse):
        assert reasons(scan(ct)) == {closed.name: "cannot be read: Permission denied"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
@pytest.mark.parametrize("below", [True, False])
def test_pipes_sockets_and_devices_are_never_opened(tmp_path: Path, below: bool) -> None:
    """Below a folder, as a root, and through a link: opening one could wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(tmp_path)  # the name of a socket must be short
        try:
            listening.bind("socket")
        finally:
            os.chdir(here)
        (tmp_path / "link").symlink_to(tmp_path / "pipe")
        (tmp_path / "null").symlink_to("/dev/zero")
        catalog = scan(tmp_path if below else sorted(tmp_path.iterdir()))
    found = reasons(catalog)
    assert sorted(found) == ["link", "null", "pipe", "socket"]
    assert "pipe" in found["pipe"] and "pipe" in found["link"]
    assert "socket" in found["socket"] and "device" in found["null"]


def test_odd_names_are_read(tmp_path: Path) -> None:
    """Line breaks, quotes, a terminal's control characters, bytes that are no UTF-8."""
    names = [b"line\nbreak", b"quo'te\"", b" ", b"-rf", b"\x1b[31m", b"bytes \xff\xfe", "é".encode(), b"*?"]
    written = 0
    for name in names:
        try:
            (tmp_path / os.fsdecode(name)).write_bytes(CT.read_bytes())
            written += 1
        except OSError:  # this file system does not take the name
            continue
    (series,) = scan(tmp_path)
    assert len(series.files) == len(series.instances) == written
    assert written > 0


@pytest.mark.skipif(os.name != "posix", reason="made with relative steps")
def test_paths_longer_than_the_system_takes_are_skipped(tmp_path: Path) -> None:
    """What lies too deep is told, and does not end the scan."""
    (tmp_path / "near").write_bytes(CT.read_bytes())
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        for _ in range(25):
            Path("d" * 200).mkdir()
            os.chdir("d" * 200)
        Path("far").write_bytes(CT.read_bytes())
    finally:
        os.chdir(here)
    catalog = scan(tmp_path)
    assert len(catalog[0].instances) == 1
    assert len(catalog.skipped) == 1
    with pytest.raises(InputError, match="cannot be opened"):
        list(find_files("/" + "d" * 5000))


def test_folders_deeper_than_functions_may_nest_are_walked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python allows some 1,000 nested calls; folders may lie deeper (here: 100 and 300)."""
    folder = tmp_path.joinpath(*"d" * 300)
    folder.mkdir(parents=True)
    (folder / "IM1").write_bytes(CT.read_bytes())
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        found = list(find_files(tmp_path))
    finally:
        sys.setrecursionlimit(limit)
    assert found == [folder / "IM1"]


def test_same_file_under_two_roots_is_read_once(ct: Path) -> None:
    """It may be given before or behind its folder."""
    file = sorted(ct.iterdir())[0]
    for roots in ([file, ct], [ct, file], [file, file, ct, ct]):
        assert len(scan(roots)[0].instances) == synthetic.SHAPE[0]


def test_root_with_a_loop_of_links_is_an_error(tmp_path: Path) -> None:
    """It was asked for, so it is no mere reason."""
    (tmp_path / "self").symlink_to("self")
    with pytest.raises(InputError, match="self"):
        list(find_files(tmp_path / "self"))


# --- deflated data sets ---------------------------------------------------------------------------------


def deflated_bomb(size: int, group_length: bool = True, preamble: bool = True, padding: int = 0) -> bytes:
    """A data set with the common attributes and a private element of zeros behind them, deflated."""
    dataset = pydicom.dcmread(CT, stop_before_pixels=True)
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=False)
    body = out.getvalue()[data_set_of(out.getvalue()) :]
    body += struct.pack("<HH2sHL", 0x7FE1, 0x0011, b"OB", 0, size) + bytes(size)
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    meta = b""
    if padding:
        meta += struct.pack("<HH2sHL", 2, 1, b"OB", 0, padding) + bytes(padding)
    uid = str(DeflatedExplicitVRLittleEndian).encode()
    meta += struct.pack("<HH2sH", 2, 0x10, b"UI", len(uid)) + uid
    if group_length:
        meta = struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(meta)) + meta
    start = bytes(128) + b"DICM" if preamble else b""
    return start + meta + deflater.compress(body) + deflater.flush()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"group_length": False},
        {"preamble": False},
        {"padding": 6000},
        {"padding": 6000, "group_length": False},
    ],
)
def test_deflated_bomb_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, bool | int]
) -> None:
    """For headers and for pixels, however its file meta information is dressed; a smaller one is read."""
    path = tmp_path / "x.dcm"
    path.write_bytes(deflated_bomb(8 << 20, **options))  # type: ignore[arg-type]
    assert read_header(path).attributes["Modality"] == "CT"
    monkeypatch.setattr(pydicom_fallback, "LARGEST_INFLATED_BYTES", 4 << 20)
    monkeypatch.setattr(pydicom, "dcmread", None)  # it must not come so far
    with pytest.raises(InputError, match="deflated"):
        read_header(path)
    with path.open("rb") as stream, pytest.raises(PixelError, match="deflated"):
        pydicom_source.read_header(stream, "x.dcm")


def test_damaged_deflated_file_is_skipped(tmp_path: Path) -> None:
    """The reason is ours, not zlib's exception."""
    path = Path(str(get_testdata_file("image_dfl.dcm", download=False)))
    content = bytearray(path.read_bytes())
    content[data_set_of(content) + 10 : data_set_of(content) + 30] = b"\xff" * 20
    (tmp_path / "x").write_bytes(content)
    assert "damaged" in reasons(scan(tmp_path))["x"]


def test_guard_does_not_move_the_stream(tmp_path: Path) -> None:
    """pydicom begins where the file begins."""
    for name in ("image_dfl.dcm", "CT_small.dcm", "ExplVR_BigEndNoMeta.dcm", "no_meta_group_length.dcm"):
        with Path(str(get_testdata_file(name, download=False))).open("rb") as stream:
            stream.read(7)
            assert not pydicom_fallback.inflates_beyond_limit(stream)
            assert stream.tell() == 0


def test_group_length_of_a_wrong_size_is_skipped(tmp_path: Path) -> None:
    """pydicom raises an exception of its own kind there; the scan goes on."""
    content = bytearray(CT.read_bytes())
    content[138:140] = struct.pack("<H", 6)
    (tmp_path / "x").write_bytes(content)
    assert "damaged" in reasons(scan(tmp_path))["x"]
