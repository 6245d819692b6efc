"""The index gives what a scan gives, keeps up with the files, and survives what happens to its processes."""

from __future__ import annotations

import os
import pickle
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import warnings
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

import dicomarray
import synthetic
from conftest import REAL_DATA
from dicomarray.catalog.catalog import Catalog
from dicomarray.catalog.index import scanning
from dicomarray.catalog.index.opening import UNFINISHED, open_index
from dicomarray.catalog.index.scanning import index
from dicomarray.catalog.scan import scan
from dicomarray.dicom.headers import header as headers_module
from dicomarray.dicom.headers.header import Header
from dicomarray.errors import InputError, OutputError, UsageError
from dicomarray.query.selection import evaluate_all, parse
from dicomarray.sources import header_workers
from watching import opened_files

# Of each folder of real series: enough for volumes, and quick.
FILES_OF_EACH = 4
CONFIGS: list[dict[str, Any]] = [
    {},
    {"Modality": "MR"},
    {"Modality": ["CT", "PT"], "SliceThickness": {"lte": 5}},
    {"PatientName": {"exists": True}},
    {"InstanceNumber": {"gte": 2}},
    {"some": {"ImageType": "LOCALIZER"}},
    {"not": {"ImagePositionPatient": {"exists": True}}},
    {"(0019,SIEMENS MR HEADER,0c)": {"exists": True}},
    {"(0019,GEMS_ACQU_01,9c)": {"exists": True}},
    {"(0028,0010)": {"gt": 100}, "(0018,1030)": "*"},
    {"ReferencedImageSequence.ReferencedSOPInstanceUID": {"exists": True}},
    {"FrameType": "ORIGINAL"},
    {"EffectiveEchoTime": {"gt": 1}},
    {"num_slices": {"gt": 5}, "plane": "axial"},
    {"is_regular": True, "slice_spacing": {"between": [1, 6]}},
    {"num_volumes": {"gte": 1}, "duration_s": {"gte": 0}},
    {"num_frames": {"gt": 3}, "num_slices": {"gt": 3}},
    {"sort": ["-num_instances"], "limit": 3},
]


def content(header: Header) -> tuple[Any, ...]:
    """All that a header says; where pydicom had to read it a scan knows no place of the pixels."""
    attributes = {name: repr(value) for name, value in sorted(header.attributes.items())}
    return str(header.reference), header.transfer_syntax, attributes


def assert_same(indexed: Catalog, scanned: Catalog) -> None:
    """The same series of the same headers in the same order, and the same reasons for what is skipped."""
    assert [series.uid for series in indexed] == [series.uid for series in scanned]
    for one, other in zip(indexed, scanned, strict=True):
        assert list(map(content, one.instances)) == list(map(content, other.instances))
        assert repr(dict(one.attributes)) == repr(dict(other.attributes))
        for known, read in zip(one.instances, other.instances, strict=True):
            assert read.pixels in (None, known.pixels)
            assert read.stamp in (None, known.stamp)
    assert {(s.path, s.reason) for s in indexed.skipped} == {(s.path, s.reason) for s in scanned.skipped}


