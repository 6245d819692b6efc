"""Series in a store: headers by ranges, whole objects when pixels are read."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian

import dicomarray
import enhanced_files
import synthetic
from dicomarray.cli.main import main
from dicomarray.errors import InputError, StorageError, UsageError
from dicomarray.sources import fsspec

memory = pytest.importorskip("fsspec.implementations.memory")
STORE = "memory://archive"


@pytest.fixture(autouse=True)
def store() -> Iterator[Any]:
    """An empty store."""
    made = memory.MemoryFileSystem()
    made.store.clear()
    yield made
    made.store.clear()


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Bytes that were fetched from the store, by file."""
    counts: Counter[str] = Counter()
    ranges, files = memory.MemoryFileSystem.cat_file, memory.MemoryFileSystem.get_file

    def cat_file(self: Any, path: str, *arguments: Any, **keywords: Any) -> bytes:
        data: bytes = ranges(self, path, *arguments, **keywords)
        counts[path] += len(data)
        return data

    def get_file(self: Any, path: str, *arguments: Any, **keywords: Any) -> None:
        counts[path] += self.size(path)
        files(self, path, *arguments, **keywords)

    monkeypatch.setattr(memory.MemoryFileSystem, "cat_file", cat_file)
    monkeypatch.setattr(memory.MemoryFileSystem, "get_file", get_file)
    return counts


def put(store: Any, folder: Path) -> None:
    for path in folder.rglob("*.dcm"):
        store.pipe_file(f"/archive/{path.relative_to(folder).as_posix()}", path.read_bytes())


def big(folder: Path, uid: str = "1.2.3", **common: Any) -> Any:
    """A series of files that are much larger than what is fetched for their headers."""
    values = np.clip(synthetic.stored_values((4, 300, 400)), 0, 4000)
    synthetic.write_series(folder, values, common={"SeriesInstanceUID": uid, **common})
    return dicomarray.load(folder)


def test_scan_fetches_headers_only(tmp_path: Path, store: Any, fetched: Counter[str]) -> None:
    """The bytes that are fetched are those of headers; the catalog is that of the files themselves."""
    big(tmp_path / "ct")
    big(tmp_path / "ct" / "more", "1.2.4")
    put(store, tmp_path / "ct")
    catalog = dicomarray.scan(STORE)
    assert [series.uid for series in catalog] == ["1.2.3", "1.2.4"]
    local = dicomarray.scan(tmp_path / "ct")
    for far, near in zip(catalog, local, strict=True):
        assert [dict(h.attributes) for h in far.instances] == [dict(h.attributes) for h in near.instances]
    assert len(fetched) == 8
    assert max(fetched.values()) == fsspec.FIRST_FETCH < store.size("/archive/0001.dcm") / 3
    assert [str(file) for file in catalog[0].files] == [f"{STORE}/{n:04d}.dcm" for n in range(1, 5)]


def test_volume(tmp_path: Path, store: Any, fetched: Counter[str]) -> None:
    """Pixels come from the whole files, each fetched once a volume."""
    expected = big(tmp_path / "ct")
    put(store, tmp_path / "ct")
    (series,) = dicomarray.dicom_filter(STORE, {"Modality": "CT", "num_slices": 4})
    np.testing.assert_array_equal(series.volume().array, expected.array)
    assert fetched["/archive/0001.dcm"] == fsspec.FIRST_FETCH + store.size("/archive/0001.dcm")
    np.testing.assert_array_equal(series.volume(units="stored").array, expected.array - expected.array.min())
    again = dicomarray.load(STORE)
    assert again.metadata["geometry"] == expected.metadata["geometry"]


