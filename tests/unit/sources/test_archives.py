"""Archives as input: what comes out of good ones, and what bad and hostile ones cannot do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

import dicomarray
from dicomarray.catalog.catalog import Catalog
from dicomarray.catalog.scan import scan
from dicomarray.errors import InputError
from dicomarray.pipeline.running import run
from dicomarray.sources import archive_guards, archives
from dicomarray.sources.archive_guards import safe_path

CT = Path(str(get_testdata_file("CT_small.dcm", download=False))).read_bytes()
MR = Path(str(get_testdata_file("MR_small.dcm", download=False))).read_bytes()
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}

Members = list[tuple[str, bytes]]


def zip_of(path: Path, members: Members, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def tar_bytes(members: Members, style: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=style) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def files_in(folder: Path) -> Members:
    return [(f"study/{file.name}", file.read_bytes()) for file in sorted(folder.iterdir())]


def skipped(catalog: Catalog) -> dict[str, str]:
    return {item.path.as_posix(): item.reason for item in catalog.skipped}


def only_reason(path: Path) -> str:
    """Why nothing was found in an archive; the archive itself is what was skipped."""
    catalog = scan(path)
    assert not catalog.series
    assert [item.path for item in catalog.skipped] == [path]
    return catalog.skipped[0].reason


def unpacked_files() -> list[Path]:
    return [path for path in Path(tempfile.gettempdir()).rglob("*") if path.is_file()]


@pytest.fixture(autouse=True)
def nothing_left(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test begins without what others unpacked, in a folder of its own for temporary files."""
    archives.unpacked.remove()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))
    yield
    archives.unpacked.remove()


# --- good ones ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_zip_gives_the_same_volume_as_the_folder(ct: Path, tmp_path: Path, method: int) -> None:
    """Bit for bit, with the same geometry, whatever the zip is called."""
    archive = zip_of(tmp_path / "archive", files_in(ct), method)
    volume, expected = dicomarray.load(archive), dicomarray.load(ct)
    np.testing.assert_array_equal(volume.array, expected.array)
    np.testing.assert_array_equal(volume.affine, expected.affine)


@pytest.mark.parametrize("suffix", list(COMPRESS))
@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_gives_the_same_volume_as_the_folder(ct: Path, tmp_path: Path, suffix: str, style: int) -> None:
    """In every format and compression; told by the content, not by the name."""
    members = [("very/" * 30 + name, content) for name, content in files_in(ct)]
    if style == tarfile.USTAR_FORMAT:
        members = files_in(ct)
    archive = tmp_path / "archive"
    archive.write_bytes(COMPRESS[suffix](tar_bytes(members, style)))
    np.testing.assert_array_equal(dicomarray.load(archive).array, dicomarray.load(ct).array)


def test_tar_without_the_mark_of_newer_ones_is_read(tmp_path: Path) -> None:
    """The checksum of the header tells a tar file of 1979."""
    block = bytearray(tar_bytes([("IM1", CT)], tarfile.USTAR_FORMAT))
    block[257:265] = bytes(8)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    (tmp_path / "old").write_bytes(block)
    assert len(scan(tmp_path / "old")) == 1


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_single_compressed_file_is_read(tmp_path: Path, suffix: str) -> None:
    """``IM1.dcm.gz``; its file name survives, without the suffix."""
    (tmp_path / f"IM1.dcm{suffix}").write_bytes(COMPRESS[suffix](CT))
    (series,) = scan(tmp_path)
    assert series.files[0].name == "IM1.dcm"
    assert series.files[0].read_bytes() == CT


def test_gz_of_pydicoms_own_tests_is_read(pydicom_data: Path) -> None:
    """zipMR.gz holds MR_small."""
    (series,) = scan(pydicom_data / "test_files" / "zipMR.gz")
    assert series.attributes["Modality"] == "MR"


