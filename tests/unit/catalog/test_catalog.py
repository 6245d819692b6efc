"""From files to series: nothing lost, nothing mixed up, and a reason for what was left out."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

import synthetic
from dicomarray import Catalog, Series, scan
from dicomarray.errors import HeaderError, InputError

MakeSeries = Callable[..., Path]


def small(slices: int = 2) -> NDArray[Any]:
    return synthetic.stored_values((slices, 3, 4))


def test_series_are_told_apart_by_their_uid(tmp_path: Path) -> None:
    """Two series whose files lie mixed in one folder, and one whose files lie in two."""
    for number, uid in ((1, "1.2.1"), (2, "1.2.2")):
        common = {"SeriesInstanceUID": uid, "SeriesNumber": number}
        synthetic.write_series(tmp_path / "mixed", small(3), common=common)
    synthetic.write_series(
        tmp_path / "more", small(2), common={"SeriesInstanceUID": "1.2.2", "SeriesNumber": 2}
    )
    catalog = scan(tmp_path)
    assert [(series.uid, len(series.instances)) for series in catalog] == [("1.2.1", 3), ("1.2.2", 5)]
    assert len(catalog.skipped) == 0


def test_catalog_is_a_sequence(tmp_path: Path) -> None:
    """len, index, slice, iteration, and a text that shows counts only."""
    for number in (1, 2, 3):
        synthetic.write_series(tmp_path / str(number), small(1), common={"SeriesNumber": number})
    catalog = scan(tmp_path)
    assert isinstance(catalog, Catalog)
    assert len(catalog) == 3
    assert isinstance(catalog[0], Series)
    assert list(catalog) == [catalog[0], catalog[1], catalog[-1]]
    assert list(catalog[1:]) == list(catalog)[1:]
    assert catalog[2] in catalog
    assert repr(catalog) == "<Catalog of 3 series, 0 files skipped>"


def test_order_is_by_number_then_uid(tmp_path: Path) -> None:
    """10 comes after 9, series without a number last, whatever the folders are called."""
    numbers = {"z": 2, "y": 10, "x": 9, "w": None, "v": 2}
    for folder, number in numbers.items():
        common = {"SeriesNumber": number, "SeriesInstanceUID": f"1.2.{ord(folder)}"}
        synthetic.write_series(tmp_path / folder, small(1), common=common)
    uids = [f"1.2.{ord(folder)}" for folder in "vzxyw"]
    assert [series.uid for series in scan(tmp_path)] == uids
    files = [path for path in tmp_path.rglob("*.dcm")]
    random.Random(1).shuffle(files)
    assert [series.uid for series in scan(files)] == uids


def test_everything_left_out_has_a_reason(tmp_path: Path, ct: Path, pydicom_data: Path) -> None:
    """Text, an empty file, a DICOMDIR, a dead link: told by path and reason; the series is read."""
    (ct / "notes.txt").write_text("Patient: somebody")
    (ct / "empty.dcm").touch()
    (ct / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    shutil.copy(next((pydicom_data / "test_files").rglob("DICOMDIR")), ct / "DICOMDIR")
    (ct / "gone").symlink_to(ct / "nothing")
    catalog = scan(ct)
    assert [len(series.instances) for series in catalog] == [6]
    reasons = {item.path.name: item.reason for item in catalog.skipped}
    assert reasons.keys() == {"notes.txt", "empty.dcm", ".DS_Store", "DICOMDIR", "gone"}
    assert reasons["notes.txt"] == "not DICOM"
    assert "empty" in reasons["empty.dcm"]
    assert "DICOMDIR" in reasons["DICOMDIR"]
    assert "link" in reasons["gone"]


def test_reasons_name_nobody(ct: Path) -> None:
    """What a damaged file holds is not quoted."""
    content = (ct / "0001.dcm").read_bytes()
    (ct / "0001.dcm").write_bytes(content[: content.index(b"SYNTHETIC^SERIES") + 9])
    (ct / "text").write_text("SYNTHETIC^SERIES")
    assert not any("SYNTHETIC" in item.reason for item in scan(ct).skipped)


def test_files_without_a_series_uid_are_series_of_their_own(make_series: MakeSeries) -> None:
    """They must not be thrown together: nothing says that they belong to each other."""
    catalog = scan(make_series(small(3), common={"SeriesInstanceUID": ...}))
    assert [(series.uid, len(series.instances)) for series in catalog] == [("", 1)] * 3


def test_objects_without_pixels_are_found_but_are_no_images(
    tmp_path: Path, pydicom_data: Path, ct: Path
) -> None:
    """Reports, plans and structures are series, and not among the images."""
    for name in ("rtplan.dcm", "rtstruct.dcm", "test-SR.dcm"):
        shutil.copy(pydicom_data / "test_files" / name, ct / name)
    catalog = scan(ct)
    assert len(catalog) == 4
    assert [series.attributes["Modality"] for series in catalog.images] == ["CT"]


@pytest.mark.parametrize("kind", ["str", "Path", "list", "generator", "files"])
def test_paths_of_any_kind(ct: Path, kind: str) -> None:
    """It takes one path or several, text or Path, folder or files."""
    paths: dict[str, Any] = {
        "str": str(ct),
        "Path": ct,
        "list": [str(ct)],
        "generator": (path for path in [ct]),
        "files": sorted(ct.glob("*.dcm")),
    }
    assert [len(series.instances) for series in scan(paths[kind])] == [6]


def test_folder_and_its_file_count_the_file_once(ct: Path) -> None:
    """The same file given twice is one instance, not a duplicate."""
    assert [len(series.instances) for series in scan([ct, ct / "0001.dcm"])] == [6]


def test_missing_path_is_an_error(tmp_path: Path) -> None:
    """A misspelt folder is not an empty archive."""
    with pytest.raises(InputError, match="nowhere"):
        scan(tmp_path / "nowhere")


def test_empty_folder_is_an_empty_catalog(tmp_path: Path) -> None:
    """There is no error, no series, and nothing is skipped."""
    catalog = scan(tmp_path)
    assert (len(catalog), len(catalog.skipped)) == (0, 0)


def test_attributes_asked_for_are_read_with_the_scan(ct: Path) -> None:
    """They are read by keyword or tag, beside the usual ones."""
    header = scan(ct, attributes=["StudyDate", "(0008,0090)"])[0].instances[0]
    assert header.attributes["StudyDate"] == "20240101"
    assert header.attributes["(0008,0090)"] is None
    assert header.attributes["Modality"] == "CT"


@pytest.mark.parametrize(("tag", "keyword"), [("(0018,0060)", "KVP"), ("(0028,0010)", "Rows")])
def test_tag_asked_for_does_not_hide_its_keyword(ct: Path, tag: str, keyword: str) -> None:
    """One attribute under two names is there under both: without Rows nothing would be an image."""
    series = scan(ct, attributes=[tag])[0]
    for header in series.instances:
        assert header.attributes[tag] == header.attributes[keyword] in (120, 12)
    assert series.is_image


@pytest.mark.parametrize("empty", [True, False])
def test_misspelt_attribute_is_an_error(tmp_path: Path, ct: Path, empty: bool) -> None:
    """In any folder, also an empty one: the name is wrong whatever the files are."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(HeaderError, match="SliceThicknes"):
        scan(tmp_path / "empty" if empty else ct, attributes=["SliceThicknes"])


