"""A slice whose file cannot be read is told, also where no gap between the others tells it."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import dicomarray
import synthetic
from dicomarray.catalog.index.opening import open_index
from dicomarray.catalog.index.scanning import index
from dicomarray.catalog.scan import scan

Damage = Callable[[Path], object]
DAMAGES: dict[str, Damage] = {
    "empty": lambda file: file.write_bytes(b""),
    "cut in its header": lambda file: file.write_bytes(file.read_bytes()[:250]),
    "cut in the UID of its class": lambda file: file.write_bytes(
        file.read_bytes()[: file.read_bytes().index(b"\x08\x00\x16\x00UI") + 22]
    ),
    "only zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "garbage behind its preamble": lambda file: file.write_bytes(file.read_bytes()[:140] + b"\xff" * 500),
    "a link to nothing": lambda file: (file.unlink(), file.symlink_to("nowhere")),
}
HARMLESS: dict[str, Damage] = {
    "a text": lambda file: file.write_text("not DICOM"),
    "a zip of texts": lambda file: zipfile.ZipFile(file, "w").writestr("a.txt", "text" * 100),
    "gone": lambda file: file.unlink(),
}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A CT of six slices; beside it, in a folder of its own, another one."""
    synthetic.write_series(tmp_path / "in" / "other", synthetic.stored_values())
    return synthetic.write_series(tmp_path / "in" / "ct", synthetic.stored_values())


def warnings_of(catalog: dicomarray.Catalog) -> list[list[str]]:
    """What the volumes say of lost files, those of the shortest series first."""
    volumes = [volume for series in catalog for volume in series.volumes()]
    volumes.sort(key=lambda volume: volume.array.shape)
    return [[text for text in volume.warnings if "may be missing" in text] for volume in volumes]


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_lost_slice_is_told(files: list[Path], tmp_path: Path, damage: Damage, place: int) -> None:
    """Scanned and indexed: the volume beside it names the file and why, the other one says nothing."""
    damage(files[place])
    catalog = scan(tmp_path / "in")
    index(tmp_path / "in", tmp_path / "index")
    (told,), silent = warnings_of(catalog)
    assert not silent
    (skipped,) = catalog.skipped
    assert f"{files[place].name} ({skipped.reason})" in told
    assert warnings_of(open_index(tmp_path / "index")) == [[told], []]
    assert warnings_of(open_index(tmp_path / "index", files[0].parent)) == [[told]]
    assert warnings_of(open_index(tmp_path / "index", tmp_path / "in" / "other")) == [[]]


@pytest.mark.parametrize("damage", HARMLESS.values(), ids=list(HARMLESS))
def test_what_was_no_image_is_not_told(files: list[Path], damage: Damage) -> None:
    """Texts and the like lie beside images everywhere."""
    damage(files[0])
    assert warnings_of(scan(files[0].parent)) == [[]]


def test_directories_of_media_are_not_told(files: list[Path]) -> None:
    """A DICOMDIR is skipped, and lost with it is nothing."""
    from pydicom.data import get_testdata_file

    directory = Path(str(get_testdata_file("DICOMDIR", download=False)))
    (files[0].parent / "DICOMDIR").write_bytes(directory.read_bytes())
    catalog = scan(files[0].parent)
    assert len(catalog.skipped) == 1
    assert warnings_of(catalog) == [[]]


def zip_with_damage(files: list[Path], archive: Path) -> None:
    """A zip in which a byte of the last file's pixels is another one."""
    with zipfile.ZipFile(archive, "w") as made:
        for file in files:
            made.write(file, f"images/{file.name}")
    content = bytearray(archive.read_bytes())
    place = content.rfind(files[-1].read_bytes()[-50:])
    content[place] ^= 0xFF
    archive.write_bytes(content)


def test_a_bad_member_is_told(files: list[Path], tmp_path: Path) -> None:
    """Of an archive, whatever folder of it the member is in; scanned and indexed."""
    zip_with_damage(files, tmp_path / "in" / "a.zip")
    for file in (tmp_path / "in").glob("*/*"):
        file.unlink()
    ((told,),) = warnings_of(scan(tmp_path / "in"))
    assert files[-1].name in told and "CRC" in told
    index(tmp_path / "in", tmp_path / "index")
    assert warnings_of(open_index(tmp_path / "index")) == [[told]]


def test_a_damaged_compressed_file_is_told(files: list[Path], tmp_path: Path) -> None:
    """A slice a file, each compressed by itself."""
    for file in files:
        content = gzip.compress(file.read_bytes(), mtime=0)
        file.with_suffix(".gz").write_bytes(content if file is not files[0] else content[:300])
        file.unlink()
    ((told,),) = warnings_of(scan(files[0].parent))
    assert f"{files[0].stem}.gz" in told
    index(files[0].parent, tmp_path / "index")
    assert warnings_of(open_index(tmp_path / "index")) == [[told]]


def test_many_lost_files_are_counted(files: list[Path]) -> None:
    """A few are named, so that a warning stays short."""
    for number in range(20):
        (files[0].parent / f"empty{number:02d}").touch()
    ((told,),) = warnings_of(scan(files[0].parent))
    assert told.startswith("20 files beside the images")
    assert told.endswith("and 17 more [unreadable]")
    assert told.count("an empty file") == 3


def test_sidecar_and_ledger_have_it(files: list[Path], tmp_path: Path) -> None:
    """The warning reaches what is kept of a conversion, and of a run with workers; reports list the file."""
    files[-1].write_bytes(b"")
    report = dicomarray.to_numpy(files[0].parent, tmp_path / "a.npy")
    (kept,) = json.loads((tmp_path / "a.json").read_text())["warnings"]
    assert kept == report.warnings[0]
    assert [item.path for item in report.skipped] == [files[-1]]
    done = dicomarray.run(tmp_path / "in", tmp_path / "out", "dicomarray.demo.functions:smooth", workers=2)
    assert sorted(sum("may be missing" in text for text in entry.warnings) for entry in done) == [0, 1]
    assert [(group.reason, group.count) for group in done.skipped] == [("an empty file", 1)]