def test_archives_below_a_folder_join_its_files(ct: Path, tmp_path: Path) -> None:
    """One series may lie partly in a folder, partly in a zip, partly in a tar: it is one series."""
    expected = dicomarray.load(ct).array
    files = sorted(ct.iterdir())
    zip_of(ct / "some.zip", [(file.name, file.read_bytes()) for file in files[:2]])
    (ct / "more.tgz").write_bytes(gzip.compress(tar_bytes([(f.name, f.read_bytes()) for f in files[2:3]])))
    for file in files[:3]:
        file.unlink()
    (series,) = scan(ct)
    np.testing.assert_array_equal(series.volume().array, expected)


def test_members_are_told_by_content(tmp_path: Path) -> None:
    """A DICOM file called readme.txt is read; a text called x.dcm, an empty file and folders are not."""
    members = [("d/readme.txt", CT), ("x.dcm", b"hello"), ("d/empty.dcm", b""), ("d/", b"")]
    for archive in (zip_of(tmp_path / "a.zip", members), tmp_path / "a.tar"):
        if archive.suffix == ".tar":
            archive.write_bytes(tar_bytes(members[:3]))
        catalog = scan(archive)
        assert len(catalog) == 1
        assert skipped(catalog) == {
            (archive / "x.dcm").as_posix(): "not DICOM",
            (archive / "d" / "empty.dcm").as_posix(): "an empty file",
        }


def test_dicomdir_and_damaged_members_are_shown_by_archive_and_name(
    tmp_path: Path, pydicom_data: Path
) -> None:
    """They are never shown by their temporary paths."""
    directory = next((pydicom_data / "test_files").rglob("DICOMDIR")).read_bytes()
    archive = zip_of(tmp_path / "a.zip", [("DICOMDIR", directory), ("cut", CT[:400]), ("IM1", CT)])
    reasons = skipped(scan(archive))
    assert set(reasons) == {(archive / "DICOMDIR").as_posix(), (archive / "cut").as_posix()}
    assert "DICOMDIR" in reasons[(archive / "DICOMDIR").as_posix()]


def test_messages_about_unpacked_files_tell_archive_and_member(tmp_path: Path) -> None:
    """Where the pixels fail, much later, the path still ends in archive and member."""
    archive = zip_of(tmp_path / "study.zip", [("dir/IM1", CT[:10000])])
    with pytest.raises(dicomarray.DicomArrayError, match=r"study\.zip[/\\]dir[/\\]IM1"):
        scan(archive)[0].volume()


def test_same_archive_is_unpacked_once(tmp_path: Path) -> None:
    """A notebook that loads a zip again and again does not fill the disk; a changed zip is read anew."""
    archive = zip_of(tmp_path / "a.zip", [("IM1", CT)])
    first = scan(archive)[0].files
    assert scan(archive)[0].files == first
    zip_of(archive, [("IM1", CT), ("IM2", MR)])
    assert len(scan(archive)) == 2
    assert first[0].exists()


def test_vanished_unpacked_files_are_unpacked_again(tmp_path: Path) -> None:
    """Something that cleans the folder for temporary files costs time only."""
    archive = zip_of(tmp_path / "a.zip", [("IM1", CT)])
    scan(archive)[0].files[0].unlink()
    assert scan(archive)[0].files[0].read_bytes() == CT


# --- lifetime -------------------------------------------------------------------------------------------


def test_unpacked_files_live_as_long_as_the_process(tmp_path: Path) -> None:
    """They outlive the catalog, are private, and are gone when the process has ended."""
    archive = zip_of(tmp_path / "a.zip", [("IM1", CT)])
    code = (
        "import sys, gc, os, dicomarray\n"
        "def paths(): return dicomarray.scan(sys.argv[1])[0].files\n"
        "file = paths()[0]; gc.collect(); assert file.exists()\n"
        "if os.name == 'posix': assert file.parents[2].stat().st_mode & 0o777 == 0o700\n"
        "if hasattr(os, 'fork') and os.fork() == 0: sys.exit()\n"
        "if hasattr(os, 'fork'): os.wait()\n"
        "assert file.exists(), 'a forked child removed it'\n"
        "print(file)"
    )
    done = subprocess.run([sys.executable, "-c", code, archive], check=True, capture_output=True, text=True)
    file = Path(done.stdout.strip())
    assert file.name == "IM1"
    assert not file.parents[2].exists()