def test_nothing_is_left_of_what_was_fetched(
    tmp_path: Path, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is fetched for pixels lies in a private folder, and is gone when they are read."""
    expected = big(tmp_path / "ct")
    put(store, tmp_path / "ct")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    (series,) = dicomarray.scan(STORE)
    np.testing.assert_array_equal(series.volume().array, expected.array)
    reference = series.references[0]
    assert isinstance(reference, fsspec.StoredObject)
    with reference.open() as stream:
        assert stream.read() == (tmp_path / "ct" / "0001.dcm").read_bytes()
        assert list(temporary.iterdir())
    assert not list(temporary.iterdir())


def test_series_of_a_store_can_be_sent_to_another_process(tmp_path: Path) -> None:
    """Whoever has a header opens its object: no process has to have scanned the store."""
    big(tmp_path / "ct")
    (series,) = dicomarray.scan(f"file://{tmp_path}/ct")
    (tmp_path / "series").write_bytes(pickle.dumps(series))
    code = (
        "import pickle, sys\n"
        "series = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(series.volume().array.shape, series.attributes['PatientID'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "series"], check=True, capture_output=True, text=True
    )
    assert done.stdout.startswith("(4, 300, 400)")


def test_long_header(tmp_path: Path, store: Any, fetched: Counter[str]) -> None:
    """A header that goes on behind the first bytes is fetched to its end."""
    dataset = dcmread(synthetic_file(tmp_path))
    dataset.add_new(0x00091001, "OB", bytes(200_000))
    dataset.add_new(0x00090010, "LO", "SOMEBODY")
    dataset.save_as(tmp_path / "ct" / "0001.dcm")
    put(store, tmp_path / "ct")
    np.testing.assert_array_equal(dicomarray.load(STORE).array, dicomarray.load(tmp_path / "ct").array)
    (series,) = dicomarray.scan(STORE)
    assert fetched["/archive/0001.dcm"] > 200_000
    before = fetched.total()
    assert series.instances[0].further(["(0009,1001)"]) == {"(0009,1001)": "<200000 bytes>"}
    assert fetched.total() == before
    assert series.instances[0].number("Rows") == 300


def synthetic_file(tmp_path: Path) -> Path:
    big(tmp_path / "ct")
    return tmp_path / "ct" / "0001.dcm"


def test_multiframe(tmp_path: Path, store: Any) -> None:
    """The number of frames is checked against the size of the file, not of its first bytes."""
    frames = np.arange(8 * 100 * 100, dtype=np.uint16).reshape(8, 100, 100) % 1000
    (tmp_path / "mr").mkdir()
    groups = [{**enhanced_files.at(z)} for z in range(8)]
    enhanced_files.write_enhanced(tmp_path / "mr" / "a.dcm", frames, groups)
    put(store, tmp_path / "mr")
    (series,) = dicomarray.dicom_filter(STORE, {"num_slices": 8})
    np.testing.assert_array_equal(series.volume(units="stored").array, frames)


def test_what_only_the_whole_file_tells(tmp_path: Path, store: Any) -> None:
    """A deflated file and an archive are fetched whole; of what is neither, a few bytes."""
    expected = big(tmp_path / "ct")
    for path in (tmp_path / "ct").iterdir():
        dataset = dcmread(path)
        dataset.SeriesInstanceUID, dataset.SOPInstanceUID = "1.2.9", f"{dataset.SOPInstanceUID}.9"
        dataset.PixelData = np.random.default_rng(1).integers(0, 4000, (300, 400), np.uint16).tobytes()
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        dataset.save_as(tmp_path / path.name)
        store.put(str(tmp_path / path.name), f"/archive/deflated/{path.name}")
    with zipfile.ZipFile(tmp_path / "ct.zip", "w") as archive:
        for path in (tmp_path / "ct").iterdir():
            archive.write(path, path.name)
    store.put(str(tmp_path / "ct.zip"), "/archive/ct.zip")
    store.pipe_file("/archive/large.nii", b"n+1" + bytes(1_000_000))
    catalog = dicomarray.scan(STORE)
    assert [series.uid for series in catalog] == ["1.2.3", "1.2.9"]
    np.testing.assert_array_equal(catalog[0].volume().array, expected.array)
    assert catalog[1].volume().array.shape == (4, 300, 400)
    assert [(str(s.path), s.reason) for s in catalog.skipped] == [(f"{STORE}/large.nii", "not DICOM")]


def test_store_without_ranges(tmp_path: Path, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that answers with the whole file, as some web servers do, is read all the same."""
    expected = big(tmp_path / "ct")
    put(store, tmp_path / "ct")
    monkeypatch.setattr(
        memory.MemoryFileSystem, "cat_ranges", lambda self, paths, *_, **__: [self.cat_file(p) for p in paths]
    )
    np.testing.assert_array_equal(dicomarray.load(STORE).array, expected.array)


def test_names_that_no_file_here_can_have(tmp_path: Path, store: Any) -> None:
    """Keys may hold anything: no file here is called by them."""
    big(tmp_path / "ct")
    put(store, tmp_path / "ct")
    store.store["/archive/../../escaped.dcm"] = memory.MemoryFile(
        store, "/archive/../../escaped.dcm", (tmp_path / "ct" / "0001.dcm").read_bytes()
    )
    (series,) = dicomarray.scan(STORE)
    assert f"{STORE}/../../escaped.dcm" in map(str, series.files)
    assert series.volume().array.shape == (4, 300, 400)
    assert not (tmp_path / "escaped.dcm").exists()


def test_changed_after_the_scan(tmp_path: Path, store: Any) -> None:
    """Another file in the place of one that was scanned is refused."""
    big(tmp_path / "ct")
    big(tmp_path / "other", SeriesDescription="ANOTHER SERIES OF IMAGES")
    put(store, tmp_path / "ct")
    (series,) = dicomarray.scan(STORE)
    store.put(str(tmp_path / "other" / "0002.dcm"), "/archive/0002.dcm")
    with pytest.raises(InputError, match=r"memory://archive/0002.dcm was changed"):
        series.volume()


def test_duplicates_are_told_by_their_pixels(tmp_path: Path, store: Any) -> None:
    """Files with equal headers and different pixels are no copies, though they begin alike."""
    big(tmp_path / "ct")
    dataset = dcmread(tmp_path / "ct" / "0001.dcm")
    dataset.PixelData = bytes(len(dataset.PixelData))
    dataset.save_as(tmp_path / "ct" / "zeros.dcm")
    put(store, tmp_path / "ct")
    far, near = (
        [volume.array.shape for volume in dicomarray.scan(place)[0].volumes(duplicates="split")]
        for place in (STORE, tmp_path / "ct")
    )
    assert far == near
    assert len(far) == 2


def test_failing_store(tmp_path: Path, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header that cannot be had for a fault of the store is no skipped file: a slice would be lost."""
    big(tmp_path / "ct")
    put(store, tmp_path / "ct")
    usual = memory.MemoryFileSystem.cat_file

    def failing(error: Exception) -> Any:
        def cat_file(self: Any, path: str, *arguments: Any, **keywords: Any) -> Any:
            if path.endswith("0002.dcm"):
                raise error
            return usual(self, path, *arguments, **keywords)

        return cat_file

    monkeypatch.setattr(memory.MemoryFileSystem, "cat_file", failing(TimeoutError("no answer")))
    with pytest.raises(StorageError, match=r"memory://archive.*no answer"):
        dicomarray.scan(STORE)
    monkeypatch.setattr(memory.MemoryFileSystem, "cat_file", failing(PermissionError(13, "forbidden")))
    catalog = dicomarray.scan(STORE)
    assert [(str(s.path), s.reason) for s in catalog.skipped] == [
        (f"{STORE}/0002.dcm", "cannot be read: forbidden")
    ]


def test_conversions(tmp_path: Path, store: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A URL is an input of to-numpy, to-dicom and filter; an output of none of them, nor of an index."""
    expected = big(tmp_path / "ct")
    put(store, tmp_path / "ct")
    assert main(["to-numpy", "-i", STORE, "-n", str(tmp_path / "a.npy")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), expected.array)
    report = dicomarray.to_dicom(tmp_path / "a.npy", STORE, tmp_path / "out")
    np.testing.assert_array_equal(dicomarray.load(tmp_path / "out").array, expected.array)
    assert len(report.files) == 4
    capsys.readouterr()
    assert main(["filter", "-i", STORE, "--format", "files"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{STORE}/{n:04d}.dcm" for n in range(1, 5)]
    for refused in (
        lambda: dicomarray.to_numpy(tmp_path / "ct", "memory://a.npy"),
        lambda: dicomarray.to_dicom(expected.array, tmp_path / "ct", "memory://out"),
        lambda: dicomarray.index(STORE, tmp_path / "index"),
    ):
        with pytest.raises(UsageError, match="only a path on this computer"):
            refused()