def test_progress_counts_every_file(ct: Path) -> None:
    """Read or skipped; the bytes are those of the instances, and how many files there are is known."""
    instances = sum(path.stat().st_size for path in ct.iterdir())
    (ct / "notes.txt").write_text("x")
    told: list[tuple[int, int, int | None]] = []

    def progress(files: int, size: int = 0, total: int | None = None, /) -> None:
        told.append((files, size, total))

    scan(ct, progress=progress)
    assert [files for files, _, _ in told] == list(range(1, 8))
    assert told[-1] == (7, instances, 7)


def test_scan_reads_no_pixels_and_changes_nothing(ct: Path, contents: Callable[[Path], object]) -> None:
    """A file cut off in its pixel data is in the catalog; the folder is as before."""
    file = ct / "0003.dcm"
    file.write_bytes(file.read_bytes()[:-300])
    before = contents(ct)
    assert [len(series.instances) for series in scan(ct)] == [6]
    assert contents(ct) == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_unreadable_file_is_skipped_with_a_reason(ct: Path) -> None:
    """The other files are read."""
    (ct / "0001.dcm").chmod(0)
    catalog = scan(ct)
    assert [len(series.instances) for series in catalog] == [5]
    assert "Permission" in catalog.skipped[0].reason


def test_real_series_are_found(real_data: Path) -> None:
    """A CT with its DICOMDIR and two sagittal MR series in one folder are found."""
    ct = scan(real_data / "ct-philips-5mm")
    assert [len(series.instances) for series in ct] == [28]
    assert [item.path.name for item in ct.skipped] == ["DIRFILE"]
    mr = scan(real_data / "mr-siemens-sagittal")
    assert [len(series.instances) for series in mr] == [35, 35]
    assert [series.attributes["SeriesNumber"] for series in mr] == [2, 3]
