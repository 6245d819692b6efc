"""Which series is meant: the filter, the one choice, and messages that help to choose."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import synthetic
from dicomarray import dicom_filter, scan
from dicomarray.catalog.series_selection import ScanRequest, file_stem, select
from dicomarray.errors import ChoiceError, ConfigError, InputError


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Three series: a CT, an MR without description, a CT whose slices differ in kVP; and a note."""
    array = synthetic.stored_values((2, 3, 4))
    folder = tmp_path / "archive"
    for number, modality in ((1, "CT"), (2, "MR"), (3, "CT")):
        common = {"SeriesNumber": number, "SeriesInstanceUID": f"1.2.{number}"}
        common |= {"SeriesDescription": ...} if modality == "MR" else {}
        each = [{"KVP": 80}, {"KVP": 140}] if number == 3 else None
        synthetic.write_series(folder / str(number), array, modality=modality, common=common, each=each)
    (folder / "notes.txt").write_text("notes")
    return folder


def test_filter_gives_the_series_that_match(archive: Path) -> None:
    """They come in the order of the catalog."""
    assert [s.uid for s in dicom_filter(archive, {"Modality": "CT"})] == ["1.2.1", "1.2.3"]
    assert dicom_filter(archive, {"Modality": "PT"}) == []


@pytest.mark.parametrize("config", [None, {}])
def test_no_config_matches_all(archive: Path, config: dict[str, str] | None) -> None:
    """None and {} filter nothing."""
    assert len(dicom_filter(archive, config)) == 3


def test_config_may_be_a_file(archive: Path, tmp_path: Path) -> None:
    """Its path may be a Path or a text."""
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"Modality": "MR"}))
    assert [s.uid for s in dicom_filter(archive, path)] == ["1.2.2"]
    assert [s.uid for s in dicom_filter(str(archive), str(path))] == ["1.2.2"]


def test_config_holds_for_every_instance(archive: Path) -> None:
    """A series of which only some instances match does not."""
    assert [s.uid for s in dicom_filter(archive, {"Modality": "CT", "KVP": 120})] == ["1.2.1"]
    assert dicom_filter(archive, {"KVP": 80}) == []


def test_attribute_beyond_the_usual_ones_can_be_filtered(archive: Path) -> None:
    """The scan reads what the config asks for."""
    assert len(dicom_filter(archive, {"StudyDate": "20240101"})) == 3
    assert dicom_filter(archive, {"StudyDate": "20240102"}) == []


def test_filter_by_tag_loses_no_other_attribute(archive: Path) -> None:
    """The series found by the tag of Rows still are images."""
    found = dicom_filter(archive, {"(0028,0010)": 3})
    assert len(found) == 3
    assert all(series.is_image for series in found)


def test_mistaken_config_is_told_before_anything_is_read(tmp_path: Path) -> None:
    """Also where the folder does not exist."""
    with pytest.raises(ConfigError, match="Modalty"):
        dicom_filter(tmp_path / "nowhere", {"Modalty": "CT"})


def test_missing_folder_is_told(tmp_path: Path) -> None:
    """The error gives its name."""
    with pytest.raises(InputError, match="nowhere"):
        dicom_filter(tmp_path / "nowhere")


def test_filtered_catalog_tells_what_was_skipped(archive: Path) -> None:
    """The series that match, and all that was found."""
    found = select(ScanRequest(archive, config={"Modality": "MR"}))
    matching, catalog = found.series, found.catalog
    assert (len(matching), len(catalog), len(catalog.skipped)) == (1, 3, 1)


# --- one of them ----------------------------------------------------------------------------------------


def test_the_only_series_needs_no_choice(ct: Path) -> None:
    """The one series with images is taken."""
    assert select(ScanRequest(ct)).one().uid == scan(ct)[0].uid


def test_several_series_are_listed(archive: Path) -> None:
    """Modality, number, UID, count and description of each, and how to choose; no patient."""
    with pytest.raises(ChoiceError) as caught:
        select(ScanRequest(archive)).one()
    message = str(caught.value)
    assert str(archive) in message
    for number, modality in ((1, "CT"), (2, "MR"), (3, "CT")):
        assert f"{modality} {number} 1.2.{number}: 2 instances" in message
    assert "no description" in message
    assert "series=" in message
    assert "SYNTHETIC^SERIES" not in message
    assert "SYNTHETIC-1" not in message