@pytest.fixture(scope="module")
def folders(
    pydicom_data: Path, pydicom_more_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """All folders of files that pydicom comes with, and links to some files of each real series."""
    links = tmp_path_factory.mktemp("real")
    for number, folder in enumerate(sorted((REAL_DATA / "series").rglob("*"))):
        for path in sorted(folder.iterdir())[:FILES_OF_EACH] if folder.is_dir() else ():
            if path.is_file():
                (links / str(number)).mkdir(exist_ok=True)
                (links / str(number) / path.name).symlink_to(path)
    return sorted([pydicom_data / "test_files", pydicom_data / "charset_files", pydicom_more_data, links])


@pytest.fixture(scope="module")
def indexed(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of them."""
    file = tmp_path_factory.mktemp("index") / "index.sqlite"
    report = index(folders, file)
    assert report.num_instances > 200
    return file


def test_same_as_a_scan(folders: list[Path], indexed: Path) -> None:
    """Series, headers, attributes and reasons are those of a scan of the same files."""
    assert_same(open_index(indexed), scan(folders))


def test_same_answers(folders: list[Path], indexed: Path) -> None:
    """Every filter config is answered as by a scan, and no file is opened for it."""
    selections = [parse(config) for config in CONFIGS]
    everything = frozenset().union(*(selection.attributes for selection in selections))
    scanned = scan(folders, everything)
    expected = [evaluate_all(selection, scanned.series) for selection in selections]

    for selection, verdict in zip(selections, expected, strict=True):
        with opened_files(folders[0].parent) as opened:
            found = evaluate_all(selection, open_index(indexed, attributes=selection.attributes))
        assert set(opened) <= {indexed}
        assert [s.uid for s in found.matching] == [s.uid for s in verdict.matching], selection.config
    assert sum(0 < len(verdict.matching) < len(scanned) for verdict in expected) > 12


def test_any_attribute(indexed: Path) -> None:
    """What nobody asked for when the index was made is in it: every element of every file."""
    compared = 0
    for series in open_index(indexed):
        header = series.instances[0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(header.reference, stop_before_pixels=True, force=True)
            names = [e.keyword for e in dataset if e.keyword and e.tag.group >> 8 != 0x60 and e.tag.element]
            names += [
                f"({e.tag.group:04x},{e.private_creator},{e.tag.element & 0xFF:02x})"
                for e in dataset
                if e.tag.is_private and e.private_creator and "," not in str(e.private_creator)
            ]
        read = headers_module.read_header(header.reference, names).attributes
        known = header.further(names)
        assert {name: repr(known[name]) for name in read} == {name: repr(read[name]) for name in read}
        assert known.keys() == read.keys()
        compared += len(read)
    assert compared, "no series was compared"


def test_volumes(ct: Path, tmp_path: Path) -> None:
    """A volume from the index is the volume from the files, bit for bit; its series survives pickling."""
    index(ct, tmp_path / "index")
    (series,) = open_index(tmp_path / "index")
    expected = dicomarray.load(ct)
    for one in (series, pickle.loads(pickle.dumps(series))):
        volume = one.volume()
        assert np.array_equal(volume.array, expected.array)
        assert np.array_equal(volume.affine, expected.affine)
        assert volume.metadata["series"] == expected.metadata["series"]


def test_rescan(ct: Path, tmp_path: Path) -> None:
    """Only new and changed files are read again; what vanished is taken out."""
    file = tmp_path / "index"
    first = index(ct, file)
    assert (first.read, first.unchanged, first.vanished) == (6, 0, 0)
    again = index(ct, file)
    assert (again.read, again.unchanged, again.vanished) == (0, 6, 0)
    paths = sorted(ct.iterdir())
    dataset = pydicom.dcmread(paths[2])
    dataset.SeriesDescription = "CHANGED"
    dataset.save_as(paths[2])
    paths[4].unlink()
    paths[0].rename(ct / "renamed")
    (ct / "notes.txt").write_text("no image")
    report = index(ct, file)
    assert (report.read, report.unchanged, report.vanished) == (3, 3, 2)
    catalog = open_index(file)
    assert_same(catalog, scan(ct))
    assert "SeriesDescription" not in catalog[0].attributes
    (ct / "notes.txt").unlink()
    paths[2].unlink()
    index(ct, file)
    assert open_index(file)[0].attributes["SeriesDescription"] == "SYNTHETIC SERIES"
    assert open_index(file).skipped == ()


def test_order_of_files_is_kept_until_they_change(ct: Path, tmp_path: Path) -> None:
    """The files come in the order of the volume: the first time, the next, and after some came or went."""
    file, late = tmp_path / "index", ct / "0-late"
    for number, path in enumerate(scan(ct)[0].files):  # against the order of their names
        path.rename(ct / f"{99 - number}.dcm")
    first = (ct / "99.dcm").rename(tmp_path / "first")
    for change in (lambda: None, lambda: first.rename(late), (ct / "97.dcm").unlink):
        change()
        index(ct, file)
        for _ in range(2):
            files = open_index(file)[0].files
            assert files == scan(ct)[0].files != sorted(files)
    few = files[1:3]
    assert open_index(file, sorted(few))[0].files == few


def test_order_of_files_is_not_kept_while_somebody_writes(ct: Path, tmp_path: Path) -> None:
    """Nobody waits for it, and the answer is the same."""
    file = tmp_path / "index"
    index(ct, file)
    catalog = open_index(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        start = time.monotonic()
        assert catalog[0].files == scan(ct)[0].files
        assert time.monotonic() - start < 10
    with closing(sqlite3.connect(file)) as other:
        assert not other.execute("SELECT 1 FROM names WHERE keyword GLOB 'order*'").fetchall()


def test_series_that_vanish(ct: Path, tmp_path: Path) -> None:
    """Of files that are gone nothing stays in any table."""
    index(ct, tmp_path / "index")
    for path in ct.iterdir():
        path.unlink()
    assert index(ct, tmp_path / "index").vanished == 6
    assert len(open_index(tmp_path / "index")) == 0
    connection = sqlite3.connect(tmp_path / "index")
    for table in ("files", "folders", "instances", "series", "stored_values", "skipped"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


def test_instances_that_are_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Series whose files lie mixed, written in many parts, come out as from one scan."""
    for number in range(4):
        source = tmp_path / f"source{number}"
        encoding = ("explicit", "implicit", "big-endian", "explicit")[number]
        values = synthetic.stored_values((9, 4, 5))
        paths = synthetic.write_series(source, values, syntax=encoding, common={"SeriesNumber": number})
        for place, path in enumerate(paths):
            (tmp_path / "mixed" / f"{place % 3}").mkdir(parents=True, exist_ok=True)
            path.rename(tmp_path / "mixed" / f"{place % 3}" / f"{place:02d}-{number}")
    monkeypatch.setattr(scanning, "FILES_A_CHECK", 3)
    monkeypatch.setattr(scanning, "MAX_INSTANCES", 7)
    index(tmp_path / "mixed", tmp_path / "index")
    assert_same(open_index(tmp_path / "index"), scan(tmp_path / "mixed"))


def test_several_processes(several_series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that two processes read are indexed as from one scan, those that are no images among them."""
    (several_series / "notes.txt").write_text("no image")
    monkeypatch.setattr(header_workers, "CHUNK", 5)
    report = index(several_series, tmp_path / "index", workers=2)
    assert (report.read, report.num_instances) == (49, 48)
    assert_same(open_index(tmp_path / "index"), scan(several_series))
    with pytest.raises(UsageError, match="workers"):
        index(several_series, tmp_path / "other", workers=0)


def test_encodings_within_a_series(tmp_path: Path) -> None:
    """Instances that differ in encoding, character set and private creators are decoded each by its own."""
    paths = synthetic.write_series(tmp_path / "series", synthetic.stored_values((4, 4, 5)))
    for number, path in enumerate(paths):
        dataset = pydicom.dcmread(path)
        dataset.SpecificCharacterSet = "ISO_IR 192" if number % 2 else "ISO_IR 100"
        dataset.StudyDescription = "Schädel"
        dataset.private_block(0x0019, "ONE", create=True).add_new(1, "LO", "first")
        dataset.private_block(0x0019, f"TWO{number % 2}", create=True).add_new(1, "DS", "2.5")
        syntax = ImplicitVRLittleEndian if number > 1 else ExplicitVRLittleEndian
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(path, implicit_vr=number > 1, little_endian=True)
    index(tmp_path / "series", tmp_path / "index")
    catalog = open_index(tmp_path / "index")
    assert_same(catalog, scan(tmp_path / "series"))
    assert catalog[0].attributes["StudyDescription"] == "Schädel"
    names = ["(0019,ONE,01)", "(0019,TWO1,01)", "(0019,1101)", "StudyDescription"]
    for header in catalog[0].instances:
        assert header.further(names) == headers_module.read_header(header.reference, names).attributes


def test_archives(ct: Path, tmp_path: Path) -> None:
    """Members of archives are instances; their pixels are read from the archive, unless that has changed."""
    (tmp_path / "in").mkdir()
    archive = tmp_path / "in" / "study.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for path in sorted(ct.iterdir(), reverse=True):
            out.write(path, f"a/{path.name}")
        out.writestr("readme.txt", "no image")
    index(tmp_path / "in", tmp_path / "index")
    assert index(tmp_path / "in", tmp_path / "index").unchanged == 1
    catalog = open_index(tmp_path / "index")
    assert_same(catalog, scan(tmp_path / "in"))
    assert np.array_equal(catalog[0].volume().array, dicomarray.load(ct).array)
    with zipfile.ZipFile(archive, "a") as out:
        out.writestr("more", "x")
    with pytest.raises(InputError, match="changed since it was indexed"):
        open_index(tmp_path / "index")[0].volume()
    index(tmp_path / "in", tmp_path / "index")
    assert_same(open_index(tmp_path / "index"), scan(tmp_path / "in"))


def test_several_roots(
    make_series: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One index of several folders; one of them can be asked, refreshed and emptied by itself."""
    first, second = make_series(name="a"), make_series(name="b")
    file = tmp_path / "index"
    index(first, file)
    monkeypatch.chdir(tmp_path)
    index("b", "index")
    assert [str(s.instances[0].reference.parent) for s in open_index(file, second)] == [str(second)]
    assert len(open_index(file)) == 2
    one = sorted(second.iterdir())[3]
    assert [h.reference for h in open_index(file, [one])[0].instances] == [one]
    for path in second.iterdir():
        path.unlink()
    assert index(first, file).vanished == 0
    assert len(open_index(file)) == 2
    assert index(second, file).vanished == 6
    assert len(open_index(file, second)) == 0
    with pytest.raises(InputError, match="does not cover"):
        open_index(file, tmp_path / "elsewhere")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root can read everything")
def test_unreadable(ct: Path, tmp_path: Path) -> None:
    """What cannot be opened is skipped with the reason, and read as soon as it can be."""
    (ct / "closed").mkdir(mode=0)
    path = sorted(ct.iterdir())[1]
    path.chmod(0)
    index(ct, tmp_path / "index")
    catalog = open_index(tmp_path / "index")
    assert {item.path for item in catalog.skipped} == {ct / "closed", path}
    path.chmod(0o600)
    (ct / "closed").chmod(0o700)
    assert index(ct, tmp_path / "index").read == 1
    assert open_index(tmp_path / "index").skipped == ()


def test_odd_folders(ct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops of links, broken links, odd names and files that vanish meanwhile are no trouble."""
    (ct / "loop").symlink_to(ct, target_is_directory=True)
    (ct / "nothing").symlink_to(tmp_path / "nowhere")
    odd = ct / os.fsdecode(b"odd-\xff\n")
    sorted(ct.iterdir())[0].rename(odd)
    gone = sorted(path for path in ct.iterdir() if path.is_file())[-2]
    real = os.stat

    def stat_of(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        if os.fspath(path) == str(gone):
            gone.unlink(missing_ok=True)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(scanning.os, "stat", stat_of)
    index(ct, tmp_path / "index")
    monkeypatch.undo()
    catalog = open_index(tmp_path / "index")
    assert odd in {header.reference for header in catalog[0].instances}
    reasons = {item.path: item.reason for item in catalog.skipped}
    assert reasons[gone] == "cannot be read: No such file or directory"
    assert "link to nothing" in reasons[ct / "nothing"]
    assert index(ct, tmp_path / "index").vanished == 0
    assert_same(open_index(tmp_path / "index"), scan(ct))


def test_changed_since(ct: Path, tmp_path: Path) -> None:
    """A file that says something else than when it was indexed is not taken for what it was."""
    index(ct, tmp_path / "index")
    path = sorted(ct.iterdir())[3]
    dataset = pydicom.dcmread(path)
    dataset.ImagePositionPatient[2] += 1000
    dataset.save_as(path)
    with pytest.raises(InputError, match=r"changed.*index"):
        open_index(tmp_path / "index")[0].volume()


def test_only_for_its_owner(ct: Path, tmp_path: Path) -> None:
    """The file, which names patients, and SQLite's files beside it are for their owner's eyes only."""
    index(ct, tmp_path / "index")
    catalog = open_index(tmp_path / "index")
    files = list(tmp_path.glob("index*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert len(catalog) == 1


def test_refused(ct: Path, tmp_path: Path) -> None:
    """Inside the input, other files, databases of other programs or versions: said, and left alone."""
    with pytest.raises(OutputError, match="inside the input"):
        index(ct, ct / "index")
    with pytest.raises(InputError, match="does not exist"):
        index(tmp_path / "nowhere", tmp_path / "index")
    with pytest.raises(InputError, match="there is no index"):
        open_index(tmp_path / "index")
    (tmp_path / "text").write_text("a text")
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE t (x)")
    other.close()
    for name in ("text", "other"):
        before = (tmp_path / name).read_bytes()
        for call in (lambda file: index(ct, file), open_index):
            with pytest.raises(InputError, match="is no index"):
                call(tmp_path / name)
        assert (tmp_path / name).read_bytes() == before
    index(ct, tmp_path / "index")
    newer = sqlite3.connect(tmp_path / "index")
    newer.execute("PRAGMA user_version = 999")
    newer.close()
    for call in (lambda file: index(ct, file), open_index):
        with pytest.raises(InputError, match="schema 999"):
            call(tmp_path / "index")
    with pytest.raises(UsageError, match="nothing to read"):
        dicomarray.dicom_filter(None)


def test_damaged_index(ct: Path, tmp_path: Path) -> None:
    """A damaged file ends in an error of ours that names it."""
    index(ct, tmp_path / "index")
    size = (tmp_path / "index").stat().st_size
    with (tmp_path / "index").open("r+b") as stream:
        stream.seek(100)
        stream.write(b"\xa5" * (size - 100))
    with pytest.raises(InputError, match="cannot be used"):
        open_index(tmp_path / "index")
    with pytest.raises(InputError, match="cannot be used"):
        index(ct, tmp_path / "index")


WORKER = """
import sys, time
from pathlib import Path
from dicomarray.catalog.index import scanning
from dicomarray.catalog.index.scanning import index
scanning.FILES_A_CHECK = 5
save = scanning.Store.save
def slowly(self, batch):
    save(self, batch)
    print("saved", flush=True)
    time.sleep(float(sys.argv[3]))
scanning.Store.save = slowly
print("read", index(sys.argv[1], Path(sys.argv[2])).read, flush=True)
"""


def start(folder: Path, file: Path, pause: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, str(folder), str(file), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def several_series(make_series: Callable[..., Path], tmp_path: Path) -> Path:
    """Eight series in folders below one."""
    for number in range(8):
        make_series(np.zeros((6, 4, 4), np.uint16), f"many/{number}", common={"SeriesNumber": number})
    return tmp_path / "many"


def test_killed(several_series: Path, tmp_path: Path) -> None:
    """After a kill the index opens, says that it is not complete, and goes on where it was."""
    file = tmp_path / "index"
    process = start(several_series, file, 60)
    assert process.stdout is not None
    assert process.stdout.readline() == "saved\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    catalog = open_index(file)
    assert 0 < len(catalog) < 8
    assert [(item.path, item.reason) for item in catalog.skipped] == [(several_series, UNFINISHED)]
    with pytest.raises(InputError, match="not finished"):
        dicomarray.run(None, tmp_path / "out", _same, index=file)
    known = sum(len(series.instances) for series in catalog)
    del catalog
    report = index(several_series, file)
    assert report.unchanged == known > 0
    assert report.read == 48 - known
    assert_same(open_index(file), scan(several_series))


def test_an_archive_of_several_series_when_interrupted(
    several_series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not known before all its instances are, though one of its series is done with earlier."""
    one, other = sorted(several_series.iterdir())[:2]
    with zipfile.ZipFile(several_series / "!.zip", "w") as out:
        for path in (sorted(one.iterdir())[0], *other.iterdir()):
            out.write(path)
            path.unlink()
    monkeypatch.setattr(scanning, "FILES_A_CHECK", 2)

    def interrupt(files: int, size: int = 0, total: int | None = None) -> None:
        if files == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index(several_series, tmp_path / "index", interrupt)
    index(several_series, tmp_path / "index")
    assert_same(open_index(tmp_path / "index"), scan(several_series))


def _same(volume: Any) -> Any:
    return volume


def test_two_at_once_and_readers(several_series: Path, tmp_path: Path) -> None:
    """Two processes index the same files while a third reads: every state seen is whole."""
    file = tmp_path / "index"
    processes = [start(several_series, file, 0.01) for _ in range(2)]
    sizes = []
    while any(process.poll() is None for process in processes):
        if file.is_file() and file.stat().st_size:
            try:
                catalog = open_index(file)
            except InputError as error:
                assert "is empty" in str(error)  # it is being made
                continue
            sizes.append(len(catalog))
            for series in catalog:
                assert len({header.attributes["SOPInstanceUID"] for header in series.instances}) == len(
                    series.instances
                )
        time.sleep(0.01)
    assert [process.returncode for process in processes] == [0, 0]
    assert sizes == sorted(sizes)
    assert_same(open_index(file), scan(several_series))


def test_a_catalog_stays_as_it_was(ct: Path, tmp_path: Path) -> None:
    """What was opened shows one state, whatever another process writes meanwhile."""
    index(ct, tmp_path / "index")
    catalog = open_index(tmp_path / "index")
    for path in sorted(ct.iterdir())[1:]:
        path.unlink()
    index(ct, tmp_path / "index")
    assert len(catalog[0].instances) == 6
    assert len({header.attributes["SOPInstanceUID"] for header in catalog[0].instances}) == 6
    assert len(open_index(tmp_path / "index")[0].instances) == 1


def test_long_values(tmp_path: Path) -> None:
    """Binary and very long values are kept as present, with their length; sequences whole."""
    paths = synthetic.write_series(tmp_path / "series", synthetic.stored_values((2, 4, 5)))
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.ImageComments = "x" * 10_000
        dataset.add_new(0x00420011, "OB", bytes(1000))
        dataset.add_new(0x00081190, "UR", "http://" + "u" * 70_000)
        items = [pydicom.Dataset() for _ in range(3000)]
        for item in items:
            item.ReferencedSOPInstanceUID = "1.2.3"
        dataset.ReferencedImageSequence = items
        dataset.save_as(path)
    index(tmp_path / "series", tmp_path / "index")
    attributes = open_index(tmp_path / "index")[0].attributes
    assert attributes["EncapsulatedDocument"] == "<1000 bytes>"
    assert attributes["RetrieveURL"] == "<70008 bytes>"
    assert len(attributes["ImageComments"]) == 10_000
    assert len(attributes["ReferencedImageSequence"]) == 3000


def test_without_series_uid(tmp_path: Path) -> None:
    """A file without Series Instance UID is a series of its own, and is replaced and removed like any."""
    paths = synthetic.write_series(
        tmp_path / "series", synthetic.stored_values((3, 4, 5)), common={"SeriesInstanceUID": ...}
    )
    index(tmp_path / "series", tmp_path / "index")
    assert_same(open_index(tmp_path / "index"), scan(tmp_path / "series"))
    os.utime(paths[1], (1, 1))
    paths[0].unlink()
    index(tmp_path / "series", tmp_path / "index")
    assert_same(open_index(tmp_path / "index"), scan(tmp_path / "series"))
    assert len(open_index(tmp_path / "index")) == 2