def test_series_of_an_archive_can_be_sent_to_another_process(tmp_path: Path) -> None:
    """As pipeline.run does: it is unpacked again where that is gone; not from another archive."""
    archive = zip_of(tmp_path / "a.zip", [("IM1", CT)])
    sent = pickle.dumps(scan(archive)[0])
    series = pickle.loads(sent)
    assert series.files == scan(archive)[0].files
    expected = series.volume().array
    archives.unpacked.remove()
    np.testing.assert_array_equal(pickle.loads(sent).volume().array, expected)
    archives.unpacked.remove()
    zip_of(archive, [("IM1", MR)])
    with pytest.raises(InputError, match=r"a\.zip has changed"):
        pickle.loads(sent).volume()


@pytest.mark.parametrize("workers", [1, 2])
def test_run_takes_a_zip(ct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    """Also in worker processes, which read and copy the unpacked files."""
    (tmp_path / "negating.py").write_text("def negative(volume):\n    return -volume.array\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    archive = zip_of(tmp_path / "a.zip", files_in(ct))
    report = run(archive, tmp_path / "out", "negating:negative", workers=workers)
    assert [entry.error for entry in report.entries] == [None]
    expected = -dicomarray.load(ct).array
    np.testing.assert_allclose(dicomarray.load(tmp_path / "out").array, expected, atol=0.51)


# --- hostile and broken ones ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["../../evil", "/etc/evil", "..\\..\\evil", "C:\\evil", "a/../../evil", "./../evil", "~/evil", "..",
     "evil\0.txt", "con", "a" * 3000, "a/" * 2000 + "b", "\x1b[31mred", "x" * 200 + "/IM1", "ä" * 300],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_no_name_leaves_the_folder(tmp_path: Path, name: str, kind: str) -> None:
    """Zip slip: whatever a member is called, it lies in the private folder, and is read."""
    archive = tmp_path / "a"
    if kind == "zip":
        zip_of(archive, [(name, CT)])
    else:
        archive.write_bytes(tar_bytes([(name, CT)]))
    before = {path for path in tmp_path.rglob("*")}
    (series,) = scan(archive)
    (root,) = Path(tempfile.gettempdir()).iterdir()
    assert series.files[0].resolve().is_relative_to(root.resolve())
    assert series.files[0].read_bytes() == CT
    assert {path for path in tmp_path.rglob("*")} == before


@given(st.text(max_size=300))
def test_safe_path_is_relative_and_harmless(name: str) -> None:
    """For every text: no folder left, no empty name, no control character, no device."""
    path = safe_path(name)
    assert not path.is_absolute()
    assert path.parts
    for part in path.parts:
        assert part.strip(". ")
        assert not set(part) & set('/\\:*?"<>|')
        assert part.isprintable() or all(ord(c) >= 0xA0 for c in part if not c.isprintable())
        assert len(part.encode()) <= 101
    assert len(str(path)) <= archive_guards.MAX_MEMBER_PATH_LENGTH


def test_a_tar_that_goes_on_behind_its_end_is_told(ct: Path, tmp_path: Path) -> None:
    """A second archive joined to it; zeros that fill a record are none."""
    first, second = (tar_bytes([(name, data)]) for name, data in (("a", CT), ("b", MR)))
    for joined, named in ((first + bytes(20480), []), (first + second, ["rest"])):
        for suffix, content in ((".tar", joined), (".tgz", gzip.compress(joined))):
            (tmp_path / f"a{suffix}").write_bytes(content)
            catalog = scan(tmp_path / f"a{suffix}")
            assert [item.path.name for item in catalog.skipped] == named
            codes = [one.code for one in catalog[0].volume().warnings]
            assert ("unreadable" in codes) == bool(named)


def test_a_sparse_file_in_a_tar_may_have_been_an_image(tmp_path: Path) -> None:
    """A blank slice is packed so (tar -S); it is left out, and its series says that images may be missing."""
    sparse = tarfile.TarInfo("blank")
    sparse.pax_headers = {"GNU.sparse.size": "4096", "GNU.sparse.map": "0,512", "GNU.sparse.numblocks": "1"}
    sparse.size = 512
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        plain = tarfile.TarInfo("a")
        plain.size = len(CT)
        archive.addfile(plain, io.BytesIO(CT))
        archive.addfile(sparse, io.BytesIO(bytes(512)))
    (tmp_path / "a.tar").write_bytes(out.getvalue())
    (told,) = (note for note in scan(tmp_path / "a.tar")[0].volume().warnings if note.code == "unreadable")
    assert "blank" in told


@pytest.mark.parametrize("change", ["a voxel", "no checksum"])
def test_a_compressed_tar_is_held_against_its_checksum(tmp_path: Path, change: str) -> None:
    """Noise is not compressed: a bit that was turned over is no fault of the stream, and a wrong voxel."""
    noise = np.random.default_rng(0).bytes(len(CT))
    content = bytearray(gzip.compress(tar_bytes([("a", CT), ("b", noise)]), 0))
    if change == "a voxel":
        content[content.index(CT[-64:]) + 8] ^= 1
    else:
        del content[-6:]
    (tmp_path / "a.tgz").write_bytes(content)
    assert "cannot be unpacked" in only_reason(tmp_path / "a.tgz")


def test_members_with_one_name_are_all_taken(tmp_path: Path) -> None:
    """Twice the same name, and a file where another member has a folder."""
    members = [("a", CT), ("a", MR), ("a/b", CT), ("c/d", CT), ("c", MR), ("../a", MR)]
    with pytest.warns(UserWarning, match="Duplicate"):
        archive = zip_of(tmp_path / "a.zip", members)
    catalog = scan(archive)
    assert not catalog.skipped
    assert sorted(len(series.instances) for series in catalog) == [3, 3]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_bomb_is_refused_while_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A DICOM file with a tail of zeros stops at the limit, nothing of the archive is kept."""
    monkeypatch.setattr(archive_guards, "BYTES_OF_ANY_RATIO", 1 << 20)
    bomb = CT + bytes(40 << 20)
    archive = tmp_path / "bomb"
    if kind == "zip":
        zip_of(archive, [("IM1", MR), ("IM2", bomb)])
    else:
        archive.write_bytes(gzip.compress(tar_bytes([("IM1", MR), ("IM2", bomb)])))
    assert archive.stat().st_size * 500 < len(bomb)
    assert "trusted" in only_reason(archive)
    assert unpacked_files() == []


def test_single_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One compressed file is refused for the same reason."""
    monkeypatch.setattr(archive_guards, "BYTES_OF_ANY_RATIO", 1 << 20)
    (tmp_path / "x.dcm.bz2").write_bytes(bz2.compress(CT + bytes(50 << 20)))
    assert "trusted" in only_reason(tmp_path / "x.dcm.bz2")
    assert unpacked_files() == []


def test_total_is_limited_whatever_the_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Incompressible data too: the limit is on the sum of all members."""
    monkeypatch.setattr(archive_guards, "LARGEST_UNPACKED_BYTES", 2 * len(CT))
    assert "trusted" in only_reason(zip_of(tmp_path / "a.zip", [(f"IM{n}", CT) for n in range(3)]))


def test_size_that_lies_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A zip that declares 10 bytes for a member of megabytes gets no further than the declared size."""
    archive = zip_of(tmp_path / "a.zip", [("IM1", CT + bytes(5 << 20))])
    content = bytearray(archive.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<L", 1000)
    archive.write_bytes(content)
    catalog = scan(archive)
    assert not catalog.series
    assert unpacked_files() == []


def test_number_of_members_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Millions of empty members cost time, too."""
    monkeypatch.setattr(archive_guards, "MAX_MEMBERS", 3)
    members: Members = [(f"m{n}", b"") for n in range(4)]
    assert "more than 3 members" in only_reason(zip_of(tmp_path / "a.zip", members))
    (tmp_path / "a.tar").write_bytes(tar_bytes(members))
    assert "more than 3 members" in only_reason(tmp_path / "a.tar")


def test_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is not filled to its last byte."""
    monkeypatch.setattr(archive_guards, "MIN_FREE_BYTES", 1 << 60)
    assert "no room" in only_reason(zip_of(tmp_path / "a.zip", [("IM1", CT)]))


def test_huge_tar_header_is_refused(tmp_path: Path) -> None:
    """tarfile would take a long name of any size into memory."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 500 << 20
    (tmp_path / "a.tar").write_bytes(info.tobuf() + bytes(1 << 21))
    assert "header of" in only_reason(tmp_path / "a.tar")


def test_encrypted_members_are_skipped_with_a_reason(tmp_path: Path) -> None:
    """The rest is read; nobody is asked for a password."""
    archive = zip_of(tmp_path / "a.zip", [("secret", CT), ("open", MR)])
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    catalog = scan(archive)
    assert len(catalog) == 1
    assert "encrypted" in skipped(catalog)[(archive / "secret").as_posix()]


def test_links_and_devices_are_not_followed(tmp_path: Path) -> None:
    """Neither in tar, where a link could name any file of the machine, nor in zip."""
    (tmp_path / "outside").write_bytes(CT)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for n, kind in enumerate(
            [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
        ):
            info = tarfile.TarInfo(f"m{n}")
            info.type, info.linkname = kind, str(tmp_path / "outside")
            archive.addfile(info)
    (tmp_path / "a.tar").write_bytes(out.getvalue())
    catalog = scan(tmp_path / "a.tar")
    assert [item.path.name for item in catalog.skipped] == ["m0", "m1", "m2", "m3", "m4"]
    assert not catalog.series
    info_ = zipfile.ZipInfo("link")
    info_.create_system, info_.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr(info_, str(tmp_path / "outside"))
    assert "link" in skipped(scan(tmp_path / "a.zip"))[(tmp_path / "a.zip" / "link").as_posix()]
    assert unpacked_files() == []


def test_archives_in_archives_are_skipped_with_a_reason(tmp_path: Path) -> None:
    """One level is unpacked; the reason says what to do with the next."""
    inner = zip_of(tmp_path / "inner", [("IM1", CT)]).read_bytes()
    nested: Members = [("z", inner), ("t", tar_bytes([("IM1", CT)])), ("g", gzip.compress(CT)), ("ok", MR)]
    archive = zip_of(tmp_path / "a.zip", nested)
    catalog = scan(archive)
    assert len(catalog) == 1
    assert all("archive inside an archive" in item.reason for item in catalog.skipped)
    assert [item.path.name for item in catalog.skipped] == ["z", "t", "g"]
    (tmp_path / "z.gz").write_bytes(gzip.compress(inner))
    assert "archive inside an archive" in only_reason(tmp_path / "z.gz")


def test_damaged_member_of_a_zip_costs_itself(tmp_path: Path) -> None:
    """A wrong checksum: the member is skipped, nothing of it stays, the others are read."""
    archive = zip_of(tmp_path / "a.zip", [("IM1", CT), ("IM2", MR)], zipfile.ZIP_STORED)
    content = bytearray(archive.read_bytes())
    content[content.index(CT[:1000]) + 30000] ^= 1
    archive.write_bytes(content)
    catalog = scan(archive)
    assert [item.path for item in catalog.skipped] == [archive / "IM1"]
    assert [file.name for file in unpacked_files()] == ["IM2"]


@pytest.mark.parametrize("suffix", list(COMPRESS))
def test_tar_that_ends_early_is_not_taken(ct: Path, tmp_path: Path, suffix: str) -> None:
    """Cut anywhere, even between two members: nobody could tell which slices are missing."""
    whole = COMPRESS[suffix](tar_bytes(files_in(ct)))
    archive = tmp_path / "cut"
    member = len(tar_bytes(files_in(ct)[:1]).rstrip(b"\0"))
    cuts = [member + -member % 512] if not suffix else []
    for length in (len(whole) // 4, len(whole) // 2, len(whole) * 3 // 4, *cuts):
        archive.write_bytes(whole[:length])
        assert "cannot be unpacked" in only_reason(archive)
    assert unpacked_files() == []


def test_tar_with_a_damaged_header_is_not_taken(tmp_path: Path) -> None:
    """tarfile ends there without a word, as if the archive did."""
    first = len(tar_bytes([("IM1", CT)]).rstrip(b"\0"))
    content = bytearray(tar_bytes([("IM1", CT), ("IM2", MR)]))
    content[content.index(b"IM2", first)] ^= 1
    (tmp_path / "a.tar").write_bytes(content)
    assert "member 1" in only_reason(tmp_path / "a.tar")


def test_other_compressed_and_broken_files_are_told(tmp_path: Path) -> None:
    """A cut zip, a compressed text, nothing compressed, an empty zip."""
    whole = zip_of(tmp_path / "a", [("IM1", CT)]).read_bytes()
    for name, content, reason in (
        ("cut.zip", whole[: len(whole) // 2], "cannot be unpacked"),
        ("text.gz", gzip.compress(b"text"), "no DICOM inside"),
        ("empty.gz", gzip.compress(b""), "nothing in it"),
        ("cut.gz", gzip.compress(os.urandom(10000))[:100], "cannot be unpacked"),
    ):
        (tmp_path / name).write_bytes(content)
        assert reason in only_reason(tmp_path / name)
    zip_of(tmp_path / "empty.zip", [])
    assert len(scan(tmp_path / "empty.zip").skipped) == 0


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_archives_are_read_or_skipped(tmp_path: Path, data: st.DataObject) -> None:
    """Random damage anywhere in an archive gives series or reasons, never another exception."""
    small = CT[:3000]
    kinds = [zip_of(tmp_path / "z", [("a", small), ("b/c", small)], m).read_bytes() for m in (0, 8, 12, 14)]
    kinds += [compress(tar_bytes([("a" * 120, small), ("b", small)])) for compress in COMPRESS.values()]
    content = bytearray(data.draw(st.sampled_from(kinds)))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.one_of(st.integers(0, 600), st.integers(0, len(content) - 1)))
        content[min(place, len(content) - 1)] = data.draw(st.integers(0, 255))
    (tmp_path / "damaged").write_bytes(content)
    scan(tmp_path / "damaged")


def test_whole_archive_error_names_no_temporary_path(tmp_path: Path) -> None:
    """The caller adds the archive's path."""
    (tmp_path / "a.gz").write_bytes(gzip.compress(CT)[:-4000])
    with pytest.raises(InputError) as caught:
        archives.members_of(tmp_path / "a.gz")
    assert str(tmp_path) not in str(caught.value)
    assert "dicomarray-" not in str(caught.value)


def test_member_without_a_name_is_read(tmp_path: Path) -> None:
    """Nothing that a usual tool writes, and no reason to fail."""
    archive = zip_of(tmp_path / "a.zip", [("x", CT)])
    content = archive.read_bytes()
    entry = content.index(b"PK\x01\x02")
    local = content[:26] + struct.pack("<H", 0) + content[28:30] + content[31:entry]
    central = content[entry : entry + 28] + struct.pack("<H", 0) + content[entry + 30 : entry + 46]
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local), 0)
    archive.write_bytes(local + central + end)
    assert len(scan(archive)) == 1