def test_uid_or_config_chooses(archive: Path) -> None:
    """Either of them chooses, and both do."""
    assert select(ScanRequest(archive, series="1.2.3")).one().uid == "1.2.3"
    assert select(ScanRequest(archive, config={"Modality": "MR"})).one().uid == "1.2.2"
    assert select(ScanRequest(archive, config={"Modality": "CT"}, series="1.2.1")).one().uid == "1.2.1"
    with pytest.raises(ChoiceError):
        select(ScanRequest(archive, config={"Modality": "CT"})).one()


def test_unknown_uid_is_told(archive: Path) -> None:
    """With the UID, and where to look."""
    with pytest.raises(InputError, match=re.escape("1.2.9")):
        select(ScanRequest(archive, series="1.2.9")).one()


def test_nothing_matching_is_told_from_nothing_there(archive: Path, tmp_path: Path) -> None:
    """A filter that is too narrow, and a folder without images, have their own messages."""
    with pytest.raises(InputError, match="none of its 3 series"):
        select(ScanRequest(archive, config={"Modality": "PT"})).one()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("x")
    with pytest.raises(InputError, match=r"no DICOM images.*1 files? skipped.*a\.txt: not DICOM"):
        select(ScanRequest(tmp_path / "texts")).one()
    (tmp_path / "mask.nii.gz").write_bytes(b"x")
    with pytest.raises(InputError, match=r"not DICOM; Volume\.load reads NIfTI"):
        select(ScanRequest(tmp_path / "mask.nii.gz")).one()


def test_objects_without_pixels_are_no_choice(ct: Path, pydicom_data: Path) -> None:
    """A plan beside a CT leaves one series to convert."""
    (ct / "plan").write_bytes((pydicom_data / "test_files" / "rtplan.dcm").read_bytes())
    assert select(ScanRequest(ct)).one().attributes["Modality"] == "CT"


@pytest.mark.parametrize("empty", [[], (), iter(())])
def test_no_path_at_all_is_told(empty: list[Path]) -> None:
    """An empty list of paths is our error, not an IndexError."""
    with pytest.raises(InputError):
        select(ScanRequest(empty)).one()


def test_paths_from_a_generator_are_named_in_errors(tmp_path: Path) -> None:
    """A generator is used up by the scan; the message still can name the path."""
    with pytest.raises(InputError, match="no DICOM images"):
        select(ScanRequest(path for path in [tmp_path])).one()


# --- names ----------------------------------------------------------------------------------------------


def test_file_stem_is_the_same_every_time_and_names_nobody(archive: Path) -> None:
    """It is made of modality, number and a digest of the UID, safe and distinct."""
    stems = [file_stem(series) for series in scan(archive)]
    assert stems == [file_stem(series) for series in scan(archive)]
    assert len(set(stems)) == 3
    assert all(re.fullmatch(r"(CT|MR)_000[123]_[0-9a-f]{8}", stem) for stem in stems)


@pytest.mark.parametrize(
    ("common", "pattern"),
    [
        ({"SeriesNumber": None}, r"CT_0000_\w{8}"),
        ({"SeriesNumber": 12345}, r"CT_12345_\w{8}"),
        ({"Modality": "../X"}, r"X_0001_\w{8}"),
        ({"Modality": None}, r"[A-Za-z]+_0001_\w{8}"),
        ({"SeriesInstanceUID": ...}, r"CT_0001_\w{8}"),
    ],
)
def test_odd_headers_make_usable_names(
    make_series: Callable[..., Path], common: dict[str, object], pattern: str
) -> None:
    """Nothing of a header can lead out of the folder."""
    folder = make_series(synthetic.stored_values((1, 3, 4)), common=common)
    assert re.fullmatch(pattern, file_stem(scan(folder)[0]))


def test_places_and_how_they_are_shown() -> None:
    """One path, or the first of several."""
    assert ScanRequest("a").roots == (Path("a"),)
    assert ScanRequest([Path("a"), "b"]).roots == (Path("a"), Path("b"))
    assert str(ScanRequest("a")) == "a"
    assert str(ScanRequest(["a", "b", "c"])) == "a and 2 more"


def test_a_limit_counts_the_series_that_are_meant(archive: Path) -> None:
    """The UID chooses first, then the config ranks and limits: everywhere the same."""
    first = {"Modality": "CT", "sort": "SeriesNumber", "limit": 1}
    assert [series.uid for series in select(ScanRequest(archive, config=first)).series] == ["1.2.1"]
    found = select(ScanRequest(archive, config=first, series="1.2.3"))
    assert [series.uid for series in found.series] == ["1.2.3"]
    assert found.one().uid == "1.2.3"
